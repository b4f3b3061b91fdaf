package state_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/state"
)

func TestAMemoryOfTheFirstFormatIsRead(t *testing.T) {
	s := state.NewStore("shop", nil)
	found, err := s.Find([]*swarm.Config{{ID: "x", Spec: swarm.ConfigSpec{
		Annotations: swarm.Annotations{Name: "swarm-operator.shop.3", Labels: map[string]string{v1.LabelState: "shop"}},
		Data:        []byte(`{"format":1,"source":"shop","hashKey":"AAAA","inForce":{"hash":"abc"},"owned":2,"adopted":{"id":{"key":"Service/web","applied":"v1:A"}},"failed":[{"object":"Service/web","digest":"d","why":"w"}]}`),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	m := found.Memory
	if found.Sequence != 3 || m.InForce.Hash != "abc" || m.Owned != 2 || m.Adopted["id"].Key != web || len(m.Failed) != 1 || m.History != nil || m.Refused != nil {
		t.Errorf("read as %+v", m)
	}
	if !s.Differs(found, m) {
		t.Error("it is not written in the new format")
	}
}

// A release that knows only format 2 would drop two things with each write: that a removal waits, and what was
// removed by hand.
func TestAMemoryOfTheSecondFormatIsReadAndWrittenAsTheThird(t *testing.T) {
	s := state.NewStore("shop", nil)
	found, err := s.Find([]*swarm.Config{{ID: "x", Spec: swarm.ConfigSpec{
		Annotations: swarm.Annotations{Name: "swarm-operator.shop.3", Labels: map[string]string{v1.LabelState: "shop"}},
		Data:        []byte(`{"format":2,"source":"shop","hashKey":"AAAA","inForce":{"hash":"abc"},"owned":2,"keep":{"Service/web":"policy.protect: true"},"history":[{"hash":"abc","outcome":"held"}]}`),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	m := found.Memory
	if found.Sequence != 3 || m.InForce.Hash != "abc" || m.Keep[web] == "" || len(m.History) != 1 || m.Made != nil || m.Leaving != nil || m.Nonce != "" {
		t.Errorf("read as %+v", m)
	}
	if !s.Differs(found, m) {
		t.Error("it is not written in the new format")
	}
	if next, err := state.New("shop"); err != nil || next.Format != 3 {
		t.Errorf("a new memory has format %d; %v", next.Format, err)
	}
}

// An end that is the same in each run must not be written in each run, even if it is not stored as it is given.
func TestTheSameEndIsNotedOnce(t *testing.T) {
	for _, why := range []string{"", "x", "https://u:hunter2@h/"} {
		var m state.Memory
		m.InForce = state.Revision{Hash: "a"}
		m.Begin(m.InForce, time.Now())
		m.End(state.Failed, why, time.Now())
		first := m.History[0]
		m.End(state.Failed, why, time.Now().Add(time.Minute))
		if !cmp.Equal(m.History[0], first) {
			t.Errorf("%q: %+v became %+v", why, first, m.History[0])
		}
	}
}

func TestBeginAndEnd(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	type step struct{ begin, outcome, why string }
	for _, test := range []struct {
		name  string
		steps []step
		want  []string // revision outcome why
	}{
		{"nothing was in force", []step{{outcome: state.Failed, why: "x"}}, nil},
		{"on its way", []step{{begin: "a"}}, []string{"a  "}},
		{"rolled out", []step{{begin: "a"}, {outcome: state.RolledOut}}, []string{"a rolled-out "}},
		{"held, then rolled out", []step{{begin: "a"}, {outcome: state.Held, why: "consent"}, {outcome: state.RolledOut}}, []string{"a rolled-out "}},
		{"failed, then rolled out", []step{{begin: "a"}, {outcome: state.Failed, why: "x"}, {outcome: state.RolledOut}}, []string{"a rolled-out "}},
		{"once rolled out, it stays rolled out", []step{{begin: "a"}, {outcome: state.RolledOut}, {outcome: state.Failed, why: "x"}}, []string{"a rolled-out "}},
		{"not known", []step{{begin: "a"}, {outcome: state.Failed, why: "x"}, {}}, []string{"a failed x"}},
		{"another reason", []step{{begin: "a"}, {outcome: state.Held, why: "x"}, {outcome: state.Held, why: "y"}}, []string{"a held y"}},
		{"no secret", []step{{begin: "a"}, {outcome: state.Failed, why: "https://u:hunter2@h/"}}, []string{"a failed https://(hidden)@h/"}},
		{"the next one", []step{{begin: "a"}, {begin: "b"}, {outcome: state.RolledOut}}, []string{"a  ", "b rolled-out "}},
		{"and back", []step{{begin: "a"}, {outcome: state.RolledOut}, {begin: "b"}, {begin: "a"}, {outcome: state.Failed}}, []string{"a rolled-out ", "b  ", "a failed "}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var m state.Memory
			var first []state.Entry
			for i, s := range test.steps {
				now := at.Add(time.Duration(i) * time.Minute)
				if s.begin == "" {
					m.End(s.outcome, s.why, now)
					continue
				}
				m.InForce = state.Revision{Hash: s.begin, When: at}
				m.Begin(m.InForce, now)
				if first == nil {
					first = m.History
				}
			}
			var got []string
			for _, e := range m.History {
				got = append(got, fmt.Sprintf("%s %s %s", e.Hash, e.Outcome, e.Why))
				if e.Since.IsZero() || (e.Outcome == "") != e.At.IsZero() {
					t.Errorf("times of %+v", e)
				}
			}
			if d := cmp.Diff(test.want, got); d != "" {
				t.Errorf("history (-want +got):\n%s", d)
			}
			if first != nil && first[0].Outcome != "" {
				t.Error("who has an older memory sees it change")
			}
		})
	}
}

// Each revision answers for what it changed, until that is rolled out or a later revision changes it.
func TestEachRevisionAnswersForItsChanges(t *testing.T) {
	db := v1.Key{Kind: v1.KindService, Name: "db"}
	type step struct {
		begin   string
		changes []v1.Key
		outcome string
		over    []v1.Key
		late    string // fails after it was superseded
	}
	for _, test := range []struct {
		name    string
		steps   []step
		web, db string
		want    string // outcomes
	}{
		{"nobody's", []step{{begin: "a"}}, "", "", "a: "},
		{"its own", []step{{begin: "a", changes: []v1.Key{web}}}, "a", "", "a: "},
		{"more of its own, later", []step{{begin: "a", changes: []v1.Key{web}}, {changes: []v1.Key{web, db}}}, "a", "a", "a: "},
		{"another's", []step{{begin: "a", changes: []v1.Key{web}}, {begin: "b", changes: []v1.Key{db}}}, "a", "b", "a: b: "},
		{"the later one's", []step{{begin: "a", changes: []v1.Key{web}}, {begin: "b", changes: []v1.Key{web}}}, "b", "", "a: b: "},
		{"rolled out", []step{{begin: "a", changes: []v1.Key{web}}, {outcome: state.RolledOut}}, "", "", "a:rolled-out "},
		{"rolled out, and what comes after is not its doing", []step{{begin: "a"}, {outcome: state.RolledOut}, {changes: []v1.Key{web}}}, "", "", "a:rolled-out "},
		{"failed", []step{{begin: "a", changes: []v1.Key{web}}, {outcome: state.Failed}}, "a", "", "a:failed "},
		{"over", []step{{begin: "a", changes: []v1.Key{web, db}}, {over: []v1.Key{db}}, {begin: "b"}}, "a", "a", "a: b: "},
		{"over before the next", []step{{begin: "a", changes: []v1.Key{web, db}}, {begin: "b"}, {over: []v1.Key{db}}}, "a", "", "a: b: "},
		{"failed late", []step{{begin: "a", changes: []v1.Key{web}}, {begin: "b"}, {late: "a"}}, "a", "", "a:failed b: "},
		{"failed late, and it is in force", []step{{begin: "a", changes: []v1.Key{web}}, {late: "a"}}, "a", "", "a: "},
		{"failed late, and it had rolled out", []step{{begin: "a"}, {outcome: state.RolledOut}, {begin: "b"}, {late: "a"}}, "", "", "a:rolled-out b: "},
		{"failed late, and nobody knows it", []step{{begin: "a"}, {late: "x"}}, "", "", "a: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			var m state.Memory
			m.Change([]v1.Key{web}) // nothing is in force
			for _, s := range test.steps {
				before, text := m, fmt.Sprint(m.History)
				if s.begin != "" {
					m.InForce = state.Revision{Hash: s.begin}
					m.Begin(m.InForce, time.Now())
				}
				if s.changes != nil {
					m.Change(s.changes)
				}
				if s.over != nil {
					m.Settle(func(k v1.Key) bool { return k == s.over[0] })
				}
				if s.late != "" {
					m.EndLate(s.late, "why", time.Now())
				}
				m.End(s.outcome, "", time.Now())
				if fmt.Sprint(before.History) != text {
					t.Error("who has an older memory sees it change")
				}
			}
			got := ""
			for _, e := range m.History {
				got += e.Hash + ":" + e.Outcome + " "
			}
			if w, d := m.ChangedBy()[web], m.ChangedBy()[db]; w != test.web || d != test.db || got != test.want {
				t.Errorf("web is of %q, db of %q, and the revisions are %s; want %q, %q, %s", w, d, got, test.web, test.db, test.want)
			}
		})
	}
}

func TestEndNotesNothingOnAnotherRevision(t *testing.T) {
	var m state.Memory
	m.InForce = state.Revision{Hash: "a"}
	m.Begin(m.InForce, time.Now())
	m.InForce = state.Revision{Hash: "b"} // and nobody began it
	m.End(state.RolledOut, "", time.Now())
	if m.History[0].Outcome != "" {
		t.Errorf("another revision's outcome is noted: %+v", m.History)
	}
}

func TestAgainClearsTheOutcomeThatAPersonAnswered(t *testing.T) {
	for _, c := range []struct {
		name, ended, answered, inForce, want string
	}{
		{"held, and agreed to", state.Held, state.Held, "a", ""},
		{"failed, and tried again", state.Failed, state.Failed, "a", ""},
		{"failed, and agreed to something", state.Failed, state.Held, "a", state.Failed},
		{"rolled out", state.RolledOut, state.Held, "a", state.RolledOut},
		{"another one is in force", state.Held, state.Held, "b", state.Held},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := state.Memory{InForce: state.Revision{Hash: "a"}}
			m.Begin(m.InForce, time.Now())
			m.End(c.ended, "why", time.Now())
			m.InForce.Hash = c.inForce
			before := m
			m.Again(c.answered)
			if e := m.History[0]; e.Outcome != c.want || (e.Why == "") != (c.want == "") || e.At.IsZero() != (c.want == "") {
				t.Errorf("it is %+v", e)
			}
			if before.History[0].Outcome != c.ended {
				t.Error("who has an older memory sees it change")
			}
		})
	}
	var none state.Memory
	none.Again(state.Held)
	if none.History != nil {
		t.Errorf("%+v", none)
	}
}

func TestHistoryIsShort(t *testing.T) {
	var m state.Memory
	for i := range 50 {
		m.Begin(state.Revision{Hash: fmt.Sprint(i)}, time.Now())
	}
	if n := len(m.History); n != 20 || m.History[n-1].Hash != "49" {
		t.Errorf("%d revisions are remembered, the last one %s", n, m.History[n-1].Hash)
	}
}

func TestSameRevision(t *testing.T) {
	const hash = "0123456789abcdef0123456789abcdef01234567"
	for revision, want := range map[string]bool{
		hash: true, hash[:7]: true, hash[:39]: true, hash[:6]: false, "": false, hash + "0": false, "1234567": false,
	} {
		if got := state.SameRevision(hash, revision); got != want {
			t.Errorf("%q: %t", revision, got)
		}
		if got := (state.Entry{Hash: hash}).Is(revision); got != want {
			t.Errorf("an entry and %q: %t", revision, got)
		}
	}
	if !state.SameRevision("abc", "abc") || state.SameRevision("", "") || state.SameRevision("abc", "ab") {
		t.Error("short hashes")
	}
}

func TestEdit(t *testing.T) {
	c := open(t)
	s := state.NewStore("shop", c)
	if err := s.Edit(t.Context(), func(found state.Found, m *state.Memory) (err error) {
		if found.Sequence != 0 {
			t.Errorf("found %+v", found)
		}
		*m, err = state.New("shop")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	// Somebody else writes in between, once. Edit then repeats the change on what is there now.
	calls := 0
	if err := s.Edit(t.Context(), func(found state.Found, m *state.Memory) error {
		if calls++; calls == 1 {
			other := found.Memory
			other.Nodes = 7
			save(t, s, found, other)
		}
		m.Owned = 9
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got := find(t, s, c); calls != 2 || got.Memory.Nodes != 7 || got.Memory.Owned != 9 || got.Sequence != 3 {
		t.Errorf("after %d calls: %+v", calls, got)
	}
	if all := configs(t, c); len(all) != 1 {
		t.Errorf("left behind: %v", all)
	}
	// Somebody else always writes in between. Edit ends.
	if err := s.Edit(t.Context(), func(found state.Found, m *state.Memory) error {
		other := found.Memory
		other.Nodes++
		save(t, s, found, other)
		m.Owned++
		return nil
	}); !errors.Is(err, state.ErrConflict) {
		t.Errorf("got %v", err)
	}
	// A change that changes nothing, or fails, writes nothing.
	before := find(t, s, c).Sequence
	mine := errors.New("mine")
	if err := s.Edit(t.Context(), func(_ state.Found, m *state.Memory) error { m.Owned++; return mine }); !errors.Is(err, mine) {
		t.Errorf("got %v", err)
	}
	if err := s.Edit(t.Context(), func(state.Found, *state.Memory) error { return nil }); err != nil || find(t, s, c).Sequence != before {
		t.Errorf("written for nothing, %v", err)
	}
}
