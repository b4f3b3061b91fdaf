package cluster

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Rotation is what a manifest states of one rotation.
type Rotation struct {
	Of kinds.Rotated
	// Path is the path in the manifest that states it.
	Path string
	// Epoch is the stated epoch. nil means that none is stated, and the one on record stays. Every is the age that
	// the thing may have. Zero means any age.
	Epoch *uint64
	Every time.Duration
}

// Rotations are all rotations of a Cluster. The zero value means that nothing is stated and nothing is known.
type Rotations struct {
	// Have and Want are the Cluster's two states.
	Have, Want *diff.State
	// Stated has at most one rotation of each thing.
	Stated []Rotation
	// Records are the records of the live object.
	Records map[kinds.Rotated]kinds.RotationRecord
	// Locked is true if autolock is on, so that there is an unlock key.
	Locked bool
	// Signing is the root that files have. It is nil if none is stated.
	Signing *Signing
	// Nodes says how the nodes are. It is nil if that is not known.
	Nodes *kinds.Nodes
}

// Signing is a root of the CA that files have, as they are now. It contains nothing of the key.
type Signing struct {
	// Path is the path in the manifest that states it.
	Path string
	// Wanted is the digest of the file's certificate, and Live the digest of the swarm's root. "" means that it is
	// not known.
	Wanted, Live string
	// From and Until are the times between which the certificate is good.
	From, Until time.Time
	// Problem is what is wrong with the files of that name. It is "" if nothing is.
	Problem string
}

const (
	guardRotation = "rotation"
	guardAutolock = "autolock"

	pathAutolock = "spec.autolock.enabled"
	pathEscrow   = "spec.autolock.escrow"
)

// theCluster is the key of the one object.
var theCluster = v1.Key{Kind: v1.KindCluster, Name: v1.ClusterName}

// Part returns what the rotations add to a plan.
func (r Rotations) Part() plan.Part { return plan.Part{Then: r.rotate, Finish: r.finish} }

// Again returns how long it takes until the next rotation is due by its age. It returns 0 if none is, or if one is
// due already.
func (r Rotations) Again(now time.Time) time.Duration {
	var again time.Duration
	for _, one := range r.Stated {
		record, known := r.Records[one.Of]
		if in := record.At.Add(one.Every).Sub(now); known && one.Every > 0 && r.exists(one.Of) && in > 0 && (again == 0 || in < again) {
			again = in
		}
	}
	return again
}

// inOrder returns the stated rotations, the root last.
func (r Rotations) inOrder() []Rotation {
	order := []kinds.Rotated{kinds.WorkerToken, kinds.ManagerToken, kinds.UnlockKey, kinds.RootCA}
	return slices.SortedStableFunc(slices.Values(r.Stated), func(a, b Rotation) int {
		return cmp.Compare(slices.Index(order, a.Of), slices.Index(order, b.Of))
	})
}

// exists reports whether there is something to replace: there is an unlock key only while autolock is on.
func (r Rotations) exists(of kinds.Rotated) bool { return of != kinds.UnlockKey || r.Locked }

// begun returns the record of a rotation that has none yet, or that begins again.
func (o Rotation) begun(old kinds.RotationRecord, now time.Time) kinds.RotationRecord {
	out := kinds.RotationRecord{Epoch: old.Epoch, At: now}
	if o.Epoch != nil {
		out.Epoch = max(out.Epoch, *o.Epoch)
	}
	return out
}

