package engines

import (
	"fmt"
	"slices"
	"syscall"
)

// CrashContainer kills the processes of a container, as kill -9 on the machine does. dockerd is not asked. It sees that
// the container ends, and follows the container's restart policy.
func (s *Swarm) CrashContainer(node, id string) error { return s.toContainer(node, id, sigKill) }

// HangContainer stops the processes of a container without ending them. dockerd does not notice.
func (s *Swarm) HangContainer(node, id string) error { return s.toContainer(node, id, sigStop) }

// ContinueContainer ends HangContainer.
func (s *Swarm) ContinueContainer(node, id string) error { return s.toContainer(node, id, sigCont) }

func (s *Swarm) toContainer(node, id string, sig syscall.Signal) error {
	n, err := s.node(node)
	if err != nil {
		return err
	}
	sent := false
	for _, pid := range pids() {
		if !slices.Contains(cgroupsOf(pid), "/"+s.run+"/"+n.name+"/"+id) {
			continue
		}
		if err := signal(pid, sig); err == nil { // after an error, the process has just ended by itself
			sent = true
		}
	}
	if !sent {
		return fmt.Errorf("container %s on %s has no process", id, node)
	}
	return nil
}
