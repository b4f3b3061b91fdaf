package laws

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
)

// The plan knows no kind. If a kind proposes something or objects to something, it brings that itself. The plan may
// ask package v1 what is true of a kind, but never which kind it is.
func TestThePlanKnowsNoKind(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "diff", "plan", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, k := range all.Manifests() {
		kinds = append(kinds, k.Name)
	}
	names := append(slices.Clone(kinds), "Managers", "Rotations", "Swarm")
	seen := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		seen++
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			what := ""
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if pkg, is := n.X.(*ast.Ident); is && pkg.Name == "v1" && strings.HasPrefix(n.Sel.Name, "Kind") {
					what = "v1." + n.Sel.Name
				}
			case *ast.TypeSpec:
				if slices.Contains(names, n.Name.Name) {
					what = "the type " + n.Name.Name
				}
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING && slices.Contains(kinds, text) {
					what = n.Value
				}
			}
			if what != "" {
				t.Errorf("%s: %s is about a kind: have the kind bring it", set.Position(n.Pos()), what)
			}
			return true
		})
	}
	if seen < 10 {
		t.Errorf("only %d files were seen", seen)
	}
}
