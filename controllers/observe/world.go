// Package observe reads the swarm, whole or in part. What it returns is kept from run to run, and brought up to date.
package observe

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"golang.org/x/sync/errgroup"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/rescue"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Scope says what a run reads of the swarm before it thinks. The rest counts as it was last found. Every write
// carries the version that it was decided on. So the engine refuses an outdated write, and nothing is overwritten.
type Scope struct {
	// All is true if everything is read, with one list per kind. A run that removes something needs that.
	All bool
	// Kinds are listed again, each with one call. Objects are read one by one.
	Kinds   []string
	Objects []kinds.Ref
	// Gone are those of Objects that are said to be gone, by an event or by a step that removed them.
	Gone map[kinds.Ref]bool
}

// Everything is the scope of a process that knows nothing yet.
var Everything = Scope{All: true}

// MostObjects is how many objects are read one by one at most. For more of them, lists cost less.
const MostObjects = 50

// readAtOnce is how many objects are read one by one at the same time.
const readAtOnce = 16

// World is what is known of the swarm, from run to run.
type World struct {
	About engine.About
	Index *kinds.Index
	// Configs are the operator's own: memories, the lease, and holds.
	Configs []*swarm.Config
	// Found is the memory of Source, as it was last read or written: see Memory.
	Source string
	Found  state.Found
	// Others are the objects that other sources made or adopted: the name of the source, by the object's id. The name is ""
	// if they gave the object up.
	Others map[string]string
	// Partial are the objects of partial kinds of which other sources state something, by source.
	Partial map[string]map[v1.Key]bool
	// AsksUsers is true if the last run had to know which objects that are listed on demand have a secret.
	AsksUsers bool
}

// Observer reads the swarm. It may be used by several goroutines, if each has a World of its own.
type Observer struct {
	engine *engine.Client
	kinds  kinds.Set
	// unlisted maps kinds.Ref to *kinds.Live: see findUnlisted.
	unlisted sync.Map
}

// New returns an observer of a swarm.
func New(e *engine.Client, all kinds.Set) *Observer { return &Observer{engine: e, kinds: all} }

// Memory returns what the operator remembers of a source. From then on the World is that source's.
func (w *World) Memory(store *state.Store, source string) (state.Found, error) {
	if w.Source == source {
		return w.Found, nil
	}
	found, err := store.Find(w.Configs)
	if err == nil {
		w.Source, w.Found = source, found
		w.Others, w.Partial = RecordedByOthers(w.Configs, source)
	}
	return found, err
}

