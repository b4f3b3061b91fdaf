package manifests_test

import (
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/manifests"
)

// expandedBy loads one manifest of Many, m.yaml, with an expansion of its own, and other files.
func expandedBy(limits manifests.Limits, expand func(*manifests.Expansion), files ...string) (manifests.Set, []v1.Problem) {
	o := manifests.Options{Limits: limits, Kinds: append(slices.Clone(options.Kinds), thingOptions.Kinds[0], manifests.Kind{Name: "Many", New: func() v1.Object { return new(many) }, Expand: expand})}
	return manifests.NewLoader(o).Load(tree(append(files, "m.yaml", stands("m", "items: [a]"))...), ".")
}

// Every field of an object has the place that somebody wrote it in.
func TestExpandedFieldsKeepTheirPositions(t *testing.T) {
	set, problems := loadMany("a.yaml", stands("m", "items:\n- x app\n- y app 81\nfiles: [list, dir/more]"), "list", "# the first line\n  web nginx  8080\nvariable LEVEL=info\nvariable a.b=c\n", "dir/more", "\n\ndb  pg\n")
	if len(problems) > 0 {
		t.Fatal(render(problems))
	}
	for _, c := range []struct {
		name, path string
		want       manifests.Position
	}{
		{"m_x", "", manifests.Position{File: "a.yaml", Line: 6}},
		{"m_y", "", manifests.Position{File: "a.yaml", Line: 7}},
		{"m_y", "spec.ports[0].published", manifests.Position{File: "a.yaml", Line: 7, Column: 6}},
		{"m_db", "", manifests.Position{File: "dir/more", Line: 3, Column: 1}},
		{"m_db", "spec.image", manifests.Position{File: "dir/more", Line: 3, Column: 5}},
		{"m_web", "", manifests.Position{File: "list", Line: 2, Column: 1}},
		{"m_web", "metadata.name", manifests.Position{File: "list", Line: 2, Column: 1}},
		{"m_web", "spec.image", manifests.Position{File: "list", Line: 2, Column: 7}},
		{"m_web", "spec.ports[0].published", manifests.Position{File: "list", Line: 2, Column: 14}},
		{"m_web", "spec.ports[80/tcp].published", manifests.Position{File: "list", Line: 2, Column: 14}},
		{"m_web", "spec.environment.LEVEL", manifests.Position{File: "list", Line: 3, Column: 10}},
		{"m_web", `spec.environment["LEVEL"]`, manifests.Position{File: "list", Line: 3, Column: 10}},
		{"m_web", `spec.environment["a.b"]`, manifests.Position{File: "list", Line: 4, Column: 10}},
		// What is not stated has the place of its nearest parent that is.
		{"m_web", "spec.environment", manifests.Position{File: "list", Line: 2, Column: 1}},
		{"m_web", "spec.environment.OTHER", manifests.Position{File: "list", Line: 2, Column: 1}},
		{"m_web", "spec.ports[0].target", manifests.Position{File: "list", Line: 2, Column: 1}},
		{"m_web", "spec.ports[1].published", manifests.Position{File: "list", Line: 2, Column: 1}},
		{"m_web", "spec.image.below", manifests.Position{File: "list", Line: 2, Column: 7}},
		{"m_web", "policy.dependsOn[0]", manifests.Position{File: "list", Line: 2, Column: 1}},
	} {
		e, ok := set.Get(v1.Key{Kind: v1.KindService, Name: c.name})
		if !ok {
			t.Fatalf("there is no %s", c.name)
		}
		if got := e.Position(c.path); got != c.want {
			t.Errorf("%s of %s is at %+v, want %+v", c.path, c.name, got, c.want)
		}
		if want := (v1.Key{Kind: "Many", Name: "m"}); e.From != want {
			t.Errorf("%s is of %s", c.name, e.From)
		}
	}
	if plain, _ := load("a.yaml", service("replicas: 3")); plain.Entries[0].From != (v1.Key{}) || plain.Entries[0].Position("spec.replicas") != (manifests.Position{File: "a.yaml", Line: 6}) {
		t.Error("a plain object comes from a manifest, or its field has another place")
	}
	if got := (manifests.Position{File: "a/b", Line: 3, Column: 9}).String(); got != "a/b:3" {
		t.Error(got)
	}
}

