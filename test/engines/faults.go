package engines

import (
	"context"
	"fmt"
)

// Kill cuts a node's power: dockerd, containers and connections are gone at once, without a word. Its disk stays.
func (s *Swarm) Kill(node string) error {
	n, err := s.node(node)
	if err != nil {
		return err
	}
	return n.kill(context.Background())
}

// Crash ends dockerd as kill -9 does. Its containers go on until it is started again.
func (s *Swarm) Crash(node string) error {
	n, err := s.node(node)
	if err != nil {
		return err
	}
	return n.crash()
}

// Stop ends dockerd as a service manager does, with its containers, and returns when it has ended.
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

// Hang stops dockerd without ending it: its socket takes connections and nobody answers. Containers go on.
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

// Partition drops everything between a node and all others, and the registries, without a word to either side.
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

// Inject puts a fault in force on calls through [Swarm.Host], and returns what takes it away. It needs [Options.Faults], and
// a fault that makes no sense panics: a test must not go on without it.
func (s *Swarm) Inject(f Fault) (remove func()) {
	if s.nodes[0].front == nil {
		panic("engines: injecting a fault: the swarm was started without Options.Faults")
	}
	if f.Status == 0 && !f.Drop && (f.Latency <= 0 || f.AfterCommit) {
		panic("engines: injecting a fault: it does nothing")
	}
	return s.faults.add(f)
}

// StopRegistry takes a registry away: [Registry], with what the engines pull by Docker Hub's names, or [PrivateRegistry].
func (s *Swarm) StopRegistry(host string) error {
	r, err := s.registry(host)
	if err == nil {
		r.stop()
	}
	return err
}

// HangRegistry makes a registry accept connections and answer nothing. [Swarm.StartRegistry] ends it.
func (s *Swarm) HangRegistry(host string) error {
	r, err := s.registry(host)
	if err != nil {
		return err
	}
	return r.daemon.freeze()
}

// StartRegistry brings a registry back, with what it held.
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
