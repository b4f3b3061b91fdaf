package decide

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Nothing is done to a swarm that may not be the one that the memory is about. A memory that is older than one seen
// before counts only if a person confirmed it. A run that is paused moves nothing of what the process has seen.
func TestASwarmThatIsNotTheOneItWas(t *testing.T) {
	const older, forced, gone, lost = "is older than the one seen before", "as after --force-new-cluster", "a third or more is gone", "its memory is gone"
	confirmed := noon.Add(time.Hour)
	for name, c := range map[string]struct {
		sequence, seen  uint64
		resumed         time.Time // of the memory; the process has seen one that nobody confirmed
		labelled        bool
		nodes, managers [2]int // on record, and found
		why             string
	}{
		"a new source":                    {},
		"labels, and no memory":           {labelled: true, why: lost},
		"labels and a memory":             {sequence: 1, labelled: true},
		"the memory that was seen":        {sequence: 5, seen: 5},
		"a newer one":                     {sequence: 6, seen: 5},
		"an older one":                    {sequence: 4, seen: 5, why: older},
		"an older one, confirmed":         {sequence: 4, seen: 5, resumed: confirmed},
		"none, and there was one":         {seen: 5, why: older},
		"three managers became one":       {sequence: 1, managers: [2]int{3, 1}, why: forced},
		"five managers became one":        {sequence: 1, managers: [2]int{5, 1}, why: forced},
		"two managers became one":         {sequence: 1, managers: [2]int{2, 1}},
		"three managers became two":       {sequence: 1, managers: [2]int{3, 2}},
		"one manager, as before":          {sequence: 1, managers: [2]int{1, 1}},
		"one of three nodes is gone":      {sequence: 1, nodes: [2]int{3, 2}, why: gone},
		"one of four":                     {sequence: 1, nodes: [2]int{4, 3}},
		"three of ten":                    {sequence: 1, nodes: [2]int{10, 7}},
		"four of ten":                     {sequence: 1, nodes: [2]int{10, 6}, why: gone},
		"the only one":                    {sequence: 1, nodes: [2]int{1, 0}, why: gone},
		"there are more":                  {sequence: 1, nodes: [2]int{3, 9}},
		"the numbers are not on record":   {sequence: 1, nodes: [2]int{0, 3}, managers: [2]int{0, 1}},
		"older, and nodes are gone, said": {sequence: 4, seen: 5, resumed: confirmed, nodes: [2]int{9, 3}, why: gone},
	} {
		t.Run(name, func(t *testing.T) {
			d, run := New(Policy{}), about(nil, state.Memory{Resumed: c.resumed, Census: state.Census{Size: state.Size{Nodes: c.nodes[0], Managers: c.managers[0]}}})
			before := newest{sequence: c.seen}
			d.newest, run.Found.Sequence, run.About = before, c.sequence, kinds.About{Nodes: c.nodes[1], Managers: c.managers[1]}
			why := d.whyPaused(run, c.labelled)
			if !strings.Contains(why, c.why) || (why == "") != (c.why == "") {
				t.Errorf("it says %q, want %q", why, c.why)
			}
			after := before
			if c.why == "" && c.sequence > 0 {
				after = newest{c.sequence, c.resumed}
			}
			if d.newest != after {
				t.Errorf("seen was %+v, want %+v", d.newest, after)
			}
		})
	}
}

