package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/moby/moby/api/types/swarm"
	"github.com/spf13/cobra"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/state"
)

// actFlags are the flags of hold, resume, confirm, approve, retry and unmanage. These write, and read no manifests.
type actFlags struct {
	eng     engineFlags
	name    string
	place   string
	timeout time.Duration
	audit   auditFlag
	out     output
}

func (f *actFlags) register(cmd *cobra.Command, named bool) {
	f.eng.register(cmd)
	if named {
		registerName(cmd, &f.name)
	}
	registerCheckout(cmd, &f.place)
	cmd.Flags().DurationVar(&f.timeout, "timeout", 30*time.Second, "how long to wait while another operator or command acts on the swarm")
	f.audit.register(cmd)
	f.out.register(cmd, "output format")
	f.vocabulary().register(cmd)
}

func (f *actFlags) vocabulary() vocabulary { return vocabulary{&f.place, &f.eng} }

func registerName(cmd *cobra.Command, name *string) {
	cmd.Flags().StringVar(name, "name", "", "name of the source (default: the only one of the swarm, otherwise the one that .swarm-operator.yaml of the checkout names)")
}

func registerCheckout(cmd *cobra.Command, to *string) {
	*to = "."
	cmd.Flags().Var(place{to, "DIR"}, "source", "checkout that tells the name of the source, and what HEAD and branches are; its manifests are not read")
}

// acting is a command that writes.
type acting struct {
	*actFlags
	cmd    *cobra.Command
	engine *engine.Client
	log    logr.Logger
	// own are the operator's own configs, as they were when the command began.
	own      []*swarm.Config
	checkout *checkout
	done     acted
	// audited closes the record of what the command does.
	audited func()
}

func (f *actFlags) open(cmd *cobra.Command) (*acting, error) {
	if err := cmp.Or(checkPositive("timeout", f.timeout), checkPlace(cmd, f.place)); err != nil {
		return nil, err
	}
	audited, err := f.audit.command(cmd, f.out)
	if err != nil {
		return nil, err
	}
	c, log, err := f.eng.openQuiet(cmd)
	if err != nil {
		audited()
		return nil, err
	}
	own, err := state.Read(cmd.Context(), c)
	if err != nil {
		c.Close()
		audited()
		return nil, err
	}
	return &acting{
		actFlags: f, cmd: cmd, engine: c, log: log, own: own, checkout: openCheckout(cmd.Context(), f.place), done: acted{Messages: []string{}}, audited: audited,
	}, nil
}

func (a *acting) close() {
	a.checkout.close()
	a.engine.Close()
	a.audited()
}

// say prints a line, or keeps it for the JSON document.
func (a *acting) say(format string, args ...any) {
	text := safe(knownOf(a.cmd), fmt.Sprintf(format, args...))
	if a.done.Messages = append(a.done.Messages, text); !a.out.json() {
		fmt.Fprintln(a.cmd.OutOrStdout(), text)
	}
}

func (a *acting) note(format string, args ...any) {
	a.done.Notices = append(a.done.Notices, safe(knownOf(a.cmd), fmt.Sprintf(format, args...)))
	note(a.cmd, format, args...)
}

// end prints the JSON document if something was done, and returns the error with which the command ended.
func (a *acting) end(err error) error {
	if !a.out.json() || err != nil && len(a.done.Messages) == 0 {
		return err
	}
	return errors.Join(err, document(a.cmd.OutOrStdout(), a.done))
}

// source returns the source that --name means.
func (a *acting) source() (name string, err error) {
	a.done.Source, err = pickSource(a.cmd, a.name, state.Sources(a.own), a.checkout)
	return a.done.Source, err
}

// onSource opens the swarm and calls do with the source that --name means, under the lease.
func (f *actFlags) onSource(cmd *cobra.Command, do func(ctx context.Context, a *acting, source string) error) error {
	a, err := f.open(cmd)
	if err != nil {
		return err
	}
	defer a.close()
	source, err := a.source()
	if err != nil {
		return err
	}
	return a.end(a.leased(source, func(ctx context.Context) error { return do(ctx, a, source) }))
}

// noSource is an error: the swarm has no source yet, or not the one that was asked for.
type noSource string

func (e noSource) Error() string { return string(e) }

