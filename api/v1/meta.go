// Package v1 is the vocabulary of swarm-operator.io/v1: the kinds, their fields, defaults and rules.
//
// It describes what a manifest may say. It reads no file, talks to no engine and knows no clock.
// Names follow compose files where compose has one, Kubernetes where it has not.
package v1

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// APIVersion is the only value of apiVersion that manifests may state.
const APIVersion = "swarm-operator.io/v1"

// Labels that the operator writes on swarm objects. They are never a difference by themselves.
const (
	LabelPrefix = "swarm-operator.io/"
	// LabelOwner holds SOURCE/KIND/NAME: copied to another object it names the wrong one and proves nothing.
	LabelOwner = LabelPrefix + "owner"
	// LabelMade holds the nonce of the memory under which the object was made: it tells what the source made from copies of it.
	LabelMade = LabelPrefix + "made"
	// LabelApplied holds one short digest per stated leaf, as package diff writes them.
	LabelApplied = LabelPrefix + "applied"
	// LabelContent holds KEYID:HASH of a config's or secret's content, both keyed: what the engine does not give back is
	// compared by it, and says nothing without the key.
	LabelContent = LabelPrefix + "content"
	// LabelRetried holds the version of a service on which somebody asked for its failed update to be tried again.
	LabelRetried = LabelPrefix + "retried"
	// LabelState marks the configs that hold the operator's own memory; its value is the source's name.
	LabelState = LabelPrefix + "state"
	// LabelLease marks the config that says who may act on the swarm; its value is held, free or left.
	LabelLease = LabelPrefix + "lease"
	// LabelHold marks a config that stops every write to what its value names: KIND/NAME, a source, or all. Its data is the
	// reason. LabelHoldUntil ends it by itself, at a time as RFC 3339 has it; LabelHoldBy says whose it is.
	LabelHold      = LabelPrefix + "hold"
	LabelHoldUntil = LabelPrefix + "hold-until"
	LabelHoldBy    = LabelPrefix + "hold-by"
	// Labels of the cluster object: the epoch and the time of the last rotation that the operator made, or began to count from.
	LabelRotatedWorker  = LabelPrefix + "rotated-worker-token"
	LabelRotatedManager = LabelPrefix + "rotated-manager-token"
	LabelRotatedKey     = LabelPrefix + "rotated-unlock-key"
	LabelRotatedCA      = LabelPrefix + "rotated-ca"
)

// Names of the kinds.
const (
	KindService = "Service"
	KindNetwork = "Network"
	KindConfig  = "Config"
	KindSecret  = "Secret"
	KindCluster = "Cluster"
	KindNode    = "Node"
	KindNodeSet = "NodeSet"
)

// OfNodes says whether manifests of a kind decide, together with each other, what nodes are and who is a manager.
func OfNodes(kind string) bool { return kind == KindCluster || kind == KindNode || kind == KindNodeSet }

// Key identifies an object within a source.
type Key struct{ Kind, Name string }

// String renders the key as Kind/name.
func (k Key) String() string { return k.Kind + "/" + k.Name }

// MarshalText renders Kind/name, also as a key of JSON objects.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads Kind/name.
func (k *Key) UnmarshalText(b []byte) (err error) {
	*k, err = ParseKey(string(b))
	return err
}

// Compare orders keys by kind, then by name.
func (k Key) Compare(o Key) int {
	return cmp.Or(strings.Compare(k.Kind, o.Kind), strings.Compare(k.Name, o.Name))
}

// Folded returns the key with the name in the form that the swarm compares: it holds the names of two services, networks,
// configs or secrets for one where they differ in case alone.
func (k Key) Folded() Key {
	switch k.Kind {
	case KindService, KindNetwork, KindConfig, KindSecret:
		k.Name = strings.ToLower(k.Name)
	}
	return k
}

// ParseKey reads Kind/name. The kind is not checked against the known ones.
func ParseKey(s string) (Key, error) {
	kind, name, ok := strings.Cut(s, "/")
	if !ok || kind == "" || name == "" {
		return Key{}, fmt.Errorf("%q is not of the form Kind/name", s)
	}
	return Key{kind, name}, nil
}

// Object is one manifest.
type Object interface {
	Key() Key
	// Meta returns the part every kind has.
	Meta() *Header
	// External says that the object must exist and is never written.
	External() bool
	// Default fills in every default, in place, and brings what has no order into canonical order: the normal form.
	Default()
	// Validate names everything wrong within the object itself, with field paths and no position.
	// It is called on the object as stated, before Default.
	Validate() []Problem
	// Refs names the objects that this one needs.
	Refs() []Ref
	// Copy returns a deep copy.
	Copy() Object
}

