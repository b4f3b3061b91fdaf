package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

// Rotated is what can be replaced by epoch or by age.
type Rotated string

// What there is, in the order in which it goes: the root comes last, because it may wait for a node for long.
const (
	WorkerToken  Rotated = "worker-token"
	ManagerToken Rotated = "manager-token"
	UnlockKey    Rotated = "unlock-key"
	RootCA       Rotated = "ca"
	SignedRoot   Rotated = "signed-ca" // RootCA by one that a file has
)

func (r Rotated) words() string {
	return map[Rotated]string{
		WorkerToken: "the workers' join token", ManagerToken: "the managers' join token", UnlockKey: "the unlock key", RootCA: "the root of the CA", SignedRoot: "the root of the CA",
	}[r]
}

// root: every node has to get a new certificate.
func (r Rotated) root() bool { return r == RootCA || r == SignedRoot }

// Record is what the cluster object says of the last rotation, or of when the operator began to count. It is written in the
// same update as what it records, so that one is never there without the other.
type Record struct {
	Epoch uint64
	At    time.Time
}

func (r Record) String() string {
	return fmt.Sprintf("epoch=%d at=%s", r.Epoch, r.At.UTC().Format(time.RFC3339))
}

// ParseRecord reads what String wrote. What anybody else wrote is no record, which rotates nothing.
func ParseRecord(text string) (Record, bool) {
	words := strings.Split(text, " ")
	if len(words) != 2 || !strings.HasPrefix(words[0], "epoch=") || !strings.HasPrefix(words[1], "at=") {
		return Record{}, false
	}
	epoch, err := strconv.ParseUint(words[0][len("epoch="):], 10, 64)
	at, errAt := time.Parse(time.RFC3339, words[1][len("at="):])
	return Record{epoch, at}, err == nil && errAt == nil
}

// Rotation is what a manifest states of one of them.
type Rotation struct {
	Of Rotated
	// Path of the manifest that states it.
	Path string
	// Epoch that is stated; nil: none is, and the one on record stays. Every is the age that it may have; zero: any.
	Epoch *uint64
	Every time.Duration
}

// Rotations are all of a Cluster. The zero value: nothing is stated, and nothing is known.
type Rotations struct {
	// Have and Want are the Cluster's.
	Have, Want *diff.State
	// Stated are at most one of each.
	Stated []Rotation
	// Records are those of the live object.
	Records map[Rotated]Record
	// Locked: autolock is on, so there is an unlock key.
	Locked bool
	// Signing is the root that files have; nil: none is stated.
	Signing *Signing
}

// Signing is a root of the CA that files have, as they are now. Nothing of the key is in it.
type Signing struct {
	// Path of the manifest that states it.
	Path string
	// Wanted and Live are digests of the certificate that the file has, and of the swarm's root; "": not known.
	Wanted, Live string
	// From and Until are the time that the certificate is good for.
	From, Until time.Time
	// Field of the manifest that has a Problem, which names the file. "": there is none.
	Field, Problem string
}

// Renewal is what a step on the Cluster does to records, and the rotation that it makes; "" is none.
type Renewal struct {
	Makes   Rotated
	Records map[Rotated]Record
	// Root is the digest of the certificate that was decided on; "" but of SignedRoot.
	Root string
}

// Rotates says whether the step replaces something that nodes or people use.
func (s Step) Rotates() bool {
	r := s.Renewal()
	return s.Origin == OriginRotates && r != nil && r.Makes != ""
}

// Renewal is what a step does to records, whatever it does beside that; nil is nothing.
func (s Step) Renewal() *Renewal {
	r, _ := s.Does.(*Renewal)
	return r
}

const (
	guardRotation = "rotation"
	guardAutolock = "autolock"
	pathAutolock  = "spec.autolock.enabled"
	pathEscrow    = "spec.autolock.escrow"
)

// Again is when the next of them is due by its age. Zero: none is, or one is due already.
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

// inOrder are those that are stated, the root last.
func (r Rotations) inOrder() []Rotation {
	order := []Rotated{WorkerToken, ManagerToken, UnlockKey, RootCA}
	return slices.SortedStableFunc(slices.Values(r.Stated), func(a, b Rotation) int {
		return cmp.Compare(slices.Index(order, a.Of), slices.Index(order, b.Of))
	})
}

// exists: an unlock key is there only while autolock is on.
func (r Rotations) exists(of Rotated) bool { return of != UnlockKey || r.Locked }

// begun is the record of one that has none yet, or begins anew.
func (o Rotation) begun(old Record, now time.Time) Record {
	out := Record{old.Epoch, now}
	if o.Epoch != nil {
		out.Epoch = max(out.Epoch, *o.Epoch)
	}
	return out
}

