package node

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
)

func TestOrphansAreNamedUntilTheyComeBack(t *testing.T) {
	live := func(id string, role swarm.NodeRole, state swarm.NodeState) *kinds.Live {
		n := &swarm.Node{ID: id}
		n.Spec.Role, n.Status.State = role, state
		return &kinds.Live{Kind: v1.KindNode, ID: id, Called: "host-" + id, Raw: n}
	}
	made := map[string]bool{"down": true, "unknown": true, "back": true, "manager": true, "gone": true, "alive": false}
	notices := orphans([]*kinds.Live{
		live("down", swarm.NodeRoleWorker, swarm.NodeStateDown),
		live("unknown", swarm.NodeRoleWorker, swarm.NodeStateUnknown),
		live("back", swarm.NodeRoleWorker, swarm.NodeStateReady),
		live("manager", swarm.NodeRoleManager, swarm.NodeStateDown),
		live("alive", swarm.NodeRoleWorker, swarm.NodeStateDown),
		live("another", swarm.NodeRoleWorker, swarm.NodeStateDown),
	}, made)
	if len(notices) != 2 || !strings.HasPrefix(notices[0], "Node/host-down (down)") || !strings.HasPrefix(notices[1], "Node/host-unknown") || !strings.Contains(notices[0], "docker swarm leave --force") {
		t.Errorf("notices are %q", notices)
	}
	if left := slices.Sorted(maps.Keys(made)); !slices.Equal(left, []string{"down", "unknown"}) {
		t.Errorf("remembered are %q", left)
	}
}

func TestNodeThatDoesNotBecomeAManagerIsNamed(t *testing.T) {
	long := RoleDeadline
	notices := stuck([]Node{
		{ID: "1", Name: "stuck", Manager: true, Away: long},
		{ID: "2", Name: "slow", Manager: true, Away: long - 1},
		{ID: "3", Name: "dead", Manager: true, Voter: true, Away: long},
		{ID: "4", Name: "leaving", Voter: true, Away: long},
	})
	if len(notices) != 1 || !strings.HasPrefix(notices[0], "Node/stuck (1)") {
		t.Errorf("notices are %q", notices)
	}
}
