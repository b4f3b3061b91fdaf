package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// The moby client's ServiceCreate and ServiceUpdate (v0.6.2) rewrite the image on its way out: "nginx" becomes
// "nginx:latest", "docker.io/library/nginx:1" becomes "nginx:1". A changed text is a changed task template, so scaling a
// service that somebody else created through the raw API would restart every task of it. With QueryRegistry they put the
// digest and Placement.Platforms in as well, at each update. Here a spec goes out as it is; who creates a service or changes its
// image asks [Resolver] first, and what a name without a tag means is the manifest's affair.
//
// About credentials (moby's daemon/cluster/services.go): an update without any keeps those that the service has; one with
// other credentials restarts no running task, but is a change of the service like any other.

// ServiceUpdate is one write on a service. The version goes into the query; the engine answers IsStale if it is not the live one.
type ServiceUpdate struct {
	Version swarm.Version
	Spec    swarm.ServiceSpec // Mode included: an update without it sets one replica
	Auth    RegistryAuth      // the zero value keeps the service's own
	// RegistryAuthFrom and Rollback are the API's; with Rollback "previous" Spec must still be valid and is ignored.
	RegistryAuthFrom swarm.RegistryAuthSource
	Rollback         string
}

// ServiceCreate creates a service exactly as specified.
func (c *Client) ServiceCreate(ctx context.Context, spec swarm.ServiceSpec, auth RegistryAuth) (client.ServiceCreateResult, error) {
	var answered swarm.ServiceCreateResponse
	err := c.decode(ctx, request{method: http.MethodPost, path: "/services/create", header: auth.header(), body: spec}, &answered)
	return client.ServiceCreateResult{ID: answered.ID, Warnings: answered.Warnings}, err
}

// ServiceUpdate writes a service exactly as specified.
func (c *Client) ServiceUpdate(ctx context.Context, id string, u ServiceUpdate) (client.ServiceUpdateResult, error) {
	p, err := objectPath("/services/", id)
	if err != nil {
		return client.ServiceUpdateResult{}, err
	}
	q := url.Values{"version": {u.Version.String()}}
	if u.RegistryAuthFrom != "" {
		q.Set("registryAuthFrom", string(u.RegistryAuthFrom))
	}
	if u.Rollback != "" {
		q.Set("rollback", u.Rollback)
	}
	var answered swarm.ServiceUpdateResponse
	err = c.decode(ctx, request{method: http.MethodPost, path: p + "/update", query: q, header: u.Auth.header(), body: u.Spec}, &answered)
	return client.ServiceUpdateResult{Warnings: answered.Warnings}, err
}

// ServiceRemove removes a service; its tasks stop a moment later.
func (c *Client) ServiceRemove(ctx context.Context, id string) error {
	_, err := call2(ctx, c, (*client.Client).ServiceRemove, id, client.ServiceRemoveOptions{})
	return err
}

// ServiceRaw reads a service and names the keys of its spec that our types do not know, as "Spec.TaskTemplate.Foo". A write
// would drop them, so who writes refuses if there are any. An engine of API 1.43 or older may send "Spec.Networks"
// (deprecated, gone from moby/api): dropping that one the engine refuses itself, with 501.
func (c *Client) ServiceRaw(ctx context.Context, id string) (swarm.Service, []string, error) {
	return readRaw[swarm.Service](ctx, c, "/services/", id)
}

// NodeRaw is ServiceRaw for a node.
func (c *Client) NodeRaw(ctx context.Context, id string) (swarm.Node, []string, error) {
	return readRaw[swarm.Node](ctx, c, "/nodes/", id)
}

// SwarmRaw is ServiceRaw for the cluster object. It carries the join tokens and maybe a signing key.
func (c *Client) SwarmRaw(ctx context.Context) (swarm.Swarm, []string, error) {
	var s swarm.Swarm
	unknown, err := c.decodeRaw(ctx, "/swarm", nil, &s)
	return s, unknown, err
}

// Listed is a service with what ServiceRaw says of it. As long as the engine says the same of it to the byte it is the same
// pointer: it must not be changed.
type Listed struct {
	swarm.Service
	Unknown []string
}

// ServiceList reads all services in one call.
func (c *Client) ServiceList(ctx context.Context) ([]*Listed, error) {
	var all []*Listed
	err := c.read(ctx, request{method: http.MethodGet, path: "/services"}, func(raw []byte) (err error) {
		all, err = c.services.decodeList(raw)
		return err
	})
	return all, err
}

// Service reads one service, as it is listed.
func (c *Client) Service(ctx context.Context, id string) (*Listed, error) {
	p, err := objectPath("/services/", id)
	if err != nil {
		return nil, err
	}
	var one *Listed
	err = c.read(ctx, request{method: http.MethodGet, path: p}, func(raw []byte) (err error) {
		one, err = c.services.decodeOne(raw)
		return err
	})
	return one, err
}

func readRaw[T any](ctx context.Context, c *Client, kind, id string) (T, []string, error) {
	var v T
	p, err := objectPath(kind, id)
	if err != nil {
		return v, nil, err
	}
	unknown, err := c.decodeRaw(ctx, p, nil, &v)
	return v, unknown, err
}

func (c *Client) decodeRaw(ctx context.Context, p string, q url.Values, into any) (unknown []string, err error) {
	r := request{method: http.MethodGet, path: p, query: q}
	err = c.read(ctx, r, func(raw []byte) error {
		if err := json.Unmarshal(raw, into); err != nil {
			return fmt.Errorf("decoding the answer to %s: %w", r.method+" "+route("/v1.0"+p), err)
		}
		unknown = unknownInSpec(raw, into)
		return nil
	})
	return unknown, err
}

// objectPath keeps an id inside its collection: path.Join would resolve "..", and an empty one is another route.
func objectPath(kind, id string) (string, error) {
	if id == "" || id == "." || id == ".." || strings.ContainsAny(id, "/\\") {
		return "", errors.New("calling " + kind + "{id}: " + fmt.Sprintf("%q is no id", id))
	}
	return kind + id, nil
}

func (a RegistryAuth) header() http.Header {
	if a.Empty() {
		return nil
	}
	return http.Header{registry.AuthHeader: {a.Reveal()}}
}