// due says why it is to be replaced now, and what differs. "" is no cause.
func (o Rotation) due(r Record, now time.Time) (cause string, field diff.Field) {
	switch age := now.Sub(r.At); {
	case o.Epoch != nil && *o.Epoch > r.Epoch:
		return "by epoch", textField(o.Path+".epoch", strconv.FormatUint(r.Epoch, 10), strconv.FormatUint(*o.Epoch, 10))
	case o.Every > 0 && age >= o.Every:
		return fmt.Sprintf("by age: %s on record", v1.Duration(age.Truncate(time.Minute))), textField(o.Path+".every", stamp(r.At), stamp(now))
	}
	return "", diff.Field{}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// first is the field of one that is put on record.
func (o Rotation) first(r Record) diff.Field {
	f := textField(o.Path+".epoch", "", strconv.FormatUint(r.Epoch, 10))
	if o.Epoch == nil {
		f = textField(o.Path+".every", "", stamp(r.At))
	}
	f.Have = diff.Value{}
	return f
}

// dueRotation is one whose time has come.
type dueRotation struct {
	Rotation
	cause string
	field diff.Field
}

// leastLife is what the engine asks of a new root (SwarmKit, manager/controlapi/ca_rotation.go).
const leastLife = 365 * 24 * time.Hour

// abridged is enough of a digest to be told from others by eye.
func abridged(digest string) string { return digest[:min(len(digest), 23)] }

// signed is the root that files have, where the swarm has another one; a file that is no use is refused, and holds nothing else.
func (p *Plan) signed(f Facts) (due dueRotation, is bool) {
	s := f.Rotations.Signing
	if s == nil || diff.Ignored(s.Path, f.Rotations.Want.Policy.IgnoreDifferences) {
		return due, false
	}
	field := textField(s.Path+".certFile", abridged(s.Live), abridged(s.Wanted))
	if s.Problem != "" {
		field.Path = s.Field
		field.Have, field.Want = diff.Value{}, diff.Value{}
		p.notRotated(Never, field, "%s: %s", s.Field, s.Problem)
		return due, false
	}
	switch {
	case !f.Now.Before(s.Until):
		p.notRotated(Never, field, "%s: the certificate has expired, at %s: put a new one there", field.Path, stamp(s.Until))
	case s.Wanted == s.Live:
	case f.Now.Before(s.From):
		p.notRotated(Never, field, "%s: the certificate is not good before %s: wait, or put another one there", field.Path, stamp(s.From))
	case s.Until.Before(f.Now.Add(leastLife)):
		p.notRotated(Never, field, "%s: the certificate expires at %s, and the engine takes none that is not good for another year: put a new one there", field.Path, stamp(s.Until))
	case s.Live == "":
		p.notRotated(Later, field, "which root the swarm has is not known")
	default:
		return dueRotation{Rotation{Of: SignedRoot, Path: s.Path}, "to the one that spec.ca.signing names", field}, true
	}
	return due, false
}

// renewal is what the step does to records. Of a root that a file has there is none: the swarm shows it.
func (d dueRotation) renewal(r Rotations, now time.Time) *Renewal {
	if d.Of == SignedRoot {
		return &Renewal{Makes: d.Of, Root: r.Signing.Wanted}
	}
	return &Renewal{Makes: d.Of, Records: map[Rotated]Record{d.Of: d.begun(r.Records[d.Of], now)}}
}

// rotate adds the next rotation, or the first records, or says why there is none. It comes after the guards, when it is
// known what else is written to the Cluster; it returns whether it added a step, which they have not seen.
func (p *Plan) rotate(f Facts) bool {
	r := f.Rotations
	if r.Have == nil || r.Want == nil {
		return false
	}
	var due []dueRotation
	fresh, fields := map[Rotated]Record{}, []diff.Field(nil)
	for _, one := range r.inOrder() {
		record, known := r.Records[one.Of]
		cause, field := one.due(record, f.Now)
		switch {
		case !r.exists(one.Of) || diff.Ignored(one.Path, r.Want.Policy.IgnoreDifferences):
		case !known:
			fresh[one.Of] = one.begun(Record{}, f.Now)
			fields = append(fields, one.first(fresh[one.Of]))
		case one.Epoch != nil && *one.Epoch < record.Epoch:
			p.notRotated(Never, textField(one.Path+".epoch", strconv.FormatUint(record.Epoch, 10), strconv.FormatUint(*one.Epoch, 10)),
				"%s was replaced for epoch %d, and that cannot be undone: state %d, or more to replace it again", one.Of.words(), record.Epoch, record.Epoch)
		case cause != "":
			due = append(due, dueRotation{one, cause, field})
		}
	}
	if d, is := p.signed(f); is {
		due = append(due, d)
	}
	if len(fresh) == 0 && len(due) == 0 {
		return false
	}
	why := p.keepsAll(f)
	if why == "" && len(fresh) > 0 {
		p.Steps = append(p.Steps, r.step("its rotation is put on record; nothing is replaced", &Renewal{Records: fresh}, fields))
		for _, d := range due {
			p.notRotated(Later, d.field, "%s: what has no record yet is put on record first", d.Of.words())
		}
		return true
	}
	for _, field := range fields {
		p.notRotated(Later, field, "its rotation is put on record: %s", why)
	}
	next := ""
	for _, d := range due {
		own := why
		if own == "" && next != "" {
			own = fmt.Sprintf("one rotation at a time; %s comes first", next)
		}
		if own == "" {
			own = p.keeps(d.Of, f)
		}
		if own != "" {
			p.notRotated(Later, d.field, "%s: %s", d.Of.words(), own)
			continue
		}
		next = d.Of.words()
		s := r.step("rotation of "+d.Of.words()+", "+d.cause, d.renewal(r, f.Now), []diff.Field{d.field})
		s.Notes = f.Swarm.waitsFor(d.Of)
		p.Steps = append(p.Steps, s)
	}
	return next != ""
}

func (r Rotations) step(cause string, renewal *Renewal, fields []diff.Field) Step {
	return Step{
		Op: diff.Update, Key: cluster, Instance: cluster.Name, Effect: diff.InPlace, Fields: fields, Cause: cause,
		Change: diff.Change{Have: r.Have, Want: r.Want}, Origin: OriginRotates, Does: renewal,
	}
}

func (p *Plan) notRotated(class Class, field diff.Field, format string, args ...any) {
	p.Refused = append(p.Refused, Refusal{
		Op: diff.Update, Key: cluster, Instance: cluster.Name, Guard: guardRotation, Class: class, Why: fmt.Sprintf(format, args...), Fields: []diff.Field{field},
	})
}

// keepsAll says what comes before anything is rotated or recorded.
func (p *Plan) keepsAll(f Facts) string {
	switch {
	case f.StateLost:
		return "the operator's memory was lost: nothing is rotated in this run"
	case slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Key == cluster }):
		return "what else differs of the Cluster comes first"
	}
	return ""
}

