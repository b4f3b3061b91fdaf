package sandbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/v2/daemon/cluster/convert"
	"github.com/moby/moby/v2/errdefs"
	"github.com/moby/swarmkit/v2/api"
	"github.com/moby/swarmkit/v2/manager/encryption"
	"github.com/moby/swarmkit/v2/node"
)

// Init makes this machine the first manager of a swarm.
func (c *cluster) Init(req swarm.InitRequest) (string, error) {
	c.membership.Lock()
	defer c.membership.Unlock()
	if nr := c.runner(); nr != nil {
		if !req.ForceNewCluster {
			return "", errSwarmExists
		}
		if !nr.state().isManager() {
			return "", errWorker
		}
		if err := nr.stop(true); err != nil {
			return "", err
		}
	}
	if req.ListenAddr == "" {
		return "", errdefs.InvalidParameter(errors.New(`invalid ListenAddr "": invalid empty address`))
	}
	if req.Spec.Name == "" {
		req.Spec.Name = "default"
	} else if req.Spec.Name != "default" {
		return "", errdefs.InvalidParameter(errors.New(`swarm spec must be named "default"`))
	}
	listen, advertise, err := c.e.swarmAddrs(req.ListenAddr, req.AdvertiseAddr)
	if err != nil {
		return "", err
	}
	dataPath, err := c.e.dataPathAddr(req.DataPathAddr)
	if err != nil {
		return "", err
	}
	if err := checkPools(req.DefaultAddrPool, req.SubnetSize); err != nil {
		return "", err
	}
	port := req.DataPathPort
	if port == 0 {
		port = 4789
	} else if port < 1024 || port > 49151 {
		return "", fmt.Errorf("Datapath port number is not in valid range (1024-49151) : %d", port) //nolint:staticcheck // dockerd's text
	}
	nr, err := c.newRunner(startConfig{
		ListenAddr:         listen,
		AdvertiseAddr:      advertise,
		DataPathAddr:       dataPath,
		DefaultAddressPool: req.DefaultAddrPool,
		SubnetSize:         req.SubnetSize,
		DataPathPort:       port,
		startOnce:          startOnce{forceNewCluster: req.ForceNewCluster, autolock: req.AutoLockManagers, availability: req.Availability},
	})
	if err != nil {
		return "", err
	}
	c.setRunner(nr)
	if err := <-nr.Ready(); err != nil {
		c.setRunner(nil)
		if !req.ForceNewCluster {
			if err := clearDir(c.stateDir); err != nil {
				return "", err
			}
		}
		return "", err
	}
	s := nr.state()
	if s.node == nil {
		return "", errors.New("invalid cluster state for spec initialization")
	}
	return s.nodeID(), initClusterSpec(s.node, req.Spec)
}

// initClusterSpec merges what the request states into SwarmKit's defaults. Like dockerd, it keeps the text of an
// error and drops its class, so that the API answers 500.
func initClusterSpec(n *node.Node, spec swarm.Spec) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for conn := range n.ListenControlSocket(ctx) {
		if conn == nil {
			continue
		}
		client := api.NewControlClient(conn)
		object, err := firstCluster(ctx, client)
		if err != nil {
			return err
		}
		merged, err := convert.MergeSwarmSpecToGRPC(spec, object.Spec)
		if err != nil {
			return errors.New("error updating cluster settings: " + err.Error())
		}
		if _, err := client.UpdateCluster(ctx, &api.UpdateClusterRequest{
			ClusterID:      object.ID,
			ClusterVersion: &object.Meta.Version,
			Spec:           &merged,
		}); err != nil {
			return errors.New("error updating cluster settings: " + err.Error())
		}
		return nil
	}
	return ctx.Err()
}

