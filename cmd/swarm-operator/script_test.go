package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	gitobject "github.com/go-git/go-git/v5/plumbing/object"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/swarm-operator/swarm-operator/sandbox"
	"github.com/swarm-operator/swarm-operator/test/certify"
	"github.com/swarm-operator/swarm-operator/test/harness"
)

// TestMain lets scripts run the operator's own binary. The test's binary would load the sandbox's libraries for each
// of the hundreds of commands, and each command would take twice as long.
func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "swarm-operator")
	if err == nil {
		defer os.RemoveAll(dir)
		err = errors.Join(
			harness.Build(context.Background(), dir, "swarm-operator"),
			os.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH")),
		)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// TestScripts runs the scripts that specify the command line. They share one swarm; each has a source name of its
// own. They also run at the same time, so a command that takes the lease may say that it waits for another script's.
func TestScripts(t *testing.T) {
	sb, err := sandbox.Start(t.Context(), sandbox.Options{Managers: 1, Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sb.Close() })
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("DOCKER_HOST", sb.Host("manager-1"))
			e.Setenv("WORKER", sb.Host("worker-1"))
			e.Setenv("DOCKER_CONFIG", e.WorkDir)
			e.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
			for _, who := range []string{"AUTHOR", "COMMITTER"} {
				e.Setenv("GIT_"+who+"_NAME", "a")
				e.Setenv("GIT_"+who+"_EMAIL", "a@example.org")
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"commit": commit, "jsondoc": jsondoc, "exits": exits, "operate": operate, "halt": halt, "certify": makeCertificate,
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// takesLease matches a line of a script that runs a command which takes the lease.
var takesLease = regexp.MustCompile(`^!? ?(exec|exits \d+) swarm-operator (apply|approve|confirm|hold|resume|retry|unmanage)\b`)

// No script expects that a command which takes the lease is silent: on a busy machine, another script often has the
// lease at that moment.
func TestNoScriptExpectsThatNobodyElseActs(t *testing.T) {
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("there are %d scripts: %v", len(scripts), err)
	}
	commands := 0
	for _, name := range scripts {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		takes := false // the last command takes the lease
		for i, line := range strings.Split(string(archive.Comment), "\n") {
			switch verb, _, _ := strings.Cut(strings.TrimPrefix(line, "! "), " "); {
			case takesLease.MatchString(line):
				takes = true
				commands++
			case verb == "exec" || verb == "exits" || verb == "operate":
				takes = false
			case takes && (line == "! stderr ." || verb == "cmp" && strings.Contains(line, "stderr")):
				t.Errorf("%s:%d: %s: the command may say that it waits for the lease; say what it must not print", name, i+1, line)
			}
		}
	}
	if commands < 100 {
		t.Errorf("only %d commands take the lease", commands)
	}
}

// commit makes a directory a repository, commits everything in it, and stores the hash in a variable. It needs no
// git. A \n in the message becomes a line break.
//
//	commit DIR MESSAGE [VARIABLE [BRANCH]]
func commit(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	r, err := gogit.PlainOpen(dir)
	if errors.Is(err, gogit.ErrRepositoryNotExists) {
		r, err = gogit.PlainInitWithOptions(dir, &gogit.PlainInitOptions{InitOptions: gogit.InitOptions{DefaultBranch: plumbing.Main}})
	}
	ts.Check(err)
	w, err := r.Worktree()
	ts.Check(err)
	ts.Check(w.AddWithOptions(&gogit.AddOptions{All: true}))
	by := &gitobject.Signature{Name: "a", Email: "a@example.org", When: time.Now()}
	hash, err := w.Commit(strings.ReplaceAll(args[1], `\n`, "\n"), &gogit.CommitOptions{Author: by, AllowEmptyCommits: true})
	ts.Check(err)
	if len(args) > 2 {
		ts.Setenv(args[2], hash.String())
	}
	if len(args) > 3 {
		ts.Check(r.Storer.SetReference(plumbing.NewHashReference(plumbing.NewBranchReferenceName(args[3]), hash)))
	}
}

// exits runs a command and compares its exit code.
//
//	exits CODE COMMAND ARGS...
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err, code := ts.Exec(args[1], args[2:]...), 0
	if failed, is := errors.AsType[*exec.ExitError](err); is {
		code = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("it exits with %d, want %s", code, args[0])
	}
}

// makeCertificate makes NAME.pem and NAME-key.pem: certify NAME.
func makeCertificate(ts *testscript.TestScript, _ bool, args []string) {
	_, _, err := certify.Make(ts.MkAbs("."), args[0])
	ts.Check(err)
}

// operator is a process of `swarm-operator run` that a script has started.
type operator struct {
	cmd   *exec.Cmd
	log   string        // path of the file
	ended chan struct{} // closed as soon as cmd.ProcessState is set
}

// operators are those of all scripts, by the directory that each script works in.
var operators sync.Map

var listensAt = regexp.MustCompile(`msg=listening address=(\S+)`)

// operate starts swarm-operator run, waits until its log has a text, and stores its address in $OPERATOR.
//
//	operate LOG TEXT FLAGS...
func operate(ts *testscript.TestScript, _ bool, args []string) {
	o := &operator{log: ts.MkAbs(args[0]), ended: make(chan struct{})}
	log, err := os.Create(o.log)
	ts.Check(err)
	defer log.Close()
	o.cmd = exec.Command("swarm-operator", append([]string{"run", "--listen", "127.0.0.1:0"}, args[2:]...)...)
	o.cmd.Dir, o.cmd.Stderr, o.cmd.Env = ts.MkAbs("."), log, os.Environ()
	for _, name := range []string{"DOCKER_HOST", "DOCKER_CONFIG", "GIT_CONFIG_GLOBAL"} {
		o.cmd.Env = append(o.cmd.Env, name+"="+ts.Getenv(name))
	}
	ts.Check(o.cmd.Start())
	go func() {
		_ = o.cmd.Wait() // halt checks how it ended
		close(o.ended)
	}()
	ts.Defer(func() {
		_ = o.cmd.Process.Kill()
		<-o.ended
	})
	operators.Store(ts.Getenv("WORK"), o)
	for {
		said, err := os.ReadFile(o.log)
		ts.Check(err)
		at := listensAt.FindSubmatch(said)
		if at != nil && bytes.Contains(said, []byte(args[1])) {
			ts.Setenv("OPERATOR", string(at[1]))
			return
		}
		select {
		case <-o.ended:
			ts.Fatalf("it has ended:\n%s", said)
		case <-time.After(20 * time.Millisecond): // another process writes the file, so there is nothing to wait on
		}
	}
}

// halt ends what operate has started, as a supervisor does, and checks that it exits with 0.
//
//	halt
func halt(ts *testscript.TestScript, _ bool, _ []string) {
	v, _ := operators.Load(ts.Getenv("WORK"))
	o := v.(*operator)
	ts.Check(o.cmd.Process.Signal(syscall.SIGTERM))
	<-o.ended
	if code := o.cmd.ProcessState.ExitCode(); code != 0 {
		ts.Fatalf("it exits with %d", code)
	}
}

var camel = regexp.MustCompile(`^[a-z][a-zA-Z0-9]*$`)

// jsondoc checks that the standard output is one JSON document with camelCase names, and has these fields.
//
//	jsondoc FIELD...
func jsondoc(ts *testscript.TestScript, neg bool, args []string) {
	d := json.NewDecoder(bytes.NewReader([]byte(ts.ReadFile("stdout"))))
	var v map[string]any
	ts.Check(d.Decode(&v))
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		ts.Fatalf("it is more than one document: %v", err)
	}
	for _, name := range args {
		if _, has := v[name]; has == neg {
			ts.Fatalf("the document has %s: %t", name, has)
		}
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, below := range v {
				if !camel.MatchString(k) {
					ts.Fatalf("%s is not camelCase", k)
				}
				walk(below)
			}
		case []any:
			for _, below := range v {
				walk(below)
			}
		}
	}
	walk(v)
}
