package service

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"slices"
	"strings"
)

// leaf is one value of the engine's spec: how to name it and how to reach it.
type leaf struct {
	// path is the way through the Go types. [] stands for elements of lists, * for values of maps. Embedded structs
	// are left out.
	path  string
	steps []step
}

// step goes one level down.
type step struct {
	field int // the index of a struct's field; -1 means the first element of a list, or the only value of a map
}

const inside = -1

// leaves returns every leaf of a type, sorted.
func leaves(t reflect.Type) []leaf {
	var out []leaf
	var walk func(t reflect.Type, path string, steps []step)
	walk = func(t reflect.Type, path string, steps []step) {
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		switch {
		case t.Kind() == reflect.Struct && t.NumField() > 0 && t != reflect.TypeFor[netip.Addr]():
			for i := range t.NumField() {
				f := t.Field(i)
				at := path + "." + f.Name
				if f.Anonymous {
					at = path
				}
				walk(f.Type, at, append(slices.Clone(steps), step{i}))
			}
		case t.Kind() == reflect.Slice && isStruct(t.Elem()):
			walk(t.Elem(), path+"[]", append(slices.Clone(steps), step{inside}))
		case t.Kind() == reflect.Map:
			out = append(out, leaf{strings.TrimPrefix(path, ".") + ".*", steps})
		default:
			out = append(out, leaf{strings.TrimPrefix(path, "."), steps})
		}
	}
	walk(t, "", nil)
	slices.SortFunc(out, func(a, b leaf) int { return strings.Compare(a.path, b.path) })
	return out
}

func isStruct(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct && t != reflect.TypeFor[netip.Addr]()
}

// at returns a leaf. It makes what is absent on the way.
func (l leaf) at(v reflect.Value) reflect.Value {
	down := func(v reflect.Value) reflect.Value {
		for v.Kind() == reflect.Pointer {
			if v.IsNil() {
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		return v
	}
	v = down(v)
	for i, s := range l.steps {
		if s.field != inside {
			v = v.Field(s.field)
		} else {
			if v.Len() == 0 {
				v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			}
			v = v.Index(0)
		}
		if i < len(l.steps)-1 {
			v = down(v)
		}
	}
	return v
}

// change gives the leaf a value that it does not have and that is not zero.
func (l leaf) change(spec any) {
	v := l.at(reflect.ValueOf(spec))
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
			if v.Elem().Kind() == reflect.Struct {
				return // an empty struct means something by being there
			}
		}
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(v.Int() + 7_000_000)
	case reflect.Uint32, reflect.Uint64, reflect.Uint8:
		v.SetUint(v.Uint() + 7)
	case reflect.Float32:
		v.SetFloat(v.Float() + 0.25)
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"changed": "yes"}).Convert(v.Type()))
	case reflect.Slice:
		if strings.HasSuffix(l.path, ".Hosts") { // the engine skips what is no line of hosts(5)
			v.Set(reflect.Append(v, reflect.ValueOf("10.0.0.9 extra")))
			return
		}
		v.Set(reflect.Append(v, another(v.Type().Elem())))
	case reflect.Struct:
	default:
		panic("no way to change " + l.path + ", a " + v.Type().String())
	}
}

func another(t reflect.Type) reflect.Value {
	switch {
	case t == reflect.TypeFor[netip.Addr]():
		return reflect.ValueOf(netip.MustParseAddr("10.0.0.53"))
	case t.Kind() == reflect.String:
		return reflect.ValueOf("extra=1").Convert(t)
	case t.Kind() == reflect.Uint8:
		return reflect.ValueOf(byte('x'))
	case t == reflect.TypeFor[[]string]():
		return reflect.ValueOf([]string{"extra"})
	}
	panic("no way to make a " + t.String())
}

// text returns the leaf's value.
func (l leaf) text(spec any) string {
	b, err := json.Marshal(l.at(reflect.ValueOf(spec)).Interface())
	if err != nil {
		panic(err)
	}
	return string(b)
}
