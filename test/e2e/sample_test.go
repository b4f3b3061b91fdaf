package e2e

import (
	"bytes"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/swarm-operator/swarm-operator/test/harness"
	"github.com/swarm-operator/swarm-operator/test/turn"
)

// gatePace is how many times faster the lease and polling are than in production if not everything is run (-full).
// The operator's own hidden setting says what it shortens.
const gatePace = 2

// pace returns the pace of the operators that scenarios start.
func pace() time.Duration {
	if *full {
		return 1
	}
	return gatePace
}

// paced returns a time of the product at the pace of the operators that scenarios start.
func paced(d time.Duration) time.Duration { return d / pace() }

// point is a call at which an apply is disturbed.
type point struct {
	name string
	is   func(harness.Call) bool
}

func call(k int) point {
	return point{fmt.Sprintf("call %d", k), func(c harness.Call) bool { return c.Index == k }}
}

// writesMemory is the name of the call that writes what the operator remembers.
const writesMemory = "the write of the memory"

// decisive are the calls that leave different things behind: which process acts, what was done first and last, what
// is remembered.
var decisive = []point{
	{"the write of the lease", func(c harness.Call) bool { return c.Write() && c.Lease() }},
	{"the first write", func(c harness.Call) bool { return c.Write() && !c.Lease() && !aboutMemory(c) }},
	{"the last write", nil}, // only the scenario that makes the plan knows which call that is
	{writesMemory, func(c harness.Call) bool { return c.Write() && aboutMemory(c) }},
}

// aboutMemory reports whether the call writes the operator's memory, and not the lease.
func aboutMemory(c harness.Call) bool {
	return c.Path == "/configs/create" && bytes.Contains(c.Body, []byte(`"Name":"swarm-operator.`))
}

// points returns the calls at which the n-th ending disturbs an apply whose last write is last. On the sandbox it
// returns all calls or every fourth, each disturbed in another way. That sequence has no end: the scenario stops at a
// call that the apply does not reach. On engines it returns one decisive call, because the operator reacts in the
// same way there.
func points(n int, last func(harness.Call) bool) iter.Seq[point] {
	return func(yield func(point) bool) {
		if *swarmKind == onEngines && !*full {
			p := decisive[(n+turn.Now())%len(decisive)]
			if p.is == nil {
				p.is = last
			}
			yield(p)
			return
		}
		first, step := calls(n)
		for k := first; yield(call(k)); k += step {
		}
	}
}

// calls returns the first call for the n-th ending, and the distance to the next one. Without -full, all endings
// together disturb every fourth call.
func calls(n int) (first, step int) {
	if *full {
		return 1, 1
	}
	step = turn.Calls * len(endings)
	first = (turn.Commits() + n*turn.Calls) % step
	if first <= 0 {
		first += step
	}
	return first, step
}

// reached returns how many of the first `of` calls the n-th ending disturbs.
func reached(n, of int) int {
	first, step := calls(n)
	if first > of {
		return 0
	}
	return (of-first)/step + 1
}

// endless reports whether points go on until a call is not reached.
func endless() bool { return *swarmKind != onEngines || *full }

// everySecond returns every second case, and with the next commit the other ones. On engines it is with the scenario's
// next turn. With -full it returns all.
func everySecond[T any](cases []T) []T {
	if *full || len(cases) < 2 {
		return cases
	}
	return turn.Part(2, cases)
}

// everySecondOf does the same for cases with names.
func everySecondOf[T any](cases map[string]T) map[string]T {
	out := map[string]T{}
	for _, name := range everySecond(slices.Sorted(maps.Keys(cases))) {
		out[name] = cases[name]
	}
	return out
}

// inTurns runs every second of the parts of a scenario.
func inTurns(t *testing.T, parts map[string]func(*testing.T)) {
	for name, part := range everySecondOf(parts) {
		t.Run(name, part)
	}
}

// The functions below recognise the last write of each apply that is disturbed.

func creates(service string) func(harness.Call) bool {
	return func(c harness.Call) bool {
		return c.Path == "/services/create" && bytes.Contains(c.Body, []byte(strconv.Quote(service)))
	}
}

func removesService(c harness.Call) bool {
	return c.Method == http.MethodDelete && strings.HasPrefix(c.Path, "/services/")
}

func updatesSwarm(c harness.Call) bool { return c.Path == "/swarm/update" }
