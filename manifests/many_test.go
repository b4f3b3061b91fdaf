package manifests_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/manifests"
)

// many is a kind whose manifests stand for services. Each is a line, of the manifest's list or of a file:
//
//	NAME IMAGE [PORT]  a service, which publishes the port and has the manifest's policy
//	network NAME       a network of exactly that name
//	include FILE       the lines of another file
//	variable NAME=X    an environment variable of the service above
//	wrong TEXT         a problem of the manifest
//	odd TEXT           a notice
//	kind KIND          an object of another kind
//	fault              a panic
//	endless            services without end
type many struct {
	v1.Header
	Spec manySpec `json:"spec"`
}

type manySpec struct {
	Items []string `json:"items,omitempty"`
	Files []string `json:"files,omitempty"`
	Count int      `json:"count,omitempty"`
}

func (*many) External() bool    { return false }
func (*many) Default()          {}
func (*many) Refs() []v1.Ref    { return nil }
func (m *many) Copy() v1.Object { c := *m; return &c }

func (m *many) Validate() []v1.Problem {
	if m.Spec.Count < 0 {
		return []v1.Problem{{Path: "spec.count", Message: "is less than nothing"}}
	}
	return nil
}

// expander expands manifests of Many, and counts how often.
type expander struct{ runs int }

func (e *expander) options() manifests.Options {
	o := options
	o.Kinds = append(slices.Clone(o.Kinds), manifests.Kind{Name: "Many", New: func() v1.Object { return new(many) }, Expand: e.expand})
	return o
}

func (e *expander) expand(x *manifests.Expansion) {
	e.runs++
	l := lines{Expansion: x, many: x.Manifest.(*many)}
	for i, text := range l.many.Spec.Items {
		at := x.Position(fmt.Sprintf("spec.items[%d]", i))
		l.line(text, at)
	}
	for i, name := range l.many.Spec.Files {
		path := fmt.Sprintf("spec.files[%d]", i)
		l.file(x.Position("").File, name, path, x.Position(path))
	}
	l.flush()
}

// lines reads the lines of one manifest of Many.
type lines struct {
	*manifests.Expansion
	many    *many
	service *v1.Service
	at      map[string]manifests.Position
	over    bool
}

// flush adds the last service, which its lines have filled in.
func (l *lines) flush() {
	if l.service != nil && !l.Object(l.service, l.at) {
		l.over = true
	}
	l.service = nil
}

func (l *lines) file(from, stated, path string, at manifests.Position) {
	name, data, problem := l.Read(from, stated)
	if problem != "" {
		l.Problem(at, path, "%s %s", stated, problem)
		return
	}
	for i, text := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
		l.line(text, manifests.Position{File: name, Line: i + 1, Column: 1})
	}
}

func (l *lines) line(text string, at manifests.Position) {
	column := func(word string) manifests.Position {
		p := at
		p.Column += strings.Index(text, word)
		return p
	}
	words := strings.Fields(text)
	if l.over || len(words) == 0 || strings.HasPrefix(text, "#") {
		return
	}
	rest := strings.Join(words[1:], " ")
	switch words[0] {
	case "variable":
		name, value, _ := strings.Cut(rest, "=")
		l.service.Spec.Environment[name] = value
		l.at[v1.PathKey("spec.environment", name)] = column(name)
		return
	case "wrong":
		l.Problem(column(words[1]), words[1], "%s", rest)
		return
	case "odd":
		l.Notice(at, "", "%s", rest)
		return
	case "include":
		l.file(at.File, rest, "", column(rest))
		return
	case "fault":
		panic("c4n4ry")
	}
	l.flush()
	switch words[0] {
	case "network":
		l.Object(&v1.Network{Header: header(v1.KindNetwork, rest)}, map[string]manifests.Position{"": at, "metadata.name": column(rest)})
	case "kind":
		l.Object(&many{Header: header(rest, "x")}, map[string]manifests.Position{"": at})
	case "endless":
		for i := 0; l.Object(&v1.Network{Header: header(v1.KindNetwork, fmt.Sprintf("n%d", i))}, nil); i++ {
		}
	default:
		l.service = &v1.Service{Header: header(v1.KindService, l.many.Metadata.Name+"_"+words[0])}
		l.service.Policy = l.many.Policy
		l.service.Spec.Environment = v1.Environment{}
		l.at = map[string]manifests.Position{"": at, "metadata.name": at}
		if len(words) > 1 {
			l.service.Spec.Image, l.at["spec.image"] = words[1], column(words[1])
		}
		if len(words) > 2 {
			var port uint32
			fmt.Sscan(words[2], &port)
			l.service.Spec.Ports = []v1.Port{{Target: 80, Published: port}}
			l.at["spec.ports[0].published"] = column(words[2])
		}
	}
}

