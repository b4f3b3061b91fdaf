package laws

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/manifests/git"
	"github.com/swarm-operator/swarm-operator/test/generate"
	"github.com/swarm-operator/swarm-operator/test/model"
)

// deciding is a swarm with an operator on it: all of what decides, without anything that makes a call.
type deciding struct {
	*world
	found    state.Found
	revision string
	entries  []kinds.Entry
	before   []kinds.Entry // of the revision before
	now      time.Time
	// healths are what the engine says of services, by name.
	healths map[string]kinds.Health
	// onNodes is what happens to nodes. It is nil if nothing does.
	onNodes *onNodes
	// onlyNodes is true if manifests are about nodes and the Cluster alone.
	onlyNodes bool
	// teach is told of a run before anything is asked of tasks. nil means that nobody wants to know.
	teach func(*decide.Decision)
}

func newDeciding(t *rapid.T) *deciding {
	found := state.Found{Memory: state.Memory{Source: "src", Salt: []byte("key")}} // as of a source that has none yet
	return &deciding{world: newWorld(rapid.Bool().Draw(t, "agreed to everything")), found: found, now: model.Noon, healths: map[string]kinds.Health{}}
}

// policy is what the command line says.
func (s *deciding) policy(t *rapid.T) decide.Policy {
	p := decide.Policy{Digests: byKey, Budgets: plan.DefaultBudgets(), RepairAfter: time.Minute, RepairRestartsAfter: 15 * time.Minute}
	p.Follow = rapid.Bool().Draw(t, "follows roll-outs")
	if s.agreed {
		for _, h := range plan.Hazards() {
			c := plan.Consented{Hazard: plan.Hazard(h)}
			if c.Hazard == plan.PromoteUnproven {
				c.Objects = model.AnyNode()
			}
			p.Consents = append(p.Consents, c)
		}
	}
	return p
}

// commits begins a revision.
func (s *deciding) commits(manifests []v1.Object) {
	s.before, s.entries = s.entries, nil
	for _, o := range manifests {
		s.entries = append(s.entries, kinds.Entry{Object: o})
	}
	s.world.revision++
	s.revision = strings.Repeat(fmt.Sprint(s.world.revision), 40)[:40]
}

// observed is what a run has found, which another run can be given as well.
func (s *deciding) observed() *decide.Decision {
	run := &decide.Decision{Memory: s.found.Memory}
	run.Source, run.Entries = "src", s.entries
	about, holds := s.about()
	run.InForce = git.Commit{Hash: s.revision, When: model.Noon}
	run.Attempted = run.InForce
	run.World = decide.World{
		At: s.now, About: about, Index: s.Index(), Whole: true, Holds: holds,
		Found: s.found, Nonce: fmt.Sprint("nonce", s.found.Sequence),
	}
	if run.Memory.InForce.Hash != s.revision {
		run.Past.Commits = []git.Commit{run.InForce}
	}
	return run
}

// decides lets one decider think about what was found. Keep ends its thinking.
func (s *deciding) decides(d *decide.Decider, run *decide.Decision) *decide.Decision {
	d.Expand(run)
	if s.teach != nil {
		s.teach(run)
	}
	var before decide.Before
	if d.AsksBefore(run) {
		before.States = kinds.Expand(all.Kinds(), s.before, run.Index, run.Ours(), nil).States
	}
	d.Compare(run, before)
	needs := d.Needs(run)
	answers := decide.Answers{Rollouts: map[v1.Key]plan.Rollout{}, Healths: map[string]map[string]kinds.Health{v1.KindService: {}}, Unread: map[string]error{}}
	for _, l := range needs.Lives[v1.KindService] {
		answers.Healths[v1.KindService][l.Name] = s.healths[l.Name]
	}
	asked := s.answers(needs, &answers)
	d.Learn(run, needs, answers)
	d.Decide(run)
	run.Notices = append(run.Notices, asked...)
	for _, l := range needs.Lives[v1.KindService] {
		run.Notices = append(run.Notices, "asked for "+l.Name) // which is part of what was decided
	}
	return run
}

// unchanged is all that a decision was given and must leave as it is, as text.
func (s *deciding) unchanged(t *rapid.T) string {
	memory, err := json.Marshal(s.found.Memory)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	out.Write(memory)
	for _, key := range slices.SortedFunc(maps.Keys(s.Objects), v1.Key.Compare) {
		l := *s.Objects[key]
		raw, err := json.Marshal(l.Raw)
		if err != nil {
			t.Fatal(err)
		}
		l.Raw = nil
		fmt.Fprintf(&out, "\n%+v %s", l, raw)
	}
	return out.String()
}

// everything compares progress, however deep: nothing is left out because somebody forgot it.
var everything = cmp.Exporter(func(reflect.Type) bool { return true })

