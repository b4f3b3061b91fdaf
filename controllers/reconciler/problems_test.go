package reconciler

import (
	"testing"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

func TestAHeldObjectCountsAsPresent(t *testing.T) {
	run := &Run{Index: indexOf(there("1", "web"), there("2", "conf-old"), there("3", "other"))}
	have := func(name string, old bool) *diff.State {
		return &diff.State{Key: svc(name), Instance: name, Meta: diff.Meta{Mine: true, OldVersion: old}}
	}
	run.Changes = []diff.Change{
		{Op: diff.Remove, Key: svc("web"), Instance: "web", Have: have("web", false)},
		{Op: diff.Remove, Key: svc("conf"), Instance: "conf-old", Have: have("conf", true)},
		{Op: diff.Remove, Key: svc("other"), Instance: "other", Have: have("other", false)},
	}
	run.hold(map[v1.Key]string{svc("web"): "why", svc("conf"): "why", svc("new"): "why", {Kind: v1.KindNode, Name: "n"}: "why"})
	if len(run.Changes) != 1 || run.Changes[0].Key != svc("other") {
		t.Errorf("what differs is %+v", run.Changes)
	}
	for key, present := range map[v1.Key]bool{svc("web"): true, svc("conf"): false, svc("new"): false, {Kind: v1.KindNode, Name: "n"}: true} {
		if p, held := run.problems[key]; !held || p.Present != present {
			t.Errorf("%s: held %t, present %t", key, held, p.Present)
		}
	}
	for key, want := range map[v1.Key]bool{
		svc("web"): true, svc("other"): false,
		{Kind: v1.KindCluster, Name: v1.ClusterName}: true, {Kind: v1.KindNode, Name: "m"}: true, // they decide with the one that is held
	} {
		if run.holds(key) != want {
			t.Errorf("%s is held %t, want %t", key, !want, want)
		}
	}
}

// While a problem holds an object, nothing that is on record of it is forgotten: the manifest is mended later, and is then what
// it was before.
func TestNothingIsForgottenOfAHeldObject(t *testing.T) {
	node := v1.Key{Kind: v1.KindNode, Name: "n"}
	gone, other := svc("web"), svc("other")
	m := state.Memory{
		Adopted:   map[string]state.Adopted{"1": {Key: gone}, "2": {Key: other}},
		Partial:   []v1.Key{node},
		Keep:      map[v1.Key]string{gone: "policy.protect: true", other: "policy.protect: true"},
		Released:  []v1.Key{gone, other},
		Failed:    []plan.Failure{{Key: gone, Digest: "d", Why: "why"}, {Key: other, Digest: "d", Why: "why"}},
		Unstated:  map[string]state.Settings{"1": {Key: gone}, "2": {Key: other}},
		Removed:   map[string]state.Frozen{"1": {Key: gone, Instance: "web"}, "2": {Key: other, Instance: "other"}},
		Delivered: map[string]string{"worker-token to x": "d"},
	}
	for _, held := range []bool{true, false} {
		run := &Run{Index: indexOf(), found: state.Found{Memory: m}, memory: m, wants: map[v1.Key]*diff.State{}}
		if held {
			run.hold(map[v1.Key]string{gone: "why", node: "why"})
		}
		r := &Reconciler{kinds: all.Kinds()}
		want := map[bool]int{true: 1, false: 0}[held]
		for what, n := range map[string]int{
			"adopted":  len(r.adopted(run)),
			"partial":  len(partial(run)),
			"keep":     len(kept(run)),
			"released": len(stillReleased(run, nil)),
			"failed":   len(failures(m.Failed, nil, run.wants, plan.Facts{Problems: run.problems})),
			"settings": len(settings(run, nil)),
			"removed":  len(run.stillRemoved()),
		} {
			if n != want {
				t.Errorf("held %t: %s has %d, want %d", held, what, n, want)
			}
		}
		if r.noteDelivered(run); (len(run.memory.Delivered) == 1) != held {
			t.Errorf("held %t: delivered is %v", held, run.memory.Delivered)
		}
	}
}
