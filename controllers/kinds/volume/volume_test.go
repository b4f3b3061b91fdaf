package volume

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/volume"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// csi returns a volume as the engine gives it back if only what is required was stated.
func csi() *volume.Volume {
	return &volume.Volume{
		Name: "data", Driver: "csi:latest", Scope: "global", ClusterVolume: &volume.ClusterVolume{
			ID: "id", Meta: swarm.Meta{Version: swarm.Version{Index: 7}},
			Spec: volume.ClusterVolumeSpec{AccessMode: &volume.AccessMode{Scope: "single", Sharing: "none", MountVolume: &volume.TypeMount{}}, Availability: "active"},
			Info: &volume.Info{VolumeID: "v-1"},
		},
	}
}

// least is a manifest of that volume.
func least() v1.VolumeSpec {
	return v1.VolumeSpec{Driver: "csi:latest", AccessMode: &v1.AccessMode{Type: "mount"}}
}

// all is a manifest that states every field, and made is the volume that it makes.
func all() v1.VolumeSpec {
	return v1.VolumeSpec{
		Driver: "csi:latest", DriverOpts: map[string]string{"pool": "ssd"}, Group: "db", Availability: "pause",
		AccessMode: &v1.AccessMode{Scope: "multi", Sharing: "onewriter", Type: "mount", FsType: "xfs", MountFlags: []string{"noatime", "nodev"}},
		AccessibilityRequirements: &v1.TopologyRequirement{
			Requisite: []v1.Topology{{Segments: map[string]string{"zone": "b"}}, {Segments: map[string]string{"zone": "a", "rack": "1"}}},
			Preferred: []v1.Topology{{Segments: map[string]string{"zone": "b"}}},
		},
		CapacityRange: &v1.CapacityRange{RequiredBytes: 1 << 30, LimitBytes: 2 << 30},
		Secrets:       []v1.VolumeSecret{{Key: "user", Secret: "csi-user"}, {Key: "password", Secret: "csi-password"}},
	}
}

func made() *volume.Volume {
	v := csi()
	v.Options = map[string]string{"pool": "ssd"}
	s := &v.ClusterVolume.Spec
	s.Group, s.Availability = "db", "pause"
	s.AccessMode = &volume.AccessMode{Scope: "multi", Sharing: "onewriter", MountVolume: &volume.TypeMount{FsType: "xfs", MountFlags: []string{"noatime", "nodev"}}}
	s.AccessibilityRequirements = &volume.TopologyRequirement{
		Requisite: []volume.Topology{{Segments: map[string]string{"rack": "1", "zone": "a"}}, {Segments: map[string]string{"zone": "b"}}},
		Preferred: []volume.Topology{{Segments: map[string]string{"zone": "b"}}},
	}
	s.CapacityRange = &volume.CapacityRange{RequiredBytes: 1 << 30, LimitBytes: 2 << 30}
	s.Secrets = []volume.Secret{{Key: "password", Secret: "Secret-id-csi-password-0123456789"}, {Key: "user", Secret: "Secret-id-csi-user"}}
	return v
}

// secrets is an index with the secrets of made. One of them is a version of a manifest's.
func secrets() *kinds.Index {
	var list []*kinds.Live
	for _, name := range []string{"csi-user", "csi-password-0123456789"} {
		list = append(list, &kinds.Live{Kind: v1.KindSecret, ID: "Secret-id-" + name, Name: name})
	}
	return kinds.NewIndex(map[string][]*kinds.Live{v1.KindSecret: list}, func(*kinds.Live) []kinds.Ref { return nil })
}

