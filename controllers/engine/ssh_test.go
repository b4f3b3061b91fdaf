package engine

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain makes the test binary an "ssh" that connects to a local socket. The docker CLI does so on the other host.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) != "ssh" {
		os.Exit(m.Run())
	}
	path := os.Getenv("ENGINE_TEST_SSH")
	f, err := os.OpenFile(path+".args", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = fmt.Fprintln(f, strings.ReplaceAll(strings.Join(os.Args[1:], "_"), " ", "_"))
	}
	var conn net.Conn
	if err == nil {
		conn, err = net.Dial("unix", path)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "ssh: Could not resolve hostname gone")
		os.Exit(255)
	}
	go func() {
		_, _ = io.Copy(conn, os.Stdin)
		_ = conn.(*net.UnixConn).CloseWrite()
	}()
	_, _ = io.Copy(os.Stdout, conn)
	os.Exit(0)
}

func TestSSH(t *testing.T) {
	clean(t)
	path := socketPath(t)
	s := listen(t, path, pinged("1.41", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "[]") }))
	bin := t.TempDir()
	if err := os.Symlink(os.Args[0], filepath.Join(bin, "ssh")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	t.Setenv("ENGINE_TEST_SSH", path)
	// The program that stands for ssh is this one, which takes long to start on a busy machine.
	c, _ := open(t, func(o *Options) { o.Host, o.CallTimeout = "ssh://ops@10.0.0.7:2222", 5*time.Minute })
	if err := services(c); err != nil {
		t.Fatal(err)
	}
	if err := nodes(c); err != nil {
		t.Fatal(err)
	}
	args := readLines(t, path+".args")
	for _, want := range []string{"ServerAliveInterval=30", "ops", "2222", "10.0.0.7", "docker_system_dial-stdio"} {
		if len(args) != 1 || !strings.Contains(args[0], want) {
			t.Errorf("ssh was called with %q, want once and with %q", args, want)
		}
	}
	s.CloseClientConnections()
	s.Close()
	c.session.Store(nil)
	_ = c.Close()
	err := services(c)
	if classesOf(err) != "unavailable" || !strings.Contains(err.Error(), "stderr=ssh: Could not resolve hostname gone") {
		t.Errorf("%v is in %q", err, classesOf(err))
	}
}
