package service

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	swarmapi "github.com/moby/swarmkit/v2/api"
	"github.com/moby/swarmkit/v2/manager/orchestrator"
	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/test/generate"
)

// A service is created as it is wanted, whatever the engine makes of the spec on its way there and back.
func createdIsWanted(t *rapid.T) {
	s := generate.Service(t, "web")
	if ps := s.Validate(); len(ps) > 0 {
		t.Fatalf("the generator made an invalid service: %v", ps)
	}
	sent := createdFrom(t, s)
	noDifference(t, sent, wantOf(s))
	noDifference(t, returned(t, sent), wantOf(s))
}

func TestCreatedIsWanted(t *testing.T) { rapid.Check(t, createdIsWanted) }
func FuzzCreatedIsWanted(f *testing.F) { generate.Fuzz(f, createdIsWanted) }

// pair returns two services of one mode, because the mode is the one thing that cannot change.
func pair(t *rapid.T) (before, after *v1.Service) {
	mode := rapid.SampledFrom(generate.Modes).Draw(t, "mode")
	return generate.ServiceOf(t, "web", mode), generate.ServiceOf(t, "web", mode)
}

// A service is updated to what is wanted: one update turns any service into any other of its mode.
func updatedIsWanted(t *rapid.T) {
	before, after := pair(t)
	live, want := returned(t, createdFrom(t, before)), wantOf(after)
	sent, fields := updated(t, live, want)
	if sent == nil {
		return
	}
	if sent.Mode == (swarm.ServiceMode{}) {
		t.Fatalf("an update without a mode means one replica")
	}
	noDifference(t, sent, want)
	noDifference(t, returned(t, sent), want)
	if again, left := updated(t, returned(t, sent), want); again != nil {
		t.Fatalf("a second update would write:\n%s", listed(left))
	}
	costs(t, live, sent, fields)
}

func TestUpdatedIsWanted(t *testing.T) { rapid.Check(t, updatedIsWanted) }
func FuzzUpdatedIsWanted(f *testing.F) { generate.Fuzz(f, updatedIsWanted) }

// A difference that a commit makes is git's doing. A difference that a hand makes while git stays the same is the
// hand's doing, down to the last default.
func everyDifferenceIsSomebodys(t *rapid.T) {
	before, after := generate.Service(t, "web"), generate.Service(t, "web")
	live := returned(t, createdFrom(t, before))
	for _, f := range diff.DifferingFields(haveOf(live), wantOf(after), rules) {
		if f.Hand || !f.Git {
			t.Fatalf("a commit changed %s from %s to %s, and a hand (%t) is said to have done it, git: %t", f.Path, f.Have, f.Want, f.Hand, f.Git)
		}
	}
	byHand := returned(t, createdFrom(t, after))
	for _, label := range []string{v1.LabelOwner, v1.LabelApplied} {
		byHand.Labels[label] = live.Labels[label]
	}
	for _, f := range diff.DifferingFields(haveOf(byHand), wantOf(before), rules) {
		if f.Git || !f.Hand {
			t.Fatalf("a hand changed %s from %s to %s, and git is said to have done it", f.Path, f.Want, f.Have)
		}
	}
}

func TestEveryDifferenceIsSomebodys(t *testing.T) { rapid.Check(t, everyDifferenceIsSomebodys) }

// costs compares the effects of the rules with SwarmKit's own test of whether tasks must be replaced. SwarmKit does not ask
// that of a job, which runs again whatever is written.
func costs(t tb, live, sent *swarm.ServiceSpec, fields []diff.Field) {
	t.Helper()
	if read(live, directory{}).Spec.Job() {
		if slices.ContainsFunc(fields, func(f diff.Field) bool { return f.Effect < diff.RunsAgain }) {
			t.Fatalf("the job runs again and the plan does not say so:\n%s", listed(fields))
		}
		return
	}
	was, is := grpc(t, live), grpc(t, sent)
	task := &swarmapi.Task{Spec: was.Task, Endpoint: &swarmapi.Endpoint{Spec: was.Endpoint}, DesiredState: swarmapi.TaskStateRunning, Status: swarmapi.TaskStatus{State: swarmapi.TaskStateRunning}}
	dirty := orchestrator.IsTaskDirty(&swarmapi.Service{Spec: *is}, task, nil)
	restarts := slices.ContainsFunc(fields, func(f diff.Field) bool { return f.Effect == diff.RestartsTasks })
	if dirty && !restarts {
		t.Fatalf("SwarmKit replaces the tasks and the plan does not say so:\n%s", listed(fields))
	}
	if restarts && !dirty {
		t.Fatalf("the plan says that tasks are replaced and SwarmKit keeps them:\n%s", listed(fields))
	}
}

