package git_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/swarm-operator/swarm-operator/manifests/git"
)

// A forced push takes commits back. An ordinary push, a merge and a push of nothing do not.
func TestTakenBack(t *testing.T) {
	r := newRepo(t)
	commits := map[string]string{}
	at := func(name string) { commits[name] = r.commit("f"+name, name, name) }
	from := func(name string) { r.git("checkout", "-q", commits[name]) }
	at("a")
	at("b")
	at("c")
	from("a")
	at("sibling")
	at("sibling+1")
	from("b")
	r.git("merge", "-q", "--no-ff", "-m", "merge", commits["sibling"])
	commits["merge"] = r.head()
	from("c")
	r.git("commit", "-q", "--amend", "-m", "amended")
	commits["amended"] = r.head()
	r.git("checkout", "-q", "--orphan", "other")
	at("unrelated")
	bare := filepath.Join(t.TempDir(), "bare.git")
	r.git("update-ref", "refs/heads/main", commits["merge"])
	for _, name := range []string{"c", "sibling+1", "amended", "unrelated"} {
		r.git("branch", "-f", "keep-"+name, commits[name])
	}
	r.git("clone", "-q", "--bare", r.dir, bare)
	for where, s := range map[string]*git.Source{"checkout": open(t, r.dir, git.Options{}), "bare": open(t, bare, git.Options{})} {
		for _, c := range []struct {
			tip, next string
			limit     int
			want      string
			count     int
		}{
			{"a", "c", 9, "", 0},
			{"c", "c", 9, "", 0},
			{"b", "merge", 9, "", 0},
			{"sibling", "merge", 9, "", 0}, // as usual
			{"c", "sibling", 9, "c b", 2},
			{"c", "sibling", 1, "c", 2},
			{"sibling+1", "c", 9, "sibling+1 sibling", 2},
			{"c", "amended", 9, "c", 1},
			{"amended", "c", 9, "amended", 1},
			{"sibling+1", "merge", 9, "sibling+1", 1},
			{"merge", "c", 9, "merge sibling", 2}, // the tip's second parent goes too
			{"c", "a", 9, "c b", 2},               // older
			{"c", "unrelated", 9, "c b a", 3},
		} {
			newest, count, err := s.TakenBack(t.Context(), commits[c.tip], commits[c.next], c.limit)
			if err != nil || count != c.count || subjects(newest) != c.want {
				t.Errorf("%s: %s after %s takes back %d (%q), want %d (%q); %v", where, c.next, c.tip, count, subjects(newest), c.count, c.want, err)
			}
		}
		if _, _, err := s.TakenBack(t.Context(), strings.Repeat("1", 40), commits["c"], 9); !errors.Is(err, git.ErrGone) {
			t.Errorf("%s: want ErrGone, got %v", where, err)
		}
	}
}

// In a history that is cut off, an answer needs both the tip and everything that leads to the next one.
func TestTakenBackInAShallowClone(t *testing.T) {
	r := newRepo(t)
	first := r.commit("a", "1", "first")
	r.commit("a", "2", "second")
	third := r.commit("a", "3", "third")
	dir := filepath.Join(t.TempDir(), "shallow")
	r.git("clone", "-q", "--depth", "2", "file://"+r.dir, dir)
	shallow := &repo{t: t, dir: dir, clock: r.clock}
	fourth := shallow.commit("a", "4", "fourth")
	shallow.git("checkout", "-q", third)
	sibling := shallow.commit("a", "5", "sibling")
	shallow.git("checkout", "-q", "--orphan", "other")
	other := shallow.commit("b", "1", "unrelated")
	s := open(t, dir, git.Options{})
	if newest, count, err := s.TakenBack(t.Context(), third, fourth, 9); len(newest) != 0 || count != 0 || err != nil {
		t.Errorf("an ordinary push: %v %d %v", newest, count, err)
	}
	if newest, count, err := s.TakenBack(t.Context(), fourth, sibling, 9); subjects(newest) != "fourth" || count != 1 || err != nil {
		t.Errorf("they part within the clone: %v %d %v", newest, count, err)
	}
	for name, tip := range map[string]string{"behind the end": first, "another root": other} {
		if _, _, err := s.TakenBack(t.Context(), tip, fourth, 9); !errors.Is(err, git.ErrShallow) {
			t.Errorf("%s: want ErrShallow, got %v", name, err)
		}
	}
}

// The clone of a remote keeps commits that were taken back as long as it is open. A new clone does not have them.
func TestTakenBackFromARemote(t *testing.T) {
	h := newHub(t)
	one := h.push("one more\n")
	h.push("two\n")
	s := open(t, h.url(), git.Options{})
	old := head(t, s).Hash
	h.git("reset", "-q", "--hard", one)
	forced := h.push("instead\n")
	var next string
	eventually(t, "the push with force", func() bool { next = head(t, s).Hash; return next == forced })
	if newest, count, err := s.TakenBack(t.Context(), old, next, 9); subjects(newest) != "two" || count != 1 || err != nil {
		t.Errorf("%v %d %v", newest, count, err)
	}
	fresh := open(t, h.url(), git.Options{})
	if _, _, err := fresh.TakenBack(t.Context(), old, head(t, fresh).Hash, 9); !errors.Is(err, git.ErrGone) {
		t.Errorf("want ErrGone, got %v", err)
	}
}
