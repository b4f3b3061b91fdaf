package service

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

// ids resolves names into ids. It fails if the object does not exist.
type ids func(kind, name string) (string, error)

// overlay changes in spec only the leaves that differ, and nothing else. Settings that manifests cannot state stay.
// So does every form ({} or absent, an order) that means the same to a reader and something else to SwarmKit.
//
// If a group is absent and has to be made, only the leaves that differ are in it. A leaf gets its default with them if
// zero means something else. The caller writes the image, because that may need a registry. overlay fails if id does.
func overlay(spec *swarm.ServiceSpec, want *v1.ServiceSpec, ch diff.Paths, ix names, id ids) error {
	overlayMode(spec, want, ch)
	if spec.TaskTemplate.ContainerSpec == nil {
		spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{}
	}
	c := spec.TaskTemplate.ContainerSpec
	overlayContainer(c, want, ch)
	overlayMore(c, want, ch)
	c.Mounts = overlayMounts(c.Mounts, want.Mounts, ch)
	if err := overlayCredentials(c, want.CredentialSpec, ch, id); err != nil {
		return err
	}
	if err := overlayFiles(c, want, ch, id); err != nil {
		return err
	}
	if err := overlayTask(&spec.TaskTemplate, want, ch, ix, id); err != nil {
		return err
	}
	overlayPorts(spec, want, ch)
	overlayUpdate(&spec.UpdateConfig, want.UpdateConfig, "spec.updateConfig", ch)
	overlayUpdate(&spec.RollbackConfig, want.RollbackConfig, "spec.rollbackConfig", ch)
	return nil
}

// overlayMode makes sure that there is a mode: an update without one silently means one replica.
func overlayMode(spec *swarm.ServiceSpec, want *v1.ServiceSpec, ch diff.Paths) {
	m := &spec.Mode
	if *m == (swarm.ServiceMode{}) {
		switch want.Mode {
		case v1.ModeGlobal:
			m.Global = &swarm.GlobalService{}
		case v1.ModeGlobalJob:
			m.GlobalJob = &swarm.GlobalJob{}
		case v1.ModeReplicatedJob:
			one := uint64(1) // otherwise the engine takes maxConcurrent for it
			m.ReplicatedJob = &swarm.ReplicatedJob{TotalCompletions: &one}
		default:
			m.Replicated = &swarm.ReplicatedService{}
		}
	}
	if want.MaxConcurrent != nil && m.ReplicatedJob != nil && ch.Has("spec.maxConcurrent") {
		m.ReplicatedJob.MaxConcurrent = clone(want.MaxConcurrent)
	}
	if want.Replicas == nil || !ch.Has("spec.replicas") {
		return
	}
	n := *want.Replicas
	switch {
	case m.Replicated != nil:
		m.Replicated.Replicas = &n
	case m.ReplicatedJob != nil:
		if m.ReplicatedJob.MaxConcurrent == nil {
			m.ReplicatedJob.MaxConcurrent = &n // as docker service create does
		}
		m.ReplicatedJob.TotalCompletions = &n
	}
}

func overlayContainer(c *swarm.ContainerSpec, want *v1.ServiceSpec, ch diff.Paths) {
	set(&c.User, want.User, ch, "spec.user")
	set(&c.Dir, want.WorkingDir, ch, "spec.workingDir")
	set(&c.Hostname, want.Hostname, ch, "spec.hostname")
	set(&c.ReadOnly, want.ReadOnly, ch, "spec.readOnly")
	set(&c.Command, []string(want.Entrypoint), ch, "spec.entrypoint")
	set(&c.Args, []string(want.Command), ch, "spec.command")
	set(&c.CapabilityAdd, want.CapAdd, ch, "spec.capAdd")
	set(&c.CapabilityDrop, want.CapDrop, ch, "spec.capDrop")
	set(&c.Init, want.Init, ch, "spec.init")
	if ch.Has("spec.stopGracePeriod") {
		c.StopGracePeriod = (*time.Duration)(want.StopGracePeriod)
	}
	if ch.Any("spec.environment") {
		c.Env = overlayEnv(c.Env, want.Environment, ch)
	}
	if ch.Any("spec.containerLabels") {
		c.Labels = overlayMap(c.Labels, want.ContainerLabels, "spec.containerLabels", ch)
	}
	if ch.Has("spec.extraHosts") {
		c.Hosts = nil
		for _, h := range want.ExtraHosts {
			host, address, _ := v1.SplitHost(h)
			c.Hosts = append(c.Hosts, address+" "+host)
		}
	}
	overlayHealth(c, want.Healthcheck, ch)
}

