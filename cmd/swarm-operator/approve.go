package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/audit"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// mostApprovals is how many approvals are remembered.
const mostApprovals = 20

// terms are the flags that only approve has.
type terms struct {
	revision, reason string
	period           time.Duration
}

func newApprove() *cobra.Command {
	var f actFlags
	var t terms
	cmd := &cobra.Command{
		Use:   "approve HAZARD [KIND/NAME...]... --reason TEXT",
		Short: "Agree to what can do harm, for one revision",
		Long: `A step that can do harm waits for consent. Approve gives it, as a Consent line in a commit's message does: to a hazard as a whole, or
only for the objects named behind the hazard. The name of another hazard begins the next consent. A consent counts from the time when
its revision is in force until nothing differs any more, or until --for is over. For an object that it names, it ends with the step.

Without --revision the consent is for HEAD if you are in a checkout of the source, and otherwise for the revision in force. Only
--revision is certain to name the revision whose plan you have read. The hazards are
` + strings.Join(plan.Hazards(), ", ") + `.`,
		Example: `  swarm-operator approve removals Service/old Config/old restarts --reason "ticket 4711"
  swarm-operator approve outage Node/worker-1 --for 4h --revision 3f0c1a2 --reason "tonight's window"`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return missingArg(cmd, args)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			given, err := f.approval(cmd, args, t)
			if err != nil {
				return err
			}
			return f.onSource(cmd, func(ctx context.Context, a *acting, source string) error { return a.approve(ctx, source, given) })
		},
	}
	cmd.Flags().StringVar(&t.revision, "revision", "", "commit to agree for: at least the first 7 digits of its hash or, in a checkout, HEAD, a branch or a tag")
	cmd.Flags().StringVar(&t.reason, "reason", "", "why, for the audit log and for the memory of the source")
	cmd.Flags().DurationVar(&t.period, "for", 0, "how long the consent counts from now on, such as 4h (default: until nothing differs any more)")
	f.register(cmd, true)
	cmd.ValidArgsFunction = f.vocabulary().approval()
	return cmd
}

// approval returns what arguments and flags agree to. Its Revision is "" if no flag names one. It does not ask the
// swarm.
func (f *actFlags) approval(cmd *cobra.Command, args []string, t terms) (state.Approval, error) {
	given := state.Approval{By: who(), Why: state.Reason(t.reason), At: time.Now().UTC()}
	var err error
	if given.Consents, err = consentOf(args); err != nil {
		return given, err
	}
	switch timed := cmd.Flags().Changed("for"); {
	case given.Why == "":
		return given, errors.New("--reason: say why you agree, for the people who read the audit log")
	case given.Why == plan.Unsaid:
		return given, fmt.Errorf("--reason: %s stands for why you agree; write that instead", plan.Unsaid)
	case timed && t.period <= 0:
		return given, fmt.Errorf("--for: %s is too short; give more than 0s, or leave it out to agree until nothing differs any more", t.period)
	case timed:
		given.Until = given.At.Add(t.period)
	}
	if !cmd.Flags().Changed("revision") {
		return given, nil
	}
	if given.Revision, err = f.revision(cmd, t.revision); err != nil {
		return given, fmt.Errorf("--revision: %w", err)
	}
	return given, nil
}

// revision parses a revision. It does not ask the swarm.
func (f *actFlags) revision(cmd *cobra.Command, text string) (string, error) {
	if err := checkPlace(cmd, f.place); err != nil {
		return "", err
	}
	c := openCheckout(cmd.Context(), f.place)
	defer c.close()
	return c.revision(cmd.Context(), text)
}

// consentOf parses hazards. Each may be followed by the objects that it is limited to.
func consentOf(args []string) (plan.Consents, error) {
	if _, err := parseRevision(args[0]); err == nil {
		return nil, fmt.Errorf("%q is not a hazard; the hazards are %s; to name a revision: --revision %[1]s", args[0], strings.Join(plan.Hazards(), ", "))
	}
	var parts []string
	for _, word := range strings.FieldsFunc(strings.Join(args, " "), func(r rune) bool { return r == ' ' || r == ',' }) {
		if len(parts) == 0 || !strings.Contains(word, "/") {
			parts = append(parts, word)
			continue
		}
		key, err := parseObject(word)
		if err != nil {
			return nil, err
		}
		parts[len(parts)-1] += " " + key.String()
	}
	return plan.ParseConsent(strings.Join(parts, ", "))
}

func (a *acting) approve(ctx context.Context, source string, given state.Approval) error {
	named, inForce := given.Revision, ""
	err := a.edit(ctx, source, func(m *state.Memory) (err error) {
		inForce = m.InForce.Hash
		if given.Revision = cmp.Or(named, a.checkout.newest(ctx, source, inForce)); given.Revision == "" {
			if given.Revision, err = thatWaits(source, inForce, given.Consents); err != nil {
				return err
			}
		}
		m.Approvals = append(m.Approvals[:len(m.Approvals):len(m.Approvals)], given)
		m.Approvals = m.Approvals[max(0, len(m.Approvals)-mostApprovals):]
		if state.SameRevision(inForce, given.Revision) {
			m.Again(state.Held)
		}
		return nil
	})
	if err != nil {
		return err
	}
	a.agreed(ctx, source, given)
	if !state.SameRevision(inForce, given.Revision) {
		a.note("%s; the consent counts once %s is", inForceText(inForce), short(given.Revision))
	}
	return nil
}

// agreed says what was agreed to, and puts it on record.
func (a *acting) agreed(ctx context.Context, source string, given state.Approval) {
	a.done.Revision, a.done.Until = given.Revision, given.Until
	audit.Agreed(ctx, audit.Run{Source: source, Revision: given.Revision, Given: given.Said()})
	until := ""
	if !given.Until.IsZero() {
		until = ", until " + v1.When(given.Until)
	}
	for _, c := range given.Consents {
		a.done.Consents = append(a.done.Consents, consented{string(c.Hazard), c.Objects})
		text := string(c.Hazard)
		for _, key := range c.Objects {
			text += " " + key.String()
		}
		a.say("revision %s, source %s: agreed to %s%s", short(given.Revision), source, text, until)
	}
}

// thatWaits returns the revision that an approval is for if nobody names one and no checkout tells: the one in force. It
// fails if there is none, or if a revision waits for such consents before it is in force. The memory does not have that
// revision.
func thatWaits(source, inForce string, consents plan.Consents) (string, error) {
	const give = "name the revision that you agree to by the first 7 digits of its commit's hash, or run this in a checkout of the source"
	if inForce == "" {
		return "", fmt.Errorf("--revision: no revision of source %s is in force yet; %s", source, give)
	}
	for _, c := range consents {
		if c.Hazard == plan.Rewind || c.Hazard == plan.OtherSource {
			return "", fmt.Errorf("--revision: a revision that waits for %s is not in force, and the swarm does not tell which one it is; %s", c.Hazard, give)
		}
	}
	return inForce, nil
}

func inForceText(hash string) string {
	if hash == "" {
		return "no revision is in force yet"
	}
	return fmt.Sprintf("revision %s is in force", short(hash))
}
