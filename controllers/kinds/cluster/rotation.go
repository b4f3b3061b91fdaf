package cluster

import (
	"fmt"
	"maps"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
)

// recordedAt are the labels that have the records.
var recordedAt = map[kinds.Rotated]string{
	kinds.WorkerToken: v1.LabelRotatedWorker, kinds.ManagerToken: v1.LabelRotatedManager, kinds.UnlockKey: v1.LabelRotatedKey, kinds.RootCA: v1.LabelRotatedCA,
}

// rotate returns the rotations that a manifest states, if one is about the object, and those that are on record.
func rotate(l *kinds.Live, have, want *diff.State, nodes *kinds.Nodes, now time.Time) kinds.Rotating {
	var stated v1.Object
	if want != nil {
		stated = want.Value.(v1.Object)
	}
	r := rotations(l, stated)
	if want != nil {
		r.Have, r.Want, r.Signing, r.Nodes = have, want, signing(l, stated), nodes
	}
	out := kinds.Rotating{Part: r.Part(), Again: r.Again(now), Last: map[string]time.Time{}}
	for of, record := range r.Records {
		if !of.Root() {
			out.Last[string(of)] = record.At
		}
	}
	return out
}

// rotations returns the rotations that the manifest states and those that the live object has on record. They contain
// no token and no key.
func rotations(l *kinds.Live, want v1.Object) Rotations {
	out := Rotations{Records: map[kinds.Rotated]kinds.RotationRecord{}, Locked: raw(l).Spec.EncryptionConfig.AutoLockManagers}
	for of, label := range recordedAt {
		if r, ok := kinds.ParseRotationRecord(l.Labels[label]); ok {
			out.Records[of] = r
		}
	}
	c, is := want.(*v1.Cluster)
	if !is {
		return out
	}
	add := func(of kinds.Rotated, path string, r *v1.Rotation) {
		if r == nil {
			return
		}
		o := Rotation{Of: of, Path: path, Epoch: r.Epoch}
		if r.Every != nil {
			o.Every = time.Duration(*r.Every)
		}
		out.Stated = append(out.Stated, o)
	}
	if t := c.Spec.JoinTokens; t != nil && t.Worker != nil {
		add(kinds.WorkerToken, "spec.joinTokens.worker.rotation", t.Worker.Rotation)
	}
	if t := c.Spec.JoinTokens; t != nil && t.Manager != nil {
		add(kinds.ManagerToken, "spec.joinTokens.manager.rotation", t.Manager.Rotation)
	}
	if a := c.Spec.Autolock; a != nil && a.Enabled != nil && *a.Enabled {
		add(kinds.UnlockKey, "spec.autolock.rotation", a.Rotation)
	}
	if ca := c.Spec.CA; ca != nil && ca.Rotation != nil {
		add(kinds.RootCA, "spec.ca.rotation", &v1.Rotation{Epoch: ca.Rotation.Epoch})
	}
	return out
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