// wanted returns what a manifest asks for, in normal form.
func wanted(t *testing.T, spec v1.VolumeSpec, labels map[string]string) *diff.State {
	t.Helper()
	manifest := &v1.Volume{Header: v1.Header{Kind: v1.KindVolume, Metadata: v1.Metadata{Name: "data", Labels: labels}}, Spec: spec}
	if ps := manifest.Validate(); len(ps) > 0 {
		t.Fatalf("the manifest is invalid: %v", ps)
	}
	renamed := manifest.Copy().(*v1.Volume)
	renamed.Rename(func(k v1.Key) string {
		if k == (v1.Key{Kind: v1.KindSecret, Name: "csi-password"}) {
			return "csi-password-0123456789"
		}
		return k.Name
	})
	want := kinds.Expand([]kinds.Kind{Kind()}, []kinds.Entry{{Object: renamed}}, kinds.NewIndex(nil, nil), kinds.Source{Name: "src"}, nil).States[0]
	return want.Whole()
}

func TestEveryLeafOfTheManifestHasARule(t *testing.T) {
	types := shape.Types()
	for _, typ := range types {
		if _, ok := rules[typ]; !ok {
			t.Errorf("%s has no rule", typ)
		}
	}
	for typ, r := range rules {
		if !slices.Contains(types, typ) {
			t.Errorf("the rule for %s is for no leaf", typ)
		}
		if stated := typ != "spec.external"; stated && (r.SinceAPI != sinceAPI || (r.Effect == diff.Forbidden) != (r.Why != "") || (r.Effect == diff.InPlace) != (typ == "spec.availability")) {
			t.Errorf("the rule for %s is %+v", typ, r)
		}
	}
}

// engines says for each leaf of the engine's which leaf of the manifest carries it.
var engines = map[string]string{
	"Group": "spec.group", "Availability": "spec.availability",
	"AccessMode.Scope": "spec.accessMode.scope", "AccessMode.Sharing": "spec.accessMode.sharing",
	"AccessMode.MountVolume.FsType": "spec.accessMode.fsType", "AccessMode.MountVolume.MountFlags": "spec.accessMode.mountFlags",
	"AccessMode.BlockVolume":              "spec.accessMode.type",
	"AccessibilityRequirements.Requisite": "spec.accessibilityRequirements.requisite[].segments.*", "AccessibilityRequirements.Preferred": "spec.accessibilityRequirements.preferred[].segments.*",
	"CapacityRange.RequiredBytes": "spec.capacityRange.requiredBytes", "CapacityRange.LimitBytes": "spec.capacityRange.limitBytes",
	"Secrets.Key": "spec.secrets[].key", "Secrets.Secret": "spec.secrets[].secret",
	"Name": "", "Driver": "spec.driver", "DriverOpts": "spec.driverOpts.*", "Labels": "metadata.labels.*",
}

func TestEveryLeafOfTheEngineIsDecidedOn(t *testing.T) {
	found := map[string]bool{}
	var walk func(typ reflect.Type, path string)
	walk = func(typ reflect.Type, path string) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.Struct && typ.Elem().Name() != "Topology" {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || typ.NumField() == 0 {
			found[path] = true
			return
		}
		for i := range typ.NumField() {
			if f := typ.Field(i); f.Name != "ClusterVolumeSpec" {
				walk(f.Type, strings.TrimPrefix(path+"."+f.Name, "."))
			}
		}
	}
	walk(reflect.TypeFor[volume.ClusterVolumeSpec](), "")
	walk(reflect.TypeFor[volume.CreateRequest](), "")
	carried := map[string]bool{"spec.external": true}
	for path := range found {
		leaf, decided := engines[path]
		if carried[leaf] = true; !decided {
			t.Errorf("%s is new: decide who carries it", path)
		}
	}
	for path := range engines {
		if !found[path] {
			t.Errorf("%s is no leaf of the engine's any more", path)
		}
	}
	for typ := range rules {
		if !carried[typ] {
			t.Errorf("%s carries no leaf of the engine's", typ)
		}
	}
}

