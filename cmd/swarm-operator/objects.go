package main

import (
	"context"
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/controllers/state"
)

// object is an existing object of a source.
type object struct {
	kind kinds.Kind
	key  v1.Key
	live *kinds.Live
}

// String names the object and, if it has several versions, which of them this is.
func (o object) String() string {
	if o.live.Name != o.key.Name {
		return o.key.String() + " [" + o.live.Name + "]"
	}
	return o.key.String()
}

// owned returns the existing objects that belong to a source. An object comes before the objects that it uses.
func owned(ctx context.Context, c *engine.Client, source string, m state.Memory) ([]object, error) {
	made, adopted := m.Managed()
	src := kinds.Source{Name: source, Adopted: map[string]kinds.Record{}, Made: made}
	for id, a := range adopted {
		src.Adopted[id] = kinds.Record{Key: a.Key}
	}
	var out []object
	for _, k := range slices.Backward(all.Kinds()) {
		lives, err := k.List(ctx, c)
		switch {
		case err != nil && k.OnDemand && !m.Has(k.Name): // none is on record, so most likely there is none
			continue
		case err != nil:
			return nil, err
		}
		for _, l := range lives {
			if key, meta := src.Identify(l); meta.Mine && !l.Local {
				out = append(out, object{k, key, l})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b object) int {
		if a.kind.Name != b.kind.Name {
			return 0 // the kinds stay in order
		}
		return a.key.Compare(b.key)
	})
	return out, nil
}

// kindOf returns the kind of that name. It panics if there is none, so parseObject must have checked the name.
func kindOf(name string) kinds.Kind {
	every := all.Kinds()
	return every[slices.IndexFunc(every, func(k kinds.Kind) bool { return k.Name == name })]
}

// rereads is how many times a write is tried, each time on a fresher object.
const rereads = 5

// fresh writes to an object that exists. If the object has changed since it was read, fresh reads it again and repeats
// the write, at most rereads times in all.
func fresh(ctx context.Context, c *engine.Client, o object, write func(context.Context, *engine.Client, *kinds.Live) (bool, string, error)) (done bool, why string, err error) {
	for try := 1; ; try++ {
		done, why, err = write(ctx, c, o.live)
		if !engine.IsStale(err) || try == rereads {
			return done, why, err
		}
		if o.live, err = o.kind.Read(ctx, c, o.live.ID); err != nil {
			return false, "", err
		}
	}
}