// An expansion may give a position to any path. A path that names no field changes the position of no other path.
func TestExpansionsMayPlaceAnyPath(t *testing.T) {
	at := func(line int) manifests.Position { return manifests.Position{File: "f", Line: line} }
	for _, c := range []struct {
		name   string
		at     map[string]manifests.Position
		path   string
		where  manifests.Position
		places int
	}{
		{name: "nothing is placed", path: "spec.image", where: manifests.Position{File: "m.yaml", Line: 1}},
		{name: "the whole", at: map[string]manifests.Position{"": at(3)}, path: "spec.image", where: at(3)},
		{name: "a parent only", at: map[string]manifests.Position{"spec": at(3)}, path: "spec.mounts[0].target", where: at(3)},
		{name: "a child before its parent", at: map[string]manifests.Position{"spec.mounts[0].target": at(4), "spec.mounts": at(2), "spec": at(1)}, path: "spec.mounts[0].source", where: at(2)},
		{name: "a child of what has no place", at: map[string]manifests.Position{"": at(1), "spec.mounts[0].target": at(4)}, path: "spec.mounts[0].target", where: at(4)},
		{name: "an element that is not there", at: map[string]manifests.Position{"": at(1), "spec.mounts[7].target": at(4)}, path: "spec.mounts[7].target", where: at(4)},
		{name: "another element", at: map[string]manifests.Position{"": at(1), "spec.mounts[7].target": at(4)}, path: "spec.mounts[6].target", where: at(1)},
		{name: "no field", at: map[string]manifests.Position{"": at(1), "spec.none.of.this": at(4)}, path: "spec.image", where: at(1)},
		{name: "a key that is a number", at: map[string]manifests.Position{"": at(1), `spec.environment["0"]`: at(4)}, path: `spec.environment["0"]`, where: at(4)},
		{name: "an open bracket", at: map[string]manifests.Position{"": at(1), "spec.mounts[": at(4), "[": at(5), `spec["`: at(6)}, path: "spec.mounts", where: at(1)},
		{name: "dots", at: map[string]manifests.Position{"": at(1), ".": at(4), "..": at(5), "spec.": at(6)}, path: "metadata.name", where: at(1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			set, problems := expandedBy(manifests.Limits{}, func(x *manifests.Expansion) {
				s := &v1.Service{Header: header(v1.KindService, "a")}
				s.Spec.Image = "app"
				x.Object(s, c.at)
			})
			if len(problems) > 0 || len(set.Entries) != 1 {
				t.Fatal(standing(set, problems))
			}
			if got := set.Entries[0].Position(c.path); got != c.where {
				t.Errorf("%s is at %+v, want %+v", c.path, got, c.where)
			}
		})
	}
}

// No problem of what was expanded repeats what may be a secret.
func TestExpansionsShowNoSecret(t *testing.T) {
	made := func(key, value string) func(*manifests.Expansion) {
		return func(x *manifests.Expansion) {
			o := &thing{Header: header("Thing", "t")}
			o.Spec.Text = map[string]string{key: value}
			x.Object(o, map[string]manifests.Position{"": {File: "f", Line: 1}, v1.PathKey("spec.text", key): {File: "g", Line: 2}})
		}
	}
	for name, c := range map[string]struct {
		expand func(*manifests.Expansion)
		want   string
	}{
		"a value that is no secret":       {made("plain", "x"), `g:2: Thing/t: spec.text.plain: the key plain ("plain") has the value x ("x")`},
		"a value below a secret's name":   {made("TOKEN", "c4n4ry"), `g:2: Thing/t: spec.text.TOKEN: the key TOKEN ("TOKEN") has the value (hidden) ((hidden))`},
		"a value that is a secret itself": {made("url", "http://u:c4n4ry@h"), "g:2: Thing/t: spec.text.url: holds a value that is not allowed here; it is not shown because it may be a secret"},
		"a key that holds its value":      {made("PASSWORD=c4n4ry", ""), `g:2: Thing/t: spec.text["PASSWORD…"]: the key (hidden) ((hidden)) has the value  ("")`},
		"a problem of the expansion": {func(x *manifests.Expansion) {
			x.Problem(x.Position("spec.items"), "a.b", "%s is no good", "http://u:c4n4ry@h")
		}, "m.yaml:5: Many/m: a.b: holds a value that is not allowed here; it is not shown because it may be a secret"},
		"a path of the expansion": {func(x *manifests.Expansion) {
			x.Problem(x.Position(""), "http://u:c4n4ry@h", "%s", strings.Repeat("x", 1000))
		}, "m.yaml:1: Many/m: " + strings.Repeat("x", 400) + "…"},
		"a fault": {func(*manifests.Expansion) { panic(fmt.Errorf("c4n4ry")) }, "m.yaml:1: Many/m: cannot be expanded because of a fault in swarm-operator (*errors.errorString); please report it"},
		"a fault of an object": {func(x *manifests.Expansion) {
			x.Object(&thing{Header: header("Thing", "t"), Spec: thingSpec{Tiny: 7}}, nil)
		}, "m.yaml:1: Many/m: cannot be expanded because of a fault in swarm-operator (string); please report it"},
	} {
		t.Run(name, func(t *testing.T) {
			set, problems := expandedBy(manifests.Limits{}, c.expand)
			checkCanary(t, name, problems)
			if got := strings.TrimSuffix(render(problems), "\n"); got != c.want {
				t.Errorf("got %s\nwant %s", got, c.want)
			}
			for key, why := range set.Held {
				if strings.Contains(why, "c4n4ry") {
					t.Errorf("%s is held: %s", key, why)
				}
			}
			if len(v1.Refusing(problems)) > 0 || len(set.Held) == 0 {
				t.Errorf("the revision is refused, or nothing is held: %v", problems)
			}
		})
	}
	set, _ := expandedBy(manifests.Limits{}, func(x *manifests.Expansion) { x.Notice(x.Position(""), "", "%s", "http://u:c4n4ry@h") })
	checkCanary(t, "a notice", set.Notices)
	if len(set.Notices) != 1 {
		t.Error(set.Notices)
	}
}

