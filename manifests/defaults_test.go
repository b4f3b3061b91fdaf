package manifests_test

import (
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/manifests"
)

const stated = `apiVersion: swarm-operator.io/v1
kind: Network
metadata: {name: silent}
---
apiVersion: swarm-operator.io/v1
kind: Config
metadata: {name: own}
spec: {data: x}
policy: {prune: false, adopt: never, protect: true}
---
apiVersion: swarm-operator.io/v1
kind: Service
metadata: {name: half}
spec: {image: nginx}
policy: {enforce: false, dependsOn: [Service/other]}
---
apiVersion: swarm-operator.io/v1
kind: Service
metadata: {name: other}
spec: {image: nginx}
---
apiVersion: swarm-operator.io/v1
kind: Node
metadata: {name: worker-1}
spec: {availability: drain}
---
apiVersion: swarm-operator.io/v1
kind: Cluster
metadata: {name: default}
spec: {taskHistoryLimit: 3}
`

// The source's defaults apply to what a manifest's own policy does not state. They apply to no manifest of a node or
// the cluster.
func TestSourceDefaultsFillInWhatAPolicyLeavesOut(t *testing.T) {
	yes, no := true, false
	loader := manifests.NewLoader(manifests.Options{Kinds: all.Manifests()})
	source := func(settings string) map[string]v1.Object {
		t.Helper()
		fsys := fstest.MapFS{"a.yaml": {Data: []byte(stated)}}
		if settings != "" {
			fsys[".swarm-operator.yaml"] = &fstest.MapFile{Data: []byte(settings)}
		}
		set, problems := loader.Load(fsys, ".")
		if len(problems) > 0 {
			t.Fatal(render(problems))
		}
		out := map[string]v1.Object{}
		for _, e := range set.Entries {
			out[e.Key().String()] = e.Object
		}
		return out
	}
	policies := func(of map[string]v1.Object) map[string]v1.Policy {
		out := map[string]v1.Policy{}
		for key, o := range of {
			out[key] = o.Meta().Policy
		}
		return out
	}
	plain := policies(source(""))
	for settings, change := range map[string]func(map[string]v1.Policy){
		"name: x":      func(map[string]v1.Policy) {},
		"defaults: {}": func(map[string]v1.Policy) {},
		"defaults: {policy: {prune: true, enforce: true}}": func(p map[string]v1.Policy) {
			p["Network/silent"] = v1.Policy{Prune: &yes, Enforce: &yes}
			p["Service/other"] = v1.Policy{Prune: &yes, Enforce: &yes}
			p["Config/own"] = v1.Policy{Prune: &no, Adopt: v1.AdoptNever, Protect: true, Enforce: &yes}
			p["Service/half"] = v1.Policy{Prune: &yes, Enforce: &no, DependsOn: []string{"Service/other"}}
		},
		"defaults: {policy: {adopt: takeover, enforce: false}}": func(p map[string]v1.Policy) {
			p["Network/silent"] = v1.Policy{Adopt: v1.AdoptTakeover, Enforce: &no}
			p["Service/other"] = v1.Policy{Adopt: v1.AdoptTakeover, Enforce: &no}
			p["Config/own"] = v1.Policy{Prune: &no, Adopt: v1.AdoptNever, Protect: true, Enforce: &no}
			p["Service/half"] = v1.Policy{Adopt: v1.AdoptTakeover, Enforce: &no, DependsOn: []string{"Service/other"}}
		},
	} {
		want := map[string]v1.Policy{}
		for key, p := range plain {
			want[key] = p
		}
		change(want)
		if d := cmp.Diff(want, policies(source(settings))); d != "" {
			t.Errorf("%s: policies (-want +got):\n%s", settings, d)
		}
	}
	if d := cmp.Diff(plain, policies(source(""))); d != "" {
		t.Errorf("when they are gone (-want +got):\n%s", d)
	}
}
