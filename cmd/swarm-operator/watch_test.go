package main

import (
	"bytes"
	"context"
	"errors"
	"runtime/debug"
	"testing"
	"time"

	"github.com/swarm-operator/swarm-operator/controllers/reconciler"
	"github.com/swarm-operator/swarm-operator/controllers/runner"
	"github.com/swarm-operator/swarm-operator/controllers/screen"
	"github.com/swarm-operator/swarm-operator/controllers/status"
)

func TestTheProgressLineSaysWhatRunsAndWhy(t *testing.T) {
	for name, test := range map[string]struct {
		at   reconciler.Progress
		want string
	}{
		"under way":         {reconciler.Progress{Key: web, Verdict: status.Verdict{State: status.IsProgressing, Why: "1 of 3 tasks running"}, Running: 1, Wanted: 3}, "Service/web [=  ] 1/3 1 of 3 tasks running"},
		"ready":             {reconciler.Progress{Key: web, Verdict: status.Verdict{State: status.IsReady}, Running: 3, Wanted: 3}, "Service/web [===] 3/3 ready"},
		"more than wanted":  {reconciler.Progress{Key: web, Verdict: status.Verdict{State: status.IsProgressing, Why: "2 of the old spec run"}, Running: 4, Wanted: 2}, "Service/web [==] 4/2 2 of the old spec run"},
		"too many to draw":  {reconciler.Progress{Key: web, Verdict: status.Verdict{State: status.IsReady}, Running: 41, Wanted: 41}, "Service/web 41/41 ready"},
		"none wanted":       {reconciler.Progress{Key: db, Verdict: status.Verdict{State: status.IsReady}}, "Service/db 0/0 ready"},
		"failed":            {reconciler.Progress{Key: db, Verdict: status.Verdict{State: status.IsFailed, Why: "task 1: exit code 1"}, Wanted: 1}, "Service/db [ ] 0/1 failed: task 1: exit code 1"},
		"not waited for":    {reconciler.Progress{Key: db, Verdict: status.Verdict{State: status.IsProgressing, Why: "no suitable node"}, Wanted: 1, Waits: true}, "Service/db [ ] 0/1 no suitable node (not waited for: an earlier revision changed it)"},
		"a password in why": {reconciler.Progress{Key: db, Verdict: status.Verdict{State: status.IsFailed, Why: "pull of https://me:secret@registry/x"}, Wanted: 1}, "Service/db [ ] 0/1 failed: pull of https://(hidden)@registry/x"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := progressLine(test.at, screen.Screen{}); got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

// If the watcher cannot redraw, it prints a line only for what changed.
func TestWatcherPrintsChangesAlone(t *testing.T) {
	var b bytes.Buffer
	show := newWatcher(&b, screen.Screen{})
	begun := reconciler.Progress{Key: web, Verdict: status.Verdict{State: status.IsProgressing, Why: "starting"}, Wanted: 1}
	ready := reconciler.Progress{Key: web, Verdict: status.Verdict{State: status.IsReady}, Running: 1, Wanted: 1}
	other := reconciler.Progress{Key: db, Verdict: status.Verdict{State: status.IsReady}, Running: 1, Wanted: 1}
	for _, all := range [][]reconciler.Progress{{begun, other}, {begun, other}, {ready, other}, {ready, other}} {
		show(all)
	}
	want := progressLine(begun, screen.Screen{}) + "\n" + progressLine(other, screen.Screen{}) + "\n" + progressLine(ready, screen.Screen{}) + "\n"
	if b.String() != want {
		t.Errorf("it prints\n%swant\n%s", b.String(), want)
	}
}

func TestTidyingGivesMemoryBackAndPassesResultsOn(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // so that only tidying collects garbage
	debug.FreeOSMemory()                             // what other tests have left must not go while this one measures
	before, failed := heap(), errors.New("it failed")
	do := tidying(func(_ context.Context, key string) (runner.Result, error) {
		left := make([]byte, 64<<20)
		copy(left, key)
		if string(left[:6]) != "source" || heap() < before+48<<20 { // pages that were free may go back meanwhile
			t.Error("the memory is not in the heap, so that the test tells nothing")
		}
		return runner.Result{RequeueAfter: time.Minute}, failed
	})
	if result, err := do(t.Context(), "source"); result.RequeueAfter != time.Minute || !errors.Is(err, failed) {
		t.Errorf("got %+v, %v", result, err)
	}
	for heap() >= before+32<<20 { // if it never ends, the test's own time limit ends it
		time.Sleep(restBefore)
	}
}
