package engines

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// orphan makes this test binary start a swarm in a process that the test then kills.
const orphan = "ENGINES_ORPHAN"

func TestARunThatIsKilledLeavesNothingAfterASweep(t *testing.T) {
	t.Parallel()
	if os.Getenv(orphan) != "" {
		w := newWorld(t, Options{Managers: 1, Workers: 1})
		w.create("web", "app:1", 4)
		w.reaches("web", swarm.TaskStateRunning, 4)
		if err := w.Hang("worker-1"); err != nil { // such an engine is the hardest to end
			t.Fatal(err)
		}
		fmt.Println("run", w.run)
		<-t.Context().Done() // it never is: the test kills this process
	}
	Need(t)
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), orphan+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }() // when the test ends before it does so
	run, said := "", []string{}
	for lines := bufio.NewScanner(out); run == "" && lines.Scan(); {
		said = append(said, lines.Text())
		run, _ = strings.CutPrefix(lines.Text(), "run ")
		if !isRun(run) {
			run = ""
		}
	}
	if run == "" {
		t.Fatalf("the run did not start:\n%s", strings.Join(said, "\n"))
	}
	if dead(run) || slices.ContainsFunc(Leftovers(), func(s string) bool { return strings.Contains(s, run) }) {
		t.Error("a run that goes on is taken for a dead one")
	}
	if n := len(traces(func(r string) bool { return r == run })); n < 20 {
		t.Errorf("of a swarm with four containers only %d traces are seen", n)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if left := Leftovers(); !slices.ContainsFunc(left, func(s string) bool { return strings.Contains(s, run) }) {
		t.Errorf("what a killed run leaves is not seen: %q", left)
	}
	err = harness.Until(context.WithoutCancel(t.Context()), patience, func() error {
		left := traces(func(r string) bool { return r == run })
		left = slices.DeleteFunc(left, func(s string) bool { return !strings.HasPrefix(s, "process") })
		if len(left) > 0 {
			return errors.New(strings.Join(left, "; "))
		}
		return nil
	})
	if err != nil {
		t.Errorf("processes outlive their run: %v", err)
	}
	if err := Sweep(); err != nil {
		t.Error(err)
	}
	if left := traces(func(r string) bool { return r == run }); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
