// Package network is the kind Network. The engine cannot change a network, so every difference is a replacement.
package network

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

var shape = diff.NewShape(&v1.Network{})

// Kind returns the kind Network.
func Kind() kinds.Kind {
	return kinds.Kind{
		Model: kinds.Model{
			Name:      v1.KindNetwork,
			New:       func() v1.Object { return &v1.Network{} },
			Shape:     shape,
			Rules:     rules,
			NoLabels:  func(o v1.Object) bool { return o.(*v1.Network).Spec.ConfigFrom != "" },
			Uses:      func(*kinds.Live) []kinds.Ref { return nil },
			Normalise: func(l *kinds.Live, _ *kinds.Index) v1.Object { return read(l.Raw.(*network.Summary)) },
		},
		Planning: kinds.Planning{Forbids: []plan.Guard{{Name: "ingress", Check: mesh}}, Finish: meshFirst},
		Store: kinds.Store{
			Events:   "network",
			List:     list,
			Read:     readOne,
			Unlisted: predefined,
			Do:       do,
			Release:  release,
		},
		Rolling:  kinds.Rolling{Broken: broken},
		Claiming: kinds.Claiming{Claims: claims, Holds: holds},
		Remaking: kinds.Remaking{Freeze: freeze, Thaw: thaw},

		Exporting: kinds.Exporting{Export: export},
	}
}

// While the manifest is silent, any live value of what is allocated agrees: pools and gateways, and the options that
// drivers add (com.docker.network.driver.overlay.vxlanid_list).
var rules = diff.Rules{
	"metadata.labels.*":          {Effect: diff.Recreate, Nobody: diff.NobodysLabel},
	"spec.driver":                {Effect: diff.Recreate},
	"spec.driverOpts.*":          {Effect: diff.Recreate, Allocated: true, Merges: true},
	"spec.external":              {Effect: diff.Forbidden},
	"spec.configFrom":            {Effect: diff.Recreate},
	"spec.attachable":            {Effect: diff.Recreate},
	"spec.internal":              {Effect: diff.Recreate},
	"spec.ingress":               {Effect: diff.Recreate},
	"spec.enableIPv6":            {Effect: diff.Recreate},
	"spec.ipam.driver":           {Effect: diff.Recreate, Allocated: true},
	"spec.ipam.config[].subnet":  {Effect: diff.Recreate, Allocated: true},
	"spec.ipam.config[].ipRange": {Effect: diff.Recreate, Allocated: true},
	"spec.ipam.config[].gateway": {Effect: diff.Recreate, Allocated: true},
	"spec.ipam.options.*":        {Effect: diff.Recreate, Allocated: true, Merges: true},
}

func list(ctx context.Context, c *engine.Client) ([]*kinds.Live, error) {
	networks, err := c.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing networks: %w", err)
	}
	out := make([]*kinds.Live, 0, len(networks))
	for _, n := range present(networks) {
		out = append(out, live(&n.Summary, n.Unread))
	}
	// A node may have a network of its own with the same name; a service means the swarm's.
	slices.SortStableFunc(out, func(a, b *kinds.Live) int { return local(a) - local(b) })
	return out, nil
}

// present returns the networks that are not gone. Of the routing mesh's network, a node may still have a copy after
// another one was made. Without another one, the copy counts.
func present(list []engine.ListedNetwork) []*engine.ListedNetwork {
	made := slices.ContainsFunc(list, func(n engine.ListedNetwork) bool { return n.Ingress && len(n.Peers) == 0 })
	var out []*engine.ListedNetwork
	for i := range list {
		if n := &list[i]; !gone(&n.Summary) && (!made || !n.Ingress || len(n.Peers) == 0) {
			out = append(out, n)
		}
	}
	return out
}

// gone reports whether the swarm has removed the network and the engine still has a copy. The engine keeps it for
// containers that are about to end. The engine lists the copy if the swarm lists nothing. Only a copy knows the peers
// of its node.
func gone(n *network.Summary) bool { return n.Scope == "swarm" && !n.Ingress && len(n.Peers) > 0 }

