package sandbox

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"sort"
	"time"

	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/v2/daemon/server/httputils"
	"github.com/moby/moby/v2/daemon/server/router"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func (e *engine) systemRoutes() []router.Route {
	constant := func(path string, v any) router.Route {
		return router.NewGetRoute(path, func(_ context.Context, w http.ResponseWriter, _ *http.Request, _ map[string]string) error {
			return httputils.WriteJSON(w, http.StatusOK, v)
		})
	}
	none := []any{}
	return []router.Route{
		router.NewGetRoute("/_ping", e.ping), // also for HEAD, which ServeMux serves with it
		router.NewGetRoute("/events", e.getEvents),
		router.NewGetRoute("/info", e.getInfo),
		router.NewGetRoute("/version", e.getVersion),
		router.NewPostRoute("/auth", e.postAuth),
		constant("/containers/json", none),
		constant("/images/json", none),
		constant("/plugins", none),
		constant("/system/df", map[string]any{
			"LayersSize": 0, "Images": none, "Containers": none, "Volumes": none, "BuildCache": none,
		}),
	}
}

func (e *engine) ping(_ context.Context, w http.ResponseWriter, r *http.Request, _ map[string]string) error {
	h := w.Header()
	h.Set("Cache-Control", "no-cache, no-store, must-revalidate")
	h.Set("Pragma", "no-cache")
	h.Set("Builder-Version", "2")
	h.Set("Docker-Experimental", "false")
	h.Set("Swarm", e.cluster.status())
	h.Set("Content-Type", "text/plain; charset=utf-8")
	if r.Method == http.MethodHead {
		h.Set("Content-Length", "0")
		return nil
	}
	_, err := w.Write([]byte("OK"))
	return err
}

func (e *engine) getVersion(_ context.Context, w http.ResponseWriter, _ *http.Request, _ map[string]string) error {
	return httputils.WriteJSON(w, http.StatusOK, system.VersionResponse{
		Platform:      system.PlatformInfo{Name: "swarm-sandbox"},
		Version:       engineVersion,
		APIVersion:    maxAPIVersion,
		MinAPIVersion: minAPIVersion,
		Os:            "linux",
		Arch:          "amd64",
		GoVersion:     runtime.Version(),
		Components: []system.ComponentVersion{{
			Name: "Engine", Version: engineVersion,
			Details: map[string]string{
				"ApiVersion": maxAPIVersion, "MinAPIVersion": minAPIVersion,
				"Arch": "amd64", "Os": "linux", "GoVersion": runtime.Version(), "Experimental": "false",
			},
		}},
	})
}

func (e *engine) getInfo(ctx context.Context, w http.ResponseWriter, _ *http.Request, _ map[string]string) error {
	running, all := e.executor.containers()
	info := system.Info{
		ID:                 e.id,
		Name:               e.name,
		Containers:         all,
		ContainersRunning:  running,
		ContainersStopped:  all - running,
		Driver:             "sandbox",
		DriverStatus:       [][2]string{},
		Plugins:            system.PluginsInfo{Volume: volumePlugins, Network: networkPlugins, Log: logPlugins},
		MemoryLimit:        true,
		SwapLimit:          true,
		CPUCfsPeriod:       true,
		CPUCfsQuota:        true,
		CPUShares:          true,
		CPUSet:             true,
		PidsLimit:          true,
		IPv4Forwarding:     true,
		NGoroutines:        runtime.NumGoroutine(),
		SystemTime:         time.Now().Format(time.RFC3339Nano),
		LoggingDriver:      "json-file",
		CgroupDriver:       "none",
		CgroupVersion:      "2",
		KernelVersion:      "sandbox",
		OperatingSystem:    "swarm-sandbox",
		OSType:             "linux",
		Architecture:       "x86_64",
		IndexServerAddress: "https://index.docker.io/v1/",
		RegistryConfig:     &registry.ServiceConfig{IndexConfigs: map[string]*registry.IndexInfo{"docker.io": {Name: "docker.io", Mirrors: []string{}, Secure: true, Official: true}}},
		NCPU:               machineCPUs,
		MemTotal:           machineMemory,
		DockerRootDir:      e.dir,
		Labels:             labelList(e.labels),
		ServerVersion:      engineVersion,
		Runtimes:           map[string]system.RuntimeWithStatus{"sandbox": {}},
		DefaultRuntime:     "sandbox",
		Swarm:              e.cluster.info(ctx),
		SecurityOptions:    []string{},
		CDISpecDirs:        []string{},
	}
	info.Warnings = info.Swarm.Warnings
	return httputils.WriteJSON(w, http.StatusOK, info)
}

func labelList(labels map[string]string) []string {
	out := make([]string, 0, len(labels))
	for k, v := range labels {
		out = append(out, k+"="+v)
	}
	sort.Strings(out)
	return out
}

// postAuth accepts every login, because there is no registry.
func (e *engine) postAuth(_ context.Context, w http.ResponseWriter, _ *http.Request, _ map[string]string) error {
	return httputils.WriteJSON(w, http.StatusOK, registry.AuthResponse{Status: "Login Succeeded"})
}

// inspectDistribution is the registry look-up with which clients pin digests.
func (e *engine) inspectDistribution(_ context.Context, w http.ResponseWriter, _ *http.Request, vars map[string]string) error {
	ref, err := reference.ParseNormalizedNamed(vars["name"])
	if err != nil {
		return invalid(err.Error())
	}
	if !inRegistry(vars["name"]) {
		return notFound(fmt.Sprintf("manifest for %s not found: manifest unknown: manifest unknown", reference.FamiliarString(reference.TagNameOnly(ref))))
	}
	return httputils.WriteJSON(w, http.StatusOK, registry.DistributionInspect{
		Descriptor: ocispec.Descriptor{
			MediaType: "application/vnd.oci.image.index.v1+json",
			Digest:    digest.Digest(imageDigest(ref)),
			Size:      1024,
		},
		Platforms: []ocispec.Platform{{Architecture: "amd64", OS: "linux"}},
	})
}

// noteSwarm keeps the networks of the machine in step with its membership.
func (e *engine) noteSwarm() {
	if e.cluster.state().status == swarm.LocalNodeStateActive {
		e.networks.ensureGatewayBridge()
	}
}
