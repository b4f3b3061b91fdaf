package reference_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"go.yaml.in/yaml/v3"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/manifests"
)

// beside has what the examples refer to.
const beside = `
{kind: Network, metadata: {name: front}, spec: {external: true}}
---
{kind: Network, metadata: {name: back}, spec: {external: true}}
---
{kind: Config, metadata: {name: site.conf}, spec: {external: true}}
---
{kind: Config, metadata: {name: gmsa}, spec: {external: true}}
---
{kind: Secret, metadata: {name: tls-key}, spec: {external: true}}
---
{kind: Secret, metadata: {name: csi-password}, spec: {external: true}}
---
{kind: Volume, metadata: {name: archive}, spec: {external: true}}
`

// examples are manifests of each kind. The first one of a kind is shown whole, and each field of the kind is in one of
// them.
type examples struct {
	t    *testing.T
	docs []document
	// unused are documents that no field is shown from.
	unused map[string]bool
}

// document is one manifest, without its apiVersion.
type document struct {
	name, kind, text string
	node             *yaml.Node
}

// examplesOf reads testdata. It fails the test unless the loader takes each document.
func examplesOf(t *testing.T) *examples {
	t.Helper()
	list, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(list) == 0 {
		t.Fatal(err)
	}
	slices.Sort(list)
	e := &examples{t: t, unused: map[string]bool{}}
	for _, file := range list {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, one := range strings.Split(string(text), "---\n") {
			d := document{name: fmt.Sprintf("%s, document %d", filepath.Base(file), i+1), text: one, node: parsed(t, one)}
			d.kind = child(d.node, "kind").Value
			if _, problems := load(t, d.node); len(problems) > 0 {
				t.Fatalf("%s: %v", d.name, problems)
			}
			e.docs, e.unused[d.name] = append(e.docs, d), true
		}
	}
	return e
}

func parsed(t *testing.T, text string) *yaml.Node {
	t.Helper()
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(text), &n); err != nil {
		t.Fatal(err)
	}
	return n.Content[0]
}

// load loads a manifest as the operator does.
func load(t *testing.T, n *yaml.Node) (v1.Object, []v1.Problem) {
	t.Helper()
	text, err := yaml.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	const version = "apiVersion: " + v1.APIVersion + "\n"
	var others strings.Builder
	for one := range strings.SplitSeq(beside, "---\n") {
		others.WriteString(strings.Replace(strings.TrimSpace(one), "{", "{apiVersion: "+v1.APIVersion+", ", 1) + "\n---\n")
	}
	tree := fstest.MapFS{
		"it.yaml": {Data: []byte(version + string(text))}, "others.yaml": {Data: []byte(strings.TrimSuffix(others.String(), "---\n"))},
		"nginx.conf": {Data: []byte("worker_processes 2;\n")}, "session.key": {Data: []byte("0123456789\n")},
	}
	set, problems := manifests.NewLoader(manifests.Options{Kinds: all.Manifests()}).Load(tree, ".")
	for _, entry := range set.Entries {
		if entry.File == "it.yaml" {
			return entry.Object, problems
		}
	}
	return nil, problems
}

// whole returns the first example of a kind.
func (e *examples) whole(kind string) string {
	for _, d := range e.docs {
		if d.kind == kind && strings.HasPrefix(d.name, strings.ToLower(kind)+".yaml") {
			return d.text
		}
	}
	e.t.Errorf("there is no example of a %s", kind)
	return ""
}

// example is a field in one of the examples.
type example struct {
	e   *examples
	doc document
	// name is the field's name, and value what it holds. at is its path in this example, such as spec.ports[0].target.
	name  string
	value *yaml.Node
	at    string
}

// of returns an example of a field, by its path, such as spec.ports[].target. kind is "" for a field of all kinds. of
// returns nil if no example has the field. What all kinds have is in the example of the policy.
func (e *examples) of(kind, path string) *example {
	for _, d := range e.docs {
		if kind != "" && d.kind != kind || kind == "" && !strings.HasPrefix(d.name, "policy.yaml") {
			continue
		}
		if value, at := find(d.node, strings.Split(path, "."), ""); value != nil {
			delete(e.unused, d.name)
			names := strings.Split(path, ".")
			return &example{e, d, names[len(names)-1], value, at}
		}
	}
	return nil
}

