package laws

import (
	"slices"
	"testing"

	"github.com/moby/moby/api/types/volume"
	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/test/generate"
)

var data = v1.Key{Kind: v1.KindVolume, Name: "data"}

// storing is a source with a volume, a secret of its plugin, and a service that mounts it.
type storing struct {
	*deciding
	// goes is true if the last manifest of the volume said that it may go.
	goes bool
	// states is true if the revision has a manifest of the volume. lost is true if somebody removed the volume since then.
	states, lost bool
}

func header(k v1.Key) v1.Header {
	return v1.Header{APIVersion: v1.APIVersion, Kind: k.Kind, Metadata: v1.Metadata{Name: k.Name}}
}

// draws makes a revision. What it does not state was removed.
func (s *storing) draws(t *rapid.T) {
	secret := &v1.Secret{Header: header(v1.Key{Kind: v1.KindSecret, Name: "user"})}
	secret.Spec.Data = v1.NewContent([]byte(rapid.SampledFrom([]string{"one", "two"}).Draw(t, "content")))
	web := &v1.Service{Header: header(v1.Key{Kind: v1.KindService, Name: "web"}), Spec: v1.ServiceSpec{Image: "web:1"}}
	manifests := []v1.Object{secret, web}
	if s.states = rapid.IntRange(0, 2).Draw(t, "states the volume") > 0; s.states {
		v := &v1.Volume{Header: header(data), Spec: v1.VolumeSpec{
			Driver: "csi:latest", AccessMode: &v1.AccessMode{Type: "mount"}, Secrets: []v1.VolumeSecret{{Key: "user", Secret: "user"}},
			Group:        rapid.SampledFrom([]string{"", "", "", "a"}).Draw(t, "group"),
			Availability: rapid.SampledFrom([]string{"", "", "pause", "drain"}).Draw(t, "availability"),
		}}
		switch rapid.SampledFrom([]string{"", "", "keep", "prune", "prune", "protect"}).Draw(t, "policy") {
		case "keep":
			v.Policy.Prune = new(bool)
		case "prune":
			yes := true
			v.Policy.Prune = &yes
		case "protect":
			v.Policy.Protect = true
		}
		s.goes = v.Policy.Prune != nil && *v.Policy.Prune
		if manifests = append(manifests, v); rapid.Bool().Draw(t, "mounts it") {
			web.Spec.Mounts = []v1.Mount{{Type: "cluster", Source: data.Name, Target: "/data"}}
		}
	}
	s.lost = s.lost && s.states
	s.commits(manifests)
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

// keepsData checks a plan: what it does to the volume, and what it may not do.
func (s *storing) keepsData(t *rapid.T, run *decide.Decision) {
	for _, step := range run.Plan.Steps {
		if step.Key != data {
			continue
		}
		switch step.Op {
		case diff.Create:
			if s.lost && !s.agreed {
				t.Fatalf("somebody removed the volume, and nobody agreed to an empty one:\n%s", told(t, run))
			}
		case diff.Update:
			if !slices.ContainsFunc(step.Fields, func(f diff.Field) bool { return f.Path == "spec.availability" && !f.Ignored }) {
				t.Fatalf("it writes what the engine cannot change:\n%s", told(t, run))
			}
		case diff.Remove:
			on := len(s.Objects[data].Raw.(*volume.Volume).ClusterVolume.PublishStatus)
			if s.states || !s.goes || on > 0 {
				t.Fatalf("stated %t, its last manifest let it go: %t, on %d nodes:\n%s", s.states, s.goes, on, told(t, run))
			}
		default:
			t.Fatalf("it makes the volume again:\n%s", told(t, run))
		}
	}
}

// A cluster volume goes with its data only if its own manifest said so, when no node has it, and is never made again. An
// agreement to all removals is not enough for it.
func keepsData(t *rapid.T) {
	s := &storing{deciding: newDeciding(t)}
	d := decide.New(s.policy(t))
	for range rapid.IntRange(1, 4).Draw(t, "commits") {
		s.draws(t)
		for range rapid.IntRange(1, 3).Draw(t, "runs") {
			run := s.decides(d, s.observed())
			d.Keep()
			s.keepsData(t, run)
			s.acts(t, run, d)
			was := s.Objects[data]
			s.hands(t)
			s.lives(t)
			if made, _ := s.found.Memory.Managed(); was != nil && made[was.ID] == data && s.Objects[data] == nil {
				s.lost = s.states // before it is on record, nobody can have put data on it that a run saw
			}
		}
	}
}

func TestDataIsKept(t *testing.T) { rapid.Check(t, keepsData) }
func FuzzDataIsKept(f *testing.F) { generate.Fuzz(f, keepsData) }
