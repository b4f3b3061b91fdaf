package engine

import (
	"context"
	"fmt"
	"net/http"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/system"
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
	var info system.Info
	// The moby client's own method drops the cause of an answer that ends early.
	if err := c.decode(ctx, request{method: http.MethodGet, path: "/info"}, &info); err != nil {
		return About{}, fmt.Errorf("asking the engine about itself with GET /info: %w", err)
	}
	a := About{
		API:      s.version,
		Version:  info.ServerVersion,
		Name:     info.Name,
		Platform: info.OSType + "/" + info.Architecture,
		NodeID:   info.Swarm.NodeID,
		State:    info.Swarm.LocalNodeState,
		Manager:  info.Swarm.ControlAvailable,
		Error:    info.Swarm.Error,
		Nodes:    info.Swarm.Nodes,
		Managers: info.Swarm.Managers,
	}
	if info.Swarm.Cluster != nil {
		a.ClusterID = info.Swarm.Cluster.ID
	}
	return a, nil
}
