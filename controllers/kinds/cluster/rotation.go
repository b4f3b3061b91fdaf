package cluster

import (
	"fmt"
	"maps"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Update returns the write by which a step changes the Cluster, without the content of files. It fails if the step
// replaces something and nothing would be on record of that.
func Update(s plan.Step, owner string) (client.SwarmUpdateOptions, error) {
	live, want := s.Change.Have.Value.(*kinds.Live), s.Change.Want
	spec := overlay(raw(live).Spec, want.Value.(*v1.Cluster), s.Fields, owner, diff.NewApplied(want.Leaves).String())
	return renew(update(live, spec), kinds.RenewalOf(s))
}

// renew adds to an update what a step replaces, and the records of that. Both are in one transaction, so that the
// rotation happens once. It fails if nothing would be on record.
func renew(o client.SwarmUpdateOptions, r *kinds.Renewal) (client.SwarmUpdateOptions, error) {
	if r == nil {
		return o, nil
	}
	o.Spec.Labels = maps.Clone(o.Spec.Labels)
	for of, record := range r.Records {
		o.Spec.Labels[recordedAt[of]] = record.String()
	}
	if _, recorded := r.Records[r.Makes]; r.Makes != "" && r.Makes != kinds.SignedRoot && !recorded {
		return o, fmt.Errorf("replacing %s: nothing would be on record of it", r.Makes)
	}
	switch r.Makes {
	case kinds.WorkerToken:
		o.RotateWorkerToken = true
	case kinds.ManagerToken:
		o.RotateManagerToken = true
	case kinds.UnlockKey:
		o.RotateManagerUnlockKey = true
	case kinds.RootCA:
		o.Spec.CAConfig.ForceRotate++ // any number other than the live one makes the engine make a new root
	}
	return o, nil
}

// withoutRecords returns the labels without those of rotations, and whether there were any of these.
func withoutRecords(labels map[string]string) (left map[string]string, had bool) {
	left = maps.Clone(labels)
	for _, label := range recordedAt {
		delete(left, label)
	}
	return left, len(left) != len(labels)
}

// update returns the write of a spec over the object as it was read. The engine refuses it if the object has changed
// meanwhile.
func update(l *kinds.Live, spec swarm.Spec) client.SwarmUpdateOptions {
	return client.SwarmUpdateOptions{Version: raw(l).Version, Spec: spec}
}
