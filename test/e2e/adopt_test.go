package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// cliService returns the spec that docker service create sends for --name NAME --replicas 2 --env LOG_LEVEL=info
// --publish 8080:80 IMAGE serve.
func cliService(name, image string) swarm.ServiceSpec {
	off, two := false, uint64(2)
	return swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: name},
		Mode:        swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &two}},
		TaskTemplate: swarm.TaskSpec{
			ContainerSpec: &swarm.ContainerSpec{Image: image, Args: []string{"serve"}, Env: []string{"LOG_LEVEL=info"}, Init: &off, DNSConfig: &swarm.DNSConfig{}},
			Resources:     &swarm.ResourceRequirements{Limits: &swarm.Limit{}, Reservations: &swarm.Resources{}},
			Placement:     &swarm.Placement{},
		},
		EndpointSpec: &swarm.EndpointSpec{Mode: swarm.ResolutionModeVIP, Ports: []swarm.PortConfig{
			{Protocol: "tcp", TargetPort: 80, PublishedPort: 8080, PublishMode: swarm.PortConfigPublishModeIngress},
		}},
	}
}

func cliManifest(name string, more ...string) string {
	return service(name, append([]string{
		"image: app:1", "replicas: 2", "command: [serve]", "environment: {LOG_LEVEL: info}", "ports: [{target: 80, published: 8080}]",
	}, more...)...)
}

// stackService returns the spec that docker stack deploy sends for service web of stack shop in a compose file.
func stackService(networkID string) swarm.ServiceSpec {
	two := uint64(2)
	labels := map[string]string{"com.docker.stack.namespace": "shop", "com.docker.stack.image": "app:1", "tier": "front"}
	return swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: "shop_web", Labels: labels},
		Mode:        swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &two}},
		TaskTemplate: swarm.TaskSpec{
			ContainerSpec: &swarm.ContainerSpec{
				Image: "app:1", Env: []string{"A=1", "B=2"}, Labels: map[string]string{"com.docker.stack.namespace": "shop"},
				Privileges: &swarm.Privileges{}, Healthcheck: &container.HealthConfig{Test: []string{"CMD", "ok"}, Interval: 10 * time.Second},
			},
			Resources: &swarm.ResourceRequirements{},
			Placement: &swarm.Placement{},
			Networks:  []swarm.NetworkAttachmentConfig{{Target: networkID, Aliases: []string{"web"}}},
		},
		EndpointSpec: &swarm.EndpointSpec{},
	}
}

const stackManifest = `apiVersion: swarm-operator.io/v1
kind: Service
metadata: {name: shop_web, labels: {tier: front}}
spec:
  image: app:1
  replicas: 2
  environment: {B: "2", A: "1"}
  healthcheck: {test: [CMD, ok], interval: 10s}
  networks: [{name: shop_default, aliases: [web]}]
`

// untouched checks that nothing was written on a service since it was read.
func (w *world) untouched(before swarm.Service) {
	w.Helper()
	now := w.service(before.Spec.Name)
	if now.Version != before.Version || now.PreviousSpec != nil || now.UpdateStatus != nil {
		w.Errorf("%s was at version %d and is at %d; previous spec %v, update %v",
			before.Spec.Name, before.Version.Index, now.Version.Index, now.PreviousSpec != nil, now.UpdateStatus)
	}
}

// settled waits until the allocator and the scheduler have made the changes that move a new service's version.
func (w *world) settled(name string) swarm.Service {
	w.Helper()
	w.runs(name, int(replicas(w.service(name))))
	var s swarm.Service
	w.eventually(func() error {
		s = w.service(name)
		if needs := len(s.Spec.EndpointSpec.Ports) + len(s.Spec.TaskTemplate.Networks); needs > 0 && len(s.Endpoint.VirtualIPs) == 0 {
			return fmt.Errorf("%s has no address yet", name)
		}
		return nil
	})
	return s
}

