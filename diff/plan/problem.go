package plan

import (
	"maps"
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

const guardProblem = "problem"

// Problem is what is wrong with the manifest of an object. The object is held: it stays as it is.
type Problem struct {
	Why string
	// Present is true if the object exists, under the name Instance.
	Present  bool
	Instance string
	// Outside is true if nothing is wrong with the manifest: the object cannot be seen, so nobody knows what it is.
	Outside bool
}

// mended says what ends the problem.
func (p Problem) mended() string {
	if p.Outside {
		return ""
	}
	return ": mend it in git"
}

// ends says why the object is held, and what ends that.
func (p Problem) ends() string {
	if p.Outside {
		return p.Why + "; it stays as it is"
	}
	return p.Why + "; mend it in git"
}

// problems adds a refusal for each object that is held because of a problem of its manifest. Such an object has no
// want, because nobody knows what it should be.
func (p *Plan) problems(f Facts) {
	for _, key := range slices.SortedFunc(maps.Keys(f.Problems), v1.Key.Compare) {
		problem, op := f.Problems[key], diff.Update
		if !problem.Present {
			op = diff.Create
		}
		p.Refused = append(p.Refused, Refusal{
			Op: op, Key: key, Instance: problem.Instance, Guard: guardProblem, Class: Never, Why: problem.ends(),
		})
	}
}
