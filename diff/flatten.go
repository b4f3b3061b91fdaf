package diff

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Leaf is one value of a normal form.
type Leaf struct {
	// Path names it for people: spec.ports[80/tcp].published.
	Path string
	// Type is the path without keys, which rules are found by: spec.ports[].published.
	Type string
	// Key is the last map key on the way, where there is one: LOG_LEVEL in spec.environment.LOG_LEVEL.
	Key string
	// Text is the value. Lists are JSON.
	Text string
	// Stated: the manifest says so itself; false for defaults.
	Stated bool
}

// keyed is an element of a list whose order has no meaning, named by what identifies it.
type keyed interface{ ListKey() string }

// Flatten lists the leaves of a value's labels and spec, sorted by path. What is zero has no leaf: absent, empty and
// zero mean the same wherever the types use no pointer. Content has none either: it is compared by its version.
func Flatten(object any) []Leaf {
	v := reflect.Indirect(reflect.ValueOf(object))
	f := flattener{leaves: make([]Leaf, 0, 32)}
	if labels := v.FieldByName("Metadata").FieldByName("Labels"); labels.IsValid() {
		f.walk(labels, "metadata.labels", "metadata.labels", "", false)
	}
	if spec := v.FieldByName("Spec"); spec.IsValid() {
		f.walk(spec, "spec", "spec", "", false)
	}
	slices.SortFunc(f.leaves, func(a, b Leaf) int { return strings.Compare(a.Path, b.Path) })
	return f.leaves
}

// MarkStated returns leaves with Stated set on those that the manifest, flattened before its defaults, has too.
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

// walk descends. present says that a zero value counts, because a pointer or a map holds it.
func (f *flattener) walk(v reflect.Value, path, typ, key string, present bool) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v, present = v.Elem(), true
	}
	if v.Type() == contentType {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range fieldsOf(v.Type()) {
			f.walk(v.Field(field.index), path+"."+field.name, typ+"."+field.name, key, false)
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			k := it.Key().String()
			f.add(v1.PathKey(path, k), typ+".*", k, it.Value().String())
		}
	case reflect.Slice:
		f.list(v, path, typ, key)
	default:
		if present || !v.IsZero() {
			f.add(path, typ, key, text(v))
		}
	}
}

func (f *flattener) list(v reflect.Value, path, typ, key string) {
	if v.Len() == 0 {
		return
	}
	if !v.Type().Elem().Implements(keyedType) {
		f.add(path, typ, key, text(v))
		return
	}
	seen := make(map[string]int, v.Len())
	for i := range v.Len() {
		name := v.Index(i).Interface().(keyed).ListKey()
		if seen[name]++; seen[name] > 1 {
			name += "#" + strconv.Itoa(seen[name])
		}
		f.walk(v.Index(i), path+"["+name+"]", typ+"[]", key, false)
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
		// Lists of strings or of small structs: JSON is unambiguous and reads well.
		b, err := json.Marshal(v.Interface())
		if err != nil {
			panic(fmt.Sprintf("diff: %s cannot be a leaf: %v", v.Type(), err)) // a type of api/v1, found by any test
		}
		return string(b)
	default:
		return fmt.Sprint(v.Interface())
	}
}

type field struct {
	index int
	name  string
}

var fieldCache sync.Map // reflect.Type → []field; a type's fields never change

func fieldsOf(t reflect.Type) []field {
	if cached, ok := fieldCache.Load(t); ok {
		return cached.([]field)
	}
	var fields []field
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name != "" && name != "-" {
			fields = append(fields, field{i, name})
		}
	}
	fieldCache.Store(t, fields)
	return fields
}

// LeafTypes lists the Type of every leaf that values of an object's type can have, sorted: what rules must be total over.
func LeafTypes(object any) []string {
	var out []string
	t := reflect.TypeOf(object)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if spec, ok := t.FieldByName("Spec"); ok {
		leafTypes(spec.Type, "spec", &out)
	}
	out = append(out, "metadata.labels.*")
	slices.Sort(out)
	return out
}

func leafTypes(t reflect.Type, typ string, out *[]string) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == contentType:
	case t.Kind() == reflect.Struct:
		for _, f := range fieldsOf(t) {
			leafTypes(t.Field(f.index).Type, typ+"."+f.name, out)
		}
	case t.Kind() == reflect.Map:
		*out = append(*out, typ+".*")
	case t.Kind() == reflect.Slice && t.Elem().Implements(keyedType):
		leafTypes(t.Elem(), typ+"[]", out)
	default:
		*out = append(*out, typ)
	}
}
