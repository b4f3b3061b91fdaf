package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// The leader's machine loses power while a commit with several services is carried out. Until there is a new leader,
// engines answer without naming nodes and managers. No operator takes that for a swarm that has lost them, so
// none pauses or asks for a confirmation. The rest of the commit is carried out, each service once.
func TestALeaderLostDuringACommitPausesNobody(t *testing.T) {
	t.Parallel()
	inTurns(t, map[string]func(*testing.T){
		"the acting one's own": func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, size{3, 0}).in(t)
			ranked := w.byRank()
			w.losesLeader(ranked[0], ranked[0], ranked[1])
		},
		"the leader of the acting one's": func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, size{3, 0}).in(t)
			ranked := w.byRank()
			w.losesLeader(ranked[0], ranked[1], ranked[2])
		},
	})
}

// stages are services that change together. Those of a stage change when those of the stage before are ready.
var stages = [][]string{{"a1", "a2"}, {"b1", "b2"}, {"c1", "c2"}}

func staged(image string) map[string]string {
	files := map[string]string{}
	var before []string
	for _, names := range stages {
		var next []string
		for _, n := range names {
			files[n+".yaml"] = service(n, "image: "+image, "replicas: 1", "stopGracePeriod: 1s", quickRestart, quick("continue"))
			if len(before) > 0 {
				files[n+".yaml"] = policy(files[n+".yaml"], "dependsOn: ["+strings.Join(before, ", ")+"]")
			}
			next = append(next, "Service/"+n)
		}
		before = next
	}
	return files
}

// losesLeader kills the leader's machine after the first write that the first of two operators makes for a commit.
func (w *world) losesLeader(leader, first, second string) {
	w.Helper()
	a := w.acting("leader", first, second, staged("app:1"))
	survivors := a.ops[:]
	if first == leader {
		survivors = a.ops[1:]
	}
	a.secondWaits()
	isUpdate := func(c harness.Call) bool {
		return strings.HasPrefix(c.Path, "/services/") && strings.HasSuffix(c.Path, "/update")
	}
	var once sync.Once
	a.proxy[0].After(func(c harness.Call) error {
		if isUpdate(c) && c.Status < 300 {
			once.Do(func() {
				defer close(a.begun)
				if err := w.swarm.Kill(leader); err != nil {
					w.Error(err)
				}
			})
		}
		return nil
	})
	hash := a.repo.commit("all change", staged("app:2"))
	select {
	case <-a.begun:
	case <-time.After(patience):
		w.Fatal("nobody acts")
	}
	w.patiently(func() error {
		for _, o := range survivors {
			r, err := o.Report(w.Context())
			if err != nil {
				return err
			}
			if c, _ := r.Condition("Paused"); c.Status {
				w.Fatalf("it pauses: %+v", c)
			}
			if r.Applied != hash || !r.Is("InSync", true) {
				return fmt.Errorf("revision %s is not in force and in sync: %s", hash, brief(r))
			}
		}
		return nil
	})
	for _, names := range stages {
		for _, n := range names {
			w.updatedOnce(a, n, isUpdate)
		}
	}
	out := w.want(0, "status", "--host", w.swarm.Host(second), "--source", a.repo.Dir)
	for _, word := range []string{"Paused", "confirm", "resume"} {
		out.saysNothingOf(w.T, word)
	}
	if err := w.swarm.Start(w.Context(), leader); err != nil {
		w.Fatal(err)
	}
	for _, o := range a.ops {
		o.follows(hash)
		for _, text := range []string{"a third or more is gone", "--force-new-cluster"} {
			if strings.Contains(o.Stderr(), text) {
				w.Errorf("an operator thought that %s:\n%s", text, tail(o.Stderr(), 40))
			}
		}
	}
}

// updatedOnce checks that a service was written once. A second write would have made the new spec the target of a
// rollback.
func (w *world) updatedOnce(a *acting, name string, isUpdate func(harness.Call) bool) {
	w.Helper()
	s := w.service(name)
	image := func(spec *swarm.ServiceSpec) string {
		if spec == nil {
			return "nothing"
		}
		return spec.TaskTemplate.ContainerSpec.Image
	}
	if now, was := image(&s.Spec), image(s.PreviousSpec); !strings.HasPrefix(now, "app:2") || !strings.HasPrefix(was, "app:1") {
		w.Errorf("%s is of %s and was of %s, want app:2 and app:1", name, now, was)
	}
	all := slices.Concat(a.proxy[0].Calls(), a.proxy[1].Calls())
	if wrote := slices.DeleteFunc(accepted(writesTo(all, s.ID)), func(c harness.Call) bool { return !isUpdate(c) }); len(wrote) > 1 {
		w.Errorf("%s was written more than once:\n%s", name, lines(wrote))
	}
}

// An engine that waits for a new leader answers GET /info with 200, without the numbers of nodes and managers or with those
// that it knows of itself, and says why. No operator takes that for a swarm that has lost them: it does not pause, and does
// what git asks for meanwhile.
func TestNumbersThatAnEngineDoesNotKnowPauseNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{3, 2})
	r := w.repo("unknown", map[string]string{"a.yaml": service("a", "image: app:1", "replicas: 0")})
	p := w.proxy()
	o := w.operate(p.Host(), r, "--resync", "1s")
	o.condition("InSync", true)
	w.written(p) // the numbers are on record
	for i, c := range []struct {
		name, err string
		numbers   map[string]any
	}{
		{"without numbers", "rpc error: code = Unknown desc = The swarm does not have a leader.", nil},
		{"with zeros", "rpc error: code = DeadlineExceeded desc = context deadline exceeded", map[string]any{"Nodes": 0, "Managers": 0}},
		{"with its own", "rpc error: code = Unavailable desc = connection error", map[string]any{"Nodes": 1, "Managers": 1}},
		{"without managers", "rpc error: code = Unknown desc = raft: node is not a leader", map[string]any{"Nodes": 5}},
	} {
		var asked atomic.Int32
		p.After(func(call harness.Call) error {
			if call.Method != http.MethodGet || call.Path != "/info" || call.Status != http.StatusOK {
				return nil
			}
			var info map[string]any
			if err := json.Unmarshal(call.Answer, &info); err != nil {
				return err
			}
			about := info["Swarm"].(map[string]any)
			delete(about, "Nodes")
			delete(about, "Managers")
			maps.Copy(about, c.numbers)
			about["Error"] = c.err
			body, err := json.Marshal(info)
			if err != nil {
				return err
			}
			asked.Add(1)
			return &harness.Answer{Status: http.StatusOK, Body: body, Header: http.Header{"Content-Type": {"application/json"}}}
		})
		name := fmt.Sprintf("new-%d", i)
		hash := r.commit(c.name, map[string]string{name + ".yaml": service(name, "image: app:1", "replicas: 0")})
		w.eventually(func() error {
			report := o.report()
			if paused, _ := report.Condition("Paused"); paused.Status {
				w.Fatalf("%s: it pauses: %+v", c.name, paused)
			}
			if n := asked.Load(); n < 3 || report.Applied != hash || !report.Is("InSync", true) {
				return fmt.Errorf("%s: the engine was asked %d times: %s", c.name, n, brief(report))
			}
			return nil
		})
		w.service(name)
		p.After(nil)
	}
	if log := o.Stderr(); strings.Contains(log, "a third or more is gone") || strings.Contains(log, "--force-new-cluster") {
		t.Errorf("the operator thought that nodes are gone:\n%s", tail(log, 40))
	}
}