// What a manifest makes is what it says, and is read back as what it says.
func TestAVolumeIsReadAsItWasMade(t *testing.T) {
	for name, test := range map[string]struct {
		spec v1.VolumeSpec
		live *volume.Volume
	}{"the least": {least(), csi()}, "all": {all(), made()}} {
		want := wanted(t, test.spec, map[string]string{"tier": "db"})
		o, err := Options(want.Value.(*v1.Volume), func(kind, name string) (string, error) { return kind + "-id-" + name, nil })
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(&test.live.ClusterVolume.Spec, o.ClusterVolumeSpec); d != "" || o.Name != "data" || o.Driver != "csi:latest" || !cmp.Equal(o.DriverOpts, test.live.Options) || o.Labels["tier"] != "db" {
			t.Errorf("%s: it makes %+v (-want +got)\n%s", name, o, d)
		}
		test.live.Labels = map[string]string{"tier": "db"}
		have := diff.State{Key: want.Key, Instance: "data", Leaves: shape.Flatten(read(test.live, secrets()))}
		if fields := diff.DifferingFields(&have, want, rules); len(fields) > 0 {
			t.Errorf("%s: it differs from what it made: %v", name, fields)
		}
	}
	_, err := Options(wanted(t, all(), nil).Value.(*v1.Volume), func(kind, name string) (string, error) { return "", errors.New("there is no " + kind + " " + name) })
	if err == nil {
		t.Error("a secret that does not exist was passed over")
	}
}

func TestNormalForm(t *testing.T) {
	for _, test := range []struct {
		name    string
		live    func(*volume.Volume)
		state   func(*v1.VolumeSpec)
		labels  map[string]string
		differs []string
	}{
		{name: "the least"},
		{name: "the defaults stated", state: func(s *v1.VolumeSpec) {
			s.Availability, s.AccessMode.Scope, s.AccessMode.Sharing = "active", "single", "none"
			s.CapacityRange, s.AccessibilityRequirements = &v1.CapacityRange{}, &v1.TopologyRequirement{}
		}},
		{name: "empty blocks of the engine", live: func(v *volume.Volume) {
			v.ClusterVolume.Spec.CapacityRange, v.ClusterVolume.Spec.AccessibilityRequirements = &volume.CapacityRange{}, &volume.TopologyRequirement{}
			v.Options = map[string]string{}
		}},
		{name: "another driver", live: func(v *volume.Volume) { v.Driver = "csi" }, differs: []string{"spec.driver"}},
		{name: "an option more", live: func(v *volume.Volume) { v.Options = map[string]string{"pool": "hdd"} }, differs: []string{"spec.driverOpts.pool"}},
		{name: "a device", live: func(v *volume.Volume) {
			v.ClusterVolume.Spec.AccessMode.MountVolume, v.ClusterVolume.Spec.AccessMode.BlockVolume = nil, &volume.TypeBlock{}
		}, differs: []string{"spec.accessMode.type"}},
		{name: "another access", state: func(s *v1.VolumeSpec) {
			*s.AccessMode = v1.AccessMode{Type: "mount", Scope: "multi", Sharing: "all", FsType: "xfs", MountFlags: []string{"ro"}}
		}, differs: []string{"spec.accessMode.fsType", "spec.accessMode.mountFlags", "spec.accessMode.scope", "spec.accessMode.sharing"}},
		{name: "a group", state: func(s *v1.VolumeSpec) { s.Group = "db" }, differs: []string{"spec.group"}},
		{name: "a size", state: func(s *v1.VolumeSpec) { s.CapacityRange = &v1.CapacityRange{RequiredBytes: 1, LimitBytes: 2} }, differs: []string{"spec.capacityRange.limitBytes", "spec.capacityRange.requiredBytes"}},
		{name: "a place", state: func(s *v1.VolumeSpec) {
			s.AccessibilityRequirements = &v1.TopologyRequirement{Requisite: []v1.Topology{{Segments: map[string]string{"zone": "a"}}}}
		}, differs: []string{"spec.accessibilityRequirements.requisite[zone].segments.zone"}},
		{name: "a secret", state: func(s *v1.VolumeSpec) { s.Secrets = []v1.VolumeSecret{{Key: "user", Secret: "csi-user"}} }, differs: []string{"spec.secrets[user].key", "spec.secrets[user].secret"}},
		{name: "drained", live: func(v *volume.Volume) { v.ClusterVolume.Spec.Availability = "drain" }, differs: []string{"spec.availability"}},
		{name: "docker's labels are nobody's", live: func(v *volume.Volume) { v.Labels = map[string]string{"com.docker.stack.namespace": "s"} }},
		{name: "a label", labels: map[string]string{"a": "1"}, differs: []string{"metadata.labels.a"}},
		{name: "an access that nobody stated", live: func(v *volume.Volume) { v.ClusterVolume.Spec.AccessMode = nil }, differs: []string{"spec.accessMode.scope", "spec.accessMode.sharing", "spec.accessMode.type"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			live, spec := csi(), least()
			if test.live != nil {
				test.live(live)
			}
			if test.state != nil {
				test.state(&spec)
			}
			want := wanted(t, spec, test.labels)
			have := diff.State{Key: want.Key, Instance: "data", Leaves: shape.Flatten(read(live, secrets()))}
			var got []string
			for _, f := range diff.DifferingFields(&have, want, rules) {
				got = append(got, f.Path)
			}
			if d := cmp.Diff(test.differs, got); d != "" {
				t.Errorf("differing (-want +got):\n%s", d)
			}
		})
	}
}

