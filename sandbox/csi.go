package sandbox

import (
	"context"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/moby/moby/v2/daemon/cluster/convert"
	agentcsi "github.com/moby/swarmkit/v2/agent/csi"
	"github.com/moby/swarmkit/v2/agent/exec"
	"github.com/moby/swarmkit/v2/api"
	"github.com/moby/swarmkit/v2/identity"
	"github.com/moby/swarmkit/v2/node/plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// StoragePlugin is the name of the CSI plugin that machines have if Options.Storage is set. It makes cluster volumes
// that hold nothing.
const StoragePlugin = "sandbox-storage:latest"

// storage is what lies behind the plugin: the volumes, which all machines of a sandbox share. It forgets them when the
// sandbox stops.
type storage struct {
	offered bool // whether machines have the plugin
	mu      sync.Mutex
	volumes map[string]*stored // by the plugin's own ids
}

// stored is one volume: its name, and the machines that it is on.
type stored struct {
	name string
	on   map[string]bool
}

// Stored returns the names of the volumes that the plugin has made and not deleted.
func (s *Sandbox) Stored() []string {
	s.storage.mu.Lock()
	defer s.storage.mu.Unlock()
	var out []string
	for _, v := range s.storage.volumes {
		out = append(out, v.name)
	}
	return out
}

// change changes one volume. It fails if there is none.
func (s *storage) change(id string, do func(*stored) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.volumes[id]; v != nil {
		return do(v)
	}
	return status.Errorf(codes.NotFound, "no volume has the id %s", id)
}

// storagePlugin is the plugin of one machine: a process that SwarmKit talks to over a socket. It is the controller of all
// volumes, and the one that gives them to this machine.
type storagePlugin struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedControllerServer
	csi.UnimplementedNodeServer
	machine *machine
	server  *grpc.Server
}

func startStorage(m *machine) (*storagePlugin, error) {
	p := &storagePlugin{machine: m, server: grpc.NewServer()}
	l, err := listenUnix(p.path())
	if err != nil {
		return nil, err
	}
	csi.RegisterIdentityServer(p.server, p)
	csi.RegisterControllerServer(p.server, p)
	csi.RegisterNodeServer(p.server, p)
	go func() { _ = p.server.Serve(l) }()
	return p, nil
}

func (p *storagePlugin) stop() {
	if p != nil {
		p.server.Stop()
	}
}

func (p *storagePlugin) path() string { return p.machine.controlSock + ".csi" }

// These make it a plugin in SwarmKit's eyes.

func (*storagePlugin) Name() string { return StoragePlugin }

func (p *storagePlugin) ScopedPath(path string) string {
	return filepath.Join(p.machine.dir, "csi", path)
}

func (*storagePlugin) Client() plugin.Client { return nil }

func (p *storagePlugin) Addr() net.Addr { return &net.UnixAddr{Name: p.path(), Net: "unix"} }

// machinePlugins are the plugins of a machine: the one for storage, or none.
type machinePlugins struct {
	plugin.Getter
	storage *storagePlugin
}

func pluginsOf(s *storagePlugin) machinePlugins {
	return machinePlugins{convert.SwarmPluginGetter(noPlugins{}), s}
}

func (g machinePlugins) Get(name, capability string) (plugin.Plugin, error) {
	if g.storage != nil && name == StoragePlugin {
		return g.storage, nil
	}
	return g.Getter.Get(name, capability)
}

func (g machinePlugins) GetAllManagedPluginsByCap(capability string) []plugin.Plugin {
	if g.storage != nil && capability == "csinode" {
		return []plugin.Plugin{g.storage}
	}
	return g.Getter.GetAllManagedPluginsByCap(capability)
}

// storageExecutor is the executor of a machine that has the plugin.
type storageExecutor struct{ *executor }

// withStorage gives an executor the plugin of its machine.
func (e *executor) withStorage(s *storagePlugin) *executor {
	e.storage = s
	e.volumes = agentcsi.NewManager(pluginsOf(s), e.secrets) // SwarmKit never ends its goroutine
	return e
}

// forAgent returns the executor as the agent sees it.
func (e *executor) forAgent() exec.Executor {
	if e.storage == nil {
		return e
	}
	return storageExecutor{e}
}

func (e storageExecutor) Volumes() exec.VolumesManager { return e.volumes }

func (e storageExecutor) Describe(ctx context.Context) (*api.NodeDescription, error) {
	out, err := e.executor.Describe(ctx)
	if err != nil {
		return nil, err
	}
	out.CSIInfo, err = e.volumes.Plugins().NodeInfo(ctx)
	return out, err
}

// The calls of the identity service.

func (*storagePlugin) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: StoragePlugin, VendorVersion: engineVersion}, nil
}

