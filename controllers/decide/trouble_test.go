package decide

import (
	"testing"
	"time"

	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// What comes before the steps of a plan waits for its next try like a step, and is reported until its time has come.
func TestWhatComesBeforeThePlanWaitsForItsNextTry(t *testing.T) {
	run := about(nil, state.Memory{})
	run.Facts.Troubles = map[string]plan.Trouble{
		Remembering: {Until: noon.Add(time.Second), Why: "no space"}, Delivering: {Until: noon.Add(time.Minute), Why: "gone away"},
	}
	for _, c := range []struct {
		after                 time.Duration
		remembers, deliveries time.Duration
		says                  string
	}{
		{0, time.Second, time.Minute, "cannot remember what was found: no space; cannot deliver tokens and keys: gone away"},
		{time.Second, 0, 59 * time.Second, "cannot deliver tokens and keys: gone away"},
		{time.Minute, 0, 0, ""},
		{time.Hour, 0, 0, ""},
	} {
		run.Facts.Now = noon.Add(c.after)
		if m, d := run.Waits(Remembering), run.Waits(Delivering); m != c.remembers || d != c.deliveries {
			t.Errorf("after %s: they wait for %s and %s, want %s and %s", c.after, m, d, c.remembers, c.deliveries)
		}
		if got := run.Troubled(); got != c.says {
			t.Errorf("after %s it says %q, want %q", c.after, got, c.says)
		}
	}
	if w := run.Waits("update Service/web"); w != 0 {
		t.Errorf("what has not failed waits for %s", w)
	}
}
