package reconciler

import (
	"fmt"
	"testing"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// A hand's write in the middle of a roll-out clears the engine's word on it, and not the roll-out.
func TestARollOutThatAWriteHides(t *testing.T) {
	web := v1.Key{Kind: v1.KindService, Name: "web"}
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	type look struct {
		after  time.Duration
		state  string // as the engine says
		gone   bool   // the manifest is
		hidden bool
	}
	for name, looks := range map[string][]look{
		"nothing":                        {{}, {after: time.Second}},
		"a write, until the next word":   {{state: "updating"}, {after: 1, hidden: true}, {after: time.Second, hidden: true}, {after: 2 * time.Second, state: "updating"}, {after: 3 * time.Second, state: "completed"}, {after: time.Minute}},
		"a write, and no word":           {{state: "updating"}, {after: 1, hidden: true}, {after: 29 * time.Second, hidden: true}, {after: hiddenFor + 1}, {after: time.Minute}},
		"it ended before":                {{state: "updating"}, {after: 1, state: "completed"}, {after: 2}},
		"it is not wanted any more":      {{state: "updating"}, {after: 1, gone: true}, {after: 2, gone: true}},
		"a roll-back is a roll-out, too": {{state: "rollback_started"}, {after: 1, hidden: true}},
		"it was paused":                  {{state: "paused"}, {after: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			f := following{hidden: map[v1.Key]time.Time{}}
			for i, l := range looks {
				facts := plan.Facts{Now: begin.Add(l.after), Rollouts: map[v1.Key]plan.Rollout{}}
				if l.state != "" {
					facts.Rollouts[web] = plan.Rollout{State: l.state}
				}
				wants := map[v1.Key]*diff.State{web: {Key: web}}
				if l.gone {
					clear(wants)
				}
				if got := fmt.Sprint(f.hide(wants, &facts)); (got != "[]") != l.hidden {
					t.Errorf("look %d: hidden are %s", i, got)
				}
			}
		})
	}
}
