package kinds

import (
	"reflect"
	"slices"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

// Tidy leaves out of a manifest, in place, whatever it says by default: each field without which the manifest has the
// same normal form. It does not look at content, which has no normal form.
func Tidy(shape diff.Shape, object v1.Object) {
	t := tidying{shape: shape, object: object}
	t.whole = t.leaves()
	t.below(reflect.ValueOf(object).Elem().FieldByName("Spec"))
}

type tidying struct {
	shape  diff.Shape
	object v1.Object
	whole  []diff.Leaf
}

// leaves returns the normal form of the manifest as it is now.
func (t tidying) leaves() []diff.Leaf {
	o := t.object.Copy()
	o.Default()
	return t.shape.Flatten(o)
}

// field leaves out a field, or else what it can of the fields below it.
func (t tidying) field(v reflect.Value) {
	if v.IsZero() {
		return
	}
	stated := reflect.New(v.Type()).Elem()
	stated.Set(v)
	v.SetZero()
	if slices.Equal(t.leaves(), t.whole) {
		return
	}
	v.Set(stated)
	t.below(v)
}

func (t tidying) below(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		t.below(v.Elem())
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Struct {
			for i := range v.Len() {
				t.below(v.Index(i))
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			// What must be stated is never a default.
			if f := v.Type().Field(i); f.IsExported() && strings.Contains(f.Tag.Get("json"), ",omit") {
				t.field(v.Field(i))
			}
		}
	}
}
