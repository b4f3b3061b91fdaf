package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"github.com/swarm-operator/swarm-operator/test/lag"
	"github.com/swarm-operator/swarm-operator/test/turn"
)

// disturbance is something that happens to the operator that acts, while it acts.
type disturbance struct {
	name string
	// begin starts the disturbance, and end undoes it. early is true if end may come before another operator has
	// taken over.
	begin, end func(*actors, *actor)
	early      bool
	// takeover is how soon another operator must write. It is 0 if the disturbed operator may go on itself.
	takeover time.Duration
}

// Bounds that the product promises.
const (
	afterCrash = 15 * time.Second
	afterStop  = 2 * time.Second
)

// disturbances are tried one after the other.
var disturbances = []disturbance{
	{
		name: "killed", takeover: afterCrash, early: true,
		begin: func(_ *actors, x *actor) { x.Kill() },
		end:   func(a *actors, x *actor) { a.again(x) },
	},
	{
		name: "told to end", takeover: afterStop, early: true,
		begin: func(a *actors, x *actor) {
			a.release()
			if err := x.Terminate(); err != nil {
				a.Error(err)
			}
		},
		end: func(a *actors, x *actor) {
			if r := a.end(x.Process); r.code != 0 {
				a.Errorf("told to end, it ends with %s", r)
			}
			a.again(x)
		},
	},
	{
		name: "frozen for longer than the lease", takeover: afterCrash,
		begin: freeze, end: thaw,
	},
	{
		name: "cut off", takeover: afterCrash,
		begin: func(a *actors, x *actor) {
			x.cut.Store([]int32{noCalls, noAnswers}[a.rand.IntN(2)])
			x.proxy.CutStreams()
		},
		end: func(_ *actors, x *actor) { x.cut.Store(connected) },
	},
	{
		name: "its engine hangs", takeover: afterCrash,
		begin: func(a *actors, x *actor) {
			if err := a.swarm.Hang(x.node); err != nil {
				a.Fatal(err)
			}
			x.hung = append(x.hung, period{from: time.Now()})
		},
		end: func(a *actors, x *actor) {
			x.hung[len(x.hung)-1].to = time.Now()
			if err := a.swarm.Continue(x.node); err != nil {
				a.Fatal(err)
			}
		},
	},
	{
		name: "its node drained", early: true,
		begin: func(a *actors, x *actor) { a.availability(x.node, swarm.NodeAvailabilityDrain) },
		end:   func(a *actors, x *actor) { a.availability(x.node, swarm.NodeAvailabilityActive) },
	},
	{
		name:  "frozen for a while", // shorter than the lease, or a little longer
		begin: freeze,
		end: func(a *actors, x *actor) {
			time.Sleep(paced(time.Duration(a.rand.IntN(14000)) * time.Millisecond))
			thaw(a, x)
		},
	},
}

func freeze(a *actors, x *actor) {
	x.froze = true
	if err := x.Freeze(); err != nil {
		a.Error(err)
	}
	a.Cleanup(func() { _ = x.Thaw() }) // whatever happens in between, it has to be able to end
}

func thaw(a *actors, x *actor) {
	if err := x.Thaw(); err != nil {
		a.Error(err)
	}
}

// mostRounds limits how many disturbances one swarm sees.
const mostRounds = 10

// Three operators have one source, and one of them is disturbed while it acts. At no time do two of them act. Nothing
// is lost, and nothing is done twice.
func TestActorsActOneAtATimeWhateverHappensToThem(t *testing.T) {
	t.Parallel()
	// Each commit continues where the one before it stopped.
	n, first := *rounds, 0
	switch {
	case n == 0 && *full:
		n = len(disturbances)
	case n == 0:
		n = (len(disturbances) + 2) / 3
		first = max(0, turn.Commits()) * n
	}
	swarms := max(2, (n+mostRounds-1)/mostRounds)
	if *swarmKind == onEngines { // three engines each
		swarms = 1
	}
	for s := range swarms {
		sources := []string{"one checkout", "clones that lag"}[s%2]
		t.Run(fmt.Sprintf("%s %d", sources, s+1), func(t *testing.T) {
			t.Parallel()
			a := newWorld(t, size{3, 0}).actors(fmt.Sprintf("actors-%d", s), uint64(s), s%2 == 1)
			for r := first + s; r < first+n; r += swarms {
				a.round(r, disturbances[(r+r/len(disturbances)*s)%len(disturbances)])
				if t.Failed() {
					return
				}
			}
		})
	}
}

// round makes a commit, disturbs the operator that acts on it, and makes another commit.
func (a *actors) round(n int, d disturbance) {
	a.Helper()
	a.release = a.arm()
	a.commit(true)
	x := a.catch()
	time.Sleep(time.Duration(a.rand.IntN(300)) * time.Millisecond)
	for _, y := range a.others(x) {
		a.api = a.connect(y.node) // not affected by what happens to the disturbed one
	}
	before := len(a.writes())
	start := time.Now()
	d.begin(a, x)
	time.Sleep(time.Duration(a.rand.IntN(1500)) * time.Millisecond)
	a.commit(false)
	ended := d.early && a.rand.IntN(2) == 0
	if ended {
		d.end(a, x)
	}
	took := time.Duration(0)
	if d.takeover > 0 {
		at := a.takenOver(x, before)
		took = at.Sub(start)
		lag.Within(a, d.name+": taking over", start, at, d.takeover+a.election(x))
	}
	if !ended {
		d.end(a, x)
	}
	a.release()
	a.caught.Store(nil)
	a.settle()
	writes := a.writes()
	a.inTurn(writes)
	a.onceOnly(writes)
	a.Logf("round %d: %s %s, taken over after %.1fs; settled after %.1fs; %d writes", n, x.node, d.name, took.Seconds(), time.Since(start).Seconds(), len(writes)-before)
}

// election returns the extra time that a swarm may take if its raft has lost its leader. The swarm chooses another
// leader, and after 20 s dockerd gives up the calls that were on their way to the old one.
func (a *actors) election(x *actor) time.Duration {
	if *swarmKind == onEngines && len(x.hung) > 0 && x.hung[len(x.hung)-1].to.IsZero() {
		return 20 * time.Second
	}
	return 0
}

// takenOver waits for the first write of another process, and returns its time.
func (a *actors) takenOver(from *actor, known int) time.Time {
	a.Helper()
	var at time.Time
	a.eventually(func() error {
		for _, w := range a.writes()[known:] {
			if w.by != from {
				at = w.At
				return nil
			}
		}
		return fmt.Errorf("nobody takes over: %s", a.conditions())
	})
	return at
}
