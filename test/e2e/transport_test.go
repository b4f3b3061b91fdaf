package e2e

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// authority is a CA whose files are in a directory.
type authority struct {
	w    *world
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func (w *world) authority(name string) *authority {
	w.Helper()
	a := &authority{w: w, dir: filepath.Join(w.home, name)}
	if err := os.Mkdir(a.dir, 0o700); err != nil {
		w.Fatal(err)
	}
	a.cert, a.key = a.issue("ca", func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	})
	return a
}

// issue makes a certificate and its key, NAME.pem and NAME-key.pem. The first certificate signs itself.
func (a *authority) issue(name string, change func(*x509.Certificate)) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.w.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.w.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	change(c)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		a.w.Fatal(err)
	}
	raw, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.w.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + "-key.pem": {Type: "EC PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(filepath.Join(a.dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			a.w.Fatal(err)
		}
	}
	out, err := x509.ParseCertificate(der)
	if err != nil {
		a.w.Fatal(err)
	}
	return out, key
}

func (a *authority) path(file string) string { return filepath.Join(a.dir, file) }

// overTLS makes a node's engine reachable at a local port for clients with a certificate of the authority.
func (a *authority) overTLS(node string) (host string) {
	a.w.Helper()
	pair, err := tls.LoadX509KeyPair(a.path("server.pem"), a.path("server-key.pem"))
	if err != nil {
		a.w.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12})
	if err != nil {
		a.w.Fatal(err)
	}
	a.w.Cleanup(func() { _ = l.Close() })
	socket := strings.TrimPrefix(a.w.swarm.Host(node), "unix://")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go pipe(c, socket)
		}
	}()
	return "tcp://" + l.Addr().String()
}

// pipe connects a connection with a socket, until either of them ends.
func pipe(c net.Conn, socket string) {
	defer func() { _ = c.Close() }()
	e, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer func() { _ = e.Close() }()
	done := make(chan struct{}, 2)
	for _, d := range [][2]net.Conn{{c, e}, {e, c}} {
		go func() { _, _ = io.Copy(d[0], d[1]); done <- struct{}{} }()
	}
	<-done
}

func TestBareEnginesBecomeASwarmOverTLS(t *testing.T) {
	t.Parallel()
	w := bare(t, 5)
	a := w.authority("ca")
	a.issue("server", func(*x509.Certificate) {})
	a.issue("client", func(*x509.Certificate) {})
	hosts := map[string]string{}
	files := five(func(name string) string {
		if hosts[name] == "" {
			hosts[name] = a.overTLS(name)
		}
		return fmt.Sprintf("host: '%s', tls: ops", hosts[name])
	})
	trusts := func(ca, cert string) string {
		return fmt.Sprintf("tls: {ops: {caFile: '%s', certFile: '%s.pem', keyFile: '%s-key.pem'}}\n", ca, cert, cert)
	}
	// A client certificate that the engine does not know, and an engine whose certificate is not the trusted one.
	b := w.authority("other")
	b.issue("client", func(*x509.Certificate) {})
	for name, text := range map[string]string{
		"unknown client": trusts(a.path("ca.pem"), b.path("client")), "unknown engine": trusts(b.path("ca.pem"), a.path("client")),
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			w.configured(text)
			r := w.repo("tls", files)
			out := w.want(2, "apply", "--source", r.Dir)
			if !strings.Contains(out.errs, "the engine of Node/blank-1 does not answer") || !strings.Contains(out.errs, "certificate") {
				t.Errorf("it does not say so: %s", out)
			}
		})
	}
	w.none()
	w.configured(trusts(a.path("ca.pem"), a.path("client")))
	r := w.repo("tls", files)
	w.want(0, "apply", "--source", r.Dir)
	w.eventually(w.formed)
	w.want(0, "diff", "--source", r.Dir, "--probe-engines")
}

// none checks that no engine is in a swarm.
func (w *world) none() {
	w.Helper()
	for i := 1; i <= 5; i++ {
		name := fmt.Sprintf("blank-%d", i)
		if info, err := w.connect(name).Info(w.Context(), client.InfoOptions{}); err != nil || info.Info.Swarm.LocalNodeState != swarm.LocalNodeStateInactive {
			w.Errorf("%s is %v in a swarm, %v", name, info.Info.Swarm.LocalNodeState, err)
		}
	}
}