func header(kind, name string) v1.Header {
	return v1.Header{APIVersion: v1.APIVersion, Kind: kind, Metadata: v1.Metadata{Name: name}}
}

// loadMany loads files as load does, with the kind Many.
func loadMany(files ...string) (manifests.Set, []v1.Problem) {
	return manifests.NewLoader(new(expander).options()).Load(tree(files...), ".")
}

// stands returns a manifest of Many. Its spec begins in line 5.
func stands(name, spec string) string {
	return "apiVersion: swarm-operator.io/v1\nkind: Many\nmetadata: {name: " + name + "}\nspec:\n" + indent(spec)
}

// standing renders what a Load says of objects: each that is stated, with its place and its manifest, and what is held.
func standing(set manifests.Set, problems []v1.Problem) string {
	var b strings.Builder
	for _, e := range set.Entries {
		fmt.Fprintf(&b, "%s %s:%d", e.Key(), e.File, e.Line)
		if e.From != (v1.Key{}) {
			fmt.Fprintf(&b, " of %s", e.From)
		}
		b.WriteString("\n")
	}
	for _, p := range problems {
		class := "refuses"
		if p.Holds {
			class = "holds"
		}
		fmt.Fprintf(&b, "%s %s\n", class, p)
	}
	for _, key := range slices.SortedFunc(maps.Keys(set.Held), v1.Key.Compare) {
		fmt.Fprintf(&b, "held %s: %s\n", key, set.Held[key])
	}
	for _, n := range set.Notices {
		fmt.Fprintf(&b, "notice %s\n", n)
	}
	return b.String()
}

