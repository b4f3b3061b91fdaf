package sandbox

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/v2/daemon/cluster/convert"
	dnetwork "github.com/moby/moby/v2/daemon/network"
	"github.com/moby/moby/v2/daemon/server/httputils"
	"github.com/moby/moby/v2/daemon/server/router"
)

func (e *engine) networkRoutes() []router.Route {
	return []router.Route{
		router.NewGetRoute("/networks", e.listNetworks),
		router.NewGetRoute("/networks/{id}", e.inspectNetwork),
		router.NewPostRoute("/networks/create", e.createNetwork),
		router.NewPostRoute("/networks/prune", e.pruneNetworks),
		router.NewDeleteRoute("/networks/{id}", e.deleteNetwork),
	}
}

func networkFilter(raw string) (dnetwork.Filter, error) {
	f, err := parseFilters(raw)
	if err != nil {
		return dnetwork.Filter{}, err
	}
	return dnetwork.NewFilter(f.Filters)
}

// findNetworks returns the matching networks of the swarm and of the machine. If the swarm does not answer, as on a
// worker, it returns those networks of the swarm to which this machine is attached.
func (e *engine) findNetworks(f dnetwork.Filter, usage bool) []network.Inspect {
	out, err := e.cluster.networks(f, usage)
	if err != nil {
		for _, n := range e.executor.attached() {
			if inspect, err := convert.NetworkInspectFromGRPC(*n); err == nil && f.Matches(convert.FilterNetwork{N: n}) {
				out = append(out, inspect)
			}
		}
	}
	return append(out, e.networks.matching(f)...)
}

func (e *engine) listNetworks(_ context.Context, w http.ResponseWriter, r *http.Request, _ map[string]string) error {
	f, err := networkFilter(r.FormValue("filters"))
	if err != nil {
		return err
	}
	e.noteSwarm()
	found := e.findNetworks(f, false)
	out := make([]network.Summary, 0, len(found))
	for _, n := range found {
		out = append(out, network.Summary{Network: n.Network})
	}
	return httputils.WriteJSON(w, http.StatusOK, out)
}

// uniqueNetwork returns the one network that a client means, by full id, by name, or by the beginning of the id.
func (e *engine) uniqueNetwork(term, scope string, usage bool) (network.Inspect, error) {
	f, err := parseFilters("")
	if err != nil {
		return network.Inspect{}, err
	}
	f.Filters.Add("id", term)
	if scope != "" {
		f.Filters.Add("scope", scope)
	}
	filter, err := dnetwork.NewFilter(f.Filters)
	if err != nil {
		return network.Inspect{}, err
	}
	filter.IDAlsoMatchesName = true
	var byName, byPrefix []network.Inspect
	for _, n := range e.findNetworks(filter, usage) {
		if n.ID == term {
			return n, nil
		}
		if n.Name == term {
			byName = append(byName, n)
		}
		if strings.HasPrefix(n.ID, term) {
			byPrefix = append(byPrefix, n)
		}
	}
	if n, ok := e.cluster.predefined(term, scope); ok {
		return n, nil
	}
	for _, c := range []struct {
		found []network.Inspect
		how   string
	}{{byName, "name"}, {byPrefix, "ID prefix"}} {
		switch len(c.found) {
		case 0:
		case 1:
			return c.found[0], nil
		default:
			return network.Inspect{}, invalid(fmt.Sprintf("network %s is ambiguous (%d matches found based on %s)", term, len(c.found), c.how))
		}
	}
	return network.Inspect{}, notFound(fmt.Sprintf("network %s not found", term))
}

func (e *engine) inspectNetwork(ctx context.Context, w http.ResponseWriter, r *http.Request, vars map[string]string) error {
	e.noteSwarm()
	usage := !versionLess(httputils.VersionFromContext(ctx), "1.52")
	n, err := e.uniqueNetwork(vars["id"], r.URL.Query().Get("scope"), usage)
	if err != nil {
		return err
	}
	return httputils.WriteJSON(w, http.StatusOK, n)
}

