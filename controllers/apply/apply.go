// Package apply carries out a plan in its order, with steps side by side if that order allows. It decides nothing.
package apply

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/audit"
	"github.com/swarm-operator/swarm-operator/controllers/digests"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/rescue"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// InFlight is how many steps run at once at most.
const InFlight = 16

// Event reports a step that ended, was skipped or failed.
type Event struct {
	Step plan.Step
	Err  error
	// Stale is true if the swarm no longer was what the plan was made from. That is no failure: the plan is made
	// again.
	Stale    bool
	Warnings []string
	// Objects are the objects that the step wrote.
	Objects []kinds.Ref
	// Epoch is the epoch of the lease that the step was done under.
	Epoch uint64
}

// ErrNotNow marks a step that was not begun, because what the plan was made from no longer holds.
var ErrNotNow = errors.New("not begun")

// ErrStopped is the error of a step that was not begun, because the run ended first.
var ErrStopped = errors.New("the run has ended")

// Outcome is what became of a plan.
type Outcome struct {
	// Done is how many steps were done.
	Done int
	// Delivered are the tokens and keys that were delivered to their sinks.
	Delivered []plan.Delivery
	// Stale is true if somebody else wrote in between, so that the plan no longer fits the swarm. Plan again at once.
	Stale bool
	// Errs are the errors of the failed steps, except the stale ones.
	Errs []error
}

// Err returns the errors joined, or nil if there are none.
func (o Outcome) Err() error { return errors.Join(o.Errs...) }

// Options say with what a plan is carried out.
type Options struct {
	Engine *engine.Client
	Source string
	Index  *kinds.Index
	// Contents makes the labels and names of content.
	Contents digests.Salted
	Nonce    string
	Kinds    []kinds.Kind
	Named    config.Named
	// Check is called before each step. If it returns an error, the step does not begin. An error of class ErrNotNow
	// makes the caller plan again.
	Check func(context.Context, v1.Key) error
	// Outdated reports whether a step's error means that the swarm no longer is what the plan was made from, and not
	// that the step failed. nil means this package's Outdated.
	Outdated func(plan.Step, error) bool
	// Doubt says what is known against the success of a step, before the step is taken. nil means that nothing is.
	Doubt func(plan.Step) Doubt
	// Epoch is the epoch of the lease that the plan is carried out under. ctx ends with that lease.
	Epoch uint64
	// Observe is called for each step when it ends, for one step at a time.
	Observe func(Event)
}

// Doubt is what is known against the success of a step. The zero value means that nothing is.
type Doubt struct {
	// Look is true if the object is read again after the step has succeeded.
	Look bool
	// Made is the ID of the object that the same step made before, and that did not end what is to be done. A step that
	// makes it again has failed. It is "" if there is none.
	Made string
	// Again is true if the same step was done just now, and is still to be done as before. It is then not begun.
	Again bool
	// InVain is true if the same step was done before and waited since. It is done again, and only the next plan shows
	// whether that has ended anything. Until then it counts as failed.
	InVain bool
}

// Run carries out the plan. When ctx ends, no further step begins, and calls under way are finished, because a write
// that is cut off may have happened or not. A step whose predecessor failed is skipped.
func Run(ctx context.Context, p plan.Plan, o Options) Outcome {
	r := &run{options: o, byKind: map[string]kinds.Kind{}, made: map[kinds.Ref]string{}, resolver: engine.NewResolver(o.Engine)}
	for _, k := range o.Kinds {
		r.byKind[k.Name] = k
	}
	if o.Outdated == nil {
		r.options.Outdated = Outdated
	}
	ahead, stop := context.WithCancel(ctx)
	var asking sync.WaitGroup
	asking.Go(rescue.Clean(func() { r.prepare(ahead, p.Steps) }))
	defer asking.Wait()
	defer stop()
	return r.steps(ctx, p.Steps)
}