// The memory has the highest numbers of nodes and managers, less those that the operator takes away itself. If numbers
// fall otherwise, that alone is no reason to write.
func TestTheNumbersOfNodesOnRecord(t *testing.T) {
	node := v1.Key{Kind: v1.KindNode, Name: "b"}
	removes, demotes := plan.Step{Op: diff.Remove, Key: node}, plan.Step{Op: diff.Update, Key: node, Origin: plan.OriginDemotes}
	for name, c := range map[string]struct {
		nodes, managers int // that there are, where 5 and 3 are on record
		steps           []plan.Step
		short           bool // the run has not read everything
		writes          bool // the memory is written anyway
		want            [2]int
	}{
		"as on record":                   {nodes: 5, managers: 3, want: [2]int{5, 3}},
		"one node more":                  {nodes: 6, managers: 3, want: [2]int{6, 3}},
		"one manager more":               {nodes: 5, managers: 4, want: [2]int{5, 4}},
		"a node more, a manager less":    {nodes: 6, managers: 2, want: [2]int{6, 2}},
		"fewer":                          {nodes: 4, managers: 2, want: [2]int{5, 3}},
		"fewer, and it is written":       {nodes: 4, managers: 2, writes: true, want: [2]int{4, 2}},
		"more, in a short run":           {nodes: 9, managers: 9, short: true, want: [2]int{5, 3}},
		"one is removed":                 {nodes: 5, managers: 3, steps: []plan.Step{removes}, want: [2]int{4, 3}},
		"two are removed":                {nodes: 5, managers: 3, steps: []plan.Step{removes, removes}, want: [2]int{3, 3}},
		"one is demoted":                 {nodes: 5, managers: 3, steps: []plan.Step{demotes}, want: [2]int{5, 2}},
		"both, and one was gone already": {nodes: 4, managers: 3, steps: []plan.Step{removes, demotes}, want: [2]int{3, 2}},
		"one is promoted":                {nodes: 5, managers: 3, steps: []plan.Step{{Op: diff.Update, Key: node, Origin: plan.OriginPromotes}}, want: [2]int{5, 3}},
		"a service is removed":           {nodes: 4, managers: 3, steps: []plan.Step{{Op: diff.Remove, Key: svc("web")}}, want: [2]int{5, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			m := state.Memory{Source: "src", Salt: []byte("key"), Census: state.Census{Size: state.Size{Nodes: 5, Managers: 3}}}
			run := about(nil, m)
			found, err := state.FoundAs(m, 1)
			if err != nil {
				t.Fatal(err)
			}
			run.Found, run.Whole, run.About, run.Plan.Steps = found, !c.short, kinds.About{Nodes: c.nodes, Managers: c.managers}, c.steps
			if c.writes {
				run.Memory.Owned++
			}
			if New(Policy{}).census(run); run.Memory.Nodes != c.want[0] || run.Memory.Managers != c.want[1] {
				t.Errorf("on record are %d nodes and %d managers, want %v", run.Memory.Nodes, run.Memory.Managers, c.want)
			}
		})
	}
}

// Whoever gave an object up can take it back as long as there is something to take back. What could not be listed may be there
// as before.
func TestWhatIsLeftOfWhatWasGivenUp(t *testing.T) {
	data := v1.Key{Kind: v1.KindVolume, Name: "data"}
	live := &kinds.Live{Kind: v1.KindVolume, ID: "1", Name: "data"}
	const there, stated, labelled, unlisted, taken = 1, 2, 4, 8, 16
	for name, c := range map[string]struct {
		is                 int
		released, recorded bool
	}{
		"it has a manifest":                      {there | stated, true, true},
		"it has a label":                         {there | labelled, true, true},
		"it has neither":                         {there, false, false},
		"it is gone":                             {stated, true, false},
		"it is gone, and so is its manifest":     {0, false, false},
		"another source has it":                  {there | stated | taken, true, false},
		"nobody can list it":                     {unlisted, true, true},
		"nobody can list it, and it is stated":   {unlisted | stated, true, true},
		"nobody can list it, and another has it": {unlisted | taken, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			is := func(what int) bool { return c.is&what != 0 }
			lists := map[string][]*kinds.Live{}
			if is(there) {
				lists[v1.KindVolume] = []*kinds.Live{live}
			}
			run := about(kinds.NewIndex(lists, func(*kinds.Live) []kinds.Ref { return nil }), state.Memory{Made: map[string]v1.Key{"1": data, "2": svc("web")}, Released: []v1.Key{data}})
			if is(stated) && !is(unlisted) {
				run.Wanted[data] = &diff.State{Key: data}
			}
			if is(labelled) {
				run.Haves = []*diff.State{{Key: data, Instance: "data", Meta: diff.Meta{ID: "1", Mine: true, Title: diff.TitleCopied}, Value: live}}
			}
			if is(unlisted) {
				run.Unlisted = map[string]error{v1.KindVolume: errors.New("denied")}
			}
			if is(taken) {
				run.Others = map[string]string{"1": "storage"}
			}
			run.holdUnlisted()
			release(run)
			if _, recorded := run.Memory.Made["1"]; run.Memory.GaveUp(data) != c.released || recorded != c.recorded {
				t.Errorf("it is released: %t, want %t, and on record: %t, want %t", run.Memory.GaveUp(data), c.released, recorded, c.recorded)
			}
			if run.Memory.Made["2"] != svc("web") {
				t.Errorf("what nobody gave up is not on record: %v", run.Memory.Made)
			}
		})
	}
}

