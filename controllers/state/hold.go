package state

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// HoldAll is the target of a hold on everything that any source has.
const HoldAll = "all"

// Hold stops every write to what it names, until it ends by its time or its config is removed. It is a labelled config, so
// that a colleague without our binary can make one with docker config create.
type Hold struct {
	plan.Hold
	// ID and Name are those of the config.
	ID   string
	Name string
}

// Holds picks the holds out of configs, also those whose time is over. They are sorted by target.
func Holds(configs []*swarm.Config) []Hold {
	var out []Hold
	for _, c := range configs {
		if h, is := HoldOf(c); is {
			out = append(out, h)
		}
	}
	slices.SortFunc(out, func(a, b Hold) int {
		return cmp.Or(strings.Compare(a.Target, b.Target), strings.Compare(a.Name, b.Name))
	})
	return out
}

// HoldOf reads a config as a hold. An end that cannot be read is none: what somebody wanted to stop stays so.
func HoldOf(c *swarm.Config) (Hold, bool) {
	target, is := c.Spec.Labels[v1.LabelHold]
	if !is {
		return Hold{}, false
	}
	h := Hold{ID: c.ID, Name: c.Spec.Name, Hold: plan.Hold{
		Target: strings.TrimSpace(target), Reason: reason(c.Spec.Data), By: c.Spec.Labels[v1.LabelHoldBy], Since: c.CreatedAt.UTC(),
	}}
	if until, err := time.Parse(time.RFC3339, c.Spec.Labels[v1.LabelHoldUntil]); err == nil {
		h.Until = until.UTC()
	}
	return h, true
}

// longestReason is how much of a reason is shown.
const longestReason = 200

func reason(data []byte) string {
	text := []rune(strings.Join(strings.Fields(strings.ToValidUTF8(string(data), "?")), " "))
	if len(text) > longestReason {
		text = append(text[:longestReason], '…')
	}
	return v1.Scrub(string(text))
}

// AddHold makes a hold, or makes the one on the same target anew. until may be zero.
func AddHold(ctx context.Context, c *engine.Client, target, why, by string, until time.Time) (Hold, error) {
	labels := map[string]string{v1.LabelHold: target, v1.LabelHoldBy: by}
	if !until.IsZero() {
		labels[v1.LabelHoldUntil] = until.UTC().Format(time.RFC3339)
	}
	spec := swarm.ConfigSpec{Annotations: swarm.Annotations{Name: holdName(target), Labels: labels}, Data: []byte(cmp.Or(why, "no reason given"))}
	for range 3 {
		made, err := c.ConfigCreate(ctx, client.ConfigCreateOptions{Spec: spec})
		if !engine.IsExists(err) {
			if err != nil {
				return Hold{}, fmt.Errorf("making a hold on %s: %w", target, err)
			}
			h, _ := HoldOf(&swarm.Config{ID: made.ID, Spec: spec})
			return h, nil
		}
		// A config's content cannot change. The new one is made under another name before the old one goes: at no time is there none.
		old, err := c.ConfigInspect(ctx, holdName(target), client.ConfigInspectOptions{})
		if err != nil && !engine.IsNotFound(err) {
			return Hold{}, fmt.Errorf("reading the hold on %s: %w", target, err)
		}
		if err == nil {
			bridge := spec
			bridge.Name = fmt.Sprintf("%s-%d", clip(holdName(target), 40), old.Config.Version.Index)
			next, err := c.ConfigCreate(ctx, client.ConfigCreateOptions{Spec: bridge})
			if err != nil && !engine.IsExists(err) {
				return Hold{}, fmt.Errorf("making a hold on %s: %w", target, err)
			}
			if _, err := c.ConfigRemove(ctx, old.Config.ID, client.ConfigRemoveOptions{}); err != nil && !engine.IsNotFound(err) {
				return Hold{}, fmt.Errorf("removing the hold on %s: %w", target, err)
			}
			if h, is := HoldOf(&swarm.Config{ID: next.ID, Spec: bridge}); is && next.ID != "" {
				return h, nil
			}
		}
	}
	return Hold{}, fmt.Errorf("making a hold on %s: somebody else makes and removes it at the same time", target)
}

// EndHolds removes all holds on a target, by whoever they are, and returns them.
func EndHolds(ctx context.Context, c *engine.Client, target string) ([]Hold, error) {
	configs, err := Read(ctx, c)
	if err != nil {
		return nil, err
	}
	var ended []Hold
	var errs []error
	for _, h := range Holds(configs) {
		if !strings.EqualFold(h.Target, target) {
			continue
		}
		if _, err := c.ConfigRemove(ctx, h.ID, client.ConfigRemoveOptions{}); err != nil && !engine.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("removing the hold %s: %w", h.Name, err))
			continue
		}
		ended = append(ended, h)
	}
	return ended, errors.Join(errs...)
}

// holdName names the config of a hold, in the 64 letters, digits, dots and dashes that the swarm takes.
func holdName(target string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '-'
	}, target)
	sum := sha256.Sum256([]byte(target))
	return clip("swarm-operator-hold-"+clean, 57) + "-" + hex.EncodeToString(sum[:3])
}

func clip(s string, n int) string { return s[:min(len(s), n)] }

// Watch answers, before each write, whether what it writes to is on hold. Questions that come at once share an answer that
// was asked for after the last of them came: 16 writes in flight cost few calls, and none goes out on old knowledge.
type Watch struct {
	engine *engine.Client
	source string
	now    func() time.Time

	mu   sync.Mutex
	next *look // not begun yet
	busy bool
}

type look struct {
	done  chan struct{}
	holds []Hold
	err   error
}

// NewWatch watches for holds on what a source has.
func NewWatch(c *engine.Client, source string, now func() time.Time) *Watch {
	return &Watch{engine: c, source: source, now: now}
}

// ErrOnHold says that somebody put what was to be written to on hold.
var ErrOnHold = errors.New("on hold")

// Check returns an error of class ErrOnHold where the object is on hold now, and another one where that is not known.
func (w *Watch) Check(ctx context.Context, key v1.Key) error {
	w.mu.Lock()
	if w.next == nil {
		w.next = &look{done: make(chan struct{})}
	}
	mine := w.next
	if !w.busy {
		w.busy = true
		go w.run(context.WithoutCancel(ctx))
	}
	w.mu.Unlock()
	select {
	case <-mine.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if mine.err != nil {
		return fmt.Errorf("looking for holds: %w", mine.err)
	}
	for _, h := range mine.holds {
		if h.Covers(w.source, key, w.now()) {
			return fmt.Errorf("%s is %w: %s", key, ErrOnHold, h.Text())
		}
	}
	return nil
}

func (w *Watch) run(ctx context.Context) {
	for {
		w.mu.Lock()
		l := w.next
		w.next = nil
		if l == nil {
			w.busy = false
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		l.holds, l.err = liveHolds(ctx, w.engine)
		close(l.done)
	}
}

func liveHolds(ctx context.Context, c *engine.Client) ([]Hold, error) {
	list, err := c.ConfigList(ctx, client.ConfigListOptions{Filters: client.Filters{}.Add("label", v1.LabelHold)})
	if err != nil {
		return nil, err
	}
	var out []Hold
	for i := range list.Items {
		if h, is := HoldOf(&list.Items[i]); is {
			out = append(out, h)
		}
	}
	return out, nil
}
