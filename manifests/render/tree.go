package render

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// tree returns an object as YAML has it. Its spec and the maps in it, such as the environment, are in lines of their
// own, because they grow and because a difference between two revisions is then a line.
func tree(o v1.Object, leftOut map[string]bool) value {
	t := builder{leftOut}
	v := t.structure(reflect.ValueOf(o).Elem(), "")
	for i := range v.pairs {
		p := &v.pairs[i].value
		if p.wide = v.pairs[i].name == "spec" && len(p.pairs) > 1; v.pairs[i].name != "spec" && v.pairs[i].name != "metadata" {
			continue
		}
		for j := range p.pairs {
			below := &p.pairs[j].value
			below.wide = below.wide || below.form == mapping && len(below.pairs) > 0 && p.pairs[j].isMap(o, v.pairs[i].name) ||
				below.form == list && slices.ContainsFunc(below.items, func(item value) bool { return item.form != scalar })
		}
	}
	return v
}

// isMap reports whether a field of metadata or spec is a map, whose names are not those of fields.
func (p pair) isMap(o v1.Object, within string) bool {
	v := reflect.ValueOf(o).Elem()
	for _, name := range []string{within, p.name} {
		v = fieldOf(v, name)
	}
	return v.IsValid() && v.Kind() == reflect.Map
}

// fieldOf returns the field of a struct that manifests call so. It returns the zero Value if there is none.
func fieldOf(v reflect.Value, name string) reflect.Value {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		switch stated, _, _ := strings.Cut(f.Tag.Get("json"), ","); {
		case f.Anonymous:
			if found := fieldOf(v.Field(i), name); found.IsValid() {
				return found
			}
		case stated == name:
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

// builder makes values of the types of api/v1.
type builder struct{ leftOut map[string]bool }

// keyed is an element of a list that has a key, as for package diff.
type keyed interface{ ListKey() string }

var leftOut = value{text: v1.LeftOut + ` ""`, plain: true, wide: true}

func (t builder) of(v reflect.Value, path string) value {
	if t.leftOut[path] {
		return leftOut
	}
	switch of := v.Interface().(type) {
	case v1.Content:
		return value{text: string(of.Reveal())}
	case v1.Ulimit:
		if of.Soft == of.Hard {
			return value{text: strconv.FormatInt(of.Soft, 10), plain: true}
		}
	case v1.Ratio:
		return value{text: of.String(), plain: true}
	case v1.Bytes: // such as 512MiB, or a number
		return value{text: of.String(), plain: true}
	case v1.Swap:
		return value{text: of.String(), plain: true}
	}
	switch v.Kind() {
	case reflect.Pointer:
		return t.of(v.Elem(), path)
	case reflect.String:
		return value{text: v.String()}
	case reflect.Map:
		return t.mapping(v, path)
	case reflect.Slice:
		return t.list(v, path)
	case reflect.Struct:
		return t.structure(v, path)
	}
	if s, is := v.Interface().(fmt.Stringer); is {
		return value{text: s.String()}
	}
	return value{text: fmt.Sprint(v.Interface()), plain: true} // a number or a boolean
}

func (t builder) structure(v reflect.Value, path string) value {
	out := value{form: mapping}
	for i := range v.NumField() {
		f, field := v.Type().Field(i), v.Field(i)
		name, how, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
			out.pairs = append(out.pairs, t.structure(field, path).pairs...)
			continue
		case name == "" || name == "-", strings.HasPrefix(how, "omit") && empty(field), field.Kind() == reflect.Pointer && field.IsNil():
			continue
		}
		below := t.of(field, strings.TrimPrefix(path+"."+name, "."))
		if below.form == mapping && len(below.pairs) == 0 && field.Kind() == reflect.Struct {
			continue // nothing is stated
		}
		out.pairs = append(out.pairs, pair{name, below})
	}
	return out
}

// empty reports whether a field states nothing.
func empty(v reflect.Value) bool {
	if v.Kind() == reflect.Map || v.Kind() == reflect.Slice {
		return v.Len() == 0
	}
	return v.IsZero()
}

func (t builder) mapping(v reflect.Value, path string) value {
	out := value{form: mapping}
	byName := map[string]reflect.Value{}
	for it := v.MapRange(); it.Next(); {
		byName[it.Key().String()] = it.Value()
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		below := t.of(byName[name], v1.PathKey(path, name))
		if below.text == v1.NoValue && !below.plain {
			below = value{text: "null", plain: true}
		}
		out.pairs = append(out.pairs, pair{name, below})
	}
	return out
}

func (t builder) list(v reflect.Value, path string) value {
	out := value{form: list}
	seen := map[string]int{}
	for i := range v.Len() {
		item, at := v.Index(i), strconv.Itoa(i)
		if k, is := item.Interface().(keyed); is {
			at = k.ListKey()
			if seen[at]++; seen[at] > 1 {
				at += "#" + strconv.Itoa(seen[at])
			}
		}
		out.items = append(out.items, short(item, t.of(item, path+"["+at+"]")))
	}
	return out
}

// short returns the short form of an element that states nothing but its name.
func short(item reflect.Value, v value) value {
	if _, is := reflect.New(item.Type()).Interface().(v1.ScalarSetter); is && item.Kind() == reflect.Struct && len(v.pairs) == 1 && v.pairs[0].value.form == scalar {
		return v.pairs[0].value
	}
	return v
}
