package decide

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

// A revision is of the source if its history begins where the source's does. Without a history, the place of the
// directory decides.
func TestWhetherARevisionIsOfTheSource(t *testing.T) {
	const root, stranger = "1111111111111111111111111111111111111111", "2222222222222222222222222222222222222222"
	repository, shallow, directory := state.Origin{Roots: []string{root}}, state.Origin{Roots: []string{root}, Cut: true}, state.Origin{Place: "/srv/shop"}
	type is struct {
		why     string // a part of it; "" if it is of the source
		certain bool
	}
	certainly := func(why string) is { return is{why, true} }
	perhaps := func(why string) is { return is{why, false} }
	of := is{}
	for name, c := range map[string]struct {
		began  state.Origin
		origin *git.Origin
		err    error
		want   is
	}{
		"nobody had to ask":                             {repository, nil, nil, of},
		"it meets the root":                             {repository, &git.Origin{Met: root}, nil, of},
		"it meets the revision in force":                {repository, &git.Origin{Met: stranger}, nil, of},
		"a shallow clone that meets it":                 {repository, &git.Origin{Met: stranger, Cut: true}, nil, of},
		"files of a checkout that meets it":             {repository, &git.Origin{Met: root, Files: true, Place: "/elsewhere"}, nil, of},
		"another repository":                            {repository, &git.Origin{Roots: []string{stranger}}, nil, certainly("from a repository that begins with commit 2222222222, and source shop is read from a repository that begins with commit 1111111111")},
		"another repository at the same place":          {repository, &git.Origin{Roots: []string{stranger}, Place: "/srv/shop"}, nil, certainly("commit 2222222222")},
		"files of another checkout":                     {repository, &git.Origin{Roots: []string{stranger}, Files: true, Place: "/srv/shop"}, nil, certainly("commit 2222222222")},
		"a directory, and it was a repository":          {repository, &git.Origin{Files: true, Place: "/srv/shop"}, nil, certainly("from the directory /srv/shop, and source shop is read from a repository")},
		"a shallow clone":                               {repository, &git.Origin{Roots: []string{stranger}, Cut: true}, nil, perhaps("git fetch --unshallow")},
		"a repository that cannot be read":              {repository, &git.Origin{}, errors.New("the object is missing"), perhaps("the object is missing")},
		"the first was shallow, and this is not":        {shallow, &git.Origin{Roots: []string{stranger}}, nil, perhaps("first read from a shallow clone")},
		"both are shallow":                              {shallow, &git.Origin{Roots: []string{stranger}, Cut: true}, nil, perhaps("git fetch --unshallow")},
		"the first was shallow, and this is files":      {shallow, &git.Origin{Files: true, Place: "/srv/shop"}, nil, certainly("from the directory /srv/shop")},
		"the same directory":                            {directory, &git.Origin{Files: true, Place: "/srv/shop"}, nil, of},
		"the same directory, which is a repository":     {directory, &git.Origin{Roots: []string{stranger}, Place: "/srv/shop"}, nil, of},
		"the same directory, in a damaged checkout":     {directory, &git.Origin{Files: true, Place: "/srv/shop"}, errors.New("damaged"), of},
		"another directory":                             {directory, &git.Origin{Files: true, Place: "/srv/blog"}, nil, certainly("from the directory /srv/blog, and source shop is read from the directory /srv/shop")},
		"a repository elsewhere, and it was directory":  {directory, &git.Origin{Roots: []string{stranger}, Place: "/srv/blog"}, nil, certainly("commit 2222222222, and source shop is read from the directory /srv/shop")},
		"a remote, and it was a directory":              {directory, &git.Origin{Roots: []string{stranger}}, nil, certainly("commit 2222222222")},
		"a directory of a checkout, at another place":   {state.Origin{Roots: []string{root}, Place: "/a"}, &git.Origin{Met: root, Files: true, Place: "/b"}, nil, of},
		"a directory of another checkout, where it was": {state.Origin{Roots: []string{root}, Place: "/a"}, &git.Origin{Roots: []string{stranger}, Files: true, Place: "/a"}, nil, certainly("commit 2222222222")},
		"another repository, where it was":              {state.Origin{Roots: []string{root}, Place: "/a"}, &git.Origin{Roots: []string{stranger}, Place: "/a"}, nil, certainly("commit 2222222222")},
		"a directory whose checkout is no more":         {state.Origin{Roots: []string{root}, Place: "/a"}, &git.Origin{Files: true, Place: "/a"}, nil, of},
		"a directory of a shallow one, where it was":    {state.Origin{Roots: []string{root}, Place: "/a"}, &git.Origin{Roots: []string{stranger}, Cut: true, Files: true, Place: "/a"}, nil, of},
	} {
		t.Run(name, func(t *testing.T) {
			for _, observe := range []bool{false, true} {
				run := from("old", "new")
				run.Source, run.Memory.Origin, run.Past = "shop", c.began, Past{Origin: c.origin, OriginErr: c.err}
				run.Memory.InForce.When, run.InForce.When = time.Unix(0, 0), time.Now() // which proves nothing
				why, certain := (&Decider{Policy: Policy{Observe: observe}}).otherSource(run)
				said := strings.Join(run.Notices, "; ")
				if goesOn := observe && !c.want.certain && c.want.why != ""; goesOn {
					why, said = said, ""
				}
				if (why == "") != (c.want.why == "") || !strings.Contains(why, c.want.why) || certain != c.want.certain || said != "" {
					t.Errorf("only looks: %t: it says %q, certain %t, and notes %q", observe, why, certain, said)
				}
			}
		})
	}
}

