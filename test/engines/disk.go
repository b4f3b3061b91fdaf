package engines

import (
	"fmt"
	"path/filepath"
)

// Data returns the directory in which the engine of a node keeps everything, as /var/lib/docker does. It stays when the
// node is killed. Change it only while dockerd is stopped.
func (s *Swarm) Data(node string) string { return filepath.Join(s.must(node).dir, "data") }

// TakeAddress gives a node the network address that another node had, as if its machine replaced the other one. Both
// nodes must be killed. [Swarm.Start] starts the node at that address. Do not start the other node again.
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
