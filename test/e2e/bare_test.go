package e2e

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/sandbox"
	"github.com/swarm-operator/swarm-operator/test/engines"
	"github.com/swarm-operator/swarm-operator/test/harness"
)

// bare returns engines that are in no swarm: blank-1, blank-2 and so on.
func bare(t *testing.T, n int) *world {
	t.Helper()
	var s Swarm
	if *swarmKind == onEngines {
		e, err := engines.Start(t.Context(), engines.Options{Blank: n, Faults: true})
		if err != nil {
			t.Fatalf("starting engines: %v", err)
		}
		s = &leased{Swarm: e, shared: shared{spoilt: true}}
	} else {
		sb, err := sandbox.Start(t.Context(), sandbox.Options{Blank: n})
		if err != nil {
			t.Fatalf("starting engines: %v", err)
		}
		s = &embedded{Sandbox: sb, shared: shared{spoilt: true}, hung: map[string]func(){}}
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("ending the engines: %v", err)
		}
	})
	return worldOf(t, s, "blank-1")
}

// blank returns the manifest of a node that is named by its engine. spec has more lines of its spec.
func blank(i int, engine string, spec ...string) string {
	return node(fmt.Sprintf("blank-%d", i), append([]string{"engine: {" + engine + "}"}, spec...)...)
}

// five returns the manifests of three managers and two workers. host says where each engine is.
func five(host func(name string) string) map[string]string {
	files := map[string]string{}
	for i := 1; i <= 5; i++ {
		role := "worker"
		if i <= 3 {
			role = "manager"
		}
		files[fmt.Sprintf("blank-%d.yaml", i)] = blank(i, host(fmt.Sprintf("blank-%d", i)), "role: "+role, "availability: active", fmt.Sprintf("labels: {zone: z%d}", i))
	}
	return files
}

// formed returns an error if the nodes are not as five says. After a join this takes a moment, until the leader has
// heard of a manager.
func (w *world) formed() error {
	list, err := w.api.NodeList(w.Context(), client.NodeListOptions{})
	if err != nil {
		return err
	}
	if len(list.Items) != 5 {
		return fmt.Errorf("%d nodes are in the swarm", len(list.Items))
	}
	for _, n := range list.Items {
		i := strings.TrimPrefix(n.Description.Hostname, "blank-")
		manager := n.ManagerStatus != nil && n.ManagerStatus.Reachability == swarm.ReachabilityReachable && n.Spec.Role == swarm.NodeRoleManager
		if n.Status.State != swarm.NodeStateReady || n.Spec.Availability != swarm.NodeAvailabilityActive || labelsOf(n) != "zone=z"+i || manager != (i <= "3") {
			return fmt.Errorf("%s is %s, %s, manager %t, %s", n.Description.Hostname, n.Status.State, n.Spec.Availability, manager, labelsOf(n))
		}
	}
	return nil
}

func (w *world) unix(name string) string { return "host: '" + w.swarm.Host(name) + "'" }

func TestBareEnginesBecomeASwarm(t *testing.T) {
	t.Parallel()
	w := bare(t, 5)
	p := map[string]*harness.Proxy{}
	for i := 1; i <= 5; i++ {
		name := fmt.Sprintf("blank-%d", i)
		p[name] = w.proxyTo(name)
	}
	r := w.repo("bare", five(func(name string) string { return "host: '" + p[name].Host() + "'" }))

	// A diff makes nothing, and says what would be made.
	if out := w.want(1, "diff", "--source", r.Dir, "--probe-engines"); !strings.Contains(out.errs, "Node/blank-1") {
		t.Errorf("diff does not say where a swarm would be made: %s", out)
	}
	for name, one := range p {
		if writes := one.Writes(); len(writes) > 0 {
			t.Errorf("diff wrote on %s:\n%s", name, lines(writes))
		}
	}
	out := w.want(0, "apply", "--source", r.Dir).out
	if !strings.Contains(out, "a swarm was made on Node/blank-1 at "+p["blank-1"].Host()) || !strings.Contains(out, "it joins through "+p["blank-5"].Host()) {
		t.Errorf("apply does not say so:\n%s", out)
	}
	w.eventually(w.formed)
	for _, one := range p {
		one.Reset()
	}
	w.want(0, "apply", "--source", r.Dir)
	w.want(0, "diff", "--source", r.Dir, "--probe-engines")
	for name, one := range p {
		if writes := one.Writes(); len(writes) > 0 {
			t.Errorf("a second apply wrote on %s:\n%s", name, lines(writes))
		}
	}
}

