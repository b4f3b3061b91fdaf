package server

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// slots bound how much is done at once.
type slots chan struct{}

// take waits for a free slot and takes it. It returns false if none becomes free in time.
func (s slots) take(ctx context.Context, patience time.Duration) bool {
	select {
	case s <- struct{}{}:
		return true
	default:
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case s <- struct{}{}:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

func (s slots) give() { <-s }

// crowd bounds how many connections are open. A listener that stops accepting when it is full would keep out whoever
// asks about health. So if there are too many, another connection has to go: one on which nothing is being answered.
type crowd struct {
	net.Listener
	most   int
	tls    *tls.Config // nil if nobody is answered by TLS
	closed func()      // called when a connection had to go

	mu     sync.Mutex
	guests []*guest // in the order in which they came
}

// guest is an open connection. If the crowd speaks TLS, its first byte tells whether the guest does.
type guest struct {
	net.Conn
	in    *crowd
	from  netip.Prefix
	begun bool                     // whether the first byte was read
	first []byte                   // that byte, if it is still to be given to the reader
	tls   atomic.Pointer[tls.Conn] // nil if the guest speaks in clear
	busy  bool                     // whether a request is being answered; guarded by the crowd's lock
}

// Accept returns the next connection. It never waits for one to end.
func (c *crowd) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	g := &guest{Conn: conn, in: c, from: neighbours(conn.RemoteAddr())}
	c.mu.Lock()
	c.guests = append(c.guests, g)
	leaves := c.surplus()
	c.mu.Unlock()
	if leaves != nil {
		leaves.goes()
		c.closed()
	}
	return g, nil
}

// end closes all connections. It waits for nobody, as the end of TLS would.
func (c *crowd) end() {
	c.mu.Lock()
	all := slices.Clone(c.guests)
	c.mu.Unlock()
	for _, g := range all {
		g.goes()
	}
}

// surplus returns the guest that has to go, or nil if there is room. It is the oldest that is not busy, of those
// neighbours who have the most connections. So one client that opens many gets only itself thrown out.
func (c *crowd) surplus() *guest {
	if len(c.guests) <= c.most {
		return nil
	}
	idle := map[netip.Prefix]int{}
	for _, g := range c.guests {
		if !g.busy {
			idle[g.from]++
		}
	}
	var out *guest
	for _, g := range c.guests {
		if !g.busy && (out == nil || idle[g.from] > idle[out.from]) {
			out = g
		}
	}
	return out
}

// typeHandshake is the first byte of TLS. No request begins with it.
const typeHandshake = 22

// Read reads what the guest says. net/http writes nothing before it has read.
func (g *guest) Read(b []byte) (int, error) {
	if !g.begun && g.in.tls != nil {
		g.first = make([]byte, 1)
		if _, err := io.ReadFull(g.Conn, g.first); err != nil {
			return 0, err
		}
		if g.first[0] == typeHandshake {
			g.tls.Store(tls.Server(&again{Conn: g.Conn, first: g.first}, g.in.tls))
		}
	}
	g.begun = true
	if t := g.tls.Load(); t != nil {
		return t.Read(b)
	}
	if len(g.first) > 0 {
		n := copy(b, g.first)
		g.first = g.first[n:]
		return n, nil
	}
	return g.Conn.Read(b)
}

func (g *guest) Write(b []byte) (int, error) {
	if t := g.tls.Load(); t != nil {
		return t.Write(b)
	}
	return g.Conn.Write(b)
}

// Close closes the connection, as its protocol wants it. More than one goroutine may do so.
func (g *guest) Close() error {
	g.leave()
	if t := g.tls.Load(); t != nil {
		return t.Close()
	}
	return g.Conn.Close()
}

// CloseWrite lets net/http end an answer before it ends the connection.
func (g *guest) CloseWrite() error {
	if t := g.tls.Load(); t != nil {
		return t.CloseWrite()
	}
	if w, is := g.Conn.(interface{ CloseWrite() error }); is {
		return w.CloseWrite()
	}
	return nil
}

// goes closes the connection at once. net/http learns of it when it next reads or writes.
func (g *guest) goes() {
	g.leave()
	_ = g.Conn.Close()
}

func (g *guest) leave() {
	g.in.mu.Lock()
	defer g.in.mu.Unlock()
	g.in.guests = slices.DeleteFunc(g.in.guests, func(other *guest) bool { return other == g })
}

// again is a connection whose first bytes were read to look at them.
type again struct {
	net.Conn
	first []byte
}

func (a *again) Read(b []byte) (int, error) {
	if len(a.first) > 0 {
		n := copy(b, a.first)
		a.first = a.first[n:]
		return n, nil
	}
	return a.Conn.Read(b)
}

// answered notes that a request of the guest is being answered, until the caller calls what it returns.
func (g *guest) answered() (done func()) {
	if g == nil {
		return func() {}
	}
	set := func(busy bool) {
		g.in.mu.Lock()
		g.busy = busy
		g.in.mu.Unlock()
	}
	set(true)
	return func() { set(false) }
}

// neighbours returns the addresses that count as one client: a single one or, as one client has that many, a network of
// IPv6.
func neighbours(a net.Addr) netip.Prefix {
	tcp, is := a.(*net.TCPAddr)
	if !is {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap()
	bits := ip.BitLen()
	if ip.Is6() && !ip.IsLoopback() {
		bits = 64
	}
	p, _ := ip.Prefix(bits) // it fails only for more bits than an address has
	return p
}

type guestKey struct{}

// withGuest lets the requests of a connection find their guest.
func withGuest(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, guestKey{}, c)
}

// guestOf returns the guest of a request's context, or nil if it did not come through a crowd.
func guestOf(ctx context.Context) *guest {
	g, _ := ctx.Value(guestKey{}).(*guest)
	return g
}