// Whatever a manifest names, nothing outside the source is read, and no link is followed. A path that cannot be used
// holds what the manifest stands for.
func TestHostilePathsOfExpansions(t *testing.T) {
	list := "list"
	files := func() fstest.MapFS {
		fsys := tree("sub/a.yaml", "", "list", "x app\n", "sub/list2", "include ../../up\n", "empty", "", ".git/config", "x app\n", "large", "# "+strings.Repeat("x", 1<<20))
		for name, mode := range map[string]fs.FileMode{"link": fs.ModeSymlink, "loop": fs.ModeSymlink, "dir": fs.ModeSymlink, "pipe": fs.ModeNamedPipe, "device": fs.ModeDevice, "module": fs.ModeIrregular} {
			fsys[name] = &fstest.MapFile{Mode: mode, Data: []byte(map[string]string{"link": list, "loop": "loop", "dir": "sub"}[name])}
		}
		return fsys
	}
	for stated, want := range map[string]string{
		"../list":                      "",
		"../empty":                     "",
		"./../sub/../list":             "",
		"../../list":                   "leads out of the repository",
		"../../../../etc/shadow":       "leads out of the repository",
		"/etc/shadow":                  "is an absolute path; it must be relative to the manifest",
		`..\..\list`:                   "holds a backslash or NUL; directories are separated by /",
		"../.git/config":               "leads into the repository's own files",
		"../.GIT/config":               "leads into the repository's own files",
		"../git~1/config":              "leads into the repository's own files",
		"..":                           "is a directory; only regular files are read",
		"../link":                      "is a link; only regular files are read",
		"../loop":                      "is a link; only regular files are read",
		"../dir/a.yaml":                "leads through a link (dir); only regular directories and files are read",
		"../pipe":                      "is a device, a pipe or a socket; only regular files are read",
		"../device":                    "is a device, a pipe or a socket; only regular files are read",
		"../module":                    "is a submodule; only regular files are read",
		"../sub":                       "is a directory; only regular files are read",
		"../lost":                      "does not exist; did you mean list?",
		"../list/more":                 "is not there: list is no directory",
		"../large":                     "has 1048578 bytes; at most 1048576 are read",
		"":                             "is a directory; only regular files are read",
		strings.Repeat("../", 100_000): "leads out of the repository",
	} {
		t.Run(strings.ReplaceAll(stated[:min(len(stated), 20)], "/", "_"), func(t *testing.T) {
			fsys := files()
			fsys["sub/a.yaml"].Data = []byte("apiVersion: swarm-operator.io/v1\nkind: Many\nmetadata: {name: m}\nspec:\n  files: ['" + stated + "']\n")
			set, problems := manifests.NewLoader(new(expander).options()).Load(fsys, "sub")
			switch {
			case want == "" && len(problems) > 0:
				t.Errorf("%v", problems)
			case want == "":
			case len(problems) != 1 || !problems[0].Holds || problems[0].Line != 5 || !strings.HasSuffix(problems[0].Message, want) && len(stated) < 400:
				t.Errorf("got %v, want %s", problems, want)
			case set.Held[v1.Key{Kind: "Many", Name: "m"}] == "":
				t.Error("the manifest is not held")
			}
		})
	}
	// A path that a file states is relative to that file, and is held against the same rules.
	fsys := files()
	fsys["sub/a.yaml"].Data = []byte(stands("m", "files: [list2]"))
	set, problems := manifests.NewLoader(new(expander).options()).Load(fsys, "sub")
	if got := render(problems); got != "sub/list2:1: Many/m: ../../up leads out of the repository\n" || len(set.Held) != 1 {
		t.Errorf("%s\n%v", got, set.Held)
	}
}

