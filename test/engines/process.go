package engines

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// process identifies a process, even after the kernel has given its number to another one.
type process struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // in clock ticks since the machine started
}

// processOf looks a process up by its number. It returns false if there is none, or if only its exit code is left.
func processOf(pid int) (process, bool) {
	s, ok := statOf(pid)
	return process{pid, s.start}, ok && s.state != "Z" && s.state != "X"
}

// alive reports whether the process has not ended.
func (p process) alive() bool {
	now, ok := processOf(p.PID)
	return ok && now == p
}

type stat struct {
	state  string
	parent int
	start  uint64
}

func statOf(pid int) (stat, bool) { return readStat(filepath.Join("/proc", strconv.Itoa(pid))) }

// threads returns the threads of a process.
func threads(pid int) []stat {
	dirs, _ := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task", "*")) // the pattern is well formed
	var out []stat
	for _, dir := range dirs {
		if s, ok := readStat(dir); ok {
			out = append(out, s)
		}
	}
	return out
}

func readStat(dir string) (stat, bool) {
	text, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return stat{}, false
	}
	// The name in parentheses may itself contain spaces and parentheses.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	const state, parent, start = 0, 1, 19 // proc_pid_stat(5) counts from 1, and the first two fields are cut off
	if len(fields) <= start {
		return stat{}, false
	}
	s := stat{state: fields[state]}
	s.parent, _ = strconv.Atoi(fields[parent])            // it is a number
	s.start, _ = strconv.ParseUint(fields[start], 10, 64) // so is this
	return s, true
}

// pids returns the numbers of all processes of this machine.
func pids() []int {
	entries, _ := os.ReadDir("/proc") // there are none on systems without /proc
	var out []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			out = append(out, pid)
		}
	}
	return out
}

// child returns the number of a child of a process, or 0 if it has none.
func child(parent int) int {
	for _, pid := range pids() {
		if s, ok := statOf(pid); ok && s.parent == parent {
			return pid
		}
	}
	return 0
}

// mark begins the variable that every process that we start has in its environment.
const mark = "ENGINES_RUN="

// runOf returns the run that a process belongs to, or "". A container's process is known by its cgroup, any other by
// its environment.
func runOf(pid int) string {
	environ, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ")) // it may end at any time
	for _, e := range bytes.Split(environ, []byte{0}) {
		if run, ok := strings.CutPrefix(string(e), mark); ok {
			return run
		}
	}
	for _, group := range cgroupsOf(pid) { // /eng-1-2-3/manager-1/4f1c…
		if first, _, _ := strings.Cut(strings.TrimPrefix(group, "/"), "/"); isRun(first) {
			return first
		}
	}
	return ""
}

// cgroupsOf returns the paths of a process in all hierarchies.
func cgroupsOf(pid int) []string {
	text, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cgroup")) // it may end at any time
	var out []string
	for line := range strings.Lines(string(text)) { // 4:memory:/eng-1-2-3/manager-1/4f1c…
		if parts := strings.SplitN(strings.TrimSpace(line), ":", 3); len(parts) == 3 {
			out = append(out, parts[2])
		}
	}
	return out
}

// tail returns the last lines of a file, for an error.
func tail(path string, lines int) string {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Sprintf("(%s)", err)
	}
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
