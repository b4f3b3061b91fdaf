package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/swarm-operator/swarm-operator/controllers/state"
)

func newConfirm() *cobra.Command {
	var f actFlags
	cmd := &cobra.Command{
		Use:   "confirm SOURCE",
		Short: "Say that what is found in the swarm is right",
		Long: `The operator stops if its memory of a source is gone or old, or if nodes or managers are missing. Confirm says that what is in the
swarm now is right, and the operator goes on from there. Look at swarm-operator diff first. If the memory is gone, confirm makes a new
one. What somebody stopped, with hold or unmanage, stays stopped until swarm-operator resume.`,
		Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := parseTarget(args[0])
			switch {
			case err != nil:
				return err
			case t.source() == "":
				return fmt.Errorf("%s is no source, and confirm takes one; to end a hold on %[1]s: swarm-operator resume %[1]s", t.text)
			}
			a, err := f.open(cmd)
			if err != nil {
				return err
			}
			defer a.close()
			return a.end(a.leased(t.source(), func(ctx context.Context) error { return a.confirm(ctx, t.source()) }))
		},
	}
	f.register(cmd, false)
	cmd.ValidArgsFunction = f.vocabulary().sourceName()
	return cmd
}

// confirm records that what the swarm has now is right. If the source's memory is gone, it makes a new one.
func (a *acting) confirm(ctx context.Context, source string) error {
	a.done.Source = source
	if err := a.known(ctx, source, ""); err != nil {
		return err
	}
	made := false
	err := state.NewStore(source, a.engine).Confirm(ctx, func(found state.Found, m *state.Memory) (err error) {
		if made = found.Sequence == 0; made {
			if *m, err = state.New(source); err != nil {
				return err
			}
		}
		m.Nodes, m.Managers = 0, 0 // the operator that acts next counts them again
		m.Resumed = time.Now().UTC()
		m.Nonce = "" // from now on, every object that has labels of the source counts as on record
		return nil
	})
	if err != nil {
		return fmt.Errorf("confirming source %s: %w", source, err)
	}
	if made {
		a.say("source %s: made a new memory, because it had none", source)
	}
	a.say("source %s: what is found in the swarm counts from now on", source)
	if others := state.Sources(a.own); len(others) > 0 && !slices.Contains(others, source) {
		a.note("source %s was not known to this swarm; %s", source, listed(others))
	}
	return nil
}
