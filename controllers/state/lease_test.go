package state_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/sandbox"
)

// instance is one process's part of the lease, with a clock of its own.
type instance struct {
	*state.Lease
	t     *testing.T
	clock clock
}

func newInstance(t *testing.T, c *engine.Client, name string, eager bool) *instance {
	t.Helper()
	i := &instance{t: t}
	i.Lease = state.NewLease(state.LeaseOptions{Engine: c, Instance: name, Eager: eager, Log: logr.Discard(), Now: i.clock.now})
	i.Saw(nil) // nobody ever acted in this swarm
	t.Cleanup(func() { _ = i.Release(context.Background(), true) })
	return i
}

func (i *instance) take() state.Taken {
	i.t.Helper()
	taken, err := i.Take(i.t.Context(), "shop", nil)
	if err != nil {
		i.t.Fatal(err)
	}
	return taken
}

// takes asks for a lease, and fails if it does not get it.
func (i *instance) takes() state.Taken {
	i.t.Helper()
	taken := i.take()
	if taken.Epoch == 0 {
		i.t.Fatalf("%s does not get the lease: %+v", i.Holder(), taken)
	}
	return taken
}

func (i *instance) refused() state.Taken {
	i.t.Helper()
	taken := i.take()
	if taken.Epoch != 0 || taken.Again <= 0 {
		i.t.Fatalf("%s gets the lease, or is not told when to ask again: %+v", i.Holder(), taken)
	}
	return taken
}

func (i *instance) release(leave bool) {
	i.t.Helper()
	if err := i.Release(i.t.Context(), leave); err != nil {
		i.t.Fatal(err)
	}
}

// write tries to make a config under a context.
func write(ctx context.Context, c *engine.Client, name string) error {
	_, err := c.ConfigCreate(ctx, client.ConfigCreateOptions{Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: name}, Data: []byte("x")}})
	return err
}

func TestTwoNeverHoldTheLease(t *testing.T) {
	c := open(t)
	var holders, most, turns atomic.Int32
	var mu sync.Mutex
	epochs := map[uint64]bool{}
	last := uint64(0)
	var wg sync.WaitGroup
	for n := range 8 {
		i := newInstance(t, c, fmt.Sprint("m", n), n%2 == 0)
		wg.Go(func() {
			for done := 0; done < 5; {
				taken, err := i.Take(t.Context(), "shop", nil)
				if err != nil {
					t.Error(err)
					return
				}
				if taken.Epoch == 0 {
					time.Sleep(min(taken.Again, 5*time.Millisecond))
					continue
				}
				if now := holders.Add(1); now > most.Load() {
					most.Store(now)
				}
				mu.Lock()
				if epochs[taken.Epoch] || taken.Epoch <= last {
					t.Errorf("epoch %d after %d", taken.Epoch, last)
				}
				epochs[taken.Epoch], last = true, taken.Epoch
				mu.Unlock()
				if i.Mine() != taken.Epoch {
					t.Errorf("it holds epoch %d and says %d", taken.Epoch, i.Mine())
				}
				time.Sleep(time.Millisecond)
				holders.Add(-1)
				if err := i.Release(t.Context(), done == 4); err != nil {
					t.Error(err)
				}
				done++
				turns.Add(1)
			}
		})
	}
	wg.Wait()
	if most.Load() != 1 || turns.Load() != 40 {
		t.Errorf("%d held it at once, in %d turns", most.Load(), turns.Load())
	}
}

func TestEpochsGrowAlsoAfterTheConfigIsGone(t *testing.T) {
	c := open(t)
	last := uint64(0)
	for n := range 6 {
		i := newInstance(t, c, fmt.Sprint("m", n%2), true)
		taken := i.takes()
		if taken.Epoch <= last {
			t.Errorf("epoch %d after %d", taken.Epoch, last)
		}
		last = taken.Epoch
		if v := i.View(); n > 0 && v.Epoch > last {
			t.Errorf("the lease has epoch %d", v.Epoch)
		}
		i.release(n%2 == 0)
		if n%3 == 2 {
			removeConfig(t, c, state.LeaseName)
		}
	}
}

