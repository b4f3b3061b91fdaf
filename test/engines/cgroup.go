package engines

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// cgroupMounts returns the root directories of all cgroup hierarchies. Version 2 has one, and version 1 has one for
// each controller.
func cgroupMounts() []string {
	text, _ := os.ReadFile("/proc/self/mountinfo") // only Linux has this file
	var out []string
	for line := range strings.Lines(string(text)) {
		before, after, ok := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if ok && len(fields) > 4 && strings.HasPrefix(after, "cgroup") {
			out = append(out, fields[4]) // where it is mounted
		}
	}
	return out
}

// cgroups returns the directories of a run, one in each hierarchy.
func cgroups(run string) []string {
	var out []string
	for _, root := range cgroupMounts() {
		if dir := filepath.Join(root, run); exists(dir) {
			out = append(out, dir)
		}
	}
	return out
}

// removeCgroups removes the cgroups of a run whose processes have ended. The kernel may take a moment to notice that
// they have, so it tries for a while.
func removeCgroups(run string) error {
	var errs []error
	for _, dir := range cgroups(run) {
		err := removeCgroup(dir)
		for end := time.Now().Add(time.Minute); errors.Is(err, syscall.EBUSY) && time.Now().Before(end); {
			time.Sleep(5 * time.Millisecond)
			err = removeCgroup(dir)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// removeCgroup removes a tree of cgroups. The kernel lets only the directories be removed, and the innermost first.
func removeCgroup(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if err := removeCgroup(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	if err := syscall.Rmdir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &os.PathError{Op: "rmdir", Path: dir, Err: err}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
