package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/state"
)

func newResume() *cobra.Command {
	var f actFlags
	cmd := &cobra.Command{
		Use:   "resume KIND/NAME|SOURCE|all",
		Short: "End holds, and take back what was released",
		Long: `Ends every hold on exactly that. An object that was released belongs to its source again. For a source it also says that what
is found in the swarm is right, where the operator only observes because its memory is gone or old, or nodes are missing; and
takes back all that was released.`,
		Args: cobra.ExactArgs(1),
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
		a.done.Holds = append(a.done.Holds, h.Hold)
		a.say("%s: ended the hold %s: %s", t.text, h.Name, h.Text())
	}
	if err != nil {
		return err
	}
	did := len(ended) > 0
	switch {
	case t.object():
		taken, err := a.takeBack(ctx, t.key)
		if err != nil {
			return err
		}
		did = did || taken
	case t.source() != "":
		if err := a.known(ctx, t.source()); err != nil && !did {
			return err
		}
		return a.resumeSource(ctx, t.source())
	}
	if !did {
		a.note("nothing to resume: %s is not on hold", t.text)
	}
	return nil
}

// known refuses a source that nothing in the swarm is of: no memory, and no object with its labels. A slip of the pen would make
// a memory of its own, which every command would see from then on.
func (a *acting) known(ctx context.Context, source string) error {
	sources := state.Sources(a.own)
	if slices.Contains(sources, source) {
		return nil
	}
	objects, err := owned(ctx, a.engine, source, state.Memory{})
	if err != nil || len(objects) > 0 {
		return err
	}
	return fmt.Errorf("source %s is not known to this swarm%s; %s; an object is KIND/NAME, and all is every hold on everything", source, v1.DidYouMean(source, sources), listed(sources))
}

// takeBack lets the source have an object again that it had released.
func (a *acting) takeBack(ctx context.Context, key v1.Key) (did bool, err error) {
	source, err := a.source()
	if err != nil {
		if a.name != "" {
			return false, err
		}
		return false, nil // the hold was on the object of whatever source
	}
	err = a.edit(ctx, source, func(m *state.Memory) error {
		if m.ReleasedAll {
			a.note("source %s was released as a whole; to take all of it back: swarm-operator resume %s", source, source)
		}
		i := slices.Index(m.Released, key)
		if did = i >= 0; did {
			m.Released = slices.Delete(slices.Clone(m.Released), i, i+1)
			m.Nonce = "" // where its labels are still on it, it is on record again
		}
		return nil
	})
	if did && err == nil {
		a.done.Objects = append(a.done.Objects, actedOn{Object: key})
		a.say("%s: source %s has it again", key, source)
	}
	return did, err
}

// resumeSource says that what is found is right.
func (a *acting) resumeSource(ctx context.Context, source string) error {
	var did []string
	err := state.NewStore(source, a.engine).Edit(ctx, func(found state.Found, m *state.Memory) (err error) {
		did = nil
		if found.Sequence == 0 {
			if *m, err = state.New(source); err != nil {
				return err
			}
			did = append(did, "made a new memory, because it had none")
		}
		if n := len(m.Released); n > 0 || m.ReleasedAll {
			did = append(did, "took back what was released")
		}
		m.Released, m.ReleasedAll = nil, false
		m.Nodes, m.Managers = 0, 0 // filled in anew by who acts next
		m.Resumed = time.Now().UTC()
		m.Nonce = "" // what has labels of the source is on record from now on
		return nil
	})
	if err != nil {
		return fmt.Errorf("resuming source %s: %w", source, err)
	}
	for _, text := range append(did, "what is found in the swarm counts from now on") {
		a.say("source %s: %s", source, text)
	}
	if others := state.Sources(a.own); len(others) > 0 && !slices.Contains(others, source) {
		a.note("it was not known to this swarm; %s", listed(others))
	}
	return nil
}
