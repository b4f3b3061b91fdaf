// Package laws holds what is true of the whole project. It says which package may import which. It also checks what
// becomes of any swarm and any source when plans are made and carried out again and again.
package laws

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/swarm-operator/swarm-operator/"

// room says what a package may import. Its field ours lists this project's packages, and others lists other people's;
// nil means any. In addition, never lists packages of the standard library that it may not import, including
// everything below them.
type room struct {
	path   string
	ours   []string
	others []string
	never  []string
}

var none = []string{}

// house is the table of ARCHITECTURE.md. A new package needs a line here, and with it a decision.
var house = []room{
	{"redact", none, none, []string{"context", "io", "os", "net", "log"}},
	{"api/v1", []string{"redact"}, []string{"github.com/distribution/reference", "github.com/docker/go-units", "github.com/google/shlex"}, []string{"context", "os", "io", "net", "log"}},
	{"api/config", []string{"api/v1", "redact"}, none, []string{"context", "os", "io", "net", "log"}},
	{"guardrails", []string{"api/config", "api/v1"}, []string{"github.com/distribution/reference"}, []string{"context", "os", "io", "log", "sync"}},
	{"manifests", []string{"api/v1"}, []string{"go.yaml.in/yaml/v3", "github.com/go-git/go-git/v5/plumbing/format/gitignore"}, []string{"context", "os", "net", "log"}},
	{"manifests/render", []string{"api/v1"}, none, []string{"context", "io", "os", "net", "log", "sync"}},
	{"manifests/git", []string{"controllers/rescue"}, []string{"github.com/go-git/go-git/v5", "github.com/go-git/go-billy/v5", "github.com/fsnotify/fsnotify"}, []string{"net/http", "log"}},
	{"diff", []string{"api/v1", "redact"}, none, []string{"context", "io", "os", "net", "log", "sync", "math/rand"}},
	{"diff/plan", []string{"api/v1", "diff"}, none, []string{"context", "io", "os", "net", "log", "sync", "math/rand"}},
	{"controllers/engine", []string{"controllers/rescue"}, nil, nil},
	{"controllers/digests", none, []string{"golang.org/x/crypto/argon2"}, []string{"context", "io", "os", "net", "log"}},
	{"controllers/kinds", []string{"api/config", "api/v1", "controllers/digests", "controllers/engine", "controllers/rescue", "diff", "diff/plan"}, none, []string{"os", "net", "log"}},
	{"controllers/kinds/cluster", []string{"api/config", "api/v1", "controllers/engine", "controllers/files", "controllers/kinds", "diff", "diff/plan"}, []string{"github.com/moby/moby/api", "github.com/moby/moby/client"}, []string{"os", "net/http", "log"}},
	{"controllers/kinds/*", []string{"api/config", "api/v1", "controllers/engine", "controllers/kinds", "diff", "diff/plan"}, []string{"github.com/moby/moby/api", "github.com/moby/moby/client"}, []string{"net/http", "log"}},
	{"controllers/kinds/all", []string{"api/v1", "controllers/kinds", "controllers/kinds/*", "diff", "diff/plan", "manifests"}, none, []string{"os", "net", "log"}},
	{"controllers/bootstrap", []string{"api/config", "api/v1", "controllers/engine", "controllers/kinds", "controllers/rescue"}, []string{"github.com/moby/moby/api", "github.com/moby/moby/client"}, []string{"os", "net/http", "log"}},
	{"controllers/state", []string{"api/v1", "controllers/engine", "controllers/rescue", "diff/plan"}, []string{"github.com/moby/moby/api", "github.com/moby/moby/client", "github.com/go-logr/logr"}, []string{"os", "net", "log"}},
	{"controllers/audit", []string{"api/v1", "controllers/engine", "controllers/files", "diff/plan"}, none, []string{"os", "net", "log"}},
	{"controllers/apply", []string{"api/config", "api/v1", "controllers/audit", "controllers/digests", "controllers/engine", "controllers/kinds", "controllers/rescue", "diff", "diff/plan"}, none, []string{"os", "net", "log"}},
	{"controllers/screen", none, none, []string{"context", "io", "os", "net", "log"}},
	{"controllers/status", []string{"api/v1", "controllers/rescue", "controllers/screen", "diff", "diff/plan"}, []string{"github.com/prometheus/client_golang", "github.com/go-logr/logr"}, []string{"os", "net", "log"}},
	{"controllers/files", none, none, []string{"net", "log"}},
	{"controllers/sinks", []string{"api/config", "api/v1", "controllers/files", "controllers/rescue"}, []string{"filippo.io/age"}, []string{"net", "log"}},
	{"controllers/server", []string{"controllers/files", "controllers/rescue"}, []string{"github.com/go-logr/logr"}, []string{"os"}},
	{"controllers/unlock", []string{"api/v1", "controllers/engine", "controllers/files"}, []string{"github.com/moby/moby/api", "github.com/moby/moby/client", "github.com/go-logr/logr"}, []string{"net", "log"}},
	{"controllers/rescue", none, none, []string{"context", "io", "os", "net", "log"}},
	{"controllers/runner", []string{"controllers/rescue"}, []string{"k8s.io/client-go/util/workqueue", "github.com/go-logr/logr"}, []string{"os", "net", "log"}},
	{"controllers/decide", []string{"api/v1", "controllers/digests", "controllers/kinds", "controllers/kinds/all", "controllers/state", "controllers/status", "diff", "diff/plan", "manifests/git"}, none, []string{"context", "io", "os", "net", "log", "sync", "math/rand"}},
	{"controllers/revisions", []string{"api/config", "api/v1", "guardrails", "controllers/decide", "controllers/kinds", "controllers/kinds/all", "controllers/state", "diff", "manifests", "manifests/git"}, []string{"github.com/moby/moby/api", "github.com/go-logr/logr"}, []string{"os", "net", "log"}},
	{"controllers/observe", []string{"api/v1", "controllers/engine", "controllers/kinds", "controllers/rescue", "controllers/state", "controllers/status", "diff/plan"}, []string{"github.com/moby/moby/api", "github.com/moby/moby/client", "golang.org/x/sync/errgroup", "github.com/go-logr/logr"}, []string{"os", "net", "log"}},
	{"controllers/export", []string{"api/v1", "controllers/kinds", "diff", "manifests/render"}, none, []string{"context", "io", "os", "net", "log", "sync"}},
	{"controllers/report", []string{"api/v1", "controllers/act", "controllers/decide", "controllers/engine", "controllers/kinds", "controllers/kinds/all", "controllers/observe", "controllers/state", "controllers/status", "diff", "diff/plan"}, []string{"github.com/moby/moby/api"}, []string{"os", "net", "log"}},
	{"controllers/act", []string{"api/config", "api/v1", "controllers/apply", "controllers/audit", "controllers/decide", "controllers/engine", "controllers/kinds", "controllers/sinks", "controllers/state", "diff", "diff/plan"}, []string{"github.com/moby/moby/client", "github.com/go-logr/logr"}, []string{"os", "net", "log"}},
	{"controllers/reconciler", []string{"api/config", "api/v1", "controllers/*", "controllers/kinds/all", "diff", "diff/plan", "redact"}, nil, []string{"os", "net", "log"}},
	{"controllers/session", []string{"controllers/*", "diff"}, []string{"github.com/go-logr/logr"}, []string{"os", "net", "log"}},
	{"cmd/swarm-operator", []string{"api/config", "api/v1", "controllers/*", "controllers/kinds/all", "diff", "diff/plan", "manifests", "manifests/git", "redact"}, nil, nil},
	{"sandbox", []string{"sandbox/*"}, nil, nil},
	{"sandbox/*", []string{"sandbox", "sandbox/*"}, nil, nil},
	{"cmd/swarm-sandbox", []string{"sandbox"}, nil, nil},
	{"cmd/swarm-open", none, nil, nil},
	{"examples", nil, nil, nil},
	{"test/*", nil, nil, nil}, // tests may see everything
	{"test/*/*", nil, nil, nil},
	{"internal/*", none, nil, nil},
}

