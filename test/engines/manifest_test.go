package engines

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// needProc skips a test on systems where processes cannot be told apart.
func needProc(t *testing.T) process {
	t.Helper()
	self, ok := processOf(os.Getpid())
	if !ok {
		t.Skip("there is no /proc here")
	}
	return self
}

// sleeper starts a process that runs until somebody ends it.
func sleeper(t *testing.T) (*exec.Cmd, process) {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have been
		_ = cmd.Wait()
	})
	p, ok := processOf(cmd.Process.Pid)
	if !ok {
		t.Fatal("a process that was started is not there")
	}
	return cmd, p
}

// ended returns a process that has ended.
func ended(t *testing.T) process {
	t.Helper()
	cmd, p := sleeper(t)
	_ = cmd.Process.Kill() // it is ours
	_ = cmd.Wait()
	return p
}

func TestARunBelongsToItsProcess(t *testing.T) {
	self := needProc(t)
	gone := ended(t)
	for name, want := range map[string]struct{ run, dead bool }{
		fmt.Sprintf("eng-%d-%d-1", self.PID, self.Start):   {true, false},
		fmt.Sprintf("eng-%d-%d-1", self.PID, self.Start+1): {true, true}, // another process had the number
		fmt.Sprintf("eng-%d-%d-1", gone.PID, gone.Start):   {true, true},
		"eng-1-2":     {},
		"engine-1-2-": {},
		"engines":     {},
		"eng-a-b-c":   {},
	} {
		if isRun(name) != want.run || dead(name) != want.dead {
			t.Errorf("%s: is a run: %t, is dead: %t", name, isRun(name), dead(name))
		}
	}
}

// A sweep ends a process that a dead run's manifest lists, if it is still the same process. It leaves all others alone.
func TestASweepEndsOnlyWhatDeadRunsStarted(t *testing.T) {
	self := needProc(t)
	t.Setenv("TMPDIR", t.TempDir())
	gone := ended(t)
	_, listed := sleeper(t)
	_, stranger := sleeper(t)
	_, others := sleeper(t)
	dir := func(name string, boxes ...process) string {
		dir := filepath.Join(os.TempDir(), name)
		if err := os.MkdirAll(filepath.Join(dir, "manager-1", "data"), 0o700); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(boxes)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(manifestOf(dir).path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	deadRun := dir(fmt.Sprintf("eng-%d-%d-1", gone.PID, gone.Start), listed, process{stranger.PID, stranger.Start + 1}, gone)
	liveRun := dir(fmt.Sprintf("eng-%d-%d-2", self.PID, self.Start), others)
	noRun := dir("eng-notes", others)
	if left := Leftovers(); !slices.Contains(left, "directory "+deadRun) || strings.Contains(fmt.Sprint(left), liveRun) {
		t.Errorf("leftovers are %q", left)
	}
	if err := Sweep(); err != nil {
		t.Fatal(err)
	}
	if listed.alive() || !stranger.alive() || !others.alive() {
		t.Errorf("alive are the listed: %t, one with a listed number: %t, one of another run: %t", listed.alive(), stranger.alive(), others.alive())
	}
	if exists(deadRun) || !exists(liveRun) || !exists(noRun) {
		t.Errorf("there are the dead run: %t, the live one: %t, something else: %t", exists(deadRun), exists(liveRun), exists(noRun))
	}
}
