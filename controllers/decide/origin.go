package decide

import (
	"fmt"

	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

// otherSource says why the revision may be of another source than the one whose memory the run has. It returns "" if the
// revision is of this source. certain is false if the repository does not tell.
//
// A revision is of the source if it has a commit behind it that the source is known by. Nobody can put one there
// afterwards, because a commit's hash names all commits behind it. The place of a directory counts only where there is
// no history to go by. Dates, names and manifests prove nothing.
//
// If the repository does not tell and nothing is written, that is only a notice. A job that compares a pull request has
// only the newest commits.
func (d *Decider) otherSource(run *Decision) (why string, certain bool) {
	began, o := run.Memory.Origin, run.Past.Origin
	if o == nil || o.Met != "" || began.Place != "" && began.Place == o.Place && placeCounts(began, *o) {
		return "", false
	}
	where := placed(began.Roots, began.Place)
	unknown := fmt.Sprintf("it is not known whether these manifests are those of source %s, which is read from %s: ", run.Source, where)
	switch {
	case run.Past.OriginErr != nil:
		why = unknown + run.Past.OriginErr.Error()
	case o.Cut:
		why = unknown + "the history is cut off before it (a shallow clone); fetch the rest of it (git fetch --unshallow)"
	case began.Cut && len(o.Roots) > 0:
		why = unknown + "the source was first read from a shallow clone, and no commit of that is in the history"
	default:
		return fmt.Sprintf("these manifests are from %s, and source %s is read from %s; correct --source, or give these manifests another name (--name, or name: in .swarm-operator.yaml)", placed(o.Roots, o.Place), run.Source, where), true
	}
	if d.Observe {
		run.Notices = append(run.Notices, why+"; apply and run wait for consent to "+string(plan.OtherSource))
		return "", false
	}
	return why, false
}

// placeCounts reports whether the place of a directory tells more than histories do: the source had none when it was first
// read, or the files are read as they are and their history has ended or is cut off.
func placeCounts(began state.Origin, o git.Origin) bool {
	return len(began.Roots) == 0 || o.Files && (len(o.Roots) == 0 || o.Cut || began.Cut)
}

// placed describes where manifests come from.
func placed(roots []string, place string) string {
	if len(roots) == 0 {
		return "the directory " + place
	}
	return fmt.Sprintf("a repository that begins with commit %.10s", roots[0])
}

// OtherSource says what the run waits for if the revision may be of another source, or returns "".
func (r *Decision) OtherSource() string {
	if !r.Foreign {
		return ""
	}
	agree := "swarm-operator apply --consent " + string(plan.OtherSource)
	if len(r.InForce.Hash) == 40 {
		agree = plan.Approving(r.InForce.Hash, string(plan.OtherSource))
	}
	return fmt.Sprintf("%s; nothing is written until somebody agrees: %s", r.Facts.OtherSource, agree)
}

// InSync reports whether nothing differs that counts, and the revision is known to be of the source.
func (r *Decision) InSync() bool { return r.Plan.InSync() && !r.Foreign }

// pin records where the source began, once that is known or somebody agreed to another one. If it is only not known
// whether the revision is of the source, whoever agrees says that it is. To know more about the same source is no reason
// to write the memory: it is written when the memory is written for another reason.
func pin(run *Decision) {
	if run.Past.First == nil {
		return
	}
	m, began := &run.Memory, originOf(*run.Past.First)
	if run.stranger || began.Better(m.Origin) && run.differs() {
		m.Origin = began
	}
}

// originOf returns what is remembered of where a history begins. The place of a repository is not: another repository may
// be put there.
func originOf(o git.Origin) state.Origin {
	began := state.Origin{Roots: o.Roots, Cut: o.Cut}
	if o.Files {
		began.Place = o.Place
	}
	return began
}