// firstCluster waits for the cluster object. The leader makes it a moment after the control socket answers.
func firstCluster(ctx context.Context, client api.ControlClient) (*api.Cluster, error) {
	for range 50 {
		list, err := client.ListClusters(ctx, &api.ListClustersRequest{})
		if err != nil {
			return nil, errors.New("error on listing clusters: " + err.Error())
		}
		if len(list.Clusters) > 0 {
			return list.Clusters[0], nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return nil, errors.New("empty list of clusters was returned")
}

// Join makes this machine part of an existing swarm.
func (c *cluster) Join(req swarm.JoinRequest) error {
	c.membership.Lock()
	defer c.membership.Unlock()
	if c.runner() != nil {
		return errSwarmExists
	}
	if req.ListenAddr == "" {
		return errdefs.InvalidParameter(errors.New(`invalid ListenAddr "": invalid empty address`))
	}
	if len(req.RemoteAddrs) == 0 {
		return errdefs.InvalidParameter(errors.New("at least 1 RemoteAddr is required to join"))
	}
	for i, a := range req.RemoteAddrs {
		if a == "" {
			return errdefs.InvalidParameter(errors.New(`invalid remoteAddr "": invalid empty address`))
		}
		req.RemoteAddrs[i] = withPort(a, c.e.port)
	}
	listen, advertise, err := c.e.swarmAddrs(req.ListenAddr, req.AdvertiseAddr)
	if err != nil {
		return err
	}
	dataPath, err := c.e.dataPathAddr(req.DataPathAddr)
	if err != nil {
		return err
	}
	nr, err := c.newRunner(startConfig{
		RemoteAddr:    req.RemoteAddrs[0],
		ListenAddr:    listen,
		AdvertiseAddr: advertise,
		DataPathAddr:  dataPath,
		startOnce:     startOnce{joinAddr: req.RemoteAddrs[0], joinToken: req.JoinToken, availability: req.Availability},
	})
	if err != nil {
		return err
	}
	c.setRunner(nr)

	timeout := time.NewTimer(connectTimeout)
	defer timeout.Stop()
	select {
	case <-timeout.C:
		return errJoinTimeout
	case err := <-nr.Ready():
		if err == nil {
			return nil
		}
		c.setRunner(nil)
		if err := clearDir(c.stateDir); err != nil {
			return err
		}
		return err
	}
}

// UnlockSwarm starts a locked manager with the key that its disk needs.
func (c *cluster) UnlockSwarm(req swarm.UnlockRequest) error {
	c.membership.Lock()
	defer c.membership.Unlock()
	s := c.state()
	if s.activeManager() {
		return errNotLocked
	}
	if err := notManager(s); !errors.Is(err, errSwarmLocked) {
		return err
	}
	key, err := encryption.ParseHumanReadableKey(req.UnlockKey)
	if err != nil {
		return errdefs.InvalidParameter(err)
	}
	old := c.runner()
	conf := old.config
	conf.lockKey = key
	if err := old.stop(true); err != nil {
		return err
	}
	nr, err := c.newRunner(conf)
	if err != nil {
		return err
	}
	c.setRunner(nr)
	if err := <-nr.Ready(); err != nil {
		if errors.Is(err, errSwarmLocked) {
			return errInvalidKey
		}
		return errors.New("swarm component could not be started: " + err.Error())
	}
	return nil
}

// Leave takes this machine out of its swarm and deletes its swarm state.
func (c *cluster) Leave(_ context.Context, force bool) error {
	c.membership.Lock()
	defer c.membership.Unlock()
	nr := c.runner()
	if nr == nil {
		return errNoSwarm
	}
	s := nr.state()
	if errors.Is(s.err, errSwarmLocked) && !force {
		return errLeaveLocked
	}
	if s.isManager() && !force {
		return unavailable(leaveWarning(s))
	}
	if err := nr.stop(true); err != nil {
		return err
	}
	c.setRunner(nil)
	c.e.executor.reset()
	return clearDir(c.stateDir)
}

func leaveWarning(s nodeState) string {
	msg := "You are attempting to leave the swarm on a node that is participating as a manager. "
	if s.activeManager() {
		active, reachable, unreachable, err := managerStats(s)
		if err == nil && active && reachable-2 <= unreachable {
			if reachable == 1 && unreachable == 0 {
				return msg + "Removing the last manager erases all current state of the swarm. Use `--force` to ignore this message. "
			}
			msg += fmt.Sprintf("Removing this node leaves %v managers out of %v. Without a Raft quorum your swarm will be inaccessible. ", reachable-1, reachable+unreachable)
		}
	} else {
		msg += "Doing so may lose the consensus of your cluster. "
	}
	return msg + "The only way to restore a swarm that has lost consensus is to reinitialize it with `--force-new-cluster`. Use `--force` to suppress this message."
}

func managerStats(s nodeState) (self bool, reachable, unreachable int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	list, err := s.control.ListNodes(ctx, &api.ListNodesRequest{}, bigList)
	if err != nil {
		return false, 0, 0, err
	}
	for _, n := range list.Nodes {
		if n.ManagerStatus == nil {
			continue
		}
		switch n.ManagerStatus.Reachability {
		case api.RaftMemberStatus_REACHABLE:
			reachable++
			self = self || n.ID == s.nodeID()
		case api.RaftMemberStatus_UNREACHABLE:
			unreachable++
		}
	}
	return self, reachable, unreachable, nil
}
