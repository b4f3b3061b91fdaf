package kinds_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
)

// labelled returns what an object of this test refers to: what its labels name.
func labelled(l *kinds.Live) []kinds.Ref {
	var refs []kinds.Ref
	for id := range l.Labels {
		refs = append(refs, kinds.Ref{Kind: v1.KindNetwork, ID: id})
	}
	return refs
}

// An index that got its objects one by one gives the same answers as one that is made of all of them at once.
func TestKeptIndexAnswersLikeANewOne(t *testing.T) { rapid.Check(t, indexIsKept) }

func indexIsKept(t *rapid.T) {
	ids := []string{"1", "2", "3", "4"}
	all := map[kinds.Ref]*kinds.Live{}
	kept := kinds.NewIndex(nil, labelled)
	for range rapid.IntRange(1, 20).Draw(t, "changes") {
		ref := kinds.Ref{Kind: rapid.SampledFrom([]string{v1.KindNetwork, v1.KindService}).Draw(t, "kind"), ID: rapid.SampledFrom(ids).Draw(t, "id")}
		if rapid.IntRange(0, 2).Draw(t, "gone") == 0 {
			delete(all, ref)
			kept.Drop(ref.Kind, ref.ID)
			continue
		}
		l := &kinds.Live{Kind: ref.Kind, ID: ref.ID, Name: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "name"), Labels: map[string]string{}}
		l.Local = ref.Kind == v1.KindNetwork && rapid.Bool().Draw(t, "local")
		for _, id := range rapid.SliceOf(rapid.SampledFrom(ids)).Draw(t, "uses") {
			l.Labels[id] = ""
		}
		all[ref] = l
		kept.Put(l)
	}
	lists := map[string][]*kinds.Live{}
	for _, l := range all {
		lists[l.Kind] = append(lists[l.Kind], l)
	}
	if d := cmp.Diff(answers(kinds.NewIndex(lists, labelled), ids), answers(kept, ids)); d != "" {
		t.Errorf("the index (-new +kept):\n%s", d)
	}
}

// answers returns everything that an index says. If several objects have one name, any of them may be meant, but a
// node's own never before one of the swarm.
func answers(ix *kinds.Index, ids []string) map[string]string {
	out := map[string]string{}
	for _, kind := range []string{v1.KindNetwork, v1.KindService} {
		var listed []string
		for _, l := range ix.List(kind) {
			listed = append(listed, l.ID+l.Name)
		}
		slices.Sort(listed)
		out[kind] = fmt.Sprint(listed)
		for _, id := range ids {
			name := "nobody"
			if l := ix.ByID(kind, id); l != nil {
				name = fmt.Sprint(l.Name, slices.Sorted(maps.Keys(l.Labels)))
			}
			out[kind+" "+id] = fmt.Sprint(name, ix.NameOf(kind, id), ix.Users(kind, id))
		}
		for _, name := range []string{"a", "b"} {
			l := ix.ByName(kind, name)
			out[kind+" "+name] = fmt.Sprint(l != nil, l != nil && l.Local)
		}
	}
	return out
}

// A service has the name of a cluster volume, and the id of everything else. The index counts both as uses.
func TestReferencesByName(t *testing.T) {
	volume, node := &kinds.Live{Kind: v1.KindVolume, ID: "1", Name: "data"}, &kinds.Live{Kind: v1.KindVolume, ID: "2", Name: "data", Local: true}
	refs := map[string][]kinds.Ref{
		"db": {kinds.Named(v1.KindVolume, "data")}, "web": {kinds.Named(v1.KindVolume, "data"), {Kind: v1.KindVolume, ID: "1"}},
		"api": {{Kind: v1.KindVolume, ID: "1"}, kinds.Named(v1.KindVolume, "other")},
	}
	var services []*kinds.Live
	for _, name := range []string{"db", "web", "api"} {
		services = append(services, &kinds.Live{Kind: v1.KindService, ID: name, Name: name})
	}
	ix := kinds.NewIndex(map[string][]*kinds.Live{v1.KindVolume: {volume, node}, v1.KindService: services}, func(l *kinds.Live) []kinds.Ref { return refs[l.Name] })
	if got := fmt.Sprint(ix.UsersOf(volume), ix.UsersOf(node), ix.Unknown()); got != "[Service/api Service/db Service/web] [] []" {
		t.Errorf("the users are %s", got)
	}
	ix.Drop(v1.KindService, "web")
	if got := fmt.Sprint(ix.UsersOf(volume)); got != "[Service/api Service/db]" {
		t.Errorf("without one, the users are %s", got)
	}
}

// Only what is wanted and exists can be waited for.
func TestWhatTheSwarmHasStillToDo(t *testing.T) {
	k := kinds.Kind{Model: kinds.Model{Name: v1.KindVolume}, Rolling: kinds.Rolling{Awaits: func(l *kinds.Live) string { return l.Labels["awaits"] }}}
	var lives []*kinds.Live
	for name, why := range map[string]string{"made": "", "unmade": "its plugin", "others": "its plugin"} {
		lives = append(lives, &kinds.Live{Kind: v1.KindVolume, ID: name, Name: name, Labels: map[string]string{"awaits": why}})
	}
	ix := kinds.NewIndex(map[string][]*kinds.Live{v1.KindVolume: lives}, func(*kinds.Live) []kinds.Ref { return nil })
	var wants []*diff.State
	for _, name := range []string{"made", "unmade", "gone"} {
		wants = append(wants, &diff.State{Key: v1.Key{Kind: v1.KindVolume, Name: name}, Instance: name})
	}
	if got := fmt.Sprint(kinds.Awaited([]kinds.Kind{k, {Model: kinds.Model{Name: v1.KindService}}}, wants, ix)); got != "map[Volume/unmade:its plugin]" {
		t.Errorf("awaited: %s", got)
	}
}
