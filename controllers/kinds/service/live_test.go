package service

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/test/generate"
)

// lives is how many services of people's tools the laws are held over. They are the same each time.
const lives = 500

func eachLive(t *testing.T, life func(t *rapid.T, l generate.Live, live *swarm.ServiceSpec)) {
	t.Helper()
	id := func(kind, name string) string { found, _ := idOf(kind, name); return found }
	generate.EachLive(t, 0, lives, id, func(t *rapid.T, l generate.Live) {
		if ps := l.Manifest.Validate(); len(ps) > 0 {
			t.Fatalf("the manifest of a service of %s is invalid: %v", l.Tool, ps)
		}
		life(t, l, returned(t, l.Spec))
	})
}

// A service that somebody made with another tool is taken over without a write: nothing differs from its manifest, and
// what is written over it without a difference leaves every byte.
func TestServicesOfOtherToolsAreTakenOverAsTheyAre(t *testing.T) {
	tools := map[string]int{}
	eachLive(t, func(t *rapid.T, l generate.Live, live *swarm.ServiceSpec) {
		tools[l.Tool]++
		have, want := haveOf(live), wantOf(l.Manifest)
		changes := diff.Compare([]*diff.State{have}, []*diff.State{want}, func(string) diff.Rules { return rules })
		if len(changes) != 1 || changes[0].Op != diff.Same || len(changes[0].Fields) > 0 {
			t.Fatalf("a service of %s differs from its manifest:\n%slive: %s\nmanifest: %s", l.Tool, listed(changes[0].Fields), pretty(live), generate.Manifest(l.Manifest))
		}
		sent := overlaid(t, have, want, nil)
		sent.Labels = live.Labels
		if a, b := pretty(live), pretty(sent); a != b {
			t.Fatalf("nothing was to be written on a service of %s, and\n%s\nbecame\n%s", l.Tool, a, b)
		}
	})
	for _, tool := range generate.Tools {
		if tools[tool.Name] < lives/len(generate.Tools) {
			t.Errorf("%s made %d services of %d", tool.Name, tools[tool.Name], lives)
		}
	}
}

// edits is how many edits of each service are tried, one at a time.
const edits = 6

// If one field of a manifest changes after its service was taken over, exactly that part of the live JSON changes.
func TestOneFieldOfAServiceOfAnotherToolIsWritten(t *testing.T) {
	written := map[string]bool{}
	eachLive(t, func(t *rapid.T, l generate.Live, live *swarm.ServiceSpec) {
		was := wantOf(l.Manifest)
		for range edits {
			edited, path := generate.Edit(t, l.Manifest)
			fields, broken := oneEdit(t, live, was, edited)
			if len(broken) > 0 {
				t.Fatalf("%s of a service of %s was edited:\n%s\nfrom %s\nto %s\nlive: %s", path, l.Tool, strings.Join(broken, "\n"), generate.Manifest(l.Manifest), generate.Manifest(edited), pretty(live))
			}
			for _, f := range fields {
				written[typeOf(f.Path)] = true
			}
		}
	})
	var never []string
	for typ := range rules {
		if !written[typ] {
			never = append(never, typ)
		}
	}
	slices.Sort(never)
	// Another way to write a test; a service keeps its mode; a profile comes with its mode, custom.
	if want := []string{"spec.healthcheck.disable", "spec.mode", "spec.privileges.seccomp.profile"}; !slices.Equal(never, want) {
		t.Errorf("no edit wrote %q, want %q", never, want)
	}
}

