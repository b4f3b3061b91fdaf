package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// callers groups calls by what they are about: see pattern.
type callers struct {
	mu    sync.Mutex
	sorts map[string]string // of the operator's own configs, by ID
}

// pattern returns what similar calls have in common: the method, the path without IDs, and the filters of a list. For
// one of the operator's own configs it adds its sort.
func (k *callers) pattern(c harness.Call) string {
	parts := strings.Split(strings.Trim(c.Path, "/"), "/")
	for i, part := range parts[1:] {
		if !slices.Contains([]string{"create", "update", "json", "unlockkey", "join", "leave"}, part) {
			parts[i+1] = "{id}"
		}
	}
	out := c.Method + " /" + strings.Join(parts, "/")
	if sort := k.sort(c); sort != "" {
		out += " of " + sort
	}
	var filters map[string]any
	_ = json.Unmarshal([]byte(c.Query.Get("filters")), &filters) // no filters if it is not valid
	if parts[0] == "configs" && len(filters) > 0 {
		filters = nil // a label of ours: the sort of the config says which
	}
	for _, f := range slices.Sorted(maps.Keys(filters)) {
		out += " by " + f
	}
	return out
}

// sorts are the sorts of the operator's own configs, by the beginning of their names.
var sorts = []struct{ prefix, name string }{{"swarm-operator-lease", "the lease"}, {"swarm-operator-hold", "a hold"}, {"swarm-operator.", "a memory"}}

func sortOf(name string) string {
	for _, s := range sorts {
		if strings.HasPrefix(name, s.prefix) {
			return s.name
		}
	}
	return ""
}

