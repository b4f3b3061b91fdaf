package plan

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

// Code asks the bearing of a refusal what it means to others. A guard that is renamed, split or added must not change
// what happens because code compares names.
func TestNobodyComparesGuards(t *testing.T) {
	compared := 0
	for _, dir := range []string{".", "../../controllers", "../../cmd", "../../manifests"} {
		for file, f := range parsed(t, dir) {
			ast.Inspect(f, func(n ast.Node) bool {
				var sides []ast.Expr
				switch n := n.(type) {
				case *ast.BinaryExpr:
					if n.Op == token.EQL || n.Op == token.NEQ {
						sides = []ast.Expr{n.X, n.Y}
					}
				case *ast.SwitchStmt:
					sides = []ast.Expr{n.Tag}
				}
				if len(sides) > 0 {
					compared++
				}
				for _, side := range sides {
					if s, is := side.(*ast.SelectorExpr); is && s.Sel.Name == "Guard" {
						t.Errorf("%s compares the name of a guard: ask for its bearing", file)
					}
				}
				return true
			})
		}
	}
	if compared < 1000 {
		t.Errorf("only %d comparisons were seen", compared)
	}
}

// A bearing of a guard that does not exist has a mistyped name, or its guard is gone.
func TestBearingsAreOfGuards(t *testing.T) {
	names := map[string]bool{}
	for _, f := range parsed(t, ".") {
		ast.Inspect(f, func(n ast.Node) bool {
			if v, is := n.(*ast.ValueSpec); is {
				for i, name := range v.Names {
					if lit, is := value(v, i).(*ast.BasicLit); is && strings.HasPrefix(strings.ToLower(name.Name), "guard") {
						text, err := strconv.Unquote(lit.Value)
						if err != nil {
							t.Fatal(err)
						}
						names[text] = true
					}
				}
			}
			return true
		})
	}
	for guard, b := range bearings {
		if !names[guard] || b == 0 {
			t.Errorf("%q is the name of no guard, or bears nothing (%d)", guard, b)
		}
	}
}

func value(v *ast.ValueSpec, i int) ast.Expr {
	if i < len(v.Values) {
		return v.Values[i]
	}
	return nil
}

