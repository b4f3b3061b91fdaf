package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/engines"
	"github.com/swarm-operator/swarm-operator/test/harness"
)

// engines returns the swarm for scenarios that only real engines can do: see without.
func (w *world) engines() *leased {
	w.Helper()
	l, ok := w.swarm.(*leased)
	if !ok {
		w.Fatal("this scenario is about real engines, and should not be run on another swarm")
	}
	return l
}

// oneByOne runs scenarios on swarms of three managers and two workers. There should not be many such swarms at once.
func oneByOne(t *testing.T, scenarios []scenario) {
	t.Parallel()
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) { s.run(newWorld(t, size{3, 2})) })
	}
}

type scenario struct {
	name string
	run  func(*world)
}

func TestContainersDoWhatTheManifestSays(t *testing.T) {
	oneByOne(t, []scenario{
		{"a rolling update, seen from outside", aRollingUpdateIsSeenFromOutside},
		{"content as mounted", contentIsMountedAsStated},
		{"health checks of the manifest", healthChecksOfTheManifestCount},
		{"a private registry", aPrivateRegistryWantsCredentials},
	})
}

func TestEnginesAndRegistriesThatGoAway(t *testing.T) {
	oneByOne(t, []scenario{
		{"a registry that is down", func(w *world) { aRegistryIsAway(w, (*engines.Swarm).StopRegistry) }},
		{"a registry that hangs", func(w *world) { aRegistryIsAway(w, (*engines.Swarm).HangRegistry) }},
		{"an engine that crashes", anEngineCrashes},
		{"an engine that hangs", anEngineHangs},
	})
}

