package sandbox

import (
	"context"
	"errors"
	"net"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/v2/daemon/cluster/convert"
	"github.com/moby/moby/v2/daemon/server/swarmbackend"
	"github.com/moby/moby/v2/errdefs"
	"github.com/moby/swarmkit/v2/api"
	"github.com/moby/swarmkit/v2/manager/encryption"
)

func getCluster(ctx context.Context, client api.ControlClient) (*api.Cluster, error) {
	list, err := client.ListClusters(ctx, &api.ListClustersRequest{})
	if err != nil {
		return nil, err
	}
	if len(list.Clusters) == 0 {
		return nil, errNoSwarm
	}
	return list.Clusters[0], nil
}

func (c *cluster) Inspect() (swarm.Swarm, error) {
	var out swarm.Swarm
	err := c.manage(func(ctx context.Context, s nodeState) error {
		object, err := getCluster(ctx, s.control)
		if err != nil {
			return err
		}
		out = convert.SwarmFromGRPC(*object)
		return nil
	})
	return out, err
}

func (c *cluster) Update(version uint64, spec swarm.Spec, flags swarmbackend.UpdateFlags) error {
	return c.manage(func(ctx context.Context, s nodeState) error {
		object, err := getCluster(ctx, s.control)
		if err != nil {
			return err
		}
		if spec.Name == "" {
			spec.Name = "default"
		} else if spec.Name != "default" {
			return errdefs.InvalidParameter(errors.New(`swarm spec must be named "default"`))
		}
		grpcSpec, err := convert.SwarmSpecToGRPC(spec)
		if err != nil {
			return errdefs.InvalidParameter(err)
		}
		_, err = s.control.UpdateCluster(ctx, &api.UpdateClusterRequest{
			ClusterID:      object.ID,
			Spec:           &grpcSpec,
			ClusterVersion: &api.Version{Index: version},
			Rotation: api.KeyRotation{
				WorkerJoinToken:  flags.RotateWorkerToken,
				ManagerJoinToken: flags.RotateManagerToken,
				ManagerUnlockKey: flags.RotateManagerUnlockKey,
			},
		})
		return err
	})
}

func (c *cluster) GetUnlockKey() (string, error) {
	var key string
	err := c.manage(func(ctx context.Context, s nodeState) error {
		r, err := api.NewCAClient(s.conn).GetUnlockKey(ctx, &api.GetUnlockKeyRequest{})
		if err != nil {
			return err
		}
		if len(r.UnlockKey) > 0 {
			key = encryption.HumanReadableKey(r.UnlockKey)
		}
		return nil
	})
	return key, err
}

const twoManagers = `WARNING: Running Swarm in a two-manager configuration. This configuration provides
         no fault tolerance, and poses a high risk to lose control over the cluster.
         Refer to https://docs.docker.com/engine/swarm/admin_guide/ to configure the
         Swarm for fault-tolerance.`

// info returns the swarm's part of /info. It works even without a quorum; Error then says what could not be read.
func (c *cluster) info(ctx context.Context) swarm.Info {
	nr := c.runner()
	s := nr.state()
	info := swarm.Info{LocalNodeState: s.status}
	if nr != nil {
		nr.mu.RLock()
		info.NodeAddr, _, _ = net.SplitHostPort(nr.config.AdvertiseAddr)
		nr.mu.RUnlock()
	}
	if s.err != nil {
		info.Error = s.err.Error()
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if s.activeManager() {
		info.ControlAvailable = true
		var object swarm.Swarm
		if o, err := getCluster(ctx, s.control); err != nil {
			info.Error = err.Error()
		} else {
			object = convert.SwarmFromGRPC(*o)
		}
		info.Cluster = &object.ClusterInfo
		if list, err := s.control.ListNodes(ctx, &api.ListNodesRequest{}, bigList); err != nil {
			info.Error = err.Error()
		} else {
			info.Nodes = len(list.Nodes)
			for _, n := range list.Nodes {
				if n.ManagerStatus != nil {
					info.Managers++
				}
			}
		}
		healthy := s.status == swarm.LocalNodeStateActive || s.status == swarm.LocalNodeStatePending
		if healthy && info.Managers == 2 {
			info.Warnings = append(info.Warnings, twoManagers)
		}
	}
	if s.node != nil {
		for _, r := range s.node.Remotes() {
			info.RemoteManagers = append(info.RemoteManagers, swarm.Peer{NodeID: r.NodeID, Addr: r.Addr})
		}
		info.NodeID = s.node.NodeID()
	}
	return info
}

// status returns the content of the Swarm header of /_ping.
func (c *cluster) status() string {
	s := c.state()
	if s.status != swarm.LocalNodeStateActive {
		return string(s.status)
	}
	if s.activeManager() || s.isManager() {
		return string(s.status) + "/manager"
	}
	return string(s.status) + "/worker"
}
