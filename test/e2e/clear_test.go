package e2e

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// counted makes a node's engine reachable by TCP without TLS. connections returns how many there were.
func (w *world) counted(node string) (host string, connections func() int64) {
	w.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = l.Close() })
	var n atomic.Int64
	socket := strings.TrimPrefix(w.swarm.Host(node), "unix://")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n.Add(1)
			go pipe(c, socket)
		}
	}()
	return "tcp://" + l.Addr().String(), n.Load
}

// contains fails the test if a text lacks one of the parts.
func (w *world) contains(what, text string, parts ...string) {
	w.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			w.Errorf("%s does not say %q:\n%s", what, p, text)
		}
	}
}

// A manifest may name any host. If it names one at TCP without TLS, nothing is sent there before somebody agrees: no
// join token, and no question.
func TestNothingGoesInClearToAHostThatGitNames(t *testing.T) {
	t.Parallel()
	w := bare(t, 3)
	host, asked := w.counted("blank-2")
	silent := func(what string) {
		t.Helper()
		if n := asked(); n > 0 {
			t.Fatalf("%s made %d connections", what, n)
		}
	}
	worker := blank(2, "host: '"+host+"'", "role: worker")
	r := w.repo("clear", map[string]string{"a.yaml": blank(1, w.unix("blank-1"), "role: manager"), "b.yaml": worker, "c.yaml": blank(3, w.unix("blank-3"), "role: worker")})

	out := w.want(0, "validate", "--source", r.Dir)
	w.contains("validate", out.errs, "b.yaml:", "Node/blank-2: spec.engine.host: has no TLS", "--insecure-engines")
	if out = w.want(0, "validate", "--source", r.Dir, "--insecure-engines"); strings.Contains(out.errs, "TLS") {
		t.Errorf("validate says of what is allowed: %s", out)
	}
	silent("validate")
	// A swarm is made only if every engine has answered, and this one is not asked.
	for _, args := range [][]string{{"diff", "--probe-engines"}, {"status", "--probe-engines"}, {"apply"}} {
		out := w.want(2, append(args, "--source", r.Dir)...)
		w.contains(args[0], out.errs, "the engine of Node/blank-2 was not asked, because "+host+" has no TLS", "--insecure-engines", "ssh://", "spec.engine.tls")
	}
	silent("looking for a manager")
	if info, err := w.api.Info(t.Context(), client.InfoOptions{}); err != nil || info.Info.Swarm.LocalNodeState != "inactive" {
		t.Fatalf("a swarm was made: %v, %v", info.Info.Swarm.LocalNodeState, err)
	}

	// In a swarm that exists, the node does not join. The others do.
	r.remove("b.yaml")
	r.commit("later", nil)
	w.want(0, "apply", "--source", r.Dir)
	joins := r.commit("one more", map[string]string{"b.yaml": worker})
	refusal := "! + Node/blank-2  (insecure-engine, never) the join token would go to " + host + " in clear, because it has no TLS: state spec.engine.tls, reach the engine by ssh://, or run the operator with --insecure-engines"
	w.contains("apply", w.want(1, "apply", "--source", r.Dir).out, refusal)
	w.contains("diff", w.want(1, "diff", "--source", r.Dir, "--host", w.swarm.Host("blank-1")).out, refusal)
	w.contains("status", w.want(0, "status", "--source", r.Dir, "--host", w.swarm.Host("blank-1")).out, "Node/blank-2", host)
	o := w.bareOperator(r)
	refuses := func(text string) {
		t.Helper()
		o.reports(func(r harness.Report) error {
			if !slices.ContainsFunc(r.Refused, func(f harness.Refusal) bool {
				return f.Object == "Node/blank-2" && f.Guard == "insecure-engine" && f.Class == "never" && strings.Contains(f.Why, text)
			}) {
				return fmt.Errorf("Node/blank-2 is not refused: %s", brief(r))
			}
			return nil
		})
	}
	refuses("the join token would go to " + host + " in clear")
	silent("the operator")
	if list := w.nodeList(); len(list) != 2 {
		t.Errorf("%d nodes are in the swarm", len(list))
	}

	// Who agrees to it gets it, and the step says where.
	w.contains("apply", w.want(0, "apply", "--source", r.Dir, "--insecure-engines").out, "+ Node/blank-2  (in git, not in the swarm; it joins through "+host+")")
	before := asked()
	if before == 0 {
		t.Error("the node has joined, and nobody has asked it to")
	}
	// The operator, which may not, does not ask it to leave either. It does the rest when somebody else has.
	o.inSync(joins)
	r.commit("it goes", map[string]string{"b.yaml": blank(2, "host: '"+host+"'", "presence: absent")})
	refuses("its engine would be asked to leave at " + host + ", which has no TLS")
	if n := asked(); n != before {
		t.Errorf("the operator made %d connections", n-before)
	}
	if _, err := w.connect("blank-2").SwarmLeave(t.Context(), client.SwarmLeaveOptions{}); err != nil {
		t.Fatal(err)
	}
	harnessUntil(w, 2*patience, func() error {
		if list := w.nodeList(); len(list) != 2 {
			return fmt.Errorf("%d nodes are in the swarm", len(list))
		}
		return nil
	})
}

