package manifests

import (
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// decode is the first stage of a Load. It finds the files below root and turns the text of each into manifests, each on
// its own. What has not changed since the last Load is not parsed again.
func (r *reading) decode(root string) {
	r.walk(root)
	found := 0
	for left := r.files; len(left) > 0; {
		n := r.read(left)
		for _, f := range left[:n] {
			found += len(f.problems)
		}
		if left = left[n:]; found > r.most() {
			r.unknown.all = true // the rest is not read, because the list is long enough
			break
		}
	}
}

// decoder fills one object from the nodes of one document. It does not stop at a problem: it leaves that field unset,
// records the problem and goes on, so that a reader sees all problems at once. It never converts one type into
// another silently.
type decoder struct {
	limits   Limits
	object   v1.Key
	root     reflect.Type
	marks    marks
	problems []v1.Problem
	// meant holds the paths of fields that unknown fields probably stand for. If such a field is missing, that is no
	// second problem.
	meant []string
	// strict is true if a list or mapping that states nothing is a problem.
	strict  bool
	depth   int
	through int // how many aliases lie on the way to the current node
	aliased int // nodes reached through aliases
	stopped bool
}

// decode reads a document's mapping into object.
func (d *decoder) decode(n *yaml.Node, object v1.Object) {
	v := reflect.ValueOf(object)
	d.root = v.Type()
	d.value(n, v.Elem(), 0)
}

func (d *decoder) add(at int32, format string, args ...any) {
	d.addLine(int(d.marks[at].line), at, format, args...)
}

// bad adds a problem with a value. It holds the object and not the revision.
func (d *decoder) bad(at int32, format string, args ...any) {
	d.add(at, format, args...)
	d.problems[len(d.problems)-1].Holds = true
}

func (d *decoder) addLine(line int, at int32, format string, args ...any) {
	d.problems = append(d.problems, clean(v1.Problem{Line: line, Object: d.object, Path: d.marks.path(at), Message: fmt.Sprintf(format, args...)}))
	if len(d.problems) > d.limits.Problems {
		d.stopped = true
	}
}

// value reads one node into v. at is the mark of v.
func (d *decoder) value(n *yaml.Node, v reflect.Value, at int32) {
	if d.stopped {
		return
	}
	d.depth++
	defer func() { d.depth-- }()
	if d.depth > d.limits.Depth {
		d.add(at, "is nested deeper than %d levels", d.limits.Depth)
		return
	}
	if n.Kind == yaml.AliasNode {
		d.through++
		d.value(n.Alias, v, at)
		d.through--
		return
	}
	if !d.afford(at, 1) || !d.tag(n, at) {
		return
	}
	if isNull(n) {
		d.null(v, at)
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch n.Kind {
	case yaml.ScalarNode:
		d.scalar(n, v, at)
	case yaml.SequenceNode:
		d.sequence(n, v, at)
	case yaml.MappingNode:
		d.mapping(n, v, at)
	}
}

// afford counts the nodes that aliases multiply, because a few lines of them can stand for billions of nodes. It
// returns false if the limit is reached.
func (d *decoder) afford(at int32, nodes int) bool {
	if d.through == 0 {
		return true
	}
	if d.aliased += nodes; d.aliased <= d.limits.Aliased {
		return true
	}
	if !d.stopped {
		d.add(at, "the document's aliases stand for more than %d values", d.limits.Aliased)
		d.stopped = true
	}
	return false
}

// tag refuses explicit YAML tags, because a tag could turn a value into another. It accepts tags that state the
// node's own type.
func (d *decoder) tag(n *yaml.Node, at int32) bool {
	if n.Style&yaml.TaggedStyle == 0 {
		return true
	}
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "!!str", n.Kind == yaml.MappingNode && n.Tag == "!!map", n.Kind == yaml.SequenceNode && n.Tag == "!!seq":
		return true
	case n.Kind == yaml.ScalarNode && n.Tag == v1.LeftOut:
		d.bad(at, "was left out of an export because it looks like a secret; write the value in place of %s, or better have the service read it from a Secret", v1.LeftOut)
		return false
	}
	d.add(at, "has a YAML tag (a word after !): tags have no meaning here; leave it out")
	return false
}

// null treats a list or mapping whose entries are all commented out as omitted, unless the decoder is strict. Any other
// field that is named must state something.
func (d *decoder) null(v reflect.Value, at int32) {
	t := v.Type()
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	never, needed := reflect.New(t).Interface().(v1.NeverEmpty)
	switch _, word := reflect.New(t).Interface().(v1.ScalarSetter); {
	case word:
	case needed:
		d.bad(at, "%s", never.NoEntry())
		return
	case d.strict && t.Kind() == reflect.Slice:
		d.bad(at, "states nothing; write [] if it is to be empty, or leave it out")
		return
	case d.strict:
	case t.Kind() == reflect.Struct, t.Kind() == reflect.Map, t.Kind() == reflect.Slice:
		return
	}
	d.bad(at, "states nothing; leave it out or give it a value")
}

func (d *decoder) sequence(n *yaml.Node, v reflect.Value, at int32) {
	if setter, ok := v.Addr().Interface().(v1.ListSetter); ok {
		var items []string
		before := len(d.problems)
		d.elements(n, reflect.ValueOf(&items).Elem(), at)
		if len(d.problems) > before {
			return
		}
		if err := setter.SetList(items); err != nil {
			d.bad(at, "%s", listError(err, items))
			return
		}
		d.nameItems(items, at)
		return
	}
	if v.Kind() != reflect.Slice {
		d.mismatch(n, v, at)
		return
	}
	d.elements(n, v, at)
}

// nameItems adds marks for the items of a list NAME=value, so that they can be found as the map keys that they
// become.
func (d *decoder) nameItems(items []string, at int32) {
	first := int32(len(d.marks) - len(items))
	for i, item := range items {
		name, _, _ := strings.Cut(item, "=")
		d.marks.add(mark{name: strings.Clone(name), parent: at, line: d.marks[first+int32(i)].line, key: true})
	}
}

func (d *decoder) elements(n *yaml.Node, v reflect.Value, at int32) {
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		if d.stopped {
			return
		}
		below := d.marks.add(mark{index: int32(i), parent: at, line: int32(item.Line)})
		if isNull(item) {
			d.bad(below, "states nothing; leave it out or give it a value")
			continue
		}
		d.value(item, v.Index(i), below)
	}
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, at int32) {
	if setter, ok := v.Addr().Interface().(v1.MapSetter); ok {
		m := map[string]string{}
		before := len(d.problems)
		d.keys(n, reflect.ValueOf(m), at)
		if len(d.problems) > before {
			return
		}
		if err := setter.SetMap(m); err != nil {
			d.refuse(n, at, err)
		}
		return
	}
	switch {
	case v.Kind() == reflect.Struct && len(fieldsOf(v.Type()).names) > 0:
		d.structure(n, v, at)
	case v.Kind() == reflect.Map:
		if v.IsNil() {
			v.Set(reflect.MakeMapWithSize(v.Type(), len(n.Content)/2))
		}
		d.keys(n, v, at)
	default:
		d.mismatch(n, v, at)
	}
}

