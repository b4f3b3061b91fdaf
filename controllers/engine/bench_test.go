package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// manyServices returns the answer of an engine with n typical services, about 2 kB each.
func manyServices(b *testing.B, n int) []byte {
	b.Helper()
	replicas := uint64(3)
	s := swarm.Service{ID: "abcdefghijklmnopqrstuvwxy"}
	s.Spec = swarm.ServiceSpec{
		Annotations:  swarm.Annotations{Name: "web", Labels: map[string]string{"com.docker.stack.namespace": "shop", "swarm-operator.io/owner": "default/Service/web", "swarm-operator.io/applied": "v1:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}},
		Mode:         swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &replicas}},
		UpdateConfig: &swarm.UpdateConfig{Parallelism: 1, FailureAction: "rollback", Order: "start-first"},
		EndpointSpec: &swarm.EndpointSpec{Mode: "vip", Ports: []swarm.PortConfig{{Protocol: "tcp", TargetPort: 80, PublishedPort: 8080, PublishMode: "ingress"}}},
		TaskTemplate: swarm.TaskSpec{
			ContainerSpec: &swarm.ContainerSpec{Image: "nginx:1.27@" + digestA, Env: []string{"A=1", "B=2", "LOG_LEVEL=info", "URL=http://x/y"}, Labels: map[string]string{"a": "b"}},
			Networks:      []swarm.NetworkAttachmentConfig{{Target: "abcdefghijklmnopqrstuvwxy", Aliases: []string{"web"}}},
			Resources:     &swarm.ResourceRequirements{Limits: &swarm.Limit{MemoryBytes: 1 << 28}},
			Placement:     &swarm.Placement{Constraints: []string{"node.labels.zone == a"}, Platforms: []swarm.Platform{{OS: "linux", Architecture: "amd64"}}},
		},
	}
	previous := s.Spec
	s.PreviousSpec = &previous
	list := make([]swarm.Service, n)
	for i := range list {
		s.ID, s.Spec.Name = fmt.Sprintf("abcdefghijklmnopqrst%05d", i), fmt.Sprintf("web-%05d", i)
		list[i] = s
	}
	raw, err := json.Marshal(list)
	if err != nil {
		b.Fatal(err)
	}
	return raw
}

// BenchmarkServiceList compares the moby client's list with this package's, which also names unknown keys.
func BenchmarkServiceList(b *testing.B) {
	raw := manyServices(b, 1000)
	path := b.TempDir() + "/s"
	b.Setenv("DOCKER_CONFIG", b.TempDir())
	listen(b, path, pinged("1.56", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(raw) }))
	c, err := Open(Options{Host: "unix://" + path})
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	api, err := c.API(ctx)
	if err != nil {
		b.Fatal(err)
	}
	plain, err := client.New(client.WithHost("unix://" + path))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	for name, list := range map[string]func() error{
		"moby client":                func() error { _, err := plain.ServiceList(ctx, client.ServiceListOptions{}); return err },
		"moby client, our transport": func() error { _, err := api.ServiceList(ctx, client.ServiceListOptions{}); return err },
		"ours":                       func() error { _, err := c.ServiceList(ctx); return err },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := list(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkDecodeList decodes a list of 1,000 services: first as a command does, and again as a daemon that has seen
// them before.
func BenchmarkDecodeList(b *testing.B) {
	raw := manyServices(b, 1000)
	seen := newListMemo()
	for name, memo := range map[string]func() *listMemo{"first": newListMemo, "again": func() *listMemo { return seen }} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if all, err := memo().decodeList(raw); len(all) != 1000 || err != nil {
					b.Fatal(len(all), err)
				}
			}
		})
	}
}

func BenchmarkUnknownFields(b *testing.B) {
	raw := manyServices(b, 1)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if u := unknownKeys(raw, []swarm.Service{}); len(u) > 0 {
			b.Fatal(u)
		}
	}
}
