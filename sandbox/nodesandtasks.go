package sandbox

import (
	"context"
	"fmt"
	"strings"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/v2/daemon/cluster/convert"
	"github.com/moby/moby/v2/daemon/server/swarmbackend"
	"github.com/moby/moby/v2/errdefs"
	"github.com/moby/swarmkit/v2/api"
)

func (c *cluster) GetNodes(o swarmbackend.NodeListOptions) ([]swarm.Node, error) {
	if err := o.Filters.Validate(accept("name", "id", "label", "role", "membership", "node.label")); err != nil {
		return nil, err
	}
	f := &api.ListNodesRequest_Filters{
		NamePrefixes: o.Filters.Get("name"),
		IDPrefixes:   o.Filters.Get("id"),
		Labels:       pairs(o.Filters.Get("label")),
		NodeLabels:   pairs(o.Filters.Get("node.label")),
	}
	for _, r := range o.Filters.Get("role") {
		if role, ok := api.NodeRole_value[strings.ToUpper(r)]; ok {
			f.Roles = append(f.Roles, api.NodeRole(role))
		} else if r != "" {
			return nil, fmt.Errorf("Invalid role filter: '%s'", r) //nolint:staticcheck // dockerd's text
		}
	}
	for _, m := range o.Filters.Get("membership") {
		if membership, ok := api.NodeSpec_Membership_value[strings.ToUpper(m)]; ok {
			f.Memberships = append(f.Memberships, api.NodeSpec_Membership(membership))
		} else if m != "" {
			return nil, fmt.Errorf("Invalid membership filter: '%s'", m) //nolint:staticcheck // dockerd's text
		}
	}
	var out []swarm.Node
	err := c.manage(func(ctx context.Context, s nodeState) error {
		list, err := s.control.ListNodes(ctx, &api.ListNodesRequest{Filters: f}, bigList)
		if err != nil {
			return err
		}
		addrs := c.e.sb.nodeAddrs()
		out = make([]swarm.Node, 0, len(list.Nodes))
		for _, n := range list.Nodes {
			out = append(out, nodeFromGRPC(n, addrs))
		}
		return nil
	})
	return out, err
}

func (c *cluster) GetNode(input string) (swarm.Node, error) {
	var out swarm.Node
	err := c.manage(func(ctx context.Context, s nodeState) error {
		n, err := getNode(ctx, s.control, input)
		if err != nil {
			return err
		}
		out = nodeFromGRPC(n, c.e.sb.nodeAddrs())
		return nil
	})
	return out, err
}

// nodeFromGRPC converts a node and gives it its machine's address. SwarmKit sees where a connection comes from, and
// on loopback that is 127.0.0.1 for all.
func nodeFromGRPC(n *api.Node, addrs map[string]string) swarm.Node {
	out := convert.NodeFromGRPC(*n)
	if out.Status.Addr == "127.0.0.1" {
		if addr, ok := addrs[n.ID]; ok {
			out.Status.Addr = addr
		}
	}
	return out
}

func (c *cluster) UpdateNode(input string, version uint64, spec swarm.NodeSpec) error {
	return c.manage(func(ctx context.Context, s nodeState) error {
		grpcSpec, err := convert.NodeSpecToGRPC(spec)
		if err != nil {
			return errdefs.InvalidParameter(err)
		}
		have, err := getNode(ctx, s.control, input)
		if err != nil {
			return err
		}
		_, err = s.control.UpdateNode(ctx, &api.UpdateNodeRequest{
			NodeID: have.ID, Spec: &grpcSpec, NodeVersion: &api.Version{Index: version},
		})
		return err
	})
}

func (c *cluster) RemoveNode(input string, force bool) error {
	return c.manage(func(ctx context.Context, s nodeState) error {
		have, err := getNode(ctx, s.control, input)
		if err != nil {
			return err
		}
		_, err = s.control.RemoveNode(ctx, &api.RemoveNodeRequest{NodeID: have.ID, Force: force})
		return err
	})
}

// taskFilters returns SwarmKit's form of the filters of a request.
func taskFilters(ctx context.Context, s nodeState, o swarmbackend.TaskListOptions) (*api.ListTasksRequest_Filters, error) {
	f := &api.ListTasksRequest_Filters{
		NamePrefixes: o.Filters.Get("name"),
		IDPrefixes:   o.Filters.Get("id"),
		Labels:       pairs(o.Filters.Get("label")),
		UpToDate:     len(o.Filters.Get("_up-to-date")) != 0,
		Runtimes:     o.Filters.Get("runtime"),
	}
	if len(f.Runtimes) == 0 {
		f.Runtimes = []string{"container", ""}
	}
	for _, name := range o.Filters.Get("service") {
		service, err := getService(ctx, s.control, name, false)
		if err != nil {
			return nil, err
		}
		f.ServiceIDs = append(f.ServiceIDs, service.ID)
	}
	for _, name := range o.Filters.Get("node") {
		n, err := getNode(ctx, s.control, name)
		if err != nil {
			return nil, err
		}
		f.NodeIDs = append(f.NodeIDs, n.ID)
	}
	for _, d := range o.Filters.Get("desired-state") {
		if state, ok := api.TaskState_value[strings.ToUpper(d)]; ok {
			f.DesiredStates = append(f.DesiredStates, api.TaskState(state))
		} else if d != "" {
			return nil, fmt.Errorf("Invalid desired-state filter: '%s'", d) //nolint:staticcheck // dockerd's text
		}
	}
	return f, nil
}

func (c *cluster) GetTasks(o swarmbackend.TaskListOptions) ([]swarm.Task, error) {
	var out []swarm.Task
	err := c.manage(func(ctx context.Context, s nodeState) error {
		// _up-to-date is dockerd's own filter, for the progress that the CLI shows.
		if err := o.Filters.Validate(accept("name", "id", "label", "service", "node", "desired-state", "_up-to-date", "runtime")); err != nil {
			return err
		}
		f, err := taskFilters(ctx, s, o)
		if err != nil {
			return err
		}
		list, err := s.control.ListTasks(ctx, &api.ListTasksRequest{Filters: f}, bigList)
		if err != nil {
			return err
		}
		out = make([]swarm.Task, 0, len(list.Tasks))
		for _, t := range list.Tasks {
			converted, err := convert.TaskFromGRPC(*t)
			if err != nil {
				return err
			}
			out = append(out, converted)
		}
		return nil
	})
	return out, err
}

func (c *cluster) GetTask(input string) (swarm.Task, error) {
	var found *api.Task
	err := c.manage(func(ctx context.Context, s nodeState) (err error) {
		found, err = getTask(ctx, s.control, input)
		return err
	})
	if err != nil {
		return swarm.Task{}, err
	}
	return convert.TaskFromGRPC(*found)
}
