package reconciler

import (
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/report"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/redact"
)

// learner tells redact which texts must not be shown: those of the source's manifests, and of live objects. It looks only
// at objects that have changed since the last run. Manifests and live objects that did not keep their pointers.
type learner struct {
	known  *redact.Known
	kinds  kinds.Set
	shapes map[string]diff.Shape
}

// live is a live object as it was learnt. Whether its values stand in git depends on whether it is ours.
type live struct {
	object *kinds.Live
	mine   bool
}

// learn is called before anything is read of tasks, and before the first write: what tasks and the engine say of errors
// may repeat values.
func (l *learner) learn(run *decide.Decision) {
	if l.known == nil {
		return
	}
	seen := map[string]bool{}
	for _, e := range run.Entries {
		key := e.Object.Key()
		owner := "want " + key.String()
		seen[owner] = true
		if !l.known.Knows(owner, e.Object) {
			l.known.Learn(owner, e.Object, Stated(l.shape(key.Kind, e.Object), e.Object))
		}
	}
	for _, h := range run.Haves {
		k, _ := l.kinds.Get(h.Key.Kind)
		object := run.Index.ByID(h.Key.Kind, h.Meta.ID)
		owner := "have " + h.Key.Kind + " " + h.Meta.ID
		seen[owner] = true
		if stamp := (live{object, h.Meta.Mine}); object != nil && !l.known.Knows(owner, stamp) {
			f := found(k, object, run.Index, h.Meta.Applied.Is)
			f.Open = append(f.Open, h.Key.Name, h.Instance)
			l.known.Learn(owner, stamp, f)
		}
	}
	if run.Whole {
		l.known.Keep(func(owner string) bool { return seen[owner] })
	}
}

// Teacher returns what tells known of the manifests of a run and of the live objects that it found.
func Teacher(known *redact.Known, every kinds.Set) func(*decide.Decision) {
	return (&learner{known, every, map[string]diff.Shape{}}).learn
}

// found returns which texts of a live object may be shown to whom. Those of its previous spec are for nobody, unless
// they are in git now.
func found(k kinds.Kind, l *kinds.Live, ix *kinds.Index, clear func(diff.Leaf) bool) redact.Facts {
	f := diff.Normal{Shape: k.Shape, Object: k.Normalise(l, ix)}.Facts(clear)
	if k.Previous == nil {
		return f
	}
	if before := k.Previous(l, ix); before != nil {
		was := diff.Normal{Shape: k.Shape, Object: before}.Facts(nowhere)
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
		owner := "live " + l.Kind + " " + l.ID
		if known.Knows(owner, l) {
			return
		}
		f := found(k, l, ix, nowhere)
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

// Stated returns which texts of a manifest may be shown to whom.
func Stated(shape diff.Shape, object v1.Object) redact.Facts {
	f := diff.Normal{Shape: shape, Object: object}.Facts(func(diff.Leaf) bool { return true })
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
