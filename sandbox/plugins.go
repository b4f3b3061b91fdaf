package sandbox

import (
	"fmt"

	"github.com/moby/moby/v2/daemon/libnetwork/cnmallocator"
	"github.com/moby/moby/v2/errdefs"
	"github.com/moby/moby/v2/pkg/plugingetter"
	"github.com/moby/moby/v2/pkg/plugins"
	"github.com/moby/swarmkit/v2/manager/allocator/networkallocator"
)

// networks allocates subnets, addresses and ports for a swarm. SwarmKit's own provider does nothing and refuses
// overlay networks. moby's provider keeps the records, which needs no root.
type networks struct{ *cnmallocator.Provider }

func newNetworks() networks { return networks{cnmallocator.NewProvider(noPlugins{})} }

// NewAllocator gives every allocator pools of its own. moby's default pools are shared by the whole process and
// written to without a lock.
func (n networks) NewAllocator(c *networkallocator.Config) (networkallocator.NetworkAllocator, error) {
	if c == nil || len(c.DefaultAddrPool) == 0 {
		own := networkallocator.Config{}
		if c != nil {
			own = *c
		}
		own.DefaultAddrPool, own.SubnetSize = []string{defaultPool}, defaultSubnetSize
		c = &own
	}
	return n.Provider.NewAllocator(c)
}

// These are dockerd's values if nobody states a pool.
const (
	defaultPool       = "10.0.0.0/8"
	defaultSubnetSize = 24
)

// noPlugins stands for a machine without plugins. The allocator and the agent need something to ask.
type noPlugins struct{}

var _ plugingetter.PluginGetter = noPlugins{}

func (noPlugins) Get(name, capability string, _ int) (plugingetter.CompatPlugin, error) {
	return nil, errdefs.NotFound(fmt.Errorf("plugin %q not found: no plugins of type %s", name, capability))
}

func (noPlugins) GetAllByCap(string) ([]plugingetter.CompatPlugin, error)      { return nil, nil }
func (noPlugins) GetAllManagedPluginsByCap(string) []plugingetter.CompatPlugin { return nil }
func (noPlugins) Handle(string, func(name string, client *plugins.Client))     {}
