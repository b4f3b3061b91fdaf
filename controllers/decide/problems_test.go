package decide

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

func TestAHeldObjectCountsAsPresent(t *testing.T) {
	run := about(indexOf(there("1", "web"), there("2", "conf-old"), there("3", "other")), state.Memory{})
	have := func(name string, old bool) *diff.State {
		return &diff.State{Key: svc(name), Instance: name, Meta: diff.Meta{Mine: true, OldVersion: old}}
	}
	run.Changes = []diff.Change{
		{Op: diff.Remove, Key: svc("web"), Instance: "web", Have: have("web", false)},
		{Op: diff.Remove, Key: svc("conf"), Instance: "conf-old", Have: have("conf", true)},
		{Op: diff.Remove, Key: svc("other"), Instance: "other", Have: have("other", false)},
	}
	run.hold(map[v1.Key]string{svc("web"): "why", svc("conf"): "why", svc("new"): "why", {Kind: v1.KindNode, Name: "n"}: "why"})
	if len(run.Changes) != 1 || run.Changes[0].Key != svc("other") {
		t.Errorf("what differs is %+v", run.Changes)
	}
	for key, present := range map[v1.Key]bool{svc("web"): true, svc("conf"): false, svc("new"): false, {Kind: v1.KindNode, Name: "n"}: true} {
		if p, held := run.Held[key]; !held || p.Present != present {
			t.Errorf("%s: held %t, present %t", key, held, p.Present)
		}
	}
	for key, want := range map[v1.Key]bool{
		svc("web"): true, svc("other"): false,
		// Manifests about nodes decide together, so these are held as well.
		{Kind: v1.KindCluster, Name: v1.ClusterName}: true, {Kind: v1.KindNode, Name: "m"}: true,
	} {
		if run.IsHeld(key) != want {
			t.Errorf("%s is held %t, want %t", key, !want, want)
		}
	}
}

// What could not be listed is held whoever manages it, because nobody knows what became of it. So no record of it is dropped.
func TestWhatCouldNotBeListedIsHeld(t *testing.T) {
	volume := func(name string) v1.Key { return v1.Key{Kind: v1.KindVolume, Name: name} }
	m := state.Memory{
		Made:     map[string]v1.Key{"1": volume("made"), "2": volume("given up")},
		Adopted:  map[string]state.Adopted{"3": {Key: volume("adopted")}, "4": {Key: volume("adopted and given up")}},
		Released: []v1.Key{volume("given up"), volume("adopted and given up")},
		Keep:     map[v1.Key]string{volume("given up"): "policy.protect: true"},
	}
	for _, listed := range []bool{false, true} {
		run := about(indexOf(), m)
		if !listed {
			run.Unlisted = map[string]error{v1.KindVolume: errors.New("denied")}
		}
		run.holdUnlisted()
		for _, name := range []string{"made", "given up", "adopted", "adopted and given up", "of others"} {
			if run.IsHeld(volume(name)) == listed {
				t.Errorf("listed %t: %s is held: %t", listed, name, !listed)
			}
			if _, in := run.Held[volume(name)]; in != (!listed && (name == "made" || name == "adopted")) {
				t.Errorf("listed %t: %s is in the plan: %t", listed, name, in)
			}
		}
		if run.IsHeld(svc("web")) {
			t.Errorf("listed %t: a service is held", listed)
		}
		want := map[bool]int{false: 2, true: 0}[listed]
		if adopted := New(Policy{}).adopted(run); len(adopted) != want {
			t.Errorf("listed %t: on record are %v", listed, adopted)
		}
		if keep := kept(run); (len(keep) == 1) == listed {
			t.Errorf("listed %t: kept are %v", listed, keep)
		}
	}
}

