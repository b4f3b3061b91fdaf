package revisions

import (
	"time"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/guardrails"
	"github.com/swarm-operator/swarm-operator/manifests"
)

// Guards check the manifests of a source against guardrails. A nil Guards checks nothing.
type Guards struct {
	file *config.Guardrails
	now  func() time.Time
	// day is the day of the last check, in UTC. Exceptions end with a day.
	day string
	// found has what was found of each object on that day, and with the same defaults. An object that did not change is
	// the same pointer in each Set.
	found    map[v1.Object][]guardrails.Breach
	defaults v1.DefaultPolicy
	// ownOnly is what OwnOnly returns. Each check makes a new one.
	ownOnly map[v1.Key]string
}

// NewGuards returns Guards that check by a file. It returns nil if there is no file.
func NewGuards(file *config.Guardrails, now func() time.Time) *Guards {
	if file == nil {
		return nil
	}
	return &Guards{file: file, now: now}
}

// Placing returns the names of the node labels that services must ask for.
func (g *Guards) Placing() []string {
	if g == nil {
		return nil
	}
	return guardrails.Placing(g.file)
}

// OwnOnly says of the objects that were checked last which rule forbids the source to take them over from others. With
// mode: warn there are none.
func (g *Guards) OwnOnly() map[v1.Key]string {
	if g == nil {
		return nil
	}
	return g.ownOnly
}

// allowed returns the defaults of a source without those that a rule forbids.
func (g *Guards) allowed(d v1.Defaults) v1.Defaults {
	if g == nil {
		return d
	}
	return guardrails.Allowed(g.file, d)
}

// outdated reports whether exceptions may have ended since the last check.
func (g *Guards) outdated() bool {
	return g != nil && len(g.file.Exceptions) > 0 && g.day != g.today()
}

func (g *Guards) today() string { return g.now().UTC().Format(time.DateOnly) }

// check returns the problems of manifests that break rules. With mode: warn these are notices.
func (g *Guards) check(set manifests.Set) (problems, notices []v1.Problem) {
	if g == nil {
		return nil, nil
	}
	before := g.found
	if day := g.today(); g.day != day || !g.defaults.Equal(set.Defaults.Policy) {
		before, g.day, g.defaults = nil, day, set.Defaults.Policy
	}
	g.found, g.ownOnly = make(map[v1.Object][]guardrails.Breach, len(set.Entries)), map[v1.Key]string{}
	theirs := func(key v1.Key) bool {
		e, stated := set.Get(key)
		return !stated || e.Object.External()
	}
	for _, e := range set.Entries {
		if rule := guardrails.OwnOnly(g.file, e.Object, g.now()); rule != "" && g.file.Mode != config.Warn {
			g.ownOnly[e.Key()] = rule
		}
		breaches, known := before[e.Object]
		if !known || len(e.Object.Refs()) > 0 { // what another manifest states may have changed
			breaches = guardrails.Check(g.file, guardrails.Manifest{Object: e.Object, Defaults: set.Defaults.Policy, States: e.Stating, Theirs: theirs}, g.now())
		}
		g.found[e.Object] = breaches
		for _, b := range breaches {
			at := e.Position(b.Path)
			p := v1.Problem{File: at.File, Line: at.Line, Object: e.Key(), Path: b.Path, Message: "guardrail " + b.Rule + ": " + b.Why, Holds: true}
			if g.file.Mode == config.Warn {
				p.Holds = false
				notices = append(notices, p)
			} else {
				problems = append(problems, p)
			}
		}
	}
	return problems, notices
}
