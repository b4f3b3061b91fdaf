package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"github.com/moby/moby/client/pkg/versions"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

func last(calls []harness.Call) string {
	if len(calls) == 0 {
		return ""
	}
	return calls[len(calls)-1].String()
}

// knows reports whether the engine has an API version.
func (w *world) knows(api string) bool {
	w.Helper()
	v, err := w.api.ServerVersion(w.Context(), client.ServerVersionOptions{})
	if err != nil {
		w.Fatal(err)
	}
	return versions.GreaterThanOrEqualTo(v.APIVersion, api)
}

// find looks a service up. It returns false if there is none.
func (w *world) find(name string) (swarm.Service, bool) {
	w.Helper()
	for _, s := range w.services() {
		if s.Spec.Name == name {
			return s, true
		}
	}
	return swarm.Service{}, false
}

func (w *world) service(name string) swarm.Service {
	w.Helper()
	s, ok := w.find(name)
	if !ok {
		w.Fatalf("there is no service %s", name)
	}
	return s
}

func (w *world) services() []swarm.Service {
	w.Helper()
	list, err := w.api.ServiceList(w.Context(), client.ServiceListOptions{})
	if err != nil {
		w.Fatal(err)
	}
	return list.Items
}

// versions returns the versions of all services, by name.
func (w *world) versions() map[string]uint64 {
	w.Helper()
	out := map[string]uint64{}
	for _, s := range w.services() {
		out[s.Spec.Name] = s.Version.Index
	}
	return out
}

// configs returns the names of the configs, without those of the operator's memory.
func (w *world) configs() []string { return w.named(func(own bool) bool { return !own }) }

// own returns the names of the operator's configs.
func (w *world) own() []string { return w.named(func(own bool) bool { return own }) }

// named returns the sorted names of those configs that are asked for, by whether they are the operator's own.
func (w *world) named(asked func(own bool) bool) []string {
	w.Helper()
	list, err := w.api.ConfigList(w.Context(), client.ConfigListOptions{})
	if err != nil {
		w.Fatal(err)
	}
	var names []string
	for _, c := range list.Items {
		if asked(strings.HasPrefix(c.Spec.Name, "swarm-operator")) {
			names = append(names, c.Spec.Name)
		}
	}
	slices.Sort(names)
	return names
}

func (w *world) secrets() []string {
	w.Helper()
	list, err := w.api.SecretList(w.Context(), client.SecretListOptions{})
	if err != nil {
		w.Fatal(err)
	}
	var names []string
	for _, s := range list.Items {
		names = append(names, s.Spec.Name)
	}
	slices.Sort(names)
	return names
}

func (w *world) networks() []string {
	w.Helper()
	list, err := w.api.NetworkList(w.Context(), client.NetworkListOptions{})
	if err != nil {
		w.Fatal(err)
	}
	var names []string
	for _, n := range list.Items {
		// otherwise it is a node's copy of a network that is gone
		if n.Scope == "swarm" && !n.Ingress && len(n.Peers) == 0 {
			names = append(names, n.Name)
		}
	}
	slices.Sort(names)
	return names
}

// tasks returns the tasks of a service, in whatever state.
func (w *world) tasks(service string) []swarm.Task {
	w.Helper()
	list, err := w.api.TaskList(w.Context(), client.TaskListOptions{Filters: client.Filters{}.Add("service", service)})
	if err != nil {
		w.Fatal(err)
	}
	return list.Items
}

// runs waits until a service has n running tasks of the image in force.
func (w *world) runs(service string, n int) {
	w.Helper()
	w.eventually(func() error {
		image, running := w.service(service).Spec.TaskTemplate.ContainerSpec.Image, 0
		for _, t := range w.tasks(service) {
			if t.Status.State == swarm.TaskStateRunning && t.DesiredState == swarm.TaskStateRunning && t.Spec.ContainerSpec.Image == image {
				running++
			}
		}
		if running != n {
			return fmt.Errorf("%d of %d tasks of %s run", running, n, service)
		}
		return nil
	})
}

// status waits until a service's last update has a state.
func (w *world) status(service string, state swarm.UpdateState) {
	w.Helper()
	w.eventually(func() error {
		s := w.service(service)
		if s.UpdateStatus == nil || s.UpdateStatus.State != state {
			return fmt.Errorf("the update of %s is not %s but %+v", service, state, s.UpdateStatus)
		}
		return nil
	})
}

func replicas(s swarm.Service) uint64 { return *s.Spec.Mode.Replicated.Replicas }

func env(s swarm.Service) []string { return s.Spec.TaskTemplate.ContainerSpec.Env }

// serviceWrites returns the calls that write services.
func serviceWrites(calls []harness.Call) []harness.Call {
	return slices.DeleteFunc(slices.Clone(calls), func(c harness.Call) bool { return !c.Write() || !strings.HasPrefix(c.Path, "/services/") })
}

// accepted leaves out the calls that the engine refused. An object's version also moves by itself, and a stale write
// is then tried again.
func accepted(calls []harness.Call) []harness.Call {
	return slices.DeleteFunc(slices.Clone(calls), func(c harness.Call) bool { return c.Status < 200 || c.Status > 299 })
}

// writesTo returns the calls that write one service, by its ID.
func writesTo(calls []harness.Call, id string) []harness.Call {
	return slices.DeleteFunc(serviceWrites(calls), func(c harness.Call) bool { return !strings.Contains(c.Path, id) })
}

func lines(calls []harness.Call) string {
	var b strings.Builder
	for _, c := range calls {
		fmt.Fprintln(&b, c)
	}
	return b.String()
}

// version matches the names of versions of configs and secrets.
var version = regexp.MustCompile(`^[a-z-]+-[0-9a-f]{10}$`)