// A process that finds no lease, in a swarm where somebody has acted, cannot know whether the
// holder has noticed that its lease is gone.
func TestARemovedLeaseKeepsNewcomersWaiting(t *testing.T) {
	c := open(t)
	memory, err := state.New("shop")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := state.NewStore("shop", c).Save(t.Context(), state.Found{}, memory); err != nil {
		t.Fatal(err)
	}
	i := newInstance(t, c, "new", true)
	i.Saw(configs(t, c))
	i.refused()
	i.clock.move(state.LeaseTTL - time.Second)
	i.refused()
	i.clock.move(time.Second)
	i.takes()
}

func TestHolderThatDoesNotRenewStopsBeforeOthersBegin(t *testing.T) {
	sb, c := openSandbox(t)
	stuck := newInstance(t, c, "stuck", false)
	stuck.takes()
	ctx, cancel := stuck.Bind(t.Context())
	defer cancel()
	if err := write(ctx, c, "before"); err != nil {
		t.Fatal(err)
	}
	next := newInstance(t, c, "next", true)
	if taken := next.refused(); !strings.HasPrefix(taken.Holder, "stuck/") || taken.Again > state.LeaseLook {
		t.Errorf("it is told %+v", taken)
	}
	// Time goes on for both, but the one that is stuck renews nothing.
	defer sb.Inject(sandbox.Fault{Method: http.MethodPost, Path: "/configs/.*/update$", Count: 1000, Status: http.StatusInternalServerError, Message: "stuck"})()
	for _, i := range []*instance{stuck, next} {
		i.clock.move(state.LeaseTTL - time.Second)
	}
	next.refused()
	if stuck.Mine() != 0 {
		t.Error("it counts on a lease that others may soon take")
	}
	if err := write(ctx, c, "between"); !errors.Is(err, engine.ErrFenced) || !errors.Is(err, state.ErrLeaseLost) {
		t.Errorf("a write shortly before: %v", err)
	}
}

// While a swarm has no leader, nobody can renew the lease either. That time therefore counts as time without a renewal,
// and a process that waits does not start its wait again.
func TestTimeWithoutAnswersCountsTowardsTheWait(t *testing.T) {
	for name, test := range map[string]struct {
		eager bool
		fault sandbox.Fault
	}{
		"an operator": {fault: sandbox.Fault{Method: http.MethodGet, Path: "/configs/.*", Status: http.StatusServiceUnavailable, Message: "the swarm does not have a leader"}},
		"a command":   {eager: true, fault: sandbox.Fault{Path: "/configs.*", Status: http.StatusServiceUnavailable, Message: "rpc error: code = Unavailable desc = no leader"}},
	} {
		t.Run(name, func(t *testing.T) {
			sb, c := openSandbox(t)
			gone := newInstance(t, c, "gone", false)
			gone.takes()
			next := newInstance(t, c, "next", test.eager)
			next.refused()
			next.clock.move(state.LeaseTTL - time.Second)
			heal := sb.Inject(test.fault)
			if taken, err := next.Take(t.Context(), "shop", nil); err == nil {
				t.Fatalf("the lease could be read: %+v", taken)
			}
			heal()
			next.refused()
			next.clock.move(time.Second)
			if taken := next.takes(); !taken.Others {
				t.Errorf("it is told %+v", taken)
			}
		})
	}
}

