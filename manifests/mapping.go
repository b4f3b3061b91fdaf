package manifests

import (
	"go.yaml.in/yaml/v3"
)

// pair is a key of a mapping with its value.
type pair struct {
	name    string
	line    int
	value   *yaml.Node
	through int // 1 if an alias brings it in by a merge key
}

// pairs returns a mapping's pairs in the order of the file, followed by those of merge keys (<<). It reports keys
// that are not strings or that occur twice.
func (d *decoder) pairs(n *yaml.Node, at int32) []pair {
	b := pairList{list: make([]pair, 0, len(n.Content)/2)}
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content) && !d.stopped; i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind == yaml.ScalarNode && key.Tag == "!!merge" {
			merges = append(merges, value)
			continue
		}
		name, ok := d.key(key, at)
		if !ok {
			continue
		}
		// In {password:, x} the key x is a value, and the comma is a slip. So the message does not name it.
		if n.Style&yaml.FlowStyle != 0 && isNull(value) && value.Value == "" {
			d.addLine(key.Line, at, "has an entry without a value; is a comma or a colon in the wrong place?")
			continue
		}
		if first, twice := b.find(name); twice {
			below := d.marks.add(mark{name: name, parent: at, line: int32(key.Line), key: true})
			d.add(below, "is stated twice: also in line %d", first.line)
			continue
		}
		b.add(pair{name: name, line: key.Line, value: value})
	}
	for _, m := range merges {
		d.merge(&b, m, at)
	}
	return b.list
}

// merge adds the pairs of a merge key's value: a mapping, an alias of one, or a list of those. What is stated already
// wins.
func (d *decoder) merge(b *pairList, n *yaml.Node, at int32) {
	d.depth++
	defer func() { d.depth-- }()
	if d.depth > d.limits.Depth && !d.stopped {
		d.add(at, "is nested deeper than %d levels", d.limits.Depth)
		d.stopped = true
	}
	// Count the whole mapping and not only what is new in it: a bomb makes the decoder look through it many times.
	if d.stopped || !d.afford(at, 1+len(n.Content)) {
		return
	}
	switch n.Kind {
	case yaml.AliasNode:
		d.through++
		d.merge(b, n.Alias, at)
		d.through--
	case yaml.SequenceNode:
		for _, item := range n.Content {
			d.merge(b, item, at)
		}
	case yaml.MappingNode:
		for _, p := range d.pairs(n, at) {
			if _, stated := b.find(p.name); !stated {
				p.through = max(p.through, d.through)
				b.add(p)
			}
		}
	default:
		d.addLine(n.Line, at, "the merge key << takes a mapping or a list of mappings; found %s", found(n))
	}
}

// pairList finds pairs by name. While they are few, as they nearly always are, it looks at each.
type pairList struct {
	list  []pair
	index map[string]int
}

func (b *pairList) add(p pair) {
	b.list = append(b.list, p)
	switch {
	case b.index != nil:
		b.index[p.name] = len(b.list) - 1
	case len(b.list) > 16:
		b.index = make(map[string]int, cap(b.list))
		for i, p := range b.list {
			b.index[p.name] = i
		}
	}
}

func (b *pairList) find(name string) (pair, bool) {
	if b.index != nil {
		i, ok := b.index[name]
		if !ok {
			return pair{}, false
		}
		return b.list[i], true
	}
	for _, p := range b.list {
		if p.name == name {
			return p, true
		}
	}
	return pair{}, false
}

// key returns a key's text. If the key is not a string, it adds a problem and returns false.
func (d *decoder) key(n *yaml.Node, at int32) (string, bool) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch {
	case n.Kind != yaml.ScalarNode:
		d.addLine(n.Line, at, "has %s as a key; keys are strings", found(n))
	case n.Style&yaml.TaggedStyle != 0 && n.Tag != "!!str":
		d.addLine(n.Line, at, "has a key with a YAML tag; leave the tag out")
	case n.Tag == "!!str" && len(n.Value) == 1: // as a key, y is a name like x, although some read it as a boolean
		return n.Value, true
	case scalarTag(n) != "!!str":
		d.addLine(n.Line, at, "has the key %s, which is %s; quote it", quoteText(n.Value), found(n))
	default:
		return n.Value, true
	}
	return "", false
}
