package e2e

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// Anyone who may list configs can read what the operator keeps there. It quotes errors of tasks, manifests that
// cannot be read and people's reasons, and each of these may hold a password.
func TestWhatIsKeptInTheSwarmShowsNoSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	c := newCanaries(w)
	url := func(where string) string { return "https://ada:" + c.put(where) + "@registry.example.com/" }
	p := w.proxy()
	taskError := regexp.MustCompile(`"Err":"[^"]*"`)
	plain := c.put("a variable that nothing marks as secret")
	says := fmt.Sprintf(`"Err":"%s is no mode; pulling from %s: denied"`, plain, url("a task's error"))
	p.After(func(call harness.Call) error {
		if !strings.HasPrefix(call.Path, "/tasks") || !taskError.Match(call.Answer) {
			return nil
		}
		return &harness.Answer{Status: http.StatusOK, Body: taskError.ReplaceAll(call.Answer, []byte(says))}
	})
	manifest := func(image string) string {
		return service("app", "image: "+image, "replicas: 1", quick("pause"), quickRestart, "environment: {PASSWORD: \""+c.put("a variable")+"\", MODE: \""+plain+"\"}")
	}
	r := w.repo("kept", map[string]string{
		"app.yaml": manifest("app:1"), "other.yaml": service("other", "image: app:1", "replicas: 0"),
		"conf.yaml": config("conf", c.put("a config")), "key.yaml": secret("key", c.put("a secret")),
	})
	o := w.operate(p.Host(), r, "--log-level", "debug", "--repair-after", "0s")
	o.condition("InSync", true)
	w.runs("app", 1)

	t.Log("failures")
	r.commit("an update that fails", map[string]string{"app.yaml": manifest("crash:1"), "new.yaml": service("new", "image: crash:1", "replicas: 1", quickRestart)})
	for _, failed := range []string{"app", "new"} {
		// The record must have the task's own words. Otherwise this would test nothing.
		w.remembers("registry.example.com/: denied", "Service/"+failed)
		c.inSwarm()
		c.served(o)
	}
	w.quiet(p) // what is kept differs from what was said, and must not be written again each time it is said
	for _, command := range []string{"history", "status"} {
		c.run(nil, command, "--host", p.Host(), "--log-level", "debug")
		c.run(nil, command, "--host", p.Host(), "-o", "json")
	}
	c.run(nil, "wait", "--revision", c.head(r), "--timeout", "5s", "--host", p.Host())

	t.Log("revisions with problems")
	secretHead := fmt.Sprintf(head, "Secret", "x")
	for name, text := range map[string]string{
		"an image": service("x", "image: \""+url("an image")+"app:1\""), "a key": secretHead + "spec: {\"" + url("a key") + "\": x}\n",
		"a value": secretHead + "spec: {data: [" + c.put("a list") + "]}\n", "unclosed": secretHead + "spec: {data: \"" + c.put("an unclosed quote") + "\n",
		"an option": service("x", "image: app:1", "logging: {options: {splunk-token: ["+c.put("an option")+"]}}"),
		"a name":    service("\""+url("a name")+"\"", "image: app:1"), "a kind": fmt.Sprintf(head, "\""+url("a kind")+"\"", "x"),
		"a variable": service("x", "image: app:1", "environment: [\"PASSWORD:x"+c.put("an entry without =")+"\"]"),
		"depends":    policy(service("x", "image: app:1"), "dependsOn: [\"Service/"+url("what it depends on")+"\"]"),
	} {
		hash := r.commit(name, map[string]string{"broken.yaml": text})
		o.reports(func(r harness.Report) error {
			if r.Revision != hash || !r.Is("SourceReady", false) && (r.Applied != hash || !r.Is("Held", true)) {
				return fmt.Errorf("%s is neither refused nor held: %s", name, brief(r))
			}
			return nil
		})
		w.remembers(hash)
		c.inSwarm()
		c.served(o)
		c.run(nil, "history", "--host", p.Host())
	}

	t.Log("what a person says")
	for _, target := range []string{"Service/other", "kept", "all"} {
		c.run(nil, "hold", target, "--reason", "see "+url("a hold's reason")+"wiki", "--for", "1h", "--host", p.Host())
	}
	o.condition("OnHold", true)
	c.inSwarm()
	c.served(o)
	r.remove("broken.yaml")
	r.commit("during a hold", map[string]string{"other.yaml": service("other", "image: app:2", "replicas: 0")})
	o.condition("SourceReady", true)
	c.inSwarm()
	c.everything(p.Host(), r)
	for _, target := range []string{"Service/other", "kept", "all"} {
		c.run(nil, "resume", target, "--host", p.Host())
	}
	w.image("other", "app:2")
	for _, args := range [][]string{{"retry", "Service/app"}, {"approve", "restarts", "--revision", c.head(r), "--reason", "tested"}, {"unmanage", "Service/other"}} {
		c.run(nil, append(args, "--host", p.Host(), "--log-level", "debug")...)
		c.inSwarm()
	}
	c.served(o)
}

// head returns the newest revision.
func (c *canaries) head(r *repo) string {
	c.Helper()
	hash, err := r.Head()
	if err != nil {
		c.Fatal(err)
	}
	return hash
}

// remembers waits until all of these texts are in what the operator keeps.
func (w *world) remembers(texts ...string) {
	w.Helper()
	w.eventually(func() error {
		list, err := w.api.ConfigList(w.Context(), client.ConfigListOptions{})
		if err != nil {
			return err
		}
		var all strings.Builder
		for _, c := range list.Items {
			if strings.HasPrefix(c.Spec.Name, "swarm-operator.") {
				all.Write(c.Spec.Data)
			}
		}
		for _, text := range texts {
			if !strings.Contains(all.String(), text) {
				return fmt.Errorf("%q is not remembered: %s", text, all.String())
			}
		}
		return nil
	})
}
