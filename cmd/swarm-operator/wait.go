package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/reconciler"
	"github.com/swarm-operator/swarm-operator/controllers/report"
	"github.com/swarm-operator/swarm-operator/controllers/revisions"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/controllers/status"
)

func newWait() *cobra.Command {
	var src sourceFlags
	var eng engineFlags
	var revision string
	var out output
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "wait --revision REVISION",
		Short: "Wait until the operator has rolled a revision out",
		Long: `Wait follows what the operator remembers. The operator acts, and wait writes nothing. It exits with 0 if the revision is rolled out; with
1 if it failed, was refused or is held, or if --timeout is over; with 2 on errors; and with 3 if a newer revision took its place. In a
checkout, or with --source, a revision may be HEAD, a branch or a tag, and wait knows that a revision which was never in force by itself
is part of a newer one that is: 3 as well. With -o json it prints one document at the end; what it says meanwhile goes to the standard
error.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if revision == "" {
				return errors.New("--revision: say which commit to wait for: the first digits of its hash or, in a checkout, HEAD, a branch or a tag")
			}
			err := checkPositive("timeout", timeout)
			if err != nil {
				return err
			}
			w := &waiting{cmd: cmd, name: src.name, out: out}
			if err = w.open(&src); err != nil {
				return err
			}
			defer w.dir.close()
			if w.revision, err = w.dir.revision(cmd.Context(), revision); err != nil {
				return fmt.Errorf("--revision: %w", err)
			}
			if w.engine, _, err = eng.openQuiet(cmd); err != nil {
				return err
			}
			defer w.engine.Close()
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			return w.run(ctx, timeout)
		},
	}
	eng.register(cmd)
	src.register(cmd, false)
	sourceIsOptional(cmd, "directory, git checkout or repository URL that tells what a revision is, and which came first (default: the directory that you are in, if it is a checkout)")
	cmd.Flags().Lookup("name").Usage = "name of the source (default: name in .swarm-operator.yaml if --source is given; otherwise the only one of the swarm, or the one that the checkout names)"
	cmd.Flags().StringVar(&revision, "revision", "", "commit to wait for: at least the first 7 digits of its hash or, in a checkout, HEAD, a branch or a tag")
	out.register(cmd, "output format")
	vocabulary{&src.location, &eng}.register(cmd)
	cmd.Flags().DurationVar(&timeout, "timeout", 15*time.Minute, "how long to wait")
	return cmd
}

// waiting follows a revision until its outcome is known.
type waiting struct {
	cmd            *cobra.Command
	engine         *engine.Client
	revision, name string
	dir            *checkout // nil if there is no directory to look anything up in
	out            output

	source  string // the source, once it was found in the swarm
	inForce string
	said    string
	waits   string // what was printed about an error that may pass
	last    error  // error of the last look; nil if that worked
	failed  int    // how many looks in a row have failed with an error that is not known to pass
}

// open opens the source. If --source is stated but --name is not, the source also gives the name.
func (w *waiting) open(src *sourceFlags) error {
	if !w.cmd.Flags().Changed("source") {
		w.dir = openCheckout(w.cmd.Context(), src.location)
		return nil
	}
	opened, err := src.open(w.cmd)
	if err != nil {
		return err
	}
	w.dir = &checkout{src.location, opened, src.root()}
	if w.name == "" {
		if _, err := opened.Head(w.cmd.Context()); err != nil {
			return err
		}
		w.name = cmp.Or(w.dir.name(w.cmd.Context()), revisions.DefaultName)
	}
	return nil
}

// look is how often wait looks if no event comes.
const look = 2 * time.Second

// run looks whenever the operator may have noted something: its memory is a config, and each note makes a new one.
func (w *waiting) run(ctx context.Context, timeout time.Duration) error {
	events := w.engine.Events(ctx)
	for {
		v, err := w.look(ctx)
		switch {
		case ctx.Err() != nil:
			return w.over(timeout)
		case !w.goesOn(err):
			return err
		case err == nil && v.final:
			return w.end(v)
		case err == nil && v.text != w.said:
			w.said = v.text
			to := w.cmd.OutOrStdout()
			if w.out.json() {
				to = w.cmd.ErrOrStderr()
			}
			fmt.Fprintln(to, v1.Scrub(v.text))
		case err != nil && !passing(err):
			note(w.cmd, "%v; wait looks again", err)
		case err != nil && err.Error() != w.waits: // a typing mistake would otherwise be waited for in silence
			w.waits = err.Error()
			note(w.cmd, "%v; wait looks for it until --timeout (%s) is over", err, timeout)
		}
		w.last = err
		if !rest(ctx, events) {
			return w.over(timeout)
		}
	}
}

// rest waits for an event that may be about the memory, at most for the interval look. It returns false if ctx ended.
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

// unread is an error of an engine that was asked for its configs.
type unread struct{ error }

func (e unread) Unwrap() error { return e.error }

// goesOn reports whether there is another look after one that ended with err. A call that fails for a reason that is
// not known to pass is repeated a few times, unless it would fail in the same way.
func (w *waiting) goesOn(err error) bool {
	switch {
	case err == nil:
		w.failed = 0
		return true
	case passing(err):
		w.failed = 0
		return true
	case engine.IsPermission(err), engine.IsNotManager(err), engine.IsLocked(err), engine.IsUnsupported(err):
		return false
	}
	w.failed++
	_, is := errors.AsType[unread](err)
	return is && w.failed < tries
}

// passing reports whether an error may go away by itself.
func passing(err error) bool {
	var none noSource
	return errors.As(err, &none) || engine.IsUnavailable(err) || engine.IsNoQuorum(err) || engine.IsTimeout(err)
}

func (w *waiting) look(ctx context.Context) (verdict, error) {
	own, err := state.Read(ctx, w.engine)
	if err != nil {
		return verdict{}, unread{err}
	}
	source := w.source
	if sources := state.Sources(own); !slices.Contains(sources, source) { // it is chosen, and reported, only once
		if source, err = pickSource(w.cmd, w.name, sources, w.dir); err != nil {
			return verdict{}, err
		}
	}
	w.source = source
	found, err := state.NewStore(source, w.engine).Find(own)
	if err != nil {
		return verdict{}, err
	}
	v := judge(found.Memory, w.revision)
	if v.seen && !v.final {
		v.text += unfinished(ctx, w.engine, reconciler.Learner(knownOf(w.cmd)), source, found.Memory)
	}
	if w.inForce = found.Memory.InForce.Hash; v.seen || w.dir == nil || found.Memory.InForce.Hash == "" {
		return v, nil
	}
	// If git's history cannot tell, the memory will.
	if part, err := w.dir.source.IsAncestor(ctx, w.revision, found.Memory.InForce.Hash); err == nil && part {
		return superseded(w.revision, found.Memory.InForce.Hash), nil
	}
	return v, nil
}

// unfinished says what keeps the revision in force from being rolled out: its services that are not ready, and the
// steps that failed. It reads the swarm, so the answer is never old. It returns "" if nothing is known.
func unfinished(ctx context.Context, c *engine.Client, learn report.Learn, source string, m state.Memory) string {
	all, err := report.StatusOf(ctx, c, source, learn)
	if err != nil || len(all) != 1 || len(m.History) == 0 {
		return ""
	}
	var out []string
	for _, o := range all[0].Objects {
		if o.Health != status.Healthy && slices.Contains(m.History[len(m.History)-1].Changing, o.Object) {
			out = append(out, fmt.Sprintf("%s: %s", o.Object, cmp.Or(o.HealthWhy, strings.ToLower(o.Health))))
		}
	}
	if own, err := state.Read(ctx, c); err == nil {
		if v, there := state.ViewLease(own); there {
			out = append(out, v.Troubles(source).Said(m.InForce.Hash)...)
		}
	}
	if len(out) == 0 {
		return ""
	}
	return ": " + strings.Join(out, "; ")
}

// verdict is what wait can say about a revision.
type verdict struct {
	seen  bool // it is or was in force, or it was refused
	final bool
	code  int
	text  string
	// outcome is the word that history has for it.
	outcome string
}

func superseded(revision, by string) verdict {
	return verdict{seen: true, final: true, code: exitSuperseded, text: fmt.Sprintf("revision %s was superseded: %s is in force", short(revision), short(by)), outcome: status.Superseded}
}

// judge returns what a memory knows about a revision.
func judge(m state.Memory, revision string) verdict {
	name := "revision " + short(revision)
	if r := m.Refused; r != nil && r.Is(revision) {
		return verdict{true, true, exitDiffers, name + " is refused: " + r.Why, state.Refused}
	}
	for i := len(m.History) - 1; i >= 0; i-- {
		e := m.History[i]
		if !e.Is(revision) {
			continue
		}
		switch e.Outcome {
		case state.RolledOut:
			return verdict{true, true, 0, name + " is rolled out", e.Outcome}
		case "":
			if i < len(m.History)-1 || e.Hash != m.InForce.Hash {
				return superseded(revision, m.InForce.Hash)
			}
			return verdict{seen: true, text: name + " is in force and rolls out"}
		default:
			return verdict{true, true, exitDiffers, fmt.Sprintf("%s %s: %s", name, outcomeText(e.Outcome), e.Why), e.Outcome}
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
	found := waited{w.source, w.revision, v.outcome, v1.Scrub(v.text), w.inForce}
	switch {
	case w.out.json():
		if err := document(w.cmd.OutOrStdout(), found); err != nil {
			return err
		}
	case v.code == 0:
		fmt.Fprintln(w.cmd.OutOrStdout(), found.Message)
	}
	if v.code == 0 {
		return nil
	}
	return exit{v.code, errors.New(v.text)}
}

func (w *waiting) over(timeout time.Duration) error {
	v := verdict{code: exitDiffers, outcome: status.Unfinished, text: fmt.Sprintf("--timeout (%s) is over: %s", timeout, cmp.Or(w.said, "the engine has not answered yet"))}
	switch {
	case w.cmd.Context().Err() != nil:
		v.code, v.text = exitError, "interrupted; wait writes nothing, so whatever the operator does goes on"
	case w.last != nil:
		v.text = fmt.Sprintf("--timeout (%s) is over: %v", timeout, w.last)
	}
	return w.end(v)
}