// oneEdit writes an edit of a manifest over a live service. It returns the fields that were written, which may be none if
// the edit is only another form, and what is wrong with that.
func oneEdit(t *rapid.T, live *swarm.ServiceSpec, was *diff.State, edited *v1.Service) (fields []diff.Field, broken []string) {
	wrong := func(format string, args ...any) { broken = append(broken, fmt.Sprintf(format, args...)) }
	have, want := haveOf(live), wantOf(edited)
	fields = diff.DifferingFields(have, want, rules)
	asked := map[string]bool{}
	for _, f := range exact(was, want) {
		asked[f.Path] = true
	}
	for _, f := range fields {
		if !asked[f.Path] && !restated(f.Path, was, want) {
			wrong("%s differs, and was not edited: %q → %q", f.Path, f.Have.Reveal(), f.Want.Reveal())
		}
	}
	if len(fields) == 0 {
		return nil, broken
	}
	sent := overlaid(t, have, want, fields)
	maps.DeleteFunc(sent.Labels, func(k, _ string) bool { return strings.HasPrefix(k, v1.LabelPrefix) })
	broken = append(broken, exactlyThese(live, sent, fields)...)
	back := returned(t, sent)
	noDifference(t, back, want)
	changed := diff.NewPaths(fields)
	for _, f := range exact(haveOf(back), &diff.State{Key: want.Key, Leaves: have.Leaves}) {
		if !changed.Has(f.Path) && !goesWith(f.Path, changed) {
			wrong("%s was not to be written and became %q from %q", f.Path, f.Have.Reveal(), f.Want.Reveal())
		}
	}
	costs(t, live, sent, fields)
	return fields, broken
}

// restated reports whether a manifest begins or ceases to state the default of a leaf. What the swarm or a person chose is
// a difference only to a manifest that states the leaf.
func restated(path string, was, is *diff.State) bool {
	before, _ := was.Leaf(path)
	after, _ := is.Leaf(path)
	return before.Stated != after.Stated
}

// goesWith reports whether a leaf changes because another one does.
func goesWith(path string, changed diff.Paths) bool {
	switch {
	case path == "spec.placement.platforms":
		return changed.Has("spec.image") // they are the old image's
	case strings.HasPrefix(path, "spec.credentialSpec."):
		return changed.Any("spec.credentialSpec") // it is in one of three places
	}
	e := element(path)
	return e != "" && (changed.Has(e+".target") || changed.Has(e+".type") || strings.HasPrefix(e, "spec.ports["))
}

// exactlyThese returns in what the JSON of a spec does not change in the leaves of these fields, and in no other.
func exactlyThese(live, sent *swarm.ServiceSpec, fields []diff.Field) (broken []string) {
	wrong := func(format string, args ...any) { broken = append(broken, fmt.Sprintf(format, args...)) }
	types := map[string]bool{}
	for _, f := range fields {
		types[typeOf(f.Path)] = false
	}
	changed := diff.NewPaths(fields)
	for _, path := range differences("", document(live), document(sent)) {
		named := false
		for _, typ := range carriers(path) {
			if _, is := types[typ]; is {
				types[typ], named = true, true
			}
		}
		switch {
		case named:
		case strings.HasSuffix(path, "Config.Parallelism") && sentDefault(live, sent, path): // zero would mean all at once
		case changed.Has("spec.image") && strings.HasPrefix(path, "TaskTemplate.Placement.Platforms"): // they are the old image's
		case changed.Any("spec.credentialSpec") && strings.HasPrefix(path, "TaskTemplate.ContainerSpec.Configs"): // it needs a reference
		default:
			wrong("%s changed, and the plan names %s", path, listed(fields))
		}
	}
	off := func(spec *swarm.ServiceSpec) bool { // nothing else of a health check means anything then, and it may be there already
		h := spec.TaskTemplate.ContainerSpec.Healthcheck
		return h != nil && slices.Equal(h.Test, []string{"NONE"})
	}
	for typ, changed := range types {
		if !changed && (!strings.HasPrefix(typ, "spec.healthcheck.") || off(live) == off(sent)) {
			wrong("the plan names %s, and nothing of it changed", typ)
		}
	}
	return broken
}

// sentDefault reports whether an update config was made with the default number of tasks at once.
func sentDefault(live, sent *swarm.ServiceSpec, path string) bool {
	was, is := live.UpdateConfig, sent.UpdateConfig
	if strings.HasPrefix(path, "RollbackConfig") {
		was, is = live.RollbackConfig, sent.RollbackConfig
	}
	return was == nil && is.Parallelism == 1
}

