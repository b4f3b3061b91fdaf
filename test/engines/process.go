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

// process is a process that no other can be mistaken for, also when its number is given out again.
type process struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // in clock ticks since the machine's start
}

// processOf looks a process up; false where there is none, or nothing but its exit code is left.
func processOf(pid int) (process, bool) {
	s, ok := statOf(pid)
	return process{pid, s.start}, ok && s.state != "Z" && s.state != "X"
}

// alive says whether it has not ended.
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

// threads are those of a process.
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
	// The name in brackets may have spaces and brackets itself.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	const state, parent, start = 0, 1, 19 // proc_pid_stat(5) counts from 1, and the two before are cut off
	if len(fields) <= start {
		return stat{}, false
	}
	s := stat{state: fields[state]}
	s.parent, _ = strconv.Atoi(fields[parent])            // it is a number
	s.start, _ = strconv.ParseUint(fields[start], 10, 64) // so is this
	return s, true
}

// pids are the processes of this machine.
func pids() []int {
	entries, _ := os.ReadDir("/proc") // none where there is no such thing
	var out []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			out = append(out, pid)
		}
	}
	return out
}

// child finds a process by its parent; 0 is none.
func child(parent int) int {
	for _, pid := range pids() {
		if s, ok := statOf(pid); ok && s.parent == parent {
			return pid
		}
	}
	return 0
}

// mark is what every process that we start carries in its environment.
const mark = "ENGINES_RUN="

// runOf tells which run a process belongs to: containers by their cgroup, all others by their environment.
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

// cgroupsOf are the paths of a process in all hierarchies.
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

// tail is the end of a file, for an error.
func tail(path string, lines int) string {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Sprintf("(%s)", err)
	}
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
