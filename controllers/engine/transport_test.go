package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"
)

func TestACallIsObservedAndLoggedOnce(t *testing.T) {
	c, got := opened(t, pinged("1.41", func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "gone") {
			refuse(w, 404, "service gone not found")
			return
		}
		_, _ = io.WriteString(w, `[]`)
	}))
	_ = services(c)
	_ = nodes(c)
	_, _, _ = c.ServiceRaw(context.Background(), "gone")
	want := []string{"HEAD /_ping 200", "GET /services 200", "GET /nodes 200", "GET /services/{id} 404"}
	if calls := got.seen(); !slices.Equal(calls, want) {
		t.Errorf("observed %q, want %q", calls, want)
	}
	if log := strings.Join(got.logged(), "\n"); strings.Count(log, "engine call") != len(want) ||
		!strings.Contains(log, `"level"=2 "msg"="engine call" "method"="GET" "route"="/services/{id}" "status"=404 "duration"=`) {
		t.Errorf("logged\n%s", log)
	}
}

// Nothing of a request except its route leaves the client: not in the log, not in metrics, not in errors.
func TestNothingOfARequestIsShown(t *testing.T) {
	const canary = "canary-7f3a"
	c, got := opened(t, pinged("1.41", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Secret", canary)
		if strings.Contains(r.URL.Path, "/update") {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusBadGateway) // without a body the moby client would quote the URL
	}))
	auth, _ := NewRegistryAuth(canaryAuth(canary))
	var errs []error
	_, err := c.ServiceCreate(context.Background(), canarySpec(canary), auth)
	errs = append(errs, err)
	_, err = c.ServiceUpdate(context.Background(), canary, ServiceUpdate{Spec: canarySpec(canary), Auth: auth})
	errs = append(errs, err)
	_, err = c.NodeList(context.Background(), client.NodeListOptions{Filters: make(client.Filters).Add("name", canary)})
	errs = append(errs, err)
	_, err = c.SecretCreate(context.Background(), client.SecretCreateOptions{Spec: canarySecret(canary)})
	errs = append(errs, err)
	all := strings.Join(got.logged(), "\n") + fmt.Sprintf("%+v", got.calls)
	for _, err := range errs {
		if err == nil {
			t.Fatal("a call succeeded")
		}
		all += fmt.Sprintf("%v %+v %#v", err, err, errors.Unwrap(err))
	}
	if strings.Contains(all, canary) {
		t.Errorf("the canary is in\n%s", all)
	}
}

func TestCallToAnEngineThatHangsTimesOut(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	c, got := opened(t, pinged("1.41", func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/services") {
			_, _ = io.WriteString(w, `[{"ID":`)
			w.(http.Flusher).Flush() // the answer begins and does not end
		}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}), func(o *Options) { o.CallTimeout = time.Second }) // a busy machine needs part of it until the request is out
	for name, call := range map[string]func(*Client) error{"no answer": nodes, "half an answer": services} {
		err := call(c)
		if cl := classesOf(err); cl != "ambiguous timeout" {
			t.Errorf("%s: %q is in %q", name, err, cl)
		}
		if want := "no answer from " + c.Host() + " within 1s"; !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q does not say %q", name, err, want)
		}
	}
	for _, call := range got.calls[1:] {
		if !IsTimeout(call.Err) {
			t.Errorf("observed %+v without its timeout", call)
		}
	}
}

func TestErrorSaysWhyTheCallerCancelled(t *testing.T) {
	entered := make(chan struct{}, 1)
	c, _ := opened(t, pinged("1.41", func(_ http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-r.Context().Done()
	}))
	lost := errors.New("the lease was lost")
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() { <-entered; cancel(lost) }()
	_, err := c.NodeList(ctx, nodeList)
	if !errors.Is(err, context.Canceled) || !errors.Is(err, lost) || !IsAmbiguous(err) || IsTimeout(err) {
		t.Errorf("cancelled in flight: %v, in %q", err, classesOf(err))
	}
	if want := "calling GET /nodes: cancelled: the lease was lost"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
	_, err = c.NodeList(ctx, nodeList)
	if !errors.Is(err, context.Canceled) || IsAmbiguous(err) {
		t.Errorf("cancelled before: %v, in %q", err, classesOf(err))
	}
	late, stop := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer stop()
	if err := func() error { _, err := c.ServiceList(late); return err }(); !errors.Is(err, context.DeadlineExceeded) || IsAmbiguous(err) {
		t.Errorf("too late: %v, in %q", err, classesOf(err))
	}
}

func TestDroppedConnections(t *testing.T) {
	c, _ := opened(t, pinged("1.41", func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/services") {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `[`)
		}
		panic(http.ErrAbortHandler)
	}))
	for _, call := range []func(*Client) error{nodes, services} {
		err := call(c)
		if cl := classesOf(err); cl != "ambiguous" || !strings.Contains(err.Error(), "closed the connection before its answer was complete") {
			t.Errorf("%q is in %q", err, cl)
		}
	}
}