// prepare prepares all steps ahead, because the first step is probably not the one that waits longest.
func (r *run) prepare(ctx context.Context, steps []plan.Step) {
	var all sync.WaitGroup
	defer all.Wait()
	slots := make(chan struct{}, InFlight)
	for _, s := range steps {
		k := r.byKind[s.Key.Kind]
		if k.Prepare == nil {
			continue
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		all.Go(func() {
			defer func() {
				_ = recover() // as in step, which reports the panic
				<-slots
			}()
			k.Prepare(ctx, r.env(), s)
		})
	}
}

func (r *run) env() kinds.Env {
	return kinds.Env{
		Engine: r.options.Engine, Source: r.options.Source, Resolve: r.resolver, Index: r.options.Index, Contents: r.options.Contents, Nonce: r.options.Nonce, ID: r.id, Named: r.options.Named,
	}
}

type run struct {
	options  Options
	byKind   map[string]kinds.Kind
	resolver *engine.Resolver

	mu   sync.Mutex
	made map[kinds.Ref]string // by kind and live name
}

type result struct {
	index int
	err   error
	made  kinds.Result
}

// steps is a small scheduler: a step starts when all steps before it have succeeded.
func (r *run) steps(ctx context.Context, steps []plan.Step) Outcome {
	var out Outcome
	waits := make([]int, len(steps))
	followers := make(map[int][]int, len(steps)) // id → indexes
	var ready []int
	for i, s := range steps {
		waits[i] = len(s.After)
		for _, id := range s.After {
			followers[id] = append(followers[id], i)
		}
		if waits[i] == 0 {
			ready = append(ready, i)
		}
	}
	results := make(chan result)
	running, next := 0, 0
	for {
		for next < len(ready) && running < InFlight && ctx.Err() == nil && !out.Stale {
			i := ready[next]
			next++
			running++
			go rescue.Clean(func() { // step itself recovers
				made, err := r.step(ctx, steps[i])
				results <- result{i, err, made}
			})()
		}
		if running == 0 {
			break
		}
		res := <-results
		running--
		s, outdated := steps[res.index], false
		switch {
		case res.err == nil:
			out.Done++
			for _, f := range followers[s.ID] {
				if waits[f]--; waits[f] == 0 {
					ready = append(ready, f)
				}
			}
		case r.options.Outdated(s, res.err):
			out.Stale, outdated = true, true
		default:
			out.Errs = append(out.Errs, res.err)
		}
		r.options.Observe(Event{Step: s, Err: res.err, Stale: outdated, Warnings: res.made.Warnings, Objects: wrote(s, res.made), Epoch: r.options.Epoch})
	}
	return out
}

// wrote returns the objects that a step wrote: the one that was there, the one that it made, or both.
func wrote(s plan.Step, made kinds.Result) []kinds.Ref {
	var out []kinds.Ref
	if have := s.Change.Have; have != nil {
		out = append(out, kinds.Ref{Kind: s.Key.Kind, ID: have.Meta.ID})
	}
	if made.ID != "" && (len(out) == 0 || out[0].ID != made.ID) {
		out = append(out, kinds.Ref{Kind: s.Key.Kind, ID: made.ID})
	}
	return out
}

// Outdated reports whether the swarm has probably changed since the plan was made: another version, an object that
// came or went, a hold, or another instance's turn to act. Only a fresh read can tell for sure. An engine also gives
// the same answers in other cases: a name is taken and no list shows by whom, or an object that the step refers to
// does not exist.
func Outdated(_ plan.Step, err error) bool {
	return engine.IsStale(err) || engine.IsExists(err) || engine.IsNotFound(err) || errors.Is(err, ErrNotNow) || errors.Is(err, ErrStopped) || errors.Is(err, engine.ErrFenced)
}

func (r *run) step(ctx context.Context, s plan.Step) (result kinds.Result, err error) {
	defer func() {
		if v := recover(); v != nil { // one poisoned object must not end the daemon
			err = fmt.Errorf("%s of %s: %w", s.Op.Word(), s.Key, rescue.Of(v))
		}
	}()
	if r.options.Check != nil {
		if err := r.options.Check(ctx, s.Key); err != nil {
			return kinds.Result{}, fmt.Errorf("%s of %s: %w", s.Op.Word(), s.Key, err)
		}
	}
	var doubt Doubt
	if r.options.Doubt != nil {
		doubt = r.options.Doubt(s)
	}
	if doubt.Again {
		return kinds.Result{}, fmt.Errorf("%s of %s: %w", s.Op.Word(), s.Key, ErrNotAgain)
	}
	// The engine client's deadline bounds the call. The end of ctx must not cut it off.
	result, err = r.byKind[s.Key.Kind].Do(audit.InStep(context.WithoutCancel(ctx), s), r.env(), s)
	switch {
	case err != nil:
	case doubt.InVain, doubt.Made != "" && doubt.Made == result.ID:
		err = stillToDo(s)
	case doubt.Look:
		err = r.verify(ctx, s, result)
	}
	if err == nil && result.ID != "" && s.Op != diff.Remove {
		r.mu.Lock()
		r.made[kinds.Ref{Kind: s.Key.Kind, ID: s.Instance}] = result.ID
		r.mu.Unlock()
	}
	return result, err
}

// ErrNoEffect is the error of a step of which the engine said that it was done, and which has changed nothing.
var ErrNoEffect = errors.New("the engine said that it was done, and nothing has changed")

// ErrStillToDo is the error of a step that was done, although the next plan has it again unchanged.
// Without this error, the step would be done again and again without a pause.
var ErrStillToDo = errors.New("it was done, and is still to be done as before")

// ErrNotAgain is an ErrStillToDo of a step that was not begun this time.
var ErrNotAgain = fmt.Errorf("%w", ErrStillToDo)

func stillToDo(s plan.Step) error {
	return fmt.Errorf("%s of %s: %w", s.Op.Word(), s.Key, ErrStillToDo)
}

// verify reads the object of a step that succeeded. An object that cannot be read proves nothing. Nor does a network:
// an engine shows its own half of one for a while after the swarm has removed it.
func (r *run) verify(ctx context.Context, s plan.Step, made kinds.Result) error {
	have, id := s.Change.Have, made.ID
	if s.Op == diff.Remove {
		id = have.Meta.ID
	}
	if id == "" || s.Leaves() || s.Recognises() || s.Key.Kind == v1.KindNetwork { // a node that was told to leave is down some time later, and one that is recognised stays as it is
		return nil
	}
	live, err := r.byKind[s.Key.Kind].Read(context.WithoutCancel(ctx), r.options.Engine, id)
	switch {
	case engine.IsNotFound(err) && s.Op == diff.Create, err == nil && have != nil && have.Meta.ID == id && live.Version == have.Meta.Version:
		return fmt.Errorf("%s of %s: %w", s.Op.Word(), s.Key, ErrNoEffect)
	case engine.IsNotFound(err) && s.Op != diff.Remove: // somebody has removed it since
		return fmt.Errorf("%s of %s: %w", s.Op.Word(), s.Key, err)
	}
	return nil
}

// id returns the id of an object that this run made, or otherwise of one that was there before. It fails if there is
// none.
func (r *run) id(kind, name string) (string, error) {
	r.mu.Lock()
	id, ok := r.made[kinds.Ref{Kind: kind, ID: name}]
	r.mu.Unlock()
	if ok {
		return id, nil
	}
	if l := r.options.Index.ByName(kind, name); l != nil {
		return l.ID, nil
	}
	return "", fmt.Errorf("%s does not exist", v1.Key{Kind: kind, Name: name})
}
