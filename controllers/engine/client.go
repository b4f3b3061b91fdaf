package engine

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/moby/moby/client"
	"github.com/moby/moby/client/pkg/versions"
	"golang.org/x/sync/singleflight"
)

// Client is an opened engine. Many goroutines may use it at once. It sends nothing before the first call.
type Client struct {
	host      string
	addr      address
	timeout   time.Duration
	userAgent string
	speaker
	creds *credentials

	http  *http.Client
	fixed string // DOCKER_API_VERSION

	lists

	session     atomic.Pointer[session]
	negotiating singleflight.Group
	events      retry
}

// speaker is how a client tells people something.
type speaker struct {
	log    logr.Logger
	redact func(string) string // what may be shown of a text that others wrote
}

// lists is what a client keeps of the lists that it read, so that the next ones cost less.
type lists struct {
	services *listMemo
	sizes    sync.Map // how many bytes the last answer had, by path
}

// session is the engine's answer to the question for its API version.
type session struct {
	moby    *client.Client
	version string // the version that the client speaks
	server  string // the newest version that the engine speaks; "" if DOCKER_API_VERSION fixes the version
}

// Open finds the engine as the docker CLI does. It reads files and the environment, and does not connect.
func Open(o Options) (*Client, error) {
	o = o.withDefaults()
	ep, err := locate(o)
	if err != nil {
		return nil, err
	}
	base, addr, err := dial(ep)
	if err != nil {
		return nil, err
	}
	fixed, err := fixedVersion()
	if err != nil {
		return nil, err
	}
	creds := newCredentials(o.ConfigDir, o.CallTimeout)
	header, err := creds.httpHeaders()
	if err != nil {
		return nil, err
	}
	c := &Client{
		host: printable(ep.host), addr: addr, timeout: o.CallTimeout, userAgent: o.UserAgent, speaker: speaker{o.Logger, o.Redact},
		creds: creds, fixed: fixed, lists: lists{services: newListMemo()}, events: defaultRetry(),
	}
	c.http = &http.Client{CheckRedirect: client.CheckRedirect, Transport: &transport{
		base: base, host: c.host, timeout: o.CallTimeout, log: o.Logger, observe: o.Observe, header: header, version: c.sawVersion, limits: o.limits,
	}}
	return c, nil
}

// Host returns the engine's address, without credentials.
func (c *Client) Host() string { return c.host }

// Close closes idle connections. Calls under way go on.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// API returns the moby client, for calls that Client has no method for. The errors of these calls are moby's, and most
// predicates work on them. Do not use its ServiceCreate and ServiceUpdate, because they change the image; services.go
// says how.
func (c *Client) API(ctx context.Context) (*client.Client, error) {
	s, err := c.ready(ctx)
	if err != nil {
		return nil, err
	}
	return s.moby, nil
}

// Version returns the API version spoken with the engine. The engine silently drops features that are newer.
func (c *Client) Version(ctx context.Context) (string, error) {
	s, err := c.ready(ctx)
	if err != nil {
		return "", err
	}
	return s.version, nil
}

// ready asks the engine for its API version once. The moby client can do so too, but it ignores a failed ping and
// then calls with its newest version. It also never goes up again after the engine was upgraded.
func (c *Client) ready(ctx context.Context) (*session, error) {
	if s := c.session.Load(); s != nil {
		return s, nil
	}
	// Do not use the caller's context, because others wait for the same answer.
	result := c.negotiating.DoChan("", func() (any, error) { return c.negotiate(context.WithoutCancel(ctx)) })
	select {
	case r := <-result:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*session), nil
	case <-ctx.Done():
		return nil, &Error{Host: c.host, Method: http.MethodHead, Route: "/_ping", err: ctx.Err(), timeout: c.timeout}
	}
}

func (c *Client) negotiate(ctx context.Context) (*session, error) {
	if s := c.session.Load(); s != nil {
		return s, nil
	}
	s := &session{version: c.fixed}
	if c.fixed == "" {
		server, err := c.ping(ctx)
		if err != nil {
			return nil, err
		}
		s.server, s.version = server, client.MaxAPIVersion
		if versions.LessThan(server, s.version) {
			s.version = server
		}
		if versions.LessThan(s.version, client.MinAPIVersion) {
			return nil, &versionError{server: server}
		}
	}
	var err error
	if s.moby, err = c.mobyClient(s.version); err != nil {
		return nil, fmt.Errorf("opening %s: %w", c.host, err)
	}
	c.session.Store(s)
	return s, nil
}

// mobyClient returns a moby client that uses this client's transport. The order matters, because WithHost wants to
// configure a transport of its own.
func (c *Client) mobyClient(version string) (*client.Client, error) {
	return client.New(
		client.WithHost(c.addr.mobyHost),
		client.WithScheme(c.addr.scheme),
		client.WithHTTPClient(c.http),
		client.WithUserAgent(c.userAgent),
		client.WithAPIVersion(version),
	)
}

// sawVersion drops the session if an engine of another version now answers at this address. Every answer names the
// newest API version of its engine.
func (c *Client) sawVersion(server string) {
	if s := c.session.Load(); s != nil && s.server != "" && s.server != server {
		c.session.CompareAndSwap(s, nil)
	}
}

func fixedVersion() (string, error) {
	v := strings.TrimPrefix(strings.TrimSpace(os.Getenv(client.EnvOverrideAPIVersion)), "v")
	if v == "" {
		return "", nil
	}
	var major, minor int
	if n, err := fmt.Sscanf(v, "%d.%d", &major, &minor); n != 2 || err != nil || fmt.Sprintf("%d.%d", major, minor) != v {
		return "", fmt.Errorf("reading DOCKER_API_VERSION: %q is not a version such as 1.44", v)
	}
	if versions.LessThan(v, client.MinAPIVersion) || versions.GreaterThan(v, client.MaxAPIVersion) {
		return "", fmt.Errorf("reading DOCKER_API_VERSION: %s is not between %s and %s", v, client.MinAPIVersion, client.MaxAPIVersion)
	}
	return v, nil
}
