// Package service is the kind Service. It reads a swarm service into the manifest's words, and writes it by laying
// differences over the live spec.
package service

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

var shape = diff.NewShape(&v1.Service{})

// Kind returns the kind Service.
func Kind() kinds.Kind {
	return kinds.Kind{
		Model: kinds.Model{
			Name:      v1.KindService,
			New:       func() v1.Object { return &v1.Service{} },
			Shape:     shape,
			Rules:     rules,
			Uses:      uses,
			Normalise: func(l *kinds.Live, ix *kinds.Index) v1.Object { return normal(l, ix) },
		},
		Planning: kinds.Planning{
			Forbids: []plan.Guard{{Name: guardPorts, Check: plan.Each(stuck)}},
			Guards:  []plan.Guard{{Name: "job", Check: jobs}},
		},
		Store: kinds.Store{
			Events:  "service",
			List:    list,
			Read:    readOne,
			Prepare: prepare,
			Do:      do,
			Release: release,
			Retry:   retry,
		},
		Rolling:  kinds.Rolling{Observe: observe, Trace: trace, Health: health, Runs: func(l *kinds.Live) []kinds.Ref { return usesOf(&raw(l).Spec) }, Previous: previous},
		Claiming: kinds.Claiming{Claims: claims, Holds: holds},
		Remaking: kinds.Remaking{Freeze: freeze, Thaw: thaw},

		Exporting: kinds.Exporting{Export: export},
	}
}

func raw(l *kinds.Live) *swarm.Service { return l.Raw.(*swarm.Service) }

func previous(l *kinds.Live, ix *kinds.Index) v1.Object {
	if s := raw(l); s.PreviousSpec != nil {
		return read(s.PreviousSpec, ix)
	}
	return nil
}

// uses returns the objects that the spec refers to, and those of the previous spec, because a rollback still needs
// them. A service that publishes a port through the routing mesh also uses the network of that: no spec names it, but
// the service has an address in it.
func uses(l *kinds.Live) []kinds.Ref {
	s := raw(l)
	refs := usesOf(&s.Spec)
	if s.PreviousSpec != nil {
		refs = append(refs, usesOf(s.PreviousSpec)...)
	}
	if e := s.Spec.EndpointSpec; e != nil && slices.ContainsFunc(e.Ports, func(p swarm.PortConfig) bool { return p.PublishMode == swarm.PortConfigPublishModeIngress }) {
		for _, address := range s.Endpoint.VirtualIPs {
			refs = append(refs, kinds.Ref{Kind: v1.KindNetwork, ID: address.NetworkID})
		}
	}
	return refs
}

func usesOf(spec *swarm.ServiceSpec) []kinds.Ref {
	var refs []kinds.Ref
	for _, n := range spec.TaskTemplate.Networks {
		refs = append(refs, kinds.Ref{Kind: v1.KindNetwork, ID: n.Target})
	}
	if c := spec.TaskTemplate.ContainerSpec; c != nil {
		for _, r := range c.Configs {
			refs = append(refs, kinds.Ref{Kind: v1.KindConfig, ID: r.ConfigID})
		}
		for _, r := range c.Secrets {
			refs = append(refs, kinds.Ref{Kind: v1.KindSecret, ID: r.SecretID})
		}
		for _, m := range c.Mounts {
			if name := (v1.Mount{Type: string(m.Type), Source: m.Source}).ClusterVolume(); name != "" {
				refs = append(refs, kinds.Named(v1.KindVolume, name))
			}
		}
	}
	return refs
}

// observe says how the last update stands. If there is a want, it is compared with the spec that a rollback left.
func observe(l *kinds.Live, ix *kinds.Index, want *diff.State) plan.Rollout {
	s := raw(l)
	var r plan.Rollout
	if u := s.UpdateStatus; u != nil {
		r.State, r.Message = string(u.State), u.Message
		if u.StartedAt != nil {
			r.Began = *u.StartedAt
		}
	}
	if want != nil && r.RolledBack() && s.PreviousSpec != nil {
		left := diff.State{Leaves: shape.Flatten(read(s.PreviousSpec, ix))}
		if diff.Differs(&left, want, rules) {
			r.Left = plan.Differs
		} else {
			r.Left = plan.Matches
		}
	}
	return r
}

// leftOf compares the spec of failed tasks with a want. It is for rollbacks that left no previous spec: the engine
// clears it when it rolls back by itself. Only what is in a task's spec can be compared.
func leftOf(l *kinds.Live, failed *swarm.TaskSpec, ix *kinds.Index, want *diff.State) plan.Match {
	spec := raw(l).Spec
	spec.TaskTemplate = *failed
	left := diff.State{Leaves: shape.Flatten(read(&spec, ix))}
	for _, f := range diff.DifferingFields(&left, want, rules) {
		if f.Effect == diff.RestartsTasks && !f.Ignored && !strings.HasPrefix(f.Path, "spec.ports[") {
			return plan.Differs
		}
	}
	return plan.Matches
}

// jobs refuses to write a job unless git changes what it does, because any update runs it again.
func jobs(p plan.Plan, _ plan.Facts, _ plan.Policy) []plan.Refusal {
	var out []plan.Refusal
	for _, s := range p.Steps {
		if staysJob(s) {
			out = append(out, plan.Refusal{
				Op: s.Op, Key: s.Key, Instance: s.Instance, Class: plan.Never, Quiet: true,
				Why: "any update would run the job again, so this difference travels with the next change of its task",
			})
		}
	}
	return out
}

// staysJob reports whether a step would change a job only in what git has not changed of its task.
func staysJob(s plan.Step) bool {
	return s.Key.Kind == v1.KindService && s.Op == diff.Update && s.Change.Want.Value.(*v1.Service).Spec.Job() &&
		!slices.ContainsFunc(s.Fields, func(f diff.Field) bool {
			return f.Git && f.Path != "spec.maxConcurrent" && !strings.HasPrefix(f.Path, "metadata.")
		})
}

// do carries out one step. It fails for an operation that it does not know.
func do(ctx context.Context, env kinds.Env, s plan.Step) (kinds.Result, error) {
	switch s.Op {
	case diff.Create:
		return create(ctx, env, s)
	case diff.Update:
		return update(ctx, env, s)
	case diff.Remove:
		return kinds.Result{}, remove(ctx, env, s)
	case diff.Replace:
		if err := remove(ctx, env, s); err != nil {
			return kinds.Result{}, err
		}
		return create(ctx, env, s)
	}
	return kinds.Result{}, fmt.Errorf("carrying out %q on %s: no such operation", s.Op, s.Key)
}