func TestAnEqualServiceOfTheDockerCLIIsTakenOverWithoutAWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 1})
	w.createService(cliService("web", "app:1"), true)
	web := w.settled("web")
	if c := web.Spec.TaskTemplate; !strings.Contains(c.ContainerSpec.Image, "@sha256:") || len(c.Placement.Platforms) == 0 {
		t.Fatalf("the service has no digest or no platforms: %s %v", c.ContainerSpec.Image, c.Placement)
	}
	net := w.createNetwork("shop_default", map[string]string{"com.docker.stack.namespace": "shop"})
	w.createService(stackService(net), true)
	stack := w.settled("shop_web")
	r := w.repo("taking", map[string]string{"web.yaml": cliManifest("web"), "shop.yaml": docs(stackManifest, network("shop_default"))})

	p := w.proxy()
	out := w.want(0, "apply", "--host", p.Host(), "--source", r.Dir, "--wait")
	for _, want := range []string{"= Service/web", "= Service/shop_web", "= Network/shop_default"} {
		if !strings.Contains(out.out, want) {
			t.Errorf("apply does not say %q:\n%s", want, out)
		}
	}
	if writes := serviceWrites(p.Calls()); len(writes) > 0 {
		t.Errorf("services were written:\n%s", lines(writes))
	}
	w.untouched(web)
	w.untouched(stack)
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
	p.Reset()
	w.want(0, "apply", "--host", p.Host(), "--source", r.Dir)
	if writes := p.Writes(); len(writes) > 0 {
		t.Errorf("the second apply wrote:\n%s", lines(writes))
	}

	o := w.operate(w.host(), r, "--repair-after", "0s")
	o.condition("InSync", true)
	w.scale("web", 5)
	w.byHand("shop_web", func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Env = []string{"A=1", "B=3"} })
	o.reports(func(r harness.Report) error {
		d, err := scaled(r, "web", "5", "2")
		if err == nil && (!d.Open || d.Done != "reported") {
			err = fmt.Errorf("what others made is reported by default: %+v", d)
		}
		return err
	})
	o.reports(func(r harness.Report) error {
		for _, d := range r.Drift {
			if d.Object == "Service/shop_web" && len(d.Fields) == 1 && strings.Contains(d.Fields[0].Path, "spec.environment") && d.By == "hand" {
				return nil
			}
		}
		return fmt.Errorf("the environment changed by hand is not reported: %+v", r.Drift)
	})

	// The labels come with the first real write. Fields that the manifest does not state stay.
	o.finish()
	hash := r.commit("git changes web", map[string]string{"web.yaml": cliManifest("web", "user: app")})
	w.scale("web", 2)
	w.want(1, "apply", "--host", w.host(), "--source", r.Dir) // the difference of shop_web is a person's decision
	now := w.service("web")
	c := now.Spec.TaskTemplate
	if c.ContainerSpec.User != "app" || now.Spec.Labels["swarm-operator.io/owner"] != "taking/Service/web" {
		t.Errorf("revision %s: user %q, labels %v", hash, c.ContainerSpec.User, now.Spec.Labels)
	}
	if c.ContainerSpec.Image != web.Spec.TaskTemplate.ContainerSpec.Image || len(c.Placement.Platforms) == 0 || c.ContainerSpec.DNSConfig == nil || c.Resources == nil || c.ContainerSpec.Init == nil {
		t.Errorf("the write changed more than it had to: %+v", c)
	}
}

func TestAServiceThatDiffersIsRefusedAndTakenOverOnRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	w.createService(cliService("web", "app:0"), true)
	web := w.settled("web")
	r := w.repo("taking", map[string]string{"web.yaml": cliManifest("web")})
	refused := w.want(1, "apply", "--host", w.host(), "--source", r.Dir)
	for _, want := range []string{"! ~ Service/web", "policy: {adopt: takeover}", "spec.image", "app:0", "app:1"} {
		if !strings.Contains(refused.out, want) {
			t.Errorf("the refusal does not say %q:\n%s", want, refused)
		}
	}
	w.untouched(web)
	w.want(1, "diff", "--host", w.host(), "--source", r.Dir)

	// To ignore what differs makes no object equal.
	r.commit("look away", map[string]string{"web.yaml": policy(cliManifest("web"), "ignoreDifferences: [spec, metadata.labels]")})
	w.want(1, "apply", "--host", w.host(), "--source", r.Dir).says(t, "Service/web", "it differs in fields of policy.ignoreDifferences", "spec.image")
	w.untouched(web)

	r.commit("never", map[string]string{"web.yaml": policy(cliManifest("web"), "adopt: never")})
	w.want(1, "apply", "--host", w.host(), "--source", r.Dir)
	w.untouched(web)

	r.commit("take it over", map[string]string{"web.yaml": policy(cliManifest("web"), "adopt: takeover")})
	p := w.proxy()
	w.want(0, "apply", "--host", p.Host(), "--source", r.Dir)
	if writes := accepted(serviceWrites(p.Calls())); len(writes) != 1 {
		t.Errorf("want one write, got\n%s", lines(writes))
	}
	if image := w.service("web").Spec.TaskTemplate.ContainerSpec.Image; !strings.HasPrefix(image, "app:1@sha256:") {
		t.Errorf("the image is %s", image)
	}
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
}

