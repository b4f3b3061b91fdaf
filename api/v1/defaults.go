package v1

// Defaults is what a source states once for all of its objects, in .swarm-operator.yaml.
type Defaults struct {
	// Policy applies to every field that a manifest's own policy does not state. It does not apply to a Cluster, Node
	// or NodeSet. None of these is ever adopted, and a person may have meant a change that was made to them by hand.
	Policy DefaultPolicy `json:"policy,omitzero"`
}

// DefaultPolicy holds those fields of a Policy that a source may state for all objects.
type DefaultPolicy struct {
	// Adopt means the same as in Policy.
	Adopt string `json:"adopt,omitempty"`
	// Prune means the same as in Policy. True also removes adopted objects whose manifest is already gone and did not
	// state prune. It does not count for a Volume, whose own manifest must state it.
	Prune *bool `json:"prune,omitempty"`
	// Enforce means the same as in Policy.
	Enforce *bool `json:"enforce,omitempty"`
}

// IsZero reports whether nothing is stated.
func (d DefaultPolicy) IsZero() bool { return d == DefaultPolicy{} }

// Validate returns what is wrong with the policy. The paths are relative to it.
func (d DefaultPolicy) Validate() []Problem {
	var ps problems
	ps.oneOf("adopt", d.Adopt, AdoptNever, AdoptIfIdentical, AdoptTakeover)
	return ps
}

// For returns the defaults that count for objects of a kind: what holds data is removed only if its own manifest says so.
func (d DefaultPolicy) For(kind string) DefaultPolicy {
	if HoldsData(kind) {
		d.Prune = nil
	}
	return d
}

// Under returns p, with the default for each field that p does not state.
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
