package network

import (
	"context"
	"errors"
	"time"

	"github.com/moby/moby/api/types/network"

	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
)

// The swarm first accepts a network and then allocates it, within milliseconds. A network that it cannot allocate
// stays. A task that is to join it waits in state New forever, and SwarmKit says why only in the manager's log.
const (
	allocation = 10 * time.Second
	firstLook  = 5 * time.Millisecond
)

// whyBroken says all that can be known.
const whyBroken = "the swarm has made this network and cannot allocate it, so no task can join it: its subnet overlaps with that of another network or of the machines, an IPv6 subnet lacks enableIPv6, or no subnet is left; the log of the leader's dockerd says which"

// broken says what is wrong with a live network, or "". The engine reports the allocated driver and subnets of a
// network, and neither if the network is not allocated (daemon/cluster/convert).
func broken(l *kinds.Live) string {
	if n := l.Raw.(*network.Summary); n.Scope == "swarm" && n.Driver == "" {
		return whyBroken
	}
	return ""
}

// allocated waits until the swarm has allocated a network that was just made. It fails if that takes too long.
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
