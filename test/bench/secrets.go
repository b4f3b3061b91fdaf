package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// mostSecrets is how many secrets are compared at most. In a small world there are no more than services.
const mostSecrets = 100

func (w *world) secrets() int { return min(w.n, mostSecrets) }

const secretManifest = `apiVersion: swarm-operator.io/v1
kind: Secret
metadata: {name: %[1]s-%03[2]d}
spec: {data: "password %[2]d of %[1]s"}
---
`

// secrets measures what it costs to know secrets again: with a key, also beside all services, and without one.
func secrets(ctx context.Context, w *world, t *table) error {
	key := filepath.Join(w.dir, "hash.key")
	if err := os.WriteFile(key, []byte(strings.Repeat("0123456789abcdef", 4)), 0o400); err != nil {
		return err
	}
	keyed := func(source string) func(string) *exec.Cmd {
		return func(name string) *exec.Cmd {
			return w.command(ctx, w.direct, name, "--source", source, "--hash-key-file", key)
		}
	}
	few, err := w.secretsOf("with-key")
	if err != nil {
		return err
	}
	slow, err := w.secretsOf("without-key")
	if err != nil {
		return err
	}
	if err := w.repository.add("secrets.yaml", w.secretFile("bench")); err != nil {
		return err
	}
	beside, alone := keyed(w.repository.dir), keyed(few)
	guessed := func(name string) *exec.Cmd { return w.command(ctx, w.direct, name, "--source", slow) }
	for _, of := range []func(string) *exec.Cmd{beside, alone, guessed} {
		if _, err := timed(of("apply")); err != nil {
			return err
		}
	}
	var all, docker, bare, with, without times
	round := []func() error{
		all.process(func() *exec.Cmd { return beside("diff") }),
		bare.process(func() *exec.Cmd { return exec.CommandContext(ctx, w.bare, "look", w.direct) }),
		with.process(func() *exec.Cmd { return alone("diff") }),
		without.process(func() *exec.Cmd { return guessed("diff") }),
	}
	if w.docker != "" {
		round = append(round, docker.process(func() *exec.Cmd { return w.dockerCLI(ctx, w.direct, "service", "ls") }))
	}
	for i := range w.rounds {
		for j := range round { // see cold
			if err := round[(i+j)%len(round)](); err != nil {
				return err
			}
		}
	}
	what := fmt.Sprintf("nothing to do, with %d secrets and --hash-key-file: cold diff", w.secrets())
	if w.docker != "" {
		r := ratios(all.took, docker.took)
		t.add(what, ms(median(all.took)), "docker service ls "+ms(median(docker.took)), ratio2(r), target(r, 2, "2"))
	} else {
		t.add(what, ms(median(all.took)), "docker service ls: there is no docker CLI on this machine", "", "")
	}
	t.add("", "", "bare ping, info and 4 lists, decoded, a process "+ms(median(bare.took)), ratio2(ratios(all.took, bare.took)), "")
	more := w.perSecret(with.took, without.took)
	t.add("  without a key: for each secret, more", ms(more), fmt.Sprintf("cold diff of %d secrets alone: %s with a key, %s without", w.secrets(), ms(median(with.took)), ms(median(without.took))),
		"", target(float64(more), float64(20*time.Millisecond), "20 ms"))
	cpu := w.perSecret(with.cpu, without.cpu)
	t.add("  CPU of it", ms(cpu), "", "", "")
	calls, _, _, err := w.count(w.command(ctx, w.counted, "apply", "--hash-key-file", key))
	if err != nil {
		return err
	}
	t.add("  writes of apply, with secrets", fmt.Sprint(len(writes(calls))), "", "", exactly(len(writes(calls)), 0, "0"))
	return nil
}

// perSecret returns the median of what the rounds took longer, divided by the number of secrets.
func (w *world) perSecret(with, without []time.Duration) time.Duration {
	var out []time.Duration
	for i := range with {
		out = append(out, (without[i]-with[i])/time.Duration(w.secrets()))
	}
	return median(out)
}

// secretsOf makes a source that has the secrets alone, and returns its directory.
func (w *world) secretsOf(name string) (string, error) {
	dir := filepath.Join(w.dir, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, ".swarm-operator.yaml"), []byte("name: "+name+"\n"), 0o644); err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "secrets.yaml"), []byte(w.secretFile(name)), 0o644)
}

func (w *world) secretFile(source string) string {
	var b strings.Builder
	for i := range w.secrets() {
		fmt.Fprintf(&b, secretManifest, source, i)
	}
	return b.String()
}
