package decide

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/digests"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

func svc(name string) v1.Key { return v1.Key{Kind: v1.KindService, Name: name} }

// asks returns what a manifest asks for. text is its one stated leaf, which tells it from others.
func asks(name, text string) *diff.State {
	return &diff.State{Key: svc(name), Instance: name, Leaves: []diff.Leaf{{Path: "spec.image", Type: "spec.image", Text: text, Stated: true}}}
}

// there returns a live service whose label says that it belongs to the source.
func there(id, name string) *kinds.Live {
	return &kinds.Live{Kind: v1.KindService, ID: id, Name: name, Labels: map[string]string{v1.LabelOwner: "src/Service/" + name, v1.LabelApplied: "v1:"}}
}

func indexOf(lives ...*kinds.Live) *kinds.Index {
	return kinds.NewIndex(map[string][]*kinds.Live{v1.KindService: lives}, func(*kinds.Live) []kinds.Ref { return nil })
}

// about returns a decision about a swarm with the objects of ix, whose memory is m.
func about(ix *kinds.Index, m state.Memory) *Decision {
	run := &Decision{Memory: m}
	run.Source, run.Index, run.Found.Memory, run.Nonce = "src", ix, m, "new"
	run.Wanted = map[v1.Key]*diff.State{}
	return run
}

func gone(run *Decision, removed map[string]bool) map[v1.Key]*diff.Gone {
	gone, _ := missing(run, removed)
	return gone
}

func TestWhatIsOnRecordAndNotThereWasRemovedByHand(t *testing.T) {
	node := &diff.State{Key: v1.Key{Kind: v1.KindNode, Name: "web"}, Instance: "web", Partial: true}
	data := v1.Key{Kind: v1.KindVolume, Name: "data"}
	of := func(key v1.Key, text string) *diff.State {
		w := asks(key.Name, text)
		w.Key = key
		return w
	}
	for _, test := range []struct {
		name    string
		made    map[string]v1.Key
		adopted map[string]state.Adopted
		lives   []*kinds.Live
		before  []*diff.State // what the revision in force asked for
		want    *diff.State
		gone    string
		// replacing is an id that the operator was about to replace. own is one that it has removed.
		replacing, own string
		held           bool // the revision in force held it
	}{
		{name: "made, and gone", made: map[string]v1.Key{"1": svc("web")}, before: []*diff.State{asks("web", "a")}, want: asks("web", "a"), gone: "made"},
		{name: "adopted, and gone", adopted: map[string]state.Adopted{"1": {Key: svc("web")}}, before: []*diff.State{asks("web", "a")}, want: asks("web", "a"), gone: "adopted"},
		{name: "nobody is on record", before: []*diff.State{asks("web", "a")}, want: asks("web", "a")},
		{name: "another is on record", made: map[string]v1.Key{"1": svc("other")}, before: []*diff.State{asks("web", "a")}, want: asks("web", "a")},
		{name: "it is there", made: map[string]v1.Key{"1": svc("web")}, lives: []*kinds.Live{there("1", "web")}, before: []*diff.State{asks("web", "a")}, want: asks("web", "a")},
		{name: "it was made again by hand", made: map[string]v1.Key{"1": svc("web")}, lives: []*kinds.Live{there("2", "web")}, before: []*diff.State{asks("web", "a")}, want: asks("web", "a")},
		{name: "an older one is on record as well", made: map[string]v1.Key{"1": svc("web"), "2": svc("web")}, lives: []*kinds.Live{there("2", "web")}, before: []*diff.State{asks("web", "a")}, want: asks("web", "a")},
		{name: "git has changed it since", made: map[string]v1.Key{"1": svc("web")}, before: []*diff.State{asks("web", "a")}, want: asks("web", "b")},
		{name: "its manifest is new, or back", made: map[string]v1.Key{"1": svc("web")}, want: asks("web", "a")},
		{name: "the operator was about to replace it", made: map[string]v1.Key{"1": svc("web")}, replacing: "1", before: []*diff.State{asks("web", "a")}, want: asks("web", "a")},
		{name: "the operator has removed it", made: map[string]v1.Key{"1": svc("web")}, own: "1", before: []*diff.State{asks("web", "a")}, want: asks("web", "a")},
		{name: "the operator replaced another", made: map[string]v1.Key{"1": svc("web")}, replacing: "2", before: []*diff.State{asks("web", "a")}, want: asks("web", "a"), gone: "made"},
		{name: "made, and gone while it was held", made: map[string]v1.Key{"1": svc("web")}, held: true, want: asks("web", "b"), gone: "made"},
		{name: "adopted, and gone while it was held", adopted: map[string]state.Adopted{"1": {Key: svc("web")}}, held: true, want: asks("web", "b"), gone: "adopted"},
		{name: "held, and nobody is on record", held: true, want: asks("web", "a")},
		{name: "held, and there", made: map[string]v1.Key{"1": svc("web")}, lives: []*kinds.Live{there("1", "web")}, held: true, want: asks("web", "a")},
		{name: "held after the operator was about to replace it", made: map[string]v1.Key{"1": svc("web")}, replacing: "1", held: true, want: asks("web", "a")},
		{name: "data, and git has changed its manifest since", made: map[string]v1.Key{"1": data}, before: []*diff.State{of(data, "a")}, want: of(data, "b"), gone: "made"},
		{name: "data, and nobody can read what was asked for", made: map[string]v1.Key{"1": data}, want: of(data, "b"), gone: "made"},
		{name: "adopted data, and nobody can read what was asked for", adopted: map[string]state.Adopted{"1": {Key: data}}, want: of(data, "b"), gone: "adopted"},
		{name: "data that the operator has removed", made: map[string]v1.Key{"1": data}, own: "1", want: of(data, "b")},
		{name: "data that the operator was about to remove", adopted: map[string]state.Adopted{"1": {Key: data}}, replacing: "1", want: of(data, "b")},
		{name: "data that is not on record", want: of(data, "b")},
		{name: "a node, which leaves by itself", adopted: map[string]state.Adopted{"1": {Key: node.Key}}, before: []*diff.State{node}, want: node},
	} {
		t.Run(test.name, func(t *testing.T) {
			run := about(indexOf(test.lives...), state.Memory{Made: test.made, Adopted: test.adopted, Replacing: []string{test.replacing}})
			run.Wants.States = []*diff.State{test.want}
			noteGone(run, func(key v1.Key) (*diff.State, bool) {
				i := slices.IndexFunc(test.before, func(s *diff.State) bool { return s.Key == key })
				if i < 0 {
					return nil, test.held
				}
				return test.before[i], test.held
			}, gone(run, map[string]bool{test.own: true}))
			gone := ""
			if g := run.Wants.States[0].Gone; g != nil {
				gone = map[bool]string{true: "adopted", false: "made"}[g.Adopted]
			}
			if gone != test.gone {
				t.Errorf("removed by hand is %q, want %q", gone, test.gone)
			}
		})
	}
}

