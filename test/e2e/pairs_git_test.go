package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// pair is a case of the law of pairs: what git says, one revision after the other, and how the operators are
// disturbed.
type pair struct {
	seed      uint64
	revisions []revision
	// meanwhile is how long after a revision the next one comes. Only the first revision is given time to settle.
	meanwhile time.Duration
	// hit is the number of the operators' write at which its operator is disturbed, counted from the second revision.
	// how says in what way.
	hit, how int
}

// revision is what git says.
type revision struct {
	apps     []app
	nets     []overlay
	content  string
	consents []string
	edits    []string // what was done to the revision before, for people
}

// app is a service. It keeps its ID under another name.
type app struct {
	id, replicas, parallelism, port int
	name, image, order, action, net string
	env, label, dependsOn           string
	host, config                    bool
	standby                         string // another service of it, which has no task yet
}

// overlay is a network. It keeps its ID under another name.
type overlay struct {
	id           int
	name, subnet string
}

const (
	firstPort  = 9100
	goodImages = "app:"
)

// badImages are images that fail, each in its own way.
var badImages = []string{"crash:1", "nopull:1", "unhealthy:1"}

// good reports whether an image does the work of its service.
func good(image string) bool {
	return strings.HasPrefix(image, goodImages) || strings.HasPrefix(image, "slow:")
}

func (a app) manifest() string {
	lines := []string{
		"image: " + a.image, fmt.Sprintf("replicas: %d", a.replicas), "restartPolicy: {delay: 200ms}", "stopGracePeriod: 1s",
		fmt.Sprintf("updateConfig: {parallelism: %d, monitor: 600ms, failureAction: %s, order: %s}", a.parallelism, a.action, a.order),
		"rollbackConfig: {parallelism: 1, monitor: 300ms}", "environment: {V: " + a.env + "}",
	}
	if a.port != 0 {
		mode := "ingress"
		if a.host {
			mode = "host"
		}
		lines = append(lines, fmt.Sprintf("ports: [{target: 80, published: %d, mode: %s}]", a.port, mode))
	}
	if a.net != "" {
		lines = append(lines, "networks: ["+a.net+"]")
	}
	if a.config {
		lines = append(lines, "configs: [{source: conf, target: /conf}]")
	}
	out := strings.Replace(service(a.name, lines...), "metadata: {name: "+a.name+"}", "metadata: {name: "+a.name+", labels: {tier: "+a.label+"}}", 1)
	if a.dependsOn != "" {
		out = policy(out, "dependsOn: [Service/"+a.dependsOn+"]")
	}
	return out
}

func (n overlay) manifest() string {
	if n.subnet == "" {
		return network(n.name)
	}
	return fmt.Sprintf(head, "Network", n.name) + "spec: {ipam: {config: [{subnet: " + n.subnet + "}]}}\n"
}

// files returns the revision as manifests.
func (r revision) files() map[string]string {
	all := []string{config("conf", r.content)}
	for _, n := range r.nets {
		all = append(all, n.manifest())
	}
	for _, a := range r.apps {
		all = append(all, a.manifest())
		if a.standby != "" {
			s := app{name: a.standby, image: a.image, parallelism: 1, action: a.action, order: a.order, env: a.env, label: a.label}
			all = append(all, s.manifest())
		}
	}
	return map[string]string{"all.yaml": docs(all...)}
}

func (r revision) message() string {
	var consents []string
	for _, c := range r.consents {
		consents = append(consents, "Consent: "+c)
	}
	return harness.Message(strings.Join(append([]string{"revision"}, r.edits...), ", "), consents...)
}

func (r revision) app(id int) (app, bool) {
	i := slices.IndexFunc(r.apps, func(a app) bool { return a.id == id })
	if i < 0 {
		return app{}, false
	}
	return r.apps[i], true
}

// String describes the case for people who want to know why the law was broken.
func (p pair) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: disturbance %q at write %d", p.seed, hits[p.how].name, p.hit)
	for i, r := range p.revisions {
		fmt.Fprintf(&b, "\nrevision %d: %s; consents %q\n", i+1, strings.Join(r.edits, ", "), r.consents)
		for _, n := range r.nets {
			fmt.Fprintf(&b, "  network %+v\n", n)
		}
		for _, a := range r.apps {
			fmt.Fprintf(&b, "  %+v\n", a)
		}
	}
	return b.String()
}

// drawing makes a case from random numbers.
type drawing struct {
	*rand.Rand
	next   int // the last ID
	ports  int
	subnet int
}

// drawPair returns the case of a seed.
func drawPair(seed uint64) pair {
	d := &drawing{Rand: rand.New(rand.NewPCG(seed, 14))}
	p := pair{seed: seed, revisions: []revision{d.first()}, hit: 1 + d.IntN(14), how: d.IntN(len(hits)), meanwhile: time.Duration(d.IntN(4000)) * time.Millisecond}
	p.revisions = append(p.revisions, d.vary(p.revisions[0]))
	if d.IntN(3) == 0 {
		p.revisions = append(p.revisions, d.vary(p.revisions[1]))
	}
	if seed%3 == 0 {
		p.handsOver()
	}
	return p
}