// Many is a kind of manifests that no object is of.
func TestWhatAHeldManifestMayStandForStays(t *testing.T) {
	many, node := v1.Key{Kind: "Many", Name: "m"}, v1.Key{Kind: v1.KindNodeSet, Name: "n"}
	for _, test := range []struct {
		name string
		held []v1.Key
		// gone are the removals that are left, and kept those of what counts as present now.
		gone, kept []string
	}{
		{name: "no problem", gone: []string{"web", "conf-old"}},
		{name: "a problem of an object", held: []v1.Key{svc("web")}, gone: []string{"conf-old"}, kept: []string{"web"}},
		{name: "a problem of another object", held: []v1.Key{svc("other")}, gone: []string{"web", "conf-old"}},
		{name: "a problem of what is about nodes", held: []v1.Key{node}, gone: []string{"web", "conf-old"}},
		{name: "a problem of what stands for others", held: []v1.Key{many}, gone: []string{"conf-old"}, kept: []string{"web"}},
		{name: "both", held: []v1.Key{many, svc("other")}, gone: []string{"conf-old"}, kept: []string{"web"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			run := about(indexOf(there("1", "web"), there("2", "conf-old"), there("3", "db")), state.Memory{})
			have := func(name string, old bool) *diff.State {
				return &diff.State{Key: svc(name), Instance: name, Meta: diff.Meta{Mine: true, OldVersion: old}}
			}
			changes := []diff.Change{
				{Op: diff.Remove, Key: svc("web"), Instance: "web", Have: have("web", false)},
				{Op: diff.Remove, Key: svc("conf"), Instance: "conf-old", Have: have("conf", true)},
				{Op: diff.Update, Key: svc("db"), Instance: "db", Have: have("db", false), Want: have("db", false)},
				{Op: diff.Create, Key: svc("new"), Instance: "new", Want: have("new", false)},
			}
			run.Changes = changes
			if len(test.held) > 0 {
				run.Withheld = map[v1.Key]string{}
			}
			for _, key := range test.held {
				run.Withheld[key] = "shop.txt:3: it is wrong"
			}
			run.hold(run.Withheld)
			New(Policy{}).holdUnstated(run)
			var gone, other []string
			for _, c := range run.Changes {
				if c.Op == diff.Remove {
					gone = append(gone, c.Instance)
				} else {
					other = append(other, c.Instance)
				}
			}
			if !slices.Equal(gone, test.gone) || !slices.Equal(other, []string{"db", "new"}) {
				t.Errorf("what goes is %v, and what else differs is %v; want %v", gone, other, test.gone)
			}
			for _, name := range test.kept {
				if p := run.Held[svc(name)]; !p.Present || p.Instance != name || !run.IsHeld(svc(name)) || !strings.Contains(p.Why, "shop.txt:3: it is wrong") {
					t.Errorf("%s is not held: %+v", name, p)
				}
			}
			if p, is := run.Held[many]; is && p.Present {
				t.Errorf("%s is no object, and is said to exist", many)
			}
			if len(changes) != 4 || changes[0].Key != svc("web") {
				t.Error("the differences that were found are changed in place")
			}
		})
	}
}

// An object whose last manifest said external: true belongs to somebody else, so it stays when that manifest is gone. That an
// earlier manifest said policy.prune: true does not count any more. If an earlier manifest kept the object, for example by
// policy.protect: true, that remains the reason.
func TestWhatWasExternalLastStays(t *testing.T) {
	const protect, others = "policy.protect: true", "spec.external: true"
	for _, test := range []struct {
		name         string
		before       map[v1.Key]string
		instance     string
		external     bool
		stated, stay bool // stay is true if the record is kept
		want         string
	}{
		{name: "nothing was said", instance: "web"},
		{name: "external", instance: "web", external: true, stay: true, want: others},
		{name: "external, and it could go before", before: map[v1.Key]string{svc("web"): ""}, instance: "web", external: true, stay: true, want: others},
		{name: "external, and protected before", before: map[v1.Key]string{svc("web"): protect}, instance: "web", external: true, stay: true, want: protect},
		{name: "no manifest since", before: map[v1.Key]string{svc("web"): others}, instance: "web", stay: true, want: others},
		{name: "it could go, and no manifest since", before: map[v1.Key]string{svc("web"): ""}, instance: "web", stay: true},
		{name: "a version, and an external one has the bare name", before: map[v1.Key]string{svc("web"): ""}, instance: "web-1", external: true},
		{name: "stated again", before: map[v1.Key]string{svc("web"): others}, instance: "web", stated: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			run := about(indexOf(), state.Memory{Keep: test.before})
			run.Changes = []diff.Change{{Op: diff.Remove, Key: svc("web"), Instance: test.instance}}
			if test.external {
				run.Wants.Missing = map[v1.Key]bool{svc("web"): false}
			}
			if test.stated {
				run.Wanted[svc("web")] = asks("web", "a")
			}
			if got, is := kept(run)[svc("web")]; got != test.want || is != test.stay {
				t.Errorf("it is kept for %q, %t; want %q, %t", got, is, test.want, test.stay)
			}
		})
	}
}