// sort returns the sort of the config that a call is about, or "" if it is none of the operator's own.
func (k *callers) sort(c harness.Call) string {
	rest, configs := strings.CutPrefix(c.Path, "/configs")
	switch {
	case !configs:
		return ""
	case rest == "" && c.Holds():
		return "a hold"
	case rest == "" && strings.Contains(c.Query.Get("filters"), "swarm-operator.io/lease"):
		return "the lease"
	case rest == "/create":
		return sortOf(nameIn(c.Body))
	}
	id, _, _ := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	if sort := sortOf(id); sort != "" {
		return sort
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sorts[id]
}

func nameIn(spec []byte) string {
	var named struct{ Name string }
	_ = json.Unmarshal(spec, &named) // no name if it is not valid
	return named.Name
}

// made notes what a call has made.
func (k *callers) made(c harness.Call) {
	var made struct{ ID string }
	if c.Path != "/configs/create" || json.Unmarshal(c.Answer, &made) != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sorts[made.ID] = sortOf(nameIn(c.Body))
}

// knows adds what another callers knows.
func (k *callers) knows(other *callers) {
	k.mu.Lock()
	defer k.mu.Unlock()
	maps.Copy(k.sorts, other.sorts)
}

// callers returns a callers that knows the existing configs.
func (w *world) callers() *callers {
	w.Helper()
	list, err := w.api.ConfigList(w.Context(), client.ConfigListOptions{})
	if err != nil {
		w.Fatal(err)
	}
	k := &callers{sorts: map[string]string{}}
	for _, c := range list.Items {
		k.sorts[c.ID] = sortOf(c.Spec.Name)
	}
	return k
}

// grown returns the manifests of two revisions. The second one makes, changes, replaces and removes something of each
// kind.
func (w *world) grown() (first, second map[string]string) {
	node := node(w.swarm.Managers()[0], "labels: {grown: %q}")
	first = map[string]string{
		"net.yaml":   docs(network("net"), network("replaced"), network("gone")),
		"conf.yaml":  docs(config("conf", "one\n"), config("goneconf", "one\n")),
		"key.yaml":   docs(secret("key", "one\n"), secret("gonekey", "one\n")),
		"api.yaml":   service("api", "image: app:1", "replicas: 1", "environment: {V: one}", "networks: [net]", quickRestart, quick("continue")),
		"web.yaml":   policy(service("web", "image: app:1", "replicas: 0", "configs: [conf]", "secrets: [key]"), "dependsOn: [Service/api]"),
		"gone.yaml":  service("gone", "image: app:1", "replicas: 0"),
		"mode.yaml":  service("mode", "image: app:1", "replicas: 0"),
		"swarm.yaml": docs(cluster("taskHistoryLimit: 3"), fmt.Sprintf(node, "one")),
	}
	second = map[string]string{
		"net.yaml":   docs(network("net"), network("new"), strings.Replace(network("replaced"), "{}", "{attachable: true}", 1)),
		"conf.yaml":  docs(config("conf", "two\n"), config("newconf", "one\n")),
		"key.yaml":   docs(secret("key", "two\n"), secret("newkey", "one\n")),
		"api.yaml":   service("api", "image: app:2", "replicas: 1", "environment: {V: two}", "networks: [net]", quickRestart, quick("continue")),
		"gone.yaml":  service("new", "image: app:1", "replicas: 0", "networks: [new]"),
		"mode.yaml":  service("mode", "image: app:1", "mode: replicated-job", "replicas: 0"),
		"swarm.yaml": docs(cluster("taskHistoryLimit: 4"), fmt.Sprintf(node, "two")),
	}
	return first, second
}

// grow commits a revision with the consents that it needs.
func (r *repo) grow(files map[string]string) string {
	r.w.Helper()
	return r.commit("grown\n\nConsent: removals, replace, restarts", files)
}

// recorded holds the patterns of all calls that an operator and an apply make in one scenario. The revision makes,
// changes, replaces and removes something of each kind, while others act and make changes by hand.
var recorded = struct {
	sync.Mutex
	patterns []string
}{}

// recordCalls runs that scenario once in a process, and returns the patterns.
func recordCalls(t *testing.T) []string {
	t.Helper()
	recorded.Lock()
	defer recorded.Unlock()
	if recorded.patterns != nil {
		return recorded.patterns
	}
	w := newWorld(t, size{1, 0})
	w.swarm.Spoil()
	first, second := w.grown()
	seen := map[string]bool{}
	k := w.callers()
	once, running := w.proxy(), w.proxy()
	for _, p := range []*harness.Proxy{once, running} {
		p.After(func(c harness.Call) error {
			k.made(c)
			return nil
		})
	}
	r := w.repo("failing", first)
	w.want(0, "apply", "--host", once.Host(), "--source", r.Dir, "--wait")
	o := w.operate(running.Host(), r, "--repair-after", "0s")
	hash, err := r.Head()
	if err != nil {
		t.Fatal(err)
	}
	o.inSync(hash)
	o.inSync(r.grow(second))
	w.byHand("api", func(s *swarm.ServiceSpec) { s.Labels["hand"] = "here" })
	w.want(0, "apply", "--host", w.host(), "--source", w.other().Dir)
	r.grow(first)
	o.answers("/api/v1/status")
	w.want(0, "apply", "--host", once.Host(), "--source", r.Dir, "--wait")
	for _, c := range append(once.Calls(), running.Calls()...) {
		seen[k.pattern(c)] = true
	}
	recorded.patterns = slices.Sorted(maps.Keys(seen))
	return recorded.patterns
}

// other returns another source, with something of each kind except nodes and the cluster.
func (w *world) other() *repo {
	w.Helper()
	return w.repo("other", map[string]string{"o.yaml": docs(service("other", "image: app:1", "replicas: 0"), network("othernet"), config("otherconf", "one\n"))})
}

// object returns what a call is about, as far as that can be seen without asking the engine.
func object(c harness.Call) string {
	if strings.HasSuffix(c.Path, "/create") {
		return c.Path + " " + nameIn(c.Body)
	}
	return c.Path
}

// A recording that has recorded nothing would let every test pass.
func TestTheRecordingHasWritesOfEachKind(t *testing.T) {
	t.Parallel()
	var others map[string][]string
	if *swarmKind == onSandbox {
		others = recordScenes(t)
	}
	all := recordCalls(t)
	for _, want := range []string{
		"POST /services/create", "POST /services/{id}/update", "DELETE /services/{id}", "POST /networks/create", "DELETE /networks/{id}",
		"POST /configs/create", "DELETE /configs/{id}", "POST /secrets/create", "DELETE /secrets/{id}", "POST /nodes/{id}/update", "POST /swarm/update",
		"POST /configs/create of a memory", "DELETE /configs/{id} of a memory", "POST /configs/{id}/update of the lease", "GET /services/{id}",
	} {
		if !slices.Contains(all, want) {
			t.Errorf("%s is not among\n%s", want, strings.Join(all, "\n"))
		}
	}
	if others == nil {
		return
	}
	for name, calls := range map[string][]string{
		leaving.name: {"GET /swarm", "GET /swarm/unlockkey", "POST /swarm/update", "POST /nodes/{id}/update", "POST /swarm/leave", "DELETE /nodes/{id}", "GET /info", "GET /nodes"},
		joining.name: {"GET /swarm", "POST /swarm/join", "GET /nodes/{id}", "POST /nodes/{id}/update", "GET /info"},
		"hold":       {"POST /configs/create of a hold"},
		"hold again": {"POST /configs/create of a hold", "DELETE /configs/{id} of a hold"},
		"resume":     {"DELETE /configs/{id} of a hold"},
		"approve":    {"POST /configs/create of a memory"},
		"unmanage":   {"POST /configs/create of a memory", "POST /services/{id}/update"},
		"take back":  {"POST /configs/create of a memory"},
		"confirm":    {"POST /configs/create of a memory"},
		waiting:      {"GET /services", "GET /tasks by service", "GET /configs/{id} of the lease", "POST /configs/{id}/update of the lease", "POST /configs/create of a memory"},
	} {
		for _, want := range calls {
			if !slices.Contains(others[name], want) {
				t.Errorf("%s: %s is not among\n%s", name, want, strings.Join(others[name], "\n"))
			}
		}
	}
}
