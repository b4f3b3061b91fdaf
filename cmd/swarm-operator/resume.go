package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/audit"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/controllers/observe"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

func newResume() *cobra.Command {
	var f actFlags
	cmd := &cobra.Command{
		Use:   "resume KIND/NAME|SOURCE|all",
		Short: "End holds, and take back what is unmanaged",
		Long: `Resume ends every hold on exactly this target, and takes back what was unmanaged: an object belongs to its source again, and a source
has everything again that it had given up. If the operator itself stopped because the swarm is not the one that it knew, use
swarm-operator confirm.`,
		Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := parseTarget(args[0])
			if err != nil {
				return err
			}
			a, err := f.open(cmd)
			if err != nil {
				return err
			}
			defer a.close()
			return a.end(a.leased(t.source(), func(ctx context.Context) error { return a.resume(ctx, t) }))
		},
	}
	f.register(cmd, true)
	cmd.ValidArgsFunction = f.vocabulary().target()
	return cmd
}

func (a *acting) resume(ctx context.Context, t target) error {
	ended, err := state.EndHolds(ctx, a.engine, t.text)
	a.done.Source = t.source()
	for _, h := range ended {
		audit.Stopped(ctx, h.Hold, who(), audit.Ended)
		a.done.Holds = append(a.done.Holds, h.Hold)
		a.say("%s: ended the hold %s: %s", t.text, h.Name, h.Text())
	}
	if err != nil {
		return err
	}
	did, source := len(ended) > 0, t.source()
	switch {
	case t.object():
		var taken bool
		source, taken, err = a.takeBack(ctx, t.key)
		if err != nil {
			return err
		}
		did = did || taken
	case t.source() != "":
		if err := a.known(ctx, t.source(), "; an object is KIND/NAME, and all is every hold on everything"); err != nil && !did {
			return err
		}
		if !slices.Contains(state.Sources(a.own), t.source()) { // without a memory, nothing can have been given up
			break
		}
		taken, err := a.takeAllBack(ctx, t.source())
		if err != nil {
			return err
		}
		did = did || taken
	}
	still, err := a.stillHeld(ctx, source, t)
	switch {
	case err != nil && did:
		a.note("%s may still be on hold: %v", t.text, err)
	case err != nil:
		return err
	case did:
		for _, h := range still {
			a.note("nothing is written to it yet: %s is on hold: %s; to end that: swarm-operator resume %s", h.Target, h.Text(), h.Target)
		}
	case len(still) > 0:
		a.note("nothing to resume: no hold is on %s itself, and %s is on hold: %s; to end that: swarm-operator resume %s", t.text, still[0].Target, still[0].Text(), still[0].Target)
	case t.source() != "":
		a.note("nothing to resume: source %s is not on hold, and nothing of it is unmanaged; if the operator waits until somebody has looked: swarm-operator confirm %s", t.text, t.text)
	default:
		a.note("nothing to resume: %s is not on hold", t.text)
	}
	return nil
}

// stillHeld returns the holds on something wider that cover the target as well. Without a source, only holds on all are
// known to cover an object.
func (a *acting) stillHeld(ctx context.Context, source string, t target) ([]state.Hold, error) {
	own, err := state.Read(ctx, a.engine)
	if err != nil {
		return nil, fmt.Errorf("looking for other holds: %w", err)
	}
	return slices.DeleteFunc(state.Holds(own), func(h state.Hold) bool { return !h.Covers(source, t.key, time.Now()) }), nil
}

// known refuses a source that has no memory in the swarm and whose labels are on no object. A misspelt name would
// otherwise get a memory, which every later command would see. hint says what the argument may be instead.
func (a *acting) known(ctx context.Context, source, hint string) error {
	sources := state.Sources(a.own)
	if slices.Contains(sources, source) {
		return nil
	}
	objects, err := owned(ctx, a.engine, source, state.Memory{})
	if err != nil || len(objects) > 0 {
		return err
	}
	return fmt.Errorf("source %s is not known to this swarm%s; %s%s", source, v1.DidYouMean(source, sources), listed(sources), hint)
}

// takeBack returns an object that the source had given up to the source. It also returns which source that is, and ""
// if nothing tells.
func (a *acting) takeBack(ctx context.Context, key v1.Key) (source string, did bool, err error) {
	source, err = a.source()
	if err != nil {
		if a.name != "" {
			return "", false, err
		}
		return "", false, nil // the hold was on the object, whichever source has it
	}
	gone, err := a.lost(ctx, source)
	if err != nil {
		return "", false, err
	}
	err = a.edit(ctx, source, func(m *state.Memory) error {
		m.ForgetRecords(func(id string, k v1.Key) bool { return k == key && m.GaveUp(k) && gone(id) })
		if m.ReleasedAll {
			a.note("source %s is unmanaged as a whole; to take all of it back: swarm-operator resume %s", source, source)
		}
		did = m.TakeBack(key)
		return nil
	})
	if did && err == nil {
		a.done.Objects = append(a.done.Objects, actedOn{Object: key})
		a.say("%s: source %s has it again", key, source)
	}
	return source, did, err
}

// takeAllBack returns to the source everything that it had given up.
func (a *acting) takeAllBack(ctx context.Context, source string) (did bool, err error) {
	gone, err := a.lost(ctx, source)
	if err != nil {
		return false, err
	}
	err = a.edit(ctx, source, func(m *state.Memory) error {
		m.ForgetRecords(func(id string, k v1.Key) bool { return m.GaveUp(k) && gone(id) })
		did = m.TakeAllBack()
		return nil
	})
	if err == nil && did {
		a.say("source %s: took back what was unmanaged", source)
	}
	return did, err
}

// lost returns a function that reports whether an object that the source gave up can no longer be taken back. It is
// gone, or another source has it on record by now. A removal while nobody managed the object is no change by hand. It
// fails if that cannot be known of all objects on record: one that was not seen would count as gone.
func (a *acting) lost(ctx context.Context, source string) (func(id string) bool, error) {
	memory, err := a.memory(ctx, source)
	if err != nil {
		return nil, err
	}
	there := map[string]bool{}
	for _, k := range all.Kinds() {
		if k.OnDemand {
			if !memory.Has(k.Name) {
				continue
			}
			if err := a.lists(ctx, k); err != nil {
				return nil, fmt.Errorf("looking for what source %s has on record: %w", source, err)
			}
		}
		lives, err := k.List(ctx, a.engine)
		if err != nil {
			return nil, err
		}
		for _, l := range lives {
			there[l.ID] = true
		}
	}
	others, _ := observe.RecordedByOthers(a.own, source)
	return func(id string) bool { return !there[id] || others[id] != "" }, nil
}

// lists fails if the engine is too old to list objects of a kind. It would then list none, although the swarm may have
// some.
func (a *acting) lists(ctx context.Context, k kinds.Kind) error {
	api, err := a.engine.Version(ctx)
	if err != nil {
		return err
	}
	if plan.LessAPI(api, k.SinceAPI) {
		return fmt.Errorf("a %s needs engine API %s, and this engine has %s, so it lists none: run this on a manager with a newer engine", k.Name, k.SinceAPI, api)
	}
	return nil
}