// A manifest that a problem holds may say that its object stays when the manifest is gone, and that counts. If it says that the
// object may go, that does not count; if it does not say so any more, that does. The same holds where objects could not be
// listed.
func TestAHeldManifestMayKeepItsObject(t *testing.T) {
	const protect, prune, others, unknown = "policy.protect: true", "policy.prune: false", "spec.external: true", "nothing was said"
	key := v1.Key{Kind: v1.KindVolume, Name: "data"}
	for _, test := range []struct {
		name         string
		policy       v1.Policy
		external     bool
		instance     string // if it has another name than its manifest
		before, want string
	}{
		{name: "nothing is stated", before: unknown, want: unknown},
		{name: "nothing is stated any more", before: protect, want: protect},
		{name: "protect", policy: v1.Policy{Protect: true}, before: unknown, want: protect},
		{name: "prune", policy: v1.Policy{Prune: new(bool)}, before: unknown, want: prune},
		{name: "it may go, and stayed", policy: v1.Policy{Prune: yes()}, before: protect, want: protect},
		{name: "it may go", policy: v1.Policy{Prune: yes()}, before: unknown, want: unknown},
		{name: "it may still go", policy: v1.Policy{Prune: yes()}},
		{name: "it may not go any more", want: unknown},
		{name: "protect, and it might go", policy: v1.Policy{Protect: true, Prune: yes()}, before: prune, want: protect},
		{name: "protect, and it could go", policy: v1.Policy{Protect: true}, want: protect},
		{name: "external", external: true, before: unknown, want: others},
		{name: "external, and it could go", external: true, want: others},
		{name: "external, and it may go", policy: v1.Policy{Prune: yes()}, external: true, want: others},
		{name: "external, and protected before", external: true, before: protect, want: protect},
		{name: "external and protected", policy: v1.Policy{Protect: true}, external: true, want: protect},
		{name: "external no more", before: others, want: others},
		{name: "a version, and an external one has the bare name", external: true, instance: "data-1", want: unknown},
		{name: "such a version, protected before", external: true, instance: "data-1", before: protect, want: protect},
	} {
		for _, unlisted := range []bool{false, true} {
			if unlisted && test.instance != "" { // volumes have no versions
				continue
			}
			t.Run(fmt.Sprintf("%s, unlisted %t", test.name, unlisted), func(t *testing.T) {
				run := about(indexOf(), state.Memory{Made: map[string]v1.Key{"1": key}})
				if test.before != unknown {
					run.Memory.Keep = map[v1.Key]string{key: test.before}
				}
				o := &v1.Volume{Header: v1.Header{Kind: key.Kind, Metadata: v1.Metadata{Name: key.Name}, Policy: test.policy}, Spec: v1.VolumeSpec{External: test.external}}
				if unlisted {
					run.Entries, run.Unlisted = []kinds.Entry{{Object: o}}, map[string]error{v1.KindVolume: errors.New("denied")}
					run.holdUnlisted()
				} else {
					if why, stays := StaysBy(o); stays {
						run.Stays = map[v1.Key]string{key: why}
					}
					run.Changes = []diff.Change{{Op: diff.Remove, Key: key, Instance: cmp.Or(test.instance, key.Name), Have: &diff.State{Key: key}}}
					run.hold(map[v1.Key]string{key: "why"})
				}
				got, known := kept(run)[key]
				if !known {
					got = unknown
				}
				if got != test.want {
					t.Errorf("it is kept for %q, want %q", got, test.want)
				}
			})
		}
	}
}

