package unlock

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
)

// Engine is what the helper needs of an engine; see package controllers/engine.
type Engine interface {
	Describe(ctx context.Context) (engine.About, error)
	SwarmGetUnlockKey(ctx context.Context) (client.SwarmGetUnlockKeyResult, error)
	SwarmUnlock(ctx context.Context, o client.SwarmUnlockOptions) (client.SwarmUnlockResult, error)
}

// Verdict is an engine's answer to a key.
type Verdict int

const (
	Unclear  Verdict = iota // the engine did not say; the error says why
	Opened                  // the engine is open, by this key or already before
	Rejected                // the key is not the right one
)

// Try gives a locked engine one key. The error is not nil if and only if the verdict is Unclear.
func Try(ctx context.Context, e Engine, key v1.Content) (Verdict, error) {
	_, err := e.SwarmUnlock(ctx, client.SwarmUnlockOptions{Key: string(key.Reveal())})
	switch {
	case err == nil, engine.IsNotLocked(err):
		return Opened, nil
	case engine.IsWrongKey(err):
		return Rejected, nil
	case engine.IsTimeout(err) && ctx.Err() == nil:
		// A manager answers only when it is part of a swarm again. While others are locked or down, that takes longer
		// than the call may.
		if about, asked := e.Describe(ctx); asked == nil && about.State != swarm.LocalNodeStateLocked {
			return Opened, nil
		}
	}
	if strings.Contains(err.Error(), string(key.Reveal())) { // something between the operator and the engine repeats it
		err = errors.New("the answer repeats the key, and is not shown")
	}
	return Unclear, fmt.Errorf("unlocking: %w", err)
}
