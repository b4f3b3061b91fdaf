package plan

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/swarm-operator/swarm-operator/diff"
)

// The pauses between tries double, up to a minute, however often a step has failed.
func TestBackOffDoublesUpToAMinute(t *testing.T) {
	for tries, want := range map[int]time.Duration{
		math.MinInt: 0, -1: 0, 0: 0, 1: 500 * time.Millisecond, 2: time.Second, 3: 2 * time.Second, 7: 32 * time.Second,
		math.MaxInt: time.Minute,
	} {
		if got := BackOff(tries); got != want {
			t.Errorf("after %d tries it waits %s, want %s", tries, got, want)
		}
	}
	for tries := range 100 {
		if got := BackOff(8 + tries); got != time.Minute {
			t.Errorf("after %d tries it waits %s", 8+tries, got)
		}
	}
	all := time.Duration(0)
	for tries := range 8 {
		if all += BackOff(tries + 1); BackOff(tries) > BackOff(tries+1) {
			t.Errorf("the pause after %d tries is longer than the next", tries)
		}
	}
	if all.Round(time.Minute) != 2*time.Minute {
		t.Errorf("the first eight pauses take %s together", all)
	}
}

// A step that failed is told from others on its object by its name, and waits until its time has come.
func TestOnlyTheStepThatFailedWaitsForItsNextTry(t *testing.T) {
	for name, c := range map[string]struct {
		given, waits string
	}{
		"nothing failed":          {"~ Service/a git=spec.image", ""},
		"it failed":               {"~ Service/a git=spec.image\n+ Service/b\ntrouble update_Service/a 1 1s busy", "Service/a"},
		"its time has come":       {"~ Service/a git=spec.image\ntrouble update_Service/a 1 0s busy", ""},
		"another step failed":     {"~ Service/a git=spec.image\ntrouble create_Service/a 1 1s busy", ""},
		"another object's failed": {"~ Service/a git=spec.image\ntrouble update_Service/b 1 1s busy", ""},
		"one instance failed":     {"- Config/c instance=c-1 old\n- Config/c instance=c-2 old\ntrouble remove_Config/c_(c-2) 2 1s busy", "Config/c"},
		"it is on hold as well":   {"~ Service/a git=spec.image\nhold Service/a wait\ntrouble update_Service/a 1 1s busy", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := read(t, c.given).build()
			var waits []string
			for _, r := range p.Troubled() {
				waits = append(waits, r.Key.String())
				if r.Class != Later || !r.Until.Equal(now.Add(time.Second)) || !strings.HasSuffix(r.Why, "the error was: busy") {
					t.Errorf("%s, until %s: %s", r.Class, r.Until, r.Why)
				}
			}
			if got := strings.Join(waits, " "); got != c.waits {
				t.Errorf("%q wait, want %q\n%s", got, c.waits, p.Text(nil))
			}
			for _, s := range p.Steps {
				if s.Op == diff.Remove && s.Instance == "c-2" {
					t.Errorf("%s is taken", s.Name())
				}
			}
		})
	}
}
