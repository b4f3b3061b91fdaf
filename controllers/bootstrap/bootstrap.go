// Package bootstrap finds a manager among the engines that manifests state. If there is no swarm, it makes one of
// them.
package bootstrap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/rescue"
)

// answer is how long the package waits for an engine.
const answer = 30 * time.Second

// Options say which engines there are, and what to do with them.
type Options struct {
	// Nodes are the manifests. A Node without an engine does not matter here.
	Nodes []*v1.Node
	// Cluster states what can be set only when a swarm is made. nil means that nothing is stated.
	Cluster *v1.Cluster
	// Named is what manifests may name of the operator's configuration.
	Named config.Named
	// Engine holds the options that all clients share.
	Engine engine.Options
	// Init says whether to make a swarm if there is none.
	Init bool
	// Insecure says whether to ask engines at tcp:// without TLS. All that they are sent, and the secrets of a swarm
	// that is worked through one of them, can be read on the way.
	Insecure bool
	// Sockets are patterns of sockets of the operator's host that manifests may name. Others are not touched.
	Sockets []string
}

// ErrNone says that none of the engines is in a swarm, and that Init would have made one.
var ErrNone = errors.New("none of the engines is in a swarm")

// insecure is the error of an engine that was not asked, because what it is sent could be read on the way.
type insecure string

func (e insecure) Error() string {
	return fmt.Sprintf("%s has no TLS; state spec.engine.tls, reach the engine by ssh://, or run the operator with --insecure-engines", string(e))
}

// wrong is the error of an engine that was not asked, because its manifest states no endpoint that validation accepts. What a
// client makes of such a text is not what the manifest says: an empty one is the default socket.
type wrong string

func (e wrong) Error() string { return string(e) }

// local is the error of an engine that was not asked, because it is at a socket of the operator's host that manifests may not
// name. It is the same whether the socket exists or not.
type local string

func (e local) Error() string {
	return fmt.Sprintf("%s is a socket of the operator's host, which no manifest may use unless --engine-sockets allows it; state it there, or reach the engine by ssh:// or tcp://", string(e))
}

// Found is the engine to talk to.
type Found struct {
	Client *engine.Client
	// Node is the name of the engine's manifest.
	Node string
	// Made is true if the swarm was initialised just now.
	Made bool
}

// Engines returns the nodes whose engine is stated, sorted by name.
func Engines(nodes []*v1.Node) []*v1.Node {
	out := slices.DeleteFunc(slices.Clone(nodes), func(n *v1.Node) bool { return n.Spec.Engine == nil })
	slices.SortFunc(out, func(a, b *v1.Node) int { return cmp.Compare(a.Metadata.Name, b.Metadata.Name) })
	return out
}

// Manager returns the first of the engines, by name, that is a manager; one that reports no error comes first. If
// none is, it initialises the first node that should be one. It does so only if every engine has answered and none is
// in a swarm. An engine that does not answer may be the manager of a swarm, which would then exist twice.
func Manager(ctx context.Context, o Options) (Found, error) {
	nodes := Engines(o.Nodes)
	seen := look(ctx, nodes, o)
	first := -1
	for i, s := range seen {
		if s.err == nil && s.about.Manager && s.about.State == swarm.LocalNodeStateActive && (first < 0 || seen[first].about.Error != "" && s.about.Error == "") {
			first = i
		}
	}
	defer func() {
		for i, s := range seen {
			if s.client != nil && i != first {
				_ = s.client.Close()
			}
		}
	}()
	if first >= 0 {
		err := sameSwarm(nodes, seen, first)
		if err != nil {
			i := first
			first = -1 // it is closed with the others
			return Found{}, fmt.Errorf("choosing the engine of Node/%s: %w", nodes[i].Metadata.Name, err)
		}
		return Found{Client: seen[first].client, Node: nodes[first].Metadata.Name}, nil
	}
	if why := notBare(nodes, seen); why != "" {
		return Found{}, fmt.Errorf("none of the stated engines is a manager, and no swarm is made, because %s", why)
	}
	i := slices.IndexFunc(nodes, func(n *v1.Node) bool { return n.Spec.Role == v1.RoleManager && !n.Gone() })
	if i < 0 {
		return Found{}, errors.New("none of the stated engines is in a swarm, and no Node with an engine states role: manager")
	}
	name, host := nodes[i].Metadata.Name, nodes[i].Spec.Engine.Host
	if !o.Init {
		return Found{Node: name}, fmt.Errorf("%w: apply and run make one, beginning with Node/%s at %s", ErrNone, name, host)
	}
	req, err := initRequest(nodes[i], o.Cluster)
	if err == nil {
		_, err = seen[i].client.SwarmInit(ctx, req)
	}
	if err != nil {
		return Found{}, fmt.Errorf("making a swarm on Node/%s at %s: %w", name, host, err)
	}
	first = i
	return Found{Client: seen[i].client, Node: name, Made: true}, nil
}

