package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/test/generate"
	"github.com/swarm-operator/swarm-operator/test/turn"
)

// The laws of controllers/kinds/service hold over 500 services of other tools. A run makes some of them for real, and
// each commit takes the next ones.
const (
	liveServices = 500
	livesOfARun  = 10
)

// edited is a live service, its manifest, and the manifest with one field changed.
type edited struct{ before, after string }

// foreign makes services as other tools make them, and returns their manifests by name.
func (w *world) foreign(from, n int) map[string]edited {
	w.Helper()
	ids := map[string]string{}
	for _, name := range generate.Networks {
		ids[v1.KindNetwork+name] = w.createNetwork(name, nil)
	}
	for _, name := range append([]string{generate.LongConfig}, generate.Configs...) {
		ids[v1.KindConfig+name] = w.createConfig(name, "content\n")
	}
	for _, name := range generate.Secrets {
		ids[v1.KindSecret+name] = w.createSecret(name, "content\n")
	}
	out, specs := map[string]edited{}, []swarm.ServiceSpec(nil)
	generate.EachLive(w, from, n, func(kind, name string) string { return ids[kind+name] }, func(t *rapid.T, l generate.Live) {
		name := fmt.Sprintf("live-%03d", from+len(specs))
		l.Manifest.Metadata.Name, l.Spec.Name = name, name
		alone(l, len(specs))
		after, _ := generate.Edit(t, l.Manifest)
		if after.Spec.Job() { // it is written only if its task changes
			after.Spec.Hostname += "edited"
		}
		for i := range after.Spec.Ports { // an edit knows nothing of the other services
			if p := &after.Spec.Ports[i]; p.Published != 0 && p.Published < ownPorts {
				p.Published += 2*ownPorts + uint32(1000*len(specs))
			}
		}
		out[name] = edited{generate.Manifest(l.Manifest), generate.Manifest(after)}
		specs = append(specs, *l.Spec)
	})
	for _, spec := range specs {
		w.createService(spec, false)
	}
	return out
}

// ownPorts is above the ports of the generator.
const ownPorts = 10000

// alone gives the n-th service ports of its own, and no tasks: what is rolled out is another test's.
func alone(l generate.Live, n int) {
	apart := ownPorts + uint32(1000*n)
	for i := range l.Manifest.Spec.Ports {
		if p := &l.Manifest.Spec.Ports[i]; p.Published != 0 {
			p.Published += apart
		}
	}
	if e := l.Spec.EndpointSpec; e != nil {
		for i := range e.Ports {
			if p := &e.Ports[i]; p.PublishedPort != 0 {
				p.PublishedPort += apart
			}
		}
	}
	if r := l.Spec.Mode.Replicated; r != nil {
		r.Replicas, l.Manifest.Spec.Replicas = new(uint64), new(uint64)
		return
	}
	const nowhere = "node.labels.none==x"
	if l.Spec.TaskTemplate.Placement == nil {
		l.Spec.TaskTemplate.Placement = &swarm.Placement{}
	}
	if l.Manifest.Spec.Placement == nil {
		l.Manifest.Spec.Placement = &v1.Placement{}
	}
	live, stated := l.Spec.TaskTemplate.Placement, l.Manifest.Spec.Placement
	live.Constraints, stated.Constraints = append(live.Constraints, nowhere), append(stated.Constraints, nowhere)
}

// Services of other tools are taken over without a write. Then one field of each is edited, and each is written once.
func TestServicesOfOtherToolsAreTakenOverAndEdited(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	from := max(0, turn.Commits()) * livesOfARun % liveServices
	services := w.foreign(from, livesOfARun)
	files := map[string]string{"others.yaml": docs(others()...)}
	for name, s := range services {
		files[name+".yaml"] = s.before
	}
	r := w.repo("taking", files)
	before := w.specs()
	p := w.proxy()
	out := w.want(0, "apply", "--host", p.Host(), "--source", r.Dir)
	for name := range services {
		if !strings.Contains(out.out, "= Service/"+name) {
			t.Errorf("apply does not say that it takes over %s:\n%s", name, out)
		}
	}
	if writes := serviceWrites(p.Calls()); len(writes) > 0 {
		t.Errorf("services %d to %d: to take them over, it wrote\n%s", from, from+livesOfARun, lines(writes))
	}
	for name, s := range services {
		files[name+".yaml"] = s.after
	}
	r.commit("one field of each", files)
	plan := w.cli("diff", "--host", w.host(), "--source", r.Dir)
	p.Reset()
	w.want(0, "apply", "--host", p.Host(), "--source", r.Dir)
	written := 0
	for name, was := range before {
		writes := accepted(writesTo(p.Calls(), w.service(name).ID))
		differs := text(t, w.service(name).Spec, nil) != was
		written += len(writes)
		if planned := strings.Contains(plan.out, "~ Service/"+name); planned != (len(writes) == 1) || !planned && differs {
			t.Errorf("%s is planned to be written: %t; it differs: %t; it was written:\n%s", name, planned, differs, lines(writes))
		}
	}
	if written < livesOfARun/2 { // an edit may be another form of the same
		t.Errorf("of %d services that were edited, %d were written:\n%s", livesOfARun, written, plan)
	}
	if out := w.cli("diff", "--host", w.host(), "--source", r.Dir); out.code != 0 {
		t.Errorf("services %d to %d are not in sync after one write each: %s", from, from+livesOfARun, out)
	}
}

// others returns the manifests of what the services refer to.
func others() []string {
	var out []string
	external := func(kind string, names ...string) {
		for _, name := range names {
			out = append(out, fmt.Sprintf(head, kind, name)+"spec: {external: true}\n")
		}
	}
	external("Network", generate.Networks...)
	external("Config", append([]string{generate.LongConfig}, generate.Configs...)...)
	external("Secret", generate.Secrets...)
	return out
}

// specs returns the specs of all services, without their labels.
func (w *world) specs() map[string]string {
	w.Helper()
	out := map[string]string{}
	for _, s := range w.services() {
		out[s.Spec.Name] = text(w.T, s.Spec, nil)
	}
	return out
}
