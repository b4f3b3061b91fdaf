package state

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/rescue"
)

// LeaseName is the name of the config that says who may act. A swarm has one lease: it allows one plan at a time, of
// any source.
const LeaseName = "swarm-operator-lease"

// These are the times of the lease. Clocks of different machines are never compared. A process that waits counts from
// when it last saw the lease change. The holder counts from before it sent its last renewal.
const (
	// LeaseTTL is how long a lease that is not renewed makes others wait.
	LeaseTTL = 12 * time.Second
	// leaseRenew is how often the holder renews it.
	leaseRenew = 3 * time.Second
	// leaseMargin is how much earlier the holder gives the lease up than others take it. The margin is for a call
	// that is in flight.
	leaseMargin = 3 * time.Second
	// LeaseLook is the longest time between two looks of a process that waits.
	LeaseLook = time.Second
	// leaseTurn is how long others let the last holder go first.
	leaseTurn = 500 * time.Millisecond
)

// ErrLeaseLost ends what runs under a lease that is no longer held.
var ErrLeaseLost = errors.New("the lease is lost: somebody else may act now")

const (
	leaseHeld = "held" // somebody acts
	leaseFree = "free" // nobody does; the last holder is still there
	leaseLeft = "left" // nobody does; the last holder has gone

	labelHolder  = v1.LabelPrefix + "lease-holder"
	labelEpoch   = v1.LabelPrefix + "lease-epoch"
	labelSource  = v1.LabelPrefix + "lease-source"
	labelRenewed = v1.LabelPrefix + "lease-renewed" // by the holder's clock; people read it
)

const leaseText = `swarm-operator: who acts on this swarm, one at a time. The labels say who. Removing this config is safe.
`

// LeaseOptions say whose lease it is.
type LeaseOptions struct {
	Engine *engine.Client
	// Instance names this process to people, for example by its host. NewLease adds a suffix that makes it unique.
	Instance string
	// Eager is true if this process does not let the last holder go first. A command that a person waits for is
	// eager.
	Eager bool
	// Observe is called when this process has taken the lease, released it or lost it. It gets the epoch.
	Observe func(Transition, uint64)
	Log     logr.Logger
	Now     func() time.Time
	// Pace divides the times of the lease; 0 means 1. It is only for tests: instances with different paces do not
	// prevent each other from acting.
	Pace float64
}

// paced returns a time of the lease at the pace of this process.
func (l *Lease) paced(d time.Duration) time.Duration { return time.Duration(float64(d) / l.Pace) }

// Transition is what happened to the lease in this process.
type Transition string

// These are the transitions.
const (
	LeaseTaken    Transition = "taken"
	LeaseReleased Transition = "released"
	LeaseLost     Transition = "lost"
)

// Lease is this process's part of the lease, a compare-and-swap on the labels of one config. The process takes it
// when there is something to do, and releases it afterwards. So it does not write to a swarm at rest. Several
// goroutines may use it.
type Lease struct {
	LeaseOptions
	holder string

	mu     sync.Mutex // held during calls too, so that they must not ask the fence: see unfenced
	known  bool
	at     View      // as it was last read
	since  time.Time // when its version was first seen
	wanted time.Time // since when this process wants it while it is free
	ours   uint64    // the version after this process last released it; while it is unchanged, nobody has acted since
	none   bool      // true if there was no lease when everything was read, and no sign that there ever was one
	mine   *holding

	noted   map[string]Troubles // by source; written when the lease is released
	sighted map[troubleOf]sighting
}

// holding is the time from taking the lease to releasing or losing it.
type holding struct {
	epoch    uint64
	source   string
	ctx      context.Context
	lose     context.CancelCauseFunc
	deadline time.Time // on both clocks: one stops while the machine sleeps, and somebody may set the other
	timer    *time.Timer
	renewing sync.Mutex
}

// Taken is the answer of Take.
type Taken struct {
	// Epoch grows with each holder. It is 0 if this process does not get the lease.
	Epoch uint64
	// Others is true if others acted since this process last looked at the whole swarm or released the lease: plan
	// again before acting. If Epoch is 0, it is true if the lease was free and was not taken because the plan is
	// outdated.
	Others bool
	// Holder is the process that acts if it is another one, and Again is when to ask again.
	Holder string
	Again  time.Duration
}

// NewLease returns this process's part of the lease. It sends nothing.
func NewLease(o LeaseOptions) *Lease {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Observe == nil {
		o.Observe = func(Transition, uint64) {}
	}
	if o.Pace == 0 {
		o.Pace = 1
	}
	suffix := make([]byte, 3)
	_, _ = rand.Read(suffix) // it never fails
	return &Lease{LeaseOptions: o, holder: o.Instance + "/" + hex.EncodeToString(suffix)}
}

