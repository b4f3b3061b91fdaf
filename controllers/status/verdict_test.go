package status

import (
	"testing"
	"time"

	"github.com/swarm-operator/swarm-operator/diff/plan"
)

func TestVerdictOnAnObject(t *testing.T) {
	began := at(0)
	ready, moves, waits, failed := Look{Ready: true}, Look{Why: "0 of 1"}, Look{Waits: true, Why: "no suitable node"}, Look{Failed: true, Why: "exit 1"}
	for name, test := range map[string]struct {
		evidence Evidence
		want     Verdict
		health   string
	}{
		"nothing is known":                     {Evidence{}, Verdict{}, Progressing},
		"its tasks run":                        {Evidence{Look: ready}, Verdict{IsReady, ""}, Healthy},
		"its tasks start":                      {Evidence{Look: moves}, Verdict{IsProgressing, "0 of 1"}, Progressing},
		"its tasks keep failing":               {Evidence{Look: failed}, Verdict{IsFailed, "exit 1"}, Degraded},
		"they start, and nobody has counted":   {Evidence{Look: moves, Now: began.Add(time.Hour)}, Verdict{IsProgressing, "0 of 1"}, Progressing},
		"they start, in time":                  {Evidence{Look: moves, Since: began, Now: began.Add(plan.Deadline - 1)}, Verdict{IsProgressing, "0 of 1"}, Progressing},
		"they start for too long":              {Evidence{Look: moves, Since: began, Now: began.Add(plan.Deadline)}, Verdict{IsStalled, "stalled: 0 of 1"}, Degraded},
		"too long, and nobody says why":        {Evidence{Since: began, Now: began.Add(plan.Deadline)}, Verdict{IsStalled, "stalled: it is not ready"}, Degraded},
		"its spec pauses, in time":             {Evidence{Look: Look{Why: "1 of 2", Pause: time.Hour}, Since: began, Now: began.Add(plan.Deadline + time.Hour - 1)}, Verdict{IsProgressing, "1 of 2"}, Progressing},
		"its spec pauses, and no longer":       {Evidence{Look: Look{Why: "1 of 2", Pause: time.Hour}, Since: began, Now: began.Add(plan.Deadline + time.Hour)}, Verdict{IsStalled, "stalled: 1 of 2"}, Degraded},
		"they find no place for long":          {Evidence{Look: waits, Since: began, Now: began.Add(plan.Deadline)}, Verdict{IsProgressing, "no suitable node"}, Progressing},
		"a job runs for long":                  {Evidence{Look: Look{Begun: true, Why: "0 of 1 complete"}, Since: began, Now: began.Add(plan.Deadline)}, Verdict{IsProgressing, "0 of 1 complete"}, Progressing},
		"they fail at last":                    {Evidence{Look: failed, Since: began, Now: began.Add(plan.Deadline)}, Verdict{IsFailed, "exit 1"}, Degraded},
		"they run at last":                     {Evidence{Look: ready, Since: began, Now: began.Add(plan.Deadline)}, Verdict{IsReady, ""}, Healthy},
		"it had failed, and starts again":      {Evidence{Look: moves, Failure: "exit 1 before"}, Verdict{IsFailed, "exit 1 before"}, Degraded},
		"it had failed, and finds no place":    {Evidence{Look: waits, Failure: "exit 1 before"}, Verdict{IsFailed, "exit 1 before"}, Degraded},
		"it had failed, and fails again":       {Evidence{Look: failed, Failure: "exit 1 before"}, Verdict{IsFailed, "exit 1"}, Degraded},
		"it had failed, and runs":              {Evidence{Look: ready, Failure: "exit 1 before"}, Verdict{IsReady, ""}, Healthy},
		"it was undone, and what was runs":     {Evidence{Look: Look{Ready: true, RolledBack: true}, Undone: "rolled back"}, Verdict{IsFailed, "rolled back"}, Degraded},
		"it was undone to what is wanted":      {Evidence{Look: Look{Ready: true, RolledBack: true}}, Verdict{IsReady, ""}, Healthy},
		"it was undone, and what was fails":    {Evidence{Look: failed, Undone: "rolled back"}, Verdict{IsFailed, "rolled back"}, Degraded},
		"a write has just hidden its roll-out": {Evidence{Look: Look{Ready: true, Running: 1, Wanted: 1}, Hidden: began, Now: began.Add(hiddenLeast - 1)}, Verdict{IsProgressing, "it was written a moment ago, and the swarm does not say yet how its roll-out goes"}, Progressing},
		"a write has hidden its roll-out":      {Evidence{Look: Look{Ready: true, Running: 1, Wanted: 1}, Hidden: began, Now: began.Add(hiddenLeast)}, Verdict{IsReady, ""}, Healthy},
		"a write hides a roll-out of no task":  {Evidence{Look: ready, Hidden: began, Now: began}, Verdict{IsReady, ""}, Healthy},
		"a write hides that it moves":          {Evidence{Look: moves, Hidden: began, Now: began}, Verdict{IsProgressing, "0 of 1"}, Progressing},
	} {
		t.Run(name, func(t *testing.T) {
			got := test.evidence.Verdict()
			if got != test.want || got.Health() != test.health {
				t.Errorf("it is %+v, %s; want %+v, %s", got, got.Health(), test.want, test.health)
			}
			if got.Ready() && (got.Failed() || got.Why != "") || !got.Ready() && got.Failed() != (test.health == Degraded) {
				t.Errorf("%+v is ready %t and failed %t", got, got.Ready(), got.Failed())
			}
		})
	}
}
