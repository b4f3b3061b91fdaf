package service

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/v2/daemon/cluster/convert"
	swarmapi "github.com/moby/swarmkit/v2/api"
	"github.com/moby/swarmkit/v2/manager/orchestrator"
	"pgregory.net/rapid"

	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/test/generate"
)

// keepsTasks has the leaves that may change without SwarmKit calling the service's tasks dirty, each with the reason. If
// any other leaf of ours changes, SwarmKit calls the tasks dirty and replaces them.
var keepsTasks = map[string]string{
	"metadata.labels.*":                 "the labels are the service's; a task has the container's",
	"spec.mode":                         "the mode says how many tasks there are; a task is the same in each",
	"spec.replicas":                     "so do the replicas",
	"spec.maxConcurrent":                "it says how many tasks of a job run at once",
	"spec.placement.constraints":        "a task stays where it is if its node meets the new constraints (IsTaskDirtyPlacementConstraintsOnly)",
	"spec.placement.preferences":        "SwarmKit compares the whole placement with the constraints, and preferences are for new tasks",
	"spec.placement.platforms":          "the same",
	"spec.placement.maxReplicasPerNode": "the same",
}

func init() {
	for typ := range rules {
		if strings.HasPrefix(typ, "spec.updateConfig.") || strings.HasPrefix(typ, "spec.rollbackConfig.") {
			keepsTasks[typ] = "it says how tasks are replaced, not what they are"
		}
	}
}

// dirty reports whether SwarmKit would replace the tasks of a service whose spec becomes another one. The node of the
// task meets every constraint that it can.
func dirty(was, is *swarmapi.ServiceSpec) bool {
	task := &swarmapi.Task{
		Spec: *was.Task.Copy(), Endpoint: &swarmapi.Endpoint{Spec: was.Endpoint.Copy()},
		DesiredState: swarmapi.TaskStateRunning, Status: swarmapi.TaskStatus{State: swarmapi.TaskStateRunning},
	}
	node := &swarmapi.Node{Role: swarmapi.NodeRoleWorker, Description: &swarmapi.NodeDescription{Platform: &swarmapi.Platform{OS: "linux"}}}
	return orchestrator.IsTaskDirty(&swarmapi.Service{Spec: *is}, task, node)
}

// kept returns the leaves that differ between two specs although SwarmKit calls them equal. ok is false if it does not,
// or if the engine refuses one of them.
func kept(was, is *swarm.ServiceSpec) (types []string, ok bool) {
	a, errA := convert.ServiceSpecToGRPC(*was)
	b, errB := convert.ServiceSpecToGRPC(*is)
	if errA != nil || errB != nil || dirty(&a, &b) {
		return nil, false
	}
	// If the placement changes as well, and the node of the task meets it, SwarmKit does not look at the endpoint.
	moved := !reflect.DeepEqual(a.Task.Placement, b.Task.Placement)
	seen := map[string]bool{}
	for _, f := range exact(haveOf(given(a)), &diff.State{Leaves: haveOf(given(b)).Leaves}) {
		endpoint := strings.HasPrefix(f.Path, "spec.ports[") || f.Path == "spec.endpointMode"
		if !moved || !endpoint {
			seen[typeOf(f.Path)] = true
		}
	}
	return slices.Sorted(maps.Keys(seen)), true
}

// given returns a spec as the engine gives it back.
func given(kept swarmapi.ServiceSpec) *swarm.ServiceSpec {
	back, err := convert.ServiceFromGRPC(swarmapi.Service{Spec: kept})
	if err != nil {
		panic(err)
	}
	return &back.Spec
}

// anotherOf has, for leaves with a few values, one that base does not have.
var anotherOf = map[string]string{
	"UpdateConfig.FailureAction": "pause", "UpdateConfig.Order": "stop-first", "RollbackConfig.FailureAction": "pause", "RollbackConfig.Order": "stop-first",
	"EndpointSpec.Mode": "vip", "EndpointSpec.Ports[].Protocol": "udp", "EndpointSpec.Ports[].PublishMode": "ingress",
	"TaskTemplate.RestartPolicy.Condition": "none", "TaskTemplate.ContainerSpec.Isolation": "process",
	"TaskTemplate.ContainerSpec.Mounts[].Type": "bind", "TaskTemplate.ContainerSpec.Mounts[].BindOptions.Propagation": "slave",
	"TaskTemplate.ContainerSpec.Privileges.AppArmor.Mode": "default", "TaskTemplate.ContainerSpec.Privileges.Seccomp.Mode": "unconfined",
}

