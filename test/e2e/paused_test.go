package e2e

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// known is an operator whose source is in sync, on a swarm that is about to become another one.
type known struct {
	*world
	proxy *harness.Proxy
	repo  *repo
	op    *operator
}

func (w *world) known(source string, args ...string) *known {
	w.Helper()
	k := &known{world: w, proxy: w.proxy()}
	k.repo = w.repo(source, nil)
	hash := k.repo.commit("one", map[string]string{"a.yaml": service(source+"-a", "image: app:1", "replicas: 0"), "b.yaml": service(source+"-b", "image: app:1", "replicas: 0")})
	k.op = w.operate(k.proxy.Host(), k.repo, append(args, "--repair-after", "0s")...)
	k.op.inSync(hash)
	return k
}

// pausesUntilResumed checks that the operator only observes, whatever is committed, until somebody has looked.
func (k *known) pausesUntilResumed(source string, apply bool, because ...string) {
	k.Helper()
	why := k.op.condition("Paused", true).Message
	for _, b := range because {
		if !strings.Contains(why, b) {
			k.Errorf("it is paused because %q, want %q", why, b)
		}
	}
	k.proxy.Reset()
	k.repo.remove("b.yaml")
	hash := k.repo.commit("two", map[string]string{"a.yaml": service(source+"-a", "image: app:2", "replicas: 0"), "c.yaml": service(source+"-c", "image: app:1", "replicas: 0")})
	k.op.reports(func(r harness.Report) error {
		if r.Revision != hash || !r.Is("Paused", true) {
			return fmt.Errorf("%s", brief(r))
		}
		return nil
	})
	k.holds(2*time.Second, func() error {
		if writes := k.proxy.Writes(); len(writes) > 0 {
			return fmt.Errorf("it wrote:\n%s", lines(writes))
		}
		return nil
	})
	if apply { // a process that sees the swarm for the first time has nothing to compare its memory with
		k.want(1, "apply", "--host", k.host(), "--source", k.repo.Dir).says(k.T, "swarm-operator confirm "+source)
	}
	k.want(0, "confirm", source, "--host", k.host())
	k.op.inSync(hash)
	k.op.condition("Paused", false)
	k.want(0, "diff", "--host", k.host(), "--source", k.repo.Dir)
}

func TestAThirdOfTheNodesIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 3})
	k := w.known("census", "--resync", "1s") // no event tells of nodes
	gone := w.swarm.Workers()[:max(2, (w.nodes()+2)/3)]
	for _, node := range gone {
		if err := w.swarm.Kill(node); err != nil {
			t.Fatal(err)
		}
	}
	for _, node := range gone {
		w.nodeIs(node, swarm.NodeStateDown)
		if _, err := w.api.NodeRemove(t.Context(), w.node(node).ID, client.NodeRemoveOptions{Force: true}); err != nil {
			t.Fatal(err)
		}
	}
	k.pausesUntilResumed("census", true, "nodes")
}

// A swarm that one manager has made again by force is not the swarm that it was. What the other managers knew last
// may be lost.
func TestASwarmThatWasMadeAnewByForce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{3, 0})
	k := w.known("forced", "--resync", "1s")
	managers := w.swarm.Managers()
	address := w.node(managers[0]).ManagerStatus.Addr
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range managers[1:] {
		if err := w.swarm.Kill(node); err != nil {
			t.Fatal(err)
		}
	}
	w.eventually(func() error {
		_, err := w.api.SwarmInit(t.Context(), client.SwarmInitOptions{ForceNewCluster: true, ListenAddr: address, AdvertiseAddr: host})
		return err
	})
	k.pausesUntilResumed("forced", true, "--force-new-cluster")
}

// A memory that is older than one seen before comes from a backup. What it knows of owners and failures may be wrong.
func TestAnOlderMemoryThanBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	k := w.known("backup")
	w.quiet(k.proxy)
	old := w.memory("backup")
	hash := k.repo.commit("more", map[string]string{"d.yaml": service("backup-d", "image: app:1", "replicas: 0")})
	k.op.inSync(hash)
	w.quiet(k.proxy)
	newer := w.memory("backup")
	if _, err := w.api.ConfigCreate(t.Context(), client.ConfigCreateOptions{Spec: old.Spec}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.api.ConfigRemove(t.Context(), newer.ID, client.ConfigRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	k.pausesUntilResumed("backup", false, "older")
}

// memory returns the config that holds a source's memory.
func (w *world) memory(source string) swarm.Config {
	w.Helper()
	list, err := w.api.ConfigList(w.Context(), client.ConfigListOptions{Filters: client.Filters{}.Add("label", "swarm-operator.io/state="+source)})
	if err != nil {
		w.Fatal(err)
	}
	if len(list.Items) != 1 {
		w.Fatalf("source %s has %d memories", source, len(list.Items))
	}
	return list.Items[0]
}
