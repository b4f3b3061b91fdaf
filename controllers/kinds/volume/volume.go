// Package volume is the kind Volume: cluster volumes, which CSI plugins make. The engine changes only their
// availability, and their data goes with them. So the operator never replaces one, never forces its removal, and never
// prunes one by itself.
package volume

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/volume"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

var shape = diff.NewShape(&v1.Volume{})

const pathAvailability = "spec.availability"

// sinceAPI is the first API version with cluster volumes.
const sinceAPI = "1.42"

// Kind returns the kind Volume.
func Kind() kinds.Kind {
	return kinds.Kind{
		Model: kinds.Model{
			Name:       v1.KindVolume,
			New:        func() v1.Object { return &v1.Volume{} },
			Shape:      shape,
			Rules:      rules,
			Uses:       uses,
			Normalise:  func(l *kinds.Live, ix *kinds.Index) v1.Object { return read(raw(l), ix) },
			Unlabelled: true,
		},
		Planning: kinds.Planning{
			Guards: []plan.Guard{{Name: "moves-data", Check: plan.Each(again)}, {Name: "published", Check: plan.Each(published)}, {Name: "outage", Check: plan.Each(outage)}},
			Finish: finish,
		},
		Store: kinds.Store{
			List:     list,
			Read:     readOne,
			OnDemand: true,
			SinceAPI: sinceAPI,
			Do:       do,
			Release:  release,
		},
		Rolling:   kinds.Rolling{Awaits: awaits},
		Exporting: kinds.Exporting{Export: export},
	}
}

// fixed is the rule for what the engine never changes. To change it, the operator would have to remove the volume with
// its data and make an empty one, and no consent makes that a good idea: a second volume, and a copy of the data, does
// the same without a loss.
var fixed = diff.Rule{Effect: diff.Forbidden, SinceAPI: sinceAPI, Why: "the engine changes nothing of a volume but its availability, and to make it again would lose its data; " +
	"state what the volume has, or make a volume of another name, copy the data and switch the services over"}

var rules = diff.Rules{
	"metadata.labels.*":          {Effect: diff.Forbidden, Nobody: diff.NobodysLabel, SinceAPI: sinceAPI, Why: fixed.Why},
	"spec.external":              {Effect: diff.Forbidden},
	"spec.driver":                fixed,
	"spec.driverOpts.*":          fixed,
	"spec.group":                 fixed,
	"spec.accessMode.scope":      fixed,
	"spec.accessMode.sharing":    fixed,
	"spec.accessMode.type":       fixed,
	"spec.accessMode.fsType":     fixed,
	"spec.accessMode.mountFlags": fixed,
	"spec.accessibilityRequirements.requisite[].segments.*": fixed,
	"spec.accessibilityRequirements.preferred[].segments.*": fixed,
	"spec.capacityRange.requiredBytes":                      fixed,
	"spec.capacityRange.limitBytes":                         fixed,
	"spec.secrets[].key":                                    fixed,
	"spec.secrets[].secret":                                 fixed,
	pathAvailability:                                        {Effect: diff.InPlace, SinceAPI: sinceAPI, Intent: true},
}

func raw(l *kinds.Live) *volume.Volume { return l.Raw.(*volume.Volume) }

// uses returns the secrets of a volume. Its plugin needs them for as long as the volume exists.
func uses(l *kinds.Live) []kinds.Ref {
	var refs []kinds.Ref
	for _, s := range raw(l).ClusterVolume.Spec.Secrets {
		refs = append(refs, kinds.Ref{Kind: v1.KindSecret, ID: s.Secret})
	}
	return refs
}

// list returns the cluster volumes. The engine lists them together with its own volumes, and no filter leaves those out.
//
// If the engine cannot read the cluster volumes, it still answers, with a warning and the rest. A volume plugin that
// does not answer causes a warning as well, and nothing tells the two apart. An engine that is no manager answers without
// a warning. So only a manager that has a leader and warns of nothing is believed that there are none.
func list(ctx context.Context, c *engine.Client) ([]*kinds.Live, error) {
	api, err := c.Version(ctx)
	if err != nil || plan.LessAPI(api, sinceAPI) {
		return nil, err
	}
	all, err := c.VolumeList(ctx, client.VolumeListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing volumes: %w", err)
	}
	var out []*kinds.Live
	for i := range all.Items {
		if v := &all.Items[i]; v.ClusterVolume != nil {
			out = append(out, live(v))
		}
	}
	switch {
	case len(out) > 0:
	case len(all.Warnings) > 0:
		return nil, fmt.Errorf("listing volumes: the engine lists no cluster volume, and warns: %s", strings.Join(all.Warnings, "; "))
	default:
		if _, err := c.SwarmInspect(ctx, client.SwarmInspectOptions{}); err != nil {
			return nil, fmt.Errorf("listing volumes: the engine lists no cluster volume, and may not know of them: %w", err)
		}
	}
	return out, nil
}

func readOne(ctx context.Context, c *engine.Client, id string) (*kinds.Live, error) {
	r, err := c.VolumeInspect(ctx, id, client.VolumeInspectOptions{})
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading volume %s: %w", id, err)
	case r.Volume.ClusterVolume == nil || r.Volume.ClusterVolume.ID != id: // it is the engine's own
		return nil, fmt.Errorf("reading volume %s: %w", id, engine.ErrNotFound)
	}
	return live(&r.Volume), nil
}

func live(v *volume.Volume) *kinds.Live {
	return &kinds.Live{Kind: v1.KindVolume, ID: v.ClusterVolume.ID, Name: v.Name, Version: v.ClusterVolume.Version.Index, Labels: v.Labels, Created: v.ClusterVolume.CreatedAt, Raw: v}
}

