package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/swarm-operator/swarm-operator/controllers/audit"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// mostApprovals is how many approvals are remembered.
const mostApprovals = 20

func newApprove() *cobra.Command {
	var f actFlags
	var reason string
	cmd := &cobra.Command{
		Use:   "approve REVISION HAZARD [KIND/NAME...]...",
		Short: "Agree to what can do harm, for one revision",
		Long: `A step that can do harm waits for consent. Approve gives it, as a Consent line in a commit's message does: to a hazard as a whole, or
only for the objects named behind the hazard. The consent counts from the time when the revision is in force until nothing differs any
more. REVISION is the first digits of a commit's hash or, in a checkout, anything that git takes for a commit, such as HEAD, a branch,
a tag or HEAD~1. The hazards are
` + strings.Join(plan.Hazards(), ", ") + `.`,
		Example: "  swarm-operator approve 3f0c1a2 removals Service/old Config/old restarts\n  swarm-operator approve HEAD restarts",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return missingArg(cmd, args)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			consents, err := consentOf(args[1:])
			if err != nil {
				return err
			}
			revision, err := f.revision(cmd, args[0])
			if err != nil {
				return err
			}
			return f.onSource(cmd, func(ctx context.Context, a *acting, source string) error {
				return a.approve(ctx, source, state.Approval{Revision: revision, Consents: consents, By: who(), Why: state.Reason(reason), At: time.Now().UTC()})
			})
		},
	}
	f.register(cmd, true)
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit log and for the memory of the source")
	cmd.ValidArgsFunction = f.vocabulary().approval()
	return cmd
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
	revision := given.Revision
	var inForce string
	err := a.edit(ctx, source, func(m *state.Memory) error {
		inForce = m.InForce.Hash
		m.Approvals = append(m.Approvals[:len(m.Approvals):len(m.Approvals)], given)
		m.Approvals = m.Approvals[max(0, len(m.Approvals)-mostApprovals):]
		if state.SameRevision(inForce, revision) {
			m.Again(state.Held)
		}
		return nil
	})
	if err != nil {
		return err
	}
	a.done.Revision = revision
	audit.Agreed(ctx, audit.Run{Source: source, Revision: revision, Given: given.Said()})
	for _, c := range given.Consents {
		a.done.Consents = append(a.done.Consents, consented{string(c.Hazard), c.Objects})
		text := string(c.Hazard)
		for _, key := range c.Objects {
			text += " " + key.String()
		}
		a.say("revision %s, source %s: agreed to %s", short(revision), source, text)
	}
	if !state.SameRevision(inForce, revision) {
		a.note("%s; the consent counts once %s is", inForceText(inForce), short(revision))
	}
	return nil
}

func inForceText(hash string) string {
	if hash == "" {
		return "no revision is in force yet"
	}
	return fmt.Sprintf("revision %s is in force", short(hash))
}
