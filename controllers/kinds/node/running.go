package node

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// changing returns, by id, the nodes on which a difference, or a change of their role, may end tasks. The value is
// true if that may be any task, and false if only tasks whose service states constraints.
func (s *surveyed) changing() map[string]bool {
	out := map[string]bool{}
	for _, c := range s.Changes {
		for _, f := range c.Fields {
			if s.mayEnd(f) {
				out[c.Instance] = out[c.Instance] || f.Path == "spec.availability" && f.Want.Reveal() == v1.Drain
			}
		}
	}
	if s.out.Managers == nil {
		return out
	}
	if roles := RolesMayChange(s.out.Nodes, *s.out.Managers); len(roles) > 0 && strings.Contains(strings.ToLower(s.constraints()), "node.role") {
		for id := range roles {
			if _, is := out[id]; !is {
				out[id] = false
			}
		}
	}
	return out
}

// mayEnd reports whether a field of a node may end tasks there. A drain ends them. A node that is not paused any more
// ends what it kept against its constraints. A label ends tasks if some service's constraints name it.
func (s *surveyed) mayEnd(f diff.Field) bool {
	label, isLabel := strings.CutPrefix(f.Path, "spec.labels")
	switch {
	case f.Ignored, f.Intent && !f.Git: // nothing is going to be written
		return false
	case f.Path == "spec.availability":
		return f.Want.Reveal() == v1.Drain || f.Want.Reveal() == v1.Active && f.Have.Reveal() == v1.Pause && s.constraints() != ""
	case isLabel:
		return !strings.HasPrefix(label, ".") || strings.Contains(s.constraints(), label)
	}
	return false
}

// constraints returns the constraints of all services, one in each line.
func (s *surveyed) constraints() string {
	if s.named != nil {
		return *s.named
	}
	var b strings.Builder
	for _, l := range s.Index.List(v1.KindService) {
		if spec := s.Service(l.ID); spec != nil && spec.Spec.Placement != nil {
			for _, c := range spec.Spec.Placement.Constraints {
				b.WriteString(c)
				b.WriteByte('\n')
			}
		}
	}
	text := b.String()
	s.named = &text
	return text
}

// running sets out.Running: the tasks that may end because their node changes, and the other tasks of their services.
// there are the tasks of the nodes that matter, and changing has the nodes as the method of that name returns them.
// running fails if the other tasks are not known.
func (s *surveyed) running(there []kinds.Task, changing map[string]bool) error {
	if len(changing) == 0 {
		return nil
	}
	services, tasks, elsewhere := s.ending(there, changing)
	others, err := s.told(kinds.TaskNeed{Services: slices.Sorted(maps.Keys(elsewhere))})
	if err != nil {
		return err
	}
	for i := range others {
		tasks[others[i].ID] = &others[i]
	}
	failed, of := map[string]bool{}, map[string][]*kinds.Task{}
	for _, t := range tasks {
		of[t.Service] = append(of[t.Service], t)
		if fails(t) {
			failed[called(t, services[t.Service])] = true
		}
	}
	rolling := map[string]Rolling{}
	for id, svc := range services {
		if svc != nil {
			rolling[id] = rollingOf(svc, s.Index.ByID(v1.KindService, id), of[id])
		}
	}
	var placed []Placed
	for _, t := range tasks {
		if svc := services[t.Service]; svc != nil && meant(t) {
			placed = append(placed, placedOf(t, svc, rolling[t.Service], failed, s.Now))
		}
	}
	s.out.Running = NewRunning(s.hosts(), placed)
	return nil
}

