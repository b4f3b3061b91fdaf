package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// Each of these methods makes one call. Most have the moby client's own signature. The list shows how wide this door is.
// Calls about services differ and are in services.go. All other calls go through [Client.API].

var (
	_ client.NodeAPIClient         = (*Client)(nil)
	_ client.ConfigAPIClient       = (*Client)(nil)
	_ client.SecretAPIClient       = (*Client)(nil)
	_ client.SwarmAPIClient        = (*Client)(nil)
	_ volumes                      = (*Client)(nil)
	_ client.TaskAPIClient         = (*Client)(nil)
	_ client.DistributionAPIClient = (*Client)(nil)
)

// call1 and call2 make one call of the moby client and make its error readable. call1 takes no name of an object, and
// call2 takes one.
func call1[O, R any](ctx context.Context, c *Client, f func(*client.Client, context.Context, O) (R, error), o O) (R, error) {
	api, err := c.API(ctx)
	if err != nil {
		return *new(R), err
	}
	ctx, status := noting(ctx)
	r, err := f(api, ctx, o)
	return r, c.explained(err, status)
}

func call2[O, R any](ctx context.Context, c *Client, f func(*client.Client, context.Context, string, O) (R, error), id string, o O) (R, error) {
	api, err := c.API(ctx)
	if err != nil {
		return *new(R), err
	}
	ctx, status := noting(ctx)
	r, err := f(api, ctx, id, o)
	return r, c.explained(err, status)
}

// redacted returns texts that others wrote as they may be shown.
func (c *Client) redacted(texts []string) []string {
	for i, text := range texts {
		texts[i] = c.redact(text)
	}
	return texts
}

// filtered returns the query of a list. The lists of tasks and networks do not go through the moby client, because it
// decodes all of a list or nothing: see unmarshal.
func filtered(f client.Filters) url.Values {
	if len(f) == 0 {
		return nil
	}
	raw, _ := json.Marshal(f) // such a map can always be written
	return url.Values{"filters": {string(raw)}}
}

func (c *Client) TaskList(ctx context.Context, o client.TaskListOptions) (client.TaskListResult, error) {
	var list client.TaskListResult
	err := c.decode(ctx, request{method: http.MethodGet, path: "/tasks", query: filtered(o.Filters)}, &list.Items)
	for i := range list.Items { // what a task says may repeat its command and its environment
		s := &list.Items[i].Status
		s.Err, s.Message = c.redact(s.Err), c.redact(s.Message)
	}
	return list, err
}

func (c *Client) TaskInspect(ctx context.Context, id string, o client.TaskInspectOptions) (client.TaskInspectResult, error) {
	return call2(ctx, c, (*client.Client).TaskInspect, id, o)
}

func (c *Client) TaskLogs(ctx context.Context, id string, o client.TaskLogsOptions) (client.TaskLogsResult, error) {
	return call2(ctx, c, (*client.Client).TaskLogs, id, o)
}

func (c *Client) NodeList(ctx context.Context, o client.NodeListOptions) (client.NodeListResult, error) {
	return call1(ctx, c, (*client.Client).NodeList, o)
}

func (c *Client) NodeInspect(ctx context.Context, id string, o client.NodeInspectOptions) (client.NodeInspectResult, error) {
	return call2(ctx, c, (*client.Client).NodeInspect, id, o)
}

func (c *Client) NodeUpdate(ctx context.Context, id string, o client.NodeUpdateOptions) (client.NodeUpdateResult, error) {
	return call2(ctx, c, (*client.Client).NodeUpdate, id, o)
}

func (c *Client) NodeRemove(ctx context.Context, id string, o client.NodeRemoveOptions) (client.NodeRemoveResult, error) {
	return call2(ctx, c, (*client.Client).NodeRemove, id, o)
}

func (c *Client) ConfigList(ctx context.Context, o client.ConfigListOptions) (client.ConfigListResult, error) {
	return call1(ctx, c, (*client.Client).ConfigList, o)
}

func (c *Client) ConfigInspect(ctx context.Context, id string, o client.ConfigInspectOptions) (client.ConfigInspectResult, error) {
	return call2(ctx, c, (*client.Client).ConfigInspect, id, o)
}

func (c *Client) ConfigCreate(ctx context.Context, o client.ConfigCreateOptions) (client.ConfigCreateResult, error) {
	return call1(ctx, c, (*client.Client).ConfigCreate, o)
}

func (c *Client) ConfigUpdate(ctx context.Context, id string, o client.ConfigUpdateOptions) (client.ConfigUpdateResult, error) {
	return call2(ctx, c, (*client.Client).ConfigUpdate, id, o)
}

func (c *Client) ConfigRemove(ctx context.Context, id string, o client.ConfigRemoveOptions) (client.ConfigRemoveResult, error) {
	return call2(ctx, c, (*client.Client).ConfigRemove, id, o)
}

func (c *Client) SecretList(ctx context.Context, o client.SecretListOptions) (client.SecretListResult, error) {
	return call1(ctx, c, (*client.Client).SecretList, o)
}

func (c *Client) SecretInspect(ctx context.Context, id string, o client.SecretInspectOptions) (client.SecretInspectResult, error) {
	return call2(ctx, c, (*client.Client).SecretInspect, id, o)
}

func (c *Client) SecretCreate(ctx context.Context, o client.SecretCreateOptions) (client.SecretCreateResult, error) {
	return call1(ctx, c, (*client.Client).SecretCreate, o)
}

func (c *Client) SecretUpdate(ctx context.Context, id string, o client.SecretUpdateOptions) (client.SecretUpdateResult, error) {
	return call2(ctx, c, (*client.Client).SecretUpdate, id, o)
}