// told is all that a decision says, as text.
func told(t *rapid.T, run *decide.Decision) string {
	memory, err := json.MarshalIndent(run.Memory, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, step := range run.Plan.Steps {
		said = append(said, fmt.Sprintf("%d %s after %v, costs %s, because %s", step.ID, step.Name(), step.After, step.Effect, step.Cause))
	}
	for _, r := range run.Plan.Refused {
		said = append(said, fmt.Sprintf("%s %s %s by %s until %s: %s", r.Op, r.Key, r.Class, r.Guard, r.Until, r.Why))
	}
	if n := run.Surveyed.Nodes; n != nil {
		said = append(said, fmt.Sprintf("nodes %+v", *n))
	}
	said = append(said, fmt.Sprintf("nodes again in %s, own %s, replaced %v, again in %s", run.Surveyed.Again, run.Facts.Own, run.Rotating.Last, run.Rotating.Again))
	return fmt.Sprintf("usable %t, outdated %t, frozen %t\n%s\n%s\nkept %v, adopted %d\nmemory %s\nnotices %q\nfailures %+v\ndrift %v\n",
		run.Usable(), run.Outdated, run.Frozen, run.Plan.Text(diff.Value.Reveal), strings.Join(said, "\n"), run.Plan.Kept, len(run.Plan.Adopted), memory, run.Notices, run.Failures, run.Facts.DriftSince)
}

// acts carries out some steps of a decision, as the engine and the loop would, and has deciders know of it.
func (s *deciding) acts(t *rapid.T, run *decide.Decision, deciders ...*decide.Decider) {
	if !run.Frozen && state.Differs("src", s.found, run.Memory) {
		found, err := state.FoundAs(run.Memory, s.found.Sequence+1)
		if err != nil {
			t.Fatal(err)
		}
		s.found = found
	}
	src, made := run.Ours(), map[string]v1.Key{}
	src.Nonce = s.found.Memory.Nonce
	steps := run.Plan.Steps[:rapid.IntRange(0, len(run.Plan.Steps)).Draw(t, "steps that are done")]
	for _, step := range steps {
		if s.Do(step, run.Index, src) != nil {
			return // a step that it waits for was refused
		}
		if deciders[0].Recorded(step) {
			made[s.Objects[v1.Key{Kind: step.Key.Kind, Name: step.Instance}].ID] = step.Key
		}
		for _, d := range deciders {
			switch {
			case step.Op == diff.Remove:
				d.Removed(step.Change.Have.Meta.ID)
			case step.Recognises():
				d.Did(step, s.now)
				d.Joined(step.Instance, step.Key)
				s.onNodes.proven[step.Instance] = step.Key.Name
			case kinds.Joins(step):
				d.Did(step, s.now)
				d.Joined(s.LastJoined(), step.Key)
				s.onNodes.proven[s.LastJoined()] = step.Key.Name
			default:
				d.Did(step, s.now)
			}
		}
	}
	if len(steps) == len(run.Plan.Steps) { // otherwise the operator was killed
		s.registers(t, run, made)
	}
	for _, d := range deciders {
		d.Saved(s.found.Sequence, s.found.Memory.Resumed)
		d.Settle(run.Facts)
	}
}

// registers puts on record what nothing but its id may tell of.
func (s *deciding) registers(t *rapid.T, run *decide.Decision, made map[string]v1.Key) {
	if m := run.Made(made, nil); !run.Frozen && state.Differs("src", s.found, m) {
		found, err := state.FoundAs(m, s.found.Sequence+1)
		if err != nil {
			t.Fatal(err)
		}
		s.found = found
	}
}

// lives has something happen between two runs.
func (s *deciding) lives(t *rapid.T) {
	longest := rapid.SampledFrom([]int{30, 1200}).Draw(t, "most seconds until the next run")
	s.now = s.now.Add(time.Duration(rapid.IntRange(0, longest).Draw(t, "seconds until the next run")) * time.Second)
	if rapid.Bool().Draw(t, "hands") {
		s.byHand(t)
	}
	for _, key := range slices.SortedFunc(maps.Keys(s.Objects), v1.Key.Compare) {
		if key.Kind == v1.KindService {
			ready := rapid.Bool().Draw(t, "ready "+key.Name)
			h := kinds.Health{Ready: ready, Wanted: 1}
			if !ready {
				h.Failed, h.Why = rapid.Bool().Draw(t, "failed "+key.Name), "0 of 1 tasks running"
			}
			s.healths[key.Name] = h
		}
	}
}

// runs draws the life of a swarm, run by run, and hands each to f.
func (s *deciding) runs(t *rapid.T, f func()) {
	var manifests []v1.Object
	if !s.onlyNodes {
		manifests = generate.Source(t)
	}
	if rapid.Bool().Draw(t, "somebody was here") {
		s.others(t, manifests)
	}
	var nodes []v1.Object
	if s.onlyNodes || rapid.IntRange(0, 2).Draw(t, "nodes") == 0 {
		s.joins(t)
		nodes = generate.Nodes(t)
	}
	for range rapid.IntRange(1, 3).Draw(t, "commits") {
		if !s.onlyNodes {
			manifests = generate.Vary(t, manifests)
		}
		if s.onNodes != nil {
			nodes = generate.VaryNodes(t, nodes)
		}
		s.commits(slices.Concat(manifests, nodes))
		for range rapid.IntRange(1, 5).Draw(t, "runs") {
			f()
			s.lives(t)
			s.livesOnNodes(t)
		}
	}
}

// Dropping every cache between runs changes no decision, and neither does thinking twice in a run.
func forgetful(onlyNodes bool) func(*rapid.T) {
	return func(t *rapid.T) {
		s := newDeciding(t)
		s.onlyNodes = onlyNodes
		p := s.policy(t)
		keeps, forgets := decide.New(p), decide.New(p)
		s.runs(t, func() {
			a := s.decides(keeps, s.observed())
			keeps.Keep()
			s.unknownIsUnsafe(t, a)
			forgets.Forget()
			before := forgets.Clone()
			s.decides(forgets, s.observed())
			forgets.Again(before)
			forgets.Forget()
			b := s.decides(forgets, s.observed())
			forgets.Keep()
			if d := cmp.Diff(told(t, a), told(t, b)); d != "" {
				t.Fatalf("with empty caches, and after a second thought, it decides otherwise:\n%s", d)
			}
			if d := cmp.Diff(keeps.Copy(), forgets.Copy(), everything); d != "" {
				t.Fatalf("with empty caches, and after a second thought, the process knows something else:\n%s", d)
			}
			s.acts(t, a, keeps, forgets)
		})
	}
}

func TestForgetful(t *testing.T) { rapid.Check(t, forgetful(false)) }
func FuzzForgetful(f *testing.F) { generate.Fuzz(f, forgetful(false)) }

func TestForgetfulAboutNodes(t *testing.T) { rapid.Check(t, forgetful(true)) }
func FuzzForgetfulAboutNodes(f *testing.F) { generate.Fuzz(f, forgetful(true)) }

// recorded is what one decision was made from, and what it said.
type recorded struct {
	deciding
	knew decide.Progress
	said string
}

// record copies what a decision is made from. Objects and manifests are never changed, so they are shared.
func (s *deciding) record(d *decide.Decider) recorded {
	swarm, world, r := *s.Swarm, *s.world, recorded{deciding: *s, knew: d.Copy()}
	swarm.Objects = maps.Clone(s.Objects)
	world.Swarm, r.world, r.healths = &swarm, &world, maps.Clone(s.healths)
	if s.onNodes != nil {
		onNodes := *s.onNodes
		r.onNodes = &onNodes
	}
	return r
}

// replayed decides again from a record.
func (r *recorded) replayed(t *rapid.T, p decide.Policy, when string) {
	d := decide.New(p)
	d.Progress = r.knew.Copy()
	if diff := cmp.Diff(r.said, told(t, r.decides(d, r.observed()))); diff != "" {
		t.Fatalf("from the record, %s, it decides otherwise:\n%s", when, diff)
	}
}

// If a run is given again what another run found and what the process knew then, it decides the same, byte for byte: at
// once, and after all that came later. A decision changes nothing of its input.
func replayable(onlyNodes bool) func(*rapid.T) {
	return func(t *rapid.T) {
		s := newDeciding(t)
		s.onlyNodes = onlyNodes
		p := s.policy(t)
		d := decide.New(p)
		var records []recorded
		s.runs(t, func() {
			r, given := s.record(d), s.unchanged(t)
			first := s.decides(d, s.observed())
			d.Keep()
			r.said = told(t, first)
			r.replayed(t, p, "at once")
			if diff := cmp.Diff(given, s.unchanged(t)); diff != "" {
				t.Fatalf("deciding has changed what it was given:\n%s", diff)
			}
			records = append(records, r)
			s.acts(t, first, d)
		})
		for _, r := range slices.Backward(records) {
			r.replayed(t, p, "in the end")
		}
	}
}

func TestReplayable(t *testing.T) { rapid.Check(t, replayable(false)) }
func FuzzReplayable(f *testing.F) { generate.Fuzz(f, replayable(false)) }

func TestReplayableAboutNodes(t *testing.T) { rapid.Check(t, replayable(true)) }
func FuzzReplayableAboutNodes(f *testing.F) { generate.Fuzz(f, replayable(true)) }
