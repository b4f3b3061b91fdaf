package sandbox

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/resolver"
)

// Machines speak to each other by gRPC and TLS over loopback addresses, where nothing tells who dials. But grpc gives
// a resolver the credentials of the connection that it resolves an address for, and SwarmKit's credentials know the
// node. So each connection gets an address of its own, a link, and a link can fall silent.

func init() { resolver.Register(linkBuilder{resolver.Get("passthrough")}) }

// fabrics maps the address of a machine to its sandbox's fabric, for all sandboxes of this process.
var fabrics sync.Map // netip.Addr to *fabric

// fabric is the network through which the machines of a sandbox reach each other.
type fabric struct {
	// machineOf returns the address of the machine on which a swarm node runs.
	machineOf func(nodeID string) (netip.Addr, bool)

	mu      sync.Mutex
	cut     map[netip.Addr]bool
	changed chan struct{}  // closed when a cut ends
	links   map[*link]bool // nil once the fabric is closed
}

func newFabric(machineOf func(string) (netip.Addr, bool)) *fabric {
	return &fabric{machineOf: machineOf, cut: map[netip.Addr]bool{}, changed: make(chan struct{}), links: map[*link]bool{}}
}

// connect gives the machines a network, unless they are too many: each connection costs three more sockets.
func (s *Sandbox) connect(machines int) {
	if machines <= smallSwarm {
		s.fabric = newFabric(s.machineOf)
	}
}

// attach makes a machine part of the fabric, and detach ends that.
func (f *fabric) attach(addr netip.Addr) { fabrics.Store(addr, f) }

func (f *fabric) detach(addr netip.Addr) {
	fabrics.CompareAndDelete(addr, f)
	f.heal(addr)
}

// partition cuts a machine off from all others.
func (f *fabric) partition(addr netip.Addr) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cut[addr] = true
}

// heal ends partition.
func (f *fabric) heal(addr netip.Addr) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.cut, addr)
	f.wake()
}

// healAll ends every partition.
func (f *fabric) healAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.cut)
	f.wake()
}

// wake makes everything that waits check again. The caller holds f.mu.
func (f *fabric) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fabric) isCut(addr netip.Addr) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cut[addr]
}

// close closes the links that are still open. There are no new ones after it.
func (f *fabric) close() {
	f.mu.Lock()
	links := f.links
	f.links = nil
	f.mu.Unlock()
	for l := range links {
		l.Close()
	}
	fabrics.Range(func(addr, of any) bool {
		if of == f {
			fabrics.Delete(addr)
		}
		return true
	})
}

// silent reports whether a link is cut. The channel is closed when that may have changed. A machine always hears
// itself.
func (f *fabric) silent(l *link) (bool, <-chan struct{}) {
	f.mu.Lock()
	cut, changed := len(f.cut) > 0, f.changed
	f.mu.Unlock()
	if !cut {
		return false, changed
	}
	to := l.to.Addr()
	from, known := f.machineOf(l.from) // not under the lock, because it asks the machines
	if known && from == to {
		return false, changed
	}
	return f.isCut(to) || known && f.isCut(from), changed
}

// linkBuilder gives each connection to a machine a link. It leaves other connections as they are.
type linkBuilder struct{ resolver.Builder }

func (b linkBuilder) Build(target resolver.Target, cc resolver.ClientConn, o resolver.BuildOptions) (resolver.Resolver, error) {
	to, err := netip.ParseAddrPort(target.Endpoint())
	n, found := fabrics.Load(to.Addr())
	if err != nil || !found {
		return b.Builder.Build(target, cc, o)
	}
	l, err := n.(*fabric).link(nodeOf(o.DialCreds), to)
	if err != nil {
		return nil, err
	}
	err = cc.UpdateState(resolver.State{Endpoints: []resolver.Endpoint{{Addresses: []resolver.Address{{Addr: l.listener.Addr().String()}}}}})
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// nodeOf returns the swarm node whose certificate a connection uses. It returns "" for a node that joins and has none
// yet.
func nodeOf(creds credentials.TransportCredentials) string {
	if c, ok := creds.(interface{ NodeID() string }); ok { // ca.MutableTLSCreds
		return c.NodeID()
	}
	return ""
}

// link carries one client connection of grpc, with all its attempts.
type link struct {
	fabric   *fabric
	from     string // a node's id
	to       netip.AddrPort
	listener net.Listener
	closed   chan struct{}
	once     sync.Once
}

func (f *fabric) link(from string, to netip.AddrPort) (*link, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("linking to %s: %w", to, err)
	}
	l := &link{fabric: f, from: from, to: to, listener: listener, closed: make(chan struct{})}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.links == nil {
		_ = listener.Close()
		return nil, fmt.Errorf("linking to %s: the sandbox is closed", to)
	}
	f.links[l] = true
	go l.serve()
	return l, nil
}

func (l *link) ResolveNow(resolver.ResolveNowOptions) {}

func (l *link) Close() {
	l.once.Do(func() {
		close(l.closed)
		_ = l.listener.Close()
		l.fabric.mu.Lock()
		delete(l.fabric.links, l)
		l.fabric.mu.Unlock()
	})
}

// audible waits while the link is cut. It returns false if the link was closed in the meantime.
func (l *link) audible() bool {
	for {
		silent, changed := l.fabric.silent(l)
		if !silent {
			return true
		}
		select {
		case <-changed:
		case <-l.closed:
			return false
		}
	}
}

func (l *link) serve() {
	for {
		conn, err := l.listener.Accept()
		if err != nil {
			return
		}
		go l.carry(conn)
	}
}

// carry lets one attempt through. Data sent while the link is cut arrives afterwards, as with TCP. Neither side
// learns that the link is cut.
func (l *link) carry(near net.Conn) {
	defer func() { _ = near.Close() }()
	if !l.audible() {
		return
	}
	far, err := net.DialTimeout("tcp", l.to.String(), 10*time.Second)
	if err != nil {
		return // like the closed port of a machine that is down
	}
	defer func() { _ = far.Close() }()
	ended := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		go func() {
			l.pass(way[0], way[1])
			ended <- struct{}{}
		}()
	}
	select {
	case <-ended:
	case <-l.closed:
	}
}

func (l *link) pass(from, to net.Conn) {
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		if !l.audible() { // its end is not heard either
			return
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// Partition cuts a machine off from all others. What they send each other arrives only after Heal, and neither side
// learns of the cut. The machine's Engine API still answers. It fails in a sandbox that began with more than 200
// machines, which has no network that could be cut.
func (s *Sandbox) Partition(name string) error {
	m, err := s.linked(name)
	if err != nil {
		return err
	}
	s.fabric.partition(m.addr)
	return nil
}

// Heal ends Partition.
func (s *Sandbox) Heal(name string) error {
	m, err := s.linked(name)
	if err != nil {
		return err
	}
	s.fabric.heal(m.addr)
	return nil
}

func (s *Sandbox) linked(name string) (*machine, error) {
	m, err := s.find(name)
	if err == nil && s.fabric == nil {
		err = invalid(fmt.Sprintf("cutting %s off: the sandbox began with more than %d machines, which have no network that could be cut", name, smallSwarm))
	}
	return m, err
}
