package laws

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"
	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/export"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/manifests"
	"github.com/swarm-operator/swarm-operator/test/generate"
	"github.com/swarm-operator/swarm-operator/test/turn"
)

// exported returns the manifests of a swarm, and what is read back of them.
func exported(t *rapid.T, w *world, o export.Options) (export.Manifests, []v1.Object) {
	made := export.Of(all.Kinds(), w.Index(), o)
	files := fstest.MapFS{}
	for _, f := range made.Files {
		files[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	if !o.Files {
		files = fstest.MapFS{"all.yaml": {Data: made.Stream()}}
	}
	if len(made.Files) == 0 {
		return made, nil
	}
	set, problems := manifests.NewLoader(manifests.Options{Kinds: all.Manifests()}).Load(files, ".")
	if len(problems) > 0 {
		t.Fatalf("the manifests have problems: %v\n%s", problems, made.Stream())
	}
	var out []v1.Object
	for _, e := range set.Entries {
		out = append(out, e.Object)
	}
	return made, out
}

// asksNothing fails if a source that has the manifests of a swarm would change something.
func asksNothing(t *rapid.T, w *world, made export.Manifests, objects []v1.Object) {
	w.commit(objects)
	l := w.look()
	for _, c := range l.changes {
		if c.Op != diff.Same || len(c.Fields) > 0 {
			t.Fatalf("%s %s differs from what was exported: %v\n%s", c.Op, c.Key, c.Fields, made.Stream())
		}
	}
	for _, notice := range l.wants.Notices {
		if !strings.Contains(notice, "is left of it") {
			t.Fatalf("there is a notice: %s\n%s", notice, made.Stream())
		}
	}
	for key, missing := range l.wants.Missing {
		if missing {
			t.Fatalf("%s does not exist\n%s", key, made.Stream())
		}
	}
	if len(l.plan.Steps)+len(l.plan.Refused) > 0 {
		t.Fatalf("there is something to do:\n%s\n%s", l.plan.Text(nil), made.Stream())
	}
}

// exports makes a swarm and exports it. A source with the manifests asks for nothing in that swarm. In an empty swarm
// that has the secrets, it makes what is exported as the same manifests.
func exports(t *rapid.T) {
	w := newWorld(true)
	stated := generate.Source(t)
	managed := rapid.Bool().Draw(t, "the operator goes on managing it")
	if managed { // nobody can state the content of its secrets again
		stated = withoutSecrets(stated)
	}
	plain(stated)
	w.commit(stated)
	w.settle(t, all1)
	if !managed {
		w.byNobody()
		w.oddServices(t)
		w.src.Name = "another"
	}
	if rapid.Bool().Draw(t, "nodes") {
		w.nodesOfAnySort(t)
	}
	o := export.Options{Secrets: true, Files: rapid.Bool().Draw(t, "files")}
	before := w.Foreign(kinds.Source{Name: "nobody"})
	made, objects := exported(t, w, o)
	if d := cmp.Diff(before, w.Foreign(kinds.Source{Name: "nobody"})); d != "" {
		t.Fatalf("an export changes what was read:\n%s", d)
	}
	for _, n := range made.Notes {
		if !strings.Contains(n.Message, "and is down") && !strings.Contains(n.Message, "a manifest that says external does not state it") {
			t.Fatalf("something cannot be stated: %v", n)
		}
	}
	for _, object := range objects {
		if policy := object.Meta().Policy; !policy.IsZero() {
			t.Fatalf("%s has a policy: %+v", object.Key(), policy)
		}
	}
	asksNothing(t, w, made, objects)

	other := newWorld(true)
	for _, object := range objects {
		if object.External() {
			live := *w.Objects[object.Key()]
			other.Put(&live)
		}
	}
	objects = slices.DeleteFunc(objects, func(o v1.Object) bool { return v1.OfNodes(o.Key().Kind) }) // nodes are those of their swarm
	if _, is := w.Objects[v1.Key{Kind: v1.KindCluster, Name: v1.ClusterName}]; is {
		other.Found("root")
	}
	other.commit(objects)
	other.settle(t, all1)
	again, _ := exported(t, other, o)
	made.Files = slices.DeleteFunc(made.Files, func(f export.File) bool { return strings.HasPrefix(f.Name, "node") || f.Name == "cluster.yaml" })
	if d := cmp.Diff(string(made.Stream()), string(again.Stream())); d != "" {
		t.Fatalf("another swarm that was made of the manifests is exported otherwise (-first +other):\n%s", d)
	}
}

// oddServices changes services into forms that nobody writes on purpose and that engines take.
func (w *world) oddServices(t *rapid.T) {
	for _, key := range slices.SortedFunc(maps.Keys(w.Objects), v1.Key.Compare) {
		live, is := w.Objects[key].Raw.(*swarm.Service)
		if !is || live.Spec.TaskTemplate.ContainerSpec == nil {
			continue
		}
		odd := *live
		spec, err := json.Marshal(live.Spec)
		if err != nil {
			t.Fatal(err)
		}
		odd.Spec = swarm.ServiceSpec{}
		if err := json.Unmarshal(spec, &odd.Spec); err != nil {
			t.Fatal(err)
		}
		for _, form := range generate.Odds {
			if rapid.IntRange(0, 3).Draw(t, form.Name) == 0 {
				form.Change(&odd.Spec)
			}
		}
		if err := w.PutService(&odd); err != nil {
			t.Fatal(err)
		}
	}
}

// nodesOfAnySort adds nodes with roles, availabilities and labels, and settings of the swarm.
func (w *world) nodesOfAnySort(t *rapid.T) {
	w.Found("root")
	if rapid.Bool().Draw(t, "settings") {
		w.ChangeCluster(func(c *swarm.ClusterInfo) {
			limit := rapid.Int64Range(4, 6).Draw(t, "tasks")
			c.Spec.Orchestration.TaskHistoryRetentionLimit = &limit
			c.Spec.Dispatcher.HeartbeatPeriod, c.SubnetSize = 7*time.Second, rapid.Uint32Range(23, 25).Draw(t, "size")
		})
	}
	for _, host := range generate.Hosts {
		w.ChangeNode(w.Join(host), func(n *swarm.Node) {
			n.Spec.Role = rapid.SampledFrom([]swarm.NodeRole{swarm.NodeRoleWorker, swarm.NodeRoleManager}).Draw(t, "role")
			n.Spec.Availability = rapid.SampledFrom([]swarm.NodeAvailability{swarm.NodeAvailabilityActive, swarm.NodeAvailabilityActive, swarm.NodeAvailabilityDrain, swarm.NodeAvailabilityPause}).Draw(t, "availability")
			for _, label := range []string{"zone", "rack", v1.LabelOwner} {
				if value := rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, label); value != "" {
					n.Spec.Labels[label] = value
				}
			}
		})
	}
	if rapid.Bool().Draw(t, "a host joined again") {
		gone := w.Nodes()[0]
		w.ChangeNode(gone.ID, func(n *swarm.Node) { n.Status.State = swarm.NodeStateDown })
		w.Join(gone.Description.Hostname)
	}
}

// plain takes away what no live object tells, and gives each network a subnet of its own.
func plain(objects []v1.Object) {
	for i, o := range objects {
		o.Meta().Policy = v1.Policy{}
		if n, is := o.(*v1.Network); is && n.Spec.IPAM != nil {
			n.Spec.IPAM = &v1.IPAM{Config: []v1.IPAMPool{{Subnet: fmt.Sprintf("192.168.%d.0/24", i)}}}
		}
	}
}

func withoutSecrets(objects []v1.Object) []v1.Object {
	for _, o := range objects {
		if s, is := o.(*v1.Service); is {
			s.Spec.Secrets = nil
		}
	}
	return slices.DeleteFunc(objects, func(o v1.Object) bool { return o.Key().Kind == v1.KindSecret })
}

// There are 200 swarms. With E2E_FULL=1 all of them are exported, otherwise a quarter that the number
// of commits chooses.
func TestExports(t *testing.T) {
	const swarms, parts = 200, 4
	if turn.Full() {
		generate.Each(t, swarms, exports)
		return
	}
	generate.EachFrom(t, turn.Now()%parts*(swarms/parts), swarms/parts, exports)
}

func FuzzExports(f *testing.F) { generate.Fuzz(f, exports) }

// What looks like a secret is not in an export, unless somebody asks for it. validate names each place at which
// something was left out.
func TestExportsKeepSecrets(t *testing.T) {
	const canary = "hunter2canary"
	generate.Each(t, 25, func(t *rapid.T) {
		stated := generate.Source(t)
		plain(stated)
		for _, o := range stated {
			if o.Key().Kind == v1.KindSecret {
				continue
			}
			generate.Plant(o, generate.Texts{
				Values: func(string) map[string]string {
					return map[string]string{"DB_PASSWORD": canary, "DSN": "postgres://u:" + canary + "@db/x"}
				},
				Words:   func(string) []string { return []string{"--token", canary} },
				Content: func(string) string { return "password: " + canary + "\n" },
			})
			usable(o)
		}
		w := newWorld(true)
		w.commit(stated)
		w.settle(t, all1)
		w.byNobody()
		for _, files := range []bool{true, false} {
			made := export.Of(all.Kinds(), w.Index(), export.Options{Files: files})
			if text := fmt.Sprint(made.Notes); strings.Contains(text, canary) {
				t.Fatalf("the notes tell it: %s", text)
			}
			all := made.Stream()
			for _, f := range made.Files {
				all = append(all, f.Data...)
			}
			if bytes.Contains(all, []byte(canary)) {
				t.Fatalf("it is written:\n%s", all)
			}
			leftOutIsNamed(t, made)
		}
		open := export.Of(all.Kinds(), w.Index(), export.Options{Files: true, Secrets: true})
		if bytes.Contains(open.Stream(), []byte(v1.LeftOut)) {
			t.Fatalf("something is left out, and was asked for:\n%s", open.Stream())
		}
	})
}

// usable gives what was planted into a service what it needs besides.
func usable(o v1.Object) {
	s, is := o.(*v1.Service)
	if !is {
		return
	}
	s.Spec.Networks = slices.DeleteFunc(s.Spec.Networks, func(n v1.NetworkAttachment) bool { return n.Name == "" })
	for i := range s.Spec.Mounts {
		if m := &s.Spec.Mounts[i]; m.Target == "" {
			m.Type, m.Target = "volume", "/planted"
		}
	}
}

// leftOutIsNamed checks that there is a problem for each value that was left out, in its line.
func leftOutIsNamed(t *rapid.T, made export.Manifests) {
	if len(made.Files) == 0 {
		return
	}
	data := made.Stream()
	_, problems := manifests.NewLoader(manifests.Options{Kinds: all.Manifests()}).Load(fstest.MapFS{"all.yaml": {Data: data}}, ".")
	lines := map[int]bool{}
	for i, line := range strings.Split(string(data), "\n") {
		if strings.HasSuffix(line, v1.LeftOut+` ""`) {
			lines[i+1] = true
		}
	}
	named := map[int]bool{}
	for _, p := range problems {
		if p.Holds && strings.Contains(p.Message, "left out") {
			named[p.Line] = true
		} else {
			t.Fatalf("another problem: %v\n%s", p, data)
		}
	}
	if d := cmp.Diff(lines, named); d != "" {
		t.Fatalf("lines at which something was left out (-is +named):\n%s\n%s", d, data)
	}
}
