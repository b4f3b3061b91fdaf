package v1

// Defaults are what a source states once for all of its objects, in .swarm-operator.yaml.
type Defaults struct {
	// Policy counts wherever a manifest's own policy does not state the same field. A Cluster, Node or NodeSet has no part in it:
	// none of them is ever adopted, and a change of theirs by hand may be meant.
	Policy DefaultPolicy `json:"policy,omitzero"`
}

// DefaultPolicy are those fields of a Policy that a source may state for all.
type DefaultPolicy struct {
	// Adopt as in Policy.
	Adopt string `json:"adopt,omitempty"`
	// Prune as in Policy. True also lets those adopted objects go whose manifest is gone already and did not say.
	Prune *bool `json:"prune,omitempty"`
	// Enforce as in Policy.
	Enforce *bool `json:"enforce,omitempty"`
}

// IsZero says that nothing is stated.
func (d DefaultPolicy) IsZero() bool { return d == DefaultPolicy{} }

// Validate returns what is wrong with the policy, with paths below it.
func (d DefaultPolicy) Validate() []Problem {
	var ps problems
	ps.oneOf("adopt", d.Adopt, AdoptNever, AdoptIfIdentical, AdoptTakeover)
	return ps
}

// Under returns a policy with the defaults in place of what it does not state.
func (d DefaultPolicy) Under(p Policy) Policy {
	if p.Adopt == "" {
		p.Adopt = d.Adopt
	}
	if p.Prune == nil {
		p.Prune = clone(d.Prune)
	}
	if p.Enforce == nil {
		p.Enforce = clone(d.Enforce)
	}
	return p
}

// Equal reports whether both state the same.
func (d DefaultPolicy) Equal(o DefaultPolicy) bool {
	same := func(a, b *bool) bool { return a == b || a != nil && b != nil && *a == *b }
	return d.Adopt == o.Adopt && same(d.Prune, o.Prune) && same(d.Enforce, o.Enforce)
}
