package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// call makes one plain request to a socket.
func call(t *testing.T, socket, method, path, body string) (int, http.Header, string) {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://engine"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(raw)
}

func TestEngineAPI(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Managers: 1})
	socket := sb.Socket("manager-1")
	status, h, body := call(t, socket, "GET", "/_ping", "")
	if status != 200 || body != "OK" || h.Get("Api-Version") != maxAPIVersion || h.Get("Swarm") != "active/manager" {
		t.Errorf("ping: %d %q %v", status, body, h)
	}
	if status, h, _ = call(t, socket, "HEAD", "/_ping", ""); status != 200 || h.Get("Api-Version") != maxAPIVersion {
		t.Errorf("head ping: %d %v", status, h)
	}
	for _, tc := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/v1.40/services", "", 200, "[]"},
		{"GET", "/services", "", 200, "[]"},
		{"GET", "/v1.39/services", "", 400, "client version 1.39 is too old. Minimum supported API version is 1.40"},
		{"GET", "/v1.99/services", "", 400, "client version 1.99 is too new. Maximum supported API version is 1.56"},
		{"GET", "/v1.12/services", "", 400, "client version 1.12 is too old"},
		{"GET", "/v1.50/nothing", "", 404, "page not found"},
		{"GET", "/services/nope", "", 404, "service nope not found"},
		{"POST", "/services/x/update?version=abc", "{}", 400, "invalid service version 'abc'"},
		{"POST", "/services/create", `{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":"a"}},"Mode":{"Replicated":{}},"UpdateConfig":{"FailureAction":"explode"}}`, 400, "unrecognized update failure action explode"},
		{"GET", "/services?filters=%7B%22nonsense%22%3A%7B%22x%22%3Atrue%7D%7D", "", 400, "invalid filter 'nonsense'"},
		{"POST", "/swarm/init", `{"ListenAddr":"0.0.0.0:2377"}`, 503, "This node is already part of a swarm"},
		{"POST", "/swarm/update?version=1", `{"Name":"other"}`, 400, `swarm spec must be named "default"`},
		{"POST", "/networks/create", `{"Name":"host"}`, 409, "network with name host already exists"},
		{"POST", "/networks/create", `{"Name":"container:x"}`, 403, "is reserved and cannot be created"},
		{"POST", "/networks/create", `{"Name":"ingress2","Driver":"overlay","Ingress":true}`, 409, ") is already present"},
		{"DELETE", "/networks/bridge", "", 403, "bridge is a pre-defined network and cannot be removed"},
		{"DELETE", "/networks/nope", "", 404, "network nope not found"},
		{"GET", "/containers/json", "", 200, "[]"},
		{"POST", "/containers/create", "{}", 501, "the sandbox runs services only"},
		{"GET", "/images/json", "", 200, "[]"},
		{"GET", "/volumes", "", 200, `{"Volumes":[],"Warnings":null}`},
		{"GET", "/plugins", "", 200, "[]"},
		{"GET", "/system/df", "", 200, `"Images":[]`},
		{"GET", "/version", "", 200, `"ApiVersion":"1.56"`},
		{"GET", "/events?since=2&until=1", "", 400, "cannot be after"},
	} {
		status, _, body := call(t, socket, tc.method, tc.path, tc.body)
		if status != tc.status || !strings.Contains(body, tc.want) && !strings.Contains(strings.ReplaceAll(body, `\"`, `"`), tc.want) {
			t.Errorf("%s %s: %d %s, want %d with %q", tc.method, tc.path, status, strings.TrimSpace(body), tc.status, tc.want)
		}
	}
}