// The beginning of a history is looked for only if the revision is neither in force, nor older or newer than the one
// that is.
func TestWhenItIsAskedWhereAHistoryBegins(t *testing.T) {
	known := state.Origin{Roots: []string{"root"}}
	rewrote := Compared{Rewrote: &state.Rewrite{From: "old"}}
	for name, c := range map[string]struct {
		began   state.Origin
		inForce string
		past    Past
		want    bool
	}{
		"nothing is known yet":        {inForce: "old", past: Past{OlderErr: git.ErrGone}},
		"it is in force":              {began: known, inForce: "new", past: Past{OlderErr: git.ErrGone}},
		"it descends":                 {began: known, inForce: "old"},
		"it leads to it":              {began: known, inForce: "old", past: Past{Older: true}},
		"it takes commits back":       {began: known, inForce: "old", past: Past{Taken: rewrote}, want: true},
		"the one in force is gone":    {began: known, inForce: "old", past: Past{OlderErr: git.ErrGone, Taken: rewrote}, want: true},
		"a shallow clone":             {began: known, inForce: "old", past: Past{OlderErr: git.ErrShallow, Taken: Compared{Unsaid: git.ErrShallow}}, want: true},
		"a repository that is broken": {began: known, inForce: "old", past: Past{TakenErr: errors.New("broken")}, want: true},
		"a directory":                 {began: state.Origin{Place: "/srv"}, inForce: "old", past: Past{OlderErr: git.ErrNoHistory}, want: true},
		"nothing is in force":         {began: known, want: true},
	} {
		m := state.Memory{Origin: c.began, InForce: state.Revision{Hash: c.inForce}}
		if got := c.past.AsksOrigin(m, "new"); got != c.want {
			t.Errorf("%s: asks %t", name, got)
		}
	}
}

// Where a source began is remembered once, and better when more is known. Only a person makes it another one.
func TestWhereASourceBeganIsRemembered(t *testing.T) {
	root, other := state.Origin{Roots: []string{"root"}}, state.Origin{Roots: []string{"other"}}
	cut, place := state.Origin{Roots: []string{"oldest"}, Cut: true}, state.Origin{Place: "/srv"}
	at := func(roots ...string) *git.Origin { return &git.Origin{Roots: roots, Place: "/srv"} }
	for name, c := range map[string]struct {
		began  state.Origin
		first  *git.Origin
		agreed bool
		writes bool // the memory is written anyway
		want   state.Origin
	}{
		"at first":                                  {first: at("root"), writes: true, want: root},
		"at first, with nothing to write":           {first: at("root")},
		"at first, of a shallow clone":              {first: &git.Origin{Roots: []string{"oldest"}, Cut: true, Place: "/srv"}, writes: true, want: cut},
		"at first, of a directory":                  {first: &git.Origin{Files: true, Place: "/srv"}, writes: true, want: place},
		"at first, of a directory in a checkout":    {first: &git.Origin{Roots: []string{"root"}, Files: true, Place: "/srv"}, writes: true, want: state.Origin{Roots: []string{"root"}, Place: "/srv"}},
		"not known":                                 {writes: true},
		"not asked":                                 {began: root, writes: true, want: root},
		"it stays":                                  {began: root, first: at("other"), writes: true, want: root},
		"it stays that of a shallow clone":          {began: cut, first: &git.Origin{Roots: []string{"other"}, Cut: true}, writes: true, want: cut},
		"the whole is known":                        {began: cut, first: at("root"), writes: true, want: root},
		"the whole is known, with nothing to write": {began: cut, first: at("root"), want: cut},
		"the directory became a repository":         {began: place, first: at("root"), writes: true, want: root},
		"somebody agreed":                           {began: root, first: at("other"), agreed: true, writes: true, want: other},
		"somebody agreed to a directory":            {began: root, first: &git.Origin{Files: true, Place: "/srv"}, agreed: true, writes: true, want: place},
		"somebody agreed, and it is not known":      {began: root, agreed: true, writes: true, want: root},
	} {
		m := state.Memory{Source: "shop", Origin: c.began}
		found, err := state.FoundAs(m, 1)
		if err != nil {
			t.Fatal(err)
		}
		run := &Decision{Memory: found.Memory}
		run.Source, run.Found, run.Past.First = "shop", found, c.first
		if c.agreed {
			run.stranger = true
		}
		if c.writes {
			run.Memory.Owned++
		}
		if pin(run); !reflect.DeepEqual(run.Memory.Origin, c.want) {
			t.Errorf("%s: %+v, want %+v", name, run.Memory.Origin, c.want)
		}
	}
}

// A run that waits for consent says how to give it: to a revision, or for files.
func TestWhatARunOfAnotherSourceWaitsFor(t *testing.T) {
	for hash, want := range map[string]string{
		strings.Repeat("1", 40): "; nothing is written until somebody agrees: swarm-operator approve other-source --revision 1111111111 --reason TEXT",
		"files-0123456789":      "; nothing is written until somebody agrees: swarm-operator apply --consent other-source",
	} {
		run := &Decision{}
		run.InForce.Hash, run.Facts.OtherSource = hash, "it is another one"
		if text := run.OtherSource(); text != "" || !run.InSync() {
			t.Errorf("%s: somebody agreed, and it says %q", hash, text)
		}
		run.Foreign = true
		if text := run.OtherSource(); text != "it is another one"+want || run.InSync() {
			t.Errorf("%s: it says %q", hash, text)
		}
	}
	if !plan.OtherSource.ByCommand() {
		t.Error("a commit of another source can agree to it")
	}
}
