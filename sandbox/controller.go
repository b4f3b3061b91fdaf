package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/distribution/reference"
	"github.com/moby/swarmkit/v2/agent/exec"
	"github.com/moby/swarmkit/v2/api"
)

// errUnhealthy has dockerd's text for a health check that gave up.
var errUnhealthy = errors.New("dockerexec: unhealthy container")

// exitError makes the agent record the exit code. It has dockerd's text.
type exitError struct {
	code  int
	cause error
}

func (e *exitError) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("task: non-zero exit (%v): %v", e.code, e.cause)
	}
	return fmt.Sprintf("task: non-zero exit (%v)", e.code)
}

func (e *exitError) ExitCode() int { return e.code }
func (e *exitError) Unwrap() error { return e.cause }

const (
	exitKilled     = 137 // SIGKILL
	exitTerminated = 143 // SIGTERM
)

// controller pretends to be one container. It has no goroutine of its own: the agent calls it and waits in it.
type controller struct {
	executor *executor
	task     *api.Task
	does     behaviour
	// lost is true if the task ran before the machine went down, and its container did not come back with the
	// machine.
	lost bool

	logs logBuffer

	mu      sync.Mutex
	created bool
	started time.Time
	ended   bool
	code    int
	stop    chan struct{} // closed by Shutdown, Terminate and Remove
	stopped bool
	closed  chan struct{}
}

var (
	_ exec.Controller        = (*controller)(nil)
	_ exec.ControllerLogs    = (*controller)(nil)
	_ exec.ContainerStatuser = (*controller)(nil)
	_ exec.PortStatuser      = (*controller)(nil)
)

func newController(e *executor, t *api.Task) *controller {
	c := &controller{
		executor: e,
		task:     t,
		does:     behaviourOf(t.Spec.GetContainer().Image),
		stop:     make(chan struct{}),
		closed:   make(chan struct{}),
	}
	if t.Status.State >= api.TaskStateReady {
		c.created = true
	}
	switch {
	case t.Status.State > api.TaskStateRunning:
		c.ended = true
	case t.Status.State == api.TaskStateRunning:
		c.started = time.Now()
		c.lost = !e.survived
		c.logs.add(api.LogStreamStdout, "running "+t.Spec.GetContainer().Image)
	}
	return c
}

func (c *controller) Update(context.Context, *api.Task) error { return nil }

func (c *controller) Prepare(ctx context.Context) error {
	if err := c.volumesReady(ctx); err != nil {
		return err
	}
	image := c.task.Spec.GetContainer().Image
	if c.does.refused {
		name := image
		if ref, err := reference.ParseNormalizedNamed(image); err == nil {
			name = reference.TagNameOnly(ref).String()
		}
		return fmt.Errorf("failed to resolve reference %q: %s: not found", name, name)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.created {
		return exec.ErrTaskPrepared
	}
	c.created = true
	return nil
}

func (c *controller) Start(ctx context.Context) error {
	c.mu.Lock()
	if !c.started.IsZero() {
		c.mu.Unlock()
		return exec.ErrTaskStarted
	}
	c.mu.Unlock()

	image := c.task.Spec.GetContainer().Image
	c.logs.add(api.LogStreamStdout, "starting "+image)
	if err := c.wait(ctx, c.does.startTime); err != nil {
		return err
	}
	if patience, checked := c.healthPatience(); c.does.unhealthy && checked {
		if err := c.wait(ctx, patience); err != nil {
			return err
		}
		c.logs.add(api.LogStreamStderr, "unhealthy, stopping")
		c.end(exitTerminated)
		return &exitError{code: exitTerminated, cause: errUnhealthy}
	}
	c.logs.add(api.LogStreamStdout, "running "+image)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.started = time.Now()
	return nil
}

// healthPatience returns how long the health check takes to give up. It returns false if there is no check, because a
// service may switch off the one of its image.
func (c *controller) healthPatience() (time.Duration, bool) {
	interval, retries, start := 500*time.Millisecond, 1, time.Duration(0)
	h := c.task.Spec.GetContainer().Healthcheck
	if h == nil {
		return interval, true
	}
	if len(h.Test) > 0 && h.Test[0] == "NONE" {
		return 0, false
	}
	if h.Interval != nil {
		interval = time.Duration(h.Interval.Seconds)*time.Second + time.Duration(h.Interval.Nanos)
	}
	if h.Retries > 0 {
		retries = int(h.Retries)
	}
	if h.StartPeriod != nil {
		start = time.Duration(h.StartPeriod.Seconds)*time.Second + time.Duration(h.StartPeriod.Nanos)
	}
	return start + time.Duration(retries)*interval, true
}

// wait waits for d. It fails if the container is stopped first.
func (c *controller) wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.stop:
		return &exitError{code: exitKilled}
	case <-c.closed:
		return exec.ErrControllerClosed
	}
}

func (c *controller) Wait(ctx context.Context) error {
	if c.lost {
		c.end(exitKilled)
		return &exitError{code: exitKilled}
	}
	var end <-chan time.Time
	if c.does.ends {
		c.mu.Lock()
		left := runTime - time.Since(c.started)
		c.mu.Unlock()
		t := time.NewTimer(left)
		defer t.Stop()
		end = t.C
	}
	select {
	case <-end:
		c.logs.add(api.LogStreamStderr, fmt.Sprintf("exiting with code %d", c.does.exitCode))
		c.end(c.does.exitCode)
		if c.does.exitCode != 0 {
			return &exitError{code: c.does.exitCode}
		}
		return nil
	case <-c.stop:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.closed:
		return exec.ErrControllerClosed
	}
}

func (c *controller) end(code int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended, c.code = true, code
	c.logs.end()
}

func (c *controller) Shutdown(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stopped {
		c.stopped = true
		close(c.stop)
	}
	c.ended = true
	c.logs.end()
	return nil
}

func (c *controller) Terminate(ctx context.Context) error { return c.Shutdown(ctx) }

func (c *controller) Remove(ctx context.Context) error {
	c.executor.forget(c)
	return c.Shutdown(ctx)
}

func (c *controller) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.closed:
	default:
		close(c.closed)
	}
	c.logs.end()
	return nil
}

func (c *controller) isRunning() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.started.IsZero() && !c.ended
}

// ContainerStatus gives the container an id that looks real and stays the same when the agent restarts.
func (c *controller) ContainerStatus(context.Context) (*api.ContainerStatus, error) {
	sum := sha256.Sum256([]byte(c.task.ID))
	c.mu.Lock()
	s := &api.ContainerStatus{ContainerID: hex.EncodeToString(sum[:]), ExitCode: int32(c.code)}
	c.mu.Unlock()
	if c.isRunning() {
		s.PID = 1000 + int32(sum[0])<<8 + int32(sum[1])
	}
	return s, nil
}

// PortStatus reports the ports that are published on the machine itself. Nothing listens on them. If a port was left
// open, its number is derived from the task's id.
func (c *controller) PortStatus(context.Context) (*api.PortStatus, error) {
	s := &api.PortStatus{}
	if c.task.Endpoint == nil || !c.isRunning() {
		return s, nil
	}
	sum := sha256.Sum256([]byte(c.task.ID))
	for i, p := range c.task.Endpoint.Ports {
		if p.PublishMode != api.PublishModeHost {
			continue
		}
		p = p.Copy()
		if p.PublishedPort == 0 {
			p.PublishedPort = 32768 + (uint32(sum[2])<<8+uint32(sum[3])+uint32(i))%28000
		}
		s.Ports = append(s.Ports, p)
	}
	return s, nil
}
