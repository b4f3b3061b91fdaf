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

// recoversFrom reports whether a part of the code recovers from a panic, itself or by package rescue.
func recoversFrom(part ast.Node) (found bool) {
	ast.Inspect(part, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			of, is := n.X.(*ast.Ident)
			found = found || is && of.Name == "rescue" && (n.Sel.Name == "Clean" || n.Sel.Name == "Do")
		case *ast.CallExpr:
			name, is := n.Fun.(*ast.Ident)
			found = found || is && name.Name == "recover"
		}
		return !found
	})
	return found
}

// begun returns what a part of the code runs in another goroutine, or nil if that is nothing.
func begun(n ast.Node) ast.Node {
	switch n := n.(type) {
	case *ast.GoStmt:
		return n.Call
	case *ast.CallExpr:
		if s, is := n.Fun.(*ast.SelectorExpr); is && (s.Sel.Name == "Go" || s.Sel.Name == "AfterFunc") && len(n.Args) > 0 {
			return n.Args[len(n.Args)-1]
		}
	}
	return nil
}

// Go prints the value of a panic that nobody recovers from, and the value may be a secret. So every goroutine of the
// operator's begins with package rescue, or recovers itself.
func TestNoGoroutineShowsTheValueOfAPanic(t *testing.T) {
	elsewhere := map[string]string{
		"cmd/swarm-operator/main.go":   "stop of a context",
		"controllers/rescue/rescue.go": "its own Do, which the law knows by the name of the package",
		"controllers/runner/runner.go": "ShutDown of a queue",
		"manifests/parse.go":           "its function recovers for each document",
	}
	all, excused := 0, map[string]bool{}
	for _, dir := range []string{"api", "cmd/swarm-operator", "controllers", "diff", "guardrails", "manifests", "redact"} {
		err := filepath.WalkDir(filepath.Join("..", "..", dir), func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return err
			}
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			relative := strings.TrimPrefix(filepath.ToSlash(name), "../../")
			ast.Inspect(file, func(n ast.Node) bool {
				part := begun(n)
				if part == nil {
					return true
				}
				switch all++; {
				case recoversFrom(part):
				case elsewhere[relative] != "":
					excused[relative] = true
				default:
					t.Errorf("%s: a panic here would print its value: give it to rescue.Clean", fset.Position(n.Pos()))
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if all < 20 || len(excused) != 4 {
		t.Errorf("there are %d goroutines, and excused are %v", all, excused)
	}
}

// The law sees each way to begin a goroutine.
func TestWhatBeginsAGoroutine(t *testing.T) {
	for code, want := range map[string]string{
		"go f()": "bare", "go func() { f() }()": "bare", "w.Go(f)": "bare", "time.AfterFunc(d, f)": "bare", "context.AfterFunc(ctx, func() { f() })": "bare", "f()": "", "w.Gone(f)": "",
		"go rescue.Clean(f)()": "clean", "w.Go(rescue.Clean(func() { f() }))": "clean", "w.Go(func() error { return rescue.Do(f) })": "clean", "go func() { defer func() { _ = recover() }(); f() }()": "clean",
		"w.Go(func() { rescue.Of(f()) })": "bare",
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\nfunc x() {\n"+code+"\n}", parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		ast.Inspect(file, func(n ast.Node) bool {
			if part := begun(n); part != nil {
				got = append(got, map[bool]string{true: "clean", false: "bare"}[recoversFrom(part)])
			}
			return true
		})
		if strings.Join(got, " ") != want {
			t.Errorf("%s is %q, want %q", code, got, want)
		}
	}
}
