package reconciler

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/moby/moby/api/types/swarm"
	"golang.org/x/sync/errgroup"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/apply"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
)

// Scope says what a run reads of the swarm before it thinks. The rest counts as it was last found. Every write
// carries the version that it was decided on. So the engine refuses an outdated write, and nothing is overwritten.
type Scope struct {
	// All is true if everything is read, with one list per kind. A run that removes something needs that.
	All bool
	// Kinds are listed again, each with one call. Objects are read one by one.
	Kinds   []string
	Objects []kinds.Ref
}

// everything is the scope of a process that knows nothing yet.
var everything = Scope{All: true}

// mostObjects is how many objects are read one by one at most. For more of them, lists cost less.
const mostObjects = 50

// world is what is known of the swarm, from run to run.
type world struct {
	about engine.About
	index *kinds.Index
	// configs are the operator's own: memories, the lease, and holds.
	configs []*swarm.Config
	// found is the memory of source, as it was last read or written.
	source string
	found  state.Found
	// others are the objects that other sources made or adopted: the source by the object's id.
	others map[string]string
	// partial are the objects of partial kinds that other sources state something of, by source.
	partial map[string]map[v1.Key]bool
}

// memory returns what the operator remembers of a source.
func (w *world) memory(store *state.Store, source string) (state.Found, error) {
	if w.source == source {
		return w.found, nil
	}
	found, err := store.Find(w.configs)
	if err == nil {
		w.source, w.found = source, found
		w.others, w.partial = recordedByOthers(w.configs, source)
	}
	return found, err
}

// recordedByOthers returns what other sources have on record, which need not have a label. It skips a memory that
// cannot be read, which is its own source's trouble.
func recordedByOthers(configs []*swarm.Config, source string) (out map[string]string, partial map[string]map[v1.Key]bool) {
	out, partial = map[string]string{}, map[string]map[v1.Key]bool{}
	for _, other := range state.Sources(configs) {
		if other == source {
			continue
		}
		found, err := state.NewStore(other, nil).Find(configs)
		if err != nil {
			continue
		}
		m := found.Memory
		if m.Nonce != "" { // an older release did not say
			partial[other] = map[v1.Key]bool{}
		}
		if m.ReleasedAll {
			continue
		}
		made, adopted := m.Managed()
		for id := range adopted {
			out[id] = other
		}
		for id := range made {
			out[id] = other
		}
		for _, key := range m.Partial {
			if partial[other] != nil {
				partial[other][key] = true
			}
		}
	}
	return out, partial
}

// refresh brings what is known of the swarm up to date. After an error nothing is known.
func (r *Reconciler) refresh(ctx context.Context, s Scope) error {
	if r.world != nil && !s.All && len(s.Objects) <= mostObjects {
		if err := r.readScope(ctx, s); err != nil {
			r.world = nil
			return err
		}
		return nil
	}
	old := r.world
	r.world = nil
	w, err := r.readAll(ctx, old)
	if err == nil {
		r.world = w
		r.Lease.Saw(w.configs)
	}
	return err
}

