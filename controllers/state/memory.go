package state

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// format is the version of the encoding. A newer version is not read, because a release that does not know a field
// drops it with each write. An older version is read with the fields that it does not have empty, as they were.
// Format 1 had no History, Refused, Approvals, Released, Nodes, Managers, Resumed and shards. Format 2 had no Begun,
// Leaving, Superseded, Made, Nonce, Lapsed, Unstated, Removed, Replacing, Partial, Delivered, Origin, Proven, Joining,
// Applied and Making. It had no Wants and Begun of consents, no Written of adopted objects, and no Changing and Rewrote of
// revisions.
const format = 3

// ErrNewer says that a newer release wrote the state, so this release must not act.
var ErrNewer = errors.New("a newer release of swarm-operator has written the state; update this program")

// Memory is the content. Each part may be lost, at a price:
//
//   - Without Salt, a new one is made. Later versions then have other names than they would have had.
//   - Without Adopted, the source no longer owns the objects that it had adopted.
//   - Without Failed, the operator knows of a roll-back only what the engine has kept.
//   - Without InForce, the operator has no revision to stay with if the newest one is bad.
//   - Without Keep nothing is kept, but the run that finds the memory lost removes nothing.
//   - Without Made, the source no longer owns objects that lost their labels. Objects that are gone are made again at
//     once, because nobody knows that they were there.
//   - Without Unstated, nobody is asked before an object that is gone is made again without its settings, and docker no
//     longer knows its stack.
//   - Without Removed, an object that was being replaced is made from its manifest alone.
//   - Without Applied, a change by hand to an object whose labels never change may be undone once.
//   - Without Making, the source does not know an object without labels that it made just before it was killed. It takes the
//     object over if the manifest lets it.
//   - Without Released, released objects are managed again.
//   - Without Proven, nodes that are managers are known again, and others wait for consent before they become managers.
//   - Without Joining, a node that an operator made join, and could not put on record, waits for consent as well.
//   - Without Origin, the source is whatever is read next under its name.
type Memory struct {
	Format int    `json:"format"`
	Source string `json:"source"`
	// Salt is random, and part of all digests that no key makes. Everybody may know it. It keeps the names of configs, which
	// travel further than their contents, from telling anything.
	Salt []byte `json:"hashKey"`
	// Origin is where the source began when it was first read.
	Origin Origin `json:"origin,omitzero"`
	// InForce is the last revision without a problem.
	InForce Revision `json:"inForce,omitzero"`
	// Owned is how many objects the source owned when InForce was first seen.
	Owned int `json:"owned"`
	// Begun are the services that InForce has changed, if it also removes something. The removals wait until these
	// services work.
	Begun []v1.Key `json:"begun,omitempty"`
	// Leaving are the objects whose removal waits for Begun or for Superseded.
	Leaving []v1.Key `json:"leaving,omitempty"`
	// Superseded is what revisions before InForce have left undone of their removals. A later commit does not end
	// that wait.
	Superseded Unended `json:"superseded,omitzero"`
	// Consents are the consents that are not used up yet.
	Consents plan.Consents `json:"consents,omitempty"`
	// Approvals are consents that somebody gave to a revision by command.
	Approvals []Approval `json:"approvals,omitempty"`
	// Adopted are the objects that others made and that the source has now, by id.
	Adopted map[string]Adopted `json:"adopted,omitempty"`
	// Made are the objects that the source made, by id.
	Made map[string]v1.Key `json:"made,omitempty"`
	// Nonce is among the labels of each object made under this memory, until the next write records the object in
	// Made. "" means that nothing is on record yet. The next write then records every object that has the source's
	// labels in Made.
	Nonce string `json:"nonce,omitempty"`
	Traces
	// Unstated are settings of objects on record that manifests cannot state or need not state, by id. They are lost if
	// somebody removes the object.
	Unstated map[string]Settings `json:"unstated,omitempty"`
	// Removed are objects that were about to be removed and made again, by id, until they are made. Nothing else
	// holds what they were.
	Removed map[string]Frozen `json:"removed,omitempty"`
	// Replacing are the ids of objects that were about to be removed and made again, or removed with their data. If one
	// has gone, nobody else removed it.
	Replacing []string       `json:"replacing,omitempty"`
	Failed    []plan.Failure `json:"failed,omitempty"`
	// Keep says which setting of its policy keeps an object after its manifest is gone, such as policy.prune: false. It
	// is "" for a manifest that states prune: true.
	Keep map[v1.Key]string `json:"keep,omitempty"`
	// Released are objects that the source gave up although they have a manifest. ReleasedAll gives up everything
	// that the source has. Their records stay, for when somebody takes them back: see Managed.
	Released    []v1.Key `json:"released,omitempty"`
	ReleasedAll bool     `json:"releasedAll,omitempty"`
	// Partial are the objects of which a manifest states only some fields. They belong to the source as long as they
	// are listed here, whatever their labels say. While Nonce is "", the list says nothing.
	Partial []v1.Key `json:"partial,omitempty"`
	// History are the revisions that were in force, the newest last.
	History []Entry `json:"history,omitempty"`
	// Refused is the newest revision if it is not in force because it has problems. nil means that there is none.
	Refused *Entry `json:"refused,omitempty"`
	Census
	// Delivered are digests of the tokens and keys that were delivered, by what was delivered and where.
	Delivered map[string]string `json:"delivered,omitempty"`
	// Resumed is when a person last said that what was found is right.
	Resumed time.Time `json:"resumed,omitzero"`
}

