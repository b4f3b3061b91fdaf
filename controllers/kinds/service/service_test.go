package service

import (
	"cmp"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/test/generate"
)

func TestANewServiceStatesWhatTheManifestStates(t *testing.T) {
	manifest := natural("web", "front")
	manifest.Metadata.Labels = map[string]string{"tier": "front"}
	sent := createdFrom(t, manifest)
	want := &swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: "web", Labels: map[string]string{
			"tier": "front", v1.LabelOwner: "src/Service/web", v1.LabelApplied: diff.NewApplied(wantOf(manifest).Leaves).String(),
		}},
		Mode: swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: ptr(uint64(3))}},
		TaskTemplate: swarm.TaskSpec{
			ContainerSpec: &swarm.ContainerSpec{
				Image: "nginx:1.27", Env: []string{"LOG_LEVEL=info", "ZONE=a"},
				Configs: []*swarm.ConfigReference{{ConfigID: "Config-id-conf", ConfigName: "conf", File: &swarm.ConfigReferenceFileTarget{Name: "/conf", UID: "0", GID: "0", Mode: 0o444}}},
				Secrets: []*swarm.SecretReference{{SecretID: "Secret-id-key", SecretName: "key", File: &swarm.SecretReferenceFileTarget{Name: "key", UID: "0", GID: "0", Mode: 0o444}}},
			},
			Networks: []swarm.NetworkAttachmentConfig{{Target: "Network-id-front"}},
		},
		EndpointSpec: &swarm.EndpointSpec{Mode: "vip", Ports: []swarm.PortConfig{{TargetPort: 80, PublishedPort: 8080, Protocol: "tcp", PublishMode: "ingress"}}},
	}
	if !reflect.DeepEqual(sent, want) {
		t.Errorf("got %s\nwant %s", pretty(sent), pretty(want))
	}
}

func TestEachModeIsMade(t *testing.T) {
	n := uint64(3)
	for mode, want := range map[string]swarm.ServiceMode{
		"":                   {Replicated: &swarm.ReplicatedService{Replicas: &n}},
		v1.ModeReplicated:    {Replicated: &swarm.ReplicatedService{Replicas: &n}},
		v1.ModeGlobal:        {Global: &swarm.GlobalService{}},
		v1.ModeReplicatedJob: {ReplicatedJob: &swarm.ReplicatedJob{MaxConcurrent: &n, TotalCompletions: &n}},
		v1.ModeGlobalJob:     {GlobalJob: &swarm.GlobalJob{}},
	} {
		manifest := plainly()
		manifest.Spec.Mode = mode
		if mode != v1.ModeGlobal && mode != v1.ModeGlobalJob {
			manifest.Spec.Replicas = &n
		}
		if got := createdFrom(t, manifest).Mode; !reflect.DeepEqual(got, want) {
			t.Errorf("mode %q: got %s, want %s", mode, pretty(got), pretty(want))
		}
	}
}

// A job completes once if the manifest does not say how often, however many tasks may run at once.
func TestAJobCompletesOnceUnlessTheManifestSaysMore(t *testing.T) {
	for _, test := range []struct{ stated, most, completions *uint64 }{
		{nil, nil, ptr(uint64(1))}, {nil, ptr(uint64(3)), ptr(uint64(1))}, {ptr(uint64(6)), ptr(uint64(3)), ptr(uint64(6))}, {ptr(uint64(6)), nil, ptr(uint64(6))},
	} {
		manifest := plainly()
		manifest.Spec.Mode, manifest.Spec.Replicas, manifest.Spec.MaxConcurrent = v1.ModeReplicatedJob, test.stated, test.most
		live := returned(t, createdFrom(t, manifest))
		want := swarm.ReplicatedJob{TotalCompletions: test.completions, MaxConcurrent: cmp.Or(test.most, test.stated, ptr(uint64(1)))}
		if got := live.Mode.ReplicatedJob; !reflect.DeepEqual(*got, want) {
			t.Errorf("it is made as %s, want %s", pretty(got), pretty(want))
		}
		noDifference(t, live, wantOf(manifest))
	}
}

func TestUnstatedReplicasAreLeftToTheEngine(t *testing.T) {
	if got := createdFrom(t, plainly()).Mode; got.Replicated == nil || got.Replicated.Replicas != nil {
		t.Errorf("got %s", pretty(got))
	}
}

