package reconciler

import (
	"testing"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/redact"
)

func specOf(mode string) swarm.ServiceSpec {
	return swarm.ServiceSpec{
		Annotations:  swarm.Annotations{Name: "web", Labels: map[string]string{"mode": mode + " label"}},
		TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: "app:1", Env: []string{"MODE=" + mode + " value"}, Args: []string{"serve", mode + "-word"}}},
	}
}

// Tasks of the spec before may fail late, and say what was in it.
func TestTextsOfThePreviousSpecAreKnown(t *testing.T) {
	before := specOf("earlier")
	live := &kinds.Live{Kind: v1.KindService, Name: "web", ID: "id", Raw: &swarm.Service{ID: "id", Spec: specOf("present"), PreviousSpec: &before}}
	ix := kinds.NewIndex(map[string][]*kinds.Live{v1.KindService: {live}}, func(*kinds.Live) []kinds.Ref { return nil })
	run := &decide.Decision{}
	run.Index, run.Whole = ix, true
	run.Haves = []*diff.State{{Key: v1.Key{Kind: v1.KindService, Name: "web"}, Instance: "web", Meta: diff.Meta{ID: "id", Mine: true}}}
	service, _ := all.Kinds().Get(v1.KindService)
	teach, said := redact.NewKnown(), redact.NewKnown()
	Teacher(teach, all.Kinds())(run)
	Learner(said)(service, live, ix)
	for name, known := range map[string]*redact.Known{"a run": teach, "the swarm alone": said} {
		for _, text := range []string{"earlier value", "earlier label", "earlier-word", "present value", "present label", "present-word"} {
			for _, reader := range []redact.Reader{redact.Git, redact.Anybody} {
				if got := known.Text("exec "+text+" of app:1", reader); got != "exec (hidden) of app:1" {
					t.Errorf("%s: reader %d sees %q", name, reader, got)
				}
			}
		}
	}
	run.Entries = []kinds.Entry{{Object: &v1.Service{Header: v1.Header{Kind: v1.KindService, Metadata: v1.Metadata{Name: "web"}}, Spec: v1.ServiceSpec{Image: "app:1", Environment: v1.Environment{"MODE": "earlier value"}}}}}
	Teacher(teach, all.Kinds())(run)
	if git, anybody := teach.Text("earlier value", redact.Git), teach.Text("earlier value", redact.Anybody); git != "earlier value" || anybody != redact.Hidden {
		t.Errorf("what git states again is %q and %q", git, anybody)
	}
	run.Entries, run.Haves = nil, nil
	Teacher(teach, all.Kinds())(run)
	for _, text := range []string{"earlier value", "present value", "present label", "present-word"} {
		if got := teach.Text("exec "+text+" failed", redact.Anybody); got != "exec (hidden) failed" {
			t.Errorf("after it has left git and the swarm, everybody sees %q", got)
		}
	}
}

// What a live object has in common with its manifest is learnt of the manifest alone, so it must be learnt again when
// the manifest changes or goes, because the object still has it.
func TestTextsThatLeaveGitAreKnownAsLongAsTheyLive(t *testing.T) {
	live := &kinds.Live{Kind: v1.KindService, Name: "web", ID: "id", Raw: &swarm.Service{ID: "id", Spec: specOf("present")}}
	ix := kinds.NewIndex(map[string][]*kinds.Live{v1.KindService: {live}}, func(*kinds.Live) []kinds.Ref { return nil })
	service, _ := all.Kinds().Get(v1.KindService)
	key := v1.Key{Kind: v1.KindService, Name: "web"}
	stating := func(mode string) *decide.Decision {
		run := &decide.Decision{}
		run.Index, run.Whole = ix, true
		run.Haves = []*diff.State{{Key: key, Instance: "web", Meta: diff.Meta{ID: "id", Mine: true}}}
		if mode == "" {
			return run
		}
		spec := specOf(mode)
		want := service.Normalise(&kinds.Live{Kind: v1.KindService, Name: "web", Raw: &swarm.Service{Spec: spec}}, ix)
		run.Entries = []kinds.Entry{{Object: want}}
		return run
	}
	known := redact.NewKnown()
	teach := Teacher(known, all.Kinds())
	for _, mode := range []string{"present", "later", "present", ""} {
		teach(stating(mode))
		for _, text := range []string{"present value", "present label", "present-word"} {
			if got := known.Text("exec "+text, redact.Anybody); got != "exec "+redact.Hidden {
				t.Errorf("while git has %q, anybody sees %q", mode, got)
			}
			want := "exec " + redact.Hidden
			if mode == "present" {
				want = "exec " + text
			}
			if got := known.Text("exec "+text, redact.Git); got != want {
				t.Errorf("while git has %q, its reader sees %q, want %q", mode, got, want)
			}
		}
	}
}