func (c *Client) SecretRemove(ctx context.Context, id string, o client.SecretRemoveOptions) (client.SecretRemoveResult, error) {
	return call2(ctx, c, (*client.Client).SecretRemove, id, o)
}

// ListedNetwork is a network, with its addresses that this program's types cannot read.
type ListedNetwork struct {
	network.Summary
	Unread []string
}

func (c *Client) NetworkList(ctx context.Context, o client.NetworkListOptions) ([]ListedNetwork, error) {
	var all []ListedNetwork
	err := c.read(ctx, request{method: http.MethodGet, path: "/networks", query: filtered(o.Filters)}, func(raw []byte) error {
		elems, err := split(raw)
		if err != nil {
			return fmt.Errorf("decoding the list of networks: %w", err)
		}
		all = make([]ListedNetwork, len(elems))
		for i, e := range elems {
			n := &all[i]
			if n.Unread, err = unmarshal(e, &n.Summary); err != nil {
				return fmt.Errorf("decoding network %d of the list: %w", i, err)
			}
		}
		return nil
	})
	return all, err
}

func (c *Client) NetworkInspect(ctx context.Context, id string) (network.Inspect, error) {
	var n network.Inspect
	p, err := objectPath("/networks/", id)
	if err == nil {
		err = c.decode(ctx, request{method: http.MethodGet, path: p}, &n)
	}
	return n, err
}

func (c *Client) NetworkCreate(ctx context.Context, id string, o client.NetworkCreateOptions) (client.NetworkCreateResult, error) {
	made, err := call2(ctx, c, (*client.Client).NetworkCreate, id, o)
	made.Warning = c.redacted(made.Warning)
	return made, err
}

func (c *Client) NetworkRemove(ctx context.Context, id string, o client.NetworkRemoveOptions) (client.NetworkRemoveResult, error) {
	return call2(ctx, c, (*client.Client).NetworkRemove, id, o)
}

// volumes are the calls about volumes. The operator prunes none.
type volumes interface {
	VolumeList(context.Context, client.VolumeListOptions) (client.VolumeListResult, error)
	VolumeInspect(context.Context, string, client.VolumeInspectOptions) (client.VolumeInspectResult, error)
	VolumeCreate(context.Context, client.VolumeCreateOptions) (client.VolumeCreateResult, error)
	VolumeUpdate(context.Context, string, client.VolumeUpdateOptions) (client.VolumeUpdateResult, error)
	VolumeRemove(context.Context, string, client.VolumeRemoveOptions) (client.VolumeRemoveResult, error)
}

func (c *Client) VolumeList(ctx context.Context, o client.VolumeListOptions) (client.VolumeListResult, error) {
	list, err := call1(ctx, c, (*client.Client).VolumeList, o)
	list.Warnings = c.redacted(list.Warnings)
	return list, err
}

func (c *Client) VolumeInspect(ctx context.Context, id string, o client.VolumeInspectOptions) (client.VolumeInspectResult, error) {
	return call2(ctx, c, (*client.Client).VolumeInspect, id, o)
}

func (c *Client) VolumeCreate(ctx context.Context, o client.VolumeCreateOptions) (client.VolumeCreateResult, error) {
	return call1(ctx, c, (*client.Client).VolumeCreate, o)
}

func (c *Client) VolumeUpdate(ctx context.Context, id string, o client.VolumeUpdateOptions) (client.VolumeUpdateResult, error) {
	return call2(ctx, c, (*client.Client).VolumeUpdate, id, o)
}

func (c *Client) VolumeRemove(ctx context.Context, id string, o client.VolumeRemoveOptions) (client.VolumeRemoveResult, error) {
	return call2(ctx, c, (*client.Client).VolumeRemove, id, o)
}

func (c *Client) SwarmInspect(ctx context.Context, o client.SwarmInspectOptions) (client.SwarmInspectResult, error) {
	return call1(ctx, c, (*client.Client).SwarmInspect, o)
}

func (c *Client) SwarmInit(ctx context.Context, o client.SwarmInitOptions) (client.SwarmInitResult, error) {
	return call1(ctx, c, (*client.Client).SwarmInit, o)
}

func (c *Client) SwarmJoin(ctx context.Context, o client.SwarmJoinOptions) (client.SwarmJoinResult, error) {
	return call1(ctx, c, (*client.Client).SwarmJoin, o)
}

func (c *Client) SwarmUpdate(ctx context.Context, o client.SwarmUpdateOptions) (client.SwarmUpdateResult, error) {
	return call1(ctx, c, (*client.Client).SwarmUpdate, o)
}

func (c *Client) SwarmLeave(ctx context.Context, o client.SwarmLeaveOptions) (client.SwarmLeaveResult, error) {
	return call1(ctx, c, (*client.Client).SwarmLeave, o)
}

func (c *Client) SwarmUnlock(ctx context.Context, o client.SwarmUnlockOptions) (client.SwarmUnlockResult, error) {
	return call1(ctx, c, (*client.Client).SwarmUnlock, o)
}

func (c *Client) SwarmGetUnlockKey(ctx context.Context) (client.SwarmGetUnlockKeyResult, error) {
	get := func(api *client.Client, ctx context.Context, _ struct{}) (client.SwarmGetUnlockKeyResult, error) {
		return api.SwarmGetUnlockKey(ctx)
	}
	return call1(ctx, c, get, struct{}{})
}

func (c *Client) DistributionInspect(ctx context.Context, id string, o client.DistributionInspectOptions) (client.DistributionInspectResult, error) {
	return call2(ctx, c, (*client.Client).DistributionInspect, id, o)
}
