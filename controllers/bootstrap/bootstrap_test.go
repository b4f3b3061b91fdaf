package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
)

func node(name, role string, e *v1.EngineEndpoint) *v1.Node {
	return &v1.Node{Header: v1.Header{Metadata: v1.Metadata{Name: name}}, Spec: v1.NodeSpec{Role: role, Engine: e}}
}

func TestEnginesAreThoseThatAreStatedByName(t *testing.T) {
	e := &v1.EngineEndpoint{Host: "unix:///x"}
	all := []*v1.Node{node("c", "", e), node("a", "", nil), node("b", "", e)}
	var got []string
	for _, n := range Engines(all) {
		got = append(got, n.Metadata.Name)
	}
	if text := strings.Join(got, " "); text != "b c" || all[0].Metadata.Name != "c" {
		t.Errorf("they are %s", text)
	}
}

// A swarm is made only if every engine has said that it is in none.
func TestWhatKeepsASwarmFromBeingMade(t *testing.T) {
	nodes := []*v1.Node{node("a", v1.RoleManager, nil), node("b", "", nil)}
	bare := func(name string) sight {
		return sight{about: engine.About{Name: name, State: swarm.LocalNodeStateInactive}}
	}
	in := func(state swarm.LocalNodeState, why string) sight {
		return sight{about: engine.About{Name: "b", State: state, Error: why}}
	}
	for _, c := range []struct {
		name string
		seen []sight
		want string
	}{
		{"nothing", []sight{bare("a"), bare("b")}, ""},
		{"one does not answer", []sight{bare("a"), {err: errors.New("connection refused")}}, "the engine of Node/b does not answer: connection refused"},
		{"none does", []sight{{err: errors.New("x")}, {err: errors.New("y")}}, "the engine of Node/a does not answer: x; the engine of Node/b does not answer: y"},
		{"one is a worker", []sight{bare("a"), in(swarm.LocalNodeStateActive, "")}, "the engine of Node/b is in a swarm already (active)"},
		{"one tries to join", []sight{bare("a"), in(swarm.LocalNodeStatePending, "")}, "the engine of Node/b is in a swarm already (pending)"},
		{"one has an error", []sight{bare("a"), in(swarm.LocalNodeStateError, "no certificate")}, "the engine of Node/b is in a swarm already (error no certificate)"},
		{"one is locked", []sight{bare("a"), in(swarm.LocalNodeStateLocked, "")}, "the engine of Node/b is locked; docker swarm unlock opens it"},
		{"one is a socket that may not be used", []sight{bare("a"), {err: local("unix:///run/docker.sock")}}, "the engine of Node/b was not asked, because unix:///run/docker.sock is a socket of the operator's host, which no manifest may use unless --engine-sockets allows it; state it there, or reach the engine by ssh:// or tcp://"},
		{"one is no endpoint", []sight{bare("a"), {err: wrong("spec.engine.host: is missing")}}, "the engine of Node/b was not asked, because spec.engine.host: is missing"},
		{"one may not be asked", []sight{bare("a"), {err: insecure("tcp://b:2375")}}, "the engine of Node/b was not asked, because tcp://b:2375 has no TLS; state spec.engine.tls, reach the engine by ssh://, or run the operator with --insecure-engines"},
		{"one has another name", []sight{bare("a"), bare("a")}, "the engine of Node/b calls itself a: a Node has the name that its engine has"},
		{"nothing is known of its state", []sight{bare("a"), {about: engine.About{Name: "b"}}}, "the engine of Node/b is in a swarm already ()"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := notBare(nodes, c.seen); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// An engine at TCP without TLS gets no connection, whatever else there is, unless the options allow it.
func TestEnginesInClearAreNotAsked(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var asked atomic.Int64
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			asked.Add(1)
			_ = c.Close()
		}
	}()
	host := "tcp://" + l.Addr().String()
	clear := &v1.EngineEndpoint{Host: host}
	gone := &v1.EngineEndpoint{Host: "unix://" + t.TempDir() + "/gone.sock"}
	for name, nodes := range map[string][]*v1.Node{
		"the only one":       {node("a", v1.RoleManager, clear)},
		"beside another":     {node("a", v1.RoleManager, gone), node("b", v1.RoleWorker, clear)},
		"one that is to go":  {node("a", v1.RoleManager, gone), {Header: node("b", "", nil).Header, Spec: v1.NodeSpec{Presence: v1.Absent, Engine: clear}}},
		"several, first one": {node("a", "", clear), node("b", v1.RoleManager, clear), node("c", "", gone)},
	} {
		for _, init := range []bool{true, false} {
			_, err := Manager(t.Context(), Options{Nodes: nodes, Init: init})
			if err == nil || !strings.Contains(err.Error(), "was not asked, because "+host+" has no TLS") || asked.Load() != 0 {
				t.Errorf("%s: %d connections, and %v", name, asked.Load(), err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err = Manager(ctx, Options{Nodes: []*v1.Node{node("a", v1.RoleManager, clear)}, Init: true, Insecure: true})
	if err == nil || !strings.Contains(err.Error(), "the engine of Node/a does not answer") || asked.Load() == 0 {
		t.Errorf("if it is allowed: %d connections, and %v", asked.Load(), err)
	}
	// With TLS it is asked, and whoever answers in clear is no engine.
	before := asked.Load()
	secure := &v1.EngineEndpoint{Host: host, TLS: "ops"}
	named := config.Named{TLS: map[string]config.TLS{"ops": {CAFile: "nowhere.pem"}}}
	_, err = Manager(ctx, Options{Nodes: []*v1.Node{node("a", v1.RoleManager, secure)}, Named: named, Init: true})
	if err == nil || strings.Contains(err.Error(), "was not asked") || !strings.Contains(err.Error(), "nowhere.pem") || asked.Load() != before {
		t.Errorf("without its CA: %d connections, and %v", asked.Load()-before, err)
	}
}

// A socket of the operator's host gets no connection unless the options allow it, and the error is the same whether there
// is one.
func TestSocketsThatAreNotAllowedAreNotTouched(t *testing.T) {
	path := filepath.Join(t.TempDir(), "e.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var asked atomic.Int64
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			asked.Add(1)
			_ = c.Close()
		}
	}()
	said := func(path string, allowed ...string) string {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_, err := Manager(ctx, Options{Nodes: []*v1.Node{node("a", v1.RoleManager, &v1.EngineEndpoint{Host: "unix://" + path})}, Init: true, Sockets: allowed})
		return strings.ReplaceAll(fmt.Sprint(err), path, "PATH")
	}
	there, gone := said(path), said(path+"x")
	if there != gone || !strings.Contains(there, "was not asked, because unix://PATH is a socket of the operator's host") || asked.Load() != 0 {
		t.Errorf("%d connections:\n%s\n%s", asked.Load(), there, gone)
	}
	// Validation refuses these, and a client trims white space, and takes the default socket for nothing.
	t.Setenv("DOCKER_HOST", "unix://"+path)
	for _, host := range []string{" unix://" + path, "\tunix://" + path, "", " ", "UNIX://" + path, "fd://" + path, "unix://", "tcp://", "ssh://" + path} {
		nodes := []*v1.Node{node("a", v1.RoleManager, &v1.EngineEndpoint{Host: host})}
		_, err := Manager(t.Context(), Options{Nodes: nodes, Init: true, Insecure: true, Sockets: []string{"*"}})
		if err == nil || !strings.Contains(err.Error(), "was not asked, because spec.engine.host: ") || asked.Load() != 0 {
			t.Errorf("%q: %d connections, and %v", host, asked.Load(), err)
		}
	}
	if got := said(path, filepath.Dir(path)+"/*"); !strings.Contains(got, "does not answer") || asked.Load() == 0 {
		t.Errorf("if it is allowed: %d connections, and %s", asked.Load(), got)
	}
}

func TestManagersOfTwoSwarms(t *testing.T) {
	nodes := []*v1.Node{node("a", "", nil), node("b", "", nil), node("c", "", nil)}
	manager := func(cluster string) sight {
		return sight{about: engine.About{State: swarm.LocalNodeStateActive, Manager: true, ClusterID: cluster}}
	}
	away := sight{err: errors.New("gone"), about: engine.About{ClusterID: "z"}}
	worker := sight{about: engine.About{State: swarm.LocalNodeStateActive}}
	for _, c := range []struct {
		name string
		seen []sight
		says string
	}{
		{"one swarm", []sight{manager("x"), manager("x"), worker}, ""},
		{"who does not answer says nothing", []sight{manager("x"), away, worker}, ""},
		{"two", []sight{manager("x"), worker, manager("y")}, "swarm x, and that of Node/c of swarm y"},
	} {
		err := sameSwarm(nodes, c.seen, 0)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestWhatASwarmIsMadeWith(t *testing.T) {
	n := node("a", v1.RoleManager, &v1.EngineEndpoint{Host: "unix:///x"})
	o, err := initRequest(n, nil)
	if err != nil || o.ListenAddr != "0.0.0.0" || o.AdvertiseAddr != "" || len(o.DefaultAddrPool) > 0 || o.ForceNewCluster || o.AutoLockManagers {
		t.Errorf("without a word: %+v, %v", o, err)
	}
	size, port := uint32(24), uint32(7777)
	n.Spec.Engine = &v1.EngineEndpoint{ListenAddr: "10.0.0.1:2377", AdvertiseAddr: "eth0", DataPathAddr: "eth1"}
	n.Spec.Availability = v1.Drain
	c := &v1.Cluster{Spec: v1.ClusterSpec{DefaultAddrPool: []string{"10.1.0.0/16", "10.2.0.0/16"}, SubnetSize: &size, DataPathPort: &port}}
	o, err = initRequest(n, c)
	if err != nil || o.ListenAddr != "10.0.0.1:2377" || o.AdvertiseAddr != "eth0" || o.DataPathAddr != "eth1" || o.Availability != swarm.NodeAvailabilityDrain ||
		len(o.DefaultAddrPool) != 2 || o.DefaultAddrPool[1].String() != "10.2.0.0/16" || o.SubnetSize != 24 || o.DataPathPort != 7777 {
		t.Errorf("with all of it: %+v, %v", o, err)
	}
	c.Spec.DefaultAddrPool = []string{"10.1.0.0/16", "x"}
	if _, err := initRequest(n, c); err == nil || !strings.Contains(err.Error(), "spec.defaultAddrPool") {
		t.Errorf("a pool that is none: %v", err)
	}
}
