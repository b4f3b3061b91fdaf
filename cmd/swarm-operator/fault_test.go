package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr/funcr"
	"github.com/spf13/cobra"

	"github.com/swarm-operator/swarm-operator/controllers/rescue"
	"github.com/swarm-operator/swarm-operator/controllers/server"
	"github.com/swarm-operator/swarm-operator/controllers/status"
)

// A fault in a command ends it with the exit code of errors. The last line says in a sentence what to do. Before it is the stack,
// with functions and lines. Nothing shows a value.
func TestAFaultInACommandIsAnErrorThatCanBeReported(t *testing.T) {
	at := func(all []string, i int) string { return all[i] }
	for name, test := range map[string]struct {
		does func() error
		want string
	}{
		"a text":                {func() error { panic("POSTGRES_PASSWORD=canary") }, "a fault in swarm-operator (string)"},
		"an error":              {func() error { panic(errors.New("decoding canary")) }, "a fault in swarm-operator (*errors.errorString)"},
		"a mistake in the code": {func() error { return errors.New(at([]string{"canary"}, 1)) }, "a fault in swarm-operator (runtime.boundsError)"},
		"of a step": {func() error {
			return fmt.Errorf("create of Service/web: %w", rescue.Do(func() error { panic("canary") }))
		}, "create of Service/web: a fault in swarm-operator (string)"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			root := newRoot(&out, &errs)
			root.AddCommand(&cobra.Command{Use: "faulty", RunE: func(*cobra.Command, []string) error { return test.does() }})
			if code := execute(t.Context(), root, []string{"faulty"}, &errs); code != exitError || out.Len() > 0 {
				t.Errorf("it exits with %d, and prints %q", code, &out)
			}
			stack, said, _ := strings.Cut(errs.String(), "error: ")
			if want := test.want + "; please report it with its stack, which shows no values\n"; said != want {
				t.Errorf("it says %q, want %q", said, want)
			}
			if !strings.Contains(stack, "TestAFaultInACommand") || !strings.Contains(stack, "fault_test.go:") {
				t.Errorf("the stack does not say where the fault is:\n%s", stack)
			}
			if strings.Contains(errs.String(), "canary") || strings.Contains(errs.String(), "0x") {
				t.Errorf("it shows a value:\n%s", &errs)
			}
		})
	}
}

// A fault while a shell asks for completions offers nothing, and prints nothing.
func TestAFaultInACompletionOffersNothing(t *testing.T) {
	root := newRoot(new(bytes.Buffer), new(bytes.Buffer))
	if err := root.ParseFlags(nil); err != nil {
		t.Fatal(err)
	}
	words := offer(func(context.Context, *cobra.Command, []string, string) []string { panic("canary") })
	if got, _ := words(root, nil, ""); len(got) > 0 {
		t.Errorf("it offers %q", got)
	}
}

// A fault while a request is answered is logged, with where it happened and without a value. The next requests are answered.
func TestAFaultInAnAnswerIsLogged(t *testing.T) {
	var mu sync.Mutex
	var logged []string
	log := funcr.New(func(_, line string) {
		mu.Lock()
		defer mu.Unlock()
		logged = append(logged, line)
	}, funcr.Options{})
	metrics := status.NewMetrics("v0", func() int { return 0 })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := server.Options{Log: log}
	o.Health, o.Rest = handlers(status.NewBoard("s", "enforce", metrics, log, nil), metrics, nil, func(context.Context) status.Status { panic("canary") })
	operator, err := new(httpFlags).server(o)
	if err != nil {
		t.Fatal(err)
	}
	go operator.Serve(t.Context(), listener)
	get := func(path string) (code int, body string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listener.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		data, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return r.StatusCode, string(data)
	}
	if code, body := get("/api/v1/status"); code != http.StatusInternalServerError || !strings.Contains(body, "a fault in swarm-operator (string)") || strings.Contains(body, "canary") {
		t.Errorf("it answers %d %q", code, body)
	}
	if code, body := get("/healthz"); code != http.StatusOK {
		t.Errorf("after that it answers %d %q", code, body)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(logged) != 1 || !strings.Contains(logged[0], "/api/v1/status") || !strings.Contains(logged[0], "fault_test.go") || strings.Contains(logged[0], "canary") {
		t.Errorf("the log is %q", logged)
	}
}