func yes() *bool {
	is := true
	return &is
}

// While a problem holds an object, no record of it is dropped. The manifest will be mended, and may then be what it
// was before.
func TestNothingIsForgottenOfAHeldObject(t *testing.T) {
	node := v1.Key{Kind: v1.KindNode, Name: "n"}
	gone, other := svc("web"), svc("other")
	m := state.Memory{
		Adopted:   map[string]state.Adopted{"1": {Key: gone}, "2": {Key: other}},
		Partial:   []v1.Key{node},
		Keep:      map[v1.Key]string{gone: "policy.protect: true", other: "policy.protect: true"},
		Released:  []v1.Key{gone, other},
		Failed:    []plan.Failure{{Key: gone, Digest: "d", Why: "why"}, {Key: other, Digest: "d", Why: "why"}},
		Unstated:  map[string]state.Settings{"1": {Key: gone}, "2": {Key: other}},
		Removed:   map[string]state.Frozen{"1": {Key: gone, Instance: "web"}, "2": {Key: other, Instance: "other"}},
		Delivered: map[string]string{"worker-token to x": "d"},
	}
	for _, held := range []bool{true, false} {
		run := about(indexOf(), m)
		if held {
			run.hold(map[v1.Key]string{gone: "why", node: "why"})
		}
		r := New(Policy{})
		want := map[bool]int{true: 1, false: 0}[held]
		for what, n := range map[string]int{
			"adopted":  len(r.adopted(run)),
			"partial":  len(partial(run)),
			"keep":     len(kept(run)),
			"released": len(stillReleased(run)),
			"failed":   len(failures(m.Failed, nil, run.Wanted, plan.Facts{Problems: run.Held})),
			"settings": len(settings(run)),
			"removed":  len(run.stillRemoved()),
		} {
			if n != want {
				t.Errorf("held %t: %s has %d, want %d", held, what, n, want)
			}
		}
		if r.noteDelivered(run); (len(run.Memory.Delivered) == 1) != held {
			t.Errorf("held %t: delivered is %v", held, run.Memory.Delivered)
		}
	}
}

// While a manifest is held that stands for objects of other kinds, nothing is forgotten of what no manifest states,
// whether or not it exists.
func TestNothingIsForgottenOfWhatAHeldManifestMayStandFor(t *testing.T) {
	gone, stated := svc("web"), svc("stated")
	m := state.Memory{
		Adopted:  map[string]state.Adopted{"1": {Key: gone}, "2": {Key: stated}, "3": {Key: gone, Taken: true}},
		Keep:     map[v1.Key]string{gone: "policy.protect: true"},
		Released: []v1.Key{gone},
		Unstated: map[string]state.Settings{"1": {Key: gone}},
		Removed:  map[string]state.Frozen{"1": {Key: gone, Instance: "web"}},
	}
	for _, held := range []bool{true, false} {
		run, d := about(indexOf(), m), New(Policy{})
		run.Wanted = map[v1.Key]*diff.State{stated: {Key: stated}}
		before := Before{}
		if held {
			run.Withheld = map[v1.Key]string{{Kind: "Many", Name: "m"}: "why"}
			before.Withheld = run.Withheld
		}
		d.handsOff(run)
		if _, is := run.Memory.Adopted["3"]; is != held {
			t.Errorf("held %t: what was to be taken over is on record: %t", held, is)
		}
		run.hold(run.Withheld)
		d.holdUnstated(run)
		if run.IsHeld(gone) != held || run.IsHeld(stated) {
			t.Errorf("held %t: held are %t and %t", held, run.IsHeld(gone), run.IsHeld(stated))
		}
		if _, was := before.index(d)(gone); was != held {
			t.Errorf("held %t: it was held before: %t", held, was)
		}
		want := map[bool]int{true: 1, false: 0}[held]
		for what, n := range map[string]int{
			"keep":     len(kept(run)),
			"released": len(stillReleased(run)),
			"settings": len(settings(run)),
			"removed":  len(run.stillRemoved()),
		} {
			if n != want {
				t.Errorf("held %t: %s has %d, want %d", held, what, n, want)
			}
		}
	}
}

