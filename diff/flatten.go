package diff

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Leaf is one value of a normal form.
type Leaf struct {
	// Path is the leaf's name for people, such as spec.ports[80/tcp].published.
	Path string
	// Type is the path without keys, such as spec.ports[].published. Rules are found by it.
	Type string
	// Key is the last map key in the path, such as LOG_LEVEL in spec.environment.LOG_LEVEL. It is "" if there is
	// none.
	Key string
	// Text is the value. A list is JSON.
	Text string
	// Stated is true if the manifest states the value, and false if the value is a default.
	Stated bool
}

// Format shows no secret, whatever the verb.
func (l Leaf) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "%s=%s", l.Path, valueOf(l, false)) }

// MarshalJSON shows no secret.
func (l Leaf) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]Value{l.Path: valueOf(l, false)})
}

// keyed is an element of a list whose order has no meaning. ListKey returns what identifies the element.
type keyed interface{ ListKey() string }

// Shape says how the values of a type are flattened. It is compiled once per kind and never changes.
type Shape struct{ labels, spec *shape }

// shape is one type at one place.
type shape struct {
	typ    string
	form   form
	fields []shapeField
	elem   *shape // set for lists whose elements have keys
}

type shapeField struct {
	index int
	name  string
	shape *shape
}

type form uint8

const (
	leafForm form = iota
	structForm
	mapForm
	keyedForm // a list whose elements have keys
	listForm  // one leaf
	skipForm  // content, which is compared by its version
)

// NewShape compiles the type of an object: its labels and its spec.
func NewShape(object any) Shape {
	t := reflect.TypeOf(object)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	s := Shape{labels: &shape{typ: "metadata.labels", form: mapForm}}
	if spec, ok := t.FieldByName("Spec"); ok {
		s.spec = compile(spec.Type, "spec")
	}
	return s
}

func compile(t reflect.Type, typ string) *shape {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	s := &shape{typ: typ}
	switch {
	case t == contentType:
		s.form = skipForm
	case t.Kind() == reflect.Map:
		s.form = mapForm
	case t.Kind() == reflect.Slice && t.Elem().Implements(keyedType):
		s.form, s.elem = keyedForm, compile(t.Elem(), typ+"[]")
	case t.Kind() == reflect.Slice:
		s.form = listForm
	case t.Kind() == reflect.Struct:
		s.form = structForm
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			if name != "" && name != "-" {
				s.fields = append(s.fields, shapeField{i, name, compile(t.Field(i).Type, typ+"."+name)})
			}
		}
	}
	return s
}

// Types returns the Type of every leaf that values can have, sorted. Rules must be total over these.
func (s Shape) Types() []string {
	var out []string
	s.labels.types(&out)
	if s.spec != nil {
		s.spec.types(&out)
	}
	slices.Sort(out)
	return out
}

// Names reports whether a path names a leaf that values can have, or leaves below it. Examples are
// spec.ports[80/tcp].published, spec.ports and metadata.labels["a.b/c"]. A key of a map has to be written as v1.PathKey does,
// because no leaf has another path.
func (s Shape) Names(path string) bool {
	for _, top := range []*shape{s.labels, s.spec} {
		if top == nil {
			continue
		}
		if rest, ok := strings.CutPrefix(path, top.typ); ok && top.names(rest) {
			return true
		}
	}
	return path == "metadata" // with everything below it
}

// names reports whether the rest of a path names a leaf, or leaves below it.
func (s *shape) names(rest string) bool {
	if rest == "" {
		return true
	}
	switch s.form {
	case structForm:
		name, ok := strings.CutPrefix(rest, ".")
		return ok && slices.ContainsFunc(s.fields, func(f shapeField) bool {
			below, ok := strings.CutPrefix(name, f.name)
			return ok && f.shape.names(below)
		})
	case mapForm:
		key := keyIn(rest)
		return key != "" && rest == v1.PathKey("", key)
	case keyedForm:
		end := strings.IndexByte(rest, ']')
		return rest[0] == '[' && end > 1 && s.elem.names(rest[end+1:])
	}
	return false
}

// keyIn returns the key of a map that the rest of a path names. It returns "" if the rest is no key.
func keyIn(rest string) string {
	if key, plain := strings.CutPrefix(rest, "."); plain {
		return key
	}
	key, err := strconv.Unquote(strings.TrimSuffix(strings.TrimPrefix(rest, "["), "]"))
	if err != nil {
		return ""
	}
	return key
}

func (s *shape) types(out *[]string) {
	switch s.form {
	case structForm:
		for _, f := range s.fields {
			f.shape.types(out)
		}
	case mapForm:
		*out = append(*out, s.typ+".*")
	case keyedForm:
		s.elem.types(out)
	case leafForm, listForm:
		*out = append(*out, s.typ)
	case skipForm:
	}
}