// due says why the thing is to be replaced now, and what differs. The cause is "" if it is not due.
func (o Rotation) due(r kinds.RotationRecord, now time.Time) (cause string, field diff.Field) {
	switch age := now.Sub(r.At); {
	case o.Epoch != nil && *o.Epoch > r.Epoch:
		return "by epoch", plan.TextField(o.Path+".epoch", strconv.FormatUint(r.Epoch, 10), strconv.FormatUint(*o.Epoch, 10))
	case o.Every > 0 && age >= o.Every:
		return fmt.Sprintf("by age: %s on record", v1.Duration(age.Truncate(time.Minute))), plan.TextField(o.Path+".every", stamp(r.At), stamp(now))
	}
	return "", diff.Field{}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// first returns the field of a rotation that is put on record.
func (o Rotation) first(r kinds.RotationRecord) diff.Field {
	f := plan.TextField(o.Path+".epoch", "", strconv.FormatUint(r.Epoch, 10))
	if o.Epoch == nil {
		f = plan.TextField(o.Path+".every", "", stamp(r.At))
	}
	f.Have = diff.Value{}
	return f
}

// dueRotation is a rotation whose time has come.
type dueRotation struct {
	Rotation
	cause string
	field diff.Field
}

// leastLife is how long a new root must be good for the engine to take it (SwarmKit,
// manager/controlapi/ca_rotation.go).
const leastLife = 365 * 24 * time.Hour

// abridged returns enough of a digest to tell it from others by eye.
func abridged(digest string) string { return digest[:min(len(digest), 23)] }

// signed returns the rotation to the root that files have, if the swarm has another one. It refuses a file that is of
// no use; other rotations go on.
func (r Rotations) signed(p *plan.Plan, f plan.Facts) (due dueRotation, is bool) {
	s := r.Signing
	if s == nil || diff.Ignored(s.Path, r.Want.Policy.IgnoreDifferences) {
		return due, false
	}
	field := plan.TextField(s.Path, abridged(s.Live), abridged(s.Wanted))
	if s.Problem != "" {
		field.Have, field.Want = diff.Value{}, diff.Value{}
		notRotated(p, plan.Never, field, "%s: %s", s.Path, s.Problem)
		return due, false
	}
	switch {
	case !f.Now.Before(s.Until):
		notRotated(p, plan.Never, field, "%s: the certificate has expired, at %s: put a new one there", field.Path, stamp(s.Until))
	case s.Wanted == s.Live:
	case f.Now.Before(s.From):
		notRotated(p, plan.Never, field, "%s: the certificate is not good before %s: wait, or put another one there", field.Path, stamp(s.From))
	case s.Until.Before(f.Now.Add(leastLife)):
		notRotated(p, plan.Never, field, "%s: the certificate expires at %s, and the engine takes none that is not good for another year: put a new one there", field.Path, stamp(s.Until))
	case s.Live == "":
		notRotated(p, plan.Later, field, "the operator does not know which root the swarm has")
	default:
		return dueRotation{Rotation{Of: kinds.SignedRoot, Path: s.Path}, "to the one that spec.ca.signing names", field}, true
	}
	return due, false
}

// renewal returns what the step does to records. A root that a file has gets no record, because the swarm shows it.
func (d dueRotation) renewal(r Rotations, now time.Time) *kinds.Renewal {
	if d.Of == kinds.SignedRoot {
		return &kinds.Renewal{Makes: d.Of, Root: r.Signing.Wanted}
	}
	return &kinds.Renewal{Makes: d.Of, Records: map[kinds.Rotated]kinds.RotationRecord{d.Of: d.begun(r.Records[d.Of], now)}}
}

// rotate adds the next rotation or the first records, or refusals that say why there is none. It runs after the
// guards, because only then it is known whether other fields of the Cluster are written.
func (r Rotations) rotate(p *plan.Plan, f plan.Facts, _ plan.Policy) {
	if r.Have == nil || r.Want == nil {
		return
	}
	var due []dueRotation
	fresh, fields := map[kinds.Rotated]kinds.RotationRecord{}, []diff.Field(nil)
	for _, one := range r.inOrder() {
		record, known := r.Records[one.Of]
		cause, field := one.due(record, f.Now)
		switch {
		case !r.exists(one.Of) || diff.Ignored(one.Path, r.Want.Policy.IgnoreDifferences):
		case !known:
			fresh[one.Of] = one.begun(kinds.RotationRecord{}, f.Now)
			fields = append(fields, one.first(fresh[one.Of]))
		case one.Epoch != nil && *one.Epoch < record.Epoch:
			notRotated(p, plan.Never, plan.TextField(one.Path+".epoch", strconv.FormatUint(record.Epoch, 10), strconv.FormatUint(*one.Epoch, 10)),
				"%s was replaced for epoch %d, and that cannot be undone: state %d, or more to replace it again", one.Of.Words(), record.Epoch, record.Epoch)
		case cause != "":
			due = append(due, dueRotation{one, cause, field})
		}
	}
	if d, is := r.signed(p, f); is {
		due = append(due, d)
	}
	if len(fresh) == 0 && len(due) == 0 {
		return
	}
	why := keepsAll(p, f)
	if why == "" && len(fresh) > 0 {
		p.Steps = append(p.Steps, r.step(plan.OriginRecords, "its rotation is put on record; nothing is replaced", &kinds.Renewal{Records: fresh}, fields))
		for _, d := range due {
			notRotated(p, plan.Later, d.field, "%s: what has no record yet is put on record first", d.Of.Words())
		}
		return
	}
	for _, field := range fields {
		notRotated(p, plan.Later, field, "its rotation is put on record: %s", why)
	}
	next := ""
	for _, d := range due {
		own := why
		if own == "" && next != "" {
			own = fmt.Sprintf("one rotation at a time; %s comes first", next)
		}
		if own == "" {
			own = r.keeps(p, d.Of)
		}
		if own != "" {
			notRotated(p, plan.Later, d.field, "%s: %s", d.Of.Words(), own)
			continue
		}
		next = d.Of.Words()
		s := r.step(plan.OriginRotates, "rotation of "+d.Of.Words()+", "+d.cause, d.renewal(r, f.Now), []diff.Field{d.field})
		s.Notes = waitsFor(r.Nodes.Seen, d.Of)
		p.Steps = append(p.Steps, s)
	}
}

func (r Rotations) step(origin plan.Origin, cause string, renewal *kinds.Renewal, fields []diff.Field) plan.Step {
	return plan.Step{
		Op: diff.Update, Key: theCluster, Instance: theCluster.Name, Effect: diff.InPlace, Fields: fields, Cause: cause,
		Change: diff.Change{Have: r.Have, Want: r.Want}, Origin: origin, Does: renewal,
	}
}

func notRotated(p *plan.Plan, class plan.Class, field diff.Field, format string, args ...any) {
	r := plan.Refusal{
		Op: diff.Update, Key: theCluster, Instance: theCluster.Name, Guard: guardRotation, Class: class, Why: fmt.Sprintf(format, args...), Fields: []diff.Field{field},
	}
	p.Refused = append(p.Refused, r.Bearing(plan.Aside|plan.OfRotation))
}

// keepsAll says what comes before anything is rotated or recorded. It returns "" if nothing does.
func keepsAll(p *plan.Plan, f plan.Facts) string {
	switch {
	case f.StateLost:
		return "the operator has lost its memory, so it rotates nothing in this run"
	case slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.Key == theCluster }):
		return "the other differences of the Cluster come first"
	}
	return ""
}

