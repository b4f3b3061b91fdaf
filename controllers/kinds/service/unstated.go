package service

import (
	"slices"

	"github.com/moby/moby/api/types/swarm"
)

// unstated returns the settings of a spec that no manifest can state, by the paths that v1.NotYet has for them, with the
// keys of lists. A setting that is at its default does not count.
func unstated(spec *swarm.ServiceSpec) []string {
	t, out := &spec.TaskTemplate, []string(nil)
	if r := t.Resources; r != nil && r.Reservations != nil {
		for _, g := range r.Reservations.GenericResources {
			if g.NamedResourceSpec != nil {
				out = append(out, "spec.resources.reservations.genericResources["+g.NamedResourceSpec.Kind+"].namedResourceSpec")
			}
		}
	}
	if t.Runtime != "" && t.Runtime != swarm.RuntimeContainer || t.PluginSpec != nil {
		out = append(out, "spec.runtime")
	}
	slices.Sort(out)
	return slices.Compact(out)
}
