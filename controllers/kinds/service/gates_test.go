package service

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// gates are what the history of the engine's API says of fields of services that came after the oldest version that we
// speak, 1.40. A value is set if only that value is new.
var gates = []struct{ api, says, leaf, value string }{
	{"v1.41", "`POST /services/create` and `POST /services/{id}/update` now supports `BindOptions.NonRecursive`.", "spec.mounts[].bind.recursive", ""},
	{"v1.41", "`POST /services/create` now accepts `CapAdd` and `CapDrop` as part of the `ContainerSpec`.", "spec.capAdd", ""},
	{"v1.41", "`POST /services/create` now accepts `CapAdd` and `CapDrop` as part of the `ContainerSpec`.", "spec.capDrop", ""},
	{"v1.41", "`POST /services/create` now accepts `Pids` in `TaskTemplate.Resources.Limits`.", "spec.resources.limits.pids", ""},
	{"v1.41", "`POST /services/create` now accepts `ReplicatedJob or `GlobalJob` as the `Mode`", "spec.mode", v1.ModeReplicatedJob},
	{"v1.41", "`POST /services/create` now accepts `ReplicatedJob or `GlobalJob` as the `Mode`", "spec.mode", v1.ModeGlobalJob},
	{"v1.41", "`POST /services/create` now accepts `ReplicatedJob or `GlobalJob` as the `Mode`", "spec.maxConcurrent", ""},
	{"v1.41", "`POST /services/create` now accepts `Ulimits` as part of `ContainerSpec`.", "spec.ulimits.*", ""},
	// The history tells of cluster volumes, and forgets that mounts name them.
	{"v1.42", "`POST /volumes/create` now accepts a new `ClusterVolumeSpec` to create a cluster", "spec.mounts[].type", "cluster"},
	{"v1.44", "now accepts a `HealthConfig.StartInterval` to set the", "spec.healthcheck.startInterval", ""},
	{"v1.44", "now accept `Seccomp`", "spec.privileges.seccomp.mode", ""},
	{"v1.44", "now accept `Seccomp`", "spec.privileges.seccomp.profile", ""},
	{"v1.44", "some configuration of Seccomp and AppArmor in Swarm services.", "spec.privileges.appArmor", ""},
	// It came with the two others (adjustForAPIVersion in daemon/server/router/swarm), and the history forgets it.
	{"v1.44", "some configuration of Seccomp and AppArmor in Swarm services.", "spec.privileges.noNewPrivileges", ""},
	{"v1.45", "now supports `VolumeOptions.Subpath` which allows a", "spec.mounts[].volume.subpath", ""},
	{"v1.46", "`POST /services/create` now takes `Options` as part of `ContainerSpec.Mounts.TmpfsOptions`, to set options for tmpfs mounts.", "spec.mounts[].tmpfs.options", ""},
	{"v1.46", "`POST /services/create` and `POST /services/{id}/update` now support OomScoreAdj", "spec.oomScoreAdj", ""},
	{"v1.52", "`POST /services/create` now accepts `SwapBytes` and `MemorySwappiness` fields", "spec.resources.memorySwap", ""},
	{"v1.52", "`POST /services/create` now accepts `SwapBytes` and `MemorySwappiness` fields", "spec.resources.memorySwappiness", ""},
}

// history returns the sections of the history of the engine's API, by version.
func history(t *testing.T) map[string]string {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/moby/moby/api").Output()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "docs", "CHANGELOG.md"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, section := range strings.Split(string(text), "\n## ")[1:] {
		version, _, _ := strings.Cut(section, " ")
		out[version] = section
	}
	return out
}

// Each gate of the rules is in the history of the engine's API, at that version, and each that the history has is in the
// rules.
func TestEachGateIsInTheHistoryOfTheAPI(t *testing.T) {
	versions, gated := history(t), map[[2]string]string{}
	for leaf, r := range rules {
		if r.SinceAPI != "" {
			gated[[2]string{leaf, ""}] = r.SinceAPI
		}
		for value, api := range r.SinceOf {
			gated[[2]string{leaf, value}] = api
		}
	}
	for _, g := range gates {
		if !strings.Contains(versions[g.api], g.says) {
			t.Errorf("%s does not say %q", g.api, g.says)
		}
		at := [2]string{g.leaf, g.value}
		if "v"+gated[at] != g.api {
			t.Errorf("%s %s came with %s, and its rule says %q", g.leaf, g.value, g.api, gated[at])
		}
		delete(gated, at)
	}
	for at, api := range gated {
		t.Errorf("the rule for %s %s says %s, and the history says nothing of it", at[0], at[1], api)
	}
}

// What the history says of services in a version after 1.40, and that none of the gates is about, is new.
func TestNothingInTheHistoryOfTheAPIIsForgotten(t *testing.T) {
	known := []string{"as part of the `Mode`", "`ServiceSpec.Mode`"}
	for _, g := range gates {
		known = append(known, g.says)
	}
	for version, text := range history(t) {
		if version == "v1.40" || len(version) != len("v1.40") || version < "v1.40" {
			continue
		}
		for line := range strings.SplitSeq(text, "\n* ") {
			line, _, _ = strings.Cut(line, "\n")
			if !strings.HasPrefix(line, "`POST /services/create`") {
				continue
			}
			if !slices.ContainsFunc(known, func(k string) bool { return strings.Contains(line, k) }) && !strings.Contains(line, "requests is now deprecated") {
				t.Errorf("%s: no gate is about %q", version, line)
			}
		}
	}
}
