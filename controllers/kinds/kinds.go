// Package kinds is the common part of all kinds of objects: the shape of a kind, the live objects, and the index
// across kinds. Each kind is a folder below; package all lists them.
package kinds

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/digests"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// About is what an engine says of itself and of its swarm.
type About = engine.About

// Live is one object as the engine gave it. It is never changed, so the same pointer means the same object.
type Live struct {
	Kind string
	ID   string
	Name string
	// Called is the name that manifests have for the object. It is "" if that is Name.
	Called  string
	Version uint64
	Labels  map[string]string
	Created time.Time
	// Local is true for a node's own object, which others may name and no manifest makes.
	Local bool
	// Unknown are keys of the object's spec that our types do not know or cannot read. Unread are those of them whose text is
	// no value of their type, and that belong to a field of a manifest.
	Unknown []string
	Unread  []diff.Unread
	// Raw is the engine's own value, of a type that only its kind knows.
	Raw any
}

func (l *Live) ref() Ref { return Ref{l.Kind, l.ID} }

// unstatable returns the settings that no manifest can state. A value of a field that manifests have is none, even if it cannot
// be read: the normal form has it.
func (l *Live) unstatable() []string {
	if len(l.Unread) == 0 {
		return l.Unknown
	}
	return slices.DeleteFunc(slices.Clone(l.Unknown), func(key string) bool {
		return slices.ContainsFunc(l.Unread, func(u diff.Unread) bool { return u.Key == key })
	})
}

func (l *Live) called() string { return cmp.Or(l.Called, l.Name) }

// Kind is everything that other packages need to know of a kind. Model and Store are what every kind has. What is left
// out of the rest is nil, and each field says what that means.
type Kind struct {
	Model
	Planning
	Store
	Versioned
	Rolling
	Claiming
	Remaking
	Exporting
	// Survey says what the kind's objects mean for the swarm as a whole. It is nil except for one kind.
	Survey *Surveyor
	// Rotate says which parts of an object are replaced by epoch or by age, and what is on record of that. It is nil
	// except for one kind.
	Rotate *Rotator
}

// Model is what a kind's manifests and live objects are. All of it is pure.
type Model struct {
	Name string
	// Unlabelled is true if the labels of an object never change after it was made. They then do not tell what was
	// applied last.
	Unlabelled bool
	// NoLabels reports whether the engine makes the object of a manifest without labels. Then only its id tells that a
	// source made it. nil means that the engine never does. It is pure.
	NoLabels func(v1.Object) bool
	// Partial is true if manifests state only some of an object, and the rest stays as it is. Nobody has to make or
	// take over such an object, and it is not removed when its manifest is.
	Partial bool
	// New returns an empty manifest.
	New func() v1.Object
	// Shape is the shape of the manifest.
	Shape diff.Shape
	// Rules are total over the leaves of the manifest.
	Rules diff.Rules
	// Templates are kinds of manifests that are about objects of this kind, and that have no objects of their own.
	Templates []string
	// Expand turns the manifests of the kind and of its templates into one manifest, as stated, for each object that
	// they are about. It also returns notices for people. It is pure. nil means that a manifest is about the one
	// object of its name.
	Expand func([]Entry, []*Live) (objects []Entry, notices []string)
	// Uses returns what a live object refers to. It is pure.
	Uses func(*Live) []Ref
	// Normalise reads a live object back into the words of the manifest. It is pure.
	Normalise func(*Live, *Index) v1.Object
}

// Planning is what a kind adds to every plan. All of it is pure.
type Planning struct {
	// Forbids are the kind's own guards that refuse what no consent allows, and Guards are its others.
	Forbids, Guards []plan.Guard
	// Finish completes the steps after they have been put in order. nil means that the kind adds nothing.
	Finish plan.Proposer
}

