package decide

import (
	"slices"
	"strings"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

const (
	// mostRounds is how often the operator undoes a change that somebody makes again each time. After that it leaves
	// the field alone until it is quiet.
	mostRounds = 3
	// quiet is how long nobody must have written the field before the operator puts it back once more.
	quiet = 15 * time.Minute
)

// contention counts how often somebody repeated a change that the operator had undone. It lasts as long as the
// process.
type contention map[contended]*round

// contended is a field of an object. path is "" if it is the object itself, which somebody removes.
type contended struct {
	key  v1.Key
	path string
}

type round struct {
	// want is what git asks for. If it changes, the count starts again.
	want string
	// have is what somebody wrote last.
	have string
	// times is how often somebody repeated the change. last is when it was last written, by the operator or by hand.
	times int
	last  time.Time
	// undone is true if the operator has put the field back and nobody has written it since.
	undone bool
}

// repaired notes that a step has undone changes by hand.
func (c contention) repaired(s plan.Step, now time.Time) {
	for at, f := range handsOf(s.Change) {
		if at.path != "" && !slices.ContainsFunc(s.Fields, func(written diff.Field) bool { return written.Path == at.path }) {
			continue
		}
		r := c[at]
		if r == nil {
			r = &round{want: f.Want.Reveal()}
			c[at] = r
		}
		r.have, r.last, r.undone = f.Have.Reveal(), now, true
	}
}

// look counts the changes that were repeated, and forgets those that are over. It returns what the operator must
// leave alone for now, by object.
func (c contention) look(changes []diff.Change, now time.Time) map[v1.Key][]plan.Contention {
	differs, out := map[contended]bool{}, map[v1.Key][]plan.Contention{}
	for _, change := range changes {
		for at, f := range handsOf(change) {
			differs[at] = true
			r := c[at]
			if r == nil {
				continue
			}
			if r.want != f.Want.Reveal() {
				delete(c, at)
				continue
			}
			if have := f.Have.Reveal(); r.undone {
				r.times, r.have, r.last, r.undone = r.times+1, have, now, false
			} else if r.have != have {
				r.have, r.last = have, now
			}
			if until := r.last.Add(quiet); r.times >= mostRounds && until.After(now) {
				out[at.key] = append(out[at.key], plan.Contention{Path: at.path, Times: r.times, Until: until})
			}
		}
		for _, f := range change.Fields {
			if f.Git {
				delete(c, contended{change.Key, f.Path})
			}
		}
	}
	c.rest(differs, now)
	for _, of := range out {
		slices.SortFunc(of, func(a, b plan.Contention) int { return strings.Compare(a.Path, b.Path) })
	}
	return out
}

// rest looks after entries that do not differ now. It forgets an entry that nobody has written for as long as quiet.
func (c contention) rest(differs map[contended]bool, now time.Time) {
	for at, r := range c {
		switch {
		case differs[at]:
		case now.Sub(r.last) >= quiet:
			delete(c, at)
		default:
			r.have = r.want // the next write by hand then counts as a new one
		}
	}
}

// handsOf returns the fields of a change that only a hand has changed. If somebody removed the object, it returns one
// entry for the object itself.
func handsOf(c diff.Change) map[contended]diff.Field {
	if c.Removed() {
		return map[contended]diff.Field{{key: c.Key}: {}}
	}
	if c.Op != diff.Update {
		return nil
	}
	var out map[contended]diff.Field
	for _, f := range c.Counted() {
		if !f.Hand || f.Git {
			continue
		}
		if out == nil {
			out = map[contended]diff.Field{}
		}
		out[contended{c.Key, f.Path}] = f
	}
	return out
}
