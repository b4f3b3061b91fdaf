package laws

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/volume"
	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/test/generate"
)

var data = v1.Key{Kind: v1.KindVolume, Name: "data"}

// storing is a source with a volume, a secret of its plugin, a service that mounts it, and one that never comes, so that
// something always differs.
type storing struct {
	*deciding
	// goes is true if the last manifest of the volume said that it may go.
	goes bool
	// states is true if the revision has a manifest of the volume that is not external.
	states bool
	// lost is true if somebody removed the volume since it was on record, and none was made in its place.
	lost bool
	// removal and empty report whether somebody agreed by name to the removal that is due, or to the empty volume.
	removal, empty bool
	// asks is what the last manifest asks for. An agreement to an empty volume is for that.
	asks string
	// wants is the availability that the manifest asks for. applied is the last one that a run saw in the swarm, or
	// that the volume was made with.
	wants, applied volume.Availability
	// unsure is true if a revision began before anybody saw what the one before it asked for. If nobody can read that
	// one, nobody knows whether it was applied.
	unsure bool
	// message is the message of the commit.
	message string
	// held is the manifest of the volume if a mistake holds it, or nil.
	held *v1.Volume
}

func header(k v1.Key) v1.Header {
	return v1.Header{APIVersion: v1.APIVersion, Kind: k.Kind, Metadata: v1.Metadata{Name: k.Name}}
}

// draws makes a revision. What it does not state was removed.
func (s *storing) draws(t *rapid.T) {
	secret := &v1.Secret{Header: header(v1.Key{Kind: v1.KindSecret, Name: "user"})}
	secret.Spec.Data = v1.NewContent([]byte(rapid.SampledFrom([]string{"one", "one", "two"}).Draw(t, "content")))
	web := &v1.Service{Header: header(v1.Key{Kind: v1.KindService, Name: "web"}), Spec: v1.ServiceSpec{Image: "web:1"}}
	never := &v1.Service{Header: header(v1.Key{Kind: v1.KindService, Name: "never"}), Spec: v1.ServiceSpec{Image: "never:1"}}
	never.Policy.Suspend = true
	manifests := []v1.Object{secret, web, never}
	s.states, s.message, s.held = false, "", nil
	s.unsure = s.unsure || s.wants != s.applied
	switch rapid.SampledFrom([]string{"stated", "stated", "gone", "gone", "external", "held"}).Draw(t, "the volume") {
	case "stated":
		s.states = true
		manifests = append(manifests, s.volume(t, web))
	case "held": // what it asks for does not count, and nobody agrees to that
		was := *s
		s.held = s.volume(t, web)
		s.held.Spec.External = rapid.IntRange(0, 2).Draw(t, "external") == 0
		s.goes = was.goes && s.goes && !s.held.Spec.External
		s.wants, s.empty, s.asks, s.message = was.wants, was.empty, was.asks, ""
	case "external":
		s.goes, s.removal, s.empty = false, false, false
		manifests = append(manifests, &v1.Volume{Header: header(data), Spec: v1.VolumeSpec{External: true}})
	default:
		s.empty = false
		s.message = rapid.SampledFrom([]string{"", "Consent: removals", "Consent: removals Volume/data"}).Draw(t, "message")
		s.removal = s.removal || strings.HasSuffix(s.message, "data")
	}
	s.commits(manifests)
	if rapid.IntRange(0, 3).Draw(t, "nobody can read the revision before") == 0 {
		s.before = nil
	}
}

