package guardrails_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/guardrails"
)

// seen has a field that each rule looks at, of the kind that the table of all rules has for it. Rules without one look at
// nothing that a live object has, or only at Clusters and nodes, which keep what their manifests do not state.
var seen = map[string]string{
	"fields": "spec.mounts", "labels.prefixes": "metadata.labels", "labels.required": "metadata.labels.team",
	"images.from": "spec.image", "images.digest": "spec.image", "images.noTags": "spec.image",
	"mounts.types": "spec.mounts", "mounts.binds": "spec.mounts", "mounts.readOnlyBinds": "spec.mounts", "mounts.noDockerSocket": "spec.mounts", "mounts.volumes": "spec.mounts", "mounts.drivers": "spec.mounts",
	"containers.capabilities": "spec.capAdd", "containers.drop": "spec.capDrop", "containers.notRoot": "spec.user", "containers.noNewPrivileges": "spec.privileges", "containers.readOnly": "spec.readOnly",
	"containers.healthcheck": "spec.healthcheck", "containers.logDrivers": "spec.logging", "containers.confined": "spec.privileges",
	"ports.published": "spec.ports", "ports.noHostMode": "spec.ports",
	"networks.join": "spec.networks", "networks.noHost": "spec.networks", "networks.drivers": "spec.driver", "networks.subnets": "spec.ipam", "networks.notAttachable": "spec.attachable", "networks.encrypted": "spec.driverOpts",
	"placement.require": "spec.placement", "placement.forbid": "spec.placement", "placement.notGlobal": "spec.mode",
	"resources.memory": "spec.resources.limits.memory", "resources.cpus": "spec.resources", "resources.pids": "spec.resources.limits",
	"external.networks": "spec.networks", "external.configs": "spec.configs", "external.secrets": "spec.secrets", "external.volumes": "spec.mounts",
	"outside.secretDrivers": "spec.driver", "outside.credentialSpecs": "spec.credentialSpec",
}

var blind = []string{
	"kinds", "names", "resources.replicas", "nodes.names", "nodes.noSets", "nodes.roles", "nodes.noRemoval", "nodes.engines", "nodes.managers",
	"outside.sinks", "outside.authorities", "outside.tls", "policies.noTakeover", "policies.noPrune",
}

func ignoring(manifest string, paths ...string) string {
	return manifest + "\npolicy: {ignoreDifferences: ['" + strings.Join(paths, "', '") + "']}"
}

// Whatever a rule looks at may not be ignored, nor what it is a part of.
func TestNoRuleLooksAtWhatIsIgnored(t *testing.T) {
	for _, r := range rules {
		path, sees := seen[r.rule]
		if sees == slices.Contains(blind, r.rule) {
			t.Errorf("%s: say whether it looks at something of the live object", r.rule)
		}
		if !sees {
			continue
		}
		t.Run(r.rule, func(t *testing.T) {
			g := read(t, r.file)
			check := func(paths ...string) []guardrails.Breach {
				return guardrails.Check(g, load(t, ignoring(r.keeps, paths...)), day)
			}
			want := guardrails.Breach{Rule: r.rule, Path: "policy.ignoreDifferences[0]", Why: path + " must not be ignored, because the rule does not see what the object has there"}
			if got := check(path); len(got) != 1 || got[0] != want {
				t.Errorf("%s is ignored:\n%+v, want\n%+v", path, got, want)
			}
			if !strings.Contains(r.keeps, "kind: Service") {
				return
			}
			whole := "spec"
			if strings.HasPrefix(path, "metadata") {
				whole = "metadata.labels"
			}
			if got := check("spec.stopGracePeriod", whole); len(got) != 1 || got[0].Rule != r.rule || got[0].Path != "policy.ignoreDifferences[1]" {
				t.Errorf("%s is ignored: %+v", whole, got)
			}
			if got := check("spec.stopGracePeriod", "spec.replicas", "spec.updateConfig"); len(got) > 0 {
				t.Errorf("the rule does not look there: %+v", got)
			}
		})
	}
}

