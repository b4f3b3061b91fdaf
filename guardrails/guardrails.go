// Package guardrails says which rules of the operator's side the manifests of a source break. It is pure.
package guardrails

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Breach is a rule that a manifest breaks.
type Breach struct {
	// Rule is the name of the rule, such as images.digest.
	Rule string
	// Path is the field that breaks it. It is "" if it is the object as a whole, or a field that is missing.
	Path string
	// Why says what was found and what is allowed.
	Why string
}

// Manifest is what is checked.
type Manifest struct {
	Object v1.Object
	// Defaults are what the source states for the policies of all its objects.
	Defaults v1.DefaultPolicy
	// States returns the paths at which the manifest states a field, by its path without indexes, in the form of
	// v1.OneForm. nil means that it states none.
	States func(path string) []string
	// Theirs reports whether an object is others': the source does not state it, or states it with external: true.
	Theirs func(v1.Key) bool
}

// Check returns the rules that a manifest breaks on a day, in the order of the rules' names as the reference lists them.
// Exceptions that have not ended are left out.
func Check(g *config.Guardrails, m Manifest, today time.Time) []Breach {
	c := &checking{rules: g, of: m}
	c.any()
	c.ignored()
	switch o := m.Object.(type) {
	case *v1.Service:
		c.service(o)
	case *v1.Network:
		c.network(o)
	case *v1.Config:
		c.external("configs", v1.KindConfig, o.Metadata.Name, o.Spec.External, "spec.external")
	case *v1.Secret:
		c.secret(o)
	case *v1.Volume:
		c.clusterVolume(o)
	case *v1.Node:
		c.node(o)
	case *v1.NodeSet:
		c.nodeSet(o)
	case *v1.Cluster:
		c.cluster(o)
	}
	return slices.DeleteFunc(c.found, func(b Breach) bool { return excepted(g.Exceptions, m.Object.Key(), b.Rule, today) })
}

// OwnOnly returns the rule that lets the source have an object of that name only if nobody else made the one in the swarm.
// It returns "" if there is none. The networks, secrets and cluster volumes of others that a source may use are listed in
// external. To state one as its own, and to take over the one that exists, would be another way to use it. A config that is
// taken over tells the source nothing: it has the content that the manifest states.
func OwnOnly(g *config.Guardrails, o v1.Object, today time.Time) string {
	rules := map[string]string{v1.KindNetwork: "external.networks", v1.KindSecret: "external.secrets", v1.KindVolume: "external.volumes"}
	rule := rules[o.Key().Kind]
	if g == nil || g.External == nil || rule == "" || o.External() || excepted(g.Exceptions, o.Key(), rule, today) {
		return ""
	}
	if patterns := othersOf(g.External, o.Key().Kind); patterns == nil || matches(patterns, o.Key().Name) {
		return ""
	}
	return rule
}

// othersOf returns the names of objects of others that the source may use, of a kind. nil means that it may use any.
func othersOf(e *config.ExternalRules, kind string) []string {
	return map[string][]string{v1.KindNetwork: e.Networks, v1.KindConfig: e.Configs, v1.KindSecret: e.Secrets, v1.KindVolume: e.Volumes}[kind]
}

// excepted reports whether an exception for a rule and an object has not ended.
func excepted(list []config.Exception, key v1.Key, rule string, today time.Time) bool {
	for _, e := range list {
		if e.Object != key.String() {
			continue
		}
		last, err := time.Parse(time.DateOnly, e.Until)
		if err != nil || !today.UTC().Before(last.AddDate(0, 0, 1)) {
			continue
		}
		for _, r := range e.Rules {
			if r == rule || strings.HasPrefix(rule, r+".") {
				return true
			}
		}
	}
	return false
}

// checking collects the rules that one manifest breaks.
type checking struct {
	rules *config.Guardrails
	of    Manifest
	found []Breach
}

func (c *checking) add(rule, path, format string, args ...any) {
	c.found = append(c.found, Breach{rule, path, fmt.Sprintf(format, args...)})
}

// list says what a list allows.
func list(of []string) string {
	if len(of) == 0 {
		return "none is"
	}
	return strings.Join(of, ", ")
}

