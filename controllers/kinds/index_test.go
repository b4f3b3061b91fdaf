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
