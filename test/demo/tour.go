package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
)

// soon is how long a step may wait for one state. It is long, so that a busy machine causes no failure.
const soon = 30 * time.Second

// show is a tour under way.
type show struct {
	*stage
	ctx context.Context
}

func (t *show) did(format string, a ...any) { t.say("did", format, a...) }
func (t *show) saw(format string, a ...any) { t.say("saw", format, a...) }

func (t *show) say(word, format string, a ...any) {
	fmt.Fprintf(t.out, "   %s  %s\n", word, strings.ReplaceAll(fmt.Sprintf(format, a...), "\n", "\n        "))
}

// tour shows what the operator is for. Each step fails unless the swarm's engine or the operator's report shows its
// result.
func tour(ctx context.Context, s *stage) error {
	begin := time.Now()
	t := &show{s, ctx}
	fmt.Fprintf(t.out, "It is %s. Beside it is a git repository; now the operator comes between them.\n\n", strings.SplitN(s.sandbox.log.last(), ":", 2)[0])
	steps := []struct {
		title string
		do    func() error
	}{
		{"A first commit is applied", t.firstCommit},
		{"A second commit is rolled out", t.secondCommit},
		{"A change by hand is reported and repaired", t.byHand},
		{"A roll-out that fails is remembered, and the next commit recovers", t.failing},
		{"A bad commit is refused with its reasons", t.badCommit},
		{"A removed manifest is pruned", t.removed},
		{"A manager dies, and another machine takes its place", t.managerDies},
	}
	for i, step := range steps {
		fmt.Fprintf(t.out, "%d. %s\n", i+1, step.title)
		stepBegin := time.Now()
		if err := step.do(); err != nil {
			return fmt.Errorf("step %d, %q: %w", i+1, step.title, err)
		}
		fmt.Fprintf(t.out, "   ok   %s\n\n", took(stepBegin))
	}
	fmt.Fprintf(t.out, "All %d steps came out, in %s. Run make demo on a terminal to try it by hand.\n", len(steps), took(begin))
	return nil
}

