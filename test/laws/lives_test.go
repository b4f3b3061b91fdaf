package laws

import (
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/test/generate"
	"github.com/swarm-operator/swarm-operator/test/golden"
)

// lives is how many lives are on record. Every second one is of nodes and the Cluster alone.
const lives = 50

var inFull = flag.Int("lives", 6, "how many lives are kept in full; there are digests of all")

// What the operator decides in the course of these lives is on record: each plan, what becomes of the memory, and when
// the operator comes back. A change of the code that is not meant to change decisions leaves the record as it is. If it
// is meant to, -update writes the record, and somebody has to read it.
func TestLivesAreAsRecorded(t *testing.T) {
	names := namesOfRoots(t)
	var records []*record
	generate.Each(t, lives, func(drawn *rapid.T) {
		r := &record{came: map[string]int{}}
		s := newDeciding(drawn)
		s.onlyNodes = len(records)%2 > 0
		d := decide.New(s.policy(drawn))
		s.runs(drawn, func() {
			run := s.decides(d, s.observed())
			d.Keep()
			said := decided(drawn, s, run)
			s.acts(drawn, run, d)
			r.run(names.Replace(said), run, d.ComeBack(run))
		})
		records = append(records, r)
	})
	var digests strings.Builder
	all := map[string]int{}
	for i, r := range records {
		fmt.Fprintf(&digests, "life %d\n%s", i, &r.digests)
		for what, n := range r.came {
			all[what] += n
		}
		if i < *inFull {
			golden.Equal(t, fmt.Sprintf("testdata/lives/%02d.txt", i), r.text.String())
		}
	}
	digests.WriteString("all lives together\n")
	for _, what := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&digests, "%6d %s\n", all[what], what)
	}
	golden.Equal(t, "testdata/lives.txt", digests.String())
	if t.Failed() {
		t.Logf("to see what else has changed, run this with -update -lives %d before and after the change, and compare testdata/lives", lives)
	}
	if kept, err := filepath.Glob("testdata/lives/*.txt"); err != nil || len(kept) != min(*inFull, lives) {
		t.Errorf("%d lives are kept in full, and %d should be (%v)", len(kept), *inFull, err)
	}
}

// record is what is on record of one life.
type record struct {
	// text has everything, and digests a line for each run.
	text, digests strings.Builder
	runs          int
	// came is how often the life came to what.
	came map[string]int
}

// run puts a run on record, with what it decided, as text, and when the operator comes back.
func (r *record) run(said string, run *decide.Decision, again time.Duration) {
	r.runs++
	back := "does not come back by itself"
	if again > 0 {
		back = fmt.Sprintf("comes back in %s", again)
	}
	text := fmt.Sprintf("%s%s\n", said, back)
	fmt.Fprintf(&r.text, "-- run %d --\n%s", r.runs, text)
	fmt.Fprintf(&r.digests, "  run %d: %s, %s: %.8x\n", r.runs, run.Plan.Summary(), back, sha256.Sum256([]byte(text)))
	r.came["run"]++
	for _, s := range run.Plan.Steps {
		r.came[fmt.Sprintf("step: %s %s", verbs[s.Op], s.Key.Kind)]++
	}
	for _, no := range run.Plan.Refused {
		r.came[fmt.Sprintf("refusal: %s, %s", no.Guard, no.Class)]++
	}
	for _, what := range came(run) {
		r.came["of nodes: "+what]++
	}
}

var verbs = map[diff.Op]string{diff.Create: "create", diff.Update: "update", diff.Replace: "replace", diff.Remove: "remove"}

// decided is what a run has decided, as text: the plan, the order of its steps, what people are told, and which parts of
// the memory it writes.
func decided(t *rapid.T, s *deciding, run *decide.Decision) string {
	var b strings.Builder
	fmt.Fprintf(&b, "at %s, revision %.4s\n%s%s\n", s.now.Format(time.TimeOnly), s.revision, run.Plan.Text(diff.Value.Reveal), run.Plan.Summary())
	for _, step := range run.Plan.Steps {
		if len(step.After) > 0 {
			fmt.Fprintf(&b, "step %d comes after %s\n", step.ID, strings.Trim(fmt.Sprint(step.After), "[]"))
		}
	}
	for _, r := range run.Plan.Refused {
		if r.Class == plan.Later && !r.Until.IsZero() {
			fmt.Fprintf(&b, "%s (%s) waits for %s\n", r.Key, r.Guard, r.Until.Sub(s.now))
		}
	}
	for _, k := range run.Plan.Kept {
		fmt.Fprintf(&b, "kept: %s\n", k.Key)
	}
	for _, f := range run.Failures {
		fmt.Fprintf(&b, "failed: %s: %s\n", f.Key, f.Why)
	}
	for _, n := range run.Notices {
		fmt.Fprintf(&b, "notice: %s\n", n)
	}
	if run.Frozen || !state.Differs("src", s.found, run.Memory) {
		b.WriteString("the memory stays as it is\n")
		return b.String()
	}
	was, is := parts(t, s.found.Memory), parts(t, run.Memory)
	for name := range was {
		if is[name] == nil {
			is[name] = json.RawMessage("(dropped)")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(is)) {
		if string(is[name]) != string(was[name]) {
			fmt.Fprintf(&b, "memory %s: %s\n", name, is[name])
		}
	}
	return b.String()
}

// parts returns the fields of a memory as JSON.
func parts(t *rapid.T, m state.Memory) (out map[string]json.RawMessage) {
	whole, err := json.Marshal(m)
	if err == nil {
		err = json.Unmarshal(whole, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// namesOfRoots puts names in the place of the digests of roots, of which a plan shows the beginning. Roots are random,
// because their keys are.
func namesOfRoots(t *testing.T) *strings.Replacer {
	t.Helper()
	var names []string
	for i, root := range roots() {
		block, _ := pem.Decode([]byte(root.cert))
		if block == nil {
			t.Fatal("a root is not in PEM")
		}
		names = append(names, fmt.Sprintf("sha256:%.8x", sha256.Sum256(block.Bytes)), fmt.Sprintf("root %d", i+1))
	}
	return strings.NewReplacer(names...)
}
