package node

import (
	"fmt"

	"github.com/moby/moby/api/types/swarm"

	"github.com/swarm-operator/swarm-operator/controllers/kinds"
)

// orphans returns a notice for each node that was made a worker while it was down and may take itself for a manager.
// It forgets nodes that came back as workers, were made managers again or were removed. Recent engines notice their
// new role when they start. Older ones stay managers without a leader forever, and the others cannot tell them from a
// machine that is down.
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

// stuck returns a notice for each node that was made a manager and does not become one. Until its engine is started
// again, dockerd 20.10 joins raft only through the node through which it joined the swarm. That node may no longer be a
// manager.
func stuck(nodes []Node) (notices []string) {
	for _, n := range nodes {
		if n.Manager && !n.Voter && n.Away >= RoleDeadline {
			notices = append(notices, fmt.Sprintf("Node/%s (%s) was made a manager and has not become one for %s; it has no vote. Start its engine again; if it is gone for good: docker node rm --force %s", n.Name, n.ID, RoleDeadline, n.ID))
		}
	}
	return notices
}
