package service

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/test/generate"
)

// If the operator made a service of a digest, its export has that digest, and no platforms except those of the manifest.
// Nothing differs from the export.
func TestAnExportHasNoPlatformsThatTheOperatorAdded(t *testing.T) {
	const digest = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for _, image := range []string{"nginx:1.27" + digest, "nginx" + digest} {
		for _, stated := range [][]v1.TaskPlatform{nil, {{OS: "linux", Architecture: "arm64"}}} {
			s := plainly()
			s.Spec.Image = image
			if stated != nil {
				s.Spec.Placement = &v1.Placement{Platforms: stated}
			}
			live := createdFrom(t, s)
			if stated == nil { // as pin does
				live.TaskTemplate.Placement = &swarm.Placement{Platforms: []swarm.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}}}
			}
			x := exportOne(kinds.Export{Index: index()}, liveOf(live))
			var got []v1.TaskPlatform
			if x.Spec.Placement != nil {
				got = x.Spec.Placement.Platforms
			}
			if x.Spec.Image != image || !slices.Equal(got, stated) {
				t.Errorf("of %s with the platforms %v, the export has %s with %v", image, stated, x.Spec.Image, got)
			}
			if fields := diff.DifferingFields(haveOf(live), wantOf(x), rules); len(fields) > 0 {
				t.Errorf("of %s with the platforms %v, these differ from the export: %v", image, stated, fields)
			}
		}
	}
}

// What an engine takes is never refused: it is exported, differs from its export in nothing, is exported the same after it
// was made of that elsewhere, and one edit of it leaves the rest.
func TestOddServicesAreExported(t *testing.T) {
	every := generate.Odd{Name: "all of them", Change: func(s *swarm.ServiceSpec) {
		for _, odd := range generate.Odds {
			odd.Change(s)
		}
	}}
	for _, odd := range append(slices.Clone(generate.Odds), every) {
		t.Run(odd.Name, func(t *testing.T) {
			spec := plain()
			network, _ := idOf(v1.KindNetwork, "front")
			spec.TaskTemplate.Networks = []swarm.NetworkAttachmentConfig{{Target: network}}
			c := spec.TaskTemplate.ContainerSpec
			c.Configs = []*swarm.ConfigReference{{ConfigID: "Config-id-conf", ConfigName: "conf", File: &swarm.ConfigReferenceFileTarget{Name: "/conf", UID: "0", GID: "0", Mode: 0o444}}}
			c.Secrets = []*swarm.SecretReference{{SecretID: "Secret-id-key", SecretName: "key", File: &swarm.SecretReferenceFileTarget{Name: "key", UID: "0", GID: "0", Mode: 0o444}}}
			odd.Change(spec)
			live := returned(t, spec)
			x := exportOne(kinds.Export{Index: index("front")}, liveOf(live))
			if ps := x.Validate(); len(ps) > 0 {
				t.Errorf("validate refuses what runs: %v", ps)
			}
			if len(x.Notices()) == 0 && odd.Name != "a path of a template" { // which may well be meant
				t.Error("there is no notice")
			}
			noDifference(t, live, wantOf(x))
			again := returned(t, createdFrom(t, x))
			if d := cmp.Diff(x, exportOne(kinds.Export{Index: index("front")}, liveOf(again))); d != "" {
				t.Errorf("what was made of the export is exported otherwise (-first +again):\n%s", d)
			}
			edited := x.Copy().(*v1.Service)
			edited.Spec.Hostname = "edited"
			sent, fields := updated(t, live, wantOf(edited))
			if len(fields) != 1 {
				t.Fatalf("one field was edited, and these differ:\n%s", listed(fields))
			}
			sent.Labels, sent.TaskTemplate.ContainerSpec.Hostname = live.Labels, ""
			if a, b := pretty(live), pretty(sent); a != b {
				t.Errorf("an edit of one field made of\n%s\nthis:\n%s", a, b)
			}
		})
	}
}

// Elements of one key are told apart by their places, whichever of them changes, comes or goes.
func TestOneOfTwoElementsOfOneKeyIsWritten(t *testing.T) {
	spec := plain()
	for _, alias := range []string{"a", "b"} {
		id, _ := idOf(v1.KindNetwork, "front")
		spec.TaskTemplate.Networks = append(spec.TaskTemplate.Networks, swarm.NetworkAttachmentConfig{Target: id, Aliases: []string{alias}})
	}
	live := returned(t, spec)
	for name, edit := range map[string]func(*v1.ServiceSpec){
		"the first changes":  func(s *v1.ServiceSpec) { s.Networks[0].Aliases = []string{"x"} },
		"the second changes": func(s *v1.ServiceSpec) { s.Networks[1].Aliases = []string{"x"} },
		"the second goes":    func(s *v1.ServiceSpec) { s.Networks = s.Networks[:1] },
		"a third comes": func(s *v1.ServiceSpec) {
			s.Networks = append(s.Networks, v1.NetworkAttachment{Name: "front", Aliases: []string{"x"}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := exportOne(kinds.Export{Index: index("front")}, liveOf(live))
			edit(&x.Spec)
			sent, fields := updated(t, live, wantOf(x))
			if len(fields) == 0 {
				t.Fatal("nothing differs")
			}
			noDifference(t, returned(t, sent), wantOf(x))
		})
	}
}

// A manifest that says nothing about the number of tasks leaves it as it is, so an export states it.
func TestAnExportStatesTheNumberOfTasks(t *testing.T) {
	for name, mode := range map[string]swarm.ServiceMode{
		"replicated": {Replicated: &swarm.ReplicatedService{Replicas: ptr(uint64(1))}},
		"a job":      {ReplicatedJob: &swarm.ReplicatedJob{MaxConcurrent: ptr(uint64(1)), TotalCompletions: ptr(uint64(1))}},
	} {
		spec := plain()
		spec.Mode = mode
		x := exportOne(kinds.Export{Index: index()}, liveOf(spec))
		switch {
		case x.Spec.Replicas == nil || *x.Spec.Replicas != 1:
			t.Errorf("%s: the export states the replicas %v", name, x.Spec.Replicas)
		case mode.ReplicatedJob != nil && (x.Spec.MaxConcurrent == nil || *x.Spec.MaxConcurrent != 1):
			t.Errorf("%s: the export states the tasks at once %v", name, x.Spec.MaxConcurrent)
		}
		if mode.Replicated == nil {
			continue
		}
		scaled := plain()
		scaled.Mode.Replicated.Replicas = ptr(uint64(5))
		if _, fields := updated(t, scaled, wantOf(x)); len(fields) != 1 || fields[0].Path != "spec.replicas" {
			t.Errorf("after the service was scaled, these differ from the export:\n%s", listed(fields))
		}
	}
}
