package engine

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/docker/cli/cli/connhelper"
	"github.com/moby/moby/client"
)

const (
	// idleConns covers the 16 writes that apply makes side by side, the event stream and some reads. net/http keeps 2 idle connections per host by default and the moby client 6 in all: the others would be
	// dialled again for every write.
	idleConns = 20
	// sshConns bounds the ssh processes, one per connection; sshd refuses more than ten at once by default.
	sshConns = 6

	dialTimeout = 10 * time.Second
	idleTimeout = 90 * time.Second
	// readBuffer holds a list's answer in few reads: of 1,000 services it is about 2 MB.
	readBuffer = 64 << 10
)

// address says how requests to an endpoint are addressed.
type address struct {
	scheme   string
	urlHost  string // the connection pool's key, the same that the moby client uses
	basePath string
	header   string // the Host header, empty for urlHost
	mobyHost string // what the moby client is told
}

// dial builds the transport for an endpoint. The answer is plain net/http: deadlines and counting are laid on top.
func dial(ep endpoint) (*http.Transport, address, error) {
	tr := &http.Transport{
		MaxIdleConnsPerHost: idleConns,
		IdleConnTimeout:     idleTimeout,
		ReadBufferSize:      readBuffer,
		DisableCompression:  true, // the engine does not compress, a proxy on the way need not
		TLSClientConfig:     ep.tls,
	}
	proto, rest, _ := strings.Cut(ep.host, "://")
	switch proto {
	case "unix":
		tr.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "unix", rest)
		}
		return tr, address{scheme: "http", urlHost: rest, header: client.DummyHost, mobyHost: ep.host}, nil
	case "ssh":
		return dialSSH(tr, ep.host)
	case "tcp", "http", "https":
		return dialTCP(tr, ep)
	}
	return nil, address{}, fmt.Errorf("opening %s: unix, tcp and ssh are supported, %q is not", printable(ep.host), proto)
}

func dialTCP(tr *http.Transport, ep endpoint) (*http.Transport, address, error) {
	// A docker context may hold http:// or https:// too, of which the moby client would keep the path in the host.
	proto, rest, _ := strings.Cut(ep.host, "://")
	host := "tcp://" + rest
	u, err := client.ParseHostURL(host)
	if err != nil {
		return nil, address{}, fmt.Errorf("opening %s: %w", printable(ep.host), err)
	}
	// Keep-alive probes notice a peer that vanished under a silent event stream.
	d := &net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}
	tr.DialContext = d.DialContext
	tr.Proxy = http.ProxyFromEnvironment
	tr.TLSHandshakeTimeout = dialTimeout
	scheme := "http"
	if ep.tls != nil || proto == "https" {
		scheme = "https"
	}
	return tr, address{scheme: scheme, urlHost: u.Host, basePath: u.Path, mobyHost: host}, nil
}

// dialSSH speaks to the engine through "ssh HOST docker system dial-stdio", as the docker CLI does. ServerAliveInterval
// is ours: a CLI call is short, an event stream on a dead connection would be silent for ever.
func dialSSH(tr *http.Transport, host string) (*http.Transport, address, error) {
	helper, err := connhelper.GetConnectionHelperWithSSHOpts(host, []string{"-o", "ServerAliveInterval=30"})
	if err != nil {
		return nil, address{}, fmt.Errorf("opening %s: %w", printable(host), err)
	}
	tr.DialContext = helper.Dialer
	tr.MaxConnsPerHost = sshConns
	tr.TLSClientConfig = nil
	u, err := client.ParseHostURL(helper.Host)
	if err != nil {
		return nil, address{}, fmt.Errorf("opening %s: %w", printable(host), err)
	}
	return tr, address{scheme: "http", urlHost: u.Host, mobyHost: helper.Host}, nil
}