// An object that lost its labels is compared with what the revision in force says. What was remembered of it does not
// count.
func TestWhatWasAppliedToWhatLostItsLabels(t *testing.T) {
	haves := []*diff.State{
		{Key: svc("lost"), Gen: 1, Meta: diff.Meta{Mine: true, Lost: true, Applied: diff.ParseApplied("v1:")}},
		{Key: svc("unknown"), Gen: 1, Meta: diff.Meta{Mine: true, Lost: true, Applied: diff.ParseApplied("v1:")}},
		{Key: svc("labelled"), Gen: 1, Meta: diff.Meta{Mine: true, Applied: diff.ParseApplied("v1:")}},
	}
	want, run := asks("lost", "a"), about(indexOf(), state.Memory{})
	run.Haves = haves
	New(Policy{}).findLost(run, func(key v1.Key) (*diff.State, bool) {
		if key == want.Key {
			return want, false
		}
		return nil, false
	})
	for i, applied := range []diff.Applied{diff.NewApplied(want.Leaves), {}, diff.ParseApplied("v1:")} {
		if h := run.Haves[i]; !h.Meta.Applied.Equal(applied) || (h.Gen == 0) != h.Meta.Lost {
			t.Errorf("%s: generation %d, applied %q", h.Key, h.Gen, h.Meta.Applied)
		}
	}
}