func TestAnUpdateAlwaysStatesAMode(t *testing.T) {
	live, manifest := plain(), plainly()
	live.Mode, manifest.Spec.User = swarm.ServiceMode{}, "u"
	sent, _ := updated(t, live, wantOf(manifest))
	if sent.Mode.Replicated == nil {
		t.Errorf("the mode is %s", pretty(sent.Mode))
	}
}

func TestAGroupThatIsMadeHasOnlyWhatDiffersInIt(t *testing.T) {
	live, manifest := plain(), plainly()
	manifest.Spec.UpdateConfig = &v1.UpdateConfig{Order: "start-first"}
	manifest.Spec.RollbackConfig = &v1.UpdateConfig{Delay: v1.Duration(time.Second)}
	manifest.Spec.RestartPolicy = &v1.RestartPolicy{MaxAttempts: 3}
	sent, _ := updated(t, live, wantOf(manifest))
	if want := (&swarm.UpdateConfig{Parallelism: 1, Order: "start-first"}); !reflect.DeepEqual(sent.UpdateConfig, want) {
		t.Errorf("update config: %s, want %s", pretty(sent.UpdateConfig), pretty(want))
	}
	if want := (&swarm.UpdateConfig{Parallelism: 1, Delay: time.Second}); !reflect.DeepEqual(sent.RollbackConfig, want) {
		t.Errorf("rollback config: %s, want %s", pretty(sent.RollbackConfig), pretty(want))
	}
	if want := (&swarm.RestartPolicy{MaxAttempts: ptr(uint64(3))}); !reflect.DeepEqual(sent.TaskTemplate.RestartPolicy, want) {
		t.Errorf("restart policy: %s, want %s", pretty(sent.TaskTemplate.RestartPolicy), pretty(want))
	}
	noDifference(t, returned(t, sent), wantOf(manifest))
}

func TestANewImageDropsTheOldOnesPlatforms(t *testing.T) {
	live, manifest := plain(), plainly()
	live.TaskTemplate.ContainerSpec.Image = "bb:1@" + generate.Digest
	live.TaskTemplate.Placement = &swarm.Placement{Platforms: []swarm.Platform{{Architecture: "arm64", OS: "linux"}}}
	manifest.Spec.Image = "bb:2"
	sent, _ := updated(t, live, wantOf(manifest))
	if got := sent.TaskTemplate.ContainerSpec.Image; got != "bb:2" {
		t.Errorf("the image is %s", got)
	}
	if got := sent.TaskTemplate.Placement.Platforms; got != nil {
		t.Errorf("the platforms are %v", got)
	}
}

func TestPlatformsThatGitTookAwayGo(t *testing.T) {
	stated, silent := plainly(), plainly()
	stated.Spec.Placement = &v1.Placement{Platforms: []v1.TaskPlatform{{OS: "linux", Architecture: "arm64"}}}
	live := returned(t, createdFrom(t, stated))
	if same, _, _ := alike(live, silent); same {
		t.Error("the short cut sees no difference")
	}
	sent, fields := updated(t, live, wantOf(silent))
	if len(fields) != 1 || fields[0].Path != "spec.placement.platforms" || !fields[0].Git || sent.TaskTemplate.Placement.Platforms != nil {
		t.Fatalf("what differs is %s, and the platforms are %v", listed(fields), sent.TaskTemplate.Placement)
	}
	after := returned(t, sent)
	noDifference(t, after, wantOf(silent))
	after.TaskTemplate.Placement.Platforms = []swarm.Platform{{OS: "linux", Architecture: "amd64"}} // as the registry says
	noDifference(t, after, wantOf(silent))
}

