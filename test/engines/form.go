package engines

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

const (
	swarmPort = ":2377"
	// heartbeat is so short that a node that is gone counts as down within seconds. A new leader gives each node the
	// time of six heartbeats to report, and an agent may notice only after five seconds that it has to. If it reports
	// at the very moment when its time is up, SwarmKit may take it for down for good.
	heartbeat = 2 * time.Second
	// readyTime is how long it may take until all nodes of a swarm are ready. A manager that returns waits for an
	// election.
	readyTime = 5 * time.Minute
)

// form makes a swarm on the first manager and lets the other nodes join.
func (s *Swarm) form(ctx context.Context) error {
	first := s.nodes[0]
	_, err := first.client.SwarmInit(ctx, client.SwarmInitOptions{
		ListenAddr: "0.0.0.0" + swarmPort, AdvertiseAddr: addressOf(first.index).String(),
		Spec: swarm.Spec{Dispatcher: swarm.DispatcherConfig{HeartbeatPeriod: heartbeat}},
	})
	if err != nil {
		return fmt.Errorf("making the swarm on %s: %w", first.name, err)
	}
	made, err := first.client.SwarmInspect(ctx, client.SwarmInspectOptions{})
	if err != nil {
		return fmt.Errorf("asking for join tokens: %w", err)
	}
	tokens := map[string]string{"manager": made.Swarm.JoinTokens.Manager, "worker": made.Swarm.JoinTokens.Worker}
	joins, joining := errgroup.WithContext(ctx)
	joins.Go(func() error { // the raft takes one new member at a time
		for _, n := range s.nodes[1:] {
			if n.role == "manager" {
				if err := s.join(joining, n, tokens); err != nil {
					return err
				}
			}
		}
		return nil
	})
	for _, n := range s.nodes[1:] {
		if n.role == "worker" {
			joins.Go(func() error { return s.join(joining, n, tokens) })
		}
	}
	if err := joins.Wait(); err != nil {
		return err
	}
	return s.Ready(ctx)
}

func (s *Swarm) join(ctx context.Context, n *node, tokens map[string]string) error {
	address := addressOf(n.index).String()
	_, err := n.client.SwarmJoin(ctx, client.SwarmJoinOptions{
		ListenAddr: "0.0.0.0" + swarmPort, AdvertiseAddr: address,
		RemoteAddrs: []string{addressOf(0).String() + swarmPort}, JoinToken: tokens[n.role],
	})
	if err == nil || !strings.Contains(err.Error(), "will continue in the background") { // after 20 s, which a busy machine may take
		return named("joining", n, err)
	}
	return named("joining", n, harness.Until(ctx, readyTime, func() error {
		info, err := n.client.Info(ctx, client.InfoOptions{})
		if is := info.Info.Swarm.LocalNodeState; err == nil && is != swarm.LocalNodeStateActive {
			err = fmt.Errorf("it is %s", is)
		}
		return err
	}))
}

// named says what failed, and on which node. It returns nil if nothing did.
func named(doing string, n *node, err error) error {
	if err != nil {
		return fmt.Errorf("%s %s: %w", doing, n.name, err)
	}
	return nil
}

// Ready waits until every node is ready, and every manager reachable.
func (s *Swarm) Ready(ctx context.Context) error {
	return harness.Until(ctx, readyTime, func() error {
		nodes, err := s.list(ctx)
		if err != nil {
			return err
		}
		ready := map[string]bool{}
		for _, n := range nodes {
			reachable := n.ManagerStatus == nil || n.ManagerStatus.Reachability == swarm.ReachabilityReachable
			if n.Status.State == swarm.NodeStateReady && reachable {
				ready[n.Description.Hostname] = true
			}
		}
		for _, name := range append(s.Managers(), s.Workers()...) {
			if !ready[name] {
				return fmt.Errorf("%s is not ready", name)
			}
		}
		return nil
	})
}

// list returns the nodes of the swarm. It asks one manager after the other until one answers.
func (s *Swarm) list(ctx context.Context) ([]swarm.Node, error) {
	err := errors.New("no manager was made")
	for _, name := range s.managers {
		var nodes []swarm.Node
		if nodes, err = nodesOf(ctx, s.Client(name)); err == nil {
			return nodes, nil
		}
	}
	return nil, err
}

// nodesOf asks one manager. A manager that hangs must not hold up the others.
func nodesOf(ctx context.Context, c *client.Client) ([]swarm.Node, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	list, err := c.NodeList(ctx, client.NodeListOptions{})
	return list.Items, err
}
