package decide_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"
	"github.com/rogpeppe/go-internal/txtar"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/manifests"
	"github.com/swarm-operator/swarm-operator/test/golden"
	"github.com/swarm-operator/swarm-operator/test/model"
)

// Each file of testdata is one story. Its sections happen in order; happens says what each of them can say. A section
// "run" is one run of the operator: it holds what the operator decided, and the model carries the steps out. Run the test
// with -update to write what was decided, and read it before you keep it.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			told, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := newStory(t)
			for i := range told.Files {
				f := &told.Files[i]
				if what, _, _ := strings.Cut(f.Name, ":"); what == "run" || strings.HasPrefix(what, "run ") {
					f.Data = []byte(s.runs(what))
					continue
				}
				s.happens(f.Name, string(f.Data))
			}
			if s.run == 0 {
				t.Fatal("nothing runs in this story")
			}
			golden.Equal(t, file, string(txtar.Format(told)))
		})
	}
}

// source is the name of the source in all stories.
const source = "shop"

// story is a swarm, a repository, and an operator between them.
type story struct {
	*model.Swarm
	t   *testing.T
	now time.Time
	run int

	policy  decide.Policy
	decider *decide.Decider

	loader  *manifests.Loader
	commits map[string]*commit
	began   *commit // the first commit
	git     string  // what is wrong with the repository
	head    *commit
	last    *commit // the last revision that was not refused
	ownOnly map[v1.Key]string

	// written is the operator's memory, as it stands in the swarm. backup is a copy that somebody has made.
	written
	backup written
	lost   int
	holds  []state.Hold

	about   kinds.About
	healths map[string]kinds.Health
	unread  error
	// unlisted says why volumes cannot be listed.
	unlisted error
	// undone are the wants that the engine has rolled back, and what their tasks said.
	undone map[string]undone
	wanted map[v1.Key]string
	// updated is how often the engine has said how an update stands.
	updated int
	// refuses are the steps that the engine refuses, by name, with its words. troubles are those that failed.
	// unanswered are those of refuses after which nobody knows whether the engine has done the step.
	refuses    map[string]string
	unanswered map[string]bool
	troubles   map[string]trouble
}

type written struct {
	sequence uint64
	memory   []byte
}

type undone struct{ digest, said string }

type trouble struct {
	plan.Trouble
	revision string
}

func newStory(t *testing.T) *story {
	s := &story{
		Swarm: model.New(), t: t, now: model.Noon, commits: map[string]*commit{}, healths: map[string]kinds.Health{}, undone: map[string]undone{},
		wanted: map[v1.Key]string{}, ownOnly: map[v1.Key]string{}, refuses: map[string]string{}, unanswered: map[string]bool{}, troubles: map[string]trouble{}, about: kinds.About{API: "1.52", Nodes: 3, Managers: 3},
		loader: manifests.NewLoader(manifests.Options{Kinds: all.Manifests()}),
		policy: decide.Policy{Budgets: plan.DefaultBudgets(), RepairAfter: time.Minute, RepairRestartsAfter: 15 * time.Minute, Follow: true},
	}
	s.decider = decide.New(s.policy)
	return s
}

// found is the memory as a run reads it.
func (s *story) found() state.Found {
	if s.sequence == 0 {
		return state.Found{}
	}
	spec := swarm.ConfigSpec{Data: s.memory, Annotations: swarm.Annotations{Name: fmt.Sprintf("swarm-operator.%s.%d", source, s.sequence), Labels: map[string]string{v1.LabelState: source}}}
	found, err := state.NewStore(source, nil).Find([]*swarm.Config{{ID: "memory", Spec: spec}})
	if err != nil {
		s.t.Fatal(err)
	}
	return found
}

// fresh is the memory of a source that has none.
func (s *story) fresh() state.Memory {
	m, err := state.New(source)
	if err != nil {
		s.t.Fatal(err)
	}
	m.Salt = fmt.Appendf(nil, "the salt of a story whose memory was lost %d times", s.lost)
	return m
}

