package sandbox

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/swarmkit/v2/api"
	"golang.org/x/sync/errgroup"
)

const (
	// heartbeat is the heartbeat of agents in the swarm that Start makes; dockerd's is 5 s. A machine that is gone
	// shows as down after three heartbeats. A new leader gives agents six heartbeats to come. If one comes at the
	// very moment when its time is up, SwarmKit may take it for down for good. So agents must be back by then; after
	// a long election their back-off is 8 s.
	heartbeat = 2 * time.Second
	// slowHeartbeat is dockerd's heartbeat, for more than smallSwarm machines. On few CPUs, a thousand agents that
	// beat every second come too late, and then all come again.
	slowHeartbeat = 5 * time.Second
	// joinsAtOnce keeps a thousand joins from overrunning the leader.
	joinsAtOnce = 16
	// smallSwarm is how many machines fit into a /24 for ingress, next to what services need.
	smallSwarm = 200
)

func newEngineID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// formSwarm makes the first manager's swarm and makes the others join.
func (s *Sandbox) formSwarm(ctx context.Context, o Options) error {
	size, beat := o.SubnetSize, heartbeat
	if o.Managers+o.Workers > smallSwarm {
		size, beat = cmp.Or(size, 20), slowHeartbeat
	}
	machines := s.list()
	first := machines[0].engine()
	req := swarm.InitRequest{
		ListenAddr: "0.0.0.0:2377",
		Spec:       swarm.Spec{Dispatcher: swarm.DispatcherConfig{HeartbeatPeriod: beat}},
	}
	if size != 0 { // the size counts only together with a pool
		req.SubnetSize, req.DefaultAddrPool = size, []netip.Prefix{netip.MustParsePrefix(defaultPool)}
	}
	if _, err := first.cluster.Init(req); err != nil {
		return fmt.Errorf("making the swarm on %s: %w", first.name, err)
	}
	for _, role := range []string{RoleManager, RoleWorker} {
		joins, joining := errgroup.WithContext(ctx)
		joins.SetLimit(joinsAtOnce)
		if role == RoleManager {
			joins.SetLimit(1) // raft accepts only one new member at a time
		}
		for _, m := range machines[1:] {
			if m.role == role {
				joins.Go(func() error { return s.join(joining, m) })
			}
		}
		if err := joins.Wait(); err != nil {
			return err
		}
	}
	return s.waitReady(ctx, slices.DeleteFunc(machines, func(m *machine) bool { return m.role == RoleBlank }))
}

// join makes a machine part of the swarm that the sandbox's managers form.
func (s *Sandbox) join(ctx context.Context, m *machine) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	through, object, err := s.anyManager()
	if err != nil {
		return fmt.Errorf("joining %s: %w", m.name, err)
	}
	token := object.JoinTokens.Worker
	if m.role == RoleManager {
		token = object.JoinTokens.Manager
	}
	err = m.engine().cluster.Join(swarm.JoinRequest{
		ListenAddr:  "0.0.0.0:2377",
		RemoteAddrs: []string{through},
		JoinToken:   token,
	})
	// A join that is too slow for dockerd is not lost: it goes on in the background.
	if err != nil && !errors.Is(err, errJoinTimeout) {
		return fmt.Errorf("joining %s: %w", m.name, err)
	}
	return nil
}

// anyManager returns the address of a manager that answers, and the swarm. It fails if none answers.
func (s *Sandbox) anyManager() (string, swarm.Swarm, error) {
	err := errors.New("no manager is up")
	for _, m := range s.list() {
		e := m.engine()
		if e == nil || !e.cluster.state().activeManager() {
			continue
		}
		var object swarm.Swarm
		if object, err = e.cluster.Inspect(); err == nil {
			nr := e.cluster.runner()
			nr.mu.RLock()
			defer nr.mu.RUnlock()
			return nr.config.AdvertiseAddr, object, nil
		}
	}
	return "", swarm.Swarm{}, err
}

// AddNode makes one more machine and returns its name when it is ready. Unless the machine is blank, it joins the
// swarm.
func (s *Sandbox) AddNode(ctx context.Context, role string, labels map[string]string) (string, error) {
	if role != RoleManager && role != RoleWorker && role != RoleBlank {
		return "", invalid(fmt.Sprintf("a machine is a %s, a %s or %s, not %q", RoleManager, RoleWorker, RoleBlank, role))
	}
	s.change.Lock()
	defer s.change.Unlock()
	m, err := s.newNumbered(role, nil)
	if err != nil {
		return "", err
	}
	m.labels = labels
	err = m.start()
	if err == nil && role != RoleBlank {
		if err = s.join(ctx, m); err == nil {
			err = s.waitReady(ctx, []*machine{m})
		}
	}
	if err != nil {
		return "", errors.Join(err, s.drop(m))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return m.name, s.save()
}

// Kill stops a machine as a power cut does: its socket goes, its tasks die, and the swarm finds out by itself.
func (s *Sandbox) Kill(name string) error {
	m, err := s.find(name)
	if err != nil {
		return err
	}
	if err := m.stop(true); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.save()
}

// StartNode starts a machine that was killed. It returns when the engine answers and its node, if it has one, is up
// or has failed.
func (s *Sandbox) StartNode(ctx context.Context, name string) error {
	m, err := s.find(name)
	if err != nil {
		return err
	}
	if err := m.start(); err != nil {
		return err
	}
	s.mu.Lock()
	err = s.save()
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return s.resumed(ctx, []*machine{m})
}

// Restart kills a machine and starts it again.
func (s *Sandbox) Restart(ctx context.Context, name string) error {
	if err := s.Kill(name); err != nil {
		return err
	}
	return s.StartNode(ctx, name)
}

// RemoveNode kills a machine and deletes its disk. The swarm still lists the node as down until somebody removes it
// there.
func (s *Sandbox) RemoveNode(name string) error {
	m, err := s.find(name)
	if err != nil {
		return err
	}
	s.change.Lock()
	defer s.change.Unlock()
	if err := s.drop(m); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.save()
}

// drop ends a machine for good. The caller holds s.change.
func (s *Sandbox) drop(m *machine) error {
	if err := m.stop(true); err != nil {
		return err
	}
	s.mu.Lock()
	for i, other := range s.machines {
		if other == m {
			s.machines = append(s.machines[:i:i], s.machines[i+1:]...)
			break
		}
	}
	s.mu.Unlock()
	if s.fabric != nil {
		s.fabric.detach(m.addr)
	}
	s.addresses.release(m.addr)
	return os.RemoveAll(m.dir)
}

// nodeIsReady reports whether the swarm sees the machine's node as Ready and, for a manager, its raft member as
// reachable.
func nodeIsReady(n *api.Node) bool {
	if n.Status.State != api.NodeStatus_READY {
		return false
	}
	return n.Role != api.NodeRoleManager || n.ManagerStatus != nil && n.ManagerStatus.Reachability == api.RaftMemberStatus_REACHABLE
}