func (e *engine) createNetwork(_ context.Context, w http.ResponseWriter, r *http.Request, _ map[string]string) error {
	var req network.CreateRequest
	if err := httputils.ReadJSON(r, &req); err != nil {
		return err
	}
	if e.cluster.hasNetwork(req.Name) {
		return conflict(fmt.Sprintf("network with name %s already exists", req.Name))
	}
	if dnetwork.IsReserved(req.Name) {
		return forbidden(fmt.Sprintf("network name %q is reserved and cannot be created", req.Name))
	}
	if dnetwork.IsPredefined(req.Name) {
		return forbidden(fmt.Sprintf("operation is not permitted on predefined %s network ", req.Name))
	}
	if req.Name == "" {
		return invalid("invalid name: name is empty")
	}
	if err := e.checkConfigFrom(req); err != nil {
		return err
	}
	if req.Driver != "overlay" && req.Scope != "swarm" && !req.Ingress {
		n, err := e.networks.create(req)
		if err != nil {
			return err
		}
		e.events.local("network", "create", n.ID, map[string]string{"name": n.Name, "type": n.Driver})
		return httputils.WriteJSON(w, http.StatusCreated, network.CreateResponse{ID: n.ID})
	}
	if err := e.cluster.checkSwarmNetwork(req); err != nil {
		return err
	}
	if e.networks.named(req.Name) { // dockerd tries to make it as the node's own before it asks the swarm
		return conflict(fmt.Sprintf("network with name %s already exists", req.Name))
	}
	id, err := e.cluster.createNetwork(req)
	if err != nil {
		return err
	}
	return httputils.WriteJSON(w, http.StatusCreated, network.CreateResponse{ID: id})
}

// checkConfigFrom refuses settings beside those of a network with nothing but settings, and such a network that the
// node does not have, as libnetwork does before it asks the swarm.
func (e *engine) checkConfigFrom(req network.CreateRequest) error {
	if req.ConfigFrom == nil || req.ConfigFrom.Network == "" {
		return nil
	}
	own := len(req.Labels) > 0 || req.EnableIPv6 != nil && *req.EnableIPv6 || req.EnableIPv4 != nil && !*req.EnableIPv4
	if i := req.IPAM; i != nil {
		own = own || i.Driver != "" && i.Driver != "default" || len(i.Options) > 0 || len(i.Config) > 0
	}
	if own {
		return forbidden("user-specified configurations are not supported if the network depends on a configuration network")
	}
	if len(req.Options) > 0 {
		return forbidden("network driver options are not supported if the network depends on a configuration network")
	}
	if !slices.ContainsFunc(e.networks.all(), func(n network.Network) bool { return n.ConfigOnly && n.Name == req.ConfigFrom.Network }) {
		return notFound(fmt.Sprintf("configuration network %q does not exist", req.ConfigFrom.Network))
	}
	return nil
}

func (e *engine) deleteNetwork(_ context.Context, w http.ResponseWriter, _ *http.Request, vars map[string]string) error {
	n, err := e.uniqueNetwork(vars["id"], "", false)
	if err != nil {
		return err
	}
	if n.Scope == "swarm" {
		if err := e.cluster.removeNetwork(n.ID); err != nil {
			return err
		}
	} else {
		removed, err := e.networks.remove(n.ID)
		if err != nil {
			return err
		}
		e.events.local("network", "destroy", removed.ID, map[string]string{"name": removed.Name, "type": removed.Driver})
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// pruneNetworks removes nothing, because only a machine with containers can say whether a network is unused.
func (e *engine) pruneNetworks(_ context.Context, w http.ResponseWriter, _ *http.Request, _ map[string]string) error {
	return httputils.WriteJSON(w, http.StatusOK, map[string][]string{"NetworksDeleted": {}})
}
