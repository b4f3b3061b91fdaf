package manifests

import (
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// mismatch reports a node whose kind does not fit the field's type.
func (d *decoder) mismatch(n *yaml.Node, v reflect.Value, at int32) {
	if long, ok := v.Interface().(v1.Longhand); ok && n.Kind == yaml.ScalarNode && !d.hidden(n, at) {
		d.bad(at, "must be %s: write %s", wanted(v), long.Longhand(n.Value))
		return
	}
	if names := d.items(n, at); namedList(v) && n.Kind == yaml.MappingNode && len(names) > 0 {
		d.bad(at, "must be %s: write [%s], or a mapping with the name and the rest for each", wanted(v), strings.Join(names, ", "))
		return
	}
	d.bad(at, "must be %s; found %s", wanted(v), found(n))
}

// namedList reports whether a value is a list of structs that can each be stated by name alone. Compose has mappings
// by name there.
func namedList(v reflect.Value) bool {
	if v.Kind() != reflect.Slice {
		return false
	}
	_, word := reflect.New(v.Type().Elem()).Interface().(v1.ScalarSetter)
	return word && v.Type().Elem().Kind() == reflect.Struct
}

// wanted names the forms that a value may have.
func wanted(v reflect.Value) string {
	var forms []string
	p := v.Addr().Interface()
	_, word := p.(v1.ScalarSetter)
	_, list := p.(v1.ListSetter)
	_, keys := p.(v1.MapSetter)
	switch v.Kind() {
	case reflect.Struct:
		if len(fieldsOf(v.Type()).names) > 0 {
			forms = append(forms, "a mapping")
		}
	case reflect.Map:
		forms = append(forms, "a mapping")
	case reflect.Slice:
		forms = append(forms, "a list")
	case reflect.String:
		forms = append(forms, "a string")
	case reflect.Bool:
		forms = append(forms, "true or false")
	default:
		forms = append(forms, "a number")
	}
	if word && (v.Kind() == reflect.Slice || v.Kind() == reflect.Struct) {
		forms = append(forms, "a string")
	} else if word {
		forms = []string{"a single value"}
	}
	if list {
		forms = append(forms, "a list")
	}
	if keys {
		forms = append(forms, "a mapping")
	}
	return strings.Join(forms, " or ")
}

// found says what a node is, and shows nothing of what it holds.
func found(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a mapping"
	}
	switch scalarTag(n) {
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "a boolean"
	case "!!null":
		return "nothing"
	}
	return "a string"
}
