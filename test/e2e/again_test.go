package e2e

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	apinetwork "github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// beyond sets what few services have, and what hurts most if it is lost.
func beyond(s *swarm.ServiceSpec) {
	c := s.TaskTemplate.ContainerSpec
	c.DNSConfig = &swarm.DNSConfig{Nameservers: []netip.Addr{netip.MustParseAddr("10.0.0.53")}}
	c.StopSignal, c.TTY, c.Sysctls = "SIGINT", true, map[string]string{"net.core.somaxconn": "1024"}
	c.Ulimits = []*container.Ulimit{{Name: "nofile", Soft: 1024, Hard: 2048}}
	c.Mounts = []mount.Mount{{Type: mount.TypeVolume, Source: "data", Target: "/data", VolumeOptions: &mount.VolumeOptions{DriverConfig: &mount.Driver{Name: "nfs", Options: map[string]string{"share": "nas:/data"}}}}}
	if s.EndpointSpec = (&swarm.EndpointSpec{Mode: swarm.ResolutionModeDNSRR}); s.Mode.Replicated != nil {
		s.Mode.Replicated.Replicas = new(uint64)
	}
}

// db returns a manifest of a service on which beyond is set.
func db(name string, more ...string) string {
	return service(name, append([]string{
		"image: app:1", "replicas: 0", "command: [serve]", "environment: {LOG_LEVEL: info}", "endpointMode: dnsrr", "dns: 10.0.0.53", "stopSignal: SIGINT", "tty: true",
		"sysctls: {net.core.somaxconn: 1024}", "ulimits: {nofile: {soft: 1024, hard: 2048}}",
		"mounts: [{type: volume, source: data, target: /data, volume: {driver: nfs, driverOpts: {share: 'nas:/data'}}}]",
	}, more...)...)
}

func (w *world) createBeyond(name string) swarm.Service {
	w.Helper()
	spec := cliService(name, "app:1")
	beyond(&spec)
	w.createService(spec, true)
	return w.service(name)
}

// text returns a spec without its labels, for a comparison of each field. but may change the spec first.
func text(t *testing.T, spec swarm.ServiceSpec, but func(*swarm.ServiceSpec)) string {
	t.Helper()
	spec.Labels = nil
	if but != nil {
		but(&spec)
	}
	b, err := json.MarshalIndent(spec, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Somebody removes services, and the operator makes them again with every setting that they had.
func TestWhatIsRemovedByHandIsMadeAgainAsItWas(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	w.createBeyond("shop_db")
	r := w.repo("shop", nil)
	hash := r.commit("one that was there and one that was not", map[string]string{"db.yaml": policy(db("shop_db"), "enforce: true"), "made.yaml": db("made")})
	if out := w.want(1, "diff", "--host", w.host(), "--source", r.Dir); !strings.Contains(out.out, "= Service/shop_db") {
		t.Errorf("diff does not take it over as it is:\n%s", out)
	}
	p := w.proxy()
	o := w.operate(p.Host(), r, "--repair-after", "0s")
	o.inSync(hash)
	before := map[string]swarm.Service{"shop_db": w.service("shop_db"), "made": w.service("made")}

	t.Log("docker stack rm, and docker service rm")
	w.remove("shop_db", "made")
	for name, was := range before {
		w.eventually(func() error {
			if now, there := w.find(name); !there || now.ID == was.ID {
				return fmt.Errorf("%s is not there again", name)
			}
			return nil
		})
		// The docker CLI states some defaults, and a manifest does not.
		but := func(s *swarm.ServiceSpec) {
			c := s.TaskTemplate.ContainerSpec
			s.TaskTemplate.Resources, s.TaskTemplate.Placement, c.Init = nil, nil, nil
		}
		if got, want := text(t, w.service(name).Spec, but), text(t, was.Spec, but); got != want {
			t.Errorf("%s was\n%s\nand is\n%s", name, want, got)
		}
	}
	o.inSync(hash)
}

// A replacement starts from the live spec, even if its process is killed in between, or if it is made in two steps.
func TestAReplacementEndsWithTheSameSpec(t *testing.T) {
	t.Parallel()
	for n, e := range endings {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, size{1, 0})
			proxy, prefix := w.proxy(), ""
			calls, k := 0, 0
			for at := range points(n, removesService) {
				k++
				prefix = fmt.Sprintf("r%02d", k)
				if !w.replaced(proxy, prefix, e, at) {
					break
				}
				calls = k
			}
			w.reached(n, "replacing", calls, 10)
		})
	}
}

