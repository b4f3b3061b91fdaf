package engines

import (
	"fmt"
	"path/filepath"
)

// Data is the directory that the engine of a node keeps everything in, as /var/lib/docker. It stays when the node is killed;
// nobody but a dockerd that is stopped may find it changed.
func (s *Swarm) Data(node string) string { return filepath.Join(s.must(node).dir, "data") }

// TakeAddress gives a node the place on the network that another one had, as the machine that replaces it. Both must be
// killed; [Swarm.Start] starts it there. The other one is gone for good.
func (s *Swarm) TakeAddress(name, of string) error {
	n, err := s.node(name)
	if err != nil {
		return err
	}
	o, err := s.node(of)
	if err != nil {
		return err
	}
	for _, x := range []*node{n, o} {
		x.mu.Lock()
		defer x.mu.Unlock()
		if x.box != nil {
			return fmt.Errorf("%s has power", x.name)
		}
	}
	n.index, o.index = o.index, n.index
	return nil
}
