package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/spf13/cobra"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

func newRetry() *cobra.Command {
	var f actFlags
	cmd := &cobra.Command{
		Use:   "retry KIND/NAME",
		Short: "Try once more what failed",
		Long: `If the swarm gave up on what a manifest asks for, the operator does not try that again until git changes it. Retry has it tried once
more, if the cause was not in the manifest. An update that the swarm has paused goes on; docker service rollback then no longer leads
back to the spec before it. Neither happens while the object is on hold.`,
		Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := parseObject(args[0])
			if err != nil {
				return err
			}
			return f.onSource(cmd, func(ctx context.Context, a *acting, source string) error { return a.retry(ctx, source, key) })
		},
	}
	f.register(cmd, true)
	cmd.ValidArgsFunction = f.vocabulary().object(1)
	return cmd
}

func (a *acting) retry(ctx context.Context, source string, key v1.Key) error {
	held := state.NewWatch(a.engine, source, time.Now).Check(ctx, key)
	if held != nil && !errors.Is(held, state.ErrOnHold) {
		return held
	}
	memory, err := a.memory(ctx, source)
	if err != nil {
		return err
	}
	_, why, err := pardon(memory.Failed, key)
	if err != nil {
		return err
	}
	objects, err := owned(ctx, a.engine, source, memory)
	if err != nil {
		return err
	}
	done := false
	i := slices.IndexFunc(objects, func(o object) bool { return o.key == key })
	switch {
	case i < 0 || objects[i].kind.Retry == nil:
	case held != nil && paused(objects[i]):
		return fmt.Errorf("%s stays paused, because %w", key, held)
	case held == nil:
		var no string
		if done, no, err = fresh(ctx, a.engine, objects[i], objects[i].kind.Retry); err != nil {
			return err
		}
		if no != "" {
			return fmt.Errorf("%s cannot be tried again: %s", key, no)
		}
	}
	if err := a.edit(ctx, source, func(m *state.Memory) (err error) {
		if m.Failed, _, err = pardon(m.Failed, key); err == nil {
			m.Again(state.Failed)
		}
		return err
	}); err != nil {
		return err
	}
	a.done.Objects = append(a.done.Objects, actedOn{key, v1.Scrub(why)})
	a.say("%s: may be tried again; it had failed: %s", key, why)
	if held != nil {
		a.note("nothing is written while %v", held)
	}
	if done {
		a.say("%s: its paused update goes on", key)
	}
	return nil
}

// paused reports whether the swarm has paused an object's update.
func paused(o object) bool {
	return o.kind.Observe != nil && o.kind.Observe(o.live, nil, nil).State == string(swarm.UpdateStatePaused)
}

// pardon changes the record of a failure so that it condemns nothing. It keeps when the failure began. Otherwise the
// engine's report of it, which is still there, would be taken for a new failure. It returns why the object had
// failed.
func pardon(failed []plan.Failure, key v1.Key) ([]plan.Failure, string, error) {
	i := slices.IndexFunc(failed, func(f plan.Failure) bool { return f.Key == key && f.Digest != "" })
	if i < 0 {
		return nil, "", fmt.Errorf("no failure of %s is on record, so there is nothing to retry%s", key, others(failed))
	}
	why := failed[i].Why
	failed = slices.Clone(failed)
	if failed[i].Began.IsZero() {
		return slices.Delete(failed, i, i+1), why, nil
	}
	failed[i].Digest = ""
	return failed, why, nil
}

func others(failed []plan.Failure) string {
	var keys []string
	for _, f := range failed {
		if f.Digest != "" {
			keys = append(keys, f.Key.String())
		}
	}
	if len(keys) == 0 {
		return "; nothing of this source has failed"
	}
	return "; there are failures of " + strings.Join(keys, ", ")
}
