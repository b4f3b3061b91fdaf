package decide

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Poll is how soon a run looks again at what changes without an event, for example tasks that start, or drift to
// repair.
const Poll = time.Second

// relook is the least time between two looks at what failed. The swarm goes on trying, and no event tells when it
// succeeds.
const relook = 30 * time.Second

// following is what is known of objects that changed and that no run has seen work yet. Events tell when a service
// changes and when its update ends, but never when a task starts or fails. So runs look at these objects until they
// are settled.
type following struct {
	versions  versions             // versions are those of the last run
	unsettled map[v1.Key]time.Time // unsettled is since when each object is not settled
	looked    time.Time
	// running are the services of which the engine said in the last run that a roll-out runs.
	running map[v1.Key]bool
	hidden  map[v1.Key]time.Time // hidden is what hide found, and roll-outs of this process that no task shows, since when
	waits   map[v1.Key]waiting   // waits are services whose tasks find no place, and jobs that run
	// forgiven are paused roll-outs that did what they were for, by when they began.
	forgiven map[v1.Key]time.Time
	furthest map[v1.Key]reached // furthest is how far each has come, see further
	// ended says, for each object that was not ready at the last look, whether its tasks had failed.
	ended map[v1.Key]bool
	// seenFailed is the record of failures after the last run, for an operator that observes and writes no memory.
	seenFailed []plan.Failure
}

func newFollowing() following {
	return following{unsettled: map[v1.Key]time.Time{}, hidden: map[v1.Key]time.Time{}, waits: map[v1.Key]waiting{}, forgiven: map[v1.Key]time.Time{}, furthest: map[v1.Key]reached{}, ended: map[v1.Key]bool{}}
}

// waiting says since when and why the tasks of a service wait for a place. begun is true for a job that runs: its
// tasks have a place.
type waiting struct {
	since time.Time
	why   string
	begun bool
}

// LookAgain returns how long to wait before the next look at what changes without an event. It returns 0 if nothing
// does. A service that still waits for a place after a while is looked at less often, and so is a job. Either may
// take days. The same goes for tasks that have failed, which the swarm starts again and again.
func (f *following) LookAgain(now time.Time) time.Duration {
	var after time.Duration
	onRecord := map[v1.Key]bool{}
	for _, failed := range f.seenFailed {
		onRecord[failed.Key] = true
	}
	for key := range f.unsettled {
		if onRecord[key] {
			after = relook
			continue
		}
		if w, waits := f.waits[key]; !waits || now.Sub(w.since) < plan.Deadline {
			return Poll
		}
		after = relook
	}
	if after == 0 && slices.ContainsFunc(f.seenFailed, func(failed plan.Failure) bool { return failed.Began.IsZero() }) {
		after = relook
	}
	return after
}