// page returns what a node serves at a port, or "" if it serves nothing.
func (w *world) page(node string, port int) string {
	ctx, cancel := context.WithTimeout(w.Context(), 10*time.Second)
	defer cancel()
	web := http.Client{Transport: &http.Transport{DialContext: w.engines().Dial, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s:%d", w.engines().Address(node), port), nil)
	if err != nil {
		w.Fatal(err)
	}
	resp, err := web.Do(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body) // whatever was read counts
	return strings.TrimSpace(string(text))
}

// serves waits until every node serves a page at a port.
func (w *world) serves(port int, page string) {
	w.Helper()
	w.eventually(func() error {
		for _, node := range w.engines().Nodes() {
			if got := w.page(node, port); got != page {
				return fmt.Errorf("%s serves %q, want %q", node, got, page)
			}
		}
		return nil
	})
}

// inside runs a command in a container of a service, and returns what it prints.
func (w *world) inside(service string, cmd ...string) (string, error) {
	w.Helper()
	for _, t := range w.tasks(service) {
		if t.Status.State != swarm.TaskStateRunning || t.DesiredState != swarm.TaskStateRunning {
			continue
		}
		return w.exec(w.hostname(t.NodeID), t.Status.ContainerStatus.ContainerID, cmd)
	}
	return "", fmt.Errorf("%s has no container", service)
}

func (w *world) exec(node, container string, cmd []string) (string, error) {
	c := w.engines().Client(node)
	made, err := c.ExecCreate(w.Context(), container, client.ExecCreateOptions{Cmd: cmd, AttachStdout: true, AttachStderr: true})
	if err != nil {
		return "", err
	}
	at, err := c.ExecAttach(w.Context(), made.ID, client.ExecAttachOptions{})
	if err != nil {
		return "", err
	}
	defer at.Close()
	var out bytes.Buffer
	_, err = stdcopy.StdCopy(&out, &out, at.Reader)
	return out.String(), err
}

func (w *world) hostname(id string) string {
	w.Helper()
	list, err := w.api.NodeList(w.Context(), client.NodeListOptions{})
	if err != nil {
		w.Fatal(err)
	}
	for _, n := range list.Items {
		if n.ID == id {
			return n.Description.Hostname
		}
	}
	w.Fatalf("there is no node %s", id)
	return ""
}

func aRollingUpdateIsSeenFromOutside(w *world) {
	manifest := func(image string) map[string]string {
		return map[string]string{"web.yaml": service("web", "image: "+image, "mode: global", "ports: [{target: 80, published: 8080, mode: host}]", quick("pause"), "stopGracePeriod: 1s")}
	}
	r := w.repo("rolling", manifest("app:1"))
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir, "--wait")
	w.serves(8080, "app:1")
	r.commit("another image", manifest("app:2"))
	p := w.proxy()
	apply, err := harness.Start(binary, w.env(), "apply", "--host", p.Host(), "--source", r.Dir, "--wait")
	if err != nil {
		w.Fatal(err)
	}
	least := 5
	for apply.Running() {
		least = min(least, w.running("web"))
	}
	if out := w.end(apply); out.code != 0 {
		w.Errorf("apply says %s", out)
	}
	if least != 4 {
		w.Errorf("of five tasks one should be away at a time; at least %d ran", least)
	}
	w.serves(8080, "app:2")
	if writes := accepted(serviceWrites(p.Calls())); len(writes) != 1 {
		w.Errorf("want one write, got\n%s", lines(writes))
	}
}

// Each object has a file of its own. If one object is mounted twice, dockerd uses the owner and mode of the last
// mount for both.
func contentIsMountedAsStated(w *world) {
	manifest := func(content string) map[string]string {
		return map[string]string{"all.yaml": docs(
			service("app", "image: app:1", "replicas: 1", quick("pause"), "stopGracePeriod: 1s", "user: app",
				"configs: [conf, {source: own, target: /etc/own.conf, uid: '1000', gid: '65534', mode: 0440}]",
				"secrets: [key, {source: mine, target: own, uid: '1000', gid: '1000', mode: 0400}, {source: other, target: /etc/key, mode: 0404}]"),
			config("conf", "conf "+content+"\n"), config("own", "own "+content+"\n"),
			secret("key", "key "+content+"\n"), secret("mine", "mine "+content+"\n"), secret("other", "other "+content+"\n"),
		)}
	}
	r := w.repo("mounted", nil)
	o := w.operate(w.host(), r)
	for _, content := range []string{"one", "two"} {
		o.inSync(r.commit(content, manifest(content)))
		for path, want := range map[string]string{
			"/conf":            "444 0 0 conf " + content,
			"/etc/own.conf":    "440 1000 65534 own " + content,
			"/run/secrets/key": "444 0 0 key " + content,
			"/run/secrets/own": "400 1000 1000 mine " + content,
			"/etc/key":         "404 0 0 other " + content,
		} {
			w.eventually(func() error {
				got, err := w.inside("app", "sh", "-c", "stat -c '%a %u %g' $0 | tr '\\n' ' '; cat $0", path)
				if err == nil && strings.TrimSpace(got) != want {
					err = fmt.Errorf("%s is %q, want %q", path, got, want)
				}
				return err
			})
		}
	}
	if got, err := w.inside("app", "id", "-u"); err != nil || got != "1000\n" {
		w.Errorf("the user is %q: %v", got, err)
	}
}

// The engine runs the health check, and the operator goes by its result.
func healthChecksOfTheManifestCount(w *world) {
	manifest := func(check string, more ...string) map[string]string {
		return map[string]string{"a.yaml": service("checked", append([]string{
			"image: app:1", "replicas: 1", "stopGracePeriod: 1s", quickRestart, quick("pause"),
			"healthcheck: {test: \"" + check + "\", interval: 500ms, timeout: 5s, retries: 2}",
		}, more...)...)}
	}
	r := w.repo("checked", nil)
	o := w.operate(w.host(), r)
	o.inSync(r.commit("good", manifest("true")))
	w.runs("checked", 1)

	r.commit("never healthy", manifest("exit 1"))
	if c := o.condition("RolloutFailed", true); !strings.Contains(c.Message, "Service/checked") || !strings.Contains(c.Message, "unhealthy container") {
		w.Errorf("the condition does not say what failed, with the task's own error: %+v", c)
	}
	w.status("checked", swarm.UpdateStatePaused)

	// A service that takes time to become healthy is waited for, and other services wait for it.
	files := manifest("test -e /dev/shm/up || { sleep 3; touch /dev/shm/up; }", "environment: {V: two}")
	files["b.yaml"] = policy(service("after", "image: app:1", "replicas: 0"), "dependsOn: [Service/checked]")
	p := w.proxy()
	p.Before(func(c harness.Call) error {
		if c.Path == "/services/create" && w.running("checked") != 1 {
			w.Errorf("a service was made before the one that it depends on was healthy")
		}
		return nil
	})
	o.finish()
	r.commit("slow", files)
	w.want(0, "apply", "--host", p.Host(), "--source", r.Dir, "--wait")
	w.service("after")
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
}

func aPrivateRegistryWantsCredentials(w *world) {
	const image = engines.PrivateRegistry + "/team/app"
	if err := w.engines().Load(w.Context(), image+":1", image+":2"); err != nil {
		w.Fatal(err)
	}
	r := w.repo("private", nil)
	o := w.operate(w.host(), r)
	manifest := func(tag string) map[string]string {
		return map[string]string{"a.yaml": service("private", "image: "+image+":"+tag, "replicas: 2", quickRestart, quick("pause"), "stopGracePeriod: 1s")}
	}
	r.commit("without credentials", manifest("1"))
	if c := o.condition("RolloutFailed", true); !strings.Contains(c.Message, "Service/private") || !strings.Contains(c.Message, "No such image: "+image+":1") {
		w.Errorf("the condition does not say what failed, with the task's own error: %+v", c)
	}
	o.says("no basic auth credentials")
	o.finish()

	auth := base64.StdEncoding.EncodeToString([]byte(engines.PrivateUser + ":" + engines.PrivatePassword))
	dir := filepath.Join(w.home, ".docker")
	err := errors.Join(os.MkdirAll(dir, 0o700),
		os.WriteFile(filepath.Join(dir, "config.json"), fmt.Appendf(nil, `{"auths": {%q: {"auth": %q}}}`, engines.PrivateRegistry, auth), 0o600))
	if err != nil {
		w.Fatal(err)
	}
	r.commit("with credentials", manifest("2"))
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir, "--wait")
	w.runs("private", 2)
	if got := w.service("private").Spec.TaskTemplate.ContainerSpec.Image; !strings.HasPrefix(got, image+":2@sha256:") {
		w.Errorf("the image is %s", got)
	}
	// Every node that may run a task later needs the credentials too, also after another field has changed.
	changed := manifest("2")["a.yaml"]
	r.commit("more of it", map[string]string{"a.yaml": strings.Replace(changed, "replicas: 2", "replicas: 5", 1)})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir, "--wait")
	w.runs("private", 5)
}