func (d *decoder) structure(n *yaml.Node, v reflect.Value, at int32) {
	known := fieldsOf(v.Type())
	for _, p := range d.pairs(n, at) {
		if d.stopped {
			return
		}
		f, ok := known.byName[p.name]
		below := d.marks.add(mark{name: f.name, parent: at, line: int32(p.line)})
		if !ok {
			d.marks[below].name, d.marks[below].key = p.name, true
			d.unknown(known, p.value, below)
			continue
		}
		d.through += p.through
		d.value(p.value, v.FieldByIndex(f.index), below)
		d.through -= p.through
	}
}

func (d *decoder) keys(n *yaml.Node, v reflect.Value, at int32) {
	for _, p := range d.pairs(n, at) {
		if d.stopped {
			return
		}
		below := d.marks.add(mark{name: p.name, parent: at, line: int32(p.line), key: true})
		value := reflect.New(v.Type().Elem()).Elem()
		before := len(d.problems)
		d.through += p.through
		if nulls, may := v.Interface().(v1.NullSetter); may && isNull(p.value) {
			nulls.SetNull(p.name)
			continue
		}
		if value.Kind() == reflect.String {
			d.mapString(p.value, value, below)
		} else {
			d.value(p.value, value, below)
		}
		d.through -= p.through
		if len(d.problems) == before {
			v.SetMapIndex(reflect.ValueOf(p.name).Convert(v.Type().Key()), value)
		}
	}
}

// unknown reports a field that does not exist, and which field may have been meant. It looks at the value only if the
// field is a word of compose.
func (d *decoder) unknown(known fields, value *yaml.Node, at int32) {
	name := d.marks[at].name
	if why, never := v1.Dropped(d.object.Kind, d.marks.generic(at)); never {
		d.add(at, "cannot be stated: %s", why)
		return
	}
	if d.compose(known, value, at) {
		return
	}
	if d.marks[at].parent == 0 && name == "sops" {
		d.add(at, "is what SOPS adds to a file that it encrypts; the operator decrypts nothing, so a manifest must not be encrypted")
		return
	}
	parent := d.marks.path(d.marks[at].parent)
	if nearest := v1.Nearest(name, known.names); nearest != "" {
		d.meant = append(d.meant, join(parent, nearest))
		d.add(at, "unknown field; did you mean %s?", nearest)
		return
	}
	if path := elsewhere(d.root, name); path != "" {
		d.meant = append(d.meant, path)
		d.add(at, "unknown field here; did you mean %s?", path)
		return
	}
	hint := ""
	if len(known.names) <= 10 {
		hint = "; known are " + strings.Join(known.names, ", ")
	}
	d.add(at, "unknown field%s", hint)
}
