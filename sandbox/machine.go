package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
)

// machine is a simulated host: a name, an address and a disk. While it is up, it has an engine.
type machine struct {
	sb          *Sandbox
	name        string
	role        string // the role that it was made with; its role in the swarm may differ
	id          string // the engine's id, as /info shows it
	addr        netip.Addr
	port        uint16
	dir         string
	sock        string
	controlSock string
	labels      map[string]string
	logger      *slog.Logger

	op sync.Mutex // only one of start, kill and stop runs at a time

	mu     sync.Mutex
	up     *engine
	nodeID string // as last seen
	killed bool   // its containers are gone
}

// engine is a machine's dockerd, from one start to the next stop.
type engine struct {
	*machine
	cluster  *cluster
	executor *executor
	networks *localNetworks
	events   *eventLog
	handler  http.Handler
	server   *http.Server
	// alive ends with the engine. Whatever still waits for the swarm then gives up; otherwise the node would wait for
	// it.
	alive context.Context
	end   context.CancelFunc
}

func (m *machine) engine() *engine {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.up
}

// swarmNode returns the id of the node that this machine is or last was.
func (m *machine) swarmNode() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.up != nil {
		if id := m.up.cluster.state().nodeID(); id != "" {
			m.nodeID = id
		}
	}
	return m.nodeID
}

// start boots the engine and resumes the swarm node on its disk. It fails if the machine is up.
func (m *machine) start() error {
	m.op.Lock()
	defer m.op.Unlock()
	if m.engine() != nil {
		return fmt.Errorf("starting %s: it is up", m.name)
	}
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		return err
	}
	networks, err := loadLocalNetworks(m.dir)
	if err != nil {
		return err
	}
	executor := newExecutor(m.name, m.labels, !m.killed)
	if m.sb.storage.offered {
		plugin, err := startStorage(m)
		if err != nil {
			return err
		}
		executor.withStorage(plugin)
	}
	e := &engine{
		machine:  m,
		executor: executor,
		networks: networks,
		events:   newEventLog(),
	}
	e.alive, e.end = context.WithCancel(context.Background())
	e.cluster = newCluster(e)
	e.handler = e.routes()
	e.server = &http.Server{Handler: e}
	l, err := listenUnix(m.sock)
	if err != nil {
		e.end()
		executor.storage.stop()
		return err
	}
	if err := e.cluster.resume(); err != nil {
		e.end()
		executor.storage.stop()
		_ = l.Close()
		return fmt.Errorf("resuming the swarm node of %s: %w", m.name, err)
	}
	m.mu.Lock()
	m.up, m.killed = e, false
	m.mu.Unlock()
	go func() { _ = e.server.Serve(l) }()
	return nil
}

// stop ends the engine without a farewell to the swarm, so that its tasks still belong to it when it comes back. lost
// says whether the tasks have died by then.
func (m *machine) stop(lost bool) error {
	m.op.Lock()
	defer m.op.Unlock()
	_ = m.swarmNode()
	m.mu.Lock()
	e := m.up
	m.up = nil
	if e != nil {
		m.killed = m.killed || lost
	}
	m.mu.Unlock()
	if e == nil {
		return nil
	}
	e.end()
	_ = e.server.Close()
	defer e.executor.storage.stop()
	if err := e.cluster.halt(false); err != nil {
		return fmt.Errorf("stopping %s: %w", m.name, err)
	}
	return nil
}

// listenUnix listens on a socket. It replaces the socket that a killed process left behind.
func listenUnix(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// maxSocketPath is the longest path that fits into sockaddr_un with its final zero byte.
const maxSocketPath = 107

func checkSocketPath(path string) error {
	if len(path) > maxSocketPath {
		return fmt.Errorf("%s is %d bytes long, and a unix socket's path has at most %d: choose a shorter directory", path, len(path), maxSocketPath)
	}
	return nil
}

func (s *Sandbox) newMachine(r machineRecord) (*machine, error) {
	m := &machine{
		sb: s, name: r.Name, role: r.Role, id: r.ID, addr: r.Addr, port: s.port, labels: r.Labels, logger: s.logger,
		killed:      r.Killed,
		dir:         filepath.Join(s.dir, "nodes", r.Name),
		sock:        filepath.Join(s.dir, r.Name+".sock"),
		controlSock: filepath.Join(s.dir, ".c", r.Name),
	}
	for _, p := range []string{m.sock, m.controlSock} {
		if err := checkSocketPath(p); err != nil {
			return nil, err
		}
	}
	if s.fabric != nil {
		s.fabric.attach(m.addr)
	}
	return m, nil
}
