package guardrails_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/guardrails"
	"github.com/swarm-operator/swarm-operator/manifests"
)

var day = time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)

// read reads a guardrails file.
func read(t *testing.T, text string) *config.Guardrails {
	t.Helper()
	g := &config.Guardrails{}
	if problems := manifests.Into("guardrails.yaml", []byte(text), g, func() []v1.Problem { return g.Validate() }); len(problems) > 0 {
		t.Fatalf("%s: %v", text, problems)
	}
	return g
}

// load returns the one manifest of a text, which may leave apiVersion and metadata.name out.
func load(t *testing.T, text string) guardrails.Manifest {
	t.Helper()
	if !strings.Contains(text, "metadata:") {
		text = "metadata: {name: web}\n" + text
	}
	set, problems := manifests.NewLoader(manifests.Options{Kinds: all.Manifests()}).Load(fstest.MapFS{"a.yaml": {Data: []byte("apiVersion: " + v1.APIVersion + "\n" + text)}}, ".")
	problems = slices.DeleteFunc(problems, func(p v1.Problem) bool { return strings.Contains(p.Message, "there is no manifest of") })
	if len(problems) > 0 || len(set.Entries) != 1 {
		t.Fatalf("%s: %v", text, problems)
	}
	e := set.Entries[0]
	theirs := func(key v1.Key) bool { return strings.HasPrefix(key.Name, "their") }
	return guardrails.Manifest{Object: e.Object, States: e.Stating, Theirs: theirs}
}

// breaches returns the rules that a manifest breaks, and the paths at which it does.
func breaches(g *config.Guardrails, m guardrails.Manifest) (names, paths string) {
	var rules, at []string
	for _, b := range guardrails.Check(g, m, day) {
		rules, at = append(rules, b.Rule), append(at, b.Path)
	}
	return strings.Join(rules, " "), strings.Join(at, " ")
}

func service(spec string) string { return "kind: Service\nspec: {image: nginx, " + spec + "}" }

// named is a service of that name, which mounts a directory of the node.
func named(name, dir string) string {
	return "kind: Service\nmetadata: {name: " + name + "}\nspec: {image: nginx, mounts: [{type: bind, readOnly: true, source: '" + dir + "', target: /a}]}"
}

// bound is a service that mounts a directory of the node, and can write to it.
func bound(dir string) string {
	return service("mounts: [{type: bind, source: '" + dir + "', target: /a}]")
}

func volume(options string) string {
	return service("mounts: [{type: volume, source: data, target: /a, volume: " + options + "}]")
}

// csi is a cluster volume.
const csi = "kind: Volume\nspec: {driver: 'csi:1', accessMode: {type: mount}}"

// driven is a secret whose content a plugin supplies.
func driven(driver string) string {
	return "kind: Secret\nspec: {driver: " + driver + ", driverOpts: {path: prod/db}}"
}

func cluster(source string) string {
	return service("mounts: [{type: cluster, source: '" + source + "', target: /a}]")
}

// signed is a cluster with external CAs.
func signed(urls ...string) string {
	return "kind: Cluster\nmetadata: {name: default}\nspec: {ca: {externalCAs: [{url: '" + strings.Join(urls, "'}, {url: '") + "'}]}}"
}

// managed is a cluster that says who its managers are.
func managed(managers string) string {
	return "kind: Cluster\nmetadata: {name: default}\nspec: {managers: {" + managers + "}}"
}

func placed(constraint string) string {
	return service("placement: {constraints: ['" + constraint + "']}")
}