// volume makes a manifest of the volume.
func (s *storing) volume(t *rapid.T, web *v1.Service) *v1.Volume {
	v := &v1.Volume{Header: header(data), Spec: v1.VolumeSpec{
		Driver: "csi:latest", AccessMode: &v1.AccessMode{Type: "mount"}, Secrets: []v1.VolumeSecret{{Key: "user", Secret: "user"}},
		Group:        rapid.SampledFrom([]string{"", "", "", "a"}).Draw(t, "group"),
		Availability: rapid.SampledFrom([]string{"", "", "pause", "drain"}).Draw(t, "availability"),
	}}
	switch rapid.SampledFrom([]string{"", "", "prune", "prune", "prune", "keep", "protect"}).Draw(t, "policy") {
	case "keep":
		v.Policy.Prune = new(bool)
	case "prune":
		yes := true
		v.Policy.Prune = &yes
	case "protect":
		v.Policy.Protect = true
	}
	s.goes, s.removal = v.Policy.Prune != nil && *v.Policy.Prune, false
	s.wants = volume.Availability(cmp.Or(v.Spec.Availability, "active"))
	if rapid.IntRange(0, 3).Draw(t, "mounts it") == 0 {
		web.Spec.Mounts = []v1.Mount{{Type: "cluster", Source: data.Name, Target: "/data"}}
	}
	asks := v.Spec.Group + " " + v.Spec.Availability
	if s.empty, s.asks = s.empty && s.asks == asks, asks; rapid.IntRange(0, 3).Draw(t, "agreed to an empty one") == 0 {
		s.empty, s.message = true, "Consent: moves-data Volume/data"
	}
	return v
}

// hands has the swarm, or a person, do something to the volume.
func (s *storing) hands(t *rapid.T) {
	l := s.Objects[data]
	if l == nil {
		return
	}
	v := *l.Raw.(*volume.Volume)
	of := *v.ClusterVolume
	v.ClusterVolume = &of
	switch rapid.SampledFrom([]string{"", "", "on a node", "on none", "drained", "removed"}).Draw(t, "what happens to it") {
	case "on a node":
		of.PublishStatus = []*volume.PublishStatus{{NodeID: "node"}}
	case "on none":
		of.PublishStatus = nil
	case "drained":
		of.Spec.Availability = volume.AvailabilityDrain
	case "removed":
		_ = s.Remove(data) // a service may mount it
		return
	}
	s.PutVolume(&v)
}

// live returns the cluster volume, or nil if there is none.
func (s *storing) live() *volume.ClusterVolume {
	if l := s.Objects[data]; l != nil {
		return l.Raw.(*volume.Volume).ClusterVolume
	}
	return nil
}

// run decides, and checks the plan.
func (s *storing) run(t *rapid.T, d *decide.Decider) *decide.Decision {
	run := s.observed()
	for i := range run.Past.Commits {
		run.Past.Commits[i].Message = "subject\n\n" + s.message + "\n"
	}
	if s.held != nil {
		run.Withheld = map[v1.Key]string{data: "its manifest has a mistake"}
		if why, stays := decide.StaysBy(s.held); stays {
			run.Stays = map[v1.Key]string{data: why}
		}
	}
	if on := rapid.SampledFrom([]string{"", "", "", "", "", "all", "Volume/data"}).Draw(t, "on hold"); on != "" {
		run.World.Holds = []state.Hold{{Name: "hold-1", Hold: plan.Hold{Target: on, Reason: "maintenance"}}}
	}
	if rapid.IntRange(0, 5).Draw(t, "volumes cannot be listed") == 0 {
		run.Unlisted = map[string]error{v1.KindVolume: errors.New("the filter denies it")}
		for _, l := range slices.Clone(run.Index.List(v1.KindVolume)) {
			run.Index.Drop(v1.KindVolume, l.ID)
		}
	}
	switch v := s.live(); {
	case run.Unlisted != nil: // the run sees nothing of it
	case v == nil:
		s.removal = false
	default:
		s.empty = false // that agreement has done its work, if there was one
		if s.states && v.Spec.Availability == s.wants {
			s.applied, s.unsure = s.wants, false
		}
	}
	s.decides(d, run)
	d.Keep()
	s.keepsData(t, run)
	return run
}

