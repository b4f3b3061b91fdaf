package sandbox

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"github.com/moby/swarmkit/v2/api"
)

func TestReplicatedService(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Managers: 1, Workers: 3})
	c := connect(t, sb, "manager-1")
	if _, err := c.NetworkCreate(t.Context(), "back", client.NetworkCreateOptions{Driver: "overlay"}); err != nil {
		t.Fatal(err)
	}
	spec := serviceSpec("web", "registry.example.com/team/web:crash", 4)
	spec.TaskTemplate.Networks = []swarm.NetworkAttachmentConfig{{Target: "back", Aliases: []string{"w"}}}
	spec.EndpointSpec = &swarm.EndpointSpec{Ports: []swarm.PortConfig{{TargetPort: 80, PublishedPort: 8080}}}
	id := create(t, c, spec)
	running := waitTasks(t, c, "web", swarm.TaskStateRunning, 4)
	nodes := map[string]bool{}
	for _, task := range running {
		nodes[task.NodeID] = true
		if task.Status.ContainerStatus == nil || len(task.Status.ContainerStatus.ContainerID) != 64 || task.Status.ContainerStatus.PID == 0 {
			t.Errorf("container status is %+v", task.Status.ContainerStatus)
		}
	}
	if len(nodes) != 4 {
		t.Errorf("4 tasks run on %d nodes", len(nodes))
	}
	s := inspect(t, c, id)
	if len(s.Endpoint.VirtualIPs) != 2 || len(s.Endpoint.Ports) != 1 {
		t.Errorf("endpoint is %+v", s.Endpoint)
	}
	if len(s.Spec.TaskTemplate.Networks[0].Target) != 25 {
		t.Errorf("the network's name became %q, want its id", s.Spec.TaskTemplate.Networks[0].Target)
	}
	list, err := c.ServiceList(t.Context(), client.ServiceListOptions{Status: true})
	if err != nil || len(list.Items) != 1 || list.Items[0].ServiceStatus == nil || list.Items[0].ServiceStatus.RunningTasks != 4 {
		t.Errorf("list is %+v, %v", list.Items, err)
	}
	_, err = c.NetworkRemove(t.Context(), "back", client.NetworkRemoveOptions{})
	wantError(t, err, "is in use by service "+id)
	_, err = c.ServiceUpdate(t.Context(), id, client.ServiceUpdateOptions{Version: swarm.Version{Index: 1}, Spec: s.Spec})
	wantError(t, err, "update out of sequence")
	spec.EndpointSpec = nil
	_, err = c.ServiceCreate(t.Context(), client.ServiceCreateOptions{Spec: spec})
	wantError(t, err, "name conflicts with an existing object: service web already exists")
	spec.Name, spec.TaskTemplate.Networks[0].Target = "other", "nonet"
	_, err = c.ServiceCreate(t.Context(), client.ServiceCreateOptions{Spec: spec})
	wantError(t, err, "network nonet not found")
}

// Tasks end as their image says, with dockerd's words.
func TestImageBehaviours(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Managers: 1, Workers: 1})
	c := connect(t, sb, "manager-1")
	for _, tc := range []struct {
		image string
		state swarm.TaskState
		err   string
		code  int
	}{
		{"nopull:1", swarm.TaskStateRejected, `failed to resolve reference "docker.io/library/nopull:1"`, 0},
		{"crash:1", swarm.TaskStateFailed, "task: non-zero exit (1)", 1},
		{"crash:2@sha256:" + strings.Repeat("ab", 32), swarm.TaskStateFailed, "task: non-zero exit (1)", 1},
		{"exit-3:1", swarm.TaskStateFailed, "task: non-zero exit (3)", 3},
		{"unhealthy:1", swarm.TaskStateFailed, "task: non-zero exit (143): dockerexec: unhealthy container", 143},
		{"finish:1", swarm.TaskStateComplete, "", 0},
		{"slow:1", swarm.TaskStateStarting, "", 0},
		{"missing:1", swarm.TaskStateRunning, "", 0},
		{"web:crash", swarm.TaskStateRunning, "", 0},
	} {
		name := strings.NewReplacer(":", "-", "@", "-").Replace(strings.SplitN(tc.image, "@", 2)[0])
		spec := serviceSpec(name, tc.image, 1)
		spec.TaskTemplate.RestartPolicy = &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionNone}
		create(t, c, spec)
		task := waitAnyTask(t, c, name, tc.state)
		if tc.err == "" && task.Status.Err != "" || !strings.Contains(task.Status.Err, tc.err) {
			t.Errorf("%s: error is %q, want %q", tc.image, task.Status.Err, tc.err)
		}
		if cs := task.Status.ContainerStatus; cs != nil && cs.ExitCode != tc.code {
			t.Errorf("%s: exit code is %d, want %d", tc.image, cs.ExitCode, tc.code)
		}
	}
	off := serviceSpec("unchecked", "unhealthy:1", 1)
	off.TaskTemplate.ContainerSpec.Healthcheck = &container.HealthConfig{Test: []string{"NONE"}}
	create(t, c, off)
	waitTasks(t, c, "unchecked", swarm.TaskStateRunning, 1)
	waitTasks(t, c, "slow-1", swarm.TaskStateRunning, 1)
}

