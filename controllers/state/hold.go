package state

import (
	"cmp"
	"context"
	"crypto/rand"
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
	"github.com/swarm-operator/swarm-operator/controllers/rescue"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Hold stops every write to what it names, until its time is over or its config is removed. It is a config with
// labels, so that a colleague without this program can make one with docker config create.
type Hold struct {
	plan.Hold
	// ID and Name are the config's id and name.
	ID   string
	Name string

	version uint64
}

// Holds returns the holds among configs, sorted by target. It includes holds whose time is over.
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

// HoldOf reads a config as a hold. It returns false if the config is none. An end that cannot be read counts as no end,
// because what somebody wanted to stop must stay stopped.
func HoldOf(c *swarm.Config) (Hold, bool) {
	target, is := c.Spec.Labels[v1.LabelHold]
	if !is {
		return Hold{}, false
	}
	h := Hold{ID: c.ID, Name: c.Spec.Name, version: c.Version.Index, Hold: plan.Hold{
		Target: strings.TrimSpace(target), Reason: cmp.Or(Reason(string(c.Spec.Data)), "no reason given"), By: c.Spec.Labels[v1.LabelHoldBy], Since: c.CreatedAt.UTC(),
	}}
	if until, err := time.Parse(time.RFC3339, c.Spec.Labels[v1.LabelHoldUntil]); err == nil {
		h.Until = until.UTC()
	}
	return h, true
}

// longestReason is how much of a reason is shown.
const longestReason = 200

// Reason returns what a person gave as a reason, on one line that is not too long.
func Reason(given string) string {
	text := []rune(strings.Join(strings.Fields(strings.ToValidUTF8(given, "?")), " "))
	if len(text) > longestReason {
		text = append(text[:longestReason], '…')
	}
	return v1.Scrub(string(text))
}

// AddHold makes a hold. It replaces a hold on the same target that AddHold made before. until may be zero. If the
// result has an ID, the hold is in force, even if there is an error.
//
// A config's content cannot change. So AddHold makes the new config before it removes the old ones, and at no time is
// there no hold.
func AddHold(ctx context.Context, c *engine.Client, target, why, by string, until time.Time) (Hold, error) {
	labels := map[string]string{v1.LabelHold: target, v1.LabelHoldBy: by}
	if !until.IsZero() {
		labels[v1.LabelHoldUntil] = until.UTC().Format(time.RFC3339)
	}
	// The swarm accepts no empty config.
	spec := swarm.ConfigSpec{Annotations: swarm.Annotations{Name: holdName(target), Labels: labels}, Data: []byte(cmp.Or(v1.Scrub(why), "\n"))}
	made, err := c.ConfigCreate(ctx, client.ConfigCreateOptions{Spec: spec})
	for try := 0; engine.IsExists(err) && try < 3; try++ {
		suffix := make([]byte, 3)
		_, _ = rand.Read(suffix) // it never fails
		spec.Name = clip(holdName(target), 57) + "-" + hex.EncodeToString(suffix)
		made, err = c.ConfigCreate(ctx, client.ConfigCreateOptions{Spec: spec})
	}
	if err != nil {
		return Hold{}, fmt.Errorf("making a hold on %s: %w", target, err)
	}
	h, _ := HoldOf(&swarm.Config{ID: made.ID, Spec: spec})
	return h, replaced(ctx, c, h)
}

// replaced removes the older holds that a new hold replaces. If two are made at the same time, the later one stays.
func replaced(ctx context.Context, c *engine.Client, by Hold) error {
	configs, err := Read(ctx, c)
	if err != nil {
		return fmt.Errorf("looking for older holds on %s: %w", by.Target, err)
	}
	holds := Holds(configs)
	i := slices.IndexFunc(holds, func(h Hold) bool { return h.ID == by.ID })
	if i < 0 {
		return nil // it was already replaced or ended
	}
	var errs []error
	for _, h := range holds {
		if h.version >= holds[i].version || !plan.SameTarget(h.Target, by.Target) || !strings.HasPrefix(h.Name, holdPrefix) {
			continue
		}
		if _, err := c.ConfigRemove(ctx, h.ID, client.ConfigRemoveOptions{}); err != nil && !engine.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("removing the older hold %s: %w", h.Name, err))
		}
	}
	return errors.Join(errs...)
}

// EndHolds removes all holds on a target, whoever made them, and returns those that it removed.
func EndHolds(ctx context.Context, c *engine.Client, target string) ([]Hold, error) {
	configs, err := Read(ctx, c)
	if err != nil {
		return nil, err
	}
	var ended []Hold
	var errs []error
	for _, h := range Holds(configs) {
		if !plan.SameTarget(h.Target, target) {
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

const holdPrefix = "swarm-operator-hold-"

// holdName returns the name of a hold's config. It uses only letters, digits and dashes, and at most the 64
// characters that the swarm accepts.
func holdName(target string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '-'
	}, target)
	sum := sha256.Sum256([]byte(target))
	return clip(holdPrefix+clean, 57) + "-" + hex.EncodeToString(sum[:3])
}

func clip(s string, n int) string { return s[:min(len(s), n)] }

// Watch tells, before each write, whether the target of the write is on hold. Questions that come at about the same
// time share one answer. So 16 writes in flight cost few calls, and no write goes out on old knowledge.
type Watch struct {
	engine *engine.Client
	source string
	now    func() time.Time

	mu   sync.Mutex
	last *look // the look that began last
	next *look // a look that has not begun yet
	busy bool
}

// fresh is how long ago a look may have begun. It is less than a person notices, and about what a write takes on its
// way.
const fresh = 10 * time.Millisecond

type look struct {
	began time.Time
	done  chan struct{}
	holds []Hold
	err   error
}

func (l *look) failed() bool {
	select {
	case <-l.done:
		return l.err != nil
	default:
		return false
	}
}

// Ahead begins a look now, for a question that will soon be asked.
func (w *Watch) Ahead(ctx context.Context) { w.ask(ctx) }

// NewWatch returns a Watch for holds on what a source has.
func NewWatch(c *engine.Client, source string, now func() time.Time) *Watch {
	return &Watch{engine: c, source: source, now: now}
}

// ErrOnHold says that somebody has put the target of a write on hold.
var ErrOnHold = errors.New("on hold")

// Check returns an error of class ErrOnHold if the object is on hold now. It returns a different error if it cannot
// tell.
func (w *Watch) Check(ctx context.Context, key v1.Key) error {
	mine := w.ask(ctx)
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

func (w *Watch) ask(ctx context.Context) *look {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last != nil && time.Since(w.last.began) < fresh && !w.last.failed() {
		return w.last
	}
	if w.next == nil {
		w.next = &look{done: make(chan struct{})}
	}
	mine := w.next
	if !w.busy {
		w.busy = true
		go rescue.Clean(func() { w.run(context.WithoutCancel(ctx)) })()
	}
	return mine
}

func (w *Watch) run(ctx context.Context) {
	for {
		w.mu.Lock()
		l := w.next
		w.next = nil
		if l != nil {
			l.began, w.last = time.Now(), l
		}
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
