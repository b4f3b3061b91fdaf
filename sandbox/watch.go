package sandbox

import (
	"context"
	"fmt"

	"github.com/moby/swarmkit/v2/api"
	"google.golang.org/grpc"
)

// Watch calls seen once for each transaction in the swarm's store, in their order, with the changes of the transaction.
// It does so until ctx ends or the node stops. kinds are the store's own: "service", "task", "network" … The Engine API
// has no events about tasks, and much can happen between two of its lists.
//
// Watch returns when the node has begun to report, and fails if the node is no manager. seen must return soon,
// because the store waits for it.
func (s *Sandbox) Watch(ctx context.Context, name string, seen func(*api.WatchMessage), kinds ...string) error {
	m, err := s.find(name)
	if err != nil {
		return err
	}
	e := m.engine()
	if e == nil {
		return fmt.Errorf("watching the store of %s: it does not run", name)
	}
	state := e.cluster.state()
	if !state.activeManager() {
		return fmt.Errorf("watching the store of %s: %w", name, notManager(state))
	}
	stream, err := openWatch(ctx, state.conn, kinds)
	if err != nil {
		return fmt.Errorf("watching the store of %s: %w", name, err)
	}
	if _, err := stream.Recv(); err != nil { // the first message is empty
		return fmt.Errorf("watching the store of %s: %w", name, err)
	}
	go forwardWatch(stream, seen)
	return nil
}

func openWatch(ctx context.Context, conn *grpc.ClientConn, kinds []string) (api.Watch_WatchClient, error) {
	const all = api.WatchActionKindCreate | api.WatchActionKindUpdate | api.WatchActionKindRemove
	req := &api.WatchRequest{IncludeOldObject: true}
	for _, kind := range kinds {
		req.Entries = append(req.Entries, &api.WatchRequest_WatchEntry{Kind: kind, Action: all})
	}
	return api.NewWatchClient(conn).Watch(ctx, req)
}

// forwardWatch never stops reading, because the store would wait.
func forwardWatch(stream api.Watch_WatchClient, forward func(*api.WatchMessage)) {
	for {
		msg, err := stream.Recv()
		if err != nil {
			return
		}
		forward(msg)
	}
}