func aRegistryIsAway(w *world, takeAway func(*engines.Swarm, string) error) {
	const image = engines.Registry + "/team/app"
	if err := w.engines().Load(w.Context(), image+":1", image+":2"); err != nil {
		w.Fatal(err)
	}
	manifest := func(image string) string {
		return service("app", "image: "+image, "replicas: 2", quickRestart, quick("pause"), "stopGracePeriod: 1s")
	}
	r := w.repo("away", nil)
	p := w.proxy()
	o := w.operate(p.Host(), r)
	o.inSync(r.commit("one", map[string]string{"app.yaml": manifest(image + ":1"), "other.yaml": service("other", "image: app:1", "replicas: 0", "environment: {V: one}")}))
	w.runs("app", 2)
	before := w.service("app")
	if err := takeAway(w.engines().Swarm, engines.Registry); err != nil {
		w.Fatal(err)
	}
	hash := r.commit("another image, and something else", map[string]string{
		"app.yaml": manifest(image + ":2"), "other.yaml": service("other", "image: app:1", "replicas: 0", "environment: {V: two}"),
	})
	c := o.condition("StepFailed", true)
	if !strings.Contains(c.Message, "Service/app") || !strings.Contains(c.Message, "registry") {
		w.Errorf("the condition does not say what failed and why: %+v", c)
	}
	o.reports(func(r harness.Report) error {
		for _, d := range r.Drift {
			if d.Object == "Service/app" && d.Open && d.By == "git" {
				return nil
			}
		}
		return fmt.Errorf("the service is not reported as behind git: %+v", r.Drift)
	})
	w.eventually(func() error {
		if got := env(w.service("other")); len(got) != 1 || got[0] != "V=two" {
			return fmt.Errorf("the other service waits: it has %q", got)
		}
		return nil
	})
	w.untouched(before)
	w.runs("app", 2)
	if err := w.engines().StartRegistry(w.Context(), engines.Registry); err != nil {
		w.Fatal(err)
	}
	o.inSync(hash)
	w.runs("app", 2)
	o.condition("StepFailed", false)
	o.condition("RolloutFailed", false)
	if got := w.service("app").Spec.TaskTemplate.ContainerSpec.Image; !strings.HasPrefix(got, image+":2@sha256:") {
		w.Errorf("the image is %s", got)
	}
	if writes := accepted(writesTo(p.Calls(), before.ID)); len(writes) != 1 {
		w.Errorf("want one write, got\n%s", lines(writes))
	}
}

