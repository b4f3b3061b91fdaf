package node

import (
	"context"
	"fmt"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
)

// listTasks asks the engine for the tasks of nodes, or for those of services.
func listTasks(ctx context.Context, c *engine.Client, need kinds.TaskNeed) ([]kinds.Task, error) {
	filter, of, by, ids := client.Filters{}, "nodes", "node", need.Nodes
	if len(ids) == 0 {
		of, by, ids = "services", "service", need.Services
	}
	for _, id := range ids {
		filter = filter.Add(by, id)
	}
	list, err := c.TaskList(ctx, client.TaskListOptions{Filters: filter})
	if err != nil {
		return nil, fmt.Errorf("listing the tasks of %s: %w", of, err)
	}
	out := make([]kinds.Task, len(list.Items))
	for i := range list.Items {
		out[i] = taskOf(&list.Items[i])
	}
	return out, nil
}

// taskOf returns what a survey needs of a task. Volumes of a driver other than local are not the node's own.
func taskOf(t *swarm.Task) kinds.Task {
	out := kinds.Task{
		ID: t.ID, Service: t.ServiceID, Node: t.NodeID, Slot: t.Slot, State: string(t.Status.State), Desired: string(t.DesiredState), Made: t.CreatedAt, Changed: t.UpdatedAt, Err: t.Status.Err,
	}
	if c := t.Spec.ContainerSpec; c != nil {
		for _, m := range c.Mounts {
			if m.Type == "volume" && m.Source != "" && (m.VolumeOptions == nil || m.VolumeOptions.DriverConfig == nil || m.VolumeOptions.DriverConfig.Name == "" || m.VolumeOptions.DriverConfig.Name == "local") {
				out.Volumes = append(out.Volumes, m.Source)
			}
		}
	}
	return out
}