// rules are all rules: each with a manifest that keeps it, one that breaks it, and the path and the words of the breach.
var rules = []struct{ rule, file, keeps, breaks, path, why string }{
	{"kinds", "kinds: [Service, Network]", service(""), "kind: Config\nspec: {data: x}", "kind", `"Config" is not allowed; allowed: Service, Network`},
	{"names", "names: ['shop-*', web]", service(""), "kind: Service\nmetadata: {name: shopping}\nspec: {image: nginx}", "metadata.name", `"shopping" is not allowed; allowed: shop-*, web`},
	{"fields", "fields: [Service spec.user, 'Service spec.mounts[].bind']", service("hostname: a"), service("user: root"), "spec.user", "must not be stated"},
	{"labels.prefixes", "labels: {prefixes: [shop., traefik.]}", "kind: Service\nmetadata: {name: web, labels: {shop.a: x}}\nspec: {image: nginx, containerLabels: {traefik.b: x}}", service("containerLabels: {other: x}"), "spec.containerLabels.other", "the label must begin with one of: shop., traefik."},
	{"labels.required", "labels: {required: [team]}", "kind: Service\nmetadata: {name: web, labels: {team: shop}}\nspec: {image: nginx}", service(""), "metadata.labels", "the label team is missing"},
	{"images.from", "images: {from: [registry.example.com/shop, docker.io/library/nginx]}", service(""), "kind: Service\nspec: {image: registry.example.com/shopping/x}", "spec.image", "registry.example.com/shopping/x is not allowed; allowed: registry.example.com/shop, docker.io/library/nginx"},
	{"images.digest", "images: {digest: true}", "kind: Service\nspec: {image: 'nginx:1@sha256:" + strings.Repeat("a", 64) + "'}", service(""), "spec.image", "the image has no digest; state it as NAME@sha256:…"},
	{"images.noTags", "images: {noTags: [latest]}", "kind: Service\nspec: {image: nginx:1}", service(""), "spec.image", "the tag latest is not allowed"},
	{"mounts.types", "mounts: {types: [volume]}", service("mounts: [{type: volume, source: data, target: /a}]"), service("mounts: [{type: bind, source: /a, target: /a}]"), "spec.mounts[0].type", `"bind" is not allowed; allowed: volume`},
	{"mounts.binds", "mounts: {binds: ['/srv/shop/*']}", service("mounts: [{type: bind, source: /srv/shop/a, target: /a}]"), service("mounts: [{type: bind, source: /srv/shop/../x, target: /a}]"), "spec.mounts[0].source", `"/srv/shop/../x" is not allowed; allowed: /srv/shop/*, and nothing that is deeper`},
	{"mounts.readOnlyBinds", "mounts: {readOnlyBinds: true}", service("mounts: [{type: bind, source: /a, target: /a, readOnly: true}, {type: volume, source: data, target: /b}]"), service("mounts: [{type: bind, source: /a, target: /a}]"), "spec.mounts[0].source", "a bind must be read-only: state readOnly: true"},
	{"mounts.noDockerSocket", "mounts: {noDockerSocket: true}", service("mounts: [{type: bind, source: /srv, target: /a}]"), service("mounts: [{type: bind, source: /var/run, target: /a}]"), "spec.mounts[0].source", `"/var/run" has the socket of the engine or of containerd in it, and whoever can write to that is root on the node`},
	{"mounts.volumes", "mounts: {volumes: ['shop_*']}", service("mounts: [{type: volume, source: shop_data, target: /a}]"), service("mounts: [{type: volume, source: data, target: /a}]"), "spec.mounts[0].source", `"data" is not allowed; allowed: shop_*`},
	{"mounts.drivers", "mounts: {drivers: [local, rexray]}", service("mounts: [{type: volume, source: data, target: /a, volume: {driver: rexray}}]"), service("mounts: [{type: volume, source: data, target: /a, volume: {driver: other}}]"), "spec.mounts[0].volume.driver", `"other" is not allowed; allowed: local, rexray`},
	{"containers.capabilities", "containers: {capabilities: [NET_BIND_SERVICE]}", service("capAdd: [CAP_NET_BIND_SERVICE]"), service("capAdd: [ALL]"), "spec.capAdd[0]", "ALL is not allowed; allowed: NET_BIND_SERVICE"},
	{"containers.drop", "containers: {drop: [NET_RAW]}", service("capDrop: [ALL]"), service("capDrop: [CHOWN]"), "spec.capDrop", "NET_RAW must be dropped"},
	{"containers.notRoot", "containers: {notRoot: true}", service("user: '1000:0'"), service("user: '00:1000'"), "spec.user", "a user must be stated as a number that is not 0, such as 1000: the image decides who a name is"},
	{"containers.noNewPrivileges", "containers: {noNewPrivileges: true}", service("privileges: {noNewPrivileges: true}"), service("privileges: {appArmor: default}"), "spec.privileges.noNewPrivileges", "true must be stated"},
	{"containers.readOnly", "containers: {readOnly: true}", service("readOnly: true"), service(""), "spec.readOnly", "true must be stated"},
	{"containers.healthcheck", "containers: {healthcheck: true}", service("healthcheck: {test: [CMD, a]}"), service("healthcheck: {disable: true}"), "spec.healthcheck", "a health check with a command in test must be stated"},
	{"containers.logDrivers", "containers: {logDrivers: [json-file]}", service("logging: {driver: json-file}"), service("logging: {driver: syslog}"), "spec.logging.driver", `"syslog" is not allowed; allowed: json-file`},
	{"containers.confined", "containers: {confined: true}", service("privileges: {noNewPrivileges: true, appArmor: default, seccomp: {mode: default}}"), service("privileges: {appArmor: disabled}"), "spec.privileges.appArmor", "disabled is not allowed"},
	{"ports.published", "ports: {published: ['443', 8000-8999]}", service("ports: [{target: 1, published: 8999}, {target: 2}]"), service("ports: [{target: 1, published: 80}]"), "spec.ports[0].published", "80 is not allowed; allowed: 443, 8000-8999"},
	{"ports.noHostMode", "ports: {noHostMode: true}", service("ports: [{target: 1, published: 80}]"), service("ports: [{target: 1, published: 80, mode: host}]"), "spec.ports[0].mode", "host is not allowed"},
	{"networks.join", "networks: {join: ['shop-*']}", service("networks: [shop-a]"), service("networks: [shop]"), "spec.networks[0].name", `"shop" is not allowed; allowed: shop-*`},
	{"networks.noHost", "networks: {noHost: true}", service("networks: [a]"), service("networks: [a, host]"), "spec.networks[1].name", "the network of the node is not allowed"},
	{"networks.drivers", "networks: {drivers: [overlay]}", "kind: Network", "kind: Network\nspec: {driver: weave}", "spec.driver", `"weave" is not allowed; allowed: overlay`},
	{"networks.subnets", "networks: {subnets: [10.1.0.0/16]}", "kind: Network\nspec: {ipam: {config: [{subnet: 10.1.2.0/24}]}}", "kind: Network\nspec: {ipam: {config: [{subnet: 10.0.0.0/8}]}}", "spec.ipam.config[0].subnet", "10.0.0.0/8 is not allowed; it must be in one of: 10.1.0.0/16"},
	{"networks.notAttachable", "networks: {notAttachable: true}", "kind: Network", "kind: Network\nspec: {attachable: true}", "spec.attachable", "true is not allowed"},
	{"networks.encrypted", "networks: {encrypted: true}", "kind: Network\nspec: {driverOpts: {encrypted: ''}}", "kind: Network", "spec.driverOpts", "the option encrypted must be stated"},
	{"placement.require", "placement: {require: [node.labels.tenant == shop]}", service("placement: {constraints: ['node.labels.tenant==shop']}"), service("placement: {constraints: ['node.labels.tenant != shop']}"), "spec.placement.constraints", "node.labels.tenant == shop must be stated"},
	{"placement.forbid", "placement: {forbid: [node.role == manager]}", service("placement: {constraints: [node.role == worker]}"), service("placement: {constraints: [node.role==manager]}"), "spec.placement.constraints[0]", "node.role==manager is not allowed"},
	{"placement.notGlobal", "placement: {notGlobal: true}", service("mode: replicated"), service("mode: global"), "spec.mode", "global is not allowed"},
	{"resources.memory", "resources: {memory: 1GiB}", service("resources: {limits: {memory: 1GiB}}"), service("resources: {limits: {memory: 1025MiB}}"), "spec.resources.limits.memory", "1025MiB is more than 1GiB"},
	{"resources.cpus", "resources: {cpus: 2}", service("resources: {limits: {cpus: '0.5'}}"), service(""), "spec.resources.limits.cpus", "must be stated, as 2 or less"},
	{"resources.pids", "resources: {pids: 100}", service("resources: {limits: {pids: 100}}"), service("resources: {limits: {pids: 101}}"), "spec.resources.limits.pids", "101 is more than 100"},
	{"resources.replicas", "resources: {replicas: 5}", service("replicas: 5"), service("replicas: 6"), "spec.replicas", "6 is more than 5"},
	{"external.networks", "external: {networks: [their-proxy]}", service("networks: [own, their-proxy]"), service("networks: [their-db]"), "spec.networks[0].name", `"their-db" is not allowed; allowed: their-proxy`},
	{"external.configs", "external: {configs: []}", service("configs: [own]"), service("configs: [their-conf]"), "spec.configs[0].source", `"their-conf" is not allowed; allowed: none is`},
	{"external.secrets", "external: {secrets: [their-cert]}", service("secrets: [their-cert]"), "kind: Secret\nmetadata: {name: their-key}\nspec: {external: true}", "spec.external", `"their-key" is not allowed; allowed: their-cert`},
	{"external.volumes", "external: {volumes: [their-data]}", service("mounts: [{type: cluster, source: their-data, target: /a}, {type: cluster, source: own, target: /b}]"), service("mounts: [{type: cluster, source: their-db, target: /a}]"), "spec.mounts[0].source", `"their-db" is not allowed; allowed: their-data`},
	{"nodes.names", "nodes: {names: ['w-?']}", "kind: Node\nmetadata: {name: w-1}", "kind: Node\nmetadata: {name: w-10}", "metadata.name", `"w-10" is not allowed; allowed: w-?`},
	{"nodes.noSets", "nodes: {noSets: true}", "kind: Node", "kind: NodeSet\nspec: {selector: {}, template: {labels: {a: b}}}", "kind", "a NodeSet is not allowed, because it could match any node"},
	{"nodes.roles", "nodes: {roles: [worker]}", "kind: Node\nspec: {role: worker}", "kind: Node\nspec: {role: manager}", "spec.role", `"manager" is not allowed; allowed: worker`},
	{"nodes.noRemoval", "nodes: {noRemoval: true}", "kind: Node", "kind: Node\nspec: {presence: absent}", "spec.presence", "absent is not allowed"},
	{"nodes.engines", "nodes: {engines: ['ssh://ops@10.0.*']}", "kind: Node\nspec: {engine: {host: 'ssh://ops@10.0.0.7'}}", "kind: Node\nspec: {engine: {host: 'ssh://ops@10.1.0.7'}}", "spec.engine.host", `"ssh://ops@10.1.0.7" is not allowed; allowed: ssh://ops@10.0.*`},
	{"nodes.managers", "nodes: {managers: 5}", "kind: Cluster\nmetadata: {name: default}\nspec: {managers: {count: 5}}", "kind: Cluster\nmetadata: {name: default}\nspec: {managers: {count: 7}}", "spec.managers.count", "7 is more than 5"},
	{"outside.sinks", "outside: {sinks: [vault]}", "kind: Cluster\nmetadata: {name: default}\nspec: {joinTokens: {worker: {sinks: [vault]}}}", "kind: Cluster\nmetadata: {name: default}\nspec: {joinTokens: {manager: {sinks: [vault, disk]}}}", "spec.joinTokens.manager.sinks[1]", `"disk" is not allowed; allowed: vault`},
	{"outside.authorities", "outside: {authorities: []}", "kind: Cluster\nmetadata: {name: default}\nspec: {ca: {rotation: {epoch: 1}}}", "kind: Cluster\nmetadata: {name: default}\nspec: {ca: {signing: own}}", "spec.ca.signing", `"own" is not allowed; allowed: none is`},
	{"outside.tls", "outside: {tls: [ops]}", "kind: Node\nspec: {engine: {host: 'tcp://a:1', tls: ops}}", "kind: Node\nspec: {engine: {host: 'tcp://a:1', tls: other}}", "spec.engine.tls", `"other" is not allowed; allowed: ops`},
	{"outside.secretDrivers", "outside: {secretDrivers: [vault-shop]}", driven("vault-shop"), driven("vault"), "spec.driver", `"vault" is not allowed; allowed: vault-shop`},
	{"outside.credentialSpecs", "outside: {credentialSpecs: ['file://shop-*']}", service("credentialSpec: {file: shop-web.json}"), service("credentialSpec: {file: bank.json}"), "spec.credentialSpec.file", `"file://bank.json" is not allowed; allowed: file://shop-*`},
	{"policies.noTakeover", "policies: {noTakeover: true}", service("") + "\npolicy: {adopt: ifIdentical}", service("") + "\npolicy: {adopt: takeover}", "policy.adopt", "takeover is not allowed"},
	{"policies.noPrune", "policies: {noPrune: true}", service("") + "\npolicy: {prune: false}", service("") + "\npolicy: {prune: true}", "policy.prune", "true is not allowed"},
}

func TestEveryRule(t *testing.T) {
	for _, r := range rules {
		t.Run(r.rule, func(t *testing.T) {
			g := read(t, r.file)
			if got := guardrails.Check(g, load(t, r.keeps), day); len(got) > 0 {
				t.Errorf("it is kept, and it says %+v", got)
			}
			want := guardrails.Breach{Rule: r.rule, Path: r.path, Why: r.why}
			got := guardrails.Check(g, load(t, r.breaks), day)
			if len(got) != 1 || got[0] != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			// Whatever the rule is, an exception for it counts until its day is over.
			g.Exceptions = []config.Exception{{Object: load(t, r.breaks).Object.Key().String(), Rules: []string{strings.Split(r.rule, ".")[0]}, Until: "2027-01-31", Reason: "a test"}}
			if got := guardrails.Check(g, load(t, r.breaks), day); len(got) > 0 {
				t.Errorf("on its last day an exception does not count: %+v", got)
			}
			if got := guardrails.Check(g, load(t, r.breaks), day.Add(12*time.Hour)); len(got) != 1 {
				t.Errorf("an exception has ended, and it still counts: %+v", got)
			}
		})
	}
}

// A rule without a test in the table would be a promise.
func TestTheTableHasEveryRule(t *testing.T) {
	var tested []string
	for _, r := range rules {
		tested = append(tested, r.rule)
	}
	if want := config.RuleNames(); !slices.Equal(tested, want) || len(tested) < 40 {
		t.Errorf("tested are %d rules:\n%q\nthere are %d:\n%q", len(tested), tested, len(want), want)
	}
}

