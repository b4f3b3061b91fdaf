package e2e

import (
	"fmt"
	"maps"
	"strings"
	"testing"
)

// SwarmKit keeps the number of a port that stays, takes no notice of a spec without it, and would replace all tasks at
// each later write. So the ports are held, and nothing else, until the port was out of git for one commit.
func TestADroppedNumberIsHeld(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 2})
	names := []string{"drop-mesh", "drop-node", "drop-both"}
	ports := func(mesh, node, both string) map[string]string {
		return map[string]string{"a.yaml": published("drop-mesh", mesh), "b.yaml": published("drop-node", node), "c.yaml": published("drop-both", both)}
	}
	r := w.repo("drop", ports("{target: 80, published: 8181}", "{target: 90, published: 8190, mode: host}", "{target: 80, published: 8281}, {target: 90, published: 8290, mode: host}"))
	apply := func(code int) result {
		t.Helper()
		return w.want(code, "apply", "--host", w.host(), "--source", r.Dir, "--wait")
	}
	apply(0)
	versions := func() (all [3]uint64) {
		for i, name := range names {
			all[i] = w.service(name).Version.Index
		}
		return all
	}
	before := versions()

	t.Log("what git drops, the swarm would keep, and nothing is written")
	without := ports("{target: 80}", "{target: 90, mode: host}", "{target: 80}, {target: 90, mode: host}")
	r.commit("numbers go", without)
	held := []string{
		"the swarm keeps port 8181 for the service while 80/tcp stays: take 80/tcp out of the manifest for one commit, then state it without published",
		"the swarm keeps port 8190 ", "the swarm keeps ports 8281 and 8290 ", "3 held",
	}
	w.want(1, "diff", "--host", w.host(), "--source", r.Dir).says(t, held...)
	apply(1).says(t, held...)
	if after := versions(); after != before {
		t.Errorf("something was written: versions %v, then %v", before, after)
	}

	t.Log("the rest of a commit is written, and replaces no task")
	labelled := func(files map[string]string, note string) map[string]string {
		out := map[string]string{}
		for file, text := range files {
			for _, name := range names {
				text = strings.Replace(text, name+"}", name+", labels: {note: "+note+"}}", 1)
			}
			out[file] = text
		}
		return out
	}
	running := func() map[string]bool {
		ids := map[string]bool{}
		for _, name := range names {
			for _, task := range w.tasks(name) {
				ids[task.ID] = true
			}
		}
		return ids
	}
	tasks := running()
	r.commit("numbers go, and a label comes", labelled(without, "held"))
	apply(1).says(t, held...)
	for _, name := range names {
		s := w.service(name)
		if got, want := fmt.Sprint(s.Endpoint.Spec.Ports), fmt.Sprint(s.Spec.EndpointSpec.Ports); got != want || s.Spec.Labels["note"] != "held" {
			t.Errorf("%s has labels %v, its endpoint is of %s, and its spec has %s", name, s.Spec.Labels, got, want)
		}
	}
	if after := running(); !maps.Equal(after, tasks) {
		t.Errorf("tasks were replaced: %v, then %v", tasks, after)
	}
	w.want(1, "diff", "--host", w.host(), "--source", r.Dir).says(t, held...)

	t.Log("the ports go for one commit, and come back")
	r.commit("ports go", ports("", "", ""))
	w.want(1, "diff", "--host", w.host(), "--source", r.Dir).says(t, "spec.ports[80/tcp].published  8181 → (none)")
	apply(0)
	r.commit("ports come back", without)
	apply(0)
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir).says(t, "in sync")
	ids := running()
	for _, name := range names {
		s := w.service(name)
		if got, want := fmt.Sprint(s.Endpoint.Spec.Ports), fmt.Sprint(s.Spec.EndpointSpec.Ports); got != want {
			t.Errorf("the endpoint of %s is of %s, and its spec has %s", name, got, want)
		}
		for _, p := range s.Endpoint.Ports {
			if p.PublishedPort > 8000 && p.PublishedPort < 9000 {
				t.Errorf("%s still has port %d", name, p.PublishedPort)
			}
		}
	}

	t.Log("a later change of a label replaces no task: what is new is the fourth one of each service")
	later := labelled(without, "x")
	for file, text := range later {
		later[file] = strings.Replace(text, "replicas: 3", "replicas: 4", 1)
	}
	r.commit("labels", later)
	apply(0)
	for _, name := range names {
		fresh := 0
		for _, task := range w.tasks(name) {
			if !ids[task.ID] {
				fresh++
			}
		}
		if s := w.service(name); fresh != 1 || s.Spec.Labels["note"] != "x" {
			t.Errorf("%s has %d new tasks, and labels %v", name, fresh, s.Spec.Labels)
		}
	}
}