func TestFormerHolderCannotWrite(t *testing.T) {
	c := open(t)
	stopped := newInstance(t, c, "stopped", false)
	first := stopped.takes()
	ctx, cancel := stopped.Bind(t.Context())
	defer cancel()
	next := newInstance(t, c, "next", true)
	next.refused()
	// The process was stopped: its clock goes on, and it renews nothing.
	stopped.clock.move(state.LeaseTTL)
	next.clock.move(state.LeaseTTL)
	second := next.takes()
	if second.Epoch <= first.Epoch || !second.Others {
		t.Errorf("taken over: %+v after %+v", second, first)
	}
	// It comes back with a call in hand.
	if err := write(ctx, c, "late"); !errors.Is(err, engine.ErrFenced) || !errors.Is(err, state.ErrLeaseLost) {
		t.Errorf("a write of who was taken over: %v", err)
	}
	if err := write(context.WithoutCancel(ctx), c, "later"); !errors.Is(err, engine.ErrFenced) {
		t.Errorf("and one that nobody can cancel: %v", err)
	}
	if _, err := c.ConfigList(ctx, client.ConfigListOptions{}); err != nil && ctx.Err() == nil {
		t.Errorf("it may still read: %v", err)
	}
	// Its renewal notices, and ends what runs under the lease.
	select {
	case <-ctx.Done():
		if cause := context.Cause(ctx); !errors.Is(cause, state.ErrLeaseLost) {
			t.Errorf("it ends with %v", cause)
		}
	case <-time.After(time.Minute):
		t.Error("what runs under a lost lease goes on")
	}
	// Its release takes nothing away.
	stopped.release(true)
	if v := view(t, c); !v.Held() || v.Epoch != second.Epoch || v.Holder != next.Holder() {
		t.Errorf("the lease is %+v", v)
	}
	if next.Mine() != second.Epoch {
		t.Error("the new holder has lost it")
	}
}

func view(t *testing.T, c *engine.Client) state.View {
	t.Helper()
	v, there := state.ViewLease(configs(t, c))
	if !there {
		t.Fatal("there is no lease")
	}
	return v
}

func leaseVersion(t *testing.T, c *engine.Client) uint64 {
	t.Helper()
	r, err := c.ConfigInspect(t.Context(), state.LeaseName, client.ConfigInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return r.Config.Version.Index
}

func TestTheHolderRenews(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as renewing does")
	}
	c := open(t)
	i, other := newInstance(t, c, "a", false), newInstance(t, c, "b", true)
	epoch := i.takes().Epoch
	other.refused()
	before := view(t, c).Renewed
	v := view(t, c)
	for end := time.Now().Add(time.Minute); !v.Renewed.After(before) && time.Now().Before(end); v = view(t, c) {
		time.Sleep(50 * time.Millisecond) // between two looks
	}
	if !v.Renewed.After(before) || v.Epoch != epoch || v.Source != "shop" {
		t.Errorf("the lease is not renewed: %+v", v)
	}
	other.clock.move(state.LeaseTTL) // it has not seen the renewal yet
	other.refused()
	if i.Mine() != epoch || i.takes().Epoch != epoch {
		t.Error("it holds another lease")
	}
}

func TestTakeTellsWhetherOthersHaveActed(t *testing.T) {
	c := open(t)
	a, b := newInstance(t, c, "a", true), newInstance(t, c, "b", true)
	others := func(i *instance, want bool, when string) {
		t.Helper()
		if taken := i.takes(); taken.Others != want {
			t.Errorf("%s: others is %t", when, taken.Others)
		}
		if taken := i.takes(); taken.Others {
			t.Errorf("%s: of a lease that it holds already", when)
		}
		i.release(false)
	}
	others(a, false, "nobody ever acted")
	others(a, false, "nobody acted since it gave it back")
	others(b, true, "a acted")
	others(a, true, "b acted")
	b.Saw(configs(t, c))
	others(b, false, "it has seen all that a did")
	b.Saw(configs(t, c))
	others(a, true, "b acted again")
	others(b, true, "a acted after b looked")
	// A process that holds the lease when everything is read may act on after that.
	a.takes()
	b.Saw(configs(t, c))
	a.release(true)
	others(b, true, "a held it when b looked")
	removeConfig(t, c, state.LeaseName)
	b.Saw(configs(t, c))
	others(b, false, "there was none when it looked, and it made the one there is")
}