// sshd serves one engine, as a machine with the docker CLI does, and returns its address. It is in a network of its
// own, as on another machine. It does the same for everyone who has the key: docker may talk to the engine. Its shells
// have an empty home: what the person who runs the tests has in theirs, such as a .bashrc that waits for a lock, would
// run before docker does.
func (w *world) sshd(dir, node string, index int) (address string) {
	w.Helper()
	docker, err := exec.LookPath("docker")
	if err != nil {
		w.Fatal(err)
	}
	sshd, err := exec.LookPath("sshd") // sshd must be called by its full path
	if err != nil {
		w.Fatal(err)
	}
	// 198.18.0.0/15 is reserved for tests of networks; each server has four of its addresses
	subnet := (os.Getpid()*8 + index) % 32768
	at := func(n int) string {
		return fmt.Sprintf("198.%d.%d.%d", 18+subnet>>14&1, subnet>>6&255, subnet<<2&255+n)
	}
	address = at(2)
	config := filepath.Join(dir, node+".conf")
	text := fmt.Sprintf(`ListenAddress %s:22
HostKey %s/host
AuthorizedKeysFile %s/client.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 100
PermitUserRC no
SetEnv HOME=%s
ForceCommand %s -H %s system dial-stdio
`, address, dir, dir, w.TempDir(), docker, w.swarm.Host(node))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
	// It says when its network exists. Before that, a link would appear in the network from which it was started.
	cmd := exec.Command("unshare", "--net", "sh", "-c", `echo there && read -r go && exec "$1" -D -e -f "$2" >&2`, "sh", sshd, config)
	log, err := os.Create(filepath.Join(dir, node+".log"))
	if err != nil {
		w.Fatal(err)
	}
	cmd.Stderr = log
	start, err := cmd.StdinPipe()
	if err != nil {
		w.Fatal(err)
	}
	says, err := cmd.StdoutPipe()
	if err != nil {
		w.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = log.Close()
		said, _ := os.ReadFile(log.Name())
		w.keep("sshd-"+node+".log", string(said))
	})
	pid, link := strconv.Itoa(cmd.Process.Pid), fmt.Sprintf("ssh%d", subnet)
	if line, err := bufio.NewReader(says).ReadString('\n'); err != nil {
		w.Fatalf("a network for an sshd: %q, %v", line, err)
	}
	for _, args := range []string{
		"ip link add " + link + " type veth peer name eth0 netns " + pid,
		"ip address add " + at(1) + "/30 dev " + link,
		"ip link set " + link + " up",
		"nsenter --net --target " + pid + " ip address add " + address + "/30 dev eth0",
		"nsenter --net --target " + pid + " ip link set eth0 up",
	} {
		words := strings.Fields(args)
		if out, err := exec.CommandContext(w.Context(), words[0], words[1:]...).CombinedOutput(); err != nil {
			w.Fatalf("%s: %v: %s", args, err, out)
		}
	}
	w.Cleanup(func() { // it would go away with the network, but that outlives its last process for a moment
		_ = exec.Command("ip", "link", "delete", link).Run()
	})
	if _, err := start.Write([]byte("\n")); err != nil {
		w.Fatal(err)
	}
	w.eventually(func() error {
		c, err := net.DialTimeout("tcp", address+":22", time.Second)
		if err == nil {
			_ = c.Close()
		}
		return err
	})
	return address
}

func TestBareEnginesBecomeASwarmOverSSH(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"sshd", "ssh", "ssh-keygen", "docker", "ip", "unshare", "nsenter"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not on PATH", program)
		}
	}
	if os.Getuid() != 0 {
		t.Skip("an sshd needs root")
	}
	if out, err := exec.CommandContext(t.Context(), "unshare", "--net", "true").CombinedOutput(); err != nil {
		t.Skipf("no network namespace can be made here: %v: %s", err, out)
	}
	w := bare(t, 5)
	dir := filepath.Join(w.home, "ssh")
	for _, d := range []string{dir, filepath.Join(dir, "bin"), "/run/sshd"} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"host", "client", "other"} {
		if out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, key)).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	// The operator finds the real ssh, with a configuration that is not the one of the person who runs the tests.
	ssh, err := exec.LookPath("ssh")
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\nexec %s -F none -i %s/client -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile=%s/known -o GlobalKnownHostsFile=none \"$@\"\n", ssh, dir, dir)
	if err := os.WriteFile(filepath.Join(dir, "bin", "ssh"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	env := []string{"PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH")}
	addresses := map[string]string{}
	for i := range 5 {
		name := fmt.Sprintf("blank-%d", i+1)
		addresses[name] = w.sshd(dir, name, i)
	}
	know := func(key string) {
		var known strings.Builder
		for _, address := range addresses {
			fmt.Fprintf(&known, "%s %s", address, read(key+".pub"))
		}
		if err := os.WriteFile(filepath.Join(dir, "known"), []byte(known.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := w.repo("ssh", five(func(name string) string { return fmt.Sprintf("host: 'ssh://root@%s'", addresses[name]) }))
	know("other")
	out := w.cliEnv(env, "apply", "--source", r.Dir)
	if out.code != 2 || !strings.Contains(out.errs, "the engine of Node/blank-1 does not answer") || !strings.Contains(out.errs, "Host key verification failed") {
		t.Errorf("a wrong host key: %s", out)
	}
	w.none()
	know("host")
	if out := w.cliEnv(env, "apply", "--source", r.Dir); out.code != 0 {
		t.Fatalf("over ssh: %s", out)
	}
	w.eventually(w.formed)
	if out := w.cliEnv(env, "diff", "--source", r.Dir, "--probe-engines"); out.code != 0 {
		t.Errorf("over ssh, again: %s", out)
	}
}