// An element that occurs twice goes with one write.
func TestAnElementThatOccursTwiceIsRemovedOnce(t *testing.T) {
	secret := func(file string) *swarm.SecretReference {
		return &swarm.SecretReference{SecretID: "Secret-id-x", SecretName: "x", File: &swarm.SecretReferenceFileTarget{Name: file, UID: "0", GID: "0", Mode: 0o444}}
	}
	live, manifest := plain(), plainly()
	live.TaskTemplate.Networks = []swarm.NetworkAttachmentConfig{{Target: "Network-id-b"}, {Target: "Network-id-a", Aliases: []string{"y"}}, {Target: "Network-id-a"}, {Target: "Network-id-a"}}
	live.TaskTemplate.ContainerSpec.Secrets = []*swarm.SecretReference{secret("x"), secret("/run/secrets/x")}
	live.TaskTemplate.Resources = &swarm.ResourceRequirements{Reservations: &swarm.Resources{GenericResources: []swarm.GenericResource{
		{DiscreteResourceSpec: &swarm.DiscreteGenericResource{Kind: "gpu", Value: 2}}, {DiscreteResourceSpec: &swarm.DiscreteGenericResource{Kind: "gpu", Value: 1}},
	}}}
	manifest.Spec.Networks = []v1.NetworkAttachment{{Name: "a", Aliases: []string{"y"}}, {Name: "b"}}
	manifest.Spec.Secrets = []v1.SecretMount{{Source: "x"}}
	manifest.Spec.Resources = &v1.Resources{Reservations: v1.Reservations{GenericResources: []v1.GenericResource{{DiscreteResourceSpec: v1.DiscreteResource{Kind: "gpu", Value: 2}}}}}
	sent, _ := updated(t, live, wantOf(manifest))
	if got, want := sent.TaskTemplate.Networks, live.TaskTemplate.Networks[:2]; !reflect.DeepEqual(got, want) {
		t.Errorf("the networks are %v, want %v", got, want)
	}
	if got := sent.TaskTemplate.ContainerSpec.Secrets; len(got) != 1 || got[0].File.Name != "x" {
		t.Errorf("the secrets are %s", pretty(got))
	}
	if got := sent.TaskTemplate.Resources.Reservations.GenericResources; len(got) != 1 || got[0].DiscreteResourceSpec.Value != 2 {
		t.Errorf("the resources are %s", pretty(got))
	}
	noDifference(t, returned(t, sent), wantOf(manifest))
}

func TestListsKeepTheirLiveOrder(t *testing.T) {
	live, manifest := plain(), plainly()
	c := live.TaskTemplate.ContainerSpec
	c.Env = []string{"Z=1", "M=2", "A=3", "GONE=4"}
	live.TaskTemplate.Networks = []swarm.NetworkAttachmentConfig{{Target: "Network-id-z"}, {Target: "Network-id-gone"}, {Target: "Network-id-a"}}
	manifest.Spec.Environment = v1.Environment{"A": "3", "M": "new", "Z": "1", "Y": "6", "B": "5"}
	manifest.Spec.Networks = []v1.NetworkAttachment{{Name: "a"}, {Name: "m"}, {Name: "z"}}
	sent, _ := updated(t, live, wantOf(manifest))
	if got, want := sent.TaskTemplate.ContainerSpec.Env, []string{"Z=1", "M=new", "A=3", "B=5", "Y=6"}; !reflect.DeepEqual(got, want) {
		t.Errorf("the environment is %v, want %v", got, want)
	}
	want := []swarm.NetworkAttachmentConfig{{Target: "Network-id-z"}, {Target: "Network-id-a"}, {Target: "Network-id-m"}}
	if got := sent.TaskTemplate.Networks; !reflect.DeepEqual(got, want) {
		t.Errorf("the networks are %v, want %v", got, want)
	}
}

func TestWhatIsReadIsNeverChanged(t *testing.T) {
	live := everything()
	before := pretty(live)
	updated(t, live, wantOf(otherwise()))
	if after := pretty(live); after != before {
		t.Errorf("the live spec was changed: %s", after)
	}
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	want := wantOf(natural("web", "front"))
	_, err := fresh(want, "owner", directory{}, func(kind, name string) (string, error) {
		return "", errMissing(kind + "/" + name)
	})
	if err == nil {
		t.Fatal("no error")
	}
}

type errMissing string

func (e errMissing) Error() string { return string(e) + " does not exist" }