func TestFailedUpdates(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Managers: 1, Workers: 2})
	c := connect(t, sb, "manager-1")
	rollout := func(action swarm.FailureAction) *swarm.UpdateConfig {
		return &swarm.UpdateConfig{Parallelism: 1, FailureAction: action, Monitor: time.Second}
	}
	ids := map[swarm.FailureAction]string{}
	actions := []swarm.FailureAction{swarm.UpdateFailureActionPause, swarm.UpdateFailureActionContinue, swarm.UpdateFailureActionRollback}
	for _, action := range actions {
		spec := serviceSpec("on-"+string(action), "nginx:1", 2)
		spec.UpdateConfig, spec.RollbackConfig = rollout(action), rollout(swarm.UpdateFailureActionPause)
		ids[action] = create(t, c, spec)
	}
	for _, action := range actions {
		waitTasks(t, c, "on-"+string(action), swarm.TaskStateRunning, 2)
	}
	for _, action := range actions {
		update(t, c, ids[action], func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Image = "crash:1" })
	}
	paused := waitUpdate(t, c, ids[swarm.UpdateFailureActionPause], swarm.UpdateStatePaused)
	if !strings.Contains(paused.UpdateStatus.Message, "update paused due to failure or early termination of task") {
		t.Errorf("message is %q", paused.UpdateStatus.Message)
	}
	if paused.Spec.TaskTemplate.ContainerSpec.Image != "crash:1" || paused.PreviousSpec == nil || paused.PreviousSpec.TaskTemplate.ContainerSpec.Image != "nginx:1" {
		t.Errorf("a paused service has the bad spec and remembers the good one, but is %+v", paused)
	}
	back := waitUpdate(t, c, ids[swarm.UpdateFailureActionRollback], swarm.UpdateStateRollbackCompleted)
	if back.Spec.TaskTemplate.ContainerSpec.Image != "nginx:1" || back.PreviousSpec != nil {
		t.Errorf("a rolled back service has its old spec and no previous one, but is %+v", back)
	}
	waitTasks(t, c, "on-rollback", swarm.TaskStateRunning, 2)
	waitUpdate(t, c, ids[swarm.UpdateFailureActionContinue], swarm.UpdateStateCompleted)

	_, err := c.ServiceUpdate(t.Context(), ids[swarm.UpdateFailureActionPause], client.ServiceUpdateOptions{Version: inspect(t, c, ids[swarm.UpdateFailureActionPause]).Version, Spec: paused.Spec, Rollback: "previous"})
	if err != nil {
		t.Fatal(err)
	}
	waitUpdate(t, c, ids[swarm.UpdateFailureActionPause], swarm.UpdateStateRollbackCompleted)
}

func TestJobs(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Managers: 1, Workers: 1})
	c := connect(t, sb, "manager-1")
	two := uint64(2)
	spec := serviceSpec("job", "finish:1", 0)
	spec.Mode = swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{MaxConcurrent: &two, TotalCompletions: &two}}
	spec.TaskTemplate.RestartPolicy.Condition = swarm.RestartPolicyConditionOnFailure
	create(t, c, spec)
	waitTasks(t, c, "job", swarm.TaskStateComplete, 2)
	spec = serviceSpec("everywhere", "finish:1", 0)
	spec.Mode = swarm.ServiceMode{GlobalJob: &swarm.GlobalJob{}}
	spec.TaskTemplate.RestartPolicy.Condition = swarm.RestartPolicyConditionOnFailure
	create(t, c, spec)
	waitTasks(t, c, "everywhere", swarm.TaskStateComplete, 2)
}

func TestServiceLogs(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Managers: 1, Workers: 1})
	c := connect(t, sb, "manager-1")
	spec := serviceSpec("loud", "exit-3:1", 1)
	spec.TaskTemplate.RestartPolicy.Condition = swarm.RestartPolicyConditionNone
	id := create(t, c, spec)
	waitTasks(t, c, "loud", swarm.TaskStateFailed, 1)
	read := func(o client.ServiceLogsOptions) string {
		r, err := c.ServiceLogs(t.Context(), id, o)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		raw, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	all := read(client.ServiceLogsOptions{ShowStdout: true, ShowStderr: true})
	for _, want := range []string{"starting exit-3:1", "running exit-3:1", "exiting with code 3"} {
		if !strings.Contains(all, want) {
			t.Errorf("the logs lack %q: %q", want, all)
		}
	}
	if last := read(client.ServiceLogsOptions{ShowStdout: true, ShowStderr: true, Tail: "1"}); strings.Contains(last, "starting") || !strings.Contains(last, "exiting") {
		t.Errorf("the last line is %q", last)
	}
	if out := read(client.ServiceLogsOptions{ShowStdout: true}); strings.Contains(out, "exiting") {
		t.Errorf("standard output has a line of standard error: %q", out)
	}
}