// handsOver lets a service take over from another one by its replicas, as in blue and green: the first revision has both,
// and one of them has no task. The next one gives that one the tasks, and drops the other.
func (p pair) handsOver() {
	first := p.revisions[0]
	i := slices.IndexFunc(first.apps, func(a app) bool { return a.port == 0 })
	if i < 0 {
		return
	}
	was := first.apps[i]
	first.apps[i].standby = was.name + "-s"
	for _, r := range p.revisions[1:] {
		for j := range r.apps {
			if a := &r.apps[j]; a.id == was.id && a.name == was.name {
				a.name = was.name + "-s"
			} else if a.dependsOn == was.name {
				a.dependsOn = was.name + "-s"
			}
		}
	}
}

func (d *drawing) id() int   { d.next++; return d.next }
func (d *drawing) port() int { d.ports++; return firstPort + d.ports }

func (d *drawing) overlay() overlay {
	n := overlay{id: d.id()}
	n.name = fmt.Sprintf("net-%d", n.id)
	if d.IntN(4) > 0 {
		d.subnet++
		n.subnet = fmt.Sprintf("10.77.%d.0/24", d.subnet)
	}
	return n
}

func (d *drawing) app(r *revision) app {
	a := app{id: d.id(), replicas: 1 + d.IntN(2), parallelism: 1, image: "app:1", env: "one", label: "a", config: d.IntN(4) == 0}
	a.name = fmt.Sprintf("%s-%d", pick(d, "web", "api", "db"), a.id)
	a.order, a.action = pick(d, "stop-first", "start-first"), pick(d, "pause", "rollback", "rollback", "continue")
	if d.IntN(3) > 0 {
		a.port, a.host = d.port(), d.IntN(6) == 0
	}
	if len(r.nets) > 0 && d.IntN(2) == 0 {
		a.net = pick(d, r.nets...).name
	}
	if a.host { // two of them cannot be on one node
		a.replicas, a.order = 1, "stop-first"
	}
	return a
}

func pick[T any](d *drawing, of ...T) T { return of[d.IntN(len(of))] }

func (d *drawing) first() revision {
	r := revision{content: "one\n"}
	for range d.IntN(3) {
		r.nets = append(r.nets, d.overlay())
	}
	for range 3 + d.IntN(3) {
		r.apps = append(r.apps, d.app(&r))
	}
	if n := len(r.apps); d.IntN(3) == 0 {
		r.apps[n-1].dependsOn = r.apps[0].name
	}
	return r
}

// edits change a revision. An edit returns false if it cannot be done.
var edits = []struct {
	name string
	do   func(*drawing, *revision) bool
}{
	{"rename", (*drawing).rename},
	{"rename", (*drawing).rename},
	{"swap ports", (*drawing).swap},
	{"swap ports", (*drawing).swap},
	{"chain of ports", (*drawing).chain},
	{"chain of ports", (*drawing).chain},
	{"drop", (*drawing).drop},
	{"add", (*drawing).add},
	{"add with the port of one that goes", (*drawing).takes},
	{"the port of one that goes", (*drawing).inherits},
	{"image", func(d *drawing, r *revision) bool {
		return d.one(r, func(a *app) { a.image = pick(d, "app:2", "app:3", "app:2", "slow:1") })
	}},
	{"bad image", (*drawing).bad},
	{"bad image", (*drawing).bad},
	{"replicas", func(d *drawing, r *revision) bool {
		return d.one(r, func(a *app) {
			if !a.host {
				a.replicas = 3 - a.replicas
			}
		})
	}},
	{"environment", func(d *drawing, r *revision) bool { return d.one(r, func(a *app) { a.env += "x" }) }},
	{"label", func(d *drawing, r *revision) bool { return d.one(r, func(a *app) { a.label += "b" }) }},
	{"order", func(d *drawing, r *revision) bool {
		return d.one(r, func(a *app) {
			a.order = map[string]string{"stop-first": "start-first", "start-first": "stop-first"}[a.order]
		})
	}},
	{"content", func(_ *drawing, r *revision) bool { r.content += "more\n"; return true }},
	{"port", func(d *drawing, r *revision) bool { return d.one(r, func(a *app) { a.port = d.port() }) }},
	{"no port", func(d *drawing, r *revision) bool { return d.one(r, func(a *app) { a.port, a.host = 0, false }) }},
	{"rename a network", (*drawing).renameNet},
	{"rename a network", (*drawing).renameNet},
	{"another subnet", (*drawing).subnets},
	{"swap subnets", (*drawing).swapSubnets},
	{"another network", (*drawing).moves},
}