func set[T any](to *T, value T, ch diff.Paths, path string) {
	if ch.Has(path) {
		*to = value
	}
}

// overlayEnv keeps the live order, because another order would restart tasks. It appends new variables, sorted.
func overlayEnv(live []string, want v1.Environment, ch diff.Paths) []string {
	var out []string
	done := map[string]bool{}
	for _, line := range live {
		name, _, _ := strings.Cut(line, "=")
		value, wanted := want[name]
		switch {
		case !ch.Has(v1.PathKey("spec.environment", name)):
			out = append(out, line)
		case wanted && !done[name]:
			out = append(out, variable(name, value))
		}
		done[name] = true
	}
	var added []string
	for name, value := range want {
		if !done[name] && ch.Has(v1.PathKey("spec.environment", name)) {
			added = append(added, variable(name, value))
		}
	}
	slices.Sort(added)
	return append(out, added...)
}

func variable(name, value string) string {
	if value == v1.NoValue {
		return name
	}
	return name + "=" + value
}

func overlayMap(live, want map[string]string, path string, ch diff.Paths) map[string]string {
	out := make(map[string]string, len(live)+len(want))
	for k, v := range live {
		if _, wanted := want[k]; wanted || !ch.Has(v1.PathKey(path, k)) {
			out[k] = v
		}
	}
	for k, v := range want {
		if ch.Has(v1.PathKey(path, k)) {
			out[k] = v
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func overlayHealth(c *swarm.ContainerSpec, want *v1.Healthcheck, ch diff.Paths) {
	const at = "spec.healthcheck"
	if !ch.Any(at) {
		return
	}
	if want == nil {
		want = &v1.Healthcheck{}
	}
	h := &container.HealthConfig{}
	// Beside NONE nothing means anything, and it must not come into force when NONE goes.
	if live := c.Healthcheck; live != nil && !slices.Equal(live.Test, []string{"NONE"}) {
		*h = *live
	}
	set(&h.Test, []string(want.Test), ch, at+".test")
	set(&h.Interval, time.Duration(want.Interval), ch, at+".interval")
	set(&h.Timeout, time.Duration(want.Timeout), ch, at+".timeout")
	set(&h.StartPeriod, time.Duration(want.StartPeriod), ch, at+".startPeriod")
	set(&h.StartInterval, time.Duration(want.StartInterval), ch, at+".startInterval")
	set(&h.Retries, int(want.Retries), ch, at+".retries")
	if c.Healthcheck = h; len(h.Test) == 0 && h.Interval == 0 && h.Timeout == 0 && h.StartPeriod == 0 && h.StartInterval == 0 && h.Retries == 0 {
		c.Healthcheck = nil
	}
}

// overlayList replaces, removes and appends only elements of which a leaf differs, and keeps the live order. An element
// that occurs again is another one, as in diff.
func overlayList[L, W any](live []L, want []W, path string, ch diff.Paths, liveKey func(L) string, wantKey func(W) string, patch func(L, W, diff.Paths, string) L) []L {
	if !ch.Any(path) {
		return live
	}
	wanted, keys := make(map[string]W, len(want)), numbered(want, wantKey)
	for i, w := range want {
		wanted[keys[i]] = w
	}
	var out []L
	there := map[string]bool{}
	for i, key := range numbered(live, liveKey) {
		l := live[i]
		there[key] = true
		at := path + "[" + key + "]"
		w, keep := wanted[key]
		switch {
		case !ch.Any(at):
			out = append(out, l)
		case keep:
			out = append(out, patch(l, w, ch, at))
		}
	}
	for i, w := range want {
		if at := path + "[" + keys[i] + "]"; !there[keys[i]] && ch.Any(at) {
			var zero L
			out = append(out, patch(zero, w, diff.AllPaths(), at))
		}
	}
	return out
}

// numbered returns the keys of elements as paths have them: a key that occurs again has its number behind it.
func numbered[T any](list []T, key func(T) string) []string {
	out, seen := make([]string, len(list)), map[string]int{}
	for i, e := range list {
		k := key(e)
		if seen[k]++; seen[k] > 1 {
			k += "#" + strconv.Itoa(seen[k])
		}
		out[i] = k
	}
	return out
}

func overlayFiles(c *swarm.ContainerSpec, want *v1.ServiceSpec, ch diff.Paths, id ids) error {
	var failed error
	resolve := func(kind, name string) string {
		found, err := id(kind, name)
		if err != nil && failed == nil {
			failed = err
		}
		return found
	}
	if ch.Any("spec.configs") {
		c.Configs = overlayConfigs(c.Configs, want.Configs, ch, resolve)
	}
	if ch.Any("spec.secrets") {
		c.Secrets = overlaySecrets(c.Secrets, want.Secrets, ch, resolve)
	}
	return failed
}

// overlayConfigs writes the configs that are mounted as files. A config without a file, which is for other use, stays.
func overlayConfigs(live []*swarm.ConfigReference, want []v1.ConfigMount, ch diff.Paths, resolve func(kind, name string) string) []*swarm.ConfigReference {
	var others, files []*swarm.ConfigReference
	for _, r := range live {
		if r.File == nil {
			others = append(others, r)
		} else {
			files = append(files, r)
		}
	}
	files = overlayList(files, want, "spec.configs", ch, func(r *swarm.ConfigReference) string { return v1.ConfigMount{Target: r.File.Name}.ListKey() }, v1.ConfigMount.ListKey,
		func(r *swarm.ConfigReference, w v1.ConfigMount, ch diff.Paths, at string) *swarm.ConfigReference {
			out := swarm.ConfigReference{File: &swarm.ConfigReferenceFileTarget{Name: w.Target}}
			if r != nil {
				file := *r.File
				out = swarm.ConfigReference{File: &file, ConfigID: r.ConfigID, ConfigName: r.ConfigName}
			}
			if ch.Has(at + ".source") {
				out.ConfigName, out.ConfigID = w.Source, resolve(v1.KindConfig, w.Source)
			}
			set(&out.File.UID, w.UID, ch, at+".uid")
			set(&out.File.GID, w.GID, ch, at+".gid")
			set(&out.File.Mode, os.FileMode(*w.Mode), ch, at+".mode")
			return &out
		})
	return slices.Concat(others, files)
}

func overlaySecrets(live []*swarm.SecretReference, want []v1.SecretMount, ch diff.Paths, resolve func(kind, name string) string) []*swarm.SecretReference {
	name := func(r *swarm.SecretReference) string {
		if r.File == nil {
			return ""
		}
		return v1.SecretMount{Target: r.File.Name}.ListKey()
	}
	return overlayList(live, want, "spec.secrets", ch, name, v1.SecretMount.ListKey,
		func(r *swarm.SecretReference, w v1.SecretMount, ch diff.Paths, at string) *swarm.SecretReference {
			out := swarm.SecretReference{File: &swarm.SecretReferenceFileTarget{Name: w.Target}}
			if r != nil {
				file := *r.File
				out = swarm.SecretReference{File: &file, SecretID: r.SecretID, SecretName: r.SecretName}
			}
			if ch.Has(at + ".source") {
				out.SecretName, out.SecretID = w.Source, resolve(v1.KindSecret, w.Source)
			}
			set(&out.File.UID, w.UID, ch, at+".uid")
			set(&out.File.GID, w.GID, ch, at+".gid")
			set(&out.File.Mode, os.FileMode(*w.Mode), ch, at+".mode")
			return &out
		})
}

// copySpec copies through JSON. The spec that was read must stay as it was read, whatever the overlay does.
func copySpec(spec *swarm.ServiceSpec) (*swarm.ServiceSpec, error) {
	b, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("copying the live spec: %w", err)
	}
	var out swarm.ServiceSpec
	if err := json.Unmarshal(b, &out); err != nil {
		return nil, fmt.Errorf("copying the live spec: %w", err)
	}
	return &out, nil
}
