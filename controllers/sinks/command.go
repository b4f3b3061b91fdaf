package sinks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/files"
	"github.com/swarm-operator/swarm-operator/controllers/rescue"
)

// runnable returns an error if the program cannot be run. It does not run it.
func runnable(argv []string) error {
	if len(argv) == 0 || !filepath.IsAbs(argv[0]) {
		return errors.New("the program's path is not absolute")
	}
	info, err := os.Stat(argv[0])
	switch {
	case errors.Is(err, os.ErrNotExist):
		return errors.New("there is no such program")
	case err == nil && !info.Mode().IsRegular():
		return errors.New("the program is not a regular file")
	}
	if _, err := exec.LookPath(argv[0]); err != nil {
		if e, ok := errors.AsType[*exec.Error](err); ok {
			err = e.Err
		}
		return fmt.Errorf("the program cannot be run: %w", err)
	}
	return nil
}

// pass runs a program that reads the secret. It drops what the program prints, because that may be what it has read.
func pass(ctx context.Context, argv []string, secret v1.Content, limit time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errLate)
	defer cancel()
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _, _ = r.Close(), w.Close() }() // a second time if all went well
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin = r
	cmd.Env = environment()
	together(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the program: %w", unwrapped(err))
	}
	written := make(chan error, 1)
	go rescue.Clean(func() {
		_, err := w.Write(secret.Reveal())
		written <- errors.Join(err, w.Close())
	})()
	ended := cmd.Wait()
	_ = w.SetWriteDeadline(time.Now()) // nobody reads any more; w may already be closed
	switch err := <-written; {
	case context.Cause(ctx) == errLate && ended != nil: //nolint:errorlint // it is the cause itself
		return fmt.Errorf("the program had not ended after %s, and was killed", limit)
	case ctx.Err() != nil && ended != nil:
		return ctx.Err()
	case ended != nil:
		return unwrapped(ended)
	case err != nil:
		return errUnread
	}
	// The pipe has no writer any more. So this reads what the program has left, and then the end.
	left, err := io.Copy(io.Discard, r)
	if err != nil || left > 0 {
		return errUnread
	}
	return nil
}

var (
	errLate   = errors.New("too late")
	errUnread = errors.New("the program ended with 0 and has not read all of its standard input")
)

// environment returns the only variables of the operator's environment that the program gets.
func environment() []string {
	out := []string{}
	for _, name := range []string{"PATH", "HOME"} {
		if value, is := os.LookupEnv(name); is {
			out = append(out, name+"="+value)
		}
	}
	return out
}

// unwrapped returns what the system said: an exit status or a signal. It leaves out the path, which only the operator's
// configuration shows.
func unwrapped(err error) error {
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return fmt.Errorf("the program ended with %s", e.ProcessState)
	}
	return files.Cause(err)
}