// find goes down a path. In a list, and in a map with names of its own, it takes the first element that has the rest.
func find(n *yaml.Node, path []string, at string) (value *yaml.Node, where string) {
	if len(path) == 0 {
		return n, at
	}
	if path[0] == "NAME" {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if value, where = find(n.Content[i+1], path[1:], v1.PathKey(at, n.Content[i].Value)); value != nil {
				return value, where
			}
		}
		return nil, ""
	}
	name, isList := strings.CutSuffix(path[0], "[]")
	next := child(n, name)
	if next == nil {
		return nil, ""
	}
	if at = strings.TrimPrefix(at+"."+name, "."); !isList {
		return find(next, path[1:], at)
	}
	for i, element := range next.Content {
		if value, where = find(element, path[1:], fmt.Sprintf("%s[%d]", at, i)); value != nil {
			return value, where
		}
	}
	return nil, ""
}

func child(n *yaml.Node, name string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}

// mostText is the longest example that a table shows.
const mostText = 70

// text returns the example in one line, for a table. It is "" for a group of fields that is too long for that: the rows
// below it have examples of their own.
func (x *example) text() string {
	one := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: x.name}, flowing(x.value)}}
	out, err := yaml.Marshal(one)
	if err != nil {
		x.e.t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(out)), " ")
	text = strings.TrimSuffix(strings.TrimPrefix(text, "{"), "}")
	var back map[string]any
	if err := yaml.Unmarshal([]byte(text), &back); err != nil || len(back) != 1 {
		x.e.t.Errorf("the example of %s cannot be copied: %s: %v", x.at, text, err)
	}
	if len(text) > mostText && x.value.Kind != yaml.ScalarNode {
		return ""
	}
	return "`" + strings.ReplaceAll(text, "|", "\\|") + "`"
}

// flowing returns a copy of a value without comments and with its groups in braces.
func flowing(n *yaml.Node) *yaml.Node {
	out := *n
	out.HeadComment, out.LineComment, out.FootComment = "", "", ""
	if n.Kind != yaml.ScalarNode {
		out.Style = yaml.FlowStyle
	}
	out.Content = nil
	for _, c := range n.Content {
		out.Content = append(out.Content, flowing(c))
	}
	return &out
}

// fallback says what applies if the field is not stated: it loads the example without the field. If the loader then says
// that the field is wrong, the field is required.
func (x *example) fallback(leaf string, typ reflect.Type) string {
	without, found := drop(x.doc.node, x.value)
	if !found {
		x.e.t.Fatalf("%s is not in %s", x.at, x.doc.name)
	}
	object, problems := load(x.e.t, without)
	for _, p := range problems {
		if p.Path == x.at {
			return "*required*"
		}
	}
	if typ.Kind() == reflect.Bool { // a pointer to one has another default, or none
		return "`false`"
	}
	if len(problems) > 0 || object == nil || strings.HasSuffix(leaf, "[].target") { // that default is the name of what is mounted
		return ""
	}
	object = object.Copy()
	object.Default()
	var values []string
	for _, l := range diff.NewShape(object).Flatten(object) {
		if l.Type == leaf {
			values = append(values, l.Text)
		}
	}
	values = slices.Compact(values)
	if len(values) != 1 || len(values[0]) > 20 {
		return ""
	}
	return "`" + values[0] + "`"
}

// drop returns a copy of a document without one value and its name. Lists on the way to it keep only the element that
// had it. found reports whether the value was there.
func drop(n, value *yaml.Node) (without *yaml.Node, found bool) {
	out := *n
	out.Content = nil
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i+1] == value {
				found = true
				continue
			}
			below, is := drop(n.Content[i+1], value)
			found = found || is
			out.Content = append(out.Content, n.Content[i], below)
		}
		return &out, found
	case yaml.SequenceNode:
		for _, element := range n.Content {
			below, is := drop(element, value)
			if is {
				out.Content = []*yaml.Node{below}
				return &out, true
			}
			out.Content = append(out.Content, below)
		}
		return &out, false
	}
	return n, false
}

// Each row of the reference has an example, and each example on the page can be copied: the test puts the row's text back
// in its place, and the loader accepts it.
func TestExamplesCanBeCopied(t *testing.T) {
	e := examplesOf(t)
	seen := map[string]int{}
	for _, d := range e.docs {
		seen[d.kind]++
	}
	var want []string
	for _, m := range all.Manifests() {
		want = append(want, m.Name)
	}
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, want) {
		t.Errorf("there are examples of %v, want of %v", got, want)
	}
	for _, d := range e.docs {
		shown := *d.node
		shown.Content = nil
		for _, n := range d.node.Content {
			shown.Content = append(shown.Content, flowing(n))
		}
		flow, err := yaml.Marshal(&shown)
		if err != nil {
			t.Fatal(err)
		}
		if _, problems := load(t, parsed(t, string(flow))); len(problems) > 0 {
			t.Errorf("%s, as the rows show it: %v", d.name, problems)
		}
	}
}