// A write sends the live spec back with another availability, and nothing that the engine would refuse.
func TestAWriteChangesOnlyTheAvailability(t *testing.T) {
	live := live(made())
	spec := least() // whatever else git says
	spec.Availability = "drain"
	s := plan.Step{Op: diff.Update, Fields: []diff.Field{{Path: "spec.availability"}}, Change: diff.Change{Want: wanted(t, spec, nil)}}
	got, err := updated(live, s)
	want := made().ClusterVolume.Spec
	want.Availability = "drain"
	if d := cmp.Diff(&want, got); err != nil || d != "" {
		t.Errorf("it writes, %v (-want +got)\n%s", err, d)
	}
	if raw(live).ClusterVolume.Spec.Availability != "pause" {
		t.Error("the write changed the live object")
	}
	s.Fields = append(s.Fields, diff.Field{Path: "spec.group"})
	if _, err := updated(live, s); err == nil || !strings.Contains(err.Error(), "spec.group") {
		t.Errorf("a group is written: %v", err)
	}
	if _, err := do(t.Context(), kinds.Env{}, plan.Step{Op: diff.Replace, Key: v1.Key{Kind: v1.KindVolume, Name: "data"}}); err == nil || !strings.Contains(err.Error(), "data would be lost") {
		t.Errorf("a volume is made again: %v", err)
	}
}

func TestWhatAVolumeUsesAndAwaits(t *testing.T) {
	refs := uses(live(made()))
	want := []kinds.Ref{{Kind: v1.KindSecret, ID: "Secret-id-csi-password-0123456789"}, {Kind: v1.KindSecret, ID: "Secret-id-csi-user"}}
	if d := cmp.Diff(want, refs); d != "" {
		t.Errorf("uses (-want +got)\n%s", d)
	}
	for name, test := range map[string]struct {
		info *volume.Info
		is   bool
	}{"made": {&volume.Info{VolumeID: "v"}, false}, "not made": {nil, true}, "not named": {&volume.Info{CapacityBytes: 1}, true}} {
		v := csi()
		v.ClusterVolume.Info = test.info
		if why := awaits(live(v)); strings.Contains(why, "csi:latest has not made it yet") != test.is {
			t.Errorf("%s: awaits %q", name, why)
		}
	}
	if done, why, err := release(t.Context(), nil, live(csi())); done || why != "" || err != nil {
		t.Error("a volume without our labels cannot be given up:", why, err)
	}
	ours := csi()
	ours.Labels = map[string]string{v1.LabelOwner: "src/Volume/data"}
	if _, why, _ := release(t.Context(), nil, live(ours)); !strings.Contains(why, "keeps ours") {
		t.Errorf("the labels are taken off: %q", why)
	}
}

