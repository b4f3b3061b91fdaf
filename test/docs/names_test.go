package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

const troubleshooting = "docs/troubleshooting.md"

// TestTroubleshootingKnowsEveryName compares the page with the code. For each name that the operator gives to
// something that it does not do, a row says what the name means and what to do.
func TestTroubleshootingKnowsEveryName(t *testing.T) {
	page := byName(pages(t))[troubleshooting]
	for what, names := range map[string][]string{"guard": guards(t), "condition": conditions(t), "hazard": plan.Hazards()} {
		if len(names) < 5 {
			t.Errorf("%d names of a %s were found in the code: %v", len(names), what, names)
		}
		for _, name := range names {
			row := regexp.MustCompile("(?m)^\\| `" + regexp.QuoteMeta(name) + "` (?:\\| [^|\n]{3,}){2,}")
			if !row.MatchString(section(page, what)) {
				t.Errorf("%s explains no %s `%s` in a row of its own: what it means, what to do", troubleshooting, what, name)
			}
		}
		rows := regexp.MustCompile("(?m)^\\| `([A-Za-z-]+)` ").FindAllStringSubmatch(section(page, what), -1)
		for _, m := range rows {
			if !slices.Contains(names, m[1]) {
				t.Errorf("%s explains the %s `%s`, which the code does not have", troubleshooting, what, m[1])
			}
		}
	}
}

// TestTheGuardTableHasTheClassesOfThePlans compares the classes in the table with every refusal in the goldens of
// diff/plan.
func TestTheGuardTableHasTheClassesOfThePlans(t *testing.T) {
	inPlans := map[string]map[string]bool{}
	files, err := filepath.Glob(filepath.Join(root, "diff", "plan", "testdata", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no goldens: %v", err)
	}
	refusal := regexp.MustCompile(`(?m)^! .*? ([a-z-]+), (later|consent|never)\b`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range refusal.FindAllStringSubmatch(string(text), -1) {
			if inPlans[m[1]] == nil {
				inPlans[m[1]] = map[string]bool{}
			}
			inPlans[m[1]][m[2]] = true
		}
	}
	if len(inPlans) < 30 {
		t.Errorf("the goldens refuse for %d guards only", len(inPlans))
	}
	table := section(byName(pages(t))[troubleshooting], "guard")
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| ([^|]+) \\|").FindAllStringSubmatch(table, -1) {
		guard := row[1]
		if inPlans[guard] == nil { // no golden has it, because another package has the guard or it is not shown
			continue
		}
		classes := strings.Split(strings.TrimSpace(row[2]), ", ")
		slices.Sort(classes)
		if want := slices.Sorted(maps.Keys(inPlans[guard])); !slices.Equal(classes, want) {
			t.Errorf("%s gives the guard `%s` the classes %q, and plans give it %q", troubleshooting, guard, classes, want)
		}
	}
}

// section returns the part of a page below the heading that names guards, conditions or hazards.
func section(p page, what string) string {
	for _, part := range strings.Split(p.text, "\n## ") {
		title, _, _ := strings.Cut(part, "\n")
		if strings.Contains(strings.ToLower(title), what) {
			return part
		}
	}
	return ""
}

// guards returns the names that refusals carry: constants, the first string of each guard in a list, and what is set
// as Guard.
func guards(t *testing.T) []string {
	t.Helper()
	names := map[string]bool{}
	for _, g := range append(all.Part().Forbids, all.Part().Guards...) {
		names[g.Name] = true
	}
	find := func(f *ast.File) {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				for i, id := range n.Names {
					if strings.HasPrefix(strings.ToLower(id.Name), "guard") && i < len(n.Values) {
						add(names, n.Values[i])
					}
				}
			case *ast.CompositeLit:
				if a, is := n.Type.(*ast.ArrayType); is && isIdent(a.Elt, "Guard") {
					for _, e := range n.Elts {
						if g, is := e.(*ast.CompositeLit); is && len(g.Elts) > 0 {
							add(names, g.Elts[0])
						}
					}
				}
			case *ast.KeyValueExpr:
				if isIdent(n.Key, "Guard") {
					add(names, n.Value)
				}
			case *ast.CallExpr:
				if isIdent(n.Fun, "guarded") && len(n.Args) > 0 {
					add(names, n.Args[0])
				}
			}
			return true
		})
	}
	for _, dir := range []string{"diff/plan", "controllers/kinds/cluster", "controllers/kinds/node"} {
		eachFile(t, dir, find)
	}
	return slices.Sorted(maps.Keys(names))
}

// conditions returns the constants of the block whose comment begins with "Condition types."
func conditions(t *testing.T) []string {
	t.Helper()
	names := map[string]bool{}
	eachFile(t, "controllers/status", func(f *ast.File) {
		for _, d := range f.Decls {
			g, is := d.(*ast.GenDecl)
			if !is || !strings.HasPrefix(g.Doc.Text(), "Condition types.") {
				continue
			}
			for _, s := range g.Specs {
				if v, is := s.(*ast.ValueSpec); is && len(v.Values) == 1 {
					add(names, v.Values[0])
				}
			}
		}
	})
	return slices.Sorted(maps.Keys(names))
}

func isIdent(e ast.Expr, name string) bool {
	id, is := e.(*ast.Ident)
	return is && id.Name == name
}

func add(names map[string]bool, e ast.Expr) {
	if lit, is := e.(*ast.BasicLit); is && lit.Kind == token.STRING {
		if s, err := strconv.Unquote(lit.Value); err == nil && s != "" {
			names[s] = true
		}
	}
}

func eachFile(t *testing.T, dir string, do func(*ast.File)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(dir), "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no files: %v", dir, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		do(f)
	}
}

// TestEveryMetricExists compares the names of metrics with the generated list.
func TestEveryMetricExists(t *testing.T) {
	list, err := os.ReadFile(filepath.Join(root, "docs", "reference", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages(t) {
		for _, name := range regexp.MustCompile(`\bswarm_operator_[a-z_]+[a-z]`).FindAllString(p.text, -1) {
			base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
			if !strings.Contains(string(list), "`"+name+"`") && !strings.Contains(string(list), "`"+base+"`") {
				t.Errorf("%s: there is no metric %s", p.name, name)
			}
		}
	}
}

// TestTheReadmeNamesTheGoVersion exists because people who build need to know the version.
func TestTheReadmeNamesTheGoVersion(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(mod))
	if m == nil {
		t.Fatal("go.mod names no version of Go")
	}
	if readme := byName(pages(t))["README.md"]; !strings.Contains(readme.text, "Go "+m[1]) {
		t.Errorf("README.md does not say that Go %s is needed", m[1])
	}
}