// Holder returns this process's own name.
func (l *Lease) Holder() string { return l.holder }

// Saw records the lease as it was found when everything was read. If the lease is still unchanged when this process
// takes it, the process has seen everything that others did.
func (l *Lease) Saw(configs []*swarm.Config) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mine != nil {
		return
	}
	v, there := ViewLease(configs)
	l.none = !there && len(Sources(configs)) == 0
	if !there {
		l.known, l.ours = false, 0
		return
	}
	l.saw(v)
	l.ours = v.version.Index
}

// saw records the lease as it was just read. If it is unchanged, nobody has renewed it in between, even if it could
// not be read for a while. So nobody waits twice for a holder that ended together with the swarm's leader.
func (l *Lease) saw(v View) {
	if l.at.id != v.id || l.at.version != v.version {
		l.since = l.Now()
	}
	l.known, l.at, l.none = true, v, false
	l.sight()
}

// View returns the lease as this process knows it.
func (l *Lease) View() View {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at
}

// Mine returns the epoch of a lease that this process holds, or 0.
func (l *Lease) Mine() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mine == nil || l.mine.check(l.Now()) != nil {
		return 0
	}
	return l.mine.epoch
}

// Take asks for the lease in the name of a source. It never waits for another holder. After an error nobody knows
// whether the lease was taken; ask again to find out. If outdated is not nil, it gets the lease as it was just read.
// It returns true if the plan must be made again, so that there is no point in taking the lease. It must not ask the
// lease.
func (l *Lease) Take(ctx context.Context, source string, outdated func(View) bool) (Taken, error) {
	ctx = unfenced(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mine != nil {
		if l.mine.check(l.Now()) == nil {
			return Taken{Epoch: l.mine.epoch}, nil
		}
		l.drop(LeaseLost)
	}
	var refused error // why the swarm did not accept this process's name
	var on View       // on which version
	for range 5 {
		if !l.known {
			if err := l.read(ctx); err != nil {
				return Taken{}, err
			}
		}
		// Nobody was faster, and asking again would never end.
		if refused != nil && on.id == l.at.id && on.version == l.at.version {
			l.known = false
			return Taken{}, fmt.Errorf("taking the lease: %w", refused)
		}
		if wait, _ := l.wait(source); wait > 0 {
			if taken, over, err := l.lookAgain(ctx, source); over || err != nil {
				return taken, err
			}
			continue
		}
		if outdated != nil && outdated(l.at) {
			return Taken{Others: true}, nil
		}
		was := l.at
		taken, err := l.swap(ctx, source)
		switch {
		case engine.IsStale(err), engine.IsNotFound(err): // somebody was faster, or removed it; reading it shows which
			refused, on = err, was
			l.known = false
			continue
		case err != nil:
			l.known = false
			return Taken{}, fmt.Errorf("taking the lease: %w", err)
		}
		return taken, nil
	}
	return Taken{Holder: l.at.Holder, Again: l.paced(LeaseLook / 4)}, nil
}

// lookAgain reads the lease before Take gives way to its holder, because what Take goes by may be old. over is true if
// Take still has to give way; taken then names the holder, and says when to ask again. If over is false, Take decides
// once more by what was read: nobody holds the lease any more, or somebody has written it since.
func (l *Lease) lookAgain(ctx context.Context, source string) (taken Taken, over bool, err error) {
	before := l.at.version
	if err := l.read(ctx); err != nil || !l.known {
		return Taken{}, false, err
	}
	if wait, held := l.wait(source); wait > 0 && (before == l.at.version || held) {
		return Taken{Holder: l.at.Holder, Again: min(wait, l.paced(LeaseLook))}, true, nil
	}
	return Taken{}, false, nil
}

// wait returns how long this process must not take the lease, and whether the reason is that somebody holds it. Only
// processes that see the same work let each other go first. Another source would wait for one that is always busy.
func (l *Lease) wait(source string) (left time.Duration, held bool) {
	now := l.Now()
	switch {
	case l.at.Holder == l.holder: // or by a write of this process whose answer was lost
		return 0, false
	case l.at.State == leaseHeld:
		l.wanted = time.Time{}
		return max(0, l.paced(LeaseTTL)-now.Sub(l.since)), true
	case l.at.State == leaseFree && !l.Eager && l.at.Holder != "" && l.at.Source == source:
		if l.wanted.IsZero() {
			l.wanted = now
		}
		return max(0, l.paced(leaseTurn)-now.Sub(l.wanted)), false
	}
	return 0, false
}

// Idle says that there is nothing to do. The wait for the last holder then counts from when there is something to do
// again.
func (l *Lease) Idle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wanted = time.Time{}
}

