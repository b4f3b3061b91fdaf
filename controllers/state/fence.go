package state

import (
	"context"

	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/rescue"
)

// unfenced removes the fence from a bound context. The lease's own writes are compare-and-swaps and need no fence. A
// fence would also ask the lease, which does not answer while it writes.
func unfenced(ctx context.Context) context.Context {
	return engine.Fenced(ctx, engine.Fence{Check: func() error { return nil }})
}

// Bind returns a context that ends when the lease does. Once the lease has ended, no call under that context sends a
// change. If the process holds no lease, the context has ended already.
func (l *Lease) Bind(ctx context.Context) (context.Context, context.CancelFunc) {
	l.mu.Lock()
	h := l.mine
	l.mu.Unlock()
	if h == nil {
		ctx, cancel := context.WithCancelCause(ctx)
		cancel(ErrLeaseLost)
		return engine.Fenced(ctx, engine.Fence{Check: func() error { return ErrLeaseLost }}), func() { cancel(nil) }
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(h.ctx, rescue.Clean(func() { cancel(context.Cause(h.ctx)) }))
	check := func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		return h.check(l.Now())
	}
	return engine.Fenced(ctx, engine.Fence{Check: check, Epoch: h.epoch}), func() { stop(); cancel(nil) }
}
