package reconciler

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/observe"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/manifests/git"
	"github.com/swarm-operator/swarm-operator/test/harness"
)

// wholeProgress compares every field, however deep, so that a new field cannot be left out by mistake.
var wholeProgress = cmp.Exporter(func(reflect.Type) bool { return true })

func svc(name string) v1.Key { return v1.Key{Kind: v1.KindService, Name: name} }

// asks returns what a manifest asks for. text is its one stated leaf, which tells it from others.
func asks(name, text string) diff.State {
	return diff.State{Key: svc(name), Instance: name, Leaves: []diff.Leaf{{Path: "spec.image", Type: "spec.image", Text: text, Stated: true}}}
}

// there returns a live service whose label says that it belongs to the source.
func there(id, name string) *kinds.Live {
	return &kinds.Live{Kind: v1.KindService, ID: id, Name: name, Labels: map[string]string{v1.LabelOwner: "src/Service/" + name, v1.LabelApplied: "v1:"}}
}

func indexOf(lives ...*kinds.Live) *kinds.Index {
	return kinds.NewIndex(map[string][]*kinds.Live{v1.KindService: lives}, func(*kinds.Live) []kinds.Ref { return nil })
}

// A run thinks twice if its plan needs a swarm that was read whole. It must end where a run ends that thought once.
func TestTwoThoughtsAreAsGoodAsOne(t *testing.T) {
	lacks := func(text, name string) string {
		out := strings.Join(slices.DeleteFunc(strings.Split(text, "---\n"), func(s string) bool { return strings.Contains(s, "kind: Service\nmetadata: {name: "+name) }), "---\n")
		if out == text {
			t.Fatalf("there is no service %s", name)
		}
		return out
	}
	manifests := lacks(several, "c") // it needs something that does not exist
	r := steady(t, manifests)
	now := r.Now()
	r.Now = func() time.Time { return now }
	if err := os.WriteFile(filepath.Join(r.Source.String(), "all.yaml"), []byte(lacks(manifests, "b")), 0o600); err != nil {
		t.Fatal(err)
	}
	r.decider.Follow = true
	if _, err := r.plan(t.Context(), observe.Everything); err != nil {
		t.Fatal(err)
	}
	if err := harness.Until(t.Context(), time.Minute, func() error { // the swarm itself may write in between
		services, err := r.Engine.ServiceList(t.Context())
		for _, s := range services {
			if spec := s.Spec; spec.Name == "a" {
				spec.Labels = maps.Clone(spec.Labels)
				spec.Labels["by"] = "hand"
				_, err = r.Engine.ServiceUpdate(t.Context(), s.ID, engine.ServiceUpdate{Version: s.Version, Spec: spec})
			}
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	begin, world := r.decider.Copy(), *r.world
	think := func(scope observe.Scope) (decide.Progress, string) {
		r.decider.Progress, r.world = begin.Copy(), &world
		run, err := r.plan(t.Context(), scope)
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

// Only the first run of a new revision asks what the one before held. Later nothing that is wanted is held any more.
func TestWhatTheRevisionInForceHeldIsKnown(t *testing.T) {
	for newest, want := range map[string]bool{"new": true, "old": false} {
		r := New(Options{})
		r.previous = &loaded{commit: git.Commit{Hash: "old"}, held: map[v1.Key]string{svc("web"): "why"}}
		run := from("old", newest)
		run.Index = indexOf()
		run.Haves = []diff.State{{Meta: diff.Meta{Lost: true}}}
		if held := r.askBefore(t.Context(), run).Withheld; (held[svc("web")] != "") != want || held[svc("other")] != "" {
			t.Errorf("before %s, these are held: %v", newest, held)
		}
	}
}

// A manifest that a problem holds may say that its object stays when the manifest is gone, and that counts. If it
// says that the object may go, that does not count.
func TestAHeldManifestMayKeepItsObject(t *testing.T) {
	manifest := func(policy string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("apiVersion: swarm-operator.io/v1\nkind: Service\nmetadata: {name: web}\nspec: {image: app, replicas: three}\n" + policy)}
	}
	const protect, prune = "policy.protect: true", "policy.prune: false"
	for _, test := range []struct{ name, policy, defaults, want string }{
		{name: "nothing is stated"},
		{name: "protect", policy: "policy: {protect: true}", want: protect},
		{name: "prune", policy: "policy: {prune: false}", want: prune},
		{name: "prune, for all objects of the source", defaults: "policy: {prune: false}", want: prune},
		{name: "it may go", policy: "policy: {prune: true}"},
		{name: "protect, and it might go", policy: "policy: {protect: true, prune: true}", want: protect},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := New(Options{Path: "."})
			tree := fstest.MapFS{"a.yaml": manifest(test.policy)}
			if test.defaults != "" {
				tree[".swarm-operator.yaml"] = &fstest.MapFile{Data: []byte("defaults: {" + test.defaults + "}\n")}
			}
			l := r.load(git.Commit{Tree: tree})
			if !l.good() || l.held[svc("web")] == "" {
				t.Fatalf("it is not held: %v", l.problems)
			}
			if got := l.stays[svc("web")]; got != test.want {
				t.Errorf("it is kept for %q, want %q", got, test.want)
			}
		})
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
