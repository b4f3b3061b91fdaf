package act

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-logr/logr"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/apply"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/sinks"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// If a run is told to stop while its steps wait for a look at the holds, the steps have not failed: they are put off. The
// operator that goes on would otherwise wait until their next try.
func TestStepsOfARunThatIsStoppedHaveNotFailed(t *testing.T) {
	nobody, err := engine.Open(engine.Options{Host: "unix://" + t.TempDir() + "/nobody.sock"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nobody.Close() }()
	a := New(Options{Engine: nobody, Log: logr.Discard(), Now: time.Now})
	ctx, stop := context.WithCancel(t.Context())
	check := a.held(ctx, &Run{Decision: &decide.Decision{}})
	if err := check(ctx, v1.Key{Kind: v1.KindService, Name: "web"}); err == nil || errors.Is(err, apply.ErrStopped) {
		t.Errorf("without an engine the look says %v, want an error of its own", err)
	}
	stop()
	err = check(ctx, v1.Key{Kind: v1.KindService, Name: "web"})
	if !errors.Is(err, apply.ErrStopped) {
		t.Errorf("after the stop it says %v", err)
	}
	// Nor does a stop count as a try if the step has failed before.
	step := stepOn(diff.Create, "web", 0)
	run := &Run{Decision: &decide.Decision{}}
	run.Whole, run.Facts.Troubles = true, map[string]plan.Trouble{step.Name(): {Tries: 1}}
	if !a.outdated(run)(step, err) {
		t.Error("a step that the stop has put off counts as failed once more")
	}
}

// Tokens and keys that a run was to deliver when it was told to stop are still to be delivered, and nothing has failed.
func TestDeliveriesOfARunThatIsStoppedWait(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	all := []Delivery{{Of: kinds.WorkerToken}, {Of: kinds.UnlockKey}}
	done, left, errs := (&Actor{}).deliver(ctx, all)
	if len(done) > 0 || len(left) != len(all) || len(errs) > 0 {
		t.Errorf("%v delivered, %d left, errors %v", done, len(left), errs)
	}
}

// If a run is told to stop before it has proven where a new token or key can go, no delivery has failed. The token or key is
// not made.
func TestSinksOfARunThatIsStoppedHaveNotFailed(t *testing.T) {
	locks := stepOn(diff.Update, v1.ClusterName, 1)
	locks.Key = v1.Key{Kind: v1.KindCluster, Name: v1.ClusterName}
	locks.Fields = []diff.Field{plan.TextField("spec.autolock.enabled", "false", "true")}
	if decide.Makes(locks) != kinds.UnlockKey {
		t.Fatal("the step makes no key")
	}
	nowhere := sinks.Set{"nowhere": {Command: []string{"/nowhere"}}}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for name, test := range map[string]struct {
		ctx  context.Context
		errs int
	}{"it goes on": {t.Context(), 1}, "it is stopped": {stopped, 0}} {
		t.Run(name, func(t *testing.T) {
			run := &Run{Decision: &decide.Decision{}}
			run.Plan.Steps = []plan.Step{locks}
			run.Entries = []kinds.Entry{{Object: &v1.Cluster{Spec: v1.ClusterSpec{Autolock: &v1.Autolock{Escrow: "nowhere"}}}}}
			d := &doing{Actor: &Actor{Options: Options{Sinks: nowhere}}, run: run, done: tried{}, delivers: true}
			var out apply.Outcome
			if err := d.prove(test.ctx, &out); err != nil || len(d.plan.Steps) > 0 {
				t.Errorf("%d steps are left, %v", len(d.plan.Steps), err)
			}
			d.tell(&out)
			_, noted := d.done[decide.Delivering]
			if len(out.Errs) != test.errs || noted != (test.errs > 0) || (run.DeliveryErr != nil) != noted {
				t.Errorf("the errors are %v, want %d; noted as failed: %t, %v", out.Errs, test.errs, noted, run.DeliveryErr)
			}
		})
	}
}