// Hostile expansions cost bounded time and memory, and say what is too much.
func TestLimitsOfExpansions(t *testing.T) {
	small := manifests.Limits{Objects: 3, Problems: 4, FileSize: 100, TotalSize: 250}
	numbered := func(n int, each func(x *manifests.Expansion, i int)) func(*manifests.Expansion) {
		return func(x *manifests.Expansion) {
			for i := range n {
				each(x, i)
			}
		}
	}
	service := func(x *manifests.Expansion, name, image string) bool {
		s := &v1.Service{Header: header(v1.KindService, name)}
		s.Spec.Image = image
		return x.Object(s, map[string]manifests.Position{"": {File: "f", Line: len(name)}})
	}
	for name, c := range map[string]struct {
		expand func(*manifests.Expansion)
		files  []string
		want   string
	}{
		"as many objects as may be": {expand: numbered(3, func(x *manifests.Expansion, i int) {
			if !service(x, fmt.Sprintf("s%d", i), "app") {
				t.Error("the limit is met too early")
			}
		}), want: "Service/s0 f:2 of Many/m\nService/s1 f:2 of Many/m\nService/s2 f:2 of Many/m\n"},
		"one object more, and no end": {expand: func(x *manifests.Expansion) {
			for i := 0; service(x, fmt.Sprintf("s%d", i), "app"); i++ {
			}
			for i := range 10 {
				if service(x, fmt.Sprintf("t%d", i), "app") {
					t.Error("it goes on after the limit")
				}
			}
		}, want: `Service/s0 f:2 of Many/m
Service/s1 f:2 of Many/m
Service/s2 f:2 of Many/m
holds m.yaml:1: Many/m: stands for more than 3 objects; divide it into several manifests
held Many/m: its manifest has a problem: m.yaml:1: stands for more than 3 objects; divide it into several manifests
held Service/s0: it comes from Many/m, which is held: m.yaml:1: stands for more than 3 objects; divide it into several manifests
held Service/s1: it comes from Many/m, which is held: m.yaml:1: stands for more than 3 objects; divide it into several manifests
held Service/s2: it comes from Many/m, which is held: m.yaml:1: stands for more than 3 objects; divide it into several manifests
`},
		"problems": {expand: numbered(10_000, func(x *manifests.Expansion, i int) {
			x.Problem(manifests.Position{File: "f", Line: 1 + i}, "", "is wrong")
		}), want: `holds f:1: Many/m: is wrong
holds f:2: Many/m: is wrong
holds f:3: Many/m: is wrong
holds f:4: Many/m: is wrong
holds f:5: Many/m: has more than 4 problems; the others are not listed
held Many/m: its manifest has a problem: f:1: is wrong
`},
		// A problem that is not listed holds its object too, and with it all of the manifest.
		"problems of objects": {expand: func(x *manifests.Expansion) {
			for _, name := range []string{"a", "bb", "ccc"} {
				s := &v1.Service{Header: header(v1.KindService, name)}
				s.Spec.Image, s.Spec.Ports = "app", []v1.Port{{Target: 0}, {Target: 70_000}}
				x.Object(s, map[string]manifests.Position{"": {File: "f", Line: len(name)}})
			}
		}, want: `Service/a f:1 of Many/m
Service/bb f:2 of Many/m
Service/ccc f:3 of Many/m
holds f:1: Service/a: spec.ports[0].target: 0 is not a port between 1 and 65535
holds f:1: Service/a: spec.ports[1].target: 70000 is not a port between 1 and 65535
holds f:2: Service/bb: spec.ports[0].target: 0 is not a port between 1 and 65535
holds f:2: Service/bb: spec.ports[1].target: 70000 is not a port between 1 and 65535
holds f:3: Many/m: has more than 4 problems; the others are not listed
held Many/m: its manifest has a problem: f:3: has more than 4 problems; the others are not listed
held Service/a: its manifest has a problem: f:1: spec.ports[0].target: 0 is not a port between 1 and 65535
held Service/bb: its manifest has a problem: f:2: spec.ports[0].target: 0 is not a port between 1 and 65535
held Service/ccc: it comes from Many/m, which is held: f:3: has more than 4 problems; the others are not listed
`},
		"a file": {files: []string{"x", strings.Repeat("x", 101)}, expand: func(x *manifests.Expansion) {
			if name, data, problem := x.Read("m.yaml", "x"); name != "x" || data != nil || problem != "has 101 bytes; at most 100 are read" {
				t.Errorf("%s %q %s", name, data, problem)
			}
		}},
		"files together": {files: []string{"x", strings.Repeat("x", 100), "y", strings.Repeat("y", 100)}, expand: func(x *manifests.Expansion) {
			for range 2 { // a file counts once
				if _, data, problem := x.Read("m.yaml", "./x"); len(data) != 100 || problem != "" {
					t.Errorf("%q %s", data, problem)
				}
			}
			if _, data, problem := x.Read("x", "y"); data != nil || problem != "is not read: the files of the source have more than 250 bytes together" {
				t.Errorf("%q %s", data, problem)
			}
		}},
		"nothing as an object": {expand: func(x *manifests.Expansion) { x.Object(nil, nil) }, want: `holds m.yaml:1: Many/m: cannot be expanded because of a fault in swarm-operator (runtime.errorString); please report it
held Many/m: its manifest has a problem: m.yaml:1: cannot be expanded because of a fault in swarm-operator (runtime.errorString); please report it
`},
		"an object without a name": {expand: func(x *manifests.Expansion) { service(x, "", "app") }, want: `Service/ f:0 of Many/m
holds f: Many/m: Service/: metadata.name: is missing
held Many/m: its manifest has a problem: f: Service/: metadata.name: is missing
held Service/: it comes from Many/m, which is held: f: Service/: metadata.name: is missing
`},
	} {
		t.Run(name, func(t *testing.T) {
			set, problems := expandedBy(small, c.expand, c.files...)
			if diff := cmp.Diff(c.want, standing(set, problems)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	set, problems := loadMany("a.yaml", stands("m", "items: [endless]"))
	if len(set.Entries) != manifests.DefaultLimits.Objects || len(problems) != 1 || len(set.Held) != manifests.DefaultLimits.Objects+1 {
		t.Errorf("%d objects, %d held, %v", len(set.Entries), len(set.Held), problems)
	}
	set, problems = loadMany("a.yaml", stands("m", "files: [list]"), "list", strings.Repeat("odd x\n", 1000))
	if len(problems) > 0 || len(set.Notices) != 100 {
		t.Errorf("%d notices, %v", len(set.Notices), problems)
	}
}

// A notice of an expanded object has the place of its field. An object with a problem has no notices.
func TestNoticesOfExpandedObjectsHaveAPlace(t *testing.T) {
	for port, want := range map[uint32]string{
		80:     "notice g:7: Service/a: spec.ports[0].target: the routing mesh",
		70_000: "holds g:7: Service/a: spec.ports[0].target: 70000 is not a port",
	} {
		got := standing(expandedBy(manifests.Limits{}, func(x *manifests.Expansion) {
			s := &v1.Service{Header: header(v1.KindService, "a")}
			s.Spec.Image, s.Spec.Ports, s.Spec.Networks = "app", []v1.Port{{Target: port}}, []v1.NetworkAttachment{{Name: "host"}}
			x.Object(s, map[string]manifests.Position{"": {File: "f", Line: 1}, "spec.ports[0]": {File: "g", Line: 7}})
			x.Object(&v1.Network{Header: header(v1.KindNetwork, "host"), Spec: v1.NetworkSpec{External: true}}, nil)
		}))
		if !strings.Contains(got, strings.ReplaceAll(want, ".target: the", ": the")) || strings.Contains(got, "notice") == (port > 65535) {
			t.Errorf("port %d: %s", port, got)
		}
	}
}

// A source's default policy fills in what the policy of an expanded object leaves out, too.
func TestSourceDefaultsApplyToExpandedObjects(t *testing.T) {
	fsys := withBlobs{tree(".swarm-operator.yaml", "defaults: {policy: {prune: true, enforce: true}}\n", "a.yaml", stands("m", "items: [x app]")+"policy: {adopt: takeover, enforce: false}\n")}
	l := manifests.NewLoader(new(expander).options())
	first, problems := l.Load(fsys, ".")
	if len(problems) > 0 {
		t.Fatal(render(problems))
	}
	if diff := cmp.Diff(v1.Policy{Adopt: "takeover", Enforce: ptr(false), Prune: ptr(true)}, first.Entries[0].Object.Meta().Policy); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if second, _ := l.Load(fsys, "."); second.Entries[0].Object != first.Entries[0].Object {
		t.Error("the object is another one, although nothing has changed")
	}
}

// Each case is an edit of a source, with the number of expansions that it costs. After the edit, a Loader that keeps
// expansions gives the same result as a new Loader.
func TestOnlyChangedManifestsAreExpanded(t *testing.T) {
	base := func() fstest.MapFS {
		return tree("a.yaml", stands("m", "items: [a app]\nfiles: [list, sub/list]"), "b.yaml", stands("two", "files: [sub/list]"),
			"c.yaml", fmt.Sprintf(network, "net"), "list", "b app\ninclude sub/more\n", "sub/list", "c app\n", "sub/more", "d app\n", "unread", "x")
	}
	link := func(to string) *fstest.MapFile { return &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte(to)} }
	for _, c := range []struct {
		name string
		edit func(fstest.MapFS)
		runs int
		same []string // the objects that are the same as before
	}{
		{"nothing", func(fstest.MapFS) {}, 0, []string{"m_a", "m_b", "m_c", "m_d", "two_c"}},
		{"a file that nobody names", func(f fstest.MapFS) { f["unread"] = &fstest.MapFile{Data: []byte("y")} }, 0, []string{"m_a", "two_c"}},
		{"another manifest", func(f fstest.MapFS) { f["c.yaml"] = &fstest.MapFile{Data: []byte(fmt.Sprintf(network, "other"))} }, 0, []string{"m_a", "two_c"}},
		{"a file of one", func(f fstest.MapFS) { f["list"] = &fstest.MapFile{Data: []byte("b app2\n")} }, 1, []string{"two_c"}},
		{"a file of both", func(f fstest.MapFS) { f["sub/list"] = &fstest.MapFile{Data: []byte("c app2\n")} }, 2, nil},
		{"a file that a file names", func(f fstest.MapFS) { f["sub/more"] = &fstest.MapFile{Data: []byte("d app2\n")} }, 1, []string{"two_c"}},
		{"the manifest", func(f fstest.MapFS) {
			f["b.yaml"] = &fstest.MapFile{Data: []byte(stands("two", "items: [z app]\nfiles: [sub/list]"))}
		}, 1, []string{"m_a", "m_d"}},
		{"the manifest's place", func(f fstest.MapFS) {
			f["sub/a.yaml"], f["sub/sub/list"] = f["a.yaml"], &fstest.MapFile{Data: []byte("x app\n")}
			delete(f, "a.yaml")
		}, 1, []string{"two_c"}},
		{"the manifest is gone", func(f fstest.MapFS) { delete(f, "a.yaml") }, 0, []string{"two_c"}},
		{"a file is gone", func(f fstest.MapFS) { delete(f, "sub/more") }, 1, []string{"two_c"}},
		{"a file is a link to one that is the same", func(f fstest.MapFS) { f["list2"], f["list"] = f["list"], link("list2") }, 1, []string{"two_c"}},
		{"a file is a directory", func(f fstest.MapFS) {
			delete(f, "list")
			f["list/x"] = &fstest.MapFile{Data: []byte("b app\n")}
		}, 1, []string{"two_c"}},
		{"a file is a manifest now", func(f fstest.MapFS) { f["sub/more"] = &fstest.MapFile{Data: []byte(fmt.Sprintf(network, "more"))} }, 1, []string{"two_c"}},
		{"a problem of an object", func(f fstest.MapFS) { f["sub/more"] = &fstest.MapFile{Data: []byte("d app 70000\n")} }, 1, []string{"two_c"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			kept := new(expander)
			l := manifests.NewLoader(kept.options())
			files := withBlobs{base()}
			before, problems := l.Load(files, ".")
			if len(problems) > 0 || kept.runs != 2 {
				t.Fatal(kept.runs, render(problems))
			}
			c.edit(files.MapFS)
			kept.runs = 0
			after, problems := l.Load(files, ".")
			if kept.runs != c.runs {
				t.Errorf("%d manifests were expanded, want %d", kept.runs, c.runs)
			}
			if diff := cmp.Diff(standing(manifests.NewLoader(new(expander).options()).Load(files, ".")), standing(after, problems)); diff != "" {
				t.Errorf("a new Loader says something else (-new +kept):\n%s", diff)
			}
			for _, name := range c.same {
				key := v1.Key{Kind: v1.KindService, Name: name}
				e, _ := before.Get(key)
				now, ok := after.Get(key)
				if !ok || now.Object != e.Object {
					t.Errorf("%s is another object now", key)
				}
			}
		})
	}
}

// nameless is a source that does not know the id of one file's content.
type nameless struct {
	withBlobs
	file string
}

func (n nameless) Lstat(name string) (fs.FileInfo, error) {
	if name == n.file {
		return n.MapFS.Lstat(name)
	}
	return n.withBlobs.Lstat(name)
}

// Nothing shows whether the content of a file without an id has changed.
func TestExpansionOfAFileWithoutAnIDIsNotKept(t *testing.T) {
	l := manifests.NewLoader(new(expander).options())
	files := nameless{withBlobs{tree("a.yaml", stands("m", "files: [list]"), "list", "a app\n")}, "list"}
	for _, name := range []string{"a", "b"} {
		files.MapFS["list"] = &fstest.MapFile{Data: []byte(name + " app\n")}
		if got, want := standing(l.Load(files, ".")), "Service/m_"+name+" list:1 of Many/m\n"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// linked is a source in which a directory has become a link to one that holds the same.
type linked struct {
	withBlobs
	dir string
}

func (l linked) Lstat(name string) (fs.FileInfo, error) {
	info, err := l.withBlobs.Lstat(name)
	if name == l.dir {
		info = linkInfo{info}
	}
	return info, err
}

type linkInfo struct{ fs.FileInfo }

func (linkInfo) Mode() fs.FileMode { return fs.ModeSymlink | 0o777 }

// The rules about paths hold also for files that have not changed.
func TestKeptExpansionsLeadThroughNoLink(t *testing.T) {
	l := manifests.NewLoader(new(expander).options())
	files := withBlobs{tree("a.yaml", stands("m", "files: [sub/list]"), "sub/list", "a app\n")}
	if _, problems := l.Load(files, "."); len(problems) > 0 {
		t.Fatal(render(problems))
	}
	_, problems := l.Load(linked{files, "sub"}, ".")
	if got := render(problems); got != "a.yaml:5: Many/m: spec.files[0]: sub/list leads through a link (sub); only regular directories and files are read\n" {
		t.Error(got)
	}
	if _, problems := l.Load(files, "."); len(problems) > 0 {
		t.Error(render(problems))
	}
}

// Without ids nothing shows that a file has not changed. An expansion that failed runs again too.
func TestExpansionsThatCannotBeKeptRunEachTime(t *testing.T) {
	for _, c := range []struct {
		name  string
		files func(fstest.MapFS) fs.FS
		list  string
	}{
		{"no ids", func(f fstest.MapFS) fs.FS { return f }, "a app\n"},
		{"a problem", func(f fstest.MapFS) fs.FS { return withBlobs{f} }, "a app\nwrong x\n"},
		{"a fault", func(f fstest.MapFS) fs.FS { return withBlobs{f} }, "fault\n"},
		{"a missing file", func(f fstest.MapFS) fs.FS { return withBlobs{f} }, "include nowhere\n"},
	} {
		kept := new(expander)
		l := manifests.NewLoader(kept.options())
		files := c.files(tree("a.yaml", stands("m", "files: [list]"), "list", c.list))
		first := standing(l.Load(files, "."))
		if second := standing(l.Load(files, ".")); kept.runs != 2 || first != second {
			t.Errorf("%s: %d expansions, %s, then %s", c.name, kept.runs, first, second)
		}
	}
}

// A kept expansion opens no file. The files that it has read still count towards the limit.
func TestKeptExpansionsCountTowardsTheLimit(t *testing.T) {
	kept := new(expander)
	small := kept.options()
	small.Limits = manifests.Limits{TotalSize: 400}
	l := manifests.NewLoader(small)
	files := counting{withBlobs{tree("a.yaml", stands("m", "files: [list]"), "list", "a app\n"+strings.Repeat("#", 100))}, map[string]int{}}
	if _, problems := l.Load(files, "."); len(problems) > 0 {
		t.Fatal(render(problems))
	}
	clear(files.opened)
	if _, problems := l.Load(files, "."); len(problems) > 0 || len(files.opened) > 0 || kept.runs != 1 {
		t.Errorf("%d expansions, opened %v, %v", kept.runs, files.opened, problems)
	}
	for what, edit := range map[string]func(fstest.MapFS){
		"a manifest": func(f fstest.MapFS) {
			f["b.yaml"] = &fstest.MapFile{Data: []byte(fmt.Sprintf(network, "b") + strings.Repeat("#", 150))}
		},
		"a file of another manifest": func(f fstest.MapFS) {
			f["b.yaml"] = &fstest.MapFile{Data: []byte(stands("two", "files: [list2]"))}
			f["list2"] = &fstest.MapFile{Data: []byte("a app\n" + strings.Repeat("#", 140))}
		},
	} {
		again := withBlobs{maps.Clone(files.MapFS)}
		edit(again.MapFS)
		second := standing(l.Load(again, "."))
		if fresh := standing(manifests.NewLoader(small).Load(again, ".")); second != fresh || !strings.Contains(second, "have more than 400 bytes together") {
			t.Errorf("%s: kept:\n%s\nnew:\n%s", what, second, fresh)
		}
		l.Load(files, ".") // the first is kept again
	}
}

// After any edits, a Loader that keeps expansions gives the same result as a new Loader, to the last field.
func TestKeptExpansionsAreTheSameAfterAnyEdit(t *testing.T) {
	random := rand.New(rand.NewPCG(15, 6))
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	mostly := func(good string, bad ...string) string {
		if random.IntN(8) > 0 {
			return good
		}
		return pick(bad...)
	}
	text := func(name string) string {
		if called, is := map[string]string{"m.yaml": "m", "n.yaml": "two", "d/o.yaml": "three"}[name]; is && random.IntN(30) > 0 {
			return stands(mostly(called, "m"), "items: ["+mostly("a app", "", "wrong x", "fault", "z app 70000")+"]\nfiles: ["+mostly("l1", "", "l1, l2", "d/l1, l2", "../l1", "nowhere", "n.yaml")+"]\n"+mostly("", "count: -1\n"))
		}
		return mostly("b app\n", "", "c app 80\n", "network n\n", "include e1\n", "include d/e1\n", "b app 70000\n", "wrong y\n", "odd z\n") + mostly("x app\nvariable A=b\n", "", "include e2\n", "include e1\n")
	}
	names := []string{"m.yaml", "n.yaml", "d/o.yaml", "l1", "l2", "d/l1", "d/l3", "e1", "e2", "d/e1", "d/e2"}
	leaf := map[string]bool{"e1": true, "e2": true, "d/e1": true, "d/e2": true} // which include nothing, so that nothing includes itself
	files := withBlobs{fstest.MapFS{}}
	l := manifests.NewLoader(new(expander).options())
	seen := map[string]int{}
	for i := range 1500 {
		for range 1 + random.IntN(3) {
			name := pick(names...)
			content := text(name)
			for leaf[name] && strings.Contains(content, "include") {
				content = text(name)
			}
			switch random.IntN(20) {
			case 0:
				delete(files.MapFS, name)
			case 1:
				if strings.HasSuffix(name, ".yaml") && random.IntN(20) > 0 {
					continue
				}
				files.MapFS[name] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte(pick(names...))}
			default:
				files.MapFS[name] = &fstest.MapFile{Data: []byte(content)}
			}
		}
		kept, problems := l.Load(files, ".")
		fresh, want := manifests.NewLoader(new(expander).options()).Load(files, ".")
		if diff := cmp.Diff(standing(fresh, want), standing(kept, problems)); diff != "" {
			t.Fatalf("edit %d (-new +kept):\n%s", i, diff)
		}
		for j, e := range kept.Entries {
			if f := fresh.Entries[j]; !reflect.DeepEqual(e.Object, f.Object) || e.Position("spec.image") != f.Position("spec.image") {
				t.Fatalf("edit %d: %+v is kept, %+v is new", i, e, f)
			}
		}
		// Every problem holds an object or refuses the revision. A held object is stated, or stands for others.
		for key := range maps.Keys(kept.Held) {
			if _, stated := kept.Get(key); !stated && key.Kind != "Many" {
				t.Fatalf("edit %d: %s is held and not stated", i, key)
			}
		}
		switch {
		case len(v1.Refusing(problems)) > 0:
			seen["refused"]++
		case len(problems) > 0:
			seen["held"]++
		default:
			seen["good"]++
		}
		seen["objects"] += len(kept.Entries)
	}
	for _, what := range []string{"refused", "held", "good", "objects"} {
		if seen[what] < 20 {
			t.Errorf("too few were %s: %v", what, seen)
		}
	}
}