// The labels of a volume tell what it was made with. What the engine lets change may have been applied later: what the
// revision in force asks for, if the swarm shows it, or what is on record. Until that is seen, git's change is git's.
func TestWhatWasAppliedToWhatKeepsItsLabels(t *testing.T) {
	of := func(scope, availability string) []diff.Leaf {
		leaves := []diff.Leaf{
			{Path: "spec.accessMode.scope", Type: "spec.accessMode.scope", Text: scope, Stated: true},
			{Path: "spec.availability", Type: "spec.availability", Text: availability, Stated: availability != ""},
		}
		if availability == "" {
			leaves[1].Text = "active"
		}
		return leaves
	}
	label, drain, none := diff.NewApplied(of("single", "pause")), diff.NewApplied(of("single", "drain")), diff.NewApplied(of("single", ""))
	for _, test := range []struct {
		name   string
		live   string // its availability
		record diff.Applied
		before []diff.Leaf // what the revision in force asks for
		next   []diff.Leaf // what this revision asks for; nil means the same
		want   diff.Applied
		kept   diff.Applied // zero if nothing has to be on record
	}{
		{"as it was made", "pause", diff.Applied{}, of("single", "pause"), nil, label, diff.Applied{}},
		{"drained by git since", "drain", diff.Applied{}, of("multi", "drain"), nil, drain, drain},
		{"git asks for it, and it was not written", "pause", diff.Applied{}, of("single", "drain"), nil, label, diff.Applied{}},
		{"the next revision asks for it", "pause", diff.Applied{}, of("single", "pause"), of("single", "drain"), label, diff.Applied{}},
		{"the next revision asks for what is there already", "drain", diff.Applied{}, of("single", "pause"), of("single", "drain"), label, drain},
		{"no longer stated", "active", diff.Applied{}, of("single", ""), nil, none, none},
		{"on record, and a hand has changed it", "active", drain, of("single", "drain"), nil, drain, drain},
		{"on record, and git has changed it since", "drain", drain, of("single", "pause"), nil, drain, drain},
		{"on record, and the next change was seen", "pause", drain, of("single", "pause"), nil, label, label},
		{"a want that nobody knows", "drain", diff.Applied{}, nil, of("single", "active"), label, diff.Applied{}},
		{"a want that nobody knows, with a record", "active", drain, nil, of("single", "pause"), drain, drain},
	} {
		key := v1.Key{Kind: v1.KindVolume, Name: "data"}
		l := &kinds.Live{Kind: v1.KindVolume, ID: "1", Name: "data"}
		memory := state.Memory{Made: map[string]v1.Key{"1": key}, Traces: state.Traces{Applied: map[string]string{"forgotten": "v1:"}}}
		if !test.record.Zero() {
			memory.Applied["1"] = test.record.String()
		}
		run := about(kinds.NewIndex(map[string][]*kinds.Live{v1.KindVolume: {l}}, func(*kinds.Live) []kinds.Ref { return nil }), memory)
		run.Haves = []*diff.State{
			{Key: key, Gen: 1, Leaves: of("single", test.live), Meta: diff.Meta{ID: "1", Mine: true, Applied: label}},
			{Key: key, Gen: 1, Leaves: of("single", test.live), Meta: diff.Meta{ID: "theirs", Applied: label}},
		}
		d := New(Policy{})
		d.findLost(run, func(v1.Key) (*diff.State, bool) {
			if test.before == nil {
				return nil, false
			}
			return &diff.State{Key: key, Leaves: test.before}, false
		})
		if h := run.Haves[0]; !h.Meta.Applied.Equal(test.want) || h.Gen != 0 {
			t.Errorf("%s: generation %d, applied %q, want %q", test.name, h.Gen, h.Meta.Applied, test.want)
		}
		if h := run.Haves[1]; !h.Meta.Applied.Equal(label) || h.Gen == 0 {
			t.Errorf("%s: of somebody else's %q was applied", test.name, h.Meta.Applied)
		}
		if test.next == nil {
			test.next = test.before
		}
		run.Wanted[key] = &diff.State{Key: key, Leaves: test.next}
		want := map[string]string{"1": test.kept.String()}
		if test.kept.Zero() {
			want = nil
		}
		if d := cmp.Diff(want, d.applied(run)); d != "" {
			t.Errorf("%s: on record (-want +got):\n%s", test.name, d)
		}
	}
}

