package engine

import (
	"context"
	"fmt"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// About is what an engine says about itself. An engine answers even without quorum, and as a worker.
type About struct {
	API      string // the negotiated version
	Version  string // of the engine
	Name     string // hostname
	Platform string // os/arch

	NodeID string
	State  swarm.LocalNodeState // inactive, pending, active, error, locked
	// Manager is ControlAvailable. It stays true on a manager that has lost its quorum and on one that was removed
	// from the swarm; Error then says so. Only GET /nodes/{NodeID} says whether the manager leads.
	Manager   bool
	ClusterID string // only managers know it
	// Nodes and Managers are how many the swarm has, in any state. Only managers know them.
	Nodes, Managers int
	Error           string
}

// Describe asks the engine for /info. If no call was made before, it also sends a ping.
func (c *Client) Describe(ctx context.Context) (About, error) {
	s, err := c.ready(ctx)
	if err != nil {
		return About{}, err
	}
	r, err := call1(ctx, c, (*client.Client).Info, client.InfoOptions{})
	if err != nil {
		return About{}, fmt.Errorf("asking the engine about itself with GET /info: %w", err)
	}
	a := About{
		API:      s.version,
		Version:  r.Info.ServerVersion,
		Name:     r.Info.Name,
		Platform: r.Info.OSType + "/" + r.Info.Architecture,
		NodeID:   r.Info.Swarm.NodeID,
		State:    r.Info.Swarm.LocalNodeState,
		Manager:  r.Info.Swarm.ControlAvailable,
		Error:    r.Info.Swarm.Error,
		Nodes:    r.Info.Swarm.Nodes,
		Managers: r.Info.Swarm.Managers,
	}
	if r.Info.Swarm.Cluster != nil {
		a.ClusterID = r.Info.Swarm.Cluster.ID
	}
	return a, nil
}
