package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/swarm-operator/swarm-operator/test/engines"
)

// ability is something that a machine may have and that tests can use.
type ability struct {
	name    string
	is      string // what there is; "" if it is missing
	why     string // why it is missing
	without string // what is not tested without it
}

const (
	race   = "race detector" // decides how tests are built
	engine = "real engines"  // decides what scenarios run on
)

// abilities returns what the machine has of what tests can use. Some of it only the full run uses.
func abilities(ctx context.Context, full bool) []ability {
	all := []ability{
		program(ctx, "docker CLI", "tests that use the swarm as a person does are skipped", "docker", "--version"),
		program(ctx, "git", "tests that make repositories as git does are skipped", "git", "--version"),
		sshServer(),
		raceDetector(ctx),
		realEngines(),
	}
	if full {
		all = append(all, program(ctx, "HAProxy", "the operator is not run behind a real proxy with deploy/haproxy.cfg", "haproxy", "-v"))
	}
	return all
}

// sshServer looks for sshd, and does not run it: sshd has no option that prints what it is and ends with 0.
func sshServer() ability {
	a := ability{name: "ssh server", without: "tests that reach engines over ssh are skipped"}
	path, err := exec.LookPath("sshd")
	if err != nil {
		a.why = err.Error()
		return a
	}
	a.is = path
	return a
}

func program(ctx context.Context, name, without, file string, args ...string) ability {
	a := ability{name: name, without: without}
	out, err := exec.CommandContext(ctx, file, args...).CombinedOutput()
	if err != nil {
		a.why = firstLine(out, err)
		return a
	}
	a.is = firstLine(out, nil)
	return a
}

// raceDetector builds a program with it, because it needs cgo, a C compiler and a platform that supports it.
func raceDetector(ctx context.Context) ability {
	a := ability{name: race, without: "all tests run without -race"}
	dir, err := os.MkdirTemp("", "race-")
	if err != nil {
		a.why = err.Error()
		return a
	}
	defer os.RemoveAll(dir)
	probe := filepath.Join(dir, "probe.go")
	if err := os.WriteFile(probe, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		a.why = err.Error()
		return a
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-race", "-o", filepath.Join(dir, "probe"), probe)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		a.why = firstLine(out, err)
		return a
	}
	a.is = "with cgo"
	return a
}

// realEngines tries them out, because they need root, namespaces and programs.
func realEngines() ability {
	a := ability{name: engine, is: "dockerd and what it needs", without: "test/engines is skipped, and test/e2e runs on the sandbox only"}
	if reason, ok := engines.Available(); !ok {
		a.is, a.why = "", firstLine([]byte(reason), nil)
	}
	return a
}

func firstLine(out []byte, err error) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if line == "" && err != nil {
		return err.Error()
	}
	return line
}

func (a ability) String() string {
	text := fmt.Sprintf("  %-28s", a.name)
	if a.is != "" {
		text += "yes, " + a.is
	} else {
		text += "no, " + a.why
	}
	if a.is == "" {
		text += ": " + a.without
	}
	return text
}

// missing returns the names of the abilities that the machine does not have.
func missing(all []ability) []string {
	var out []string
	for _, a := range all {
		if a.is == "" {
			out = append(out, a.name)
		}
	}
	return out
}

func has(all []ability, name string) bool {
	for _, a := range all {
		if a.name == name {
			return a.is != ""
		}
	}
	return false
}