// Old clients lose the fields that their version does not have, as with dockerd.
func TestOldAPIVersionDropsFields(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Managers: 1})
	spec := `{"Name":"%s","TaskTemplate":{"ContainerSpec":{"Image":"a","OomScoreAdj":5}}}`
	for version, want := range map[string]bool{"1.45": false, "1.46": true} {
		status, _, body := call(t, sb.Socket("manager-1"), "POST", "/v"+version+"/services/create", fmt.Sprintf(spec, "s"+strings.Replace(version, ".", "-", 1)))
		if status != http.StatusCreated {
			t.Fatalf("create: %d %s", status, body)
		}
		var created struct{ ID string }
		if err := json.Unmarshal([]byte(body), &created); err != nil {
			t.Fatal(err)
		}
		_, _, body = call(t, sb.Socket("manager-1"), "GET", "/services/"+created.ID, "")
		if strings.Contains(body, "OomScoreAdj") != want {
			t.Errorf("API %s: kept is %v, want %v", version, !want, want)
		}
	}
}

func TestDistribution(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Blank: 1})
	c := connect(t, sb, "blank-1")
	digest := func(ref string) string {
		r, err := c.DistributionInspect(t.Context(), ref, client.DistributionInspectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Platforms) != 1 || r.Platforms[0].OS != "linux" || r.Platforms[0].Architecture != "amd64" {
			t.Errorf("platforms of %s are %+v", ref, r.Platforms)
		}
		return r.Descriptor.Digest.String()
	}
	first := digest("nginx")
	if first != digest("docker.io/library/nginx:latest") || first == digest("nginx:1") || first == digest("registry.example.com:5000/team/nginx:latest") {
		t.Error("a digest is of the whole reference and nothing else")
	}
	if pinned := "sha256:" + strings.Repeat("ab", 32); digest("nginx@"+pinned) != pinned {
		t.Error("a digest in the reference is the digest")
	}
	for _, ref := range []string{"nopull:1", "registry.example.com/team/missing-app:3"} {
		_, err := c.DistributionInspect(t.Context(), ref, client.DistributionInspectOptions{})
		wantError(t, err, "manifest unknown")
	}
	lookups := 0
	for _, r := range sb.Requests() {
		if strings.HasPrefix(r.Path, "/distribution/") {
			lookups++
		}
	}
	if lookups != 7 {
		t.Errorf("%d look-ups were counted, want 7", lookups)
	}
}

