//go:build !linux

package engines

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// Nothing below is ever called, because Available returns false.
const (
	sigKill = syscall.SIGKILL
	sigTerm = syscall.SIGTERM
	sigStop = syscall.Signal(0)
	sigCont = syscall.Signal(0)
)

var errNotLinux = errors.New("engines need Linux")

func launch(*exec.Cmd, uintptr) error { return errNotLinux }

func openBox(*tools, string, *os.File, string, ...string) (*box, error) { return nil, errNotLinux }

func (b *box) within(func() error) error { return errNotLinux }

func signal(int, syscall.Signal) error { return errNotLinux }
