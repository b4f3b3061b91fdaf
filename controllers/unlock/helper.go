package unlock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/go-logr/logr"
	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
)

// Options say whose helper it is.
type Options struct {
	Engine Engine
	Ring   string        // the path of its file
	Every  time.Duration // between looks
	Wake   <-chan engine.Event
	Now    func() time.Time
	Log    logr.Logger
}

// Helper keeps the keys of one engine while it is open, and opens it with them when it is locked.
type Helper struct {
	Options
	// rejected are keys that the engine has refused since it was last seen open or away. It would refuse them again.
	rejected []v1.Content
	failures int
	said     string
}

// New returns a helper that has seen nothing yet.
func New(o Options) *Helper { return &Helper{Options: o} }

// Run helps until ctx ends. It waits while the engine or the swarm is away. It returns an error only if it could not
// help from the beginning, because the ring cannot be read or written.
func (h *Helper) Run(ctx context.Context) error {
	if err := ready(h.Ring); err != nil {
		return err
	}
	for ctx.Err() == nil {
		h.wait(ctx, h.look(ctx))
	}
	return nil
}

// wait returns after a time, or when the engine was connected to, because it may have started a moment ago.
func (h *Helper) wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case e, ok := <-h.Wake:
			if !ok {
				h.Wake = nil
			} else if e.Type == engine.Reconnected {
				h.failures = 0
				return
			}
		}
	}
}

// soon is the first pause after something that may pass or continue by itself.
const soon = time.Second

// look does what there is to do now, and returns when to look again.
func (h *Helper) look(ctx context.Context) time.Duration {
	about, err := h.Engine.Describe(ctx)
	switch {
	case err != nil:
		if engine.IsUnavailable(err) {
			h.rejected = nil // it will be started again, and may then accept what it refused
		}
		return h.failed(ctx, "waiting for the engine", err)
	case about.State == swarm.LocalNodeStateLocked:
		return h.open(ctx)
	}
	h.rejected = nil
	switch {
	case about.State != swarm.LocalNodeStateActive: // starting, in no swarm, or out of order
		h.say("neither open nor locked", "state", about.State, "why", about.Error)
		return h.later()
	case !about.Manager:
		h.say("not a manager, which has no key")
		return h.Every
	}
	return h.keep(ctx)
}

// keep puts the engine's present key on the ring.
func (h *Helper) keep(ctx context.Context) time.Duration {
	now, err := h.Engine.SwarmGetUnlockKey(ctx)
	if err != nil {
		return h.failed(ctx, "waiting for the swarm", err)
	}
	if now.Key == "" {
		h.failures = 0
		h.say("open; autolock is off")
		return h.Every
	}
	n, added, err := h.see(v1.NewContent([]byte(now.Key)))
	if err != nil {
		return h.failed(ctx, "the key is not kept", err)
	}
	h.failures = 0
	if added {
		h.Log.Info("new key kept", "ring", h.Ring, "keys", n)
	}
	h.say("open; its key is on the ring")
	return h.Every
}

// see adds the key to the ring. It reads the ring each time, because a person may have added to it.
func (h *Helper) see(key v1.Content) (int, bool, error) {
	ring, err := Load(h.Ring)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, false, err
	}
	if _, err := ParseKey(string(key.Reveal())); err != nil { // a later Load could not read it
		return 0, false, fmt.Errorf("the engine's key: %w", err)
	}
	ring, changed := ring.See(key, h.Now())
	if !changed {
		return len(ring), false, nil
	}
	return len(ring), true, save(h.Ring, ring)
}

// open tries the keys, the newest first. It does not try a key again that was refused.
func (h *Helper) open(ctx context.Context) time.Duration {
	ring, err := Load(h.Ring)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return h.failed(ctx, "locked", err)
	}
	for _, k := range ring {
		if slices.ContainsFunc(h.rejected, k.is) {
			continue
		}
		verdict, err := Try(ctx, h.Engine, k.Content)
		switch verdict {
		case Opened:
			h.rejected, h.failures = nil, 0
			h.Log.Info("manager unlocked", "since", k.Since)
			h.said = ""
			return soon // to see what its key is now
		case Rejected:
			h.rejected = append(h.rejected, k.Content)
			h.Log.Info("engine refused a key", "since", k.Since)
		default:
			return h.failed(ctx, "locked", err)
		}
	}
	h.failures = 0
	h.say("locked, and no key of the ring opens it: give the right one to swarm-operator unlock --key-stdin or add it to the ring", "ring", h.Ring, "keys", len(ring))
	return h.Every
}

// failed reports why once, and returns a longer and longer pause before the next try.
func (h *Helper) failed(ctx context.Context, what string, err error) time.Duration {
	if ctx.Err() == nil { // otherwise the end of ctx is why
		h.say(what, "error", err.Error())
	}
	return h.later()
}

func (h *Helper) later() time.Duration {
	d := min(soon<<min(h.failures, 10), h.Every)
	h.failures++
	return d
}

// say logs the state if it has changed.
func (h *Helper) say(what string, more ...any) {
	if text := fmt.Sprint(what, more); text != h.said {
		h.said = text
		h.Log.Info(what, more...)
	}
}
