package config

import (
	"reflect"
	"strconv"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Value is the value of a flag that the file states.
type Value struct {
	// Flag is the flag's name without --.
	Flag string
	// Path is the path of the field in the file.
	Path string
	// Texts are what one would write on the command line: one text, or several for a flag that may be given again.
	Texts []string
}

// Values returns the values of flags that the file states, in the order of the fields.
func (c *Configuration) Values() []Value {
	var out []Value
	if len(c.Sources) > 0 {
		out = values(out, reflect.ValueOf(c.Sources[0]), "sources[0]")
	}
	out = values(out, reflect.ValueOf(*c), "")
	for flag, text := range c.Flags {
		out = append(out, Value{Flag: flag, Path: v1.PathKey("flags", flag), Texts: []string{text}})
	}
	return out
}

// Places returns the path of the field that has the value of each flag, by the flag's name.
func Places() map[string]string {
	out := map[string]string{}
	places(out, reflect.TypeFor[Source](), "sources[]")
	places(out, reflect.TypeFor[Configuration](), "")
	return out
}

func places(out map[string]string, t reflect.Type, at string) {
	for i := range t.NumField() {
		f := t.Field(i)
		path := below(at, f)
		switch flag := f.Tag.Get("flag"); {
		case flag != "":
			out[flag] = path
		case f.Type.Kind() == reflect.Struct:
			places(out, f.Type, path)
		}
	}
}

func below(at string, f reflect.StructField) string {
	name := jsonName(f)
	if at == "" {
		return name
	}
	return at + "." + name
}

func values(out []Value, v reflect.Value, at string) []Value {
	for i := range v.NumField() {
		f, value := v.Type().Field(i), v.Field(i)
		path, flag := below(at, f), f.Tag.Get("flag")
		switch {
		case flag == "" && value.Kind() == reflect.Struct:
			out = values(out, value, path)
		case flag == "" || value.IsZero():
		default:
			out = append(out, Value{Flag: flag, Path: path, Texts: texts(value)})
		}
	}
	return out
}

// texts returns a value as it is written on a command line.
func texts(v reflect.Value) []string {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch x := v.Interface().(type) {
	case v1.Duration:
		return []string{x.String()}
	case bool:
		return []string{strconv.FormatBool(x)}
	case int:
		return []string{strconv.Itoa(x)}
	case []string:
		return x
	}
	return []string{v.String()}
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}
