package image

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/cli/cli/compose/loader"
	"github.com/docker/cli/cli/compose/types"
	"github.com/docker/go-units"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// deployFile returns the path of a file of deploy/.
func deployFile(t *testing.T, name string) string {
	t.Helper()
	root, err := harness.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, "deploy", name)
}

// load reads a file as docker does, with docker's own schema.
func load(t *testing.T, name string, variables map[string]string) (*types.Config, error) {
	t.Helper()
	parsed, err := loader.ParseYAML(readFile(t, deployFile(t, name)))
	if err != nil {
		t.Fatal(err)
	}
	return loader.Load(types.ConfigDetails{WorkingDir: t.TempDir(), ConfigFiles: []types.ConfigFile{{Filename: name, Config: parsed}}, Environment: variables})
}

func TestWhatMustBeSetIsAskedFor(t *testing.T) {
	all := map[string]map[string]string{
		"swarm-operator.yaml": {"IMAGE": "a", "DOCKER_GID": "1"},
		"compose.yaml":        {"IMAGE": "a", "DOCKER_GID": "1", "SOURCE_DIR": "/a", "INSTANCE": "a"},
		"unlock.yaml":         {"IMAGE": "a", "DOCKER_GID": "1"},
	}
	for name, variables := range all {
		c, err := load(t, name, variables)
		if err != nil || len(c.Services) != 1 || c.Services[0].Image != "a" || c.Services[0].User != "65532:1" {
			t.Fatalf("%s: %+v, %v", name, c, err)
		}
		for missing := range variables {
			others := map[string]string{}
			for k, v := range variables {
				if k != missing {
					others[k] = v
				}
			}
			if _, err := load(t, name, others); err == nil {
				t.Errorf("%s does not ask for %s", name, missing)
			}
		}
	}
}

// The guide says where each way of running the operator has its mode. A mode in a file of deploy/ would override what
// people write into their configuration.
func TestTheModeIsWhereTheGuideSays(t *testing.T) {
	mode := func(name string, variables map[string]string) string {
		t.Helper()
		c, err := load(t, name, variables)
		if err != nil || len(c.Services) != 1 {
			t.Fatalf("%s: %+v, %v", name, c, err)
		}
		if mode := c.Services[0].Environment["SWARM_OPERATOR_MODE"]; mode != nil {
			return *mode
		}
		return ""
	}
	plain := map[string]string{"IMAGE": "a", "DOCKER_GID": "1", "SOURCE_DIR": "/a", "INSTANCE": "a"}
	for stated, want := range map[string]string{"": "enforce", "observe": "observe", "enforce": "enforce"} {
		if plain["MODE"] = stated; stated == "" {
			delete(plain, "MODE")
		}
		if got := mode("compose.yaml", plain); got != want {
			t.Errorf("with MODE=%s compose.yaml has the mode %q, want %q", stated, got, want)
		}
	}
	if got := mode("swarm-operator.yaml", map[string]string{"IMAGE": "a", "DOCKER_GID": "1"}); got != "" {
		t.Errorf("the stack has the mode %q, so that the configuration's does not count", got)
	}
	if unit := string(readFile(t, deployFile(t, "swarm-operator.service"))); strings.Contains(unit, "MODE=") || strings.Contains(unit, "--mode") {
		t.Errorf("the unit has a mode, so that the configuration's does not count:\n%s", unit)
	}
}

// plain returns the container that docker compose would make from compose.yaml. The test fails if the file has a
// setting that is not carried over here.
func plain(t *testing.T, variables map[string]string) client.ContainerCreateOptions {
	t.Helper()
	return containerOf(t, "compose.yaml", variables, types.StringList{"/tmp:size=128m"}, 512*units.MiB)
}

// helper returns the container that docker compose would make from unlock.yaml, with the keys in a directory.
func helper(t *testing.T, variables map[string]string, keys string) client.ContainerCreateOptions {
	t.Helper()
	o := containerOf(t, "unlock.yaml", variables, nil, 64*units.MiB)
	for i, m := range o.HostConfig.Mounts {
		if m.Target == "/var/lib/swarm-operator" && m.Source == m.Target && !m.ReadOnly {
			o.HostConfig.Mounts[i].Source = keys
			return o
		}
	}
	t.Fatalf("the keys have no place: %+v", o.HostConfig.Mounts)
	return o
}

// containerOf returns the only container of a file.
func containerOf(t *testing.T, name string, variables map[string]string, tmpfs types.StringList, memory int64) client.ContainerCreateOptions {
	t.Helper()
	c, err := load(t, name, variables)
	if err != nil {
		t.Fatal(err)
	}
	s := c.Services[0]
	grace := int(*s.StopGracePeriod) / 1e9
	o := client.ContainerCreateOptions{
		Name:   s.Name,
		Config: &container.Config{Image: s.Image, User: s.User, StopTimeout: &grace, Cmd: []string(s.Command)},
		HostConfig: &container.HostConfig{
			ReadonlyRootfs: s.ReadOnly, CapDrop: s.CapDrop, SecurityOpt: s.SecurityOpt, NetworkMode: container.NetworkMode(s.NetworkMode),
			RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyMode(s.Restart)}, Tmpfs: map[string]string{},
			Resources: container.Resources{Memory: int64(s.Deploy.Resources.Limits.MemoryBytes)},
		},
	}
	for k, v := range s.Environment {
		o.Config.Env = append(o.Config.Env, k+"="+*v)
	}
	for _, v := range s.Volumes {
		o.HostConfig.Mounts = append(o.HostConfig.Mounts, mount.Mount{Type: mount.Type(v.Type), Source: v.Source, Target: v.Target, ReadOnly: v.ReadOnly})
	}
	if diff := cmp.Diff(tmpfs, s.Tmpfs, cmpopts.EquateEmpty()); diff != "" {
		t.Fatal(diff)
	}
	for _, t := range tmpfs {
		path, options, _ := strings.Cut(t, ":")
		o.HostConfig.Tmpfs[path] = options
	}
	if s.HealthCheck != nil && s.HealthCheck.Disable {
		o.Config.Healthcheck = &container.HealthConfig{Test: []string{"NONE"}}
	}
	if o.HostConfig.Memory != memory {
		t.Errorf("it may have %d bytes of memory", o.HostConfig.Memory)
	}
	s.Deploy.Resources.Limits = nil
	left := types.ServiceConfig{
		Name: s.Name, Command: s.Command, HealthCheck: s.HealthCheck, Image: s.Image, User: s.User, ReadOnly: true, CapDrop: []string{"ALL"}, SecurityOpt: []string{"no-new-privileges:true"},
		NetworkMode: s.NetworkMode, Restart: "unless-stopped", Tmpfs: s.Tmpfs, Environment: s.Environment, Volumes: s.Volumes, StopGracePeriod: s.StopGracePeriod,
	}
	if diff := cmp.Diff(left, s, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s has more than is tested (-tested +file):\n%s", name, diff)
	}
	return o
}

func TestComposeFile(t *testing.T) {
	plain(t, map[string]string{"IMAGE": "a", "DOCKER_GID": "1", "SOURCE_DIR": os.TempDir(), "INSTANCE": "a"})
	o := helper(t, map[string]string{"IMAGE": "a", "DOCKER_GID": "1"}, t.TempDir())
	if len(o.Config.Healthcheck.Test) != 1 || o.HostConfig.NetworkMode != "none" {
		t.Errorf("the helper's container has a health check or a network: %+v", o)
	}
}
