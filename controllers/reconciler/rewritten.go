package reconciler

import (
	"fmt"

	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// compared is what the histories of two revisions say of each other. Neither changes, so that it is found out once.
type compared struct {
	old, next string
	rewrote   *state.Rewrite
	// unsaid is why the histories do not say it, and never will: they are cut off, or there are none.
	unsaid error
}

// rewrote returns what the newest revision takes back of the one in force, whatever that had in its history and this one has
// not, and says it in a text. Both are empty if this one descends from the other, if it is older, which is a rewind, and if
// the histories do not say. Where consent is asked for and the repository could not be read, only the text is set: what is
// not known is not agreed to.
func (r *Reconciler) rewrote(run *Run, p past, rewind bool) (*state.Rewrite, string) {
	old, next := run.memory.InForce.Hash, run.InForce.Hash
	switch {
	case rewind:
		return nil, ""
	case p.takenErr != nil && r.AskRewritten: // the next run looks again
		return nil, fmt.Sprintf("it is not known whether revision %.10s takes something of %.10s back, which is in force: %v; mend the repository, or approve the revision", next, old, p.takenErr)
	}
	if err := p.taken.unsaid; err != nil && r.AskRewritten {
		run.Notices = append(run.Notices, fmt.Sprintf("whether %s takes something of the revision in force back is not known, so that nobody is asked: %v", run.InForce.Short(), err))
	}
	if p.taken.rewrote == nil {
		return nil, ""
	}
	return p.taken.rewrote, p.taken.rewrote.Text(next)
}

// asksRewritten reports whether the revision takes commits back, and nobody agreed to that who has to.
func (r *Reconciler) asksRewritten(run *Run, consents plan.Consents) bool {
	return r.AskRewritten && run.Facts.Rewritten != "" && !consents.Agreed(plan.Rewind)
}

// rewritten returns the reason and the text of the condition: what a revision took back, or would, until another revision is in
// force or somebody agrees. Both are empty if nothing was.
func (r *Run) rewritten() (reason, text string) {
	if r.asks {
		return "NeedsConsent", fmt.Sprintf("%s; nothing is written until somebody agrees: swarm-operator approve %.10s %s", r.Facts.Rewritten, r.InForce.Hash, plan.Rewind)
	}
	if r.frozen {
		return "TakesCommitsBack", r.Facts.Rewritten
	}
	if e := r.memory.Last(); e != nil && e.Hash == r.InForce.Hash && e.Rewrote != nil && !e.Rewrote.Agreed {
		return "TookCommitsBack", took(e)
	}
	return "", ""
}

// took says what the revision in force took back, and what ends that it is said.
func took(e *state.Entry) string {
	return fmt.Sprintf("%s; this is said until the next commit is in force, or somebody agrees: swarm-operator approve %.10s %s", e.Rewrote.Text(e.Hash), e.Hash, plan.Rewind)
}

// rewrittenCondition says whether the history of the source was rewritten.
func (l *Loop) rewrittenCondition(run *Run) {
	reason, text := run.rewritten()
	if text == "" {
		l.Board.Set(status.HistoryRewritten, false, "Nothing", "")
		return
	}
	l.Board.Set(status.HistoryRewritten, true, reason, text)
}