func TestWhatMayBeIgnored(t *testing.T) {
	mount := service("mounts: [{type: volume, source: data, target: /data}]")
	for _, c := range []struct{ name, file, manifest, want string }{
		{"nothing of the rule", "images: {digest: true}\nlabels: {required: [team]}", ignoring("kind: Service\nmetadata: {name: web, labels: {team: a}}\nspec: {image: 'nginx:1@sha256:"+strings.Repeat("a", 64)+"'}", "spec.resources", "metadata.labels.autoscaler", "spec.replicas"), ""},
		{"a part of a list", "mounts: {binds: []}", ignoring(mount, "spec.mounts[/data]"), "policy.ignoreDifferences[0]"},
		{"a part of a part", "mounts: {noDockerSocket: true}", ignoring(mount, "spec.hostname", "spec.mounts[/data].source"), "policy.ignoreDifferences[1]"},
		{"what only begins alike", "containers: {capabilities: []}", ignoring(service(""), "spec.capDrop"), ""},
		{"capAdd, which may give back what must be dropped", "containers: {drop: [NET_RAW]}", ignoring(service("capDrop: [NET_RAW]"), "spec.capAdd"), "policy.ignoreDifferences[0]"},
		{"two rules", "images: {digest: true}\nmounts: {binds: []}", ignoring("kind: Service\nspec: {image: 'nginx:1@sha256:"+strings.Repeat("a", 64)+"'}", "spec"), "policy.ignoreDifferences[0] policy.ignoreDifferences[0]"},
		{"the replicas of an autoscaler", "resources: {replicas: 5}", ignoring(service("replicas: 2"), "spec.replicas"), ""},
		{"replicas that may not be stated", "fields: [Service spec.replicas]", ignoring(service(""), "spec.replicas"), ""},
		{"a field that may not be stated", "fields: [Service spec.user]", ignoring(service(""), "spec.user"), "policy.ignoreDifferences[0]"},
		{"a field of another kind that may not be stated", "fields: [Network spec.attachable]", ignoring(service(""), "spec.user"), ""},
		{"a label that is allowed", "labels: {prefixes: [shop.]}", ignoring(service(""), `metadata.labels["shop.a"]`), ""},
		{"a label that is not allowed", "labels: {prefixes: [shop.]}", ignoring(service(""), `metadata.labels["other.a"]`), "policy.ignoreDifferences[0]"},
		{"a plain label that is not allowed", "labels: {prefixes: [shop.]}", ignoring(service(""), "metadata.labels.shop"), "policy.ignoreDifferences[0]"},
		{"a plain label that is allowed", "labels: {prefixes: [shop]}", ignoring(service(""), "metadata.labels.shop"), ""},
		{"labels of containers", "labels: {prefixes: [shop.]}", ignoring(service(""), "spec.containerLabels"), "policy.ignoreDifferences[0]"},
		{"another label than the required one", "labels: {required: [team]}", ignoring("kind: Service\nmetadata: {name: web, labels: {team: a}}\nspec: {image: nginx}", "metadata.labels.other"), ""},
		{"a label that another required one begins like", "labels: {required: [team]}", ignoring("kind: Service\nmetadata: {name: web, labels: {team: a}}\nspec: {image: nginx}", `metadata.labels["team.b"]`), ""},
		{"a required label with points, without quotes", "labels: {required: [team.b]}", ignoring("kind: Service\nmetadata: {name: web, labels: {team.b: a}}\nspec: {image: nginx}", "metadata.labels.team.b"), "policy.ignoreDifferences[0]"},
		{"a required label in quotes that it does not need", "labels: {required: [team]}", ignoring("kind: Service\nmetadata: {name: web, labels: {team: a}}\nspec: {image: nginx}", `metadata.labels["team"]`), "policy.ignoreDifferences[0]"},
		{"swap that the node may have in any amount", "resources: {memory: 1GiB}", ignoring(service("resources: {limits: {memory: 1GiB}}"), "spec.resources.memorySwap"), "policy.ignoreDifferences[0]"},
		{"a parameter of the kernel in another spelling", "fields: [Service spec.sysctls.net.ipv4.ip_forward]", ignoring(service(""), `spec.sysctls["net/ipv4/ip_forward"]`), "policy.ignoreDifferences[0]"},
		{"another parameter of the kernel", "fields: [Service spec.sysctls.net.ipv4.ip_forward]", ignoring(service(""), "spec.sysctls.net.ipv4.tcp_syncookies"), ""},
		{"a limit in capital letters", "fields: [Service spec.ulimits.nofile]", ignoring(service(""), "spec.ulimits.NOFILE"), "policy.ignoreDifferences[0]"},
		{"an account of the node", "mounts: {types: [volume]}", ignoring(service(""), "spec.credentialSpec"), "policy.ignoreDifferences[0]"},
		{"an account of the node, where binds are allowed", "mounts: {types: [bind]}", ignoring(service(""), "spec.credentialSpec"), ""},
		{"an account of the node, where some binds are allowed", "mounts: {binds: [/srv]}", ignoring(service(""), "spec.credentialSpec"), "policy.ignoreDifferences[0]"},
		{"an account of the node, where every bind is allowed", "mounts: {binds: [/]}", ignoring(service(""), "spec.credentialSpec"), ""},
		{"an account of the node, if configs of others are listed", "external: {configs: []}", ignoring(service(""), "spec.credentialSpec.file"), "policy.ignoreDifferences[0]"},
		{"the driver, by which a network has to be encrypted", "networks: {encrypted: true}", ignoring("kind: Network\nspec: {driver: weave}", "spec.driver"), "policy.ignoreDifferences[0]"},
		{"the labels of a network", "labels: {prefixes: [shop.]}", ignoring("kind: Network", "metadata.labels"), "policy.ignoreDifferences[0]"},
		{"a node keeps what its manifest does not state", "nodes: {roles: [worker]}\nlabels: {prefixes: []}", ignoring("kind: Node\nspec: {role: worker}", "spec.role", "spec.labels"), ""},
		{"nothing at all", "images: {from: [docker.io]}", service("") + "\npolicy: {ignoreDifferences: []}", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, got := breaches(read(t, c.file), load(t, c.manifest)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// An exception from the rule is one from this too. When it ends, what the object has is no longer hidden.
func TestAnExceptionLetsAFieldBeIgnored(t *testing.T) {
	g := read(t, "mounts: {binds: []}")
	g.Exceptions = []config.Exception{{Object: "Service/web", Rules: []string{"mounts.binds"}, Until: "2027-01-31"}}
	m := load(t, ignoring(service(""), "spec.mounts"))
	if got := guardrails.Check(g, m, day); len(got) > 0 {
		t.Errorf("the exception does not count: %+v", got)
	}
	if got := guardrails.Check(g, m, day.AddDate(0, 0, 1)); len(got) != 1 || got[0].Rule != "mounts.binds" {
		t.Errorf("the exception has ended: %+v", got)
	}
}

// A key with points has two forms, in rules and in manifests. Each names the same field.
func TestAKeyWithPointsIsOneFieldInEachForm(t *testing.T) {
	forms := func(of string) []string { return []string{of + ".a.b", of + `["a.b"]`} }
	// Of other kinds nothing that a rule looks at can be ignored.
	empty := map[string]string{v1.KindService: service(""), v1.KindNetwork: "kind: Network", v1.KindSecret: driven("vault"), v1.KindConfig: "kind: Config\nspec: {data: x}"}
	for of, manifest := range map[string]string{
		"Service metadata.labels":                 "kind: Service\nmetadata: {name: web, labels: {a.b: x, a: x}}\nspec: {image: nginx}",
		"Service spec.environment":                service("environment: {a.b: x, a: x}"),
		"Service spec.containerLabels":            service("containerLabels: {a.b: x, a: x}"),
		"Service spec.sysctls":                    service("sysctls: {a.b: x, a: x}"),
		"Service spec.ulimits":                    service("ulimits: {a.b: 1, a: 1}"),
		"Service spec.logging.options":            service("logging: {driver: x, options: {a.b: x, a: x}}"),
		"Service spec.mounts[].volume.driverOpts": volume("{driverOpts: {a.b: x, a: x}}"),
		"Service spec.mounts[].volume.labels":     volume("{labels: {a.b: x, a: x}}"),
		"Service spec.networks[].driverOpts":      service("networks: [{name: a, driverOpts: {a.b: x, a: x}}]"),
		"Network spec.driverOpts":                 "kind: Network\nspec: {driverOpts: {a.b: x, a: x}}",
		"Network spec.ipam.options":               "kind: Network\nspec: {ipam: {options: {a.b: x, a: x}}}",
		"Node spec.labels":                        "kind: Node\nspec: {labels: {a.b: x, a: x}}",
		"Secret spec.driverOpts":                  "kind: Secret\nspec: {driver: vault, driverOpts: {a.b: x, a: x}}",
		"Config metadata.labels":                  "kind: Config\nmetadata: {name: web, labels: {a.b: x, a: x}}\nspec: {data: x}",
		"NodeSet spec.template.labels":            "kind: NodeSet\nspec: {selector: {}, template: {labels: {a.b: x, a: x}}}",
		"Cluster spec.managers.candidates.labels": "kind: Cluster\nmetadata: {name: default}\nspec: {managers: {count: 1, candidates: {labels: {a.b: x, a: x}}}}",
	} {
		for _, rule := range forms(of) {
			g := &config.Guardrails{Fields: []string{rule}}
			if ps := g.Validate(); len(ps) > 0 {
				t.Errorf("%s: %v", rule, ps)
			}
			kind, path, _ := strings.Cut(of, " ")
			stated := strings.ReplaceAll(path, "[]", "[0]") + `["a.b"]`
			if _, got := breaches(g, load(t, manifest)); got != stated {
				t.Errorf("%s: breaks %q, want %q", rule, got, stated)
			}
			if empty[kind] == "" || strings.Contains(path, "[]") { // a rule about a part of a list looks at all of the list
				continue
			}
			for _, ignored := range forms(path) {
				if _, got := breaches(g, load(t, ignoring(empty[kind], ignored))); got != "policy.ignoreDifferences[0]" {
					t.Errorf("%s, and %s is ignored: breaks %q", rule, ignored, got)
				}
			}
			if _, got := breaches(g, load(t, ignoring(empty[kind], path+".a"))); got != "" {
				t.Errorf("%s, and another key is ignored: breaks %q", rule, got)
			}
		}
	}
}
