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
)

// world is what the measurements use: a swarm, the traffic of its API, a repository and the binaries.
type world struct {
	options
	*ground
	dir        string
	traffic    *traffic
	engine     *client.Client // through direct
	observed   *client.Client // through counted
	repository *repository
	operator   string // the binary
	bare       string // the binary that only makes the calls
	docker     string // the binary; empty if there is none
	stack      stack  // what was measured of docker stack deploy
}

func newWorld(ctx context.Context, o options) (*world, error) {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, err
	}
	w := &world{options: o, dir: dir, traffic: newTraffic()}
	if err := w.open(ctx); err != nil {
		return nil, errors.Join(err, w.end())
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
	if w.ground, err = openGround(ctx, w.options, w.traffic); err != nil {
		return err
	}
	if w.engine, err = client.New(client.WithHost(w.direct)); err != nil {
		return err
	}
	w.observed, err = client.New(client.WithHost(w.counted))
	return err
}

// build builds as make does, so that its build cache can be used.
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

func (w *world) end() error {
	var errs []error
	for _, c := range []*client.Client{w.engine, w.observed} {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	if w.ground != nil {
		errs = append(errs, w.ground.close())
	}
	return errors.Join(append(errs, os.RemoveAll(w.dir))...)
}

func (w *world) wants(part string) bool {
	return w.only == "" || slices.Contains(strings.Split(w.only, ","), part)
}

// command returns a command of the operator on this world. host is the way to its swarm.
func (w *world) command(ctx context.Context, host, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, w.operator, append([]string{name, "--source", w.repository.dir, "--host", host}, args...)...)
}

// slow returns how many times to repeat what takes seconds: less often than rounds, and still less often with many
// services.
func (w *world) slow(part int) int { return max(w.rounds*min(1000, 1_000_000/w.n)/1000/part, 1) }

// timed runs a program from start to exit, and returns how long that took.
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

// count runs a command and returns the calls that it made. Its duration is not a measurement.
func (w *world) count(cmd *exec.Cmd) (calls []call, began time.Time, took time.Duration, err error) {
	w.traffic.reset()
	began = time.Now()
	took, err = timed(cmd)
	calls, _ = w.traffic.seen()
	return calls, began, took, err
}

// spent returns the processor time of a command that has ended. Unlike its duration, that hardly depends on what else
// is running.
func spent(cmd *exec.Cmd) time.Duration {
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// applied makes the swarm as the repository says, so that a part finds it so even if it runs alone.
func (w *world) applied(ctx context.Context) error {
	_, err := timed(w.command(ctx, w.direct, "apply"))
	return err
}
