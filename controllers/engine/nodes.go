package engine

import (
	"context"
	"fmt"
	"net/http"

	"github.com/moby/moby/api/types/swarm"
)

// ListedNode is a node, with the unknown fields that NodeRaw returns for it.
type ListedNode struct {
	swarm.Node
	Unknown []string
}

// NodesRaw reads all nodes in one call, each as NodeRaw does.
func (c *Client) NodesRaw(ctx context.Context) ([]ListedNode, error) {
	var all []ListedNode
	err := c.read(ctx, request{method: http.MethodGet, path: "/nodes"}, func(raw []byte) error {
		elems, err := split(raw)
		if err != nil {
			return fmt.Errorf("decoding the list of nodes: %w", err)
		}
		all = make([]ListedNode, len(elems))
		for i, e := range elems {
			n := &all[i]
			if _, err := unmarshal(e, &n.Node); err != nil {
				return fmt.Errorf("decoding node %d of the list: %w", i, err)
			}
			n.Unknown, _ = unknownInSpec(e, &n.Node)
		}
		return nil
	})
	return all, err
}