func (s *story) save(m state.Memory) {
	format := s.fresh().Format
	m.Format, m.Source = format, source
	raw, err := json.Marshal(m)
	if err != nil {
		s.t.Fatal(err)
	}
	s.sequence, s.memory = s.sequence+1, raw
	if state.Differs(source, s.found(), m) {
		s.t.Fatal("the memory is not written as a store writes it")
	}
}

// runs has the operator decide, and carries out what it decided. "run stops after N" kills it after N steps. If it
// thinks a second time, as if it had not thought yet, it has to decide the same.
func (s *story) runs(how string) string {
	most := math.MaxInt
	if n, stops := strings.CutPrefix(how, "run stops after "); stops {
		most = s.number(n)
	}
	s.run++
	before := s.decider.Clone()
	first := s.tells(s.decides())
	s.decider.Again(before)
	run, needs := s.decides()
	s.decider.Keep()
	told := s.tells(run, needs)
	if d := cmp.Diff(first, told); d != "" {
		s.t.Errorf("run %d is thought twice, and it decides otherwise:\n%s", s.run, d)
	}
	s.unread, s.unlisted = nil, nil
	s.acts(run, most)
	told += s.watches(run)
	if most != math.MaxInt {
		s.decider = decide.New(s.policy)
	}
	return told
}

// decides does what the reconciler does between reading and writing.
func (s *story) decides() (*decide.Decision, decide.Needs) {
	run, d := &decide.Decision{}, s.decider
	run.Source, run.Attempted = source, s.head.Commit
	run.World = decide.World{At: s.now, About: s.about, Index: s.Index(), Found: s.found(), Holds: s.holds, Nonce: fmt.Sprint("nonce", s.run), Whole: true}
	if s.unlisted != nil {
		run.Unlisted = map[string]error{v1.KindVolume: s.unlisted}
		for _, l := range slices.Clone(run.Index.List(v1.KindVolume)) {
			run.Index.Drop(v1.KindVolume, l.ID)
		}
	}
	run.Memory = run.Found.Memory
	if s.sequence == 0 && !d.Observe {
		run.Memory = s.fresh()
	}
	if d.Observe && d.Follow {
		run.Memory.Failed = d.SeenFailed()
	}
	if s.head.refused() {
		run.Problems = s.head.problems
	} else {
		s.last = s.head
	}
	if s.last == nil {
		return run, decide.Needs{}
	}
	run.InForce, run.Entries, run.Withheld, run.Stays, run.OwnOnly = s.last.Commit, s.last.entries, s.last.held, s.last.stays, s.ownOnly
	run.Defaults, run.Remarks, run.Past = s.last.defaults, s.last.notices, s.past(run.Memory, s.last)
	run.Troubles = map[string]plan.Trouble{}
	for name, t := range s.troubles {
		if t.revision == run.InForce.Hash {
			run.Troubles[name] = t.Trouble
		}
	}
	d.Expand(run)
	var before decide.Before
	if d.AsksBefore(run) {
		before = s.before(run)
	}
	d.Compare(run, before)
	needs := d.Needs(run)
	d.Learn(run, needs, s.answers(needs))
	d.Decide(run)
	for key, w := range run.Wanted {
		s.wanted[key] = w.Digest()
	}
	return run, needs
}

// before is what the revision in force asked for, if the repository still has it.
func (s *story) before(run *decide.Decision) decide.Before {
	for _, c := range s.commits {
		if c.Hash == run.Memory.InForce.Hash && !c.gone && !c.refused() {
			return s.decider.AskedBy(run, c.entries, c.held)
		}
	}
	return decide.Before{}
}