// keepsData checks a plan: what it does to the volume, and what it may not do.
func (s *storing) keepsData(t *rapid.T, run *decide.Decision) {
	for _, step := range run.Plan.Steps {
		if step.Key != data {
			continue
		}
		if run.Unlisted != nil {
			t.Fatalf("volumes could not be listed, and it does something to one:\n%s", told(t, run))
		}
		if s.held != nil {
			t.Fatalf("a mistake in its manifest holds the volume, and it is written:\n%s", told(t, run))
		}
		switch step.Op {
		case diff.Create:
			if s.lost && !s.agreed && !s.empty {
				t.Fatalf("somebody removed the volume, and nobody agreed to an empty one:\n%s", told(t, run))
			}
		case diff.Update:
			if !slices.ContainsFunc(step.Fields, func(f diff.Field) bool { return f.Path == "spec.availability" && !f.Ignored }) {
				t.Fatalf("it writes what the engine cannot change:\n%s", told(t, run))
			}
		case diff.Remove:
			if on := len(s.live().PublishStatus); s.states || !s.goes && !s.removal || on > 0 {
				t.Fatalf("stated %t, its last manifest let it go: %t, somebody named it: %t, on %d nodes:\n%s", s.states, s.goes, s.removal, on, told(t, run))
			}
		default:
			t.Fatalf("it makes the volume again:\n%s", told(t, run))
		}
	}
	for _, r := range run.Plan.Refused {
		if r.Key == data && r.Reported() && s.wants != s.applied && !s.unsure {
			t.Fatalf("git asks for %s, which was never seen, and it passes for a hand's doing:\n%s", s.wants, told(t, run))
		}
	}
}

// done carries out some steps of a run. A volume that it makes has what the manifest says.
func (s *storing) done(t *rapid.T, run *decide.Decision, d *decide.Decider) {
	before, recorded := s.live(), s.found.Memory.Made
	s.acts(t, run, d)
	if l := s.Objects[data]; l != nil && recorded[l.ID] == data && s.found.Memory.Made[l.ID] != data {
		t.Fatalf("the volume was on record and is there, and it is not on record any more:\n%s", told(t, run))
	}
	if v := s.live(); v != nil && before == nil {
		s.lost, s.applied, s.unsure = false, s.wants, false
	}
}

// happens has people and the swarm do something, and notes whether the volume has gone. Before it is on record, nobody can
// have put data on it that a run saw. One that the operator was about to remove with its data was agreed to.
func (s *storing) happens(t *rapid.T) {
	was := s.Objects[data]
	s.hands(t)
	s.lives(t)
	m := &s.found.Memory
	if made, _ := m.Managed(); was != nil && s.Objects[data] == nil && made[was.ID] == data && !slices.Contains(m.Replacing, was.ID) {
		s.lost = true
	}
}

// A cluster volume goes with its data only if its own manifest said so, or somebody who named it, when no node has it, and
// is never made again. If somebody removed it, only an agreement puts an empty one in its place. What git says of its
// availability is never taken for a hand's doing before it was seen. As long as it is there, it stays on record. All that holds
// whatever is on hold, cannot be read or listed, has a mistake, or is cut off by a kill.
func keepsData(t *rapid.T) {
	s := &storing{deciding: newDeciding(t)}
	p := s.policy(t)
	d := decide.New(p)
	for range rapid.IntRange(2, 8).Draw(t, "commits") {
		s.draws(t)
		for range rapid.IntRange(1, 3).Draw(t, "runs") {
			s.done(t, s.run(t, d), d)
			if rapid.IntRange(0, 3).Draw(t, "killed") == 0 {
				d = decide.New(p)
			}
			s.happens(t)
		}
	}
}

// It takes several revisions until data can be lost, so one round of lives seldom has them.
func TestDataIsKept(t *testing.T) {
	for range 3 {
		rapid.Check(t, keepsData)
	}
}

func FuzzDataIsKept(f *testing.F) { generate.Fuzz(f, keepsData) }
