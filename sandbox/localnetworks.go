package sandbox

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/api/types/network"
	dnetwork "github.com/moby/moby/v2/daemon/network"
	"github.com/moby/sys/atomicwriter"
)

// gatewayBridge is the network that an engine makes when it joins a swarm.
const gatewayBridge = "docker_gwbridge"

// localNetworks are the networks of one machine: those that every engine has, and those that a client made with a
// local driver.
type localNetworks struct {
	file string

	mu   sync.Mutex
	list []network.Network
}

func loadLocalNetworks(dir string) (*localNetworks, error) {
	l := &localNetworks{file: filepath.Join(dir, "networks.json")}
	raw, err := os.ReadFile(l.file)
	if errors.Is(err, os.ErrNotExist) {
		l.list = []network.Network{
			newLocalNetwork("bridge", "bridge", netip.MustParsePrefix("172.17.0.0/16")),
			newLocalNetwork("host", "host", netip.Prefix{}),
			newLocalNetwork("none", "null", netip.Prefix{}),
		}
		return l, l.save()
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, &l.list); err != nil {
		return nil, fmt.Errorf("reading networks of a machine: %w", err)
	}
	return l, nil
}

func newLocalNetwork(name, driver string, subnet netip.Prefix) network.Network {
	n := network.Network{
		Name: name, ID: randomID(), Created: time.Now().UTC(), Scope: "local", Driver: driver,
		EnableIPv4: true, IPAM: network.IPAM{Driver: "default"},
		Options: map[string]string{}, Labels: map[string]string{},
	}
	if subnet.IsValid() {
		n.IPAM.Config = []network.IPAMConfig{{Subnet: subnet, Gateway: subnet.Addr().Next()}}
	}
	return n
}

func randomID() string {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw)
	return hex.EncodeToString(raw)
}

func (l *localNetworks) save() error {
	raw, err := json.Marshal(l.list)
	if err != nil {
		return err
	}
	return atomicwriter.WriteFile(l.file, raw, 0o600)
}

func (l *localNetworks) all() []network.Network {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]network.Network(nil), l.list...)
}

// find finds a network by its id, its name or the beginning of its id. The second result is false if there is none.
func (l *localNetworks) find(input string) (network.Network, bool) {
	all := l.all()
	for _, n := range all {
		if n.ID == input || n.Name == input {
			return n, true
		}
	}
	for _, n := range all {
		if input != "" && strings.HasPrefix(n.ID, input) {
			return n, true
		}
	}
	return network.Network{}, false
}

// named reports whether the node has a network of its own with exactly that name.
func (l *localNetworks) named(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.list, func(n network.Network) bool { return n.Name == name })
}

func (l *localNetworks) create(req network.CreateRequest) (network.Network, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range l.list {
		if n.Name == req.Name {
			return network.Network{}, conflict(fmt.Sprintf("network with name %s already exists", req.Name))
		}
	}
	driver := req.Driver
	if driver == "" {
		driver = "bridge"
	}
	n := newLocalNetwork(req.Name, driver, l.freeSubnet())
	if req.IPAM != nil {
		if req.IPAM.Driver != "" {
			n.IPAM.Driver = req.IPAM.Driver
		}
		if len(req.IPAM.Config) > 0 {
			n.IPAM.Config = req.IPAM.Config
		}
		n.IPAM.Options = req.IPAM.Options
	}
	if req.Options != nil {
		n.Options = req.Options
	}
	if req.Labels != nil {
		n.Labels = req.Labels
	}
	if req.EnableIPv6 != nil {
		n.EnableIPv6 = *req.EnableIPv6
	}
	if req.ConfigFrom != nil {
		n.ConfigFrom = *req.ConfigFrom
	}
	n.Internal, n.Attachable, n.ConfigOnly = req.Internal, req.Attachable, req.ConfigOnly
	l.list = append(l.list, n)
	return n, l.save()
}

// ensureGatewayBridge adds docker_gwbridge once the machine is in a swarm.
func (l *localNetworks) ensureGatewayBridge() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range l.list {
		if n.Name == gatewayBridge {
			return
		}
	}
	l.list = append(l.list, newLocalNetwork(gatewayBridge, "bridge", l.freeSubnet()))
	_ = l.save()
}

func (l *localNetworks) freeSubnet() netip.Prefix {
	used := map[netip.Prefix]bool{}
	for _, n := range l.list {
		for _, c := range n.IPAM.Config {
			used[c.Subnet] = true
		}
	}
	for i := byte(18); i < 255; i++ {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{172, i, 0, 0}), 16)
		if !used[p] {
			return p
		}
	}
	return netip.MustParsePrefix("192.168.0.0/20")
}

func (l *localNetworks) remove(id string) (network.Network, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, n := range l.list {
		if n.ID != id {
			continue
		}
		if dnetwork.IsPredefined(n.Name) {
			return n, forbidden(n.Name + " is a pre-defined network and cannot be removed")
		}
		l.list = append(l.list[:i], l.list[i+1:]...)
		return n, l.save()
	}
	return network.Network{}, notFound(fmt.Sprintf("network %s not found", id))
}

// matching returns the local networks that pass the filter, in the form of Inspect.
func (l *localNetworks) matching(f dnetwork.Filter) []network.Inspect {
	var out []network.Inspect
	for _, n := range l.all() {
		if f.Matches(filterable{n}) {
			out = append(out, network.Inspect{Network: n, Containers: map[string]network.EndpointResource{}})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// filterable presents a network to moby's filter.
type filterable struct{ n network.Network }

func (f filterable) Driver() string                { return f.n.Driver }
func (f filterable) Name() string                  { return f.n.Name }
func (f filterable) ID() string                    { return f.n.ID }
func (f filterable) Labels() map[string]string     { return f.n.Labels }
func (f filterable) Scope() string                 { return f.n.Scope }
func (f filterable) Created() time.Time            { return f.n.Created }
func (f filterable) HasContainerAttachments() bool { return false }
func (f filterable) HasServiceAttachments() bool   { return false }
