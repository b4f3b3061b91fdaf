package node

import (
	"fmt"

	"github.com/moby/moby/api/types/swarm"

	"github.com/swarm-operator/swarm-operator/controllers/kinds"
)

// orphans says which nodes may take themselves for managers, of those that were made workers while they were down, and
// forgets those that came back as what they are, were made managers again or were removed. Recent engines find out when
// they start. Older ones stay managers without a leader for ever, which the others cannot tell from a machine that is down.
func orphans(lives []*kinds.Live, made map[string]bool) (notices []string) {
	still := map[string]bool{}
	for _, l := range lives {
		n := raw(l)
		if !made[l.ID] || n.Spec.Role != swarm.NodeRoleWorker || n.Status.State == swarm.NodeStateReady {
			continue
		}
		still[l.ID] = true
		notices = append(notices, fmt.Sprintf("Node/%s (%s) was made a worker while it was down. It is an orphan if its machine is up and it stays down here: its engine takes itself for a manager, and has no leader; run docker swarm leave --force on it and join it again", nameOf(l), l.ID))
	}
	for id := range made {
		if !still[id] {
			delete(made, id)
		}
	}
	return notices
}

// stuck says which nodes do not become the managers that they were made. dockerd 20.10 joins raft only through the node that
// it joined the swarm through, which may be none any more, until it is started again.
func stuck(nodes []Node) (notices []string) {
	for _, n := range nodes {
		if n.Manager && !n.Voter && n.Away >= RoleDeadline {
			notices = append(notices, fmt.Sprintf("Node/%s (%s) was made a manager and has not become one for %s; it has no vote. Start its engine again; if it is gone for good: docker node rm --force %s", n.Name, n.ID, RoleDeadline, n.ID))
		}
	}
	return notices
}
