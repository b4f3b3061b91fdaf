package e2e

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// haproxy starts HAProxy before the first manager's engine, with the rules of deploy/haproxy.cfg. Only the paths of the two
// sockets are others.
func (w *world) haproxy() (socket string) {
	w.Helper()
	binary, err := exec.LookPath("haproxy")
	switch {
	case err == nil:
	case os.Getenv("CI_NO_SKIP") == "1":
		w.Fatal("haproxy is not on PATH, and CI_NO_SKIP forbids skipping")
	default:
		w.Skip("haproxy is not on PATH")
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "haproxy.cfg"))
	if err != nil {
		w.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "ha") // short, because a socket's path has at most 107 bytes
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket = filepath.Join(dir, "d.sock")
	cfg := string(text)
	for from, to := range map[string]string{
		"unix@/run/swarm-operator/docker.sock": "unix@" + socket, "unix@/var/run/docker.sock": "unix@" + strings.TrimPrefix(w.host(), "unix://"),
	} {
		if strings.Count(cfg, from) != 1 {
			w.Fatalf("deploy/haproxy.cfg does not name %s once", from)
		}
		cfg = strings.Replace(cfg, from, to, 1)
	}
	p, err := harness.Start(binary, w.env(), "-db", "-f", w.file("haproxy.cfg", cfg))
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		p.Kill()
		if w.Failed() {
			w.Logf("haproxy says %s%s", p.Stdout(), p.Stderr())
		}
	})
	w.eventually(func() error {
		if !p.Running() {
			w.Fatalf("haproxy has ended: %s%s", p.Stdout(), p.Stderr())
		}
		c, err := net.Dial("unix", socket)
		if err == nil {
			_ = c.Close()
		}
		return err
	})
	return socket
}

// asks sends a request as it is written, and returns the status of the answer. The client of net/http would clean the path.
func (w *world) asks(socket, call string) int {
	w.Helper()
	c, err := net.Dial("unix", socket)
	if err != nil {
		w.Fatal(err)
	}
	defer c.Close()
	method, path, _ := strings.Cut(call, " ")
	if _, err := fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: docker\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", method, path); err != nil {
		w.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		w.Fatalf("%s: %v", call, err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

// Behind a real HAProxy with the rules of deploy/haproxy.cfg everything works, and what the rules do not name is refused.
func TestTheOperatorWorksBehindHAProxy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 2})
	w.changesNodes()
	socket := w.haproxy()
	w.worksThrough("unix://" + socket)
	for _, call := range outside {
		method, path, _ := strings.Cut(call, " ")
		for _, version := range []string{"", "/v1.41"} {
			if code := w.asks(socket, method+" "+version+path); code != http.StatusForbidden {
				t.Errorf("%s %s%s gets %d", method, version, path, code)
			}
		}
	}
	if code := w.asks(socket, "GET /v1.41/info"); code != http.StatusOK {
		t.Errorf("what the rules name gets %d", code)
	}
}
