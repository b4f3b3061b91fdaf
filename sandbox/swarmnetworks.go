package sandbox

import (
	"context"
	"errors"
	"fmt"
	"strings"

	gogotypes "github.com/gogo/protobuf/types"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/v2/daemon/cluster/convert"
	"github.com/moby/moby/v2/daemon/cluster/convert/netextra"
	dnetwork "github.com/moby/moby/v2/daemon/network"
	"github.com/moby/swarmkit/v2/api"
)

// predefinedLabel marks the networks that SwarmKit keeps for "bridge", "host" and "none". dockerd does not show them.
const predefinedLabel = "com.docker.swarm.predefined"

// listNetworks returns all networks or those that match. With usage, each says how many of its addresses are taken.
func (c *cluster) listNetworks(f *api.ListNetworksRequest_Filters, usage bool) ([]*api.Network, error) {
	req := &api.ListNetworksRequest{Filters: f}
	if usage {
		var err error
		if req.Appdata, err = gogotypes.MarshalAny(&netextra.GetNetworkExtraOptions{WithIPAMStatus: true}); err != nil {
			return nil, fmt.Errorf("asking for the usage of networks: %w", err)
		}
	}
	var out []*api.Network
	err := c.manage(func(ctx context.Context, s nodeState) error {
		list, err := s.control.ListNetworks(ctx, req, bigList)
		if err != nil {
			return err
		}
		out = list.Networks
		return nil
	})
	return out, err
}

// networks returns the swarm's networks that match.
func (c *cluster) networks(f dnetwork.Filter, usage bool) ([]network.Inspect, error) {
	list, err := c.listNetworks(nil, usage)
	if err != nil {
		return nil, err
	}
	var out []network.Inspect
	for _, n := range list {
		if n.Spec.Annotations.Labels[predefinedLabel] == "true" || !f.Matches(convert.FilterNetwork{N: n}) {
			continue
		}
		inspect, err := convert.NetworkInspectFromGRPC(*n)
		if err != nil {
			return nil, fmt.Errorf("%s: failed to convert swarmapi.Network to network.Inspect: %w", n.ID, err)
		}
		out = append(out, inspect)
	}
	return out, nil
}

// predefined finds one of the networks that no list shows: by its id, or by its name if scope is swarm.
func (c *cluster) predefined(term, scope string) (network.Inspect, bool) {
	list, err := c.listNetworks(nil, false)
	if err != nil {
		return network.Inspect{}, false
	}
	for _, n := range list {
		byName := scope == "swarm" && n.Spec.Annotations.Name == term
		if n.Spec.Annotations.Labels[predefinedLabel] == "true" && (byName || strings.HasPrefix(n.ID, term)) {
			inspect, err := convert.NetworkInspectFromGRPC(*n)
			return inspect, err == nil
		}
	}
	return network.Inspect{}, false
}

func (c *cluster) hasNetwork(name string) bool {
	list, err := c.listNetworks(&api.ListNetworksRequest_Filters{Names: []string{name}}, false)
	return err == nil && len(list) > 0
}

func (c *cluster) createNetwork(req network.CreateRequest) (string, error) {
	var id string
	err := c.manage(func(ctx context.Context, s nodeState) error {
		spec := convert.BasicNetworkCreateToGRPC(req)
		r, err := s.control.CreateNetwork(ctx, &api.CreateNetworkRequest{Spec: &spec})
		if err != nil {
			return err
		}
		id = r.Network.ID
		return nil
	})
	return id, err
}

func (c *cluster) removeNetwork(id string) error {
	return c.manage(func(ctx context.Context, s nodeState) error {
		_, err := s.control.RemoveNetwork(ctx, &api.RemoveNetworkRequest{NetworkID: id})
		return err
	})
}

// resolveNetworks replaces the names of networks in a spec by their ids.
func (c *cluster) resolveNetworks(ctx context.Context, control api.ControlClient, spec *swarm.ServiceSpec) error {
	for i, ref := range spec.TaskTemplate.Networks {
		found, err := getNetwork(ctx, control, ref.Target)
		if err != nil {
			local, ok := c.e.networks.find(ref.Target)
			if !ok {
				return err
			}
			if !dnetwork.IsPredefined(local.Name) {
				return forbidden(fmt.Sprintf("The network %s cannot be used with services. Only networks scoped to the swarm can be used, such as those created with the overlay driver.", local.Name))
			}
			if found, err = getNetwork(ctx, control, local.Name); err != nil {
				return notFound(fmt.Sprintf("could not find the corresponding predefined swarm network: %s", err))
			}
		}
		spec.TaskTemplate.Networks[i].Target = found.ID
	}
	return nil
}

// checkSwarmNetwork refuses what dockerd refuses before it asks the swarm.
func (c *cluster) checkSwarmNetwork(req network.CreateRequest) error {
	if req.Driver == "overlay" && !c.state().activeManager() {
		return errOverlayLocal
	}
	if req.ConfigOnly {
		return forbidden("configuration-only network is node-local and cannot be swarm scoped")
	}
	if req.IPAM == nil {
		return nil
	}
	var errs []error
	for _, conf := range req.IPAM.Config {
		if conf.Subnet.IsValid() && conf.Subnet != conf.Subnet.Masked() {
			errs = append(errs, fmt.Errorf("invalid subnet %s: it should be %s", conf.Subnet, conf.Subnet.Masked()))
		}
		if conf.Gateway.IsValid() && conf.Subnet.IsValid() && !conf.Subnet.Contains(conf.Gateway) {
			errs = append(errs, fmt.Errorf("invalid gateway %s: parent subnet %s doesn't contain this address", conf.Gateway, conf.Subnet))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return invalid(fmt.Sprintf("invalid network config:\n%s", err))
	}
	return nil
}
