package sandbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/v2/daemon/cluster/convert"
	"github.com/moby/moby/v2/daemon/server/swarmbackend"
	"github.com/moby/moby/v2/errdefs"
	"github.com/moby/swarmkit/v2/api"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func (c *cluster) GetServices(o swarmbackend.ServiceListOptions) ([]swarm.Service, error) {
	if err := o.Filters.Validate(accept("name", "id", "label", "mode", "runtime")); err != nil {
		return nil, err
	}
	if len(o.Filters.Get("runtime")) == 0 {
		o.Filters.Add("runtime", string(swarm.RuntimeContainer))
	}
	var out []swarm.Service
	err := c.manage(func(ctx context.Context, s nodeState) error {
		list, err := s.control.ListServices(ctx, &api.ListServicesRequest{Filters: &api.ListServicesRequest_Filters{
			NamePrefixes: o.Filters.Get("name"),
			IDPrefixes:   o.Filters.Get("id"),
			Labels:       pairs(o.Filters.Get("label")),
			Runtimes:     o.Filters.Get("runtime"),
		}}, bigList)
		if err != nil {
			return err
		}
		out = make([]swarm.Service, 0, len(list.Services))
		for _, service := range list.Services {
			if o.Filters.Contains("mode") && !o.Filters.ExactMatch("mode", modeName(service)) {
				continue
			}
			converted, err := convert.ServiceFromGRPC(*service)
			if err != nil {
				return err
			}
			out = append(out, converted)
		}
		if o.Status {
			return addStatuses(ctx, s.control, out)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func modeName(s *api.Service) string {
	switch s.Spec.GetMode().(type) {
	case *api.ServiceSpec_Global:
		return "global"
	case *api.ServiceSpec_Replicated:
		return "replicated"
	case *api.ServiceSpec_ReplicatedJob:
		return "replicated-job"
	case *api.ServiceSpec_GlobalJob:
		return "global-job"
	default:
		return ""
	}
}

// addStatuses adds the numbers of tasks to each service, because SwarmKit keeps them separately.
func addStatuses(ctx context.Context, control api.ControlClient, services []swarm.Service) error {
	ids := make([]string, 0, len(services))
	for _, s := range services {
		ids = append(ids, s.ID)
	}
	r, err := control.ListServiceStatuses(ctx, &api.ListServiceStatusesRequest{Services: ids}, bigList)
	if err != nil {
		return err
	}
	byID := make(map[string]*swarm.ServiceStatus, len(r.Statuses))
	for _, s := range r.Statuses {
		byID[s.ServiceID] = &swarm.ServiceStatus{RunningTasks: s.RunningTasks, DesiredTasks: s.DesiredTasks, CompletedTasks: s.CompletedTasks}
	}
	for i := range services {
		services[i].ServiceStatus = byID[services[i].ID]
	}
	return nil
}

func (c *cluster) GetService(input string, insertDefaults bool) (swarm.Service, error) {
	var found *api.Service
	err := c.manage(func(ctx context.Context, s nodeState) (err error) {
		found, err = getService(ctx, s.control, input, insertDefaults)
		return err
	})
	if err != nil {
		return swarm.Service{}, err
	}
	return convert.ServiceFromGRPC(*found)
}

// CreateService ignores the last argument, which asks the engine to pin the digest. Only clients older than API 1.30
// did so.
func (c *cluster) CreateService(spec swarm.ServiceSpec, auth string, _ bool) (*swarm.ServiceCreateResponse, error) {
	resp := &swarm.ServiceCreateResponse{}
	err := c.manage(func(ctx context.Context, s nodeState) error {
		if err := c.resolveNetworks(ctx, s.control, &spec); err != nil {
			return err
		}
		generated := spec.Name == ""
		if generated {
			spec.Name = randomName()
		}
		grpcSpec, err := convert.ServiceSpecToGRPC(spec)
		if err != nil {
			return errdefs.InvalidParameter(err)
		}
		ctr, err := containerOf(&grpcSpec)
		if err != nil {
			return err
		}
		if auth != "" {
			ctr.PullOptions = &api.ContainerSpec_PullOptions{RegistryAuth: auth}
		}
		for range 6 {
			r, err := s.control.CreateService(ctx, &api.CreateServiceRequest{Spec: &grpcSpec})
			if err == nil {
				resp.ID = r.Service.ID
				return nil
			}
			if !generated || status.Code(err) != codes.AlreadyExists {
				return err
			}
			grpcSpec.Annotations.Name = randomName()
		}
		return errors.New("service name generator returned no name")
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// containerOf returns the container part of a spec, or dockerd's error for a service that has none.
func containerOf(spec *api.ServiceSpec) (*api.ContainerSpec, error) {
	switch spec.Task.Runtime.(type) {
	case *api.TaskSpec_Attachment:
		return nil, fmt.Errorf("invalid task spec: spec type %q not supported", swarm.RuntimeNetworkAttachment)
	case *api.TaskSpec_Generic:
		if kind := spec.Task.GetGeneric().Kind; kind != string(swarm.RuntimePlugin) {
			return nil, fmt.Errorf("unsupported runtime type: %q", kind)
		}
		return nil, fmt.Errorf("runtime type %q only supported in experimental", swarm.RuntimePlugin)
	}
	ctr := spec.Task.GetContainer()
	if ctr == nil {
		return nil, errors.New("service does not use container tasks")
	}
	return ctr, nil
}

func (c *cluster) UpdateService(input string, version uint64, spec swarm.ServiceSpec, flags swarmbackend.ServiceUpdateOptions, _ bool) (*swarm.ServiceUpdateResponse, error) {
	err := c.manage(func(ctx context.Context, s nodeState) error {
		if err := c.resolveNetworks(ctx, s.control, &spec); err != nil {
			return err
		}
		if spec.Name == "" {
			spec.Name = randomName()
		}
		grpcSpec, err := convert.ServiceSpecToGRPC(spec)
		if err != nil {
			return errdefs.InvalidParameter(err)
		}
		have, err := getService(ctx, s.control, input, false)
		if err != nil {
			return err
		}
		ctr, err := containerOf(&grpcSpec)
		if err != nil {
			return err
		}
		if ctr.PullOptions, err = pullOptions(have, flags); err != nil {
			return err
		}
		rollback := api.UpdateServiceRequest_NONE
		switch flags.Rollback {
		case "", "none":
		case "previous":
			rollback = api.UpdateServiceRequest_PREVIOUS
		default:
			return fmt.Errorf("unrecognized rollback option %s", flags.Rollback)
		}
		_, err = s.control.UpdateService(ctx, &api.UpdateServiceRequest{
			ServiceID:      have.ID,
			Spec:           &grpcSpec,
			ServiceVersion: &api.Version{Index: version},
			Rollback:       rollback,
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return &swarm.ServiceUpdateResponse{}, nil
}

// pullOptions keeps the service's registry credentials if the update brings none.
func pullOptions(have *api.Service, flags swarmbackend.ServiceUpdateOptions) (*api.ContainerSpec_PullOptions, error) {
	if flags.EncodedRegistryAuth != "" {
		return &api.ContainerSpec_PullOptions{RegistryAuth: flags.EncodedRegistryAuth}, nil
	}
	var ctr *api.ContainerSpec
	switch flags.RegistryAuthFrom {
	case swarm.RegistryAuthFromSpec, "":
		ctr = have.Spec.Task.GetContainer()
	case swarm.RegistryAuthFromPreviousSpec:
		if have.PreviousSpec == nil {
			return nil, errors.New("service does not have a previous spec")
		}
		ctr = have.PreviousSpec.Task.GetContainer()
	default:
		return nil, errors.New("unsupported registryAuthFrom value")
	}
	if ctr == nil {
		return nil, errors.New("service does not use container tasks")
	}
	return ctr.PullOptions, nil
}

func (c *cluster) RemoveService(input string) error {
	return c.manage(func(ctx context.Context, s nodeState) error {
		have, err := getService(ctx, s.control, input, false)
		if err != nil {
			return err
		}
		_, err = s.control.RemoveService(ctx, &api.RemoveServiceRequest{ServiceID: have.ID})
		return err
	})
}
