package manifests

import (
	"strings"

	"go.yaml.in/yaml/v3"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// compose reports a field of a Service that is a word of compose files, and says what to write instead. It returns
// false if the field is no such word. For words such as deploy it reports each word below on its own.
func (d *decoder) compose(known fields, value *yaml.Node, at int32) bool {
	if d.object.Kind != v1.KindService {
		return false
	}
	path := strings.TrimPrefix(d.marks.generic(at), "spec.")
	for _, name := range known.names {
		if path == d.marks[at].name && v1.SameWord(name, path) { // it is only spelt differently
			return false
		}
	}
	return d.composeWord(path, value, at)
}

func (d *decoder) composeWord(path string, value *yaml.Node, at int32) bool {
	word, deeper, ok := v1.Compose(path)
	value = target(value)
	if deeper && value != nil && value.Kind == yaml.MappingNode && len(value.Content) > 0 {
		for _, p := range d.pairs(value, at) {
			below := d.marks.add(mark{name: p.name, parent: at, line: int32(p.line), key: true})
			if !d.stopped && !d.composeWord(join(path, p.name), p.value, below) {
				d.add(below, "unknown field")
			}
		}
		return true
	}
	if !ok {
		return false
	}
	if word.To != "" {
		d.meant = append(d.meant, word.To)
	}
	d.add(at, "%s", word.Hint(d.items(value, at)))
	return true
}

// items returns the texts that a value consists of, or nil if one of them may be a secret.
func (d *decoder) items(n *yaml.Node, at int32) (out []string) {
	if n == nil {
		return nil
	}
	nodes, step := []*yaml.Node{n}, 1
	switch n.Kind {
	case yaml.SequenceNode:
		nodes = n.Content
	case yaml.MappingNode:
		nodes, step = n.Content, 2
	}
	const most = 10
	for i := 0; i < len(nodes) && len(out) < most; i += step {
		one := target(nodes[i])
		if one.Kind != yaml.ScalarNode || isNull(one) || d.hidden(one, at) {
			return nil
		}
		out = append(out, cut(one.Value, 80))
	}
	return out
}

// composeFile describes a whole compose file that somebody gave in place of manifests. It returns "" if the document
// is none.
func composeFile(n *yaml.Node) string {
	services := target(entry(n, "services"))
	if services == nil || services.Kind != yaml.MappingNode {
		return ""
	}
	const most = 5
	var names []string
	for i := 0; i < len(services.Content); i += 2 {
		if len(names) == most {
			names = append(names, "…")
			break
		}
		names = append(names, quoteText(services.Content[i].Value))
	}
	of := ""
	if len(names) > 0 {
		of = " (" + strings.Join(names, ", ") + ")"
	}
	return "is a compose file, and compose files are not read: write a manifest of kind Service for each of its services" + of +
		", and one of kind Network, Config or Secret for each network, config or secret; volumes need none"
}
