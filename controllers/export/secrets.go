package export

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
)

// secret is a text of a manifest that looks like a secret.
type secret struct {
	path, text string
	// name is true if the text is the name of an entry, such as a variable, and not a value. byName is true if it is a value
	// that looks like a secret only by the name of its entry.
	name, byName bool
}

// secrets returns the texts of an object that look like secrets.
func secrets(object v1.Object) (out []secret) {
	for _, leaf := range leaves(object) {
		if leaf.SecretKey() {
			out = append(out, secret{path: leaf.Path, text: leaf.Key, name: true})
		}
		whole, words := leaf.Secret()
		if whole {
			out = append(out, secret{path: leaf.Path, text: leaf.Text, byName: leaf.SecretByName()})
		}
		if len(words) == 0 {
			continue
		}
		list := leaf.Words()
		for _, i := range words {
			out = append(out, secret{path: leaf.Path + "[" + strconv.Itoa(i) + "]", text: list[i]})
		}
	}
	return out
}

// leaveOut returns the paths of the values that are not written, and notes them. An entry whose name looks like a secret
// gets another name, and its value is not written either, so that validate refuses it.
func (w *writing) leaveOut(x kinds.Exported, found []secret) map[string]bool {
	out := map[string]bool{}
	if slices.ContainsFunc(found, func(s secret) bool { return s.name }) {
		r := renaming{taken: map[string]bool{}, made: map[string]bool{}}
		for _, leaf := range leaves(x.Object) {
			r.taken[leaf.Key] = true
		}
		r.rename(reflect.ValueOf(x.Object).Elem())
		for _, leaf := range leaves(x.Object) {
			if r.made[leaf.Key] {
				out[leaf.Path] = true
				w.note(x, leaf.Path, "the name of this entry looks like a secret, so neither the name nor the value is written: this name and "+v1.LeftOut+" stand in their place, and validate refuses that; --with-secrets writes them")
			}
		}
		found = secrets(x.Object)
	}
	for _, s := range found {
		if !out[s.path] {
			out[s.path] = true
			how := "--with-secrets writes it"
			if s.byName {
				how += ", and so does --show NAME if the value of that name is no secret"
			}
			w.note(x, s.path, fmt.Sprintf("it looks like a secret, so it is not written: %s stands in its place, and validate refuses that; %s", v1.LeftOut, how))
		}
	}
	return out
}

// renaming gives other names to entries of maps whose names look like secrets. taken are the names of all entries of an
// object, and made are those that it has given.
type renaming struct{ taken, made map[string]bool }

// rename goes through a value. It changes no map, because live objects may have the same one: it puts a new one in its
// place.
func (r renaming) rename(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			r.rename(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				r.rename(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			r.rename(v.Index(i))
		}
	case reflect.Map:
		r.entries(v)
	}
}

func (r renaming) entries(v reflect.Value) {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	out, changed := reflect.MakeMapWithSize(v.Type(), len(keys)), false
	for _, key := range keys {
		name := key.String()
		if (diff.Leaf{Key: name}).SecretKey() {
			name, changed = r.free(), true
		}
		out.SetMapIndex(reflect.ValueOf(name).Convert(key.Type()), v.MapIndex(key))
	}
	if changed {
		v.Set(out)
	}
}

// free returns a name that no entry of the object has.
func (r renaming) free() string {
	for n := 1; ; n++ {
		if name := "left-out-" + strconv.Itoa(n); !r.taken[name] {
			r.taken[name], r.made[name] = true, true
			return name
		}
	}
}

// repeats reports whether a message holds one of some texts, as it is or in quotes. The beginning of a long text is
// enough, because a message may cut it.
func repeats(message string, texts []string) bool {
	const enough = 16
	return slices.ContainsFunc(texts, func(text string) bool {
		if text == "" {
			return false
		}
		quoted := strconv.Quote(text)
		quoted = quoted[1 : len(quoted)-1]
		return strings.Contains(message, text[:min(len(text), enough)]) || strings.Contains(message, quoted[:min(len(quoted), enough)])
	})
}