// Flatten returns the leaves of a value's labels and spec, sorted by path. A zero value has no leaf: absent, empty
// and zero mean the same wherever the types use no pointer. Content has no leaf either, because it is compared by its
// version.
func (s Shape) Flatten(object any) []Leaf {
	leaves := s.leaves(make([]Leaf, 0, 32), object, nil)
	slices.SortFunc(leaves, func(a, b Leaf) int { return strings.Compare(a.Path, b.Path) })
	return slices.Clone(leaves) // the leaves are kept for long, so without spare capacity
}

// leaves appends the leaves of a value in no order. Fields of the spec that are the same in known are left out, unless it
// is nil.
func (s Shape) leaves(out []Leaf, object, known any) []Leaf {
	v := reflect.Indirect(reflect.ValueOf(object))
	f := flattener{leaves: out}
	f.walk(v.FieldByName("Metadata").FieldByName("Labels"), s.labels, "metadata.labels", "")
	if s.spec != nil {
		spec, same := v.FieldByName("Spec"), func(int) bool { return false }
		if k := reflect.Indirect(reflect.ValueOf(known)); k.IsValid() && k.Type() == v.Type() {
			k = k.FieldByName("Spec")
			same = func(field int) bool {
				a, b := spec.Field(field), k.Field(field)
				return a.IsZero() && b.IsZero() || reflect.DeepEqual(a.Interface(), b.Interface())
			}
		}
		for _, field := range s.spec.fields {
			if !same(field.index) {
				f.walk(spec.Field(field.index), field.shape, field.shape.typ, "")
			}
		}
	}
	return f.leaves
}

// MarkStated sets Stated on the leaves that stated has too, and returns the leaves. stated is the manifest, flattened
// before its defaults were filled in. Both are sorted by path.
func MarkStated(leaves, stated []Leaf) []Leaf {
	j := 0
	for i := range leaves {
		for j < len(stated) && stated[j].Path < leaves[i].Path {
			j++
		}
		leaves[i].Stated = j < len(stated) && stated[j].Path == leaves[i].Path
	}
	return leaves
}

type flattener struct{ leaves []Leaf }

func (f *flattener) add(path, typ, key, text string) {
	f.leaves = append(f.leaves, Leaf{Path: path, Type: typ, Key: key, Text: text})
}

// walk adds the leaves of a value. A zero value counts only if a pointer holds it.
func (f *flattener) walk(v reflect.Value, s *shape, path, key string) {
	present := false
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v, present = v.Elem(), true
	}
	switch s.form {
	case structForm:
		for _, field := range s.fields {
			child := field.shape.typ // most paths have no keys in them, and need not be put together each time
			if path != s.typ {
				child = path + "." + field.name
			}
			f.walk(v.Field(field.index), field.shape, child, key)
		}
	case mapForm:
		typ := s.typ + ".*"
		for it := v.MapRange(); it.Next(); {
			k := it.Key().String()
			f.add(v1.PathKey(path, k), typ, k, text(it.Value()))
		}
	case keyedForm:
		f.list(v, s, path, key)
	case listForm:
		if v.Len() > 0 {
			f.add(path, s.typ, key, text(v))
		}
	case leafForm:
		if present || !v.IsZero() {
			f.add(path, s.typ, key, text(v))
		}
	case skipForm:
	}
}

func (f *flattener) list(v reflect.Value, s *shape, path, key string) {
	seen := make(map[string]int, v.Len())
	for i := range v.Len() {
		name := v.Index(i).Interface().(keyed).ListKey()
		if seen[name]++; seen[name] > 1 {
			name += "#" + strconv.Itoa(seen[name])
		}
		f.walk(v.Index(i), s.elem, path+"["+name+"]", key)
	}
}

var (
	contentType = reflect.TypeFor[v1.Content]()
	keyedType   = reflect.TypeFor[keyed]()
)

func text(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Slice:
		// Lists are of strings or of small structs. JSON is unambiguous for them, and reads well.
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(v.Interface()); err != nil {
			panic(fmt.Sprintf("diff: %s cannot be a leaf: %v", v.Type(), err)) // the type is in api/v1, so any test would find this
		}
		return strings.TrimSuffix(b.String(), "\n")
	}
	if s, ok := v.Interface().(fmt.Stringer); ok {
		return s.String()
	}
	switch {
	case v.CanUint():
		return strconv.FormatUint(v.Uint(), 10)
	case v.CanInt():
		return strconv.FormatInt(v.Int(), 10)
	}
	return fmt.Sprint(v.Interface())
}