// oneOf adds a breach unless a list is not stated, or one of its patterns matches the text.
func (c *checking) oneOf(rule, at string, patterns []string, text string) {
	if patterns != nil && !matches(patterns, text) {
		c.add(rule, at, "%q is not allowed; allowed: %s", text, list(patterns))
	}
}

// matches reports whether one of the patterns matches a text whole.
func matches(patterns []string, text string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, text) })
}

// matchesAll reports whether one of the patterns matches whatever the swarm makes of a text with templates. A * has to stand
// for everything from the first template to the end of the last one.
func matchesAll(patterns []string, text string) bool {
	first, last := strings.Index(text, "{{"), strings.LastIndex(text, "}}")
	if first < 0 {
		return matches(patterns, text)
	}
	before, after := text[:first], text[max(first, last+2):]
	return slices.ContainsFunc(patterns, func(p string) bool {
		for i := range len(p) {
			if p[i] == '*' && match(p[:i+1], before) && match(p[i:], after) {
				return true
			}
		}
		return false
	})
}

// match reports whether a pattern matches a text.
func match(pattern, text string) bool { return v1.MatchText(pattern, text) }

// any checks what is true of every kind.
func (c *checking) any() {
	o := c.of.Object
	key, meta := o.Key(), o.Meta()
	c.oneOf("kinds", "kind", c.rules.Kinds, key.Kind)
	c.oneOf("names", "metadata.name", c.rules.Names, key.Name)
	for _, field := range c.rules.Fields {
		kind, at, _ := strings.Cut(field, " ")
		if kind != key.Kind || c.of.States == nil {
			continue
		}
		for _, path := range c.spelled(v1.OneForm(kind, at)) {
			for _, stated := range c.of.States(path) {
				c.add("fields", stated, "must not be stated")
			}
		}
		if stated := c.byDefault(at); stated != "" {
			c.add("fields", stated, "must not be stated, and .swarm-operator.yaml states it for all objects")
		}
	}
	if l := c.rules.Labels; l != nil {
		c.labels(l.Prefixes, "metadata.labels", meta.Metadata.Labels)
	}
	if p := c.rules.Policies; p != nil {
		policy := c.of.Defaults.For(key.Kind).Under(meta.Policy)
		if p.NoTakeover && policy.Adopt == v1.AdoptTakeover {
			c.add("policies.noTakeover", "policy.adopt", "%s is not allowed", v1.AdoptTakeover)
		}
		if p.NoPrune && policy.Prune != nil && *policy.Prune {
			c.add("policies.noPrune", "policy.prune", "true is not allowed")
		}
	}
}

// byDefault returns the first field of a policy at a path, or below it, that the source states for its objects and the
// manifest does not state itself. It returns "" if there is none.
func (c *checking) byDefault(at string) string {
	kind, own := c.of.Object.Key().Kind, c.of.Object.Meta().Policy
	d := c.of.Defaults.For(kind)
	if slices.Contains([]string{v1.KindCluster, v1.KindNode, v1.KindNodeSet}, kind) { // these have no defaults
		return ""
	}
	for _, f := range []struct {
		at     string
		counts bool
	}{
		{"policy.adopt", d.Adopt != "" && own.Adopt == ""},
		{"policy.prune", d.Prune != nil && own.Prune == nil},
		{"policy.enforce", d.Enforce != nil && own.Enforce == nil},
	} {
		if f.counts && isBelow(f.at, at) {
			return f.at
		}
	}
	return ""
}

// Allowed returns the defaults of a source that a file allows. The default of prune counts for objects whose
// manifest is gone too, and Check sees none of these.
func Allowed(g *config.Guardrails, d v1.Defaults) v1.Defaults {
	if g != nil && g.Mode != config.Warn && g.Policies != nil && g.Policies.NoPrune && d.Policy.Prune != nil && *d.Policy.Prune {
		d.Policy.Prune = nil
	}
	return d
}

func (c *checking) labels(prefixes []string, at string, labels map[string]string) {
	if prefixes == nil {
		return
	}
	for _, name := range sorted(labels) {
		if !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			c.add("labels.prefixes", v1.PathKey(at, name), "the label must begin with one of: %s", list(prefixes))
		}
	}
}

// external checks the use of an object that may be others'.
func (c *checking) external(rule, kind, name string, is bool, at string) {
	e := c.rules.External
	if e == nil || !is {
		return
	}
	c.oneOf("external."+rule, at, othersOf(e, kind), name)
}
