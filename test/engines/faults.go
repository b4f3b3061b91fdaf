package engines

import (
	"context"
	"fmt"
)

// Kill cuts a node's power. dockerd, containers and connections are gone at once, and nobody is told. The disk stays.
func (s *Swarm) Kill(node string) error {
	n, err := s.node(node)
	if err != nil {
		return err
	}
	return n.kill(context.Background())
}

// Crash ends dockerd as kill -9 does. The containers run on until dockerd is started again.
func (s *Swarm) Crash(node string) error {
	n, err := s.node(node)
	if err != nil {
		return err
	}
	return n.crash()
}

// Stop ends dockerd and its containers, as a service manager does, and returns when dockerd has ended.
func (s *Swarm) Stop(ctx context.Context, node string) error {
	n, err := s.node(node)
	if err != nil {
		return err
	}
	return n.stop(ctx)
}

// Start starts a node again after [Swarm.Kill], [Swarm.Crash] or [Swarm.Stop], and returns when its engine answers. See
// [Swarm.Ready].
func (s *Swarm) Start(ctx context.Context, node string) error {
	n, err := s.node(node)
	if err != nil {
		return err
	}
	return n.start(ctx)
}

// Hang stops dockerd without ending it. Its socket takes connections, and nobody answers. The containers run on.
func (s *Swarm) Hang(node string) error {
	n, err := s.node(node)
	if err != nil {
		return err
	}
	return n.hang(true)
}

// Continue ends Hang.
func (s *Swarm) Continue(node string) error {
	n, err := s.node(node)
	if err != nil {
		return err
	}
	return n.hang(false)
}

// Partition drops everything that a node exchanges with the other nodes and the registries. Neither side is told.
func (s *Swarm) Partition(node string) error {
	n, err := s.node(node)
	if err != nil {
		return err
	}
	return n.partition(context.Background(), true)
}

// Heal ends Partition.
func (s *Swarm) Heal(node string) error {
	n, err := s.node(node)
	if err != nil {
		return err
	}
	return n.partition(context.Background(), false)
}

// Inject puts a fault in force on calls through [Swarm.Host]. It returns a function that ends the fault. It panics
// without [Options.Faults] and for a fault that does nothing, because the test must not go on without the fault.
func (s *Swarm) Inject(f Fault) (remove func()) {
	if s.nodes[0].front == nil {
		panic("engines: injecting a fault: the swarm was started without Options.Faults")
	}
	if f.Status == 0 && !f.Drop && (f.Latency <= 0 || f.AfterCommit) {
		panic("engines: injecting a fault: it does nothing")
	}
	return s.faults.add(f)
}

// StopRegistry stops a registry: [PrivateRegistry], or [Registry], from which the engines also pull images with Docker
// Hub's names.
func (s *Swarm) StopRegistry(host string) error {
	r, err := s.registry(host)
	if err == nil {
		r.stop()
	}
	return err
}

// HangRegistry makes a registry accept connections and answer nothing. [Swarm.StartRegistry] ends that.
func (s *Swarm) HangRegistry(host string) error {
	r, err := s.registry(host)
	if err != nil {
		return err
	}
	return r.daemon.freeze()
}

// StartRegistry starts a registry again, with the images that it had.
func (s *Swarm) StartRegistry(ctx context.Context, host string) error {
	r, err := s.registry(host)
	if err != nil {
		return err
	}
	if r.daemon.running() {
		return r.daemon.signal(sigCont)
	}
	return r.start(ctx)
}

func (s *Swarm) registry(host string) (*registry, error) {
	for _, r := range s.registries {
		if r.name == host {
			return r, nil
		}
	}
	return nil, fmt.Errorf("no registry is called %q", host)
}
