package main

import (
	"context"
	"fmt"
	"os/exec"
	"time"

	"github.com/moby/moby/client"
)

// times are the durations of one command, and the processor time that it used.
type times struct{ took, cpu []time.Duration }

// process returns a round that runs and times a command.
func (out *times) process(newCommand func() *exec.Cmd) func() error {
	return func() error {
		cmd := newCommand()
		took, err := timed(cmd)
		if err == nil {
			out.took, out.cpu = append(out.took, took), append(out.cpu, spent(cmd))
		}
		return err
	}
}

// cold measures commands that start, look and exit, on a swarm that is as git says.
func cold(ctx context.Context, w *world, t *table) error {
	if err := w.applied(ctx); err != nil {
		return err
	}
	var ours, docker, bare, inProcess times
	round := []func() error{
		ours.process(func() *exec.Cmd { return w.command(ctx, w.direct, "diff") }),
		bare.process(func() *exec.Cmd { return exec.CommandContext(ctx, w.bare, "look", w.direct) }),
		func() error {
			took, err := w.look(ctx)
			inProcess.took = append(inProcess.took, took)
			return err
		},
	}
	if w.docker != "" {
		round = append(round, docker.process(func() *exec.Cmd { return w.dockerCLI(ctx, w.direct, "service", "ls") }))
	}
	for i := range w.rounds {
		for j := range round { // each round begins with another command, so that none always runs after the same one
			if err := round[(i+j)%len(round)](); err != nil {
				return err
			}
		}
	}
	const what, noDocker = "nothing to do: cold diff", "docker service ls: there is no docker CLI on this machine"
	if w.docker != "" {
		r := ratios(ours.took, docker.took)
		t.add(what, ms(median(ours.took)), "docker service ls "+ms(median(docker.took)), ratio2(r), target(r, 2, "2"))
		t.add("  CPU of it", ms(median(ours.cpu)), "docker service ls "+ms(median(docker.cpu)), ratio2(ratios(ours.cpu, docker.cpu)), "")
	} else {
		t.add(what, ms(median(ours.took)), noDocker, "", "")
		t.add("  CPU of it", ms(median(ours.cpu)), "", "", "")
	}
	t.add("", "", "bare ping, info and 4 lists, decoded, a process "+ms(median(bare.took)), ratio2(ratios(ours.took, bare.took)), "")
	t.add("", "", "the same in a process that runs "+ms(median(inProcess.took)), ratio2(ratios(ours.took, inProcess.took)), "")
	if len(w.stack.again) > 0 {
		t.add("", "", fmt.Sprintf("docker stack deploy of what is there %s, %d writes", ms(median(w.stack.again)), w.stack.writes),
			fmt.Sprintf("%.3f", float64(median(ours.took))/float64(median(w.stack.again))), "")
	}
	return w.countCold(ctx, t)
}

func (w *world) countCold(ctx context.Context, t *table) error {
	for _, command := range []string{"diff", "apply"} {
		calls, _, _, err := w.count(w.command(ctx, w.counted, command))
		if err != nil {
			return err
		}
		t.add("  calls of "+command, fmt.Sprint(len(calls)), routes(calls), "", target(float64(len(calls)), 7, "7"))
		t.add("  writes of "+command, fmt.Sprint(len(writes(calls))), "", "", exactly(len(writes(calls)), 0, "0"))
	}
	return nil
}

// look makes the calls of test/bench/bare without starting a process.
func (w *world) look(ctx context.Context) (time.Duration, error) {
	begin := time.Now()
	for _, call := range []func() error{
		func() error { _, err := w.engine.Ping(ctx, client.PingOptions{}); return err },
		func() error { _, err := w.engine.Info(ctx, client.InfoOptions{}); return err },
		func() error { _, err := w.engine.NetworkList(ctx, client.NetworkListOptions{}); return err },
		func() error { _, err := w.engine.ConfigList(ctx, client.ConfigListOptions{}); return err },
		func() error { _, err := w.engine.SecretList(ctx, client.SecretListOptions{}); return err },
		func() error { _, err := w.engine.ServiceList(ctx, client.ServiceListOptions{}); return err },
	} {
		if err := call(); err != nil {
			return 0, err
		}
	}
	return time.Since(begin), nil
}
