package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/reconciler"
	"github.com/swarm-operator/swarm-operator/controllers/report"
	"github.com/swarm-operator/swarm-operator/controllers/revisions"
	"github.com/swarm-operator/swarm-operator/controllers/screen"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/manifests"
	"github.com/swarm-operator/swarm-operator/redact"
)

type statusFlags struct {
	src      sourceFlags
	eng      engineFlags
	operator string
	local    string // address of an operator on this machine, which is asked if no flag says otherwise
	how      askFlags
	asker    *asker
	out      output
	watch    bool
}

func newStatus() *cobra.Command { return newStatusAt(defaultListen) }

// newStatusAt returns the status command. local is the address of the operator that is asked if no flag says
// otherwise.
func newStatusAt(local string) *cobra.Command {
	f := statusFlags{local: local}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show objects, roll-outs, drift, what waits for a person, and who may act",
		Long: `Status shows for each object whether it is as git says (sync) and whether it works (health). It writes nothing. It exits with 0 if the
status could be read, and with 2 otherwise. Where it looks:

  --operator ADDRESS   asks a running operator
  --source DIR|URL     compares the swarm with the manifests of a source, as do --path and --worktree
  --name NAME          shows what the swarm itself knows of that source: its memory, and how its objects do
  none of them         asks the operator at ` + local + ` if one answers there; otherwise compares with the directory that you are in,
                       if that is a checkout with manifests, or has manifests and a .swarm-operator.yaml; otherwise shows what the swarm
                       tells of each source. A note says which.

If several of these are given, the first one in the list counts. If you name an engine, with --host, --context, a TLS flag,
DOCKER_HOST, DOCKER_CONTEXT or a current docker context, it may belong to another swarm, so no operator is asked unless --operator
says so.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	f.src.register(cmd, true)
	sourceIsOptional(cmd, "compare the swarm with the manifests of this directory, git checkout or repository URL")
	cmd.Flags().Lookup("name").Usage = "name of the source: with --source, --path or --worktree the one that owns what it makes (default: name in .swarm-operator.yaml, otherwise default); alone, the one whose objects in the swarm to show (default: each)"
	f.src.comparing(cmd)
	f.eng.register(cmd)
	f.eng.registerStated(cmd, true)
	cmd.Flags().Var(place{&f.operator, "ADDRESS"}, "operator", "address or URL of a running operator to ask, such as "+defaultListen)
	f.how.register(cmd, true)
	f.out.register(cmd, "output format; there is one document for each source")
	vocabulary{&f.src.location, &f.eng}.register(cmd)
	cmd.Flags().BoolVarP(&f.watch, "watch", "w", false, "look every second and show what changed, until interrupted")
	return cmd
}

func (f *statusFlags) run(cmd *cobra.Command) error {
	look, done, err := f.open(cmd)
	if err != nil {
		return err
	}
	defer done()
	look = safely(knownOf(cmd), look)
	if f.watch {
		return f.follow(cmd, look)
	}
	all, err := look(cmd.Context())
	if err != nil {
		return err
	}
	return f.print(cmd.OutOrStdout(), screenOf(cmd, cmd.OutOrStdout()), all)
}

// looking looks once, and returns the status of each source.
type looking func(context.Context) ([]status.Status, error)

// safely returns a look that shows only what anybody may see.
func safely(known *redact.Known, look looking) looking {
	return func(ctx context.Context) ([]status.Status, error) {
		all, err := look(ctx)
		for i := range all {
			shown, wrong := shownStatus(known, all[i])
			if all[i] = shown; wrong != nil {
				return nil, wrong
			}
		}
		return all, err
	}
}

// open chooses where to look.
func (f *statusFlags) open(cmd *cobra.Command) (look looking, done func(), err error) {
	if err := f.src.check(); err != nil {
		return nil, nil, err
	}
	if f.asker, err = f.how.open(); err != nil {
		return nil, nil, err
	}
	switch flags := cmd.Flags(); {
	case f.operator != "":
		return f.ask, func() {}, nil
	case flags.Changed("source") || flags.Changed("path") || flags.Changed("worktree"):
		return f.compare(cmd)
	case f.src.name != "":
		return f.alone(cmd)
	}
	named, err := engine.Stated(f.eng.options(cmd, logr.Discard(), nil))
	asked := err == nil && !named && !f.eng.tls && !f.eng.tlsVerify
	if asked && f.asker.operates(cmd.Context(), f.local) {
		note(cmd, "asked the operator at %s", f.local)
		f.operator = f.local
		return f.ask, func() {}, nil
	}
	no := "an engine is named, so no operator was asked"
	if asked {
		no = "no operator answers at " + f.local
	}
	if f.here(cmd) {
		note(cmd, "compared the swarm with the manifests in %s; %s", f.src.location, no)
		return f.compare(cmd)
	}
	note(cmd, "asked the swarm alone: %s, and %s is no checkout with manifests", no, f.src.location)
	return f.alone(cmd)
}

// here reports whether the directory is a source: a checkout whose commit has manifests, or a directory with
// manifests that gives itself a name. A directory within a checkout does not count, because it holds only a part.
func (f *statusFlags) here(cmd *cobra.Command) bool {
	if !exists(filepath.Join(f.src.location, ".git")) && !exists(filepath.Join(f.src.location, manifests.SourceFile)) {
		return false
	}
	c := openCheckout(cmd.Context(), f.src.location)
	if c == nil {
		return false
	}
	defer c.close()
	head, err := c.source.Head(cmd.Context())
	if err != nil {
		return false
	}
	set, _ := revisions.NewLoader(nil).Load(head.Tree, c.root)
	if len(set.Entries) == 0 {
		return false
	}
	if c.root != "." {
		f.src.location, f.src.path, _ = locate(f.src.location)
	}
	return true
}

// compare looks by comparing the swarm with the source's manifests.
func (f *statusFlags) compare(cmd *cobra.Command) (looking, func(), error) {
	r, done, err := open(cmd, &f.src, &f.eng, budgetFlags{Budgets: plan.DefaultBudgets()}, nil, true)
	if err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context) ([]status.Status, error) { return f.planned(ctx, r) }, done, nil
}

// alone looks at the swarm only.
func (f *statusFlags) alone(cmd *cobra.Command) (looking, func(), error) {
	client, err := f.eng.open(cmd, logr.Discard(), nil)
	if err != nil {
		return nil, nil, err
	}
	said := false
	look := func(ctx context.Context) ([]status.Status, error) {
		all, err := report.StatusOf(ctx, client, f.src.name, reconciler.Learner(knownOf(cmd)))
		if err == nil && len(all) == 0 && !said {
			said = true
			note(cmd, "no source has anything on this swarm")
		}
		return all, err
	}
	return look, func() { client.Close() }, nil
}

func (f *statusFlags) ask(ctx context.Context) ([]status.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	text, err := f.asker.ask(ctx, "--operator", f.operator, statusPath)
	if err != nil {
		return nil, err
	}
	var s status.Status
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return nil, fmt.Errorf("--operator: %s answers, but not with the status of an operator: %w; is it another program, or another version of swarm-operator?", f.operator, err)
	}
	return []status.Status{s}, nil
}

func (f *statusFlags) planned(ctx context.Context, r *reconciler.Reconciler) ([]status.Status, error) {
	run, err := r.Plan(ctx)
	if err != nil {
		return nil, err
	}
	s, err := r.Status(ctx, run)
	s.Location = v1.Scrub(f.src.location)
	return []status.Status{s}, err
}

func (f *statusFlags) print(w io.Writer, on screen.Screen, all []status.Status) error {
	for i, s := range all {
		if f.out.json() {
			if err := document(w, s); err != nil {
				return err
			}
			continue
		}
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := s.Text(w, on); err != nil {
			return err
		}
	}
	return nil
}

// follow looks again every second until the command is interrupted. On a terminal it redraws one picture; otherwise it
// prints each status that differs from the last one. It fails if the first look fails or the output is closed; it
// prints the error of a later look and goes on.
func (f *statusFlags) follow(cmd *cobra.Command, look looking) error {
	_, live := terminal(cmd.OutOrStdout())
	ctx, before, failed := cmd.Context(), "", ""
	for first := true; ctx.Err() == nil; first = false {
		all, err := look(ctx)
		switch {
		case err != nil && ctx.Err() != nil: // the user interrupts, which is how it ends
		case err != nil && first:
			return err
		case err != nil:
			if text := toError(knownOf(cmd), err); text != failed {
				fmt.Fprintln(cmd.ErrOrStderr(), screenOf(cmd, cmd.ErrOrStderr()).Paint(screen.Bad, "error:"), text)
				failed = text
			}
		default:
			failed = ""
			if err := f.redraw(cmd.OutOrStdout(), screenOf(cmd, cmd.OutOrStdout()), all, live, first, &before); err != nil {
				return err
			}
		}
		pause(ctx, time.Second)
	}
	return nil
}

func (f *statusFlags) redraw(w io.Writer, on screen.Screen, all []status.Status, live, first bool, before *string) error {
	for i := range all { // fields that change all the time do not count as a change
		all[i].At, all[i].Sequence = time.Time{}, 0
		if l := all[i].Lease; l != nil {
			l.Renewed = time.Time{}
		}
	}
	var b bytes.Buffer
	if err := f.print(&b, on, all); err != nil {
		return err
	}
	if !first && b.String() == *before {
		return nil
	}
	*before = b.String()
	switch {
	case live:
		raw, _ := behind(w)
		fmt.Fprint(raw, "\x1b[H\x1b[2J") // move to the top left and clear
	case !first && !f.out.json():
		fmt.Fprintf(w, "\n--- %s\n", time.Now().UTC().Format(time.TimeOnly))
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return errors.New("the output is closed")
	}
	return nil
}