// Some fields may be left out of an update: ignored ones, and those that a hand changed if that is only reported. The
// other fields are then written as asked, and those that were left out stay as they were.
func partOfUpdate(t *rapid.T) {
	before, after := pair(t)
	live, want := returned(t, createdFrom(t, before)), wantOf(after)
	have := haveOf(live)
	fields := diff.DifferingFields(have, want, rules)
	if len(fields) == 0 {
		return
	}
	written := subset(t, fields, have, want)
	sent := overlaid(t, have, want, written)
	if len(written) == 0 {
		sent.Labels = live.Labels // the operator's own labels are written with any change, and a plan has no step without one
		if !reflect.DeepEqual(sent, live) {
			t.Fatalf("nothing was to be written: %s\nbecame %s", pretty(live), pretty(sent))
		}
	}
	chosen := diff.NewPaths(written)
	is := haveOf(returned(t, sent))
	for _, f := range diff.DifferingFields(is, want, rules) {
		if chosen.Has(f.Path) {
			t.Fatalf("%s was to be written and still differs: %q, want %q\nwritten:\n%s", f.Path, f.Have.Reveal(), f.Want.Reveal(), listed(written))
		}
	}
	twice := !unique(live.EndpointSpec.Ports, func(p swarm.PortConfig) string {
		return v1.Port{Target: p.TargetPort, Protocol: string(p.Protocol)}.ListKey()
	}) ||
		!unique(after.Spec.Ports, v1.Port.ListKey)
	for _, f := range exact(is, &diff.State{Key: want.Key, Leaves: have.Leaves}) {
		if twice && strings.HasPrefix(f.Path, "spec.ports[") {
			continue // the list is made again
		}
		if f.Path == "spec.placement.platforms" && chosen.Has("spec.image") {
			continue // they are the old image's
		}
		if e := element(f.Path); e != "" && chosen.Has(e+".target") {
			continue // it goes with its element
		}
		if !chosen.Has(f.Path) && !strings.HasPrefix(f.Path, `metadata.labels["`+v1.LabelPrefix) {
			t.Fatalf("%s was not to be written and became %q from %q\nwritten:\n%s\nlive: %s\nsent: %s", f.Path, f.Have.Reveal(), f.Want.Reveal(), listed(written), pretty(live), pretty(sent))
		}
	}
}

// exact returns the fields that differ if every leaf is compared by its text.
func exact(have, want *diff.State) []diff.Field {
	blunt := diff.Rules{}
	for typ, r := range rules {
		blunt[typ] = diff.Rule{Effect: r.Effect}
	}
	return diff.DifferingFields(have, want, blunt)
}

// element returns the path of the element of a list that a path is below, or "".
func element(path string) string {
	for _, list := range []string{"spec.mounts[", "spec.networks[", "spec.configs[", "spec.secrets[", "spec.ports[", "spec.resources.reservations.genericResources["} {
		if strings.HasPrefix(path, list) {
			return path[:strings.IndexByte(path, ']')+1]
		}
	}
	return ""
}

// subset chooses fields. Elements of lists come and go as a whole.
func subset(t *rapid.T, fields []diff.Field, have, want *diff.State) []diff.Field {
	var out []diff.Field
	groups := map[string]bool{}
	for _, f := range fields {
		group := f.Path
		if e := element(f.Path); e != "" {
			group = e
			_, both := have.Leaf(group + ".target")
			_, wanted := want.Leaf(group + ".target")
			typ, changes := have.Leaf(group + ".type")
			next, _ := want.Leaf(group + ".type")
			if both && wanted && (!changes || typ.Text == next.Text) {
				group = f.Path
			}
		}
		if strings.HasPrefix(f.Path, "spec.healthcheck.") && (off(have) || off(want)) {
			group = "spec.healthcheck"
		}
		if f.Path == "spec.resources.limits.memory" || f.Path == "spec.resources.memorySwap" {
			group = "memory" // the engine accepts no swap without a limit
		}
		if strings.HasPrefix(f.Path, "spec.ports[") || f.Path == "spec.endpointMode" {
			group = "spec.ports" // a container port that is published twice is replaced as a whole, and dnsrr has no ports of the mesh
		}
		if strings.HasPrefix(f.Path, "spec.credentialSpec.") {
			group = "spec.credentialSpec" // it is in one of three places
		}
		if _, known := groups[group]; !known {
			groups[group] = rapid.Bool().Draw(t, "write "+group)
		}
		if groups[group] {
			out = append(out, f)
		}
	}
	return out
}

// off reports whether the health check is disabled. Nothing else of it means anything then.
func off(s *diff.State) bool {
	l, _ := s.Leaf("spec.healthcheck.test")
	return l.Text == `["NONE"]`
}

func TestPartOfUpdate(t *testing.T) { rapid.Check(t, partOfUpdate) }
func FuzzPartOfUpdate(f *testing.F) { generate.Fuzz(f, partOfUpdate) }

// A normal form is its own normal form, and reading what was read changes nothing.
func readIsNormal(t *rapid.T) {
	live := returned(t, createdFrom(t, generate.Service(t, "web")))
	first := read(live, directory{})
	again := first.Copy().(*v1.Service)
	again.Default()
	if !reflect.DeepEqual(shape.Flatten(first), shape.Flatten(again)) {
		t.Fatalf("Default changes a normal form: %s\n%s", pretty(first), pretty(again))
	}
}

