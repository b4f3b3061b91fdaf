package engines

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"
)

// Options say what to start.
type Options struct {
	Managers int
	Workers  int
	Blank    int // engines in no swarm

	// Images are loaded before Start returns: see [Swarm.Load].
	Images []string
	// Labels are the labels of the engines by node, such as "worker-1": {"disk": "ssd"}.
	Labels map[string]map[string]string
	// Faults puts a proxy before each engine, for [Swarm.Inject].
	Faults bool
}

// Swarm is a running swarm of real engines. Its methods may be called by several goroutines.
type Swarm struct {
	run, dir          string
	tools             *tools
	manifest          *manifest
	network           *network
	nodes             []*node
	registries        []*registry
	faults            *faults
	managers, workers []string
	closing           sync.Mutex
	closed            bool
	loading           sync.Mutex
	loaded            map[string]bool
}

var sweepOnce sync.Once

// Start starts a swarm, and returns when every node is ready.
func Start(ctx context.Context, o Options) (*Swarm, error) {
	if reason, ok := Available(); !ok {
		return nil, fmt.Errorf("starting engines: %s", reason)
	}
	if n := o.Managers + o.Workers + o.Blank; n > mostNodes || o.Managers < 1 && o.Workers > 0 {
		return nil, fmt.Errorf("starting engines: no swarm has %d managers and %d workers here", o.Managers, o.Workers)
	}
	var err error
	sweepOnce.Do(func() { err = Sweep() })
	if err != nil {
		return nil, err
	}
	s, err := newSwarm()
	if err != nil {
		return nil, err
	}
	if err := s.boot(ctx, o); err != nil {
		return nil, errors.Join(err, s.keep(context.WithoutCancel(ctx)), s.Close())
	}
	return s, nil
}

func newSwarm() (*Swarm, error) {
	t, err := findTools()
	if err != nil {
		return nil, err
	}
	dir, err := newRun()
	if err != nil {
		return nil, err
	}
	run := filepath.Base(dir)
	return &Swarm{
		run: run, dir: dir, tools: t.with(mark + run), manifest: manifestOf(dir), faults: &faults{}, loaded: map[string]bool{},
	}, nil
}

// boot starts the registries and all nodes at once, and then makes the swarm.
func (s *Swarm) boot(ctx context.Context, o Options) error {
	if err := s.cable(); err != nil {
		return err
	}
	for _, of := range []struct {
		role string
		n    int
		list *[]string
	}{{"manager", o.Managers, &s.managers}, {"worker", o.Workers, &s.workers}, {"blank", o.Blank, new([]string)}} {
		for i := range of.n {
			name := of.role + "-" + strconv.Itoa(i+1)
			if err := s.newNode(name, of.role, o.Labels[name], o.Faults); err != nil {
				return err
			}
			*of.list = append(*of.list, name)
		}
	}
	if err := s.writeHosts(); err != nil {
		return err
	}
	starts, starting := errgroup.WithContext(ctx)
	for _, r := range s.registries {
		starts.Go(func() error { return r.start(starting) })
	}
	for _, n := range s.nodes {
		starts.Go(func() error { return n.start(starting) })
	}
	if err := starts.Wait(); err != nil {
		return err
	}
	if o.Managers > 0 {
		if err := s.form(ctx); err != nil {
			return err
		}
	}
	return s.Load(ctx, o.Images...)
}

// cable opens the switch, and prepares the registries on it.
func (s *Swarm) cable() error {
	log, err := os.Create(filepath.Join(s.dir, "switch.log"))
	if err != nil {
		return err
	}
	defer log.Close() // the box has its own
	if s.network, err = newNetwork(s.tools, log); err != nil {
		return fmt.Errorf("%w\n%s", err, tail(log.Name(), 5))
	}
	if err := s.manifest.add(s.network.box); err != nil {
		return err
	}
	public, err := newRegistry(s.dir, Registry, switchAddress, "", s.network)
	if err != nil {
		return err
	}
	private, err := newPrivateRegistry(s.dir, s.network)
	if err != nil {
		return err
	}
	s.registries = []*registry{public, private}
	return nil
}

