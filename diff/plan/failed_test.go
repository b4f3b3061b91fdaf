package plan

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

func TestNewFailures(t *testing.T) {
	tests := []struct {
		name   string
		given  string
		inSync string // KEY=WANT …
		want   string
	}{
		{"nothing failed", "~ Service/web git=spec.image", "Service/api=good", ""},
		{
			"rolled back and not on record",
			"~ Service/web git=spec.image want=bad\nrollout Service/web rollback_completed began=5m message=it_failed", "",
			"Service/web bad r2 5m0s rolled back: it failed",
		},
		{
			"rolled back and on record",
			"~ Service/web git=spec.image want=bad\nrollout Service/web rollback_completed began=5m\nfailed Service/web want=bad began=5m revision=r1", "", "",
		},
		{
			"rolled back, and another want is on record of another roll-out",
			"~ Service/web git=spec.image want=bad\nrollout Service/web rollback_completed began=1m\nfailed Service/web want=worse began=5m", "",
			"Service/web bad r2 1m0s rolled back",
		},
		{"rolled back, and it was something else", "~ Service/web git=spec.image want=new\nrollout Service/web rollback_completed began=5m left=differs", "", ""},
		{"paused and in force", "rollout Service/web paused began=5m message=stuck task=exit_1", "Service/web=bad", "Service/web bad r2 5m0s paused: stuck; a task said: exit 1"},
		{"paused, in force and on record", "rollout Service/web paused began=5m\nfailed Service/web want=bad began=5m", "Service/web=bad", ""},
		{"paused, and git has a new want", "~ Service/web git=spec.image want=new\nrollout Service/web paused began=5m", "", ""},
		{"completed", "rollout Service/web completed began=5m", "Service/web=good", ""},
		{"in flight", "rollout Service/web updating began=5m", "Service/web=good", ""},
		{
			"rolled back to what is wanted, by whomever", "rollout Service/web rollback_completed began=5m", "Service/web=good",
			"Service/web   5m0s what was rolled back is not what is wanted",
		},
		{"rolled back to what is wanted, and on record", "rollout Service/web rollback_completed began=5m\nfailed Service/web want=bad began=5m", "Service/web=good", ""},
		{"rolled back to what is wanted, at an unknown time", "rollout Service/web rollback_completed", "Service/web=good", ""},
		{"not ours", "~ Service/web git=spec.image want=bad foreign\nrollout Service/web rollback_completed began=5m", "", ""},
		{
			"several, in order",
			"~ Service/c git=spec.image want=x\nrollout Service/c rollback_completed began=5m\nrollout Service/b paused began=5m\nrollout Service/a paused began=5m",
			"Service/a=x Service/b=x",
			"Service/a x r2 5m0s paused\nService/b x r2 5m0s paused\nService/c x r2 5m0s rolled back",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := read(t, test.given)
			inSync := map[v1.Key]*diff.State{}
			digests := map[string]string{}
			note := func(s *diff.State) { digests[s.Digest()] = s.Leaves[0].Text }
			for item := range strings.FieldsSeq(test.inSync) {
				key, text, _ := strings.Cut(item, "=")
				inSync[keyOf(key)] = wanted(keyOf(key), text)
				note(inSync[keyOf(key)])
			}
			for _, c := range g.Changes {
				note(c.Want)
			}
			var got []string
			for _, f := range NewFailures(g.Changes, inSync, g.Facts) {
				got = append(got, fmt.Sprintf("%s %s %s %s %s", f.Key, digests[f.Digest], f.Revision, now.Sub(f.Began), f.Why))
			}
			if d := cmp.Diff(test.want, strings.Join(got, "\n")); d != "" {
				t.Errorf("failures (-want +got):\n%s", d)
			}
		})
	}
}

