package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Process is a running command.
type Process struct {
	cmd       *exec.Cmd
	out, errs Output
	done      chan struct{}
	err       error // the error of cmd.Wait
}

// Start runs a command. Its environment is only what is given.
func Start(binary string, env []string, args ...string) (*Process, error) {
	p := &Process{cmd: exec.Command(binary, args...), done: make(chan struct{})}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = append([]string{}, env...), &p.out, &p.errs
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", binary, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Stdout returns what the process has printed so far.
func (p *Process) Stdout() string { return p.out.String() }

// Stderr returns what the process has printed so far.
func (p *Process) Stderr() string { return p.errs.String() }

// Done returns a channel that is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Running reports whether the process is still running.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Wait returns the exit code. It is -1 if a signal ended the process.
func (p *Process) Wait(ctx context.Context) (int, error) {
	select {
	case <-p.done:
	case <-ctx.Done():
		return -1, fmt.Errorf("waiting for %s: %w", p.cmd.Path, ctx.Err())
	}
	if exited, ok := errors.AsType[*exec.ExitError](p.err); ok {
		return exited.ExitCode(), nil
	}
	return p.cmd.ProcessState.ExitCode(), p.err
}

// Interrupt sends SIGINT, as ^C does.
func (p *Process) Interrupt() error { return p.cmd.Process.Signal(os.Interrupt) }

// Freeze stops the process where it is, as a machine that sleeps does.
func (p *Process) Freeze() error { return p.cmd.Process.Signal(syscall.SIGSTOP) }

// Thaw lets it go on after Freeze.
func (p *Process) Thaw() error { return p.cmd.Process.Signal(syscall.SIGCONT) }

// Terminate asks the process to end, and does not wait.
func (p *Process) Terminate() error { return p.cmd.Process.Signal(syscall.SIGTERM) }

// Kill ends the process as a power cut would, and returns when it has gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-p.done
}

// Stop asks the process to end, and returns the exit code.
func (p *Process) Stop(ctx context.Context) (int, error) {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return -1, fmt.Errorf("stopping %s: %w", p.cmd.Path, err)
	}
	return p.Wait(ctx)
}

// Output is a buffer that can be read while somebody still writes to it.
type Output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends to the buffer.
func (o *Output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(b)
}

// String returns what was written so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
