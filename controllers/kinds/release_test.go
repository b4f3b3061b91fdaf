package kinds_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/test/harness"
	"github.com/swarm-operator/swarm-operator/test/small"
)

// swarmOf is a swarm with objects that carry our labels, and one that belongs to somebody else.
type swarmOf struct {
	*testing.T
	engine *engine.Client
}

func newSwarm(t *testing.T) *swarmOf {
	t.Helper()
	return &swarmOf{t, small.Engine(t, small.Swarm(t), nil)}
}

func ours(kind, name string) swarm.Annotations {
	return swarm.Annotations{Name: name, Labels: map[string]string{
		v1.LabelOwner: "src/" + kind + "/" + name, v1.LabelApplied: "v1:", v1.LabelContent: "x:y", "tier": "front",
	}}
}

func must[T any](s *swarmOf) func(T, error) T {
	return func(v T, err error) T {
		s.Helper()
		if err != nil {
			s.Fatal(err)
		}
		return v
	}
}

func (s *swarmOf) service(name, image string, mode swarm.ServiceMode) {
	s.Helper()
	spec := swarm.ServiceSpec{
		Annotations:  ours(v1.KindService, name),
		TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: image}},
		Mode:         mode,
	}
	if mode.Replicated != nil {
		spec.UpdateConfig = &swarm.UpdateConfig{Parallelism: 1, Delay: 20 * time.Second, Monitor: time.Second, FailureAction: "pause"}
	}
	must[client.ServiceCreateResult](s)(s.engine.ServiceCreate(s.Context(), spec, engine.RegistryAuth{}))
}

func (s *swarmOf) kind(name string) kinds.Kind {
	for _, k := range all.Kinds() {
		if k.Name == name {
			return k
		}
	}
	s.Fatalf("no kind %s", name)
	return kinds.Kind{}
}

func (s *swarmOf) live(kind, name string) *kinds.Live {
	s.Helper()
	for _, l := range must[[]*kinds.Live](s)(s.kind(kind).List(s.Context(), s.engine)) {
		if l.Name == name {
			return l
		}
	}
	s.Fatalf("there is no %s %s", kind, name)
	return nil
}

// eventually waits until a service is as it has to be.
func (s *swarmOf) eventually(name string, check func(*swarm.Service) error) {
	s.Helper()
	if err := harness.Until(s.Context(), 30*time.Second, func() error { return check(s.live(v1.KindService, name).Raw.(*swarm.Service)) }); err != nil {
		s.Fatal(err)
	}
}

func is(state swarm.UpdateState, after time.Time) func(*swarm.Service) error {
	return func(s *swarm.Service) error {
		if u := s.UpdateStatus; u == nil || u.State != state || !u.StartedAt.After(after) {
			return fmt.Errorf("the update of %s is %+v", s.Spec.Name, s.UpdateStatus)
		}
		return nil
	}
}

func (s *swarmOf) tasks(service string) map[string]bool {
	s.Helper()
	out := map[string]bool{}
	for _, t := range must[client.TaskListResult](s)(s.engine.TaskList(s.Context(), client.TaskListOptions{Filters: client.Filters{}.Add("service", service)})).Items {
		out[t.ID] = true
	}
	return out
}

func (s *swarmOf) release(kind, name string) (bool, string) {
	s.Helper()
	done, why, err := s.kind(kind).Release(s.Context(), s.engine, s.live(kind, name))
	if err != nil {
		s.Fatal(err)
	}
	return done, why
}

func replicated(n uint64) swarm.ServiceMode {
	return swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &n}}
}

