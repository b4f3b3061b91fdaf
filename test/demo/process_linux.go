package main

import "syscall"

// ownGroup keeps signals of the terminal away from a process, and ends it should the demo be killed.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