func TestTheLastHolderGoesFirst(t *testing.T) {
	c := open(t)
	last, other := newInstance(t, c, "last", false), newInstance(t, c, "other", false)
	eager := newInstance(t, c, "eager", true)
	last.clock.stop()
	other.clock.stop()
	last.takes()
	last.release(false)
	if taken := other.refused(); taken.Holder != last.Holder() || taken.Again > 500*time.Millisecond {
		t.Errorf("it is told %+v", taken)
	}
	last.takes()
	last.release(false)
	// It waits its turn, and no longer.
	other.refused()
	other.clock.move(time.Second)
	other.takes()
	other.release(false)
	// A turn that nobody wanted does not count.
	last.refused()
	last.Idle()
	last.clock.move(time.Second)
	last.refused()
	// A command does not wait, and nobody waits for a process that has left.
	eager.takes()
	eager.release(true)
	if v := view(t, c); v.Held() || v.State != "left" {
		t.Errorf("the lease is %+v", v)
	}
	last.takes()
}

func TestNobodyWaitsForALastHolderThatHasEnded(t *testing.T) {
	c := open(t)
	last, next := newInstance(t, c, "last", false), newInstance(t, c, "next", false)
	next.clock.stop() // no turn may pass by itself
	last.clock.stop()
	last.takes()
	last.release(false)
	epoch := view(t, c).Epoch
	next.refused()
	last.release(true)
	if v := view(t, c); v.State != "left" || v.Holder != last.Holder() || v.Epoch != epoch {
		t.Errorf("the lease is %+v, want the one of epoch %d, left", v, epoch)
	}
	next.takes()
	next.release(false)
	// A process that ends writes nothing if it is not the last holder, or never held the lease.
	before := leaseVersion(t, c)
	last.release(true)
	newInstance(t, c, "idle", false).release(true)
	if after := leaseVersion(t, c); after != before {
		t.Errorf("the lease was written: version %d, before %d", after, before)
	}
	if v := view(t, c); v.Holder != next.Holder() {
		t.Errorf("the lease is %+v", v)
	}
	// What the last holder knows may be old: somebody else may have acted since it looked.
	last.refused()
	last.clock.move(time.Second)
	last.takes()
	last.release(false)
	next.refused()
	next.clock.move(time.Second)
	next.takes()
	last.release(true)
	if v := view(t, c); v.Holder != next.Holder() || !v.Held() {
		t.Errorf("the lease is %+v, and %s holds it", v, next.Holder())
	}
}

func TestALeaseRemovedWhileSomebodyActs(t *testing.T) {
	c := open(t)
	a, b := newInstance(t, c, "a", true), newInstance(t, c, "b", true)
	first := a.takes().Epoch
	b.refused()
	removeConfig(t, c, state.LeaseName)
	b.refused() // a does not know yet
	b.clock.move(state.LeaseTTL - time.Second)
	b.refused()
	b.clock.move(time.Second)
	if second := b.takes().Epoch; second <= first {
		t.Errorf("epoch %d after %d", second, first)
	}
	b.release(true)
	// Without the config, nobody can tell whether another instance still acts. So b waits.
	removeConfig(t, c, state.LeaseName)
	b.refused()
}

func TestWithoutALeaseNothingIsWritten(t *testing.T) {
	c := open(t)
	i := newInstance(t, c, "a", true)
	ctx, cancel := i.Bind(t.Context())
	defer cancel()
	if err := write(ctx, c, "x"); err == nil {
		t.Error("written without a lease")
	}
	if err := write(context.WithoutCancel(ctx), c, "x"); !errors.Is(err, engine.ErrFenced) {
		t.Errorf("got %v", err)
	}
	i.release(false) // releasing a lease that is not held is no error
	i.takes()
	ctx, cancel = i.Bind(t.Context())
	defer cancel()
	if err := write(ctx, c, "y"); err != nil {
		t.Error(err)
	}
	// No fence stops the lease's own calls. The fence of its own bound context would wait for it for ever.
	if err := i.Release(context.WithoutCancel(ctx), false); err != nil {
		t.Error(err)
	}
	if err := write(context.WithoutCancel(ctx), c, "z"); !errors.Is(err, engine.ErrFenced) {
		t.Errorf("after it was given back: %v", err)
	}
	if !errors.Is(context.Cause(ctx), state.ErrLeaseLost) {
		t.Errorf("what runs under it ends with %v", context.Cause(ctx))
	}
	if taken, err := i.Take(context.WithoutCancel(ctx), "shop", nil); err != nil || taken.Epoch == 0 {
		t.Errorf("under the old fence: %+v, %v", taken, err)
	}
}

