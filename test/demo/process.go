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

// process is one that the demo started and therefore may stop.
type process struct {
	name string
	cmd  *exec.Cmd
	log  *lines
	done chan struct{} // closed when it ended
	err  error         // how, once done is closed
}

// start runs a program and keeps what it prints.
func start(path string, args ...string) (*process, error) {
	p := &process{name: filepath.Base(path), cmd: exec.Command(path, args...), log: &lines{}, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	// A ^C on the terminal is for the demo alone: it stops its processes in their order.
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

// ended is an error once the process is no more: nothing that is waited for will come.
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

// patience is how long a process may take to end when it is asked to.
const patience = 15 * time.Second

// stop asks the process to end, and makes it end where that takes too long.
func (p *process) stop() error {
	select {
	case <-p.done: // what it ended with is for who waited for it
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

// kept bounds the log: the newest lines tell what happened.
const kept = 500

// Write implements io.Writer; a line counts when it is complete.
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

// follow gives each line to a function: those there are, and from then on every new one.
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
