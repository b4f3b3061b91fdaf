package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/reconciler"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

type statusFlags struct {
	src      sourceFlags
	eng      engineFlags
	operator string
	output   string
	watch    bool
}

func newStatus() *cobra.Command {
	var f statusFlags
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show objects, roll-outs, drift, what waits for a person, and who may act",
		Long: `Shows of each object whether it is as git says (sync) and whether it works (health). It asks a running operator with
--operator; with --source it compares with that source's manifests; with neither it shows what the swarm itself tells, of
the source of --name or else of each source that is remembered there. It writes nothing, and exits 0 where it could look.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	f.src.register(cmd, true)
	f.eng.register(cmd)
	cmd.Flags().StringVar(&f.operator, "operator", "", "address or `URL` of a running operator to ask, such as "+defaultListen)
	cmd.Flags().StringVarP(&f.output, "output", "o", "text", "text or json: a document for each source")
	cmd.Flags().BoolVarP(&f.watch, "watch", "w", false, "look every second and show what changed, until interrupted")
	return cmd
}

func (f *statusFlags) run(cmd *cobra.Command) error {
	if f.output != "text" && f.output != "json" {
		return fmt.Errorf("--output: %q is not one of text, json", f.output)
	}
	look, done, err := f.open(cmd)
	if err != nil {
		return err
	}
	defer done()
	if f.watch {
		return f.follow(cmd, look)
	}
	all, err := look(cmd.Context())
	if err != nil {
		return err
	}
	return f.print(cmd.OutOrStdout(), all)
}

// open chooses whom to ask.
func (f *statusFlags) open(cmd *cobra.Command) (look func(context.Context) ([]status.Status, error), done func(), err error) {
	switch {
	case f.operator != "":
		return f.ask, func() {}, nil
	case cmd.Flags().Changed("source"):
		r, done, err := open(cmd, &f.src, &f.eng, plan.DefaultBudgets(), nil, true)
		if err != nil {
			return nil, nil, err
		}
		return func(ctx context.Context) ([]status.Status, error) { return f.planned(ctx, r) }, done, nil
	}
	if err := f.src.check(); err != nil {
		return nil, nil, err
	}
	client, err := f.eng.open(cmd, logr.Discard(), nil)
	if err != nil {
		return nil, nil, err
	}
	said := false
	look = func(ctx context.Context) ([]status.Status, error) {
		all, err := reconciler.StatusOf(ctx, client, f.src.name)
		if err == nil && len(all) == 0 && !said {
			said = true
			fmt.Fprintln(cmd.ErrOrStderr(), "note: no source has anything on this swarm")
		}
		return all, err
	}
	return look, func() { client.Close() }, nil
}

func (f *statusFlags) ask(ctx context.Context) ([]status.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	text, err := ask(ctx, "--operator", f.operator, "/api/v1/status")
	if err != nil {
		return nil, err
	}
	var s status.Status
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return nil, fmt.Errorf("reading what the operator at %s answers: %w", f.operator, err)
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

func (f *statusFlags) print(w io.Writer, all []status.Status) error {
	for i, s := range all {
		if f.output == "json" {
			e := json.NewEncoder(w)
			e.SetIndent("", "  ")
			e.SetEscapeHTML(false)
			if err := e.Encode(s); err != nil {
				return err
			}
			continue
		}
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := s.Text(w); err != nil {
			return err
		}
	}
	return nil
}

// follow looks again and again. On a terminal there is one picture, which changes; elsewhere each is printed that differs
// from the last one. Only the first look must succeed.
func (f *statusFlags) follow(cmd *cobra.Command, look func(context.Context) ([]status.Status, error)) error {
	out, ok := cmd.OutOrStdout().(*os.File)
	live := ok && term.IsTerminal(int(out.Fd()))
	ctx, before, failed := cmd.Context(), "", ""
	for first := true; ctx.Err() == nil; first = false {
		all, err := look(ctx)
		switch {
		case err != nil && ctx.Err() != nil: // interrupted, which is how it ends
		case err != nil && first:
			return err
		case err != nil:
			if text := v1.Scrub(err.Error()); text != failed {
				fmt.Fprintln(cmd.ErrOrStderr(), "error:", text)
				failed = text
			}
		default:
			failed = ""
			if err := f.redraw(cmd.OutOrStdout(), all, live, first, &before); err != nil {
				return err
			}
		}
		pause(ctx, time.Second)
	}
	return nil
}

func (f *statusFlags) redraw(w io.Writer, all []status.Status, live, first bool, before *string) error {
	for i := range all { // what changes all the time is no change
		all[i].At = time.Time{}
		if l := all[i].Lease; l != nil {
			l.Renewed = time.Time{}
		}
	}
	var b bytes.Buffer
	if err := f.print(&b, all); err != nil {
		return err
	}
	if !first && b.String() == *before {
		return nil
	}
	*before = b.String()
	switch {
	case live:
		fmt.Fprint(w, "\x1b[H\x1b[2J") // home, clear
	case !first && f.output == "text":
		fmt.Fprintf(w, "\n--- %s\n", time.Now().UTC().Format(time.TimeOnly))
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return errors.New("the output is closed")
	}
	return nil
}
