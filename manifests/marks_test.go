package manifests

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Marks come back as they were packed, whatever names and lines a document has.
func TestMarksArePackedWithoutLoss(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := marks{{parent: -1, line: rapid.Int32Range(0, math.MaxInt32).Draw(t, "line")}}
		for range rapid.IntRange(0, 20).Draw(t, "more") {
			m := mark{parent: rapid.Int32Range(0, int32(len(all))-1).Draw(t, "parent"), line: rapid.Int32Range(0, math.MaxInt32).Draw(t, "line")}
			switch rapid.IntRange(0, 2).Draw(t, "what") {
			case 0:
				m.name = rapid.StringN(1, 200, -1).Draw(t, "field")
			case 1:
				m.name, m.key = rapid.String().Draw(t, "key"), true
			default:
				m.index = rapid.Int32Range(0, math.MaxInt32).Draw(t, "index")
			}
			all.add(m)
		}
		if d := cmp.Diff(all, all.pack().all(), cmp.AllowUnexported(mark{})); d != "" {
			t.Errorf("(-before +after)\n%s", d)
		}
	})
}

func TestNothingIsPackedAsNothing(t *testing.T) {
	if p := marks(nil).pack(); p.text != "" || len(p.all()) > 0 || (*packed)(nil).all() != nil {
		t.Errorf("got %q, %v", p.text, p.all())
	}
}
