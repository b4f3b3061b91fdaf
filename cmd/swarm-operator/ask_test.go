package main

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/swarm-operator/swarm-operator/controllers/server"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/test/certify"
)

// served starts an operator's server with these flags, and returns its address.
func served(t *testing.T, f httpFlags) string {
	t.Helper()
	metrics := status.NewMetrics("v0", func() int { return 0 })
	return servedOf(t, f, status.NewBoard("s", "enforce", metrics, logr.Discard(), nil), metrics)
}

// servedOf starts an operator's server that answers what a board says, and returns its address.
func servedOf(t *testing.T, f httpFlags, board *status.Board, metrics *status.Metrics) string {
	t.Helper()
	o := server.Options{Refused: metrics.Refused}
	o.Health, o.Rest = handlers(board, metrics, nil, func(context.Context) status.Status { return board.Report().Status(status.Now{}) })
	s, err := f.server(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(t.Context(), l)
	return l.Addr().String()
}

// write writes a file and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Whoever has the files of an operator can ask it, and whoever has others learns why not.
func TestAnOperatorIsAskedByTLSAndWithAToken(t *testing.T) {
	dir := t.TempDir()
	cert, key := certify.Self(t, dir, "own", "operator.example.com")
	other, _ := certify.Self(t, dir, "other")
	token, wrong := write(t, "token", "the-operators-own-token\n"), write(t, "wrong", "somebody-elses-token\n")
	secure := served(t, httpFlags{tokenFile: token, cert: cert, key: key})
	plain := served(t, httpFlags{tokenFile: token})
	for name, c := range map[string]struct {
		how     askFlags
		address string
		says    string // what the error of a status says; "" if there is none
		health  bool   // whether health can be asked
	}{
		"its own files":                  {askFlags{tokenFile: token, cert: cert}, secure, "", true},
		"its certificate as a CA":        {askFlags{tokenFile: token, ca: cert}, secure, "", true},
		"a CA before a certificate":      {askFlags{tokenFile: token, ca: cert, cert: other}, secure, "", true},
		"a URL":                          {askFlags{tokenFile: token, cert: cert}, "https://" + secure + "/", "", true},
		"no token":                       {askFlags{cert: cert}, secure, "401 Unauthorized: the request has no token, or a wrong one", true},
		"a wrong token":                  {askFlags{tokenFile: wrong, cert: cert}, secure, "401 Unauthorized", true},
		"another certificate":            {askFlags{tokenFile: token, cert: other}, secure, "its certificate is not the one in " + other, false},
		"another CA":                     {askFlags{tokenFile: token, ca: other}, secure, "certificate signed by unknown authority", false},
		"a CA, and a name it has not":    {askFlags{tokenFile: token, ca: cert}, strings.Replace(secure, "127.0.0.1", "localhost", 1), "not localhost", false},
		"its own, by another name":       {askFlags{tokenFile: token, cert: cert}, strings.Replace(secure, "127.0.0.1", "localhost", 1), "", true},
		"the CAs of the machine":         {askFlags{tokenFile: token}, "https://" + secure, "certificate", false},
		"in clear":                       {askFlags{tokenFile: token}, secure, "by TLS only: ask by https://; swarm-operator status does so with --http-ca or --http-tls-cert", true},
		"no TLS":                         {askFlags{tokenFile: token}, plain, "", true},
		"no TLS, and no token":           {askFlags{}, plain, "401 Unauthorized", true},
		"TLS where it is in clear":       {askFlags{tokenFile: token, cert: cert}, plain, "asking the operator at " + plain, false},
		"in clear by a URL":              {askFlags{tokenFile: token, cert: cert}, "http://" + plain, "", true},
		"a token that cannot be read":    {askFlags{tokenFile: filepath.Join(dir, "none")}, plain, "--http-token-file: reading " + filepath.Join(dir, "none"), false},
		"a token that nobody could want": {askFlags{tokenFile: write(t, "short", "short")}, plain, "fewer than 16 characters", false},
	} {
		a, err := c.how.open()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		text, err := a.ask(t.Context(), "--operator", c.address, statusPath)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) || err == nil && !strings.Contains(text, `"objects"`) {
			t.Errorf("%s: the status is %s, %v", name, text, err)
		}
		if err != nil && strings.Contains(err.Error(), "-token\n") {
			t.Errorf("%s: the error has a token: %v", name, err)
		}
		if text, err := a.ask(t.Context(), "--listen", c.address, server.Healthz); (err == nil) != c.health || err == nil && text != "ok\n" {
			t.Errorf("%s: the health is %s, %v", name, text, err)
		}
		if got := a.operates(t.Context(), c.address); got != c.health && !strings.HasPrefix(name, "a token that") {
			t.Errorf("%s: it is an operator: %t", name, got)
		}
	}
}