// Each case is a source as txtar. Its last file, want, is what Load says of it.
func TestExpansion(t *testing.T) {
	for _, c := range []struct{ name, source string }{
		{"a manifest becomes its objects", `
-- a.yaml --
$H
kind: Many
metadata: {name: m}
spec:
  items: [a app]
  files:
  - sub/list.txt
---
$H
kind: Service
metadata: {name: plain}
spec: {image: app}
-- sub/list.txt --
# a comment
b app

network net
-- want --
Network/net sub/list.txt:4 of Many/m
Service/m_a a.yaml:5 of Many/m
Service/m_b sub/list.txt:2 of Many/m
Service/plain a.yaml:9
`},
		{"it may stand for nothing", `
-- a.yaml --
$H
kind: Many
metadata: {name: m}
-- want --
`},
		{"what it reads is no manifest, and names files relative to itself", `
-- a.yaml --
$H
kind: Many
metadata: {name: m}
spec: {files: [sub/list.yaml]}
-- sub/list.yaml --
a app
include ../other.yaml
include more.yaml
-- other.yaml --
b app
-- sub/more.yaml --
c app
-- want --
Service/m_a sub/list.yaml:1 of Many/m
Service/m_b other.yaml:1 of Many/m
Service/m_c sub/more.yaml:1 of Many/m
`},
		{"a problem of an object holds it and what depends on it", `
-- a.yaml --
$H
kind: Many
metadata: {name: m}
spec: {files: [list]}
---
$H
kind: Service
metadata: {name: after}
spec: {image: app}
policy: {dependsOn: [Service/m_b]}
-- list --
a app
b app 70000
c app
-- want --
Service/after a.yaml:6
Service/m_a list:1 of Many/m
Service/m_b list:2 of Many/m
Service/m_c list:3 of Many/m
holds list:2: Service/m_b: spec.ports[0].published: 70000 is not a port between 1 and 65535
held Service/after: it depends on Service/m_b, which is held: list:2: spec.ports[0].published: 70000 is not a port between 1 and 65535
held Service/m_b: its manifest has a problem: list:2: spec.ports[0].published: 70000 is not a port between 1 and 65535
`},
		{"a problem of a file holds all of the manifest, and nothing else", `
-- a.yaml --
$H
kind: Many
metadata: {name: m}
spec: {items: [a app], files: [list]}
---
$H
kind: Many
metadata: {name: two}
spec: {items: [a app]}
---
$H
kind: Service
metadata: {name: after}
spec: {image: app}
policy: {dependsOn: [Service/m_b]}
-- list --
b app
  wrong  thing there
c app
-- want --
Service/after a.yaml:11
Service/m_a a.yaml:4 of Many/m
Service/m_b list:1 of Many/m
Service/m_c list:3 of Many/m
Service/two_a a.yaml:9 of Many/two
holds list:2: Many/m: thing: thing there
held Many/m: its manifest has a problem: list:2: thing: thing there
held Service/after: it depends on Service/m_b, which is held: list:2: thing: thing there
held Service/m_a: it comes from Many/m, which is held: list:2: thing: thing there
held Service/m_b: it comes from Many/m, which is held: list:2: thing: thing there
held Service/m_c: it comes from Many/m, which is held: list:2: thing: thing there
`},
		{"what depends on what nobody knows is held too", `
-- a.yaml --
$H
kind: Many
metadata: {name: m}
spec: {items: [a app], files: [nowhere]}
---
$H
kind: Service
metadata: {name: after}
spec: {image: app}
policy: {dependsOn: [Service/m_b]}
---
$H
kind: Service
metadata: {name: other}
spec: {image: app}
-- want --
Service/after a.yaml:6
Service/m_a a.yaml:4 of Many/m
Service/other a.yaml:12
holds a.yaml:4: Many/m: spec.files[0]: nowhere does not exist
held Many/m: its manifest has a problem: a.yaml:4: spec.files[0]: nowhere does not exist
held Service/after: it depends on Service/m_b, which may come from Many/m, which is held: a.yaml:4: spec.files[0]: nowhere does not exist
held Service/m_a: it comes from Many/m, which is held: a.yaml:4: spec.files[0]: nowhere does not exist
`},
		{"what depends on nothing has a problem of its own", `
-- a.yaml --
$H
kind: Many
metadata: {name: m}
spec: {items: [a]}
policy: {dependsOn: [Network/none]}
-- want --
Service/m_a a.yaml:4 of Many/m
holds a.yaml:4: Service/m_a: policy.dependsOn[0]: there is no manifest of Network/none
holds a.yaml:4: Service/m_a: spec.image: is missing
held Service/m_a: its manifest has a problem: a.yaml:4: policy.dependsOn[0]: there is no manifest of Network/none
`},
		{"nothing can depend on the manifest itself", `
-- a.yaml --
$H
kind: Many
metadata: {name: m}
spec: {items: [a app]}
---
$H
kind: Service
metadata: {name: after}
spec: {image: app}
policy: {dependsOn: [Many/m]}
-- want --
Service/after a.yaml:6
Service/m_a a.yaml:4 of Many/m
holds a.yaml:10: Service/after: policy.dependsOn[0]: Many/m: a Many stands for other objects; name one of those
held Service/after: its manifest has a problem: a.yaml:10: policy.dependsOn[0]: Many/m: a Many stands for other objects; name one of those
`},
		{"a wrong value of the manifest holds all of it, and what follows from it is not said", `
-- a.yaml --
$H
kind: Many
metadata: {name: m}
spec: {items: [a app, wrong x], files: [list.yaml], count: -1}
-- list.yaml --
odd y
b app
c app 70000
-- z.yaml --
$H
kind: Service
metadata: {name: after}
spec: {image: app}
policy: {dependsOn: [Service/m_wrong]}
-- want --
Service/after z.yaml:1
Service/m_a a.yaml:4 of Many/m
Service/m_b list.yaml:2 of Many/m
Service/m_c list.yaml:3 of Many/m
holds a.yaml:4: Many/m: spec.count: is less than nothing
held Many/m: its manifest has a problem: a.yaml:4: spec.count: is less than nothing
held Service/after: it depends on Service/m_wrong, which may come from Many/m, which is held: a.yaml:4: spec.count: is less than nothing
held Service/m_a: it comes from Many/m, which is held: a.yaml:4: spec.count: is less than nothing
held Service/m_b: it comes from Many/m, which is held: a.yaml:4: spec.count: is less than nothing
held Service/m_c: it comes from Many/m, which is held: a.yaml:4: spec.count: is less than nothing
`},
		{"an unknown field of the manifest refuses the revision", `
-- a.yaml --
$H
kind: Many
metadata: {name: m}
spec: {item: [a app]}
-- want --
refuses a.yaml:4: Many/m: spec.item: unknown field; did you mean items?
`},
		{"a name that cannot be holds all, because nobody knows which object is meant", `
-- a.yaml --
$H
kind: Many
metadata: {name: m}
spec: {files: [list]}
-- list --
a app
b+c app
-- want --
Service/m_a list:1 of Many/m
Service/m_b+c list:2 of Many/m
holds list:2: Many/m: Service/m_b+c: metadata.name: "m_b+c" may hold only $NAMES
held Many/m: its manifest has a problem: list:2: Service/m_b+c: metadata.name: "m_b+c" may hold only $NAMES
held Service/m_a: it comes from Many/m, which is held: list:2: Service/m_b+c: metadata.name: "m_b+c" may hold only $NAMES
held Service/m_b+c: it comes from Many/m, which is held: list:2: Service/m_b+c: metadata.name: "m_b+c" may hold only $NAMES
`},
		{"notices have places too", `
-- a.yaml --
$H
kind: Many
metadata: {name: m}
spec: {files: [list]}
-- list --
odd but allowed
a app
-- want --
Service/m_a list:2 of Many/m
notice list:1: Many/m: but allowed
`},
		{"one port of an object and of a plain one", `
-- a.yaml --
$H
kind: Many
metadata: {name: m}
spec: {files: [list]}
---
$H
kind: Service
metadata: {name: a}
spec: {image: app, ports: [{target: 80, published: 80}]}
-- list --
a app
b app 80
-- want --
Service/a a.yaml:6
Service/m_a list:1 of Many/m
Service/m_b list:2 of Many/m
holds list:2: Service/m_b: spec.ports[0].published: 80/tcp is published by Service/a too (a.yaml:6)
held Service/a: its manifest does not go with another one: list:2: Service/m_b: spec.ports[0].published: 80/tcp is published by Service/a too (a.yaml:6)
held Service/m_b: its manifest has a problem: list:2: spec.ports[0].published: 80/tcp is published by Service/a too (a.yaml:6)
`},
		{"stated twice by one manifest holds the manifest", `
-- a.yaml --
$H
kind: Many
metadata: {name: m}
spec: {files: [list, sub/list]}
-- list --
a app
-- sub/list --

a app2
A app
B app
b app
-- want --
Service/m_B sub/list:4 of Many/m
Service/m_a list:1 of Many/m
holds sub/list:2: Many/m: Service/m_a is stated twice: also in list:1
holds sub/list:3: Many/m: Service/m_A is stated twice: also in list:1, as m_a; the swarm compares names without case
holds sub/list:5: Many/m: Service/m_b is stated twice: also in sub/list:4, as m_B; the swarm compares names without case
held Many/m: its manifest has a problem: sub/list:2: Service/m_a is stated twice: also in list:1
held Service/m_B: it comes from Many/m, which is held: sub/list:2: Service/m_a is stated twice: also in list:1
held Service/m_a: it comes from Many/m, which is held: sub/list:2: Service/m_a is stated twice: also in list:1
`},
		{"stated by a manifest and plainly refuses the revision", `
-- a.yaml --
$H
kind: Many
metadata: {name: m}
spec: {files: [list]}
---
$H
kind: Service
metadata: {name: m_a}
spec: {image: app}
---
$H
kind: Service
metadata: {name: M_B}
spec: {image: app}
-- list --
a app
b app
-- want --
Service/M_B a.yaml:11
Service/m_a list:1 of Many/m
Service/m_b list:2 of Many/m
refuses a.yaml:8: Service/m_a: metadata.name: another manifest states this object too (list:1): remove or rename one of them
refuses list:2: Service/m_b: metadata.name: is the name of Service/M_B too (a.yaml:13): the swarm compares names without case; rename one of them
`},
		{"stated by two manifests refuses the revision", `
-- a.yaml --
$H
kind: Many
metadata: {name: m}
spec: {files: [list]}
---
$H
kind: Many
metadata: {name: two}
spec: {files: [list]}
-- list --
# one of them is too many
network net
-- want --
Network/net list:2 of Many/m
refuses list:2: Network/net: metadata.name: another manifest states this object too (list:2): remove or rename one of them
`},
		{"two manifests of one name refuse the revision", `
-- a.yaml --
$H
kind: Many
metadata: {name: m}
spec: {items: [a app]}
-- b.yaml --
$H
kind: Many
metadata: {name: m}
spec: {items: [b app]}
-- want --
Service/m_a a.yaml:4 of Many/m
refuses b.yaml:3: Many/m: metadata.name: another manifest states this object too (a.yaml:3): remove or rename one of them
`},
		{"a fault holds the manifest, and what it would have read is no manifest either", `
-- a.yaml --
$H
kind: Many
metadata: {name: m}
spec: {items: [a app], files: [list.yaml]}
---
$H
kind: Many
metadata: {name: two}
spec: {items: [a app]}
-- list.yaml --
b app
fault
include more.yaml
-- more.yaml --
c app
-- want --
Service/m_a a.yaml:4 of Many/m
Service/two_a a.yaml:9 of Many/two
holds a.yaml:1: Many/m: cannot be expanded because of a fault in swarm-operator (string); please report it
held Many/m: its manifest has a problem: a.yaml:1: cannot be expanded because of a fault in swarm-operator (string); please report it
held Service/m_a: it comes from Many/m, which is held: a.yaml:1: cannot be expanded because of a fault in swarm-operator (string); please report it
`},
		{"an object of no kind, or of a kind that no object is of, is a fault", `
-- a.yaml --
$H
kind: Many
metadata: {name: m}
spec: {files: [list]}
-- list --
kind Nothing
kind Many
a app
-- want --
Service/m_a list:3 of Many/m
holds list:1: Many/m: makes Nothing/x, and no object is of that kind; this is a fault in swarm-operator, please report it
holds list:2: Many/m: makes Many/x, and no object is of that kind; this is a fault in swarm-operator, please report it
held Many/m: its manifest has a problem: list:1: makes Nothing/x, and no object is of that kind; this is a fault in swarm-operator, please report it
held Service/m_a: it comes from Many/m, which is held: list:1: makes Nothing/x, and no object is of that kind; this is a fault in swarm-operator, please report it
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			files, want := divided(c.source)
			if diff := cmp.Diff(want, standing(loadMany(files...))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// divided divides a source into its files and what is wanted of it.
func divided(source string) (files []string, want string) {
	source = strings.ReplaceAll(source, "$H", "apiVersion: "+v1.APIVersion)
	source = strings.ReplaceAll(source, "$NAMES", "letters, digits, - and _, with a letter or digit at both ends")
	all := txtar.Parse([]byte(source)).Files
	last := len(all) - 1
	for _, f := range all[:last] {
		files = append(files, f.Name, string(f.Data))
	}
	return files, string(all[last].Data)
}