func TestUsesNamesWhatARollbackNeedsToo(t *testing.T) {
	l := liveOf(everything())
	previous := everything()
	previous.TaskTemplate.ContainerSpec.Configs[0].ConfigID = "Config-id-old"
	previous.TaskTemplate.ContainerSpec.Secrets[0].SecretID = "Secret-id-old"
	previous.TaskTemplate.Networks[0].Target = "Network-id-old"
	raw(l).PreviousSpec = previous
	got := map[kinds.Ref]bool{}
	for _, r := range uses(l) {
		got[r] = true
	}
	want := map[kinds.Ref]bool{
		{Kind: "Config", ID: "Config-id-c"}: true, {Kind: "Secret", ID: "Secret-id-s"}: true, {Kind: "Network", ID: "Network-id-front"}: true,
		{Kind: "Config", ID: "Config-id-old"}: true, {Kind: "Secret", ID: "Secret-id-old"}: true, {Kind: "Network", ID: "Network-id-old"}: true,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A service that publishes a port through the routing mesh has an address in the network of that.
func TestAServiceUsesTheRoutingMesh(t *testing.T) {
	l := liveOf(plain())
	s := raw(l)
	s.Endpoint.VirtualIPs = []swarm.EndpointVirtualIP{{NetworkID: "mesh"}}
	mesh := kinds.Ref{Kind: v1.KindNetwork, ID: "mesh"}
	for mode, want := range map[swarm.PortConfigPublishMode]bool{"": false, swarm.PortConfigPublishModeHost: false, swarm.PortConfigPublishModeIngress: true} {
		if s.Spec.EndpointSpec = nil; mode != "" {
			s.Spec.EndpointSpec = &swarm.EndpointSpec{Ports: []swarm.PortConfig{{TargetPort: 80, PublishMode: mode}}}
		}
		if got := slices.Contains(uses(l), mesh); got != want {
			t.Errorf("published %q, it uses the mesh: %t", mode, got)
		}
	}
}

// A service whose tasks are plugins is nothing that a manifest asks for. To become one, it is made again with containers.
func TestAServiceOfPlugins(t *testing.T) {
	spec := plain()
	spec.Mode = swarm.ServiceMode{Global: &swarm.GlobalService{}}
	spec.TaskTemplate.Runtime, spec.TaskTemplate.ContainerSpec = swarm.RuntimePlugin, nil
	spec.TaskTemplate.PluginSpec = &swarm.RuntimeSpec{Name: "p", Remote: "p:1"}
	fields := diff.DifferingFields(haveOf(spec), wantOf(plainly()), rules)
	if i := slices.IndexFunc(fields, func(f diff.Field) bool { return f.Path == "spec.mode" }); i < 0 || fields[i].Effect != diff.Recreate || fields[i].Have.Reveal() != "plugin" {
		t.Errorf("it differs in\n%s", listed(fields))
	}
	sent := madeAgain(t, spec, plainly())
	if sent.TaskTemplate.PluginSpec != nil || sent.TaskTemplate.Runtime != "" || sent.TaskTemplate.ContainerSpec == nil || sent.Mode.Replicated == nil {
		t.Errorf("it becomes %s", pretty(sent))
	}
	noDifference(t, sent, wantOf(plainly()))
}

var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestObserve(t *testing.T) {
	failed := plainly()
	failed.Spec.Image = "bb:broken"
	other := plainly()
	other.Spec.Image = "bb:other"
	tests := []struct {
		name     string
		status   *swarm.UpdateStatus
		previous *v1.Service
		want     plan.Rollout
	}{
		{name: "never updated"},
		{name: "completed", status: &swarm.UpdateStatus{State: "completed", StartedAt: &began, Message: "update completed"}, previous: failed, want: plan.Rollout{State: "completed", Began: began, Message: "update completed"}},
		{name: "paused", status: &swarm.UpdateStatus{State: "paused", StartedAt: &began}, previous: failed, want: plan.Rollout{State: "paused", Began: began}},
		{name: "rolled back by the engine, which leaves no trace", status: &swarm.UpdateStatus{State: "rollback_completed", StartedAt: &began}, want: plan.Rollout{State: "rollback_completed", Began: began}},
		{name: "rolled back by hand from the want", status: &swarm.UpdateStatus{State: "rollback_started", StartedAt: &began}, previous: failed, want: plan.Rollout{State: "rollback_started", Began: began, Left: plan.Matches}},
		{name: "rolled back by hand from something else", status: &swarm.UpdateStatus{State: "rollback_paused", StartedAt: &began}, previous: other, want: plan.Rollout{State: "rollback_paused", Began: began, Left: plan.Differs}},
		{name: "no time", status: &swarm.UpdateStatus{State: "updating"}, want: plan.Rollout{State: "updating"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := liveOf(plain())
			raw(l).UpdateStatus = test.status
			if test.previous != nil {
				raw(l).PreviousSpec = returned(t, createdFrom(t, test.previous))
			}
			if got := observe(l, index(), wantOf(failed)); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestWhatTheFailedTasksSayOfARollback(t *testing.T) {
	want := plainly()
	want.Spec.Image = "bb:broken"
	want.Spec.Ports = []v1.Port{{Target: 80, Published: 8080}} // ports are not in a task's spec
	task := func(state swarm.TaskState, after time.Duration, image, err string) swarm.Task {
		spec := plain().TaskTemplate
		c := *spec.ContainerSpec
		c.Image, spec.ContainerSpec = image, &c
		return swarm.Task{Meta: swarm.Meta{CreatedAt: began.Add(after)}, Spec: spec, Status: swarm.TaskStatus{State: state, Err: err}}
	}
	inForce := plain().TaskTemplate.ContainerSpec.Image
	tests := []struct {
		name  string
		tasks []swarm.Task
		left  plan.Match
		said  string
	}{
		{name: "no task"},
		{name: "none failed", tasks: []swarm.Task{task("running", 1, "bb:broken", "")}},
		{name: "the want's failed", tasks: []swarm.Task{task("failed", 1, "bb:broken@"+generate.Digest, "exit 1")}, left: plan.Matches, said: "exit 1"},
		{name: "the want's was rejected", tasks: []swarm.Task{task("rejected", 1, "bb:broken", "no such image")}, left: plan.Matches, said: "no such image"},
		{name: "something else's failed", tasks: []swarm.Task{task("failed", 1, "bb:other", "exit 2")}, left: plan.Differs, said: "exit 2"},
		{name: "the want's, and later one of the spec in force", tasks: []swarm.Task{task("failed", 1, "bb:broken", "exit 1"), task("failed", 9, inForce, "killed")}, left: plan.Matches, said: "exit 1"},
		{name: "only of the spec in force", tasks: []swarm.Task{task("failed", 9, inForce, "killed")}, said: "killed"},
		{name: "before that roll-out", tasks: []swarm.Task{task("failed", -1, "bb:other", "exit 2")}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := traced(test.tasks, liveOf(plain()), index(), wantOf(want), plan.Rollout{State: "rollback_completed", Began: began})
			if got.Left != test.left || got.TaskError != test.said {
				t.Errorf("got %v, %q; want %v, %q", got.Left, got.TaskError, test.left, test.said)
			}
		})
	}
}

func TestJobsAreWrittenOnlyForWhatGitChanges(t *testing.T) {
	job := plainly()
	job.Spec.Mode = v1.ModeReplicatedJob
	task, label := diff.Field{Path: "spec.image", Effect: diff.RunsAgain}, diff.Field{Path: "metadata.labels.a", Effect: diff.RunsAgain}
	count, atOnce := diff.Field{Path: "spec.replicas", Effect: diff.RunsAgain}, diff.Field{Path: "spec.maxConcurrent", Effect: diff.RunsAgain}
	by := func(f diff.Field, git, hand bool) diff.Field {
		f.Git, f.Hand = git, hand
		return f
	}
	tests := []struct {
		name     string
		manifest *v1.Service
		op       diff.Op
		fields   []diff.Field
		refused  bool
	}{
		{"git changes the task", job, diff.Update, []diff.Field{by(task, true, false)}, false},
		{"git changes the completions", job, diff.Update, []diff.Field{by(count, true, false)}, false},
		{"git and a hand change the task", job, diff.Update, []diff.Field{by(task, true, true)}, false},
		{"git changes a label", job, diff.Update, []diff.Field{by(label, true, false)}, true},
		{"git changes how many tasks run at once", job, diff.Update, []diff.Field{by(atOnce, true, false)}, true},
		{"git changes how many tasks run at once, and the completions", job, diff.Update, []diff.Field{by(atOnce, true, false), by(count, true, false)}, false},
		{"a hand changes the task", job, diff.Update, []diff.Field{by(task, false, true)}, true},
		{"a hand changes the completions", job, diff.Update, []diff.Field{by(count, false, true)}, true},
		{"git changes a label and a hand the task", job, diff.Update, []diff.Field{by(label, true, false), by(task, false, true)}, true},
		{"a new job", job, diff.Create, []diff.Field{by(label, true, false)}, false},
		{"no job", plainly(), diff.Update, []diff.Field{by(label, true, false)}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := wantOf(test.manifest)
			step := plan.Step{Op: test.op, Key: want.Key, Instance: want.Instance, Fields: test.fields, Change: diff.Change{Want: want}}
			got := jobs(plan.Plan{Steps: []plan.Step{step}}, plan.Facts{}, plan.Policy{})
			if (len(got) > 0) != test.refused {
				t.Fatalf("refused: %v", got)
			}
			if test.refused && (got[0].Class != plan.Never || !got[0].Quiet || got[0].Key != want.Key) {
				t.Errorf("got %+v", got[0])
			}
		})
	}
	network := plan.Step{Op: diff.Update, Key: v1.Key{Kind: v1.KindNetwork, Name: "n"}}
	if got := jobs(plan.Plan{Steps: []plan.Step{network}}, plan.Facts{}, plan.Policy{}); got != nil {
		t.Errorf("a network was taken for a job: %v", got)
	}
}
