package engines

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
)

const (
	sigKill = syscall.SIGKILL
	sigTerm = syscall.SIGTERM
	sigStop = syscall.SIGSTOP
	sigCont = syscall.SIGCONT
)

// keeper runs functions on one thread, which is the parent of all our processes. When that thread ends, the kernel ends
// these processes. Any other thread could end before this process does, because the runtime ends threads that a
// goroutine has locked.
var keeper = sync.OnceValue(func() chan<- func() {
	jobs := make(chan func())
	go func() {
		runtime.LockOSThread()
		for job := range jobs {
			job()
		}
	}()
	return jobs
})

// launch starts a process in a process group of its own. The process ends when this one does. It stays in the session
// of this process, because the kernel may give each session an equal share of the processors (sched_autogroup). With a
// session each, a few engines would starve all other tests.
func launch(cmd *exec.Cmd, namespaces uintptr) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces, Pdeathsig: syscall.SIGKILL, Setpgid: true}
	result := make(chan error)
	keeper() <- func() { result <- cmd.Start() }
	return <-result
}

// openBox makes namespaces and runs a script as the first process in them. The script must print a line when everything
// is set up. The box stays open until close is called or the script ends.
func openBox(t *tools, name string, log *os.File, script string, args ...string) (*box, error) {
	said, says, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer said.Close()
	b := &box{name: name, tools: t, done: make(chan struct{})}
	b.init = exec.Command(t.path("sh"), append([]string{"-c", script, name}, args...)...)
	b.init.Env, b.init.Stdout, b.init.Stderr = t.env, says, log
	err = launch(b.init, syscall.CLONE_NEWNET|syscall.CLONE_NEWNS|syscall.CLONE_NEWPID|syscall.CLONE_NEWUTS|syscall.CLONE_NEWIPC)
	_ = says.Close() // the child has its own
	if err != nil {
		return nil, fmt.Errorf("opening box %s: %w", name, err)
	}
	go func() {
		_ = b.init.Wait() // it is killed
		close(b.done)
	}()
	if _, err := bufio.NewReader(said).ReadString('\n'); err != nil {
		b.close()
		return nil, fmt.Errorf("opening box %s: its first process ended: %w", name, err)
	}
	return b, nil
}

// setns is the number of the system call. Package syscall does not have it on every platform.
var setns = map[string]uintptr{"amd64": 308, "arm64": 268}[runtime.GOARCH]

// within calls f in the network of the box. Sockets that f opens stay in that network.
func (b *box) within(f func() error) error {
	ns, err := os.Open(filepath.Join("/proc", strconv.Itoa(b.pid()), "ns", "net"))
	if err != nil {
		return err
	}
	defer ns.Close()
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked, because a thread in another network must not run other goroutines
		if _, _, errno := syscall.RawSyscall(setns, ns.Fd(), syscall.CLONE_NEWNET, 0); errno != 0 {
			result <- os.NewSyscallError("setns", errno)
			return
		}
		result <- f()
	}()
	return <-result
}

func signal(pid int, sig syscall.Signal) error {
	return os.NewSyscallError("kill", syscall.Kill(pid, sig))
}
