package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"
)

// These are the roles with which a machine can be made.
const (
	RoleManager = "manager"
	RoleWorker  = "worker"
	RoleBlank   = "blank" // an engine in no swarm
)

// Options say what to start. Managers, Workers, Blank, Labels, SubnetSize and Storage apply only to a new sandbox. A sandbox
// that is restarted from its directory is as it was, with the machines that were added and removed since.
type Options struct {
	Managers int // 0 makes a sandbox of blank engines
	Workers  int
	Blank    int

	// Dir holds sockets and state. It is made if needed. Keep it short, because the path of a unix socket has at most
	// 107 bytes. If it is "", the sandbox makes a directory of its own, which Close removes.
	Dir string
	// Labels are engine labels by machine, such as "worker-1": {"disk": "ssd"}.
	Labels map[string]map[string]string
	// SubnetSize is the prefix length of networks. 0 means 24, or 20 if the ingress network would be too small for
	// the number of machines.
	SubnetSize uint32
	// Storage is true if each machine has the CSI plugin StoragePlugin, which makes cluster volumes.
	Storage bool

	// OnRequest is called for each call of the Engine API. It must be quick.
	OnRequest func(Request)
	// Logger gets what SwarmKit says about the nodes. nil means silence.
	Logger *slog.Logger
}

// Sandbox is a running swarm. Several goroutines may call its methods.
type Sandbox struct {
	dir       string
	temporary bool
	lock      *os.File
	wiring
	logger   *slog.Logger
	faults   faultTable
	requests requestLog
	control  *controlServer
	storage  storage

	change sync.Mutex // only one of AddNode, RemoveNode and Close runs at a time
	roster
}

// roster is which machines there are. Its lock guards the other fields.
type roster struct {
	mu       sync.Mutex
	machines []*machine
	made     map[string]int
	closed   bool
}

// wiring is what connects the machines.
type wiring struct {
	port      uint16
	addresses *addresses
	fabric    *fabric // nil if there are too many machines
	crossing  crossing
}

// Start starts a sandbox and returns when every node is ready. It does not wait for a swarm that is locked or has no
// quorum: see [Sandbox.State].
func Start(ctx context.Context, o Options) (*Sandbox, error) {
	if o.Managers < 0 || o.Workers < 0 || o.Blank < 0 {
		return nil, errors.New("starting a sandbox: the number of managers, workers or blank engines is negative; give 0 or more")
	}
	prepareProcess()
	s := &Sandbox{dir: o.Dir, logger: o.Logger, roster: roster{made: map[string]int{}}}
	s.requests.hook = o.OnRequest
	if err := s.openDir(); err != nil {
		return nil, err
	}
	if err := s.start(ctx, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Sandbox) openDir() error {
	if s.dir == "" {
		dir, err := os.MkdirTemp("", "sb")
		if err != nil {
			return err
		}
		s.dir, s.temporary = dir, true
	}
	dir, err := filepath.Abs(s.dir)
	if err != nil {
		return err
	}
	s.dir = dir
	if err := checkSocketPath(filepath.Join(dir, "control.sock")); err != nil {
		return err
	}
	for _, d := range []string{dir, filepath.Join(dir, ".c")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return err
		}
	}
	s.lock, err = lockDir(dir)
	return err
}

func (s *Sandbox) start(ctx context.Context, o Options) error {
	s.addresses = newAddresses(s.dir)
	have, err := loadRecord(s.dir)
	if err != nil {
		return err
	}
	if have != nil {
		err = s.restore(ctx, have)
	} else {
		err = s.create(ctx, o)
	}
	if err != nil {
		return err
	}
	s.control, err = serveControl(s)
	return err
}

