package e2e

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// However often git and a person change an object on hold, it is not written. An object that is not on hold is.
func TestAHoldStandsUnderAStreamOfChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	c := w.commanded("stream")
	const timed = 12 * time.Second
	holds := map[string]func() (end func()){
		"by command": func() func() {
			c.command(0, "hold", "Service/web", "--reason", "an incident")
			return func() { c.command(0, "resume", "Service/web") }
		},
		"by command, for a while": func() func() {
			c.command(0, "hold", "Service/web", "--reason", "an incident", "--for", timed.String())
			return func() {}
		},
		"in plain docker": func() func() {
			made, err := w.api.ConfigCreate(w.Context(), client.ConfigCreateOptions{Spec: swarm.ConfigSpec{
				Annotations: swarm.Annotations{Name: "hold-web", Labels: map[string]string{"swarm-operator.io/hold": "Service/web"}}, Data: []byte("an incident\n"),
			}})
			if err != nil {
				t.Fatal(err)
			}
			return func() {
				if _, err := w.api.ConfigRemove(w.Context(), made.ID, client.ConfigRemoveOptions{}); err != nil {
					t.Fatal(err)
				}
			}
		},
	}
	id, n := w.service("web").ID, 0
	for how, hold := range everySecondOf(holds) {
		ctx, stop := context.WithCancel(t.Context())
		hand := make(chan int)
		go func() { // a person who changes the service all the time
			wrote := 0
			for tick := time.Tick(50 * time.Millisecond); ctx.Err() == nil; <-tick {
				if w.tryScale(ctx, id, uint64(2+wrote%3)) {
					wrote++
				}
			}
			hand <- wrote
		}()
		time.Sleep(200 * time.Millisecond) // now the operator is in the middle of its work
		asked := time.Now()
		end := hold()
		began := time.Now()
		// When somebody's own docker command has returned, a write may still be in flight, but not for longer than
		// one call.
		w.passes(300 * time.Millisecond)
		c.proxy.Reset()
		commits := 0
		for ; commits < 2 || time.Since(began) < 3*time.Second; commits++ {
			n++
			value := fmt.Sprintf("v%d", n)
			c.repo.commit(value, map[string]string{"web.yaml": c.manifest("web", value), "db.yaml": c.manifest("db", value)})
			c.has("db", value)
		}
		writes := writesTo(c.proxy.Calls(), id)
		// On a busy machine two commits may take longer than the hold; its end is in whole seconds
		if how == "by command, for a while" {
			writes = slices.DeleteFunc(writes, func(c harness.Call) bool { return c.At.After(asked.Add(timed - time.Second)) })
		}
		if len(writes) > 0 {
			t.Errorf("%s: what is on hold was written to:\n%s", how, lines(writes))
		}
		stop()
		if wrote := <-hand; wrote < 5 {
			t.Errorf("%s: %d changes by hand and %d commits test little", how, wrote, commits)
		}
		end()
		c.has("web", fmt.Sprintf("v%d", n))
		c.op.condition("OnHold", false)
	}
}

// What is on hold is left alone: it is not taken over, and a command does not write it. What a command only notes counts
// when the hold ends.
func TestWhatIsOnHoldIsNotTakenOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	one := uint64(1)
	w.createService(swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: "web"}, Mode: swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &one}},
		TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: "app:1"}},
	}, false)
	manifest := service("web", "image: app:1", "replicas: 1")
	r := w.repo("held", map[string]string{"db.yaml": service("db", "image: app:1", "replicas: 0"), "web.yaml": manifest, "bad.yaml": service("bad", "image: crash:1", "replicas: 1", quickRestart)})
	on := func(code int, args ...string) result {
		t.Helper()
		return w.want(code, append(args, "--host", w.host())...)
	}
	on(0, "hold", "Service/web", "--reason", "an incident")
	on(1, "apply", "--source", r.Dir, "--wait").says(t, "done: create Service/db", "on hold: an incident", "Service/bad")
	on(2, "unmanage", "Service/web", "--name", "held").says(t, "source held has no Service/web")
	on(0, "resume", "Service/web", "--name", "held")
	on(1, "apply", "--source", r.Dir, "--wait").says(t, "= Service/web")

	// A retry that would write nothing is noted. A hold on the source holds the object as well, and resume says so.
	on(0, "hold", "held", "--reason", "a look first")
	on(0, "retry", "Service/bad", "--name", "held").says(t, "Service/bad: may be tried again", "nothing is written while Service/bad is on hold: a look first")
	on(0, "unmanage", "Service/web", "--name", "held").says(t, "source held has given up Service/web")
	on(0, "resume", "Service/web", "--name", "held").says(t, "source held has it again", "held is on hold: a look first", "swarm-operator resume held")
	on(0, "resume", "held")
}
