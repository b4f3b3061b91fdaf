package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/swarm-operator/swarm-operator/test/engines"
	"github.com/swarm-operator/swarm-operator/test/harness"
)

// images are the images that scenarios name. Real engines pull them from a registry, which must have them.
var images = []string{
	"app:0", "app:1", "app:2", "app:3", "app:4", "crash:1", "slow:1", "finish:1", "finish:2", "unhealthy:1", "exit-3:1", "registry.example.com/team/app:1", "registry.example.com/team/app:2",
	"nginx:1.27", "example/api:1.0", "prom/node-exporter:v1.8.2", // examples/demo
}

// swarms holds the swarms that no scenario uses. Starting one of real engines takes seconds of both processors, and
// starting a sandbox some tenths. Each swarm therefore serves many scenarios, one after the other.
var swarms pool

// mostIdle is how many engines may wait for a scenario. Five idle engines took a fifteenth of a processor, and
// starting five took 6.5 s of one. After a minute and a half, idle engines cost more than new ones.
const mostIdle = 8

// reusable is a swarm that serves one scenario after the other.
type reusable interface {
	Swarm
	use() *shared
	// clear makes the swarm like a new one, after a scenario that did not spoil it.
	clear(ctx context.Context) error
	// end ends the swarm.
	end() error
}

// shared is what a reusable swarm knows of its use.
type shared struct {
	size   size
	spoilt bool // set if the next scenario would have to wonder whether everything done to the swarm was undone
	undo   []func()
}

func (s *shared) use() *shared { return s }

// Spoil notes that the scenario changes the swarm in a way that the next scenario should not find.
func (s *shared) Spoil() { s.spoilt = true }

// undone makes a function be called before the next scenario, and returns it.
func (s *shared) undone(remove func()) func() {
	s.undo = append(s.undo, remove)
	return remove
}

type pool struct {
	mu   sync.Mutex
	free []reusable // the last one is the one that was given back last
}

// take returns a swarm of a size that is like a new one, or nil if there is none.
func (p *pool) take(n size) Swarm {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, s := range slices.Backward(p.free) {
		if s.use().size == n {
			p.free = slices.Delete(p.free, i, i+1)
			return s
		}
	}
	return nil
}

// giveBack clears a swarm for the next scenario. If it cannot be made like a new one, giveBack ends it.
func (p *pool) giveBack(s reusable) error {
	u := s.use()
	for _, undo := range u.undo {
		undo()
	}
	u.undo = nil
	if u.spoilt {
		return s.end()
	}
	if err := s.clear(context.Background()); err != nil { // a failure here says nothing about the scenario
		fmt.Fprintln(os.Stderr, "a swarm cannot be cleared for the next scenario, and is ended:", err)
		return s.end()
	}
	p.mu.Lock()
	p.free = append(p.free, s)
	idle, end := 0, 0 // free[:end] are those that no scenario took in time
	for i, s := range slices.Backward(p.free) {
		if idle += s.use().size.managers + s.use().size.workers; idle > mostIdle {
			end = i + 1
			break
		}
	}
	old := slices.Clone(p.free[:end])
	p.free = slices.Delete(p.free, 0, end)
	p.mu.Unlock()
	return endAll(old)
}

// close ends all swarms.
func (p *pool) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.free
	p.free = nil
	return endAll(old)
}

func endAll(swarms []reusable) error {
	var ends errgroup.Group
	for _, s := range swarms {
		ends.Go(s.end)
	}
	return ends.Wait()
}

// leased is a swarm of real engines that one scenario has to itself.
type leased struct {
	*engines.Swarm
	shared
}

func (l *leased) Kill(node string) error {
	l.Spoil()
	return l.Swarm.Kill(node)
}

func (l *leased) Crash(node string) error {
	l.Spoil()
	return l.Swarm.Crash(node)
}

func (l *leased) Hang(node string) error {
	l.Spoil()
	return l.Swarm.Hang(node)
}

func (l *leased) Inject(f Fault) func() {
	return l.undone(l.Swarm.Inject(engines.Fault{
		Method: f.Method, Path: f.Path, Skip: f.Skip, Count: f.Count, Latency: f.Latency,
		Status: f.Status, Message: f.Message, Drop: f.Drop, AfterCommit: f.AfterCommit,
	}))
}

// Close leaves the swarm to the next scenario, or ends it.
func (l *leased) Close() error { return swarms.giveBack(l) }

func (l *leased) end() error { return l.Swarm.Close() }

func (l *leased) clear(ctx context.Context) error {
	if err := errors.Join(l.StartRegistry(ctx, engines.Registry), l.StartRegistry(ctx, engines.PrivateRegistry)); err != nil {
		return err
	}
	c := l.Client(l.Managers()[0])
	return clearSwarm(ctx, c, func() error { return errors.Join(l.clearContainers(ctx), l.clearVolumes(ctx)) })
}

