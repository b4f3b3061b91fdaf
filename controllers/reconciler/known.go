package reconciler

import (
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/report"
	"github.com/swarm-operator/swarm-operator/controllers/rescue"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/redact"
)

// learner tells redact which texts must not be shown: those of the source's manifests, and of live objects. It looks only
// at objects that have changed since the last run. Manifests and live objects that did not keep their pointers.
type learner struct {
	known  *redact.Known
	kinds  kinds.Set
	shapes map[string]diff.Shape
	// stated has the manifests of the last entries by key.
	entries []kinds.Entry
	stated  map[v1.Key]v1.Object
}

// live is a live object as it was learnt. Whether its values stand in git depends on whether it is ours and on its
// manifest.
type live struct {
	object *kinds.Live
	mine   bool
	want   v1.Object
}

// These are the owners of texts: a manifest, an object that was compared with one, and an object of which nobody knows
// what git states.
const (
	ofWant = "want"
	ofHave = "have"
	ofLive = "live"
)

// learn is called before anything is read of tasks, and before the first write: what tasks and the engine say of errors
// may repeat values.
func (l *learner) learn(run *decide.Decision) {
	if l.known == nil {
		return
	}
	l.known.Expect(len(run.Entries) + len(run.Haves))
	l.wants(run.Entries)
	l.found(run)
	if run.Whole {
		l.known.Keep(func(o redact.Owner) bool {
			return o.What == ofWant && l.stated[v1.Key{Kind: o.Kind, Name: o.Name}] != nil || o.What == ofHave && run.Index.ByID(o.Kind, o.Name) != nil
		})
	}
}

// wants learns manifests.
func (l *learner) wants(entries []kinds.Entry) {
	if l.known == nil {
		return
	}
	if len(l.entries) != len(entries) || len(entries) > 0 && &l.entries[0] != &entries[0] {
		l.entries, l.stated = entries, make(map[v1.Key]v1.Object, len(entries))
		for _, e := range entries {
			l.stated[e.Object.Key()] = e.Object
		}
	}
	var news []lesson
	for _, e := range entries {
		key := e.Object.Key()
		if owner := (redact.Owner{What: ofWant, Kind: key.Kind, Name: key.Name}); !l.known.Knows(owner, e.Object) {
			shape := l.shape(key.Kind, e.Object)
			news = append(news, lesson{owner, e.Object, func() redact.Facts { return stated(shape, e.Object) }})
		}
	}
	l.all(news)
}

// lesson is what is to be learnt of an owner.
type lesson struct {
	owner redact.Owner
	stamp any
	facts func() redact.Facts
}

// all learns lessons. It works them out on all processors, because a process that begins has one for each object.
func (l *learner) all(news []lesson) {
	facts := make([]redact.Facts, len(news))
	rescue.InParallel(len(news), func(i int) { facts[i] = news[i].facts() })
	for i, n := range news {
		l.known.Learn(n.owner, n.stamp, facts[i])
	}
}

// found learns the live objects that have changed. What an object has in common with its manifest is known already.
func (l *learner) found(run *decide.Decision) {
	var news []lesson
	for _, h := range run.Haves {
		object, want := run.Index.ByID(h.Key.Kind, h.Meta.ID), l.stated[h.Key]
		owner, stamp := redact.Owner{What: ofHave, Kind: h.Key.Kind, Name: h.Meta.ID}, live{object, h.Meta.Mine, want}
		if object == nil || l.known.Knows(owner, stamp) {
			continue
		}
		k, _ := l.kinds.Get(h.Key.Kind)
		now := h.Normal
		news = append(news, lesson{owner, stamp, func() redact.Facts {
			if now.Object == nil {
				now = normal(k, object, run.Index)
			}
			f := found(k, object, run.Index, now, h.Meta.Applied.Is, want)
			f.Open = append(f.Open, h.Key.Name, h.Instance)
			return f
		}})
	}
	l.all(news)
}

func normal(k kinds.Kind, l *kinds.Live, ix *kinds.Index) diff.Normal {
	return diff.Normal{Shape: k.Shape, Object: k.Normalise(l, ix)}
}

// Teacher returns what tells known of the manifests of a run and of the live objects that it found.
func Teacher(known *redact.Known, every kinds.Set) func(*decide.Decision) {
	return (&learner{known: known, kinds: every, shapes: map[string]diff.Shape{}}).learn
}

// Teach tells known of manifests, of which nobody knows what lives.
func Teach(known *redact.Known, manifests []v1.Object) {
	entries := make([]kinds.Entry, 0, len(manifests))
	for _, m := range manifests {
		entries = append(entries, kinds.Entry{Object: m})
	}
	(&learner{known: known, shapes: map[string]diff.Shape{}}).wants(entries)
}

// found returns which texts of a live object may be shown to whom, without those that it has in common with its manifest,
// which may be nil. now is its normal form. Texts of its previous spec are for nobody, unless they are in git now.
func found(k kinds.Kind, l *kinds.Live, ix *kinds.Index, now diff.Normal, clear func(diff.Leaf) bool, want v1.Object) redact.Facts {
	f := now.Facts(clear, want)
	if k.Previous == nil {
		return f
	}
	if before := k.Previous(l, ix); before != nil {
		was := diff.Normal{Shape: k.Shape, Object: before}.Facts(nowhere, now.Object)
		f.Secret, f.Open = append(f.Secret, was.Secret...), append(f.Open, was.Open...)
	}
	return f
}

// nowhere says of each leaf that it does not stand in git.
func nowhere(diff.Leaf) bool { return false }

// Learner returns what tells known of live objects, of which nobody knows what git states.
func Learner(known *redact.Known) report.Learn {
	if known == nil {
		return nil
	}
	return func(k kinds.Kind, l *kinds.Live, ix *kinds.Index) {
		owner := redact.Owner{What: ofLive, Kind: l.Kind, Name: l.ID}
		if known.Knows(owner, l) {
			return
		}
		f := found(k, l, ix, normal(k, l, ix), nowhere, nil)
		f.Open = append(f.Open, l.Name, l.Called)
		known.Learn(owner, l, f)
	}
}

// shape returns the shape of a kind of manifests.
func (l *learner) shape(kind string, object v1.Object) diff.Shape {
	s, is := l.shapes[kind]
	if !is {
		s = diff.NewShape(object)
		l.shapes[kind] = s
	}
	return s
}

// longestSecret is the most bytes of content that are known. Longer content is a file that no message repeats.
const longestSecret = 16 * 1024

// stated returns which texts of a manifest may be shown to whom.
func stated(shape diff.Shape, object v1.Object) redact.Facts {
	f := diff.Normal{Shape: shape, Object: object}.Facts(func(diff.Leaf) bool { return true }, nil)
	f.Open = append(f.Open, object.Key().Name)
	holder, is := object.(v1.ContentHolder)
	if !is {
		return f
	}
	content := string(holder.Content().Reveal())
	if _, secret := object.(*v1.Secret); len(content) <= longestSecret && (secret || !strings.Contains(strings.TrimSpace(content), "\n")) {
		f.Secret = append(f.Secret, content)
	}
	return f
}
