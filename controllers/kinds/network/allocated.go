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
//
// SwarmKit allocates it later by itself, if that is possible after another network was removed or another manager has
// become the leader. Until then it can be removed like any other network: only a service or a task that refers to it
// keeps it.
const (
	allocation = 10 * time.Second
	firstLook  = 5 * time.Millisecond
)

// whyBroken says all that can be known.
const whyBroken = "the swarm has made this network and cannot allocate it, so no task can join it: its subnet overlaps with that of another network or of the machines, it states an IPv6 range, which engines from version 27 on do not allocate and older ones only with enableIPv6, or no subnet is left; the log of the leader's dockerd says which"

// broken says what is wrong with a live network, or "".
func broken(l *kinds.Live) string {
	if unallocated(l.Raw.(*network.Summary)) {
		return whyBroken
	}
	return ""
}

// unallocated reports whether the swarm has made a network and not allocated it, so far. The engine reports the
// allocated driver and subnets of a network, and neither if the network is not allocated (daemon/cluster/convert).
func unallocated(n *network.Summary) bool { return n.Scope == "swarm" && n.Driver == "" }

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