// Traces are what is on record of objects besides that they are the source's.
type Traces struct {
	// Making are the objects that the source was about to make and that have no labels by which it could recognise them.
	// An object leaves the list when its id is in Made, when the engine has refused to make it, or when it does not exist
	// and is no longer wanted. While an object is in the list, one of its name counts as the source's if it equals what was
	// to be made in every field. That is so even if somebody else made it in that moment.
	Making []v1.Key `json:"making,omitempty"`
	// Lapsed are objects in Made that do not exist and that no manifest asks for, by id, with the time since when. They stay
	// on record, because a list that was wrong once must not make the source's own objects anybody's.
	Lapsed map[string]time.Time `json:"lapsed,omitempty"`
	// Applied is what was last applied to objects whose labels never change, by id, in the form of the applied label. What was
	// applied when such an object was made is in its labels, and not here.
	Applied map[string]string `json:"applied,omitempty"`
}

// Census is what is known of the swarm's nodes.
type Census struct {
	Size
	// Proven are the nodes that are known by more than what they say of themselves, by id.
	Proven map[string]Proven `json:"proven,omitempty"`
	// Joining are the nodes whose engines an operator was about to make part of the swarm, before it reached them.
	Joining []v1.Key `json:"joining,omitempty"`
}

// Proven is a node as it was when it was proven: its hostname, a digest of what else it said of itself, and what proved
// it.
type Proven struct {
	Name string `json:"name"`
	Says string `json:"says"`
	By   string `json:"by"`
}

// Size is how many nodes and managers the swarm had.
type Size struct {
	Nodes    int `json:"nodes,omitempty"`
	Managers int `json:"managers,omitempty"`
}

// Revision is a commit.
type Revision struct {
	Hash string    `json:"hash"`
	When time.Time `json:"when,omitzero"`
	// Behind are commits that lead to it or led to what was in force before it, the newest first, by the first digits of
	// their hashes. What they agreed to has counted. A checkout that is at one of them lags, whatever its date says.
	Behind []string `json:"behind,omitempty"`
}

// These are the outcomes of a revision. An empty outcome means that it is still on its way.
const (
	RolledOut = "rolled-out" // everything that it states exists and is ready
	Failed    = "failed"     // something that it states failed
	Held      = "held"       // something in it waits for a person
	Refused   = "refused"    // it has problems and never came into force
)

// Entry is a revision and what became of it.
type Entry struct {
	Hash string `json:"hash"`
	// When is when it was committed, and Since is when it came into force.
	When    time.Time `json:"when,omitzero"`
	Since   time.Time `json:"since,omitzero"`
	Outcome string    `json:"outcome,omitempty"`
	Why     string    `json:"why,omitempty"`
	// At is when the outcome became known.
	At time.Time `json:"at,omitzero"`
	// Changing are the services that the revision changed, until it is rolled out. It answers for what becomes of
	// them, and no other revision does. A service that a later revision changes belongs to that one.
	Changing []v1.Key `json:"changing,omitempty"`
	// Rewrote is what the revision took back of the one before it. nil means that it came after that one, or that
	// nobody can say.
	Rewrote *Rewrite `json:"rewrote,omitempty"`
}

// Is reports whether this is the revision that somebody writes: the whole hash, or at least its first seven digits.
func (e Entry) Is(revision string) bool { return SameRevision(e.Hash, revision) }

// mostBehind is how many commits Revision.Behind has at most. A checkout seldom lags further.
const mostBehind = 40

// digits is how many digits tell a commit from the others of a repository.
const digits = 12

// Leads notes which commits lead to a revision since the one before it, the newest first. What led to that one counts as
// well, even if the revision does not descend from it: commits that were taken back may come again.
func (r *Revision) Leads(commits []string, before Revision) {
	r.Behind = nil
	for _, hash := range commits {
		r.Behind = append(r.Behind, hash[:min(len(hash), digits)])
	}
	for _, hash := range before.Behind {
		if !slices.Contains(r.Behind, hash) {
			r.Behind = append(r.Behind, hash)
		}
	}
	r.Behind = r.Behind[:min(len(r.Behind), mostBehind)]
}

