package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/audit"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

func newHold() *cobra.Command {
	var f actFlags
	var reason string
	var period time.Duration
	cmd := &cobra.Command{
		Use:   "hold KIND/NAME|SOURCE|all",
		Short: "Stop every write to an object, to what a source has, or to all",
		Long: `Hold stops writing at once and without a commit, until --for is over or somebody gives swarm-operator resume. When it returns, no write
that had begun is under way any more. If that takes longer than --timeout, it says so, and the hold is in force all the same.
A hold takes the place of an earlier one on the same target.
You can do the same without this program:
echo REASON | docker config create --label swarm-operator.io/hold=Service/web hold-web -`,
		Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := parseTarget(args[0])
			switch {
			case err != nil:
				return err
			case strings.TrimSpace(reason) == "":
				return errors.New("--reason: say why, for the people who find the hold")
			case cmd.Flags().Changed("for") && period <= 0:
				return fmt.Errorf("--for: %s is too short; give more than 0s, or leave it out to hold until resume", period)
			}
			a, err := f.open(cmd)
			if err != nil {
				return err
			}
			defer a.close()
			return a.end(a.hold(t, reason, period))
		},
	}
	f.register(cmd, false)
	cmd.ValidArgsFunction = f.vocabulary().target()
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the people who find the hold")
	cmd.Flags().DurationVar(&period, "for", 0, "how long, such as 2h (default: until resume)")
	return cmd
}

func (a *acting) hold(t target, reason string, period time.Duration) error {
	if s := t.source(); s != "" {
		if sources := state.Sources(a.own); !slices.Contains(sources, s) {
			return fmt.Errorf("source %s is not known to this swarm%s; %s; an object is KIND/NAME, and all is everything", s, v1.DidYouMean(s, sources), listed(sources))
		}
	}
	var until time.Time
	if period > 0 {
		until = time.Now().Add(period)
	}
	h, err := state.AddHold(a.cmd.Context(), a.engine, t.text, reason, who(), until)
	if h.ID == "" {
		return err
	}
	if err != nil {
		a.note("%v", err)
	}
	audit.Stopped(a.cmd.Context(), h.Hold, h.By, audit.Began)
	a.done.Source, a.done.Holds = t.source(), []plan.Hold{h.Hold}
	a.say("%s is on hold: %s", t.text, h.Text())
	a.replaced(h)
	a.doubt(t)
	// Every process that acts looks at the holds before each write. Holding the lease shows that no write is under
	// way that began before the hold.
	err = a.leased(t.source(), func(context.Context) error { return nil })
	if err != nil {
		a.note("a write that had begun may still be under way: %v", err)
	}
	return nil
}

// replaced prints which holds the new one has replaced: somebody may rely on a reason or a time that no longer
// counts.
func (a *acting) replaced(h state.Hold) {
	own, err := state.Read(a.cmd.Context(), a.engine)
	if err != nil {
		return
	}
	left := state.Holds(own)
	for _, old := range state.Holds(a.own) {
		gone := !slices.ContainsFunc(left, func(l state.Hold) bool { return l.ID == old.ID })
		if gone && plan.SameTarget(old.Target, h.Target) {
			a.note("the new hold takes the place of the hold %s: %s", old.Name, old.Text())
		}
	}
}

// doubt prints a note if a hold names an object that does not exist: it may be a typing mistake.
func (a *acting) doubt(t target) {
	if !t.object() {
		return
	}
	lives, err := kindOf(t.key.Kind).List(a.cmd.Context(), a.engine)
	if err == nil && !slices.ContainsFunc(lives, func(l *kinds.Live) bool { return names(l, t.key) }) {
		a.note("the swarm has no %s now", t.key)
	}
}

// names reports whether a live object is what people mean by a name, whichever source has it.
func names(l *kinds.Live, key v1.Key) bool {
	_, owned, _ := strings.Cut(l.Labels[v1.LabelOwner], "/")
	return l.Name == key.Name || l.Called == key.Name || owned == key.String()
}
