package manifests_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/manifests"
)

const network = "apiVersion: swarm-operator.io/v1\nkind: Network\nmetadata: {name: %s}\n"

// A file of one mebibyte must cost little, whatever it holds, and give the same result each time. What is little is
// measured in processor time, and by manifests of the same size.
func TestHostileFiles(t *testing.T) {
	size := 1 << 20
	if raceEnabled || testing.Short() {
		size = 1 << 16
	}
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	each := func(format string) string {
		var b strings.Builder
		for i := 0; b.Len() < size-1000; i++ {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	spec := service("")
	long := strings.Repeat("9", size-1000)
	var ordinary strings.Builder
	for i := 0; ordinary.Len() < size-1000; i++ {
		ordinary.WriteString("---\n" + everyday(i))
	}
	const most = 30 // the worst of these takes three times as much
	usual := spent(t, func() {
		if _, problems := load("a.yaml", ordinary.String()); len(problems) > 0 {
			t.Fatal(problems)
		}
	})
	for name, text := range map[string]string{
		"brackets": fill("["), "braces": fill("{"), "mappings": fill("{a: "), "lists": fill("- "), "keys": fill("? "), "colons": fill(": "),
		"separators": fill("---\n"), "documents": fill("---\na\n"), "ends": fill("...\n"), "directives": fill("%YAML 1.1\n"),
		"comments": fill("#\n"), "comments between": fill("a: 1 # x\n # y\n"), "anchors": fill("- &a a\n"), "aliases": fill("*a "), "tags": fill("!a "),
		"quotes": fill(`"a" `), "flow list": "[" + fill("a,") + "]", "flow mapping": "{" + fill("a,") + "}", "long value": "a: " + fill("x"), "long key": fill("x") + ": a",
		"tabs": fill("\t"), "carriage returns": fill("\r"), "block scalars": fill("|\n"),
		"unknown fields": spec + each("  f%d: 1\n"), "wrong values": spec + "  environment:\n" + each("    A%d: 010\n"),
		"empty structs": spec + "  ports:\n" + fill("  - {}\n"), "equal ports": spec + "  ports:\n" + fill("  - {target: 1, published: 1}\n"),
		"missing networks": spec + "  networks:\n" + each("  - a%d\n"), "missing dependencies": spec + "policy: {dependsOn: [" + fill("Service/b,") + "]}",
		"merges": spec + "  environment: &e {A: b}\n  containerLabels:\n" + fill("    <<: *e\n"), "constraints": spec + "  placement: {constraints: [" + fill("a,") + "]}",
		"long size": spec + "  resources: {limits: {memory: " + long + "}}", "long cpus": spec + "  resources: {limits: {cpus: " + long + "}}", "long number": spec + "  replicas: " + long,
		"long name": strings.ReplaceAll(spec, "web", long), "long kind": strings.ReplaceAll(spec, "Service", long), "long version": strings.ReplaceAll(spec, "swarm-operator.io/v1", long),
	} {
		t.Run(name, func(t *testing.T) {
			text = text[:min(len(text), size)]
			var problems []v1.Problem
			if took := spent(t, func() { _, problems = load("a.yaml", text) }); took > most*usual {
				t.Errorf("took %s of a processor, which is %.0f times as much as manifests of the same size take; want at most %d times", took, float64(took)/float64(usual), most)
			}
			if len(problems) == 0 || len(problems) > 10*manifests.DefaultLimits.Problems+1 {
				t.Errorf("%d problems", len(problems))
			}
			for _, p := range problems {
				if len(p.String()) > 1200 {
					t.Fatalf("a problem of %d bytes: %.200s", len(p.String()), p.String())
				}
			}
			if _, again := load("a.yaml", text); !reflect.DeepEqual(problems, again) {
				t.Error("the second time, the problems are others")
			}
		})
	}
}

func TestBytesThatAreNoTextAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"byte order mark":      {"\uFEFF" + fmt.Sprintf(network, "a"), ""},
		"CRLF":                 {strings.ReplaceAll(fmt.Sprintf(network, "a")+"---\n"+fmt.Sprintf(network, "b"), "\n", "\r\n"), ""},
		"NUL":                  {fmt.Sprintf(network, "a") + "# \x00", "a.yaml:4: holds the control character U+0000\n"},
		"escape":               {"\n\n\x1b[31m", "a.yaml:3: holds the control character U+001B\n"},
		"Latin-1":              {fmt.Sprintf(network, "a") + "# caf\xe9", "a.yaml:4: holds bytes that are not UTF-8\n"},
		"UTF-16":               {"\xff\xfea\x00p\x00i\x00", "a.yaml:1: holds bytes that are not UTF-8\n"},
		"overlong":             {"\xc0\xaf", "a.yaml:1: holds bytes that are not UTF-8\n"},
		"C1 control character": {fmt.Sprintf(network, "a") + "# \u0086", "a.yaml:1: is not valid YAML: it holds a control character\n"},
		"tab after a key":      {"apiVersion:\tswarm-operator.io/v1\nkind: Network\nmetadata: {name: a}\n", ""},
		"tab as indentation":   {"apiVersion: swarm-operator.io/v1\nkind: Network\nmetadata:\n\tname: a\n", "a.yaml:4: is not valid YAML: a value begins with a tab, @, ` or %; quote it, and indent with spaces\n"},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := load("a.yaml", c.text)
			if diff := cmp.Diff(c.want, render(problems)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	small := options
	small.Limits = manifests.Limits{FileSize: 200, TotalSize: 400, Files: 3, Listed: 10, Depth: 3, Problems: 2}
	text := fmt.Sprintf(network, "a")
	for name, c := range map[string]struct {
		files []string
		want  string
	}{
		"file":     {[]string{"a.yaml", text + strings.Repeat("#", 200)}, "a.yaml: has 267 bytes; at most 200 are read\n"},
		"total":    {[]string{"a.yaml", text + strings.Repeat("#", 100), "b.yaml", fmt.Sprintf(network, "b") + strings.Repeat("#", 100), "c.yaml", text}, "c.yaml: is not read: the files of the source have more than 400 bytes together\n"},
		"files":    {[]string{"a.yaml", text, "b.yaml", "#", "c.yaml", "#", "d.yaml", "#"}, "the source has more than 3 manifests\n"},
		"listed":   {[]string{"a.yaml", text, "1", "", "2", "", "3", "", "4", "", "5", "", "6", "", "7", "", "8", "", "9", "", "x", ""}, "the source has more than 10 files; name the directory of the manifests with --path\n"},
		"depth":    {[]string{"a.yaml", text, "1/2/3/4/a.yaml", text}, "1/2/3/4: lies deeper than 3 directories\n"},
		"problems": {[]string{"a.yaml", "a: b\n---\nb: c\n---\nc: d\n"}, "a.yaml:1: is not a manifest: it has neither apiVersion (swarm-operator.io/v1) nor kind; if the file is not meant for the operator, name it in .swarmoperatorignore\na.yaml:3: is not a manifest: it has neither apiVersion (swarm-operator.io/v1) nor kind; if the file is not meant for the operator, name it in .swarmoperatorignore\na.yaml:4: has more than 2 problems; the others are not listed\n"},
		"nesting":  {[]string{"a.yaml", text + "spec: {ipam: {config: [{subnet: 5}]}}"}, "a.yaml:4: Network/a: spec.ipam.config: is nested deeper than 3 levels\n"},
		"ignore":   {[]string{"a.yaml", text, ".swarmoperatorignore", strings.Repeat("#", 201)}, ".swarmoperatorignore: has 201 bytes; at most 200 are read\n"},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := manifests.NewLoader(small).Load(tree(c.files...), ".")
			if diff := cmp.Diff(c.want, render(problems)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestContentLimit(t *testing.T) {
	for name, c := range map[string]struct {
		size int
		want string
	}{
		"as much as the engine takes": {v1.MaxSecretSize, ""},
		"one byte more":               {v1.MaxSecretSize + 1, "a.yaml:4: Secret/s: spec.file: x has 512000 bytes; at most 511999 are read\n"},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := load("a.yaml", "apiVersion: swarm-operator.io/v1\nkind: Secret\nmetadata: {name: s}\nspec: {file: x}\n", "x", strings.Repeat("x", c.size))
			if got := render(problems); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// A file may grow between being measured and being read, or its size may be wrong.
func TestStatedSizeIsNotTrusted(t *testing.T) {
	_, problems := manifests.NewLoader(options).Load(liar{tree("a.yaml", strings.Repeat("#", 2<<20))}, ".")
	if got := render(problems); got != "a.yaml: has more than 1048576 bytes\n" {
		t.Error(got)
	}
}

type liar struct{ fstest.MapFS }

func (l liar) Lstat(name string) (fs.FileInfo, error) {
	info, err := l.MapFS.Lstat(name)
	return sizeless{info}, err
}

type sizeless struct{ fs.FileInfo }

func (sizeless) Size() int64 { return 0 }

func TestIrregularFiles(t *testing.T) {
	fsys := tree("a.yaml", fmt.Sprintf(network, "a"), "c.yaml", `apiVersion: swarm-operator.io/v1
kind: Config
metadata: {name: a}
spec: {file: link.txt}
---
apiVersion: swarm-operator.io/v1
kind: Config
metadata: {name: b}
spec: {file: linked/secret.txt}
---
apiVersion: swarm-operator.io/v1
kind: Config
metadata: {name: c}
spec: {file: pipe}
---
apiVersion: swarm-operator.io/v1
kind: Config
metadata: {name: d}
spec: {file: module}
---
apiVersion: swarm-operator.io/v1
kind: Config
metadata: {name: e}
spec: {file: content.yaml}
`, "dir/secret.txt", "s3cr3t", "ignored/x", "")
	fsys["link.yaml"] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("/etc/shadow")}
	fsys["link.txt"] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("dir/secret.txt")}
	fsys["content.yaml"] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("dir/secret.txt")}
	fsys["linked"] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("dir")}
	fsys["pipe.yaml"] = &fstest.MapFile{Mode: fs.ModeNamedPipe}
	fsys["pipe"] = &fstest.MapFile{Mode: fs.ModeNamedPipe}
	fsys["device.yml"] = &fstest.MapFile{Mode: fs.ModeDevice | fs.ModeCharDevice}
	fsys["module"] = &fstest.MapFile{Mode: fs.ModeIrregular}
	fsys["socket"] = &fstest.MapFile{Mode: fs.ModeSocket}
	_, problems := manifests.NewLoader(options).Load(fsys, ".")
	want := `c.yaml:4: Config/a: spec.file: link.txt is a link; only regular files are read
c.yaml:9: Config/b: spec.file: linked/secret.txt leads through a link (linked); only regular directories and files are read
c.yaml:14: Config/c: spec.file: pipe is a device, a pipe or a socket; only regular files are read
c.yaml:19: Config/d: spec.file: module is a submodule; only regular files are read
c.yaml:24: Config/e: spec.file: content.yaml is a link; only regular files are read
device.yml: is a device, a pipe or a socket; only regular files are read
link.yaml: is a link; only regular files are read
module: is a submodule: its files are no part of the commit; if it holds no manifests, name it in .swarmoperatorignore
pipe.yaml: is a device, a pipe or a socket; only regular files are read
`
	if diff := cmp.Diff(want, render(problems)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOwnFilesMustBeRegular(t *testing.T) {
	fsys := tree("a.yaml", fmt.Sprintf(network, "a"))
	fsys[".swarmoperatorignore"] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("a.yaml")}
	fsys[".swarm-operator.yaml"] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("a.yaml")}
	_, problems := manifests.NewLoader(options).Load(fsys, ".")
	want := ".swarm-operator.yaml: is a link; only regular files are read\n.swarmoperatorignore: is a link; only regular files are read\n"
	if got := render(problems); got != want {
		t.Error(got)
	}
}

// A link in place of a directory would remove its manifests silently.
func TestLinkToADirectoryBesideTheRoot(t *testing.T) {
	fsys := tree("prod/a.yaml", fmt.Sprintf(network, "a"), "shared/b.yaml", fmt.Sprintf(network, "b"), "prod/real/c.yaml", fmt.Sprintf(network, "c"))
	for name, to := range map[string]string{"prod/common": "../shared", "prod/again": "real", "prod/out": "../../etc", "prod/file": "../shared/b.yaml", "prod/none": "../nothing"} {
		fsys[name] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte(to)}
	}
	_, problems := manifests.NewLoader(options).Load(fsys, "prod")
	want := "prod/common: is a link to the directory shared, which is not followed; if no manifests are expected there, name it in .swarmoperatorignore\n"
	if got := render(problems); got != want {
		t.Error(got)
	}
}

func TestOnlyManifestsBelowTheRootAreRead(t *testing.T) {
	fsys := tree(
		"prod/a.yaml", "apiVersion: swarm-operator.io/v1\nkind: Config\nmetadata: {name: a}\nspec: {file: ../shared/x}\n", "shared/x", "x", "prod/skip/b.yaml", "a: [", "prod/skop/b.yaml", "a: [",
		"staging/a.yaml", fmt.Sprintf(network, "a"), ".swarm-operator.yaml", "name: all", "staging/.swarm-operator.yaml", "name: staging",
		".swarmoperatorignore", "/prod/skip\n", "prod/.swarmoperatorignore", "/skop\n",
	)
	fsys["link"] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("prod")}
	for root, want := range map[string]string{
		"prod":    "all ",
		"staging": "staging ",
		"shared":  "all there are no manifests below shared; the revision is refused, because an empty source would remove everything\n",
		"pord":    " the path pord does not exist; did you mean prod?\n",
		"link":    " the path link is a link; only regular files are read\n",
		"../x":    " the path ../x is not one below the source: it must be relative, with / and without ..\n",
		"/prod":   " the path /prod is not one below the source: it must be relative, with / and without ..\n",
		"prod/":   " the path prod/ is not one below the source: it must be relative, with / and without ..\n",
		"":        " the path \"\" is not one below the source: it must be relative, with / and without ..\n",
	} {
		set, problems := manifests.NewLoader(options).Load(fsys, root)
		if got := set.Name + " " + render(problems); got != want {
			t.Errorf("%q: got %q, want %q", root, got, want)
		}
	}
	if _, problems := manifests.NewLoader(options).Load(fsys, "prod/a.yaml"); render(problems) != "the path prod/a.yaml is not there: a.yaml is no directory\n" {
		t.Error(render(problems))
	}
}

// An error while reading is a problem like any other. What was read must not pass for the whole source.
func TestReadErrors(t *testing.T) {
	files := []string{"a.yaml", service("networks: [missing]"), "b.yaml", fmt.Sprintf(network, "b"), "dir/c.yaml", fmt.Sprintf(network, "c")}
	for name, want := range map[string]string{
		"open a.yaml":  "a.yaml: cannot be read: it is damaged\n",
		"open b.yaml":  "b.yaml: cannot be read: it is damaged\n",
		"lstat b.yaml": "b.yaml: cannot be read: it is damaged\n",
		"readdir dir":  "dir: the directory cannot be listed: it is damaged\n",
		"readdir .":    ".: the directory cannot be listed: it is damaged\n",
		"lstat .":      "the path . cannot be read: it is damaged\n",
	} {
		_, problems := manifests.NewLoader(options).Load(damaged{tree(files...), name}, ".")
		if got := render(problems); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// damaged fails one operation.
type damaged struct {
	fstest.MapFS
	what string
}

func (d damaged) fail(op, name string) error {
	if op+" "+name == d.what {
		return &fs.PathError{Op: op, Path: name, Err: errors.New("it is damaged")}
	}
	return nil
}

func (d damaged) Open(name string) (fs.File, error) {
	if err := d.fail("open", name); err != nil {
		return nil, err
	}
	return d.MapFS.Open(name)
}

func (d damaged) Lstat(name string) (fs.FileInfo, error) {
	if err := d.fail("lstat", name); err != nil {
		return nil, err
	}
	return d.MapFS.Lstat(name)
}

func (d damaged) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := d.fail("readdir", name); err != nil {
		return nil, err
	}
	return d.MapFS.ReadDir(name)
}

func TestProblemsAreSortedAndTheSameEachTime(t *testing.T) {
	files := []string{"a.yaml", service("networks: [x]"), "b.yaml", service("replica: 1"), "c/d.yaml", "a: [", "e.yml", "x: y"}
	_, want := load(files...)
	for range 20 {
		if _, got := load(files...); !reflect.DeepEqual(got, want) {
			t.Fatal(got)
		}
	}
	if !slices.IsSortedFunc(want, v1.Problem.Compare) {
		t.Error("problems are not sorted")
	}
}

// counting counts how often each file is opened.
type counting struct {
	withBlobs
	opened map[string]int
}

func (c counting) Open(name string) (fs.File, error) {
	c.opened[name]++
	return c.withBlobs.Open(name)
}

func TestOnlyChangedBlobsAreRead(t *testing.T) {
	fsys := counting{withBlobs{manyFiles(10)}, map[string]int{}}
	fsys.MapFS["bad.yaml"] = &fstest.MapFile{Data: []byte("a: b")}
	fsys.MapFS["bad2.yaml"] = fsys.MapFS["bad.yaml"]
	l := manifests.NewLoader(options)
	first, problems := l.Load(fsys, ".")
	if len(first.Entries) != 10 || len(problems) != 2 || problems[0].File != "bad.yaml" || problems[1].File != "bad2.yaml" {
		t.Fatal(len(first.Entries), problems)
	}
	clear(fsys.opened)
	fsys.MapFS["services/web-0003.yaml"] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(everyday(3), "1.27", "1.28"))}
	fsys.MapFS["services/moved.yaml"] = fsys.MapFS["services/web-0004.yaml"]
	delete(fsys.MapFS, "services/web-0004.yaml")
	second, again := l.Load(fsys, ".")
	if diff := cmp.Diff(problems, again); diff != "" {
		t.Error(diff)
	}
	delete(fsys.opened, ".swarm-operator.yaml")
	if diff := cmp.Diff(map[string]int{"services/web-0003.yaml": 1}, fsys.opened); diff != "" {
		t.Errorf("opened (-want +got):\n%s", diff)
	}
	fresh, _ := manifests.NewLoader(options).Load(fsys, ".")
	for i, e := range second.Entries {
		f := fresh.Entries[i]
		if !reflect.DeepEqual(e.Object, f.Object) || e.File != f.File || e.Line != f.Line || e.Position("spec.image").Line != f.Position("spec.image").Line {
			t.Errorf("kept %+v, read anew %+v", e, f)
		}
	}
	for i, e := range second.Entries {
		if same := e.Object == first.Entries[i].Object; same != (i != 3) {
			t.Errorf("%s is the same object as before: %t", e.Key(), same)
		}
	}
	if e, _ := second.Get(v1.Key{Kind: "Service", Name: "web-0004"}); e.File != "services/moved.yaml" {
		t.Errorf("the moved file is %s", e.File)
	}
	if s := second.Entries[3].Object.(*v1.Service); s.Spec.Image != "nginx:1.28" {
		t.Error(s.Spec.Image)
	}
}

