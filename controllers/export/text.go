package export

import (
	"reflect"
	"unicode/utf8"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// noText reports whether an object holds bytes that are no text, and where, if that is known. The engine carries such bytes
// in a profile of seccomp, and YAML cannot.
func noText(object v1.Object) (path string, is bool) {
	for _, leaf := range leaves(object) {
		if !utf8.ValidString(leaf.Text) {
			return leaf.Path, true
		}
	}
	return "", anyText(reflect.ValueOf(object), func(text string) bool { return !utf8.ValidString(text) })
}

// anyText reports whether a text in a value meets a condition. Content is no text.
func anyText(v reflect.Value, meets func(string) bool) bool {
	switch v.Kind() {
	case reflect.String:
		return meets(v.String())
	case reflect.Pointer, reflect.Interface:
		return !v.IsNil() && anyText(v.Elem(), meets)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && anyText(v.Field(i), meets) {
				return true
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			if anyText(v.Index(i), meets) {
				return true
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			if anyText(it.Key(), meets) || anyText(it.Value(), meets) {
				return true
			}
		}
	}
	return false
}
