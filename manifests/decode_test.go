package manifests_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/manifests"
)

// service returns a whole manifest around the fields of a spec, which begin in line 6.
func service(spec string) string {
	return "apiVersion: swarm-operator.io/v1\nkind: Service\nmetadata: {name: web}\nspec:\n  image: nginx:1.27\n" + indent(spec)
}

func indent(s string) string {
	lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	for i := range lines {
		lines[i] = "  " + lines[i]
	}
	return strings.Join(lines, "\n") + "\n"
}

// load loads files, which are given as name, content, name, content …
func load(files ...string) (manifests.Set, []v1.Problem) {
	return manifests.NewLoader(options).Load(tree(files...), ".")
}

func tree(files ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for i := 0; i < len(files); i += 2 {
		fsys[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return fsys
}

// texts renders problems of one file and one object as line: path: message.
func texts(problems []v1.Problem) []string {
	var out []string
	for _, p := range problems {
		text := strconv.Itoa(p.Line) + ": "
		if p.Path != "" {
			text += p.Path + ": "
		}
		out = append(out, text+p.Message)
	}
	return out
}

func TestDecodeProblems(t *testing.T) {
	for _, c := range []struct {
		name string
		spec string
		want []string
	}{
		// Fields.
		{"unknown, with the nearest", "replica: 3", []string{"6: spec.replica: unknown field; did you mean replicas?"}},
		{"unknown, in compose's spelling", "stop_grace_period: 3s", []string{"6: spec.stop_grace_period: unknown field; did you mean stopGracePeriod?"}},
		{"unknown, which is known elsewhere", "parallelsm: 2\nmaxAttempts: 4", []string{
			"6: spec.parallelsm: unknown field",
			"7: spec.maxAttempts: unknown field here; did you mean spec.restartPolicy.maxAttempts?",
		}},
		{"unknown among few", "restartPolicy: {zzzzzzzz: 1}", []string{"6: spec.restartPolicy.zzzzzzzz: unknown field; known are condition, delay, maxAttempts, window"}},
		{"unknown among few, deep in a list", "mounts:\n- {type: volume, target: /a}\n- type: volume\n  target: /b\n  tgt: /b", []string{"10: spec.mounts[1].tgt: unknown field; known are type, source, target, readOnly, bind, volume, tmpfs"}},

		// Words of compose.
		{"compose: deploy", "deploy:\n  replicas: 2\n  update_config: {failure_action: rollback}\n  labels: {a: b}\n  resource: {}\n  endpoint_mode: dnsrr", []string{
			"7: spec.deploy.replicas: is a word of compose files; write spec.replicas instead",
			"8: spec.deploy.update_config: is a word of compose files; write spec.updateConfig instead; its fields are parallelism, delay, failureAction, monitor, maxFailureRatio and order",
			"9: spec.deploy.labels: is a word of compose files; write metadata.labels instead",
			"10: spec.deploy.resource: unknown field",
			"11: spec.deploy.endpoint_mode: is a word of compose files; write spec.endpointMode instead",
		}},
		{"compose: deploy without fields", "deploy: yes", []string{"6: spec.deploy: is a word of compose files; write spec instead; the fields of deploy stand in spec itself, and deploy.labels in metadata.labels"}},
		{"compose: depends_on", "depends_on: [db, cache]", []string{"6: spec.depends_on: is a word of compose files; write policy.dependsOn: [Service/db, Service/cache]; it orders what changes together"}},
		{"compose: depends_on with conditions", "depends_on: {db: {condition: service_healthy}}", []string{"6: spec.depends_on: is a word of compose files; write policy.dependsOn: [Service/db]; it orders what changes together"}},
		{"compose: volumes", "volumes: ['data:/data', './conf:/etc/app:ro']", []string{
			"6: spec.volumes: is a word of compose files; write spec.mounts: [{type: volume, source: data, target: /data}, {type: bind, source: /absolute/path/of/the/node, target: /etc/app, readOnly: true}]; named volumes need no declaration",
		}},
		{"compose: long volumes", "volumes: [{type: volume, source: data, target: /data}]", []string{"6: spec.volumes: is a word of compose files; write spec.mounts instead; named volumes need no declaration"}},
		{"compose: short mounts", "mounts: ['data:/data']", []string{"6: spec.mounts[0]: must be a mapping: write {type: volume, source: data, target: /data}"}},
		{"compose: short ports", "ports: ['8080:80', 53:53/udp, 80]", []string{
			"6: spec.ports[0]: must be a mapping: write {target: 80, published: 8080}",
			"6: spec.ports[1]: must be a mapping: write {target: 53, published: 53, protocol: udp}",
			"6: spec.ports[2]: must be a mapping: write {target: 80}",
		}},
		{"compose: networks by name", "networks: {front: {aliases: [www]}, back: }", []string{"6: spec.networks: must be a list: write [front, back], or a mapping with the name and the rest for each"}},
		{"compose: restart", "restart: unless-stopped", []string{"6: spec.restart: is a word of compose files; write spec.restartPolicy.condition: any; its values are any, on-failure and none"}},
		{"compose: what does not exist", "container_name: web\nenv_file: .env\nprivileged: true", []string{
			"6: spec.container_name: is a word of compose files that does not exist here: the swarm names the containers itself; the service is metadata.name, and that is its name in DNS",
			"7: spec.env_file: is a word of compose files that does not exist here: files of variables are not read; write the variables in spec.environment, and secrets as a manifest of kind Secret",
			"8: spec.privileged: is a word of compose files that does not exist here: services of a swarm do not have it; write spec.capAdd for single capabilities",
		}},
		{"compose: labels", "labels: {a: b}", []string{"6: spec.labels: is a word of compose files; write spec.containerLabels instead; labels of the service (deploy.labels) are metadata.labels"}},
		{"compose: a secret is not repeated", "depends_on: ['https://u:hunter2@h']", []string{"6: spec.depends_on: is a word of compose files; write policy.dependsOn instead; it orders what changes together"}},
		{"compose: another spelling", "read_only: true\ncap_add: [NET_ADMIN]", []string{"6: spec.read_only: unknown field; did you mean readOnly?", "7: spec.cap_add: unknown field; did you mean capAdd?"}},
		{"compose: lists of variables", "environment: ['A=b']", nil},
		{"not an identifier", `"a b": 1`, []string{`6: spec["a b"]: unknown field`}},
		{"a service of plugins", "runtime: plugin", []string{"6: spec.runtime: cannot be stated: containers run with the default runtime in daemon.json of their node; an engine takes services of plugins only with its experimental features on, and a plugin may have root's power on every node: install it there with docker plugin install"}},
		{"a resource by name", "resources: {reservations: {genericResources: [{namedResourceSpec: {kind: gpu, value: a}}]}}", []string{
			"6: spec.resources.reservations.genericResources[0].namedResourceSpec: cannot be stated: the swarm gives tasks resources by number and not by name: state discreteResourceSpec",
		}},
		{"dropped by the engine", "mounts: [{type: volume, target: /a, consistency: cached}]", []string{"6: spec.mounts[0].consistency: cannot be stated: the engine drops it"}},
		{"limits", "ulimits: {nofile: 65536, nproc: {soft: 1, hard: 2}}\nsysctls: {net.core.somaxconn: 1024}", nil},
		{"limits that are none", "ulimits: {nofile: many, nproc: {sof: 1}, core: [1]}\nsysctls: [a]", []string{
			"6: spec.ulimits.core: must be a mapping or a string; found a list",
			`6: spec.ulimits.nofile: "many" is neither a number such as 65536 nor a mapping with soft and hard`,
			"6: spec.ulimits.nproc.sof: unknown field; did you mean soft?",
			"7: spec.sysctls: has an entry that is not of the form NAME=value",
		}},
		{"twice", "replicas: 1\nreplicas: 2", []string{"7: spec.replicas: is stated twice: also in line 6"}},
		{"twice in a map", "environment:\n  A: a\n  B: b\n  A: c", []string{"9: spec.environment.A: is stated twice: also in line 7"}},
		{"a missing field that was misspelt is one problem", "ports: [{targt: 80}]", []string{"6: spec.ports[0].targt: unknown field; did you mean target?"}},

		// Strings.
		{"number", "user: 1000", []string{"6: spec.user: 1000 is a number; quote it"}},
		{"float", "hostname: 1.10", []string{"6: spec.hostname: 1.10 is a number; quote it"}},
		{"boolean", "hostname: true", []string{"6: spec.hostname: true is a boolean; quote it"}},
		{"old boolean", "hostname: NO", []string{"6: spec.hostname: NO is a boolean; quote it"}},
		{"quoted old boolean", `hostname: "NO"`, nil},
		{"folded old boolean", "hostname: >-\n  NO", nil},
		{"date", "hostname: 2024-01-02", nil},
		{"tagged string", "user: !!str 1000", nil},
		{"list for a string", "hostname: [a]", []string{"6: spec.hostname: must be a string; found a list"}},
		{"mapping for a string", "hostname: {a: b}", []string{"6: spec.hostname: must be a string; found a mapping"}},
		{"null", "hostname:", []string{"6: spec.hostname: states nothing; leave it out or give it a value"}},
		{"tilde", "hostname: ~", []string{"6: spec.hostname: states nothing; leave it out or give it a value"}},

		// Booleans.
		{"yes", "readOnly: yes", []string{"6: spec.readOnly: yes is not true or false"}},
		{"True", "readOnly: True", []string{"6: spec.readOnly: True is not true or false"}},
		{"quoted true", `init: "true"`, []string{"6: spec.init: is a string; write true without quotes"}},
		{"one", "init: 1", []string{"6: spec.init: 1 is not true or false"}},
		{"word", "init: maybe so", []string{`6: spec.init: "maybe so" is not true or false`}},
		{"list for a boolean", "init: []", []string{"6: spec.init: must be true or false; found a list"}},

		// Whole numbers.
		{"hexadecimal", "replicas: 0x10", []string{"6: spec.replicas: 0x10 is not a whole number in plain decimals"}},
		{"octal", "replicas: 010", []string{"6: spec.replicas: 010 is not a whole number in plain decimals"}},
		{"new octal", "replicas: 0o10", []string{"6: spec.replicas: 0o10 is not a whole number in plain decimals"}},
		{"underscore", "replicas: 1_000", []string{"6: spec.replicas: 1_000 is not a whole number in plain decimals"}},
		{"plus", "replicas: +3", []string{"6: spec.replicas: +3 is not a whole number in plain decimals"}},
		{"exponent", "replicas: 1e3", []string{"6: spec.replicas: 1e3 is not a whole number in plain decimals"}},
		{"fraction", "replicas: 1.5", []string{"6: spec.replicas: 1.5 is not a whole number in plain decimals"}},
		{"negative", "replicas: -1", []string{"6: spec.replicas: -1 is not between 0 and 18446744073709551615"}},
		{"too large", "ports: [{target: 4294967296}]", []string{"6: spec.ports[0].target: 4294967296 is not between 0 and 4294967295"}},
		{"far too large", "replicas: 99999999999999999999", []string{"6: spec.replicas: 99999999999999999999 is not a whole number in plain decimals"}},
		{"signed, too large", "resources: {limits: {pids: 9223372036854775808}}", []string{"6: spec.resources.limits.pids: 9223372036854775808 is not between -9223372036854775808 and 9223372036854775807"}},
		{"quoted number", `replicas: "3"`, []string{"6: spec.replicas: is a string; write the number without quotes"}},
		{"mapping for a number", "replicas: {a: 1}", []string{"6: spec.replicas: must be a number; found a mapping"}},
		{"null number", "replicas: null", []string{"6: spec.replicas: states nothing; leave it out or give it a value"}},

		// Values with a notation of their own.
		{"duration without unit", "stopGracePeriod: 10", []string{`6: spec.stopGracePeriod: "10" is not a duration such as 10s, 1m30s or 500ms`}},
		{"list for a duration", "stopGracePeriod: [10s]", []string{"6: spec.stopGracePeriod: must be a single value; found a list"}},
		{"size", "resources: {limits: {memory: lots}}", []string{`6: spec.resources.limits.memory: "lots" is not a size such as 64MiB, 512M or 1g`}},
		{"null duration", "stopGracePeriod:", []string{"6: spec.stopGracePeriod: states nothing; leave it out or give it a value"}},
		{"words", "command: 5", []string{"6: spec.command: 5 is neither a string nor a list of strings; quote it"}},
		{"mapping for words", "command: {a: b}", []string{"6: spec.command: must be a list or a string; found a mapping"}},
		{"null words", "command:", []string{"6: spec.command: states nothing; leave it out or give it a value"}},

		// Lists.
		{"string for a list", "capAdd: NET_ADMIN", []string{"6: spec.capAdd: must be a list; found a string"}},
		{"mapping for a list", "ports: {target: 80}", []string{"6: spec.ports: must be a list; found a mapping"}},
		{"wrong elements", "capAdd: [1, NET_ADMIN, true, {a: b}, [], ~]", []string{
			"6: spec.capAdd[0]: 1 is a number; quote it",
			"6: spec.capAdd[2]: true is a boolean; quote it",
			"6: spec.capAdd[3]: must be a string; found a mapping",
			"6: spec.capAdd[4]: must be a string; found a list",
			"6: spec.capAdd[5]: states nothing; leave it out or give it a value",
		}},
		{"null element of structs", "ports:\n- target: 80\n-", []string{"8: spec.ports[1]: states nothing; leave it out or give it a value"}},
		{"string for a struct", "ports: ['80:80']", []string{"6: spec.ports[0]: must be a mapping: write {target: 80, published: 80}"}},
		{"number for a short form", "networks: [5]", []string{"6: spec.networks[0]: 5 is not a string; quote it"}},
		{"list for a short form", "networks: [[a]]", []string{"6: spec.networks[0]: must be a mapping or a string; found a list"}},

		// Maps of strings.
		{"what must be quoted", "containerLabels:\n  a: true\n  b: yes\n  c: 010\n  d: 0x1F\n  e: 1e3\n  f: 1_000\n  g:\n  h: .5\n  i: .inf\n  j: +5\n  k: n\n  l: 0b1\n  m: 5.\n  o: -0o7", []string{
			"7: spec.containerLabels.a: true is a boolean; quote it",
			"8: spec.containerLabels.b: yes is a boolean; quote it",
			"9: spec.containerLabels.c: 010 is a number; quote it",
			"10: spec.containerLabels.d: 0x1F is a number; quote it",
			"11: spec.containerLabels.e: 1e3 is a number; quote it",
			"12: spec.containerLabels.f: 1_000 is a number; quote it",
			"13: spec.containerLabels.g: states nothing; leave it out or give it a value",
			"14: spec.containerLabels.h: .5 is a number; quote it",
			"15: spec.containerLabels.i: .inf is a number; quote it",
			"16: spec.containerLabels.j: +5 is a number; quote it",
			"17: spec.containerLabels.k: n is a boolean; quote it",
			"18: spec.containerLabels.l: 0b1 is a number; quote it",
			"19: spec.containerLabels.m: 5. is a number; quote it",
			"20: spec.containerLabels.o: -0o7 is a number; quote it",
		}},
		{"keys", "containerLabels:\n  80: a\n  true: b\n  on: c\n  ~: d\n  ? [x]\n  : e\n  ? {x: y}\n  : f\n  !!binary YQ==: g", []string{
			"7: spec.containerLabels: has the key 80, which is a number; quote it",
			"8: spec.containerLabels: has the key true, which is a boolean; quote it",
			"9: spec.containerLabels: has the key on, which is a boolean; quote it",
			`10: spec.containerLabels: has the key "~", which is nothing; quote it`,
			"11: spec.containerLabels: has a list as a key; keys are strings",
			"13: spec.containerLabels: has a mapping as a key; keys are strings",
			"15: spec.containerLabels: has a key with a YAML tag; leave the tag out",
		}},
		{"keys of one letter", "containerLabels: {x: a, y: b, n: c}", nil},
		{"list for a map of strings", "containerLabels: [a=b]", []string{"6: spec.containerLabels: must be a mapping; found a list"}},
		{"structure in a map of strings", "containerLabels: {a: {b: c}, d: [e]}", []string{
			"6: spec.containerLabels.a: must be a string; found a mapping",
			"6: spec.containerLabels.d: must be a string; found a list",
		}},
		{"string for a map", "environment: A=b", []string{"6: spec.environment: must be a mapping or a list; found a string"}},
		{"environment without values", "environment: [A=b, DEBUG]", nil},
		{"environment of null", "environment: {A: b, TZ: null}", nil},
		{"environment of nothing", "environment:\n  A: b\n  DEBUG:", nil},
		{"labels of null", "containerLabels: {A: null}", []string{"6: spec.containerLabels.A: states nothing; leave it out or give it a value"}},
		{"environment list of mappings", "environment:\n- A: b", []string{"7: spec.environment[0]: must be a string; found a mapping"}},
		{"environment list, twice", "environment: [A=b, A=c]", []string{"6: spec.environment: A is stated twice"}},
		{"long key and value", "containerLabels: {" + strings.Repeat("k", 500) + ": 0" + strings.Repeat("1", 200) + "}", []string{
			"6: spec.containerLabels[\"" + strings.Repeat("k", 80) + "…\"]: 0" + strings.Repeat("1", 39) + "… is a number; quote it",
		}},

		// Tags.
		{"tags", "hostname: !secret x\nuser: !!binary YQ==\nreplicas: !!int 3\nports: !set [{target: 80}]\nenvironment: !!omap {A: b}", []string{
			"6: spec.hostname: has a YAML tag (a word after !): tags have no meaning here; leave it out",
			"7: spec.user: has a YAML tag (a word after !): tags have no meaning here; leave it out",
			"8: spec.replicas: has a YAML tag (a word after !): tags have no meaning here; leave it out",
			"9: spec.ports: has a YAML tag (a word after !): tags have no meaning here; leave it out",
			"10: spec.environment: has a YAML tag (a word after !): tags have no meaning here; leave it out",
		}},
		{"tags of the type that the value has", "environment: !!map {A: !!str 5}\ncapAdd: !!seq [NET_ADMIN]", nil},

		// Messages of Validate, in their places.
		{"value", "mode: replicatd", []string{`6: spec.mode: "replicatd" is not one of replicated, global, replicated-job, global-job; did you mean replicated?`}},
		{"value in a list", "ports:\n- target: 80\n- target: 99999", []string{"8: spec.ports[1].target: 99999 is not a port between 1 and 65535"}},
		{"missing in a list", "mounts:\n- type: volume", []string{"7: spec.mounts[0].target: is missing"}},
		{"no echo of what could not be read", "mounts:\n- type: volume\n  target: 5", []string{"8: spec.mounts[0].target: 5 is a number; quote it"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, problems := load("web.yaml", service(c.spec))
			for _, p := range problems {
				if p.File != "web.yaml" || p.Object != (v1.Key{Kind: "Service", Name: "web"}) {
					t.Errorf("the problem does not say where it is: %+v", p)
				}
			}
			if diff := cmp.Diff(c.want, texts(problems)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeValues(t *testing.T) {
	no, yes := false, true
	for _, c := range []struct {
		name string
		spec string
		want v1.ServiceSpec
	}{
		{"scalars", "hostname: a\nreadOnly: true\ninit: false\nreplicas: 0\nstopGracePeriod: 1m", v1.ServiceSpec{
			Hostname: "a", ReadOnly: true, Init: &no, Replicas: new(uint64), StopGracePeriod: ptr(v1.Duration(60e9)),
		}},
		{"text as it is written", "hostname: 2024-01-02\nuser: \"010\"\nworkingDir: 'no'", v1.ServiceSpec{Hostname: "2024-01-02", User: "010", WorkingDir: "no"}},
		{"block scalars", "hostname: |\n  a\n  b\nuser: >-\n  c\n  d", v1.ServiceSpec{Hostname: "a\nb\n", User: "c d"}},
		{"words", "command: a 'b c'\nentrypoint: [d, e f]", v1.ServiceSpec{Command: v1.StringList{"a", "b c"}, Entrypoint: v1.StringList{"d", "e f"}}},
		{"numbers in maps", "environment: {A: 1.10, B: 080x, C: -5, D: 12345678901234567890123, E: 0, F: 2024-01-02, G: 0.50}", v1.ServiceSpec{
			Environment: v1.Environment{"A": "1.10", "B": "080x", "C": "-5", "D": "12345678901234567890123", "E": "0", "F": "2024-01-02", "G": "0.50"},
		}},
		{"environment as a list", "environment: [A=b=c, D=]", v1.ServiceSpec{Environment: v1.Environment{"A": "b=c", "D": ""}}},
		{"extra hosts as a map", "extraHosts: {b: 10.0.0.2, a: 10.0.0.1}", v1.ServiceSpec{ExtraHosts: v1.ExtraHosts{"a:10.0.0.1", "b:10.0.0.2"}}},
		{"short forms", "healthcheck: {test: curl x}\nupdateConfig: {delay: 5s}", v1.ServiceSpec{
			Healthcheck: &v1.Healthcheck{Test: v1.HealthTest{"CMD-SHELL", "curl x"}}, UpdateConfig: &v1.UpdateConfig{Delay: v1.Duration(5e9)},
		}},
		{"octal mode", "mounts: [{type: tmpfs, target: /t, tmpfs: {mode: 0755, size: 1m}}]", v1.ServiceSpec{
			Mounts: []v1.Mount{{Type: "tmpfs", Target: "/t", Tmpfs: &v1.TmpfsOptions{Mode: ptr(v1.FileMode(0o755)), Size: 1 << 20}}},
		}},
		{"all entries commented out", "ports:\n# - target: 80\nenvironment:\n#  A: b\nresources:\nplacement: ~\nlogging: null", v1.ServiceSpec{}},
		{"empty lists and maps", "ports: []\nenvironment: {}\nlogging: {}", v1.ServiceSpec{Ports: []v1.Port{}, Environment: v1.Environment{}, Logging: &v1.Logging{}}},
		{"aliases", "environment: &e {A: x}\ncontainerLabels: *e\nhostname: &h name\nuser: *h", v1.ServiceSpec{
			Environment: v1.Environment{"A": "x"}, ContainerLabels: map[string]string{"A": "x"}, Hostname: "name", User: "name",
		}},
		{"alias of a number in a map", "environment: {A: &n 5, B: *n}", v1.ServiceSpec{Environment: v1.Environment{"A": "5", "B": "5"}}},
		{"alias as a key", "hostname: &h name\nenvironment: {*h : x}", v1.ServiceSpec{Hostname: "name", Environment: v1.Environment{"name": "x"}}},
		{"merge keys", "environment: &e {A: x, B: u}\ncontainerLabels: {<<: *e, B: z}", v1.ServiceSpec{
			Environment: v1.Environment{"A": "x", "B": "u"}, ContainerLabels: map[string]string{"A": "x", "B": "z"},
		}},
		{"merge keys in a list, the first wins", "environment: &e {A: x}\ncontainerLabels: &l {A: u, B: u}\nlogging: {options: {C: z, <<: [*e, *l]}, driver: d}", v1.ServiceSpec{
			Environment: v1.Environment{"A": "x"}, ContainerLabels: map[string]string{"A": "u", "B": "u"},
			Logging: &v1.Logging{Driver: "d", Options: map[string]string{"A": "x", "B": "u", "C": "z"}},
		}},
		{"merge key in a struct", "updateConfig: &u {delay: 5s, order: start-first}\nrollbackConfig: {<<: *u, order: stop-first}", v1.ServiceSpec{
			UpdateConfig: &v1.UpdateConfig{Delay: v1.Duration(5e9), Order: "start-first"}, RollbackConfig: &v1.UpdateConfig{Delay: v1.Duration(5e9), Order: "stop-first"},
		}},
		{"quoted merge key is a key", `environment: {"<<": x}`, v1.ServiceSpec{Environment: v1.Environment{"<<": "x"}}},
		{"pointer", "init: true", v1.ServiceSpec{Init: &yes}},
	} {
		t.Run(c.name, func(t *testing.T) {
			set, problems := load("web.yaml", service(c.spec))
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			c.want.Image = "nginx:1.27"
			got := set.Entries[0].Object.(*v1.Service).Spec
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("spec (-want +got):\n%s", diff)
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }

// Each line below stands for more values than there are atoms. The decoder must not follow any of them to its end.
func TestAliasBombs(t *testing.T) {
	var laughs, merges strings.Builder
	laughs.WriteString("capAdd: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	merges.WriteString("environment: &a0 {A: x}\n")
	for i := 1; i < 12; i++ {
		prev, next := "*a"+strconv.Itoa(i-1), "&a"+strconv.Itoa(i)
		laughs.WriteString("capDrop" + strconv.Itoa(i) + ": " + next + " [" + strings.Repeat(prev+", ", 9) + prev + "]\n")
		merges.WriteString("containerLabels" + strconv.Itoa(i) + ": " + next + " {<<: [" + strings.Repeat(prev+", ", 9) + prev + "]}\n")
	}
	laughs.WriteString("command: *a11")
	merges.WriteString("containerLabels: *a11")
	many := "environment: &e {" + strings.Repeat("A: 1, ", 1) + "B: 2}\nports:\n" + strings.Repeat("- {target: &t 80}\n", 1) + strings.Repeat("- {target: *t}\n", 10_001)
	for name, c := range map[string]struct{ spec, want string }{
		"laughs":           {laughs.String(), "must be a string; found a list"},
		"merges":           {merges.String(), "stand for more than 10000 values"},
		"many":             {many, "stand for more than 10000 values"},
		"itself":           {"capAdd: &a [*a]", "must be a string; found a list"},
		"itself in itself": {"containerLabels: &a {<<: *a}", "is nested deeper than 64 levels"},
		"itself as value":  {"containerLabels: &a {b: *a}", "must be a string; found a mapping"},
		"scalar merge":     {"containerLabels: {<<: x}", "the merge key << takes a mapping or a list of mappings; found a string"},
		"no anchor":        {"capAdd: *nowhere", "an alias (*name) has no anchor"},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := load("web.yaml", service(c.spec))
			if !slices.ContainsFunc(problems, func(p v1.Problem) bool { return strings.Contains(p.Message, c.want) }) {
				t.Errorf("no problem says %q: %.10v", c.want, problems)
			}
		})
	}
}