// parsed returns the Go files of a directory and of those below it, without tests.
func parsed(t *testing.T, dir string) map[string]*ast.File {
	t.Helper()
	out := map[string]*ast.File{}
	set := token.NewFileSet()
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := fs.ReadFile(os.DirFS(dir), path)
		if err != nil {
			return err
		}
		out[dir+"/"+path], err = parser.ParseFile(set, dir+"/"+path, text, 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The guard, class and operation of a refusal decide whether it holds what comes after, holds removals, is waited for
// or needs somebody.
func TestWhatARefusalMeansToOthers(t *testing.T) {
	key := v1.Key{Kind: v1.KindService, Name: "web"}
	git := []diff.Field{{Path: "spec.image", Git: true, Effect: diff.RestartsTasks}}
	const now, before = "rev-2", "rev-1"
	for _, c := range []struct {
		name  string
		r     Refusal
		since string // revision in which it failed
		means string
	}{
		{"a rule", Refusal{Op: diff.Update, Guard: "forbidden", Class: Never, Fields: git}, "", "holds removals, needs a person"},
		{"a rule about more tasks", Refusal{Op: diff.Update, Guard: "forbidden", Class: Never, Fields: []diff.Field{{Path: "spec.replicas", Git: true, Effect: diff.StartsTasks}}}, "", "holds removals, needs a person"},
		{"a rule about more tasks that a hand has taken", Refusal{Op: diff.Update, Guard: "forbidden", Class: Never, Fields: []diff.Field{{Path: "spec.replicas", Effect: diff.StartsTasks}}}, "", "needs a person"},
		{"a rule about labels", Refusal{Op: diff.Update, Guard: "forbidden", Class: Never}, "", "needs a person"},
		{"what is to be made", Refusal{Op: diff.Create, Guard: "missing", Class: Never}, "", "holds others, holds removals, needs a person"},
		{"consent", Refusal{Op: diff.Replace, Guard: "replace", Class: Consent, Fields: git}, "", "holds others, holds removals, needs a person"},
		{"somebody else's", Refusal{Op: diff.Update, Guard: guardOwnership, Class: Never, Fields: git}, "", "holds others, needs a person"},
		{"on purpose", Refusal{Op: diff.Update, Guard: guardSuspend, Class: Never, Fields: git}, "", "needs a person"},
		{"given up", Refusal{Op: diff.Create, Guard: guardReleased, Class: Never}, "", "holds others, needs a person"},
		{"useless", Refusal{Op: diff.Update, Guard: guardBroken, Class: Never}, "", "holds others, needs a person"},
		{"failed in this revision", Refusal{Op: diff.Update, Guard: guardFailedWant, Class: Never, Fields: git}, now, "holds others, needs a person"},
		{"failed before", Refusal{Op: diff.Update, Guard: guardFailedWant, Class: Never, Fields: git}, before, "needs a person"},
		{"has another try", Refusal{Op: diff.Update, Guard: guardBackOff, Class: Later}, "", "holds others, before removals"},
		{"a hand's, for a time", Refusal{Op: diff.Update, Guard: guardRepairAfter, Class: Later}, "", ""},
		{"a hand's, again and again", Refusal{Op: diff.Update, Guard: guardContended, Class: Later}, "", "reported, contended"},
		{"a hand's, for good", Refusal{Op: diff.Update, Guard: guardEnforce, Class: Never}, "", "reported"},
		{"removed by hand, for good", Refusal{Op: diff.Create, Guard: guardEnforce, Class: Never}, "", "holds others, reported"},
		{"meant by a hand", Refusal{Op: diff.Update, Guard: guardIntent, Class: Never, Quiet: true}, "", "reported"},
		{"a repair in a roll-out", Refusal{Op: diff.Update, Guard: guardInFlight, Class: Later}, "", ""},
		{"its turn", Refusal{Op: diff.Update, Guard: "rollouts-at-once", Class: Later, Fields: git}, "", "before removals"},
		{"the operator's own", Refusal{Op: diff.Update, Guard: guardSelf, Class: Later, Fields: git}, "", ""},
		{"roles", Refusal{Op: diff.Update, Class: Later}.Bearing(Aside | OfRoles), "", "of roles"},
		{"a rotation", Refusal{Op: diff.Update, Class: Later}.Bearing(Aside | OfRotation), "", ""},
		{"a removal", Refusal{Op: diff.Remove, Guard: "removal-budget", Class: Consent}, "", "needs a person"},
		{"a removal's turn", Refusal{Op: diff.Remove, Guard: "removals-last", Class: Later}, "", ""},
		{"a secret that a volume may have", Refusal{Op: diff.Remove, Guard: guardUnseen, Class: Later}, "", "unsure"},
		{"a secret that cannot be made again", Refusal{Op: diff.Replace, Guard: guardUnseen, Class: Later}, "", "unsure"},
		{"no such node", Refusal{Op: diff.Create, Guard: guardNoNode, Class: Never}, "", "holds removals, needs a person, unmatched"},
		{"a quiet one", Refusal{Op: diff.Create, Guard: "missing", Class: Never, Quiet: true}, "", ""},
		{"settings that are lost", Refusal{Op: diff.Create, Guard: guardDropsSettings, Class: Consent}, "", "holds others, needs a person"},
	} {
		c.r.Key = key
		f := Facts{Revision: now, Failed: map[v1.Key]Failure{key: {Key: key, Digest: "d", Revision: c.since}}}
		var means []string
		for _, m := range []struct {
			is   bool
			what string
		}{
			{c.r.holdsOthers(f), "holds others"},
			{c.r.holdsRemovals(), "holds removals"},
			{c.r.waitsBeforeRemovals(), "before removals"},
			{c.r.NeedsAPerson(), "needs a person"},
			{c.r.Reported(), "reported"},
			{c.r.Contended(), "contended"},
			{c.r.OfRoles(), "of roles"},
			{c.r.Unmatched(), "unmatched"},
			{c.r.Unsure(), "unsure"},
		} {
			if m.is {
				means = append(means, m.what)
			}
		}
		if got := strings.Join(means, ", "); got != c.means {
			t.Errorf("%s: it %q, want %q", c.name, got, c.means)
		}
		if p := (Plan{Refused: []Refusal{c.r}}); p.Waiting() != (c.r.waits() && !c.r.Contended()) || slices.Contains(means, "needs a person") && !p.Held() {
			t.Errorf("%s: the plan waits: %t, is held: %t", c.name, p.Waiting(), p.Held())
		}
	}
}
