package service

import (
	"cmp"
	"time"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

func overlayTask(t *swarm.TaskSpec, want *v1.ServiceSpec, ch diff.Paths, ix names, id ids) error {
	overlayResources(t, want.Resources, ch)
	overlayRestart(t, want.RestartPolicy, ch)
	overlayPlacement(t, want.Placement, ch)
	overlayLogging(t, want.Logging, ch)
	set(&t.ForceUpdate, want.ForceUpdate, ch, "spec.forceUpdate")
	return overlayNetworks(t, want.Networks, ch, ix, id)
}

func overlayLogging(t *swarm.TaskSpec, want *v1.Logging, ch diff.Paths) {
	const at = "spec.logging"
	if !ch.Any(at) {
		return
	}
	if want == nil {
		want = &v1.Logging{}
	}
	d := &swarm.Driver{}
	if t.LogDriver != nil {
		*d = *t.LogDriver
	}
	set(&d.Name, want.Driver, ch, at+".driver")
	d.Options = overlayMap(d.Options, want.Options, at+".options", ch)
	if t.LogDriver = d; d.Name == "" && len(d.Options) == 0 {
		t.LogDriver = nil
	}
}

func overlayNetworks(t *swarm.TaskSpec, want []v1.NetworkAttachment, ch diff.Paths, ix names, id ids) error {
	var failed error
	t.Networks = overlayList(t.Networks, want, "spec.networks", ch,
		func(n swarm.NetworkAttachmentConfig) string { return ix.NameOf(v1.KindNetwork, n.Target) }, v1.NetworkAttachment.ListKey,
		func(n swarm.NetworkAttachmentConfig, w v1.NetworkAttachment, ch diff.Paths, at string) swarm.NetworkAttachmentConfig {
			if n.Target == "" {
				var err error
				if n.Target, err = id(v1.KindNetwork, w.Name); err != nil {
					failed = err
				}
			}
			set(&n.Aliases, w.Aliases, ch, at+".aliases")
			if ch.Any(at + ".driverOpts") {
				n.DriverOpts = overlayMap(n.DriverOpts, w.DriverOpts, at+".driverOpts", ch)
			}
			return n
		})
	return failed
}

func overlayResources(t *swarm.TaskSpec, want *v1.Resources, ch diff.Paths) {
	const limits, reservations = "spec.resources.limits", "spec.resources.reservations"
	const swap, swappiness = "spec.resources.memorySwap", "spec.resources.memorySwappiness"
	if !ch.Any("spec.resources") || t.Resources == nil && empty(want) {
		return
	}
	if t.Resources == nil {
		t.Resources = &swarm.ResourceRequirements{}
	}
	if ch.Any(limits) && (t.Resources.Limits != nil || want.Limits != v1.ResourceLimits{}) {
		if t.Resources.Limits == nil {
			t.Resources.Limits = &swarm.Limit{}
		}
		l := t.Resources.Limits
		set(&l.NanoCPUs, int64(want.Limits.CPUs), ch, limits+".cpus")
		set(&l.MemoryBytes, int64(want.Limits.Memory), ch, limits+".memory")
		set(&l.Pids, want.Limits.Pids, ch, limits+".pids")
	}
	if ch.Any(reservations) && (t.Resources.Reservations != nil || reserves(want.Reservations)) {
		if t.Resources.Reservations == nil {
			t.Resources.Reservations = &swarm.Resources{}
		}
		r := t.Resources.Reservations
		set(&r.NanoCPUs, int64(want.Reservations.CPUs), ch, reservations+".cpus")
		set(&r.MemoryBytes, int64(want.Reservations.Memory), ch, reservations+".memory")
		r.GenericResources = overlayGeneric(r.GenericResources, want.Reservations.GenericResources, reservations+".genericResources", ch)
	}
	set(&t.Resources.SwapBytes, (*int64)(want.MemorySwap), ch, swap)
	set(&t.Resources.MemorySwappiness, want.MemorySwappiness, ch, swappiness)
	// The engine refuses swap without a limit (daemon/cluster/convert/service.go), so swap that somebody set by hand
	// goes with the limit.
	unlimited := t.Resources.Limits == nil || t.Resources.Limits.MemoryBytes == 0
	if unlimited && ch.Has(limits+".memory") && want.MemorySwap == nil {
		t.Resources.SwapBytes = nil
	}
}

// empty reports whether a manifest states no resources.
func empty(r *v1.Resources) bool {
	return r.Limits == v1.ResourceLimits{} && !reserves(r.Reservations) && r.MemorySwap == nil && r.MemorySwappiness == nil
}

func reserves(r v1.Reservations) bool {
	return r.CPUs != 0 || r.Memory != 0 || len(r.GenericResources) > 0
}

func overlayGeneric(live []swarm.GenericResource, want []v1.GenericResource, at string, ch diff.Paths) []swarm.GenericResource {
	return overlayList(live, want, at, ch,
		func(g swarm.GenericResource) string {
			if g.DiscreteResourceSpec == nil {
				return ""
			}
			return g.DiscreteResourceSpec.Kind
		}, v1.GenericResource.ListKey,
		func(g swarm.GenericResource, w v1.GenericResource, ch diff.Paths, at string) swarm.GenericResource {
			d := orZero(g.DiscreteResourceSpec)
			set(&d.Kind, w.DiscreteResourceSpec.Kind, ch, at+".discreteResourceSpec.kind")
			set(&d.Value, w.DiscreteResourceSpec.Value, ch, at+".discreteResourceSpec.value")
			g.DiscreteResourceSpec = &d
			return g
		})
}

func overlayRestart(t *swarm.TaskSpec, want *v1.RestartPolicy, ch diff.Paths) {
	const at = "spec.restartPolicy"
	if !ch.Any(at) {
		return
	}
	if t.RestartPolicy == nil {
		t.RestartPolicy = &swarm.RestartPolicy{}
	}
	r := t.RestartPolicy
	set(&r.Condition, swarm.RestartPolicyCondition(want.Condition), ch, at+".condition")
	set(&r.Delay, (*time.Duration)(want.Delay), ch, at+".delay")
	if ch.Has(at + ".maxAttempts") {
		r.MaxAttempts = &want.MaxAttempts
	}
	if ch.Has(at + ".window") {
		window := time.Duration(want.Window)
		r.Window = &window
	}
}

func overlayPlacement(t *swarm.TaskSpec, want *v1.Placement, ch diff.Paths) {
	const at = "spec.placement"
	if !ch.Any(at) {
		return
	}
	if t.Placement == nil {
		t.Placement = &swarm.Placement{}
	}
	set(&t.Placement.Constraints, want.Constraints, ch, at+".constraints")
	set(&t.Placement.MaxReplicas, want.MaxReplicasPerNode, ch, at+".maxReplicasPerNode")
	if ch.Has(at + ".platforms") {
		t.Placement.Platforms = platforms(want)
	}
	if ch.Has(at + ".preferences") {
		t.Placement.Preferences = nil
		for _, p := range want.Preferences {
			t.Placement.Preferences = append(t.Placement.Preferences, swarm.PlacementPreference{Spread: &swarm.SpreadOver{SpreadDescriptor: p.Spread}})
		}
	}
}

// platforms returns the platforms that a manifest states.
func platforms(want *v1.Placement) []swarm.Platform {
	if want == nil {
		return nil
	}
	var out []swarm.Platform
	for _, p := range want.Platforms {
		out = append(out, swarm.Platform{OS: p.OS, Architecture: p.Architecture})
	}
	return out
}

func overlayPorts(spec *swarm.ServiceSpec, want *v1.ServiceSpec, ch diff.Paths) {
	if !ch.Any("spec.ports") && !ch.Has("spec.endpointMode") {
		return
	}
	if spec.EndpointSpec == nil {
		spec.EndpointSpec = &swarm.EndpointSpec{}
	}
	set(&spec.EndpointSpec.Mode, cmp.Or(swarm.ResolutionMode(want.EndpointMode), swarm.ResolutionModeVIP), ch, "spec.endpointMode")
	if !ch.Any("spec.ports") {
		return
	}
	patch := func(p swarm.PortConfig, w v1.Port, ch diff.Paths, at string) swarm.PortConfig {
		set(&p.TargetPort, w.Target, ch, at+".target")
		set(&p.PublishedPort, w.Published, ch, at+".published")
		set(&p.Protocol, network.IPProtocol(w.Protocol), ch, at+".protocol")
		set(&p.PublishMode, swarm.PortConfigPublishMode(w.Mode), ch, at+".mode")
		set(&p.Name, w.Name, ch, at+".name")
		return p
	}
	liveKey := func(p swarm.PortConfig) string {
		return v1.Port{Target: p.TargetPort, Protocol: string(p.Protocol)}.ListKey()
	}
	live := spec.EndpointSpec.Ports
	if !unique(live, liveKey) || !unique(want.Ports, v1.Port.ListKey) {
		// A container port is published twice, so the ports cannot be told apart by their keys.
		live, ch = nil, diff.AllPaths()
	}
	spec.EndpointSpec.Ports = overlayList(live, want.Ports, "spec.ports", ch, liveKey, v1.Port.ListKey, patch)
	if !unique(want.Ports, v1.Port.ListKey) {
		spec.EndpointSpec.Ports = nil
		for _, w := range want.Ports {
			spec.EndpointSpec.Ports = append(spec.EndpointSpec.Ports, patch(swarm.PortConfig{}, w, diff.AllPaths(), ""))
		}
	}
}

func unique[T any](list []T, key func(T) string) bool {
	seen := make(map[string]bool, len(list))
	for _, e := range list {
		if seen[key(e)] {
			return false
		}
		seen[key(e)] = true
	}
	return true
}

func overlayUpdate(u **swarm.UpdateConfig, want *v1.UpdateConfig, at string, ch diff.Paths) {
	if !ch.Any(at) || want == nil {
		return
	}
	c := swarm.UpdateConfig{Parallelism: 1} // zero would mean all at once; for other fields it means the default
	if *u != nil {
		c = **u
	}
	patchUpdate(&c, want, at, ch)
	*u = &c
}

func patchUpdate(c *swarm.UpdateConfig, want *v1.UpdateConfig, at string, ch diff.Paths) {
	set(&c.Parallelism, *want.Parallelism, ch, at+".parallelism")
	set(&c.Delay, time.Duration(want.Delay), ch, at+".delay")
	set(&c.FailureAction, swarm.FailureAction(want.FailureAction), ch, at+".failureAction")
	set(&c.Monitor, time.Duration(want.Monitor), ch, at+".monitor")
	set(&c.MaxFailureRatio, float32(want.MaxFailureRatio), ch, at+".maxFailureRatio")
	set(&c.Order, swarm.UpdateOrder(want.Order), ch, at+".order")
}
