package laws

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// mostFields is how many fields a struct may have outside api/v1. A struct with more knows too much, or is several
// things.
const mostFields = 12

// wide are the structs that have more today, with their number of fields. The list may only shrink: if you make a
// struct smaller, remove it or lower its number. If there is a reason other than that nobody has divided it yet, a
// comment gives it.
var wide = map[string]int{
	"cmd/swarm-operator/applying":      14,
	"controllers/engine/Client":        13,
	"controllers/kinds/node/Leaving":   15,
	"controllers/kinds/node/Node":      19,
	"controllers/kinds/node/Swarm":     14,
	"controllers/kinds/service/counts": 13,
	"controllers/state/Memory":         28,
	"controllers/status/Metrics":       15,
	"controllers/status/Report":        13,
	"controllers/status/Status":        13,
	"diff/Meta":                        14,
	"diff/State":                       21,
	"diff/plan/Facts":                  32,
	"diff/plan/Refusal":                13,
	"diff/plan/Step":                   13,
	"sandbox/Sandbox":                  15,
	"sandbox/controller":               13,
	"sandbox/machine":                  16,
	"sandbox/runner":                   16,
	"sandbox/startConfig":              14,
}

func TestStructsAreSmall(t *testing.T) {
	found := map[string]int{}
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(root, path)
		rel = filepath.ToSlash(rel)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (rel == "api" || rel == "test" || rel == "tools" || rel != "." && strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(rel, ".go") || strings.HasSuffix(rel, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, is := n.(*ast.TypeSpec)
			if !is {
				return true
			}
			if s, is := spec.Type.(*ast.StructType); is {
				name := strings.TrimSuffix(rel, filepath.Base(rel)) + spec.Name.Name
				for _, f := range s.Fields.List {
					found[name] += max(1, len(f.Names))
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 100 {
		t.Fatalf("found %d structs only", len(found))
	}
	for name, n := range found {
		if most := max(mostFields, wide[name]); n > most {
			t.Errorf("%s has %d fields, and may have %d: make it several things", name, n, most)
		}
	}
	for name, n := range wide {
		if found[name] < n {
			t.Errorf("%s has %d fields: take it off the list of wide structs or, if it still has more than %d, take its number down", name, found[name], mostFields)
		}
	}
}
