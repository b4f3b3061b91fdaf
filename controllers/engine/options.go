package engine

import (
	"os"
	"os/user"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"
)

// DefaultCallTimeout is longer than the 20 s for which a manager without a leader holds a call. The operator then
// sees the manager's answer, which says why, instead of its own deadline.
const DefaultCallTimeout = 30 * time.Second

// Options say which engine to open, and how. The zero value chooses as the docker CLI does.
type Options struct {
	Host      string // --host; if "": DOCKER_HOST, the context, or the default socket
	Context   string // --context; if "": DOCKER_CONTEXT or the docker config's current context
	TLS       TLS
	ConfigDir string // docker's --config; if "": DOCKER_CONFIG or ~/.docker

	// CallTimeout bounds one call from its start to the last byte of its answer. For a stream (events) it bounds only
	// the time to the first byte. Zero means DefaultCallTimeout.
	CallTimeout time.Duration

	// Redact is given each text that others wrote and that people may read: what engines, registries and tasks say of
	// errors, and warnings. It returns what may be shown. nil means that it may be shown as it is.
	Redact    func(string) string
	Logger    logr.Logger
	Observe   func(Call) // called once per HTTP call, from any goroutine; nil means no observer
	UserAgent string

	limits limits // smaller ones are for tests: an answer of the usual size takes them a minute
}

// TLS holds the docker CLI's flags of these names. Values that are not set come from DOCKER_TLS, DOCKER_TLS_VERIFY,
// DOCKER_CERT_PATH and, for the files, the docker config directory. As in docker, they count for a host and not for a
// docker context, which brings its own.
type TLS struct {
	Enable bool   // --tls
	Verify *bool  // --tlsverify; true and false both turn TLS on
	CACert string // --tlscacert
	Cert   string // --tlscert
	Key    string // --tlskey
}

// Call is one HTTP call as metrics see it.
type Call struct {
	Method   string
	Route    string // such as "/services/{id}/update", without ids, names and the API version
	Status   int    // 0 if no answer came
	Duration time.Duration
	Err      error // why no complete answer came; a 4xx or 5xx answer is a Status, not an Err
}

func (o Options) withDefaults() Options {
	if o.CallTimeout <= 0 {
		o.CallTimeout = DefaultCallTimeout
	}
	if o.Logger.GetSink() == nil {
		o.Logger = logr.Discard()
	}
	if o.Observe == nil {
		o.Observe = func(Call) {}
	}
	if o.Redact == nil {
		o.Redact = func(text string) string { return text }
	}
	if o.ConfigDir == "" {
		o.ConfigDir = defaultConfigDir()
	}
	return o
}

// defaultConfigDir is like cli/config.Dir, which reads the environment only once in a process.
func defaultConfigDir() string {
	if dir := os.Getenv("DOCKER_CONFIG"); dir != "" {
		return dir
	}
	home, _ := os.UserHomeDir()
	if home == "" {
		if u, err := user.Current(); err == nil {
			home = u.HomeDir
		}
	}
	return filepath.Join(home, ".docker")
}
