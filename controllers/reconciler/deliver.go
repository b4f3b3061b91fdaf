package reconciler

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/sinks"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// delivery is a token or a key that has to go where a manifest says.
type delivery struct {
	of   kinds.Rotated
	sink v1.Sink
	// key and digest are what to remember once it is delivered.
	key, digest string
	secret      v1.Content
}

// tokens is what a run knows about tokens and keys.
type tokens struct {
	// undelivered are those that are not yet where they should be. deliveryErr says why, or why nobody knows.
	undelivered []delivery
	deliveryErr error
}

// errNotDelivered is the class of errors that keep a token or a key from where it should go.
var errNotDelivered = errors.New("not delivered")

// notDelivered reads the tokens and keys that have somewhere to go. It returns those that are not on record as
// delivered. They are held only as long as needed, and shown to nobody else.
func (r *Reconciler) notDelivered(ctx context.Context, run *Run) ([]delivery, error) {
	to := decide.SinksOf(run.Entries)
	if len(to) == 0 || run.Memory.HashKey == nil {
		return nil, nil
	}
	secrets := map[kinds.Rotated]string{}
	if to[kinds.WorkerToken] != nil || to[kinds.ManagerToken] != nil {
		s, err := r.Engine.SwarmInspect(ctx, client.SwarmInspectOptions{})
		if err != nil {
			return nil, fmt.Errorf("reading the join tokens: %w", err)
		}
		secrets[kinds.WorkerToken], secrets[kinds.ManagerToken] = s.Swarm.JoinTokens.Worker, s.Swarm.JoinTokens.Manager
	}
	if to[kinds.UnlockKey] != nil {
		k, err := r.Engine.SwarmGetUnlockKey(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading the unlock key: %w", err)
		}
		secrets[kinds.UnlockKey] = k.Key // it is "" while managers are not locked
	}
	var out []delivery
	for _, of := range slices.Sorted(maps.Keys(to)) {
		for _, s := range to[of] {
			d := delivery{of: of, sink: s, key: string(of) + " to " + s.Name(), secret: v1.NewContent([]byte(secrets[of]))}
			d.digest = digestOf(run.Memory.HashKey, d.key, secrets[of])
			if secrets[of] != "" && r.decider.Delivered(&run.Decision, d.key) != d.digest {
				out = append(out, d)
			}
		}
	}
	return out, nil
}

// digestOf tells one secret from the next without revealing either: it is keyed, and the secrets are random.
func digestOf(hashKey []byte, key, secret string) string {
	mac := hmac.New(sha256.New, hashKey)
	mac.Write([]byte("delivered\x00" + key + "\x00" + secret))
	return hex.EncodeToString(mac.Sum(nil))[:20]
}

// deliver brings tokens and keys to their sinks. It returns how many it delivered, and those that failed with their
// errors. One that fails does not stop the others, and the next run tries it again.
func (r *Reconciler) deliver(ctx context.Context, all []delivery) (done int, failed []delivery, errs []error) {
	for _, d := range all {
		err := ctx.Err()
		if err == nil && d.of == kinds.UnlockKey {
			err = sinks.Keep(d.sink)
		}
		if err == nil {
			err = sinks.Deliver(ctx, d.sink, d.secret)
		}
		if err != nil {
			failed = append(failed, d)
			errs = append(errs, fmt.Errorf("%s %w: %w", d.of, errNotDelivered, err))
			continue
		}
		done++
		r.decider.Handed(d.key, d.digest)
		r.Log.Info("delivered", "what", string(d.of), "to", d.sink.Name())
	}
	return done, failed, errs
}

// proven returns the plan without the steps that make a token or a key which could not be delivered: it would be
// nowhere else. It also drops a step if the token or key that it replaces has not been delivered yet. errs says why.
func (r *Reconciler) proven(ctx context.Context, run *Run, failed []delivery) (p plan.Plan, errs []error) {
	p = run.Plan
	to := decide.SinksOf(run.Entries)
	p.Steps = slices.DeleteFunc(slices.Clone(p.Steps), func(s plan.Step) bool {
		of := decide.Makes(s)
		if of == "" {
			return false
		}
		for _, d := range failed {
			if d.of == of {
				errs = append(errs, fmt.Errorf("%s of %s: the one there is is %w to %s yet", s.Op.Word(), s.Key, errNotDelivered, d.sink.Name()))
				return true
			}
		}
		for _, sink := range to[of] {
			if err := sinks.Prove(ctx, sink); err != nil {
				errs = append(errs, fmt.Errorf("%s of %s: nothing was changed, because it could not be put where it should go: %w", s.Op.Word(), s.Key, err))
				return true
			}
		}
		return false
	})
	return p, errs
}

// deliveryConditions sets whether tokens and keys are where they should be. While a problem holds the manifest of the
// Cluster, nobody knows where that is. Nothing is then delivered, and the last condition stays.
func (l *Loop) deliveryConditions(run *Run) {
	// If the Cluster has a manifest, what holds a node holds the Cluster as well. If it has none, there is nothing to
	// deliver.
	if p, held := run.Held[v1.Key{Kind: v1.KindCluster, Name: v1.ClusterName}]; held {
		l.Board.DeliveryUnknown("the manifest that says where tokens and keys go is held: " + p.Why)
		return
	}
	var key, token []string
	for _, d := range run.undelivered {
		if d.of == kinds.UnlockKey {
			key = append(key, d.sink.Name())
		} else {
			token = append(token, string(d.of)+" to "+d.sink.Name())
		}
	}
	why := ""
	if run.deliveryErr != nil {
		why = ": " + run.deliveryErr.Error()
	}
	set := func(kind, reason, what string, of []string) {
		if len(of) == 0 {
			l.Board.Set(kind, false, "Delivered", "")
			return
		}
		l.Board.Set(kind, true, reason, what+strings.Join(of, ", ")+why)
	}
	set(status.KeyNotEscrowed, "NotEscrowed", "the unlock key has not come to ", key)
	set(status.TokensNotDelivered, "NotDelivered", "not delivered yet: ", token)
}

func wrapped(err error) []error {
	if err == nil {
		return nil
	}
	return []error{err}
}
