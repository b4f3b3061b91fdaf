package engine

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	dcontext "github.com/docker/cli/cli/context"
	"github.com/docker/cli/cli/context/store"
	"github.com/docker/cli/opts"
	"github.com/moby/moby/client"
)

const (
	defaultContext = "default"
	dockerEndpoint = "docker" // the name of the engine's endpoint in a docker context
)

// endpoint is where the engine is.
type endpoint struct {
	host string      // unix:///var/run/docker.sock, tcp://host:port, ssh://user@host
	tls  *tls.Config // nil for plain text
}

// locate finds the engine in the docker CLI's order: --host or --context, DOCKER_HOST, DOCKER_CONTEXT, the current
// context of the docker config, the default socket. The order is that of cli/command.resolveContextName. That package
// is not imported, because it brings the whole CLI.
func locate(o Options) (endpoint, error) {
	if o.Host != "" && o.Context != "" {
		return endpoint{}, errors.New("finding the engine: --host and --context exclude each other")
	}
	name, err := contextName(o)
	if err != nil {
		return endpoint{}, err
	}
	if name == defaultContext {
		return hostEndpoint(o)
	}
	return contextEndpoint(o, name)
}

// Stated reports whether somebody names an engine: with --host, --context, DOCKER_HOST, DOCKER_CONTEXT, or a current
// context of the docker config. If not, Open uses the default socket. Stated fails if the docker config cannot be read.
func Stated(o Options) (bool, error) {
	o = o.withDefaults()
	if o.Host != "" || os.Getenv(client.EnvOverrideHost) != "" {
		return true, nil
	}
	name, err := contextName(o)
	return err == nil && name != defaultContext, err
}

func contextName(o Options) (string, error) {
	switch {
	case o.Context != "":
		return o.Context, nil
	case o.Host != "" || os.Getenv(client.EnvOverrideHost) != "":
		return defaultContext, nil
	case os.Getenv("DOCKER_CONTEXT") != "":
		return os.Getenv("DOCKER_CONTEXT"), nil
	}
	cfg, err := loadConfig(o.ConfigDir)
	if err != nil {
		return "", fmt.Errorf("finding the engine: %w", err)
	}
	return cmp.Or(cfg.CurrentContext, defaultContext), nil
}

// hostEndpoint returns docker's "default" context, with host and TLS from flags and the environment.
func hostEndpoint(o Options) (endpoint, error) {
	t := o.TLS.resolve(o.ConfigDir)
	host, err := opts.ParseHost(t.enable, cmp.Or(o.Host, os.Getenv(client.EnvOverrideHost)))
	if err != nil {
		return endpoint{}, fmt.Errorf("finding the engine: %w", err)
	}
	ep := endpoint{host: host}
	if t.enable && !strings.HasPrefix(host, "unix://") && !strings.HasPrefix(host, "ssh://") {
		if ep.tls, err = t.load(); err != nil {
			return endpoint{}, fmt.Errorf("reading TLS files for %s: %w", printable(host), err)
		}
	}
	return ep, nil
}

func contextEndpoint(o Options, name string) (endpoint, error) {
	s := store.New(filepath.Join(o.ConfigDir, "contexts"), store.NewConfig(
		func() any { return &map[string]any{} },
		store.EndpointTypeGetter(dockerEndpoint, func() any { return &dcontext.EndpointMetaBase{} }),
	))
	meta, err := s.GetMetadata(name)
	if err != nil {
		return endpoint{}, fmt.Errorf("reading docker context %q: %w", name, err)
	}
	ep, ok := meta.Endpoints[dockerEndpoint].(dcontext.EndpointMetaBase)
	if !ok {
		return endpoint{}, fmt.Errorf("reading docker context %q: it has no docker endpoint", name)
	}
	files, err := dcontext.LoadTLSData(s, name, dockerEndpoint)
	if err != nil {
		return endpoint{}, fmt.Errorf("reading docker context %q: %w", name, err)
	}
	host := cmp.Or(ep.Host, client.DefaultDockerHost)
	if files == nil && !ep.SkipTLSVerify || strings.HasPrefix(host, "unix://") {
		return endpoint{host: host}, nil
	}
	conf, err := tlsConfig(files, ep.SkipTLSVerify)
	if err != nil {
		return endpoint{}, fmt.Errorf("reading TLS files of docker context %q: %w", name, err)
	}
	return endpoint{host: host, tls: conf}, nil
}

// printable returns a host without what may be a password.
func printable(host string) string {
	if !strings.Contains(host, "@") {
		return host
	}
	u, err := url.Parse(host)
	if err != nil {
		return "(an unreadable host)"
	}
	if _, has := u.User.Password(); has {
		u.User = url.User(u.User.Username())
	}
	return u.String()
}
