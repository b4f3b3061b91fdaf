package service

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
)

// unnamed are the settings that manifests cannot state and that nobody has set.
var unnamed = map[string]string{
	"spec.forceUpdate":          "a counter of --force",
	"spec.placement.platforms":  "the image's",
	"spec.mounts[].consistency": "the engine drops it",
}

var keys = regexp.MustCompile(`\[[^\]]*\]`)

func TestEverySettingThatNoManifestStatesIsNamed(t *testing.T) {
	if got := unstated(everything(), directory{}); len(got) > 0 {
		t.Errorf("of what manifests can state, %q are named", got)
	}
	for _, l := range leaves(reflect.TypeFor[swarm.ServiceSpec]()) {
		if l.path == "Mode.ReplicatedJob.TotalCompletions" {
			continue // manifests state how many tasks complete; they cannot state how many run at once
		}
		spec := base(l.path)
		l.change(spec)
		path, is := strings.CutPrefix(engineLeaves[l.path], "not yet: ")
		got := unstated(spec, directory{})
		for i := range got {
			got[i] = keys.ReplaceAllString(got[i], "[]")
		}
		switch named := slices.Contains(got, path); {
		case is && unnamed[path] == "" && !named:
			t.Errorf("with %s, %q are named, want %s", l.path, got, path)
		case (!is || unnamed[path] != "") && len(got) > 0:
			t.Errorf("with %s, %q are named", l.path, got)
		}
	}
}

func TestWhatClientsPutInByThemselvesIsNotNamed(t *testing.T) {
	three := uint64(3)
	spec := everything()
	spec.Mode = swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{MaxConcurrent: &three, TotalCompletions: &three}}
	spec.TaskTemplate.ForceUpdate, spec.TaskTemplate.Runtime = 2, swarm.RuntimeContainer
	c := spec.TaskTemplate.ContainerSpec
	c.Isolation, c.DNSConfig, c.Privileges = "default", &swarm.DNSConfig{}, &swarm.Privileges{
		CredentialSpec: &swarm.CredentialSpec{}, SELinuxContext: &swarm.SELinuxContext{}, AppArmor: &swarm.AppArmorOpts{Mode: "default"}, Seccomp: &swarm.SeccompOpts{Mode: "default"},
	}
	c.Mounts[0].VolumeOptions = &mount.VolumeOptions{Labels: map[string]string{"com.docker.stack.namespace": "shop"}, DriverConfig: &mount.Driver{Name: "local"}}
	if got := unstated(spec, directory{}); len(got) > 0 {
		t.Errorf("%q are named", got)
	}
}

func TestSettingsAreNamedWithTheKeysOfTheirLists(t *testing.T) {
	spec := everything()
	spec.EndpointSpec.Ports[0].Name = "http"
	spec.TaskTemplate.Networks[0].DriverOpts = map[string]string{"a": "1"}
	spec.TaskTemplate.ContainerSpec.Mounts[0].VolumeOptions.DriverConfig = &mount.Driver{Name: "nfs", Options: map[string]string{"share": "x"}}
	want := []string{"spec.mounts[/data].volume.driver", "spec.mounts[/data].volume.driverConfig", "spec.networks[front].driverOpts", "spec.ports[80/tcp].name"}
	if got := unstated(spec, directory{}); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
