package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/node"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/test/generate"
)

// placedFrom reads: runs SERVICE.SLOT NODE [starting|failing] [global] [volume=V] [needs=CONSTRAINT]… [rolling[=AGO]]
// [pause=TIME] [at-once=N]. NODE may be -. rolling is how long ago a roll-out of the service came further, pause is what
// its spec allows for each task, and at-once is how many tasks a roll-out stops at once.
func placedFrom(w []string, n int) node.Placed {
	service, _, _ := strings.Cut(w[1], ".")
	p := node.Placed{ID: fmt.Sprintf("t%02d", n), Name: w[1], Service: service, Ready: true, Rolling: node.Rolling{AtOnce: 1}}
	if w[2] != "-" {
		p.Node = "id-" + w[2]
	}
	for _, a := range w[3:] {
		name, value, _ := strings.Cut(a, "=")
		switch name {
		case "starting":
			p.Ready, p.Coming = false, true
		case "failing":
			p.Ready = false
		case "global":
			p.Everywhere = true
		case "rolling":
			if p.UnderWay = true; value != "" {
				p.Further = ago(value)
			}
		case "pause":
			p.Pause = now.Sub(ago(value))
		case "at-once":
			p.AtOnce = number(value)
		case "volume":
			p.Volumes = append(p.Volumes, value)
		case "needs":
			p.Constraints = append(p.Constraints, a[len("needs="):])
		default:
			panic(a)
		}
	}
	return p
}

// host reads more facts about a node: host NODE [paused] [down] [asked=ROLE] [LABEL=VALUE].
func (n *nodes) host(w []string) {
	if n.hosts == nil {
		n.hosts = map[string]func(*node.Host){}
	}
	n.hosts["id-"+w[1]] = func(h *node.Host) {
		for _, a := range w[2:] {
			name, value, _ := strings.Cut(a, "=")
			switch name {
			case "paused":
				h.Availability = v1.Pause
			case "down":
				h.Down = true
			case "asked":
				h.Asked = value
			default:
				h.Labels[name] = value
			}
		}
	}
}

// running returns what runs, made of the nodes and the tasks. It returns nil if there are none.
func (n *nodes) running() *node.Running {
	hosts := n.all()
	if len(hosts) == 0 {
		return nil
	}
	replicas := map[string]int{}
	for _, t := range n.tasks {
		replicas[t.Service]++
	}
	for i := range n.tasks {
		n.tasks[i].Replicas = replicas[n.tasks[i].Service]
	}
	return node.NewRunning(hosts, n.tasks)
}

// all returns the nodes as tasks depend on them, by id. A node's labels are those that its changes find there.
func (n *nodes) all() map[string]node.Host {
	there := slices.Clone(n.swarm.Nodes)
	for _, t := range n.tasks {
		if t.Node != "" && !slices.ContainsFunc(there, func(n node.Node) bool { return n.ID == t.Node }) {
			there = append(there, node.Node{ID: t.Node, Name: strings.TrimPrefix(t.Node, "id-"), Active: true, Ready: true})
		}
	}
	hosts := map[string]node.Host{}
	for _, one := range there {
		h := node.Host{
			Machine: node.Machine{ID: one.ID, Hostname: one.Name, Role: v1.RoleWorker, OS: "linux", Architecture: "x86_64", Labels: map[string]string{"zone": "old"}},
			Asked:   v1.RoleWorker, Availability: v1.Drain, Down: !one.Ready,
		}
		if one.Voter {
			h.Role = v1.RoleManager
		}
		if one.Manager {
			h.Asked = v1.RoleManager
		}
		if one.Active {
			h.Availability = v1.Active
		}
		if more := n.hosts[one.ID]; more != nil {
			more(&h)
		}
		hosts[one.ID] = h
	}
	return hosts
}

func anyPlaced(t *rapid.T, on string, n int) node.Placed {
	service := oneOf(t, "service", "web", "db", "agent")
	p := node.Placed{
		ID: fmt.Sprintf("t%02d", n), Name: fmt.Sprintf("%s.%d", service, n), Service: service, Node: on, Everywhere: service == "agent",
		Ready: chance(t, "ready", 2) || chance(t, "ready after all", 2),
	}
	p.Coming = !p.Ready && chance(t, "coming", 2)
	if c := oneOf(t, "needs", "", "", "node.role==worker", "node.role==manager", "node.labels.zone==old", "node.labels.zone!=new", "node.hostname==a", "node.platform.os==linux"); c != "" {
		p.Constraints = []string{c}
	}
	return p
}

