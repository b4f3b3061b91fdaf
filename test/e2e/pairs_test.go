package e2e

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/harness"
	"github.com/swarm-operator/swarm-operator/test/turn"
)

var (
	pairSeed  = flag.Uint64("pair", 0, "run the pair of revisions of this seed, and no other")
	pairCount = flag.Int("pairs", 0, "how many pairs of revisions are tried; 0: 2, or 60 with -full")
)

// hits are the ways in which an operator is disturbed at a write.
var hits = []struct {
	name   string
	before bool
	do     func(*paired, *pairedOperator)
}{
	{"none", true, func(*paired, *pairedOperator) {}},
	{"killed before the write", true, func(_ *paired, o *pairedOperator) { o.Kill() }},
	{"killed before the answer", false, func(_ *paired, o *pairedOperator) { o.Kill() }},
	{"cut off for a while", false, func(_ *paired, o *pairedOperator) {
		o.cut.Store(true)
		o.proxy.CutStreams()
		time.AfterFunc(paced(12*time.Second), func() { o.cut.Store(false) })
	}},
	{"frozen for a while", true, func(_ *paired, o *pairedOperator) {
		if o.Freeze() == nil {
			time.AfterFunc(paced(12*time.Second), func() { _ = o.Thaw() })
		}
	}},
}

// paired is a run of a case.
type paired struct {
	*world
	pair      pair
	trace     *trace
	author    *repo // where commits are made; operators read clones of it
	operators []*pairedOperator
	writes    atomic.Int64
	armed     atomic.Bool
	judge     judge
}

type pairedOperator struct {
	*operator
	proxy *harness.Proxy
	clone *harness.Repo
	cut   atomic.Bool
}

// Two revisions may say anything, and anything may happen to operators in the meantime. A service in both revisions
// runs all the time, unless a plan named the gap. A gap between two objects had consent. A service whose roll-out is
// in flight is written only for a new want. In the end there is what the last revision asks for, and nothing more.
func TestPairsOfRevisions(t *testing.T) {
	t.Parallel()
	for _, seed := range pairSeeds() {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			runPair(newWorld(t, size{1, 1}), drawPair(seed))
		})
	}
}

// pairSeeds returns the seeds of this run. Each commit takes other ones.
func pairSeeds() []uint64 {
	if *pairSeed != 0 {
		return []uint64{*pairSeed}
	}
	n := *pairCount
	switch {
	case n > 0:
	case *full:
		n = 60
	default:
		n = 2
	}
	var out []uint64
	for i := range n {
		out = append(out, uint64(max(0, turn.Commits())*n+i+1))
	}
	if *full {
		out = append(out, foundSomething...)
	}
	return out
}

// foundSomething are seeds that once showed a fault, of the operator or of this test. With -full they run each time.
// In 1277 a service waits for a host port until somebody agrees to remove what has it, and nobody does.
// In 41396 a service depends on one that fails, and another process than the one that changed it looks.
var foundSomething = []uint64{1277, 41396}

func runPair(w *world, p pair) {
	c := &paired{world: w, pair: p, trace: newTrace()}
	w.Cleanup(func() {
		if w.Failed() {
			w.Logf("go test ./test/e2e -run TestPairsOfRevisions -args -pair %d\n%s", p.seed, p)
		}
	})
	if err := w.swarm.(*embedded).Watch(w.Context(), w.swarm.Managers()[0], c.trace.see, "service", "task", "network", "node"); err != nil {
		w.Fatal(err)
	}
	c.author = w.repo("pairs", p.revisions[0].files())
	first, err := c.author.Head()
	if err != nil {
		w.Fatal(err)
	}
	for i := range 2 {
		c.start(i)
	}
	c.judge = judge{pair: p, begins: []time.Time{time.Now()}}
	c.ends(first, p.revisions[0])
	c.armed.Store(true)
	hash := ""
	for i, r := range p.revisions[1:] {
		if i > 0 {
			time.Sleep(p.meanwhile)
		}
		hash = c.commits(r)
	}
	c.ends(hash, p.revisions[len(p.revisions)-1])
	c.armed.Store(false) // an operator that is told to stop must not be killed at its last write
	c.trace.sees(&c.judge)
	for _, text := range c.judge.broken() {
		w.Error(text)
	}
	if w.Failed() {
		w.Log(c.told())
	}
}

