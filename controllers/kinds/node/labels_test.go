package node

import (
	"slices"
	"testing"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

func TestAServiceComesAfterTheLabelsThatItsConstraintsName(t *testing.T) {
	labels := map[string][]int{"zone": {1}, "zone.sub": {2}, "z": {3}, "a": {4}}
	for _, c := range []struct {
		constraints string
		want        []string
	}{
		{`["node.labels.zone==a"]`, []string{"zone"}},
		{`["node.labels.zone != a"]`, []string{"zone"}},
		{`["Node.Labels.zone == a"]`, []string{"zone"}},
		{`["node.labels.Zone == a"]`, nil}, // this is another label
		{`["node.labels.zone.sub==a"]`, []string{"zone.sub"}},
		{`["node.labels.zones==a"]`, nil},
		{`["engine.labels.zone==a"]`, nil},
		{`["node.hostname==node.labels.zone"]`, nil}, // this is a value
		{`["node.role==worker","node.labels.a==b","node.labels.z==y"]`, []string{"a", "z"}},
		{`["zone"]`, nil},
		{``, nil},
	} {
		want := diff.State{Key: v1.Key{Kind: v1.KindService, Name: "web"}}
		if c.constraints != "" {
			want.Leaves = []diff.Leaf{{Path: "spec.placement.constraints", Type: "spec.placement.constraints", Text: c.constraints}}
		}
		if got := constrained(&want, labels); !slices.Equal(got, c.want) {
			t.Errorf("%s: waits for %v, want %v", c.constraints, got, c.want)
		}
	}
	if got := constrained(&diff.State{Key: v1.Key{Kind: v1.KindNode, Name: "web"}}, labels); got != nil {
		t.Errorf("a node waits for %v", got)
	}
}