// A certificate and a token that were replaced count from then on, on both sides.
func TestAnOperatorIsAskedAfterItsFilesWereReplaced(t *testing.T) {
	dir := t.TempDir()
	cert, key := certify.Self(t, dir, "own")
	token := write(t, "token", "the-first-token-of-two")
	address := served(t, httpFlags{tokenFile: token, cert: cert, key: key})
	a, err := (&askFlags{tokenFile: token, cert: cert}).open()
	if err != nil {
		t.Fatal(err)
	}
	a.client.Transport.(*http.Transport).DisableKeepAlives = true // each question is a connection
	asks := func() {
		t.Helper()
		if text, err := a.ask(t.Context(), "--operator", address, statusPath); err != nil {
			t.Errorf("%s, %v", text, err)
		}
	}
	asks()
	certify.Self(t, dir, "own")
	asks()
	if err := os.WriteFile(token, []byte("the-second-token-of-two"), 0o600); err != nil {
		t.Fatal(err)
	}
	asks()
	if err := os.Remove(cert); err != nil {
		t.Fatal(err)
	}
	if text, err := a.ask(t.Context(), "--operator", address, statusPath); err == nil || !strings.Contains(err.Error(), "--http-tls-cert: reading "+cert) {
		t.Errorf("without the certificate: %s, %v", text, err)
	}
}

