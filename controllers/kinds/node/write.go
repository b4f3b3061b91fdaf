package node

import (
	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// read returns a live node in the words of a manifest.
func read(n *swarm.Node) *v1.Node {
	return &v1.Node{
		Header: v1.Header{APIVersion: v1.APIVersion, Kind: v1.KindNode, Metadata: v1.Metadata{Name: n.Description.Hostname}},
		Spec:   v1.NodeSpec{Role: string(n.Spec.Role), Availability: string(n.Spec.Availability), Labels: n.Spec.Labels},
	}
}

// Spec returns the spec that a step of a source writes over the live one. It changes what differs. A change of the role
// is no difference of a manifest, and leaves no label of ours behind.
func Spec(live swarm.NodeSpec, s plan.Step, source string) swarm.NodeSpec {
	if role, is := s.Does.(RoleChange); is {
		live.Role = swarm.NodeRoleWorker
		if role.Promote {
			live.Role = swarm.NodeRoleManager
		}
		return live
	}
	want, changed := s.Change.Want.Value.(*v1.Node), diff.NewPaths(s.Fields)
	if changed.Has("spec.availability") {
		live.Availability = swarm.NodeAvailability(want.Spec.Availability)
	}
	live.Labels = kinds.OverlayLabels("spec.labels", live.Labels, want.Spec.Labels, s.Fields, kinds.Source{Name: source}.Owner(s.Key), diff.NewApplied(s.Change.Want.Leaves).String())
	return live
}
