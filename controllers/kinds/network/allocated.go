package network

import (
	"context"
	"errors"
	"time"

	"github.com/moby/moby/api/types/network"

	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
)

// The swarm takes a network first and allocates it then, in milliseconds. One that it cannot allocate stays, and a task that
// is to join it waits in state New for good: SwarmKit says why in the manager's log alone.
const (
	allocation = 10 * time.Second
	firstLook  = 5 * time.Millisecond
)

// whyBroken is all that can be known.
const whyBroken = "the swarm has made this network and cannot allocate it, so no task can join it: its subnet overlaps with that of another network or of the machines, an IPv6 subnet lacks enableIPv6, or no subnet is left; the log of the leader's dockerd says which"

// broken says what is wrong with a live network. The engine tells of a network's driver and subnets what was allocated, and
// of one that is not it tells neither (daemon/cluster/convert).
func broken(l *kinds.Live) string {
	if n := l.Raw.(*network.Summary); n.Scope == "swarm" && n.Driver == "" {
		return whyBroken
	}
	return ""
}

// allocated waits until the swarm has allocated a network that was just made.
func allocated(ctx context.Context, c *engine.Client, id string) error {
	var last string
	for wait, waited := firstLook, time.Duration(0); ; wait *= 2 {
		l, err := readOne(ctx, c, id)
		if err != nil {
			return err
		}
		if last = broken(l); last == "" {
			return nil
		}
		if waited += wait; waited > allocation {
			return errors.New(last)
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}