// Header is what every manifest starts with.
type Header struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	Policy     Policy   `json:"policy,omitzero"`
}

// Key returns the object's identity.
func (h *Header) Key() Key { return Key{h.Kind, h.Metadata.Name} }

// Meta returns the header itself.
func (h *Header) Meta() *Header { return h }

// Metadata names an object. Labels are the swarm object's, not the containers'.
type Metadata struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels,omitempty"`
}

// Values of policy.adopt.
const (
	AdoptNever       = "never"
	AdoptIfIdentical = "ifIdentical"
	AdoptTakeover    = "takeover"
)

// Policy says what the operator may do with an object. It is no part of the object's own spec.
type Policy struct {
	// Adopt says whether an object of that name which this source did not make may be taken over. Default ifIdentical.
	Adopt string `json:"adopt,omitempty"`
	// Prune says whether the object is removed when its manifest is. Default true for what the operator made, false for what it adopted.
	Prune *bool `json:"prune,omitempty"`
	// Protect refuses every removal and replacement, whoever consents.
	Protect bool `json:"protect,omitempty"`
	// Enforce says whether changes made by hand are repaired; else they are reported. Default true for what the operator made, false for what it adopted.
	Enforce *bool `json:"enforce,omitempty"`
	// IgnoreDifferences lists field paths (with all below them) that are neither written nor counted.
	IgnoreDifferences []string `json:"ignoreDifferences,omitempty"`
	// Suspend stops every write to the object.
	Suspend bool `json:"suspend,omitempty"`
	// DependsOn orders what changes together: this object after those, once they are ready.
	DependsOn []string `json:"dependsOn,omitempty"`
}

// Adoption returns Adopt with its default.
func (p Policy) Adoption() string { return cmp.Or(p.Adopt, AdoptIfIdentical) }

// IsZero says that nothing is stated.
func (p Policy) IsZero() bool {
	return p.Adopt == "" && p.Prune == nil && !p.Protect && p.Enforce == nil && len(p.IgnoreDifferences) == 0 && !p.Suspend && len(p.DependsOn) == 0
}

func (p Policy) copy() Policy {
	p.IgnoreDifferences = slices.Clone(p.IgnoreDifferences)
	p.DependsOn = slices.Clone(p.DependsOn)
	p.Prune, p.Enforce = clone(p.Prune), clone(p.Enforce)
	return p
}

// Ref is a need for another object, and the field that states it.
type Ref struct {
	Key  Key
	Path string
}

// Problem is one thing wrong with a source. File and Line are empty where they are not known.
type Problem struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Object  Key    `json:"object,omitzero"`
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
	// Holds is true if the problem is one of the object's values: it holds the object and what depends on it. False: the
	// revision cannot be read, and is refused whole.
	Holds bool `json:"holds,omitempty"`
}

// Refusing returns the problems for which a revision is refused whole.
func Refusing(problems []Problem) []Problem {
	return slices.DeleteFunc(slices.Clone(problems), func(p Problem) bool { return p.Holds })
}

// String renders file:line: Kind/name: path: message, leaving out what is not known.
func (p Problem) String() string {
	var b strings.Builder
	switch {
	case p.File != "" && p.Line > 0:
		fmt.Fprintf(&b, "%s:%d: ", p.File, p.Line)
	case p.File != "":
		b.WriteString(p.File + ": ")
	}
	if p.Object != (Key{}) {
		b.WriteString(p.Object.String() + ": ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// Compare orders problems by file, line, object, path and message.
func (p Problem) Compare(o Problem) int {
	return cmp.Or(strings.Compare(p.File, o.File), cmp.Compare(p.Line, o.Line), p.Object.Compare(o.Object),
		strings.Compare(p.Path, o.Path), strings.Compare(p.Message, o.Message))
}

// problems collects what Validate finds.
type problems []Problem

func (ps *problems) add(path, format string, args ...any) {
	*ps = append(*ps, Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

// oneOf adds a problem unless the value is empty or among the allowed.
func (ps *problems) oneOf(path, value string, allowed ...string) {
	if value != "" && !slices.Contains(allowed, value) {
		ps.add(path, "%q is not one of %s%s", value, strings.Join(allowed, ", "), DidYouMean(value, allowed))
	}
}
