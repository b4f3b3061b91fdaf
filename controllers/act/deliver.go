package act

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/audit"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Delivery is a token or a key that has to go where a manifest says.
type Delivery struct {
	Of kinds.Rotated
	// Sink is the name of a sink that the operator's configuration defines.
	Sink string
	// why says why it is still to be delivered.
	why string
	// key and digest are what to remember once it is delivered.
	key, digest string
	secret      v1.Content
}

// errNotDelivered is the class of errors that say that a token or a key did not get to its sink.
var errNotDelivered = errors.New("not delivered")

// Look reads the tokens and keys that have sinks, and notes in the run which of them are still to be delivered.
func (a *Actor) Look(ctx context.Context, run *Run) {
	run.Undelivered, run.DeliveryErr = a.notDelivered(ctx, run)
}

// Pending returns what Look finds, for people.
func (r *Run) Pending() []plan.Delivery {
	var out []plan.Delivery
	for _, d := range r.Undelivered {
		out = append(out, plan.Delivery{What: string(d.Of), To: d.Sink, Why: d.why})
	}
	return out
}

// OnRecord returns what is still to be delivered by the source's memory alone, for an operator that only observes. It
// asks neither an engine for a key nor a sink for what it has, because others may see what such an operator reads, and
// sinks may be elsewhere.
func (a *Actor) OnRecord(run *Run) []plan.Delivery {
	var out []plan.Delivery
	to := decide.SinksOf(run.Entries)
	for _, of := range slices.Sorted(maps.Keys(to)) {
		for _, sink := range to[of] {
			made := slices.ContainsFunc(run.Plan.Steps, func(s plan.Step) bool { return decide.Makes(s) == of })
			exists := of != kinds.UnlockKey || locked(run)
			if exists && !made && a.Decider.Delivered(run.Decision, decide.DeliveryKey(of, sink)) == "" {
				out = append(out, plan.Delivery{What: string(of), To: sink, Why: never})
			}
		}
	}
	return out
}

// locked reports whether managers are locked, so that there is an unlock key.
func locked(run *Run) bool {
	return slices.ContainsFunc(run.Haves, func(h *diff.State) bool {
		return h.Key.Kind == v1.KindCluster && slices.ContainsFunc(h.Leaves, func(l diff.Leaf) bool { return l.Path == "spec.autolock.enabled" && l.Text == "true" })
	})
}

// These are why something is delivered.
const (
	never   = "it was not delivered there yet"
	changed = "it has changed since it was delivered there"
	unknown = "nobody can tell whether it has changed since it was delivered there"
	gone    = "the sink does not have it any more"
)

// notDelivered reads the join tokens and the unlock key, if manifests state sinks for them. It returns a Delivery for
// each sink that does not have the present value, by the record of what was delivered and by a look at the sink. It
// returns nil if the memory has no salt, because then nothing is going to be written. The operator forgets the
// values when they are delivered, and shows them to nobody but the sinks.
func (a *Actor) notDelivered(ctx context.Context, run *Run) ([]Delivery, error) {
	to := decide.SinksOf(run.Entries)
	if len(to) == 0 || run.Memory.Salt == nil {
		return nil, nil
	}
	secrets, err := a.secrets(ctx, to)
	if err != nil {
		return nil, err
	}
	var out []Delivery
	for _, of := range slices.Sorted(maps.Keys(to)) {
		for _, s := range to[of] {
			d := Delivery{Of: of, Sink: s, key: decide.DeliveryKey(of, s), secret: v1.NewContent([]byte(secrets[of]))}
			if secrets[of] == "" {
				continue
			}
			switch was := a.Decider.Delivered(run.Decision, d.key); {
			case was == "":
				d.why = never
			case a.Decider.Digests.Why(was) != "":
				d.why = unknown
			case !a.Decider.IsDelivered(run.Decision, d.key, d.secret):
				d.why = changed
			case a.lost(ctx, d):
				d.why = gone
			default:
				continue
			}
			d.digest = a.Decider.Contents(run.Decision).Of(d.key, d.secret.Reveal())
			out = append(out, d)
		}
	}
	return out, nil
}

