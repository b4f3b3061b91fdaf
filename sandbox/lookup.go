package sandbox

import (
	"context"
	"fmt"
	"strings"

	"github.com/moby/moby/v2/errdefs"
	"github.com/moby/swarmkit/v2/api"
)

// lookup finds one object as dockerd does: by its full id, then by its full name, then by the beginning of its id. It
// fails if there is none or more than one.
func lookup[T any](kind, input string, byID func() (T, error), list func(names, prefixes []string) ([]T, error)) (T, error) {
	if found, err := byID(); err == nil {
		return found, nil
	}
	var none T
	found, err := list([]string{input}, nil)
	if err != nil || len(found) == 0 {
		found, err = list(nil, []string{input})
	}
	if err != nil {
		return none, err
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return none, errdefs.NotFound(fmt.Errorf("%s %s not found", kind, input))
	default:
		return none, errdefs.InvalidParameter(fmt.Errorf("%s %s is ambiguous (%d matches found)", kind, input, len(found)))
	}
}

func getNode(ctx context.Context, c api.ControlClient, input string) (*api.Node, error) {
	return lookup("node", input, func() (*api.Node, error) {
		r, err := c.GetNode(ctx, &api.GetNodeRequest{NodeID: input})
		if err != nil {
			return nil, err
		}
		return r.Node, nil
	}, func(names, prefixes []string) ([]*api.Node, error) {
		r, err := c.ListNodes(ctx, &api.ListNodesRequest{Filters: &api.ListNodesRequest_Filters{Names: names, IDPrefixes: prefixes}})
		if err != nil {
			return nil, err
		}
		return r.Nodes, nil
	})
}

func getService(ctx context.Context, c api.ControlClient, input string, insertDefaults bool) (*api.Service, error) {
	byID := func(id string) (*api.Service, error) {
		r, err := c.GetService(ctx, &api.GetServiceRequest{ServiceID: id, InsertDefaults: insertDefaults})
		if err != nil {
			return nil, err
		}
		return r.Service, nil
	}
	found, err := lookup("service", input, func() (*api.Service, error) { return byID(input) },
		func(names, prefixes []string) ([]*api.Service, error) {
			r, err := c.ListServices(ctx, &api.ListServicesRequest{Filters: &api.ListServicesRequest_Filters{Names: names, IDPrefixes: prefixes}})
			if err != nil {
				return nil, err
			}
			return r.Services, nil
		})
	if err != nil || !insertDefaults || found.ID == input {
		return found, err
	}
	return byID(found.ID) // a list never includes the defaults
}

func getTask(ctx context.Context, c api.ControlClient, input string) (*api.Task, error) {
	return lookup("task", input, func() (*api.Task, error) {
		r, err := c.GetTask(ctx, &api.GetTaskRequest{TaskID: input})
		if err != nil {
			return nil, err
		}
		return r.Task, nil
	}, func(names, prefixes []string) ([]*api.Task, error) {
		r, err := c.ListTasks(ctx, &api.ListTasksRequest{Filters: &api.ListTasksRequest_Filters{Names: names, IDPrefixes: prefixes}})
		if err != nil {
			return nil, err
		}
		return r.Tasks, nil
	})
}

func getSecret(ctx context.Context, c api.ControlClient, input string) (*api.Secret, error) {
	return lookup("secret", input, func() (*api.Secret, error) {
		r, err := c.GetSecret(ctx, &api.GetSecretRequest{SecretID: input})
		if err != nil {
			return nil, err
		}
		return r.Secret, nil
	}, func(names, prefixes []string) ([]*api.Secret, error) {
		r, err := c.ListSecrets(ctx, &api.ListSecretsRequest{Filters: &api.ListSecretsRequest_Filters{Names: names, IDPrefixes: prefixes}})
		if err != nil {
			return nil, err
		}
		return r.Secrets, nil
	})
}

func getConfig(ctx context.Context, c api.ControlClient, input string) (*api.Config, error) {
	return lookup("config", input, func() (*api.Config, error) {
		r, err := c.GetConfig(ctx, &api.GetConfigRequest{ConfigID: input})
		if err != nil {
			return nil, err
		}
		return r.Config, nil
	}, func(names, prefixes []string) ([]*api.Config, error) {
		r, err := c.ListConfigs(ctx, &api.ListConfigsRequest{Filters: &api.ListConfigsRequest_Filters{Names: names, IDPrefixes: prefixes}})
		if err != nil {
			return nil, err
		}
		return r.Configs, nil
	})
}

// plainNotFound is dockerd's error for a network that a service names and the swarm does not have. It has no class,
// so the API answers 500.
type plainNotFound string

func (e plainNotFound) Error() string { return string(e) }

func getNetwork(ctx context.Context, c api.ControlClient, input string) (*api.Network, error) {
	n, err := lookup("network", input, func() (*api.Network, error) {
		r, err := c.GetNetwork(ctx, &api.GetNetworkRequest{NetworkID: input})
		if err != nil {
			return nil, err
		}
		return r.Network, nil
	}, func(names, prefixes []string) ([]*api.Network, error) {
		r, err := c.ListNetworks(ctx, &api.ListNetworksRequest{Filters: &api.ListNetworksRequest_Filters{Names: names, IDPrefixes: prefixes}})
		if err != nil {
			return nil, err
		}
		return r.Networks, nil
	})
	if err != nil && isNotFound(err) {
		return nil, plainNotFound(err.Error())
	}
	return n, err
}

// pairs turns ["key=value"] into {"key":"value"}, the form of SwarmKit's filters.
func pairs(values []string) map[string]string {
	m := make(map[string]string, len(values))
	for _, kv := range values {
		k, v, _ := strings.Cut(kv, "=")
		m[k] = v
	}
	return m
}

func accept(keys ...string) map[string]bool {
	m := make(map[string]bool, len(keys))
	for _, k := range keys {
		m[k] = true
	}
	return m
}
