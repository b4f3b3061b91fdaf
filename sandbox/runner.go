package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/swarmkit/v2/api"
	"github.com/moby/swarmkit/v2/manager/allocator/networkallocator"
	"github.com/moby/swarmkit/v2/node"
	"google.golang.org/grpc"
)

const (
	heartbeatTick = 1
	electionTick  = 3 // the fewest ticks that elect reliably; raft ticks once a second

	firstReconnect = 100 * time.Millisecond
	lastReconnect  = 30 * time.Second
	stopTimeout    = 15 * time.Second
	endTimeout     = 2 * time.Minute // only so that nothing waits for ever: a busy machine takes long to end a node without a leader
)

// startConfig says how a swarm node was started. The exported fields are on the machine's disk, so that an engine
// comes back as what it was.
type startConfig struct {
	RemoteAddr         string // the address given to "swarm join"
	ListenAddr         string
	AdvertiseAddr      string
	DataPathAddr       string
	DefaultAddressPool []netip.Prefix
	SubnetSize         uint32
	DataPathPort       uint32
	JoinInProgress     bool // true if it stopped before the join was complete, so that the join goes on
	startOnce
}

// startOnce is what counts for one start only, and is not on the disk.
type startOnce struct {
	joinAddr        string
	joinToken       string
	forceNewCluster bool
	lockKey         []byte
	autolock        bool
	availability    swarm.NodeAvailability
}

// runner keeps one SwarmKit node running, as dockerd does. It starts a node that exits again, after longer and longer
// delays, until somebody stops it.
type runner struct {
	machine  *machine
	stateDir string
	executor *executor
	onEvents func(*api.WatchMessage)

	mu              sync.RWMutex
	st              nodeState
	config          startConfig
	cancel          context.CancelFunc // stops the node without a farewell
	ready, done     chan struct{}
	delay           time.Duration
	repeated        bool
	stopped         bool
	cancelReconnect func()
}

// nodeState is what the API needs to know about a node at one moment.
type nodeState struct {
	node    *node.Node
	conn    *grpc.ClientConn
	control api.ControlClient
	logs    api.LogsClient
	status  swarm.LocalNodeState
	err     error
}

// activeManager reports whether control requests can be served.
func (s nodeState) activeManager() bool { return s.control != nil }

func (s nodeState) isManager() bool { return s.node != nil && s.node.Manager() != nil }

func (s nodeState) nodeID() string {
	if s.node == nil {
		return ""
	}
	return s.node.NodeID()
}

func (r *runner) start(conf startConfig) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.delay = firstReconnect
	return r.startLocked(conf)
}

func (r *runner) startLocked(conf startConfig) error {
	joinAddr := conf.joinAddr
	if joinAddr == "" && conf.JoinInProgress {
		joinAddr = conf.RemoteAddr
	}
	pools := make([]string, 0, len(conf.DefaultAddressPool))
	for _, p := range conf.DefaultAddressPool {
		pools = append(pools, p.String())
	}
	nc := &node.Config{
		ForceNewCluster:    conf.forceNewCluster,
		ListenControlAPI:   r.machine.controlSock,
		ListenRemoteAPI:    conf.ListenAddr,
		AdvertiseRemoteAPI: conf.AdvertiseAddr,
		NetworkConfig: &networkallocator.Config{
			DefaultAddrPool: pools,
			SubnetSize:      conf.SubnetSize,
			VXLANUDPPort:    conf.DataPathPort,
		},
		NetworkProvider:  newNetworks(),
		JoinAddr:         joinAddr,
		JoinToken:        conf.joinToken,
		StateDir:         r.stateDir,
		Executor:         r.executor.forAgent(),
		HeartbeatTick:    heartbeatTick,
		ElectionTick:     electionTick,
		UnlockKey:        conf.lockKey,
		AutoLockManagers: conf.autolock,
		PluginGetter:     pluginsOf(r.executor.storage),
	}
	if conf.availability != "" {
		a, ok := api.NodeSpec_Availability_value[strings.ToUpper(string(conf.availability))]
		if !ok {
			return fmt.Errorf("invalid Availability: %q", conf.availability)
		}
		nc.Availability = api.NodeSpec_Availability(a)
	}
	n, err := node.New(nc)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(withLogger(context.Background(), r.machine.logger, r.machine.name))
	if err := n.Start(ctx); err != nil {
		cancel()
		return err
	}
	r.cancel = cancel
	r.done = make(chan struct{})
	r.ready = make(chan struct{})
	r.st.node = n
	r.cancelReconnect = nil
	if conf.joinAddr != "" {
		conf.JoinInProgress = true
	}
	r.config = conf
	if err := saveStartConfig(r.stateDir, conf); err != nil {
		cancel()
		return err
	}

	watching, stopWatching := context.WithCancel(context.Background())
	go func() {
		r.nodeExited(n)
		stopWatching()
		cancel()
	}()
	go r.nodeReady(watching, n, r.ready)
	go r.controlSocketChanges(watching, n)
	return nil
}

