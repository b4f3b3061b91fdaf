package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

const (
	guardEnforce     = "enforce"
	guardRepairAfter = "repair-after"
	guardContended   = "contended" // leaves alone what somebody rewrites again and again
	guardIntent      = "intent"
)

// Contention is a field that the operator put back and that somebody has written again each time.
type Contention struct {
	// Path is the field's path. It is "" if the object itself was removed again each time.
	Path string
	// Times is how often somebody wrote it again.
	Times int
	// Until is when the operator puts it back once more, if nobody has written it until then.
	Until time.Time
}

// contended takes out of the steps the fields that somebody has written again each time they were put back. Fields
// that git changes are written.
func (p *Plan) contended(f Facts) {
	for i := 0; i < len(p.Steps); i++ {
		s := &p.Steps[i]
		r, fields, is := s.contended(f.Contended[s.Key])
		if !is {
			continue
		}
		p.Refused = append(p.Refused, r)
		if len(fields) == 0 {
			p.Steps = slices.Delete(p.Steps, i, i+1)
			i--
			continue
		}
		s.take(fields)
	}
}

// contended returns the refusal of the contended fields of a step, and the fields that are left. is is false if none
// is contended.
func (s Step) contended(of []Contention) (r Refusal, left []diff.Field, is bool) {
	var until time.Time
	var paths, counts []string
	for _, c := range of {
		if c.Path == "" && s.Change.Removed() {
			r = s.Refusal(Later, "somebody removed it again %s after the operator had made it again, so the operator leaves it removed until nobody has done so for some time, or git changes it; "+
				"find out who removes it, or remove its manifest", times(c.Times))
			r.Guard, r.Fields, r.Until = guardContended, s.Fields, c.Until
			return r, nil, true
		}
		if s.Op == diff.Update && slices.ContainsFunc(s.Fields, func(fl diff.Field) bool { return fl.Path == c.Path && fl.Hand && !fl.Git }) {
			paths, until = append(paths, c.Path), later(until, c.Until)
			counts = append(counts, c.Path+" "+times(c.Times))
		}
	}
	if len(paths) == 0 {
		return r, nil, false
	}
	contended, left := split(s.Fields, func(fl diff.Field) bool { return slices.Contains(paths, fl.Path) })
	r = s.Refusal(Later, "somebody keeps overwriting what the operator puts back (%s), so the operator leaves that alone until nobody has written it for some time, or git changes it; "+
		"find out who writes, or leave it to them with policy.ignoreDifferences", strings.Join(counts, ", "))
	r.Guard, r.Fields, r.Until = guardContended, contended, until
	return r, left, true
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return v1.Count(n, "time")
}

// undoes reports whether all that a step does is to undo a change by hand.
func (s Step) undoes() bool {
	if s.Origin != OriginDiffers {
		return false
	}
	if s.Op == diff.Create {
		return s.Change.Removed()
	}
	return s.Op == diff.Update && !slices.ContainsFunc(s.Fields, func(fl diff.Field) bool { return fl.Git })
}

// restartLater takes out of a repair the fields that would restart tasks before their time. The rest of the repair
// then need not wait as long.
func (p *Plan) restartLater(f Facts, policy Policy) {
	for i := range p.Steps {
		s := &p.Steps[i]
		if !s.undoes() || !s.RollsOut() {
			continue
		}
		restart := *s
		var rest []diff.Field
		restart.Fields, rest = split(s.Fields, func(fl diff.Field) bool { return fl.Effect >= diff.RestartsTasks })
		r, early := hasty(restart, f, policy)
		if len(rest) == 0 || !early {
			continue
		}
		r.Guard, r.Fields = guardRepairAfter, restart.Fields
		p.Refused = append(p.Refused, r)
		s.Fields, s.Effect = rest, diff.NoEffect
		for _, fl := range rest {
			s.Effect = max(s.Effect, fl.Effect)
		}
	}
}

// tooEarly refuses to undo a change by hand before it has been announced for a while. It also leaves an object
// removed if changes by hand to it are not repaired. An object that another step needs is made at once, even if
// somebody removed it.
func tooEarly(plan Plan, f Facts, p Policy) []Refusal {
	early := map[int]Refusal{}
	for i, s := range plan.Steps {
		if r, is := hasty(s, f, p); is {
			early[i] = r
		}
	}
	needed := map[v1.Key]bool{}
	need := func(keys []v1.Key) {
		for _, k := range keys {
			needed[k] = true
		}
	}
	for _, r := range plan.Refused { // a step that only waits for its turn still comes
		if r.waits() && !r.is(hand) {
			need(r.of.needs)
		}
	}
	for changed := true; changed; {
		changed = false
		for i, s := range plan.Steps {
			if _, waits := early[i]; !waits {
				need(s.requires())
			}
		}
		for i := range early {
			if s := plan.Steps[i]; s.Op == diff.Create && needed[s.Key] {
				delete(early, i)
				changed = true
			}
		}
	}
	var out []Refusal
	for i := range plan.Steps {
		if r, waits := early[i]; waits {
			out = append(out, r)
		}
	}
	return out
}

// hasty returns the refusal of a step that would undo a change by hand before its time. It returns false if the step
// may go on.
func hasty(s Step, f Facts, p Policy) (Refusal, bool) {
	if !s.undoes() {
		return Refusal{}, false
	}
	if s.Change.Removed() && !enforces(s.Change) {
		why := "it had been adopted"
		if s.Change.Want.Policy.Enforce != nil {
			why = "its manifest says policy.enforce: false"
		}
		r := s.Refusal(Never, "it was removed by hand, and the operator only reports that, because %s; to have it made again, state policy.enforce: true or change it in git; to let it go, remove its manifest%s", why, lacks(s.Change.Want))
		r.Guard = guardEnforce
		return r, true
	}
	after := p.RepairAfter
	if s.RollsOut() {
		after = p.RepairRestartsAfter
	}
	since, known := f.DriftSince[s.Key]
	if !known {
		since = f.Now
	}
	until := since.Add(after)
	if !until.After(f.Now) {
		return Refusal{}, false
	}
	was, does, would, why := "changed", "repairs it", "repair it", ""
	switch {
	case s.Change.Removed():
		was, does, would = "removed", "makes it again", "make it again"
	case s.RollsOut():
		why = ", because the repair restarts its tasks"
	}
	what := fmt.Sprintf("; the operator %s", does)
	if p.Observe {
		what = fmt.Sprintf(", and the operator only observes; in enforce mode it would %s", would)
	}
	r := s.Refusal(Later, "it was %s by hand%s %s after it first saw that%s", was, what, after, why)
	r.Until = until
	return r, true
}