// replaced disturbs, at one call, an apply that replaces one service and swaps the ports of two.
func (w *world) replaced(proxy *harness.Proxy, prefix string, e ending, at point) bool {
	w.Helper()
	i := &interrupted{world: w, proxy: proxy, prefix: prefix}
	mode, a, b := i.object("mode"), i.object("a"), i.object("b")
	spec := cliService(mode, "app:1")
	beyond(&spec)
	spec.Annotations.Labels = map[string]string{"com.docker.stack.namespace": "shop"}
	w.createService(spec, true)
	base := 20000 + 4*len(w.services())
	port := func(name string, n int) string {
		return service(name, "image: app:1", "stopSignal: SIGQUIT", "tty: true", fmt.Sprintf("ports: [{target: 80, published: %d}]", n))
	}
	i.repo = w.repo(prefix, map[string]string{"mode.yaml": db(mode), "a.yaml": port(a, base), "b.yaml": port(b, base+1)})
	i.want(0, i.args()...)
	for _, name := range []string{a, b} {
		// First the scale alone, once the first task runs: otherwise SwarmKit may leave a task that it has just begun.
		w.runs(name, 1)
		w.byHand(name, func(s *swarm.ServiceSpec) { s.Mode.Replicated.Replicas = new(uint64) })
		w.settled(name)
	}
	before := map[string]swarm.Service{mode: w.settled(mode), a: w.settled(a), b: w.settled(b)}
	i.repo.commit("another mode, and a swap\n\nConsent: replace", map[string]string{
		"mode.yaml": strings.Replace(db(mode), "replicas: 0", "mode: global\n  placement: {constraints: [node.labels.none == x]}", 1), "a.yaml": port(a, base+1), "b.yaml": port(b, base),
	})
	if !i.disturb(e, at) {
		return false
	}
	i.freeLease()
	if r := i.cli(i.args()...); r.code != 0 {
		i.Fatalf("after %s, the next apply says %s", at.name, r)
	}
	if r := i.cli("diff", "--host", i.host(), "--source", i.repo.Dir); r.code != 0 {
		i.Fatalf("after %s and another apply, diff says %s", at.name, r)
	}
	for name, was := range before {
		now := w.service(name)
		but := func(s *swarm.ServiceSpec) {
			s.EndpointSpec.Ports, s.Mode = nil, swarm.ServiceMode{}
			s.UpdateConfig, s.RollbackConfig, s.TaskTemplate.RestartPolicy, s.TaskTemplate.Placement = nil, nil, nil, nil
		}
		if got, want := text(w.T, now.Spec, but), text(w.T, was.Spec, but); got != want {
			w.Errorf("after %s, %s was\n%s\nand is\n%s", at.name, name, want, got)
		}
		if name != mode && replicas(now) != 0 {
			w.Errorf("after %s, %s was scaled to 0 and is at %d", at.name, name, replicas(now))
		}
	}
	if now := w.service(mode); now.Spec.Mode.Global == nil || now.ID == before[mode].ID || now.Spec.Labels["com.docker.stack.namespace"] != "shop" {
		w.Errorf("after %s, %s was not made again with its labels", at.name, mode)
	}
	i.clear()
	return true
}