// No event tells when a role or a root has changed, or when a node may be written to at last. So the next run lists
// the objects that this one waits for, and no others.
func TestWhatTheNextRunHasToList(t *testing.T) {
	nodes, both := []string{v1.KindNode}, []string{v1.KindNode, v1.KindCluster}
	node, web := v1.Key{Kind: v1.KindNode, Name: "b"}, svc("web")
	later := func(key v1.Key) plan.Refusal { return plan.Refusal{Op: diff.Update, Key: key, Class: plan.Later} }
	quiet, timed := later(node), later(node)
	quiet.Quiet, timed.Until = true, noon
	for name, c := range map[string]struct {
		nodes   *kinds.Nodes
		steps   []plan.Step
		refused []plan.Refusal
		want    []string
	}{
		"nothing is known of nodes":          {},
		"nothing moves":                      {nodes: &kinds.Nodes{Members: 3}},
		"a root is replaced":                 {nodes: &kinds.Nodes{Rotating: true}, want: both},
		"a root is replaced, and more":       {nodes: &kinds.Nodes{Rotating: true, Demoted: true}, steps: []plan.Step{{Key: node}}, want: both},
		"its own node becomes a worker":      {nodes: &kinds.Nodes{Demoted: true}, want: nodes},
		"a step on a node":                   {steps: []plan.Step{{Key: web}, {Key: node}}, want: nodes},
		"a step on a service":                {steps: []plan.Step{{Key: web}}},
		"a node waits":                       {refused: []plan.Refusal{later(web), later(node)}, want: nodes},
		"a node waits until a time":          {refused: []plan.Refusal{timed}},
		"a node waits, which is only said":   {refused: []plan.Refusal{quiet}},
		"a node waits for a person":          {refused: []plan.Refusal{{Key: node, Class: plan.Never}, {Key: node, Class: plan.Consent}}},
		"a service waits":                    {refused: []plan.Refusal{later(web)}},
		"the managers wait":                  {refused: []plan.Refusal{later(theCluster).Bearing(plan.OfRoles)}, want: nodes},
		"another setting of the Cluster":     {refused: []plan.Refusal{later(theCluster)}},
		"a rotation of a token has its turn": {refused: []plan.Refusal{later(theCluster).Bearing(plan.OfRotation)}},
	} {
		t.Run(name, func(t *testing.T) {
			run := &Decision{}
			run.Surveyed.Nodes, run.Plan.Steps, run.Plan.Refused = c.nodes, c.steps, c.refused
			if got := run.Moving(); !slices.Equal(got, c.want) {
				t.Errorf("it lists %q, want %q", got, c.want)
			}
		})
	}
}

// A revision is about what it wants, what it would remove and what it has a problem with. Whoever looks for one object
// need not see the rest.
// While part of the memory cannot be read, nothing is done, whatever else is known. The pause names the config and what to do.
func TestDamageOfTheMemoryPauses(t *testing.T) {
	for name, c := range map[string]struct {
		found    state.Found
		labelled bool
		says     []string
	}{
		"a newer one":             {state.Found{Sequence: 5, Damaged: []state.Damaged{{Name: "swarm-operator.src.7", Why: "it is cut off"}}}, true, []string{"swarm-operator.src.7 (it is cut off)", "can be read is swarm-operator.src.5", "docker config rm"}},
		"a shard":                 {state.Found{Sequence: 9, Damaged: []state.Damaged{{Name: "swarm-operator-shard.ab", Why: "x"}}}, true, []string{"swarm-operator-shard.ab (x)"}},
		"all of it":               {state.Found{Damaged: []state.Damaged{{Name: "swarm-operator.src.7", Why: "x"}}}, true, []string{"counts as lost"}},
		"before anything is made": {state.Found{Damaged: []state.Damaged{{Name: "swarm-operator.src.7", Why: "x"}}}, false, []string{"swarm-operator.src.7"}},
		"many":                    {state.Found{Sequence: 5, Damaged: make([]state.Damaged, 5)}, true, []string{"2 more"}},
	} {
		t.Run(name, func(t *testing.T) {
			d, run := New(Policy{}), about(nil, state.Memory{})
			before := newest{sequence: 5}
			run.Source, run.Found, d.newest = "src", c.found, before
			why := d.whyPaused(run, c.labelled)
			for _, text := range c.says {
				if !strings.Contains(why, text) {
					t.Errorf("%q does not say %q", why, text)
				}
			}
			if why == "" || d.newest != before {
				t.Errorf("it says %q, and the newest seen is %+v", why, d.newest)
			}
		})
	}
}

func TestWhatARevisionIsAbout(t *testing.T) {
	run := about(nil, state.Memory{})
	run.Wanted = map[v1.Key]*diff.State{svc("a"): {}, svc("b"): {}}
	run.Changes = []diff.Change{{Op: diff.Remove, Key: svc("c")}, {Op: diff.Update, Key: svc("a")}}
	run.Held = map[v1.Key]plan.Problem{svc("d"): {}}
	found := slices.SortedFunc(run.Keys(), v1.Key.Compare)
	if want := []v1.Key{svc("a"), svc("b"), svc("c"), svc("d")}; !slices.Equal(slices.Compact(found), want) {
		t.Errorf("it is about %v, want %v", found, want)
	}
	for most := range len(found) {
		seen := 0
		for range run.Keys() {
			if seen++; seen > most {
				break
			}
		}
		if seen != most+1 {
			t.Errorf("after %d objects it was asked for no more, and gave %d", most+1, seen)
		}
	}
}
