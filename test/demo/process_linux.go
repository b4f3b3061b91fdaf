package main

import "syscall"

// ownGroup keeps signals of the terminal away from a process. If the demo is killed, the process ends too.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
