package v1

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// manifestTypes has the type of the manifests of each kind.
var manifestTypes = map[string]reflect.Type{
	KindCluster: reflect.TypeFor[Cluster](), KindConfig: reflect.TypeFor[Config](), KindNetwork: reflect.TypeFor[Network](),
	KindNode: reflect.TypeFor[Node](), KindNodeSet: reflect.TypeFor[NodeSet](), KindSecret: reflect.TypeFor[Secret](),
	KindService: reflect.TypeFor[Service](), KindVolume: reflect.TypeFor[Volume](),
}

// ManifestKinds returns the kinds of manifests, sorted.
func ManifestKinds() []string { return slices.Sorted(maps.Keys(manifestTypes)) }

// UnknownField says which field of a path no manifest of a kind can state, and which one may be meant. It returns "" if
// each can be stated. A path has [] for the elements of a list, and below a map it may have any key.
func UnknownField(kind, path string) string {
	t := manifestTypes[kind]
	for at := ""; path != ""; {
		t = pointed(t)
		step := firstStep(path)
		switch {
		case t.Kind() == reflect.Map:
			key, rest, ok := mapKey(t, path)
			if !ok {
				return fmt.Sprintf("%s%s; %s is a map, and a key in it is %s.NAME or %s[\"NAME\"]", at, path, at, at, at)
			}
			at, t, path = PathKey(at, key), t.Elem(), rest
			continue
		case t.Kind() == reflect.Slice && step == "[]":
			t = t.Elem()
		case t.Kind() == reflect.Slice:
			return fmt.Sprintf("%s%s; %s is a list, and its elements are %s[]", at, path, at, at)
		default:
			name, fields := strings.TrimPrefix(step, "."), map[string]reflect.Type{}
			collectFields(fields, t)
			if t = fields[name]; t == nil {
				return at + step + DidYouMean(name, slices.Sorted(maps.Keys(fields)))
			}
		}
		at, path = at+step, path[len(step):]
	}
	return ""
}

func pointed(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// OneForm writes each key of a map in a path of a kind as PathKey does, so that two paths are the same text if they name
// the same field. People write the label a.b as labels.a.b and as labels["a.b"]. Elements of lists may have an index, a key
// or nothing in their brackets. OneForm returns the part of a path that no object of the kind has as it is.
func OneForm(kind, path string) string {
	t, at := manifestTypes[kind], ""
	for t != nil && path != "" {
		t = pointed(t)
		step := firstStep(path)
		switch t.Kind() {
		case reflect.Map:
			key, rest, ok := mapKey(t, path)
			if !ok {
				return at + path
			}
			at, t, path = PathKey(at, key), t.Elem(), rest
			continue
		case reflect.Slice:
			end := strings.IndexByte(path, ']')
			if path[0] != '[' || end < 0 {
				return at + path
			}
			step, t = path[:end+1], t.Elem()
		default:
			fields := map[string]reflect.Type{}
			collectFields(fields, t)
			t = fields[strings.TrimPrefix(step, ".")]
		}
		at, path = at+step, path[len(step):]
	}
	return at + path
}

// mapKey splits the key off a path that begins below a map: .NAME or ["NAME"]. A NAME may have points, because keys do. It
// is all that follows, except a field at its end if the values of the map have fields. ok is false if there is no key.
func mapKey(t reflect.Type, path string) (key, rest string, ok bool) {
	fields := map[string]reflect.Type{}
	collectFields(fields, pointed(t.Elem()))
	if quoted, err := strconv.QuotedPrefix(strings.TrimPrefix(path, "[")); err == nil && path[0] == '[' {
		key, _ = strconv.Unquote(quoted)
		rest, ok = strings.CutPrefix(path[1+len(quoted):], "]")
		return key, rest, ok && (rest == "" || rest[0] == '.' && len(fields) > 0)
	}
	key, ok = strings.CutPrefix(path, ".")
	if i := strings.LastIndexByte(key, '.'); i > 0 && fields[key[i+1:]] != nil {
		key, rest = key[:i], key[i:]
	}
	return key, rest, ok && key != ""
}

// firstStep returns the first step of a path, which is not empty: [], or a name and the point before it.
func firstStep(path string) string {
	if strings.HasPrefix(path, "[]") {
		return "[]"
	}
	if i := strings.IndexAny(path[1:], ".["); i >= 0 {
		return path[:i+1]
	}
	return path
}

// collectFields adds the fields of a struct, by their names in manifests. Other types have none.
func collectFields(out map[string]reflect.Type, t reflect.Type) {
	if t.Kind() != reflect.Struct {
		return
	}
	for i := range t.NumField() {
		switch f := t.Field(i); {
		case f.Anonymous && jsonName(f) == "":
			collectFields(out, f.Type)
		case f.IsExported() && jsonName(f) != "" && jsonName(f) != "-":
			out[jsonName(f)] = f.Type
		}
	}
}

// jsonName returns the name of a field in manifests. It is "" if the field has none.
func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}
