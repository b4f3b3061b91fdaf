package sandbox

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"slices"
	"sync"
)

const (
	blockHosts    = 250  // 127.42.x.1 … 127.42.x.250 are machines
	blockLockHost = 254  // 127.42.x.254 is the lock of the block
	blockLockPort = 2376 // never a swarm port, so the lock meets nobody else
	firstPort     = 2377 // dockerd's; later ones if a real dockerd listens on every address
	lastPort      = 2399
)

// addresses gives loopback addresses to machines. It takes them in blocks of 127.42.x.0/24, at least one for each
// sandbox. A listener is the lock of a block, so the lock holds between processes and ends with the process.
type addresses struct {
	mu     sync.Mutex
	start  byte // where to look first, so that the sandboxes of one host spread
	blocks map[byte]net.Listener
	used   map[netip.Addr]bool
}

func newAddresses(seed string) *addresses {
	h := fnv.New32a()
	_, _ = h.Write([]byte(seed))
	return &addresses{start: byte(h.Sum32()), blocks: map[byte]net.Listener{}, used: map[netip.Addr]bool{}}
}

func lockBlock(x byte) (net.Listener, error) {
	return net.Listen("tcp", netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 42, x, blockLockHost}), blockLockPort).String())
}

// next returns an address that no machine of this sandbox has. It fails if no block is free.
func (a *addresses) next() (netip.Addr, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	held := make([]byte, 0, len(a.blocks))
	for x := range a.blocks {
		held = append(held, x)
	}
	slices.Sort(held)
	for _, x := range held {
		for y := byte(1); y <= blockHosts; y++ {
			if addr := netip.AddrFrom4([4]byte{127, 42, x, y}); !a.used[addr] {
				a.used[addr] = true
				return addr, nil
			}
		}
	}
	for i := range 256 {
		x := a.start + byte(i)
		if a.blocks[x] != nil {
			continue
		}
		l, err := lockBlock(x)
		if err != nil {
			continue
		}
		a.blocks[x] = l
		addr := netip.AddrFrom4([4]byte{127, 42, x, 1})
		a.used[addr] = true
		return addr, nil
	}
	return netip.Addr{}, errors.New("no block of 127.42.0.0/16 is free: 256 sandboxes run on this machine, or it has no 127.0.0.0/8 on lo")
}

// take claims the address that a machine had before a restart. Managers know each other by their addresses, so no
// other address will do.
func (a *addresses) take(addr netip.Addr) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	x := addr.As4()[2]
	if a.blocks[x] == nil {
		l, err := lockBlock(x)
		if err != nil {
			return fmt.Errorf("locking the addresses 127.42.%d.0/24 of this sandbox: another one has them (%w)", x, err)
		}
		a.blocks[x] = l
	}
	a.used[addr] = true
	return nil
}

func (a *addresses) release(addr netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.used, addr)
}

func (a *addresses) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, l := range a.blocks {
		_ = l.Close()
	}
	clear(a.blocks)
}

// freePort returns the port on which machines serve the swarm. It is 2377 unless something else, for example a real
// dockerd, listens there on every address.
func freePort(addr netip.Addr) (uint16, error) {
	var first error
	for port := uint16(firstPort); port <= lastPort; port++ {
		l, err := net.Listen("tcp", netip.AddrPortFrom(addr, port).String())
		if err == nil {
			return port, l.Close()
		}
		if first == nil {
			first = err
		}
	}
	return 0, fmt.Errorf("finding a port for the swarm on %s: %w", addr, first)
}
