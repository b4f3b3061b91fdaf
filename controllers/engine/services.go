package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// The moby client's ServiceCreate and ServiceUpdate (v0.6.2) change the image before they send it: "nginx" becomes
// "nginx:latest", "docker.io/library/nginx:1" becomes "nginx:1". A changed text is a changed task template. So
// scaling a service that somebody else created through the raw API would restart all of its tasks. With QueryRegistry
// they also put in the digest and Placement.Platforms, at each update. The calls here send a spec as it is. Callers
// that create a service or change its image ask [Resolver] first, and the manifest decides what a name without a tag
// means.
//
// Credentials work as in moby's daemon/cluster/services.go. An update without credentials keeps those that the
// service has. An update with other credentials restarts no running task, but is a change of the service like any
// other.

// ServiceUpdate is one write to a service. Version is the version that the caller has read; if the service has changed
// since, the error of the write is of class IsStale.
type ServiceUpdate struct {
	Version swarm.Version
	Spec    swarm.ServiceSpec // with Mode, because an update without it sets one replica
	Auth    RegistryAuth      // the zero value keeps the service's own
}

// ServiceCreate creates a service exactly as specified.
func (c *Client) ServiceCreate(ctx context.Context, spec swarm.ServiceSpec, auth RegistryAuth) (client.ServiceCreateResult, error) {
	var answered swarm.ServiceCreateResponse
	err := c.decode(ctx, request{method: http.MethodPost, path: "/services/create", header: auth.header(), body: spec}, &answered)
	return client.ServiceCreateResult{ID: answered.ID, Warnings: c.redacted(answered.Warnings)}, err
}

// ServiceUpdate writes a service exactly as specified.
func (c *Client) ServiceUpdate(ctx context.Context, id string, u ServiceUpdate) (client.ServiceUpdateResult, error) {
	p, err := objectPath("/services/", id)
	if err != nil {
		return client.ServiceUpdateResult{}, err
	}
	q := url.Values{"version": {u.Version.String()}}
	var answered swarm.ServiceUpdateResponse
	err = c.decode(ctx, request{method: http.MethodPost, path: p + "/update", query: q, header: u.Auth.header(), body: u.Spec}, &answered)
	return client.ServiceUpdateResult{Warnings: c.redacted(answered.Warnings)}, err
}

// ServiceRemove removes a service. Its tasks stop a moment later.
func (c *Client) ServiceRemove(ctx context.Context, id string) error {
	_, err := call2(ctx, c, (*client.Client).ServiceRemove, id, client.ServiceRemoveOptions{})
	return err
}

// ServiceRaw reads a service and names the keys of its spec that this program's types do not know, such as
// "Spec.TaskTemplate.Foo", and the addresses that they cannot read, such as the name of a host in place of a name
// server's address. A write would drop them, so a caller must refuse to write if there are any. An engine of
// API 1.43 or older may send "Spec.Networks" (deprecated, gone from moby/api). The engine itself refuses to drop that
// key, with 501.
func (c *Client) ServiceRaw(ctx context.Context, id string) (swarm.Service, []string, error) {
	return readRaw[swarm.Service](ctx, c, "/services/", id)
}

// NodeRaw is ServiceRaw for a node.
func (c *Client) NodeRaw(ctx context.Context, id string) (swarm.Node, []string, error) {
	return readRaw[swarm.Node](ctx, c, "/nodes/", id)
}

// SwarmRaw is ServiceRaw for the cluster object. The object holds the join tokens, and perhaps a signing key.
func (c *Client) SwarmRaw(ctx context.Context) (swarm.Swarm, []string, error) {
	var s swarm.Swarm
	unknown, err := c.decodeRaw(ctx, "/swarm", nil, &s)
	return s, unknown, err
}

// Listed is a service with the unknown fields that ServiceRaw returns for it. Unread are those of Unknown that stand where
// an address must be and are none. As long as the engine's text about the service stays the same, byte for byte, ServiceList
// returns the same pointer. So callers must not change it.
type Listed struct {
	swarm.Service
	Unknown []string
	Unread  []Unread
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

// Service reads one service. The result is as in ServiceList.
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
		if _, err := unmarshal(raw, into); err != nil {
			return fmt.Errorf("decoding the answer to %s: %w", r.method+" "+route("/v1.0"+p), err)
		}
		unknown, _ = unknownInSpec(raw, into)
		return nil
	})
	return unknown, err
}

// objectPath keeps an id inside its collection. It fails for an id that path.Join would resolve, such as "..", and
// for an empty one, which is a different route.
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
