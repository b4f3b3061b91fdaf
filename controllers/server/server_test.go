package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"

	"github.com/swarm-operator/swarm-operator/test/certify"
)

// site is a server that listens, with what it has refused.
type site struct {
	address string
	mu      sync.Mutex
	refused map[string]int
	log     strings.Builder
	end     func() // and waits until the server has ended
}

func (s *site) count(why string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused[why]
}

func (s *site) logged() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

func says(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, text) })
}

// open starts a server on loopback, until the test ends.
func open(t *testing.T, o Options) *site {
	t.Helper()
	s := &site{refused: map[string]int{}}
	o.Refused = func(why string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.refused[why]++
	}
	o.Log = funcr.New(func(prefix, args string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		fmt.Fprintln(&s.log, prefix, args)
	}, funcr.Options{})
	o.Software = "swarm-operator/v0"
	if o.Health == nil {
		o.Health = says("healthy")
	}
	if o.Rest == nil {
		o.Rest = says("the rest")
	}
	server, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(ctx, l)
	}()
	s.end = func() { end(); <-done }
	t.Cleanup(s.end)
	s.address = l.Addr().String()
	return s
}

// dial opens a connection that ends with the test.
func (s *site) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// raw sends lines as they are, and returns the code and the body of the answer.
func (s *site) raw(t *testing.T, lines ...string) (code int, body string) {
	t.Helper()
	c := s.dial(t)
	defer c.Close()
	if _, err := io.WriteString(c, strings.Join(lines, "\r\n")+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// get asks on a connection of its own.
func (s *site) get(path, authorization string) (code int, body string, err error) {
	req, err := http.NewRequest(http.MethodGet, "http://"+s.address+path, nil)
	if err != nil {
		return 0, "", err
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

func (s *site) want(t *testing.T, code int, path, authorization string) {
	t.Helper()
	got, body, err := s.get(path, authorization)
	if err != nil || got != code {
		t.Errorf("%s with %q: %d %s, %v; want %d", path, authorization, got, body, err, code)
	}
}

// A page that lets a name of its own point to this machine gets no answer, and everybody else does.
func TestOnlyTheOperatorsOwnHostsAreAnswered(t *testing.T) {
	s := open(t, Options{Hosts: []string{"mgr-1", "Operator.Example.com.", "tasks.swarm-operator_operator"}})
	for _, host := range []string{
		"127.0.0.1", "127.0.0.1:9737", "127.0.0.1:1", "127.0.0.1.", "10.0.0.7:9737", "192.0.2.1", // an address points nowhere else
		"[::1]", "[::1]:9737", "[fd00::7]:9737", "[::ffff:127.0.0.1]:80", "[fe80::1%25eth0]:9737",
		"localhost", "localhost:9737", "LocalHost", "localhost.", "localhost.:9737", "localhost:",
		"mgr-1", "MGR-1:9737", "mgr-1.", "operator.example.com", "operator.example.com:443", "tasks.swarm-operator_operator:9737",
	} {
		if code, body := s.raw(t, "GET /api/v1/status HTTP/1.1", "Host: "+host); code != 200 || body != "the rest\n" {
			t.Errorf("Host %s: %d %s", host, code, body)
		}
	}
	for _, host := range []string{
		"evil.example", "evil.example:9737", "a.7f000001.rbndr.us:9737", "127.0.0.1.nip.io", "localhost.evil.example", "evil.localhost.example", "localtest.me",
		"127.0.0.1.evil.example:9737", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", // a browser makes an address of these, or asks for a name
		"mgr-2", "mgr-1.evil.example", "mgr-1x", "xmgr-1", "example.com", "www.operator.example.com", "operator.example.com.evil.example",
		"[evil.example]", "[evil.example]:9737", "::1.evil.example", "localhost:9737:9737", "localhost:evil", "[::1", "[::1]x", ".", "..", "_",
	} {
		code, body := s.raw(t, "GET /api/v1/status HTTP/1.1", "Host: "+host)
		if code != 421 || !strings.Contains(body, "is no name of this operator") || !strings.Contains(body, "--http-host") || strings.Contains(body, "the rest") {
			t.Errorf("Host %s: %d %s", host, code, body)
		}
	}
	for name, lines := range map[string][]string{
		"an empty host":               {"GET /metrics HTTP/1.1", "Host:"},
		"no host":                     {"GET /metrics HTTP/1.0"},
		"a host of white space":       {"GET /metrics HTTP/1.1", "Host:   "},
		"a foreign host in the URL":   {"GET http://evil.example/metrics HTTP/1.1", "Host: localhost"},
		"a forwarded host":            {"GET /metrics HTTP/1.1", "Host: evil.example", "X-Forwarded-Host: localhost", "Forwarded: host=localhost"},
		"another method":              {"POST /metrics HTTP/1.1", "Host: evil.example", "Content-Length: 0"},
		"a path that looks like one":  {"GET /healthz/../metrics HTTP/1.1", "Host: evil.example"},
		"a path below that of health": {"GET /healthz/more HTTP/1.1", "Host: evil.example"},
	} {
		if code, body := s.raw(t, lines...); code != 421 && code/100 != 3 || strings.Contains(body, "the rest") {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
	if s.count(WhyHost) < 25 {
		t.Errorf("%d refusals were counted", s.count(WhyHost))
	}
}

// Whoever restarts an operator may ask by any name and needs no token.
func TestHealthIsForEverybody(t *testing.T) {
	s := open(t, Options{TokenFile: tokens(t, "0123456789abcdef")})
	for _, path := range []string{Healthz, Readyz} {
		for _, lines := range [][]string{
			{"GET " + path + " HTTP/1.1", "Host: evil.example"},
			{"GET " + path + " HTTP/1.1", "Host:"},
			{"GET " + path + " HTTP/1.0"},
			{"GET " + path + " HTTP/1.1", "Host: localhost", "Authorization: Bearer wrong"},
		} {
			if code, body := s.raw(t, lines...); code != 200 || body != "healthy\n" {
				t.Errorf("%q: %d %s", lines, code, body)
			}
		}
	}
}

func TestNamesOfHostsAreNames(t *testing.T) {
	for _, name := range []string{"", " ", "*", "*.example.com", "http://operator.example.com", "operator.example.com:9737", "a b", "a/b", "-a", "a-", "a,b", "é.example", strings.Repeat("a", 300)} {
		if _, err := New(Options{Hosts: []string{name}}); err == nil || !strings.Contains(err.Error(), "is not the name of a host") {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"a", "a.example.com", "A.", "10.0.0.1", "::1", "tasks.web_1"} {
		if _, err := New(Options{Hosts: []string{name}}); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// tokens writes a file, and returns its path.
func tokens(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRequestsNeedAToken(t *testing.T) {
	s := open(t, Options{TokenFile: tokens(t, "\n  first-token-of-two\r\nsecond-token-of-two\n\n")})
	for _, good := range []string{"Bearer first-token-of-two", "Bearer second-token-of-two", "bearer first-token-of-two", "BEARER  first-token-of-two"} {
		s.want(t, 200, "/api/v1/status", good)
	}
	for _, bad := range []string{
		"", "Bearer", "Bearer ", "first-token-of-two", "Basic first-token-of-two", "Bearer first-token-of-tw", "Bearer first-token-of-twox", "Bearer FIRST-TOKEN-OF-TWO",
		"Bearer first-token-of-two second-token-of-two", "Bearer first-token-of-two\tx", "Bearer first-token-of-two,second-token-of-two", "Digest x",
	} {
		for _, path := range []string{"/api/v1/status", "/metrics", "/"} {
			s.want(t, 401, path, bad)
		}
	}
	_, body, err := s.get("/metrics", "")
	if err != nil || !strings.Contains(body, "Authorization: Bearer TOKEN") || strings.Contains(body, "of-two") {
		t.Errorf("it says %q, %v", body, err)
	}
	if s.count(WhyToken) == 0 || strings.Contains(s.logged(), "of-two") {
		t.Errorf("%d were counted; the log is %s", s.count(WhyToken), s.logged())
	}
}

// A token counts from the time when it is in the file, and no longer than it is there.
func TestTokensAreReadAgain(t *testing.T) {
	const one, two = "the-first-token-1", "the-second-token-2"
	for name, replace := range map[string]func(path, text string) error{
		"written anew": func(path, text string) error { return os.WriteFile(path, []byte(text), 0o600) },
		"renamed over it": func(path, text string) error {
			return errors.Join(os.WriteFile(path+".new", []byte(text), 0o600), os.Rename(path+".new", path))
		},
		"a link that is turned": func(path, text string) error {
			to := fmt.Sprintf("%s.%d", path, time.Now().UnixNano())
			return errors.Join(os.WriteFile(to, []byte(text), 0o600), os.Symlink(to, to+".link"), os.Rename(to+".link", path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := tokens(t, one)
			s := open(t, Options{TokenFile: path})
			is := func(text string, first, second int) {
				t.Helper()
				if err := replace(path, text); err != nil {
					t.Fatal(err)
				}
				s.want(t, first, "/metrics", "Bearer "+one)
				s.want(t, second, "/metrics", "Bearer "+two)
			}
			is(one, 200, 401)
			is(one+"\n"+two, 200, 200)
			is(two, 401, 200)
			is("", 503, 503) // nobody knows which counts
			is("short", 503, 503)
			is(one, 200, 401)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			s.want(t, 503, "/metrics", "Bearer "+one)
			s.want(t, 200, Healthz, "")
			is(one, 200, 401)
			if n := strings.Count(s.logged(), "the tokens cannot be read"); n != 3 {
				t.Errorf("each new error is a line; there are %d:\n%s", n, s.logged())
			}
			if strings.Contains(s.logged(), "-token-") {
				t.Errorf("the log has a token: %s", s.logged())
			}
		})
	}
}

func TestTokensThatNobodyCanUse(t *testing.T) {
	for name, c := range map[string]struct{ text, says string }{
		"an empty file":      {"", "it has no token"},
		"empty lines":        {"\n \r\n\n", "it has no token"},
		"a short one":        {"0123456789abcdef\nsecret", "the token in line 2 has fewer than 16 characters"},
		"a space":            {"0123456789 abcdef", "line 1 has a space"},
		"another alphabet":   {"0123456789äbcdef", "line 1 has a space, or a character that is not in ASCII"},
		"a null byte":        {"0123456789\x00abcdef", "line 1 has a space"},
		"more than a token":  {strings.Repeat("a", mostTokens+1), "longer than"},
		"what is not a file": {"", "not a regular file"},
	} {
		path := tokens(t, c.text)
		if name == "what is not a file" {
			path = filepath.Dir(path)
		}
		_, err := New(Options{TokenFile: path})
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(Options{TokenFile: filepath.Join(t.TempDir(), "none")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// serial returns which certificate a server shows. It fails if the handshake does.
func (s *site) serial() (string, error) {
	c, err := tls.Dial("tcp", s.address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return "", err
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.String(), nil
}

func TestCertificatesAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	cert, key := certify.Self(t, dir, "own")
	s := open(t, Options{CertFile: cert, KeyFile: key})
	shown := func() string {
		t.Helper()
		text, err := s.serial()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	first := shown()
	if again := shown(); again != first {
		t.Errorf("it shows %s and then %s", first, again)
	}
	// What cannot be used leaves the last one in force: another key, half a file, none.
	_, other := certify.Self(t, dir, "other")
	for name, spoil := range map[string]func() error{
		"another key": func() error { return copyFile(other, key) },
		"half a file": func() error { return os.WriteFile(cert, []byte("-----BEGIN CERTIFICATE-----\nMIIB"), 0o600) },
		"no file":     func() error { return os.Remove(cert) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if got := shown(); got != first {
			t.Errorf("%s: it shows %s", name, got)
		}
	}
	if !strings.Contains(s.logged(), "the certificate stays as it was") || strings.Contains(s.logged(), "PRIVATE") {
		t.Errorf("the log is %s", s.logged())
	}
	certify.Self(t, dir, "own")
	second := shown()
	if second == first {
		t.Error("the new certificate is not shown")
	}
	certify.Self(t, dir, "own")
	if third := shown(); third == second {
		t.Error("the newest certificate is not shown")
	}
	// It speaks nothing older than TLS 1.2. In clear it answers only about health.
	if c, err := tls.Dial("tcp", s.address, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		c.Close()
		t.Error("it speaks TLS 1.1")
	}
	s.want(t, 200, Healthz, "")
	s.want(t, 400, "/metrics", "")
}

// Requests need TLS, except those for health. Who begins TLS and does not end it is in nobody's way.
func TestOnlyHealthIsAnsweredInClear(t *testing.T) {
	dir := t.TempDir()
	cert, key := certify.Self(t, dir, "own")
	s := open(t, Options{CertFile: cert, KeyFile: key, TokenFile: tokens(t, "the-token-of-this-test"), Limits: Limits{Connections: 20}})
	for range 50 {
		c := s.dial(t)
		_, _ = c.Write([]byte{typeHandshake, 3, 1, 2, 0})
	}
	for path, want := range map[string]int{Healthz: 200, Readyz: 200, "/metrics": 400, "/api/v1/status": 400, "/": 400, "/healthz/more": 400} {
		s.want(t, want, path, "Bearer the-token-of-this-test")
	}
	s.want(t, 200, Healthz, "")
	_, body, err := s.get("/metrics", "Bearer the-token-of-this-test")
	if err != nil || !strings.Contains(body, "by TLS only: ask by https://") {
		t.Errorf("it says %q, %v", body, err)
	}
	for name, c := range map[string]struct {
		lines []string
		want  int
	}{
		"the rest":         {[]string{"GET /metrics HTTP/1.1", "Host: localhost", "Authorization: Bearer the-token-of-this-test"}, 200},
		"no token":         {[]string{"GET /metrics HTTP/1.1", "Host: localhost"}, 401},
		"a foreign host":   {[]string{"GET /metrics HTTP/1.1", "Host: evil.example", "Authorization: Bearer the-token-of-this-test"}, 421},
		"health":           {[]string{"GET /healthz HTTP/1.1", "Host: evil.example"}, 200},
		"HTTP 1.0, health": {[]string{"GET /healthz HTTP/1.0"}, 200},
	} {
		conn, err := tls.Dial("tcp", s.address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, strings.Join(c.lines, "\r\n")+"\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text, err := io.ReadAll(resp.Body)
		if resp.StatusCode != c.want || err != nil {
			t.Errorf("%s: %d %s, %v", name, resp.StatusCode, text, err)
		}
		resp.Body.Close()
		conn.Close()
	}
	if s.count(WhyClear) < 4 {
		t.Errorf("%d refusals were counted", s.count(WhyClear))
	}
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o600)
}

func TestCertificatesThatNobodyCanUse(t *testing.T) {
	dir := t.TempDir()
	cert, key := certify.Self(t, dir, "own")
	_, other := certify.Self(t, dir, "other")
	for name, pair := range map[string][2]string{
		"another key": {cert, other}, "no key": {cert, filepath.Join(dir, "none")}, "no certificate": {filepath.Join(dir, "none"), key}, "the wrong way round": {key, cert}, "a directory": {dir, key},
	} {
		if _, err := New(Options{CertFile: pair[0], KeyFile: pair[1]}); err == nil || !strings.Contains(err.Error(), pair[0]) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// floods are ways to keep a server busy. Each returns when it does all that it can do, and goes on until the test ends.
var floods = map[string]func(t *testing.T, s *site){
	"connections that say nothing": func(t *testing.T, s *site) {
		for range 100 {
			s.dial(t)
		}
	},
	"requests that never end": func(t *testing.T, s *site) {
		for i := range 100 {
			c := s.dial(t)
			_, _ = io.WriteString(c, "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nX-"[:20+i%20])
		}
	},
	"bodies that never end": func(t *testing.T, s *site) {
		for range 100 {
			c := s.dial(t)
			_, _ = io.WriteString(c, "POST /api/v1/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nx")
		}
	},
	"answers that nobody reads": func(t *testing.T, s *site) {
		for range 100 {
			c := s.dial(t)
			_, _ = io.WriteString(c, "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
		}
	},
	"answers that take long": func(t *testing.T, s *site) {
		for range 100 {
			c := s.dial(t)
			_, _ = io.WriteString(c, "GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
		}
	},
	"connections that are kept": func(t *testing.T, s *site) {
		for range 100 {
			c := s.dial(t)
			_, _ = io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
		}
	},
	"new connections all the time": func(t *testing.T, s *site) {
		// From another address: those who open the most have to go, and nobody else
		from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
		var all sync.WaitGroup
		ctx, end := context.WithCancel(context.Background())
		t.Cleanup(func() { end(); all.Wait() })
		begun := make(chan struct{}, 4)
		for range 4 {
			all.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					if c, err := from.Dial("tcp", s.address); err == nil {
						_, _ = io.WriteString(c, "GET /api")
						time.AfterFunc(time.Second, func() { _ = c.Close() })
					}
					if n == 20 {
						begun <- struct{}{}
					}
					time.Sleep(time.Millisecond)
				}
			})
		}
		for range 4 {
			<-begun
		}
	},
}

// Whatever others do, health is answered, the number of connections is bounded, and when they stop all is answered
// again.
func TestAFloodKeepsNobodyFromAskingAboutHealth(t *testing.T) {
	for name, flood := range floods {
		t.Run(name, func(t *testing.T) {
			var open atomic.Int64
			release := make(chan struct{})
			mux := http.NewServeMux()
			mux.Handle("/api/v1/status", says("the status"))
			mux.HandleFunc("/slow", func(_ http.ResponseWriter, req *http.Request) {
				open.Add(1)
				defer open.Add(-1)
				select {
				case <-release:
				case <-req.Context().Done():
				}
			})
			mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) {
				open.Add(1)
				defer open.Add(-1)
				block := make([]byte, 1<<20)
				for range 64 {
					if _, err := w.Write(block); err != nil {
						return
					}
				}
			})
			s := openSite(t, mux)
			t.Run("flooded", func(t *testing.T) {
				flood(t, s)
				for range 10 {
					s.want(t, 200, Healthz, "")
					s.want(t, 200, Readyz, "")
				}
				if n := open.Load(); n > 4 {
					t.Errorf("%d requests are answered at once", n)
				}
			})
			close(release)
			deadline := time.Now().Add(30 * time.Second)
			for {
				code, body, err := s.get("/api/v1/status", "")
				if err == nil && code == 200 && body == "the status\n" {
					return
				}
				if time.Now().After(deadline) {
					t.Fatalf("after the flood: %d %s, %v", code, body, err)
				}
			}
		})
	}
}

func openSite(t *testing.T, rest http.Handler) *site {
	return open(t, Options{Rest: rest, Limits: Limits{Connections: 20, Requests: 4, Health: 2, Patience: 50 * time.Millisecond}})
}

// A request that finds no turn is told so, and is not kept waiting.
func TestRequestsThatAreTooManyAreRefused(t *testing.T) {
	release, begun := make(chan struct{}), make(chan struct{}, 10)
	s := openSite(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		begun <- struct{}{}
		<-release
		fmt.Fprintln(w, "at last")
	}))
	answers := make(chan string, 4)
	for range 4 {
		go func() {
			code, body, err := s.get("/", "")
			answers <- fmt.Sprint(code, body, err)
		}()
	}
	for range 4 {
		<-begun
	}
	for range 3 {
		if code, body, err := s.get("/", ""); err != nil || code != 503 || !strings.Contains(body, "ask again later") {
			t.Errorf("the fifth: %d %s, %v", code, body, err)
		}
	}
	close(release)
	for range 4 {
		if got := <-answers; got != "200at last\n<nil>" {
			t.Errorf("one of the four: %s", got)
		}
	}
	s.want(t, 200, "/", "")
	if s.count(WhyBusy) != 3 {
		t.Errorf("%d were counted", s.count(WhyBusy))
	}
}

// Accepting never waits, so connections that are too many are closed, the oldest first.
func TestConnectionsAreBounded(t *testing.T) {
	s := openSite(t, says("the rest"))
	all := make([]net.Conn, 100)
	for i := range all {
		all[i] = s.dial(t)
	}
	s.want(t, 200, Healthz, "") // it comes after them, so they are accepted
	for _, c := range all[:80] {
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
		if n, err := c.Read(make([]byte, 1)); n > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("an old connection is open: %d, %v", n, err)
		}
	}
	if n := s.count(WhyCrowd); n < 80 || n > 82 {
		t.Errorf("%d connections were counted", n)
	}
}

// Requests for health have turns of their own: other requests cannot take them, and health cannot take theirs.
func TestHealthWaitsOnlyForHealth(t *testing.T) {
	release, begun := make(chan struct{}), make(chan struct{}, 10)
	block := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		begun <- struct{}{}
		<-release
	})
	defer close(release)
	s := open(t, Options{Health: block, Limits: Limits{Health: 2, Patience: 50 * time.Millisecond}})
	for range 2 {
		go func() { _, _, _ = s.get(Healthz, "") }()
	}
	for range 2 {
		<-begun
	}
	s.want(t, 503, Readyz, "")
	s.want(t, 200, "/metrics", "")
}

// A new configuration ends the server. Whoever is being answered then gets the whole answer, and nobody else gets in.
func TestAnAnswerThatHasBegunIsFinished(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	s := open(t, Options{Rest: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "one half, ")
		_ = http.NewResponseController(w).Flush()
		close(begun)
		<-release
		fmt.Fprint(w, "the other half")
	}), Limits: Limits{Ending: time.Minute}})
	answers := make(chan string, 1)
	go func() {
		_, body, err := s.get("/metrics", "")
		answers <- fmt.Sprint(body, err)
	}()
	<-begun
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.end()
	}()
	for {
		c, err := net.Dial("tcp", s.address)
		if err != nil {
			break
		}
		_ = c.Close()
	}
	close(release)
	if got := <-answers; got != "one half, the other half<nil>" {
		t.Errorf("the answer is %q", got)
	}
	<-ended
}

func TestLargeHeadersAreRefused(t *testing.T) {
	s := open(t, Options{})
	if code, _ := s.raw(t, "GET /metrics HTTP/1.1", "Host: localhost", "X-Large: "+strings.Repeat("a", 64<<10)); code != 431 {
		t.Errorf("it answers %d", code)
	}
}

// A panic costs one answer, and no turn. What it says is shown nowhere.
func TestAPanicCostsOneAnswer(t *testing.T) {
	s := open(t, Options{Rest: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/bad" {
			panic("a canary")
		}
		fmt.Fprintln(w, "fine")
	}), Limits: Limits{Requests: 1}})
	for range 3 {
		if code, body, err := s.get("/bad", ""); err != nil || code != 500 || strings.Contains(body, "canary") {
			t.Errorf("it answers %d %s, %v", code, body, err)
		}
		s.want(t, 200, "/good", "")
	}
	if log := s.logged(); strings.Contains(log, "canary") || strings.Count(log, "request failed") != 3 || !strings.Contains(log, "server_test.go") {
		t.Errorf("the log is %s", log)
	}
}

// Who has to go: never one that is being answered, and of the others the oldest of those neighbours who have the most.
func TestWhoMakesRoom(t *testing.T) {
	from := func(address string) net.Addr {
		a, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	for name, c := range map[string]struct {
		guests string // an address each, with ! for one that is busy
		want   int    // index of who goes; -1 for nobody
	}{
		"there is room":                  {"10.0.0.1 10.0.0.2 10.0.0.3", -1},
		"all the same":                   {"10.0.0.1 10.0.0.1 10.0.0.1 10.0.0.1", 0},
		"the oldest is busy":             {"10.0.0.1! 10.0.0.1 10.0.0.1 10.0.0.1", 1},
		"all are busy":                   {"10.0.0.1! 10.0.0.1! 10.0.0.1! 10.0.0.1!", -1},
		"one of each":                    {"10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4", 0},
		"one has more":                   {"127.0.0.1 10.0.0.1 10.0.0.1 10.0.0.2", 1},
		"one had more, and is busy":      {"127.0.0.1 10.0.0.1! 10.0.0.1! 10.0.0.2", 0},
		"a network of IPv6 is one":       {"[fd00::1] [2001:db8::1] [2001:db8::2] [fd00:0:0:1::1]", 1},
		"IPv4 in IPv6 is IPv4":           {"10.0.0.2 [::ffff:10.0.0.1] 10.0.0.1 [fd00::1]", 1},
		"loopback of IPv6 is an address": {"[::1] 10.0.0.1 10.0.0.1 10.0.0.1", 1},
	} {
		crowd := &crowd{most: 3}
		for _, g := range strings.Fields(c.guests) {
			host, busy := strings.CutSuffix(g, "!")
			crowd.guests = append(crowd.guests, &guest{from: neighbours(from(host + ":1")), busy: busy})
		}
		got := -1
		leaves := crowd.surplus()
		for i, g := range crowd.guests {
			if g == leaves {
				got = i
			}
		}
		if got != c.want {
			t.Errorf("%s: %d goes, want %d", name, got, c.want)
		}
	}
}