func (*storagePlugin) GetPluginCapabilities(context.Context, *csi.GetPluginCapabilitiesRequest) (*csi.GetPluginCapabilitiesResponse, error) {
	return &csi.GetPluginCapabilitiesResponse{Capabilities: []*csi.PluginCapability{{
		Type: &csi.PluginCapability_Service_{Service: &csi.PluginCapability_Service{Type: csi.PluginCapability_Service_CONTROLLER_SERVICE}},
	}}}, nil
}

func (*storagePlugin) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{}, nil
}

// The calls of the controller service. The leader's machine gets them.

func (*storagePlugin) ControllerGetCapabilities(context.Context, *csi.ControllerGetCapabilitiesRequest) (*csi.ControllerGetCapabilitiesResponse, error) {
	out := &csi.ControllerGetCapabilitiesResponse{}
	for _, can := range []csi.ControllerServiceCapability_RPC_Type{csi.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME, csi.ControllerServiceCapability_RPC_PUBLISH_UNPUBLISH_VOLUME} {
		out.Capabilities = append(out.Capabilities, &csi.ControllerServiceCapability{
			Type: &csi.ControllerServiceCapability_Rpc{Rpc: &csi.ControllerServiceCapability_RPC{Type: can}},
		})
	}
	return out, nil
}

// CreateVolume makes a volume, or returns the one of that name. The option refuse makes it fail with its text.
func (p *storagePlugin) CreateVolume(_ context.Context, r *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	if why := r.Parameters["refuse"]; why != "" {
		return nil, status.Error(codes.InvalidArgument, why)
	}
	s := &p.machine.sb.storage
	s.mu.Lock()
	defer s.mu.Unlock()
	id := ""
	for have, v := range s.volumes {
		if v.name == r.Name {
			id = have
		}
	}
	if id == "" {
		if id = "stored-" + identity.NewID(); s.volumes == nil {
			s.volumes = map[string]*stored{}
		}
		s.volumes[id] = &stored{name: r.Name, on: map[string]bool{}}
	}
	return &csi.CreateVolumeResponse{Volume: &csi.Volume{VolumeId: id, CapacityBytes: r.GetCapacityRange().GetRequiredBytes(), VolumeContext: r.Parameters}}, nil
}

func (p *storagePlugin) DeleteVolume(_ context.Context, r *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	s := &p.machine.sb.storage
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.volumes[r.VolumeId]; v != nil && len(v.on) > 0 {
		return nil, status.Errorf(codes.FailedPrecondition, "the volume %s is on %d machines", v.name, len(v.on))
	}
	delete(s.volumes, r.VolumeId)
	return &csi.DeleteVolumeResponse{}, nil
}

func (p *storagePlugin) ControllerPublishVolume(_ context.Context, r *csi.ControllerPublishVolumeRequest) (*csi.ControllerPublishVolumeResponse, error) {
	return &csi.ControllerPublishVolumeResponse{}, p.machine.sb.storage.change(r.VolumeId, func(v *stored) error {
		v.on[r.NodeId] = true
		return nil
	})
}

func (p *storagePlugin) ControllerUnpublishVolume(_ context.Context, r *csi.ControllerUnpublishVolumeRequest) (*csi.ControllerUnpublishVolumeResponse, error) {
	return &csi.ControllerUnpublishVolumeResponse{}, p.machine.sb.storage.change(r.VolumeId, func(v *stored) error {
		delete(v.on, r.NodeId)
		return nil
	})
}

// The calls of the node service.

func (*storagePlugin) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	return &csi.NodeGetCapabilitiesResponse{}, nil
}

func (p *storagePlugin) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: p.machine.name}, nil
}

func (p *storagePlugin) NodePublishVolume(_ context.Context, r *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	return &csi.NodePublishVolumeResponse{}, p.machine.sb.storage.change(r.VolumeId, func(v *stored) error {
		if !v.on[p.machine.name] {
			return status.Errorf(codes.FailedPrecondition, "the volume %s was not given to %s", v.name, p.machine.name)
		}
		return nil
	})
}

func (*storagePlugin) NodeUnpublishVolume(context.Context, *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	return &csi.NodeUnpublishVolumeResponse{}, nil
}

// volumeLook is how often a task looks whether a volume is there.
const volumeLook = 5 * time.Millisecond

// volumesReady waits until the machine has the cluster volumes of a task, as dockerd does.
func (c *controller) volumesReady(ctx context.Context) error {
	if c.executor.volumes == nil {
		return nil
	}
	for _, v := range c.task.Volumes {
		for {
			if path, err := c.executor.volumes.Get(v.ID); err == nil && path != "" {
				break
			}
			if err := c.wait(ctx, volumeLook); err != nil {
				return err
			}
		}
	}
	return nil
}