// The controller does the same. When the manager that it talks to is gone, it goes on with another one.
func TestTheControllerMakesASwarmAndFindsItsManagers(t *testing.T) {
	t.Parallel()
	w := bare(t, 5)
	r := w.repo("bare", five(w.unix))
	o := w.bareOperator(r)
	harnessUntil(w, 2*patience, w.formed)
	o.condition("InSync", true)
	if err := w.swarm.Kill("blank-1"); err != nil {
		t.Fatal(err)
	}
	w.api = w.connect("blank-2")
	hash := r.commit("another zone", map[string]string{"blank-5.yaml": blank(5, w.unix("blank-5"), "role: worker", "availability: active", "labels: {zone: z6}")})
	harnessUntil(w, 2*patience, func() error {
		r, err := o.Report(t.Context())
		if err == nil && r.Applied != hash {
			err = fmt.Errorf("revision %s is not in force", hash)
		}
		if err == nil {
			list, listed := w.api.NodeList(t.Context(), client.NodeListOptions{})
			if err = listed; err == nil && !slices.ContainsFunc(list.Items, func(n swarm.Node) bool { return labelsOf(n) == "zone=z6" }) {
				err = fmt.Errorf("nobody has the label")
			}
		}
		return err
	})
}

// bareOperator starts an operator that gets no engine on its command line.
func (w *world) bareOperator(r *repo, args ...string) *operator {
	w.Helper()
	o, err := harness.StartOperator(w.Context(), binary, w.env(), append([]string{"--source", r.Dir, "--repair-after", "0s"}, args...)...)
	if err != nil {
		w.Fatal(err)
	}
	op := &operator{o, w}
	w.Cleanup(op.finish)
	return op
}

