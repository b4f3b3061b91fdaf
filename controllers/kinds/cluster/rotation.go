package cluster

import (
	"fmt"
	"maps"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// recordedAt are the labels that hold the records.
var recordedAt = map[plan.Rotated]string{
	plan.WorkerToken: v1.LabelRotatedWorker, plan.ManagerToken: v1.LabelRotatedManager, plan.UnlockKey: v1.LabelRotatedKey, plan.RootCA: v1.LabelRotatedCA,
}

// rotations are those that the manifest states and those that the live object has on record. They hold no token and no key.
func rotations(l *kinds.Live, want v1.Object) plan.Rotations {
	out := plan.Rotations{Records: map[plan.Rotated]plan.Record{}, Locked: raw(l).Spec.EncryptionConfig.AutoLockManagers}
	for of, label := range recordedAt {
		if r, ok := plan.ParseRecord(l.Labels[label]); ok {
			out.Records[of] = r
		}
	}
	c, is := want.(*v1.Cluster)
	if !is {
		return out
	}
	add := func(of plan.Rotated, path string, r *v1.Rotation) {
		if r == nil {
			return
		}
		o := plan.Rotation{Of: of, Path: path, Epoch: r.Epoch}
		if r.Every != nil {
			o.Every = time.Duration(*r.Every)
		}
		out.Stated = append(out.Stated, o)
	}
	if t := c.Spec.JoinTokens; t != nil && t.Worker != nil {
		add(plan.WorkerToken, "spec.joinTokens.worker.rotation", t.Worker.Rotation)
	}
	if t := c.Spec.JoinTokens; t != nil && t.Manager != nil {
		add(plan.ManagerToken, "spec.joinTokens.manager.rotation", t.Manager.Rotation)
	}
	if a := c.Spec.Autolock; a != nil && a.Enabled != nil && *a.Enabled {
		add(plan.UnlockKey, "spec.autolock.rotation", a.Rotation)
	}
	if ca := c.Spec.CA; ca != nil && ca.Rotation != nil {
		add(plan.RootCA, "spec.ca.rotation", &v1.Rotation{Epoch: ca.Rotation.Epoch})
	}
	return out
}

// renew adds to an update what a step replaces, and the records of that: one transaction, so that it happens once.
func renew(o client.SwarmUpdateOptions, r *plan.Renewal) (client.SwarmUpdateOptions, error) {
	if r == nil {
		return o, nil
	}
	o.Spec.Labels = maps.Clone(o.Spec.Labels)
	for of, record := range r.Records {
		o.Spec.Labels[recordedAt[of]] = record.String()
	}
	if _, recorded := r.Records[r.Makes]; r.Makes != "" && r.Makes != plan.SignedRoot && !recorded {
		return o, fmt.Errorf("replacing %s: nothing would be on record of it", r.Makes)
	}
	switch r.Makes {
	case plan.WorkerToken:
		o.RotateWorkerToken = true
	case plan.ManagerToken:
		o.RotateManagerToken = true
	case plan.UnlockKey:
		o.RotateManagerUnlockKey = true
	case plan.RootCA:
		o.Spec.CAConfig.ForceRotate++ // any other number than the live one has the engine make a new root
	}
	return o, nil
}

// withoutRecords are labels without those of rotations.
func withoutRecords(labels map[string]string) (left map[string]string, had bool) {
	left = maps.Clone(labels)
	for _, label := range recordedAt {
		delete(left, label)
	}
	return left, len(left) != len(labels)
}

// update is the write of a spec over the object as it was read: one that changed meanwhile is refused by the engine.
func update(l *kinds.Live, spec swarm.Spec) client.SwarmUpdateOptions {
	return client.SwarmUpdateOptions{Version: raw(l).Version, Spec: spec}
}