// What counts is the object itself. That one of its old versions stays, or goes, says nothing about it.
func TestWhatLeavesIsTheObjectAndNotAnOldVersion(t *testing.T) {
	gone := func(name, instance string, old bool) diff.Change {
		return diff.Change{Op: diff.Remove, Key: svc(name), Instance: instance, Have: &diff.State{Key: svc(name), Instance: instance, Meta: diff.Meta{OldVersion: old}}}
	}
	kept := func(name, instance string) plan.Target { return plan.Target{Key: svc(name), Instance: instance} }
	quiet := func(class plan.Class, name, instance string) plan.Refusal {
		return plan.Refusal{Op: diff.Remove, Key: svc(name), Instance: instance, Class: class, Quiet: true}
	}
	run := about(indexOf(), state.Memory{})
	for _, name := range []string{"goes", "used", "refused", "waits", "used before", "refused before"} {
		run.Changes = append(run.Changes, gone(name, name+"-new", false), gone(name, name+"-old", true))
	}
	run.Plan.Kept = []plan.Target{kept("used", "used-new"), kept("used before", "used before-old")}
	run.Plan.Refused = []plan.Refusal{
		quiet(plan.Never, "refused", "refused-new"), quiet(plan.Later, "waits", "waits-new"), quiet(plan.Never, "refused before", "refused before-old"),
	}
	if got, want := leaving(run), []v1.Key{svc("goes"), svc("refused before"), svc("used before"), svc("waits")}; !slices.Equal(got, want) {
		t.Errorf("these leave: %v, want %v", got, want)
	}
}

// A run has to be repeated if it lacks what it has asked for. That volumes could not be listed concerns a source only if it
// states some or has some on record, and says nothing of the engine otherwise.
func TestARunThatLacksSomethingIsRepeated(t *testing.T) {
	denied, away := errors.New("denied"), errors.New("away")
	volume := v1.Key{Kind: v1.KindVolume, Name: "data"}
	states := []kinds.Entry{{Object: &v1.Volume{Header: v1.Header{Kind: v1.KindVolume, Metadata: v1.Metadata{Name: "data"}}}}}
	has := state.Memory{Made: map[string]v1.Key{"1": volume}}
	adopted := state.Memory{Adopted: map[string]state.Adopted{"1": {Key: volume}}}
	gaveUp := state.Memory{Made: has.Made, Released: []v1.Key{volume}}
	for name, test := range map[string]struct {
		entries  []kinds.Entry
		memory   state.Memory
		unread   error
		unlisted error
		want     error
	}{
		"nothing is missing":                          {states, has, nil, nil, nil},
		"tasks":                                       {states, has, away, nil, away},
		"volumes that it states":                      {states, state.Memory{}, nil, denied, denied},
		"volumes that it has":                         {nil, has, nil, denied, denied},
		"volumes that it adopted":                     {nil, adopted, nil, denied, denied},
		"volumes that it gave up":                     {nil, gaveUp, nil, denied, denied},
		"tasks, and volumes":                          {states, has, away, denied, away},
		"volumes, and it has nothing to do with them": {nil, state.Memory{Made: map[string]v1.Key{"1": svc("web")}}, nil, denied, nil},
		"tasks, and volumes of others":                {nil, state.Memory{}, away, denied, away},
	} {
		run := about(indexOf(), test.memory)
		run.Entries, run.Unread = test.entries, test.unread
		if test.unlisted != nil {
			run.Unlisted = map[string]error{v1.KindVolume: test.unlisted}
		}
		run.holdUnlisted()
		if got := run.Incomplete(); !errors.Is(got, test.want) {
			t.Errorf("%s: it is repeated because of %v, want %v", name, got, test.want)
		}
		if !errors.Is(run.Unread, test.unread) {
			t.Errorf("%s: it counts as unread: %v", name, run.Unread)
		}
	}
}