func (c *paired) start(i int) {
	o := &pairedOperator{proxy: c.proxy()}
	clone, err := c.author.Clone(filepath.Join(c.TempDir(), "clone"))
	if err != nil {
		c.Fatal(err)
	}
	o.clone = clone
	disturb := func(before bool) func(harness.Call) error {
		return func(call harness.Call) error {
			if o.cut.Load() {
				return harness.ErrCut
			}
			h := hits[c.pair.how]
			if h.before != before || !call.Write() || !c.armed.Load() || int(c.writes.Add(1)) != c.pair.hit {
				return nil
			}
			h.do(c, o)
			if o.cut.Load() || !o.Running() {
				return harness.ErrCut
			}
			return nil
		}
	}
	o.proxy.Before(disturb(true))
	o.proxy.After(disturb(false))
	o.operator = c.operate(o.proxy.Host(), &repo{clone, c.world}, "--instance", fmt.Sprint("operator-", i+1), "--repair-after", "0s")
	c.operators = append(c.operators, o)
}

// commits makes a commit, asks what it costs, and shows it to the operators.
func (c *paired) commits(r revision) string {
	c.Helper()
	hash := c.author.commit(r.message(), r.files())
	plan := c.cli("diff", "--host", c.host(), "--source", c.author.Dir)
	if plan.code > 1 {
		c.Fatalf("diff says %s", plan)
	}
	c.judge.plans = append(c.judge.plans, plan.out)
	c.judge.begins = append(c.judge.begins, time.Now())
	for _, i := range rand.Perm(len(c.operators)) {
		if err := c.operators[i].clone.Pull(c.author.Repo, hash); err != nil {
			c.Fatal(err)
		}
	}
	return hash
}

// ends waits until nothing changes any more, and checks the result.
func (c *paired) ends(hash string, r revision) {
	c.Helper()
	ctx := c.Context()
	if deadline, ok := c.Deadline(); ok { // so that the reason is printed before the tests are ended
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-20*time.Second))
		defer cancel()
	}
	var why error
	err := harness.Until(ctx, patience, func() error {
		why = c.settled(hash, r)
		return why
	})
	if err != nil {
		c.trace.sees(&c.judge)
		c.Fatalf("there is no end to it: %v\nbroken so far: %q\n%s", why, c.judge.broken(), c.told())
	}
	c.left(r)
}

func (c *paired) acting() *pairedOperator {
	i := slices.IndexFunc(c.operators, func(o *pairedOperator) bool { return o.Running() && !o.cut.Load() })
	if i < 0 {
		c.Fatal("no operator runs")
	}
	return c.operators[i]
}

// settled returns an error that says what is still to come.
func (c *paired) settled(hash string, r revision) error {
	if still := c.trace.since(); still < 1500*time.Millisecond {
		return fmt.Errorf("something changed %s ago", still)
	}
	report, err := c.acting().Report(c.Context())
	if err != nil {
		return err
	}
	if report.Applied != hash {
		return fmt.Errorf("in force is another revision: %s", brief(report))
	}
	for _, f := range report.Refused {
		if f.Class == "later" && !f.Quiet {
			return fmt.Errorf("%s waits: %s", f.Object, f.Why)
		}
	}
	if waits, _ := report.Condition("Standby"); waits.Status {
		return fmt.Errorf("it waits: %s", waits.Message)
	}
	for _, s := range c.services() {
		if u := s.UpdateStatus; u != nil && (u.State == swarm.UpdateStateUpdating || u.State == swarm.UpdateStateRollbackStarted) {
			return fmt.Errorf("%s is %s", s.Spec.Name, u.State)
		}
		image := short(s.Spec.TaskTemplate.ContainerSpec.Image)
		paused := s.UpdateStatus != nil && (s.UpdateStatus.State == swarm.UpdateStatePaused || s.UpdateStatus.State == swarm.UpdateStateRollbackPaused)
		if n := c.running(s.Spec.Name); good(image) && !paused && n != int(replicas(s)) && !waitsForConsent(report, s.Spec.Name) {
			return fmt.Errorf("%s runs %d tasks of %d", s.Spec.Name, n, replicas(s))
		}
	}
	for _, s := range c.plan().Steps {
		return fmt.Errorf("left to do: %s %s", s.Op, s.Object)
	}
	return nil
}