// Ready reports how the start went. The channel is closed without a value when the node is up. It gets the node's
// error if the node gave up first.
func (r *runner) Ready() <-chan error {
	c := make(chan error, 1)
	r.mu.RLock()
	ready, done := r.ready, r.done
	r.mu.RUnlock()
	go func() {
		defer close(c)
		select {
		case <-ready:
			return
		case <-done:
		}
		select {
		case <-ready:
		default:
			r.mu.RLock()
			defer r.mu.RUnlock()
			c <- r.st.err
		}
	}()
	return c
}

func (r *runner) nodeReady(ctx context.Context, n *node.Node, ready chan struct{}) {
	select {
	case <-n.Ready():
	case <-ctx.Done():
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.st.err = nil
	if r.config.JoinInProgress {
		r.config.JoinInProgress = false
		_ = saveStartConfig(r.stateDir, r.config)
	}
	close(ready)
}

func (r *runner) controlSocketChanges(ctx context.Context, n *node.Node) {
	for conn := range n.ListenControlSocket(ctx) {
		r.mu.Lock()
		if r.st.conn != conn {
			if conn == nil {
				r.st.control, r.st.logs = nil, nil
			} else {
				r.st.control, r.st.logs = networkCalls{api.NewControlClient(conn), &r.machine.sb.crossing}, api.NewLogsClient(conn)
				go watchStore(ctx, conn, r.onEvents)
			}
		}
		r.st.conn = conn
		r.mu.Unlock()
	}
}

func (r *runner) nodeExited(n *node.Node) {
	err := n.Err(context.Background())
	if errors.Is(err, node.ErrInvalidUnlockKey) {
		err = errSwarmLocked
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.st.node = nil
	r.st.control, r.st.logs, r.st.conn = nil, nil, nil
	r.st.err = err
	close(r.done)
	select {
	case <-r.ready:
		// The node that this one joined through may no longer be a manager. The addresses learnt since then are better.
		r.config.joinAddr = ""
		r.reconnectLater()
	default:
		if r.repeated {
			r.reconnectLater()
		}
	}
	r.repeated = true
}

func (r *runner) reconnectLater() {
	if r.stopped {
		return
	}
	r.delay = min(2*r.delay, lastReconnect)
	ctx, cancel := context.WithTimeout(context.Background(), r.delay)
	r.cancelReconnect = cancel
	go func() {
		<-ctx.Done()
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.stopped {
			return
		}
		if err := r.startLocked(r.config); err != nil {
			r.st.err = err
		}
	}()
}

// stop ends the node for good. With a farewell its tasks are cleaned up, as when an engine stops or leaves. Without
// one it is gone as after a power cut, and its assignments are still on its disk.
func (r *runner) stop(farewell bool) error {
	r.mu.Lock()
	r.stopped = true
	if r.cancelReconnect != nil {
		r.cancelReconnect()
		r.cancelReconnect = nil
	}
	n, done, cancel := r.st.node, r.done, r.cancel
	r.mu.Unlock()
	if n == nil {
		return nil
	}
	defer r.machine.sb.crossing.stop()()
	if farewell {
		ctx, stop := context.WithTimeout(context.Background(), stopTimeout)
		defer stop()
		if err := n.Stop(ctx); err != nil && !strings.Contains(err.Error(), "context canceled") {
			return err
		}
	}
	cancel()
	select {
	case <-done:
		return nil
	case <-time.After(endTimeout):
		return errors.New("stopping the swarm node: it did not end in time")
	}
}

func (r *runner) state() nodeState {
	if r == nil {
		return nodeState{status: swarm.LocalNodeStateInactive}
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	s := r.st
	if s.err != nil || r.cancelReconnect != nil {
		s.status = swarm.LocalNodeStateError
		if errors.Is(s.err, errSwarmLocked) {
			s.status = swarm.LocalNodeStateLocked
		}
		return s
	}
	select {
	case <-r.ready:
		s.status = swarm.LocalNodeStateActive
	default:
		s.status = swarm.LocalNodeStatePending
	}
	return s
}

func startConfigPath(stateDir string) string { return filepath.Join(stateDir, "docker-state.json") }