func TestVariationsOfRules(t *testing.T) {
	for _, c := range []struct {
		name, file, manifest string
		want                 string // the paths of the breaches
	}{
		{"the root of the node has every socket", "mounts: {noDockerSocket: true}", service("mounts: [{type: bind, source: /, target: /host}]"), "spec.mounts[0].source"},
		{"a socket elsewhere", "mounts: {noDockerSocket: true}", service("mounts: [{type: bind, source: /mnt/x/docker.sock, target: /s}]"), "spec.mounts[0].source"},
		{"containerd's socket", "mounts: {noDockerSocket: true}", service("mounts: [{type: bind, source: /run/containerd, target: /s}]"), "spec.mounts[0].source"},
		{"a detour to the socket", "mounts: {noDockerSocket: true}", service("mounts: [{type: bind, source: /srv/../run/docker.sock, target: /s}]"), "spec.mounts[0].source"},
		{"a named pipe", "mounts: {noDockerSocket: true}", service(`mounts: [{type: npipe, source: '\\.\pipe\docker_engine', target: '\\.\pipe\docker_engine'}]`), "spec.mounts[0].source"},
		{"the service's name makes the directory of the socket", "mounts: {noDockerSocket: true}", named("run", "/{{.Service.Name}}"), "spec.mounts[0].source"},
		{"the service's name makes the socket", "mounts: {noDockerSocket: true}", named("docker", "/run/{{ .Service.Name }}.sock"), "spec.mounts[0].source"},
		{"the service's name is a part of the way to it", "mounts: {noDockerSocket: true}", named("ar", "/v{{.Service.Name}}/run"), "spec.mounts[0].source"},
		{"the service's name is on the way to it twice", "mounts: {noDockerSocket: true}", named("containerd", "/run/{{.Service.Name}}/{{.Service.Name}}.sock"), "spec.mounts[0].source"},
		{"the service's name and a detour", "mounts: {noDockerSocket: true}", named("run", "/srv/{{.Task.Slot}}/../../{{.Service.Name}}"), "spec.mounts[0].source"},
		{"the service's name makes another directory", "mounts: {noDockerSocket: true}", named("web", "/{{.Service.Name}}"), ""},
		{"the service's name is below another directory", "mounts: {noDockerSocket: true}", named("run", "/srv/{{.Service.Name}}"), ""},
		{"a name that the manifest does not choose", "mounts: {noDockerSocket: true}", named("run", "/srv/{{.Node.Hostname}}/{{.Task.ID}}"), ""},
		{"a socket below a name that the manifest does not choose", "mounts: {noDockerSocket: true}", named("web", "/mnt/{{.Task.Slot}}/docker.sock"), "spec.mounts[0].source"},
		{"a template that is a text", "mounts: {noDockerSocket: true}", named("web", `/{{"run"}}`), "spec.mounts[0].source"},
		{"a template that trims", "mounts: {noDockerSocket: true}", named("run", "/{{- .Service.Name -}}"), "spec.mounts[0].source"},
		{"a template that asks for a label", "mounts: {noDockerSocket: true}", named("web", `/{{index .Service.Labels "dir"}}`), "spec.mounts[0].source"},
		{"a template that counts", "mounts: {noDockerSocket: true}", named("web", "/ru{{if .Service.Name}}n{{end}}"), "spec.mounts[0].source"},
		{"a volume that the service's name makes a bind of the socket", "mounts: {noDockerSocket: true}", "kind: Service\nmetadata: {name: run}\nspec: {image: nginx, mounts: [{type: volume, source: data, target: /a, volume: {driverOpts: {o: bind, device: '/{{.Service.Name}}'}}}]}", "spec.mounts[0].volume.driverOpts"},
		{"a volume that a template makes a bind", "mounts: {noDockerSocket: true}", volume(`{driverOpts: {type: nfs, o: '{{"bind"}}', device: /run}}`), "spec.mounts[0].volume.driverOpts"},
		{"any template, if nothing is said of directories", "mounts: {types: [bind]}", named("web", `/{{"run"}}`), ""},
		{"no bind at all", "mounts: {binds: []}", service("mounts: [{type: bind, source: /srv, target: /a}]"), "spec.mounts[0].source"},
		{"every bind", "mounts: {binds: [/]}", service("mounts: [{type: bind, source: /srv, target: /a}]"), ""},
		{"an allowed directory", "mounts: {binds: [/srv/shop]}", bound("/srv/shop"), ""},
		{"an allowed directory with a slash", "mounts: {binds: [/srv/shop]}", bound("/srv/shop/"), ""},
		{"what is in an allowed directory may be a link", "mounts: {binds: [/srv/shop]}", bound("/srv/shop/x"), "spec.mounts[0].source"},
		{"above an allowed directory", "mounts: {binds: [/srv/shop]}", bound("/srv"), "spec.mounts[0].source"},
		{"one of the directories in another one", "mounts: {binds: ['/srv/shop/*']}", bound("/srv/shop/x"), ""},
		{"the directory that has them", "mounts: {binds: ['/srv/shop/*']}", bound("/srv/shop"), "spec.mounts[0].source"},
		{"what is in one of them may be a link", "mounts: {binds: ['/srv/shop/*']}", bound("/srv/shop/x/y"), "spec.mounts[0].source"},
		{"a detour out of them", "mounts: {binds: ['/srv/shop/*']}", bound("/srv/shop/x/../../y"), "spec.mounts[0].source"},
		{"the directories of the root", "mounts: {binds: ['/*']}", bound("/srv"), ""},
		{"the root itself", "mounts: {binds: ['/*']}", bound("/"), "spec.mounts[0].source"},
		{"deeper than the directories of the root", "mounts: {binds: ['/*']}", bound("/srv/shop"), "spec.mounts[0].source"},
		{"a second entry", "mounts: {binds: [/data, '/srv/shop/*']}", bound("/srv/shop/x"), ""},
		{"what is deeper, where nothing can be written", "mounts: {binds: [/srv/shop], readOnlyBinds: true}", named("web", "/srv/shop/x/y"), ""},
		{"what is deeper than its directories, where nothing can be written", "mounts: {binds: ['/srv/shop/*'], readOnlyBinds: true}", named("web", "/srv/shop/x/y"), ""},
		{"the directory itself, where nothing can be written", "mounts: {binds: ['/srv/shop/*'], readOnlyBinds: true}", named("web", "/srv/shop"), "spec.mounts[0].source"},
		{"a neighbour, where nothing can be written", "mounts: {binds: [/srv/shop], readOnlyBinds: true}", named("web", "/srv/shopping"), "spec.mounts[0].source"},
		{"a link of the kernel to the root", "mounts: {noDockerSocket: true}", bound("/proc/self/root/run"), "spec.mounts[0].source"},
		{"a link of the kernel to where a process works", "mounts: {noDockerSocket: true}", bound("/proc/1/cwd"), "spec.mounts[0].source"},
		{"a link of the kernel to what is open", "mounts: {noDockerSocket: true}", bound("/dev/fd/7"), "spec.mounts[0].source"},
		{"a link of the kernel by a detour", "mounts: {noDockerSocket: true}", bound("/srv/../proc/1/root"), "spec.mounts[0].source"},
		{"a volume that follows a link of the kernel", "mounts: {noDockerSocket: true}", volume("{driverOpts: {o: bind, device: /proc/1/root/srv}}"), "spec.mounts[0].volume.driverOpts"},
		{"the processes of the node", "mounts: {noDockerSocket: true}", bound("/proc"), ""},
		{"what only begins alike", "mounts: {noDockerSocket: true}", bound("/processes/1"), ""},
		{"a neighbour of an allowed directory", "mounts: {binds: [/srv/shop]}", service("mounts: [{type: bind, source: /srv/shopping, target: /a}]"), "spec.mounts[0].source"},
		{"an anonymous volume", "mounts: {volumes: []}", service("mounts: [{type: volume, target: /a}]"), ""},
		{"templates that stand for names", "mounts: {binds: ['/srv/shop/web/*']}", service("mounts: [{type: bind, source: '/srv/shop/{{.Service.Name}}/{{ .Task.Slot }}', target: /a}]"), ""},
		{"templates that stand for names, deeper", "mounts: {binds: ['/srv/shop/*']}", service("mounts: [{type: bind, source: '/srv/shop/{{.Service.Name}}/{{ .Task.Slot }}', target: /a}]"), "spec.mounts[0].source"},
		{"a template that may be any path", "mounts: {binds: [/srv/shop]}", service(`mounts: [{type: bind, source: '/srv/shop/{{"../.."}}', target: /a}]`), "spec.mounts[0].source"},
		{"a volume that is a bind", "mounts: {binds: ['/srv/shop/*']}", volume("{driverOpts: {type: none, o: bind, device: /srv/shop/a}}"), ""},
		{"a volume that is a bind of what is deeper", "mounts: {binds: ['/srv/shop/*']}", volume("{driverOpts: {type: none, o: bind, device: /srv/shop/a/b}}"), "spec.mounts[0].volume.driverOpts"},
		{"a volume that is another bind", "mounts: {binds: [/srv/shop]}", volume("{driver: local, driverOpts: {type: nfs, o: 'ro,bind', device: /etc}}"), "spec.mounts[0].volume.driverOpts"},
		{"a volume that can be written", "mounts: {readOnlyBinds: true}", volume("{driverOpts: {type: none, o: bind, device: /srv}}"), "spec.mounts[0].volume.driverOpts"},
		{"a volume that cannot be written", "mounts: {readOnlyBinds: true}", volume("{driverOpts: {type: none, o: 'bind,ro', device: /srv}}"), ""},
		{"a volume of which one mount cannot be written", "mounts: {readOnlyBinds: true}", service("mounts: [{type: volume, source: data, target: /a, readOnly: true, volume: {driverOpts: {type: none, o: bind, device: /srv}}}]"), "spec.mounts[0].volume.driverOpts"},
		{"a volume below which something can be written", "mounts: {readOnlyBinds: true}", volume("{driverOpts: {type: none, o: 'rbind,ro', device: /srv}}"), "spec.mounts[0].volume.driverOpts"},
		{"a volume that a propagation makes recursive", "mounts: {readOnlyBinds: true}", volume("{driverOpts: {type: none, o: 'bind,ro,rslave', device: /srv}}"), "spec.mounts[0].volume.driverOpts"},
		{"a volume with a propagation that is not recursive", "mounts: {readOnlyBinds: true}", volume("{driverOpts: {type: none, o: 'bind,ro,private', device: /srv}}"), ""},
		{"a volume that can be written after all", "mounts: {readOnlyBinds: true}", volume("{driverOpts: {type: none, o: 'bind,ro,rw', device: /srv}}"), "spec.mounts[0].volume.driverOpts"},
		{"a volume that cannot be written after all", "mounts: {readOnlyBinds: true}", volume("{driverOpts: {type: none, o: 'rw,bind,,ro,', device: /srv}}"), ""},
		{"a volume with a word that only looks like ro", "mounts: {readOnlyBinds: true}", volume("{driverOpts: {type: none, o: 'bind,RO', device: /srv}}"), "spec.mounts[0].volume.driverOpts"},
		{"a volume with a space before ro", "mounts: {readOnlyBinds: true}", volume("{driverOpts: {type: none, o: 'bind, ro', device: /srv}}"), "spec.mounts[0].volume.driverOpts"},
		{"a volume with the options of defaults", "mounts: {readOnlyBinds: true}", volume("{driverOpts: {type: none, o: 'bind,defaults', device: /srv}}"), "spec.mounts[0].volume.driverOpts"},
		{"a volume with defaults, and ro", "mounts: {readOnlyBinds: true}", volume("{driverOpts: {type: none, o: 'ro,defaults,bind', device: /srv}}"), ""},
		{"a volume that a template makes writable", "mounts: {readOnlyBinds: true}", volume(`{driverOpts: {type: none, o: 'bind,ro,{{"rw"}}', device: /srv}}`), "spec.mounts[0].volume.driverOpts"},
		{"a volume that no word makes a bind", "mounts: {readOnlyBinds: true}", volume("{driverOpts: {type: none, o: 'BIND,ro', device: /srv}}"), "spec.mounts[0].volume.driverOpts"},
		{"a volume of another machine that can be written", "mounts: {readOnlyBinds: true}", volume("{driverOpts: {type: nfs, o: 'addr=nas,rw', device: ':/a'}}"), ""},
		{"a bind with what the node mounts below it later", "mounts: {readOnlyBinds: true}", service("mounts: [{type: bind, source: /srv, target: /a, readOnly: true, bind: {propagation: rslave}}]"), "spec.mounts[0].bind.propagation"},
		{"a bind with the propagation that is the default", "mounts: {readOnlyBinds: true}", service("mounts: [{type: bind, source: /srv, target: /a, readOnly: true, bind: {propagation: rprivate}}]"), ""},
		{"a bind with a propagation, if it may be written", "mounts: {binds: [/srv]}", service("mounts: [{type: bind, source: /srv, target: /a, bind: {propagation: rslave}}]"), ""},
		{"a device behind a link", "mounts: {binds: ['/srv/shop/*']}", volume("{driverOpts: {type: none, o: bind, device: /srv/shop/a/link/..}}"), "spec.mounts[0].volume.driverOpts"},
		{"a device that begins where the engine runs", "mounts: {noDockerSocket: true}", volume("{driverOpts: {type: none, o: bind, device: run}}"), "spec.mounts[0].volume.driverOpts"},
		{"a device with points in a name", "mounts: {binds: [/srv/..shop]}", volume("{driverOpts: {type: none, o: bind, device: /srv/..shop}}"), ""},
		{"a named pipe, where binds are listed", "mounts: {binds: [/srv]}", service(`mounts: [{type: npipe, source: '\\.\pipe\docker_engine', target: '\\.\pipe\docker_engine'}]`), "spec.mounts[0].source"},
		{"a named pipe, where every bind is allowed", "mounts: {binds: [/]}", service(`mounts: [{type: npipe, source: '\\.\pipe\a', target: '\\.\pipe\a'}]`), ""},
		{"a named pipe that types allow", "mounts: {types: [npipe], binds: []}", service(`mounts: [{type: npipe, source: '\\.\pipe\a', target: '\\.\pipe\a'}]`), ""},
		{"a name of a volume with a template", "mounts: {volumes: ['shop_*']}", service("mounts: [{type: volume, source: 'shop_{{.Task.Slot}}', target: /a}]"), ""},
		{"a name of a volume with a template between texts", "mounts: {volumes: ['*op_*ta']}", service(`mounts: [{type: volume, source: 'shop_{{"}}"}}{{.Task.Slot}}data', target: /a}]`), ""},
		{"a name of a volume that the service has", "mounts: {volumes: [web-data]}", service("mounts: [{type: volume, source: '{{.Service.Name}}-data', target: /a}]"), ""},
		{"a name of a volume that only a template has", "mounts: {volumes: ['*shop*']}", service(`mounts: [{type: volume, source: '{{if ""}}shop{{end}}other', target: /a}]`), "spec.mounts[0].source"},
		{"a name of a volume of one character", "mounts: {volumes: ['data-?']}", service("mounts: [{type: volume, source: 'data-{{.Task.Slot}}', target: /a}]"), "spec.mounts[0].source"},
		{"a cluster volume that only a template has", "mounts: {volumes: ['*shop*']}\nexternal: {volumes: ['*shop*']}", cluster(`{{if ""}}shop{{end}}other`), "spec.mounts[0].source spec.mounts[0].source"},
		{"as many processes as there may be", "resources: {pids: 100}", service("resources: {limits: {pids: -1}}"), "spec.resources.limits.pids"},
		{"no limit of processes", "resources: {pids: 100}", service("resources: {limits: {pids: 0}}"), "spec.resources.limits.pids"},
		{"no limit of memory", "resources: {memory: 1GiB}", service("resources: {limits: {memory: 0}}"), "spec.resources.limits.memory"},
		{"no limit of CPUs", "resources: {cpus: 2}", service("resources: {limits: {cpus: 0}}"), "spec.resources.limits.cpus"},
		{"no limit of swap", "resources: {memory: 1GiB}", service("resources: {limits: {memory: 1GiB}, memorySwap: -1}"), "spec.resources.memorySwap"},
		{"more swap than memory", "resources: {memory: 1GiB}", service("resources: {limits: {memory: 1GiB}, memorySwap: 2GiB}"), "spec.resources.memorySwap"},
		{"as much swap as memory", "resources: {memory: 1GiB}", service("resources: {limits: {memory: 1GiB}, memorySwap: 1GiB}"), ""},
		{"no swap", "resources: {memory: 1GiB}", service("resources: {limits: {memory: 1GiB}, memorySwap: 0}"), ""},
		{"any swap, if nothing is said of memory", "resources: {cpus: 2}", service("resources: {limits: {memory: 1GiB, cpus: 1}, memorySwap: -1}"), ""},
		{"a volume with a socket", "mounts: {noDockerSocket: true}", volume("{driverOpts: {o: rbind, device: /var/run}}"), "spec.mounts[0].volume.driverOpts"},
		{"volumes of other machines", "mounts: {binds: []}", volume("{driverOpts: {type: nfs, o: addr=nas, device: ':/a'}}"), ""},
		{"a volume of a size", "mounts: {binds: []}", volume("{driverOpts: {size: 1g}}"), ""},
		{"a volume without options", "mounts: {binds: []}", volume("{nocopy: true}"), ""},
		{"a disk of the node", "mounts: {noDockerSocket: true}", volume("{driverOpts: {type: ext4, device: /dev/sda1}}"), "spec.mounts[0].volume.driverOpts"},
		{"options that may become a bind", "mounts: {binds: []}", volume(`{driverOpts: {type: nfs, o: '{{"bind"}}', device: /}}`), "spec.mounts[0].volume.driverOpts"},
		{"options that the service's name may make a bind", "mounts: {binds: []}", volume("{driverOpts: {type: nfs, o: '{{.Service.Name}}', device: /}}"), "spec.mounts[0].volume.driverOpts"},
		{"a path that the service's name makes", "mounts: {binds: [/x]}", service("mounts: [{type: bind, source: '/{{.Service.Name}}', target: /a}]"), "spec.mounts[0].source"},
		{"any volume, if nothing is said of binds", "mounts: {volumes: [data]}", volume("{driverOpts: {type: ext4, device: /dev/sda1}}"), ""},
		{"a volume that is a bind, where binds are allowed", "mounts: {types: [volume, bind]}", volume("{driverOpts: {type: none, o: bind, device: /}}"), ""},
		{"a volume that is a bind, where binds are not", "mounts: {types: [volume, tmpfs]}", volume("{driverOpts: {type: none, o: bind, device: /}}"), "spec.mounts[0].volume.driverOpts"},
		{"a volume that is a bind of all below", "mounts: {types: [volume]}", volume("{driver: local, driverOpts: {o: 'ro,rbind', device: /srv}}"), "spec.mounts[0].volume.driverOpts"},
		{"a volume that is a disk", "mounts: {types: [volume]}", volume("{driverOpts: {type: ext4, device: /dev/sda1}}"), "spec.mounts[0].volume.driverOpts"},
		{"a volume that is an overlay", "mounts: {types: [volume]}", volume("{driverOpts: {type: overlay, o: 'lowerdir=/,upperdir=/u,workdir=/w', device: overlay}}"), "spec.mounts[0].volume.driverOpts"},
		{"a volume that a template may make a bind, where binds are not allowed", "mounts: {types: [volume]}", volume(`{driverOpts: {type: nfs, o: '{{"bind"}}', device: /}}`), "spec.mounts[0].volume.driverOpts"},
		{"volumes of other machines, where binds are not allowed", "mounts: {types: [volume]}", volume("{driverOpts: {type: nfs, o: addr=nas, device: ':/a'}}"), ""},
		{"a volume of a size, where binds are not allowed", "mounts: {types: [volume]}", volume("{driverOpts: {size: 1g}}"), ""},
		{"a plugin, where binds are not allowed", "mounts: {types: [volume]}", volume("{driver: rexray}"), "spec.mounts[0].volume.driver"},
		{"a plugin that is allowed, where binds are not", "mounts: {types: [volume], drivers: [rexray]}", volume("{driver: rexray}"), ""},
		{"a plugin that may mount the socket", "mounts: {noDockerSocket: true}", volume("{driver: local-persist}"), "spec.mounts[0].volume.driver"},
		{"a plugin that may mount what can be written", "mounts: {readOnlyBinds: true}", volume("{driver: local-persist}"), "spec.mounts[0].volume.driver"},
		{"a plugin, if nothing is said of directories", "mounts: {types: [volume, bind]}", volume("{driver: rexray}"), ""},
		{"a plugin, if something is said of binds", "mounts: {binds: [/srv]}", volume("{driver: rexray}"), "spec.mounts[0].volume.driver"},
		{"a plugin that is allowed", "mounts: {binds: [/srv], drivers: [rexray]}", volume("{driver: rexray}"), ""},
		{"privileges of defaults", "containers: {confined: true}", service("privileges: {noNewPrivileges: true, appArmor: default, seccomp: {mode: default}}"), ""},
		{"every system call", "containers: {confined: true}", service("privileges: {seccomp: {mode: unconfined}, seLinux: {disable: true}}"), "spec.privileges.seccomp.mode spec.privileges.seLinux"},
		{"a library image by its short name", "images: {from: [docker.io/library]}", service(""), ""},
		{"another registry", "images: {from: [docker.io]}", "kind: Service\nspec: {image: 'evil.example.com/docker.io/library/nginx'}", "spec.image"},
		{"a tag and a digest", "images: {noTags: [latest]}", "kind: Service\nspec: {image: 'nginx:latest@sha256:" + strings.Repeat("a", 64) + "'}", "spec.image"},
		{"a digest without a tag", "images: {noTags: [latest]}", "kind: Service\nspec: {image: 'nginx@sha256:" + strings.Repeat("a", 64) + "'}", ""},
		{"no capability", "containers: {capabilities: []}", service("capAdd: [CHOWN]"), "spec.capAdd[0]"},
		{"two capabilities", "containers: {capabilities: [CHOWN]}", service("capAdd: [NET_ADMIN, chown, SYS_ADMIN]"), "spec.capAdd[0] spec.capAdd[2]"},
		{"what is dropped is added", "containers: {drop: [NET_RAW]}", service("capDrop: [NET_RAW], capAdd: [CHOWN, cap_net_raw]"), "spec.capAdd[1]"},
		{"what is dropped is added with all", "containers: {drop: [cap_net_raw]}", service("capDrop: [ALL], capAdd: [all]"), "spec.capAdd[0]"},
		{"what is dropped is not added", "containers: {drop: [NET_RAW]}", service("capDrop: [CAP_NET_RAW], capAdd: [CHOWN]"), ""},
		{"something is added although all is dropped", "containers: {drop: [ALL]}", service("capDrop: [ALL], capAdd: [CHOWN]"), "spec.capAdd[0]"},
		{"all is added although all is dropped", "containers: {drop: [ALL], capabilities: [ALL]}", service("capDrop: [ALL], capAdd: [ALL]"), "spec.capAdd[0]"},
		{"what may be added is, although all is dropped", "containers: {drop: [ALL], capabilities: [NET_BIND_SERVICE]}", service("capDrop: [ALL], capAdd: [CAP_NET_BIND_SERVICE]"), ""},
		{"what may be added must still be dropped by name", "containers: {drop: [CHOWN], capabilities: [CHOWN]}", service("capDrop: [CHOWN], capAdd: [CHOWN]"), "spec.capAdd[0]"},
		{"all is not dropped by dropping some", "containers: {drop: [ALL]}", service("capDrop: [CHOWN, NET_RAW]"), "spec.capDrop"},
		{"two that are dropped are added", "containers: {drop: [NET_RAW, CHOWN]}", service("capDrop: [ALL], capAdd: [CHOWN, NET_RAW]"), "spec.capAdd[1] spec.capAdd[0]"},
		{"root by name", "containers: {notRoot: true}", service("user: 'root:1000'"), "spec.user"},
		{"no user", "containers: {notRoot: true}", service(""), "spec.user"},
		{"no user, and a group", "containers: {notRoot: true}", service("user: ':1000'"), "spec.user"},
		{"root with a sign", "containers: {notRoot: true}", service("user: '+0'"), "spec.user"},
		{"root with another sign", "containers: {notRoot: true}", service("user: '-0:1000'"), "spec.user"},
		{"root with a sign and zeros", "containers: {notRoot: true}", service("user: '+00'"), "spec.user"},
		{"a number with a zero before it", "containers: {notRoot: true}", service("user: '01000'"), "spec.user"},
		{"a number that no user has", "containers: {notRoot: true}", service("user: '18446744073709551616'"), "spec.user"},
		{"a name", "containers: {notRoot: true}", service("user: app"), "spec.user"},
		{"a name that a template makes", "containers: {notRoot: true}", service("user: '{{.Service.Name}}'"), "spec.user"},
		{"a number", "containers: {notRoot: true}", service("user: '1000'"), ""},
		{"the group of root", "containers: {notRoot: true}", service("user: '1000:0'"), ""},
		{"new privileges", "containers: {noNewPrivileges: true}", service("user: '1000'"), "spec.privileges.noNewPrivileges"},
		{"a job without a health check", "containers: {healthcheck: true}", service("mode: replicated-job"), ""},
		{"a health check that is none", "containers: {healthcheck: true}", service("healthcheck: {test: [NONE]}"), "spec.healthcheck"},
		{"a constraint in capital letters", "placement: {forbid: [node.role == manager]}", placed("NODE.ROLE == Manager"), "spec.placement.constraints[0]"},
		{"a role that is not the other one", "placement: {forbid: [node.role == manager]}", placed("node.role!=WORKER"), "spec.placement.constraints[0]"},
		{"a role that is not the other one is forbidden", "placement: {forbid: [node.role != worker]}", placed("node.role == manager"), "spec.placement.constraints[0]"},
		{"a role that is not this one", "placement: {forbid: [node.role == manager]}", placed("node.role != manager"), ""},
		{"a hostname in capital letters", "placement: {forbid: [node.hostname == mgr-1]}", placed("node.Hostname == MGR-1"), "spec.placement.constraints[0]"},
		{"another hostname", "placement: {forbid: [node.hostname == mgr-1]}", placed("node.hostname != mgr-1"), ""},
		{"a label and its value in capital letters", "placement: {forbid: [node.labels.team == b]}", placed("Node.Labels.team == B"), "spec.placement.constraints[0]"},
		{"the name of a label in capital letters", "placement: {forbid: [node.labels.team == b]}", placed("node.labels.Team == b"), ""},
		{"the label of an engine in capital letters", "placement: {forbid: [engine.labels.team == b]}", placed("ENGINE.labels.team == b"), "spec.placement.constraints[0]"},
		{"the name of a label of an engine in capital letters", "placement: {forbid: [engine.labels.team == b]}", placed("engine.labels.TEAM == b"), ""},
		{"a range in another form", "placement: {forbid: [node.ip == 10.0.0.0/8]}", placed("node.ip == 10.1.2.3/08"), "spec.placement.constraints[0]"},
		{"an address in another form", "placement: {forbid: [node.ip == 10.0.0.1]}", placed("NODE.IP==::ffff:10.0.0.1/128"), "spec.placement.constraints[0]"},
		{"a part of a range", "placement: {forbid: [node.ip == 10.0.0.0/8]}", placed("node.ip == 10.0.0.0/16"), ""},
		{"a constraint that must be stated, in capital letters", "placement: {require: [node.role == worker]}", placed("Node.Role != MANAGER"), ""},
		{"a label that must be stated, in capital letters", "placement: {require: [node.labels.team == a]}", placed("node.labels.TEAM == a"), "spec.placement.constraints"},
		{"fields below a field", "fields: [Service spec.resources]", service("resources: {limits: {memory: 1GiB}}"), "spec.resources"},
		{"a field of another kind", "fields: [Network spec.attachable]", service(""), ""},
		{"fields in a list", "fields: ['Service spec.ports[].mode']", service("ports: [{target: 1, published: 1, mode: host}, {target: 2}, {target: 3, published: 3, mode: ingress}]"), "spec.ports[0].mode spec.ports[2].mode"},
		{"a short form that states a field", "fields: ['Service spec.networks[].name']", service("networks: [a, {aliases: [x], name: b}]"), "spec.networks[0] spec.networks[1].name"},
		{"a number that states a field", "fields: [Service spec.ulimits.nofile.soft]", service("ulimits: {nofile: 1024, nproc: 7}"), "spec.ulimits.nofile"},
		{"a text that states a list", "fields: ['Service spec.command[]']", service("command: sh -c true"), "spec.command"},
		{"a map that states a list", "fields: ['Service spec.extraHosts[]']", service("extraHosts: {db: 10.0.0.1}"), "spec.extraHosts"},
		{"a list that states keys", "fields: [Service spec.environment.LD_PRELOAD, 'Service spec.sysctls[\"net.core.somaxconn\"]']", service("environment: [A=b, LD_PRELOAD=x], sysctls: [net.core.somaxconn=1]"), `spec.environment.LD_PRELOAD spec.sysctls["net.core.somaxconn"]`},
		{"a list that states nothing of a field", "fields: ['Service spec.networks[].name', 'Service spec.command[]']", service("networks: [], command: []"), ""},
		{"a short form that does not state a field", "fields: ['Service spec.networks[].aliases']", service("networks: [a]"), ""},
		{"a group of cluster volumes", "external: {volumes: []}", cluster("group:prod"), "spec.mounts[0].source"},
		{"a group of cluster volumes that is allowed", "external: {volumes: ['group:prod']}", cluster("group:prod"), ""},
		{"another group of cluster volumes", "external: {volumes: [prod]}", cluster("group:prod"), "spec.mounts[0].source"},
		{"a group that a template makes", "external: {volumes: ['group:prod']}", cluster("group:{{.Service.Name}}"), "spec.mounts[0].source"},
		{"a cluster volume that a template makes", "external: {volumes: [their-data]}", cluster("{{.Service.Name}}"), "spec.mounts[0].source"},
		{"any cluster volume", "external: {volumes: ['*']}", cluster("{{.Service.Name}}"), ""},
		{"a group, if nothing is said of volumes", "external: {secrets: []}", cluster("group:prod"), ""},
		{"the credentials of others", "external: {configs: []}", service("credentialSpec: {config: their-account}"), "spec.credentialSpec.config"},
		{"credentials of others that are allowed", "external: {configs: [their-account]}", service("credentialSpec: {config: their-account}"), ""},
		{"own credentials", "external: {configs: []}", service("credentialSpec: {config: own}"), ""},
		{"credentials of a file, if nothing is said of those of others", "external: {secrets: []}\nmounts: {volumes: []}", service("credentialSpec: {file: account.json}"), ""},
		{"credentials of a file, if something is said of configs of others", "external: {configs: ['*']}", service("credentialSpec: {file: account.json}"), "spec.credentialSpec.file"},
		{"credentials of a file, if something is said of binds", "mounts: {binds: [/srv]}", service("credentialSpec: {file: account.json}"), "spec.credentialSpec.file"},
		{"credentials of a registry, where binds are not allowed", "mounts: {types: [volume]}", service("credentialSpec: {registry: account}"), "spec.credentialSpec.registry"},
		{"credentials of a registry, where binds are allowed", "mounts: {types: [bind]}", service("credentialSpec: {registry: account}"), ""},
		{"credentials of a registry that are not a file", "outside: {credentialSpecs: ['file://*']}", service("credentialSpec: {registry: account}"), "spec.credentialSpec.registry"},
		{"a file in a directory", "outside: {credentialSpecs: ['file://shop/*']}", service("credentialSpec: {file: shop/web.json}"), ""},
		{"no credentials of nodes", "outside: {credentialSpecs: []}", service("credentialSpec: {registry: account}"), "spec.credentialSpec.registry"},
		{"credentials of nodes that are listed", "external: {configs: []}\noutside: {credentialSpecs: ['registry://account']}", service("credentialSpec: {registry: account}"), ""},
		{"credentials of a file, where every bind is allowed", "mounts: {binds: [/]}", service("credentialSpec: {file: account.json}"), ""},
		{"credentials of a file, where every bind and configs of others are listed", "mounts: {binds: [/]}\nexternal: {configs: []}", service("credentialSpec: {file: account.json}"), "spec.credentialSpec.file"},
		{"credentials in a directory", "outside: {credentialSpecs: ['file://shop*']}", service("credentialSpec: {file: shop/web.json}"), ""},
		{"credentials with points in a name", "outside: {credentialSpecs: ['file://shop*']}", service("credentialSpec: {file: shop..web/...json}"), ""},
		{"credentials of another directory", "outside: {credentialSpecs: ['file://shop*']}", service("credentialSpec: {file: shop/../bank.json}"), "spec.credentialSpec.file"},
		{"credentials of another directory of Windows", "outside: {credentialSpecs: ['file://shop*']}", service(`credentialSpec: {file: 'shop\..\bank.json'}`), "spec.credentialSpec.file"},
		{"credentials of another directory with both separators", "outside: {credentialSpecs: ['*']}", service(`credentialSpec: {file: 'a/b\..'}`), "spec.credentialSpec.file"},
		{"credentials of the same directory", "outside: {credentialSpecs: ['file://*']}", service(`credentialSpec: {file: 'a/.\b.json'}`), "spec.credentialSpec.file"},
		{"credentials of the root", "outside: {credentialSpecs: ['file://*']}", service(`credentialSpec: {file: '\b.json'}`), "spec.credentialSpec.file"},
		{"credentials with two separators", "outside: {credentialSpecs: ['file://*']}", service("credentialSpec: {file: a//b.json}"), "spec.credentialSpec.file"},
		{"credentials of a registry with parts", "outside: {credentialSpecs: ['registry://*']}", service(`credentialSpec: {registry: 'a\..\b'}`), ""},
		{"own credentials, if none of nodes are allowed", "outside: {credentialSpecs: []}", service("credentialSpec: {config: own}"), ""},
		{"a parameter of the kernel with slashes", "fields: ['Service spec.sysctls[\"net.ipv4.ip_forward\"]']", service("sysctls: {net/ipv4/ip_forward: '1'}"), `spec.sysctls["net/ipv4/ip_forward"]`},
		{"a parameter of the kernel with points", "fields: ['Service spec.sysctls[\"net/ipv4/ip_forward\"]']", service("sysctls: {net.ipv4.ip_forward: '1'}"), `spec.sysctls["net.ipv4.ip_forward"]`},
		{"a parameter of the kernel with both, in a list", "fields: [Service spec.sysctls.net.ipv4.conf.eth0.forwarding]", service("sysctls: [net.ipv4/conf//eth0.forwarding=1, net.ipv4.conf.all.forwarding=1]"), `spec.sysctls["net.ipv4/conf//eth0.forwarding"]`},
		{"a parameter of the kernel in two spellings", "fields: [Service spec.sysctls.net.ipv4.ip_forward]", service("sysctls: {net.ipv4.ip_forward: '1', net/ipv4/ip_forward: '0'}"), `spec.sysctls["net.ipv4.ip_forward"] spec.sysctls["net/ipv4/ip_forward"]`},
		{"another parameter of the kernel", "fields: [Service spec.sysctls.net.ipv4.ip_forward]", service("sysctls: {net/ipv4/ip_forwarding: '1'}"), ""},
		{"all parameters of the kernel", "fields: [Service spec.sysctls]", service("sysctls: {net/ipv4/ip_forward: '1'}"), "spec.sysctls"},
		{"a limit in capital letters", "fields: [Service spec.ulimits.nofile]", service("ulimits: {NOFILE: 1}"), "spec.ulimits.NOFILE"},
		{"a part of a limit in capital letters", "fields: [Service spec.ulimits.nofile.hard]", service("ulimits: {NOFILE: {soft: 1, hard: 2}}"), "spec.ulimits.NOFILE.hard"},
		{"another limit", "fields: [Service spec.ulimits.nofile]", service("ulimits: {NPROC: 1}"), ""},
		{"an external CA", "outside: {authorities: [own]}", signed("https://ca.example.com/sign"), "spec.ca.externalCAs[0].url"},
		{"an external CA, if none may be named", "outside: {authorities: []}", signed("https://ca.example.com/sign"), "spec.ca.externalCAs[0].url"},
		{"an external CA that is allowed", "outside: {authorities: [own, 'https://ca.example.com/*']}", signed("https://ca.example.com/sign"), ""},
		{"any external CA", "outside: {authorities: ['*']}", signed("https://ca.example.com/sign?a=b"), ""},
		{"an external CA without a path", "outside: {authorities: ['https://ca.example.com/*']}", signed("https://ca.example.com", "https://ca.example.com/"), ""},
		{"an external CA without a path, where none is listed", "outside: {authorities: ['https://ca.example.com']}", signed("https://ca.example.com", "https://ca.example.com/"), ""},
		{"an external CA without the path that is listed", "outside: {authorities: ['https://ca.example.com/sign']}", signed("https://ca.example.com"), "spec.ca.externalCAs[0].url"},
		{"an external CA of another host without a path", "outside: {authorities: ['https://ca.example.com/*']}", signed("https://ca.example.com.evil.com"), "spec.ca.externalCAs[0].url"},
		{"an external CA whose path looks like the host", "outside: {authorities: ['https://*.example.com/sign']}", signed("https://evil.com/x.example.com/sign"), "spec.ca.externalCAs[0].url"},
		{"an external CA of another scheme", "outside: {authorities: ['https://ca.example.com/*']}", signed("http://ca.example.com/sign"), "spec.ca.externalCAs[0].url"},
		{"an external CA with a query", "outside: {authorities: ['https://ca.example.com/*']}", signed("https://ca.example.com/sign?a=b"), "spec.ca.externalCAs[0].url"},
		{"two external CAs", "outside: {authorities: ['https://a/*']}", signed("https://a/x", "https://b/x"), "spec.ca.externalCAs[1].url"},
		{"an external CA, if nothing is said of them", "outside: {sinks: []}", signed("https://a/x"), ""},
		{"how many managers there are, where nodes may be workers only", "nodes: {roles: [worker]}", managed("count: 3"), "spec.managers"},
		{"who may become a manager, where nodes may be workers only", "nodes: {roles: [worker]}", managed("count: 3, candidates: {labels: {a: b}}"), "spec.managers"},
		{"how many managers there are, where nodes may be managers only", "nodes: {roles: [manager]}", managed("count: 3"), "spec.managers"},
		{"how many managers there are, where no role may be stated", "nodes: {roles: []}", managed("count: 3"), "spec.managers"},
		{"how many managers there are, where both roles may be stated", "nodes: {roles: [worker, manager]}", managed("count: 3"), ""},
		{"a cluster that does not say who is a manager", "nodes: {roles: [worker]}", signed("https://a/x"), ""},
		{"a health check with nothing in it", "containers: {healthcheck: true}", service("healthcheck: {}"), "spec.healthcheck"},
		{"an empty health check", "containers: {healthcheck: true}", service("healthcheck: {test: []}"), "spec.healthcheck"},
		{"a health check that is none", "containers: {healthcheck: true}", service("healthcheck: {test: [NONE]}"), "spec.healthcheck"},
		{"a health check that is none, with more", "containers: {healthcheck: true}", service("healthcheck: {test: [NONE, curl]}"), "spec.healthcheck"},
		{"a health check that is disabled", "containers: {healthcheck: true}", service("healthcheck: {disable: true}"), "spec.healthcheck"},
		{"a health check with times alone", "containers: {healthcheck: true}", service("healthcheck: {interval: 10s}"), "spec.healthcheck"},
		{"a health check without a command", "containers: {healthcheck: true}", service("healthcheck: {test: [CMD]}"), "spec.healthcheck"},
		{"a health check without a command for the shell", "containers: {healthcheck: true}", service("healthcheck: {test: [CMD-SHELL]}"), "spec.healthcheck"},
		{"a health check of an empty text", "containers: {healthcheck: true}", service("healthcheck: {test: ''}"), "spec.healthcheck"},
		{"a health check of white space", "containers: {healthcheck: true}", service("healthcheck: {test: [CMD-SHELL, ' ']}"), "spec.healthcheck"},
		{"a health check of a shell", "containers: {healthcheck: true}", service("healthcheck: {test: curl -f localhost}"), ""},
		{"a health check of a job", "containers: {healthcheck: true}", service("mode: replicated-job"), ""},
		{"a plugin of a cluster volume, if something is said of binds", "mounts: {binds: []}", csi, "spec.driver"},
		{"a plugin of a cluster volume, where binds are not allowed", "mounts: {types: [volume, cluster]}", csi, "spec.driver"},
		{"a plugin of a cluster volume that is allowed", "mounts: {binds: [], drivers: ['csi:*']}", csi, ""},
		{"a plugin of a cluster volume, if nothing is said of directories", "mounts: {volumes: []}", csi, ""},
		{"a cluster volume of others has its plugin", "mounts: {binds: []}", "kind: Volume\nspec: {external: true}", ""},
		{"a plugin for secrets, if something is said of those of others", "external: {secrets: []}", driven("vault"), "spec.driver"},
		{"a plugin for secrets, if those of others are listed", "external: {secrets: ['*']}", driven("vault"), "spec.driver"},
		{"a plugin for secrets that is allowed", "external: {secrets: []}\noutside: {secretDrivers: ['vault-*']}", driven("vault-shop"), ""},
		{"no plugin for secrets", "outside: {secretDrivers: []}", driven("vault"), "spec.driver"},
		{"a plugin for secrets, if nothing is said of secrets", "external: {configs: []}\noutside: {sinks: []}", driven("vault"), ""},
		{"a secret without a plugin", "external: {secrets: []}\noutside: {secretDrivers: []}", "kind: Secret\nspec: {data: x}", ""},
		{"an external network is not ours", "networks: {drivers: [overlay], encrypted: true, notAttachable: true}", "kind: Network\nspec: {external: true}", ""},
		{"a set for managers", "nodes: {roles: [worker]}", "kind: NodeSet\nspec: {selector: {}, template: {role: manager}}", "spec.template.role"},
		{"a set that removes", "nodes: {noRemoval: true}", "kind: NodeSet\nspec: {selector: {}, template: {removeDownAfter: 1h}}", "spec.template.removeDownAfter"},
		{"a node that is removed when it is down", "nodes: {noRemoval: true}", "kind: Node\nspec: {removeDownAfter: 1h}", "spec.removeDownAfter"},
		{"the escrow", "outside: {sinks: []}", "kind: Cluster\nmetadata: {name: default}\nspec: {autolock: {enabled: true, escrow: vault}}", "spec.autolock.escrow"},
		{"several rules at once", "images: {digest: true}\ncontainers: {readOnly: true}", service(""), "spec.image spec.readOnly"},
		{"nothing is stated about it", "kinds: [Service]", service("capAdd: [ALL]"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, got := breaches(read(t, c.file), load(t, c.manifest)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// The text says how a path leads to the socket.
func TestHowAPathLeadsToTheSocket(t *testing.T) {
	const links, root = "leads below /proc, where links reach every file of the node, the socket of the engine too", ", and whoever can write to that is root on the node"
	for dir, want := range map[string]string{
		"/":                                   "has the socket of the engine or of containerd in it" + root,
		"/run":                                "has the socket of the engine or of containerd in it" + root,
		"/run/containerd":                     "has the socket of the engine or of containerd in it" + root,
		"/run/docker.sock":                    "is the socket of the engine or of containerd" + root,
		"/var/run/../run/docker.sock":         "is the socket of the engine or of containerd" + root,
		"/run/docker":                         "is where the engine or containerd keeps its sockets" + root,
		"/run/docker/plugins":                 "is where the engine or containerd keeps its sockets" + root,
		"/var/run/containerd/fifo":            "is where the engine or containerd keeps its sockets" + root,
		"/home/x/.docker/run/docker.sock":     "has the name of the socket of the engine" + root,
		"/proc/1/root":                        links,
		"/proc/self/root/run/docker.sock":     links,
		"/dev/fd":                             links,
		"/dev/fd/7":                           links,
		"/dev/stdin":                          links,
		"/proc":                               "",
		"/dev":                                "",
		"/dev/shm":                            "",
		"/var":                                "has the socket of the engine or of containerd in it" + root,
		"/var/run":                            "has the socket of the engine or of containerd in it" + root,
		"/var/run/":                           "has the socket of the engine or of containerd in it" + root,
		"/run/k3s":                            "has the socket of the engine or of containerd in it" + root,
		"/var/run/k3s/containerd":             "has the socket of the engine or of containerd in it" + root,
		"/run/k3s/containerd/containerd.sock": "is the socket of the engine or of containerd" + root,
		"/var/run/k3s/containerd/containerd.sock": "is the socket of the engine or of containerd" + root,
		"/run/podman":                             "has the socket of the engine or of containerd in it" + root,
		"/run/podman/podman.sock":                 "is the socket of the engine or of containerd" + root,
		"/var/run/crio/crio.sock":                 "is the socket of the engine or of containerd" + root,
		"/run/buildkit/buildkitd.sock":            "is the socket of the engine or of containerd" + root,
		"/run/buildkit/otel-grpc.sock":            "is where the engine or containerd keeps its sockets" + root,
		"/run/user":                               "has the socket of the engine or of containerd in it" + root,
		"/run/user/1000":                          "has the socket of the engine or of containerd in it" + root,
		"/run/user/1000/docker.sock":              "is the socket of the engine or of containerd" + root,
		"/var/run/user/1000/podman":               "is where the engine or containerd keeps its sockets" + root,
		"/run/user/1000/docker/libnetwork":        "is where the engine or containerd keeps its sockets" + root,
		"/run/user/1000/pulse":                    "",
		"/var/snap":                               "has the socket of the engine or of containerd in it" + root,
		"/var/snap/docker":                        "is where the engine or containerd keeps its sockets" + root,
		"/var/snap/docker/common/run/docker.sock": "is where the engine or containerd keeps its sockets" + root,
		"/run/cri-dockerd.sock":                   "is the socket of the engine or of containerd" + root,
		"/mnt/run/containerd.sock":                "has the name of the socket of the engine" + root,
		"/mnt/podman.sock":                        "has the name of the socket of the engine" + root,
		"/home/x/.docker":                         "",
		"/root/.docker":                           "",
		"/root/.docker/run":                       "may have the socket of the engine of a user in it, and whoever can write to that has the power of that user on the node",
		"/home/x/.docker/desktop":                 "may have the socket of the engine of a user in it, and whoever can write to that has the power of that user on the node",
		"/home/x":                                 "",
		"/home/x/.docker/config.json":             "",
		"/var/running":                            "",
		"/var/lib/app":                            "",
		"/run/dockers":                            "",
		"/srv":                                    "",
	} {
		var got string
		for _, b := range guardrails.Check(read(t, "mounts: {noDockerSocket: true}"), load(t, bound(dir)), day) {
			got = b.Why
		}
		if want != "" {
			want = strconv.Quote(dir) + " " + want
		}
		if got != want {
			t.Errorf("%s: %q, want %q", dir, got, want)
		}
	}
}

// What may be any directory of the node breaks every rule about directories, so that an exception from one of them leaves
// the others in force.
func TestAnUnknownDirectoryBreaksEveryRuleAboutDirectories(t *testing.T) {
	for name, c := range map[string]struct{ manifest, excepted, want string }{
		"a bind":                         {named("web", `/srv/{{"x"}}`), "", "mounts.binds mounts.noDockerSocket"},
		"a bind that may be anywhere":    {named("web", `/srv/{{"x"}}`), "mounts.binds", "mounts.noDockerSocket"},
		"a bind that may have sockets":   {named("web", `/srv/{{"x"}}`), "mounts.noDockerSocket", "mounts.binds"},
		"a volume":                       {volume("{driverOpts: {type: ext4, device: /dev/sda1}}"), "", "mounts.binds mounts.noDockerSocket mounts.readOnlyBinds"},
		"a volume that may be anywhere":  {volume("{driverOpts: {type: ext4, device: /dev/sda1}}"), "mounts.binds", "mounts.noDockerSocket mounts.readOnlyBinds"},
		"a volume that may be written":   {volume("{driverOpts: {type: ext4, device: /dev/sda1}}"), "mounts.readOnlyBinds", "mounts.binds mounts.noDockerSocket"},
		"a volume that may be any mount": {volume("{driverOpts: {type: ext4, device: /dev/sda1}}"), "mounts", ""},
	} {
		g := read(t, "mounts: {binds: [/srv], noDockerSocket: true, readOnlyBinds: true}")
		m := load(t, c.manifest)
		if c.excepted != "" {
			g.Exceptions = []config.Exception{{Object: m.Object.Key().String(), Rules: []string{c.excepted}, Until: "2027-12-31"}}
		}
		if got, _ := breaches(g, m); got != c.want {
			t.Errorf("%s: %q are broken, want %q", name, got, c.want)
		}
	}
}

func TestExceptions(t *testing.T) {
	broken := service("capAdd: [ALL]")
	for name, c := range map[string]struct {
		exception config.Exception
		counts    bool
	}{
		"the rule":            {config.Exception{Object: "Service/web", Rules: []string{"containers.capabilities"}, Until: "2027-12-31"}, true},
		"another rule":        {config.Exception{Object: "Service/web", Rules: []string{"containers.drop"}, Until: "2027-12-31"}, false},
		"half a name":         {config.Exception{Object: "Service/web", Rules: []string{"containers.cap"}, Until: "2027-12-31"}, false},
		"another object":      {config.Exception{Object: "Service/web2", Rules: []string{"containers"}, Until: "2027-12-31"}, false},
		"another kind":        {config.Exception{Object: "Config/web", Rules: []string{"containers"}, Until: "2027-12-31"}, false},
		"it ended":            {config.Exception{Object: "Service/web", Rules: []string{"containers"}, Until: "2027-01-30"}, false},
		"it ends today":       {config.Exception{Object: "Service/web", Rules: []string{"containers"}, Until: "2027-01-31"}, true},
		"nobody can say when": {config.Exception{Object: "Service/web", Rules: []string{"containers"}, Until: "soon"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := read(t, "containers: {capabilities: []}")
			g.Exceptions = []config.Exception{c.exception}
			if got := len(guardrails.Check(g, load(t, broken), day)) == 0; got != c.counts {
				t.Errorf("it counts: %t", got)
			}
		})
	}
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "a/b.c", true},
		{"a*", "ab", true},
		{"a*", "ba", false},
		{"*a", "ba", true},
		{"*a", "ab", false},
		{"a?c", "abc", true},
		{"a?c", "ac", false},
		{"a*b*c", "aXbYbZc", true},
		{"a*b*c", "aXbYbZ", false},
		{"[a]", "a", false},
		{"[a]", "[a]", true},
		{"**", "x", true},
	} {
		g := &config.Guardrails{Names: []string{c.pattern}}
		o := &v1.Network{Header: v1.Header{Kind: v1.KindNetwork, Metadata: v1.Metadata{Name: c.text}}}
		if got := len(guardrails.Check(g, guardrails.Manifest{Object: o}, day)) == 0; got != c.want {
			t.Errorf("%q matches %q: %t", c.pattern, c.text, got)
		}
	}
}

// A pattern of stars and letters takes as long as its text is, not longer.
func TestPatternsLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.StringMatching(`[ab]{0,3}`), 1, 6).Draw(t, "parts")
		fills := rapid.SliceOfN(rapid.StringMatching(`[ab/]{0,4}`), len(parts)-1, len(parts)-1).Draw(t, "fills")
		text := parts[0]
		for i, fill := range fills {
			text += fill + parts[i+1]
		}
		g := &config.Guardrails{Names: []string{strings.Join(parts, "*")}}
		o := &v1.Network{Header: v1.Header{Kind: v1.KindNetwork, Metadata: v1.Metadata{Name: text}}}
		if got := guardrails.Check(g, guardrails.Manifest{Object: o}, day); len(got) > 0 {
			t.Fatalf("%s", fmt.Sprint(got))
		}
	})
}