// The want that is recorded is the one that is refused. A want that failed is never a step, and it is on record after
// the run.
func TestAFailedWantIsRecordedOnce(t *testing.T) {
	g := read(t, "~ Service/web git=spec.image want=bad\nrollout Service/web rollback_completed began=5m")
	first := NewFailures(g.Changes, nil, g.Facts)
	if len(first) != 1 {
		t.Fatalf("got %v", first)
	}
	g.Facts.Failed[first[0].Key] = first[0]
	if again := NewFailures(g.Changes, nil, g.Facts); len(again) > 0 {
		t.Errorf("recorded twice: %v", again)
	}
	g.Facts.Rollouts = nil // somebody's update cleared the status
	if p := g.build(); len(p.Steps) > 0 {
		t.Errorf("tried again: %s", render(p))
	}
	g.Changes[0].Want = wanted(g.Changes[0].Key, "new")
	if p := g.build(); len(p.Steps) != 1 {
		t.Errorf("git changed it, and it is not tried: %s", render(p))
	}
}

// The record is kept where others may read it.
func TestAFailureIsRecordedWithoutPasswords(t *testing.T) {
	g := read(t, "~ Service/web git=spec.image want=bad\nrollout Service/web rollback_completed began=5m")
	key := g.Changes[0].Key
	r := g.Facts.Rollouts[key]
	r.TaskError = "pulling from https://ann:hunter2@registry/: denied"
	g.Facts.Rollouts[key] = r
	if got := NewFailures(g.Changes, nil, g.Facts); len(got) != 1 || !strings.HasSuffix(got[0].Why, "a task said: pulling from https://(hidden)@registry/: denied") {
		t.Errorf("recorded as %+v", got)
	}
}

// A service that was rolled back before it was adopted is in sync, and its next commit is a new want.
func TestARollbackFromBeforeCondemnsNothing(t *testing.T) {
	g := read(t, "~ Service/web git=spec.image want=new\nrollout Service/web rollback_completed began=5m")
	change := g.Changes[0]
	before := NewFailures(nil, map[v1.Key]*diff.State{change.Key: wanted(change.Key, "as it is")}, g.Facts)
	if len(before) != 1 {
		t.Fatalf("in sync, and on record is %v", before)
	}
	if p := g.build(); len(p.Steps) != 0 {
		t.Errorf("without the record nobody knows what was rolled back: %s", render(p))
	}
	g.Facts.Failed[change.Key] = before[0]
	if p := g.build(); len(p.Steps) != 1 {
		t.Errorf("the want is new, and it is not tried: %s", render(p))
	}
	if again := NewFailures(g.Changes, nil, g.Facts); len(again) > 0 {
		t.Errorf("a new want failed before it was tried: %v", again)
	}
}

// If somebody else's service was rolled back, our want did not fail, so the service may be taken over.
func TestARollbackOfOthersCondemnsNothing(t *testing.T) {
	for given, want := range map[string]bool{"want=new": true, "want=new foreign": false} {
		g := read(t, "~ Service/web git=spec.image "+given+"\nrollout Service/web rollback_completed began=5m")
		if failed, why := condemned(g.Changes[0], g.Facts); failed != want {
			t.Errorf("%q: the want failed: %t (%s), want %t", given, failed, why, want)
		}
	}
}

func TestRollouts(t *testing.T) {
	for state, want := range map[string][2]bool{ // rolled back, running
		"": {}, "updating": {false, true}, "paused": {}, "completed": {},
		"rollback_started": {true, true}, "rollback_paused": {true, false}, "rollback_completed": {true, false},
	} {
		r := Rollout{State: state}
		if got := [2]bool{r.RolledBack(), r.Running()}; got != want {
			t.Errorf("%q: got %v, want %v", state, got, want)
		}
	}
}

func TestAPIVersions(t *testing.T) {
	for _, test := range []struct {
		a, b string
		less bool
	}{
		{"1.41", "1.44", true},
		{"1.44", "1.44", false},
		{"1.9", "1.10", true},
		{"1.52", "1.44", false},
		{"2.0", "1.44", false},
		{"1.44", "2.0", true},
		{"", "1.24", true},
		{"nonsense", "1.24", true},
		{"1", "1.24", true},
	} {
		if got := LessAPI(test.a, test.b); got != test.less {
			t.Errorf("%q before %q: %t", test.a, test.b, got)
		}
	}
}