// keys matches the keys of lists in paths.
var keys = regexp.MustCompile(`\[[^\]]*\]`)

// typeOf returns the type of a leaf.
func typeOf(path string) string {
	for typ := range rules {
		if typ == path {
			return typ
		}
	}
	best := ""
	bare := keys.ReplaceAllString(path, "[]")
	for typ := range rules {
		prefix, isMap := strings.CutSuffix(typ, ".*")
		switch {
		case typ == bare:
			return typ
		case isMap && (strings.HasPrefix(path, prefix+".") || strings.HasPrefix(path, prefix+"[")):
			best = typ
		case isMap && strings.HasPrefix(bare, prefix+".") || isMap && strings.HasPrefix(bare, prefix+"["):
			best = typ
		}
	}
	return best
}

// carriers returns the leaves of ours that carry what is at or below a path of the engine's JSON.
func carriers(path string) []string {
	path = strings.TrimSuffix(path, "[]")
	var out []string
	for leaf, verdict := range engineLeaves {
		of, isMap := strings.CutSuffix(leaf, ".*")
		below := func(a, b string) bool { return a == b || strings.HasPrefix(a, b+".") || strings.HasPrefix(a, b+"[]") }
		if below(of, path) || isMap && below(path, of) || strings.HasPrefix(path, of+"[]") {
			out = append(out, strings.TrimPrefix(verdict, "written: "))
		}
	}
	return out
}

func document(spec *swarm.ServiceSpec) any {
	b, err := json.Marshal(spec)
	if err != nil {
		panic(err)
	}
	var out any
	if err := json.Unmarshal(b, &out); err != nil {
		panic(err)
	}
	return out
}

// differences returns the paths at which two documents differ. [] stands for an element of a list. A list whose elements
// are in another order differs as a whole, which no leaf carries.
func differences(path string, a, b any) []string {
	switch was := a.(type) {
	case map[string]any:
		if is, same := b.(map[string]any); same {
			return differentKeys(path, was, is)
		}
	case []any:
		if is, same := b.([]any); same {
			return differentElements(path, was, is)
		}
	}
	if reflect.DeepEqual(a, b) {
		return nil
	}
	return []string{path}
}

func differentKeys(path string, was, is map[string]any) []string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(was)) {
		at := strings.TrimPrefix(path+"."+key, ".")
		if now, there := is[key]; there {
			out = append(out, differences(at, was[key], now)...)
		} else {
			out = append(out, within(at, was[key])...)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(is)) {
		if _, there := was[key]; !there {
			out = append(out, within(strings.TrimPrefix(path+"."+key, "."), is[key])...)
		}
	}
	return out
}

// within returns the paths of what a value that came or went says. It is the value's own path if that says nothing, as an
// empty object does.
func within(path string, value any) []string {
	var out []string
	object, _ := value.(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if v := object[key]; v != nil && !reflect.ValueOf(v).IsZero() {
			out = append(out, within(path+"."+key, v)...)
		}
	}
	if len(out) == 0 {
		return []string{path}
	}
	return out
}

// differentElements lets one run of elements change. What stands before and after it must stay, in order.
func differentElements(path string, was, is []any) []string {
	first := 0
	for first < min(len(was), len(is)) && reflect.DeepEqual(was[first], is[first]) {
		first++
	}
	last := 0
	for last < min(len(was), len(is))-first && reflect.DeepEqual(was[len(was)-1-last], is[len(is)-1-last]) {
		last++
	}
	gone, come := was[first:len(was)-last], is[first:len(is)-last]
	switch {
	case len(gone) == 0 && len(come) == 0:
		return nil
	case len(gone) == 1 && len(come) == 1:
		return differences(path+"[]", gone[0], come[0])
	case len(gone) <= 1 && len(come) <= 1:
		return []string{path + "[]"}
	}
	return []string{path}
}