func TestFilesThatNobodyCanAskWith(t *testing.T) {
	_, key := certify.Self(t, t.TempDir(), "own")
	none := filepath.Join(t.TempDir(), "none")
	for name, c := range map[string]struct {
		how  askFlags
		says string
	}{
		"no CA":                 {askFlags{ca: none}, "--http-ca: reading " + none},
		"a CA without one":      {askFlags{ca: key}, "--http-ca: " + key + " has no certificate"},
		"an empty CA":           {askFlags{ca: write(t, "empty", "")}, "has no certificate"},
		"no certificate":        {askFlags{cert: none}, "--http-tls-cert: reading " + none},
		"a key":                 {askFlags{cert: key}, "--http-tls-cert: " + key + " has no certificate"},
		"a CA that is a folder": {askFlags{ca: t.TempDir()}, "it is not a regular file"},
	} {
		if _, err := c.how.open(); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Others are warned of only if there are others.
func TestWhatIsExposedIsSaid(t *testing.T) {
	all, tokens := httpFlags{tokenFile: "t", cert: "c", key: "k"}, httpFlags{tokenFile: "t"}
	for _, c := range []struct {
		address string
		flags   httpFlags
		says    string
	}{
		{"127.0.0.1:9737", httpFlags{}, ""},
		{"127.9.9.9:9737", httpFlags{}, ""},
		{"[::1]:9737", httpFlags{}, ""},
		{"0.0.0.0:9737", httpFlags{}, "--http-token-file"},
		{"[::]:9737", httpFlags{cert: "c", key: "k"}, "--http-token-file"},
		{"10.0.0.7:9737", httpFlags{}, "--http-token-file"},
		{"10.0.0.7:9737", tokens, "--http-tls-cert"},
		{"[fd00::7]:9737", tokens, "--http-tls-cert"},
		{"127.0.0.1:9737", tokens, ""},
		{"0.0.0.0:9737", all, ""},
	} {
		at, err := net.ResolveTCPAddr("tcp", c.address)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.flags.exposed(at); (got == "") != (c.says == "") || !strings.Contains(got, c.says) {
			t.Errorf("%s with %+v: %q", c.address, c.flags, got)
		}
	}
}

// The names that count are those of the flag, of --listen and of the machine.
func TestTheNamesOfAnOperator(t *testing.T) {
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	address := served(t, httpFlags{listen: "mgr-1:0", hosts: []string{"operator.example.com"}})
	for host, want := range map[string]int{
		"mgr-1": 200, "mgr-1:9737": 200, "operator.example.com": 200, "localhost:80": 200, "10.0.0.9": 200, own: 200, own + ":9737": 200, "evil.example": 421, "example.com": 421,
	} {
		req, err := http.NewRequest(http.MethodGet, "http://"+address+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want || !strings.HasPrefix(resp.Header.Get("Server"), serverName) {
			t.Errorf("%s: %d by %s", host, resp.StatusCode, resp.Header.Get("Server"))
		}
	}
}

// Whoever may not read the status learns from /readyz no more than a word that the operator itself has chosen. A message
// has texts of git and the engine, with URLs, paths and addresses in them.
func TestReadyzSaysWhyToThoseWhoMayReadTheStatus(t *testing.T) {
	const message = "fetching https://git.example.com/customers/acme.git: canary"
	cert, key := certify.Self(t, t.TempDir(), "own")
	token := write(t, "token", "the-operators-own-token\n")
	told := func(conditions ...status.Condition) func(*status.Board) {
		return func(b *status.Board) {
			for _, c := range conditions {
				b.Tell(c.Type, c.Status, c.Reason, c.Message)
			}
		}
	}
	reached := status.Condition{Type: status.EngineReady, Status: true, Reason: "Reached"}
	for name, c := range map[string]struct {
		says       func(*status.Board)
		word, full string
	}{
		"it begins":                 {told(), "Starting", "the first run is not over yet"},
		"git is away":               {told(status.Condition{Type: status.SourceReady, Reason: status.SourceUnavailable, Message: message}), "SourceUnavailable", "no revision was read yet: " + message},
		"manifests have mistakes":   {told(reached, status.Condition{Type: status.SourceReady, Reason: "Refused", Message: message}), "Refused", "no revision in force: " + message},
		"nothing is in force":       {told(reached, status.Condition{Type: status.SourceReady, Status: true, Reason: "Read"}), "NoRevision", "no revision in force"},
		"nothing is said of git":    {told(reached), "NoRevision", "no revision in force"},
		"the engine is away":        {told(status.Condition{Type: status.EngineReady, Reason: "Unavailable", Message: message}), "Unavailable", "Unavailable " + message},
		"the swarm has no majority": {told(status.Condition{Type: status.EngineReady, Reason: status.NoQuorum, Message: message}), status.NoQuorum, status.NoQuorum + " " + message},
	} {
		metrics := status.NewMetrics("v0", func() int { return 0 })
		board := status.NewBoard("s", "enforce", metrics, logr.Discard(), time.Now)
		c.says(board)
		open, guarded := servedOf(t, httpFlags{}, board, metrics), servedOf(t, httpFlags{tokenFile: token}, board, metrics)
		secure := servedOf(t, httpFlags{tokenFile: token, cert: cert, key: key}, board, metrics)
		for _, q := range []struct {
			scheme, address, host, token, want string
		}{
			{"http", open, "", "", c.full},
			{"http", open, "evil.example", "", c.word}, // a page that lets a name of its own point here
			{"http", guarded, "", "", c.word},
			{"http", guarded, "", "somebody-elses-token", c.word},
			{"http", guarded, "", "the-operators-own-token", c.full},
			{"http", guarded, "evil.example", "the-operators-own-token", c.word},
			{"http", secure, "", "the-operators-own-token", c.word},
			{"https", secure, "", "", c.word},
			{"https", secure, "", "the-operators-own-token", c.full},
		} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, q.scheme+"://"+q.address+server.Readyz, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = q.host
			if q.token != "" {
				req.Header.Set("Authorization", "Bearer "+q.token)
			}
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if got := string(body); err != nil || resp.StatusCode != http.StatusServiceUnavailable || got != "not ready: "+q.want+"\n" {
				t.Errorf("%s: %+v: %d %q, %v", name, q, resp.StatusCode, got, err)
			}
		}
	}
}