// took returns the time since begin as a person would say it.
func took(begin time.Time) string {
	d := time.Since(begin)
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// commit commits what was edited and says so.
func (t *show) commit(message, what string) error {
	hash, err := t.repository.commit(message)
	if err != nil {
		return err
	}
	t.revision = hash.String()
	t.did("commit %.10s %q: %s", t.revision, message, what)
	return nil
}

// settled waits until the operator has the last commit in force and nothing differs.
func (t *show) settled() (report, error) {
	return t.reported("the last commit in force and in sync", func(r report) bool { return r.Applied == t.revision && r.is("InSync") })
}

func (t *show) reported(what string, ok func(report) bool) (report, error) {
	var last report
	err := t.await(t.ctx, what+" in the drift report", soon, func() (string, bool, error) {
		r, err := t.report(t.ctx)
		if err != nil {
			return "", false, err
		}
		last = r
		return r.String(), ok(r), nil
	})
	return last, err
}

func (t *show) firstCommit() error {
	t.did("commit %.10s with the manifests of %s", t.revision, t.examples)
	t.did("swarm-operator run --source %s --host %s --repair-after 2s", t.repository.dir, t.host)
	begin := time.Now()
	if err := t.operate(t.ctx, 2*time.Second); err != nil {
		return err
	}
	r, err := t.settled()
	if err != nil {
		return err
	}
	t.saw("revision %.10s in force and in sync after %s; created:", r.Applied, took(begin))
	for i := len(r.Drift) - 1; i >= 0; i-- { // oldest first
		if d := r.Drift[i]; d.Done == "created" {
			t.saw("  %s", d.Object)
		}
	}
	for _, name := range []string{"api", "node-metrics", "web"} {
		v, err := t.until(t.ctx, name, "running in full", soon, service.rolledOut)
		if err != nil {
			return err
		}
		t.saw("service %s", v)
	}
	if err := t.status(); err != nil {
		return err
	}
	return t.inSync()
}

// inSync asks the diff command as a second witness.
func (t *show) inSync() error {
	out, err := t.command("diff", "--source", t.repository.dir, "--host", t.host)
	if err != nil {
		return err
	}
	t.saw("swarm-operator diff exits 0: %s", out)
	return nil
}

// status shows the output of the status command.
func (t *show) status() error {
	out, err := t.command("status", "--operator", t.address)
	if err != nil {
		return err
	}
	t.did("swarm-operator status")
	t.saw("%s", out)
	return nil
}

// command runs swarm-operator to its end, and returns what it printed.
func (t *show) command(args ...string) (string, error) {
	p, err := start(filepath.Join(t.bin, "swarm-operator"), args...)
	if err != nil {
		return "", err
	}
	select {
	case <-p.done:
	case <-t.ctx.Done():
		return "", errors.Join(t.ctx.Err(), p.stop())
	}
	out := strings.Join(p.log.copy(), "\n")
	if p.err != nil {
		return "", fmt.Errorf("swarm-operator %s: %w: %s", args[0], p.err, out)
	}
	return out, nil
}

func (t *show) secondCommit() error { return t.roll("nginx:1.27", "nginx:1.28") }

// roll changes the image of web by a commit and waits until it is rolled out. One service is written, once.
func (t *show) roll(from, to string) error {
	before, err := t.services(t.ctx)
	if err != nil {
		return err
	}
	if err := t.repository.edit("web.yaml", "image: "+from, "image: "+to); err != nil {
		return err
	}
	if err := t.commit("Use "+to, "image of web from "+from+" to "+to); err != nil {
		return err
	}
	begin := time.Now()
	if _, err := t.until(t.ctx, "web", "having image "+to, soon, func(v service) bool { return v.image() == to }); err != nil {
		return err
	}
	t.saw("the service was written %d ms after the commit", time.Since(begin).Milliseconds())
	v, err := t.until(t.ctx, "web", "rolled out", soon, func(v service) bool {
		return v.image() == to && v.update() == swarm.UpdateStateCompleted && v.rolledOut()
	})
	if err != nil {
		return err
	}
	t.saw("service %s (it was %d)", v, before["web"].Version.Index)
	if _, err := t.settled(); err != nil {
		return err
	}
	after, err := t.services(t.ctx)
	if err != nil {
		return err
	}
	if moved := others(before, after, "web"); len(moved) > 0 {
		return fmt.Errorf("only web changed in git, and yet these services were written: %s", strings.Join(moved, ", "))
	}
	t.saw("no other service was written: the versions of api and node-metrics are what they were")
	return nil
}

func (t *show) byHand() error {
	begin := time.Now()
	if err := t.scale(t.ctx, "web", 5); err != nil {
		return err
	}
	t.did("docker service scale web=5, while git says 2")
	hand := func(d drift) bool {
		return len(d.Fields) == 1 && d.Fields[0].Path == "spec.replicas" && d.Fields[0].Have == "5" && d.By == "hand"
	}
	r, err := t.reported("the change by hand", func(r report) bool { _, ok := r.find("Service/web", hand); return ok })
	if err != nil {
		return err
	}
	d, _ := r.find("Service/web", hand)
	t.saw("/api/v1/drift, after %s: %s", took(begin), d)
	repaired := func(d drift) bool { return hand(d) && d.Done == "repaired" }
	if r, err = t.reported("the repair", func(r report) bool { _, ok := r.find("Service/web", repaired); return ok }); err != nil {
		return err
	}
	d, _ = r.find("Service/web", repaired)
	t.saw("/api/v1/drift, %.1f s after it was first seen: %s", d.DoneAt.Sub(d.Since).Seconds(), d.Done)
	v, err := t.until(t.ctx, "web", "at 2 tasks", soon, func(v service) bool {
		return *v.Spec.Mode.Replicated.Replicas == 2 && v.ServiceStatus.DesiredTasks == 2 && v.ServiceStatus.RunningTasks == 2
	})
	if err == nil {
		t.saw("service %s", v)
		_, err = t.settled()
	}
	return err
}
