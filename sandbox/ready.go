package sandbox

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/swarmkit/v2/api"
)

const (
	pollEvery   = 20 * time.Millisecond
	readyWithin = 5 * time.Minute // for the start of a thousand machines on a busy host
	// besideLocked is longer than an election takes.
	besideLocked = 5 * time.Second
)

// poll calls done until it returns "". If that takes too long, the error names what was missing at the end.
func poll(ctx context.Context, done func() (missing string)) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	t := time.NewTicker(pollEvery)
	defer t.Stop()
	for {
		missing := done()
		if missing == "" {
			return nil
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", missing, ctx.Err())
		}
	}
}

// waitReady waits until the swarm lists the nodes of these machines as ready.
func (s *Sandbox) waitReady(ctx context.Context, machines []*machine) error {
	return poll(ctx, func() string {
		ready := s.readyNodes()
		var missing []string
		for _, m := range machines {
			if !ready[m.swarmNode()] {
				missing = append(missing, m.name)
			}
		}
		if len(missing) > 10 {
			return fmt.Sprintf("%d nodes to be ready", len(missing))
		}
		return strings.Join(missing, ", ")
	})
}

// readyNodes asks each manager, because blank machines may have made swarms of their own.
func (s *Sandbox) readyNodes() map[string]bool {
	ready, seen := map[string]bool{}, map[string]bool{}
	for _, m := range s.list() {
		e := m.engine()
		if e == nil || seen[m.swarmNode()] {
			continue
		}
		_ = e.cluster.manage(func(ctx context.Context, st nodeState) error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			list, err := st.control.ListNodes(ctx, &api.ListNodesRequest{}, bigList)
			if err != nil {
				return err
			}
			for _, n := range list.Nodes {
				seen[n.ID] = true
				ready[n.ID] = ready[n.ID] || nodeIsReady(n)
			}
			return nil
		})
	}
	return ready
}

// settle waits after a restart until every node is up, or cannot come up because it is locked, without quorum, or
// refused.
func (s *Sandbox) settle(ctx context.Context) error {
	if err := s.resumed(ctx, s.list()); err != nil {
		return err
	}
	var up []*machine
	for _, m := range s.list() {
		switch nodeStatus(m) {
		case swarm.LocalNodeStateActive:
			up = append(up, m)
		case swarm.LocalNodeStateInactive:
		default: // because of this one, others may never get ready
			return nil
		}
	}
	return s.waitReady(ctx, up)
}

// resumed waits until the nodes of these machines have finished their start. If one is locked or failed, the others
// get only a moment. Without a quorum no start finishes; then the starts go on in the background, as in dockerd.
func (s *Sandbox) resumed(ctx context.Context, machines []*machine) error {
	begin := time.Now()
	return poll(ctx, func() string {
		var pending []string
		limit := connectTimeout
		for _, m := range machines {
			switch nodeStatus(m) {
			case swarm.LocalNodeStatePending:
				pending = append(pending, m.name)
			case swarm.LocalNodeStateLocked, swarm.LocalNodeStateError:
				limit = besideLocked
			}
		}
		if time.Since(begin) > limit {
			return ""
		}
		return strings.Join(pending, ", ")
	})
}

func nodeStatus(m *machine) swarm.LocalNodeState {
	if e := m.engine(); e != nil {
		return e.cluster.state().status
	}
	return swarm.LocalNodeStateInactive
}
