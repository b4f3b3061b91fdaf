//go:build !unix

package sinks

import "os/exec"

// together does nothing, because there are no process groups here. Only the program itself is killed.
func together(*exec.Cmd) {}
