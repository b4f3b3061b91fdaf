// Package node is the kinds Node and NodeSet. A node gets what its own manifest states, by its hostname, and what the
// sets that it is in state. Everything else stays as it is.
package node

import (
	"context"
	"fmt"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

var (
	shape    = diff.NewShape(&v1.Node{})
	setShape = diff.NewShape(&v1.NodeSet{})
)

// Kind returns the kind Node. An object's name in the swarm is its id, because hostnames are not unique.
func Kind() kinds.Kind {
	return kinds.Kind{
		Model: kinds.Model{
			Name:      v1.KindNode,
			Partial:   true,
			New:       func() v1.Object { return &v1.Node{} },
			Shape:     shape,
			Rules:     rules,
			Templates: []string{v1.KindNodeSet},
			Expand:    expand,
			Uses:      func(*kinds.Live) []kinds.Ref { return nil },
			Normalise: func(l *kinds.Live, _ *kinds.Index) v1.Object { return read(raw(l)) },
		},
		Planning: kinds.Planning{Guards: []plan.Guard{{Name: guardInsecureEngine, Check: plan.Each(insecure)}, {Name: guardEngineSocket, Check: plan.Each(socket)}}},
		Store: kinds.Store{
			Events:  "node",
			List:    list,
			Read:    readOne,
			Do:      do,
			Release: release,
		},
		Exporting: kinds.Exporting{Export: export},

		Survey: &kinds.Surveyor{Asks: asks, Tasks: listTasks, Survey: look, Did: did},
	}
}

// Set returns the kind NodeSet. It has no objects of its own, because what it states is about nodes.
func Set() kinds.Kind {
	return kinds.Kind{Model: kinds.Model{Name: v1.KindNodeSet, New: func() v1.Object { return &v1.NodeSet{} }, Shape: setShape, Rules: setRules}}
}

func raw(l *kinds.Live) *swarm.Node { return l.Raw.(*swarm.Node) }

func list(ctx context.Context, c *engine.Client) ([]*kinds.Live, error) {
	nodes, err := c.NodesRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing nodes: %w", err)
	}
	out := make([]*kinds.Live, len(nodes))
	for i := range nodes {
		out[i] = live(&nodes[i].Node, nodes[i].Unknown)
	}
	return out, nil
}

func readOne(ctx context.Context, c *engine.Client, id string) (*kinds.Live, error) {
	n, unknown, err := c.NodeRaw(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("reading node %s: %w", id, err)
	}
	return live(&n, unknown), nil
}

func live(n *swarm.Node, unknown []string) *kinds.Live {
	return &kinds.Live{
		Kind: v1.KindNode, ID: n.ID, Name: n.ID, Called: n.Description.Hostname, Version: n.Version.Index, Labels: n.Spec.Labels,
		Created: n.CreatedAt, Unknown: unknown, Raw: n,
	}
}

func do(ctx context.Context, env kinds.Env, s plan.Step) (kinds.Result, error) {
	if s.Op == diff.Create {
		return join(ctx, env, s)
	}
	live := s.Change.Have.Value.(*kinds.Live)
	n := raw(live)
	switch {
	case s.Op == diff.Remove:
		// The engine removes a node that is down without force. It removes one that is up only with force, and then
		// somebody agreed.
		_, err := env.Engine.NodeRemove(ctx, n.ID, client.NodeRemoveOptions{Force: n.Status.State != swarm.NodeStateDown})
		if err != nil {
			return kinds.Result{}, fmt.Errorf("removing %s: %w", s.Key, err)
		}
		return kinds.Result{ID: n.ID}, nil
	case s.Op != diff.Update:
		return kinds.Result{}, fmt.Errorf("carrying out %q on %s: no such operation", s.Op, s.Key)
	case s.Recognises():
		return recognise(ctx, env.Named, s)
	case s.Leaves():
		return kinds.Result{ID: n.ID}, leave(ctx, env.Named, s.Key, n.ID, s.Change.Want.Value.(*v1.Node).Spec.Engine)
	default:
		if err := write(ctx, env.Engine, n, Spec(n.Spec, s, env.Source)); err != nil {
			return kinds.Result{}, fmt.Errorf("updating %s: %w", s.Key, err)
		}
		return kinds.Result{ID: n.ID}, nil
	}
}

func write(ctx context.Context, c *engine.Client, n *swarm.Node, spec swarm.NodeSpec) error {
	_, err := c.NodeUpdate(ctx, n.ID, client.NodeUpdateOptions{Version: n.Version, Spec: spec})
	return err
}

// release writes the live spec with other labels.
func release(ctx context.Context, c *engine.Client, l *kinds.Live) (done bool, why string, err error) {
	labels, own := kinds.WithoutOwn(l.Labels)
	switch {
	case !own:
		return false, "", nil
	case len(l.Unknown) > 0:
		return false, fmt.Sprintf("its spec has fields that this release does not know and would drop: %v", l.Unknown), nil
	}
	spec := raw(l).Spec
	spec.Labels = labels
	if err := write(ctx, c, raw(l), spec); err != nil {
		return false, "", fmt.Errorf("taking our labels off node %s: %w", nameOf(l), err)
	}
	return true, "", nil
}
