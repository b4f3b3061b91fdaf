package state_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/sandbox"
	"github.com/swarm-operator/swarm-operator/test/small"
)

var web = v1.Key{Kind: v1.KindService, Name: "web"}

// byHand makes a hold as docker config create does.
func byHand(t *testing.T, c *engine.Client, name, target, reason string, more map[string]string) {
	t.Helper()
	labels := map[string]string{v1.LabelHold: target}
	for k, v := range more {
		labels[k] = v
	}
	if _, err := c.ConfigCreate(t.Context(), client.ConfigCreateOptions{Spec: swarm.ConfigSpec{
		Annotations: swarm.Annotations{Name: name, Labels: labels}, Data: []byte(reason),
	}}); err != nil {
		t.Fatal(err)
	}
}

func addHold(t *testing.T, c *engine.Client, target, why string, until time.Time) state.Hold {
	t.Helper()
	h, err := state.AddHold(t.Context(), c, target, why, "ann@laptop", until)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func holds(t *testing.T, c *engine.Client) []state.Hold {
	t.Helper()
	own, err := state.Read(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return state.Holds(own)
}

// Anybody who may list configs can read the reason there.
func TestAReasonIsKeptWithoutItsPasswords(t *testing.T) {
	c := open(t)
	addHold(t, c, "all", "see https://ann:hunter2@wiki/", time.Time{})
	own, err := state.Read(t.Context(), c)
	if err != nil || len(own) != 1 || string(own[0].Spec.Data) != "see https://(hidden)@wiki/" {
		t.Errorf("it is kept as %+v, %v", own, err)
	}
}

func TestTheLastHoldOnATargetCounts(t *testing.T) {
	c := open(t)
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	addHold(t, c, "Service/web", "first", time.Time{})
	byHand(t, c, "hold-web", "service/web", "a colleague's", nil)
	for _, why := range []string{"second", "third", "fourth"} {
		h := addHold(t, c, "Service/web", why, until)
		if h.ID == "" || h.Reason != why || !h.Until.Equal(until) || h.By != "ann@laptop" {
			t.Errorf("made %+v", h)
		}
		all := holds(t, c)
		if len(all) != 2 {
			t.Fatalf("want the newest and the colleague's, got %+v", all)
		}
		if all[0].Reason != why || !all[0].Until.Equal(until) || all[0].Since.IsZero() || all[1].Name != "hold-web" {
			t.Errorf("after the %s: %+v", why, all)
		}
	}
	// Two names that become one in a config's name are still two holds.
	addHold(t, c, "Service/web.a", "one", time.Time{})
	addHold(t, c, "Service/web-a", "two", time.Time{})
	addHold(t, c, "Service/"+strings.Repeat("long", 20), "three", time.Time{})
	if all := holds(t, c); len(all) != 5 {
		t.Errorf("holds on three more targets: %+v", all)
	}
}

func TestHoldsMadeAtTheSameTimeLeaveOne(t *testing.T) {
	c := open(t)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			if _, err := state.AddHold(t.Context(), c, "all", fmt.Sprint(i), "", time.Time{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if all := holds(t, c); len(all) != 1 {
		t.Errorf("left are %+v", all)
	}
}

func TestHoldWithoutAReasonOrAReadableEndHolds(t *testing.T) {
	c := open(t)
	byHand(t, c, "a", " Service/web ", "\n", map[string]string{v1.LabelHoldUntil: "tomorrow"})
	byHand(t, c, "b", "x", "line one\n\tpassword in https://user:hunter2@host "+strings.Repeat("x", 1000), nil)
	all := holds(t, c)
	if len(all) != 2 {
		t.Fatalf("found %+v", all)
	}
	if h := all[0]; h.Target != "Service/web" || h.Reason != "no reason given" || !h.Until.IsZero() || !h.Covers("shop", web, time.Now()) {
		t.Errorf("an end that cannot be read: %+v", h)
	}
	if h := all[1]; strings.Contains(h.Reason, "hunter2") || strings.ContainsAny(h.Reason, "\n\t") || len([]rune(h.Reason)) > 201 {
		t.Errorf("the reason is shown as %q", h.Reason)
	}
}

func TestEndHolds(t *testing.T) {
	c := open(t)
	addHold(t, c, "Service/web", "ours", time.Time{})
	byHand(t, c, "theirs", "SERVICE/web", "theirs", nil)
	byHand(t, c, "other-case", "Service/Web", "another service", nil)
	byHand(t, c, "everything", "ALL", "stop", nil)
	addHold(t, c, "shop", "a source", time.Time{})
	for target, want := range map[string]int{"Service/web": 2, "all": 1, "shop": 1, "nothing": 0} {
		ended, err := state.EndHolds(t.Context(), c, target)
		if err != nil || len(ended) != want {
			t.Errorf("on %s ended %+v, %v", target, ended, err)
		}
	}
	if left := holds(t, c); len(left) != 1 || left[0].Name != "other-case" {
		t.Errorf("left are %+v", left)
	}
}

func TestWatchSeesAHoldAtOnce(t *testing.T) {
	c := open(t)
	var clock clock
	w := state.NewWatch(c, "shop", clock.now)
	check := func(key v1.Key, on bool) {
		t.Helper()
		time.Sleep(15 * time.Millisecond) // one answer serves for 10 ms
		if err := w.Check(t.Context(), key); errors.Is(err, state.ErrOnHold) != on || !on && err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
	check(web, false)
	addHold(t, c, "Service/web", "an incident", time.Time{})
	check(web, true)
	check(v1.Key{Kind: v1.KindService, Name: "db"}, false)
	check(v1.Key{Kind: v1.KindConfig, Name: "web"}, false)
	if _, err := state.EndHolds(t.Context(), c, "Service/web"); err != nil {
		t.Fatal(err)
	}
	check(web, false)
	addHold(t, c, "shop", "until noon", time.Now().Add(time.Hour))
	check(web, true)
	clock.move(2 * time.Hour)
	check(web, false)
}

func TestWatchAsksOnceForMany(t *testing.T) {
	sb, c := openSandbox(t)
	gate := make(chan struct{})
	calls := 0
	var mu sync.Mutex
	counting := small.Engine(t, sb, func(call engine.Call) {
		if strings.HasSuffix(call.Route, "/configs") {
			mu.Lock()
			calls++
			first := calls == 1
			mu.Unlock()
			if first {
				<-gate
			}
		}
	})
	w := state.NewWatch(counting, "shop", time.Now)
	first := make(chan error, 1)
	go func() { first <- w.Check(t.Context(), web) }()
	for begun := 0; begun == 0; time.Sleep(time.Millisecond) {
		mu.Lock()
		begun = calls
		mu.Unlock()
	}
	time.Sleep(15 * time.Millisecond)
	// The first look has its answer. Everybody who asks from now on sees a hold that is made from now on.
	addHold(t, c, "all", "stop", time.Time{})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if err := w.Check(t.Context(), web); !errors.Is(err, state.ErrOnHold) {
				t.Errorf("a write goes out on what was known before the hold: %v", err)
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	asked := time.Now()
	close(gate)
	if err := <-first; err != nil {
		t.Error(err)
	}
	wg.Wait()
	// On a busy machine some ask only after the others have their answer.
	if most := 4 + int(time.Since(asked)/(10*time.Millisecond)); calls > most {
		t.Errorf("%d calls for 17 questions, want at most %d", calls, most)
	}
}

func TestWatchRefusesIfItCannotListHolds(t *testing.T) {
	sb, c := openSandbox(t)
	remove := sb.Inject(sandbox.Fault{Method: http.MethodGet, Path: "/configs$", Status: http.StatusInternalServerError, Message: "broken"})
	w := state.NewWatch(c, "shop", time.Now)
	if err := w.Check(t.Context(), web); err == nil || errors.Is(err, state.ErrOnHold) || !strings.Contains(err.Error(), "looking for holds") {
		t.Errorf("got %v", err)
	}
	remove()
	if err := w.Check(t.Context(), web); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Check(ended, web); !errors.Is(err, context.Canceled) && err != nil {
		t.Errorf("of who does not wait: %v", err)
	}
}

// clock is the real clock, moved by an offset.
type clock struct {
	mu      sync.Mutex
	offset  time.Duration
	stopped time.Time // zero if the clock runs
}

// stop makes move the only way to change the time, so that delays of a busy machine do not count.
func (c *clock) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = time.Now()
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stopped.IsZero() {
		return c.stopped.Add(c.offset)
	}
	return time.Now().Add(c.offset)
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}
