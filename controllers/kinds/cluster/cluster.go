// Package cluster is the kind Cluster: the swarm's own settings. A manifest states some of them, and the rest stays
// as it is.
package cluster

import (
	"context"
	"fmt"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

var shape = diff.NewShape(&v1.Cluster{})

// Kind returns the kind Cluster.
func Kind() kinds.Kind {
	return kinds.Kind{
		Model: kinds.Model{
			Name:      v1.KindCluster,
			Partial:   true,
			New:       func() v1.Object { return &v1.Cluster{} },
			Shape:     shape,
			Rules:     rules,
			Uses:      func(*kinds.Live) []kinds.Ref { return nil },
			Normalise: func(l *kinds.Live, _ *kinds.Index) v1.Object { return read(raw(l)) },
		},
		Planning: kinds.Planning{Guards: []plan.Guard{{Name: guardAutolock, Check: plan.Each(escrowed)}}},
		Store: kinds.Store{
			List:    list,
			Read:    func(ctx context.Context, c *engine.Client, _ string) (*kinds.Live, error) { return readOne(ctx, c) },
			Do:      do,
			Release: release,
		},
		Exporting: kinds.Exporting{Export: export},

		Rotate: &kinds.Rotator{Asks: asks, File: file, Rotate: rotate},
	}
}

func raw(l *kinds.Live) *swarm.ClusterInfo { return l.Raw.(*swarm.ClusterInfo) }

// list reads the one cluster object. The engine sends no event about it, so a change by hand is found when everything
// is read.
func list(ctx context.Context, c *engine.Client) ([]*kinds.Live, error) {
	l, err := readOne(ctx, c)
	if err != nil {
		return nil, err
	}
	return []*kinds.Live{l}, nil
}

// readOne drops the join tokens. No other part of the operator ever has them.
func readOne(ctx context.Context, c *engine.Client) (*kinds.Live, error) {
	s, unknown, err := c.SwarmRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the cluster: %w", err)
	}
	return &kinds.Live{
		Kind: v1.KindCluster, ID: s.ID, Name: v1.ClusterName, Version: s.Version.Index, Labels: s.Spec.Labels, Created: s.CreatedAt,
		Unknown: unknown, Raw: &s.ClusterInfo,
	}, nil
}

func do(ctx context.Context, env kinds.Env, s plan.Step) (kinds.Result, error) {
	if s.Op != diff.Update {
		return kinds.Result{}, fmt.Errorf("carrying out %q on %s: a swarm is neither made nor ended", s.Op, s.Key)
	}
	live := s.Change.Have.Value.(*kinds.Live)
	o, err := Update(s, env.Owner(s.Key))
	if renewal := kinds.RenewalOf(s); err == nil && renewal != nil && renewal.Makes == kinds.SignedRoot {
		err = sign(&o.Spec.CAConfig, env.Named, s.Change.Want.Value.(*v1.Cluster).Spec.CA, renewal.Root)
	}
	if err == nil {
		_, err = env.Engine.SwarmUpdate(ctx, o)
	}
	if err != nil {
		return kinds.Result{}, fmt.Errorf("updating %s: %w", s.Key, err)
	}
	return kinds.Result{ID: live.ID}, nil
}

// release writes the live spec with other labels. It also removes the records of rotations. If somebody manages the
// cluster again, new records are begun, and nothing is rotated.
func release(ctx context.Context, c *engine.Client, l *kinds.Live) (done bool, why string, err error) {
	labels, own := kinds.WithoutOwn(l.Labels)
	labels, recorded := withoutRecords(labels)
	switch {
	case !own && !recorded:
		return false, "", nil
	case len(l.Unknown) > 0:
		return false, fmt.Sprintf("its spec has fields that this release does not know and would drop: %v", l.Unknown), nil
	}
	spec := raw(l).Spec
	spec.Labels = labels
	if _, err := c.SwarmUpdate(ctx, update(l, spec)); err != nil {
		return false, "", fmt.Errorf("taking our labels off the cluster: %w", err)
	}
	return true, "", nil
}