// readAll reads everything at once, with one call per kind and one for the engine itself. If any call fails, readAll
// fails: what a partial read lacks would look as if it had been removed.
func (r *Reconciler) readAll(ctx context.Context, old *world) (*world, error) {
	w := &world{}
	lists := make([][]*kinds.Live, len(r.kinds))
	g, reading := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		w.about, err = r.Engine.Describe(reading)
		return err
	})
	for i, k := range r.kinds {
		g.Go(func() (err error) {
			lists[i], err = k.List(reading, r.Engine)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	byKind := map[string][]*kinds.Live{}
	for i, k := range r.kinds {
		byKind[k.Name] = lists[i]
		for j, l := range lists[i] {
			if old != nil {
				lists[i][j] = unchanged(old.index.ByID(k.Name, l.ID), l)
			}
		}
	}
	w.index = kinds.NewIndex(byKind, r.uses)
	if err := r.findUnlisted(ctx, w.index, w.index.Unknown()); err != nil {
		return nil, err
	}
	w.about = headcount(w.about, w.index.List(v1.KindNode))
	w.pickConfigs()
	return w, nil
}

// headcount counts the nodes in their list if the engine does not know the numbers. While a manager waits for a
// leader, GET /info succeeds, with an error in it and 0 for both.
func headcount(about engine.About, nodes []*kinds.Live) engine.About {
	if about.Error == "" && about.Nodes > 0 {
		return about
	}
	about.Nodes, about.Managers = 0, 0
	for _, l := range nodes {
		if n, ok := l.Raw.(*swarm.Node); ok {
			about.Nodes++
			if n.ManagerStatus != nil {
				about.Managers++
			}
		}
	}
	return about
}

// findUnlisted reads objects that others refer to and that lists leave out. They are rare, an id always means the
// same object, and an id without an object never gets one. So it asks once for each.
func (r *Reconciler) findUnlisted(ctx context.Context, ix *kinds.Index, refs []kinds.Ref) error {
	for _, ref := range refs {
		k, _ := r.kind(ref.Kind)
		if k.Unlisted == nil || ix.ByID(ref.Kind, ref.ID) != nil {
			continue
		}
		known, asked := r.unlisted.Load(ref)
		if !asked {
			l, err := k.Unlisted(ctx, r.Engine, ref.ID)
			if err != nil {
				return err
			}
			known = l
			r.unlisted.Store(ref, l)
		}
		if l := known.(*kinds.Live); l != nil {
			ix.Put(l)
		}
	}
	return nil
}

// pickConfigs finds the operator's own configs among all configs.
func (w *world) pickConfigs() {
	w.configs = nil
	for _, l := range w.index.List(v1.KindConfig) {
		if c, ok := l.Raw.(*swarm.Config); ok && state.Own(l.Labels) {
			w.configs = append(w.configs, c)
		}
	}
}

// unchanged returns the old object if the new one is equal, so that what was worked out from it can be used again.
func unchanged(was, is *kinds.Live) *kinds.Live {
	if was != nil && (was.Raw == is.Raw || reflect.DeepEqual(was, is)) {
		return was
	}
	return is
}

// uses calls Uses of the object's kind.
func (r *Reconciler) uses(l *kinds.Live) []kinds.Ref {
	k, _ := r.kind(l.Kind)
	return k.Uses(l)
}

func (r *Reconciler) kind(name string) (kinds.Kind, bool) {
	for _, k := range r.kinds {
		if k.Name == name {
			return k, true
		}
	}
	return kinds.Kind{}, false
}

// readScope brings what the scope names up to date.
func (r *Reconciler) readScope(ctx context.Context, s Scope) error {
	for _, name := range s.Kinds {
		k, _ := r.kind(name)
		lives, err := k.List(ctx, r.Engine)
		if err != nil {
			return err
		}
		listed := make(map[string]bool, len(lives))
		for _, l := range lives {
			listed[l.ID] = true
			r.world.index.Put(unchanged(r.world.index.ByID(name, l.ID), l))
		}
		for _, l := range slices.Clone(r.world.index.List(name)) {
			if !listed[l.ID] {
				r.world.index.Drop(name, l.ID)
			}
		}
	}
	return r.readObjects(ctx, s.Objects)
}

// readObjects reads objects one by one and updates the index. It drops those that no longer exist.
func (r *Reconciler) readObjects(ctx context.Context, refs []kinds.Ref) error {
	read := make([]*kinds.Live, len(refs))
	g, reading := errgroup.WithContext(ctx)
	g.SetLimit(apply.InFlight)
	for i, ref := range refs {
		g.Go(func() error {
			k, ok := r.kind(ref.Kind)
			if !ok {
				return fmt.Errorf("reading %s %s: no such kind", ref.Kind, ref.ID)
			}
			l, err := k.Read(reading, r.Engine, ref.ID)
			if engine.IsNotFound(err) {
				return nil
			}
			read[i] = l
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	var uses []kinds.Ref
	for i, ref := range refs {
		if l := read[i]; l != nil {
			r.world.index.Put(unchanged(r.world.index.ByID(ref.Kind, l.ID), l))
			uses = append(uses, r.uses(l)...)
		} else {
			r.world.index.Drop(ref.Kind, ref.ID)
		}
	}
	if err := r.findUnlisted(ctx, r.world.index, uses); err != nil {
		return err
	}
	if slices.ContainsFunc(refs, func(ref kinds.Ref) bool { return ref.Kind == v1.KindConfig }) {
		r.world.pickConfigs() // a hold may have come or gone
	}
	return nil
}
