package act

import (
	"slices"
	"testing"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// An operator that observes goes by the memory: it reads no key, and asks no sink, which may be on another machine.
func TestWhatIsToBeDeliveredByTheRecord(t *testing.T) {
	cluster := v1.Key{Kind: v1.KindCluster, Name: v1.ClusterName}
	stated := &v1.Cluster{Spec: v1.ClusterSpec{
		JoinTokens: &v1.JoinTokens{Worker: &v1.JoinToken{Sinks: []string{"a", "b"}}, Manager: &v1.JoinToken{Sinks: []string{"a"}}},
		Autolock:   &v1.Autolock{Escrow: "c"},
	}}
	rotates := plan.Step{Op: diff.Update, Key: cluster, Origin: plan.OriginRotates, Does: &kinds.Renewal{Makes: kinds.WorkerToken}}
	locks := plan.Step{Op: diff.Update, Key: cluster, Fields: []diff.Field{plan.TextField("spec.autolock.enabled", "false", "true")}}
	all := []string{"manager-token to a", "unlock-key to c", "worker-token to a", "worker-token to b"}
	for name, c := range map[string]struct {
		record []string
		locked string
		steps  []plan.Step
		want   []string
	}{
		"nothing is on record":           {locked: "true", want: all},
		"there is no key":                {locked: "false", want: []string{"manager-token to a", "worker-token to a", "worker-token to b"}},
		"there will be a key":            {locked: "false", steps: []plan.Step{locks}, want: []string{"manager-token to a", "worker-token to a", "worker-token to b"}},
		"everything is on record":        {locked: "true", record: all},
		"one is on record for one sink":  {locked: "true", record: all[2:3], want: []string{"manager-token to a", "unlock-key to c", "worker-token to b"}},
		"one will be replaced":           {locked: "true", record: all[:1], steps: []plan.Step{rotates}, want: []string{"unlock-key to c"}},
		"what is on record goes nowhere": {locked: "false", record: append([]string{"worker-token to z"}, all[1:]...), want: all[:1]},
	} {
		run := &Run{Decision: &decide.Decision{}}
		run.Entries, run.Plan.Steps = []kinds.Entry{{Object: stated}}, c.steps
		run.Haves = []*diff.State{{Key: v1.Key{Kind: v1.KindService, Name: "x"}}, {Key: cluster, Leaves: []diff.Leaf{{Path: "spec.autolock.enabled", Text: c.locked}}}}
		run.Memory = state.Memory{Delivered: map[string]string{}}
		for _, key := range c.record {
			run.Memory.Delivered[key] = "digest"
		}
		a := New(Options{Decider: decide.New(decide.Policy{})})
		var got []string
		for _, d := range a.OnRecord(run) {
			got = append(got, d.What+" to "+d.To)
			if d.Why != never || d.By != "" {
				t.Errorf("%s: %+v", name, d)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestWhatIsPendingSaysWhy(t *testing.T) {
	run := &Run{Undelivered: []Delivery{{Of: kinds.WorkerToken, Sink: "a", why: changed}, {Of: kinds.UnlockKey, Sink: "c", why: gone}}}
	want := []plan.Delivery{{What: "worker-token", To: "a", Why: changed}, {What: "unlock-key", To: "c", Why: gone}}
	if got := run.Pending(); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}
