package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

func canaryAuth(canary string) registry.AuthConfig {
	return registry.AuthConfig{Username: "bob", Password: canary, ServerAddress: "r.example.com"}
}

func canarySpec(canary string) swarm.ServiceSpec {
	return swarm.ServiceSpec{TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: "nginx", Env: []string{"TOKEN=" + canary}}}}
}

func canarySecret(canary string) swarm.SecretSpec {
	return swarm.SecretSpec{Annotations: swarm.Annotations{Name: "s"}, Data: []byte(canary)}
}

// The moby client would send nginx:latest and nginx:1, and thereby restart every task.
func TestServicesGoOutVerbatim(t *testing.T) {
	type sent struct{ line, auth, agent, body string }
	var got sent
	c, _ := opened(t, pinged("1.41", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = sent{r.Method + " " + r.URL.RequestURI(), r.Header.Get("X-Registry-Auth"), r.Header.Get("User-Agent"), string(body)}
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"ID":"id1","Warnings":["careful"]}`)
	}))
	for _, image := range []string{"nginx", "docker.io/library/nginx:1", "nginx:1@sha256:" + strings.Repeat("a", 64), "NOT an image", ""} {
		spec := swarm.ServiceSpec{TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: image}}}
		want, _ := json.Marshal(spec)
		created, err := c.ServiceCreate(context.Background(), spec, RegistryAuth{})
		if err != nil || created.ID != "id1" || !slices.Equal(created.Warnings, []string{"careful"}) {
			t.Errorf("create: %+v, %v", created, err)
		}
		if got != (sent{"POST /v1.41/services/create", "", "swarm-operator/test", string(want)}) {
			t.Errorf("create sent %+v", got)
		}
		auth, _ := NewRegistryAuth(canaryAuth("pw"))
		u := ServiceUpdate{Version: swarm.Version{Index: 1 << 60}, Spec: spec, Auth: auth}
		if updated, err := c.ServiceUpdate(context.Background(), "abc", u); err != nil || !slices.Equal(updated.Warnings, []string{"careful"}) {
			t.Errorf("update: %+v, %v", updated, err)
		}
		line := "POST /v1.41/services/abc/update?version=1152921504606846976"
		if got != (sent{line, auth.Reveal(), "swarm-operator/test", string(want)}) {
			t.Errorf("update sent %+v", got)
		}
	}
}

func TestAnIDStaysInItsCollection(t *testing.T) {
	c, got := opened(t, pinged("1.41", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }))
	for _, id := range []string{"", ".", "..", "../nodes/x", "a/b", `a\b`} {
		if _, _, err := c.ServiceRaw(context.Background(), id); err == nil {
			t.Errorf("read %q", id)
		}
		if _, err := c.ServiceUpdate(context.Background(), id, ServiceUpdate{}); err == nil {
			t.Errorf("updated %q", id)
		}
	}
	if len(got.seen()) != 0 {
		t.Errorf("called %q", got.seen())
	}
}

func TestServiceRaw(t *testing.T) {
	c, _ := opened(t, pinged("1.41", func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1.41/services/abc":
			_, _ = io.WriteString(w, `{"ID":"abc","Version":{"Index":7},"Later":1,"Spec":{"Name":"web","Networks":[{"Target":"n"}],"TaskTemplate":{"Future":true}}}`)
		case "/v1.41/nodes/def":
			_, _ = io.WriteString(w, `{"ID":"def","Spec":{"Role":"worker","Taints":["x"]},"Description":{"New":1}}`)
		case "/v1.41/swarm":
			_, _ = io.WriteString(w, `{"ID":"ghi","Spec":{"Raft":{"PreVote":true}},"JoinTokens":{"Worker":"x","Third":"y"}}`)
		}
	}))
	s, unknown, err := c.ServiceRaw(context.Background(), "abc")
	if err != nil || s.Spec.Name != "web" || s.Version.Index != 7 || !slices.Equal(unknown, []string{"Spec.Networks", "Spec.TaskTemplate.Future"}) {
		t.Errorf("%+v, %q, %v", s, unknown, err)
	}
	n, unknown, err := c.NodeRaw(context.Background(), "def")
	if err != nil || n.ID != "def" || !slices.Equal(unknown, []string{"Spec.Taints"}) {
		t.Errorf("%+v, %q, %v", n, unknown, err)
	}
	w, unknown, err := c.SwarmRaw(context.Background())
	if err != nil || w.ID != "ghi" || !slices.Equal(unknown, []string{"Spec.Raft.PreVote"}) {
		t.Errorf("%+v, %q, %v", w, unknown, err)
	}
}

// A service that is attached to networks in the old way is attached to them, although nobody may write it.
func TestNetworksBesideTheTaskTemplateAreRead(t *testing.T) {
	for name, test := range map[string]struct {
		spec    string
		want    string
		unknown []string
	}{
		"the old way":    {`{"Networks":[{"Target":"n","Aliases":["a"]},{"Target":"m"}],"TaskTemplate":{}}`, "[{n [a] map[]} {m [] map[]}]", []string{"Spec.Networks"}},
		"both ways":      {`{"Networks":[{"Target":"n"}],"TaskTemplate":{"Networks":[{"Target":"m"}]}}`, "[{m [] map[]}]", []string{"Spec.Networks"}},
		"the new way":    {`{"TaskTemplate":{"Networks":[{"Target":"m"}]}}`, "[{m [] map[]}]", nil},
		"no network":     {`{"TaskTemplate":{}}`, "[]", nil},
		"something else": {`{"TaskTemplate":{"Future":true}}`, "[]", []string{"Spec.TaskTemplate.Future"}},
	} {
		c, _ := opened(t, pinged("1.41", func(w http.ResponseWriter, r *http.Request) {
			answer := `{"ID":"abc","Spec":` + test.spec + `}`
			if r.URL.Path == "/v1.41/services" {
				answer = "[" + answer + "]"
			}
			_, _ = io.WriteString(w, answer)
		}))
		list, err := c.ServiceList(context.Background())
		if err != nil || len(list) != 1 {
			t.Fatalf("%s: %v, %v", name, list, err)
		}
		one, err := c.Service(context.Background(), "abc")
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []*Listed{list[0], one} {
			if got := fmt.Sprint(s.Spec.TaskTemplate.Networks); got != test.want || !slices.Equal(s.Unknown, test.unknown) {
				t.Errorf("%s: the networks are %s, and unknown is %q; want %s and %q", name, got, s.Unknown, test.want, test.unknown)
			}
		}
	}
	c, _ := opened(t, pinged("1.41", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `[{"ID":"abc","Spec":{"Networks":7}}]`)
	}))
	if _, err := c.ServiceList(context.Background()); err == nil {
		t.Error("a number is taken for a list of networks")
	}
}

// Engines carry texts where the types of their newest API have addresses. One of them hides no other object.
func TestATextThatIsNoAddressHidesNothing(t *testing.T) {
	const spec = `"Spec":{"Name":"web","TaskTemplate":{"ContainerSpec":{"Image":"a","DNSConfig":{"Nameservers":["10.0.0.1","pihole"]}}}}`
	answers := map[string]string{
		"/services":     `[{"ID":"a","Version":{"Index":3},` + spec + `,"PreviousSpec":{"Name":"web"}},{"ID":"b"}]`,
		"/services/a":   `{"ID":"a","Version":{"Index":3},` + spec + `}`,
		"/tasks":        `[{"ID":"t","Spec":{"ContainerSpec":{"DNSConfig":{"Nameservers":["pihole"]}}}},{"ID":"u","NetworksAttachments":[{"Addresses":["10.0.1.5/24"]}]}]`,
		"/networks":     `[{"Id":"n","Scope":"local","IPAM":{"Config":[{"Subnet":"fd05:d0ca:2::/112","Gateway":"fd05:d0ca:2::1/112"}]}},{"Id":"m","Scope":"swarm","IPAM":{"Config":[{"Gateway":"10.0.1.1"}]}}]`,
		"/networks/abc": `{"Id":"abc","IPAM":{"Config":[{"Gateway":"fd00::1/64"}]}}`,
	}
	c, _ := opened(t, pinged("1.44", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, answers[strings.TrimPrefix(r.URL.Path, "/v1.44")])
	}))
	ctx := context.Background()
	unknown := []string{"Spec.TaskTemplate.ContainerSpec.DNSConfig.Nameservers[1]"}
	list, err := c.ServiceList(ctx)
	if err != nil || len(list) != 2 || list[1].ID != "b" || len(list[1].Unknown) > 0 {
		t.Fatalf("the services are %v, %v", list, err)
	}
	one, err := c.Service(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	raw, rawUnknown, err := c.ServiceRaw(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Listed{list[0], one, {Service: raw, Unknown: rawUnknown, Unread: one.Unread}} {
		dns := fmt.Sprint(s.Spec.TaskTemplate.ContainerSpec.DNSConfig.Nameservers)
		if s.ID != "a" || s.Version.Index != 3 || s.Spec.Name != "web" || dns != "[10.0.0.1 invalid IP]" || !slices.Equal(s.Unknown, unknown) ||
			!slices.Equal(s.Unread, []Unread{{unknown[0], "pihole"}}) {
			t.Errorf("it is read as %+v, and unknown is %q", s.Service, s.Unknown)
		}
	}
	tasks, err := c.TaskList(ctx, client.TaskListOptions{})
	if err != nil || len(tasks.Items) != 2 || tasks.Items[0].ID != "t" || tasks.Items[1].NetworksAttachments[0].Addresses[0].String() != "10.0.1.5/24" {
		t.Errorf("the tasks are %+v, %v", tasks, err)
	}
	networks, err := c.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil || len(networks) != 2 || networks[0].ID != "n" || !slices.Equal(networks[0].Unread, []string{"IPAM.Config[0].Gateway"}) ||
		networks[1].IPAM.Config[0].Gateway.String() != "10.0.1.1" || len(networks[1].Unread) > 0 {
		t.Errorf("the networks are %+v, %v", networks, err)
	}
	if n, err := c.NetworkInspect(ctx, "abc"); err != nil || n.ID != "abc" {
		t.Errorf("the network is %+v, %v", n, err)
	}
}

func TestServiceList(t *testing.T) {
	var answer string
	c, got := opened(t, pinged("1.41", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }))
	for _, n := range []int{0, 1, smallList - 1, smallList, smallList + 1, 1000} {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf(`{"ID":"id%d","Spec":{"Name":"s%d","New%d":1}}`, i, i, i))
		}
		answer = "[" + strings.Join(list, ",") + "]\n"
		all, err := c.ServiceList(context.Background())
		if err != nil || len(all) != n {
			t.Fatalf("%d services of %d, %v", len(all), n, err)
		}
		for i, s := range all {
			if s.ID != fmt.Sprintf("id%d", i) || !slices.Equal(s.Unknown, []string{fmt.Sprintf("Spec.New%d", i)}) {
				t.Fatalf("service %d is %+v", i, s)
			}
		}
	}
	if calls := len(got.seen()); calls != 7 {
		t.Errorf("%d calls: %q", calls, got.seen())
	}
	for _, bad := range []string{`{"not":"a list"}`, `[{"ID":"a"},{"ID":5}]`, `[{`, ``} {
		answer = bad
		if _, err := c.ServiceList(context.Background()); err == nil || !strings.Contains(err.Error(), "decoding") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