func TestNetworks(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Managers: 1, Workers: 1})
	c, w := connect(t, sb, "manager-1"), connect(t, sb, "worker-1")
	overlay, err := c.NetworkCreate(t.Context(), "back", client.NetworkCreateOptions{Driver: "overlay", Attachable: true, Labels: map[string]string{"a": "b"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.NetworkCreate(t.Context(), "back", client.NetworkCreateOptions{Driver: "overlay"})
	wantError(t, err, "network with name back already exists")
	_, err = w.NetworkCreate(t.Context(), "back2", client.NetworkCreateOptions{Driver: "overlay"})
	wantError(t, err, "This node is not a swarm manager")
	if _, err := c.NetworkCreate(t.Context(), "mine", client.NetworkCreateOptions{Driver: "bridge"}); err != nil {
		t.Fatal(err)
	}
	_, err = c.NetworkCreate(t.Context(), "mine", client.NetworkCreateOptions{})
	wantError(t, err, "network with name mine already exists")
	_, err = c.NetworkCreate(t.Context(), "mine", client.NetworkCreateOptions{Driver: "overlay"})
	wantError(t, err, "network with name mine already exists")
	_, err = w.NetworkInspect(t.Context(), "mine", client.NetworkInspectOptions{})
	wantError(t, err, "network mine not found")

	names := func(c *client.Client, f client.Filters) map[string]string {
		r, err := c.NetworkList(t.Context(), client.NetworkListOptions{Filters: f})
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, n := range r.Items {
			out[n.Name] = n.Scope + "/" + n.Driver
		}
		return out
	}
	want := map[string]string{
		"bridge": "local/bridge", "host": "local/host", "none": "local/null", "docker_gwbridge": "local/bridge",
		"mine": "local/bridge", "ingress": "swarm/overlay", "back": "swarm/overlay",
	}
	if got := names(c, nil); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("networks are %v, want %v", got, want)
	}
	if got := names(c, make(client.Filters).Add("label", "a=b")); len(got) != 1 || got["back"] == "" {
		t.Errorf("with the label: %v", got)
	}
	if got := names(c, make(client.Filters).Add("scope", "swarm")); len(got) != 2 {
		t.Errorf("of the swarm: %v", got)
	}
	eventually(t, func() error {
		if got := names(w, nil); got["ingress"] != "swarm/overlay" || got["back"] != "" {
			return fmt.Errorf("a worker sees %v: of the swarm's networks those it is attached to", got)
		}
		return nil
	})
	for _, term := range []string{"back", overlay.ID, overlay.ID[:6]} {
		r, err := c.NetworkInspect(t.Context(), term, client.NetworkInspectOptions{})
		if err != nil || r.Network.ID != overlay.ID || !r.Network.Attachable || len(r.Network.IPAM.Config) != 1 {
			t.Errorf("by %q: %+v, %v", term, r.Network, err)
		}
	}
	hidden, err := c.NetworkInspect(t.Context(), "bridge", client.NetworkInspectOptions{Scope: "swarm"})
	if err != nil || hidden.Network.Scope != "swarm" || hidden.Network.Labels["com.docker.swarm.predefined"] != "true" {
		t.Errorf("the swarm's own bridge is %+v, %v", hidden.Network, err)
	}
	if same, err := c.NetworkInspect(t.Context(), hidden.Network.ID, client.NetworkInspectOptions{}); err != nil || same.Network.Name != "bridge" || same.Network.ID != hidden.Network.ID {
		t.Errorf("by its id it is %+v, %v", same.Network, err)
	}
	_, err = c.NetworkCreate(t.Context(), "bad", client.NetworkCreateOptions{Driver: "overlay", IPAM: &network.IPAM{Config: []network.IPAMConfig{{Subnet: prefix("10.9.0.1/24")}}}})
	wantError(t, err, "invalid subnet 10.9.0.1/24: it should be 10.9.0.0/24")
	if _, err := c.NetworkCreate(t.Context(), "settings", client.NetworkCreateOptions{ConfigOnly: true}); err != nil {
		t.Fatal(err)
	}
	yes := true
	for says, o := range map[string]client.NetworkCreateOptions{
		"user-specified configurations are not supported if the network depends on a configuration network": {Labels: map[string]string{"a": "b"}, ConfigFrom: "settings"},
		"user-specified configurations are not":            {EnableIPv6: &yes, ConfigFrom: "settings"},
		"user-specified configurations":                    {IPAM: &network.IPAM{Config: []network.IPAMConfig{{Subnet: prefix("10.9.0.0/24")}}}, ConfigFrom: "settings"},
		"network driver options are not supported":         {Options: map[string]string{"parent": "eth0"}, ConfigFrom: "settings"},
		`configuration network "nothing" does not exist`:   {ConfigFrom: "nothing"},
		`configuration network "docker_gwbridge" does not`: {ConfigFrom: "docker_gwbridge"},
	} {
		o.Driver, o.Scope = "macvlan", "swarm"
		_, err := c.NetworkCreate(t.Context(), "lan", o)
		wantError(t, err, says)
	}
	if _, err := c.NetworkCreate(t.Context(), "lan", client.NetworkCreateOptions{Driver: "macvlan", Scope: "swarm", ConfigFrom: "settings"}); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"back", "mine", "lan", "settings"} {
		if _, err := c.NetworkRemove(t.Context(), name, client.NetworkRemoveOptions{}); err != nil {
			t.Error(err)
		}
	}
	if got := names(c, nil); got["back"] != "" || got["mine"] != "" {
		t.Errorf("after their removal: %v", got)
	}
}