// Passed reports whether a revision was in force before, or leads to what is or was, as far as that is remembered.
func (m Memory) Passed(hash string) bool {
	return slices.Contains(m.InForce.Behind, hash[:min(len(hash), digits)]) || slices.ContainsFunc(m.History, func(e Entry) bool { return e.Hash == hash })
}

// SameRevision reports whether a revision as people write it is this hash. They write it whole, or at least its first
// seven digits.
func SameRevision(hash, revision string) bool {
	return hash == revision && hash != "" || len(revision) >= 7 && strings.HasPrefix(hash, revision)
}

// Approval is a consent by command. It counts while Revision is the newest, until its steps are done or Until is over.
type Approval struct {
	Revision string        `json:"revision"`
	Consents plan.Consents `json:"consents"`
	By       string        `json:"by,omitempty"`
	// Why is the Reason that the person gave. It is "" if there is none.
	Why string    `json:"why,omitempty"`
	At  time.Time `json:"at,omitzero"`
	// Until is when the consent ends. If it is zero, the consent lasts until it is used up. An older release knows no
	// other.
	Until time.Time `json:"until,omitzero"`
}

// Said returns the consents with who gave them, how, why, and until when they count.
func (a Approval) Said() plan.Consents {
	how := "by command"
	if !a.Until.IsZero() {
		how += ", until " + v1.When(a.Until)
	}
	if a.Why != "" {
		how += ": " + a.Why
	}
	said := a.Consents.Said(a.By, how)
	for i := range said {
		said[i].Until = a.Until
	}
	return said
}

// Ended reports whether the consent has ended at a time, even if it is not used up.
func (a Approval) Ended(now time.Time) bool { return plan.Consented{Until: a.Until}.Ended(now) }

// Adopted is an object that others made and that the source has now.
type Adopted struct {
	Key     v1.Key `json:"key"`
	Applied string `json:"applied"`
	Content string `json:"content,omitempty"`
	// Written is true if the source has written to the object since, so that Applied is older than its labels.
	Written bool `json:"written,omitempty"`
	// Taken is true if the object differed from its manifest, so that the source took it over with a write. Applied
	// is then empty.
	Taken bool `json:"taken,omitempty"`
}

// Settings are what is lost of an object if somebody removes it.
type Settings struct {
	Key v1.Key `json:"key"`
	// Paths are the settings that manifests cannot state.
	Paths []string `json:"paths,omitempty"`
	// Stack is the stack by which docker knows the object. An object that is made again gets it back.
	Stack string `json:"stack,omitempty"`
}

// Frozen is an object as its kind wrote it down.
type Frozen struct {
	Key v1.Key `json:"key"`
	// Instance is its name in the swarm.
	Instance string          `json:"instance"`
	Spec     json.RawMessage `json:"spec"`
}

// New returns an empty memory with a fresh salt. It fails if no random bytes can be had.
func New(source string) (Memory, error) {
	salt := make([]byte, 32)
	if _, err := rand.Read(salt); err != nil {
		return Memory{}, fmt.Errorf("making the salt for digests: %w", err)
	}
	return Memory{Format: format, Source: source, Salt: salt}, nil
}

// NewNonce returns a new value for Nonce.
func NewNonce() string { return rand.Text()[:12] }

// mostHistory is how many revisions are remembered.
const mostHistory = 20

// Begin records that a revision came into force.
func (m *Memory) Begin(r Revision, now time.Time) {
	m.History = append(slices.Clone(m.History), Entry{Hash: r.Hash, When: r.When, Since: now.UTC()})
	if n := len(m.History); n > mostHistory {
		m.History = m.History[n-mostHistory:]
	}
}

// End records the outcome of the revision in force. Once rolled out, a revision stays rolled out: what happens later
// is not its fault.
func (m *Memory) End(outcome, why string, now time.Time) {
	n, why := len(m.History)-1, v1.Scrub(why)
	if n < 0 || outcome == "" || m.History[n].Hash != m.InForce.Hash {
		return
	}
	if last := m.History[n]; last.Outcome == RolledOut || last.Outcome == outcome && last.Why == why {
		return
	}
	m.History = slices.Clone(m.History)
	m.History[n].Outcome, m.History[n].Why, m.History[n].At = outcome, why, now.UTC()
	if outcome == RolledOut {
		m.History[n].Changing = nil
	}
}

