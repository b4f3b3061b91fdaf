package manifests

import (
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// scalar reads a single value. Types with a notation of their own read themselves.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, at int32) {
	if setter, ok := v.Addr().Interface().(v1.ScalarSetter); ok {
		if err := setter.SetScalar(v1.Scalar{Text: n.Value, Tag: scalarTag(n)}); err != nil {
			d.refuse(n, at, err)
		}
		return
	}
	switch {
	case v.Kind() == reflect.String:
		d.text(n, v, at)
	case v.Kind() == reflect.Bool:
		d.boolean(n, v, at)
	case v.CanInt(), v.CanUint():
		d.integer(n, v, at)
	case v.CanFloat():
		d.float(n, v, at)
	default:
		d.mismatch(n, v, at)
	}
}

// text accepts only strings: 1.10 as a number would be 1.1, and some readers take NO for false.
func (d *decoder) text(n *yaml.Node, v reflect.Value, at int32) {
	if scalarTag(n) != "!!str" {
		d.bad(at, "%s is %s; quote it", d.quote(n, at), found(n))
		return
	}
	v.SetString(n.Value)
}

// plainNumber matches numbers that every reader of YAML writes back unchanged.
var plainNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`)

// mapString reads a value in a map of strings. Plain numbers are common there and stand for their own text.
func (d *decoder) mapString(n *yaml.Node, v reflect.Value, at int32) {
	if n.Kind == yaml.AliasNode {
		d.through++
		d.mapString(n.Alias, v, at)
		d.through--
		return
	}
	number := n.Kind == yaml.ScalarNode && n.Style == 0 && plainNumber.MatchString(n.Value)
	if !number {
		d.value(n, v, at)
	} else if d.afford(at, 1) {
		v.SetString(n.Value)
	}
}

func (d *decoder) boolean(n *yaml.Node, v reflect.Value, at int32) {
	switch {
	case scalarTag(n) == "!!bool" && n.Value == "true":
		v.SetBool(true)
	case scalarTag(n) == "!!bool" && n.Value == "false":
		v.SetBool(false)
	case n.Value == "true" || n.Value == "false":
		d.bad(at, "is a string; write %s without quotes", n.Value)
	default:
		d.bad(at, "%s is not true or false", d.quote(n, at))
	}
}

// integer accepts only plain decimals, because readers differ in how they read 0x10, 1_000 and 010.
func (d *decoder) integer(n *yaml.Node, v reflect.Value, at int32) {
	if scalarTag(n) != "!!int" || !plainNumber.MatchString(n.Value) {
		if scalarTag(n) == "!!str" && plainNumber.MatchString(n.Value) {
			d.bad(at, "is a string; write the number without quotes")
			return
		}
		d.bad(at, "%s is not a whole number in plain decimals", d.quote(n, at))
		return
	}
	if v.CanUint() {
		u, err := strconv.ParseUint(n.Value, 10, v.Type().Bits())
		if err != nil {
			d.bad(at, "%s is not between 0 and %d", d.quote(n, at), ^uint64(0)>>(64-v.Type().Bits()))
			return
		}
		v.SetUint(u)
		return
	}
	i, err := strconv.ParseInt(n.Value, 10, v.Type().Bits())
	if err != nil {
		limit := int64(^uint64(0) >> (65 - v.Type().Bits()))
		d.bad(at, "%s is not between %d and %d", d.quote(n, at), -limit-1, limit)
		return
	}
	v.SetInt(i)
}

func (d *decoder) float(n *yaml.Node, v reflect.Value, at int32) {
	tag := scalarTag(n)
	f, err := strconv.ParseFloat(n.Value, v.Type().Bits())
	if err != nil || (tag != "!!int" && tag != "!!float") || !plainNumber.MatchString(n.Value) {
		d.bad(at, "%s is not a number in plain decimals", d.quote(n, at))
		return
	}
	v.SetFloat(f)
}

// refuse reports the error of a type that could not read a value, unless it could show a secret.
func (d *decoder) refuse(n *yaml.Node, at int32, err error) {
	if d.hidden(n, at) {
		d.bad(at, notShown)
		return
	}
	d.bad(at, "%s", err)
}

// envName matches a text that is surely a name and not a value.
var envName = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)

// listError returns a type's error about a list. It hides the text if it repeats an item that may be more than a
// name, such as KEY: value in place of KEY=value.
func listError(err error, items []string) string {
	for _, item := range items {
		if item != "" && strings.Contains(err.Error(), item) && !envName.MatchString(item) {
			return "has an entry that is not of the form NAME=value"
		}
	}
	return err.Error()
}

// scalarTag returns the YAML tag of a scalar. yes and off count as booleans, because readers of YAML 1.1 take them for
// booleans and readers of YAML 1.2 for strings. A date counts as a string, because no field takes a date.
func scalarTag(n *yaml.Node) string {
	switch n.Tag {
	case "!!timestamp", "!!merge":
		return "!!str"
	case "!!str":
		if n.Style == 0 && oldBoolean(n.Value) {
			return "!!bool"
		}
	}
	return n.Tag
}

func oldBoolean(s string) bool {
	switch s {
	case "y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF":
		return true
	}
	return false
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Tag == "!!null" && n.Style&yaml.TaggedStyle == 0
}