// ending returns the tasks, by id, that a step on one of the changing nodes may end, and the services of the tasks on
// these nodes, nil for one that is gone. elsewhere has the services whose other tasks may make up for one that ends.
func (s *surveyed) ending(there []kinds.Task, changing map[string]bool) (services map[string]*v1.Service, tasks map[string]*kinds.Task, elsewhere map[string]bool) {
	services, tasks, elsewhere = map[string]*v1.Service{}, map[string]*kinds.Task{}, map[string]bool{}
	for i := range there {
		t := &there[i]
		all, may := changing[t.Node]
		if !may {
			continue
		}
		svc, known := services[t.Service]
		if !known {
			svc = s.Service(t.Service)
			services[t.Service] = svc
		}
		if svc == nil || !all && (svc.Spec.Placement == nil || len(svc.Spec.Placement.Constraints) == 0) {
			continue
		}
		tasks[t.ID] = t
		if !everywhere(svc) && meant(t) {
			elsewhere[t.Service] = true
		}
	}
	return services, tasks, elsewhere
}

// hosts returns all nodes, by id.
func (s *surveyed) hosts() map[string]Host {
	hosts := map[string]Host{}
	for _, l := range s.lives {
		hosts[l.ID] = hostOf(raw(l))
	}
	return hosts
}

func everywhere(svc *v1.Service) bool {
	return svc.Spec.Mode == v1.ModeGlobal || svc.Spec.Mode == v1.ModeGlobalJob
}

// hostOf returns a node as its tasks depend on it. SwarmKit decides by the role that the node has in fact.
func hostOf(n *swarm.Node) Host {
	d := n.Description
	h := Host{
		Machine: Machine{
			ID: n.ID, Hostname: d.Hostname, Addr: n.Status.Addr, Role: v1.RoleWorker, OS: d.Platform.OS, Architecture: d.Platform.Architecture,
			Labels: n.Spec.Labels, EngineLabels: d.Engine.Labels,
		},
		Asked: string(n.Spec.Role), Availability: string(n.Spec.Availability), Down: n.Status.State == swarm.NodeStateDown,
	}
	if n.ManagerStatus != nil {
		h.Role = v1.RoleManager
	}
	return h
}

// meant reports whether the task has not ended and nobody has told it to. A task that waits for its turn is meant to
// be ready.
func meant(t *kinds.Task) bool {
	switch swarm.TaskState(t.Desired) {
	case swarm.TaskStateReady, swarm.TaskStateRunning, swarm.TaskStateComplete:
	default:
		return false
	}
	return busy(t) || slices.Contains([]swarm.TaskState{swarm.TaskStateNew, swarm.TaskStateAllocated, swarm.TaskStatePending}, swarm.TaskState(t.State))
}

// placedOf returns a task as the plan knows it. failed are the names of tasks that failed before. A task that takes
// the place of such a task is not said to be about to run, and neither is one that has been about to for long. r is how the
// service's tasks are replaced.
func placedOf(t *kinds.Task, svc *v1.Service, r Rolling, failed map[string]bool, now time.Time) Placed {
	name := called(t, svc)
	running := swarm.TaskState(t.State) == swarm.TaskStateRunning
	p := Placed{
		ID: t.ID, Name: name, Service: svc.Metadata.Name, Node: t.Node, Everywhere: everywhere(svc),
		Ready: running, Coming: !running && t.Err == "" && !failed[name] && !plan.Overdue(t.Made, now, r.Pause), Volumes: t.Volumes, Rolling: r,
	}
	if svc.Spec.Placement != nil {
		p.Constraints = svc.Spec.Placement.Constraints
	}
	return p
}

// fails reports whether a task has failed, or a node has refused it.
func fails(t *kinds.Task) bool {
	state := swarm.TaskState(t.State)
	return state == swarm.TaskStateFailed || state == swarm.TaskStateRejected
}

// called returns the task's name as docker shows it.
func called(t *kinds.Task, svc *v1.Service) string {
	switch {
	case svc == nil:
		return t.Service
	case t.Slot == 0:
		return svc.Metadata.Name + "." + t.Node
	}
	return fmt.Sprintf("%s.%d", svc.Metadata.Name, t.Slot)
}