// onlySource returns the source of that name or, if name is empty, the only one.
func onlySource(name string, sources []string) (string, error) {
	for _, s := range sources {
		if s == name || name == "" && len(sources) == 1 {
			return s, nil
		}
	}
	switch {
	case name == "" && len(sources) == 0:
		return "", noSource("no source has a memory in this swarm; if none was applied yet, apply one; if its configs were removed, swarm-operator confirm SOURCE makes a new memory")
	case name == "":
		return "", fmt.Errorf("--name: the swarm has several sources; name one of %s, or run this in a checkout whose .swarm-operator.yaml names one", strings.Join(sources, ", "))
	}
	return "", noSource(fmt.Sprintf("--name: source %s has no memory in this swarm%s; %s", name, v1.DidYouMean(name, sources), listed(sources)))
}

func listed(sources []string) string {
	if len(sources) == 0 {
		return "there are no sources"
	}
	return "the sources are " + strings.Join(sources, ", ")
}

// holderName returns the name of a command as the holder of the lease: where it runs, and which command it is.
func holderName(cmd *cobra.Command) string { return fmt.Sprintf("%s (%s)", hostname(), cmd.Name()) }

// errBusy means that the lease did not become free in time.
var errBusy = errors.New("somebody else acts on the swarm")

// leased takes the lease and calls do, so that no other process acts meanwhile. Under the context of do, nothing is
// written once another process may act.
func (a *acting) leased(source string, do func(ctx context.Context) error) error {
	lease := state.NewLease(state.LeaseOptions{Engine: a.engine, Instance: holderName(a.cmd), Eager: true, Log: a.log, Pace: pace()})
	// If there are none, somebody may have removed them, and an operator that acts may not have noticed
	if len(a.own) > 0 {
		lease.Saw(a.own)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(a.cmd.Context()), 5*time.Second)
		defer cancel()
		if err := lease.Release(ctx, true); err != nil {
			a.note("%v", err)
		}
	}()
	if err := a.take(lease, source); err != nil {
		return err
	}
	ctx, done := lease.Bind(a.cmd.Context())
	defer done()
	return do(ctx)
}

// take waits for the lease until the timeout. The timeout does not cut off a call, because that call may have taken
// the lease.
func (a *acting) take(lease *state.Lease, source string) error {
	ctx, cancel := context.WithTimeout(a.cmd.Context(), a.timeout)
	defer cancel()
	holder, failed := "", 0
	for {
		taken, err := lease.Take(a.cmd.Context(), source, nil)
		switch {
		case a.cmd.Context().Err() != nil:
			return errors.New("interrupted before anything was written")
		case err == nil && taken.Epoch != 0:
			return nil
		case err == nil:
			failed = 0
			if holder == "" {
				holder = cmp.Or(taken.Holder, "somebody whose lease was removed")
				a.note("waiting for %s, which acts on the swarm", holder)
			}
		default:
			taken.Again = scaled(time.Second)
			if failed++; failed == tries {
				return err
			}
		}
		pause(ctx, taken.Again)
		if ctx.Err() != nil && a.cmd.Context().Err() == nil {
			if err != nil {
				return err
			}
			return fmt.Errorf("%w: %s did so for all of --timeout (%s); try again, or give it more time", errBusy, holder, a.timeout)
		}
	}
}

// memory returns the memory of a source. It fails if the source has none.
func (a *acting) memory(ctx context.Context, source string) (state.Memory, error) {
	own, err := state.Read(ctx, a.engine)
	if err != nil {
		return state.Memory{}, err
	}
	found, err := state.NewStore(source, a.engine).Find(own)
	if err == nil && found.Sequence == 0 {
		err = lost(source)
	}
	return found.Memory, err
}

func lost(source string) error {
	return fmt.Errorf("source %s has no memory in this swarm; to make a new one: swarm-operator confirm %s", source, source)
}

// edit changes the memory of a source. It fails if the source has none.
func (a *acting) edit(ctx context.Context, source string, change func(m *state.Memory) error) error {
	return state.NewStore(source, a.engine).Edit(ctx, func(found state.Found, m *state.Memory) error {
		if found.Sequence == 0 {
			return lost(source)
		}
		return change(m)
	})
}

// who names the person who gives the command, as far as the system can tell.
func who() string {
	name := os.Getenv("USER")
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return cmp.Or(name, "somebody") + "@" + hostname()
}