// readOne asks for a list. An inspection answers with the node's own copy if there is one, even after the network was
// removed. If the answer is a copy of the routing mesh's network, only the whole list tells whether it counts.
func readOne(ctx context.Context, c *engine.Client, id string) (*kinds.Live, error) {
	all, err := c.NetworkList(ctx, client.NetworkListOptions{Filters: client.Filters{}.Add("id", id)})
	copied := func(n engine.ListedNetwork) bool { return n.ID == id && n.Ingress && len(n.Peers) > 0 }
	if err == nil && slices.ContainsFunc(all, copied) {
		all, err = c.NetworkList(ctx, client.NetworkListOptions{})
	}
	if err != nil {
		return nil, fmt.Errorf("reading network %s: %w", id, err)
	}
	for _, n := range present(all) {
		if n.ID == id {
			return live(&n.Summary, n.Unread), nil
		}
	}
	return nil, fmt.Errorf("reading network %s: %w", id, engine.ErrNotFound)
}

// predefined returns the swarm's own bridge or host network, which the swarm never lists. A service that was attached
// to a node's network of that name refers to it. It returns nil for any other network that an inspection finds, which
// is a node's copy of a network that is gone.
func predefined(ctx context.Context, c *engine.Client, id string) (*kinds.Live, error) {
	n, err := c.NetworkInspect(ctx, id)
	if engine.IsNotFound(err) || err == nil && (n.ID != id || n.Labels[predefinedLabel] != "true") {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading network %s: %w", id, err)
	}
	l := live(&network.Summary{Network: n.Network}, nil)
	l.Local = true
	return l, nil
}

// predefinedLabel is a label of SwarmKit's.
const predefinedLabel = "com.docker.swarm.predefined"

func live(n *network.Summary, unread []string) *kinds.Live {
	return &kinds.Live{
		Kind: v1.KindNetwork, ID: n.ID, Name: n.Name, Labels: n.Labels, Created: n.Created,
		Local: n.Scope != "swarm", Unknown: unread, Raw: n,
	}
}

func local(l *kinds.Live) int {
	if l.Raw.(*network.Summary).Scope == "swarm" {
		return 0
	}
	return 1
}

func read(n *network.Summary) *v1.Network {
	out := &v1.Network{
		Header: v1.Header{APIVersion: v1.APIVersion, Kind: v1.KindNetwork, Metadata: v1.Metadata{Name: n.Name, Labels: n.Labels}},
		Spec: v1.NetworkSpec{
			Driver: n.Driver, DriverOpts: n.Options, Attachable: n.Attachable, Internal: n.Internal, Ingress: n.Ingress, EnableIPv6: n.EnableIPv6,
			IPAM: &v1.IPAM{Driver: n.IPAM.Driver, Options: n.IPAM.Options}, ConfigFrom: n.ConfigFrom.Network,
		},
	}
	for _, c := range n.IPAM.Config {
		out.Spec.IPAM.Config = append(out.Spec.IPAM.Config, v1.IPAMPool{Subnet: text(c.Subnet), IPRange: text(c.IPRange), Gateway: text(c.Gateway)})
	}
	if out.Default(); unallocated(n) {
		out.Spec.Driver = "" // nobody knows it, and no manifest asks for a network without one: so the network always differs
	}
	return out
}

// text returns an address or a range as text, or "" if there is none.
func text[T interface {
	IsValid() bool
	String() string
}](v T) string {
	if !v.IsValid() {
		return ""
	}
	return v.String()
}