// Every leaf of the engine that SwarmKit does not compare is on the list, and everything on the list is such a leaf.
func TestWhatSwarmKitCallsEqualIsEqualOrNamed(t *testing.T) {
	seen := map[string]bool{}
	for _, l := range leaves(reflect.TypeFor[swarm.ServiceSpec]()) {
		before, after := base(l.path), base(l.path)
		if text, few := anotherOf[l.path]; few {
			l.at(reflect.ValueOf(after)).SetString(text)
		} else {
			l.change(after)
		}
		types, equal := kept(before, after)
		if !equal {
			continue
		}
		for _, typ := range types {
			if seen[typ] = true; keepsTasks[typ] == "" {
				t.Errorf("SwarmKit keeps the tasks if %s changes, and to us %s differs", l.path, typ)
			}
		}
	}
	for typ := range keepsTasks {
		if !seen[typ] && typ != "spec.mode" { // another mode is another service, and base has the mode that a leaf is about
			t.Errorf("SwarmKit replaces the tasks if %s changes: take it off the list", typ)
		}
	}
}

// The same holds if several leaves change at once, in services of all tools.
func whatSwarmKitCallsEqual(t *rapid.T) {
	live := anyLive(t)
	changed := disturbed(t, live)
	types, _ := kept(live, changed)
	for _, typ := range types {
		if keepsTasks[typ] == "" {
			t.Fatalf("SwarmKit calls these equal, and %s differs to us:\n%s\n%s", typ, pretty(live), pretty(changed))
		}
	}
}

func anyLive(t *rapid.T) *swarm.ServiceSpec {
	id := func(kind, name string) string { found, _ := idOf(kind, name); return found }
	return returned(t, generate.LiveOf(t, rapid.SampledFrom(generate.Tools).Draw(t, "tool"), "live", id).Spec)
}

// disturbed returns a spec of which some leaves are others, whether anybody would state them or not.
func disturbed(t *rapid.T, live *swarm.ServiceSpec) *swarm.ServiceSpec {
	all := leaves(reflect.TypeFor[swarm.ServiceSpec]())
	for range rapid.IntRange(0, 3).Draw(t, "changes") {
		l := rapid.SampledFrom(all).Draw(t, "leaf")
		if next := overTheWire(t, live); !strings.HasPrefix(l.path, "Mode.") {
			if l.change(next); accepted(next) {
				live = next
			}
		}
	}
	return live
}

// Whatever a live service has, a manifest of its normal form does not differ from it, and what is written over it without
// a difference leaves every byte.
func readIsNoDifference(t *rapid.T) {
	live := returned(t, disturbed(t, anyLive(t)))
	have, want := haveOf(live), wantOf(read(live, directory{}))
	if fields := diff.DifferingFields(have, want, rules); len(fields) > 0 {
		t.Fatalf("a service differs from what was read of it:\n%s%s", listed(fields), pretty(live))
	}
	sent := overlaid(t, have, want, nil)
	sent.Labels = live.Labels
	if a, b := pretty(live), pretty(sent); a != b {
		t.Fatalf("nothing was to be written, and\n%s\nbecame\n%s", a, b)
	}
}

func TestReadIsNoDifference(t *testing.T) { rapid.Check(t, readIsNoDifference) }
func FuzzReadIsNoDifference(f *testing.F) { generate.Fuzz(f, readIsNoDifference) }

func accepted(spec *swarm.ServiceSpec) bool {
	_, err := convert.ServiceSpecToGRPC(*spec)
	return err == nil
}

func TestWhatSwarmKitCallsEqual(t *testing.T) { rapid.Check(t, whatSwarmKitCallsEqual) }
func FuzzWhatSwarmKitCallsEqual(f *testing.F) { generate.Fuzz(f, whatSwarmKitCallsEqual) }

// What a tool sends and what the engine gives back for it are one spec to SwarmKit, whole, and so to us.
func TestWhatIsSentAndWhatComesBackAreEqual(t *testing.T) {
	eachLive(t, func(t *rapid.T, l generate.Live, live *swarm.ServiceSpec) {
		if fields := exact(haveOf(l.Spec), &diff.State{Leaves: haveOf(live).Leaves}); len(fields) > 0 {
			t.Fatalf("%s sends\n%s\nthe engine gives back\n%s\nto us they differ in\n%s", l.Tool, pretty(l.Spec), pretty(live), listed(fields))
		}
	})
}
