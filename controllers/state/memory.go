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

// format is the version of the encoding. A newer one is not read: a release that does not know a field drops it with each
// write. An older one is read as this one, with the fields that it does not have empty, which is what they were. Format 1 had
// no History, Refused, Approvals, Released, Nodes, Managers, Resumed and shards. Format 2 had no Begun, Leaving, Superseded,
// Made, Nonce, Lapsed, Unstated, Removed, Replacing, Partial and Delivered, no Written of what was adopted, and no Changing and
// Rewrote of revisions.
const format = 3

// ErrNewer says that a newer release wrote the state: this one must not act.
var ErrNewer = errors.New("the state was written by a newer release of swarm-operator")

// Memory is the content. Each part can be lost: without HashKey the content of secrets is unknown and they keep their
// versions; without Adopted what was taken over is foreign again; without Failed a roll-back is recognised by what the
// engine kept of it; without InForce a bad revision has no predecessor; without Keep nothing is kept but nothing is
// removed in the run that finds the memory gone; without Made what lost its labels is foreign, and what is gone is made again
// at once, because nobody knows that it was there; without Unstated nobody is asked before what is gone is made again without its settings; without
// Removed what was being replaced is made from its manifest alone; without Released what was released is adopted again where it is equal.
type Memory struct {
	Format int    `json:"format"`
	Source string `json:"source"`
	// HashKey keys the digests of content. It is no secret to who can read the swarm's configs; it keeps digests that
	// travel further, as object names do, from being guessed.
	HashKey []byte `json:"hashKey"`
	// InForce is the last revision without a problem.
	InForce Revision `json:"inForce,omitzero"`
	// Owned is how many objects the source owned when InForce was first seen.
	Owned int `json:"owned"`
	// Begun are the services that InForce has changed, where it also removes something: that waits until they work.
	Begun []v1.Key `json:"begun,omitempty"`
	// Leaving are the objects that wait for Begun to be removed, or for Superseded.
	Leaving []v1.Key `json:"leaving,omitempty"`
	// Superseded is what revisions before InForce have left undone of their removals: a later commit does not end their wait.
	Superseded Unended `json:"superseded,omitzero"`
	// Consents that are not used up yet.
	Consents plan.Consents `json:"consents,omitempty"`
	// Approvals are consents that were given to a revision by command.
	Approvals []Approval `json:"approvals,omitempty"`
	// Adopted by id.
	Adopted map[string]Adopted `json:"adopted,omitempty"`
	// Made are the objects that the source made, by id.
	Made map[string]v1.Key `json:"made,omitempty"`
	// Nonce is among the labels of what is made under this memory, until the next write has it in Made. "": nothing is on
	// record yet, and the next write takes all that has the source's labels into Made.
	Nonce string `json:"nonce,omitempty"`
	// Lapsed are those of Made that are not there and that nobody asks for, and since when: a list that was wrong once must not
	// make the source's own objects anybody's.
	Lapsed map[string]time.Time `json:"lapsed,omitempty"`
	// Unstated are settings of objects on record that manifests cannot state, by id: what is lost if somebody removes one.
	Unstated map[string]Settings `json:"unstated,omitempty"`
	// Removed are objects that were about to be removed and made again, by id, until they are: nobody else may have what they were.
	Removed map[string]Frozen `json:"removed,omitempty"`
	// Replacing are objects, by id, that were about to be removed and made anew: if one is gone, nobody else removed it.
	Replacing []string       `json:"replacing,omitempty"`
	Failed    []plan.Failure `json:"failed,omitempty"`
	// Keep are objects whose manifest, when there was one, said that they stay.
	Keep map[v1.Key]string `json:"keep,omitempty"`
	// Released are objects that were given up although they have a manifest; ReleasedAll gives up whatever the source has.
	Released    []v1.Key `json:"released,omitempty"`
	ReleasedAll bool     `json:"releasedAll,omitempty"`
	// Partial are the objects of which a manifest states some: they are the source's for as long as they are in here, whatever
	// their labels say. It says nothing while Nonce is "".
	Partial []v1.Key `json:"partial,omitempty"`
	// History are the revisions that were in force, the newest last.
	History []Entry `json:"history,omitempty"`
	// Refused is the newest revision where it is not in force because it has problems.
	Refused *Entry `json:"refused,omitempty"`
	// Nodes and Managers are how many the swarm had.
	Nodes    int `json:"nodes,omitempty"`
	Managers int `json:"managers,omitempty"`
	// Delivered are the tokens and keys that were brought somewhere, by what and where, as keyed digests.
	Delivered map[string]string `json:"delivered,omitempty"`
	// Resumed is when a person last said that what is found is right.
	Resumed time.Time `json:"resumed,omitzero"`
}

// Revision is a commit.
type Revision struct {
	Hash string    `json:"hash"`
	When time.Time `json:"when,omitzero"`
}

// Outcomes of a revision. The empty one: it is still on its way.
const (
	RolledOut = "rolled-out" // everything it says is there and ready
	Failed    = "failed"     // a want of it failed
	Held      = "held"       // something of it waits for a person
	Refused   = "refused"    // it has problems and never came into force
)

