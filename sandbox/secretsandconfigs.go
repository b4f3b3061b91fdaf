package sandbox

import (
	"context"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/v2/daemon/cluster/convert"
	"github.com/moby/moby/v2/daemon/server/swarmbackend"
	"github.com/moby/swarmkit/v2/api"
)

func (c *cluster) GetSecrets(o swarmbackend.SecretListOptions) ([]swarm.Secret, error) {
	if err := o.Filters.Validate(accept("names", "name", "id", "label")); err != nil {
		return nil, err
	}
	var out []swarm.Secret
	err := c.manage(func(ctx context.Context, s nodeState) error {
		list, err := s.control.ListSecrets(ctx, &api.ListSecretsRequest{Filters: &api.ListSecretsRequest_Filters{
			Names:        o.Filters.Get("names"),
			NamePrefixes: o.Filters.Get("name"),
			IDPrefixes:   o.Filters.Get("id"),
			Labels:       pairs(o.Filters.Get("label")),
		}}, bigList)
		if err != nil {
			return err
		}
		out = make([]swarm.Secret, 0, len(list.Secrets))
		for _, secret := range list.Secrets {
			out = append(out, convert.SecretFromGRPC(secret))
		}
		return nil
	})
	return out, err
}

func (c *cluster) GetSecret(input string) (swarm.Secret, error) {
	var out swarm.Secret
	err := c.manage(func(ctx context.Context, s nodeState) error {
		found, err := getSecret(ctx, s.control, input)
		if err != nil {
			return err
		}
		out = convert.SecretFromGRPC(found)
		return nil
	})
	return out, err
}

func (c *cluster) CreateSecret(spec swarm.SecretSpec) (string, error) {
	var id string
	err := c.manage(func(ctx context.Context, s nodeState) error {
		grpcSpec := convert.SecretSpecToGRPC(spec)
		r, err := s.control.CreateSecret(ctx, &api.CreateSecretRequest{Spec: &grpcSpec})
		if err != nil {
			return err
		}
		id = r.Secret.ID
		return nil
	})
	return id, err
}

func (c *cluster) UpdateSecret(input string, version uint64, spec swarm.SecretSpec) error {
	return c.manage(func(ctx context.Context, s nodeState) error {
		have, err := getSecret(ctx, s.control, input)
		if err != nil {
			return err
		}
		grpcSpec := convert.SecretSpecToGRPC(spec)
		_, err = s.control.UpdateSecret(ctx, &api.UpdateSecretRequest{
			SecretID: have.ID, SecretVersion: &api.Version{Index: version}, Spec: &grpcSpec,
		})
		return err
	})
}

func (c *cluster) RemoveSecret(input string) error {
	return c.manage(func(ctx context.Context, s nodeState) error {
		have, err := getSecret(ctx, s.control, input)
		if err != nil {
			return err
		}
		_, err = s.control.RemoveSecret(ctx, &api.RemoveSecretRequest{SecretID: have.ID})
		return err
	})
}

func (c *cluster) GetConfigs(o swarmbackend.ConfigListOptions) ([]swarm.Config, error) {
	if err := o.Filters.Validate(accept("name", "id", "label")); err != nil {
		return nil, err
	}
	var out []swarm.Config
	err := c.manage(func(ctx context.Context, s nodeState) error {
		list, err := s.control.ListConfigs(ctx, &api.ListConfigsRequest{Filters: &api.ListConfigsRequest_Filters{
			NamePrefixes: o.Filters.Get("name"),
			IDPrefixes:   o.Filters.Get("id"),
			Labels:       pairs(o.Filters.Get("label")),
		}}, bigList)
		if err != nil {
			return err
		}
		out = make([]swarm.Config, 0, len(list.Configs))
		for _, config := range list.Configs {
			out = append(out, convert.ConfigFromGRPC(config))
		}
		return nil
	})
	return out, err
}

func (c *cluster) GetConfig(input string) (swarm.Config, error) {
	var out swarm.Config
	err := c.manage(func(ctx context.Context, s nodeState) error {
		found, err := getConfig(ctx, s.control, input)
		if err != nil {
			return err
		}
		out = convert.ConfigFromGRPC(found)
		return nil
	})
	return out, err
}

func (c *cluster) CreateConfig(spec swarm.ConfigSpec) (string, error) {
	var id string
	err := c.manage(func(ctx context.Context, s nodeState) error {
		grpcSpec := convert.ConfigSpecToGRPC(spec)
		r, err := s.control.CreateConfig(ctx, &api.CreateConfigRequest{Spec: &grpcSpec})
		if err != nil {
			return err
		}
		id = r.Config.ID
		return nil
	})
	return id, err
}

func (c *cluster) UpdateConfig(input string, version uint64, spec swarm.ConfigSpec) error {
	return c.manage(func(ctx context.Context, s nodeState) error {
		have, err := getConfig(ctx, s.control, input)
		if err != nil {
			return err
		}
		grpcSpec := convert.ConfigSpecToGRPC(spec)
		_, err = s.control.UpdateConfig(ctx, &api.UpdateConfigRequest{
			ConfigID: have.ID, ConfigVersion: &api.Version{Index: version}, Spec: &grpcSpec,
		})
		return err
	})
}

func (c *cluster) RemoveConfig(input string) error {
	return c.manage(func(ctx context.Context, s nodeState) error {
		have, err := getConfig(ctx, s.control, input)
		if err != nil {
			return err
		}
		_, err = s.control.RemoveConfig(ctx, &api.RemoveConfigRequest{ConfigID: have.ID})
		return err
	})
}