// While volumes cannot be listed, nobody knows which ids belong to one. So what was last applied stays on record, also to a
// volume whose own record went when it was external for a while. It goes when volumes are listed and the volume is not the
// source's, and with the record of an object of another kind.
func TestWhatWasAppliedStaysWhileNobodyCanSeeIt(t *testing.T) {
	data, web := v1.Key{Kind: v1.KindVolume, Name: "data"}, svc("web")
	for name, test := range map[string]struct {
		was, is  map[string]v1.Key // on record before the run, and after it
		there    string            // the kind of the object that the run has found, or ""
		unlisted bool
		stays    bool
	}{
		"a volume on record":                    {was: map[string]v1.Key{"1": data}, is: map[string]v1.Key{"1": data}, unlisted: true, stays: true},
		"only its labels say whose it is":       {unlisted: true, stays: true},
		"that, and volumes are listed":          {there: v1.KindVolume},
		"that, and it has gone":                 {},
		"a service without a record":            {there: v1.KindService, unlisted: true},
		"a service whose record this run drops": {was: map[string]v1.Key{"1": web}, unlisted: true},
		"a service on record that is not there": {was: map[string]v1.Key{"1": web}, is: map[string]v1.Key{"1": web}, unlisted: true, stays: true},
	} {
		t.Run(name, func(t *testing.T) {
			text := diff.NewApplied(nil).String()
			lists := map[string][]*kinds.Live{}
			if test.there != "" {
				lists[test.there] = []*kinds.Live{{Kind: test.there, ID: "1", Name: "x"}}
			}
			run := about(kinds.NewIndex(lists, func(*kinds.Live) []kinds.Ref { return nil }), state.Memory{Made: test.is, Traces: state.Traces{Applied: map[string]string{"1": text}}})
			run.Found.Memory.Made = test.was
			if test.unlisted {
				run.Unlisted = map[string]error{v1.KindVolume: errors.New("denied")}
			}
			if got := New(Policy{}).applied(run)["1"]; (got == text) != test.stays {
				t.Errorf("on record is %q", got)
			}
		})
	}
}

