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
	readyWithin = 60 * time.Second // for the start of a thousand machines on a busy host
)

// poll asks until done says so; the error tells what was missing at the end.
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
		var want []*machine
		for _, m := range machines {
			if e := m.engine(); e != nil && e.cluster.state().status == swarm.LocalNodeStateActive {
				want = append(want, m)
			}
		}
		ready := s.readyNodes()
		var missing []string
		for _, m := range want {
			if !ready[m.swarmNode()] {
				missing = append(missing, m.name)
			}
		}
		return strings.Join(missing, ", ")
	})
}

// readyNodes asks each manager, for blank machines may have made swarms of
// their own.
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

// settle waits after a restart until every node is up, or cannot be: locked,
// without quorum, refused.
func (s *Sandbox) settle(ctx context.Context) error {
	var up []*machine
	for _, m := range s.list() {
		if err := s.resumed(ctx, m); err != nil {
			return err
		}
		if m.engine().cluster.state().status == swarm.LocalNodeStateActive {
			up = append(up, m)
		}
	}
	if s.degraded() {
		return nil
	}
	return s.waitReady(ctx, up)
}

// degraded: some node is not up, so that others may never get ready.
func (s *Sandbox) degraded() bool {
	for _, m := range s.list() {
		e := m.engine()
		if e == nil {
			return true
		}
		switch e.cluster.state().status {
		case swarm.LocalNodeStateInactive, swarm.LocalNodeStateActive:
		default:
			return true
		}
	}
	return false
}

// resumed waits until a machine's node has come to an end of its start.
func (s *Sandbox) resumed(ctx context.Context, m *machine) error {
	e := m.engine()
	if e == nil {
		return nil
	}
	nr := e.cluster.runner()
	if nr == nil {
		return nil
	}
	t := time.NewTimer(connectTimeout)
	defer t.Stop()
	select {
	case <-nr.Ready(): // with or without an error: the state tells
		return nil
	case <-t.C: // as dockerd, which goes on in the background
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
