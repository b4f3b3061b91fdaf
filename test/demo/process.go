package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// process is a process that the demo started, and may therefore stop.
type process struct {
	name string
	cmd  *exec.Cmd
	log  *lines
	done chan struct{} // closed when it has ended
	err  error         // how it ended; valid once done is closed
}

// start runs a program and keeps what it prints.
func start(path string, args ...string) (*process, error) {
	p := &process{name: filepath.Base(path), cmd: exec.Command(path, args...), log: &lines{}, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	// A ^C on the terminal is only for the demo. It stops its processes in their order.
	p.cmd.SysProcAttr = ownGroup()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", p.name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// ended returns an error if the process has ended, because what is waited for will not come.
func (p *process) ended() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s ended: %w: %s", p.name, exitOf(p.err), p.log.last())
	default:
		return nil
	}
}

func exitOf(err error) error {
	if err == nil {
		return fmt.Errorf("exit status 0")
	}
	return err
}

// patience is how long a process may take to end after it is asked to.
const patience = 15 * time.Second

// stop asks the process to end, and kills it if that takes too long.
func (p *process) stop() error {
	select {
	case <-p.done: // the code that waited for it has seen how it ended
		return nil
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended just now
	select {
	case <-p.done:
		if p.err != nil {
			return fmt.Errorf("stopping %s: %w", p.name, p.err)
		}
		return nil
	case <-time.After(patience):
	}
	_ = p.cmd.Process.Kill()
	<-p.done
	return fmt.Errorf("stopping %s: it did not end within %s and was killed", p.name, patience)
}

// lines collects what a process prints.
type lines struct {
	mu   sync.Mutex
	each func(string)
	all  []string
	rest []byte
}

// kept limits the log, because the newest lines tell what happened.
const kept = 500

// Write implements io.Writer. A line counts when it is complete.
func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, b...)
	for {
		i := bytes.IndexByte(l.rest, '\n')
		if i < 0 {
			return len(b), nil
		}
		line := string(l.rest[:i])
		l.rest = l.rest[i+1:]
		if l.all = append(l.all, line); len(l.all) > kept {
			l.all = l.all[1:]
		}
		if l.each != nil {
			l.each(line)
		}
	}
}

// follow passes each line to a function: first the lines so far, then every new one.
func (l *lines) follow(each func(string)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.all {
		each(line)
	}
	l.each = each
}

func (l *lines) copy() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.all...)
}

func (l *lines) last() string {
	all := l.copy()
	if len(all) == 0 {
		return "it printed nothing"
	}
	return all[len(all)-1]
}
