package generate

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Live is a service that somebody made with a tool, as the tool sends it, and a manifest that says the same.
type Live struct {
	Tool     string
	Manifest *v1.Service
	Spec     *swarm.ServiceSpec
}

// LongConfig is the name of a config that is too long for the suffix of a version. Live services may refer to it, and to
// Networks, Configs and Secrets.
const LongConfig = "a-config-whose-name-is-too-long-for-the-suffix-of-a-version"

// Tool makes services. It cannot say everything that an engine knows, and says some things that nobody asked for.
type Tool struct {
	Name  string
	modes []string
	// says changes what a service states into what the tool says of it: it takes away what the tool cannot say, and adds
	// what it says by itself.
	says func(t *rapid.T, sp *v1.ServiceSpec)
	// form changes a spec into the form in which the tool sends it.
	form func(t *rapid.T, spec *swarm.ServiceSpec)
}

// Tools are those with which most people make services. What they do is in their sources: docker/cli
// (cli/command/service/opts.go, cli/compose/convert), portainer (createServiceController.js, serviceController.js),
// community.docker's docker_swarm_service with docker-py (types/services.py), and terraform-provider-docker
// (resource_docker_service_funcs.go).
var Tools = []Tool{
	{"docker service create", Modes, cliSays, cliForm},
	{"docker stack deploy", Modes, stackSays, stackForm},
	{"portainer", modesOfOthers, portainerSays, portainerForm},
	{"portainer, over a stack", Modes, backSays, backForm},
	{"ansible", modesOfOthers, ansibleSays, ansibleForm},
	{"terraform", modesOfOthers, terraformSays, terraformForm},
}

// modesOfOthers are the modes of tools that know no jobs.
var modesOfOthers = []string{"", v1.ModeReplicated, v1.ModeGlobal}

// EachLive calls life with n live services, which are the same each time. id returns the id of an object. life may draw
// more.
func EachLive(t testing.TB, from, n int, id func(kind, name string) string, life func(*rapid.T, Live)) {
	t.Helper()
	each(t, from, n, func(t *rapid.T, seed int) { life(t, LiveOf(t, Tools[seed%len(Tools)], "live", id)) })
}

// LiveOf draws a service that a tool made.
func LiveOf(t *rapid.T, tool Tool, name string, id func(kind, name string) string) Live {
	s := ServiceOf(t, name, oneOf(t, tool.modes, "mode"))
	asPeopleDo(t, &s.Spec)
	tool.says(t, &s.Spec)
	sent := spec(s, id)
	chosen(t, sent)
	tool.form(t, sent)
	return Live{tool.Name, s, sent}
}

// asPeopleDo adds what stands in public stack files, runs, and looks wrong.
func asPeopleDo(t *rapid.T, sp *v1.ServiceSpec) {
	for i := range sp.Mounts {
		if m := &sp.Mounts[i]; m.Type == "volume" && m.Source != "" && yes(t, "a volume of a plugin") {
			m.Source = "shared-volume/" + m.Source
		}
	}
	if sp.Placement != nil && yes(t, "spread over no label") {
		sp.Placement.Preferences = append(sp.Placement.Preferences, v1.Preference{Spread: "node.role.manager"})
	}
	if yes(t, "a long name") {
		sp.Configs = append(sp.Configs, v1.ConfigMount{Source: LongConfig, Target: "/etc/long"})
	}
}

// chosen adds what the swarm and people choose while a manifest says nothing about it, and writes paths with a slash at
// their end or without.
func chosen(t *rapid.T, spec *swarm.ServiceSpec) {
	task := &spec.TaskTemplate
	if task.ForceUpdate == 0 {
		task.ForceUpdate = rapid.Uint64Range(0, 2).Draw(t, "--force")
	}
	if r := spec.Mode.Replicated; r != nil && r.Replicas == nil && yes(t, "scaled") {
		r.Replicas = new(uint64(4))
	}
	for i := range task.ContainerSpec.Mounts {
		m := &task.ContainerSpec.Mounts[i]
		if yes(t, "slash") {
			m.Target = strings.TrimSuffix(m.Target, "/") + "/"
		}
		if m.Type == mount.TypeBind && yes(t, "slash") {
			m.Source += "/"
		}
	}
}

// pin adds what a registry says of an image. The docker CLI asks it.
func pin(t *rapid.T, spec *swarm.ServiceSpec) {
	c := spec.TaskTemplate.ContainerSpec
	if strings.Contains(c.Image, "@") || !yes(t, "pinned") {
		return
	}
	if last := c.Image[strings.LastIndex(c.Image, "/")+1:]; !strings.Contains(last, ":") {
		c.Image += ":latest"
	}
	c.Image += "@" + Digest
	if p := spec.TaskTemplate.Placement; p != nil && len(p.Platforms) == 0 {
		p.Platforms = []swarm.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux"}, {OS: "linux", Architecture: "arm64"}}
	}
}

// there returns what p points to. It makes it if it is not there.
func there[T any](p **T) *T {
	if *p == nil {
		*p = new(T)
	}
	return *p
}

// label adds a label that no manifest needs to state.
func label(to *map[string]string, key, value string) {
	if _, stated := (*to)[key]; stated {
		return
	}
	if *to == nil {
		*to = map[string]string{}
	}
	*to = maps.Clone(*to)
	(*to)[key] = value
}

func byTarget(networks []swarm.NetworkAttachmentConfig) {
	slices.SortFunc(networks, func(a, b swarm.NetworkAttachmentConfig) int { return strings.Compare(a.Target, b.Target) })
}