// planned makes a plan from manifests and live volumes of the source.
func planned(t *testing.T, want *diff.State, v *volume.Volume, f plan.Facts, p plan.Policy) plan.Plan {
	t.Helper()
	var haves, wants []*diff.State
	if v != nil {
		have := &diff.State{Key: v1.Key{Kind: v1.KindVolume, Name: "data"}, Instance: "data", Value: live(v), Leaves: shape.Flatten(read(v, secrets())), Meta: diff.Meta{ID: "id", Version: 7, Mine: true}}
		if want != nil {
			have.Meta.UsedBy = []v1.Key{{Kind: v1.KindService, Name: "db"}}
		}
		haves = append(haves, have)
	}
	if want != nil {
		wants = append(wants, want)
	}
	f.APIVersion, f.Owned = "1.42", 100
	if p.Budgets == (plan.Budgets{}) {
		p.Budgets = plan.DefaultBudgets()
	}
	return plan.Build(diff.Compare(haves, wants, kinds.Set{Kind()}.Rules), f, p, kinds.Set{Kind()}.Part())
}

func TestPlans(t *testing.T) {
	drained, paused := least(), least()
	drained.Availability, paused.Availability = "drain", "pause"
	grown := drained
	grown.CapacityRange = &v1.CapacityRange{RequiredBytes: 1 << 40}
	on := csi()
	on.ClusterVolume.PublishStatus = []*volume.PublishStatus{{NodeID: "n1", State: volume.StatePublished}, {NodeID: "n2", State: volume.StatePending}}
	key := v1.Key{Kind: v1.KindVolume, Name: "data"}
	removed := wanted(t, least(), nil)
	removed.Gone = &diff.Gone{}
	kept := plan.Facts{Keep: map[v1.Key]string{key: ""}, Shares: true}
	agreed := plan.Policy{Consents: plan.Consents{{Hazard: plan.Removals, Objects: []v1.Key{key}}, {Hazard: plan.MovesData}}}
	for _, test := range []struct {
		name    string
		want    *diff.State
		have    *volume.Volume
		facts   plan.Facts
		policy  plan.Policy
		steps   string   // the operations
		notes   string   // of the step that has some, after its hazards
		refused []string // class and a part of the reason
	}{
		{name: "made", want: wanted(t, least(), nil), steps: "+"},
		{name: "nothing to do", want: wanted(t, least(), nil), have: csi()},
		{name: "drained by git", want: wanted(t, drained, nil), have: csi(), steps: "~", notes: "Volume/data: mounted by Service/db: no task can use it while it is drained"},
		{name: "drained by git, and a node has it", want: wanted(t, drained, nil), have: on, refused: []string{"consent it ends every task that uses the volume, which is on 2 nodes; mounted by Service/db; to agree, add to a commit message: Consent: outage"}},
		{
			name: "drained by git, and somebody agreed", want: wanted(t, drained, nil), have: on, policy: plan.Policy{Consents: plan.Consents{{Hazard: plan.Outage, Objects: []v1.Key{key}}}},
			steps: "~", notes: "Volume/data outage: mounted by Service/db: no task can use it while it is drained, ends every task that uses it",
		},
		{name: "paused by git, and a node has it", want: wanted(t, paused, nil), have: on, steps: "~"},
		{name: "grown and drained", want: wanted(t, grown, nil), have: csi(), steps: "~", notes: "Volume/data: mounted by Service/db: no task can use it while it is drained", refused: []string{"never spec.capacityRange.requiredBytes: the engine changes nothing of a volume but its availability"}},
		{name: "made again after a hand removed it", want: removed, refused: []string{"consent somebody removed it with its data"}},
		{name: "made again with consent", want: removed, policy: agreed, steps: "+"},
		{name: "its manifest is gone", have: csi(), refused: []string{"consent its data would go with it, and its manifest, which is gone, did not say policy.prune: true"}},
		{name: "its manifest is gone, and the source prunes what it adopted", have: csi(), policy: plan.Policy{PruneAdopted: true}, refused: []string{"consent its data would go with it"}},
		{name: "its manifest is gone, and somebody agreed to all removals", have: csi(), policy: plan.Policy{Consents: plan.Consents{{Hazard: plan.Removals}}}, refused: []string{"consent its data would go with it"}},
		{name: "its manifest said prune", have: csi(), facts: kept, steps: "-"},
		{name: "somebody agreed by its name", have: csi(), facts: plan.Facts{Shares: true}, policy: agreed, steps: "-"},
		{name: "its manifest said prune, and nodes have it", have: on, facts: kept, refused: []string{"later it is still on 2 nodes"}},
	} {
		p := planned(t, test.want, test.have, test.facts, test.policy)
		steps, notes := "", ""
		for _, s := range p.Steps {
			steps += s.Op.String()
			if len(s.Notes) > 0 {
				notes += strings.TrimSpace(fmt.Sprintf("%s %s", s.Key, strings.Trim(fmt.Sprint(s.Hazards), "[]"))) + ": " + strings.Join(s.Notes, ", ")
			}
		}
		if notes != test.notes {
			t.Errorf("%s: the notes are %q", test.name, notes)
		}
		if steps != test.steps || len(p.Refused) != len(test.refused) {
			t.Errorf("%s: %q and %v", test.name, steps, p.Refused)
			continue
		}
		for i, r := range p.Refused {
			if got := r.Class.String() + " " + r.Why; !strings.HasPrefix(got, test.refused[i]) {
				t.Errorf("%s: refused as %s", test.name, got)
			}
		}
	}
}

