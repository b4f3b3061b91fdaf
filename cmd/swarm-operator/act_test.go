package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/screen"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

var (
	web  = v1.Key{Kind: v1.KindService, Name: "web"}
	db   = v1.Key{Kind: v1.KindService, Name: "db"}
	noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
)

const (
	revA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	revB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func TestWaitJudgesARevisionByTheMemory(t *testing.T) {
	entry := func(hash, outcome string) state.Entry {
		return state.Entry{Hash: hash, Outcome: outcome, Why: "because"}
	}
	in := func(hash string, entries ...state.Entry) state.Memory {
		return state.Memory{InForce: state.Revision{Hash: hash}, History: entries}
	}
	refused := in(revB, entry(revB, state.RolledOut))
	refused.Refused = &state.Entry{Hash: revA, Why: "2 problems"}
	for name, test := range map[string]struct {
		memory state.Memory
		want   verdict
	}{
		"nothing in force":          {in(""), verdict{text: "revision aaaaaaa was not seen yet; no revision is in force yet"}},
		"another in force":          {in(revB, entry(revB, "")), verdict{text: "revision aaaaaaa was not seen yet; revision bbbbbbbbbb is in force"}},
		"on its way":                {in(revA, entry(revB, ""), entry(revA, "")), verdict{seen: true, text: "revision aaaaaaa is in force and rolls out"}},
		"rolled out":                {in(revA, entry(revA, state.RolledOut)), verdict{true, true, 0, "revision aaaaaaa is rolled out", state.RolledOut}},
		"rolled out, and overtaken": {in(revB, entry(revA, state.RolledOut), entry(revB, "")), verdict{true, true, 0, "revision aaaaaaa is rolled out", state.RolledOut}},
		"failed":                    {in(revA, entry(revA, state.Failed)), verdict{true, true, 1, "revision aaaaaaa failed: because", state.Failed}},
		"held":                      {in(revA, entry(revA, state.Held)), verdict{true, true, 1, "revision aaaaaaa waits for a person: because", state.Held}},
		"refused":                   {refused, verdict{true, true, 1, "revision aaaaaaa is refused: 2 problems", state.Refused}},
		"overtaken":                 {in(revB, entry(revA, ""), entry(revB, "")), verdict{true, true, 3, "revision aaaaaaa was superseded: bbbbbbbbbb is in force", "superseded"}},
		"in force once more":        {in(revA, entry(revA, state.Failed), entry(revB, ""), entry(revA, "")), verdict{seen: true, text: "revision aaaaaaa is in force and rolls out"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := judge(test.memory, revA[:7]); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestAPardonedFailureCondemnsNothing(t *testing.T) {
	failed := []plan.Failure{
		{Key: db, Digest: "d", Why: "crashed", Began: noon, Revision: revA},
		{Key: web, Digest: "e", Why: "does not start", Revision: revA},
		{Key: v1.Key{Kind: v1.KindService, Name: "old"}, Why: "rolled back before", Began: noon},
	}
	for name, test := range map[string]struct {
		key  v1.Key
		want []plan.Failure
		why  string
	}{
		"an update":  {db, []plan.Failure{{Key: db, Why: "crashed", Began: noon, Revision: revA}, failed[1], failed[2]}, "crashed"},
		"a creation": {web, []plan.Failure{failed[0], failed[2]}, "does not start"},
	} {
		t.Run(name, func(t *testing.T) {
			got, why, err := pardon(failed, test.key)
			if err != nil || why != test.why {
				t.Fatalf("%q, %v", why, err)
			}
			if d := cmp.Diff(test.want, got); d != "" {
				t.Errorf("failures (-want +got):\n%s", d)
			}
			if _, _, err := pardon(got, test.key); err == nil {
				t.Error("it is pardoned twice")
			}
		})
	}
	if failed[0].Digest != "d" || len(failed) != 3 {
		t.Error("what was given has changed")
	}
	if _, _, err := pardon(failed, failed[2].Key); err == nil || !strings.HasSuffix(err.Error(), "there are failures of Service/db, Service/web") {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsGivenUpIsPutOnRecord(t *testing.T) {
	live := func(id, nonce string) *kinds.Live {
		return &kinds.Live{ID: id, Labels: map[string]string{v1.LabelMade: nonce}}
	}
	service, node := kindOf(v1.KindService), kindOf(v1.KindNode)
	objects := []object{
		{service, web, live("made since", "now")},
		{service, db, live("another", "now")},
		{service, web, live("a copy", "before")},
		{service, web, live("adopted", "now")},
		{service, web, live("made", "before")},
		{node, web, live("node", "now")},
	}
	for name, test := range map[string]struct {
		nonce string
		keys  []v1.Key
		want  map[string]v1.Key
	}{
		"one":                            {"now", []v1.Key{web}, map[string]v1.Key{"made": web, "made since": web}},
		"all":                            {"now", nil, map[string]v1.Key{"made": web, "made since": web, "another": db}},
		"nothing has ever been recorded": {"", []v1.Key{web}, map[string]v1.Key{"made": web, "made since": web, "a copy": web}},
	} {
		made := map[string]v1.Key{"made": web}
		m := state.Memory{Nonce: test.nonce, Made: made, Adopted: map[string]state.Adopted{"adopted": {Key: web}}}
		record(&m, test.keys, objects)
		if d := cmp.Diff(test.want, m.Made); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		if len(made) != 1 {
			t.Errorf("%s: what was given has changed", name)
		}
	}
}

func TestARevisionHasSevenDigitsAtLeast(t *testing.T) {
	for text, want := range map[string]string{
		revA: revA, revA[:7]: revA[:7], "ABCDEF0": "abcdef0", "files-0123456789": "files-0123456789",
		"": "", revA[:6]: "", "main": "", "abcdefg": "", "files-": "", "files-main": "", "tree-0123456": "",
	} {
		got, err := parseRevision(text)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q is read as %q, %v", text, got, err)
		}
	}
}

func TestHistoryBeginsWithTheNewestRevision(t *testing.T) {
	m := state.Memory{
		InForce: state.Revision{Hash: revB},
		History: []state.Entry{
			{Hash: revA, When: noon, Since: noon.Add(time.Minute), Outcome: state.Failed, Why: "Service/web: task: non-zero exit (1)"},
			{Hash: revA, When: noon, Since: noon.Add(time.Hour)},
			{Hash: revB, When: noon, Since: noon.Add(2 * time.Hour)},
		},
		Refused: &state.Entry{Hash: "cccccccccccccccc", When: noon.Add(3 * time.Hour), Why: "1 problem"},
	}
	var b strings.Builder
	if err := printHistory(&b, screen.Screen{}, "text", chronicleOf("shop", m)); err != nil {
		t.Fatal(err)
	}
	want := `
REVISION    COMMITTED                IN FORCE SINCE           OUTCOME      WHY
cccccccccc  2026-01-02 15:00:00 UTC  -                        refused      1 problem
bbbbbbbbbb  2026-01-02 12:00:00 UTC  2026-01-02 14:00:00 UTC  rolling-out
aaaaaaaaaa  2026-01-02 12:00:00 UTC  2026-01-02 13:00:00 UTC  superseded
aaaaaaaaaa  2026-01-02 12:00:00 UTC  2026-01-02 12:01:00 UTC  failed       Service/web: task: non-zero exit (1)
`
	if d := cmp.Diff(want[1:], b.String()); d != "" {
		t.Errorf("text (-want +got):\n%s", d)
	}
	b.Reset()
	if err := printHistory(&b, screen.Screen{}, "json", chronicleOf("shop", m)); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"source": "shop"`, `"inForce": "` + revB + `"`, `"outcome": "superseded"`, `"outcome": "refused"`, `"since": "2026-01-02T14:00:00Z"`} {
		if !strings.Contains(b.String(), part) {
			t.Errorf("JSON has no %s:\n%s", part, b.String())
		}
	}
	b.Reset()
	if err := printHistory(&b, screen.Screen{}, "text", chronicleOf("shop", state.Memory{})); err != nil || b.String() != "source shop: no revision was in force yet\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}
