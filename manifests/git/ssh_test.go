package git_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/swarm-operator/swarm-operator/manifests/git"
)

func newKey(t *testing.T) (ssh.Signer, []byte) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	return signer, pem.EncodeToMemory(block)
}

// serveSSH runs git-upload-pack for a client that has the key. It runs nothing else, and serves nobody else.
func serveSSH(t *testing.T, host ssh.Signer, client ssh.PublicKey) (address string) {
	t.Helper()
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if string(key.Marshal()) != string(client.Marshal()) {
			return nil, errors.New("unknown key")
		}
		return nil, nil
	}}
	config.AddHostKey(host)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serveConn(conn, config)
		}
	}()
	return listener.Addr().String()
}

func serveConn(conn net.Conn, config *ssh.ServerConfig) {
	defer conn.Close()
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for c := range channels {
		channel, requests, err := c.Accept()
		if err != nil {
			return
		}
		for q := range requests {
			dir, ok := strings.CutPrefix(string(q.Payload[min(4, len(q.Payload)):]), "git-upload-pack '")
			_ = q.Reply(ok && q.Type == "exec", nil)
			if !ok {
				continue
			}
			cmd := exec.Command("git", "upload-pack", strings.TrimSuffix(dir, "'"))
			cmd.Stdin, cmd.Stdout = channel, channel
			status := byte(0)
			if cmd.Run() != nil {
				status = 1
			}
			_, _ = channel.SendRequest("exit-status", false, []byte{0, 0, 0, status})
			_ = channel.Close()
		}
	}
}

func TestSSH(t *testing.T) {
	r := newRepo(t)
	want := r.commit("web.yaml", "one\n", "first")
	host, _ := newKey(t)
	client, private := newKey(t)
	_, stranger := newKey(t)
	address := serveSSH(t, host, client.PublicKey())
	dir := t.TempDir()
	key, other, hosts := filepath.Join(dir, "key"), filepath.Join(dir, "other"), filepath.Join(dir, "known_hosts")
	write(t, key, string(private))
	write(t, other, string(stranger))
	write(t, hosts, knownhosts.Line([]string{address}, host.PublicKey())+"\n")
	t.Setenv("SSH_KNOWN_HOSTS", hosts)
	t.Setenv("SSH_AUTH_SOCK", "")
	location := "ssh://git@" + address + r.dir

	s := open(t, location, git.Options{SSHKey: key})
	if c := head(t, s); c.Hash != want || readFile(t, c.Tree, "web.yaml") != "one\n" {
		t.Errorf("got %+v", c)
	}
	for what, o := range map[string]git.Options{"another key": {SSHKey: other}, "no key": {}, "a key that is not there": {SSHKey: filepath.Join(dir, "nothing")}, "no key at all": {SSHKey: hosts}} {
		if _, err := git.Open(t.Context(), location, o); err == nil {
			t.Errorf("%s: it was opened", what)
		} else {
			t.Logf("%s: %v", what, err)
		}
	}
	// The source does not talk to an unknown host, or to one whose key has changed.
	stolen, _ := newKey(t)
	for what, line := range map[string]string{"an unknown host": "", "another host key": knownhosts.Line([]string{address}, stolen.PublicKey()) + "\n"} {
		write(t, hosts, line)
		if _, err := git.Open(t.Context(), location, git.Options{SSHKey: key}); err == nil {
			t.Errorf("%s: it was opened", what)
		} else {
			t.Logf("%s: %v", what, err)
		}
	}
}

// A server that never answers costs its caller no more time than the context allows.
func TestSSHHangs(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, private := newKey(t)
	key, hosts := filepath.Join(t.TempDir(), "key"), filepath.Join(t.TempDir(), "known_hosts")
	write(t, key, string(private))
	write(t, hosts, "")
	t.Setenv("SSH_KNOWN_HOSTS", hosts)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := git.Open(ctx, "ssh://git@"+listener.Addr().String()+"/x", git.Options{SSHKey: key}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