// A volume that was made with another version of a secret is in sync. Any other secret is another one.
func TestAVolumeKeepsTheVersionOfASecret(t *testing.T) {
	name, user := v1.Key{Kind: v1.KindVolume, Name: "data"}, v1.Key{Kind: v1.KindSecret, Name: "csi-user"}
	const first, second = "csi-user-0123456789", "csi-user-9876543210"
	removal := func(key v1.Key, instance string, old bool, users ...v1.Key) diff.Change {
		return diff.Change{Op: diff.Remove, Key: key, Instance: instance, Have: &diff.State{Key: key, Instance: instance, Meta: diff.Meta{Mine: true, OldVersion: old, UsedBy: users}}}
	}
	differs := func(path, has, wants string) diff.Field {
		return diff.Field{Path: path, Have: diff.NewValue(has), Want: diff.NewValue(wants), Git: true, Effect: diff.Forbidden, Why: fixed.Why}
	}
	const at = "spec.secrets[user].secret"
	for _, test := range []struct {
		name   string
		fields []diff.Field
		old    []diff.Change
		facts  plan.Facts
		quiet  int
		loud   int
	}{
		{name: "an old version", fields: []diff.Field{differs(at, first, second)}, old: []diff.Change{removal(user, first, true, name)}, quiet: 1},
		{name: "the secret had its own name", fields: []diff.Field{differs(at, "csi-user", second)}, old: []diff.Change{removal(user, "csi-user", true, name)}, quiet: 1},
		{name: "it has its own name again", fields: []diff.Field{differs(at, first, "csi-user")}, old: []diff.Change{removal(user, first, true, name)}, quiet: 1},
		{name: "an old version that is on hold", fields: []diff.Field{differs(at, first, second)}, old: []diff.Change{removal(user, first, true)}, facts: plan.Facts{Unseen: "denied"}, quiet: 2},
		{name: "a secret that the source does not have", fields: []diff.Field{differs(at, first, second)}, loud: 1},
		{name: "another secret", fields: []diff.Field{differs(at, first, "csi-other-9876543210")}, old: []diff.Change{removal(user, first, true, name)}, loud: 1},
		{name: "an old version of another one", fields: []diff.Field{differs(at, first, second)}, old: []diff.Change{removal(user, "csi-user-1111111111", true, name)}, loud: 1},
		{name: "another name of it", fields: []diff.Field{differs("spec.secrets[user].key", first, second)}, old: []diff.Change{removal(user, first, true, name)}, loud: 1},
		{name: "something else as well", fields: []diff.Field{differs(at, first, second), differs("spec.group", "a", "b")}, old: []diff.Change{removal(user, first, true, name)}, quiet: 1, loud: 1},
	} {
		want := wanted(t, least(), nil)
		have := &diff.State{Key: name, Instance: "data", Value: live(csi()), Meta: diff.Meta{ID: "id", Mine: true}}
		changes := slices.Concat(test.old, []diff.Change{{Op: diff.Update, Key: name, Instance: "data", Fields: test.fields, Have: have, Want: want}})
		test.facts.APIVersion, test.facts.Owned, test.facts.Shares = "1.42", 100, true
		p := plan.Build(changes, test.facts, plan.Policy{Budgets: plan.DefaultBudgets()}, kinds.Set{Kind()}.Part())
		quiet, loud := 0, 0
		for _, r := range p.Refused {
			switch {
			case !r.Quiet:
				loud++
			case r.Key == name && !strings.HasPrefix(r.Why, "the volume keeps the version of Secret/csi-user that it was made with"):
				t.Errorf("%s: it says %s", test.name, r.Why)
				fallthrough
			default:
				quiet++
			}
		}
		if quiet != test.quiet || loud != test.loud || p.InSync() != (loud == 0) {
			t.Errorf("%s: %d are reported, and %d wait: %+v", test.name, quiet, loud, p.Refused)
		}
	}
}

