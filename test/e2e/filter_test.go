package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// rule is a rule of deploy/haproxy.cfg.
type rule struct {
	methods []string
	path    *regexp.Regexp
}

var ruleLine = regexp.MustCompile(`^http-request allow if \{ method ([A-Z ]+) \} \{ path_reg (\S+) \}$`)

// filter reads the rules of the filter for a socket.
func filter(t *testing.T) (rules []rule) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "haproxy.cfg"))
	if err != nil {
		t.Fatal(err)
	}
	denies := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		m := ruleLine.FindStringSubmatch(line)
		switch {
		case m != nil && !denies:
			rules = append(rules, rule{strings.Fields(m[1]), regexp.MustCompile(m[2])})
		case line == "http-request deny":
			denies = true
		case strings.HasPrefix(line, "http-request"):
			t.Errorf("this test does not know %q", line)
		}
	}
	if !denies || len(rules) < 10 {
		t.Fatalf("there are %d rules, and the rest is denied: %t", len(rules), denies)
	}
	return rules
}

// passes returns the index of the first rule that lets a call through, or -1.
func passes(rules []rule, method, path string) int {
	return slices.IndexFunc(rules, func(r rule) bool { return slices.Contains(r.methods, method) && r.path.MatchString(path) })
}

// Behind the filter everything works, and each of its rules is needed, except that no node is removed here.
func TestTheRulesOfTheProxySuffice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 2})
	w.changesNodes()
	rules := filter(t)
	p := w.proxy()
	p.Before(func(c harness.Call) error {
		if passes(rules, c.Method, "/v1.44"+c.Path) < 0 {
			t.Errorf("the filter does not let this through: %s", c)
			return &harness.Answer{Status: http.StatusForbidden, Message: "denied"}
		}
		return nil
	})
	w.worksThrough(p.Host())
	used := map[int]bool{}
	for _, c := range p.Calls() {
		used[passes(rules, c.Method, "/v1.44"+c.Path)] = true
	}
	removes, volumes := passes(rules, http.MethodDelete, "/nodes/a"), passes(rules, http.MethodGet, "/volumes")
	for i, r := range rules {
		if !used[i] && i != removes && (i != volumes || w.knows("1.42")) { // before, a swarm has no volumes
			t.Errorf("nothing needs the rule for %v %s", r.methods, r.path)
		}
	}
}

// worksThrough has an operator and every command do all that the filter is for, by way of a host.
func (w *world) worksThrough(host string) {
	w.Helper()
	files := map[string]string{
		"web.yaml": service("web", "image: app:1", "replicas: 1", "networks: [net]"), "net.yaml": network("net"), "conf.yaml": config("conf", "one"),
		"pass.yaml": secret("pass", "one"), "old.yaml": service("old", "image: app:1", "replicas: 0"), "gone.yaml": network("gone"),
		"cluster.yaml": cluster("taskHistoryLimit: 3", "autolock: {enabled: true, escrow: key}", "joinTokens: {worker: {sinks: [token]}}"),
		"node.yaml":    node("worker-1", "labels: {zone: a}"),
	}
	r := w.repo("filtered", files)
	o := w.operate(host, r, "--repair-after", "0s", "--config", w.path("operator.yaml"))
	head, err := r.Head()
	if err != nil {
		w.Fatal(err)
	}
	o.inSync(head)
	r.remove("old.yaml", "gone.yaml")
	second := r.commit(harness.Message("another one", "Consent: removals"), map[string]string{"web.yaml": service("web", "image: app:2", "replicas: 1", "networks: [net]"), "conf.yaml": config("conf", "two"), "pass.yaml": secret("pass", "two")})
	o.inSync(second)
	for _, args := range [][]string{
		{"diff", "--source", r.Dir},
		{"status", "--source", r.Dir},
		{"history", "--name", "filtered"},
		{"apply", "--wait", "--source", r.Dir, "--config", w.path("operator.yaml")},
		{"hold", "Service/web", "--reason", "x"},
		{"resume", "Service/web"},
		{"approve", "restarts", "--revision", second[:12], "--reason", "tested"},
		{"confirm", "filtered"},
		{"unmanage", "Service/web", "--name", "filtered"},
		{"resume", "Service/web", "--name", "filtered"},
	} {
		w.want(0, append(args, "--host", host)...)
	}
	o.condition("InSync", true)
	if c, _ := o.report().Condition("EventsMissing"); c.Status {
		w.Errorf("events are missing: %s", c.Message)
	}
}

// outside are calls that the filter lets nobody make.
var outside = []string{
	"POST /containers/create", "GET /containers/json", "POST /containers/a/exec", "POST /exec/a/start", "POST /build", "GET /images/json", "POST /images/create",
	"GET /volumes/a", "POST /volumes/create", "GET /plugins", "POST /plugins/pull", "POST /swarm/init", "POST /swarm/join", "POST /swarm/leave", "POST /swarm/unlock",
	"DELETE /swarm", "POST /networks/a/connect", "POST /networks/prune", "POST /networks/a/update", "GET /services/a/logs", "GET /tasks/a/logs", "POST /nodes", "PUT /services/a",
	"GET /system/df", "POST /session", "POST /grpc", "GET /distribution/a", "POST /auth", "PATCH /configs/a", "GET /configs/a/../../containers/json", "GET /v1.44/v1.44/info",
	"GET /info/x", "GET //containers/json", "POST /configs/a/b/update", "POST /services/create/x", "GET /services/a/b",
}

func TestTheRulesOfTheProxyLetNothingElseThrough(t *testing.T) {
	t.Parallel()
	rules := filter(t)
	for _, call := range outside {
		method, path, _ := strings.Cut(call, " ")
		for _, version := range []string{"", "/v1.44", "/v1.40"} {
			if i := passes(rules, method, version+path); i >= 0 {
				t.Errorf("rule %d lets %s %s%s through", i+1, method, version, path)
			}
		}
	}
	for _, call := range []string{"HEAD /_ping", "GET /v1.44/info", "POST /v1.44/services/abc/update", "DELETE /v1.44/nodes/abc", "GET /v1.44/distribution/registry.example.com:5000/a/b:1/json"} {
		method, path, _ := strings.Cut(call, " ")
		if passes(rules, method, path) < 0 {
			t.Errorf("no rule lets %s through", call)
		}
	}
}
