package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/swarm-operator/swarm-operator/test/engines"
	"github.com/swarm-operator/swarm-operator/test/harness"
)

// images are those that scenarios name: real engines pull them from a registry that must have them.
var images = []string{
	"app:0", "app:1", "app:2", "app:3", "crash:1", "slow:1", "finish:1", "unhealthy:1", "exit-3:1", "registry.example.com/team/app:1", "registry.example.com/team/app:2",
	"nginx:1.27", "example/api:1.0", "prom/node-exporter:v1.8.2", // examples/demo
}

// swarms are those of real engines. To start one takes seconds of both processors, so each serves many scenarios, one after
// the other.
var swarms pool

// mostIdle is how many engines may wait for a scenario. Five of them took a fifteenth of a processor, and to
// start five 6.5 s of one: idle for a minute and a half is dearer than new.
const mostIdle = 8

type pool struct {
	mu   sync.Mutex
	free []leased // the one that was given back last is the last one
}

// lease takes a swarm that is as a new one, or starts one.
func (p *pool) lease(ctx context.Context, n size) (*leased, error) {
	if l := p.take(n); l != nil {
		return l, nil
	}
	s, err := engines.Start(ctx, engines.Options{Managers: n.managers, Workers: n.workers, Images: images, Faults: true})
	if err != nil {
		return nil, err
	}
	return &leased{Swarm: s, size: n}, nil
}

func (p *pool) take(n size) *leased {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, l := range slices.Backward(p.free) {
		if l.size == n {
			p.free = slices.Delete(p.free, i, i+1)
			return &l
		}
	}
	return nil
}

func (p *pool) giveBack(n size, s *engines.Swarm) error {
	p.mu.Lock()
	p.free = append(p.free, leased{Swarm: s, size: n})
	idle, end := 0, 0 // free[:end] are those that nobody came for in time
	for i, l := range slices.Backward(p.free) {
		if idle += l.size.managers + l.size.workers; idle > mostIdle {
			end = i + 1
			break
		}
	}
	old := slices.Clone(p.free[:end])
	p.free = slices.Delete(p.free, 0, end)
	p.mu.Unlock()
	return closeAll(old)
}

// close ends all swarms.
func (p *pool) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.free
	p.free = nil
	return closeAll(old)
}

func closeAll(swarms []leased) error {
	var ends errgroup.Group
	for _, l := range swarms {
		ends.Go(l.Swarm.Close)
	}
	return ends.Wait()
}

// leased is a swarm of real engines that one scenario has to itself.
type leased struct {
	*engines.Swarm
	size   size
	broken bool // a scenario did something to a node: nobody else should have to wonder whether it was undone
	undo   []func()
}

func (l *leased) Kill(node string) error {
	l.broken = true
	return l.Swarm.Kill(node)
}

func (l *leased) Crash(node string) error {
	l.broken = true
	return l.Swarm.Crash(node)
}

func (l *leased) Hang(node string) error {
	l.broken = true
	return l.Swarm.Hang(node)
}

func (l *leased) Inject(f Fault) func() {
	remove := l.Swarm.Inject(engines.Fault{
		Method: f.Method, Path: f.Path, Skip: f.Skip, Count: f.Count, Latency: f.Latency,
		Status: f.Status, Message: f.Message, Drop: f.Drop, AfterCommit: f.AfterCommit,
	})
	l.undo = append(l.undo, remove)
	return remove
}

// Close leaves the swarm to the next scenario, or ends it where that would not find it as a new one.
func (l *leased) Close() error {
	for _, undo := range l.undo {
		undo()
	}
	if l.broken {
		return l.Swarm.Close()
	}
	ctx := context.Background()
	if err := errors.Join(l.StartRegistry(ctx, engines.Registry), l.StartRegistry(ctx, engines.PrivateRegistry)); err != nil {
		return errors.Join(err, l.Swarm.Close())
	}
	if err := l.clear(ctx); err != nil { // which is nothing that the scenario was about
		fmt.Fprintln(os.Stderr, "a swarm cannot be cleared for the next scenario, and is ended:", err)
		return l.Swarm.Close()
	}
	return swarms.giveBack(l.size, l.Swarm)
}

// clear removes everything that a scenario can make.
func (l *leased) clear(ctx context.Context) error {
	c := l.Client(l.Managers()[0])
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
		if err := l.clearContainers(ctx, c); err != nil {
			return err
		}
		return errors.Join(clearNetworks(ctx, c), clearContent(ctx, c), clearNodes(ctx, c), l.clearVolumes(ctx))
	})
}

var ended = []swarm.TaskState{swarm.TaskStateComplete, swarm.TaskStateFailed, swarm.TaskStateRejected, swarm.TaskStateShutdown, swarm.TaskStateOrphaned, swarm.TaskStateRemove}

// clearContainers ends what the tasks of removed services leave: containers take their time to stop, and dockerd forgets
// those of jobs.
func (l *leased) clearContainers(ctx context.Context, c *client.Client) error {
	tasks, err := c.TaskList(ctx, client.TaskListOptions{})
	if err != nil {
		return err
	}
	n := 0
	for _, t := range tasks.Items {
		if !slices.Contains(ended, t.Status.State) { // those of jobs the swarm keeps
			n++
		}
	}
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
		return fmt.Errorf("%d tasks and containers are still there", n)
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
