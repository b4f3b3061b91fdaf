package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/moby/moby/api/types/volume"
	"github.com/moby/moby/v2/daemon/cluster/convert"
	"github.com/moby/moby/v2/daemon/server/httputils"
	"github.com/moby/moby/v2/daemon/server/router"
	"github.com/moby/moby/v2/daemon/server/volumebackend"
	"github.com/moby/moby/v2/errdefs"
	"github.com/moby/swarmkit/v2/api"
)

// volumesVersion is the API version from which on dockerd speaks of cluster volumes.
const volumesVersion = "1.42"

// volumeRoutes are dockerd's routes of volumes, for cluster volumes. A machine has no volumes of its own.
func (e *engine) volumeRoutes() []router.Route {
	return []router.Route{
		router.NewGetRoute("/volumes", e.listVolumes),
		router.NewGetRoute("/volumes/{name}", e.inspectVolume),
		router.NewPostRoute("/volumes/create", e.createVolume),
		router.NewPutRoute("/volumes/{name}", e.updateVolume),
		router.NewDeleteRoute("/volumes/{name}", e.deleteVolume),
	}
}

// clusterVolumes reports whether a call is about cluster volumes: the client knows them, and the machine is a manager.
func (e *engine) clusterVolumes(ctx context.Context) bool {
	return !versionLess(httputils.VersionFromContext(ctx), volumesVersion) && e.cluster.state().activeManager()
}

// listVolumes answers with a warning if the swarm does not answer, as dockerd does.
func (e *engine) listVolumes(ctx context.Context, w http.ResponseWriter, _ *http.Request, _ map[string]string) error {
	out := volume.ListResponse{Volumes: []volume.Volume{}}
	if e.clusterVolumes(ctx) {
		err := e.cluster.manage(func(ctx context.Context, s nodeState) error {
			r, err := s.control.ListVolumes(ctx, &api.ListVolumesRequest{}, bigList)
			if err != nil {
				return err
			}
			for _, v := range r.Volumes {
				out.Volumes = append(out.Volumes, convert.VolumeFromGRPC(v))
			}
			return nil
		})
		if err != nil {
			out.Warnings = append(out.Warnings, err.Error())
		}
	}
	return httputils.WriteJSON(w, http.StatusOK, &out)
}

func (e *engine) inspectVolume(ctx context.Context, w http.ResponseWriter, _ *http.Request, vars map[string]string) error {
	if !e.clusterVolumes(ctx) {
		return noVolume(vars["name"])
	}
	v, err := e.cluster.volume(vars["name"])
	if err != nil {
		return err
	}
	return httputils.WriteJSON(w, http.StatusOK, convert.VolumeFromGRPC(v))
}

func noVolume(name string) error { return notFound(fmt.Sprintf("get %s: no such volume", name)) }

func (c *cluster) volume(input string) (*api.Volume, error) {
	var out *api.Volume
	err := c.manage(func(ctx context.Context, s nodeState) (err error) {
		out, err = getVolume(ctx, s.control, input)
		return err
	})
	return out, err
}

func getVolume(ctx context.Context, c api.ControlClient, input string) (*api.Volume, error) {
	return lookup("volume", input, func() (*api.Volume, error) {
		r, err := c.GetVolume(ctx, &api.GetVolumeRequest{VolumeID: input})
		if err != nil {
			return nil, err
		}
		return r.Volume, nil
	}, func(names, prefixes []string) ([]*api.Volume, error) {
		r, err := c.ListVolumes(ctx, &api.ListVolumesRequest{Filters: &api.ListVolumesRequest_Filters{Names: names, IDPrefixes: prefixes}})
		if err != nil {
			return nil, err
		}
		return r.Volumes, nil
	})
}

func (e *engine) createVolume(ctx context.Context, w http.ResponseWriter, r *http.Request, _ map[string]string) error {
	var req volume.CreateRequest
	if err := httputils.ReadJSON(r, &req); err != nil {
		return err
	}
	// dockerd makes a volume of its own for a client that is too old, whatever else it asks for.
	if req.ClusterVolumeSpec == nil || versionLess(httputils.VersionFromContext(ctx), volumesVersion) {
		return unimplemented("the sandbox has no volumes of single machines")
	}
	var made *api.Volume
	err := e.cluster.manage(func(ctx context.Context, s nodeState) error {
		r, err := s.control.CreateVolume(ctx, &api.CreateVolumeRequest{Spec: convert.VolumeCreateToGRPC(&req)})
		if err != nil {
			return err
		}
		if made, err = getVolume(ctx, s.control, r.Volume.ID); err != nil {
			return errdefs.System(fmt.Errorf("unable to retrieve created volume: %w", err))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return httputils.WriteJSON(w, http.StatusCreated, convert.VolumeFromGRPC(made))
}

// updateVolume changes only the availability. As in dockerd, only the id of a volume will do: a name is found, and then
// the swarm is asked for a volume with that id.
func (e *engine) updateVolume(ctx context.Context, _ http.ResponseWriter, r *http.Request, vars map[string]string) error {
	if version := httputils.VersionFromContext(ctx); versionLess(version, volumesVersion) {
		return invalid(fmt.Sprintf(`"PUT /volumes/{name:.*}" requires API version %s, but the Docker daemon API version is %s`, volumesVersion, version))
	}
	if !e.cluster.state().activeManager() {
		return errdefs.Unavailable(errors.New("volume update only valid for cluster volumes, but swarm is unavailable"))
	}
	raw := r.URL.Query().Get("version")
	version, err := strconv.ParseUint(raw, 10, 64)
	if err != nil {
		return errdefs.InvalidParameter(fmt.Errorf("invalid swarm object version '%s': %w", raw, err))
	}
	var req volumebackend.UpdateOptions
	if err := httputils.ReadJSON(r, &req); err != nil {
		return err
	}
	return e.cluster.manage(func(ctx context.Context, s nodeState) error {
		v, err := getVolume(ctx, s.control, vars["name"])
		if err != nil {
			return err
		}
		if req.Spec != nil {
			switch req.Spec.Availability {
			case volume.AvailabilityActive:
				v.Spec.Availability = api.VolumeAvailabilityActive
			case volume.AvailabilityPause:
				v.Spec.Availability = api.VolumeAvailabilityPause
			case volume.AvailabilityDrain:
				v.Spec.Availability = api.VolumeAvailabilityDrain
			}
		}
		_, err = s.control.UpdateVolume(ctx, &api.UpdateVolumeRequest{VolumeID: vars["name"], VolumeVersion: &api.Version{Index: version}, Spec: &v.Spec})
		return err
	})
}

func (e *engine) deleteVolume(ctx context.Context, w http.ResponseWriter, r *http.Request, vars map[string]string) error {
	force := httputils.BoolValue(r, "force")
	var err error
	switch {
	case e.clusterVolumes(ctx):
		err = e.cluster.removeVolume(vars["name"], force)
	case !force: // a machine that has no such volume does not mind if it is forced
		err = noVolume(vars["name"])
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *cluster) removeVolume(input string, force bool) error {
	return c.manage(func(ctx context.Context, s nodeState) error {
		v, err := getVolume(ctx, s.control, input)
		switch {
		case err != nil && force && isNotFound(err):
			return nil
		case err != nil:
			return err
		}
		_, err = s.control.RemoveVolume(ctx, &api.RemoveVolumeRequest{VolumeID: v.ID, Force: force})
		return err
	})
}
