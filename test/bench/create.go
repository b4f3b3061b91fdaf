package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/swarm-operator/swarm-operator/controllers/apply"
	"github.com/swarm-operator/swarm-operator/controllers/state"
)

// inFlight is how many writes may be under way at once, here as in the operator.
const inFlight = apply.InFlight

// createAll fills an empty swarm in two ways: with the operator's apply, and with a client that already knows the
// same specs.
func createAll(ctx context.Context, w *world, t *table) error {
	if err := w.applied(ctx); err != nil {
		return err
	}
	specs, err := w.specs(ctx)
	if err != nil {
		return err
	}
	var ours, least, sequence []time.Duration
	for range w.slow(3) {
		for _, one := range []struct {
			out *[]time.Duration
			do  func() (time.Duration, error)
		}{
			{&ours, func() (time.Duration, error) { return timed(w.command(ctx, w.direct, "apply")) }},
			{&least, func() (time.Duration, error) { return w.createBare(ctx, specs, inFlight) }},
			{&sequence, func() (time.Duration, error) { return w.createBare(ctx, specs, 1) }},
		} {
			if err := w.empty(ctx); err != nil {
				return err
			}
			took, err := one.do()
			if err != nil {
				return err
			}
			*one.out = append(*one.out, took)
		}
	}
	r := ratios(ours, least)
	t.add("create all: apply", ms(median(ours)), fmt.Sprintf("bare creates, %d in flight %s", inFlight, ms(median(least))), ratio2(r), target(r, 1.5, "1.5"))
	t.add("", "", "bare creates in sequence "+ms(median(sequence)), ratio2(ratios(ours, sequence)), "")
	if w.docker != "" {
		if err := w.stacks(ctx); err != nil {
			return err
		}
		t.add("", "", "docker stack deploy "+ms(median(w.stack.create)), ratio2(float64(median(ours))/float64(median(w.stack.create))), "")
	}
	return w.countCreate(ctx, t)
}

// countCreate counts the calls of an apply to an empty swarm. It also fills the swarm for the parts that follow.
func (w *world) countCreate(ctx context.Context, t *table) error {
	if err := w.empty(ctx); err != nil {
		return err
	}
	calls, began, took, err := w.count(w.command(ctx, w.counted, "apply"))
	if err != nil {
		return err
	}
	wrote := writes(calls)
	if len(wrote) == 0 {
		return errors.New("apply wrote nothing into an empty swarm")
	}
	t.add("  calls", fmt.Sprint(len(calls)), routes(calls), "", "")
	t.add("  until the first write", ms(wrote[0].at.Sub(began)), "after the last write "+ms(took-wrote[len(wrote)-1].at.Sub(began)), "", "")
	return nil
}

// specs are what test/bench/bare creates.
type specs struct {
	Configs  []swarm.ConfigSpec
	Services []swarm.ServiceSpec
}

// specs returns the specs of what the operator has made.
func (w *world) specs(ctx context.Context) (specs, error) {
	var s specs
	configs, err := w.engine.ConfigList(ctx, client.ConfigListOptions{})
	if err != nil {
		return s, err
	}
	for _, c := range configs.Items {
		if !state.Own(c.Spec.Labels) { // the operator's memory and lease are not in the manifests
			s.Configs = append(s.Configs, c.Spec)
		}
	}
	services, err := w.engine.ServiceList(ctx, client.ServiceListOptions{})
	for _, v := range services.Items {
		s.Services = append(s.Services, v.Spec)
	}
	return s, err
}

// createBare makes the same objects with nothing except the calls. It runs in a process of its own, as the operator
// does. What that process needs before it begins is not counted.
func (w *world) createBare(ctx context.Context, s specs, width int) (time.Duration, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, w.bare, "create", w.direct, strconv.Itoa(width))
	cmd.Stdin, cmd.Stderr = bytes.NewReader(text), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("creating without the operator: %w", err)
	}
	return time.ParseDuration(strings.TrimSpace(string(out)))
}

// empty removes all services and configs, including the operator's memory.
func (w *world) empty(ctx context.Context) error {
	services, err := w.engine.ServiceList(ctx, client.ServiceListOptions{})
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(inFlight)
	for _, v := range services.Items {
		g.Go(func() error {
			_, err := w.engine.ServiceRemove(gctx, v.ID, client.ServiceRemoveOptions{})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	configs, err := w.engine.ConfigList(ctx, client.ConfigListOptions{})
	if err != nil {
		return err
	}
	for _, c := range configs.Items {
		if _, err := w.engine.ConfigRemove(ctx, c.ID, client.ConfigRemoveOptions{}); err != nil {
			return err
		}
	}
	return nil
}