// A file that is kept from an earlier Load still counts towards the limit on the size of all files.
func TestKeptFilesCountTowardsTheLimit(t *testing.T) {
	small := options
	small.Limits = manifests.Limits{TotalSize: 100}
	l := manifests.NewLoader(small)
	fsys := withBlobs{tree("a.yaml", fmt.Sprintf(network, "a"), "b.yaml", fmt.Sprintf(network, "b"))}
	_, first := l.Load(fsys, ".")
	fsys.MapFS["b.yaml"], fsys.MapFS["a.yaml"] = fsys.MapFS["a.yaml"], fsys.MapFS["b.yaml"]
	_, second := l.Load(fsys, ".")
	if len(first) != 1 || !reflect.DeepEqual(first, second) {
		t.Errorf("%v, then %v", first, second)
	}
}

// Files on a disk are read as those in memory are. A link is a problem, whether it is a manifest or its content.
func TestLinksOnADiskAreNotFollowed(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.yaml": fmt.Sprintf(network, "a"), "sub/b.yaml": "apiVersion: swarm-operator.io/v1\nkind: Config\nmetadata: {name: a}\nspec: {file: ../link}\n", "secret": "s3cr3t"} {
		name = filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink("secret", filepath.Join(dir, "link")), os.Symlink("/etc/shadow", filepath.Join(dir, "shadow.yaml"))); err != nil {
		t.Fatal(err)
	}
	_, problems := manifests.NewLoader(options).Load(os.DirFS(dir), ".")
	want := "shadow.yaml: is a link; only regular files are read\nsub/b.yaml:4: Config/a: spec.file: ../link is a link; only regular files are read\n"
	if got := render(problems); got != want {
		t.Error(got)
	}
}

// If reading a file fails half-way, that is a problem. What was read does not pass for the whole file.
func TestFileThatIsReadOnlyInPartIsAProblem(t *testing.T) {
	_, problems := manifests.NewLoader(options).Load(halfway{tree("a.yaml", fmt.Sprintf(network, "a"))}, ".")
	if got := render(problems); got != "a.yaml: cannot be read: unexpected EOF\n" {
		t.Error(got)
	}
}

type halfway struct{ fstest.MapFS }

func (h halfway) Open(name string) (fs.File, error) {
	f, err := h.MapFS.Open(name)
	return halfFile{f}, err
}

type halfFile struct{ fs.File }

func (halfFile) Read(p []byte) (int, error) { return copy(p, "# "), io.ErrUnexpectedEOF }
