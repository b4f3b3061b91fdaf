package reconciler

import (
	"fmt"
	"testing"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/observe"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
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
		"changed, and another one failed": {[]Progress{{Key: web, Verdict: isReady, Own: true, changed: true}, progress(true, failed)}, true, "roll-out failed: Service/web: exit 1\nService/web: changed by somebody else while it rolled out; to make it what git says, run apply again"},
		"removed by somebody else":        {[]Progress{{Key: web, Own: true, gone: true}}, true, "Service/web: it is gone: somebody else removed it during the wait; to make it again, run apply again"},
		"another's is removed":            {[]Progress{progress(true, ready), {Key: web, gone: true}}, true, "Service/web: it is gone: somebody else removed it during the wait; to make it again, run apply again"},
		"removed, and another one moves":  {[]Progress{{Key: web, Own: true, gone: true}, progress(true, moves)}, false, "<nil>"},
	} {
		t.Run(name, func(t *testing.T) {
			if over, err := verdict(test.all); over != test.over || fmt.Sprint(err) != test.err {
				t.Errorf("over is %t, %v", over, err)
			}
		})
	}
}

// A service that was there when the wait began, and is not there any more, is gone. One that never was there is not.
func TestWhatIsRemovedDuringTheWaitIsGone(t *testing.T) {
	key := func(name string) v1.Key { return v1.Key{Kind: v1.KindService, Name: name} }
	live := func(name string) *kinds.Live { return &kinds.Live{Kind: v1.KindService, ID: "id-" + name, Name: name} }
	run := func(change func(*Run)) *Run {
		r := &Run{}
		r.InForce.Hash = "now"
		r.Index = kinds.NewIndex(map[string][]*kinds.Live{v1.KindService: {live("found")}}, func(*kinds.Live) []kinds.Ref { return nil })
		for _, name := range []string{"found", "made", "refused"} {
			r.Wants.States = append(r.Wants.States, &diff.State{Key: key(name), Instance: name})
		}
		r.Wants.States = append(r.Wants.States, &diff.State{Key: v1.Key{Kind: v1.KindNetwork, Name: "found"}, Instance: "found"})
		r.Plan.Steps = []plan.Step{{Op: diff.Create, Key: key("made")}}
		change(r)
		return r
	}
	sight := func(name string) observe.Sight {
		return observe.Sight{Kind: &kinds.Kind{Model: kinds.Model{Name: v1.KindService}}, Live: live(name)}
	}
	by := map[v1.Key]string{key("found"): "before", key("made"): "now"}
	for name, test := range map[string]struct {
		change func(*Run)
		sights []observe.Sight
		want   string
	}{
		"all are there":           {func(*Run) {}, []observe.Sight{sight("found"), sight("made")}, ""},
		"one that was found goes": {func(*Run) {}, []observe.Sight{sight("made")}, " Service/found of before, own false"},
		"one that was made goes":  {func(*Run) {}, []observe.Sight{sight("found")}, " Service/made of now, own true"},
		"it is suspended":         {func(r *Run) { r.Wants.States[0].Policy.Suspend = true }, []observe.Sight{sight("made")}, ""},
		"it is unmanaged":         {func(r *Run) { r.Memory.Released = []v1.Key{key("found")} }, []observe.Sight{sight("made")}, ""},
		"everything is unmanaged": {func(r *Run) { r.Memory.ReleasedAll = true }, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			for _, p := range gone(run(test.change), test.sights, by) {
				got += fmt.Sprintf(" %s of %s, own %t", p.Key, p.By, p.Own)
				if !p.gone || p.Ready() || p.Failed() {
					t.Errorf("%s: gone is %t, and its verdict is %+v", p.Key, p.gone, p.Verdict)
				}
			}
			if got != test.want {
				t.Errorf("gone are%s, want%s", got, test.want)
			}
		})
	}
}

// If somebody else changed or removed what a revision asks for, the revision is not rolled out, also if the wait ended
// because something else failed.
func TestARevisionIsNotRolledOutWithoutItsServices(t *testing.T) {
	web, old := v1.Key{Kind: v1.KindService, Name: "web"}, v1.Key{Kind: v1.KindService, Name: "old"}
	failed := Progress{Key: old, Verdict: status.Verdict{State: status.IsFailed, Why: "exit 1"}, By: "before"}
	isReady := status.Verdict{State: status.IsReady}
	for name, test := range map[string]struct {
		web  Progress
		want string
	}{
		"it is ready": {Progress{Key: web, Verdict: isReady, Own: true}, state.RolledOut},
		"it differs":  {Progress{Key: web, Verdict: isReady, Own: true, changed: true}, ""},
		"it is gone":  {Progress{Key: web, Own: true, gone: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r, run := New(Options{}), &Run{}
			run.InForce.Hash = "now"
			m := state.Memory{InForce: state.Revision{Hash: "now"}, History: []state.Entry{{Hash: "now"}}}
			r.outcome(run, []Progress{failed, test.web}, &m)
			if got := m.History[0].Outcome; got != test.want {
				t.Errorf("the outcome is %q, want %q", got, test.want)
			}
		})
	}
}
