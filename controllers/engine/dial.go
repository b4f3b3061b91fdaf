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
	// idleConns covers the 16 writes that apply makes at once, the event stream and some reads. By default net/http
	// keeps 2 idle connections per host, and the moby client 6 in all. Every further write would dial again.
	idleConns = 20
	// sshConns bounds the ssh processes, one for each connection. By default sshd refuses more than ten at once.
	sshConns = 6

	dialTimeout = 10 * time.Second
	idleTimeout = 90 * time.Second
	// readBuffer is what each connection keeps while it is open. A long answer is read past it, in larger steps.
	readBuffer = 8 << 10
)

// address says how requests to an endpoint are addressed.
type address struct {
	scheme   string
	urlHost  string // the key of the connection pool, as in the moby client
	basePath string
	header   string // the Host header; "" means urlHost
	mobyHost string // the host that the moby client gets
}

// dial builds the transport for an endpoint. The result is plain net/http; other code adds deadlines and counts.
func dial(ep endpoint) (*http.Transport, address, error) {
	tr := &http.Transport{
		MaxIdleConnsPerHost: idleConns,
		IdleConnTimeout:     idleTimeout,
		ReadBufferSize:      readBuffer,
		DisableCompression:  true, // the engine does not compress, and a proxy on the way need not
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
	// A docker context may also hold http:// or https://. The moby client would keep the path of these in the host.
	proto, rest, _ := strings.Cut(ep.host, "://")
	host := "tcp://" + rest
	u, err := client.ParseHostURL(host)
	if err != nil {
		return nil, address{}, fmt.Errorf("opening %s: %w", printable(ep.host), err)
	}
	// Keep-alive probes notice a peer that has vanished during a silent event stream.
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

// dialSSH speaks to the engine through "ssh HOST docker system dial-stdio", as the docker CLI does. It adds
// ServerAliveInterval: a call of the CLI is short, but an event stream on a dead connection would be silent for ever.
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
