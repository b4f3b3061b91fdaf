package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// known is how long the swarm may take, after a node has joined, to list it with its hostname.
const known = 15 * time.Second

// join makes a node's engine part of the swarm, as a worker, whatever it is to be. Workers become managers later, one
// at a time and only if that is safe. If an earlier try stopped half-way, join completes it, or undoes it and starts
// again.
func join(ctx context.Context, env kinds.Env, s plan.Step) (kinds.Result, error) {
	n := s.Change.Want.Value.(*v1.Node)
	e := n.Spec.Engine
	fail := func(format string, args ...any) (kinds.Result, error) {
		return kinds.Result{}, fmt.Errorf("joining %s: %w", s.Key, fmt.Errorf(format, args...))
	}
	if e == nil {
		return fail("its manifest states no engine")
	}
	c, err := kinds.OpenEngine(*e, env.Named, engine.Options{})
	if err != nil {
		return fail("%w", err)
	}
	defer func() { _ = c.Close() }() // it has answered
	about, err := c.Describe(ctx)
	if err != nil {
		return fail("%w", err)
	}
	if about.Name != n.Metadata.Name {
		return fail("the engine at spec.engine.host calls itself %s: a Node has the name that its engine has", about.Name)
	}
	switch about.State {
	case swarm.LocalNodeStateInactive:
	case swarm.LocalNodeStateActive:
		if _, err := env.Engine.NodeInspect(ctx, about.NodeID, client.NodeInspectOptions{}); engine.IsNotFound(err) {
			return fail("its engine is in another swarm, as node %s; it has to leave that one first: docker swarm leave", about.NodeID)
		} else if err != nil {
			return fail("%w", err)
		}
		if err := listed(ctx, env.Engine, about.NodeID, n.Metadata.Name); err != nil {
			return fail("%w", err)
		}
		return kinds.Result{ID: about.NodeID}, nil
	case swarm.LocalNodeStatePending: // an earlier try found no manager, and the engine still tries to reach one that may be gone
		if _, err := c.SwarmLeave(ctx, client.SwarmLeaveOptions{Force: true}); err != nil {
			return fail("ending a try that found no manager: %w", err)
		}
	default:
		return fail("its engine says %s of its swarm: %s", about.State, about.Error)
	}
	o, err := request(ctx, env, n)
	if err != nil {
		return fail("%w", err)
	}
	if _, err := c.SwarmJoin(ctx, o); err != nil {
		return fail("%w", err)
	}
	if about, err = c.Describe(ctx); err != nil {
		return fail("it has joined, and then: %w", err)
	}
	if err := listed(ctx, env.Engine, about.NodeID, n.Metadata.Name); err != nil {
		return fail("%w", err)
	}
	return kinds.Result{ID: about.NodeID}, nil
}

// request returns the options that a node joins with. A node that is to be active and gets labels joins drained. The
// write that brings the labels makes it active, so nothing is placed on it before.
func request(ctx context.Context, env kinds.Env, n *v1.Node) (client.SwarmJoinOptions, error) {
	r, err := env.Engine.SwarmInspect(ctx, client.SwarmInspectOptions{})
	if err != nil {
		return client.SwarmJoinOptions{}, fmt.Errorf("reading the join token: %w", err)
	}
	e := n.Spec.Engine
	o := client.SwarmJoinOptions{
		ListenAddr: e.Listen(), AdvertiseAddr: e.AdvertiseAddr, DataPathAddr: e.DataPathAddr, JoinToken: r.Swarm.JoinTokens.Worker,
		RemoteAddrs: managerAddrs(env.Index.List(v1.KindNode)), Availability: swarm.NodeAvailability(n.Spec.Availability),
	}
	if n.Spec.Availability == v1.Active && len(n.Spec.Labels) > 0 {
		o.Availability = swarm.NodeAvailabilityDrain
	}
	if len(o.RemoteAddrs) == 0 {
		return o, errors.New("no manager tells an address that it can be reached at")
	}
	return o, nil
}

func managerAddrs(lives []*kinds.Live) []string {
	var out []string
	for _, l := range lives {
		if m := raw(l).ManagerStatus; m != nil && m.Addr != "" && m.Reachability == swarm.ReachabilityReachable {
			out = append(out, m.Addr)
		}
	}
	slices.Sort(out)
	return out
}