func TestRecordsGoWithWhatIsWrittenAnyway(t *testing.T) {
	have := func(id, name string, meta diff.Meta) *diff.State {
		meta.ID, meta.Mine = id, true
		l := there(id, name)
		if meta.Lost || meta.Title == diff.TitleAdopted && meta.Owner == "none" {
			l.Labels, meta.Owner = nil, ""
		}
		return &diff.State{Key: svc(name), Instance: name, Meta: meta, Value: l}
	}
	replace := plan.Step{Op: diff.Replace, Key: svc("web"), Change: diff.Change{Have: &diff.State{Meta: diff.Meta{ID: "1"}}}}
	for _, test := range []struct {
		name    string
		made    []string // ids of services of the same name
		adopted []string
		haves   []*diff.State
		steps   []plan.Step
		was     []string // about to be replaced in the run before
		gone    bool     // what does not exist was removed by hand
		held    bool     // a problem holds the manifest of what is on record
		unseen  bool     // the objects could not be listed
		other   bool     // something else is to be written
		removed bool     // this process has removed what is on record
		lapsed  time.Duration
		want    string
	}{
		{name: "nothing else is written", haves: []*diff.State{have("1", "web", diff.Meta{})}, want: ""},
		{name: "made since", haves: []*diff.State{have("1", "web", diff.Meta{})}, other: true, want: "made 1"},
		{name: "known, and made since", made: []string{"1"}, haves: []*diff.State{have("1", "1", diff.Meta{}), have("2", "web", diff.Meta{})}, other: true, want: "made 1 2"},
		{name: "a copy", haves: []*diff.State{have("1", "web", diff.Meta{Title: diff.TitleCopied})}, other: true, want: "made"},
		{name: "not there, and nobody wants it", made: []string{"1"}, other: true, want: "made 1"},
		{name: "not there for long, and nobody wants it", made: []string{"1"}, lapsed: lapse + time.Hour, other: true, want: "made"},
		{name: "not there for a while, and nobody wants it", made: []string{"1"}, lapsed: lapse - time.Hour, other: true, want: "made 1"},
		{name: "not there for long, and held", made: []string{"1"}, lapsed: lapse + time.Hour, held: true, other: true, want: "made 1"},
		{name: "removed by ourselves, and held", made: []string{"1"}, removed: true, held: true, other: true, want: "made"},
		{name: "removed by ourselves", made: []string{"1"}, removed: true, other: true, want: "made"},
		{name: "removed by ourselves to make room", made: []string{"1"}, removed: true, gone: true, other: true, want: "made"},
		{name: "removed by hand", made: []string{"1"}, gone: true, other: true, want: "made 1"},
		{name: "without labels", made: []string{"1"}, haves: []*diff.State{have("1", "1", diff.Meta{Lost: true})}, other: true, want: "made 1"},
		{name: "adopted", adopted: []string{"1"}, haves: []*diff.State{have("1", "1", diff.Meta{Title: diff.TitleAdopted, Owner: "none"})}, other: true, want: "made adopted 1"},
		{name: "adopted and written", adopted: []string{"1"}, haves: []*diff.State{have("1", "1", diff.Meta{Title: diff.TitleAdopted})}, other: true, want: "made adopted 1 written"},
		{name: "about to be replaced, and nothing else is written", made: []string{"1", "2"}, haves: []*diff.State{have("1", "1", diff.Meta{}), have("2", "2", diff.Meta{})}, steps: []plan.Step{replace}, want: "made 1 2 replacing 1"},
		{name: "adopted, and about to be replaced", adopted: []string{"1"}, haves: []*diff.State{have("1", "1", diff.Meta{Title: diff.TitleAdopted})}, steps: []plan.Step{replace}, want: "made adopted 1 written replacing 1"},
		{name: "replaced, and something else is written", made: []string{"1"}, was: []string{"1"}, haves: []*diff.State{have("2", "web", diff.Meta{})}, other: true, want: "made 2"},
		{name: "about to be removed, and nobody can see whether it went", made: []string{"1"}, was: []string{"1"}, unseen: true, other: true, want: "made 1 replacing 1"},
		{name: "adopted, and nobody can see whether it went", adopted: []string{"1"}, was: []string{"1"}, unseen: true, other: true, want: "made adopted 1 replacing 1"},
		{name: "removed by ourselves, and nobody can see it", made: []string{"1"}, removed: true, unseen: true, other: true, want: "made 1"},
		{name: "not there for long, and nobody can see it", made: []string{"1"}, lapsed: lapse + time.Hour, unseen: true, other: true, want: "made 1"},
		{name: "another is about to be replaced meanwhile", made: []string{"1", "2"}, was: []string{"2"}, steps: []plan.Step{replace}, unseen: true, want: "made 1 2 replacing 1 replacing 2"},
		{name: "what nobody can see, and nothing else is written", made: []string{"1"}, was: []string{"1"}, unseen: true, want: ""},
		{name: "replaced, and nothing else is written", made: []string{"1"}, was: []string{"1"}, haves: []*diff.State{have("2", "web", diff.Meta{})}, want: ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			memory := state.Memory{Nonce: "old", Replacing: test.was, Made: map[string]v1.Key{}, Adopted: map[string]state.Adopted{}}
			for _, id := range test.made {
				memory.Made[id] = svc(id)
			}
			for _, id := range test.adopted {
				memory.Adopted[id] = state.Adopted{Key: svc(id)}
			}
			now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
			removed := map[string]bool{}
			for _, id := range test.made {
				removed[id] = test.removed
				if test.lapsed > 0 {
					memory.Lapsed = map[string]time.Time{id: now.Add(-test.lapsed)}
				}
			}
			before := fmt.Sprint(memory.Made, memory.Adopted)
			var lives []*kinds.Live
			for _, h := range test.haves {
				lives = append(lives, h.Value.(*kinds.Live))
			}
			run := about(indexOf(lives...), memory)
			for _, id := range test.made {
				if test.held {
					run.hold(map[v1.Key]string{svc(id): "why"})
				}
				if test.gone {
					run.Wanted[svc(id)] = &diff.State{Key: svc(id), Gone: &diff.Gone{}}
				}
			}
			run.Plan.Steps, run.Facts.Now = test.steps, now
			run.Found = foundAs(t, memory)
			if test.unseen {
				run.Unlisted = map[string]error{v1.KindService: errors.New("denied")}
			}
			if test.other {
				run.Memory.Owned++
			}
			run.Haves = test.haves
			record(run, removed)
			var got []string
			if differs := run.differs(); differs {
				got = append([]string{"made"}, slices.Sorted(maps.Keys(run.Memory.Made))...)
				for _, id := range slices.Sorted(maps.Keys(run.Memory.Adopted)) {
					got = append(got, "adopted", id)
					if run.Memory.Adopted[id].Written {
						got = append(got, "written")
					}
				}
				for _, id := range run.Memory.Replacing {
					got = append(got, "replacing", id)
				}
				if run.Memory.Nonce == "old" || run.Memory.Nonce == "" {
					t.Errorf("the nonce is still %q: a copy would count as made", run.Memory.Nonce)
				}
			}
			if text := strings.Join(got, " "); text != test.want {
				t.Errorf("written is %q, want %q", text, test.want)
			}
			if now := fmt.Sprint(memory.Made, memory.Adopted); now != before {
				t.Errorf("what was found was changed: %s became %s", before, now)
			}
		})
	}
}

