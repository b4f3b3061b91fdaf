package engines

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
)

// The network between the nodes is TEST-NET-1: no machine has it, and neither swarm nor docker hands it out. Only the
// boxes of one run see it, so that every run can have the same.
const (
	prefixBits     = 24
	switchAddress  = "192.0.2.1"
	privateAddress = "192.0.2.2"
	firstNode      = 11
	mostNodes      = 200

	linkPrefix = "engp" // of the switch's ports
	bridge     = linkPrefix + "br"
)

// A bridge without an address of its own takes one of its ports', and is another machine to its neighbours whenever a
// port is plugged.
const switchScript = `set -e
mount --make-rprivate /
mount -t proc proc /proc
ip link set lo up
ip link add ` + bridge + ` address 02:00:c0:00:02:01 type bridge
ip addr add ` + switchAddress + `/24 dev ` + bridge + `
ip addr add ` + privateAddress + `/24 dev ` + bridge + `
ip link set ` + bridge + ` up` + idle

// network is the switch between the nodes.
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

// plug joins a box to the switch as its eth0. The address of the card stays the same from one start of a node to the next,
// as neighbours remember it.
func (n *network) plug(ctx context.Context, b *box, index int) error {
	mac := fmt.Sprintf("02:00:c0:00:02:%02x", firstNode+index)
	err := n.box.run(ctx, `ip link add "$1" type veth peer name eth0 address "$2" netns "$3"
ip link set "$1" master `+bridge+` up`, portOf(index), mac, strconv.Itoa(b.pid()))
	if err != nil {
		return err
	}
	return b.run(ctx, `ip addr add "$1" dev eth0; ip link set eth0 up`, netip.PrefixFrom(addressOf(index), prefixBits).String())
}

// unplug takes the link away. When a box is closed the kernel would do so too, but later.
func (n *network) unplug(ctx context.Context, index int) error {
	return n.box.run(ctx, `ip link del "$1"`, portOf(index))
}

// cut drops what comes in and goes out at a port, without a word to either side, until it is mended: the link stays up, and
// leads nowhere.
func (n *network) cut(ctx context.Context, index int, cut bool) error {
	if cut {
		return n.box.run(ctx, `ip link set "$1" nomaster`, portOf(index))
	}
	return n.box.run(ctx, `ip link set "$1" master `+bridge, portOf(index))
}

// dial connects from the switch.
func (n *network) dial(ctx context.Context, network, address string) (c net.Conn, err error) {
	err = n.box.within(func() error {
		c, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return c, err
}

// listen serves at the switch.
func (n *network) listen(address string) (l net.Listener, err error) {
	err = n.box.within(func() error {
		l, err = net.Listen("tcp", address)
		return err
	})
	return l, err
}