func TestRelease(t *testing.T) {
	s := newSwarm(t)
	must[client.ConfigCreateResult](s)(s.engine.ConfigCreate(t.Context(), client.ConfigCreateOptions{Spec: swarm.ConfigSpec{Annotations: ours(v1.KindConfig, "conf"), Data: []byte("x")}}))
	must[client.SecretCreateResult](s)(s.engine.SecretCreate(t.Context(), client.SecretCreateOptions{Spec: swarm.SecretSpec{Annotations: ours(v1.KindSecret, "pass"), Data: []byte("x")}}))
	must[client.NetworkCreateResult](s)(s.engine.NetworkCreate(t.Context(), "net", client.NetworkCreateOptions{Driver: "overlay", Scope: "swarm", Labels: ours(v1.KindNetwork, "net").Labels}))
	s.service("web", "nginx:1", replicated(2))
	s.service("job", "finish:1", swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{}})
	s.eventually("job", func(*swarm.Service) error {
		if len(s.tasks("web")) != 2 || len(s.tasks("job")) != 1 {
			return fmt.Errorf("there are %d and %d tasks", len(s.tasks("web")), len(s.tasks("job")))
		}
		return nil
	})
	before := s.live(v1.KindService, "web").Raw.(*swarm.Service).Spec
	tasks := s.tasks("web")
	for _, test := range []struct {
		kind, name string
		done       bool
		why        string
	}{
		{v1.KindConfig, "conf", true, ""},
		{v1.KindSecret, "pass", true, ""},
		{v1.KindNetwork, "net", false, "cannot change a network"},
		{v1.KindService, "web", true, ""},
		{v1.KindService, "job", false, "run the job again"},
	} {
		t.Run(test.kind+" "+test.name, func(t *testing.T) {
			version := s.live(test.kind, test.name).Version
			done, why := s.release(test.kind, test.name)
			if done != test.done || !strings.Contains(why, test.why) || (why == "") != (test.why == "") {
				t.Errorf("done %t, %s", done, why)
			}
			l := s.live(test.kind, test.name)
			if test.kind == v1.KindSecret { // it still tells what it contains
				if l.Labels[v1.LabelContent] != "x:y" {
					t.Errorf("its labels are %v", l.Labels)
				}
				delete(l.Labels, v1.LabelContent)
			}
			if _, own := kinds.WithoutOwn(l.Labels); own == test.done || l.Labels["tier"] != "front" {
				t.Errorf("its labels are %v", l.Labels)
			}
			if (l.Version != version) != test.done {
				t.Errorf("its version goes from %d to %d", version, l.Version)
			}
			if !test.done {
				return
			}
			if done, why := s.release(test.kind, test.name); done || why != "" || s.live(test.kind, test.name).Version != l.Version {
				t.Errorf("once more: %t, %s", done, why)
			}
		})
	}
	after := s.live(v1.KindService, "web").Raw.(*swarm.Service).Spec
	after.Labels = before.Labels
	if d := cmp.Diff(before, after); d != "" {
		t.Errorf("more than the labels of the service has changed (-before +after):\n%s", d)
	}
	time.Sleep(500 * time.Millisecond) // one cannot wait for something not to restart, so it has half a second to happen
	if now := s.tasks("web"); fmt.Sprint(now) != fmt.Sprint(tasks) {
		t.Errorf("its tasks were %v and are %v", tasks, now)
	}
	stale := s.live(v1.KindConfig, "conf")
	old := *stale.Raw.(*swarm.Config)
	old.Version.Index--
	stale.Raw, stale.Labels = &old, ours(v1.KindConfig, "conf").Labels
	if _, _, err := s.kind(v1.KindConfig).Release(t.Context(), s.engine, stale); !engine.IsStale(err) {
		t.Errorf("of what is not as it was read: %v", err)
	}
	unknown := s.live(v1.KindService, "web")
	unknown.Labels, unknown.Unknown = ours(v1.KindService, "web").Labels, []string{"Spec.New"}
	if done, why, err := s.kind(v1.KindService).Release(t.Context(), s.engine, unknown); done || err != nil || !strings.Contains(why, "Spec.New") {
		t.Errorf("with a field that is not known: %t, %s, %v", done, why, err)
	}
	s.keepsWhatIsNewer()
}