// disturbed changes a dozen services while something happens to the engine that the operator talks to.
func (w *world) disturbed(happens, ends func(node string) error) {
	w.Helper()
	const many = 12
	manifests := func(image string) map[string]string {
		files := map[string]string{}
		for i := range many {
			files[file(i)] = service(name(i), "image: "+image, "replicas: 0")
		}
		return files
	}
	r := w.repo("disturbed", nil)
	p := w.proxy()
	o := w.operate(p.Host(), r, "--repair-after", "0s")
	o.inSync(r.commit("one", manifests("app:1")))
	node := w.swarm.Managers()[0]
	p.Reset()
	var once sync.Once
	hit := make(chan error, 1)
	p.After(func(c harness.Call) error {
		if strings.HasSuffix(c.Path, "/update") {
			once.Do(func() { hit <- happens(node) })
		}
		return nil
	})
	hash := r.commit(harness.Message("two", "Consent: restarts"), manifests("app:2"))
	if err := <-hit; err != nil {
		w.Fatal(err)
	}
	w.seenBy(w.swarm.Managers()[1], node, swarm.NodeStateDown)
	if err := ends(node); err != nil {
		w.Fatal(err)
	}
	o.inSync(hash)
	o.condition("EngineReady", true)
	if err := w.engines().Ready(w.Context()); err != nil {
		w.Fatal(err)
	}
	for i := range many {
		s := w.service(name(i))
		if s.PreviousSpec == nil || !strings.HasPrefix(s.PreviousSpec.TaskTemplate.ContainerSpec.Image, "app:1") {
			w.Errorf("%s was not written exactly once: its rollback target is lost", s.Spec.Name)
		}
	}
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
}

// seenBy waits until another manager sees a node in a state.
func (w *world) seenBy(manager, node string, state swarm.NodeState) {
	w.Helper()
	w.eventually(func() error {
		ctx, cancel := context.WithTimeout(w.Context(), 20*time.Second)
		defer cancel()
		list, err := w.engines().Client(manager).NodeList(ctx, client.NodeListOptions{})
		if err != nil {
			return err
		}
		for _, n := range list.Items {
			if n.Description.Hostname == node && n.Status.State == state {
				return nil
			}
		}
		return fmt.Errorf("%s is not %s", node, state)
	})
}

func anEngineCrashes(w *world) {
	w.disturbed(w.engines().Crash, func(node string) error { return w.engines().Start(w.Context(), node) })
}

func anEngineHangs(w *world) { w.disturbed(w.engines().Hang, w.engines().Continue) }
