package engine

import (
	"os"
	"os/user"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"
)

// DefaultCallTimeout is longer than the 20 s for which a manager without a leader holds a call before it answers,
// so that its answer, which says why, is seen instead of our own deadline.
const DefaultCallTimeout = 30 * time.Second

// Options say which engine to open and how. The zero value is the docker CLI's own choice.
type Options struct {
	Host      string // --host; empty: DOCKER_HOST, the context, or the default socket
	Context   string // --context; empty: DOCKER_CONTEXT or the docker config's current context
	TLS       TLS
	ConfigDir string // docker's --config; empty: DOCKER_CONFIG or ~/.docker

	// CallTimeout bounds one call from its start to the last byte of its answer. Of a stream (events) it bounds only
	// the time to the first byte. Zero means DefaultCallTimeout.
	CallTimeout time.Duration

	Logger    logr.Logger
	Observe   func(Call) // called once per HTTP call, from any goroutine; nil for none
	UserAgent string
}

// TLS are the docker CLI's flags of these names; what is not set comes from DOCKER_TLS, DOCKER_TLS_VERIFY,
// DOCKER_CERT_PATH and, for the files, the docker config directory. As with docker they count for a host,
// not for a docker context, which brings its own.
type TLS struct {
	Enable bool   // --tls
	Verify *bool  // --tlsverify; set to either value it turns TLS on
	CACert string // --tlscacert
	Cert   string // --tlscert
	Key    string // --tlskey
}

// Call is one HTTP call as metrics see it.
type Call struct {
	Method   string
	Route    string // "/services/{id}/update": ids, names and the API version are cut out
	Status   int    // 0 when no answer came
	Duration time.Duration
	Err      error // why no whole answer came; an answer of 4xx or 5xx is a Status, not an Err
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
	if o.ConfigDir == "" {
		o.ConfigDir = defaultConfigDir()
	}
	return o
}

// defaultConfigDir is cli/config.Dir without its memory: that one reads the environment once per process.
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
