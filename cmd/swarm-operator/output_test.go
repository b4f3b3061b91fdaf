package main

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-logr/logr"

	"github.com/swarm-operator/swarm-operator/controllers/screen"
	"github.com/swarm-operator/swarm-operator/controllers/server"
	"github.com/swarm-operator/swarm-operator/controllers/status"
)

func TestColourIsForTerminalsThatHaveIt(t *testing.T) {
	for _, c := range []struct {
		mode     string
		terminal bool
		env      map[string]string
		want     bool
	}{
		{"auto", true, nil, true},
		{"auto", false, nil, false},
		{"", true, nil, true},
		{"auto", true, map[string]string{"NO_COLOR": "1"}, false},
		{"auto", true, map[string]string{"NO_COLOR": ""}, true},
		{"auto", true, map[string]string{"TERM": "dumb"}, false},
		{"auto", true, map[string]string{"TERM": "xterm"}, true},
		{"always", false, map[string]string{"NO_COLOR": "1", "TERM": "dumb"}, true},
		{"never", true, nil, false},
	} {
		if got := colored(c.mode, c.terminal, func(name string) string { return c.env[name] }); got != c.want {
			t.Errorf("%+v: %t", c, got)
		}
	}
}

func TestPlanIsPainted(t *testing.T) {
	const block = "~ Service/web  (changed in git; restarts tasks)\n    spec.image  a → b  (restarts tasks)\n    spec.replicas  1 → 2  (in place)\n"
	if got := paintPlan(screen.Screen{}, block); got != block {
		t.Errorf("without colour it is %q", got)
	}
	want := "\x1b[33m~ Service/web\x1b[0m  (changed in git; restarts tasks)\n    spec.image  a → b  (\x1b[33mrestarts tasks\x1b[0m)\n    spec.replicas  1 → 2  (in place)\n"
	if got := paintPlan(screen.Screen{Color: true}, block); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Another program may listen on the operator's address. Status does not take it for an operator, and does not wait
// for it.
func TestOnlyAnOperatorIsTakenForOne(t *testing.T) {
	metrics := status.NewMetrics("v0", func() int { return 0 })
	board := status.NewBoard("s", "enforce", metrics, logr.Discard(), nil)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := server.Options{}
	o.Health, o.Rest = handlers(board, metrics, nil, nil)
	operator, err := new(httpFlags).server(o)
	if err != nil {
		t.Fatal(err)
	}
	go operator.Serve(t.Context(), listener)
	a, err := new(askFlags).open()
	if err != nil {
		t.Fatal(err)
	}
	if !a.operates(t.Context(), listener.Addr().String()) {
		t.Error("an operator is not known")
	}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) }))
	defer other.Close()
	hangs, err := net.Listen("tcp", "127.0.0.1:0") // it accepts connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer hangs.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	for name, address := range map[string]string{
		"another server": strings.TrimPrefix(other.URL, "http://"), "one that says nothing": hangs.Addr().String(), "nobody": gone.Addr().String(), "no address": "nowhere",
	} {
		if a.operates(t.Context(), address) {
			t.Errorf("%s is taken for an operator", name)
		}
	}
}

// Without a flag, status asks the operator on this machine, and says so. If an engine is named, it does not.
func TestStatusAsksTheOperatorOfTheMachine(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Server", serverName+"v0")
		answer(w, nil, status.Status{Head: status.Head{Source: "shop"}, Objects: []status.Object{}})
	}))
	defer server.Close()
	local := strings.TrimPrefix(server.URL, "http://")
	for name, c := range map[string]struct {
		host, wantOut, wantErrs string
	}{
		"an operator answers": {"", "Source:    shop\n", "note: asked the operator at " + local + "\n"},
		"an engine is named":  {"unix:///nowhere.sock", "", "note: asked the swarm alone: an engine is named, so no operator was asked, and . is no checkout with manifests\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			t.Setenv("DOCKER_CONFIG", t.TempDir())
			t.Setenv("DOCKER_HOST", c.host)
			t.Setenv("DOCKER_CONTEXT", "")
			var out, errs bytes.Buffer
			cmd := newStatusAt(local)
			cmd.SetOut(&out)
			cmd.SetErr(&errs)
			cmd.SetArgs(nil)
			err := cmd.ExecuteContext(t.Context())
			if (err == nil) != (c.wantOut != "") || !strings.Contains(out.String(), c.wantOut) {
				t.Errorf("out %q, error %v", &out, err)
			}
			if !strings.HasPrefix(errs.String(), c.wantErrs) {
				t.Errorf("errors %q, want %q", &errs, c.wantErrs)
			}
		})
	}
}