// listed waits until the swarm lists a node with its hostname. Until then, the operator would make it join again.
//
// It fails at once if the engine does not say how the node is listed; the step is then tried again later. It also fails
// at once if the swarm lists the node under another name than its manifest has, because no plan would find the node.
// The engine tells the swarm its hostname every twenty seconds, so after a change the two differ for a while.
func listed(ctx context.Context, c *engine.Client, id, name string) error {
	ctx, cancel := context.WithTimeout(ctx, known)
	defer cancel()
	for pause := 50 * time.Millisecond; ; pause = min(pause*3/2, 2*time.Second) {
		r, err := c.NodeInspect(ctx, id, client.NodeInspectOptions{})
		switch hostname := r.Node.Description.Hostname; {
		case err != nil && !engine.IsNotFound(err) && ctx.Err() == nil:
			return fmt.Errorf("it has joined as node %s, and how the swarm lists it is not known: %w", id, err)
		case err != nil || hostname == "":
		case hostname != name:
			return fmt.Errorf("its engine is node %s of this swarm, which lists it as %s: a Node has the hostname that docker node ls shows; correct the name, or restart the engine if its host was renamed", id, hostname)
		default:
			return nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("node %s has joined, and the swarm has not listed it after %s: %w", id, known, errors.Join(err, ctx.Err()))
		}
	}
}

// leave asks a node's own engine to leave the swarm. It does nothing if the engine is in no swarm.
func leave(ctx context.Context, named config.Named, key v1.Key, id string, e *v1.EngineEndpoint) error {
	if e == nil {
		return fmt.Errorf("asking %s to leave: its manifest states no engine", key)
	}
	c, err := kinds.OpenEngine(*e, named, engine.Options{})
	if err != nil {
		return fmt.Errorf("asking %s to leave: %w", key, err)
	}
	defer func() { _ = c.Close() }() // it has answered
	about, err := c.Describe(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("asking %s to leave: %w", key, err)
	case about.State == swarm.LocalNodeStateInactive:
		return nil
	case about.NodeID != id:
		return fmt.Errorf("asking %s to leave: the engine at spec.engine.host is node %s, and not %s", key, about.NodeID, id)
	}
	if _, err := c.SwarmLeave(ctx, client.SwarmLeaveOptions{}); err != nil {
		return fmt.Errorf("asking %s to leave: %w", key, err)
	}
	// Nobody asks a node twice that has left, so an answer that comes from something else than the engine must not count.
	if about, err = c.Describe(ctx); err == nil && about.State != swarm.LocalNodeStateInactive && about.NodeID == id {
		return fmt.Errorf("asking %s to leave: its engine says that it has left, and nothing has changed: it is still node %s (%s)", key, id, about.State)
	}
	return nil
}

// recognise asks the engine that a node's manifest states whether it is this node. It changes nothing. It fails if the
// engine is another node or in no swarm: whatever calls itself by the name is then another machine.
func recognise(ctx context.Context, named config.Named, s plan.Step) (kinds.Result, error) {
	n := s.Change.Want.Value.(*v1.Node)
	fail := func(format string, args ...any) (kinds.Result, error) {
		return kinds.Result{}, fmt.Errorf("asking the engine of %s whether it is node %s: %w", s.Key, s.Instance, fmt.Errorf(format, args...))
	}
	c, err := kinds.OpenEngine(*n.Spec.Engine, named, engine.Options{})
	if err != nil {
		return fail("%w", err)
	}
	defer func() { _ = c.Close() }() // it has answered
	about, err := c.Describe(ctx)
	other := fmt.Sprintf("; another machine calls itself %s: take it out of the swarm, docker node rm --force %s, or state spec.id: %[2]s if you mean it", n.Metadata.Name, s.Instance)
	switch {
	case err != nil:
		return fail("%w", err)
	case about.Name != n.Metadata.Name:
		return fail("the engine at spec.engine.host calls itself %s: a Node has the name that its engine has", about.Name)
	case about.State == swarm.LocalNodeStateInactive:
		return fail("the engine at spec.engine.host is in no swarm%s", other)
	case about.State != swarm.LocalNodeStateActive:
		return fail("its engine says %s of its swarm: %s", about.State, about.Error)
	case about.NodeID != s.Instance:
		return fail("the engine at spec.engine.host is node %s%s", about.NodeID, other)
	}
	return kinds.Result{ID: about.NodeID}, nil
}