func (s *Swarm) newNode(name, role string, labels map[string]string, faulty bool) error {
	n := &node{
		name: name, role: role, index: len(s.nodes), dir: filepath.Join(s.dir, name),
		network: s.network, tools: s.tools, manifest: s.manifest,
	}
	if err := os.Mkdir(n.dir, 0o700); err != nil {
		return err
	}
	if faulty {
		n.front = newFront(name, filepath.Join(n.dir, "front.sock"), n.socket(), s.faults)
	}
	if err := n.configure("/"+s.run+"/"+name, labels); err != nil {
		return err
	}
	var err error
	if n.client, err = client.New(client.WithHost("unix://" + n.socket())); err != nil {
		return fmt.Errorf("making a client for %s: %w", name, err)
	}
	s.nodes = append(s.nodes, n)
	return nil
}

// writeHosts writes the file that every node gets as /etc/hosts.
func (s *Swarm) writeHosts() error {
	lines := []string{"127.0.0.1 localhost", "::1 localhost ip6-localhost", switchAddress + " " + Registry, privateAddress + " " + PrivateRegistry}
	for _, n := range s.nodes {
		lines = append(lines, addressOf(n.index).String()+" "+n.name)
	}
	return os.WriteFile(filepath.Join(s.dir, "hosts"), []byte(strings.Join(lines, "\n")+"\n"), 0o644)
}

// Close ends every process of the swarm and removes all that it made. It returns an error if anything is left. It may
// be called more than once.
func (s *Swarm) Close() error {
	s.closing.Lock()
	defer s.closing.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var down sync.WaitGroup
	for _, n := range s.nodes {
		down.Go(func() { n.close() })
	}
	down.Wait()
	for _, r := range s.registries {
		r.http.CloseIdleConnections() // an open connection of ours would keep the network alive
	}
	if s.network != nil {
		s.network.box.close()
	}
	if err := errors.Join(removeCgroups(s.run), os.RemoveAll(s.dir)); err != nil {
		return fmt.Errorf("closing engines: %w", err)
	}
	if left := traces(func(run string) bool { return run == s.run }); len(left) > 0 {
		return fmt.Errorf("closing engines: left behind: %s", strings.Join(left, "; "))
	}
	return nil
}

func (s *Swarm) node(name string) (*node, error) {
	for _, n := range s.nodes {
		if n.name == name {
			return n, nil
		}
	}
	return nil, fmt.Errorf("no node is called %q", name)
}

// must returns a node, and panics if there is none of that name. It is for methods that return no error, because a test
// must not go on with a wrong name.
func (s *Swarm) must(name string) *node {
	n, err := s.node(name)
	if err != nil {
		panic("engines: " + err.Error())
	}
	return n
}

// Nodes returns the names of all nodes: managers first, then workers, then engines in no swarm.
func (s *Swarm) Nodes() []string {
	var out []string
	for _, n := range s.nodes {
		out = append(out, n.name)
	}
	return out
}

// Managers returns the names of the nodes that were made as managers. Their role in the swarm may have changed since.
func (s *Swarm) Managers() []string { return slices.Clone(s.managers) }

// Workers returns the names of the nodes that were made as workers.
func (s *Swarm) Workers() []string { return slices.Clone(s.workers) }

// Host returns the address of a node's engine in the form that Docker clients take: a unix socket. With
// [Options.Faults] it is the address of the proxy.
func (s *Swarm) Host(node string) string { return s.must(node).host() }

// Client returns a client that talks to the engine of a node past any proxy. The swarm closes it.
func (s *Swarm) Client(node string) *client.Client { return s.must(node).client }

// Address returns the address of a node on the network of the swarm: see [Swarm.Dial].
func (s *Swarm) Address(node string) string { return addressOf(s.must(node).index).String() }

// Logs returns the path of the file that dockerd on a node writes its log to.
func (s *Swarm) Logs(node string) string { return s.must(node).log() }

// Dial connects to an address, such as a published port of a node, from a machine on the swarm's network that is not a
// node.
func (s *Swarm) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return s.network.dial(ctx, network, address)
}

// Listen listens on the swarm's network. Containers on all nodes reach the listener at its address. Port 0 means any
// free port.
func (s *Swarm) Listen(port uint16) (net.Listener, error) {
	return s.network.listen(net.JoinHostPort(switchAddress, strconv.Itoa(int(port))))
}
