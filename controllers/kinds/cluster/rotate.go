package cluster

import (
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
)

// recordedAt are the labels that have the records.
var recordedAt = map[kinds.Rotated]string{
	kinds.WorkerToken: v1.LabelRotatedWorker, kinds.ManagerToken: v1.LabelRotatedManager, kinds.UnlockKey: v1.LabelRotatedKey, kinds.RootCA: v1.LabelRotatedCA,
}

// asks returns the files that rotate has to know and that were not read yet. The key is looked at only if the swarm has
// another root than the certificate.
func asks(in kinds.Rotate, read map[string]kinds.File) []string {
	_, lacks := signing(in.Live, stated(in), read)
	if lacks == "" {
		return nil
	}
	return []string{lacks}
}

// stated returns the manifest. It returns nil if none is about the object.
func stated(in kinds.Rotate) v1.Object {
	if in.Want == nil {
		return nil
	}
	return in.Want.Value.(v1.Object)
}

// rotate returns the rotations that a manifest states, if one is about the object, and those that are on record.
func rotate(in kinds.Rotate, read map[string]kinds.File) kinds.Rotating {
	r := rotations(in.Live, stated(in))
	if in.Want != nil {
		r.Have, r.Want, r.Nodes = in.Have, in.Want, in.Nodes
		r.Signing, _ = signing(in.Live, stated(in), read)
	}
	out := kinds.Rotating{Part: r.Part(), Again: r.Again(in.Now), Last: map[string]time.Time{}}
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