// RecordedByOthers returns what other sources have on record, whether or not an object has a label. out has the objects
// that they made or adopted: the name of the source, by the object's id. The name is "" if the source gave the object up
// and no other has it. partial has the objects of partial kinds of which they state something, by source. It skips a
// memory that cannot be read, which is its own source's trouble. configs are the operator's own.
func RecordedByOthers(configs []*swarm.Config, source string) (out map[string]string, partial map[string]map[v1.Key]bool) {
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
		if m.Nonce != "" { // otherwise an older release wrote the memory, and kept no record of partial objects
			partial[other] = map[v1.Key]bool{}
		}
		for _, id := range m.GivenUp() {
			out[id] = cmp.Or(out[id], "") // another source may have it
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

// Look brings what is known of the swarm up to date. known is nil if nothing is. If the scope is large enough, Look
// reads everything and returns another World. After an error nothing is known.
func (o *Observer) Look(ctx context.Context, known *World, s Scope) (*World, error) {
	if known == nil || s.All || len(s.Objects) > MostObjects {
		return o.readAll(ctx, known)
	}
	if err := o.readScope(ctx, known, s); err != nil {
		return nil, err
	}
	return known, nil
}

// readAll reads everything at once, with one call per kind and one for the engine itself. If any call fails, readAll
// fails: what a partial read lacks would look as if it had been removed.
func (o *Observer) readAll(ctx context.Context, old *World) (*World, error) {
	w := &World{AsksUsers: old != nil && old.AsksUsers}
	lists := make([][]*kinds.Live, len(o.kinds))
	g, reading := errgroup.WithContext(ctx)
	g.Go(func() error {
		return rescue.Do(func() (err error) {
			w.About, err = o.engine.Describe(reading)
			return err
		})
	})
	for i, k := range o.kinds {
		if k.OnDemand {
			continue
		}
		g.Go(func() error {
			return rescue.Do(func() (err error) {
				lists[i], err = k.List(reading, o.engine)
				return err
			})
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	byKind := map[string][]*kinds.Live{}
	for i, k := range o.kinds {
		byKind[k.Name] = lists[i]
		for j, l := range lists[i] {
			if old != nil {
				lists[i][j] = unchanged(old.Index.ByID(k.Name, l.ID), l)
			}
		}
	}
	w.Index = kinds.NewIndex(byKind, o.uses)
	if err := o.findUnlisted(ctx, w.Index, w.Index.Unknown()); err != nil {
		return nil, err
	}
	w.About = headcount(w.About, w.Index.List(v1.KindNode))
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
func (o *Observer) findUnlisted(ctx context.Context, ix *kinds.Index, refs []kinds.Ref) error {
	for _, ref := range refs {
		k, _ := o.kind(ref.Kind)
		if k.Unlisted == nil || ix.ByID(ref.Kind, ref.ID) != nil {
			continue
		}
		known, asked := o.unlisted.Load(ref)
		if !asked {
			l, err := k.Unlisted(ctx, o.engine, ref.ID)
			if err != nil {
				return err
			}
			known = l
			o.unlisted.Store(ref, l)
		}
		if l := known.(*kinds.Live); l != nil {
			ix.Put(l)
		}
	}
	return nil
}

// pickConfigs finds the operator's own configs among all configs.
func (w *World) pickConfigs() {
	w.Configs = nil
	for _, l := range w.Index.List(v1.KindConfig) {
		if c, ok := l.Raw.(*swarm.Config); ok && state.Own(l.Labels) {
			w.Configs = append(w.Configs, c)
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
func (o *Observer) uses(l *kinds.Live) []kinds.Ref {
	k, _ := o.kind(l.Kind)
	return k.Uses(l)
}

func (o *Observer) kind(name string) (kinds.Kind, bool) { return o.kinds.Get(name) }

// readScope brings what the scope names up to date.
func (o *Observer) readScope(ctx context.Context, w *World, s Scope) error {
	for _, name := range s.Kinds {
		if err := o.relist(ctx, w, name); err != nil {
			return err
		}
	}
	return o.readObjects(ctx, w, s)
}

// relist brings the objects of a kind up to date with one call.
func (o *Observer) relist(ctx context.Context, w *World, kind string) error {
	k, _ := o.kind(kind)
	lives, err := k.List(ctx, o.engine)
	if err != nil {
		return err
	}
	w.listed(kind, lives)
	return nil
}

// listed brings the objects of a kind up to date with a list of all of them.
func (w *World) listed(kind string, lives []*kinds.Live) {
	listed := make(map[string]bool, len(lives))
	for _, l := range lives {
		listed[l.ID] = true
		w.Index.Put(unchanged(w.Index.ByID(kind, l.ID), l))
	}
	for _, l := range slices.Clone(w.Index.List(kind)) {
		if !listed[l.ID] {
			w.Index.Drop(kind, l.ID)
		}
	}
}

// mostDemanded is how long a list may take of a kind that few swarms have. Such a list asks plugins, and one that hangs
// must not keep the operator from everything else.
const mostDemanded = 10 * time.Second

// Demand lists the kinds that Look leaves out and that asks reports, as for a source that states or has some. It returns
// why those were not listed that could not be; nothing is known of their objects then. An engine that is too old for a
// kind is not asked: if the source has objects of the kind on record, they are in the swarm and cannot be seen.
func (o *Observer) Demand(ctx context.Context, w *World, asks func(kind string) (states, has bool)) map[string]error {
	var failed map[string]error
	for i := range o.kinds {
		k := &o.kinds[i]
		if !k.OnDemand {
			continue
		}
		states, has := asks(k.Name)
		lives, err := o.demanded(ctx, k, w.About.API, states, has)
		if err != nil {
			if failed == nil {
				failed = map[string]error{}
			}
			failed[k.Name] = err
		}
		w.listed(k.Name, lives)
	}
	return failed
}

func (o *Observer) demanded(ctx context.Context, k *kinds.Kind, api string, states, has bool) ([]*kinds.Live, error) {
	old := plan.LessAPI(api, k.SinceAPI)
	switch {
	case old && has:
		return nil, fmt.Errorf("a %s needs engine API %s, and this engine has %s: let the operator talk to a newer one", k.Name, k.SinceAPI, api)
	case old || !states && !has:
		return nil, nil
	}
	ctx, done := context.WithTimeout(ctx, mostDemanded)
	defer done()
	return k.List(ctx, o.engine)
}

// readObjects reads objects one by one and updates the index. It drops those that no longer exist.
//
// That an object is not found counts only if an event or a step has said that it is gone. Otherwise its kind is listed:
// what is wrong may be the answer, as that of a proxy which does not know the path, and no event would ever put it right.
func (o *Observer) readObjects(ctx context.Context, w *World, s Scope) error {
	refs := s.Objects
	read := make([]*kinds.Live, len(refs))
	g, reading := errgroup.WithContext(ctx)
	g.SetLimit(readAtOnce)
	for i, ref := range refs {
		g.Go(func() error {
			return rescue.Do(func() error {
				k, ok := o.kind(ref.Kind)
				if !ok {
					return fmt.Errorf("reading %s %s: no such kind", ref.Kind, ref.ID)
				}
				l, err := k.Read(reading, o.engine, ref.ID)
				if engine.IsNotFound(err) {
					return nil
				}
				read[i] = l
				return err
			})
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	var uses []kinds.Ref
	var doubtful []string // kinds
	for i, ref := range refs {
		switch l := read[i]; {
		case l != nil:
			w.Index.Put(unchanged(w.Index.ByID(ref.Kind, l.ID), l))
			uses = append(uses, o.uses(l)...)
		case s.Gone[ref]:
			w.Index.Drop(ref.Kind, ref.ID)
		case w.Index.ByID(ref.Kind, ref.ID) != nil && !slices.Contains(doubtful, ref.Kind):
			doubtful = append(doubtful, ref.Kind)
		}
	}
	for _, kind := range doubtful {
		if err := o.relist(ctx, w, kind); err != nil {
			return err
		}
	}
	if err := o.findUnlisted(ctx, w.Index, uses); err != nil {
		return err
	}
	if slices.ContainsFunc(refs, func(ref kinds.Ref) bool { return ref.Kind == v1.KindConfig }) {
		w.pickConfigs() // a hold may have come or gone
	}
	return nil
}