// keeps says what one rotation waits for.
func (p *Plan) keeps(of Rotated, f Facts) string {
	switch {
	case f.Swarm.Nodes == nil:
		return "how the nodes are is not known"
	case f.Swarm.Rotating:
		return "one rotation at a time, and the root of the CA is being replaced: " + f.Swarm.Progress()
	}
	for _, s := range p.Steps {
		switch {
		case s.Key.Kind != v1.KindNode:
		case s.Op == diff.Create:
			return s.Key.String() + " joins first, with what there is now"
		case s.Op == diff.Remove && of.root():
			return s.Key.String() + " is removed first: a new root would wait for it"
		}
	}
	return ""
}

// waitsFor names the nodes that a rotation will have to wait for, or that miss it.
func (s Swarm) waitsFor(of Rotated) []string {
	var out []string
	for _, n := range s.Seen {
		switch away := n.State != "ready"; {
		case away && of.root():
			out = append(out, fmt.Sprintf("%s is %s, and the rotation does not end without it", n.Name, n.State))
		case away && of == UnlockKey && n.Role == "manager":
			out = append(out, fmt.Sprintf("%s is %s, and will start with the key that there is now", n.Name, n.State))
		}
	}
	return out
}

// named is how many nodes a message names.
const named = 10

// Progress says which nodes have not the new root yet, while it is being replaced.
func (s Swarm) Progress() string {
	var behind []string
	for _, n := range s.Seen {
		if n.Behind {
			behind = append(behind, n.Name)
			if n.State != "ready" {
				behind[len(behind)-1] += " (" + n.State + ")"
			}
		}
	}
	text := fmt.Sprintf("%d of %s have the new root", len(s.Seen)-len(behind), v1.Count(len(s.Seen), "node"))
	if len(behind) > 0 {
		text += "; waiting for: " + strings.Join(behind[:min(len(behind), named)], ", ")
	}
	if len(behind) > named {
		text += fmt.Sprintf(" and %d more", len(behind)-named)
	}
	return text
}

// locks says whether a step turns autolock on.
func (s Step) locks() bool {
	return s.Key == cluster && slices.ContainsFunc(s.Fields, func(f diff.Field) bool { return f.Path == pathAutolock && f.Want.Reveal() == "true" })
}

// rotateNoMore lets no rotation wait for one that a person holds.
func (p *Plan) rotateNoMore() {
	held := slices.ContainsFunc(p.Refused, func(r Refusal) bool {
		return r.of.origin == OriginRotates && !r.is(ofRotation) && r.Class != Later
	})
	for i := range p.Refused {
		if r := &p.Refused[i]; held && r.is(ofRotation) {
			r.Class = Never
		}
	}
}

// escrowed refuses to have the swarm make a key that nobody keeps.
func escrowed(s Step, _ Facts, _ Policy) []Refusal {
	if !s.locks() || slices.ContainsFunc(s.Change.Want.Whole().Leaves, func(l diff.Leaf) bool { return strings.HasPrefix(l.Path, pathEscrow+".") }) {
		return nil
	}
	return []Refusal{s.refusal(Never, "nothing says where the unlock key is kept: state spec.autolock.escrow")}
}

// newKey records the unlock key that comes with autolock, in the step that turns that on.
func (p *Plan) newKey(f Facts) {
	r := f.Rotations
	i := slices.IndexFunc(r.Stated, func(o Rotation) bool { return o.Of == UnlockKey })
	for n := range p.Steps {
		if s := &p.Steps[n]; i >= 0 && s.locks() {
			s.Does = &Renewal{Records: map[Rotated]Record{UnlockKey: r.Stated[i].begun(r.Records[UnlockKey], f.Now)}}
		}
	}
}
