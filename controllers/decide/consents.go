package decide

import (
	"fmt"
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

// mostInVain is how many consents are noted that do not count. A branch may bring any number of them.
const mostInVain = 10

// consents returns the consents that hold: those not used up yet, those given by command, and those in commits since
// the revision in force. A consent that was given for a time is not among them once that is over. It also adds notices
// about consents that do not count.
//
// Of the commits, only those on the line of first parents count. Anybody may have written the others: they came with a
// branch that somebody merged, and whoever merges looks at the files.
func (p Policy) consents(run *Decision) plan.Consents {
	out := slices.Clone(run.Memory.Consents)
	// A consent to what another revision had to do does not carry over.
	if run.InForce.Hash != run.Memory.InForce.Hash {
		out = out.Carried()
	}
	for _, a := range run.Memory.Approvals {
		if state.SameRevision(run.InForce.Hash, a.Revision) {
			out = append(out, a.Said()...)
		}
	}
	out = out.Lasting(run.At).Meant(run.askedOf)
	var inVain []string
	for _, c := range run.Past.Commits {
		said := p.SaidBy(c, run.InForce, run.Memory.Passed(c.Hash))
		out, inVain = append(out, said.Counts...), slices.Concat(inVain, said.InVain, said.Wrong)
	}
	if more := len(inVain) - mostInVain; more > 0 {
		inVain = append(inVain[:mostInVain], fmt.Sprintf("%d more lines %s: in commits do not count", more, plan.Trailer))
	}
	run.Notices = append(run.Notices, inVain...)
	return out
}

// digestOfExternal stands for the digest of a want if the manifest says external: true. Such a manifest asks only that the object
// exists, so it asks the same whatever else it says, and a consent that was given while it stood goes on counting.
const digestOfExternal = "external"

// askedOf returns what the manifests ask of an object: see plan.Asked.
func (r *Decision) askedOf(k v1.Key) (digest string, known bool) {
	_, others := r.Wants.Missing[k]
	_, withheld := r.Withheld[k]
	// If an object is held only because it could not be listed, nothing is wrong with its manifest.
	problem := r.IsHeld(k) && (r.Unlisted[k.Kind] == nil || r.unstated != "")
	switch w, aside := r.Wanted[k], r.aside[k]; {
	case aside != "":
		return aside, true
	case withheld:
		return plan.Something, false
	case problem:
		return "", false
	case others:
		return digestOfExternal, true
	case w != nil:
		return w.Digest(), true
	}
	return "", true
}

// Said is what a commit's message says about consent.
type Said struct {
	// Counts are the agreements that count.
	Counts plan.Consents
	// InVain are notices about agreements that do not count, and Wrong about lines that are no agreement at all.
	InVain, Wrong []string
}

// SaidBy reads the message of a commit that comes with a revision, which may be the commit itself. passed is true if the
// commit was in force before, or led to what was. It has then agreed already, to what had to be done at that time.
func (p Policy) SaidBy(c, revision git.Commit, passed bool) Said {
	var said Said
	vain := func(text, why string) {
		said.InVain = append(said.InVain, fmt.Sprintf("commit %s: %s: %s does not count%s", c.Short(), plan.Trailer, state.Subject(text), why))
	}
	values, below := c.Lines(plan.Trailer)
	if p.CommandsOnly {
		for _, text := range slices.Concat(values, below) {
			vain(text, ": --consents commands is set, so that no commit agrees to anything; to agree, run: "+plan.Approving(revision.Hash, "HAZARD"))
		}
		return said
	}
	for _, text := range below {
		vain(text, ": it stands below a squash's list of commits, where anybody's commit may have brought it; write it above that list")
	}
	for _, text := range values {
		if c.Merged {
			vain(text, ": the commit came with a merge, so that anybody may have written it; write it into the message of the merge, or of a commit after it")
			continue
		}
		if passed {
			vain(text, " again: the commit was in force before; write it into a new commit")
			continue
		}
		consents, err := plan.ParseConsent(text)
		if err != nil {
			said.Wrong = append(said.Wrong, fmt.Sprintf("commit %s: %s: %v", c.Short(), plan.Trailer, err))
			continue
		}
		for _, one := range consents.Said(c.Author, fmt.Sprintf("in commit %s: %s", c.Short(), state.Subject(c.Message))) {
			if one.Hazard.ByCommand() {
				vain(string(one.Hazard), ", because a commit cannot agree to it; to agree, run: "+plan.Approving(revision.Hash, string(one.Hazard)))
			} else {
				said.Counts = append(said.Counts, one)
			}
		}
	}
	return said
}