// answers are what the engine says when it is asked.
func (s *story) answers(n decide.Needs) decide.Answers {
	a := decide.Answers{Rollouts: map[v1.Key]plan.Rollout{}, Healths: map[string]map[string]kinds.Health{v1.KindService: {}}, Unread: map[string]error{}}
	for _, t := range n.Traces {
		r := t.Rollout
		if was, known := s.undone[t.Live.Name]; known {
			r.TaskError = was.said
			switch {
			case r.Left != plan.Unknown: // the engine has told it
			case was.digest == t.Want.Digest():
				r.Left = plan.Matches
			default:
				r.Left = plan.Differs
			}
		}
		a.Rollouts[t.Want.Key] = r
	}
	if s.unread != nil && len(n.Lives[v1.KindService]) > 0 {
		a.Unread[v1.KindService] = s.unread
		return a
	}
	for _, l := range n.Lives[v1.KindService] {
		a.Healths[v1.KindService][l.Name] = s.healths[l.Name]
	}
	return a
}

// acts writes the memory and carries out the steps, as the reconciler does.
func (s *story) acts(run *decide.Decision, most int) {
	d := s.decider
	if !run.Usable() || d.Observe {
		d.Settle(run.Facts)
		return
	}
	if remembers(run) {
		s.save(run.Memory)
		d.Saved(s.sequence, run.Memory.Resumed)
	}
	d.Settle(run.Facts)
	failed, made, unsure := map[int]bool{}, map[string]v1.Key{}, map[v1.Key]bool{}
	for _, key := range run.Found.Memory.Making {
		unsure[key] = true
	}
	for _, step := range run.Plan.Steps[:min(most, len(run.Plan.Steps))] {
		if slices.ContainsFunc(step.After, func(id int) bool { return failed[id] }) {
			failed[step.ID] = true
			continue
		}
		if err := s.carriesOut(step, run); err != nil {
			failed[step.ID] = true
			tries := run.Troubles[step.Name()].Tries + 1
			unsure[step.Key] = unsure[step.Key] || s.unanswered[step.Name()]
			s.troubles[step.Name()] = trouble{plan.Trouble{Tries: tries, Why: err.Error(), Until: s.now.Add(plan.BackOff(tries))}, run.InForce.Hash}
			continue
		}
		delete(s.troubles, step.Name())
		if step.Op == diff.Remove {
			d.Removed(step.Change.Have.Meta.ID)
		} else {
			d.Did(step, s.now)
		}
		if d.Recorded(step) {
			made[s.Objects[v1.Key{Kind: step.Key.Kind, Name: step.Instance}].ID] = step.Key
			delete(unsure, step.Key)
		}
	}
	if m := run.Made(made, unsure); most == math.MaxInt && !run.Frozen && state.Differs(source, s.found(), m) {
		s.save(m)
		d.Saved(s.sequence, m.Resumed)
	}
}

func remembers(run *decide.Decision) bool {
	return run.Usable() && !run.Frozen && state.Differs(source, run.Found, run.Memory)
}

// carriesOut has the engine do a step. A write ends what the engine says of the last update, and tasks take their time.
func (s *story) carriesOut(step plan.Step, run *decide.Decision) error {
	if why, refuses := s.refuses[step.Name()]; refuses {
		return errors.New(why)
	}
	if err := s.Do(step, run.Index, run.Ours()); err != nil {
		return err
	}
	made := s.Objects[v1.Key{Kind: step.Key.Kind, Name: step.Instance}]
	if raw, is := serviceOf(made); is && step.Op != diff.Remove {
		raw.UpdateStatus = nil
		if step.Op != diff.Update || step.RollsOut() {
			s.healths[made.Name] = kinds.Health{Why: "no task runs yet", Wanted: 1}
		}
	}
	return nil
}

func serviceOf(l *kinds.Live) (*swarm.Service, bool) {
	if l == nil {
		return nil, false
	}
	raw, is := l.Raw.(*swarm.Service)
	return raw, is
}