// secrets reads the tokens and keys that go somewhere.
func (a *Actor) secrets(ctx context.Context, to map[kinds.Rotated][]string) (map[kinds.Rotated]string, error) {
	secrets := map[kinds.Rotated]string{}
	if to[kinds.WorkerToken] != nil || to[kinds.ManagerToken] != nil {
		s, err := a.Engine.SwarmInspect(ctx, client.SwarmInspectOptions{})
		if err != nil {
			return nil, fmt.Errorf("reading the join tokens: %w", err)
		}
		secrets[kinds.WorkerToken], secrets[kinds.ManagerToken] = s.Swarm.JoinTokens.Worker, s.Swarm.JoinTokens.Manager
	}
	if to[kinds.UnlockKey] != nil {
		k, err := a.Engine.SwarmGetUnlockKey(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading the unlock key: %w", err)
		}
		secrets[kinds.UnlockKey] = k.Key // it is "" while managers are not locked
	}
	return secrets, nil
}

// lost reports whether a sink no longer has what was delivered to it. Each instance asks about its own disk: a file that
// another instance wrote is on another machine.
func (a *Actor) lost(ctx context.Context, d Delivery) bool {
	err := a.Sinks.Has(ctx, d.Sink, d.secret)
	if err == nil || ctx.Err() != nil {
		return false
	}
	a.Log.Info("a sink does not have what was delivered; delivering again", "what", string(d.Of), "sink", d.Sink, "why", err.Error())
	return true
}

// deliver brings tokens and keys to their sinks. It returns those that it delivered, and those that failed with their
// errors. One that fails does not stop the others, and the next run tries it again. When ctx ends, the others wait for
// the next run.
func (a *Actor) deliver(ctx context.Context, all []Delivery) (done, failed []Delivery, errs []error) {
	for i, d := range all {
		err := ctx.Err()
		if err == nil && d.Of == kinds.UnlockKey {
			err = a.Sinks.Keep(d.Sink)
		}
		if err == nil {
			err = a.Sinks.Deliver(ctx, d.Sink, d.secret)
		}
		if err != nil && ctx.Err() != nil { // the run ends, so nothing has failed: these are still to be delivered
			return done, append(failed, all[i:]...), errs
		}
		if err != nil {
			failed = append(failed, d)
			errs = append(errs, fmt.Errorf("%s %w: %w", d.Of, errNotDelivered, err))
			audit.Delivered(ctx, string(d.Of), d.Sink, false)
			continue
		}
		done = append(done, d)
		a.Decider.Handed(d.key, d.digest)
		audit.Delivered(ctx, string(d.Of), d.Sink, true)
		a.Log.Info("secret delivered", "what", string(d.Of), "to", d.Sink)
	}
	return done, failed, errs
}

// proven returns the plan without steps that make a token or a key for which delivery does not work. If such a step
// were taken, the new token or key would be nowhere but in the swarm. It also drops a step if the token or key that it
// replaces has not been delivered yet. errs says why each step was dropped.
func (a *Actor) proven(ctx context.Context, run *Run) (p plan.Plan, errs []error) {
	p = run.Plan
	to := decide.SinksOf(run.Entries)
	p.Steps = slices.DeleteFunc(slices.Clone(p.Steps), func(s plan.Step) bool {
		of := decide.Makes(s)
		if of == "" {
			return false
		}
		for _, d := range run.Undelivered {
			if d.Of == of {
				errs = append(errs, fmt.Errorf("%s of %s: nothing was changed, because the present %s is %w to %s yet", s.Op.Word(), s.Key, d.Of, errNotDelivered, d.Sink))
				return true
			}
		}
		for _, sink := range to[of] {
			if err := a.Sinks.Prove(ctx, sink); err != nil {
				errs = append(errs, fmt.Errorf("%s of %s: nothing was changed, because it could not be put where it should go: %w", s.Op.Word(), s.Key, err))
				return true
			}
		}
		return false
	})
	return p, errs
}