// The nonce of the memory tells what the source made under it, until that is on record. It stays for as long as something may
// be there that nobody can see, and no longer: a copy of its labels would count as made.
func TestTheNonceStaysForWhatNobodyHasSeenYet(t *testing.T) {
	data := v1.Key{Kind: v1.KindVolume, Name: "data"}
	states := func(external bool) []kinds.Entry {
		o := &v1.Volume{Header: v1.Header{Kind: v1.KindVolume, Metadata: v1.Metadata{Name: "data"}}}
		o.Spec.External = external
		return []kinds.Entry{{Object: o}}
	}
	for name, test := range map[string]struct {
		entries  []kinds.Entry
		made     map[string]v1.Key
		adopted  map[string]state.Adopted
		unlisted bool
		first    bool // there is no memory yet
		stays    bool
	}{
		"volumes are listed":           {entries: states(false)},
		"nobody can see whether it is": {entries: states(false), unlisted: true, stays: true},
		"it is on record":              {entries: states(false), made: map[string]v1.Key{"1": data}, unlisted: true},
		"it was adopted":               {entries: states(false), adopted: map[string]state.Adopted{"1": {Key: data}}, unlisted: true},
		"it is others'":                {entries: states(true), unlisted: true},
		"it states none":               {unlisted: true},
		"nothing was made before":      {entries: states(false), unlisted: true, first: true},
	} {
		run := about(indexOf(), state.Memory{Nonce: "old", Made: test.made, Adopted: test.adopted})
		if run.Found = foundAs(t, run.Memory); test.first {
			run.Found = state.Found{}
			run.Memory.Nonce = ""
		}
		if run.Entries = test.entries; test.unlisted {
			run.Unlisted = map[string]error{v1.KindVolume: errors.New("denied")}
		}
		run.Memory.Owned++
		if record(run, nil); (run.Memory.Nonce == "old") != test.stays || run.Memory.Nonce == "" {
			t.Errorf("%s: the nonce is %q", name, run.Memory.Nonce)
		}
	}
}

