package generate

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Manifest writes an object as a manifest, with its secrets. JSON is YAML.
func Manifest(object v1.Object) string {
	text, err := json.MarshalIndent(stated(reflect.ValueOf(object).Elem()), "", "  ")
	if err != nil {
		panic(fmt.Sprintf("writing %s: %v", object.Key(), err)) // its type is in api/v1
	}
	return string(text) + "\n"
}

// stated returns a value as JSON should have it. The types of api/v1 that hide what they hold are written as they are.
func stated(v reflect.Value) any {
	if c, is := v.Interface().(v1.Content); is {
		return string(c.Reveal())
	}
	switch v.Kind() {
	case reflect.Pointer:
		return stated(v.Elem())
	case reflect.Map:
		out := map[string]any{}
		for it := v.MapRange(); it.Next(); {
			out[it.Key().String()] = stated(it.Value())
		}
		return out
	case reflect.Slice:
		out := []any{}
		for i := range v.Len() {
			out = append(out, stated(v.Index(i)))
		}
		return out
	case reflect.Struct:
		out := map[string]any{}
		fields(v, out)
		return out
	}
	return v.Interface()
}

func fields(v reflect.Value, out map[string]any) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, is := field(f)
		switch {
		case f.Anonymous:
			fields(v.Field(i), out)
		case is && (!v.Field(i).IsZero() || !strings.Contains(f.Tag.Get("json"), ",omit")):
			out[strings.TrimPrefix(name, ".")] = stated(v.Field(i))
		}
	}
}
