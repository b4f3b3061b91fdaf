package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/moby/moby/client"
)

// times are those of one command, and what it used of processors.
type times struct{ took, cpu []time.Duration }

// cold measures commands that start, look and exit, on a swarm that is as git says.
func cold(ctx context.Context, w *world, t *table) error {
	if err := w.applied(ctx); err != nil {
		return err
	}
	var ours, docker, bare, inProcess times
	process := func(out *times, make func() *exec.Cmd) func() error {
		return func() error {
			cmd := make()
			took, err := timed(cmd)
			if err == nil {
				out.took, out.cpu = append(out.took, took), append(out.cpu, spent(cmd))
			}
			return err
		}
	}
	round := []func() error{
		process(&ours, func() *exec.Cmd { return w.command(ctx, "diff") }),
		process(&bare, func() *exec.Cmd { return exec.CommandContext(ctx, w.bare, w.host) }),
		func() error {
			took, err := w.look(ctx)
			inProcess.took = append(inProcess.took, took)
			return err
		},
	}
	if w.docker != "" {
		round = append(round, process(&docker, func() *exec.Cmd { return w.dockerServiceLs(ctx) }))
	}
	for i := range w.rounds {
		for j := range round { // each round begins with another one, so that none always runs after the same
			if err := round[(i+j)%len(round)](); err != nil {
				return err
			}
		}
	}
	const what = "nothing to do: cold diff"
	if w.docker != "" {
		r := ratios(ours.took, docker.took)
		t.add(what, ms(median(ours.took)), "docker service ls "+ms(median(docker.took)), fmt.Sprintf("%.2f", r), target(r, 2, "2"))
		t.add("  CPU of it", ms(median(ours.cpu)), "docker service ls "+ms(median(docker.cpu)), fmt.Sprintf("%.2f", ratios(ours.cpu, docker.cpu)), "")
	} else {
		t.add(what, ms(median(ours.took)), "docker service ls: there is no docker CLI on this machine", "", "")
		t.add("  CPU of it", ms(median(ours.cpu)), "", "", "")
	}
	t.add("", "", "bare ping, info and 4 lists, decoded, a process "+ms(median(bare.took)), fmt.Sprintf("%.2f", ratios(ours.took, bare.took)), "")
	t.add("", "", "the same in a process that runs "+ms(median(inProcess.took)), fmt.Sprintf("%.2f", ratios(ours.took, inProcess.took)), "")
	for _, command := range []string{"diff", "apply"} {
		w.traffic.reset()
		if _, err := timed(w.command(ctx, command)); err != nil {
			return err
		}
		calls, _ := w.traffic.seen()
		t.add("  calls of "+command, fmt.Sprint(len(calls)), routes(calls), "", target(float64(len(calls)), 7, "7"))
		t.add("  writes of "+command, fmt.Sprint(len(writes(calls))), "", "", exactly(len(writes(calls)), 0, "0"))
	}
	return nil
}

func (w *world) dockerServiceLs(ctx context.Context) *exec.Cmd {
	cmd := exec.CommandContext(ctx, w.docker, "service", "ls")
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+w.host)
	return cmd
}

// look is what test/bench/bare does, without starting a process.
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
