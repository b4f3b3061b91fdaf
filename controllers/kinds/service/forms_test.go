package service

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/v2/daemon/cluster/convert"
	swarmapi "github.com/moby/swarmkit/v2/api"
	"github.com/moby/swarmkit/v2/manager/orchestrator"
	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/test/generate"
)

// sameTasks reports whether SwarmKit would keep a task of one spec if it got the other one. ok is false if an engine
// refuses one of them.
func sameTasks(t tb, was, is *swarm.ServiceSpec) (same, ok bool) {
	for _, spec := range []*swarm.ServiceSpec{was, is} {
		if _, err := convert.ServiceSpecToGRPC(*overTheWire(t, spec)); err != nil {
			return false, false
		}
	}
	old, next := grpc(t, was), grpc(t, is)
	task := &swarmapi.Task{Spec: old.Task, Endpoint: &swarmapi.Endpoint{Spec: old.Endpoint}, DesiredState: swarmapi.TaskStateRunning, Status: swarmapi.TaskStatus{State: swarmapi.TaskStateRunning}}
	return !orchestrator.IsTaskDirty(&swarmapi.Service{Spec: *next}, task, nil), true
}

// restarting returns the differences of two live specs that we say restart tasks.
func restarting(was, is *swarm.ServiceSpec) []diff.Field {
	want := haveOf(was)
	for i := range want.Leaves {
		want.Leaves[i].Stated = true
	}
	fields := exact(haveOf(is), want)
	return slices.DeleteFunc(fields, func(f diff.Field) bool { return f.Effect != diff.RestartsTasks && f.Effect != diff.RunsAgain })
}

// If SwarmKit keeps the tasks when one leaf of the engine's spec changes, we see no difference that restarts tasks.
func TestALeafThatSwarmKitCallsEqualIsEqual(t *testing.T) {
	kept := 0
	for _, l := range leaves(reflect.TypeFor[swarm.ServiceSpec]()) {
		was, is := base(l.path), base(l.path)
		l.change(is)
		same, ok := sameTasks(t, was, is)
		if !ok || !same {
			continue
		}
		kept++
		if fields := restarting(returned(t, was), returned(t, is)); len(fields) > 0 { // the engine gives back only what it has a word for
			t.Errorf("for SwarmKit, another %s is the same task, and for us it differs in\n%s", l.path, listed(fields))
		}
	}
	if kept < 15 { // labels, the mode, the update configs, and what dockerd drops
		t.Errorf("SwarmKit keeps tasks for %d leaves only", kept)
	}
}

