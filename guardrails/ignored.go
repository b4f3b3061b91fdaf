package guardrails

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// looksAt has the fields that rules look at, by kind, and by the name of a rule or of a part of the file. A rule that only
// looks at what a manifest says for the operator, such as policies.noPrune, looks at no field of the live object. Nor does
// resources.replicas: a manifest may leave replicas out, and then others set them.
var looksAt = map[string]map[string][]string{
	v1.KindService: {
		"labels.prefixes": {"metadata.labels", "spec.containerLabels"},
		"images":          {"spec.image"},
		"mounts":          {"spec.mounts"},

		"containers.capabilities":    {"spec.capAdd"},
		"containers.drop":            {"spec.capDrop", "spec.capAdd"},
		"containers.notRoot":         {"spec.user"},
		"containers.noNewPrivileges": {"spec.privileges.noNewPrivileges"},
		"containers.readOnly":        {"spec.readOnly"},
		"containers.healthcheck":     {"spec.healthcheck"},
		"containers.logDrivers":      {"spec.logging.driver"},
		"containers.confined":        {"spec.privileges"},

		"ports":             {"spec.ports"},
		"networks.join":     {"spec.networks"},
		"networks.noHost":   {"spec.networks"},
		"placement.require": {"spec.placement.constraints"},
		"placement.forbid":  {"spec.placement.constraints"},

		"placement.notGlobal": {"spec.mode"},
		"resources.memory":    {"spec.resources.limits.memory", "spec.resources.memorySwap"},
		"resources.cpus":      {"spec.resources.limits.cpus"},
		"resources.pids":      {"spec.resources.limits.pids"},
		"external.networks":   {"spec.networks"},
		"external.configs":    {"spec.configs", "spec.credentialSpec"},
		"external.secrets":    {"spec.secrets"},
		"external.volumes":    {"spec.mounts"},

		"outside.credentialSpecs": {"spec.credentialSpec"},
	},
	v1.KindNetwork: {
		"labels.prefixes":        {"metadata.labels"},
		"networks.drivers":       {"spec.driver"},
		"networks.subnets":       {"spec.ipam.config"},
		"networks.notAttachable": {"spec.attachable"},
		"networks.encrypted":     {"spec.driverOpts", "spec.driver"},
	},
	v1.KindConfig: {"labels.prefixes": {"metadata.labels"}},
	v1.KindSecret: {"labels.prefixes": {"metadata.labels"}, "external.secrets": {"spec.driver"}, "outside.secretDrivers": {"spec.driver"}},
	v1.KindVolume: {"labels.prefixes": {"metadata.labels"}, "mounts": {"spec.driver"}, "external.secrets": {"spec.secrets"}},
}

// ignored refuses to ignore fields that rules look at. The live object keeps what it has in an ignored field, for example
// since before there was the rule, and no rule sees that.
func (c *checking) ignored() {
	policy, key := c.of.Object.Meta().Policy, c.of.Object.Key()
	fields := looksAt[key.Kind]
	if len(policy.IgnoreDifferences) == 0 || fields == nil { // Clusters and nodes keep what their manifests do not state anyway
		return
	}
	for _, rule := range c.rules.Stated() {
		part, _, _ := strings.Cut(rule, ".")
		seen := slices.Concat(fields[rule], fields[part], c.named(rule, key.Kind))
		for i, path := range policy.IgnoreDifferences {
			one := v1.OneForm(key.Kind, path)
			if slices.ContainsFunc(seen, func(field string) bool { return c.hides(rule, field, one) }) {
				c.add(rule, fmt.Sprintf("policy.ignoreDifferences[%d]", i), "%s must not be ignored, because the rule does not see what the object has there", path)
			}
		}
	}
}

// named returns the fields that a rule names itself.
func (c *checking) named(rule, kind string) (out []string) {
	switch {
	case rule == "mounts.types" && kind == v1.KindService && noBinds(c.rules.Mounts),
		rule == "mounts.binds" && kind == v1.KindService && boundsBinds(c.rules.Mounts):
		out = append(out, "spec.credentialSpec")
	case rule == "labels.required" && kind == v1.KindService:
		for _, name := range c.rules.Labels.Required {
			out = append(out, v1.PathKey("metadata.labels", name))
		}
	case rule == "fields":
		for _, text := range c.rules.Fields {
			of, path, _ := strings.Cut(text, " ")
			path = v1.OneForm(kind, path)
			if i := strings.IndexByte(path, '['); i >= 0 && strings.HasPrefix(path[i:], "[]") { // a list, and no key of a map
				path = path[:i]
			}
			if of == kind {
				out = append(out, path)
			}
		}
	}
	return out
}

// hides reports whether a rule about a field does not see all of it if a path is ignored. A label whose name is allowed may
// be ignored. So may replicas, which stay as they are if a manifest leaves them out.
func (c *checking) hides(rule, field, path string) bool {
	field, path = oneSpelling(field), oneSpelling(path)
	name, one := labelOf(field, path)
	if rule == "labels.prefixes" && one && slices.ContainsFunc(c.rules.Labels.Prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
		return false
	}
	return path != "spec.replicas" && (isBelow(path, field) || isBelow(field, path))
}

// isBelow reports whether a path is another one, or below it.
func isBelow(path, other string) bool {
	rest, ok := strings.CutPrefix(path, other)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// labelOf returns the name of the label of a map that a path names. one is false if the path does not name one label of it.
func labelOf(labels, path string) (name string, one bool) {
	rest, ok := strings.CutPrefix(path, labels)
	if plain, is := strings.CutPrefix(rest, "."); ok && is {
		return plain, true
	}
	quoted, is := strings.CutPrefix(rest, "[")
	name, err := strconv.Unquote(strings.TrimSuffix(quoted, "]"))
	return name, ok && is && err == nil
}
