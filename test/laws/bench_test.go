package laws

import (
	"fmt"
	"testing"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/test/model"
)

// everyday returns n services as people write them, and the configs that they share.
func everyday(n int) []v1.Object {
	const configs = 20
	var out []v1.Object
	named := func(kind, name string) v1.Header {
		return v1.Header{APIVersion: v1.APIVersion, Kind: kind, Metadata: v1.Metadata{Name: name, Labels: map[string]string{"tier": "back"}}}
	}
	for i := range configs {
		out = append(out, &v1.Config{Header: named(v1.KindConfig, fmt.Sprintf("app-%d", i)), Spec: v1.ContentSpec{Data: v1.NewContent([]byte("listen = 8080\n"))}})
	}
	for i := range n {
		name := fmt.Sprintf("app-%05d", i)
		none := uint64(0)
		out = append(out, &v1.Service{Header: named(v1.KindService, name), Spec: v1.ServiceSpec{
			Image: fmt.Sprintf("registry.example.com/team/app-%d:1.4", i%configs), Command: []string{"/bin/app", "--listen", ":8080"}, Replicas: &none,
			Environment:     v1.Environment{"LOG_LEVEL": "info", "REGION": "eu-1", "SERVICE": name},
			ContainerLabels: map[string]string{"app": name},
			Configs:         []v1.ConfigMount{{Source: fmt.Sprintf("app-%d", i%configs), Target: "/etc/app.conf"}},
			Placement:       &v1.Placement{Constraints: []string{"node.role == manager"}},
		}})
	}
	return out
}

// inSync returns a swarm that matches the manifests of everyday(n).
func inSync(b *testing.B, n int) *world {
	b.Helper()
	w := newWorld(true)
	w.commit(everyday(n))
	for range enough {
		l := w.look()
		w.remember(l)
		if len(l.plan.Steps) == 0 {
			return w
		}
		if errs := w.carryOut(l, len(l.plan.Steps)); len(errs) > 0 {
			b.Fatal(errs)
		}
	}
	b.Fatal("plans do not come to an end")
	return nil
}

// BenchmarkDecide measures what a run has to decide if many services are as they should be, and if one of them is not.
// It measures each part of the path from what was read to a plan: cold as for a command, and with a daemon's memory.
// With that memory, ten times the services must not cost ten times as much.
func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		for _, differ := range []int{0, 1} {
			benchmarkDecide(b, n, differ)
		}
	}
}

func benchmarkDecide(b *testing.B, n, differ int) {
	w := inSync(b, n)
	if differ > 0 {
		w.manifests = everyday(n)
		w.manifests[n].(*v1.Service).Spec.Environment["REGION"] = "eu-2"
	}
	var entries []kinds.Entry
	for _, o := range w.manifests {
		entries = append(entries, kinds.Entry{Object: o})
	}
	ix := w.Index()
	for _, memory := range []string{"cold", "daemon"} {
		memo, compare := w.memo, new(diff.Seen).Compare
		if memory == "cold" {
			memo, compare = nil, diff.Compare
		}
		expand := func() kinds.Wants { return kinds.Expand(all.Kinds(), entries, ix, w.src, memo) }
		wants := expand()
		haves := kinds.Haves(all.Kinds(), ix, w.src, wants.States, memo)
		changes := compare(haves, wants.States, all.Rules)
		facts := plan.Facts{Now: model.Noon, APIVersion: "1.52", Owned: len(wants.States), OwnedServices: n, Shares: true, Revision: "r"}
		build := func() plan.Plan {
			return plan.Build(changes, facts, plan.Policy{Source: w.src.Name, Budgets: plan.DefaultBudgets()}, all.Part())
		}
		if p := build(); len(p.Steps) != differ || len(p.Refused) > 0 {
			b.Fatalf("the plan has %d steps and %d refusals, want %d steps", len(p.Steps), len(p.Refused), differ)
		}
		for _, part := range []struct {
			name string
			do   func()
		}{
			{"Expand", func() { expand() }},
			{"ExpandAndHaves", func() { kinds.Haves(all.Kinds(), ix, w.src, expand().States, memo) }}, // a memo needs both
			{"Compare", func() { compare(haves, wants.States, all.Rules) }},
			{"Build", func() { build() }},
		} {
			b.Run(fmt.Sprintf("%s/%d-differ/%s/%d", part.name, differ, memory, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					part.do()
				}
			})
		}
	}
}
