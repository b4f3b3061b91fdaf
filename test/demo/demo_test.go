package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// built makes the two binaries. They are built as make does, so that its build cache can be used.
var built = sync.OnceValue(func() (err error) {
	if binaries, err = os.MkdirTemp("", "demo-bin-"); err != nil {
		return err
	}
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binaries, "../../cmd/...")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	return cmd.Run()
})

var binaries string // where they are, once they are built

func TestMain(m *testing.M) {
	flag.Parse()
	// make demo runs the same tour, and fails if a step does not succeed. It need not run twice.
	if skip := flag.Lookup("test.skip"); os.Getenv("E2E_FULL") == "" && skip.Value.String() == "" {
		_ = skip.Value.Set("^TestTour$") // any text is valid
	}
	code := m.Run()
	if binaries != "" {
		_ = os.RemoveAll(binaries)
	}
	os.Exit(code)
}

// theatre returns options with a directory for everything that a demo makes, and checks at the end what it leaves
// behind.
func theatre(t *testing.T) options {
	t.Helper()
	if err := built(); err != nil {
		t.Fatalf("building the binaries: %s", err)
	}
	dir, err := os.MkdirTemp("", "dt") // t.TempDir would be too long a path for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", dir)
	t.Cleanup(func() {
		left, err := os.ReadDir(dir)
		if err != nil || len(left) > 0 {
			t.Errorf("the demo left %v behind (%v)", left, err)
		}
		_ = os.RemoveAll(dir)
	})
	return options{bin: binaries, examples: filepath.Join("..", "..", "examples", "demo")}
}

func TestTour(t *testing.T) {
	o := theatre(t)
	var out bytes.Buffer
	o.out = &out
	begin := time.Now()
	if err := run(t.Context(), o); err != nil {
		t.Fatalf("%s\n%s", err, &out)
	}
	t.Logf("the tour took %s\n%s", time.Since(begin), &out)
	for _, want := range []string{
		"1. A first commit", "web nginx:1.27 2/2", "swarm-operator status", "Network/front         Synced", "diff exits 0", "web nginx:1.28 2/2", "spec.replicas: have 5, want 2 (by hand)",
		"seen: repaired", "rollback_completed", "want crash:1 (by git): held", "web nginx:1.29 2/2", "did you mean replicas?",
		"stays in force", "remove Service/node-metrics: removed", "2 of 3 managers can be reached", "worker-1   ready  reachable", "All 7 steps",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the tour does not show %q", want)
		}
	}
	// The machine decides whether a service has run long enough to be healthy, and that decides how wide the column
	// is.
	for _, want := range []string{`(?m)^ *OBJECT +SYNC +HEALTH +REPLICAS`, `(?m)^ *Service/web +Synced +(Healthy|Progressing) +2/2`} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("the tour does not show %s", want)
		}
	}
}

// A tour that is stopped halfway ends its processes. The cleanup of theatre sees what it leaves.
func TestTourStopped(t *testing.T) {
	o := theatre(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &trigger{on: "2. A second commit", do: cancel}
	o.out = out
	if err := run(ctx, o); err == nil || !strings.Contains(err.Error(), errStopped.Error()) {
		t.Errorf("error is %v, want %q\n%s", err, errStopped, &out.all)
	}
	if strings.Contains(out.all.String(), "All 7 steps") {
		t.Error("the tour went on to its end")
	}
}

// If a step does not succeed, the error names the step and has the operator's log.
func TestTourFails(t *testing.T) {
	o := theatre(t)
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(o.examples)); err != nil {
		t.Fatal(err)
	}
	o.examples = dir
	// The tour's second commit finds nothing to edit.
	if err := (&repository{dir: dir}).edit("web.yaml", "nginx:1.27", "nginx:1.20"); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	o.out = &out
	err := run(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), `step 2, "A second commit is rolled out": editing web.yaml`) {
		t.Errorf("error is %v", err)
	}
	if !strings.Contains(out.String(), `"msg":"running"`) {
		t.Errorf("the operator's log is not printed:\n%s", &out)
	}
}

func TestMissingBinaries(t *testing.T) {
	err := run(t.Context(), options{bin: t.TempDir(), examples: "x", out: &bytes.Buffer{}})
	if err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("error is %v, want one that says what to do", err)
	}
}

// trigger does something once, when a text is written to it.
type trigger struct {
	on  string
	do  func()
	all bytes.Buffer
}

func (w *trigger) Write(b []byte) (int, error) {
	w.all.Write(b)
	if strings.Contains(w.all.String(), w.on) {
		w.do()
	}
	return len(b), nil
}

func TestShort(t *testing.T) {
	at := `"time":"` + time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.Local).Format(time.RFC3339Nano) + `",`
	for line, want := range map[string]string{
		`{` + at + `"level":"INFO","msg":"step done","operation":"update","object":"Service/web","cause":"changed in git"}`: "03:04:05.678 update Service/web: changed in git",
		`{` + at + `"level":"INFO","msg":"drift detected","object":"Service/web","fields":["spec.replicas"]}`:               "03:04:05.678 drift Service/web: [spec.replicas] changed by hand",
		`{` + at + `"level":"INFO","msg":"step refused","object":"Service/web","why":"it failed"}`:                          "03:04:05.678 held Service/web: it failed",
		`{` + at + `"level":"INFO","msg":"condition changed","type":"InSync","status":true,"message":""}`:                   "03:04:05.678 InSync=true",
		`{` + at + `"level":"ERROR","msg":"step failed","object":"Service/web","error":"no"}`:                               "03:04:05.678 ERROR step failed Service/web no",
		`{` + at + `"level":"INFO","msg":"listening","address":"127.0.0.1:1"}`:                                              "",
		"not JSON": "not JSON",
	} {
		if got := short(line); got != want {
			t.Errorf("short(%s) is %q, want %q", line, got, want)
		}
	}
}

func TestFollow(t *testing.T) {
	var l lines
	_, _ = l.Write([]byte("a\nb"))
	var got []string
	l.follow(func(s string) { got = append(got, s) })
	_, _ = l.Write([]byte("c\nd\n"))
	if s := strings.Join(got, " "); s != "a bc d" {
		t.Errorf("followed %q, want %q", s, "a bc d")
	}
}