func TestAnEqualConfigIsTakenOverUnderItsNameUntilItsContentChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	id := w.createConfig("app-conf", "one\n")
	spec := cliService("web", "app:1")
	spec.TaskTemplate.ContainerSpec.Configs = []*swarm.ConfigReference{{
		ConfigID: id, ConfigName: "app-conf", File: &swarm.ConfigReferenceFileTarget{Name: "/etc/app.conf", UID: "0", GID: "0", Mode: 0o444},
	}}
	w.createService(spec, true)
	web := w.settled("web")
	manifest := cliManifest("web", "configs: [{source: app-conf, target: /etc/app.conf}]")
	r := w.repo("taking", map[string]string{"web.yaml": manifest, "conf.yaml": config("app-conf", "one\n")})
	p := w.proxy()
	w.want(0, "apply", "--host", p.Host(), "--source", r.Dir)
	w.untouched(web)
	if writes := p.Writes(); len(writes) > 1 { // what the operator remembers
		t.Errorf("it wrote:\n%s", lines(writes))
	}
	if got := w.configs(); !slices.Equal(got, []string{"app-conf"}) {
		t.Errorf("configs are %q", got)
	}
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)

	r.commit("another content", map[string]string{"conf.yaml": config("app-conf", "two\n")})
	p.Reset()
	w.want(0, "apply", "--host", p.Host(), "--source", r.Dir)
	if writes := accepted(serviceWrites(p.Calls())); len(writes) != 1 {
		t.Errorf("want the service switched once, got\n%s", lines(writes))
	}
	got := w.configs()
	if len(got) != 2 || got[0] != "app-conf" || !version.MatchString(got[1]) {
		t.Errorf("configs are %q", got)
	}
	newest := got[len(got)-1]
	hasNewest := func(when string) {
		t.Helper()
		if c := w.service("web").Spec.TaskTemplate.ContainerSpec.Configs; len(c) != 1 || c[0].ConfigName != newest {
			t.Errorf("%s, the service has %+v", when, c[0])
		}
	}
	hasNewest("after the commit")
	old := w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
	old.says(t, "it is the old version app-conf, which was adopted", "docker config rm app-conf")
	old.saysNothingOf(t, "unmanage") // that would give up the new version as well

	w.want(0, "unmanage", "Config/app-conf", "--host", w.host(), "--source", r.Dir)
	w.want(1, "apply", "--host", w.host(), "--source", r.Dir).says(t, "it is unmanaged")
	hasNewest("after the config is unmanaged")
	w.want(0, "resume", "Config/app-conf", "--host", w.host(), "--source", r.Dir)
	r.commit("let the old version go", map[string]string{
		"web.yaml": cliManifest("web", "configs: [{source: app-conf, target: /etc/app.conf}]", "containerLabels: {next: spec}"), "conf.yaml": policy(config("app-conf", "two\n"), "prune: true"),
	})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir, "--wait")
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir, "--wait")
	if got := w.configs(); !slices.Equal(got, []string{newest}) {
		t.Errorf("configs are %q", got)
	}
	hasNewest("after the old version is gone")
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
}

func TestASecretIsTakenOverWithConsentOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	id := w.createSecret("key", "nobody can compare this")
	r := w.repo("taking", map[string]string{"key.yaml": secret("key", "nobody can compare this")})
	refused := w.want(1, "apply", "--host", w.host(), "--source", r.Dir)
	if !strings.Contains(refused.out, "policy: {adopt: takeover}") {
		t.Errorf("the refusal does not say how:\n%s", refused)
	}
	r.commit("take it over", map[string]string{"key.yaml": policy(secret("key", "nobody can compare this"), "adopt: takeover")})
	refused = w.want(1, "apply", "--host", w.host(), "--source", r.Dir)
	if !strings.Contains(refused.out, "Consent: takeover-secret") {
		t.Errorf("the refusal does not print the line to add:\n%s", refused)
	}
	rules := w.path("rules.yaml") // nobody agrees to what a guardrail forbids
	if err := os.WriteFile(rules, []byte("external: {secrets: []}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.want(1, "apply", "--host", w.host(), "--source", r.Dir, "--consent", "takeover-secret Secret/key", "--guardrails", rules).says(t, "the guardrail external.secrets does not let the source have it")
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir, "--consent", "takeover-secret Secret/key")
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
	if got := w.secrets(); !slices.Equal(got, []string{"key"}) {
		t.Errorf("secrets are %q: an adopted one keeps its name until its content changes", got)
	}
	if now, err := w.api.SecretInspect(t.Context(), "key", client.SecretInspectOptions{}); err != nil || now.Secret.ID != id {
		t.Errorf("the secret was made anew: %v", err)
	}
}
