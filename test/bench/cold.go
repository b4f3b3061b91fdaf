package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/moby/moby/client"
)

// cold measures commands that start, look and exit, on a swarm that is as git says.
func cold(ctx context.Context, w *world, t *table) error {
	if err := w.applied(ctx); err != nil {
		return err
	}
	var ours, docker, bare, inProcess []time.Duration
	round := []struct {
		out *[]time.Duration
		do  func() (time.Duration, error)
	}{
		{&ours, func() (time.Duration, error) { return timed(w.command(ctx, "diff")) }},
		{&bare, func() (time.Duration, error) { return timed(exec.CommandContext(ctx, w.bare, w.host)) }},
		{&inProcess, func() (time.Duration, error) { return w.look(ctx) }},
	}
	if w.docker != "" {
		round = append(round, struct {
			out *[]time.Duration
			do  func() (time.Duration, error)
		}{&docker, func() (time.Duration, error) { return timed(w.dockerServiceLs(ctx)) }})
	}
	for i := range w.rounds {
		for j := range round { // each round begins with another one: what runs after it is disturbed by nobody in particular
			one := round[(i+j)%len(round)]
			took, err := one.do()
			if err != nil {
				return err
			}
			*one.out = append(*one.out, took)
		}
	}
	const what = "nothing to do: cold diff"
	if w.docker != "" {
		r := ratios(ours, docker)
		t.add(what, ms(median(ours)), "docker service ls "+ms(median(docker)), fmt.Sprintf("%.2f", r), target(r, 2, "2"))
	} else {
		t.add(what, ms(median(ours)), "docker service ls: there is no docker CLI on this machine", "", "")
	}
	t.add("", "", "bare ping, info and 4 lists, decoded, a process "+ms(median(bare)), fmt.Sprintf("%.2f", ratios(ours, bare)), "")
	t.add("", "", "the same in a process that runs "+ms(median(inProcess)), fmt.Sprintf("%.2f", ratios(ours, inProcess)), "")
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