func do(ctx context.Context, env kinds.Env, s plan.Step) (kinds.Result, error) {
	switch s.Op {
	case diff.Create:
		return create(ctx, env, s)
	case diff.Remove:
		if s.Change.Have.Value.(*kinds.Live).Raw.(*network.Summary).Ingress {
			return kinds.Result{}, fmt.Errorf("removing network %s: the routing mesh needs it", s.Instance)
		}
		return kinds.Result{}, remove(ctx, env, s.Change.Have)
	case diff.Replace:
		if err := remove(ctx, env, s.Change.Have); err != nil {
			return kinds.Result{}, err
		}
		return create(ctx, env, s)
	}
	return kinds.Result{}, fmt.Errorf("carrying out %q on %s: the engine cannot change a network", s.Op, s.Key)
}

func create(ctx context.Context, env kinds.Env, s plan.Step) (kinds.Result, error) {
	want := s.Change.Want
	o, err := options(s, automatic(env.Index))
	if err != nil {
		return kinds.Result{}, fmt.Errorf("creating %s: %w", want.Key, err)
	}
	if o.ConfigFrom == "" { // otherwise the engine refuses labels (libnetwork/network.go): see NoLabels
		o.Labels = labels(s, env.Owner(want.Key))
		env.Mark(o.Labels)
	}
	made, err := env.Engine.NetworkCreate(ctx, want.Instance, o)
	if err != nil {
		return kinds.Result{}, fmt.Errorf("creating %s: %w", want.Key, err)
	}
	if err := allocated(ctx, env.Engine, made.ID); err != nil { // it exists all the same
		return kinds.Result{ID: made.ID}, fmt.Errorf("creating %s: %w", want.Key, err)
	}
	return kinds.Result{ID: made.ID, Warnings: made.Warning}, nil
}

// stated returns the options that the manifest asks for. It fails if an address cannot be parsed.
func stated(n *v1.Network) (client.NetworkCreateOptions, error) {
	o := client.NetworkCreateOptions{
		Driver: n.Spec.Driver, Options: n.Spec.DriverOpts, Attachable: n.Spec.Attachable, Internal: n.Spec.Internal,
		Ingress: n.Spec.Ingress, Scope: "swarm", ConfigFrom: n.Spec.ConfigFrom,
	}
	if n.Spec.EnableIPv6 {
		o.EnableIPv6 = &n.Spec.EnableIPv6
	}
	if p := n.Spec.IPAM; p != nil {
		pools, err := pools(p.Config)
		if err != nil {
			return o, err
		}
		o.IPAM = &network.IPAM{Driver: p.Driver, Options: p.Options, Config: pools}
	}
	return o, nil
}

func pools(config []v1.IPAMPool) ([]network.IPAMConfig, error) {
	var out []network.IPAMConfig
	for _, p := range config {
		var c network.IPAMConfig
		var err error
		if c.Subnet, err = netip.ParsePrefix(p.Subnet); err != nil {
			return nil, fmt.Errorf("reading the subnet %q: %w", p.Subnet, err)
		}
		if p.IPRange != "" {
			if c.IPRange, err = netip.ParsePrefix(p.IPRange); err != nil {
				return nil, fmt.Errorf("reading the range %q: %w", p.IPRange, err)
			}
		}
		if p.Gateway != "" {
			if c.Gateway, err = netip.ParseAddr(p.Gateway); err != nil {
				return nil, fmt.Errorf("reading the gateway %q: %w", p.Gateway, err)
			}
		}
		out = append(out, c)
	}
	return out, nil
}

// release makes no call: only our memory says that the network was given up.
func release(_ context.Context, _ *engine.Client, l *kinds.Live) (done bool, why string, err error) {
	if _, own := kinds.WithoutOwn(l.Labels); own {
		why = "the engine cannot change a network, so it keeps our labels; another source can take it over"
	}
	return false, why, nil
}

func remove(ctx context.Context, env kinds.Env, have *diff.State) error {
	_, err := env.Engine.NetworkRemove(ctx, have.Meta.ID, client.NetworkRemoveOptions{})
	if err != nil {
		return fmt.Errorf("removing network %s: %w", have.Instance, err)
	}
	return nil
}
