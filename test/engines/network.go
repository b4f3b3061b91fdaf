package engines

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
)

// The network between the nodes is TEST-NET-1, because no machine uses it and neither the swarm nor docker hands it
// out. Only the boxes of one run see it, so every run can use the same addresses.
const (
	prefixBits     = 24
	switchAddress  = "192.0.2.1"
	privateAddress = "192.0.2.2"
	firstNode      = 11
	mostNodes      = 200

	linkPrefix = "engp" // begins the names of the switch's ports
	bridge     = linkPrefix + "br"
)

// The bridge gets a MAC address of its own. Otherwise it would take one of its ports' addresses, and look like another
// machine to its neighbours whenever a port is plugged in.
const switchScript = `set -e
mount --make-rprivate /
mount -t proc proc /proc
ip link set lo up
ip link add ` + bridge + ` address 02:00:c0:00:02:01 type bridge
ip addr add ` + switchAddress + `/24 dev ` + bridge + `
ip addr add ` + privateAddress + `/24 dev ` + bridge + `
ip link set ` + bridge + ` up` + idle

// network is the switch that joins the nodes.
type network struct{ box *box }

func newNetwork(t *tools, log *os.File) (*network, error) {
	b, err := openBox(t, "switch", log, switchScript)
	if err != nil {
		return nil, err
	}
	return &network{b}, nil
}

func addressOf(index int) netip.Addr {
	base := netip.MustParseAddr(switchAddress).As4()
	base[3] = byte(firstNode + index)
	return netip.AddrFrom4(base)
}

func portOf(index int) string { return linkPrefix + strconv.Itoa(index) }

// plug joins a box to the switch by a link that is eth0 in the box. A node keeps its MAC address when it is started
// again, because its neighbours remember it.
func (n *network) plug(ctx context.Context, b *box, index int) error {
	mac := fmt.Sprintf("02:00:c0:00:02:%02x", firstNode+index)
	err := n.box.run(ctx, `ip link add "$1" type veth peer name eth0 address "$2" netns "$3"
ip link set "$1" master `+bridge+` up`, portOf(index), mac, strconv.Itoa(b.pid()))
	if err != nil {
		return err
	}
	return b.run(ctx, `ip addr add "$1" dev eth0; ip link set eth0 up`, netip.PrefixFrom(addressOf(index), prefixBits).String())
}

// unplug removes the link. The kernel also does that when the box is closed, but later.
func (n *network) unplug(ctx context.Context, index int) error {
	return n.box.run(ctx, `ip link del "$1"`, portOf(index))
}

// cut takes a port off the bridge, or puts it back if cut is false. While the port is off, everything that comes in or
// goes out there is dropped. The link stays up, so neither side is told.
func (n *network) cut(ctx context.Context, index int, cut bool) error {
	if cut {
		return n.box.run(ctx, `ip link set "$1" nomaster`, portOf(index))
	}
	return n.box.run(ctx, `ip link set "$1" master `+bridge, portOf(index))
}

// dial opens a connection from the switch.
func (n *network) dial(ctx context.Context, network, address string) (c net.Conn, err error) {
	err = n.box.within(func() error {
		c, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return c, err
}

// listen opens a listener at the switch.
func (n *network) listen(address string) (l net.Listener, err error) {
	err = n.box.within(func() error {
		l, err = net.Listen("tcp", address)
		return err
	})
	return l, err
}