// If the answer never came, nobody knows whether the lease was taken; asking again finds out.
func TestTakeWithoutAnAnswerIsAskedAgain(t *testing.T) {
	sb, c := openSandbox(t)
	i := newInstance(t, c, "a", true)
	remove := sb.Inject(sandbox.Fault{Method: http.MethodPost, Path: "/configs/.*/update$", Count: 1, Drop: true, AfterCommit: true})
	defer remove()
	taken, err := i.Take(t.Context(), "shop", nil)
	if err != nil {
		taken = i.takes()
	}
	if taken.Epoch == 0 || i.Mine() != taken.Epoch {
		t.Errorf("%+v", taken)
	}
	if v := view(t, c); !v.Held() || v.Holder != i.Holder() || v.Epoch != taken.Epoch {
		t.Errorf("the lease is %+v, and %+v was said", v, taken)
	}
}

// An engine may do what it says has failed. Whoever got the lease in this way knows it, and can give it back. Otherwise an
// engine that always answers like this would give the lease to one process after the other, and none would act.
func TestALeaseThatComesWithAnErrorIsTakenAndGivenBack(t *testing.T) {
	for _, fault := range []sandbox.Fault{{Status: http.StatusInternalServerError, Message: "context deadline exceeded"}, {Drop: true}} {
		sb, c := openSandbox(t)
		i, other := newInstance(t, c, "a", true), newInstance(t, c, "b", true)
		i.takes() // it makes the lease
		i.release(false)
		fault.Method, fault.Path, fault.AfterCommit = http.MethodPost, "/configs/.*/update$", true
		remove := sb.Inject(fault)
		taken, err := i.Take(t.Context(), "shop", nil)
		if err != nil || taken.Epoch == 0 || i.Mine() != taken.Epoch {
			t.Errorf("%+v: got %+v, %v", fault, taken, err)
		}
		other.refused()
		if err := i.Release(t.Context(), false); err == nil {
			t.Errorf("%+v: nothing says that giving it back failed", fault)
		}
		remove()
		other.takes()
	}
}

// An engine may take longer to write the lease than the lease lasts. The process then does not hold it, and the error
// says why.
func TestLeaseThatEndsWhileItIsWrittenIsNotTaken(t *testing.T) {
	_, c := openSandbox(t)
	slow := time.Duration(0)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	l := state.NewLease(state.LeaseOptions{Engine: c, Instance: "a", Eager: true, Log: logr.Discard(), Now: func() time.Time {
		at = at.Add(slow) // each look at the clock is later than the one before
		return at
	}})
	l.Saw(nil)
	if _, err := l.Take(t.Context(), "shop", nil); err != nil {
		t.Fatal(err)
	}
	if err := l.Release(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	slow = state.LeaseTTL
	taken, err := l.Take(t.Context(), "shop", nil)
	if err == nil || !strings.Contains(err.Error(), "taking the lease: the engine took") || taken.Epoch != 0 {
		t.Errorf("got %+v, %v", taken, err)
	}
	slow = 0
	if taken, err := l.Take(t.Context(), "shop", nil); err != nil || taken.Epoch == 0 || l.Mine() != taken.Epoch {
		t.Errorf("it does not get it afterwards: %+v, %v", taken, err)
	}
	if err := l.Release(t.Context(), true); err != nil {
		t.Fatal(err)
	}
}