// Store is how a kind's objects are read and written: the kind's calls.
type Store struct {
	// Events is the type of the engine's events about objects of the kind.
	Events string
	// List reads all objects of the kind with one call.
	List func(context.Context, *engine.Client) ([]*Live, error)
	// Read reads one object. If the object is gone, the error is of class engine.IsNotFound.
	Read func(ctx context.Context, c *engine.Client, id string) (*Live, error)
	// OnDemand is true if objects of the kind are listed only for a source that states or has some, and before a secret is
	// removed, which they may have. No event tells of them, so each run for such a source lists them. If the list fails,
	// the source's objects of the kind are held, secrets stay, and everything else goes on.
	OnDemand bool
	// SinceAPI is the oldest API version that has the kind. Engines that are older are not asked. It is "" if every
	// version that we speak to has it.
	SinceAPI string
	// Unlisted reads an object that List leaves out and that others refer to. It returns nil if there is none with
	// that id. Unlisted is nil if List leaves nothing out.
	Unlisted func(ctx context.Context, c *engine.Client, id string) (*Live, error)
	// Prepare asks in advance for what a step will need from elsewhere, so that the step need not wait for it:
	// Env.Resolve remembers the answers. It writes nothing, and Do will get the same errors. nil means that there is
	// nothing to ask for.
	Prepare func(context.Context, Env, plan.Step)
	// Do carries out one step. Apart from Release and Retry, which people ask for, it is the only function of a kind
	// that writes.
	Do func(context.Context, Env, plan.Step) (Result, error)
	// Release takes the operator's own labels off a live object. Nothing that runs notices that. If they cannot be
	// taken off, why says what keeps them on. If the object is no longer as it was read, the error is of class
	// engine.IsStale.
	Release func(context.Context, *engine.Client, *Live) (done bool, why string, err error)
	// Retry resumes an update that the engine has paused. done is false if nothing was resumed; why then says why it
	// must not be resumed, or is "" if nothing was paused. nil means that the engine has no such updates.
	Retry func(context.Context, *engine.Client, *Live) (done bool, why string, err error)
}

// Versioned is about content that cannot change in place, so that each content has an object of its own. See Expand.
type Versioned struct {
	// Versions returns the content of a live object. readable is false if the engine does not give it back. nil means
	// that the kind has no versions.
	Versions func(live *Live) (data []byte, readable bool)
	// Settings says how the swarm uses the content of a live object, as [v1.ContentHolder] does for a manifest. nil
	// means that it uses each content as it is.
	Settings func(live *Live) string
	// Hidden is true if the engine gives no content of the kind back. Digests then tell the versions apart.
	Hidden bool
}

// Rolling is how a kind's objects get to what their specs ask for, if that takes time.
type Rolling struct {
	// Observe says how the last update of a live object stands. It is pure. nil means that the engine does not tell
	// that of the kind.
	Observe func(*Live, *Index, *diff.State) plan.Rollout
	// Trace looks at what failed. It adds what the failed task said, and what a rollback undid if Observe cannot
	// tell. It is set if Observe is.
	Trace func(context.Context, *engine.Client, *Live, *Index, *diff.State, plan.Rollout) plan.Rollout
	// Health returns the health of live objects, by name, with one call for all of them. nil means that an object is
	// ready as soon as it exists.
	Health func(context.Context, *engine.Client, []*Live, time.Time) (map[string]Health, error)
	// Runs returns what a live object refers to in its spec alone, without the spec that a rollback would bring back.
	// It is pure. nil means that the kind refers to nothing that has versions.
	Runs func(*Live) []Ref
	// Previous reads the spec that a rollback would bring back, in the words of the manifest. It returns nil if there is
	// none. Tasks of that spec may still speak of it. It is pure. nil means that the kind keeps no such spec.
	Previous func(*Live, *Index) v1.Object
	// Awaits says what the swarm still has to do before something can use a live object. It returns "" if nothing. It is
	// pure. nil means that an object of the kind can be used as soon as it exists, or that Health tells.
	Awaits func(*Live) string
	// Broken says why nothing can use a live object. It returns "" if the object can be used. It is pure. nil means
	// that no object of the kind is ever broken.
	Broken func(*Live) string
}

// Claiming says what objects of a kind need that the swarm gives to only one object, apart from their names. It is
// pure.
type Claiming struct {
	// Claims returns what a manifest in normal form needs and the swarm gives only once, apart from the name. Holds
	// returns what a live object has of that, and what a rollback would bring back. Both are pure. nil means nothing.
	Claims func(v1.Object) []diff.Claim
	Holds  func(*Live) (has, had []diff.Claim)
}

// Remaking keeps what manifests cannot state of an object that is removed and made again. It is pure.
type Remaking struct {
	// Freeze writes down a live object before it is removed to be made again, and Thaw reads that. Do starts from it
	// when it makes an object that has it as [diff.State.Start]. Both are pure. nil means that nothing would be lost.
	Freeze func(*Live, *Index) ([]byte, error)
	Thaw   func([]byte) (any, error)
}

