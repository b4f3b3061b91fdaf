package generate

import (
	"reflect"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Texts makes what is planted. Each function is called with the path of the leaf, such as spec.environment.
type Texts struct {
	// Values returns what a map of names to texts gets in addition to what it has.
	Values func(path string) map[string]string
	// Words returns what is appended to a command.
	Words func(path string) []string
	// Content returns the content of a config or secret. nil leaves the content as it is.
	Content func(path string) string
}

// Plant puts texts into every leaf of an object in which free text may stand. It finds the leaves by reflection, so it
// also finds those that api/v1 gets later. It makes only those structs and elements of lists that lead to such a leaf.
func Plant(object v1.Object, with Texts) {
	v, path := reflect.ValueOf(object).Elem(), ""
	if k := object.Key().Kind; k == v1.KindNode || k == v1.KindNodeSet { // they have no labels in metadata
		v, path = v.FieldByName("Spec"), "spec"
	}
	with.into(v, path)
}

// into reports whether there was a leaf to plant something into.
func (with Texts) into(v reflect.Value, path string) (planted bool) {
	switch t := v.Type(); {
	case t == reflect.TypeFor[v1.Content]():
		if with.Content == nil {
			return false
		}
		v.Set(reflect.ValueOf(v1.NewContent([]byte(with.Content(path)))))
		return true
	case t == reflect.TypeFor[v1.StringList]() || t == reflect.TypeFor[v1.HealthTest]():
		words := with.Words(path)
		if t == reflect.TypeFor[v1.HealthTest]() && v.Len() == 0 {
			words = append([]string{"CMD"}, words...)
		}
		v.Set(reflect.AppendSlice(v.Slice3(0, v.Len(), v.Len()), reflect.ValueOf(words).Convert(t)))
		return true
	case v.Kind() == reflect.Map && t.Elem().Kind() == reflect.Struct:
		return false // limits, which are numbers
	case v.Kind() == reflect.Map:
		with.intoMap(v, path)
		return true
	case v.Kind() == reflect.Pointer:
		made := reflect.New(t.Elem())
		if !v.IsNil() {
			made.Elem().Set(v.Elem())
		}
		if planted = with.into(made.Elem(), path); planted {
			v.Set(made)
		}
	case v.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		list := reflect.AppendSlice(reflect.MakeSlice(t, 0, v.Len()), v)
		if list.Len() == 0 {
			list = reflect.MakeSlice(t, 1, 1)
		}
		for i := range list.Len() {
			planted = with.into(list.Index(i), path+"[]") || planted
		}
		if planted {
			v.Set(list)
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if name, of := field(t.Field(i)); of {
				planted = with.into(v.Field(i), strings.TrimPrefix(path+name, ".")) || planted
			}
		}
	}
	return planted
}

func (with Texts) intoMap(v reflect.Value, path string) {
	t := v.Type()
	out := reflect.MakeMap(t)
	for it := v.MapRange(); it.Next(); {
		out.SetMapIndex(it.Key(), it.Value())
	}
	for name, text := range with.Values(path) {
		out.SetMapIndex(reflect.ValueOf(name).Convert(t.Key()), reflect.ValueOf(text).Convert(t.Elem()))
	}
	v.Set(out)
}

// field returns what a field adds to the path, and whether manifests state it.
func field(f reflect.StructField) (name string, stated bool) {
	name, _, _ = strings.Cut(f.Tag.Get("json"), ",")
	switch {
	case f.Anonymous:
		return "", true
	case !f.IsExported() || name == "" || name == "-":
		return "", false
	}
	return "." + name, true
}

// Every returns an empty object of each kind.
func Every() []v1.Object {
	header := func(kind string) v1.Header { return v1.Header{APIVersion: v1.APIVersion, Kind: kind} }
	return []v1.Object{
		&v1.Service{Header: header(v1.KindService)}, &v1.Network{Header: header(v1.KindNetwork)}, &v1.Config{Header: header(v1.KindConfig)}, &v1.Secret{Header: header(v1.KindSecret)},
		&v1.Volume{Header: header(v1.KindVolume)},
		&v1.Cluster{Header: header(v1.KindCluster)}, &v1.Node{Header: header(v1.KindNode)}, &v1.NodeSet{Header: header(v1.KindNodeSet)},
	}
}