// clearSwarm removes everything that a scenario can make.
func clearSwarm(ctx context.Context, c *client.Client, nodes func() error) error {
	list, err := c.ServiceList(ctx, client.ServiceListOptions{})
	if err != nil {
		return err
	}
	for _, s := range list.Items {
		if _, err := c.ServiceRemove(ctx, s.ID, client.ServiceRemoveOptions{}); err != nil {
			return err
		}
	}
	// Networks, content and volumes stay in use for a moment after the tasks have ended.
	return harness.Until(ctx, patience, func() error {
		if err := errors.Join(nodes(), clearTasks(ctx, c)); err != nil {
			return err
		}
		return errors.Join(clearClusterVolumes(ctx, c), clearNetworks(ctx, c), clearContent(ctx, c), clearNodes(ctx, c))
	})
}

// clearTasks returns an error until the tasks of removed services have ended.
func clearTasks(ctx context.Context, c *client.Client) error {
	tasks, err := c.TaskList(ctx, client.TaskListOptions{})
	if err != nil {
		return err
	}
	for _, t := range tasks.Items {
		if !slices.Contains(ended, t.Status.State) { // the swarm keeps the tasks of jobs
			return fmt.Errorf("task %s is still %s", t.ID, t.Status.State)
		}
	}
	return nil
}

var ended = []swarm.TaskState{swarm.TaskStateComplete, swarm.TaskStateFailed, swarm.TaskStateRejected, swarm.TaskStateShutdown, swarm.TaskStateOrphaned, swarm.TaskStateRemove}

// clearContainers removes what the tasks of removed services leave. Containers take time to stop, and dockerd forgets
// those of jobs.
func (l *leased) clearContainers(ctx context.Context) error {
	n := 0
	for _, node := range l.Nodes() {
		list, err := l.Client(node).ContainerList(ctx, client.ContainerListOptions{All: true})
		if err != nil {
			return err
		}
		n += len(list.Items)
		for _, x := range list.Items {
			// dockerd may be about to remove it
			_, _ = l.Client(node).ContainerRemove(ctx, x.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		}
	}
	if n > 0 {
		return fmt.Errorf("%d containers are still there", n)
	}
	return nil
}

func (l *leased) clearVolumes(ctx context.Context) error {
	for _, node := range l.Nodes() {
		list, err := l.Client(node).VolumeList(ctx, client.VolumeListOptions{})
		if err != nil {
			return err
		}
		for _, v := range list.Items {
			if v.ClusterVolume != nil {
				continue
			}
			if _, err := l.Client(node).VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{}); err != nil {
				return err
			}
		}
	}
	return nil
}

// clearClusterVolumes removes cluster volumes. Without their plugin, only force removes them.
func clearClusterVolumes(ctx context.Context, c *client.Client) error {
	list, err := c.VolumeList(ctx, client.VolumeListOptions{})
	if err != nil {
		return err
	}
	for _, v := range list.Items {
		if v.ClusterVolume == nil {
			continue
		}
		if _, err := c.VolumeRemove(ctx, v.ClusterVolume.ID, client.VolumeRemoveOptions{Force: true}); err != nil {
			return err
		}
	}
	return nil
}

func clearNetworks(ctx context.Context, c *client.Client) error {
	list, err := c.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return err
	}
	for _, n := range list.Items {
		if n.Scope != "swarm" || n.Ingress || len(n.Peers) > 0 { // a node's copy goes away by itself
			continue
		}
		if _, err := c.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{}); err != nil {
			return err
		}
	}
	return nil
}

func clearContent(ctx context.Context, c *client.Client) error {
	configs, err := c.ConfigList(ctx, client.ConfigListOptions{})
	if err != nil {
		return err
	}
	for _, x := range configs.Items {
		if _, err := c.ConfigRemove(ctx, x.ID, client.ConfigRemoveOptions{}); err != nil {
			return err
		}
	}
	secrets, err := c.SecretList(ctx, client.SecretListOptions{})
	if err != nil {
		return err
	}
	for _, x := range secrets.Items {
		if _, err := c.SecretRemove(ctx, x.ID, client.SecretRemoveOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// clearNodes takes back what a scenario has written on nodes.
func clearNodes(ctx context.Context, c *client.Client) error {
	list, err := c.NodeList(ctx, client.NodeListOptions{})
	if err != nil {
		return err
	}
	for _, n := range list.Items {
		if n.Spec.Availability == swarm.NodeAvailabilityActive && len(n.Spec.Labels) == 0 {
			continue
		}
		n.Spec.Availability, n.Spec.Labels = swarm.NodeAvailabilityActive, nil
		if _, err := c.NodeUpdate(ctx, n.ID, client.NodeUpdateOptions{Version: n.Version, Spec: n.Spec}); err != nil {
			return err
		}
	}
	return nil
}

// named matches the images that scenarios write into manifests and specs. The images nopull and missing must not be
// in any registry.
var named = regexp.MustCompile(`(?:image: |Image = "|, ")((?:[a-z.-]+/)*(?:app|crash|slow|finish|unhealthy|exit-\d+|nginx|api):[0-9][0-9.]*)`)

// The sandbox acts as if it had every image. Real engines do not.
func TestEveryImageThatScenariosNameIsThere(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllStringSubmatch(string(text), -1) {
			if seen[m[1]] = true; !slices.Contains(images, m[1]) {
				t.Errorf("%s names %s, which is not among the images", file, m[1])
			}
		}
	}
	if len(seen) < 10 {
		t.Errorf("only %d images are named", len(seen))
	}
}
