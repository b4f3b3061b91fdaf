// Package v1 is the vocabulary of swarm-operator.io/v1: the kinds, their fields, defaults and rules.
//
// It describes what a manifest may say. It reads no file, talks to no engine and knows no clock.
// Names follow compose files if compose has a name, and Kubernetes otherwise.
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
	// LabelOwner holds SOURCE/KIND/NAME. Copied to another object, it names the wrong object and proves nothing.
	LabelOwner = LabelPrefix + "owner"
	// LabelMade holds the nonce of the memory under which the object was made. It tells objects that the source made
	// from copies of them.
	LabelMade = LabelPrefix + "made"
	// LabelApplied holds one short digest for each stated leaf, as package diff writes them.
	LabelApplied = LabelPrefix + "applied"
	// LabelContent holds a digest of a secret's content, as package digests makes it. It lets the operator compare content
	// that the engine does not give back. It begins with the way in which it was made.
	LabelContent = LabelPrefix + "content"
	// LabelRetried holds the version of a service for which somebody asked to try its failed update again.
	LabelRetried = LabelPrefix + "retried"
	// LabelState marks the configs that hold the operator's own memory. Its value is the source's name.
	LabelState = LabelPrefix + "state"
	// LabelLease marks the config that says who may act on the swarm. Its value is held, free or left.
	LabelLease = LabelPrefix + "lease"
	// LabelHold marks a config that stops every write to what its value names: KIND/NAME, a source, or all. The
	// config's data is the reason. LabelHoldUntil is the time at which the hold ends by itself, in RFC 3339;
	// LabelHoldBy names who placed it.
	LabelHold      = LabelPrefix + "hold"
	LabelHoldUntil = LabelPrefix + "hold-until"
	LabelHoldBy    = LabelPrefix + "hold-by"
	// These are labels of the cluster object. Each holds the epoch and time of the last rotation that the operator
	// made, or from which it began to count.
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
	KindVolume  = "Volume"
	KindCluster = "Cluster"
	KindNode    = "Node"
	KindNodeSet = "NodeSet"
)

// OfNodes reports whether the kind's manifests decide, together with each other, what nodes are and which nodes are
// managers.
func OfNodes(kind string) bool { return kind == KindCluster || kind == KindNode || kind == KindNodeSet }

// RunsTasks reports whether objects of a kind run tasks. Such objects use objects of other kinds, and a change of one
// takes time to roll out.
func RunsTasks(kind string) bool { return kind == KindService }

// HoldsData reports whether objects of a kind hold data that is gone with them. Such an object is never removed unless
// somebody asked for that, and never removed to be made again.
func HoldsData(kind string) bool { return kind == KindVolume }

// HoldsSecrets reports whether the engine never gives back the content of objects of a kind, so that nobody can compare
// it with a manifest.
func HoldsSecrets(kind string) bool { return kind == KindSecret }

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

// Folded returns the key with its name in the form that the swarm compares. For the swarm, the names of two services,
// networks, configs, secrets or volumes are the same if they differ only in case.
func (k Key) Folded() Key {
	switch k.Kind {
	case KindService, KindNetwork, KindConfig, KindSecret, KindVolume:
		k.Name = strings.ToLower(k.Name)
	}
	return k
}

// ParseKey reads Kind/name. It fails if the text has another form, and does not check the kind against the known
// ones.
func ParseKey(s string) (Key, error) {
	kind, name, ok := strings.Cut(s, "/")
	if !ok || kind == "" || name == "" {
		return Key{}, fmt.Errorf("%q is not KIND/NAME, such as Service/web", s)
	}
	return Key{kind, name}, nil
}

