package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/sandbox"
)

// world is what is measured in: a swarm, its API's traffic, a repository and the binaries.
type world struct {
	options
	dir        string
	swarm      *sandbox.Sandbox
	host       string
	traffic    *traffic
	engine     *client.Client
	repository *repository
	operator   string // the binary
	bare       string // the binary that only makes the calls
	docker     string // "" where there is none
}

func newWorld(ctx context.Context, o options) (*world, error) {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, err
	}
	w := &world{options: o, dir: dir, traffic: newTraffic()}
	if err := w.open(ctx); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *world) open(ctx context.Context) error {
	var err error
	build := []string{"./test/bench/bare"}
	if w.operator = filepath.Join(w.bin, "swarm-operator"); w.bin == "" {
		build = append(build, "./cmd/swarm-operator")
		w.operator = filepath.Join(w.dir, "swarm-operator")
	}
	w.bare = filepath.Join(w.dir, "bare")
	if err := w.build(ctx, build...); err != nil {
		return err
	}
	w.docker, _ = exec.LookPath("docker")
	if w.repository, err = newRepository(filepath.Join(w.dir, "repository"), w.n); err != nil {
		return err
	}
	if w.swarm, err = sandbox.Start(ctx, sandbox.Options{Managers: 1, OnRequest: w.traffic.note}); err != nil {
		return fmt.Errorf("starting the sandbox: %w", err)
	}
	w.host = w.swarm.Host("manager-1")
	w.engine, err = client.New(client.WithHost(w.host))
	return err
}

// build builds as make does, so that its build cache serves.
func (w *world) build(ctx context.Context, packages ...string) error {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("finding the module: %w", err)
	}
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-trimpath", "-ldflags", "-s -w", "-o", w.dir}, packages...)...)
	cmd.Dir = strings.TrimSpace(string(root))
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", strings.Join(packages, " "), err, out)
	}
	return nil
}

func (w *world) close() error {
	var errs []error
	if w.engine != nil {
		errs = append(errs, w.engine.Close())
	}
	if w.swarm != nil {
		errs = append(errs, w.swarm.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(w.dir))...)
}

func (w *world) wants(part string) bool {
	return w.only == "" || slices.Contains(strings.Split(w.only, ","), part)
}

// command is a command of the operator on this world.
func (w *world) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, w.operator, append([]string{name, "--source", w.repository.dir, "--host", w.host}, args...)...)
}

// timed runs a program from start to exit.
func timed(cmd *exec.Cmd) (time.Duration, error) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	begin := time.Now()
	err := cmd.Run()
	took := time.Since(begin)
	if err != nil {
		text := out.String()
		err = fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, text[max(0, len(text)-2000):])
	}
	return took, err
}

// spent is what a command that ended has used of processors. Other than its time it hardly depends on what else runs.
func spent(cmd *exec.Cmd) time.Duration {
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// applied makes the swarm as the repository says; a part that is run alone finds it so as well.
func (w *world) applied(ctx context.Context) error {
	_, err := timed(w.command(ctx, "apply"))
	return err
}
