package generate

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

func named(kind, name string) string { return kind + "/" + name }

// habits are what marks the services of a tool: what each of them has, and what some of them have.
var habits = map[string]struct {
	always, sometimes []func(*swarm.ServiceSpec, *swarm.ContainerSpec) bool
}{
	"docker service create": {
		always: habit(
			func(s *swarm.ServiceSpec, c *swarm.ContainerSpec) bool {
				return c.Init != nil && c.DNSConfig != nil && s.TaskTemplate.Placement != nil
			},
			func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) bool {
				return s.TaskTemplate.Resources.Limits != nil && s.TaskTemplate.Resources.Reservations != nil && s.EndpointSpec.Mode != ""
			},
		),
		sometimes: habit(
			func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) bool {
				return s.RollbackConfig != nil && s.RollbackConfig.Monitor != 0
			},
			func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) bool { return strings.HasSuffix(c.Image, Digest) },
			func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) bool { return s.Mode.ReplicatedJob != nil },
		),
	},
	"docker stack deploy": {
		always: habit(func(s *swarm.ServiceSpec, c *swarm.ContainerSpec) bool {
			return s.Labels["com.docker.stack.namespace"] != "" && s.TaskTemplate.Resources != nil && c.Privileges != nil && len(s.TaskTemplate.Networks) > 0
		}),
		sometimes: habit(
			func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) bool {
				return slices.ContainsFunc(c.Mounts, func(m mount.Mount) bool {
					return m.VolumeOptions != nil && m.VolumeOptions.DriverConfig != nil && m.VolumeOptions.DriverConfig.Name == "local"
				})
			},
			func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) bool {
				return s.TaskTemplate.LogDriver != nil && s.TaskTemplate.LogDriver.Name == ""
			},
			func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) bool { return slices.Contains(c.Env, "A") },
		),
	},
	"portainer": {
		always: habit(func(s *swarm.ServiceSpec, c *swarm.ContainerSpec) bool {
			return c.Env != nil && c.Mounts != nil && s.UpdateConfig != nil && s.TaskTemplate.RestartPolicy.Window != nil
		}),
		sometimes: habit(func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) bool {
			return len(c.Secrets) > 0 && c.Secrets[0].File.Mode == 444
		}),
	},
	"portainer, over a stack": {
		always: habit(func(s *swarm.ServiceSpec, c *swarm.ContainerSpec) bool {
			return s.EndpointSpec.Mode != "" && c.Hosts != nil && !strings.Contains(strings.Join(s.TaskTemplate.Placement.Constraints, ""), " ")
		}),
		sometimes: habit(func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) bool { return s.TaskTemplate.ForceUpdate > 0 }),
	},
	"ansible": {
		always: habit(func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) bool {
			return s.TaskTemplate.RestartPolicy == nil || s.TaskTemplate.RestartPolicy.Delay != nil && s.TaskTemplate.RestartPolicy.Window != nil
		}),
		sometimes: habit(
			func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) bool { return s.EndpointSpec == nil },
			func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) bool { return s.TaskTemplate.ForceUpdate > 1e9 },
			func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) bool {
				return s.UpdateConfig != nil && s.UpdateConfig.FailureAction == "continue" && s.UpdateConfig.Parallelism == 0
			},
		),
	},
	"terraform": {
		always: habit(func(s *swarm.ServiceSpec, c *swarm.ContainerSpec) bool {
			return c.Healthcheck != nil && c.DNSConfig != nil && c.StopGracePeriod != nil && c.Isolation != "" && s.EndpointSpec != nil
		}),
		sometimes: habit(
			func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) bool {
				return slices.Contains(c.Hosts, "db:10.0.0.1")
			},
			func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) bool { return *c.StopGracePeriod == 0 },
		),
	},
}

func habit(h ...func(*swarm.ServiceSpec, *swarm.ContainerSpec) bool) []func(*swarm.ServiceSpec, *swarm.ContainerSpec) bool {
	return h
}

// Each tool has its habits, so that the laws over them are about something, and a seed always makes the same service.
func TestToolsHaveTheirHabits(t *testing.T) {
	seen := map[string]map[int]bool{}
	var first []string
	note := func(_ *rapid.T, l Live) {
		text, err := json.Marshal([]any{l.Tool, Manifest(l.Manifest), l.Spec})
		if err != nil {
			t.Fatal(err)
		}
		first = append(first, string(text))
		h, known := habits[l.Tool]
		if !known {
			t.Fatalf("nothing marks the services of %s", l.Tool)
		}
		for i, has := range h.always {
			if !has(l.Spec, l.Spec.TaskTemplate.ContainerSpec) {
				t.Errorf("a service of %s has not what marks it, %d: %s", l.Tool, i, text)
			}
		}
		for i, has := range h.sometimes {
			if has(l.Spec, l.Spec.TaskTemplate.ContainerSpec) {
				if seen[l.Tool] == nil {
					seen[l.Tool] = map[int]bool{}
				}
				seen[l.Tool][i] = true
			}
		}
	}
	EachLive(t, 0, 200, named, note)
	for tool, h := range habits {
		for i := range h.sometimes {
			if !seen[tool][i] {
				t.Errorf("no service of %s has what should mark some of them, %d", tool, i)
			}
		}
	}
	whole := first
	first = nil
	EachLive(t, 150, 50, named, note)
	if !slices.Equal(first, whole[150:]) {
		t.Error("the same seeds make other services")
	}
}

// An edit changes one place of a manifest and leaves it valid, and the original as it was.
func TestAnEditChangesOnePlace(t *testing.T) {
	paths := map[string]bool{}
	EachLive(t, 0, 60, named, func(t *rapid.T, l Live) {
		before := Manifest(l.Manifest)
		edited, path := Edit(t, l.Manifest)
		if problems := edited.Validate(); len(problems) > 0 || path == "" {
			t.Fatalf("the edit of %q leaves %v", path, problems)
		}
		if Manifest(l.Manifest) != before {
			t.Fatalf("the edit of %s changed the original", path)
		}
		changed := 0
		for _, pair := range [][2]reflect.Value{
			{reflect.ValueOf(edited.Metadata.Labels), reflect.ValueOf(l.Manifest.Metadata.Labels)}, {reflect.ValueOf(edited.Policy), reflect.ValueOf(l.Manifest.Policy)},
		} {
			if !reflect.DeepEqual(pair[0].Interface(), pair[1].Interface()) {
				changed++
			}
		}
		is, was := reflect.ValueOf(edited.Spec), reflect.ValueOf(l.Manifest.Spec)
		for i := range is.NumField() {
			if !reflect.DeepEqual(is.Field(i).Interface(), was.Field(i).Interface()) {
				changed++
			}
		}
		if changed != 1 || edited.Spec.Mode != l.Manifest.Spec.Mode {
			t.Fatalf("the edit of %s changed %d fields:\n%s\n%s", path, changed, before, Manifest(edited))
		}
		paths[strings.SplitN(strings.TrimPrefix(path, "spec."), ".", 2)[0]] = true
	})
	if len(paths) < 15 {
		t.Errorf("only these were edited: %v", paths)
	}
	if _, changed := graft(nil, reflect.ValueOf(&v1.Service{}).Elem(), reflect.ValueOf(v1.Service{}), ""); changed {
		t.Error("two that are the same were changed")
	}
}
