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

// images are those that scenarios name: real engines pull them from a registry that must have them.
var images = []string{
	"app:0", "app:1", "app:2", "app:3", "app:4", "crash:1", "slow:1", "finish:1", "finish:2", "unhealthy:1", "exit-3:1", "registry.example.com/team/app:1", "registry.example.com/team/app:2",
	"nginx:1.27", "example/api:1.0", "prom/node-exporter:v1.8.2", // examples/demo
}

// swarms are those that no scenario has. To start one of real engines takes seconds of both processors, and one of the
// sandbox some tenths, so each serves many scenarios, one after the other.
var swarms pool

// mostIdle is how many engines may wait for a scenario. Five of them took a fifteenth of a processor, and to
// start five 6.5 s of one: idle for a minute and a half is dearer than new.
const mostIdle = 8

// reusable is a swarm that serves one scenario after the other.
type reusable interface {
	Swarm
	use() *shared
	// clear makes it as a new one, after a scenario that did not spoil it.
	clear(ctx context.Context) error
	// end ends it.
	end() error
}

// shared is what a reusable swarm knows of its use.
type shared struct {
	size   size
	spoilt bool // nobody else should have to wonder whether what was done to it was undone
	undo   []func()
}

func (s *shared) use() *shared { return s }

// Spoil says that something is done to it that the next scenario should not have to find.
func (s *shared) Spoil() { s.spoilt = true }

// undone has a function called before the next scenario.
func (s *shared) undone(remove func()) func() {
	s.undo = append(s.undo, remove)
	return remove
}

type pool struct {
	mu   sync.Mutex
	free []reusable // the one that was given back last is the last one
}

// take takes a swarm of a size that is as a new one; nil: there is none.
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

// giveBack clears a swarm for the next scenario, or ends it where that would not find it as a new one.
func (p *pool) giveBack(s reusable) error {
	u := s.use()
	for _, undo := range u.undo {
		undo()
	}
	u.undo = nil
	if u.spoilt {
		return s.end()
	}
	if err := s.clear(context.Background()); err != nil { // which is nothing that the scenario was about
		fmt.Fprintln(os.Stderr, "a swarm cannot be cleared for the next scenario, and is ended:", err)
		return s.end()
	}
	p.mu.Lock()
	p.free = append(p.free, s)
	idle, end := 0, 0 // free[:end] are those that nobody came for in time
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
	// Networks, content and volumes are in use for a moment after the tasks have ended.
	return harness.Until(ctx, patience, func() error {
		if err := errors.Join(nodes(), clearTasks(ctx, c)); err != nil {
			return err
		}
		return errors.Join(clearNetworks(ctx, c), clearContent(ctx, c), clearNodes(ctx, c))
	})
}

// clearTasks waits until those of removed services have ended.
func clearTasks(ctx context.Context, c *client.Client) error {
	tasks, err := c.TaskList(ctx, client.TaskListOptions{})
	if err != nil {
		return err
	}
	for _, t := range tasks.Items {
		if !slices.Contains(ended, t.Status.State) { // those of jobs the swarm keeps
			return fmt.Errorf("task %s is still %s", t.ID, t.Status.State)
		}
	}
	return nil
}

var ended = []swarm.TaskState{swarm.TaskStateComplete, swarm.TaskStateFailed, swarm.TaskStateRejected, swarm.TaskStateShutdown, swarm.TaskStateOrphaned, swarm.TaskStateRemove}

// clearContainers ends what the tasks of removed services leave: containers take their time to stop, and dockerd forgets
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
			_, _ = l.Client(node).ContainerRemove(ctx, x.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true}) // dockerd may be about to
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
			if _, err := l.Client(node).VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{}); err != nil {
				return err
			}
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
		if n.Scope != "swarm" || n.Ingress || len(n.Peers) > 0 { // a node's copy goes by itself
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

// named are the images that scenarios write into manifests and specs; those of nopull and missing are to be in no registry.
var named = regexp.MustCompile(`(?:image: |Image = "|, ")((?:[a-z.-]+/)*(?:app|crash|slow|finish|unhealthy|exit-\d+|nginx|api):[0-9][0-9.]*)`)

// The sandbox takes any image for one that is there, and real engines do not.
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
