package engines

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Sweep ends and removes whatever is left of runs whose process is dead. It does not touch other runs.
func Sweep() error {
	var errs []error
	for _, run := range slices.DeleteFunc(runs(), func(run string) bool { return !dead(run) }) {
		err := remove(run)
		if os.Geteuid() != 0 && errors.Is(err, fs.ErrPermission) {
			continue // the run was root's; a user who is not root can start no engines, and need not sweep
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("sweeping %s: %w", run, err))
		}
	}
	return errors.Join(errs...)
}

// remove ends the boxes of a run and removes its cgroups and its directory.
func remove(run string) error {
	dir := filepath.Join(os.TempDir(), run)
	boxes, err := manifestOf(dir).read()
	if err != nil {
		return err
	}
	for _, p := range boxes {
		if err := end(p); err != nil {
			return err
		}
	}
	return errors.Join(removeCgroups(run), os.RemoveAll(dir))
}

// end kills a process that may have ended already, and returns when the process is gone.
func end(p process) error {
	for deadline := time.Now().Add(time.Minute); p.alive(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("process %d does not end", p.PID)
		}
		if err := signal(p.PID, sigKill); err != nil && p.alive() {
			return err
		}
	}
	return nil
}

// runs returns the names of all runs that have a directory or a cgroup.
func runs() []string {
	var out []string
	for _, dir := range append(cgroupMounts(), os.TempDir()) {
		found, _ := filepath.Glob(filepath.Join(dir, "eng-*")) // the pattern is well formed
		for _, path := range found {
			if run := filepath.Base(path); isRun(run) && !slices.Contains(out, run) {
				out = append(out, run)
			}
		}
	}
	return out
}

// Leftovers lists what is left of runs whose process is dead: processes, network links, mounts, cgroups and
// directories. After a [Sweep] it returns nothing.
func Leftovers() []string { return traces(dead) }

// traces lists what there is of some runs. It does not look for network namespaces, because they have no names and last
// only as long as a process in them.
func traces(of func(run string) bool) []string {
	var out []string
	for _, pid := range pids() {
		if _, alive := processOf(pid); !alive {
			continue
		}
		if run := runOf(pid); run != "" && of(run) {
			out = append(out, fmt.Sprintf("process %d of %s", pid, run))
		}
	}
	for _, run := range slices.DeleteFunc(runs(), func(run string) bool { return !of(run) }) {
		for _, dir := range append(cgroups(run), filepath.Join(os.TempDir(), run)) {
			if exists(dir) {
				out = append(out, "directory "+dir)
			}
		}
	}
	return append(out, strays(of)...)
}

// strays returns links and mounts of runs in the namespaces of the machine. There should never be any.
func strays(of func(run string) bool) []string {
	var out []string
	links, _ := net.Interfaces() // if they cannot be listed, no link is reported
	for _, l := range links {
		if strings.HasPrefix(l.Name, linkPrefix) {
			out = append(out, "link "+l.Name)
		}
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(mounts)) {
		if slices.ContainsFunc(strings.FieldsFunc(line, func(r rune) bool { return r == '/' || r == ' ' }), func(part string) bool { return isRun(part) && of(part) }) {
			out = append(out, "mount "+strings.TrimSpace(line))
		}
	}
	return out
}
