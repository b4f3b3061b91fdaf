package state_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/swarm-operator/swarm-operator/controllers/state"
)

func troubles(revision string, steps ...state.Trouble) state.Troubles {
	return state.Troubles{Revision: revision, Steps: steps}
}

// steps returns what an instance knows to have failed.
func (i *instance) steps(source, revision string) []state.Trouble {
	var out []state.Trouble
	for _, s := range i.Troubles(source, revision) {
		out = append(out, s.Trouble)
	}
	return out
}

func TestOtherInstancesKnowWhatOneHasTried(t *testing.T) {
	c := open(t)
	a, b := newInstance(t, c, "a", true), newInstance(t, c, "b", true)
	failed := state.Trouble{Step: "create Service/web", Tries: 2, Why: "port '80' is taken"}
	a.takes()
	a.Note("shop", troubles("r1", failed))
	if got := a.steps("shop", "r1"); !slices.Equal(got, []state.Trouble{failed}) {
		t.Errorf("who tried it knows %+v", got)
	}
	a.release(false)
	b.takes()
	if got := b.steps("shop", "r1"); !slices.Equal(got, []state.Trouble{failed}) {
		t.Errorf("the other one knows %+v", got)
	}
	if got := b.steps("shop", "r2"); got != nil {
		t.Errorf("of another revision it knows %+v", got)
	}
	if got := b.steps("bar", "r1"); got != nil {
		t.Errorf("of another source it knows %+v", got)
	}

	other := state.Trouble{Step: "remove Network/n", Tries: 1, Why: "in use"}
	b.Note("bar", troubles("r7", other))
	b.release(false)
	a.takes()
	if got := a.steps("bar", "r7"); !slices.Equal(got, []state.Trouble{other}) {
		t.Errorf("of the other source it knows %+v", got)
	}
	a.Note("shop", troubles("r1"))
	a.release(false)
	b.takes()
	if got := b.steps("shop", "r1"); len(got) > 0 {
		t.Errorf("what succeeded is still a trouble: %+v", got)
	}
	if got := b.steps("bar", "r7"); len(got) != 1 {
		t.Errorf("another source's trouble is gone: %+v", got)
	}
}

// Clocks are not compared: the time counts from when this process saw the try.
func TestATryCountsFromWhenItIsSeen(t *testing.T) {
	c := open(t)
	a, b := newInstance(t, c, "a", true), newInstance(t, c, "b", true)
	b.clock.move(time.Hour)
	since := func(i *instance) time.Time {
		t.Helper()
		got := i.Troubles("shop", "r1")
		if len(got) != 1 {
			t.Fatalf("it knows %+v", got)
		}
		return got[0].Since
	}
	try := func(i *instance, n int) {
		i.takes()
		i.Note("shop", troubles("r1", state.Trouble{Step: "create Service/web", Tries: n, Why: "no"}))
		i.release(false)
	}
	try(a, 1)
	first := since(a)
	a.clock.move(time.Second)
	a.takes()
	a.release(false)
	if !since(a).Equal(first) {
		t.Errorf("it counts from %s, and the try was at %s", since(a), first)
	}
	b.takes()
	if at := since(b); at.Before(b.clock.now().Add(-time.Minute)) {
		t.Errorf("it counts from %s by its own clock, which says %s", at, b.clock.now())
	}
	b.release(false)
	try(a, 2)
	if !since(a).After(first) {
		t.Errorf("the second try counts from the first one, %s", since(a))
	}
}

