// Package kinds is what every kind of object has in common: the shape of a kind, what was read of the swarm, and the
// index across kinds. Each kind is a folder below; package all lists them.
package kinds

import (
	"cmp"
	"context"
	"strings"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Live is one object as the engine gave it. It is never changed: the same pointer is the same object.
type Live struct {
	Kind string
	ID   string
	Name string
	// Called is the name that manifests have for it, where that is not Name.
	Called  string
	Version uint64
	Labels  map[string]string
	Created time.Time
	// Local: a node's own object, which others may name and no manifest makes.
	Local bool
	// Unknown are keys of its spec that our types do not know.
	Unknown []string
	// Raw is the engine's own value, of a type that only its kind knows.
	Raw any
}

func (l *Live) ref() Ref { return Ref{l.Kind, l.ID} }

func (l *Live) called() string { return cmp.Or(l.Called, l.Name) }

// Kind is everything that the rest of the house needs to know of a kind.
type Kind struct {
	Name string
	// Partial: manifests state some of an object, and the rest stays as it is. Nobody has to make or take over such objects,
	// and none is removed because its manifest is.
	Partial bool
	// New returns an empty manifest.
	New func() v1.Object
	// Shape is that of the manifest.
	Shape diff.Shape
	// Rules are total over the leaves of the manifest.
	Rules diff.Rules
	// Templates are kinds of manifests that are about objects of this one, and have none of their own.
	Templates []string
	// Expand turns the manifests of the kind and of its templates into one for each object that they are about, as stated,
	// and says what people should know of that: pure. Nil: a manifest is about the one object of its name.
	Expand func([]Entry, []*Live) (objects []Entry, notices []string)
	// List reads all objects of the kind with one call.
	List func(context.Context, *engine.Client) ([]*Live, error)
	// Read reads one object. What is gone is an error of class engine.IsNotFound.
	Read func(ctx context.Context, c *engine.Client, id string) (*Live, error)
	// Unlisted reads an object that List leaves out and that others refer to; nil: there is none of that id. A kind that lists
	// everything has no such thing.
	Unlisted func(ctx context.Context, c *engine.Client, id string) (*Live, error)
	// Events is the type of the engine's events about objects of the kind.
	Events string
	// Uses names what a live object refers to, with Raw nil: pure.
	Uses func(*Live) []Ref
	// Normalise reads a live object back into the words of the manifest: pure.
	Normalise func(*Live, *Index) v1.Object
	// Unstated names the settings of a live object that no manifest can state, by path. Nil: there are none. Pure.
	Unstated func(*Live, *Index) []string
	// Freeze writes a live object down before it is removed to be made again, and Thaw reads that: Do starts from it when it makes
	// what has it as [diff.State.Start]. Nil: nothing would be lost. Pure.
	Freeze func(*Live, *Index) ([]byte, error)
	Thaw   func([]byte) (any, error)
	// Broken says why nothing can use a live object; "": it can be used. Nil: there is no such thing. Pure.
	Broken func(*Live) string
	// Claims is what a manifest in normal form needs of which the swarm gives one, beside its name; Holds is what a live object
	// has of that, and what a rollback would bring back: pure. Nil: nothing.
	Claims func(v1.Object) []diff.Claim
	Holds  func(*Live) (has, had []diff.Claim)
	// Versions: the content cannot change in place, so each has an object of its own. See Expand.
	Versions func(live *Live) (data []byte, readable bool)
	// Observe says how the last update of a live object stands: pure. Nil where the engine has no such thing.
	Observe func(*Live, *Index, *diff.State) plan.Rollout
	// Trace looks at what failed: what it said, and what a rollback undid where Observe cannot tell. It comes with Observe.
	Trace func(context.Context, *engine.Client, *Live, *Index, *diff.State, plan.Rollout) plan.Rollout
	// Health says, by name, whether live objects do what they are for, with one call for all of them. Nil: they do as
	// soon as they are there.
	Health func(context.Context, *engine.Client, []*Live, time.Time) (map[string]Health, error)
	// Prepare asks ahead for what a step will need from elsewhere, so that the step need not wait for it: Env.Resolve
	// remembers. Nil: nothing. It writes nothing, and its errors are those that Do will get.
	Prepare func(context.Context, Env, plan.Step)
	// Do carries out one step. Beside Release and Retry, which people ask for, it is the only place of a kind that writes.
	Do func(context.Context, Env, plan.Step) (Result, error)
	// Release takes the operator's own labels off a live object, and nothing that runs notices. Where that cannot be, why
	// says what keeps them on. A live object that is no longer as it was read is an error of class engine.IsStale.
	Release func(context.Context, *engine.Client, *Live) (done bool, why string, err error)
	// Retry makes the engine go on with what it gave up for the time being. Where it has not, done is false; why is set where
	// it must not be asked. Nil where the engine has no such thing.
	Retry func(context.Context, *engine.Client, *Live) (done bool, why string, err error)
	// Survey says what of the kind's objects concerns the swarm as a whole. It makes a call only where it matters which tasks
	// run on them. Nil but of one kind.
	Survey func(context.Context, *engine.Client, Survey) Surveyed
	// Rotate says what of an object is replaced by epoch or by age, and what is on record of that. It reads the files that the
	// manifest names, and nothing of the swarm. want is nil if no manifest is about the object,
	// and nodes if nothing is known of them. Nil except of one kind.
	Rotate func(live *Live, have, want *diff.State, nodes *Nodes, now time.Time) Rotating
	// Guards are the kind's own objections.
	Guards []plan.Guard
}

// Entry is a manifest with what is needed to compare it.
type Entry struct {
	// Object as stated.
	Object v1.Object
	From   diff.From
	// Instance is the name of the live object, where an Expand found it; "" else, and where there is none.
	Instance string
	// Blocked, Awaited, Unmatched and Exact are those of diff.State.
	Blocked   string
	Awaited   bool
	Unmatched bool
	Exact     string
}

// Health says how far an object is from doing what its spec asks.
type Health struct {
	Ready  bool
	Failed bool
	// Begun: it is a job that runs. Nothing but what depends on it waits for its end.
	Begun bool
	// Waits reports whether the object is not ready only because the swarm finds no place for its tasks. The swarm starts
	// them as soon as there is one, so that this is no failure, however long it takes.
	Waits bool
	// RolledBack: the last update was undone. Whether that is a failure depends on what is wanted.
	RolledBack bool
	Why        string
	// Running are the tasks that do what is wanted: of a job, or of a service whose tasks end, also those that ended well.
	Running, Wanted int
	// Old are the tasks that run and are of a spec before the one in force.
	Old int
	// Pause is how long the swarm may be at one task before it goes on with the next, as its spec has it.
	Pause time.Duration
}

// Result is what a step made.
type Result struct {
	ID string
	// Warnings are the engine's, or about what could not be done in the best way.
	Warnings []string
}

// Env is what a step runs with.
type Env struct {
	Engine *engine.Client
	Source string
	// Resolve pins images to digests, each once a run.
	Resolve *engine.Resolver
	Index   *Index
	// ID finds an object by kind and live name, also one that this run made.
	ID func(kind, name string) (string, error)
	// HashKey is for the content label.
	HashKey []byte
	// Nonce is what new objects carry until they are on record.
	Nonce string
}

// Mark puts the nonce among the labels of an object that is about to be made.
func (e Env) Mark(labels map[string]string) {
	if e.Nonce != "" {
		labels[v1.LabelMade] = e.Nonce
	}
}

// Owner is the value of the owner label of an object of the source.
func (e Env) Owner(k v1.Key) string { return Source{Name: e.Source}.Owner(k) }

// Ref is a reference by id.
type Ref struct{ Kind, ID string }

// Record is what our state remembers of an adopted object.
type Record struct {
	Key     v1.Key
	Applied diff.Applied
	// Content is the keyed hash of the content that the object was taken to have.
	Content string
	// Written: the source has written on it since, and put its labels on it. Applied is then as old as the adoption.
	Written bool
}

// Source is the name that owns manifests, and what it remembers.
type Source struct {
	Name string
	// Adopted by id.
	Adopted map[string]Record
	// Made are the objects that the source made, by id. With Nonce, it is all of them: nonce is on those that it made since.
	Made map[string]v1.Key
	// Nonce is that of the memory. "": nothing is on record yet, and whatever has the source's labels counts as made by it.
	Nonce string
	// HashKey makes names of versions. Nil: it is lost or was never made.
	HashKey []byte
	// Others are objects that another source has made or adopted, by id, and which.
	Others map[string]string
	// Partial are the objects of partial kinds that other sources state something of, by source. A source that is not in it may
	// state any.
	Partial map[string]map[v1.Key]bool
}

// dropped reports whether another source, whose label is on an object of a partial kind, states nothing of it any more. Then it
// owns nothing of it: the label is what was left.
func (s Source) dropped(source string, l *Live) bool {
	stated, known := s.Partial[source]
	return known && (l.Kind == v1.KindNode || l.Kind == v1.KindCluster) && !stated[v1.Key{Kind: l.Kind, Name: l.called()}]
}

// Owner is the value of the owner label.
func (s Source) Owner(k v1.Key) string { return s.Name + "/" + k.Kind + "/" + k.Name }

// Identify says whose an object is. What the source made or adopted is on record by its id, and stays the source's when
// somebody takes its labels off. The label must name this object's own kind and name: a copied one proves nothing.
func (s Source) Identify(l *Live) (v1.Key, diff.Meta) {
	key := v1.Key{Kind: l.Kind, Name: l.called()}
	meta := diff.Meta{ID: l.ID, Version: l.Version, Created: l.Created, Unknown: l.Unknown}
	if r, ok := s.Adopted[l.ID]; ok && r.Key.Kind == l.Kind {
		meta.Mine, meta.Adopted, meta.Applied = true, true, r.Applied
		key = r.Key
		meta.Lost = r.Written // unless there is a label
	}
	made, recorded := s.Made[l.ID]
	if recorded = recorded && made.Kind == l.Kind; recorded && !meta.Mine {
		key, meta.Mine, meta.Lost = made, true, true
	}
	if other := s.Others[l.ID]; other != "" && !meta.Mine {
		meta.Owner = "source " + other
	}
	owner := l.Labels[v1.LabelOwner]
	source, kind, name := cutOwner(owner)
	if source == "" || kind != l.Kind || !instanceOf(kind, l.called(), name) {
		return key, meta
	}
	if source != s.Name && s.dropped(source, l) {
		return key, meta
	}
	if source != s.Name { // also where it is on record as ours: the label came later, with a write of the other's
		return v1.Key{Kind: l.Kind, Name: l.called()}, diff.Meta{ID: meta.ID, Version: meta.Version, Created: meta.Created, Unknown: meta.Unknown, Owner: "source " + source}
	}
	if meta.Owner != "" && (l.Kind == v1.KindNode || l.Kind == v1.KindCluster) { // adopted by another while we stated nothing of it
		return key, meta
	}
	meta.Copied = s.unknown(l)
	meta.Mine, meta.Owner, meta.Lost = true, "", false
	if applied := l.Labels[v1.LabelApplied]; applied != "" {
		meta.Applied = diff.ParseApplied(applied)
	}
	return v1.Key{Kind: l.Kind, Name: name}, meta
}

// unknown reports whether nothing on record says that the source made the object or adopted it, whatever its labels say.
func (s Source) unknown(l *Live) bool {
	_, made := s.Made[l.ID]
	_, adopted := s.Adopted[l.ID]
	return !made && !adopted && s.Nonce != "" && l.Labels[v1.LabelMade] != s.Nonce
}

// droppedByOwner is dropped of the source whose label is on the object.
func (s Source) droppedByOwner(l *Live) bool {
	if len(s.Partial) == 0 {
		return false
	}
	source, _, _ := cutOwner(l.Labels[v1.LabelOwner])
	return s.dropped(source, l)
}

// cutOwner splits SOURCE/KIND/NAME. No part holds a slash.
func cutOwner(s string) (source, kind, name string) {
	source, rest, _ := strings.Cut(s, "/")
	kind, name, _ = strings.Cut(rest, "/")
	return source, kind, name
}

// instanceOf says whether a live name is the object's own or, of kinds that have them, that of one of its versions.
func instanceOf(kind, live, name string) bool {
	if live == name {
		return true
	}
	if kind != v1.KindConfig && kind != v1.KindSecret {
		return false
	}
	suffix, ok := strings.CutPrefix(live, name+"-")
	return ok && len(suffix) == v1.VersionSuffix-1 && strings.Trim(suffix, "0123456789abcdef") == ""
}

// Labels returns the object's labels with the operator's own.
func Labels(stated map[string]string, owner, applied string) map[string]string {
	out := make(map[string]string, len(stated)+2)
	for k, v := range stated {
		out[k] = v
	}
	out[v1.LabelOwner], out[v1.LabelApplied] = owner, applied
	return out
}

// instance is the name of the live object that a manifest is about, whether or not there is one.
func (k Kind) instance(e Entry) string {
	if k.Expand != nil {
		return e.Instance
	}
	return e.Object.Key().Name
}

// want makes the state that a manifest asks for, in normal form.
func (k Kind) want(e Entry, instance string, instanceOf func(v1.Key) string) diff.State {
	object := e.Object.Copy()
	if c, ok := object.(v1.Canonical); ok {
		c.Canonical()
	}
	stated := k.Shape.Flatten(object)
	s := k.outline(e, instance)
	s.Value = normal(object, instanceOf)
	s.Leaves = diff.MarkStated(k.Shape.Flatten(s.Value), stated)
	return s
}

// normal brings a manifest into normal form, in place.
func normal(object v1.Object, instanceOf func(v1.Key) string) v1.Object {
	object.Default()
	if r, ok := object.(v1.Renamer); ok {
		r.Rename(instanceOf)
	}
	return object
}

// outline is a want without what it asks for.
func (k Kind) outline(e Entry, instance string) diff.State {
	object := e.Object
	policy := object.Meta().Policy
	s := diff.State{Key: e.Object.Key(), Instance: instance, From: e.From, Policy: policy, Partial: k.Partial, Exact: e.Exact, Blocked: e.Blocked, Awaited: e.Awaited, Unmatched: e.Unmatched}
	for _, d := range policy.DependsOn {
		if k, err := v1.ParseKey(d); err == nil { // Validate refused anything else
			s.DependsOn = append(s.DependsOn, k)
		}
	}
	for _, r := range object.Refs() {
		if !strings.HasPrefix(r.Path, "policy.") {
			s.Uses = append(s.Uses, r.Key)
		}
	}
	return s
}

// OverlayLabels changes only the labels that differ, by their paths below at, keeping whatever else is there, and adds the
// operator's own.
func OverlayLabels(at string, live, want map[string]string, fields []diff.Field, owner, applied string) map[string]string {
	out := make(map[string]string, len(live)+2)
	for k, v := range live {
		out[k] = v
	}
	changed := diff.NewPaths(fields)
	for k := range live {
		if _, wanted := want[k]; !wanted && changed.Has(v1.PathKey(at, k)) {
			delete(out, k)
		}
	}
	for k, v := range want {
		if changed.Has(v1.PathKey(at, k)) {
			out[k] = v
		}
	}
	out[v1.LabelOwner], out[v1.LabelApplied] = owner, applied
	return out
}