// waitsForConsent reports whether a service finds no place until somebody agrees to remove what is in its way.
func waitsForConsent(r harness.Report, service string) bool {
	return slices.ContainsFunc(r.Refused, func(f harness.Refusal) bool {
		return f.Class == "consent" && strings.Contains(f.Why, "Service/"+service+" finds no place")
	})
}

// plannedText is the part of diff's JSON that this test reads.
type plannedText struct {
	Steps, Refused []struct {
		Op     string `json:"operation"`
		Object string `json:"object"`
		Class  string `json:"class"`
		Why    string `json:"why"`
	}
	Kept []struct {
		Object string `json:"object"`
	} `json:"kept"`
}

func (c *paired) plan() (p plannedText) {
	c.Helper()
	out := c.cli("diff", "-o", "json", "--host", c.host(), "--source", c.author.Dir)
	if err := json.Unmarshal([]byte(out.out), &p); err != nil {
		c.Fatalf("%v: %s", err, out)
	}
	return p
}

// left checks that only wanted objects exist, and that every missing object was refused.
func (c *paired) left(r revision) {
	c.Helper()
	p := c.plan()
	excused := map[string]string{}
	for _, f := range p.Refused {
		excused[f.Object] += f.Op
	}
	for _, k := range p.Kept {
		excused[k.Object] += "kept"
	}
	wanted := map[string]bool{}
	for _, a := range r.apps {
		wanted["Service/"+a.name] = true
		if a.standby != "" {
			wanted["Service/"+a.standby] = true
		}
	}
	for _, n := range r.nets {
		wanted["Network/"+n.name] = true
	}
	there := map[string]bool{}
	for _, s := range c.services() {
		there["Service/"+s.Spec.Name] = true
	}
	for _, n := range c.networks() {
		there["Network/"+n] = true
	}
	for k := range there {
		if !wanted[k] && excused[k] == "" {
			c.Errorf("%s is there, and nobody asks for it", k)
		}
	}
	for k := range wanted {
		if !there[k] && excused[k] == "" {
			c.Errorf("%s is not there, and not refused", k)
		}
	}
	used := map[string]bool{}
	for _, s := range c.services() {
		for _, spec := range []*swarm.ServiceSpec{&s.Spec, s.PreviousSpec} {
			if spec != nil {
				for _, ref := range spec.TaskTemplate.ContainerSpec.Configs {
					used[ref.ConfigName] = true
				}
			}
		}
	}
	if extra := slices.DeleteFunc(c.configs(), func(n string) bool { return used[n] }); len(extra) > 1 {
		c.Errorf("versions that nothing refers to: %q", extra)
	}
	list, err := c.api.ConfigList(c.Context(), client.ConfigListOptions{})
	if err != nil {
		c.Fatal(err)
	}
	var own []string
	for _, x := range list.Items {
		if strings.HasPrefix(x.Spec.Name, "swarm-operator") {
			own = append(own, x.Spec.Name)
		}
	}
	if len(own) > 3 {
		c.Errorf("configs of the operator's own are %q", own)
	}
}

// told returns what happened, for people who want to know why the law was broken.
func (c *paired) told() string {
	return fmt.Sprintf("plans:\n%s\nwrites:\n%s\nwhat ran:\n%s", strings.Join(c.judge.plans, "\n"), c.wrote(), c.ran())
}

func (c *paired) wrote() string {
	var b strings.Builder
	for _, w := range c.judge.writes {
		fmt.Fprintln(&b, " ", w)
	}
	return b.String()
}

func (c *paired) ran() string {
	var b strings.Builder
	if !c.judge.down.IsZero() {
		fmt.Fprintf(&b, "  %s a node is lost sight of: what ends after that is not judged\n", c.judge.down.Format("15:04:05.000"))
	}
	for _, m := range c.judge.moments {
		fmt.Fprintf(&b, "  %s", m.at.Format("15:04:05.000"))
		for _, n := range slices.Sorted(maps.Keys(m.running)) {
			fmt.Fprintf(&b, " %s=%d", n, m.running[n])
		}
		fmt.Fprintln(&b)
	}
	return b.String()
}