// vary makes a revision from another one.
func (d *drawing) vary(of revision) revision {
	r := revision{apps: slices.Clone(of.apps), nets: slices.Clone(of.nets), content: of.content}
	for n := 1 + d.IntN(4); len(r.edits) < n; {
		if e := edits[d.IntN(len(edits))]; e.do(d, &r) {
			r.edits = append(r.edits, e.name)
		}
	}
	if d.IntN(2) == 0 {
		r.consents = append(r.consents, "replace")
	}
	if d.IntN(2) == 0 {
		r.consents = append(r.consents, "removals")
	}
	return r
}

func (d *drawing) one(r *revision, change func(*app)) bool {
	if len(r.apps) == 0 {
		return false
	}
	i := d.IntN(len(r.apps))
	was := r.apps[i]
	change(&r.apps[i])
	return r.apps[i] != was
}

func (d *drawing) bad(r *revision) bool {
	return d.one(r, func(a *app) { a.image = pick(d, badImages...) })
}

func (d *drawing) rename(r *revision) bool {
	i := d.IntN(len(r.apps))
	was := r.apps[i].name
	r.apps[i].name += "-n"
	for j := range r.apps {
		if r.apps[j].dependsOn == was {
			r.apps[j].dependsOn = r.apps[i].name
		}
	}
	if d.IntN(4) == 0 {
		r.apps[i].image = pick(d, append([]string{"app:2"}, badImages...)...)
	}
	return true
}

// published returns the indexes of the apps that publish a port in the whole swarm, shuffled.
func (d *drawing) published(r *revision) []int {
	var out []int
	for i, a := range r.apps {
		if a.port != 0 && !a.host {
			out = append(out, i)
		}
	}
	d.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

func (d *drawing) swap(r *revision) bool {
	p := d.published(r)
	if len(p) < 2 {
		return false
	}
	a, b := &r.apps[p[0]], &r.apps[p[1]]
	a.port, b.port = b.port, a.port
	return true
}

func (d *drawing) chain(r *revision) bool {
	p := d.published(r)
	if len(p) < 2 {
		return false
	}
	free := d.port()
	for _, i := range p {
		free, r.apps[i].port = r.apps[i].port, free
	}
	return true
}

func (d *drawing) drop(r *revision) bool {
	if len(r.apps) < 3 {
		return false
	}
	i := d.IntN(len(r.apps))
	was := r.apps[i].name
	r.apps = slices.Delete(r.apps, i, i+1)
	for j := range r.apps {
		if r.apps[j].dependsOn == was {
			r.apps[j].dependsOn = ""
		}
	}
	return true
}

func (d *drawing) add(r *revision) bool {
	a := d.app(r)
	if d.IntN(4) == 0 {
		a.image = pick(d, badImages...)
	}
	r.apps = append(r.apps, a)
	return true
}

// takes drops an app. A new app takes its place, and its port.
func (d *drawing) takes(r *revision) bool {
	p := d.published(r)
	if len(p) == 0 {
		return false
	}
	a := d.app(r)
	a.id, a.port, a.host = r.apps[p[0]].id, r.apps[p[0]].port, false
	was := r.apps[p[0]].name
	r.apps[p[0]] = a
	for j := range r.apps {
		if r.apps[j].dependsOn == was {
			r.apps[j].dependsOn = ""
		}
	}
	return true
}

// inherits drops an app. Another one, which stays, takes its port.
func (d *drawing) inherits(r *revision) bool {
	p := d.published(r)
	if len(r.apps) < 3 || len(p) == 0 {
		return false
	}
	goes := r.apps[p[0]]
	r.apps = slices.Delete(r.apps, p[0], p[0]+1)
	for j := range r.apps {
		if r.apps[j].dependsOn == goes.name {
			r.apps[j].dependsOn = ""
		}
	}
	heir := &r.apps[d.IntN(len(r.apps))]
	heir.port, heir.host = goes.port, false
	return true
}

func (d *drawing) renameNet(r *revision) bool {
	if len(r.nets) == 0 {
		return false
	}
	n := &r.nets[d.IntN(len(r.nets))]
	was := n.name
	n.name += "-n"
	for i := range r.apps {
		if r.apps[i].net == was {
			r.apps[i].net = n.name
		}
	}
	return true
}

func (d *drawing) subnets(r *revision) bool {
	if len(r.nets) == 0 {
		return false
	}
	d.subnet++
	r.nets[d.IntN(len(r.nets))].subnet = fmt.Sprintf("10.77.%d.0/24", d.subnet)
	return true
}

func (d *drawing) swapSubnets(r *revision) bool {
	if len(r.nets) < 2 || r.nets[0].subnet == "" || r.nets[1].subnet == "" {
		return false
	}
	r.nets[0].subnet, r.nets[1].subnet = r.nets[1].subnet, r.nets[0].subnet
	return true
}

// moves puts an app on a new network.
func (d *drawing) moves(r *revision) bool {
	n := d.overlay()
	r.nets = append(r.nets, n)
	return d.one(r, func(a *app) { a.net = n.name })
}