// Object is one manifest.
type Object interface {
	Key() Key
	// Meta returns the part that every kind has.
	Meta() *Header
	// External reports whether the object must exist already and is never written.
	External() bool
	// Default brings the object into normal form, in place: it fills in every default and sorts what has no order.
	Default()
	// Validate returns everything that is wrong within the object itself, with field paths and without positions. The
	// caller calls it on the object as stated, before Default.
	Validate() []Problem
	// Refs returns the objects that this one needs.
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

// Metadata names an object. Labels belong to the swarm object, not to its containers.
type Metadata struct {
	// Name is the object's name in the swarm. If the operator makes a config or secret, it adds a suffix to the name, a
	// new one for each content.
	Name string `json:"name"`
	// Labels are labels of the object in the swarm. A Node and a NodeSet state labels in their spec.
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
	// Adopt says whether the operator may take over an object of that name that this source did not make. It is never,
	// ifIdentical (default: only if the object equals the manifest) or takeover (also if it differs).
	Adopt string `json:"adopt,omitempty"`
	// Prune says whether the operator removes the object when its manifest is removed. Default true for objects that
	// the operator made, false for objects that it adopted and for every Volume, because its data goes with it.
	Prune *bool `json:"prune,omitempty"`
	// Protect refuses every removal and replacement, even with consent.
	Protect bool `json:"protect,omitempty"`
	// Enforce says whether the operator repairs changes made by hand; if false, it only reports them. Default true
	// for objects that the operator made, false for objects that it adopted.
	Enforce *bool `json:"enforce,omitempty"`
	// IgnoreDifferences lists field paths, such as spec.replicas. Once the object exists, the operator does not write
	// these fields or anything below them, and does not count them as differences. They count when it takes over an
	// object that others made, except the replicas of a service.
	IgnoreDifferences []string `json:"ignoreDifferences,omitempty"`
	// Suspend stops every write to the object.
	Suspend bool `json:"suspend,omitempty"`
	// DependsOn lists objects as KIND/NAME. If one of them changes together with this object, this object changes after
	// the other is ready.
	DependsOn []string `json:"dependsOn,omitempty"`
}

// Adoption returns Adopt, or its default if it is not stated.
func (p Policy) Adoption() string { return cmp.Or(p.Adopt, AdoptIfIdentical) }

// IsZero reports whether nothing is stated.
func (p Policy) IsZero() bool {
	return p.Adopt == "" && p.Prune == nil && !p.Protect && p.Enforce == nil && len(p.IgnoreDifferences) == 0 && !p.Suspend && len(p.DependsOn) == 0
}

func (p Policy) copy() Policy {
	p.IgnoreDifferences = slices.Clone(p.IgnoreDifferences)
	p.DependsOn = slices.Clone(p.DependsOn)
	p.Prune, p.Enforce = clone(p.Prune), clone(p.Enforce)
	return p
}

// Ref is the need for another object, and the path of the field that states it.
type Ref struct {
	Key  Key
	Path string
}

// Problem is one thing that is wrong with a source. File and Line are empty if they are not known.
type Problem struct {
	// File is the file with the mistake.
	File string `json:"file,omitempty"`
	// Line is the line with the mistake.
	Line int `json:"line,omitempty"`
	// Object is the object whose manifest has the mistake.
	Object Key `json:"object,omitzero"`
	// Path is the path of the field.
	Path string `json:"path,omitempty"`
	// Message says what is wrong.
	Message string `json:"message"`
	// Holds is true if one of the object's values is wrong; the problem then holds the object and what depends on it.
	// If false, the revision cannot be read and is refused whole.
	Holds bool `json:"holds,omitempty"`
}

// Refusing returns the problems that make the operator refuse a revision whole.
func Refusing(problems []Problem) []Problem {
	return slices.DeleteFunc(slices.Clone(problems), func(p Problem) bool { return p.Holds })
}

// String renders file:line: Kind/name: path: message, without the parts that are not known.
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

// oneOf adds a problem unless the value is empty or one of the allowed values.
func (ps *problems) oneOf(path, value string, allowed ...string) {
	if value != "" && !slices.Contains(allowed, value) {
		ps.add(path, "%q is not one of %s%s", value, strings.Join(allowed, ", "), DidYouMean(value, allowed))
	}
}
