package decide

import (
	"maps"
	"slices"
	"strings"
	"testing"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// tokens returns a manifest that says where the join tokens go.
func tokens(worker, manager []string) *v1.Cluster {
	return clusterOf(v1.ClusterSpec{JoinTokens: &v1.JoinTokens{Worker: &v1.JoinToken{Sinks: worker}, Manager: &v1.JoinToken{Sinks: manager}}})
}

// A token or key that goes nowhere is left out.
func TestWhereTokensAndKeysGo(t *testing.T) {
	for name, c := range map[string]struct {
		manifests []v1.Object
		want      map[kinds.Rotated]string
	}{
		"no manifest":         {},
		"no Cluster":          {manifests: []v1.Object{drained("a")}},
		"a Cluster":           {manifests: []v1.Object{clusterOf(v1.ClusterSpec{})}},
		"no token":            {manifests: []v1.Object{clusterOf(v1.ClusterSpec{JoinTokens: &v1.JoinTokens{}, Autolock: &v1.Autolock{}})}},
		"tokens, and nowhere": {manifests: []v1.Object{tokens(nil, nil)}},
		"the workers' token":  {manifests: []v1.Object{drained("a"), tokens([]string{"a", "b"}, nil)}, want: map[kinds.Rotated]string{kinds.WorkerToken: "a, b"}},
		"the managers' token": {manifests: []v1.Object{tokens(nil, []string{"b"})}, want: map[kinds.Rotated]string{kinds.ManagerToken: "b"}},
		"the unlock key":      {manifests: []v1.Object{clusterOf(v1.ClusterSpec{Autolock: &v1.Autolock{Escrow: "a"}})}, want: map[kinds.Rotated]string{kinds.UnlockKey: "a"}},
	} {
		t.Run(name, func(t *testing.T) {
			var entries []kinds.Entry
			for _, o := range c.manifests {
				entries = append(entries, kinds.Entry{Object: o})
			}
			got := map[kinds.Rotated]string{}
			for of, sinks := range SinksOf(entries) {
				got[of] = strings.Join(sinks, ", ")
			}
			if !maps.Equal(got, c.want) {
				t.Errorf("they go to %v, want %v", got, c.want)
			}
		})
	}
}

// The record has what was delivered to where manifests still have it go. A digest that this process has handed over is
// newer than the one on record.
func TestWhatWasDeliveredIsOnRecord(t *testing.T) {
	const worker, manager = "worker-token to a", "manager-token to a"
	on := func() map[string]string {
		return map[string]string{worker: "old", manager: "old", "unlock-key to k": "old"}
	}
	a, b := []string{"a"}, []string{"b"}
	for name, c := range map[string]struct {
		manifest v1.Object
		handed   map[string]string
		want     map[string]string
	}{
		"as before":                     {manifest: tokens(a, a), want: map[string]string{worker: "old", manager: "old"}},
		"one goes nowhere any more":     {manifest: tokens(a, nil), want: map[string]string{worker: "old"}},
		"one goes elsewhere":            {manifest: tokens(b, a), want: map[string]string{manager: "old"}},
		"one was handed over":           {manifest: tokens(a, a), handed: map[string]string{worker: "new"}, want: map[string]string{worker: "new", manager: "old"}},
		"one was handed over elsewhere": {manifest: tokens(b, a), handed: map[string]string{"worker-token to b": "new"}, want: map[string]string{"worker-token to b": "new", manager: "old"}},
		"it was handed over in vain":    {manifest: tokens(nil, nil), handed: map[string]string{worker: "new"}},
		"nothing goes anywhere":         {manifest: drained("a")},
	} {
		t.Run(name, func(t *testing.T) {
			d, run := New(Policy{}), about(nil, state.Memory{Delivered: on()})
			run.Entries = []kinds.Entry{{Object: c.manifest}}
			for key, digest := range c.handed {
				d.Handed(key, digest)
			}
			if d.noteDelivered(run); !maps.Equal(run.Memory.Delivered, c.want) || len(c.want) == 0 && run.Memory.Delivered != nil {
				t.Errorf("on record is %v, want %v", run.Memory.Delivered, c.want)
			}
			if !maps.Equal(run.Found.Memory.Delivered, on()) {
				t.Errorf("what was found has changed: %v", run.Found.Memory.Delivered)
			}
			for key, digest := range c.want {
				if got := d.Delivered(run, key); got != digest {
					t.Errorf("%s has the digest %q, want %q", key, got, digest)
				}
			}
		})
	}
}

func TestStepsThatMakeATokenOrKey(t *testing.T) {
	rotates := func(origin plan.Origin, of kinds.Rotated) plan.Step {
		return plan.Step{Op: diff.Update, Key: theCluster, Origin: origin, Does: &kinds.Renewal{Makes: of}}
	}
	writes := func(key v1.Key, path, text string) plan.Step {
		return plan.Step{Op: diff.Update, Key: key, Fields: []diff.Field{plan.TextField("spec.dispatcher", "", "x"), plan.TextField(path, "", text)}}
	}
	const autolock = "spec.autolock.enabled"
	for name, c := range map[string]struct {
		step plan.Step
		want kinds.Rotated
	}{
		"the workers' token":    {rotates(plan.OriginRotates, kinds.WorkerToken), kinds.WorkerToken},
		"the root":              {rotates(plan.OriginRotates, kinds.RootCA), kinds.RootCA},
		"a record":              {rotates(plan.OriginRecords, ""), ""},
		"autolock is turned on": {writes(theCluster, autolock, "true"), kinds.UnlockKey},
		"it is turned off":      {writes(theCluster, autolock, "false"), ""},
		"another setting":       {writes(theCluster, "spec.taskHistoryLimit", "true"), ""},
		"another object":        {writes(v1.Key{Kind: v1.KindNode, Name: v1.ClusterName}, autolock, "true"), ""},
		"a service":             {plan.Step{Op: diff.Create, Key: svc("web")}, ""},
	} {
		if got := Makes(c.step); got != c.want {
			t.Errorf("%s: it makes %q, want %q", name, got, c.want)
		}
	}
}

// Due lists first what exists and has to be delivered. Then it lists each token or key that a step makes, once for each
// of its sinks.
func TestWhatIsDueNamesEachSink(t *testing.T) {
	run := about(nil, state.Memory{})
	run.Entries = []kinds.Entry{{Object: &v1.Cluster{Spec: v1.ClusterSpec{
		JoinTokens: &v1.JoinTokens{Worker: &v1.JoinToken{Sinks: []string{"a", "b"}}, Manager: &v1.JoinToken{}}, Autolock: &v1.Autolock{Escrow: "c"},
	}}}}
	rotates := func(of kinds.Rotated) plan.Step {
		return plan.Step{Op: diff.Update, Key: theCluster, Origin: plan.OriginRotates, Does: &kinds.Renewal{Makes: of}}
	}
	pending := []plan.Delivery{{What: "unlock-key", To: "c", Why: "lost"}}
	const made = "made by update of Cluster/default"
	for name, c := range map[string]struct {
		pending []plan.Delivery
		steps   []plan.Step
		by      string
		want    []plan.Delivery
	}{
		"nothing":                       {},
		"what is lost":                  {pending: pending, by: "mgr-1", want: []plan.Delivery{{What: "unlock-key", To: "c", By: "mgr-1", Why: "lost"}}},
		"nobody knows who":              {pending: pending, want: pending},
		"a token with two sinks":        {steps: []plan.Step{rotates(kinds.WorkerToken)}, by: "mgr-1", want: []plan.Delivery{{What: "worker-token", To: "a", By: "mgr-1", Why: made}, {What: "worker-token", To: "b", By: "mgr-1", Why: made}}},
		"a token without a sink":        {steps: []plan.Step{rotates(kinds.ManagerToken)}},
		"the root, which goes nowhere":  {steps: []plan.Step{rotates(kinds.RootCA)}},
		"a step that makes no secret":   {steps: []plan.Step{{Op: diff.Create, Key: svc("web")}}},
		"what is lost, and a new one":   {pending: pending, steps: []plan.Step{rotates(kinds.UnlockKey)}, want: []plan.Delivery{pending[0], {What: "unlock-key", To: "c", Why: made}}},
		"a lost one, and another's new": {pending: pending, steps: []plan.Step{rotates(kinds.WorkerToken)}, want: []plan.Delivery{pending[0], {What: "worker-token", To: "a", Why: made}, {What: "worker-token", To: "b", Why: made}}},
	} {
		run.Plan.Steps = c.steps
		if got := run.Due(c.pending, c.by); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
	if pending[0].By != "" {
		t.Error("what was given has changed")
	}
}