// Entry is a revision and what became of it.
type Entry struct {
	Hash string `json:"hash"`
	// When it was committed, and Since when it was in force.
	When    time.Time `json:"when,omitzero"`
	Since   time.Time `json:"since,omitzero"`
	Outcome string    `json:"outcome,omitempty"`
	Why     string    `json:"why,omitempty"`
	// At is when the outcome was known.
	At time.Time `json:"at,omitzero"`
	// Changing are the services that it changed, until it is rolled out. What becomes of them is its doing, and of no other
	// revision. One that a later revision changes is that one's.
	Changing []v1.Key `json:"changing,omitempty"`
	// Rewrote is what it took back of the revision before it; nil: it came after that one, or nobody can say.
	Rewrote *Rewrite `json:"rewrote,omitempty"`
}

// Is says whether a revision as people write it, whole or at least its first seven digits, is this one.
func (e Entry) Is(revision string) bool { return SameRevision(e.Hash, revision) }

// SameRevision says whether a revision as people write it, whole or at least its first seven digits, is this hash.
func SameRevision(hash, revision string) bool {
	return hash == revision && hash != "" || len(revision) >= 7 && strings.HasPrefix(hash, revision)
}

// Approval is a consent by command. It counts while Revision is the newest, and until its steps are done.
type Approval struct {
	Revision string        `json:"revision"`
	Consents plan.Consents `json:"consents"`
	By       string        `json:"by,omitempty"`
	At       time.Time     `json:"at,omitzero"`
}

// Adopted is an object that the source took over without writing on it.
type Adopted struct {
	Key     v1.Key `json:"key"`
	Applied string `json:"applied"`
	Content string `json:"content,omitempty"`
	// Written: the source has written on it since, so that Applied is older than its labels.
	Written bool `json:"written,omitempty"`
}

// Settings are those of an object that manifests cannot state, by path.
type Settings struct {
	Key   v1.Key   `json:"key"`
	Paths []string `json:"paths"`
}

// Frozen is an object as its kind wrote it down.
type Frozen struct {
	Key v1.Key `json:"key"`
	// Instance is its name in the swarm.
	Instance string          `json:"instance"`
	Spec     json.RawMessage `json:"spec"`
}

// New makes an empty memory with a fresh key.
func New(source string) (Memory, error) {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return Memory{}, fmt.Errorf("making the key for content digests: %w", err)
	}
	return Memory{Format: format, Source: source, HashKey: key}, nil
}

// NewNonce makes the value of Nonce.
func NewNonce() string { return rand.Text()[:12] }

// mostHistory is how many revisions are remembered.
const mostHistory = 20

// Begin notes that a revision came into force.
func (m *Memory) Begin(r Revision, now time.Time) {
	m.History = append(slices.Clone(m.History), Entry{Hash: r.Hash, When: r.When, Since: now.UTC()})
	if n := len(m.History); n > mostHistory {
		m.History = m.History[n-mostHistory:]
	}
}

// End notes what became of the revision in force. What rolled out once has: what happens later is no fault of it.
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

// EndLate notes that a revision failed after a newer one took its place.
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

// Change notes what the revision in force changes.
func (m *Memory) Change(keys []v1.Key) {
	n := len(m.History) - 1
	if n < 0 || m.History[n].Hash != m.InForce.Hash || m.History[n].Outcome == RolledOut {
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

// Settle forgets which of the earlier revisions changed what is over.
func (m *Memory) Settle(over func(v1.Key) bool) {
	m.History = slices.Clone(m.History)
	m.forget(over)
}

// forget takes objects off the record of all revisions but the last.
func (m *Memory) forget(which func(v1.Key) bool) {
	for i := range m.History[:max(len(m.History)-1, 0)] {
		left := slices.DeleteFunc(slices.Clone(m.History[i].Changing), which)
		if len(left) == 0 {
			left = nil
		}
		m.History[i].Changing = left
	}
}

// ChangedBy returns which revision changed an object last. What is not on record was rolled out, or no revision changed it.
func (m *Memory) ChangedBy() map[v1.Key]string {
	by := map[v1.Key]string{}
	for _, e := range m.History {
		for _, k := range e.Changing {
			by[k] = e.Hash
		}
	}
	return by
}

// Again takes an outcome back that a person has answered: the revision in force is on its way again, and who waits for it is told
// what becomes of it next.
func (m *Memory) Again(outcome string) {
	n := len(m.History) - 1
	if n < 0 || m.History[n].Hash != m.InForce.Hash || m.History[n].Outcome != outcome {
		return
	}
	m.History = slices.Clone(m.History)
	m.History[n].Outcome, m.History[n].Why, m.History[n].At = "", "", time.Time{}
}

// decode reads a memory of this format or an older one.
func decode(source string, raw []byte) (memory, error) {
	var head struct{ Format int }
	if err := json.Unmarshal(raw, &head); err != nil {
		return memory{}, fmt.Errorf("reading the state of source %s: %w", source, err)
	}
	if head.Format > format {
		return memory{}, fmt.Errorf("reading the state of source %s: format %d: %w", source, head.Format, ErrNewer)
	}
	var m memory
	if err := json.Unmarshal(raw, &m); err != nil {
		return memory{}, fmt.Errorf("reading the state of source %s: %w", source, err)
	}
	return m, nil
}

// Unended are removals that wait until services work.
type Unended struct {
	Removals []v1.Key `json:"removals,omitempty"`
	Begun    []v1.Key `json:"begun,omitempty"`
}

// Before returns what revisions before a revision have left undone of their removals.
func (m Memory) Before(revision string) Unended {
	if revision == m.InForce.Hash {
		return m.Superseded
	}
	return Unended{Removals: Union(m.Superseded.Removals, m.Leaving), Begun: Union(m.Superseded.Begun, m.Begun)}
}

// Keep leaves out what is no longer to be removed, and what no manifest asks for any more. Without either, nothing is left.
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
