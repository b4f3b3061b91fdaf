package main

import (
	"context"
	"fmt"
	"time"

	"github.com/moby/moby/client"
)

// changeOne applies a commit that changes one service, by the command apply.
func changeOne(ctx context.Context, w *world, t *table) error {
	if err := w.applied(ctx); err != nil {
		return err
	}
	var ours, least []time.Duration
	for i := range w.slow(2) {
		if err := w.repository.commit(w.nth(i), w.edit("APPLIED", i)...); err != nil {
			return err
		}
		took, err := timed(w.command(ctx, w.direct, "apply"))
		if err != nil {
			return err
		}
		bare, err := w.rewrite(ctx, w.engine, serviceName(w.nth(i)))
		if err != nil {
			return err
		}
		ours, least = append(ours, took), append(least, bare)
	}
	t.add("change one: apply", ms(median(ours)), "bare read and write of one "+ms(median(least)), ratio2(ratios(ours, least)), "")
	if len(w.stack.one) > 0 {
		t.add("", "", fmt.Sprintf("docker stack deploy, one changed %s, %d writes", ms(median(w.stack.one)), w.stack.writes),
			fmt.Sprintf("%.3f", float64(median(ours))/float64(median(w.stack.one))), "")
	}
	before, err := w.versions(ctx)
	if err != nil {
		return err
	}
	if err := w.repository.commit(w.nth(0), w.edit("COUNTED", 0)...); err != nil {
		return err
	}
	calls, _, _, err := w.count(w.command(ctx, w.counted, "apply"))
	if err != nil {
		return err
	}
	after, err := w.versions(ctx)
	if err != nil {
		return err
	}
	var m moves
	m.count(calls, before, after)
	m.report(t)
	return nil
}

// nth returns the index of the service for a round. Rounds that follow each other get different services. The first
// service is left out, because it is the one that rolls out.
func (w *world) nth(round int) int { return 1 + (round*37+5)%(w.n-1) }

// edit returns a change of an environment.
func (w *world) edit(name string, i int) []string {
	return []string{"  environment:\n", fmt.Sprintf("  environment:\n    %s_%d: %q\n", name, i, time.Now().Format(time.RFC3339Nano))}
}

// moves counts what the changes of one service moved.
type moves struct{ rounds, services, memory, others, calls int }

func (m *moves) count(calls []call, before, after map[string]uint64) {
	m.rounds++
	own, services := map[string]bool{}, 0
	for _, c := range writes(calls) {
		if update("")(c) {
			own[c.path] = true
			services++
		} else {
			m.memory++
		}
	}
	m.services, m.calls = max(m.services, services), max(m.calls, len(calls))
	for id, version := range before {
		if after[id] != version && !own["/services/"+id+"/update"] {
			m.others++
		}
	}
}

func (m *moves) report(t *table) {
	t.add("  service writes", fmt.Sprint(m.services),
		fmt.Sprintf("writes of the operator's memory %.1f, calls until quiet %d", float64(m.memory)/float64(m.rounds), m.calls), "", exactly(m.services, 1, "1"))
	t.add("  versions of others that moved", fmt.Sprint(m.others), "", "", exactly(m.others, 0, "0"))
}

func (w *world) versions(ctx context.Context) (map[string]uint64, error) {
	list, err := w.engine.ServiceList(ctx, client.ServiceListOptions{})
	out := map[string]uint64{}
	for _, v := range list.Items {
		out[v.ID] = v.Version.Index
	}
	return out, err
}
