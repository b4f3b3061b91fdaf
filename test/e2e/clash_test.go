package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/moby/moby/api/types/swarm"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// mostTries is how often, within two minutes, all operators of a swarm together may try what the engine refuses.
const mostTries = 8

// mostWrites is how often they may write meanwhile, with all that one revision needs: the lease, the memory, another
// service. That is 6 times if nothing disturbs them.
const mostWrites = 20

// Somebody else takes a port at the last moment, so that the engine refuses what the plan could not know. Three
// operators together try it a few times, say who has the port, and go on as soon as it is free. -watch=2m watches
// this for as long as the requirements ask.
func TestAPortThatSomebodyElseTakesIsNotFoughtFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{3, 0})
	published := func(name, image string) string {
		return service(name, "image: "+image, "replicas: 0", "ports: [{target: 80, published: 8081}]")
	}
	theirs := cliService("theirs", "app:1")
	theirs.Mode.Replicated.Replicas = new(uint64)
	theirs.EndpointSpec.Ports = []swarm.PortConfig{{Protocol: "tcp", TargetPort: 80, PublishedPort: 8081, PublishMode: "ingress"}}
	r := w.repo("clash", map[string]string{"good.yaml": service("good", "image: app:1", "replicas: 0")})
	var taken sync.Once
	var proxies []*harness.Proxy
	var all []*operator
	for _, node := range w.swarm.Managers() {
		p := w.proxyTo(node)
		p.Before(func(c harness.Call) error {
			if createsBad(c) {
				taken.Do(func() { w.createService(theirs, false) })
			}
			return nil
		})
		proxies, all = append(proxies, p), append(all, w.operate(p.Host(), r, "--instance", node))
	}
	w.image("good", "app:1")
	for _, p := range proxies {
		w.written(p)
		p.Reset()
	}
	r.commit("a port that is free", map[string]string{"bad.yaml": published("bad", "app:1"), "good.yaml": service("good", "image: app:2", "replicas: 0")})
	w.image("good", "app:2")
	w.image("theirs", "app:1")
	for _, o := range all {
		o.leaves("Service/bad", "never", "Service/theirs")
	}
	tries := func() (tried, refused []harness.Call) {
		for _, p := range proxies {
			for _, c := range p.Writes() {
				if createsBad(c) {
					tried = append(tried, c)
					if c.Status >= 400 && strings.Contains(string(c.Answer), "already in use") {
						refused = append(refused, c)
					}
				}
			}
		}
		return tried, refused
	}
	w.holds(*watchPeriod, func() error {
		if tried, _ := tries(); len(tried) > mostTries {
			return fmt.Errorf("it was tried more than %d times:\n%s", mostTries, lines(tried))
		}
		return nil
	})
	tried, refused := tries()
	if len(refused) == 0 {
		t.Errorf("the engine refused none of\n%s", lines(tried))
	}
	t.Logf("in %s it was tried %d times", *watchPeriod, len(tried))
	wrote := 0
	for i, p := range proxies {
		t.Logf("%s wrote %d times", w.swarm.Managers()[i], len(p.Writes()))
		wrote += len(p.Writes())
	}
	if wrote > mostWrites {
		t.Errorf("they wrote %d times, want at most %d", wrote, mostWrites)
	}
	w.eventually(func() error { // on a busy machine the managers may have to elect a leader first
		if out := w.cli("diff", "--host", w.host(), "--source", r.Dir); out.code != 1 || !strings.Contains(out.out, "Service/theirs") {
			return fmt.Errorf("diff does not say who has it: %s", out)
		}
		return nil
	})
	w.remove("theirs")
	w.image("bad", "app:1")
	for _, o := range all {
		o.condition("StepFailed", false)
	}
}