func TestLabelOfTroublesIsShortAndShowsNoPassword(t *testing.T) {
	c := open(t)
	a := newInstance(t, c, "a", true)
	var many []state.Trouble
	for n := range 50 {
		many = append(many, state.Trouble{Step: "create Service/s" + string(rune('a'+n)), Tries: n + 1, Why: "asking https://ada:canary@registry.example.com/: " + strings.Repeat("no ", 1000)})
	}
	a.takes()
	a.Note("shop", troubles("r1", many...))
	a.release(false)
	own, err := state.Read(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	for _, config := range own {
		for k, v := range config.Spec.Labels {
			size += len(k) + len(v)
			if strings.Contains(v, "canary") {
				t.Errorf("label %s shows a password: %s", k, v)
			}
		}
	}
	if size > 16<<10 {
		t.Errorf("the labels have %d bytes", size)
	}
	if got := a.steps("shop", "r1"); len(got) == 0 || got[0].Tries != 50 {
		t.Errorf("what failed most often is not there: %+v", got)
	}
}

// A step that is not noted is tried with each event, by each instance. So many are noted, though not why each failed.
func TestManyStepsThatFailBackOff(t *testing.T) {
	c := open(t)
	a, b := newInstance(t, c, "a", true), newInstance(t, c, "b", true)
	var many []state.Trouble
	for n := range 25 {
		many = append(many, state.Trouble{Step: fmt.Sprintf("create Service/s%02d", n), Tries: 1, Why: "no such plugin"})
	}
	a.takes()
	a.Note("shop", troubles("r1", slices.Concat(many[13:], many[:13])...))
	a.release(false)
	b.takes()
	got := b.steps("shop", "r1")
	if len(got) != 25 || got[0] != many[0] || got[19] != many[19] || got[24].Step != many[24].Step || got[24].Tries != 1 || got[24].Why == "" || got[24].Why == many[24].Why {
		t.Errorf("the other one knows %d steps: %+v", len(got), got)
	}
	said := state.Troubles{Revision: "r1", Steps: got}.Said("r1")
	if len(said) != 21 || said[0] != "create Service/s00 failed once: no such plugin" || said[20] != "5 more steps failed" {
		t.Errorf("people are told %q", said)
	}
	if said := (state.Troubles{Revision: "r1", Steps: got[:2]}).Said("r1"); len(said) != 2 {
		t.Errorf("people are told %q", said)
	}
	if said := (state.Troubles{Revision: "r1", Steps: got}).Said("r2"); len(said) != 0 {
		t.Errorf("of another revision people are told %q", said)
	}
}

// A process that cannot release the lease still knows what it has tried. A process that lost the lease does not write
// an old try over a newer one.
func TestNoteIsWrittenOnlyUnderItsOwnLease(t *testing.T) {
	c := open(t)
	a, b := newInstance(t, c, "a", true), newInstance(t, c, "b", true)
	a.takes()
	a.Note("shop", troubles("r1", state.Trouble{Step: "create Service/web", Tries: 1, Why: "no"}))
	a.clock.move(time.Minute) // it was away
	b.clock.move(time.Minute)
	b.take() // sees the lease held, for the first time
	b.clock.move(time.Minute)
	b.takes()
	b.Note("shop", troubles("r1"))
	b.release(false)
	a.takes()
	a.release(false)
	if got := b.takes(); got.Epoch == 0 || len(b.steps("shop", "r1")) > 0 {
		t.Errorf("the old try is back: %+v", b.steps("shop", "r1"))
	}
}

func TestOutdatedPlanTakesNoLease(t *testing.T) {
	c := open(t)
	a, b := newInstance(t, c, "a", true), newInstance(t, c, "b", true)
	a.takes()
	a.Note("shop", troubles("r1", state.Trouble{Step: "create Service/web", Tries: 1, Why: "no"}))
	a.release(false)
	tried := func(v state.View) bool { return len(v.Troubles("shop").Steps) > 0 }
	taken, err := b.Take(t.Context(), "shop", tried)
	if err != nil || taken.Epoch != 0 || !taken.Others {
		t.Errorf("it gets the lease for what somebody has just tried: %+v, %v", taken, err)
	}
	if taken, err = b.Take(t.Context(), "shop", func(state.View) bool { return false }); err != nil || taken.Epoch == 0 {
		t.Errorf("it does not get the lease for something else: %+v, %v", taken, err)
	}
}
