package sandbox

import (
	"context"
	"sync"
	"time"

	"github.com/moby/swarmkit/v2/api"
	"google.golang.org/grpc"
)

// crossing keeps apart what must not happen at the same time in a swarm: that a node stops, and that a manager says
// what networks there are. SwarmKit's manager holds a lock while it stops and waits for the calls that it is
// answering, and a call about networks needs the same lock. The manager that answers may be another machine's, because
// a manager that does not lead asks the leader.
type crossing struct {
	mu              sync.Mutex
	calls, stops    int
	called, stopped chan struct{} // closed when the last call or the last stop is over
}

// longestCrossing is how long a node that stops waits for calls. A call that takes longer is not being answered: it
// waits for the swarm to have a leader.
const longestCrossing = 2 * time.Second

// call begins a call, when no node is about to stop, and returns how to end it.
func (c *crossing) call(ctx context.Context) (func(), error) {
	c.mu.Lock()
	for c.stops > 0 {
		over := c.stopped
		c.mu.Unlock()
		select {
		case <-over:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		c.mu.Lock()
	}
	defer c.mu.Unlock()
	if c.calls++; c.calls == 1 {
		c.called = make(chan struct{})
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.calls--; c.calls == 0 {
			close(c.called)
		}
	}, nil
}

// stop keeps new calls waiting, waits for those that have begun, and returns how to end the stop.
func (c *crossing) stop() func() {
	c.mu.Lock()
	if c.stops++; c.stops == 1 {
		c.stopped = make(chan struct{})
	}
	var over chan struct{}
	if c.calls > 0 {
		over = c.called
	}
	c.mu.Unlock()
	if over != nil {
		select {
		case <-over:
		case <-time.After(longestCrossing):
		}
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.stops--; c.stops == 0 {
			close(c.stopped)
		}
	}
}

// networkCalls makes the calls about networks wait for nodes that stop.
type networkCalls struct {
	api.ControlClient
	crossing *crossing
}

func (n networkCalls) GetNetwork(ctx context.Context, in *api.GetNetworkRequest, opts ...grpc.CallOption) (*api.GetNetworkResponse, error) {
	over, err := n.crossing.call(ctx)
	if err != nil {
		return nil, err
	}
	defer over()
	return n.ControlClient.GetNetwork(ctx, in, opts...)
}

func (n networkCalls) ListNetworks(ctx context.Context, in *api.ListNetworksRequest, opts ...grpc.CallOption) (*api.ListNetworksResponse, error) {
	over, err := n.crossing.call(ctx)
	if err != nil {
		return nil, err
	}
	defer over()
	return n.ControlClient.ListNetworks(ctx, in, opts...)
}