// A command that only reads sends nothing to any engine that only manifests name, however safe the way is. It says how
// to let it.
func TestReadingConnectsToNoEngineThatOnlyGitNames(t *testing.T) {
	t.Parallel()
	w := bare(t, 2)
	host, asked := w.counted("blank-1")
	p := w.proxyTo("blank-2")
	manager, worker := blank(1, "host: '"+host+"'", "role: manager"), blank(2, "host: '"+p.Host()+"'", "role: worker")
	r := w.repo("reads", map[string]string{"a.yaml": manager, "b.yaml": worker})
	reads := [][]string{{"diff"}, {"diff", "-o", "json"}, {"diff", "--worktree"}, {"diff", "--insecure-engines"}, {"status"}, {"status", "--insecure-engines"}}
	unasked := func() {
		t.Helper()
		before, calls := asked(), len(p.Calls())
		for _, args := range reads {
			out := w.want(2, append(slices.Clone(args), "--source", r.Dir)...)
			w.contains(strings.Join(args, " "), out.errs, "only the manifests name engines", "--host, DOCKER_HOST or a docker context", "--probe-engines", "Node/blank-1 at "+host, "Node/blank-2 at "+p.Host())
		}
		w.want(0, "validate", "--source", r.Dir)
		if n, m := asked()-before, len(p.Calls())-calls; n > 0 || m > 0 {
			t.Errorf("blank-1 got %d connections, and blank-2 %d calls", n, m)
		}
	}
	unasked()
	// A swarm is made through an engine in clear only if somebody agrees, and apply says where.
	w.contains("apply", w.want(2, "apply", "--source", r.Dir).errs, "the engine of Node/blank-1 was not asked, because "+host+" has no TLS")
	if n := asked(); n > 0 {
		t.Errorf("apply made %d connections", n)
	}
	w.contains("diff", w.want(1, "diff", "--source", r.Dir, "--probe-engines", "--insecure-engines").errs, "apply and run make one, beginning with Node/blank-1 at "+host)
	w.contains("apply", w.want(0, "apply", "--source", r.Dir, "--insecure-engines").out, "a swarm was made on Node/blank-1 at "+host, "it joins through "+p.Host())
	unasked()
	w.want(0, "diff", "--source", r.Dir, "--probe-engines", "--insecure-engines")
	w.want(0, "diff", "--source", r.Dir, "--host", w.swarm.Host("blank-1"))
	w.want(0, "diff", "--source", r.Dir, "--host", host)
	w.want(2, "diff", "--source", r.Dir, "--probe-engines") // the manager is not asked, and the other one is none
	w.want(0, "status", "--source", r.Dir, "--probe-engines", "--insecure-engines")
}

// A manifest may name any socket of the operator's host. None is touched before the operator's side allows it, and the answers
// are the same whether it exists.
func TestNoSocketThatGitNamesIsTouchedUnlessItIsAllowed(t *testing.T) {
	t.Parallel()
	w := bare(t, 2)
	p := w.proxyTo("blank-2")
	gone := "unix://" + w.path("gone.sock")
	refused := []string{"SWARM_OPERATOR_ENGINE_SOCKETS=" + w.path("other") + "/*"}
	texts := map[string]string{}
	for _, host := range []string{p.Host(), gone} {
		r := w.repo("socket-"+filepath.Base(host), map[string]string{"a.yaml": blank(2, "host: '"+host+"'", "role: manager")})
		for _, args := range [][]string{{"validate"}, {"diff", "--probe-engines"}, {"status", "--probe-engines"}, {"apply"}} {
			out := w.cliEnv(refused, append(args, "--source", r.Dir)...)
			w.contains(args[0], out.errs, "is a socket of the operator's host", "--engine-sockets")
			text := strings.ReplaceAll(strings.ReplaceAll(out.String(), host, "HOST"), r.Dir, "DIR")
			if before, known := texts[args[0]]; known && before != text {
				t.Errorf("%s tells a socket that exists from one that does not:\n%s\n%s", args[0], before, text)
			}
			texts[args[0]] = text
		}
	}
	if calls := p.Calls(); len(calls) > 0 {
		t.Errorf("the engine was asked:\n%s", lines(calls))
	}

	// In a swarm that exists, the node does not join, and the step is refused for good.
	manager := blank(1, w.unix("blank-1"), "role: manager")
	r := w.repo("socket", map[string]string{"a.yaml": manager})
	w.want(0, "apply", "--source", r.Dir)
	r.commit("one more", map[string]string{"b.yaml": blank(2, "host: '"+p.Host()+"'", "role: worker")})
	out := w.cliEnv(refused, "apply", "--source", r.Dir, "--host", w.swarm.Host("blank-1"))
	w.contains("apply", out.out, "Node/blank-2  (engine-socket, never) its engine is at "+p.Host()+", a socket of the operator's host")
	if calls := p.Calls(); out.code != 1 || len(calls) > 0 {
		t.Errorf("apply ended with %d, and the engine was asked:\n%s", out.code, lines(calls))
	}
	w.want(0, "apply", "--source", r.Dir, "--host", w.swarm.Host("blank-1"))
}
