package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// whole returns the manifest of a service that states every field, with ports of its own.
func (w *world) whole(name string, ports int) string {
	w.Helper()
	values := map[string]string{}
	for field, v := range everyField {
		values[field] = v[0]
	}
	w.leaveOut(values)
	values["ports"] = strings.NewReplacer("8001", fmt.Sprint(ports), "5301", fmt.Sprint(ports+1)).Replace(values["ports"])
	var spec []string
	for _, field := range slices.Sorted(maps.Keys(values)) {
		spec = append(spec, field+": "+values[field])
	}
	return strings.Replace(service(name, spec...), "name: "+name+"}", "name: "+name+", labels: {tier: front}}", 1)
}

// wholly returns a spec for a comparison of each field. What it refers to has its name in it instead of an id, and it
// has no labels of the operator's.
func (w *world) wholly(spec swarm.ServiceSpec) string {
	w.Helper()
	maps.DeleteFunc(spec.Labels, func(k, _ string) bool { return strings.HasPrefix(k, "swarm-operator.io/") })
	for i := range spec.TaskTemplate.Networks {
		n := &spec.TaskTemplate.Networks[i]
		found, err := w.api.NetworkInspect(w.Context(), n.Target, client.NetworkInspectOptions{})
		if err != nil {
			w.Fatal(err)
		}
		n.Target = found.Network.Name
	}
	slices.Sort(spec.TaskTemplate.Placement.Constraints) // their order means nothing
	c := spec.TaskTemplate.ContainerSpec
	for _, r := range c.Configs {
		if c.Privileges.CredentialSpec.Config == r.ConfigID {
			c.Privileges.CredentialSpec.Config = r.ConfigName
		}
		r.ConfigID = ""
	}
	for _, r := range c.Secrets {
		r.SecretID = ""
	}
	b, err := json.MarshalIndent(spec, "", " ")
	if err != nil {
		w.Fatal(err)
	}
	return string(b)
}

// again waits until a service is another one, and checks that it has the same spec, field for field.
func (w *world) again(name, id, was string, but func(*swarm.ServiceSpec)) {
	w.Helper()
	w.eventually(func() error {
		if now, there := w.find(name); !there || now.ID == id {
			return fmt.Errorf("%s is not there again", name)
		}
		return nil
	})
	now := w.service(name).Spec
	if but != nil {
		but(&now)
	}
	if got := w.wholly(now); got != was {
		w.Errorf("%s was\n%s\nand is\n%s", name, was, got)
	}
}

// A service that states every field loses none, whoever made it: neither if somebody removes it, nor if docker stack rm
// takes everything that it refers to with it, nor if the operator makes it again in another mode.
func TestNoFieldIsLostWhenAServiceIsMadeAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	names := []string{"made", "shop_web"}
	files := map[string]string{"made.yaml": w.whole("made", 8001), "beside.yaml": docs(network("one"), network("two"), config("conf", "content\n"), secret("key", "content\n"))}
	r := w.repo("shop", files)
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	foreign := w.service("made").Spec // what docker would have sent for the same
	foreign.Name, foreign.Labels = "shop_web", map[string]string{"tier": "front"}
	for i := range foreign.EndpointSpec.Ports {
		foreign.EndpointSpec.Ports[i].PublishedPort += 10
	}
	w.createService(foreign, false)
	files["shop.yaml"] = policy(w.whole("shop_web", 8011), "enforce: true")
	hash := r.commit("one that was there", files)
	if out := w.want(0, "diff", "--host", w.host(), "--source", r.Dir); !strings.Contains(out.out, "= Service/shop_web") {
		t.Errorf("diff does not take it over as it is:\n%s", out)
	}
	p := w.proxy()
	o := w.operate(p.Host(), r, "--repair-after", "0s")
	o.inSync(hash)
	w.written(p)
	before, ids := map[string]string{}, map[string]string{}
	note := func() {
		for _, name := range names {
			ids[name] = w.service(name).ID
		}
	}
	for _, name := range names {
		before[name] = w.wholly(w.service(name).Spec)
	}

	t.Log("docker service rm")
	note()
	w.remove(names...)
	for _, name := range names {
		w.again(name, ids[name], before[name], nil)
	}
	o.inSync(hash)
	w.written(p)

	t.Log("docker stack rm")
	note()
	w.want(0, "hold", "shop", "--reason", "nothing is made again while its config goes", "--host", w.host())
	w.removeAll(names...)
	w.want(0, "resume", "shop", "--host", w.host())
	for _, name := range names {
		w.again(name, ids[name], before[name], nil)
	}
	o.inSync(hash)
	w.written(p)

	t.Log("a replacement that somebody agreed to")
	note()
	for _, file := range []string{"made.yaml", "shop.yaml"} {
		files[file] = strings.NewReplacer("\n  replicas: 0", "\n  mode: global", "node.role == manager", "node.labels.none == x").Replace(files[file])
	}
	hash = r.commit("another mode\n\nConsent: replace", files)
	for _, name := range names {
		w.again(name, ids[name], before[name], func(s *swarm.ServiceSpec) {
			if s.Mode.Global == nil {
				t.Errorf("%s has another mode: %+v", name, s.Mode)
			}
			s.Mode = swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: new(uint64)}}
			s.TaskTemplate.Placement.Constraints[slices.Index(s.TaskTemplate.Placement.Constraints, "node.labels.none == x")] = "node.role == manager"
		})
	}
	o.inSync(hash)
}

// removeAll does what docker stack rm does: it removes services and everything that they refer to.
func (w *world) removeAll(names ...string) {
	w.Helper()
	w.remove(names...)
	must := func(err error) {
		w.Helper()
		if err != nil {
			w.Fatal(err)
		}
	}
	for _, name := range w.configs() {
		_, err := w.api.ConfigRemove(w.Context(), name, client.ConfigRemoveOptions{})
		must(err)
	}
	for _, name := range w.secrets() {
		_, err := w.api.SecretRemove(w.Context(), name, client.SecretRemoveOptions{})
		must(err)
	}
	for _, name := range w.networks() {
		w.eventually(func() error {
			_, err := w.api.NetworkRemove(w.Context(), name, client.NetworkRemoveOptions{})
			return err
		})
	}
}