func TestPlacing(t *testing.T) {
	for name, c := range map[string]struct {
		rules *config.Guardrails
		want  string
	}{
		"no file":             {nil, ""},
		"nothing of services": {&config.Guardrails{}, ""},
		"what is forbidden":   {&config.Guardrails{Placement: &config.PlacementRules{Forbid: []string{"node.labels.team == b"}}}, ""},
		"what is no label":    {&config.Guardrails{Placement: &config.PlacementRules{Require: []string{"node.role == worker", "engine.labels.disk == ssd"}}}, ""},
		"labels, each once":   {&config.Guardrails{Placement: &config.PlacementRules{Require: []string{"node.labels.team == a", "NODE.LABELS.zone != x", "node.labels.team != b"}}}, "team zone"},
		"what cannot be read": {&config.Guardrails{Placement: &config.PlacementRules{Require: []string{"node.labels.team", "node.labels.zone == a"}}}, "zone"},
	} {
		if got := strings.Join(guardrails.Placing(c.rules), " "); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// A network of others is used in two ways: by its name, and by a manifest that takes it over.
func TestWhatMayOnlyBeTheSourcesOwn(t *testing.T) {
	const net, vol = "kind: Network\nmetadata: {name: shop}", "kind: Volume\nmetadata: {name: shop}\nspec: {driver: 'csi:1', accessMode: {type: mount}}"
	for _, c := range []struct{ name, file, manifest, want string }{
		{"a network that is not listed", "external: {networks: [proxy]}", net, "external.networks"},
		{"no network of others", "external: {networks: []}", net, "external.networks"},
		{"a network that is listed", "external: {networks: [proxy, 'sho?']}", net, ""},
		{"a network, if nothing is said of networks", "external: {volumes: []}", net, ""},
		{"a network, if nothing is said of others", "kinds: [Network]", net, ""},
		{"a network of others", "external: {networks: []}", net + "\nspec: {external: true}", ""},
		{"a cluster volume that is not listed", "external: {volumes: []}", vol, "external.volumes"},
		{"a cluster volume that is listed", "external: {volumes: [shop]}", vol, ""},
		{"a secret that is not listed", "external: {secrets: [their-cert]}", "kind: Secret\nspec: {data: x}", "external.secrets"},
		{"a secret that is listed", "external: {secrets: [web]}", "kind: Secret\nspec: {data: x}", ""},
		{"a secret of others", "external: {secrets: []}", "kind: Secret\nspec: {external: true}", ""},
		{"a config, whose content the source has", "external: {configs: [], networks: []}", "kind: Config\nspec: {data: x}", ""},
		{"a service", "external: {networks: []}", service(""), ""},
		{"an exception", "external: {networks: []}\nexceptions: [{object: Network/shop, rules: [external], until: 2027-01-31, reason: ours before}]", net, ""},
		{"an exception for another one", "external: {networks: []}\nexceptions: [{object: Network/other, rules: [external], until: 2027-01-31, reason: ours before}]", net, "external.networks"},
		{"an exception that has ended", "external: {networks: []}\nexceptions: [{object: Network/shop, rules: [external.networks], until: 2027-01-30, reason: ours before}]", net, "external.networks"},
	} {
		if got := guardrails.OwnOnly(read(t, c.file), load(t, c.manifest).Object, day); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if got := guardrails.OwnOnly(nil, load(t, net).Object, day); got != "" {
		t.Errorf("without a file: %q", got)
	}
}

// What the source states for all of its objects counts as if each manifest stated it.
func TestFieldsThatTheSourceStatesForAll(t *testing.T) {
	yes := true
	for _, c := range []struct {
		name, fields, manifest string
		defaults               v1.DefaultPolicy
		want                   string
	}{
		{"the field", "Service policy.adopt", service(""), v1.DefaultPolicy{Adopt: v1.AdoptTakeover}, "policy.adopt"},
		{"a field that has it", "Service policy", service(""), v1.DefaultPolicy{Prune: &yes}, "policy.prune"},
		{"another field", "Service policy.adopt", service(""), v1.DefaultPolicy{Enforce: &yes}, ""},
		{"enforce", "Service policy.enforce", service(""), v1.DefaultPolicy{Enforce: &yes}, "policy.enforce"},
		{"the manifest states it too", "Service policy.adopt", service("") + "\npolicy: {adopt: never}", v1.DefaultPolicy{Adopt: v1.AdoptTakeover}, "policy.adopt"},
		{"an object that has no defaults", "Node policy.enforce", "kind: Node", v1.DefaultPolicy{Enforce: &yes}, ""},
		{"an object with data, which no default prunes", "Volume policy.prune", csi, v1.DefaultPolicy{Prune: &yes}, ""},
	} {
		m := load(t, c.manifest)
		m.Defaults = c.defaults
		if _, got := breaches(read(t, "fields: ["+c.fields+"]"), m); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// Objects whose manifests are gone break no rule, and the default of prune counts for them.
func TestADefaultThatARuleForbidsCountsForNobody(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		name, file string
		prune      *bool
		want       bool
	}{
		{"the rule", "policies: {noPrune: true}", &yes, false},
		{"another rule", "policies: {noTakeover: true}", &yes, true},
		{"another part", "kinds: [Service]", &yes, true},
		{"a warning", "mode: warn\npolicies: {noPrune: true}", &yes, true},
		{"no prune", "policies: {noPrune: true}", &no, false},
		{"nothing", "policies: {noPrune: true}", nil, false},
	} {
		d := v1.Defaults{Policy: v1.DefaultPolicy{Adopt: v1.AdoptNever, Prune: c.prune}}
		got := guardrails.Allowed(read(t, c.file), d).Policy
		if prunes := got.Prune != nil && *got.Prune; prunes != c.want || got.Adopt != v1.AdoptNever {
			t.Errorf("%s: %+v", c.name, got)
		}
		if d.Policy.Prune != c.prune {
			t.Errorf("%s: the source's own defaults are changed", c.name)
		}
	}
	if got := guardrails.Allowed(nil, v1.Defaults{Policy: v1.DefaultPolicy{Prune: &yes}}); got.Policy.Prune != &yes {
		t.Error("without a file nothing is forbidden")
	}
}