// tells says what was decided.
func (s *story) tells(run *decide.Decision, needs decide.Needs) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	if len(run.Problems) > 0 {
		line("revision %s is refused, the first problem: %s", short(run.Attempted.Hash), run.Problems[0])
	}
	if !run.Usable() {
		line("there is no revision to go by")
		return b.String()
	}
	b.WriteString(run.Plan.Text(diff.Value.Reveal))
	line("%s", run.Plan.Summary())
	if run.Ends() {
		line("this is for a swarm that was read whole")
	}
	list := func(what string, of []string) {
		if len(of) > 0 {
			line("%s: %s", what, strings.Join(of, ", "))
		}
	}
	list("troubled", only(run.Troubled() != "", run.Troubled()))
	list("no place", only(s.decider.Placeless() != "", s.decider.Placeless()))
	asked := []string{}
	for _, t := range needs.Traces {
		asked = append(asked, "the tasks of "+t.Live.Name)
	}
	for _, l := range needs.Lives[v1.KindService] {
		asked = append(asked, l.Name)
	}
	list("asked", asked)
	list("kept", texts(run.Plan.Kept))
	list("frozen", only(run.Frozen, s.whyFrozen(run)))
	if err := run.Incomplete(); err != nil {
		line("unread: %v", err)
	}
	for _, f := range run.Failures {
		line("failed now: %s: %s", f.Key, f.Why)
	}
	for _, n := range run.Notices {
		line("notice: %s", n)
	}
	switch m := run.Memory; {
	case s.decider.Observe:
		for _, f := range run.FailedWants() {
			line("known to have failed: %s: %s", f.Key, f.Why)
		}
	case remembers(run):
		b.WriteString(remembered(m, s.sequence+1))
		if o := m.Origin; s.began == nil || !slices.Equal(o.Roots, []string{s.began.Hash}) || o.Cut || o.Place != "" {
			list("  began with", began(o))
		}
	default:
		line("the memory stays as it is")
	}
	return b.String()
}

// watches says which services are looked at again, and when. It also says when the operator comes back, if that is not
// then. While steps are left, the next run comes at once.
func (s *story) watches(run *decide.Decision) string {
	var b strings.Builder
	keys, again := s.decider.Watched(), s.decider.LookAgain(s.now)
	slices.SortFunc(keys, v1.Key.Compare)
	switch {
	case again == 0:
	case len(keys) == 0:
		fmt.Fprintf(&b, "looks again in %s\n", again)
	default:
		fmt.Fprintf(&b, "watched: %s, again in %s\n", strings.Join(texts(keys), ", "), again)
	}
	if back := s.decider.ComeBack(run); run.Usable() && back != again {
		fmt.Fprintf(&b, "comes back in %s\n", back)
	}
	return b.String()
}

func only(is bool, text string) []string {
	if !is {
		return nil
	}
	return []string{text}
}

// whyFrozen says why the memory is not this run's to change.
func (s *story) whyFrozen(run *decide.Decision) string {
	_, rewritten := run.Rewritten()
	switch {
	case run.Facts.Paused != "":
		return run.Facts.Paused
	case run.Facts.ReleasedAll:
		return "everything is unmanaged"
	case run.Foreign:
		return run.OtherSource()
	case run.Outdated:
		return "the revision is older than the one in force"
	}
	return rewritten
}

// short is the name of a commit: see commit.
func short(hash string) string { return strings.TrimRight(hash, "0") }

func texts[K fmt.Stringer](keys []K) []string {
	var out []string
	for _, k := range keys {
		out = append(out, k.String())
	}
	return out
}