// A volume is renamed in case only. The engine takes the new name for the old one, and keeps the old volume until no task
// uses it. So the service that used it goes first, and does not wait for the new volume.
func TestWhatUsedAVolumeOfAnotherCaseGoesFirst(t *testing.T) {
	key := func(kind, name string) v1.Key { return v1.Key{Kind: kind, Name: name} }
	old, service := key(v1.KindVolume, "Data"), key(v1.KindService, "s")
	on := csi()
	on.ClusterVolume.PublishStatus = []*volume.PublishStatus{{NodeID: "n1", State: volume.StatePublished}}
	want := wanted(t, least(), nil)
	gone := func(k v1.Key, value any, users ...v1.Key) diff.Change {
		return diff.Change{Op: diff.Remove, Key: k, Instance: k.Name, Have: &diff.State{Key: k, Instance: k.Name, Value: value, Meta: diff.Meta{ID: k.Name, Mine: true, UsedBy: users}}}
	}
	changes := []diff.Change{{Op: diff.Create, Key: want.Key, Instance: "data", Want: want}, gone(old, live(on), service), gone(service, nil)}
	for name, test := range map[string]struct {
		consent, want string
	}{
		"nobody agreed":   {"removals Volume/Data", " refused: consent Service/s, later Volume/Data, consent Volume/data"},
		"somebody agreed": {"removals Volume/Data, replace", "- Service/s [replace] refused: later Volume/Data, later Volume/data"},
	} {
		consents, err := plan.ParseConsent(test.consent)
		if err != nil {
			t.Fatal(err)
		}
		p := plan.Build(changes, plan.Facts{
			APIVersion: "1.42", Owned: 100, Shares: true,
			Claims: []plan.Claim{{Key: want.Key, Instance: "data", Claim: diff.Claim{What: "name", Of: "data"}, Holder: old, HolderInstance: "Data", Mine: true}},
		}, plan.Policy{Budgets: plan.DefaultBudgets(), Consents: consents}, kinds.Set{Kind()}.Part())
		var steps, refused []string
		for _, s := range p.Steps {
			steps = append(steps, fmt.Sprint(s.Op.String(), " ", s.Key, " ", s.Hazards))
		}
		for _, r := range p.Refused {
			refused = append(refused, r.Class.String()+" "+r.Key.String())
		}
		if got := strings.Join(steps, ", ") + " refused: " + strings.Join(refused, ", "); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}
