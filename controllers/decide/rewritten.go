package decide

import (
	"errors"
	"fmt"

	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

// Rewrote returns which commits of the revision in force the run's revision takes back, and a text that says so. Both
// are empty if it descends from the one in force, or if it is older (a rewind). If consent is asked for and the histories
// cannot be compared, only the text is set: what is taken back is not known.
func (d *Decider) Rewrote(run *Decision, rewind bool) (*state.Rewrite, string) {
	old, next := run.Memory.InForce.Hash, run.InForce.Hash
	switch {
	case rewind:
		return nil, ""
	case run.Past.TakenErr != nil && d.AskRewritten: // the next run looks again
		return nil, fmt.Sprintf("it is not known whether revision %.10s takes something of %.10s back, which is in force: %v; mend the repository, or approve the revision", next, old, run.Past.TakenErr)
	}
	switch err := run.Past.Taken.Unsaid; {
	case err == nil || !d.AskRewritten:
	case errors.Is(err, git.ErrNoHistory): // and it never has one
		run.Notices = append(run.Notices, fmt.Sprintf("whether %s takes something of the revision in force back is not known, so that nobody is asked: %v", run.InForce.Short(), err))
	default:
		return nil, fmt.Sprintf("it is not known whether revision %.10s takes something of %.10s back, which is in force: %v; fetch the rest of it (git fetch --unshallow)", next, old, err)
	}
	if run.Past.Taken.Rewrote == nil {
		return nil, ""
	}
	return run.Past.Taken.Rewrote, run.Past.Taken.Rewrote.Text(next)
}

// AsksRewritten reports whether the revision takes commits back and needs a consent that nobody has given.
func (d *Decider) AsksRewritten(run *Decision, consents plan.Consents) bool {
	return d.AskRewritten && run.Facts.Rewritten != "" && !consents.Agreed(plan.Rewind)
}

// Rewritten returns the reason and the text of the condition: what a revision took back, or would take back. It does
// so until another revision is in force or somebody agrees. text is "" if nothing was taken back, and reason then
// means nothing.
func (r *Decision) Rewritten() (reason, text string) {
	if r.asks {
		return "NeedsConsent", fmt.Sprintf("%s; nothing is written until somebody agrees: %s", r.Facts.Rewritten, plan.Approving(r.InForce.Hash, string(plan.Rewind)))
	}
	if r.Frozen {
		return "TakesCommitsBack", r.Facts.Rewritten
	}
	if e := r.Memory.Last(); e != nil && e.Hash == r.InForce.Hash && e.Rewrote != nil && !e.Rewrote.Agreed {
		return "TookCommitsBack", Took(e)
	}
	return "", ""
}

// Took says what the revision in force took back, and how to end the notice.
func Took(e *state.Entry) string {
	return fmt.Sprintf("%s; this is said until the next commit is in force, or somebody agrees: %s", e.Rewrote.Text(e.Hash), plan.Approving(e.Hash, string(plan.Rewind)))
}
