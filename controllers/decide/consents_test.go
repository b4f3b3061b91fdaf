package decide

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

func agreed(cs plan.Consents) string {
	var out []string
	for _, c := range cs {
		text := string(c.Hazard)
		for _, k := range c.Objects {
			text += " " + k.String()
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

// What counts in a message depends on where its commit stands and on where the line stands.
func TestWhereAConsentCounts(t *testing.T) {
	const (
		squash = ": it stands below a squash's list of commits, where anybody's commit may have brought it; write it above that list"
		merge  = ": the commit came with a merge, so that anybody may have written it; write it into the message of the merge, or of a commit after it"
		again  = " again: the commit was in force before; write it into a new commit"
	)
	byCommand := func(h string) string {
		return h + " does not count, because a commit cannot agree to it; to agree, run: swarm-operator approve " + h + " --revision newest --reason TEXT"
	}
	for _, c := range []struct {
		name, message  string
		merged, passed bool
		want           string
		inVain         []string
		wrong          []string // the beginnings
	}{
		{name: "a trailer", message: "Drop it\n\nConsent: removals\n", want: "removals"},
		{name: "above what GitHub adds", message: "Drop it (#12)\n\nConsent: removals Service/a, replace\n\nCo-authored-by: Ada <ada@example.org>\n", want: "removals Service/a, replace"},
		{name: "above what GitLab adds", message: "Merge branch 'x' into 'main'\n\nDrop it\n\nConsent: removals\n\nSee merge request shop!12\n", want: "removals"},
		{name: "several", message: "Drop it\n\nConsent: removals\nConsent: restarts\n", want: "removals, restarts"},
		{name: "nothing", message: "Drop it\n"},
		{name: "in a revert", message: "Revert \"Drop it\"\n\nThis reverts commit 0123456.\n"},
		{name: "quoted by a revert", message: "Revert \"Drop it\"\n\nThis reverts commit 0123456, which said\n\n    Consent: removals\n"},
		{name: "in the subject", message: "Consent: removals\n"},

		{name: "in a branch", merged: true, message: "Drop it\n\nConsent: removals\n", inVain: []string{"removals does not count" + merge}},
		{name: "in a branch, of what needs a command", merged: true, message: "Drop it\n\nConsent: rewind\n", inVain: []string{"rewind does not count" + merge}},
		{name: "in a branch, misspelt", merged: true, message: "Drop it\n\nConsent: removal\n", inVain: []string{"removal does not count" + merge}},
		{name: "in a branch's squash", merged: true, message: "Two\n\n* one\nConsent: removals\n", inVain: []string{"removals does not count" + squash}},

		{name: "below a list", message: "Two (#12)\n\n* one\n\nConsent: removals\n", inVain: []string{"removals does not count" + squash}},
		{name: "above and below a list", message: "Two (#12)\n\nConsent: replace\n\n* one\n\nConsent: removals\n\n* two\n", want: "replace", inVain: []string{"removals does not count" + squash}},
		{name: "below a list, of what needs a command", message: "Two (#12)\n\n* one\n\nConsent: other-source\n", inVain: []string{"other-source does not count" + squash}},

		{name: "of what needs a command", message: "Drop it\n\nConsent: rewind\n", inVain: []string{byCommand("rewind")}},
		{name: "beside what needs none", message: "Drop it\n\nConsent: removals, other-source, replace\n", want: "removals, replace", inVain: []string{byCommand("other-source")}},
		{name: "of all that need a command", message: "Drop it\n\nConsent: single-manager, force-node-removal Node/a\nConsent: drops-settings\n", inVain: []string{byCommand("single-manager"), byCommand("force-node-removal"), byCommand("drops-settings")}},

		{name: "in force before", passed: true, message: "Drop it\n\nConsent: removals Service/a\n", inVain: []string{"removals Service/a does not count" + again}},
		{name: "in force before, and merged", passed: true, merged: true, message: "Drop it\n\nConsent: removals\n", inVain: []string{"removals does not count" + merge}},
		{name: "in force before, without consent", passed: true, message: "Drop it\n"},

		{name: "misspelt", message: "Drop it\n\nConsent: removal\n", wrong: []string{`"removal" is not a hazard; did you mean removals?`}},
		{name: "empty", message: "Drop it\n\nConsent:\n", wrong: []string{`"" states no hazard`}},
		{name: "misspelt beside a good one", message: "Drop it\n\nConsent: removals\nConsent: everything\n", want: "removals", wrong: []string{`"everything" is not a hazard`}},

		{name: "with escapes", merged: true, message: "Drop it\n\nConsent: removals \x1b[2J\x07\n", inVain: []string{"removals  [2J does not count" + merge}},
		{name: "very long", merged: true, message: "Drop it\n\nConsent: " + strings.Repeat("x", 500) + "\n", inVain: []string{strings.Repeat("x", 72) + "… does not count" + merge}},
	} {
		t.Run(c.name, func(t *testing.T) {
			said, newest := git.Commit{Hash: "abcdefg", Message: c.message, Merged: c.merged}, git.Commit{Hash: "newest"}
			got := Policy{}.SaidBy(said, newest, c.passed)
			if text := agreed(got.Counts); text != c.want {
				t.Errorf("counts %q, want %q", text, c.want)
			}
			var inVain []string
			for _, text := range c.inVain {
				inVain = append(inVain, "commit abcdefg: Consent: "+text)
			}
			if d := cmp.Diff(inVain, got.InVain); d != "" {
				t.Errorf("in vain (-want +got):\n%s", d)
			}
			if len(got.Wrong) != len(c.wrong) {
				t.Fatalf("wrong are %q, want %q", got.Wrong, c.wrong)
			}
			for i, text := range c.wrong {
				if !strings.HasPrefix(got.Wrong[i], "commit abcdefg: Consent: "+text) {
					t.Errorf("wrong is %q, want %q", got.Wrong[i], text)
				}
			}
			values, below := said.Lines(plan.Trailer)
			none := Policy{Agreeing: Agreeing{CommandsOnly: true}}.SaidBy(said, newest, c.passed)
			if len(none.Counts)+len(none.Wrong) > 0 || len(none.InVain) != len(values)+len(below) {
				t.Errorf("if commits agree to nothing: %+v", none)
			}
			for _, text := range none.InVain {
				if !strings.HasSuffix(text, " does not count: --consents commands is set, so that no commit agrees to anything; to agree, run: swarm-operator approve HAZARD --revision newest --reason TEXT") {
					t.Errorf("if commits agree to nothing: %q", text)
				}
			}
		})
	}
}

// Consents come from the memory, from commands and from commits, and each has its own time.
func TestWhichConsentsHold(t *testing.T) {
	a, b := v1.Key{Kind: v1.KindService, Name: "a"}, v1.Key{Kind: v1.KindService, Name: "b"}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	commit := func(hash, text string, merged bool) git.Commit {
		return git.Commit{Hash: hash, Message: "subject\n\nConsent: " + text + "\n", Merged: merged}
	}
	for _, c := range []struct {
		name    string
		memory  state.Memory
		commits []git.Commit
		want    string
		notices int
	}{
		{name: "none"},
		{name: "the newest commit", commits: []git.Commit{commit("next", "removals", false)}, want: "removals"},
		{name: "the commits before it", commits: []git.Commit{commit("next", "removals", false), commit("other", "replace", false)}, want: "removals, replace"},
		{name: "a branch", commits: []git.Commit{{Hash: "next", Message: "Merge"}, commit("branch", "removals", true)}, notices: 1},
		{name: "the merge", commits: []git.Commit{commit("next", "removals Service/a", false), commit("branch", "removals", true)}, want: "removals Service/a", notices: 1},
		{name: "three branches", commits: []git.Commit{commit("next", "restarts", false), commit("x", "removals", true), commit("y", "replace", true), commit("z", "outage", true)}, want: "restarts", notices: 3},
		{name: "many branches", commits: slicesOf(25, func(i int) git.Commit { return commit(fmt.Sprint("branch", i), "removals", true) }), notices: mostInVain + 1},
		{name: "in force before", memory: state.Memory{History: []state.Entry{{Hash: "next"}, {Hash: "old"}}}, commits: []git.Commit{commit("next", "removals", false)}, notices: 1},
		{name: "it led to what was in force", memory: state.Memory{InForce: state.Revision{Hash: "old", Behind: []string{"next"}}}, commits: []git.Commit{commit("next", "removals", false)}, notices: 1},
		{name: "one of two was in force before", memory: state.Memory{History: []state.Entry{{Hash: "other"}}}, commits: []git.Commit{commit("next", "removals", false), commit("other", "replace", false)}, want: "removals", notices: 1},
		{name: "of an earlier revision, for objects", memory: state.Memory{Consents: plan.Consents{{Hazard: plan.Removals, Objects: []v1.Key{a, b}}}}, want: "removals Service/a Service/b"},
		{name: "of an earlier revision, for all", memory: state.Memory{InForce: state.Revision{Hash: "old"}, Consents: plan.Consents{{Hazard: plan.Outage}}}},
		{name: "for a time that is not over", memory: state.Memory{Consents: plan.Consents{{Hazard: plan.Removals, Objects: []v1.Key{a}, Until: now.Add(time.Second)}}}, want: "removals Service/a"},
		{name: "for a time that is just over", memory: state.Memory{Consents: plan.Consents{{Hazard: plan.Removals, Objects: []v1.Key{a}, Until: now}, {Hazard: plan.Removals, Objects: []v1.Key{b}}}}, want: "removals Service/b"},
		{name: "by command, for times", memory: state.Memory{Approvals: []state.Approval{
			{Revision: "next", Consents: plan.Consents{{Hazard: plan.Replace}, {Hazard: plan.Rewind}}, Until: now.Add(time.Hour)},
			{Revision: "next", Consents: plan.Consents{{Hazard: plan.Removals}}, Until: now.Add(-time.Hour)},
			{Revision: "next", Consents: plan.Consents{{Hazard: plan.Restarts}}},
			{Revision: "another", Consents: plan.Consents{{Hazard: plan.Outage}}, Until: now.Add(time.Hour)},
		}}, want: "replace, rewind, restarts"},
		{name: "by command, over, and in a commit", memory: state.Memory{Approvals: []state.Approval{{Revision: "next", Consents: plan.Consents{{Hazard: plan.Removals}}, Until: now}}}, commits: []git.Commit{commit("next", "removals Service/a", false)}, want: "removals Service/a"},
		{name: "by command", memory: state.Memory{Approvals: []state.Approval{{Revision: "next", Consents: plan.Consents{{Hazard: plan.OtherSource}}}, {Revision: "another", Consents: plan.Consents{{Hazard: plan.Removals}}}}}, want: "other-source"},
	} {
		t.Run(c.name, func(t *testing.T) {
			run := &Decision{Memory: c.memory, World: World{At: now}}
			run.InForce.Hash, run.Past.Commits = "next", c.commits
			if got := agreed((Policy{}).consents(run)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if len(run.Notices) != c.notices {
				t.Errorf("%d notices, want %d: %q", len(run.Notices), c.notices, run.Notices)
			}
		})
	}
}

func slicesOf(n int, of func(int) git.Commit) []git.Commit {
	var out []git.Commit
	for i := range n {
		out = append(out, of(i))
	}
	return out
}

// What manifests ask of an object is told by a digest, which is empty if they ask for nothing. One that is external has
// another. Of an object that a problem holds nobody knows.
func TestWhatIsAskedOfAnObjectIsTold(t *testing.T) {
	run := about(indexOf(), state.Memory{})
	run.Wanted[svc("stated")], run.Wants.Missing = asks("stated", "a"), map[v1.Key]bool{svc("external"): false, svc("missing"): true}
	run.Withheld = map[v1.Key]string{svc("held"): "why"}
	run.hold(run.Withheld)
	for name, want := range map[string]string{"stated": asks("stated", "a").Digest(), "external": digestOfExternal, "missing": digestOfExternal, "gone": "", "held": plan.Something + "?"} {
		got, known := run.askedOf(svc(name))
		if !known {
			got += "?"
		}
		if got != want {
			t.Errorf("of %s is asked %q, want %q", name, got, want)
		}
	}
}

// What manifests ask of an object is known although the object could not be listed: they can be read. It is the same then as
// when the object is listed.
func TestWhatIsAskedOfAnObjectThatCannotBeListedIsTold(t *testing.T) {
	data := func(name string) v1.Key { return v1.Key{Kind: v1.KindVolume, Name: name} }
	stated := asks("stated", "a")
	stated.Key = data("stated")
	run := about(indexOf(), state.Memory{Made: map[string]v1.Key{"1": data("gone"), "2": data("broken")}})
	run.Wants = kinds.Wants{States: []*diff.State{stated, asks("web", "b")}, Missing: map[v1.Key]bool{data("external"): true, svc("external"): false}}
	run.Unlisted, run.Withheld = map[string]error{v1.KindVolume: errors.New("denied")}, map[v1.Key]string{data("broken"): "why"}
	run.setAside()
	run.hold(run.Withheld)
	run.holdUnlisted()
	if len(run.Wants.States) != 1 || run.Wants.States[0].Key != svc("web") || len(run.Wants.Missing) != 1 {
		t.Errorf("among the wants is what cannot be compared: %v, %v", run.Wants.States, run.Wants.Missing)
	}
	told := func(want map[string]string) {
		t.Helper()
		for name, digest := range want {
			got, known := run.askedOf(data(name))
			if !known {
				got += "?"
			}
			if got != digest {
				t.Errorf("of %s is asked %q, want %q", name, got, digest)
			}
		}
	}
	told(map[string]string{"stated": stated.Digest(), "external": digestOfExternal, "gone": "", "broken": plan.Something + "?"})
	run.unstated = "it may come from a manifest that is held"
	told(map[string]string{"stated": stated.Digest(), "external": digestOfExternal, "gone": "?", "broken": plan.Something + "?"})
}

// A consent for an object does not count for another want, even in the first run of that want's revision.
func TestAConsentIsForTheWantThatItWasGivenFor(t *testing.T) {
	old, same := asks("a", "one"), plan.Consents{{Hazard: plan.Restarts, Objects: []v1.Key{svc("a"), svc("b")}, Wants: map[v1.Key]string{svc("a"): asks("a", "one").Digest(), svc("b"): ""}}}
	for name, test := range map[string]struct {
		want *diff.State
		left string
	}{
		"the same":    {old, "restarts Service/a Service/b"},
		"another one": {asks("a", "two"), "restarts Service/b"},
		"none":        {nil, "restarts Service/b"},
	} {
		run := about(indexOf(), state.Memory{InForce: state.Revision{Hash: "old"}, Consents: same})
		run.InForce.Hash = "new"
		if test.want != nil {
			run.Wanted[svc("a")] = test.want
		}
		if got := agreed((Policy{}).consents(run)); got != test.left {
			t.Errorf("%s: %q counts, want %q", name, got, test.left)
		}
	}
}
