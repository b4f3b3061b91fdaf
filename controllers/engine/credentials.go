package engine

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/distribution/reference"
	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	helpers "github.com/docker/cli/cli/config/credentials"
	"github.com/docker/cli/cli/config/types"
	"github.com/moby/moby/api/types/registry"
	"golang.org/x/sync/singleflight"
)

// Auth returns the credential that the docker config holds for an image's registry, from auths, credHelpers,
// credsStore or DOCKER_AUTH_CONFIG. It is what `docker service create --with-registry-auth` sends. If there is none,
// the result is empty; the CLI would send an encoded "{}", which would overwrite the service's own credential. Auth
// asks a credential helper each time; [Resolver] asks once for each run. Auth fails if the docker config cannot be
// read, or if the helper fails or does not answer within Options.CallTimeout.
func (c *Client) Auth(image string) (RegistryAuth, error) { return c.creds.auth(image) }

// credentials is the docker config. It is read again when its file changes, because the operator outlives a docker
// login.
type credentials struct {
	dir     string
	timeout time.Duration
	flight  singleflight.Group // by registry, so that a helper that hangs is started once

	mu     sync.Mutex
	loaded bool
	stamp  stamp
	cfg    *configfile.ConfigFile
}

// stamp tells one state of a file from another. docker login replaces the file. Two writes of equal size within the
// clock's resolution look like one, but nobody logs in twice that fast.
type stamp struct {
	modified time.Time
	size     int64
	exists   bool
}

func newCredentials(dir string, timeout time.Duration) *credentials {
	return &credentials{dir: dir, timeout: timeout}
}

func (c *credentials) auth(image string) (RegistryAuth, error) {
	domain, err := registryOf(image)
	if err != nil {
		return RegistryAuth{}, err
	}
	cfg, err := c.current()
	if err != nil {
		return RegistryAuth{}, err
	}
	a, err := c.ask(cfg, domain)
	if err != nil {
		return RegistryAuth{}, fmt.Errorf("asking the credential helper for %s: %w", domain, err)
	}
	if a.Username == "" && a.Password == "" && a.Auth == "" && a.IdentityToken == "" && a.RegistryToken == "" {
		return RegistryAuth{}, nil
	}
	return NewRegistryAuth(registry.AuthConfig{
		Username: a.Username, Password: a.Password, ServerAddress: a.ServerAddress,
		Auth: a.Auth, IdentityToken: a.IdentityToken, RegistryToken: a.RegistryToken,
	})
}

func registryOf(image string) (string, error) {
	ref, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return "", fmt.Errorf("reading image name %q: %w", image, err)
	}
	return reference.Domain(ref), nil
}

// ask looks a registry up. A helper is a program without a deadline of its own. One that waits for somebody to type a
// passphrase would block a daemon for ever.
func (c *credentials) ask(cfg *configfile.ConfigFile, domain string) (types.AuthConfig, error) {
	result := c.flight.DoChan(domain, func() (any, error) {
		return cfg.GetAuthConfig(domain) // it knows that Docker Hub is stored under https://index.docker.io/v1/
	})
	select {
	case r := <-result:
		if r.Err != nil {
			return types.AuthConfig{}, helperError(r.Err)
		}
		return r.Val.(types.AuthConfig), nil
	case <-time.After(c.timeout):
		return types.AuthConfig{}, fmt.Errorf("no answer within %s", c.timeout)
	}
}

// helperError says why a helper failed. It includes what the helper printed only if that cannot be its answer, which
// is JSON.
func helperError(err error) error {
	why, printed, failed := strings.Cut(err.Error(), ", out: `")
	switch printed = strings.TrimSuffix(printed, "`"); {
	case !failed:
		return errors.New("its answer is not understood")
	case printed == "" || len(printed) > 200 || strings.ContainsAny(printed, "{}\""):
		return errors.New(why)
	}
	return errors.New(why + ": " + printed)
}

func (c *credentials) current() (*configfile.ConfigFile, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := stampOf(filepath.Join(c.dir, config.ConfigFileName))
	if c.loaded && now == c.stamp {
		return c.cfg, nil
	}
	cfg, err := loadConfig(c.dir)
	if err != nil {
		return nil, err
	}
	c.loaded, c.stamp, c.cfg = true, now, cfg
	return cfg, nil
}

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{modified: info.ModTime(), size: info.Size(), exists: true}
}

// loadConfig reads the docker config as the CLI does, including a platform's default helper. Errors of its parser may
// quote a value of the file, so they are replaced.
func loadConfig(dir string) (*configfile.ConfigFile, error) {
	cfg, err := config.Load(dir)
	if err != nil {
		file := filepath.Join(dir, config.ConfigFileName)
		if pe, ok := errors.AsType[*os.PathError](err); ok {
			return nil, fmt.Errorf("reading the docker config: %w", pe)
		}
		if se, ok := errors.AsType[*json.SyntaxError](err); ok {
			return nil, fmt.Errorf("reading the docker config %s: not valid JSON at byte %d", file, se.Offset)
		}
		return nil, fmt.Errorf("reading the docker config %s: not a docker config (the reason is not shown, because it may quote a credential)", file)
	}
	cfg.GetAuthConfigs() // makes the map if the file says null, because later calls come from many goroutines
	if !cfg.ContainsAuth() {
		cfg.CredentialsStore = helpers.DetectDefaultStore(cfg.CredentialsStore)
	}
	return cfg, nil
}

// httpHeaders returns the docker config's HttpHeaders. If DOCKER_CUSTOM_HEADERS is set (key=value, as CSV), its
// headers replace them. Both may be credentials of a proxy.
func (c *credentials) httpHeaders() (http.Header, error) {
	h := http.Header{}
	if value := os.Getenv("DOCKER_CUSTOM_HEADERS"); value != "" {
		pairs, err := csv.NewReader(strings.NewReader(value)).Read()
		if err != nil {
			return nil, errors.New("reading DOCKER_CUSTOM_HEADERS: not comma-separated key=value pairs")
		}
		for _, pair := range pairs {
			k, v, ok := strings.Cut(pair, "=")
			if k = strings.TrimSpace(k); !ok || k == "" {
				return nil, errors.New("reading DOCKER_CUSTOM_HEADERS: not comma-separated key=value pairs")
			}
			h.Set(k, v)
		}
		return h, nil
	}
	cfg, err := c.current()
	if err != nil {
		return nil, err
	}
	for k, v := range cfg.HTTPHeaders {
		h.Set(k, v)
	}
	return h, nil
}