// served returns how many tasks serve a service if the nodes are in that state. It is written apart from the code
// that it tests, and counts tasks that nobody has told to end.
func (n *nodes) served(hosts map[string]node.Host, service string) int {
	served := 0
	for _, t := range n.tasks {
		if h := hosts[t.Node]; t.Service == service && t.Ready && !h.Down && lets(h, t) {
			served++
		}
	}
	return served
}

// lets reports whether SwarmKit lets the task run on such a node.
func lets(h node.Host, t node.Placed) bool {
	return h.Availability == v1.Pause || h.Availability == v1.Active && h.Meets(t.Constraints)
}

// carried returns what a step makes of a node. It is written apart from the code that it tests.
func carried(h node.Host, s plan.Step) node.Host {
	for _, f := range s.Fields {
		switch f.Path {
		case "spec.role":
			h.Role, h.Asked = f.Want.Reveal(), f.Want.Reveal()
		case "spec.availability":
			h.Availability = f.Want.Reveal()
		case "spec.labels.zone":
			h.Labels = map[string]string{"zone": f.Want.Reveal()}
			if !f.Want.Set() {
				h.Labels = nil
			}
		}
	}
	return h
}

// anyServing returns a swarm in which little keeps steps on nodes from being taken, or any other swarm.
func anyServing(t *rapid.T) plan.Given {
	if chance(t, "any", 3) {
		return anySwarm(t)
	}
	g := plan.NewGiven()
	of := nodesOf(g)
	s := &of.swarm
	s.Managers, s.Stable, g.Policy.Budgets.Drains = &node.Managers{Count: rapid.IntRange(0, 3).Draw(t, "managers")}, time.Minute, 3
	for _, name := range nodeNames[:rapid.IntRange(2, 4).Draw(t, "nodes")] {
		n := nodeNamed(name, oneOf(t, "kind", "manager", "worker", "worker", "worker", "worker, drained", "worker, down", "promoting", "demoting", "worker, to be one", "manager, to be not"))
		s.Nodes = append(s.Nodes, n)
		if chance(t, "paused", 6) {
			of.host([]string{"host", name, "paused"})
		}
		if chance(t, "differs", 2) {
			g.Changes = append(g.Changes, plan.Change([]string{"~", "Node/" + name, oneOf(t, "what", "git=spec.labels.zone", "gone=spec.labels.zone", "git=spec.availability=drain", "git=spec.availability=active", "git=spec.labels.zone,spec.availability=pause")}))
		}
		for range rapid.IntRange(0, 2).Draw(t, "tasks there") {
			of.tasks = append(of.tasks, anyPlaced(t, n.ID, len(of.tasks)))
		}
		if chance(t, "consent", 4) {
			g.Policy.Consents = append(g.Policy.Consents, plan.Consented{Hazard: plan.Outage, Objects: []v1.Key{n.Key()}})
		}
	}
	for _, h := range []plan.Hazard{plan.EvenManagers, plan.SingleManager} {
		g.Policy.Consents = append(g.Policy.Consents, plan.Consented{Hazard: h})
	}
	return g
}

// In whatever order a plan's steps are taken, none takes the last ready task of a service without consent, except of
// a global service. Each step that ends tasks of a service names the service.
func nothingGoesOut(t *rapid.T) {
	g := anyServing(t)
	p := g.Build()
	of := nodesOf(g)
	all := of.all()
	if len(all) == 0 {
		return
	}
	of.tasks = slices.DeleteFunc(of.tasks, func(t node.Placed) bool { return !lets(all[t.Node], t) }) // these tasks end whatever happens
	hosts := map[string]node.Host{}
	for id, h := range all {
		h.Role = h.Asked // roles that are still to come count as if they had come
		hosts[id] = h
	}
	for _, s := range rapid.Permutation(p.Steps).Draw(t, "order") {
		h, known := hosts[s.Instance]
		if s.Key.Kind != v1.KindNode || !known {
			continue
		}
		before := map[string]int{}
		for _, service := range []string{"web", "db", "agent"} {
			before[service] = of.served(hosts, service)
		}
		hosts[s.Instance] = carried(h, s)
		for service, was := range before {
			is := of.served(hosts, service)
			if is < was && !strings.Contains(strings.Join(s.Notes, "\n"), " of "+service+" on "+h.Hostname) {
				t.Fatalf("%s ends tasks of %s and does not say so:\n%s", s.Key, service, plan.Render(p))
			}
			if was > 0 && is == 0 && service != "agent" && !g.Policy.Consents.Covers(plan.Outage, s.Key) {
				t.Fatalf("%s leaves %s without a ready task:\n%s", s.Key, service, plan.Render(p))
			}
		}
	}
	for _, ref := range p.Refused {
		if ref.Guard == "outage" && of.swarm.Unknown == "" && g.Policy.Consents.Covers(plan.Outage, ref.Key) {
			t.Fatalf("somebody agreed to it:\n%s", plan.Render(p))
		}
	}
}