// foundAs returns a memory as it is read back.
func foundAs(t *testing.T, m state.Memory) state.Found {
	t.Helper()
	now, err := state.New("src") // in today's format
	if err != nil {
		t.Fatal(err)
	}
	m.Format, m.Source = now.Format, now.Source
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	found, err := state.NewStore("src", nil).Find([]*swarm.Config{{ID: "memory", Spec: swarm.ConfigSpec{
		Annotations: swarm.Annotations{Name: "swarm-operator.src.1", Labels: map[string]string{v1.LabelState: "src"}}, Data: data,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// What a manifest was to take over is others' again once no manifest asks for that, unless something shows that it was done:
// the object's labels, the record of a write or, of a volume, that it was seen to be as the manifest said. Nothing is
// forgotten of what nobody can see or read.
func TestWhatIsNotTakenOverAfterAllIsOthers(t *testing.T) {
	web, data := svc("web"), v1.Key{Kind: v1.KindVolume, Name: "data"}
	seen := state.Traces{Applied: map[string]string{"1": diff.NewApplied(nil).String()}}
	entry := func(adopt string) []kinds.Entry {
		o := &v1.Volume{Header: v1.Header{Kind: v1.KindVolume, Metadata: v1.Metadata{Name: "data"}}}
		o.Policy.Adopt = adopt
		return []kinds.Entry{{Object: o}}
	}
	labelled := map[string]string{v1.LabelOwner: "src/Service/web"}
	for name, test := range map[string]struct {
		record   state.Adopted
		traces   state.Traces
		gone     bool // somebody has removed it
		labels   map[string]string
		entries  []kinds.Entry
		withheld bool
		unlisted bool
		stays    bool
	}{
		"adopted":                                {record: state.Adopted{Key: web}, stays: true},
		"nothing was written":                    {record: state.Adopted{Key: web, Taken: true}},
		"nothing was written, and it is gone":    {record: state.Adopted{Key: web, Taken: true}, gone: true},
		"its labels tell":                        {record: state.Adopted{Key: web, Taken: true}, labels: labelled, stays: true},
		"the record tells":                       {record: state.Adopted{Key: web, Taken: true, Written: true}, stays: true},
		"its manifest cannot be read":            {record: state.Adopted{Key: web, Taken: true}, withheld: true, stays: true},
		"data":                                   {record: state.Adopted{Key: data, Taken: true}},
		"data, and only its manifest has stayed": {record: state.Adopted{Key: data, Taken: true}, entries: entry(v1.AdoptIfIdentical)},
		"data that is still to be taken over":    {record: state.Adopted{Key: data, Taken: true}, entries: entry(v1.AdoptTakeover), stays: true},
		"data that was seen as it is to be":      {record: state.Adopted{Key: data, Taken: true}, traces: seen, stays: true},
		"data that was seen so, and is gone":     {record: state.Adopted{Key: data, Taken: true}, traces: seen, gone: true, entries: entry(v1.AdoptIfIdentical), stays: true},
		"data that nobody can see":               {record: state.Adopted{Key: data, Taken: true}, gone: true, unlisted: true, stays: true},
	} {
		t.Run(name, func(t *testing.T) {
			key, lists := test.record.Key, map[string][]*kinds.Live{}
			if !test.gone {
				lists[key.Kind] = []*kinds.Live{{Kind: key.Kind, ID: "1", Name: key.Name, Labels: test.labels}}
			}
			run := about(kinds.NewIndex(lists, func(*kinds.Live) []kinds.Ref { return nil }), state.Memory{Adopted: map[string]state.Adopted{"1": test.record}, Traces: test.traces})
			if run.Entries = test.entries; test.withheld {
				run.Withheld = map[v1.Key]string{key: "why"}
			}
			if test.unlisted {
				run.Unlisted = map[string]error{key.Kind: errors.New("denied")}
			}
			New(Policy{}).handsOff(run)
			if _, stays := run.Memory.Adopted["1"]; stays != test.stays {
				t.Errorf("it is on record: %t, want %t", stays, test.stays)
			}
		})
	}
}

// Steps that are about no manifest, such as a change of a node's role, take nothing over. Neither does a step on an
// object that the source has, or of which it states only some fields.
func TestWhatATakeOverIs(t *testing.T) {
	want := asks("web", "a")
	partial := diff.State{Key: v1.Key{Kind: v1.KindNode, Name: "n"}, Partial: true}
	for name, test := range map[string]struct {
		step plan.Step
		want map[string]state.Adopted
	}{
		"a take-over":     {plan.Step{Op: diff.Update, Key: want.Key, Change: diff.Change{Want: want, Have: &diff.State{Meta: diff.Meta{ID: "1"}}}}, map[string]state.Adopted{"1": {Key: want.Key, Taken: true}}},
		"its own":         {step: plan.Step{Op: diff.Update, Key: want.Key, Change: diff.Change{Want: want, Have: &diff.State{Meta: diff.Meta{ID: "1", Mine: true}}}}},
		"a role":          {step: plan.Step{Op: diff.Update, Key: partial.Key, Change: diff.Change{Have: &diff.State{Meta: diff.Meta{ID: "1"}}}}},
		"a partial kind":  {step: plan.Step{Op: diff.Update, Key: partial.Key, Change: diff.Change{Want: &partial, Have: &diff.State{Meta: diff.Meta{ID: "1"}}}}},
		"made again":      {step: plan.Step{Op: diff.Replace, Key: want.Key, Change: diff.Change{Want: want, Have: &diff.State{Meta: diff.Meta{ID: "1"}}}}},
		"made":            {step: plan.Step{Op: diff.Create, Key: want.Key, Change: diff.Change{Want: want}}},
		"one that leaves": {step: plan.Step{Op: diff.Remove, Key: want.Key, Change: diff.Change{Have: &diff.State{Meta: diff.Meta{ID: "1"}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			run := about(indexOf(), state.Memory{})
			run.Plan.Steps = []plan.Step{test.step}
			if d := cmp.Diff(test.want, New(Policy{}).adopted(run)); d != "" {
				t.Errorf("on record (-want +got):\n%s", d)
			}
		})
	}
}

// The engine shows nobody what a secret has. So the record of one that is taken over has a digest of what its manifest
// has, which tells whether that changes later.
func TestWhatIsTakenOverIsOnRecordWithItsContent(t *testing.T) {
	key, site := v1.Key{Kind: v1.KindSecret, Name: "key"}, v1.Key{Kind: v1.KindConfig, Name: "site"}
	d := New(Policy{Digests: digests.New([]byte("a key"))})
	secret := &diff.State{Key: key, Instance: "key", Value: &v1.Secret{Spec: v1.SecretSpec{Data: v1.NewContent([]byte("s3cret"))}}}
	config := &diff.State{Key: site, Instance: "site", Value: &v1.Config{Spec: v1.ContentSpec{Data: v1.NewContent([]byte("server {}"))}}}
	label := d.Contents(&Decision{Memory: state.Memory{Salt: []byte("a salt")}}).Of(key.String(), []byte("s3cret"))
	written := plan.Step{Op: diff.Update, Key: key, Change: diff.Change{Want: secret, Have: &diff.State{Meta: diff.Meta{ID: "1"}}}}
	run := about(indexOf(), state.Memory{Salt: []byte("a salt")})
	run.Plan.Steps, run.Plan.Adopted = []plan.Step{written}, []plan.Adoption{{Key: key, ID: "2", Want: secret}, {Key: site, ID: "4", Want: config}, {Key: svc("web"), ID: "3", Want: asks("web", "a")}}
	want := map[string]state.Adopted{
		"1": {Key: key, Taken: true, Content: label},
		"2": {Key: key, Applied: diff.NewApplied(nil).String(), Content: label},
		"4": {Key: site, Applied: diff.NewApplied(nil).String()}, // the engine shows it
		"3": {Key: svc("web"), Applied: diff.NewApplied(asks("web", "a").Leaves).String()},
	}
	if d := cmp.Diff(want, d.adopted(run)); d != "" {
		t.Errorf("on record (-want +got):\n%s", d)
	}
	if strings.Contains(label, "s3cret") {
		t.Errorf("the record shows the secret: %s", label)
	}
}

// Kinds know the records of a source by their pointers: see kinds.Memo.
func TestRecordsStayTheSameMapsWhileTheMemoryDoes(t *testing.T) {
	web, db := v1.Key{Kind: v1.KindService, Name: "web"}, v1.Key{Kind: v1.KindService, Name: "db"}
	memory := state.Memory{Made: map[string]v1.Key{"1": web, "2": db}, Adopted: map[string]state.Adopted{"3": {Key: db}}}
	one, all := memory, memory
	one.GiveUp([]v1.Key{web})
	all.GiveUp(nil)
	back := one
	back.TakeAllBack()
	kept := &ours{}
	find := func(m state.Memory) kinds.Source {
		run := about(nil, m)
		run.ours = kept
		return run.Ours()
	}
	for _, c := range []struct {
		name                   string
		memory                 state.Memory
		made, adopted, givenUp int
	}{
		{"it has all", memory, 2, 1, 0},
		{"one is given up", one, 1, 1, 1},
		{"all is given up", all, 0, 0, 3},
		{"one is given up again", one, 1, 1, 1},
		{"that is taken back", back, 2, 1, 0},
	} {
		first, second := find(c.memory), find(c.memory)
		if !same(first.Made, second.Made) || !same(first.Adopted, second.Adopted) || !same(first.GivenUp, second.GivenUp) {
			t.Errorf("%s: the records are made again", c.name)
		}
		if len(second.Made) != c.made || len(second.Adopted) != c.adopted || len(second.GivenUp) != c.givenUp {
			t.Errorf("%s: it has %v and %v, and gave up %v", c.name, second.Made, second.Adopted, second.GivenUp)
		}
	}
}