// The operator lists cluster volumes before it removes a secret, and as long as a volume is what keeps one. If the list fails, the
// operator looks again: every minute while a secret stays whose manifest is gone, and every five minutes while only an old
// version stays. Nothing else waits for the list, and the run counts as complete, because a filter may deny the list for good.
func TestVolumesAreAskedForWhereTheyDecideAboutASecret(t *testing.T) {
	secret, config := v1.Key{Kind: v1.KindSecret, Name: "key"}, v1.Key{Kind: v1.KindConfig, Name: "conf"}
	volume := v1.Key{Kind: v1.KindVolume, Name: "data"}
	denied := errors.New("denied")
	for _, test := range []struct {
		name     string
		key      v1.Key
		current  bool // it is no old version
		users    []v1.Key
		unlisted error
		goes     bool
		asks     bool
		unsure   bool // Unsure returns the error of the list
		back     time.Duration
	}{
		{name: "an old version goes", key: secret, goes: true, asks: true},
		{name: "a secret goes", key: secret, current: true, goes: true, asks: true},
		{name: "a config goes", key: config, goes: true},
		{name: "a service keeps a secret", key: secret, users: []v1.Key{svc("web")}},
		{name: "a volume keeps a secret", key: secret, users: []v1.Key{svc("web"), volume}, asks: true},
		{name: "volumes are not known, and an old version stays", key: secret, unlisted: denied, asks: true, back: relist},
		{name: "volumes are not known, and a secret stays", key: secret, current: true, unlisted: denied, asks: true, unsure: true, back: relistGone},
		{name: "volumes are not known, and a service keeps it", key: secret, users: []v1.Key{svc("web")}, unlisted: denied},
		{name: "volumes are not known, and a config goes", key: config, unlisted: denied, goes: true},
	} {
		run := about(indexOf(), state.Memory{})
		run.Wanted[svc("web")] = &diff.State{Key: svc("web")}
		if test.unlisted != nil {
			run.Unlisted = map[string]error{v1.KindVolume: test.unlisted}
		}
		run.Changes = []diff.Change{{Op: diff.Remove, Key: test.key, Instance: "old", Have: &diff.State{Key: test.key, Instance: "old", Meta: diff.Meta{Mine: true, OldVersion: !test.current, UsedBy: test.users}}}}
		run.holdUnlisted()
		if len(run.Changes) != 1 || run.Unread != nil || len(run.Held) > 0 {
			t.Errorf("%s: a source without volumes holds %v, %v, and %+v is left", test.name, run.Held, run.Unread, run.Changes)
		}
		facts := plan.Facts{Shares: true, Owned: 100, Unseen: run.unseen()}
		run.Plan = plan.Build(run.Changes, facts, plan.Policy{Source: "src", Budgets: plan.DefaultBudgets()})
		if got := len(run.Plan.Steps) > 0; got != test.goes {
			t.Errorf("%s: it goes: %t, %+v", test.name, got, run.Plan.Refused)
		}
		if got := run.AsksUsers(); got != test.asks {
			t.Errorf("%s: asks %t", test.name, got)
		}
		if got := errors.Is(run.Unsure(), denied); got != test.unsure || run.Unread != nil {
			t.Errorf("%s: the plan waits for %v, and the run is repeated because of %v", test.name, run.Unsure(), run.Unread)
		}
		if got := New(Policy{}).ComeBack(run); got != test.back {
			t.Errorf("%s: comes back in %s", test.name, got)
		}
		run.Plan.Refused = append(run.Plan.Refused, plan.Refusal{Op: diff.Update, Key: svc("web"), Class: plan.Later})
		if err := run.Unsure(); err != nil {
			t.Errorf("%s: a service is to change as well, and the plan waits for nothing but %v", test.name, err)
		}
	}
}
