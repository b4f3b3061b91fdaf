package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/state"
)

func newUnmanage() *cobra.Command {
	var f actFlags
	var everything, forget bool
	cmd := &cobra.Command{
		Use:   "unmanage KIND/NAME...|--all",
		Short: "Forget objects and leave them running",
		Long: `The source gives objects up: the operator neither changes nor removes them any more, whatever git says, until swarm-operator resume.
Unmanage takes off the labels that say whose the objects are, unless that would disturb something that runs; given once more, it takes
off what was left. docker service rollback goes back to the same spec afterwards.

With --forget it removes the memory of a source that has nothing any more, or has given up all it had, for example one that was made by
a typing mistake. Nothing is left to resume then. End operators of that source first.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			keys, err := parseObjects(args)
			switch {
			case err != nil:
				return err
			case everything && len(keys) > 0:
				return fmt.Errorf("--all: it means every object of the source; leave it out, or leave out %s", list(keys))
			case !everything && !forget && len(keys) == 0:
				return errors.New("say what the source gives up: name objects as KIND/NAME, or give --all for every object that it has")
			case forget && !everything:
				return errors.New("--forget: it needs --all, because it removes the whole memory of a source")
			}
			return f.onSource(cmd, func(ctx context.Context, a *acting, source string) error {
				if forget {
					return a.forget(ctx, source)
				}
				return a.unmanage(ctx, source, keys)
			})
		},
	}
	f.register(cmd, true)
	cmd.ValidArgsFunction = f.vocabulary().object(0)
	cmd.Flags().BoolVar(&everything, "all", false, "every object that the source has")
	cmd.Flags().BoolVar(&forget, "forget", false, "with --all: remove the memory of a source that has nothing any more, or has given up all it had")
	return cmd
}

// unmanage gives up the objects of the source that keys name, or all of them if keys is empty.
func (a *acting) unmanage(ctx context.Context, source string, keys []v1.Key) error {
	memory, err := a.memory(ctx, source)
	if err != nil {
		return err
	}
	objects, err := owned(ctx, a.engine, source, memory)
	if err != nil {
		return err
	}
	if err := known(source, keys, objects, memory); err != nil {
		return err
	}
	// Write the memory first. An object without labels that the memory does not list as unmanaged would be adopted
	// again.
	if err := a.edit(ctx, source, func(m *state.Memory) error {
		record(m, keys, objects)
		m.GiveUp(keys)
		return nil
	}); err != nil {
		return err
	}
	holds := state.NewWatch(a.engine, source, time.Now)
	var failed []error
	for _, o := range objects {
		if len(keys) > 0 && !slices.Contains(keys, o.key) {
			continue
		}
		a.done.Objects = append(a.done.Objects, actedOn{Object: o.key})
		if err := a.unlabel(ctx, holds, o); err != nil {
			failed = append(failed, err)
		}
	}
	switch {
	case len(keys) == 0:
		a.say("source %s has given up all it had; to take it back: swarm-operator resume %s", source, source)
	default:
		a.say("source %s has given up %s; to take it back: swarm-operator resume %s", source, list(keys), keys[0])
	}
	return errors.Join(failed...)
}

// forget removes the memory of a source. The source's objects must have been given up before, because that can be
// taken back.
func (a *acting) forget(ctx context.Context, source string) error {
	memory, err := a.memory(ctx, source)
	if err != nil {
		return err
	}
	objects, err := owned(ctx, a.engine, source, memory)
	switch {
	case err != nil:
		return err
	case len(objects) > 0 && !memory.ReleasedAll:
		return fmt.Errorf("source %s has %s in this swarm, such as %s, and without a memory nobody would own them; give them up first, which resume can take back: swarm-operator unmanage --all --name %s",
			source, v1.Count(len(objects), "object"), objects[0].key, source)
	}
	if err := state.NewStore(source, a.engine).Forget(ctx); err != nil {
		return err
	}
	a.say("source %s: its memory is removed from the swarm", source)
	return nil
}

func (a *acting) unlabel(ctx context.Context, holds *state.Watch, o object) error {
	if err := holds.Check(ctx, o.key); errors.Is(err, state.ErrOnHold) {
		a.say("%s: unmanaged; its labels stay while %v", o, err)
		return nil
	} else if err != nil {
		return err
	}
	done, why, err := fresh(ctx, a.engine, o, o.kind.Release)
	switch {
	case engine.IsNotFound(err):
		a.say("%s: unmanaged; it is gone", o)
	case err != nil:
		a.say("%s: unmanaged; its labels stay: %v", o, err)
		return err
	case done:
		a.say("%s: unmanaged, its labels are taken off", o)
	case why != "":
		a.say("%s: unmanaged; %s", o, why)
	default:
		a.say("%s: unmanaged; it has no labels of ours", o)
	}
	return nil
}

func list(keys []v1.Key) string {
	var out []string
	for _, k := range keys {
		out = append(out, k.String())
	}
	return strings.Join(out, ", ")
}

// record puts objects on record that the source made and that no run has recorded yet. When their labels are off, only
// the record says whose they are.
func record(m *state.Memory, keys []v1.Key, objects []object) {
	made := maps.Clone(m.Made)
	for _, o := range objects {
		_, known := m.Made[o.live.ID]
		_, adopted := m.Adopted[o.live.ID]
		ours := m.Nonce == "" || o.live.Labels[v1.LabelMade] == m.Nonce
		if known || adopted || !ours || o.kind.Partial || len(keys) > 0 && !slices.Contains(keys, o.key) {
			continue
		}
		if made == nil {
			made = map[string]v1.Key{}
		}
		made[o.live.ID] = o.key
	}
	m.Made = made
}

// known refuses names that match nothing. Otherwise a person would believe that a mistyped object is unmanaged.
func known(source string, keys []v1.Key, objects []object, m state.Memory) error {
	has := map[v1.Key]bool{}
	var all []v1.Key
	for _, o := range objects {
		has[o.key] = true
		all = append(all, o.key)
	}
	for _, k := range m.Released {
		has[k] = true
	}
	for _, k := range keys {
		if !has[k] {
			return fmt.Errorf("source %s has no %s in this swarm%s", source, k, didYouMean(nearObject(k, all)))
		}
	}
	return nil
}
