package reconciler

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/apply"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/observe"
	"github.com/swarm-operator/swarm-operator/controllers/rescue"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/test/harness"
)

// wholeProgress compares every field, however deep, so that a new field cannot be left out by mistake.
var wholeProgress = cmp.Exporter(func(reflect.Type) bool { return true })

func svc(name string) v1.Key { return v1.Key{Kind: v1.KindService, Name: name} }

// asks returns what a manifest asks for. text is its one stated leaf, which tells it from others.
func asks(name, text string) *diff.State {
	return &diff.State{Key: svc(name), Instance: name, Leaves: []diff.Leaf{{Path: "spec.image", Type: "spec.image", Text: text, Stated: true}}}
}

// there returns a live service whose label says that it belongs to the source.
func there(id, name string) *kinds.Live {
	return &kinds.Live{Kind: v1.KindService, ID: id, Name: name, Labels: map[string]string{v1.LabelOwner: "src/Service/" + name, v1.LabelApplied: "v1:"}}
}

func indexOf(lives ...*kinds.Live) *kinds.Index {
	return kinds.NewIndex(map[string][]*kinds.Live{v1.KindService: lives}, func(*kinds.Live) []kinds.Ref { return nil })
}

// thinksTwice returns a reconciler whose next short run thinks twice: a manifest is gone, so that its object is to be removed.
// Only the second thought finds that somebody has changed a service by hand.
func thinksTwice(t *testing.T) *Reconciler {
	t.Helper()
	lacks := func(text, name string) string {
		out := strings.Join(slices.DeleteFunc(strings.Split(text, "---\n"), func(s string) bool { return strings.Contains(s, "kind: Service\nmetadata: {name: "+name) }), "---\n")
		if out == text {
			t.Fatalf("there is no service %s", name)
		}
		return out
	}
	manifests := lacks(several, "c") // it needs something that does not exist
	r := steady(t, manifests)
	now := r.now()
	r.now = func() time.Time { return now }
	if err := os.WriteFile(filepath.Join(r.revisions.Git.String(), "all.yaml"), []byte(lacks(manifests, "b")), 0o600); err != nil {
		t.Fatal(err)
	}
	r.decider.Follow = true
	if _, err := r.Look(t.Context(), observe.Everything); err != nil {
		t.Fatal(err)
	}
	if err := harness.Until(t.Context(), time.Minute, func() error { // the swarm itself may write in between
		services, err := r.engine.ServiceList(t.Context())
		for _, s := range services {
			if spec := s.Spec; spec.Name == "a" {
				spec.Labels = maps.Clone(spec.Labels)
				spec.Labels["by"] = "hand"
				_, err = r.engine.ServiceUpdate(t.Context(), s.ID, engine.ServiceUpdate{Version: s.Version, Spec: spec})
			}
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return r
}

// A run thinks twice if its plan needs a swarm that was read whole. It must end in the same state as a run that thinks
// once.
func TestTwoThoughtsAreAsGoodAsOne(t *testing.T) {
	r := thinksTwice(t)
	begin, world := r.decider.Copy(), *r.world
	think := func(scope observe.Scope) (decide.Progress, string) {
		r.decider.Progress, r.world = begin.Copy(), &world
		run, err := r.Look(t.Context(), scope)
		if err != nil {
			t.Fatal(err)
		}
		if !run.Whole || !run.Ends() {
			t.Fatalf("whole: %t, the plan:\n%+v", run.Whole, run.Plan)
		}
		var said []string
		for _, s := range run.Plan.Steps {
			said = append(said, s.Name()+" "+s.Cause)
		}
		for _, s := range run.Plan.Refused {
			said = append(said, s.Key.String()+" "+s.Why)
		}
		return r.decider.Copy(), strings.Join(said, "\n")
	}
	once, plan := think(observe.Everything)
	twice, again := think(observe.Scope{})
	if d := cmp.Diff(once, twice, wholeProgress); d != "" {
		t.Errorf("who has thought twice is elsewhere:\n%s", d)
	}
	if plan != again || !strings.Contains(plan, "changed by hand") {
		t.Errorf("the plans are\n%s\nand\n%s", plan, again)
	}
}

// A panic in the second thought of a run leaves nothing of either thought behind. The next run reads everything, and works
// everything out again.
func TestAPanicInTheSecondThoughtCostsOneRun(t *testing.T) {
	r := thinksTwice(t)
	thoughts, poisoned := 0, true
	var normalised sync.Map     // the names of services
	for i, k := range r.kinds { // the decider has the same list
		switch k.Name {
		case v1.KindNode:
			own := *k.Survey
			own.Survey = func(in kinds.Survey, answers []kinds.TaskAnswer) kinds.Surveyed {
				if thoughts++; poisoned && thoughts == 2 {
					panic("canary")
				}
				return k.Survey.Survey(in, answers)
			}
			r.kinds[i].Survey = &own
		case v1.KindService:
			r.kinds[i].Normalise = func(l *kinds.Live, ix *kinds.Index) v1.Object {
				normalised.Store(l.Name, true)
				return k.Normalise(l, ix)
			}
		}
	}
	begin := r.decider.Copy()
	err := rescue.Do(func() error {
		_, err := r.Look(t.Context(), observe.Scope{})
		return err
	})
	if _, is := errors.AsType[*rescue.Panic](err); !is || thoughts != 2 {
		t.Fatalf("after %d thoughts: %v", thoughts, err)
	}
	if d := cmp.Diff(begin, r.decider.Copy(), wholeProgress); d != "" {
		t.Errorf("a thought has left behind:\n%s", d)
	}
	poisoned = false
	normalised.Clear()
	run, err := r.Look(t.Context(), observe.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	if !run.Whole || len(run.Plan.Steps) == 0 {
		t.Errorf("the next run has read everything: %t, and plans %+v", run.Whole, run.Plan)
	}
	for _, name := range []string{"a", "b"} {
		if _, is := normalised.Load(name); !is {
			t.Errorf("what was known of service %s before the panic has stayed", name)
		}
	}
}

// A panic while a plan is carried out may have written anything, so the next run reads everything.
func TestAPanicWhileARunActsDropsWhatIsKnown(t *testing.T) {
	r := thinksTwice(t)
	run, err := r.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release(t.Context(), true)
	err = rescue.Do(func() error {
		_, err := r.Apply(t.Context(), run, func(apply.Event) { panic("canary") })
		return err
	})
	if _, is := errors.AsType[*rescue.Panic](err); !is {
		t.Fatalf("it says %v", err)
	}
	if run, err = r.Look(t.Context(), observe.Scope{}); err != nil || !run.Whole {
		t.Errorf("the next run has read everything: %t, %v", run.Whole, err)
	}
}

func TestARunRemembersThatAHeldManifestKeepsItsObject(t *testing.T) {
	const head = "apiVersion: swarm-operator.io/v1\nkind: Service\nmetadata: "
	r := steady(t, head+"{name: other}\nspec: {image: app, replicas: 0}\n---\n"+head+"{name: web}\nspec: {image: app, replicas: three}\npolicy: {protect: true}\n")
	run, err := r.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := run.Found.Memory.Keep[svc("web")]; got != "policy.protect: true" || len(run.Found.Memory.Keep) != 1 {
		t.Errorf("on record is %v", run.Found.Memory.Keep)
	}
}