// remembered is a memory in few words. It leaves out times, and what is empty.
func remembered(m state.Memory, sequence uint64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "memory %d: %s is in force, owned %d, %d managers of %d nodes\n", sequence, short(m.InForce.Hash), m.Owned, m.Managers, m.Nodes)
	list := func(what string, of []string) {
		if len(of) > 0 {
			fmt.Fprintf(&b, "  %s: %s\n", what, strings.Join(of, ", "))
		}
	}
	records := func(what string, of map[string]string) {
		var out []string
		for _, id := range slices.Sorted(maps.Keys(of)) {
			out = append(out, strings.TrimSpace(of[id]+" "+id))
		}
		list(what, out)
	}
	made, adopted, lapsed, unstated, removed, stacks := map[string]string{}, map[string]string{}, map[string]string{}, map[string]string{}, map[string]string{}, map[string]string{}
	for id, k := range m.Made {
		made[id] = k.String()
	}
	for id, a := range m.Adopted {
		adopted[id] = a.Key.String()
		if a.Written {
			adopted[id] += " (written)"
		}
	}
	for id := range m.Lapsed {
		lapsed[id] = m.Made[id].String()
	}
	for id, u := range m.Unstated {
		if len(u.Paths) > 0 {
			unstated[id] = fmt.Sprintf("%s %s", u.Key, strings.Join(u.Paths, " "))
		}
		if u.Stack != "" {
			stacks[id] = fmt.Sprintf("%s of %s", u.Key, u.Stack)
		}
	}
	for id, f := range m.Removed {
		removed[id] = f.Key.String()
	}
	records("made", made)
	list("making", texts(m.Making))
	records("adopted", adopted)
	records("lapsed", lapsed)
	records("settings that manifests cannot state", unstated)
	records("stacks", stacks)
	records("removed, to be made again", removed)
	list("replacing", m.Replacing)
	list("begun", texts(m.Begun))
	list("leaving", texts(m.Leaving))
	list("superseded removals", texts(m.Superseded.Removals))
	list("these wait for", texts(m.Superseded.Begun))
	var keep []string
	for k, why := range m.Keep {
		keep = append(keep, k.String()+" ("+strconv.Quote(why)+")")
	}
	slices.Sort(keep)
	list("keep", keep)
	list("unmanaged", texts(m.Released))
	list("partial", texts(m.Partial))
	list("consents", consents(m.Consents))
	for _, a := range m.Approvals {
		list("approved for "+short(a.Revision), consents(a.Said()))
	}
	records("delivered", m.Delivered)
	for _, f := range m.Failed {
		what := "by " + short(f.Revision)
		switch {
		case f.Digest == "":
			what = "not what is wanted"
		case f.Revision == "":
			what = "by no revision"
		}
		fmt.Fprintf(&b, "  failed: %s, %s: %s\n", f.Key, what, f.Why)
	}
	entries := slices.Clone(m.History)
	if m.Refused != nil {
		entries = append(entries, *m.Refused)
	}
	for _, e := range entries {
		text := short(e.Hash)
		if e.Outcome != "" {
			text += " " + e.Outcome
		}
		if e.Why != "" {
			text += " (" + e.Why + ")"
		}
		if len(e.Changing) > 0 {
			text += ", changes " + strings.Join(texts(e.Changing), " ")
		}
		if e.Rewrote != nil {
			many := "nobody knows what"
			if e.Rewrote.Commits > 0 {
				many = v1.Count(e.Rewrote.Commits, "commit")
			}
			text += fmt.Sprintf(", took back %s of %s", many, short(e.Rewrote.From))
			if e.Rewrote.Agreed {
				text += ", agreed"
			}
		}
		fmt.Fprintf(&b, "  history: %s\n", text)
	}
	return b.String()
}

// began says where a source began. Most stories begin with their first commit, and do not say it.
func began(o state.Origin) []string {
	var out []string
	for _, hash := range o.Roots {
		out = append(out, short(hash))
	}
	if o.Cut {
		out = append(out, "(cut off)")
	}
	if o.Place != "" {
		out = append(out, o.Place)
	}
	return out
}

func consents(of plan.Consents) []string {
	var out []string
	for _, c := range of {
		text := strings.TrimSpace(string(c.Hazard) + " " + strings.Join(texts(c.Objects), " "))
		if !c.Until.IsZero() {
			text += " until " + v1.When(c.Until)
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return out
}

func (s *story) number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}
