package sandbox

import (
	"fmt"

	"github.com/moby/moby/v2/errdefs"
	"github.com/moby/moby/v2/pkg/plugingetter"
	"github.com/moby/moby/v2/pkg/plugins"
)

// noPlugins is a machine without plugins. The allocator and the agent need
// something to ask.
type noPlugins struct{}

var _ plugingetter.PluginGetter = noPlugins{}

func (noPlugins) Get(name, capability string, _ int) (plugingetter.CompatPlugin, error) {
	return nil, errdefs.NotFound(fmt.Errorf("plugin %q not found: no plugins of type %s", name, capability))
}

func (noPlugins) GetAllByCap(string) ([]plugingetter.CompatPlugin, error)      { return nil, nil }
func (noPlugins) GetAllManagedPluginsByCap(string) []plugingetter.CompatPlugin { return nil }
func (noPlugins) Handle(string, func(name string, client *plugins.Client))     {}