// A refusal that waits for another step on a node waits for a step that is taken. That step does not wait for it in
// turn.
func outagesWaitForSteps(t *rapid.T) {
	g := plan.NewGiven()
	of := nodesOf(g)
	s := &of.swarm
	g.Policy.Budgets.Drains = rapid.IntRange(1, 3).Draw(t, "drains")
	for _, name := range nodeNames[:rapid.IntRange(2, 4).Draw(t, "nodes")] {
		n := nodeNamed(name, "worker")
		s.Nodes = append(s.Nodes, n)
		if s.Own == "" && chance(t, "own", 3) {
			s.Own, g.Facts.Own = n.ID, n.ID
		}
		g.Changes = append(g.Changes, plan.Change([]string{"~", "Node/" + name, oneOf(t, "what", "git=spec.labels.zone", "git=spec.availability=drain")}))
		of.tasks = append(of.tasks, placedFrom([]string{"runs", oneOf(t, "task", "web.", "db.") + name, name, "needs=node.labels.zone==old"}, len(of.tasks)))
		if chance(t, "consent", 4) {
			g.Policy.Consents = append(g.Policy.Consents, plan.Consented{Hazard: plan.Outage, Objects: []v1.Key{n.Key()}})
		}
	}
	p := g.Build()
	for _, r := range p.Refused {
		first, waits := strings.CutPrefix(r.Why, "with ")
		if r.Guard != "outage" || !waits {
			continue
		}
		first, _, _ = strings.Cut(first, ", which comes first")
		if !slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.Key.String() == first }) {
			t.Fatalf("%s waits for %s, which does not come:\n%s", r.Key, first, plan.Render(p))
		}
	}
}

func TestOutagesWaitForSteps(t *testing.T) { rapid.Check(t, outagesWaitForSteps) }

func FuzzOutagesWaitForSteps(f *testing.F) { generate.Fuzz(f, outagesWaitForSteps) }

func TestNoServiceGoesOutUnasked(t *testing.T) { rapid.Check(t, nothingGoesOut) }

func FuzzNoServiceGoesOutUnasked(f *testing.F) { generate.Fuzz(f, nothingGoesOut) }

// What waits for an outage to pass says how to agree to it at once, by whatever can agree.
func TestAWaitForAnOutageSaysHowToAgree(t *testing.T) {
	const revision = "0123456789012345678901234567890123456789"
	const commit, command, approve = "; to agree, add to a commit message: Consent: outage", "; to agree, run: swarm-operator ", "approve outage --revision 0123456789 --reason TEXT"
	waits := map[string]string{
		"for what starts": "node a worker\nnode b worker\nruns web.1 a\nruns web.2 b starting\n~ Node/a git=spec.availability=drain\n",
		"for a roll-out":  "node a worker\nnode b worker\nruns web.1 a\nruns web.2 b\n~ Node/b git=spec.availability=drain\n~ Service/web git=spec.image\n",
	}
	for name, given := range waits {
		for _, c := range []struct {
			from string
			only bool // commits agree to nothing
			want string
		}{
			{"files", false, command + "apply --consent outage"},
			{"files", true, command + "apply --consent outage"},
			{"revision files-1", false, commit},
			{"revision files-1", true, command + "apply --consent outage"},
			{"revision " + revision, false, commit + ", or run: swarm-operator " + approve},
			{"revision " + revision, true, command + approve},
		} {
			g := plan.Read(t, c.from+"\n"+given)
			g.Policy.CommandsOnly = c.only
			refused := g.Build().Refused
			if len(refused) != 1 || refused[0].Class != plan.Later || refused[0].Hazard != plan.Outage || !strings.HasSuffix(refused[0].Why, "waited for"+c.want) {
				t.Errorf("it waits %s, by %s, commits agree to nothing: %t: refused are %+v, want the end %q", name, c.from, c.only, refused, c.want)
			}
		}
	}
}