// keepsWhatIsNewer is about a setting that the engine would drop in any write, because the client speaks an older API.
func (s *swarmOf) keepsWhatIsNewer() {
	s.Helper()
	s.Setenv("DOCKER_API_VERSION", "1.45")
	old := must[*engine.Client](s)(engine.Open(engine.Options{Host: s.engine.Host(), ConfigDir: s.TempDir()}))
	defer func() { _ = old.Close() }()
	spec := swarm.ServiceSpec{
		Annotations:  ours(v1.KindService, "newer"),
		TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: "nginx:1", OomScoreAdj: 5}},
		Mode:         replicated(0),
	}
	must[client.ServiceCreateResult](s)(s.engine.ServiceCreate(s.Context(), spec, engine.RegistryAuth{}))
	before := s.live(v1.KindService, "newer")
	done, why, err := s.kind(v1.KindService).Release(s.Context(), old, before)
	if done || err != nil || !strings.Contains(why, "spec.oomScoreAdj, which needs engine API 1.46, and this engine has 1.45") {
		s.Errorf("released by an older API: %t, %s, %v", done, why, err)
	}
	paused := *before.Raw.(*swarm.Service)
	paused.UpdateStatus = &swarm.UpdateStatus{State: swarm.UpdateStatePaused}
	done, why, err = s.kind(v1.KindService).Retry(s.Context(), old, &kinds.Live{Kind: before.Kind, Name: before.Name, Raw: &paused})
	if done || err != nil || !strings.Contains(why, "spec.oomScoreAdj") {
		s.Errorf("retried by an older API: %t, %s, %v", done, why, err)
	}
	// A hand set it since the operator looked.
	older := *before.Raw.(*swarm.Service)
	template := *older.Spec.TaskTemplate.ContainerSpec
	template.OomScoreAdj = 0
	older.Spec.TaskTemplate.ContainerSpec = &template
	older.Version.Index--
	stale := *before
	stale.Version, stale.Raw = older.Version.Index, &older
	manifest := service("newer")
	manifest.Metadata.Labels = map[string]string{"tier": "front", "new": "1"}
	manifest.Spec.Image, manifest.Spec.Replicas = "nginx:1", new(uint64)
	ix := index(&stale)
	c := compare(ix, source, manifest)[0]
	if d := cmp.Diff([]string{"~ Service/newer [newer] metadata.labels.new: (none) → 1"}, brief([]diff.Change{c})); d != "" {
		s.Fatalf("changes (-want +got):\n%s", d)
	}
	_, err = s.kind(v1.KindService).Do(s.Context(), kinds.Env{Engine: old, Source: "src", Index: ix}, plan.Step{Op: c.Op, Key: c.Key, Instance: c.Instance, Fields: c.Fields, Change: c})
	if !engine.IsStale(err) {
		s.Errorf("updated by an older API: %v", err)
	}
	if now := s.live(v1.KindService, "newer"); now.Version != before.Version {
		s.Errorf("its version goes from %d to %d", before.Version, now.Version)
	}
	if done, why := s.release(v1.KindService, "newer"); !done || why != "" || s.live(v1.KindService, "newer").Raw.(*swarm.Service).Spec.TaskTemplate.ContainerSpec.OomScoreAdj != 5 {
		s.Errorf("released by an API that knows the setting: %t, %s", done, why)
	}
}

// A paused update goes on with the tasks that are not of its spec yet when that spec is written once more. A write
// that is only about labels would do that too, so there is none.
func TestRetryOfAPausedUpdate(t *testing.T) {
	s := newSwarm(t)
	s.service("web", "nginx:1", replicated(3))
	s.eventually("web", func(*swarm.Service) error {
		if len(s.tasks("web")) != 3 {
			return fmt.Errorf("there are %d tasks", len(s.tasks("web")))
		}
		return nil
	})
	retry := func() (bool, string) {
		t.Helper()
		done, why, err := s.kind(v1.KindService).Retry(t.Context(), s.engine, s.live(v1.KindService, "web"))
		if err != nil {
			t.Fatal(err)
		}
		return done, why
	}
	if done, why := retry(); done || why != "" {
		t.Errorf("of what is not paused: %t, %s", done, why)
	}
	w := s.live(v1.KindService, "web").Raw.(*swarm.Service)
	spec := w.Spec
	template := *spec.TaskTemplate.ContainerSpec
	template.Image = "crash:1"
	spec.TaskTemplate.ContainerSpec = &template
	must[client.ServiceUpdateResult](s)(s.engine.ServiceUpdate(t.Context(), w.ID, engine.ServiceUpdate{Version: w.Version, Spec: spec}))
	s.eventually("web", is(swarm.UpdateStatePaused, time.Time{}))
	first := *s.live(v1.KindService, "web").Raw.(*swarm.Service).UpdateStatus.StartedAt
	if done, why := s.release(v1.KindService, "web"); done || !strings.Contains(why, "paused") {
		t.Errorf("released: %t, %s", done, why)
	}
	if done, why := retry(); !done || why != "" {
		t.Errorf("retried: %t, %s", done, why)
	}
	s.eventually("web", is(swarm.UpdateStatePaused, first)) // it still crashes
	if image := s.live(v1.KindService, "web").Raw.(*swarm.Service).Spec.TaskTemplate.ContainerSpec.Image; image != "crash:1" {
		t.Errorf("the image is %s", image)
	}
	s.service("job", "finish:1", swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{}})
	if done, why, err := s.kind(v1.KindService).Retry(t.Context(), s.engine, s.live(v1.KindService, "job")); done || err != nil || !strings.Contains(why, "job") {
		t.Errorf("of a job: %t, %s, %v", done, why, err)
	}
}