// roomOf returns the line of a package. A line of its own comes before a pattern. It returns nil if there is neither.
func roomOf(pkg string) *room {
	for _, exact := range []bool{true, false} {
		for i := range house {
			if matched, _ := path.Match(house[i].path, pkg); matched && (house[i].path == pkg) == exact {
				return &house[i]
			}
		}
	}
	return nil
}

func matches(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { ok, _ := path.Match(p, pkg); return ok })
}

func below(prefixes []string, pkg string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return pkg == p || strings.HasPrefix(pkg, p+"/") })
}

// imports calls found for every import of every file that is not a test. file is the path below the root.
func imports(t *testing.T, found func(file, pkg string)) {
	t.Helper()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		switch base := filepath.Base(name); {
		case err != nil:
			return err
		case e.IsDir() && name != root && (strings.HasPrefix(base, ".") || base == "testdata" || isModule(name)):
			return filepath.SkipDir
		case e.IsDir() || !strings.HasSuffix(base, ".go") || strings.HasSuffix(base, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, name)
		for _, i := range file.Imports {
			pkg, _ := strconv.Unquote(i.Path.Value)
			found(filepath.ToSlash(relative), pkg)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// isModule reports whether a directory is another module.
func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func TestWhoImportsWhom(t *testing.T) {
	seen := map[string]bool{}
	imports(t, func(file, pkg string) {
		r := roomOf(path.Dir(file))
		if r == nil {
			if !seen[path.Dir(file)] {
				t.Errorf("%s is a new room of the house: add it to the table", path.Dir(file))
			}
			seen[path.Dir(file)] = true
			return
		}
		seen[r.path] = true
		own, isOurs := strings.CutPrefix(pkg, module)
		switch {
		case isOurs && r.ours != nil && !matches(r.ours, own):
			t.Errorf("%s must not import %s", file, own)
		case !isOurs && strings.Contains(pkg, ".") && r.others != nil && !below(r.others, pkg):
			t.Errorf("%s must not import %s", file, pkg)
		case !isOurs && below(r.never, pkg) && pkg != "net/netip" && pkg != "io/fs" && pkg != "net/url":
			t.Errorf("%s must not import %s", file, pkg)
		}
	})
	for _, r := range house {
		if !seen[r.path] && r.path != "internal/*" && r.path != "examples" && r.path != "sandbox/*" && r.path != "test/*/*" {
			t.Errorf("%s is no room of the house any more", r.path)
		}
	}
}

// The files that only decide know neither the engine nor a context, even if their neighbours do.
func TestThePureFiles(t *testing.T) {
	pure := []string{
		"controllers/report/found.go",
		"controllers/kinds/export.go", "controllers/kinds/tidy.go", "controllers/kinds/content/export.go", "controllers/kinds/network/export.go", "controllers/kinds/node/export.go", "controllers/kinds/cluster/export.go", "controllers/kinds/service/export.go",
		"controllers/kinds/expand.go", "controllers/kinds/index.go", "controllers/kinds/memo.go", "controllers/kinds/cluster/read.go", "controllers/kinds/cluster/write.go", "controllers/kinds/cluster/rules.go", "controllers/kinds/node/members.go", "controllers/kinds/node/outage.go", "controllers/kinds/node/machine.go", "controllers/kinds/node/labels.go", "controllers/kinds/node/rules.go", "controllers/kinds/since.go", "controllers/kinds/service/read.go", "controllers/kinds/service/write.go", "controllers/kinds/service/write_task.go", "controllers/kinds/service/rules.go", "controllers/kinds/service/spec.go",
	}
	// These files are as pure as the propose.go that they decide for.
	decides := []string{
		"controllers/kinds/cluster/rotate.go", "controllers/kinds/cluster/signing.go", "controllers/kinds/node/survey.go", "controllers/kinds/node/running.go",
		"controllers/kinds/node/orphans.go", "controllers/kinds/node/insecure.go", "controllers/kinds/node/expand.go", "controllers/kinds/node/near.go", "controllers/kinds/node/write.go",
	}
	never := []string{"context", "io", "os", "net", "log", "sync", "math/rand", "github.com/moby/moby/client", module + "controllers/engine", module + "controllers/files"}
	seen, proposers := map[string]bool{}, map[string]bool{}
	imports(t, func(file, pkg string) {
		strict := slices.Contains(decides, file)
		if path.Base(file) == "propose.go" {
			proposers[file], strict = true, true
		}
		if strict {
			seen[file] = true
			if below(never, pkg) {
				t.Errorf("%s must not import %s", file, pkg)
			}
		}
		if slices.Contains(pure, file) {
			seen[file] = true
			if pkg == "context" || pkg == module+"controllers/engine" || strings.HasPrefix(pkg, "github.com/moby/moby/client") {
				t.Errorf("%s must not import %s", file, pkg)
			}
		}
	})
	for _, file := range append(pure, decides...) {
		if !seen[file] {
			t.Errorf("%s is gone", file)
		}
	}
	if len(proposers) == 0 {
		t.Error("no kind proposes anything")
	}
}

func TestWhatTheOperatorLinks(t *testing.T) {
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "./cmd/swarm-operator")
	list.Dir = filepath.Join("..", "..")
	list.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := list.Output()
	if err != nil {
		t.Fatalf("listing what the operator links: %v", err)
	}
	deps := strings.Fields(string(out))
	if !slices.Contains(deps, module+"diff/plan") {
		t.Fatal("that is not the operator")
	}
	never := []string{
		"github.com/moby/swarmkit", "github.com/moby/moby/v2", "github.com/docker/docker", "go.etcd.io/etcd", "google.golang.org/grpc",
		"testing", "pgregory.net/rapid", "github.com/google/go-cmp", "plugin", "runtime/cgo",
		module + "sandbox", module + "test", module + "internal",
	}
	for _, d := range deps {
		if below(never, d) {
			t.Errorf("the operator links %s", d)
		}
	}
}

// The linker leaves methods out that nothing calls, unless something looks methods up by their names, as templates do. With
// one template of cobra's, the program is a fifth larger, and so is what it keeps in memory.
func TestNothingUsesATemplate(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "cmd", "swarm-operator", "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatal("there is no command: ", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"VersionTemplate(", "UsageTemplate(", "HelpTemplate(", "AddTemplateFunc", "/template\""} {
			if strings.Contains(string(text), word) {
				t.Errorf("%s uses %s", filepath.Base(file), word)
			}
		}
	}
}

// Packages that decide are given the time: the same values must lead to the same decision whenever somebody looks.
func TestDecidingLooksAtNoClock(t *testing.T) {
	clock := []string{"Now", "Since", "Until", "After", "AfterFunc", "Sleep", "Tick", "NewTimer", "NewTicker"}
	read := 0
	for _, pattern := range []string{
		"diff/*.go", "diff/plan/*.go", "controllers/decide/*.go", "controllers/kinds/*/propose.go", "controllers/kinds/node/survey.go", "controllers/kinds/node/running.go",
		"controllers/kinds/cluster/rotate.go", "controllers/kinds/cluster/signing.go",
	} {
		files, err := filepath.Glob(filepath.Join("..", "..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			read++
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if s, is := n.(*ast.SelectorExpr); is {
					if of, is := s.X.(*ast.Ident); is && of.Name == "time" && slices.Contains(clock, s.Sel.Name) {
						t.Errorf("%s: it must not ask for time.%s", fset.Position(s.Pos()), s.Sel.Name)
					}
				}
				return true
			})
		}
	}
	if read < 30 {
		t.Errorf("only %d files were read", read)
	}
}
