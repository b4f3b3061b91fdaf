package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/reconciler"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

func newWait() *cobra.Command {
	var src sourceFlags
	var eng engineFlags
	var revision string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "wait --revision SHA",
		Short: "Wait until the operator has rolled a revision out",
		Long: `Follows what the operator remembers; it is the operator that acts, and this writes nothing. Exits 0 where the revision is rolled
out, 1 where it failed, was refused or is held, or --timeout is over, 2 on errors, and 3 where a newer one took its place. With
--source it also knows that a revision which never was in force by itself is part of the one that is: 3 as well.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			sha, err := parseRevision(revision)
			if err != nil {
				return fmt.Errorf("--revision: %w", err)
			}
			c, _, err := eng.openQuiet(cmd)
			if err != nil {
				return err
			}
			defer c.Close()
			w := &waiting{cmd: cmd, engine: c, revision: sha, name: src.name}
			if cmd.Flags().Changed("source") {
				if err := w.open(&src); err != nil {
					return err
				}
				defer w.git.Close()
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			return w.run(ctx, timeout)
		},
	}
	eng.register(cmd)
	src.register(cmd, false)
	for name, usage := range map[string]string{
		"source": "directory, git checkout or repository `URL`, to tell which revision came after which (default: not asked)",
		"name":   "name of the source (default: name in .swarm-operator.yaml where --source is given, else the only one of the swarm)",
	} {
		cmd.Flags().Lookup(name).Usage = usage
	}
	cmd.Flags().StringVar(&revision, "revision", "", "commit to wait for, at least the first 7 digits of its hash")
	cmd.Flags().DurationVar(&timeout, "timeout", 15*time.Minute, "how long to wait")
	_ = cmd.MarkFlagRequired("revision") // fails only for a flag that there is not
	return cmd
}

// waiting follows a revision.
type waiting struct {
	cmd            *cobra.Command
	engine         *engine.Client
	revision, name string
	git            *git.Source // nil: not asked

	said string
	last error // of looking, nil once that works
}

// open opens the source, and takes its name from it where none is given.
func (w *waiting) open(src *sourceFlags) (err error) {
	if w.git, err = src.open(w.cmd.Context(), w.cmd.ErrOrStderr()); err != nil || w.name != "" {
		return err
	}
	commit, err := w.git.Head(w.cmd.Context())
	if err != nil {
		return err
	}
	set, _ := reconciler.NewLoader().Load(commit.Tree, src.root())
	if w.name = set.Name; w.name == "" {
		w.name = "default"
	}
	return nil
}

// look is how often it looks where no event comes.
const look = 2 * time.Second

// run looks whenever the operator may have noted something: its memory is a config, and a new one each time.
func (w *waiting) run(ctx context.Context, timeout time.Duration) error {
	events := w.engine.Events(ctx)
	for {
		v, err := w.look(ctx)
		switch {
		case ctx.Err() != nil:
			return w.over(timeout)
		case err != nil && !passing(err):
			return err
		case err == nil && v.final:
			return w.end(v)
		case err == nil && v.text != w.said:
			w.said = v.text
			fmt.Fprintln(w.cmd.OutOrStdout(), v1.Scrub(v.text))
		}
		w.last = err
		if !rest(ctx, events) {
			return w.over(timeout)
		}
	}
}

// rest waits for an event that may be about the memory, or some time.
func rest(ctx context.Context, events <-chan engine.Event) bool {
	timer := time.NewTimer(look)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		case e, open := <-events:
			if !open {
				events = nil
			} else if e.Type == "config" || e.Type == engine.Lost {
				return true
			}
		}
	}
}

// passing says whether an error may pass by itself.
func passing(err error) bool {
	var none noSource
	return errors.As(err, &none) || engine.IsUnavailable(err) || engine.IsNoQuorum(err) || engine.IsTimeout(err)
}

func (w *waiting) look(ctx context.Context) (verdict, error) {
	own, err := state.Read(ctx, w.engine)
	if err != nil {
		return verdict{}, err
	}
	source, err := pickSource(w.name, state.Sources(own))
	if err != nil {
		return verdict{}, err
	}
	found, err := state.NewStore(source, w.engine).Find(own)
	if err != nil {
		return verdict{}, err
	}
	v := judge(found.Memory, w.revision)
	if v.seen || w.git == nil || found.Memory.InForce.Hash == "" {
		return v, nil
	}
	// Where the history of git does not tell, the memory will.
	if part, err := w.git.IsAncestor(ctx, w.revision, found.Memory.InForce.Hash); err == nil && part {
		return superseded(w.revision, found.Memory.InForce.Hash), nil
	}
	return v, nil
}

// verdict is what there is to say of a revision.
type verdict struct {
	seen  bool // it was in force, or refused
	final bool
	code  int
	text  string
}

func superseded(revision, by string) verdict {
	return verdict{seen: true, final: true, code: exitSuperseded, text: fmt.Sprintf("revision %s was overtaken: %s is in force", short(revision), short(by))}
}

// judge says what a memory knows of a revision.
func judge(m state.Memory, revision string) verdict {
	name := "revision " + short(revision)
	if r := m.Refused; r != nil && r.Is(revision) {
		return verdict{true, true, exitDiffers, name + " is refused: " + r.Why}
	}
	for i := len(m.History) - 1; i >= 0; i-- {
		e := m.History[i]
		if !e.Is(revision) {
			continue
		}
		switch e.Outcome {
		case state.RolledOut:
			return verdict{true, true, 0, name + " is rolled out"}
		case "":
			if i < len(m.History)-1 || e.Hash != m.InForce.Hash {
				return superseded(revision, m.InForce.Hash)
			}
			return verdict{seen: true, text: name + " is in force and rolls out"}
		default:
			return verdict{true, true, exitDiffers, fmt.Sprintf("%s %s: %s", name, outcomeText(e.Outcome), e.Why)}
		}
	}
	return verdict{text: fmt.Sprintf("%s was not seen yet; %s", name, inForceText(m.InForce.Hash))}
}

func outcomeText(outcome string) string {
	if outcome == state.Held {
		return "waits for a person"
	}
	return outcome
}

func (w *waiting) end(v verdict) error {
	if v.code == 0 {
		fmt.Fprintln(w.cmd.OutOrStdout(), v.text)
		return nil
	}
	return exit{v.code, errors.New(v.text)}
}

func (w *waiting) over(timeout time.Duration) error {
	if w.cmd.Context().Err() != nil {
		return exit{exitError, errors.New("interrupted")}
	}
	if w.last != nil {
		return exit{exitDiffers, fmt.Errorf("after %s: %w", timeout, w.last)}
	}
	return exit{exitDiffers, fmt.Errorf("after %s: %s", timeout, w.said)}
}