// read reads the lease, and makes it if there is none. Unless nobody ever acted on this swarm, somebody removed the
// lease, and its holder may not know yet. The new lease then counts as held by nobody, so that all wait until that
// holder has noticed that its lease is gone.
func (l *Lease) read(ctx context.Context) error {
	made := false
	var refused error
	for range 3 {
		r, err := l.Engine.ConfigInspect(ctx, LeaseName, client.ConfigInspectOptions{})
		if err == nil {
			first := made && l.none
			l.saw(view(&r.Config))
			if first {
				l.ours = l.at.version.Index
			}
			return nil
		}
		l.known = false
		if !engine.IsNotFound(err) {
			return fmt.Errorf("reading the lease: %w", err)
		}
		state := leaseHeld
		if l.none || l.at.Holder == l.holder {
			state = leaseLeft
		}
		_, err = l.Engine.ConfigCreate(ctx, client.ConfigCreateOptions{Spec: swarm.ConfigSpec{
			Annotations: swarm.Annotations{Name: LeaseName, Labels: map[string]string{v1.LabelLease: state}},
			Data:        []byte(leaseText),
		}})
		if err != nil && !engine.IsExists(err) {
			return fmt.Errorf("making the lease: %w", err)
		}
		made, refused = err == nil, err
	}
	if refused != nil {
		return fmt.Errorf("reading the lease: the engine does not find it, and refuses to make it because it is there: %w", refused)
	}
	return errors.New("reading the lease: somebody makes and removes it at the same time")
}

// swap writes this process's name on the version that it knows. The swarm accepts that only if the version is
// unchanged, so the version is the epoch. No two holders have the same epoch, and a later one has a greater one, even
// after the config was removed and made again.
func (l *Lease) swap(ctx context.Context, source string) (Taken, error) {
	was := l.at
	epoch := was.version.Index
	sent, lasts := l.Now(), l.paced(LeaseTTL-leaseMargin)
	if err := l.write(ctx, was, leaseHeld, epoch, source, nil); err != nil && !l.wrote(ctx, epoch, err) {
		return Taken{}, err
	}
	// The lease counts from when it was asked for. An engine that takes longer to answer would have this process take
	// it again and again, and say nothing.
	if took := l.Now().Sub(sent); took >= lasts {
		return Taken{}, fmt.Errorf("the engine took %s to write its config, and it only lasts %s", took.Round(time.Second/10), lasts)
	}
	h := &holding{epoch: epoch, source: source, deadline: sent.Add(lasts)}
	h.ctx, h.lose = context.WithCancelCause(context.WithoutCancel(ctx))
	l.mine, l.wanted = h, time.Time{}
	h.timer = time.AfterFunc(l.paced(leaseRenew), rescue.Clean(func() { l.renew(h) }))
	// The former holder may have acted until the last moment.
	others := l.ours != was.version.Index || was.Held() && was.Holder != l.holder
	l.Observe(LeaseTaken, epoch)
	l.Log.V(1).Info("lease taken", "epoch", epoch, "from", was.Holder, "others", others)
	return Taken{Epoch: epoch, Others: others}, nil
}

// wrote reports whether the swarm has given this process the lease, although the answer was an error. Such a lease would
// keep all others from acting until its time is over, and an engine that always answers like this would give it to one
// operator after the other.
func (l *Lease) wrote(ctx context.Context, epoch uint64, answer error) bool {
	if engine.IsStale(answer) || engine.IsNotFound(answer) {
		return false
	}
	r, err := l.Engine.ConfigInspect(ctx, LeaseName, client.ConfigInspectOptions{})
	if err != nil {
		return false
	}
	v := view(&r.Config)
	return v.Held() && v.Holder == l.holder && v.Epoch == epoch
}

func (l *Lease) write(ctx context.Context, on View, state string, epoch uint64, source string, noted map[string]Troubles) error {
	spec := on.spec
	spec.Labels = maps.Clone(spec.Labels)
	if spec.Labels == nil {
		spec.Labels = map[string]string{}
	}
	maps.Copy(spec.Labels, map[string]string{
		v1.LabelLease: state, labelHolder: l.holder, labelEpoch: strconv.FormatUint(epoch, 10), labelSource: source,
		labelRenewed: l.Now().UTC().Format(time.RFC3339),
	})
	writeTroubles(spec.Labels, noted)
	_, err := l.Engine.ConfigUpdate(ctx, on.id, client.ConfigUpdateOptions{Version: on.version, Spec: spec})
	return err
}

