package engines

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// idle keeps a box open. As the first process of the box, it becomes the parent of processes whose parents have ended.
// wait reaps them when they end.
const idle = `
echo ready
while :; do sleep 86400 & wait; done`

// box is a set of namespaces of its own (network, mounts, processes, host name, IPC). They last as long as the first
// process in them. If that process ends, all others in the box end as well.
type box struct {
	name  string
	tools *tools
	init  *exec.Cmd
	done  chan struct{}

	mu      sync.Mutex
	daemons []*daemon
}

func (b *box) pid() int { return b.init.Process.Pid }

// close ends every process in the box, and returns when they are gone.
func (b *box) close() {
	_ = b.init.Process.Kill()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range b.daemons {
		d.kill() // the first process is not gone before somebody has waited for these
	}
	<-b.done
}

// enter returns a command that runs a program in some of the namespaces of the box.
func (b *box) enter(ctx context.Context, namespaces []string, args ...string) *exec.Cmd {
	at := append([]string{"--target", strconv.Itoa(b.pid())}, namespaces...)
	cmd := exec.CommandContext(ctx, b.tools.path("nsenter"), append(append(at, "--"), args...)...)
	cmd.Env = b.tools.env
	return cmd
}

// run runs a script in the network of the box, and returns when the script has ended. The script sees the files and
// processes of the machine.
func (b *box) run(ctx context.Context, script string, args ...string) error {
	var said bytes.Buffer
	cmd := b.enter(ctx, []string{"--net"}, append([]string{"sh", "-ec", script, "sh"}, args...)...)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := launch(cmd, 0); err != nil {
		return fmt.Errorf("running a script in box %s: %w", b.name, err)
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("running a script in box %s: %w: %s", b.name, err, bytes.TrimSpace(said.Bytes()))
	}
	return nil
}

// daemon is a program that keeps running in a box.
type daemon struct {
	enter   *exec.Cmd // nsenter, which stays in front of the program as its parent
	program process
	done    chan struct{}
}

// start starts a program in the box. The program writes its output to log.
func (b *box) start(log *os.File, args ...string) (*daemon, error) {
	all := []string{"--net", "--mount", "--pid", "--uts", "--ipc"}
	d := &daemon{enter: b.enter(context.Background(), all, args...), done: make(chan struct{})}
	d.enter.Stdout, d.enter.Stderr = log, log
	if err := launch(d.enter, 0); err != nil {
		return nil, fmt.Errorf("starting %s in box %s: %w", args[0], b.name, err)
	}
	go func() {
		_ = d.enter.Wait() // the signal that it was sent tells more than its exit code
		close(d.done)
	}()
	for d.program.PID == 0 {
		select {
		case <-d.done:
			return nil, fmt.Errorf("starting %s in box %s: it ended at once: %s", args[0], b.name, tail(log.Name(), 5))
		case <-time.After(time.Millisecond):
			d.program, _ = processOf(child(d.enter.Process.Pid))
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.daemons = append(b.daemons, d)
	return d, nil
}

// running reports whether the program has not ended yet.
func (d *daemon) running() bool {
	select {
	case <-d.done:
		return false
	default:
		return true
	}
}

// signal sends a signal to the program.
func (d *daemon) signal(sig syscall.Signal) error {
	if !d.program.alive() {
		return os.ErrProcessDone
	}
	return signal(d.program.PID, sig)
}

// freeze stops the program without ending it. It returns when all threads of the program have stopped.
func (d *daemon) freeze() error {
	if err := d.signal(sigStop); err != nil {
		return err
	}
	return harness.Until(context.Background(), bootTime, func() error {
		if running := slices.ContainsFunc(threads(d.program.PID), func(s stat) bool { return s.state != "T" }); running {
			return fmt.Errorf("process %d does not stop", d.program.PID)
		}
		return nil
	})
}

// wait returns when the program has ended. The caller has already told the program to end.
func (d *daemon) wait(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		// If nsenter sees that its program is stopped, it stops itself and does not see the program end.
		_ = d.enter.Process.Signal(sigCont) // it may have ended
		select {
		case <-d.done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// kill ends the program as kill -9 does, and returns when the program is gone. Processes that it started stay.
func (d *daemon) kill() {
	_ = d.signal(sigKill) // it may have ended by itself
	_ = d.wait(context.Background())
}
