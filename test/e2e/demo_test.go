package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/swarm-operator/swarm-operator/test/harness"
	"github.com/swarm-operator/swarm-operator/test/lag"
)

// demo makes a repository with the manifests of examples/demo.
func (w *world) demo() *repo {
	w.Helper()
	root, err := harness.Root(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	r := w.repo("demo", nil)
	if err := r.Empty(); err != nil {
		w.Fatal(err)
	}
	if err := r.Copy(filepath.Join(root, "examples", "demo")); err != nil {
		w.Fatal(err)
	}
	r.commit("the demo", nil)
	return r
}

func TestDemoIsAppliedOnceAndThenNothingIsWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 2})
	r := w.demo()
	w.want(1, "diff", "--host", w.host(), "--source", r.Dir)
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir, "--wait")
	w.runs("api", 3)
	w.runs("web", 2)
	w.runs("node-metrics", w.nodes())
	if out := w.want(0, "diff", "--host", w.host(), "--source", r.Dir).out; !strings.Contains(out, "in sync") {
		t.Errorf("diff says: %s", out)
	}
	p := w.proxy()
	before := w.versions()
	w.want(0, "apply", "--host", p.Host(), "--source", r.Dir)
	if writes := p.Writes(); len(writes) > 0 {
		t.Errorf("the second apply wrote:\n%s", lines(writes))
	}
	if after := w.versions(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("versions were %v and are %v", before, after)
	}
	w.idle(r)
}

// idle watches two operators that have nothing to do. One is never due to look by itself, and must make no call at
// all. The other may only make the calls of its resyncs.
func (w *world) idle(r *repo) {
	w.Helper()
	const resync = 3 * time.Second
	silent, looking := w.proxy(), w.proxy()
	a := w.operate(silent.Host(), r, "--resync", "1h")
	a.condition("InSync", true)
	b := w.operate(looking.Host(), r, "--resync", resync.String())
	b.condition("InSync", true)
	w.quiet(silent)
	silent.Reset()
	looking.Reset()
	start := time.Now()
	w.holds(*idlePeriod, func() error {
		for _, c := range append(silent.Calls(), looking.Writes()...) {
			return fmt.Errorf("after %s with nothing to do: %s", c.At.Sub(start), c)
		}
		return nil
	})
	calls := looking.Calls()
	watched := lag.Since(start)
	passes := passesOf(calls)
	if least, most := int(watched.Machine/(resync*11/10)), int(watched.Wall/(resync*9/10))+1; passes < least-1 || passes > most {
		w.Errorf("in %s with a resync every %s there were %d passes", watched.Wall, resync, passes)
	}
	if why := dear(calls, passes); why != "" {
		w.Errorf("%s:\n%s", why, lines(calls))
	}
	if status := a.answers("/readyz"); status != 200 {
		w.Errorf("/readyz answers %d", status)
	}
}

// passesOf counts how often everything was looked at. Each pass lists the secrets once.
func passesOf(calls []harness.Call) int {
	n := 0
	for _, c := range calls {
		if !c.Write() && c.Path == "/secrets" {
			n++
		}
	}
	return n
}

// perPass is the most calls that a pass may cost: the target in docs/performance.md.
const perPass = 7

// dear says in what way passes cost more calls than they may, or "". Calls of one pass may come seconds apart on a busy
// machine, so it does not divide them between the passes: no pass asks the same twice, or more than perPass things. One
// pass may have begun before the calls, or be under way.
func dear(calls []harness.Call, passes int) string {
	asked := map[string]int{}
	for _, c := range calls {
		if c.Path != "/_ping" && c.Path != "/version" {
			asked[c.Path]++
		}
	}
	for path, n := range asked {
		if n > passes+1 {
			return fmt.Sprintf("%s was asked for %d times in %d passes", path, n, passes)
		}
	}
	if len(asked) > perPass {
		return fmt.Sprintf("a pass asks for %d things", len(asked))
	}
	return ""
}