// If a manifest states no subnet, its network keeps the one that somebody chose. Each version of a config is used as a
// template if the manifest says so.
func TestNetworksAndConfigsAreMadeAgainAsTheyWere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	template := func(content string) string {
		return strings.Replace(config("conf", content), "spec: {", "spec: {templateDriver: golang, ", 1)
	}
	r := w.repo("kept", map[string]string{"n.yaml": network("net"), "c.yaml": template("{{.Service.Name}}\n")})
	if _, err := w.api.ConfigCreate(w.Context(), client.ConfigCreateOptions{Spec: swarm.ConfigSpec{
		Annotations: swarm.Annotations{Name: "conf"}, Data: []byte("{{.Service.Name}}\n"), Templating: &swarm.Driver{Name: "golang"},
	}}); err != nil {
		t.Fatal(err)
	}
	chosen := apinetwork.IPAM{Config: []apinetwork.IPAMConfig{{Subnet: netip.MustParsePrefix("172.28.0.0/16")}}}
	if _, err := w.api.NetworkCreate(w.Context(), "net", client.NetworkCreateOptions{Driver: "overlay", Scope: "swarm", IPAM: &chosen}); err != nil {
		t.Fatal(err)
	}
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	before, err := w.api.NetworkInspect(w.Context(), "net", client.NetworkInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r.commit("both change\n\nConsent: replace", map[string]string{
		"n.yaml": strings.Replace(network("net"), "spec: {}", "spec: {attachable: true}", 1), "c.yaml": template("{{.Node.Hostname}}\n"),
	})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	after, err := w.api.NetworkInspect(w.Context(), "net", client.NetworkInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !after.Network.Attachable || after.Network.ID == before.Network.ID || fmt.Sprint(after.Network.IPAM.Config) != fmt.Sprint(before.Network.IPAM.Config) {
		t.Errorf("the network was\n%+v\nand is\n%+v", before.Network, after.Network)
	}
	list, err := w.api.ConfigList(w.Context(), client.ConfigListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	versions := 0
	for _, c := range list.Items {
		if strings.HasPrefix(c.Spec.Name, "conf") {
			if versions++; c.Spec.Templating == nil || c.Spec.Templating.Name != "golang" {
				t.Errorf("%s is not read as a template any more", c.Spec.Name)
			}
		}
	}
	if versions == 0 {
		t.Error("there is no version of the config")
	}
}

// stackLabels are those by which docker knows what belongs to a stack.
var stackLabels = map[string]string{"com.docker.stack.namespace": "shop"}

// Somebody removes a service and a network of a stack, as docker stack rm does. What the operator makes again belongs to the
// stack, so that docker stack deploy does not find a network of a stranger.
func TestWhatIsMadeAgainBelongsToItsStack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	spec := cliService("shop_web", "app:1")
	spec.Labels, spec.EndpointSpec, spec.Mode.Replicated.Replicas = stackLabels, &swarm.EndpointSpec{}, new(uint64)
	w.createService(spec, true)
	w.createNetwork("shop_default", stackLabels)
	r := w.repo("stacked", nil)
	hash := r.commit("a stack", map[string]string{
		"web.yaml": policy(service("shop_web", "image: app:1", "replicas: 0", "command: [serve]", "environment: {LOG_LEVEL: info}"), "enforce: true"),
		"net.yaml": policy(network("shop_default"), "enforce: true"),
	})
	o := w.operate(w.host(), r, "--repair-after", "0s", "--repair-restarts-after", "0s")
	o.inSync(hash)
	before, err := w.api.NetworkInspect(w.Context(), "shop_default", client.NetworkInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	was := w.service("shop_web")
	w.remove("shop_web")
	if _, err := w.api.NetworkRemove(w.Context(), "shop_default", client.NetworkRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	w.eventually(func() error {
		s, there := w.find("shop_web")
		n, err := w.api.NetworkInspect(w.Context(), "shop_default", client.NetworkInspectOptions{})
		if !there || s.ID == was.ID || err != nil || n.Network.ID == before.Network.ID {
			return fmt.Errorf("they are not there again: %w", err)
		}
		if s.Spec.Labels["com.docker.stack.namespace"] != "shop" || n.Network.Labels["com.docker.stack.namespace"] != "shop" {
			t.Fatalf("their labels are %v and %v", s.Spec.Labels, n.Network.Labels)
		}
		return nil
	})
	o.inSync(hash)
}

// The network of the routing mesh is taken over as the swarm made it. It is made again only while no service publishes a
// port through the mesh, and never removed.
func TestTheNetworkOfTheRoutingMeshIsSetUpFromGit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	w.swarm.Spoil() // the next scenario would find another network
	mesh := func(options string) string {
		return strings.Replace(network("ingress"), "spec: {}", "spec: {ingress: true"+options+"}", 1)
	}
	web := func(more ...string) string {
		return service("web", append([]string{"image: app:1", "replicas: 0"}, more...)...)
	}
	const published, mtu = "ports: [{target: 80, published: 8080}]", ", driverOpts: {com.docker.network.driver.mtu: '1400'}"
	ingress := func() apinetwork.Network {
		t.Helper()
		list, err := w.api.NetworkList(w.Context(), client.NetworkListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		// A node may still have its own half of the one before, which has peers
		i := slices.IndexFunc(list.Items, func(n apinetwork.Summary) bool { return n.Ingress && len(n.Peers) == 0 })
		if i < 0 {
			t.Fatal("there is no network of the routing mesh")
		}
		return list.Items[i].Network
	}
	before := ingress()
	r := w.repo("mesh", map[string]string{"mesh.yaml": mesh(""), "web.yaml": web(published)})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
	stays := func(id string) {
		t.Helper()
		r.remove("mesh.yaml")
		r.commit("nobody sets it up", nil)
		out := w.want(1, "apply", "--host", w.host(), "--source", r.Dir).out
		if now := ingress(); now.ID != id || !strings.Contains(out, "it is the network of the routing mesh") {
			t.Errorf("it is removed, or somebody is asked whether it may be:\n%s", out)
		}
	}
	stays(before.ID) // which was taken over

	r.commit("a smaller MTU\n\nConsent: replace", map[string]string{"mesh.yaml": mesh(mtu)})
	out := w.want(1, "apply", "--host", w.host(), "--source", r.Dir).out
	if now := ingress(); now.ID != before.ID || !strings.Contains(out, "while Service/web uses it") {
		t.Errorf("it is replaced while a service publishes a port:\n%s", out)
	}
	r.commit("nothing is published\n\nConsent: replace", map[string]string{"web.yaml": web()})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	made := ingress()
	if made.ID == before.ID || !made.Ingress || made.Options["com.docker.network.driver.mtu"] != "1400" {
		t.Errorf("it is %+v", made)
	}
	// One commit changes the network and has the first port, which would keep the network in use.
	r.commit("another MTU, and something is published\n\nConsent: replace", map[string]string{"mesh.yaml": mesh(strings.Replace(mtu, "1400", "1300", 1)), "web.yaml": web(published)})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
	before, made = made, ingress()
	if made.ID == before.ID || made.Options["com.docker.network.driver.mtu"] != "1300" {
		t.Errorf("before the first port is published, it is %+v", made)
	}

	stays(made.ID)
}
