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

// Sweep ends and removes what runs have left behind whose process is dead. Other runs are not touched.
func Sweep() error {
	var errs []error
	for _, run := range slices.DeleteFunc(runs(), func(run string) bool { return !dead(run) }) {
		err := remove(run)
		if os.Geteuid() != 0 && errors.Is(err, fs.ErrPermission) {
			continue // it was root's: whoever is not can start no engines, and has nothing to sweep for
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

// end kills a process that may no longer be there, and waits until it is not.
func end(p process) error {
	for deadline := time.Now().Add(10 * time.Second); p.alive(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("process %d does not end", p.PID)
		}
		if err := signal(p.PID, sigKill); err != nil && p.alive() {
			return err
		}
	}
	return nil
}

// runs are those that have a directory or a cgroup.
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

// Leftovers tells what there still is of runs whose process is dead: processes, network links, mounts, cgroups and
// directories. After a [Sweep] there must be nothing.
func Leftovers() []string { return traces(dead) }

// traces tells what there is of some runs. Network namespaces need no look of their own: they have no names, and last as
// long as a process in them.
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

// strays are links and mounts in the namespaces of the machine, where there should never have been any.
func strays(of func(run string) bool) []string {
	var out []string
	links, _ := net.Interfaces() // without them there is no link either
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