// awaits says that the plugin has not made the volume yet. The engine does not say why, nor what becomes of the volume
// on a node.
func awaits(l *kinds.Live) string {
	if info := raw(l).ClusterVolume.Info; info != nil && info.VolumeID != "" {
		return ""
	}
	return fmt.Sprintf("the plugin %s has not made it yet, so tasks that mount it wait; if it stays so, see docker plugin ls on the managers, and the log of the leader's dockerd", raw(l).Driver)
}

// again asks before an empty volume takes the place of one that somebody removed. They may be about to bring its data
// back.
func again(s plan.Step, _ plan.Facts, p plan.Policy) []plan.Refusal {
	if s.Key.Kind != v1.KindVolume || !s.Change.Removed() {
		return nil
	}
	return s.Needs(plan.MovesData, p, "somebody removed it with its data, and the operator would make an empty volume in its place; to bring the data back, make the volume by hand, and the operator takes it over")
}

// published keeps a volume that nodes still have. The swarm takes it off a node when no task there uses it, and the
// engine does not remove it before.
func published(s plan.Step, _ plan.Facts, _ plan.Policy) []plan.Refusal {
	if s.Key.Kind != v1.KindVolume || s.Op != diff.Remove {
		return nil
	}
	on := nodes(s)
	if on == 0 {
		return nil
	}
	return []plan.Refusal{s.Refusal(plan.Later, "it is still on %s; the swarm takes it off when no task uses it, and the operator removes it then", v1.Count(on, "node"))}
}

// nodes returns how many nodes have the volume.
func nodes(s plan.Step) int {
	return len(raw(s.Change.Have.Value.(*kinds.Live)).ClusterVolume.PublishStatus)
}

// drains reports whether a step ends the tasks that use a volume.
func drains(s plan.Step) bool {
	return s.Key.Kind == v1.KindVolume && s.Op == diff.Update && slices.ContainsFunc(s.Fields, func(f diff.Field) bool {
		return f.Path == pathAvailability && f.Want.Reveal() == string(volume.AvailabilityDrain)
	})
}

// outage asks before a step ends the tasks that use a volume. No other task can use it in their place.
func outage(s plan.Step, _ plan.Facts, p plan.Policy) []plan.Refusal {
	if !drains(s) || nodes(s) == 0 {
		return nil
	}
	why := fmt.Sprintf("it ends every task that uses the volume, which is on %s", v1.Count(nodes(s), "node"))
	if by := mountedBy(s); by != "" {
		why += "; " + by
	}
	return s.Needs(plan.Outage, p, "%s", why)
}

// mountedBy says which services mount a volume. It returns "" if none names it.
func mountedBy(s plan.Step) string {
	var names []string
	for _, key := range s.Change.Have.Meta.UsedBy {
		names = append(names, key.String())
	}
	if len(names) == 0 {
		return ""
	}
	return "mounted by " + strings.Join(names, ", ")
}

// finish says of a drain what it ends. It also makes it a mere report that a volume keeps an old version of a secret.
// Nobody can change that, and whoever rotates a secret wants it to go on.
func finish(p *plan.Plan, _ plan.Facts, _ plan.Policy) {
	for i := range p.Refused {
		if key, keeps := keepsVersion(p, p.Refused[i]); keeps {
			p.Refused[i].Quiet = true
			p.Refused[i].Why = fmt.Sprintf("the volume keeps the version of %s that it was made with, because the engine cannot give it another one; the operator keeps that version for the volume", key)
		}
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		if !drains(*s) {
			continue
		}
		if by := mountedBy(*s); by != "" {
			s.Notes = append(s.Notes, by+": no task can use it while it is drained")
		}
		if nodes(*s) > 0 {
			s.Notes = append(s.Notes, "ends every task that uses it")
			s.Hazards = append(s.Hazards, plan.Outage)
		}
	}
}

// keepsVersion reports whether a volume differs only by the version of a secret: the plan knows the secret that the volume
// has as an old version, and the volume is to have the version in force of the same manifest.
func keepsVersion(p *plan.Plan, r plan.Refusal) (of v1.Key, keeps bool) {
	if r.Key.Kind != v1.KindVolume || r.Op != diff.Update || len(r.Fields) != 1 || !ofSecret.MatchString(r.Fields[0].Path) {
		return of, false
	}
	has, wants := r.Fields[0].Have.Reveal(), r.Fields[0].Want.Reveal()
	going := slices.Clone(p.Kept) // all that has no manifest, or is an old version
	for _, s := range p.Steps {
		if s.Op == diff.Remove {
			going = append(going, plan.Target{Key: s.Key, Instance: s.Instance})
		}
	}
	for _, o := range p.Refused {
		if o.Op == diff.Remove {
			going = append(going, plan.Target{Key: o.Key, Instance: o.Instance})
		}
	}
	for _, t := range going {
		if t.Key.Kind == v1.KindSecret && t.Instance == has && (wants == t.Key.Name || v1.IsVersionName(wants, t.Key.Name)) {
			return t.Key, true
		}
	}
	return of, false
}

var ofSecret = regexp.MustCompile(`^spec\.secrets\[.*\]\.secret$`)

// release makes no call: only our memory says that the volume was given up.
func release(_ context.Context, _ *engine.Client, l *kinds.Live) (done bool, why string, err error) {
	if _, own := kinds.WithoutOwn(l.Labels); own {
		why = "the engine cannot change the labels of a volume, so it keeps ours; another source can take it over"
	}
	return false, why, nil
}
