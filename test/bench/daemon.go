package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// daemon is an operator that runs.
type daemon struct {
	cmd *exec.Cmd
	log harness.Output
}

// run starts an operator, and waits until it has looked at the swarm and found nothing more to do.
func (w *world) run(ctx context.Context, args ...string) (*daemon, error) {
	d := &daemon{cmd: w.command(ctx, w.counted, "run", append([]string{"--listen", "127.0.0.1:0"}, args...)...)}
	d.cmd.Stderr = &d.log
	d.cmd.Cancel = func() error { return d.cmd.Process.Signal(syscall.SIGTERM) }
	d.cmd.WaitDelay = 10 * time.Second
	w.traffic.reset()
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	_, err := w.traffic.wait(ctx, 1, func(c call) bool { return c.path == "/services" })
	if err == nil {
		err = w.traffic.quiet(ctx, w.span(time.Second))
	}
	if err != nil {
		_ = d.stop()
		return nil, fmt.Errorf("waiting for the operator: %w\n%s", err, &d.log)
	}
	return d, nil
}

func (d *daemon) stop() error {
	_ = d.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	if err := d.cmd.Wait(); err != nil {
		return fmt.Errorf("the operator: %w\n%s", err, &d.log)
	}
	return nil
}

// cpu returns the processor time that the process has used so far.
func (d *daemon) cpu() (time.Duration, error) {
	data, err := os.ReadFile(d.proc("stat"))
	if err != nil {
		return 0, err
	}
	// After the name in parentheses. utime and stime are fields 14 and 15, in ticks of 10 ms.
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("reading %s: %q", d.proc("stat"), data)
	}
	user, err := strconv.Atoi(fields[11])
	if err != nil {
		return 0, err
	}
	system, err := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond, err
}

// spentSince reports the processor time of a round. Unlike its duration, that hardly depends on what else is running.
func (d *daemon) spentSince(before time.Duration, rounds int, t *table) error {
	after, err := d.cpu()
	if err != nil {
		return err
	}
	t.add("  CPU of a round", ms((after-before)/time.Duration(rounds)), "the change, what follows from it, and a write that changes nothing", "", "")
	return nil
}

// memory is what a process holds, in MB.
type memory struct{ resident, own, peak float64 }

// memory returns what the kernel says about the process.
func (d *daemon) memory() (m memory, err error) {
	data, err := os.ReadFile(d.proc("status"))
	if err != nil {
		return m, err
	}
	into := map[string]*float64{"VmRSS": &m.resident, "RssAnon": &m.own, "VmHWM": &m.peak}
	for line := range strings.Lines(string(data)) {
		name, value, _ := strings.Cut(line, ":")
		if f := into[name]; f != nil {
			kb, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
			if err != nil {
				return m, fmt.Errorf("reading %s: %w", d.proc("status"), err)
			}
			*f = kb / 1024
		}
	}
	return m, nil
}

func (d *daemon) proc(name string) string {
	return filepath.Join("/proc", strconv.Itoa(d.cmd.Process.Pid), name)
}