// check returns nil if the lease still holds by both clocks, and otherwise why it does not.
func (h *holding) check(now time.Time) error {
	if err := context.Cause(h.ctx); err != nil {
		return err
	}
	if !now.Before(h.deadline) || !now.Round(0).Before(h.deadline.Round(0)) {
		return ErrLeaseLost
	}
	return nil
}

// renew renews the lease until it is released. If it cannot renew it in time, the lease is lost.
func (l *Lease) renew(h *holding) {
	h.renewing.Lock()
	defer h.renewing.Unlock()
	l.mu.Lock()
	current, deadline := l.mine == h, h.deadline
	l.mu.Unlock()
	if !current {
		return
	}
	ctx, cancel := context.WithDeadline(h.ctx, deadline)
	sent := l.Now()
	err := l.prolong(ctx, h)
	cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mine != h {
		return
	}
	switch {
	case err == nil:
		h.deadline = sent.Add(l.paced(LeaseTTL - leaseMargin))
		h.timer.Reset(l.paced(leaseRenew))
	case errors.Is(err, ErrLeaseLost) || h.check(l.Now()) != nil:
		l.Log.Info("lease lost", "epoch", h.epoch, "why", err.Error())
		l.drop(LeaseLost)
	default:
		h.timer.Reset(l.paced(leaseRenew / 6))
	}
}

func (l *Lease) prolong(ctx context.Context, h *holding) error {
	r, err := l.Engine.ConfigInspect(ctx, LeaseName, client.ConfigInspectOptions{})
	if engine.IsNotFound(err) {
		return fmt.Errorf("its config was removed: %w", ErrLeaseLost)
	}
	if err != nil {
		return err
	}
	v := view(&r.Config)
	if v.Holder != l.holder || v.Epoch != h.epoch || !v.Held() {
		return fmt.Errorf("%s has it: %w", v.Holder, ErrLeaseLost)
	}
	return l.write(ctx, v, leaseHeld, h.epoch, h.source, nil)
}

// drop ends the holding in this process.
func (l *Lease) drop(how Transition) {
	l.Observe(how, l.mine.epoch)
	l.mine.lose(ErrLeaseLost)
	l.mine.timer.Stop()
	l.mine, l.known, l.ours, l.noted = nil, false, 0, nil
}

// Release gives the lease back. leave says that the process ends. It returns nil if the process did not hold the
// lease. Contexts from Bind end first, so ctx must not be one of them.
//
// A process that ends long after it released the lease must say so too. Otherwise the process that is started in its
// place would let it go first, although it never comes.
func (l *Lease) Release(ctx context.Context, leave bool) error {
	ctx = unfenced(ctx)
	l.mu.Lock()
	h := l.mine
	l.mu.Unlock()
	if h == nil {
		if leave {
			l.part(ctx)
		}
		return nil
	}
	h.renewing.Lock() // a renewal in flight would make this process's version stale
	defer h.renewing.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mine != h {
		return nil
	}
	if h.check(l.Now()) != nil {
		l.drop(LeaseLost)
		return nil
	}
	noted := l.noted
	l.drop(LeaseReleased)
	state := leaseFree
	if leave {
		state = leaseLeft
	}
	r, err := l.Engine.ConfigInspect(ctx, LeaseName, client.ConfigInspectOptions{})
	if err == nil {
		v := view(&r.Config)
		if v.Holder != l.holder || v.Epoch != h.epoch {
			return nil
		}
		err = l.write(ctx, v, state, h.epoch, h.source, noted)
	}
	if err != nil {
		return fmt.Errorf("giving the lease back, which others take after %s: %w", l.paced(LeaseTTL), err)
	}
	if leave {
		return nil
	}
	// If the lease still has this version next time, nobody has acted in between.
	if r, err = l.Engine.ConfigInspect(ctx, LeaseName, client.ConfigInspectOptions{}); err == nil {
		if v := view(&r.Config); v.Holder == l.holder && v.Epoch == h.epoch {
			l.saw(v)
			l.ours = v.version.Index
		}
	}
	return nil
}

// part writes that the last holder has gone, if that is this process and the lease is free. This saves others
// leaseTurn, and is not worth more time than that. If the write fails, they wait as long as without it.
func (l *Lease) part(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, leaseTurn)
	defer cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mine != nil || !l.known || l.at.Holder != l.holder || l.at.State != leaseFree {
		return
	}
	was := l.at
	l.known, l.ours = false, 0
	if err := l.write(ctx, was, leaseLeft, was.Epoch, was.Source, nil); err != nil { // stale: somebody has acted since, and need not know
		l.Log.V(1).Info("others will let this process go first, although it ends", "for", leaseTurn, "why", err.Error())
	}
}