type sight struct {
	client *engine.Client
	about  engine.About
	err    error
}

// look asks all engines at once, except those that may not be asked.
func look(ctx context.Context, nodes []*v1.Node, o Options) []sight {
	seen := make([]sight, len(nodes))
	var all sync.WaitGroup
	for i, n := range nodes {
		if problems := n.Spec.Engine.Problems(); len(problems) > 0 {
			seen[i].err = wrong(problems[0].String())
			continue
		}
		if n.Spec.Engine.InClear() && !o.Insecure {
			seen[i].err = insecure(n.Spec.Engine.Host)
			continue
		}
		if !n.Spec.Engine.MayUse(o.Sockets) {
			seen[i].err = local(n.Spec.Engine.Host)
			continue
		}
		all.Go(rescue.Clean(func() {
			ctx, cancel := context.WithTimeout(ctx, answer)
			defer cancel()
			s := &seen[i]
			if s.client, s.err = kinds.OpenEngine(*n.Spec.Engine, o.Named, o.Engine); s.err != nil {
				return
			}
			s.about, s.err = s.client.Describe(ctx)
		}))
	}
	all.Wait()
	return seen
}

// sameSwarm returns an error if the managers do not belong to one swarm.
func sameSwarm(nodes []*v1.Node, seen []sight, first int) error {
	for i, s := range seen {
		if s.err == nil && s.about.ClusterID != "" && s.about.ClusterID != seen[first].about.ClusterID {
			return fmt.Errorf("its engine is a manager of swarm %s, and that of Node/%s of swarm %s: one of the two has to leave its own", seen[first].about.ClusterID, nodes[i].Metadata.Name, s.about.ClusterID)
		}
	}
	return nil
}

// notBare says why no swarm is made. It returns "" if every engine has answered, is in no swarm, and has the name of
// its manifest.
func notBare(nodes []*v1.Node, seen []sight) string {
	var why []string
	for i, s := range seen {
		_, clear := errors.AsType[insecure](s.err)
		_, here := errors.AsType[local](s.err)
		_, unclear := errors.AsType[wrong](s.err)
		switch key := "Node/" + nodes[i].Metadata.Name; {
		case clear, here, unclear:
			why = append(why, fmt.Sprintf("the engine of %s was not asked, because %v", key, s.err))
		case s.err != nil:
			why = append(why, fmt.Sprintf("the engine of %s does not answer: %v", key, s.err))
		case s.about.State == swarm.LocalNodeStateLocked:
			why = append(why, fmt.Sprintf("the engine of %s is locked; docker swarm unlock opens it", key))
		case s.about.State != swarm.LocalNodeStateInactive:
			why = append(why, fmt.Sprintf("the engine of %s is in a swarm already (%s)", key, strings.TrimSpace(string(s.about.State)+" "+s.about.Error)))
		case s.about.Name != nodes[i].Metadata.Name:
			why = append(why, fmt.Sprintf("the engine of %s calls itself %s: a Node has the name that its engine has", key, s.about.Name))
		}
	}
	return strings.Join(why, "; ")
}

// initRequest returns the request that makes a swarm. Settings that can be changed later come with the first run.
func initRequest(n *v1.Node, c *v1.Cluster) (client.SwarmInitOptions, error) {
	e := n.Spec.Engine
	o := client.SwarmInitOptions{
		ListenAddr: e.Listen(), AdvertiseAddr: e.AdvertiseAddr, DataPathAddr: e.DataPathAddr, Availability: swarm.NodeAvailability(n.Spec.Availability),
	}
	if c == nil {
		return o, nil
	}
	for _, text := range c.Spec.DefaultAddrPool {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return o, fmt.Errorf("spec.defaultAddrPool of Cluster/%s: %w", c.Metadata.Name, err)
		}
		o.DefaultAddrPool = append(o.DefaultAddrPool, p)
	}
	if s := c.Spec.SubnetSize; s != nil {
		o.SubnetSize = *s
	}
	if p := c.Spec.DataPathPort; p != nil {
		o.DataPathPort = *p
	}
	return o, nil
}