// keeps says what a rotation waits for. It returns "" if it waits for nothing.
func (r Rotations) keeps(p *plan.Plan, of kinds.Rotated) string {
	switch {
	case r.Nodes == nil:
		return "the operator does not know how the nodes are"
	case r.Nodes.Rotating:
		return "one rotation at a time, and the root of the CA is being replaced: " + r.Nodes.Progress
	}
	for _, s := range p.Steps {
		switch {
		case s.Key.Kind != v1.KindNode:
		case s.Op == diff.Create:
			return s.Key.String() + " joins first, with what there is now"
		case s.Op == diff.Remove && of.Root():
			return s.Key.String() + " is removed first: a new root would wait for it"
		}
	}
	return ""
}

// waitsFor returns notes on the nodes that a rotation will have to wait for, or that miss it.
func waitsFor(seen []kinds.Sighting, of kinds.Rotated) []string {
	var out []string
	for _, n := range seen {
		switch away := n.State != "ready"; {
		case away && of.Root():
			out = append(out, fmt.Sprintf("%s is %s, and the rotation does not end without it", n.Name, n.State))
		case away && of == kinds.UnlockKey && n.Role == "manager":
			out = append(out, fmt.Sprintf("%s is %s, and will start with the key that there is now", n.Name, n.State))
		}
	}
	return out
}

// locks reports whether a step turns autolock on.
func locks(s plan.Step) bool {
	return s.Key == theCluster && slices.ContainsFunc(s.Fields, func(f diff.Field) bool { return f.Path == pathAutolock && f.Want.Reveal() == "true" })
}

// finish gives the class Never to rotations that would wait for one that a person holds. It also records the unlock
// key that comes with autolock, in the step that turns autolock on.
func (r Rotations) finish(p *plan.Plan, f plan.Facts, _ plan.Policy) {
	held := slices.ContainsFunc(p.Refused, func(r plan.Refusal) bool {
		return (r.Origin() == plan.OriginRotates || r.Origin() == plan.OriginRecords) && !r.Is(plan.OfRotation) && r.Class != plan.Later
	})
	for i := range p.Refused {
		if refused := &p.Refused[i]; held && refused.Is(plan.OfRotation) {
			refused.Class = plan.Never
		}
	}
	i := slices.IndexFunc(r.Stated, func(o Rotation) bool { return o.Of == kinds.UnlockKey })
	for n := range p.Steps {
		if s := &p.Steps[n]; i >= 0 && locks(*s) {
			s.Does = &kinds.Renewal{Records: map[kinds.Rotated]kinds.RotationRecord{kinds.UnlockKey: r.Stated[i].begun(r.Records[kinds.UnlockKey], f.Now)}}
		}
	}
}

// escrowed refuses a step that makes the swarm create an unlock key that nobody keeps.
func escrowed(s plan.Step, _ plan.Facts, _ plan.Policy) []plan.Refusal {
	if !locks(s) || slices.ContainsFunc(s.Change.Want.Whole().Leaves, func(l diff.Leaf) bool { return l.Path == pathEscrow }) {
		return nil
	}
	return []plan.Refusal{s.Refusal(plan.Never, "nothing says where the unlock key is kept: state spec.autolock.escrow")}
}
