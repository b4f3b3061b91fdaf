package act

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/apply"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/sandbox"
	"github.com/swarm-operator/swarm-operator/test/small"
)

// Whatever exists after a step is on record by its id. If the engine did not say what became of a step, the object stays
// noted as one that may exist. If the engine refused it, nobody may take an object that another person makes for it.
func TestWhatMayExistAfterAStep(t *testing.T) {
	lan := v1.Key{Kind: v1.KindNetwork, Name: "lan"}
	had := &diff.State{Key: lan, Instance: "lan", Meta: diff.Meta{ID: "old"}}
	refs := func(ids ...string) (out []kinds.Ref) {
		for _, id := range ids {
			out = append(out, kinds.Ref{Kind: lan.Kind, ID: id})
		}
		return out
	}
	for name, test := range map[string]struct {
		open    bool // an earlier run may have made it
		unbegun bool
		have    *diff.State
		objects []kinds.Ref
		err     error
		made    string
		unsure  bool
	}{
		"it was made":                                 {objects: refs("new"), made: "new"},
		"it was made again":                           {have: had, objects: refs("old", "new"), made: "new"},
		"it was removed, and not made again":          {have: had, objects: refs("old"), err: errors.New("no answer"), unsure: true},
		"it was made, and the swarm has not taken it": {objects: refs("new"), err: errors.New("no driver"), made: "new"},
		"it is not there although it was made":        {objects: refs("new"), err: fmt.Errorf("creation: %w", apply.ErrNoEffect), unsure: true},
		"it was made and is not found":                {objects: refs("new"), err: fmt.Errorf("looking: %w", engine.ErrNotFound), unsure: true},
		"it was made again and is not found":          {have: had, objects: refs("old", "new"), err: engine.ErrNotFound, unsure: true},
		"an earlier run's was made now":               {open: true, objects: refs("new"), made: "new"},
		"nobody answered":                             {err: &engine.Error{Sent: true}, unsure: true},
		"nobody was asked":                            {err: &engine.Error{}},
		"it was not begun":                            {err: fmt.Errorf("on hold: %w", apply.ErrNotNow)},
		"the run ended":                               {err: apply.ErrStopped},
		"the lease was lost":                          {err: engine.ErrFenced},
		"what it refers to is not there":              {err: engine.ErrNotFound},
		"the step panicked":                           {err: errors.New("panic"), unsure: true},
		"no step came to it":                          {unbegun: true},
		"an earlier run may have made it":             {open: true, unbegun: true, unsure: true},
		"it is refused, and was not answered before":  {open: true, err: engine.ErrNotFound},
		"an earlier run's may have the name":          {open: true, err: errdefs.ErrConflict.WithMessage("network lan already exists"), unsure: true},
		"an earlier run's, and nobody was asked":      {open: true, err: apply.ErrStopped, unsure: true},
	} {
		var open []v1.Key
		if test.open {
			open = []v1.Key{lan}
		}
		m := newMaking(open)
		if !test.unbegun {
			m.ended(apply.Event{Step: plan.Step{Op: diff.Create, Key: lan, Change: diff.Change{Have: test.have}}, Objects: test.objects, Err: test.err})
		}
		want := map[string]v1.Key{}
		if test.made != "" {
			want[test.made] = lan
		}
		if d := cmp.Diff(want, m.made); d != "" || m.unsure[lan] != test.unsure {
			t.Errorf("%s: it may exist: %t; on record (-want +got):\n%s", name, m.unsure[lan], d)
		}
	}
}

// The memory right after the steps is one write among others. It must neither overwrite what a command wrote meanwhile nor be
// written by an instance that has lost the lease. The run then counts as outdated, and the note stays for the next one.
func TestWhatWasMadeIsPutOnRecordUnderTheLease(t *testing.T) {
	lan := v1.Key{Kind: v1.KindNetwork, Name: "lan"}
	for name, test := range map[string]struct {
		command bool // a command writes the memory during the steps
		fence   error
		fails   bool // the engine takes no configs
		stale   bool
		errs    int
	}{
		"nothing is in the way": {},
		"a command writes it":   {command: true, stale: true},
		"the lease is lost":     {fence: errors.New("another instance has it"), stale: true},
		"the engine refuses":    {fails: true, errs: 1},
	} {
		t.Run(name, func(t *testing.T) {
			sb := small.Swarm(t)
			c := small.Engine(t, sb, nil)
			store := state.NewStore("shop", c)
			m, err := state.New("shop")
			if err != nil {
				t.Fatal(err)
			}
			m.Making = []v1.Key{lan}
			saved, err := store.Save(t.Context(), state.Found{}, m)
			if err != nil {
				t.Fatal(err)
			}
			if test.command {
				byCommand := m
				byCommand.Owned = 7
				if _, err := store.Save(t.Context(), saved, byCommand); err != nil {
					t.Fatal(err)
				}
			}
			if test.fails {
				defer sb.Inject(sandbox.Fault{Method: http.MethodPost, Path: "/configs/create$", Count: 1000, Status: http.StatusInternalServerError, Message: "the disk is full"})()
			}
			run := &Run{Decision: &decide.Decision{}, Store: store}
			run.Source, run.Memory, run.Found = "shop", m, saved
			run.Plan.Steps = []plan.Step{{Op: diff.Create, Key: lan}}
			a := New(Options{Engine: c, Log: logr.Discard(), Decider: decide.New(decide.Policy{})})
			d := &doing{Actor: a, run: run, done: tried{}, saved: saved, making: newMaking(nil)}
			d.ended(apply.Event{Step: run.Plan.Steps[0], Objects: []kinds.Ref{{Kind: lan.Kind, ID: "new"}}})
			var out apply.Outcome
			ctx := engine.Fenced(t.Context(), engine.Fence{Check: func() error { return test.fence }})
			if err := d.register(ctx, &out); err != nil || out.Stale != test.stale || len(out.Errs) != test.errs {
				t.Errorf("outdated: %t, errors %v, %v", out.Stale, out.Errs, err)
			}
			list, err := c.ConfigList(t.Context(), client.ConfigListOptions{})
			if err != nil {
				t.Fatal(err)
			}
			var configs []*swarm.Config
			for i := range list.Items {
				configs = append(configs, &list.Items[i])
			}
			found, err := store.Find(configs)
			if err != nil {
				t.Fatal(err)
			}
			want := m
			switch {
			case test.command:
				want.Owned = 7
			case !test.stale && test.errs == 0:
				want.Making, want.Made = nil, map[string]v1.Key{"new": lan}
			}
			if d := cmp.Diff(want, found.Memory); d != "" {
				t.Errorf("the memory (-want +got):\n%s", d)
			}
			if registered := !test.stale && test.errs == 0; d.registered != registered || (run.Found.Sequence == saved.Sequence) == registered {
				t.Errorf("written: %t; the run goes by memory %d", d.registered, run.Found.Sequence)
			}
		})
	}
}