func TestEnginesThatCannotBeMadeASwarm(t *testing.T) {
	t.Parallel()
	w := bare(t, 3)
	manager, worker := []string{"role: manager"}, []string{"role: worker"}
	untouched := func(names ...string) {
		t.Helper()
		for _, name := range names {
			if info, err := w.connect(name).Info(t.Context(), client.InfoOptions{}); err != nil || info.Info.Swarm.LocalNodeState != swarm.LocalNodeStateInactive {
				t.Errorf("%s is %v in a swarm, %v", name, info.Info.Swarm.LocalNodeState, err)
			}
		}
	}
	gone := "host: 'unix://" + filepath.Join(w.home, "gone.sock") + "'"
	for _, c := range []struct {
		name  string
		files map[string]string
		says  []string
	}{
		{"one does not answer", map[string]string{"a.yaml": blank(1, w.unix("blank-1"), manager...), "b.yaml": blank(2, gone, worker...)}, []string{"the engine of Node/blank-2 does not answer", "gone.sock"}},
		{"another name", map[string]string{"a.yaml": blank(1, w.unix("blank-2"), manager...)}, []string{"the engine of Node/blank-1 calls itself blank-2"}},
		{"no manager", map[string]string{"a.yaml": blank(1, w.unix("blank-1"), worker...)}, []string{"no Node with an engine states role: manager"}},
		{"a revision that cannot be read", map[string]string{"a.yaml": blank(1, w.unix("blank-1"), manager...), "b.yaml": "kind: ["}, []string{"no swarm from manifests with a problem", "b.yaml:1"}},
		{"a problem of a node", map[string]string{"a.yaml": blank(1, w.unix("blank-1"), manager...), "b.yaml": blank(2, w.unix("blank-2"), "availability: dry")}, []string{"no swarm from manifests with a problem", "b.yaml:"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := w.in(t)
			r := w.repo("cannot", c.files)
			out := w.want(2, "apply", "--source", r.Dir)
			for _, text := range c.says {
				if !strings.Contains(out.errs, text) {
					t.Errorf("it does not say %q: %s", text, out)
				}
			}
		})
	}
	untouched("blank-1", "blank-2", "blank-3")

	// Two engines are managers of two swarms, so nobody can tell which swarm is meant.
	init := func(name string) {
		t.Helper()
		if _, err := w.connect(name).SwarmInit(t.Context(), client.SwarmInitOptions{ListenAddr: "0.0.0.0"}); err != nil {
			t.Fatal(err)
		}
	}
	init("blank-1")
	init("blank-2")
	r := w.repo("two", map[string]string{"a.yaml": blank(1, w.unix("blank-1"), manager...), "b.yaml": blank(2, w.unix("blank-2"), worker...), "c.yaml": blank(3, w.unix("blank-3"), worker...)})
	if out := w.want(2, "apply", "--source", r.Dir); !strings.Contains(out.errs, "is a manager of swarm") || !strings.Contains(out.errs, "Node/blank-2") {
		t.Errorf("two swarms: %s", out)
	}
	// If an engine is named, its swarm is the one. The other engine is an error of its own, and the third one joins
	// all the same.
	out := w.want(2, "apply", "--source", r.Dir, "--host", w.swarm.Host("blank-1"))
	if !strings.Contains(out.errs+out.out, "its engine is in another swarm") {
		t.Errorf("an engine that is in another swarm: %s", out)
	}
	w.eventually(func() error {
		if list := w.nodeList(); len(list) != 2 {
			return fmt.Errorf("%d nodes are in the swarm", len(list))
		}
		return nil
	})
	// When the engine has left the other swarm, the next run finishes.
	if _, err := w.connect("blank-2").SwarmLeave(t.Context(), client.SwarmLeaveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	w.want(0, "apply", "--source", r.Dir)
	if list := w.nodeList(); len(list) != 3 {
		t.Errorf("%d nodes are in the swarm", len(list))
	}
}

// A node whose engine is away joins when the engine is back. The other nodes do not wait for it.
func TestAnEngineThatIsAwayJoinsLater(t *testing.T) {
	t.Parallel()
	w := bare(t, 3)
	r := w.repo("away", map[string]string{"a.yaml": blank(1, w.unix("blank-1"), "role: manager")})
	o := w.bareOperator(r)
	o.condition("InSync", true)
	if err := w.swarm.Kill("blank-2"); err != nil {
		t.Fatal(err)
	}
	r.commit("two more", map[string]string{"b.yaml": blank(2, w.unix("blank-2"), "role: worker"), "c.yaml": blank(3, w.unix("blank-3"), "role: worker")})
	w.eventually(func() error {
		if list := w.nodeList(); len(list) != 2 {
			return fmt.Errorf("%d nodes are in the swarm", len(list))
		}
		return nil
	})
	c := o.condition("StepFailed", true)
	if !strings.Contains(c.Message, "Node/blank-2") {
		t.Errorf("it is not named: %s", c.Message)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := w.swarm.Start(ctx, "blank-2"); err != nil {
		t.Fatal(err)
	}
	harnessUntil(w, 2*patience, func() error {
		if list := w.nodeList(); len(list) != 3 {
			return fmt.Errorf("%d nodes are in the swarm", len(list))
		}
		return nil
	})
	o.condition("InSync", true)
}

// An operator may be killed when an engine has just joined, before it can put the node on record. The next one asks that
// engine which node it is, and needs nobody's consent to make it a manager.
func TestAJoinThatNobodyRecordedIsRecognised(t *testing.T) {
	t.Parallel()
	w := bare(t, 2)
	p := w.proxyTo("blank-2")
	r := w.repo("joined", map[string]string{"a.yaml": blank(1, w.unix("blank-1"), "role: manager"), "b.yaml": blank(2, "host: '"+p.Host()+"'", "role: manager")})
	started := make(chan *harness.Process, 1)
	p.After(func(c harness.Call) error {
		if c.Path != "/swarm/join" {
			return nil
		}
		return kill(<-started)
	})
	args := []string{"apply", "--source", r.Dir, "--consent", "even-managers"}
	apply, err := harness.Start(binary, w.env(), args...)
	if err != nil {
		t.Fatal(err)
	}
	started <- apply
	w.end(apply)
	p.After(nil)
	w.freeLease()
	w.eventually(func() error {
		if !slices.ContainsFunc(w.nodeList(), func(n swarm.Node) bool { return n.Description.Hostname == "blank-2" }) {
			return errors.New("blank-2 is not listed")
		}
		return nil
	})
	p.Reset()
	w.want(0, args...).says(t, "an operator began to make it join, and did not come to record which node it is; its engine is asked at "+p.Host())
	if writes := p.Writes(); len(writes) > 0 {
		t.Errorf("it wrote on the engine that it asked:\n%s", lines(writes))
	}
	w.becomesManager("blank-2")
}