func TestReadIsNormal(t *testing.T) { rapid.Check(t, readIsNormal) }

// alike reports whether the short cut says that a live service is as it is wanted.
func alike(live *swarm.ServiceSpec, s *v1.Service) (alike bool, have, want *diff.State) {
	have, want = haveOf(live), wantOf(s)
	normal := func(o any) diff.Normal { return diff.Normal{Shape: shape, Object: o} }
	return diff.Alike(normal(read(live, directory{})), normal(want.Value), rules, have.Meta.Applied), have, want
}

// The short cut never hides a difference: if it says that two services are alike, their leaves are.
func alikeIsEqual(t *rapid.T) {
	before, after := pair(t)
	live := returned(t, createdFrom(t, before))
	near := before.Copy().(*v1.Service) // a copy with a few fields of the other one
	from, to := reflect.ValueOf(after.Copy()).Elem().FieldByName("Spec"), reflect.ValueOf(near).Elem().FieldByName("Spec")
	for range rapid.IntRange(0, 2).Draw(t, "changes") {
		i := rapid.IntRange(0, to.NumField()-1).Draw(t, "field")
		to.Field(i).Set(from.Field(i))
	}
	if rapid.IntRange(0, 3).Draw(t, "labels too") == 0 {
		near.Metadata.Labels = after.Metadata.Labels
	}
	if same, have, want := alike(live, near); same && diff.Differs(have, want, rules) {
		t.Fatalf("alike, and differ:\n%s", listed(diff.DifferingFields(have, want, rules)))
	}
}

func TestAlikeIsEqual(t *testing.T) { rapid.Check(t, alikeIsEqual) }
func FuzzAlikeIsEqual(f *testing.F) { generate.Fuzz(f, alikeIsEqual) }

// The short cut is one: of a service in sync, as the engine gives it back, it says that it is as wanted.
func TestAServiceInSyncIsAlike(t *testing.T) {
	s := &v1.Service{}
	s.APIVersion, s.Kind, s.Metadata = v1.APIVersion, v1.KindService, v1.Metadata{Name: "web", Labels: map[string]string{"tier": "front"}}
	one, mode := uint64(1), v1.FileMode(0o444)
	s.Spec = v1.ServiceSpec{
		Image: "nginx:1.27", Replicas: &one, Command: []string{"serve"}, Environment: v1.Environment{"A": "1", "B": "2"}, ContainerLabels: map[string]string{"app": "web"},
		Ports: []v1.Port{{Target: 80, Published: 8080}}, Networks: []v1.NetworkAttachment{{Name: "front"}, {Name: "back"}},
		Configs:     []v1.ConfigMount{{Source: "conf", Target: "/etc/c", Mode: &mode}},
		Healthcheck: &v1.Healthcheck{Test: []string{"CMD", "ok"}}, Resources: &v1.Resources{Limits: v1.ResourceLimits{Memory: 1 << 28}},
		UpdateConfig: &v1.UpdateConfig{Order: "start-first"}, RestartPolicy: &v1.RestartPolicy{Condition: "any"},
		Placement: &v1.Placement{Constraints: []string{"node.role == worker"}}, Ulimits: v1.Ulimits{"nofile": {Soft: 1, Hard: 2}}, Sysctls: v1.Sysctls{"a": "1"},
		Mounts: []v1.Mount{{Type: "volume", Source: "data", Target: "/data", Volume: &v1.VolumeOption{Driver: "nfs", DriverOpts: map[string]string{"a": "1"}}}},
	}
	live := returned(t, createdFrom(t, s))
	live.TaskTemplate.ContainerSpec.Image += "@" + generate.Digest
	live.Labels["com.docker.stack.namespace"] = "shop"
	live.TaskTemplate.Placement.Platforms = []swarm.Platform{{OS: "linux", Architecture: "amd64"}}
	live.TaskTemplate.ContainerSpec.Mounts[0].VolumeOptions.Labels = map[string]string{"com.docker.stack.namespace": "shop"}
	live.TaskTemplate.ForceUpdate = 2
	if same, have, want := alike(live, s); !same {
		t.Errorf("it is not; what differs: %s", listed(diff.DifferingFields(have, want, rules)))
	}
}

// Another limit is seen, although it is neither a text nor a number.
func TestAnotherLimitIsNotAlike(t *testing.T) {
	s := plainly()
	s.Spec.Ulimits = v1.Ulimits{"nofile": {Soft: 1, Hard: 2}}
	live := returned(t, createdFrom(t, s))
	if same, _, _ := alike(live, s); !same {
		t.Error("the same limit differs")
	}
	live.TaskTemplate.ContainerSpec.Ulimits[0].Hard = 3
	if same, _, _ := alike(live, s); same {
		t.Error("another limit is the same")
	}
}