// EndLate records that a revision failed after a newer one took its place.
func (m *Memory) EndLate(revision, why string, now time.Time) {
	for n := len(m.History) - 1; n >= 0; n-- {
		e := m.History[n]
		if e.Hash != revision {
			continue
		}
		if e.Outcome == "" && revision != m.InForce.Hash {
			m.History = slices.Clone(m.History)
			m.History[n].Outcome, m.History[n].Why, m.History[n].At = Failed, v1.Scrub(why), now.UTC()
		}
		return
	}
}

// Change records the services that the revision in force changes.
func (m *Memory) Change(keys []v1.Key) {
	n := len(m.History) - 1
	if n < 0 || len(keys) == 0 || m.History[n].Hash != m.InForce.Hash || m.History[n].Outcome == RolledOut {
		return
	}
	known := map[v1.Key]bool{}
	for _, k := range m.History[n].Changing {
		known[k] = true
	}
	all, more := slices.Clone(m.History[n].Changing), map[v1.Key]bool{}
	for _, k := range keys {
		if !known[k] && !more[k] {
			all, more[k] = append(all, k), true
		}
	}
	if len(more) == 0 {
		return
	}
	slices.SortFunc(all, v1.Key.Compare)
	m.History = slices.Clone(m.History)
	m.History[n].Changing = all
	m.forget(func(k v1.Key) bool { return more[k] })
}

// Settle removes objects from the record of earlier revisions, for which over returns true.
func (m *Memory) Settle(over func(v1.Key) bool) {
	m.History = slices.Clone(m.History)
	m.forget(over)
}

// forget removes objects from the record of all revisions except the last.
func (m *Memory) forget(which func(v1.Key) bool) {
	for i := range m.History[:max(len(m.History)-1, 0)] {
		left := slices.DeleteFunc(slices.Clone(m.History[i].Changing), which)
		if len(left) == 0 {
			left = nil
		}
		m.History[i].Changing = left
	}
}

// ChangedBy returns which revision last changed each object. An object that is not on record was rolled out, or no
// revision changed it.
func (m *Memory) ChangedBy() map[v1.Key]string {
	by := map[v1.Key]string{}
	for _, e := range m.History {
		for _, k := range e.Changing {
			by[k] = e.Hash
		}
	}
	return by
}

// Again clears the outcome of the revision in force if it is the given one, because a person has answered it. The
// revision is then on its way again, and a command that waits for it learns what becomes of it next.
func (m *Memory) Again(outcome string) {
	n := len(m.History) - 1
	if n < 0 || m.History[n].Hash != m.InForce.Hash || m.History[n].Outcome != outcome {
		return
	}
	m.History = slices.Clone(m.History)
	m.History[n].Outcome, m.History[n].Why, m.History[n].At = "", "", time.Time{}
}

// decode reads a memory of this format or an older one. It fails with ErrNewer if the format is newer. It also fails if
// the data is no memory of the source.
func decode(source string, raw []byte) (memory, error) {
	var head struct {
		Format int
		Source string
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return memory{}, fmt.Errorf("decoding: %w", err)
	}
	switch {
	case head.Format > format:
		return memory{}, fmt.Errorf("reading the state of source %s: format %d: %w", source, head.Format, ErrNewer)
	case head.Format < 1:
		return memory{}, errors.New("it is no memory of an operator")
	case head.Source != source:
		return memory{}, fmt.Errorf("it is a memory of source %q", head.Source)
	}
	var m memory
	if err := json.Unmarshal(raw, &m); err != nil {
		return memory{}, fmt.Errorf("decoding: %w", err)
	}
	return m, nil
}

// Unended are removals that wait until services work.
type Unended struct {
	Removals []v1.Key `json:"removals,omitempty"`
	Begun    []v1.Key `json:"begun,omitempty"`
}

// Before returns what revisions before the given one have left undone of their removals.
func (m Memory) Before(revision string) Unended {
	if revision == m.InForce.Hash {
		return m.Superseded
	}
	return Unended{Removals: Union(m.Superseded.Removals, m.Leaving), Begun: Union(m.Superseded.Begun, m.Begun)}
}

// Keep drops removals that are no longer due, and services that no manifest asks for any more. If no removal or no
// service is left, the result is empty.
func (u Unended) Keep(leaves, wanted func(v1.Key) bool) Unended {
	out := Unended{Removals: only(u.Removals, leaves), Begun: only(u.Begun, wanted)}
	if len(out.Removals) == 0 || len(out.Begun) == 0 {
		return Unended{}
	}
	return out
}

func only(keys []v1.Key, is func(v1.Key) bool) []v1.Key {
	return slices.DeleteFunc(slices.Clone(keys), func(k v1.Key) bool { return !is(k) })
}

// Union returns the keys of both lists, sorted.
func Union(a, b []v1.Key) []v1.Key {
	return slices.Compact(slices.SortedFunc(slices.Values(slices.Concat(a, b)), v1.Key.Compare))
}