// The engine keeps registry credentials and never shows them.
func TestRegistryAuthIsCarriedOver(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Managers: 1})
	c := connect(t, sb, "manager-1")
	r, err := c.ServiceCreate(t.Context(), client.ServiceCreateOptions{Spec: serviceSpec("web", "nginx:1", 0), EncodedRegistryAuth: "c2VjcmV0"})
	if err != nil {
		t.Fatal(err)
	}
	kept := func() string {
		m, err := sb.find("manager-1")
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.engine().cluster.state().control.GetService(t.Context(), &api.GetServiceRequest{ServiceID: r.ID})
		if err != nil {
			t.Fatal(err)
		}
		if o := got.Service.Spec.Task.GetContainer().PullOptions; o != nil {
			return o.RegistryAuth
		}
		return ""
	}
	update(t, c, r.ID, func(s *swarm.ServiceSpec) { s.Labels = map[string]string{"a": "b"} })
	if kept() != "c2VjcmV0" {
		t.Errorf("after an update without credentials they are %q", kept())
	}
	raw, err := c.ServiceInspect(t.Context(), r.ID, client.ServiceInspectOptions{})
	if err != nil || strings.Contains(string(raw.Raw), "c2VjcmV0") {
		t.Errorf("inspect shows the credentials, %v", err)
	}
}

func TestSecretsAndConfigs(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Managers: 1, Workers: 1})
	c := connect(t, sb, "manager-1")
	secret, err := c.SecretCreate(t.Context(), client.SecretCreateOptions{Spec: swarm.SecretSpec{Annotations: swarm.Annotations{Name: "key"}, Data: []byte("shh")}})
	if err != nil {
		t.Fatal(err)
	}
	config, err := c.ConfigCreate(t.Context(), client.ConfigCreateOptions{Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: "conf"}, Data: []byte("x=1")}})
	if err != nil {
		t.Fatal(err)
	}
	spec := serviceSpec("web", "nginx:1", 1)
	spec.TaskTemplate.ContainerSpec.Secrets = []*swarm.SecretReference{{SecretID: secret.ID, SecretName: "key", File: &swarm.SecretReferenceFileTarget{Name: "key", UID: "0", GID: "0", Mode: 0o444}}}
	spec.TaskTemplate.ContainerSpec.Configs = []*swarm.ConfigReference{{ConfigID: config.ID, ConfigName: "conf", File: &swarm.ConfigReferenceFileTarget{Name: "/conf", UID: "0", GID: "0", Mode: 0o444}}}
	create(t, c, spec)
	waitTasks(t, c, "web", swarm.TaskStateRunning, 1)
	_, err = c.SecretRemove(t.Context(), "key", client.SecretRemoveOptions{})
	wantError(t, err, "secret 'key' is in use by the following service: web")
	_, err = c.ConfigRemove(t.Context(), "conf", client.ConfigRemoveOptions{})
	wantError(t, err, "config 'conf' is in use by the following service: web")
	got, err := c.SecretInspect(t.Context(), "key", client.SecretInspectOptions{})
	if err != nil || got.Secret.Spec.Data != nil {
		t.Errorf("a secret's data came back: %v %v", got.Secret.Spec.Data, err)
	}
	_, err = c.SecretUpdate(t.Context(), secret.ID, client.SecretUpdateOptions{Version: got.Secret.Version, Spec: swarm.SecretSpec{Annotations: got.Secret.Spec.Annotations, Data: []byte("other")}})
	wantError(t, err, "only updates to Labels are allowed")
	_, err = c.ConfigInspect(t.Context(), "nope", client.ConfigInspectOptions{})
	wantError(t, err, "config nope not found")
}

func TestHostPortsOfTasks(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Managers: 1})
	c := connect(t, sb, "manager-1")
	spec := serviceSpec("web", "nginx:1", 1)
	spec.EndpointSpec = &swarm.EndpointSpec{Ports: []swarm.PortConfig{{TargetPort: 80, PublishMode: swarm.PortConfigPublishModeHost}}}
	create(t, c, spec)
	eventually(t, func() error {
		task := waitTasks(t, c, "web", swarm.TaskStateRunning, 1)[0]
		if p := task.Status.PortStatus.Ports; len(p) != 1 || p[0].PublishedPort == 0 {
			return fmt.Errorf("ports are %+v", p)
		}
		return nil
	})
}