// A redirect is no answer, even if its body could be read as one, and the client does not follow it.
func TestARedirectIsNoAnswer(t *testing.T) {
	for _, status := range []int{http.StatusMultipleChoices, http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect} {
		calls := 0
		c, _ := opened(t, pinged("1.41", func(w http.ResponseWriter, _ *http.Request) {
			calls++
			w.Header().Set("Location", "/v1.41/elsewhere")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "[]")
		}))
		for _, call := range []func(*Client) error{nodes, services} {
			if err := call(c); err == nil || !strings.Contains(err.Error(), "answers with a redirect, as no docker engine does") || !IsAmbiguous(err) {
				t.Errorf("%d is %v, in %q", status, err, classesOf(err))
			}
		}
		if calls != 2 {
			t.Errorf("%d made %d calls, want 2", status, calls)
		}
	}
}

// The error of an empty answer says so, and names the call.
func TestAnswersWithoutContentAreNamed(t *testing.T) {
	c, _ := opened(t, pinged("1.41", func(http.ResponseWriter, *http.Request) {}))
	for _, call := range []func(*Client) error{nodes, services} {
		if err := call(c); err == nil || !strings.Contains(err.Error(), "empty") && !strings.Contains(err.Error(), "list of services: ") {
			t.Errorf("it says %v", err)
		}
	}
	if _, err := c.Describe(t.Context()); err == nil || !strings.Contains(err.Error(), "GET /info") {
		t.Errorf("it says %v", err)
	}
}

// An error in the first call says which call it was.
func TestAPingThatIsRefusedIsNamed(t *testing.T) {
	c, _ := opened(t, func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusInternalServerError, "out of order")
	})
	if err := nodes(c); err == nil || !strings.Contains(err.Error(), "for its API version: Error response from daemon: out of order") {
		t.Errorf("it says %v", err)
	}
}

func TestNoEngine(t *testing.T) {
	clean(t)
	path := socketPath(t)
	c, got := open(t, func(o *Options) { o.Host = "unix://" + path })
	check := func(want string) {
		t.Helper()
		for _, call := range []func(*Client) error{nodes, services} {
			err := call(c)
			if cl := classesOf(err); cl != "unavailable" || !strings.Contains(err.Error(), want) {
				t.Errorf("%q is in %q, want %q", err, cl, want)
			}
		}
	}
	check("there is no socket " + path)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	check("nothing listens on unix://" + path)
	for _, seen := range got.seen() {
		if seen != "HEAD /_ping 0" {
			t.Errorf("called %q although the ping failed", seen)
		}
	}
	// The socket comes back, and the same client goes on.
	_ = os.Remove(path)
	listen(t, path, pinged("1.41", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "[]") }))
	if err := services(c); err != nil {
		t.Error(err)
	}
}

// TestPermission runs itself as nobody, because root may open every socket.
func TestPermission(t *testing.T) {
	if path := os.Getenv("ENGINE_TEST_SOCKET"); path != "" {
		c, err := Open(Options{Host: "unix://" + path})
		if err == nil {
			err = services(c)
		}
		fmt.Printf("%s|%v\n", classesOf(err), err)
		return
	}
	path := socketPath(t)
	listen(t, path, http.NotFoundHandler())
	dir := filepath.Dir(path)
	run := exec.Command(os.Args[0], "-test.run=^TestPermission$")
	if os.Geteuid() == 0 {
		exe := filepath.Join(dir, "exe")
		copyFile(t, os.Args[0], exe)
		run = exec.Command(exe, "-test.run=^TestPermission$")
		run.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	for _, err := range []error{os.Chmod(dir, 0o755), os.Chmod(path, 0)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	run.Dir = dir
	run.Env = []string{"ENGINE_TEST_SOCKET=" + path, "HOME=" + dir}
	out, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"permission unavailable|", "permission denied on " + path, fmt.Sprintf("gid %d", os.Getegid()), "--group-add"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%s\ndoes not say %q", out, want)
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	raw, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, raw, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

type countingListener struct {
	net.Listener
	conns atomic.Int32
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.conns.Add(1)
	}
	return c, err
}

// Sixteen writes at a time must not each dial again; net/http would keep only two connections.
func TestConnectionsAreKept(t *testing.T) {
	clean(t)
	path := socketPath(t)
	inner, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l := &countingListener{Listener: inner}
	arrived, release := make(chan struct{}), make(chan struct{})
	listenOn(t, l, pinged("1.41", func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-release
		_, _ = io.WriteString(w, `{"ID":"x"}`)
	}))
	c, _ := open(t, func(o *Options) { o.Host = "unix://" + path })
	for range 3 {
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				if _, err := c.ServiceCreate(context.Background(), canarySpec(""), RegistryAuth{}); err != nil {
					t.Error(err)
				}
			})
		}
		for range 16 {
			<-arrived
		}
		for range 16 {
			release <- struct{}{}
		}
		wg.Wait()
	}
	// One more connection may have been dialled for a call that then found an idle one.
	if n := l.conns.Load(); n > 20 {
		t.Errorf("%d connections for 16 calls at a time", n)
	}
}

func TestPrintable(t *testing.T) {
	for host, want := range map[string]string{
		"unix:///var/run/docker.sock": "unix:///var/run/docker.sock",
		"ssh://ops@10.0.0.7":          "ssh://ops@10.0.0.7",
		"tcp://ops:canary@10.0.0.7:1": "tcp://ops@10.0.0.7:1",
		"tcp://a:%zz@b":               "(an unreadable host)",
	} {
		if got := printable(host); got != want {
			t.Errorf("printable(%q) = %q, want %q", host, got, want)
		}
	}
}
