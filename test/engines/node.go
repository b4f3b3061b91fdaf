package engines

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// nodeScript makes a box look like a machine that was just started. /run is empty, and the box has its own view of the
// directories that dockerd and containerd always write to. No name is looked up outside. Since no name server answers
// at all, dockerd knows at once that a registry does not exist.
const nodeScript = `set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
for d in etc opt var/lib; do
	mkdir -p "/run/box/$d/up" "/run/box/$d/work"
	mount -t overlay -o "lowerdir=/$d,upperdir=/run/box/$d/up,workdir=/run/box/$d/work" overlay "/$d"
done
rm -rf /etc/resolv.conf /etc/docker
echo nameserver 127.0.0.1 >/etc/resolv.conf
cp "$2" /etc/hosts
echo "$1" >/proc/sys/kernel/hostname
ip link set lo up` + idle

// bootTime is how long dockerd may take until it answers. It is long, because a busy machine is slow.
const bootTime = 3 * time.Minute

// node is one machine. It has a place on the switch, a disk and, while it has power, a box with dockerd.
type node struct {
	name, role string
	index      int
	dir        string
	network    *network
	tools      *tools
	manifest   *manifest
	client     *client.Client // talks to dockerd itself
	front      *front         // nil if all clients talk to dockerd itself

	mu     sync.Mutex // allows one fault at a time
	box    *box       // nil without power
	engine *daemon    // nil or ended while no dockerd runs
	cut    bool
}

func (n *node) socket() string { return filepath.Join(n.dir, "engine.sock") }

func (n *node) log() string { return filepath.Join(n.dir, "dockerd.log") }

func (n *node) host() string {
	if n.front != nil {
		return "unix://" + n.front.socket
	}
	return "unix://" + n.socket()
}

// configure writes the configuration file of dockerd. The second socket is the usual one, for containers that mount it.
func (n *node) configure(cgroup string, labels map[string]string) error {
	list := []string{}
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		list = append(list, k+"="+labels[k])
	}
	text, err := json.MarshalIndent(map[string]any{
		"data-root":           filepath.Join(n.dir, "data"),
		"hosts":               []string{"unix://" + n.socket(), "unix:///var/run/docker.sock"},
		"labels":              list,
		"registry-mirrors":    []string{"http://" + switchAddress},
		"insecure-registries": []string{switchAddress + "/24"},
		"exec-opts":           []string{"native.cgroupdriver=cgroupfs"}, // whatever init system the machine runs
		"cgroup-parent":       cgroup,
		"deprecated-key-path": filepath.Join(n.dir, "key.json"), // the engine's id comes from this file, so a restart keeps the id
	}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(n.dir, "daemon.json"), text, 0o600)
}

// start gives the machine power if it has none, starts dockerd, and returns when dockerd answers.
func (n *node) start(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.engine != nil && n.engine.running() {
		return fmt.Errorf("starting %s: it is up", n.name)
	}
	log, err := os.OpenFile(n.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // dockerd has its own
	if n.box == nil {
		if err := n.power(ctx, log); err != nil {
			return fmt.Errorf("starting %s: %w", n.name, err)
		}
	}
	if err := n.serve(ctx, log); err != nil {
		return fmt.Errorf("starting %s: %w\n%s", n.name, err, tail(n.log(), 20))
	}
	if n.front != nil {
		return n.front.open()
	}
	return nil
}

// serve starts dockerd and waits until it answers. dockerd gives up if its containerd is not up after fifteen seconds,
// which may be too short on a busy machine. So serve starts it again, as a service manager would.
func (n *node) serve(ctx context.Context, log *os.File) (err error) {
	for range 3 {
		n.engine, err = n.box.start(log, "dockerd", "--config-file", filepath.Join(n.dir, "daemon.json"))
		if err != nil {
			return err
		}
		if err = n.answers(ctx); err == nil || n.engine.running() || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// power opens the box and plugs it into the switch.
func (n *node) power(ctx context.Context, log *os.File) error {
	b, err := openBox(n.tools, n.name, log, nodeScript, n.name, filepath.Join(filepath.Dir(n.dir), "hosts"))
	if err != nil {
		return fmt.Errorf("%w\n%s", err, tail(n.log(), 5))
	}
	n.box = b
	if err := n.manifest.add(b); err != nil {
		return err
	}
	if err := n.network.plug(ctx, b, n.index); err != nil {
		return err
	}
	if n.cut {
		return n.network.cut(ctx, n.index, true)
	}
	return nil
}

// answers waits until dockerd answers. It fails if dockerd ends.
func (n *node) answers(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return harness.Until(ctx, bootTime, func() error {
		if !n.engine.running() {
			cancel()
			return errors.New("dockerd ended")
		}
		_, err := n.client.Ping(ctx, client.PingOptions{})
		return err
	})
}

// kill cuts the power. Everything in the box ends at once, and only the disk is left.
func (n *node) kill(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.box == nil {
		return nil
	}
	n.closeFront()
	err := n.network.unplug(ctx, n.index) // first, so that nothing that ends in the box can tell the other nodes
	n.box.close()
	n.box, n.engine = nil, nil
	return err
}

// close ends everything in the box when the whole swarm ends, so the other nodes need not be kept from noticing.
func (n *node) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closeFront()
	if n.box != nil {
		n.box.close()
	}
	_ = n.client.Close() // there is nothing at the other end
}

// crash ends dockerd alone. The containers run on, as they would on a real machine.
func (n *node) crash() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.up(); err != nil {
		return err
	}
	n.closeFront()
	n.engine.kill()
	return nil
}

// stop ends dockerd as a service manager does, so dockerd stops its containers first.
func (n *node) stop(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.up(); err != nil {
		return err
	}
	defer n.closeFront()
	if err := n.engine.signal(sigTerm); err != nil {
		return err
	}
	if err := n.engine.wait(ctx); err != nil {
		return fmt.Errorf("stopping %s: %w", n.name, err)
	}
	return nil
}

// hang stops dockerd as a whole, or lets it go on if hung is false. While it is stopped, its socket takes connections
// and nobody answers.
func (n *node) hang(hung bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.up(); err != nil {
		return err
	}
	if hung {
		return n.engine.freeze()
	}
	return n.engine.signal(sigCont)
}

// partition cuts the node off from all other nodes and from the registries, or joins it again if cut is false.
func (n *node) partition(ctx context.Context, cut bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut = cut
	if n.box == nil {
		return nil // power cuts it when it plugs the node in again
	}
	return n.network.cut(ctx, n.index, cut)
}

func (n *node) up() error {
	if n.engine == nil || !n.engine.running() {
		return fmt.Errorf("%s has no running dockerd", n.name)
	}
	return nil
}

func (n *node) closeFront() {
	if n.front != nil {
		n.front.close()
	}
}
