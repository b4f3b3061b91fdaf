package sandbox

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"github.com/moby/swarmkit/v2/agent/configs"
	"github.com/moby/swarmkit/v2/agent/exec"
	"github.com/moby/swarmkit/v2/agent/secrets"
	"github.com/moby/swarmkit/v2/api"
)

const (
	engineVersion = "29.6.0+sandbox"
	machineCPUs   = 8
	machineMemory = 16 << 30
)

// The scheduler refuses a task if its node does not list the task's drivers.
var (
	networkPlugins = []string{"bridge", "host", "ipvlan", "macvlan", "null", "overlay"}
	volumePlugins  = []string{"local"}
	logPlugins     = []string{"awslogs", "fluentd", "gcplogs", "gelf", "journald", "json-file", "local", "splunk", "syslog"}
)

// executor pretends to be the container runtime of one machine.
type executor struct {
	hostname string
	labels   map[string]string
	secrets  exec.SecretsManager
	configs  exec.ConfigsManager
	// survived is true if containers outlived the last stop of this engine. They do when the sandbox stops, and they
	// do not when a machine is killed.
	survived bool
	// storage is the machine's CSI plugin, and volumes is what the agent has of it. They are nil if there is none.
	storage *storagePlugin
	volumes exec.VolumesManager

	mu       sync.Mutex
	networks []*api.Network // networks to which this machine is attached
	running  map[string]*controller
}

var (
	_ exec.Executor        = (*executor)(nil)
	_ exec.SecretsProvider = (*executor)(nil)
	_ exec.ConfigsProvider = (*executor)(nil)
)

func newExecutor(hostname string, labels map[string]string, survived bool) *executor {
	return &executor{
		hostname: hostname,
		labels:   labels,
		survived: survived,
		secrets:  secrets.NewManager(),
		configs:  configs.NewManager(),
		running:  map[string]*controller{},
	}
}

func (e *executor) Describe(context.Context) (*api.NodeDescription, error) {
	var plugins []api.PluginDescription
	for _, n := range logPlugins {
		plugins = append(plugins, api.PluginDescription{Type: "Log", Name: n})
	}
	for _, n := range networkPlugins {
		plugins = append(plugins, api.PluginDescription{Type: "Network", Name: n})
	}
	for _, n := range volumePlugins {
		plugins = append(plugins, api.PluginDescription{Type: "Volume", Name: n})
	}
	return &api.NodeDescription{
		Hostname:  e.hostname,
		Platform:  &api.Platform{Architecture: "x86_64", OS: "linux"},
		Engine:    &api.EngineDescription{EngineVersion: engineVersion, Labels: maps.Clone(e.labels), Plugins: plugins},
		Resources: &api.Resources{NanoCPUs: machineCPUs * 1e9, MemoryBytes: machineMemory},
	}, nil
}

func (e *executor) Configure(_ context.Context, node *api.Node) error {
	var networks []*api.Network
	for _, a := range node.Attachments {
		if a != nil && a.Network != nil {
			networks = append(networks, a.Network)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.networks = networks
	return nil
}

// attached returns the swarm's networks that dockerd would have made on this machine. A worker knows no other
// networks of the swarm.
func (e *executor) attached() []*api.Network {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.networks
}

func (e *executor) Controller(t *api.Task) (exec.Controller, error) {
	if t.Spec.GetContainer() == nil {
		return nil, fmt.Errorf("unsupported runtime: %q", t.Spec.GetRuntime())
	}
	c := newController(e, t)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running[t.ID] = c
	return c, nil
}

func (e *executor) forget(c *controller) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.running[c.task.ID] == c {
		delete(e.running, c.task.ID)
	}
}

// reset empties the machine when it leaves its swarm.
func (e *executor) reset() {
	e.secrets.Reset()
	e.configs.Reset()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.networks = nil
	clear(e.running)
}

// containers returns the numbers of pretended containers: those that run, and all.
func (e *executor) containers() (running, all int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.running {
		if c.isRunning() {
			running++
		}
	}
	return running, len(e.running)
}

func (e *executor) SetNetworkBootstrapKeys([]*api.EncryptionKey) error { return nil }
func (e *executor) Secrets() exec.SecretsManager                       { return e.secrets }
func (e *executor) Configs() exec.ConfigsManager                       { return e.configs }
