package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/sandbox"
)

// These tests run against real SwarmKit behind the real Engine API, so the predicates match what it says today.

func startSwarm(t *testing.T, o sandbox.Options) *sandbox.Sandbox {
	t.Helper()
	if testing.Short() {
		t.Skip("a swarm takes a second to start")
	}
	clean(t)
	sb, err := sandbox.Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sb.Close(); err != nil {
			t.Error(err)
		}
	})
	return sb
}

func on(t *testing.T, sb *sandbox.Sandbox, node string, change ...func(*Options)) *Client {
	t.Helper()
	c, _ := open(t, append([]func(*Options){func(o *Options) { o.Host = sb.Host(node) }}, change...)...)
	return c
}

func aService(name, image string) swarm.ServiceSpec {
	none := uint64(0)
	return swarm.ServiceSpec{
		Annotations:  swarm.Annotations{Name: name},
		Mode:         swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &none}},
		TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: image}},
	}
}

func TestErrorsOfASwarm(t *testing.T) {
	sb := startSwarm(t, sandbox.Options{Managers: 1, Workers: 1, Blank: 1})
	ctx := context.Background()
	c := on(t, sb, "manager-1")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	made, err := c.ServiceCreate(ctx, aService("web", "nginx:1"), RegistryAuth{})
	must(err)
	s, unknown, err := c.ServiceRaw(ctx, made.ID)
	must(err)
	if len(unknown) > 0 {
		t.Errorf("a service of today has keys that we do not know: %q", unknown)
	}
	secret, err := c.SecretCreate(ctx, client.SecretCreateOptions{Spec: swarm.SecretSpec{Annotations: swarm.Annotations{Name: "s"}, Data: []byte("x")}})
	must(err)
	net, err := c.NetworkCreate(ctx, "n", client.NetworkCreateOptions{Driver: "overlay", Scope: "swarm"})
	must(err)
	using := aService("using", "nginx:1")
	using.TaskTemplate.ContainerSpec.Secrets = []*swarm.SecretReference{{SecretID: secret.ID, SecretName: "s", File: &swarm.SecretReferenceFileTarget{Name: "s", UID: "0", GID: "0", Mode: 0o444}}}
	using.TaskTemplate.Networks = []swarm.NetworkAttachmentConfig{{Target: net.ID}}
	_, err = c.ServiceCreate(ctx, using, RegistryAuth{})
	must(err)

	update := func(change func(*ServiceUpdate)) error {
		u := ServiceUpdate{Version: s.Version, Spec: s.Spec}
		change(&u)
		_, err := c.ServiceUpdate(ctx, s.ID, u)
		return err
	}
	big := strings.Repeat("x", 2<<20)
	for name, tt := range map[string]struct {
		err  error
		want string
	}{
		"stale":               {update(func(u *ServiceUpdate) { u.Version.Index-- }), "stale"},
		"future":              {update(func(u *ServiceUpdate) { u.Version.Index += 9 }), "stale"},
		"rename":              {update(func(u *ServiceUpdate) { u.Spec.Name = "other" }), "invalid"},
		"mode":                {update(func(u *ServiceUpdate) { u.Spec.Mode = swarm.ServiceMode{Global: &swarm.GlobalService{}} }), "invalid"},
		"too big":             {update(func(u *ServiceUpdate) { u.Spec.Labels = map[string]string{"a": big} }), "invalid"},
		"service exists":      {second(c.ServiceCreate(ctx, aService("web", "nginx:1"), RegistryAuth{})), "exists"},
		"secret exists":       {second(c.SecretCreate(ctx, client.SecretCreateOptions{Spec: swarm.SecretSpec{Annotations: swarm.Annotations{Name: "s"}, Data: []byte("x")}})), "exists"},
		"network exists":      {second(c.NetworkCreate(ctx, "n", client.NetworkCreateOptions{Driver: "overlay"})), "exists"},
		"service gone":        {second(c.ServiceUpdate(ctx, "nope", ServiceUpdate{Spec: s.Spec})), "notfound"},
		"read what is gone":   {third(c.ServiceRaw(ctx, "nope")), "notfound"},
		"remove what is gone": {c.ServiceRemove(ctx, "nope"), "notfound"},
		"secret in use":       {second(c.SecretRemove(ctx, secret.ID, client.SecretRemoveOptions{})), "inuse"},
		"network in use":      {second(c.NetworkRemove(ctx, net.ID, client.NetworkRemoveOptions{})), "inuse"},
		"bad name":            {second(c.ServiceCreate(ctx, aService("not a name", "nginx:1"), RegistryAuth{})), "invalid"},
		"worker":              {services(on(t, sb, "worker-1")), "notmanager"},
		"worker, raw":         {nodes(on(t, sb, "worker-1")), "notmanager"},
		"no swarm":            {services(on(t, sb, "blank-1")), "notmanager"},
	} {
		if got := classesOf(tt.err); got != tt.want || tt.err == nil {
			t.Errorf("%s: %.300v is in %q, want %q", name, tt.err, got, tt.want)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func third[T, U any](_ T, _ U, err error) error { return err }

// This package sends a spec as it is stored, and the moby client does not. That is why services have calls of their
// own. They may go on the day this test fails.
func TestTheMobyClientRewritesImages(t *testing.T) {
	sb := startSwarm(t, sandbox.Options{Managers: 1})
	ctx := context.Background()
	c := on(t, sb, "manager-1")
	api, err := c.API(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i, image := range []string{"nginx", "docker.io/library/nginx:1"} {
		made, err := c.ServiceCreate(ctx, aService(fmt.Sprintf("s%d", i), image), RegistryAuth{})
		if err != nil {
			t.Fatal(err)
		}
		read := func() swarm.Service {
			s, _, err := c.ServiceRaw(ctx, made.ID)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		s := read()
		s.Spec.Labels = map[string]string{"a": "b"}
		if _, err := c.ServiceUpdate(ctx, s.ID, ServiceUpdate{Version: s.Version, Spec: s.Spec}); err != nil {
			t.Fatal(err)
		}
		s = read()
		if got := s.Spec.TaskTemplate.ContainerSpec.Image; got != image || s.Spec.Labels["a"] != "b" {
			t.Errorf("we made %q of %q", got, image)
		}
		if _, err := api.ServiceUpdate(ctx, s.ID, client.ServiceUpdateOptions{Version: s.Version, Spec: s.Spec}); err != nil {
			t.Fatal(err)
		}
		if got := read().Spec.TaskTemplate.ContainerSpec.Image; got == image {
			t.Errorf("the moby client leaves %q alone", image)
		}
	}
}

func TestListsOfASwarm(t *testing.T) {
	sb := startSwarm(t, sandbox.Options{Managers: 1, Workers: 1})
	ctx := context.Background()
	c := on(t, sb, "manager-1")
	if all, err := c.ServiceList(ctx); err != nil || len(all) != 0 {
		t.Errorf("an empty swarm: %v, %v", all, err)
	}
	for i := range 150 {
		if _, err := c.ServiceCreate(ctx, aService(fmt.Sprintf("s%d", i), "nginx:1"), RegistryAuth{}); err != nil {
			t.Fatal(err)
		}
	}
	all, err := c.ServiceList(ctx)
	if err != nil || len(all) != 150 {
		t.Fatalf("%d services, %v", len(all), err)
	}
	for _, s := range all {
		if one, _, err := c.ServiceRaw(ctx, s.ID); err != nil || one.Spec.Name != s.Spec.Name || len(s.Unknown) > 0 {
			t.Errorf("%s: %q, %v", s.Spec.Name, s.Unknown, err)
		}
	}
	list, err := c.NodeList(ctx, nodeList)
	if err != nil || len(list.Items) != 2 {
		t.Fatalf("%d nodes, %v", len(list.Items), err)
	}
	for _, n := range list.Items {
		if _, unknown, err := c.NodeRaw(ctx, n.ID); err != nil || len(unknown) > 0 {
			t.Errorf("node %s: %q, %v", n.ID, unknown, err)
		}
	}
	if w, unknown, err := c.SwarmRaw(ctx); err != nil || len(unknown) > 0 || w.Spec.Name != "default" {
		t.Errorf("swarm %q: %q, %v", w.Spec.Name, unknown, err)
	}
	for node, manager := range map[string]bool{"manager-1": true, "worker-1": false} {
		a, err := on(t, sb, node).Describe(ctx)
		if err != nil || a.Name != node || a.Manager != manager || a.State != swarm.LocalNodeStateActive || a.NodeID == "" || (a.ClusterID != "") != manager {
			t.Errorf("%s: %+v, %v", node, a, err)
		}
	}
	r, err := NewResolver(c).Resolve(ctx, "nginx:1")
	if err != nil || !strings.HasPrefix(r.Image, "nginx:1@sha256:") || len(r.Platforms) == 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// A write whose answer is lost is ambiguous, and it did happen.
func TestWriteWhoseAnswerIsLostIsAmbiguous(t *testing.T) {
	sb := startSwarm(t, sandbox.Options{Managers: 1})
	ctx := context.Background()
	c := on(t, sb, "manager-1", func(o *Options) { o.CallTimeout = 2 * time.Second })
	for name, f := range map[string]sandbox.Fault{
		"dropped": {Drop: true, AfterCommit: true},
		"lost":    {Status: 500, Message: "raft: failed to process the request: node lost leader status", AfterCommit: true},
	} {
		f.Method, f.Path, f.Count = "POST", "/services/create", 1
		sb.Inject(f)
		_, err := c.ServiceCreate(ctx, aService(name, "nginx:1"), RegistryAuth{})
		if !IsAmbiguous(err) {
			t.Errorf("%s: %v is in %q", name, err, classesOf(err))
		}
		if _, err := c.ServiceCreate(ctx, aService(name, "nginx:1"), RegistryAuth{}); !IsExists(err) {
			t.Errorf("%s: again: %v", name, err)
		}
	}
}

func TestEventsOfASwarm(t *testing.T) {
	sb := startSwarm(t, sandbox.Options{Managers: 1, Workers: 1})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := on(t, sb, "manager-1")
	c.events.first = time.Millisecond
	events := c.Events(ctx)
	until := func(want ...string) {
		t.Helper()
		for len(want) > 0 {
			e := next(t, events)
			got := strings.TrimSpace(strings.Join([]string{e.Type, e.Action, e.Name}, " "))
			want = slices.DeleteFunc(want, func(w string) bool { return w == got })
		}
	}
	until(Reconnected)
	write := func(name string) {
		t.Helper()
		made, err := c.ServiceCreate(ctx, aService(name, "nginx:1"), RegistryAuth{})
		if err == nil {
			_, err = c.ConfigCreate(ctx, client.ConfigCreateOptions{Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: name}, Data: []byte("x")}})
		}
		if err == nil {
			_, err = c.SecretCreate(ctx, client.SecretCreateOptions{Spec: swarm.SecretSpec{Annotations: swarm.Annotations{Name: name}, Data: []byte("x")}})
		}
		if err == nil {
			_, err = c.NetworkCreate(ctx, name, client.NetworkCreateOptions{Driver: "overlay", Scope: "swarm", IPAM: &network.IPAM{}})
		}
		if err == nil {
			err = c.ServiceRemove(ctx, made.ID)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write("a")
	until("service create a", "config create a", "secret create a", "network create a", "service remove a")
	if err := sb.Restart(ctx, "manager-1"); err != nil {
		t.Fatal(err)
	}
	until(Reconnected)
	write("b")
	until("service create b", "service remove b")
}

func TestNoQuorum(t *testing.T) {
	sb := startSwarm(t, sandbox.Options{Managers: 3})
	ctx := context.Background()
	for _, node := range []string{"manager-2", "manager-3"} {
		if err := sb.Kill(node); err != nil {
			t.Fatal(err)
		}
	}
	c := on(t, sb, "manager-1")
	// The former leader still answers reads for a while; only a write shows the loss.
	_, err := c.ServiceCreate(ctx, aService("web", "nginx:1"), RegistryAuth{})
	if !IsNoQuorum(err) || !IsAmbiguous(err) {
		t.Errorf("%v is in %q", err, classesOf(err))
	}
	if a, err := c.Describe(ctx); err != nil || !a.Manager {
		t.Errorf("%+v, %v", a, err)
	}
	gone := on(t, sb, "manager-2")
	if err := services(gone); !IsUnavailable(err) {
		t.Errorf("a killed engine: %v is in %q", err, classesOf(err))
	}
}