// Entry is a manifest with what is needed to compare it.
type Entry struct {
	// Object is the manifest as stated.
	Object v1.Object
	From   diff.From
	// Instance is the name of the live object if an Expand found it. It is "" if there is none, or if the kind has no
	// Expand.
	Instance string
	// Blocked, Awaited, Unmatched and Exact are the fields of the same names in diff.State.
	Blocked   string
	Awaited   bool
	Unmatched bool
	Exact     string
}

// Health says how far an object is from doing what its spec asks.
type Health struct {
	Ready  bool
	Failed bool
	// Begun is true for a job that runs. Only what depends on the job waits for its end.
	Begun bool
	// Waits reports whether the object is not ready only because the swarm finds no place for its tasks. The swarm
	// starts them as soon as there is a place, so this is no failure, however long it takes.
	Waits bool
	// RolledBack is true if the last update was undone. Whether that is a failure depends on what is wanted.
	RolledBack bool
	Why        string
	// Running is how many tasks do what is wanted, and Wanted how many should. For a job, or for a service whose
	// tasks end, tasks that ended well count as well.
	Running, Wanted int
	// Old is how many tasks run that are of an earlier spec than the one in force.
	Old int
	// Pause is how long the swarm may take for one task, by the object's spec, before it goes on with the next.
	Pause time.Duration
}

// Result is what a step led to.
type Result struct {
	ID string
	// Warnings are the engine's, or say what could not be done in the best way.
	Warnings []string
}

// Env has the things that a step runs with.
type Env struct {
	Engine *engine.Client
	Source string
	// Resolve pins images to digests. It asks once a run for each image.
	Resolve *engine.Resolver
	Index   *Index
	// ID returns the id of an object by kind and live name. It also finds objects that this run made.
	ID func(kind, name string) (string, error)
	// Contents makes the content labels and the names of versions.
	Contents digests.Salted
	// Nonce marks new objects until they are on record.
	Nonce string
	// Named is what manifests name and the operator's configuration defines.
	Named config.Named
}

// Mark puts the nonce among the labels of an object that is about to be made. It does nothing if there is no nonce.
func (e Env) Mark(labels map[string]string) {
	if e.Nonce != "" {
		labels[v1.LabelMade] = e.Nonce
	}
}

// Owner returns the value of the owner label of an object of the source.
func (e Env) Owner(k v1.Key) string { return Source{Name: e.Source}.Owner(k) }

// Ref is a reference by id, or one that Named made.
type Ref struct{ Kind, ID string }

// byName is what the ID of a reference by name begins with. No id has a NUL byte.
const byName = "\x00"

// Named returns a reference by name, for what the swarm itself finds by its name.
func Named(kind, name string) Ref { return Ref{kind, byName + name} }

// Labels returns the stated labels together with the operator's own.
func Labels(stated map[string]string, owner, applied string) map[string]string {
	out := make(map[string]string, len(stated)+2)
	for k, v := range stated {
		out[k] = v
	}
	out[v1.LabelOwner], out[v1.LabelApplied] = owner, applied
	return out
}

// StackLabel is how docker knows which stack a service or a network belongs to. docker stack deploy refuses a network of
// the stack's that lacks it, and docker stack rm leaves what lacks it.
const StackLabel = "com.docker.stack.namespace"

func stackOf(l *Live) string {
	if l.Kind == v1.KindService || l.Kind == v1.KindNetwork {
		return l.Labels[StackLabel]
	}
	return ""
}

// InStack adds the label by which docker knows the stack of an object that is made again. If the manifest states that label,
// its value stays.
func InStack(labels map[string]string, stack string) map[string]string {
	if _, stated := labels[StackLabel]; stack != "" && !stated {
		labels[StackLabel] = stack
	}
	return labels
}

// instance returns the name of the live object that a manifest is about, whether or not it exists.
func (k *Kind) instance(e Entry) string {
	if k.Expand != nil {
		return e.Instance
	}
	return e.Object.Key().Name
}

// want returns the state that a manifest asks for, in normal form.
func (k *Kind) want(e Entry, instance string, instanceOf func(v1.Key) string) diff.State {
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

// outline returns a want without its leaves and its value.
func (k *Kind) outline(e Entry, instance string) diff.State {
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

// OverlayLabels returns the live labels, with those changed that differ by their paths below at, and with the
// operator's own labels. It keeps all other labels.
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