// Placeless says which services wait for a place for their tasks, and why. It is "" if none does.
func (f *following) Placeless() string {
	var out []string
	for key, w := range f.waits {
		if w.begun {
			continue
		}
		out = append(out, fmt.Sprintf("%s: %s", key, w.why))
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

// waits are the services that something waits for in a run.
type waits struct {
	// ask are the services whose health matters. The value is true if the engine must be asked about it.
	ask map[v1.Key]bool
	// removals are the services that removals of this revision wait for. earlier are those that removals of earlier
	// revisions wait for.
	removals map[v1.Key]bool
	earlier  []v1.Key
	// excused are paused roll-outs that nothing waits for. SwarmKit also pauses for tasks that end well, as those of
	// a one-shot service do.
	excused map[v1.Key]bool
}

// unready returns the services that others wait for and, if the operator follows roll-outs, those that are not
// settled. It notes in the facts which roll-outs a write has hidden, and drops the pauses that were forgiven.
func (d *Decider) unready(run *Decision, f *plan.Facts) waits {
	if d.force != run.InForce.Hash {
		// rolling stays, because roll-outs go on under a new revision.
		d.force, d.touched = run.InForce.Hash, map[v1.Key]bool{}
	}
	w := waits{ask: map[v1.Key]bool{}, removals: map[v1.Key]bool{}, excused: map[v1.Key]bool{}}
	var changed map[v1.Key]string // by which revision; another process may have changed them
	for _, c := range run.Changes {
		if c.Want == nil || len(c.Want.DependsOn) == 0 {
			continue
		}
		if changed == nil {
			changed = run.Memory.ChangedBy()
		}
		for _, k := range c.Want.DependsOn {
			w.ask[k] = w.ask[k] || d.touched[k] || run.InForce.Hash != "" && changed[k] == run.InForce.Hash || f.Rollouts[k].Running()
		}
	}
	if run.InForce.Hash == run.Memory.InForce.Hash && removes(run.Changes) {
		for _, k := range run.Memory.Begun {
			w.removals[k], w.ask[k] = true, true
		}
	}
	before := superseded(run)
	f.Superseded.Removals, f.Superseded.Changed, w.earlier = before.Removals, before.Begun, before.Begun
	for _, k := range before.Begun {
		w.ask[k] = true
	}
	for _, k := range d.unknown(run.Wanted, f) {
		w.ask[k] = true
		f.Rollouts[k] = plan.Rollout{State: "updating"}
	}
	if d.Follow {
		d.askUnsettled(run, f, w.ask)
	}
	for k, rollout := range f.Rollouts {
		if rollout.State == "paused" && !w.ask[k] && !f.Failed[k].Began.Equal(rollout.Began) {
			w.ask[k], w.excused[k] = true, true
		}
	}
	return w
}

// unknown returns the services whose roll-out counts as running although the engine does not say so. A write clears
// what the engine says about the last update. The roll-out that had begun still goes on until there is a new one, or
// until tasks of the new spec run. unknown drops forgiven pauses from the facts, and forgets whatever is over.
func (d *Decider) unknown(wants map[v1.Key]*diff.State, f *plan.Facts) []v1.Key {
	out := d.hide(wants, f)
	for _, k := range out { // it counts as running for hiddenFor at most
		delete(d.rolling, k)
	}
	for k, since := range d.rolling {
		if f.Rollouts[k].State != "" || wants[k] == nil || f.Now.Sub(since) >= hiddenFor {
			delete(d.rolling, k)
			continue
		}
		out = append(out, k)
	}
	for k := range d.forgiven {
		if !d.forgave(k, f.Rollouts[k]) {
			delete(d.forgiven, k)
			continue
		}
		delete(f.Rollouts, k)
	}
	return out
}

// forgave reports whether a roll-out is a pause that was forgiven.
func (f *following) forgave(k v1.Key, rollout plan.Rollout) bool {
	began, is := f.forgiven[k]
	return is && rollout.State == "paused" && rollout.Began.Equal(began)
}

// askUnsettled adds the services that are not settled. It leaves out a service that has just changed and still differs,
// because this run probably writes to it, and the next run asks. Such a service is added if another object waits for it.
func (d *Decider) askUnsettled(run *Decision, f *plan.Facts, ask map[v1.Key]bool) {
	changed, later := d.notice(run.Haves, run.Wanted, f), map[v1.Key]bool{}
	for _, c := range run.Changes {
		if _, waitedFor := ask[c.Key]; c.Op == diff.Update && changed[c.Key] && !waitedFor {
			later[c.Key] = true
		}
	}
	for k := range d.unsettled {
		ask[k] = ask[k] || !later[k]
	}
}

// lives returns the live objects to ask about, by kind, in the order of their names.
func (w waits) lives(all []kinds.Kind, ix *kinds.Index) map[string][]*kinds.Live {
	out := map[string][]*kinds.Live{}
	for _, k := range all {
		for key, is := range w.ask {
			if live := ix.ByName(key.Kind, key.Name); is && key.Kind == k.Name && k.Health != nil && live != nil {
				out[k.Name] = append(out[k.Name], live)
			}
		}
		slices.SortFunc(out[k.Name], func(a, b *kinds.Live) int { return strings.Compare(a.Name, b.Name) })
	}
	return out
}

// readiness notes in the facts the health of the services that the run has asked about.
func (d *Decider) readiness(run *Decision, f *plan.Facts, n Needs, a Answers) {
	for kind, lives := range n.Lives {
		err := a.Unread[kind]
		if err != nil {
			run.Unread = err
		}
		for _, l := range lives {
			key, h := v1.Key{Kind: kind, Name: l.Name}, a.Healths[kind][l.Name]
			switch {
			case n.waits.excused[key] && (err != nil || !h.Ready):
				continue
			case err != nil:
				f.NotReady[key] = err.Error()
				n.waits.note(f, key, err.Error())
				continue
			}
			if h.Waits {
				f.Placeless[key] = h.Why
			}
			d.judge(key, h, run.FailureOf(key).Why, f)
			switch {
			case !h.Ready && !h.Begun:
				n.waits.note(f, key, h.Why)
			case h.Ready && !f.Settled[key]: // its tasks run, and may be those from before
				n.waits.note(f, key, f.NotReady[key])
			}
		}
	}
	n.waits.gone(run, f)
	if len(f.Placeless) > 0 {
		f.InTheWay = kinds.InTheWay(d.kinds, run.Changes, run.Wanted, slices.Collect(maps.Keys(f.Placeless)))
	}
}

// note notes why a service is not ready, for the removals of this revision and for those of earlier ones.
func (w waits) note(f *plan.Facts, key v1.Key, why string) {
	if w.removals[key] {
		f.Begun[key] = why
	}
	if slices.Contains(w.earlier, key) {
		f.Superseded.NotReady[key] = why
	}
}

// gone notes the services that removals wait for and that somebody has removed since. What is to be removed may be all
// that still serves.
func (w waits) gone(run *Decision, f *plan.Facts) {
	for _, k := range slices.Concat(slices.Collect(maps.Keys(w.removals)), w.earlier) {
		if run.Wanted[k] != nil && run.Index.ByName(k.Kind, k.Name) == nil {
			w.note(f, k, "it does not exist any more")
		}
	}
}

// hiddenFor is how long at most a roll-out counts as running while the engine says nothing about it, after a write.
// The default monitor of the swarm is 5 s.
const hiddenFor = 30 * time.Second

// hide returns the services whose roll-out ran in the last run, and about which the engine now says nothing. Somebody
// wrote to them, which clears what the engine says, while the swarm goes on replacing tasks. It may lose a change of
// scale on top of that: SwarmKit's updater brings back tasks that a smaller scale has ended.
func (f *following) hide(wants map[v1.Key]*diff.State, facts *plan.Facts) []v1.Key {
	for k := range f.running {
		if _, known := f.hidden[k]; !known && facts.Rollouts[k].State == "" {
			f.hidden[k] = facts.Now
		}
	}
	f.running = map[v1.Key]bool{}
	for k, r := range facts.Rollouts {
		if r.Running() {
			f.running[k] = true
		}
	}
	var out []v1.Key
	for k, since := range f.hidden {
		if facts.Rollouts[k].State != "" || wants[k] == nil || facts.Now.Sub(since) >= hiddenFor {
			delete(f.hidden, k)
			continue
		}
		out = append(out, k)
	}
	return out
}

// Watched returns the objects that change without an event.
func (f *following) Watched() []v1.Key {
	return slices.Collect(maps.Keys(f.unsettled))
}

// notice returns the services that changed since the last run. In the first run that is all of them.
func (d *Decider) notice(haves []*diff.State, wants map[v1.Key]*diff.State, f *plan.Facts) map[v1.Key]bool {
	changed := d.newVersions(haves, wants, f.Now)
	if f.Now.Sub(d.looked) >= relook {
		d.looked = f.Now
		for key := range f.Failed {
			if _, is := d.unsettled[key]; !is {
				d.unsettled[key] = f.Now
			}
		}
	}
	// Somebody asked for another try, so the time that it may take begins again.
	for _, failed := range d.seenFailed {
		if _, still := f.Failed[failed.Key]; !still && d.versions.has(failed.Key) {
			d.unsettled[failed.Key] = f.Now
			delete(d.furthest, failed.Key)
		}
	}
	for key := range d.unsettled {
		if !d.versions.has(key) {
			delete(d.unsettled, key)
		}
	}
	over := func(key v1.Key) bool { _, there := d.unsettled[key]; return !there }
	maps.DeleteFunc(d.waits, func(key v1.Key, _ waiting) bool { return over(key) })
	maps.DeleteFunc(d.furthest, func(key v1.Key, _ reached) bool { return over(key) })
	maps.DeleteFunc(d.ended, func(key v1.Key, _ bool) bool { return over(key) })
	return changed
}

// newVersions notes the versions of services, and returns those whose version has changed.
func (d *Decider) newVersions(haves []*diff.State, wants map[v1.Key]*diff.State, at time.Time) (changed map[v1.Key]bool) {
	changed = map[v1.Key]bool{}
	n := 0
	before, now := d.noticed.before(d), noticed{haves: haves, wanted: make([]bool, len(haves)), turns: d.wanted.turns}
	for i, h := range haves {
		if i < len(before.haves) && before.haves[i] == h { // its version is known
			if now.wanted[i] = before.wanted[i]; now.wanted[i] {
				n++
			}
			continue
		}
		if h.Key.Kind != v1.KindService || !h.Meta.Mine || wants[h.Key] == nil {
			continue
		}
		n++
		now.wanted[i] = true
		if d.versions.see(h.Key, h.Meta.Version) {
			d.unsettled[h.Key], changed[h.Key] = at, true
			delete(d.furthest, h.Key)
		}
	}
	d.noticed = now
	if d.versions.count() > n {
		live := make(map[v1.Key]bool, n)
		for _, h := range haves {
			live[h.Key] = wants[h.Key] != nil && h.Meta.Mine
		}
		d.versions.only(live)
	}
	return changed
}

// judge notes in the facts whether an object is settled, not ready or failing. failure is the reason on record why the
// swarm gave up its want, or "" if no failure is on record.
func (d *Decider) judge(key v1.Key, h kinds.Health, failure string, f *plan.Facts) {
	_, hidden := d.hidden[key]
	d.noteWaiting(key, h, f.Now)
	if _, following := d.unsettled[key]; following && (d.further(key, h) || h.Waits || h.Begun) {
		// The time that it may take begins once there is a place. A job takes its own time.
		d.unsettled[key] = f.Now
	}
	v := status.Evidence{Look: status.Look(h), Failure: failure, Hidden: d.hidden[key], Since: d.unsettled[key], Now: f.Now}.Verdict()
	if v.Ready() {
		f.Settled[key] = true
		delete(d.touched, key)
		if _, rolling := d.rolling[key]; hidden || rolling {
			delete(d.hidden, key)
			delete(d.rolling, key)
			delete(f.Rollouts, key)
		}
		if rollout := f.Rollouts[key]; rollout.State == "paused" {
			d.forgiven[key] = rollout.Began
			delete(f.Rollouts, key)
		}
		delete(d.unsettled, key)
		delete(d.furthest, key)
		return
	}
	f.NotReady[key], f.Failing[key] = v.Why, v.Failed()
	d.ended[key] = h.Failed
}

// reached is how far a roll-out has come: how many tasks run, and how many old ones are left.
type reached struct{ running, old int }

// further reports whether a service has come further than ever since it changed. One of many tasks may take long in
// all, so every step further counts. A number that only goes up and down does not count.
func (f *following) further(key v1.Key, h kinds.Health) bool {
	best, known := f.furthest[key]
	if !known {
		best = reached{h.Running, h.Old}
	}
	further := h.Running > best.running || h.Old < best.old
	f.furthest[key] = reached{max(best.running, h.Running), min(best.old, h.Old)}
	return further
}

func (d *Decider) noteWaiting(key v1.Key, h kinds.Health, now time.Time) {
	if !h.Waits && !h.Begun {
		delete(d.waits, key)
		return
	}
	w, known := d.waits[key]
	if !known {
		w.since = now
	}
	w.why, w.begun = h.Why, h.Begun
	d.waits[key] = w
}

// Settle ends the watch on services whose tasks failed. Call it once the failures are on record. Until then they are
// looked at again, by whichever instance may write then. A service that stalled stays watched, and so does one that
// failed before and starts again: no event tells when it runs.
func (d *Decider) Settle(f plan.Facts) {
	for key, failing := range f.Failing {
		if failing && d.ended[key] {
			delete(d.unsettled, key)
		}
	}
}

// Waited is what a wait knows from look to look.
type Waited struct {
	following
	// By says which revision changed an object.
	By    map[v1.Key]string
	begin time.Time
}

// NewWaited returns what a wait knows at its beginning. hidden are the roll-outs of this process that no task shows.
func NewWaited(by map[v1.Key]string, begin time.Time, hidden map[v1.Key]time.Time) *Waited {
	w := &Waited{following: newFollowing(), By: by, begin: begin}
	maps.Copy(w.hidden, hidden)
	return w
}

// Since returns since when an object has come no further. The time that it may take begins once there is a place for
// its tasks.
func (w *Waited) Since(key v1.Key, version uint64, h kinds.Health, now time.Time) time.Time {
	// A change or a rollback makes other tasks run.
	if w.versions.see(key, version) {
		delete(w.furthest, key)
	}
	if _, known := w.unsettled[key]; !known {
		w.unsettled[key] = w.begin
	}
	if w.further(key, h) || h.Waits || h.Begun {
		w.unsettled[key] = now
	}
	return w.unsettled[key]
}

// Hide notes which roll-outs a write has hidden: see Hidden.
func (w *Waited) Hide(wants map[v1.Key]*diff.State, facts *plan.Facts) { w.hide(wants, facts) }

// Hidden returns the services whose roll-out a write has hidden, with since when.
func (f *following) Hidden() map[v1.Key]time.Time { return f.hidden }