// create makes the machines of a new sandbox and their swarm. It writes the record last, so that a failure leaves
// nothing to restore.
func (s *Sandbox) create(ctx context.Context, o Options) error {
	s.connect(o.Managers + o.Workers + o.Blank)
	s.storage.offered = o.Storage
	if o.Managers == 0 && o.Workers > 0 {
		return errors.New("starting a sandbox: workers need a manager to join; give at least one manager")
	}
	if err := os.RemoveAll(filepath.Join(s.dir, "nodes")); err != nil {
		return err
	}
	for _, c := range []struct {
		role string
		n    int
	}{{RoleManager, o.Managers}, {RoleWorker, o.Workers}, {RoleBlank, o.Blank}} {
		for range c.n {
			if _, err := s.newNumbered(c.role, o.Labels); err != nil {
				return err
			}
		}
	}
	var boot errgroup.Group
	for _, m := range s.list() {
		boot.Go(m.start)
	}
	if err := boot.Wait(); err != nil {
		return err
	}
	if o.Managers > 0 {
		if err := s.formSwarm(ctx, o); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.save()
}

// newNumbered makes the next machine of a role, such as manager-1 or worker-7.
func (s *Sandbox) newNumbered(role string, labels map[string]map[string]string) (*machine, error) {
	addr, err := s.addresses.next()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.port == 0 {
		if s.port, err = freePort(addr); err != nil {
			return nil, err
		}
	}
	name := role + "-" + strconv.Itoa(s.made[role]+1)
	m, err := s.newMachine(machineRecord{Name: name, Role: role, ID: newEngineID(), Addr: addr, Labels: labels[name]})
	if err != nil {
		s.addresses.release(addr)
		return nil, err
	}
	s.made[role]++
	s.machines = append(s.machines, m)
	return m, nil
}

// restore boots the machines of an earlier run, all at once, because a manager alone would wait for its quorum.
func (s *Sandbox) restore(ctx context.Context, have *record) error {
	s.connect(len(have.Machines))
	s.port = have.Port
	s.storage.offered = have.Storage
	if have.Made != nil {
		s.made = have.Made
	}
	for _, r := range have.Machines {
		if err := s.addresses.take(r.Addr); err != nil {
			return err
		}
		m, err := s.newMachine(r)
		if err != nil {
			return err
		}
		s.machines = append(s.machines, m)
	}
	var boot errgroup.Group
	for _, m := range s.list() {
		boot.Go(m.start)
	}
	if err := boot.Wait(); err != nil {
		return err
	}
	return s.settle(ctx)
}

// Close stops every machine. The state stays in the directory, unless the directory is temporary. Close may be called
// more than once.
func (s *Sandbox) Close() error {
	s.change.Lock()
	defer s.change.Unlock()
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	var errs []error
	if s.control != nil {
		errs = append(errs, s.control.close())
	}
	if s.fabric != nil {
		s.fabric.healAll() // what waits for a machine that is cut off would wait here too
		defer s.fabric.close()
	}
	var stop errgroup.Group
	for _, m := range s.list() {
		stop.Go(func() error { return m.stop(false) })
	}
	errs = append(errs, stop.Wait())
	if s.addresses != nil {
		s.addresses.close()
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	if s.temporary {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

// Dir returns the directory of the sockets and the state.
func (s *Sandbox) Dir() string { return s.dir }

// Host returns a Docker client's name for the engine of a machine, such as "unix:///tmp/sb1/manager-1.sock". It
// depends only on the name.
func (s *Sandbox) Host(name string) string { return "unix://" + s.Socket(name) }

// Socket returns the path in Host.
func (s *Sandbox) Socket(name string) string { return filepath.Join(s.dir, name+".sock") }

// Nodes returns the names of the machines: managers, then workers, then blank ones.
func (s *Sandbox) Nodes() []string {
	var out []string
	for _, role := range []string{RoleManager, RoleWorker, RoleBlank} {
		for _, m := range s.list() {
			if m.role == role {
				out = append(out, m.name)
			}
		}
	}
	return out
}

// Requests returns the calls of the Engine API since the start, or since ResetRequests.
func (s *Sandbox) Requests() []Request { return s.requests.all() }

// ResetRequests forgets the calls so far.
func (s *Sandbox) ResetRequests() { s.requests.reset() }

// Inject puts a fault in force and returns a function that removes it. It panics for a fault that makes no sense,
// such as a path that is no regular expression, because a test must not go on without it.
func (s *Sandbox) Inject(f Fault) (remove func()) {
	id, err := s.faults.add(f)
	if err != nil {
		panic(fmt.Sprintf("sandbox: injecting a fault: %s", err))
	}
	return func() { s.faults.remove(id) }
}

func (s *Sandbox) list() []*machine {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*machine(nil), s.machines...)
}

func (s *Sandbox) find(name string) (*machine, error) {
	for _, m := range s.list() {
		if m.name == name {
			return m, nil
		}
	}
	return nil, notFound(fmt.Sprintf("no machine is called %q; swarm-sandbox ctl state lists them", name))
}

// nodeAddrs returns the addresses of the machines, by their swarm node's id.
func (s *Sandbox) nodeAddrs() map[string]string {
	out := map[string]string{}
	for _, m := range s.list() {
		if id := m.swarmNode(); id != "" {
			out[id] = m.addr.String()
		}
	}
	return out
}

// machineOf returns the address of the machine on which a swarm node runs. The second result is false if there is
// none.
func (s *Sandbox) machineOf(nodeID string) (netip.Addr, bool) {
	for _, m := range s.list() {
		if nodeID != "" && m.swarmNode() == nodeID {
			return m.addr, true
		}
	}
	return netip.Addr{}, false
}
