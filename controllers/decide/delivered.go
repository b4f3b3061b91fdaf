package decide

import (
	"maps"
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// SinksOf returns the names of the sinks that tokens and keys go to, by the manifests. It leaves out tokens and keys that
// go nowhere.
func SinksOf(entries []kinds.Entry) map[kinds.Rotated][]string {
	out := map[kinds.Rotated][]string{}
	for _, e := range entries {
		c, is := e.Object.(*v1.Cluster)
		if !is {
			continue
		}
		if t := c.Spec.JoinTokens; t != nil && t.Worker != nil {
			out[kinds.WorkerToken] = t.Worker.Sinks
		}
		if t := c.Spec.JoinTokens; t != nil && t.Manager != nil {
			out[kinds.ManagerToken] = t.Manager.Sinks
		}
		if a := c.Spec.Autolock; a != nil && a.Escrow != "" {
			out[kinds.UnlockKey] = []string{a.Escrow}
		}
	}
	maps.DeleteFunc(out, func(_ kinds.Rotated, s []string) bool { return len(s) == 0 })
	return out
}

// DeliveryKey is the name of a delivery in the memory.
func DeliveryKey(of kinds.Rotated, sink string) string { return string(of) + " to " + sink }

// Delivered returns the digest of what was delivered under a key, or "" if no delivery is known.
func (d *Decider) Delivered(run *Decision, key string) string {
	if digest, is := d.handed[key]; is {
		return digest
	}
	return run.Memory.Delivered[key]
}

// IsDelivered reports whether this token or key is what was delivered under a key. If that cannot be told, because the
// digest was made with a key that is not there, it is not: to deliver twice does no harm, and what was never delivered may be
// lost.
func (d *Decider) IsDelivered(run *Decision, key string, secret v1.Content) bool {
	same, _ := d.Digests.Same(d.Delivered(run, key), key, secret.Reveal())
	return same
}

// noteDelivered writes into the memory what was delivered, and drops what has nowhere to go any more. If a problem
// holds the Cluster, the record stays as it is.
func (d *Decider) noteDelivered(run *Decision) {
	to := SinksOf(run.Entries)
	out := map[string]string{}
	for of, list := range to {
		for _, sink := range list {
			key := DeliveryKey(of, sink)
			if digest := d.Delivered(run, key); digest != "" {
				out[key] = digest
			}
		}
	}
	if run.IsHeld(v1.Key{Kind: v1.KindCluster, Name: v1.ClusterName}) { // its sinks are not known
		return
	}
	if len(out) == 0 {
		out = nil
	}
	run.Memory.Delivered = out
}

// Makes returns which token or key a step makes that has to go somewhere. It is "" if the step makes none.
func Makes(s plan.Step) kinds.Rotated {
	if s.Rotates() {
		return kinds.RenewalOf(s).Makes
	}
	if s.Key.Kind == v1.KindCluster && slices.ContainsFunc(s.Fields, func(f diff.Field) bool { return f.Path == "spec.autolock.enabled" && f.Want.Reveal() == "true" }) {
		return kinds.UnlockKey
	}
	return ""
}

// Handed notes that something was delivered under a key, with its digest.
func (d *Decider) Handed(key, digest string) { d.handed[key] = digest }

// Due returns what goes to sinks, for people: what is still to be delivered, and then what the steps of the plan make. by
// is the instance that would deliver, or "" if nobody knows.
func (r *Decision) Due(pending []plan.Delivery, by string) []plan.Delivery {
	out := slices.Clone(pending)
	to := SinksOf(r.Entries)
	for _, s := range r.Plan.Steps {
		of := Makes(s)
		for _, sink := range to[of] {
			out = append(out, plan.Delivery{What: string(of), To: sink, Why: "made by " + s.Op.Word() + " of " + s.Key.String()})
		}
	}
	for i := range out {
		out[i].By = by
	}
	return out
}
