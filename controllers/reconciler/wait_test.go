package reconciler

import (
	"fmt"
	"testing"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/status"
)

// Wait waits for what this revision changed. What an earlier revision changed does not end that wait.
func TestVerdict(t *testing.T) {
	web := v1.Key{Kind: v1.KindService, Name: "web"}
	progress := func(own bool, h kinds.Health) Progress {
		return Progress{Key: web, Verdict: status.Evidence{Look: status.Look(h)}.Verdict(), Waits: h.Waits, Own: own}
	}
	ready, moves, waits, failed := kinds.Health{Ready: true}, kinds.Health{}, kinds.Health{Waits: true}, kinds.Health{Failed: true, Why: "exit 1"}
	isReady := status.Verdict{State: status.IsReady}
	for name, test := range map[string]struct {
		all  []Progress
		over bool
		err  string
	}{
		"nothing":                         {nil, true, "<nil>"},
		"all is ready":                    {[]Progress{progress(true, ready), progress(false, ready)}, true, "<nil>"},
		"its own moves":                   {[]Progress{progress(true, moves)}, false, "<nil>"},
		"its own waits for a place":       {[]Progress{progress(true, waits)}, false, "<nil>"},
		"another's moves":                 {[]Progress{progress(true, ready), progress(false, moves)}, false, "<nil>"},
		"another's waits for a place":     {[]Progress{progress(true, ready), progress(false, waits)}, true, "<nil>"},
		"its own failed":                  {[]Progress{progress(true, failed), progress(true, moves)}, true, "roll-out failed: Service/web: exit 1"},
		"another's failed, its own moves": {[]Progress{progress(false, failed), progress(true, moves)}, false, "<nil>"},
		"another's failed":                {[]Progress{progress(false, failed), progress(true, ready)}, true, "roll-out failed: Service/web, which an earlier revision changed: exit 1"},
		"changed by somebody else":        {[]Progress{{Key: web, Verdict: isReady, Own: true, changed: true}}, true, "Service/web: changed by somebody else while it rolled out; to make it what git says, run apply again"},
		"changed, and another one failed": {[]Progress{{Key: web, Verdict: isReady, Own: true, changed: true}, progress(true, failed)}, true, "roll-out failed: Service/web: exit 1"},
	} {
		t.Run(name, func(t *testing.T) {
			if over, err := verdict(test.all); over != test.over || fmt.Sprint(err) != test.err {
				t.Errorf("over is %t, %v", over, err)
			}
		})
	}
}
