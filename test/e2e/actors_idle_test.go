package e2e

import (
	"fmt"
	"testing"
	"time"
)

// Three operators with nothing to do write nothing, not even to tell each other that they exist. They look only when
// a resync is due.
func TestActorsWithNothingToDoCostNothing(t *testing.T) {
	t.Parallel()
	const resync = 5 * time.Minute // the default
	a := newWorld(t, size{3, 0}).actors("idle", 0, false)
	for _, x := range a.now {
		a.quiet(x.proxy)
		x.proxy.Reset()
	}
	start := time.Now()
	a.holds(*idlePeriod, func() error {
		for _, x := range a.now {
			for _, c := range x.proxy.Calls() {
				if c.Write() { // writes of the lease count too
					return fmt.Errorf("%s, after %s with nothing to do: %s", x.node, c.At.Sub(start), c)
				}
			}
		}
		return nil
	})
	for _, x := range a.now {
		calls := x.proxy.Calls()
		passes := passesOf(calls)
		if most := int(time.Since(start)/(resync*9/10)) + 1; passes > most || *idlePeriod < resync/2 && len(calls) > 0 {
			t.Errorf("%s looked %d times in %s:\n%s", x.node, passes, *idlePeriod, lines(calls))
		}
		if why := dear(calls, passes); why != "" {
			t.Errorf("%s: %s:\n%s", x.node, why, lines(calls))
		}
		t.Logf("%s, in %s with nothing to do: %d writes, %d calls in %d passes", x.node, *idlePeriod, len(x.proxy.Writes()), len(calls), passes)
	}
}