// reform gives a spec another form here and there: it makes absent lists, maps and groups empty, and empty ones absent.
func reform(t *rapid.T, v reflect.Value) {
	other := func() bool { return rapid.IntRange(0, 7).Draw(t, "other form") == 0 }
	switch v.Kind() {
	case reflect.Pointer:
		switch zero := !v.IsNil() && v.Elem().Kind() == reflect.Struct && v.Elem().IsZero(); {
		case zero && other():
			v.SetZero()
		case v.IsNil() && v.Type().Elem().Kind() == reflect.Struct && other():
			v.Set(reflect.New(v.Type().Elem()))
		case !v.IsNil():
			reform(t, v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() && v.Type().Field(i).Name != "Mode" { // another mode is another service
				reform(t, v.Field(i))
			}
		}
	case reflect.Slice:
		switch {
		case v.Len() == 0 && other():
			if v.IsNil() {
				v.Set(reflect.MakeSlice(v.Type(), 0, 0))
			} else {
				v.SetZero()
			}
		case v.Type().Elem().Kind() != reflect.Uint8:
			for i := range v.Len() {
				reform(t, v.Index(i))
			}
		}
	case reflect.Map:
		if v.Len() == 0 && other() {
			if v.IsNil() {
				v.Set(reflect.MakeMap(v.Type()))
			} else {
				v.SetZero()
			}
		}
	}
}

// Two forms of one spec that SwarmKit calls equal are equal to us.
func formsThatSwarmKitCallsEqual(t *rapid.T) {
	was := returned(t, createdFrom(t, generate.Service(t, "web")))
	is, err := copySpec(was)
	if err != nil {
		t.Fatal(err)
	}
	reform(t, reflect.ValueOf(is).Elem())
	if same, ok := sameTasks(t, was, is); ok && same {
		if fields := restarting(was, is); len(fields) > 0 {
			t.Fatalf("for SwarmKit, these are the same tasks:\n%s\n%s\nand for us they differ in\n%s", pretty(was), pretty(is), listed(fields))
		}
	}
}

func TestFormsThatSwarmKitCallsEqualAreEqual(t *testing.T) {
	rapid.Check(t, formsThatSwarmKitCallsEqual)
}

func FuzzFormsThatSwarmKitCallsEqual(f *testing.F) { generate.Fuzz(f, formsThatSwarmKitCallsEqual) }

// What engines carry although nobody should ask for it is valid, with a note, and a service that runs with it is taken over
// without a write.
func TestWhatRunsIsValidAndAdopted(t *testing.T) {
	for name, test := range map[string]struct {
		live  func(*swarm.ServiceSpec, *swarm.ContainerSpec)
		state func(*v1.ServiceSpec)
		note  string
	}{
		"options for the default log driver": {
			func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) {
				s.TaskTemplate.LogDriver = &swarm.Driver{Options: map[string]string{"max-size": "10m"}}
			},
			func(s *v1.ServiceSpec) { s.Logging = &v1.Logging{Options: map[string]string{"max-size": "10m"}} },
			"spec.logging.options",
		},
		"a rollback of a rollback": {
			func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) {
				s.RollbackConfig = &swarm.UpdateConfig{Parallelism: 1, FailureAction: "rollback", Order: "stop-first"}
			},
			func(s *v1.ServiceSpec) { s.RollbackConfig = &v1.UpdateConfig{FailureAction: "rollback"} },
			"spec.rollbackConfig.failureAction",
		},
		"a variable without a value": {
			func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) { c.Env = []string{"A=1", "TZ"} },
			func(s *v1.ServiceSpec) { s.Environment = v1.Environment{"A": "1", "TZ": v1.NoValue} },
			"spec.environment.TZ",
		},
		"a spread over what is no label": {
			func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) {
				s.TaskTemplate.Placement = &swarm.Placement{Preferences: []swarm.PlacementPreference{{Spread: &swarm.SpreadOver{SpreadDescriptor: "node.role.manager"}}}}
			},
			func(s *v1.ServiceSpec) {
				s.Placement = &v1.Placement{Preferences: []v1.Preference{{Spread: "node.role.manager"}}}
			},
			"spec.placement.preferences[0].spread",
		},
		"a plugin's volume with a slash in its name": {
			func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) {
				c.Mounts = []mount.Mount{{Type: "volume", Source: "shared-volume/caddy-ssl", Target: "/ssl", VolumeOptions: &mount.VolumeOptions{DriverConfig: &mount.Driver{Name: "rexray"}}}}
			},
			func(s *v1.ServiceSpec) {
				s.Mounts = []v1.Mount{{Type: "volume", Source: "shared-volume/caddy-ssl", Target: "/ssl", Volume: &v1.VolumeOption{Driver: "rexray"}}}
			},
			"",
		},
		"a volume with a slash in its name": {
			func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) {
				c.Mounts = []mount.Mount{{Type: "volume", Source: "a/b", Target: "/ssl"}}
			},
			func(s *v1.ServiceSpec) { s.Mounts = []v1.Mount{{Type: "volume", Source: "a/b", Target: "/ssl"}} },
			"spec.mounts[0].source",
		},
		"a long name of a config": {
			func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) {
				long := strings.Repeat("c", 64)
				c.Configs = []*swarm.ConfigReference{{ConfigID: "Config-id-" + long, ConfigName: long, File: &swarm.ConfigReferenceFileTarget{Name: "/c", UID: "0", GID: "0", Mode: 0o444}}}
			},
			func(s *v1.ServiceSpec) {
				s.Configs = []v1.ConfigMount{{Source: strings.Repeat("c", 64), Target: "/c"}}
			},
			"",
		},
		"slashes at the end of paths": {
			func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) {
				c.Mounts = []mount.Mount{{Type: "bind", Source: "/dev/", Target: "/dev/", ReadOnly: true}, {Type: "volume", Source: "data", Target: "/data"}, {Type: "tmpfs", Target: "/t//"}}
			},
			func(s *v1.ServiceSpec) {
				s.Mounts = []v1.Mount{{Type: "bind", Source: "/dev", Target: "/dev", ReadOnly: true}, {Type: "volume", Source: "data", Target: "/data/"}, {Type: "tmpfs", Target: "/t"}}
			},
			"",
		},
		"more reserved than a task may use": {
			func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) {
				s.TaskTemplate.Resources = &swarm.ResourceRequirements{Limits: &swarm.Limit{NanoCPUs: 1e9, Pids: -1}, Reservations: &swarm.Resources{NanoCPUs: 2e9}}
			},
			func(s *v1.ServiceSpec) {
				s.Resources = &v1.Resources{Limits: v1.ResourceLimits{CPUs: 1e9}, Reservations: v1.Reservations{CPUs: 2e9}}
			},
			"spec.resources.reservations.cpus",
		},
		"a constraint that every node meets": {
			func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) {
				s.TaskTemplate.Placement = &swarm.Placement{Constraints: []string{"node.role!=leader"}}
			},
			func(s *v1.ServiceSpec) {
				s.Placement = &v1.Placement{Constraints: []string{"node.role != leader"}}
			},
			"",
		},
		"an empty limit and an empty check": {
			func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) {
				c.Ulimits, c.Healthcheck = []*container.Ulimit{}, &container.HealthConfig{}
			},
			func(*v1.ServiceSpec) {},
			"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			spec, manifest := plain(), plainly()
			test.live(spec, spec.TaskTemplate.ContainerSpec)
			test.state(&manifest.Spec)
			if ps := manifest.Validate(); len(ps) > 0 {
				t.Errorf("it is refused: %v", ps)
			}
			notes := manifest.Notices()
			if len(notes) > 1 || len(notes) == 1 != (test.note != "") || test.note != "" && notes[0].Path != test.note {
				t.Errorf("the notes are %v, want one on %q", notes, test.note)
			}
			live := returned(t, spec)
			changes := diff.Compare([]*diff.State{haveOf(live)}, []*diff.State{wantOf(manifest)}, func(string) diff.Rules { return rules })
			if len(changes) != 1 || changes[0].Op != diff.Same {
				t.Fatalf("it is not taken over as it is: %s", listed(changes[0].Fields))
			}
			untouched(t, live, manifest)
		})
	}
}
