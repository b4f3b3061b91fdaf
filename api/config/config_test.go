package config_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

func TestValidate(t *testing.T) {
	sink := func(s config.Sink) config.Configuration {
		return config.Configuration{Sinks: map[string]config.Sink{"s": s}}
	}
	age := func(file string, recipients ...string) config.Configuration {
		return sink(config.Sink{Age: &config.AgeSink{Recipients: recipients, File: file}})
	}
	const nothing = "states nothing, so that the operator would enforce, without guardrails, and answer without tokens; " +
		"state at least one source, such as sources: [{location: URL, mode: observe}], or leave out --config"
	const none = "sources: states no source, so that the operator would enforce, without guardrails; state one, such as [{location: URL, mode: observe}]"
	for _, c := range []struct {
		name string
		file config.Configuration
		want string
	}{
		{"nothing", config.Configuration{}, nothing},
		{"empty parts", config.Configuration{Sinks: map[string]config.Sink{}, Show: []string{}, HTTP: config.HTTP{Hosts: []string{}}, Flags: map[string]string{}}, nothing},
		{"no source", config.Configuration{Sources: config.Sources{}}, none},
		{"no source beside the rest", config.Configuration{Sources: config.Sources{}, HTTP: config.HTTP{TokenFile: "/t"}}, none},
		{"the rest without sources", config.Configuration{HTTP: config.HTTP{TokenFile: "/t"}}, ""},
		{"an operator that does not listen", config.Configuration{HTTP: config.HTTP{Listen: new(string)}}, ""},
		{"a limit alone", config.Configuration{HTTP: config.HTTP{Limits: config.HTTPLimits{Requests: new(int)}}}, ""},
		{"a flag alone", config.Configuration{Flags: map[string]string{"color": "never"}}, ""},
		{"one source", config.Configuration{Sources: make([]config.Source, 1)}, ""},
		{"two sources", config.Configuration{Sources: make([]config.Source, 2)}, "sources[1]: is one too many: an operator follows one source; run another operator for the next"},
		{"a file", sink(config.Sink{File: "/a"}), ""},
		{"an encrypted file", age("/b", "age1x", "ssh-ed25519 AAAA"), ""},
		{"a program", sink(config.Sink{Command: []string{"/bin/x", "-y"}}), ""},
		{"a sink that is nothing", sink(config.Sink{}), "sinks.s: has to state exactly one of file, age, command, and states 0"},
		{"two in one", sink(config.Sink{File: "/a", Command: []string{"/x"}}), "sinks.s: has to state exactly one of file, age, command, and states 2"},
		{"a relative path", sink(config.Sink{File: "a"}), `sinks.s.file: "a" is not an absolute path in its shortest form`},
		{"a path that is not the shortest", sink(config.Sink{File: "/a/../b"}), `sinks.s.file: "/a/../b" is not an absolute path in its shortest form`},
		{"a path of two lines", sink(config.Sink{File: "/a\nb"}), `sinks.s.file: "/a\nb" is not an absolute path in its shortest form`},
		{"an encrypted file without a path", age("", "age1x"), "sinks.s.age.file: is missing"},
		{"nobody could read it", age("/a"), "sinks.s.age.recipients: is missing: nobody could read it"},
		{"a private key", age("/a", "AGE-SECRET-KEY-1CANARY"), "sinks.s.age.recipients[0]: is a private key: it has to be taken back, and the public one stated"},
		{"a private key in small letters", age("/a", "age-secret-key-1canary"), "sinks.s.age.recipients[0]: is a private key: it has to be taken back, and the public one stated"},
		{"somebody's name", age("/a", "ann"), `sinks.s.age.recipients[0]: "ann" is not a public key such as age1…`},
		{"no program", sink(config.Sink{Command: []string{}}), "sinks.s.command: is empty: it takes the absolute path of a program, and its arguments"},
		{"a word for the shell", sink(config.Sink{Command: []string{"vault"}}), `sinks.s.command[0]: "vault" is not an absolute path in its shortest form`},
		{"a program with one that looks after it", sink(config.Sink{Command: []string{"/x"}, Verify: []string{"/y", "-z"}}), ""},
		{"a program that looks after a file", sink(config.Sink{File: "/a", Verify: []string{"/y"}}), "sinks.s.verify: is only for command: the operator looks at files by itself"},
		{"a word that looks after a program", sink(config.Sink{Command: []string{"/x"}, Verify: []string{"y"}}), `sinks.s.verify[0]: "y" is not an absolute path in its shortest form`},
		{"nothing that looks after a program", sink(config.Sink{Command: []string{"/x"}, Verify: []string{}}), "sinks.s.verify: is empty: it takes the absolute path of a program, and its arguments"},
		{"a file that a restart may take", sink(config.Sink{File: "/run/a", Volatile: true}), ""},
		{"a program that a restart may take", sink(config.Sink{Command: []string{"/x"}, Volatile: true}), "sinks.s.volatile: is only for file and age"},
		{"a name that manifests cannot use", config.Configuration{Sinks: map[string]config.Sink{"a/b": {File: "/a"}}}, `sinks.a/b: "a/b" is not a name that manifests can use: ` + v1.ConfiguredNames},
		{"an authority", config.Configuration{Authorities: map[string]config.Authority{"own": {CertFile: "/c", KeyFile: "/k"}}}, ""},
		{"an authority without a key", config.Configuration{Authorities: map[string]config.Authority{"own": {CertFile: "c"}}}, "authorities.own.certFile: \"c\" is not an absolute path in its shortest form\nauthorities.own.keyFile: is missing"},
		{"TLS", config.Configuration{TLS: map[string]config.TLS{"ops": {CAFile: "/ca", CertFile: "/c", KeyFile: "/k"}, "ca": {CAFile: "/ca"}}}, ""},
		{"TLS without a CA", config.Configuration{TLS: map[string]config.TLS{"ops": {}}}, "tls.ops.caFile: is missing"},
		{"TLS without a key", config.Configuration{TLS: map[string]config.TLS{"ops": {CAFile: "/ca", CertFile: "/c"}}}, "tls.ops.keyFile: is missing"},
		{"names to show", config.Configuration{Show: []string{"APP_MODE", "acme.*", "--cache"}}, ""},
		{"everything to show", config.Configuration{Show: []string{"A", "*"}}, `show[1]: "*" shows everything; state a name, in which * stands for any text`},
		{"a value to show", config.Configuration{Show: []string{"A=b"}}, `show[0]: "A=b" is not a name: leave out spaces, = and control characters`},
		{"TLS without a certificate", config.Configuration{TLS: map[string]config.TLS{"ops": {CAFile: "/ca", KeyFile: "/k"}}}, "tls.ops.certFile: is missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, p := range c.file.Validate() {
				got = append(got, p.String())
			}
			if got := strings.Join(got, "\n"); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestValues(t *testing.T) {
	yes, hour, three, none := true, v1.Duration(time.Hour), 3, ""
	file := config.Configuration{
		Sources: []config.Source{{Location: "src", RepairAfter: &hour, Budgets: config.Budgets{Restarts: &three}}},
		Engine:  config.Engine{Verify: &yes},
		HTTP:    config.HTTP{Listen: &none, CAFile: "/ca", Limits: config.HTTPLimits{Connections: &three}}, InsecureEngines: true, EngineSockets: []string{"/a", "/b/*"},
		Instance: "a", Show: []string{"A", "b.*"},
		Flags: map[string]string{"color": "never"},
	}
	var got []string
	for _, v := range file.Values() {
		got = append(got, fmt.Sprintf("%s: --%s %q", v.Path, v.Flag, v.Texts))
	}
	want := []string{
		`sources[0].location: --source ["src"]`, `sources[0].repairAfter: --repair-after ["1h"]`, `sources[0].budgets.restarts: --max-restarts ["3"]`,
		`show: --show ["A" "b.*"]`, `engine.verify: --tlsverify ["true"]`, `insecureEngines: --insecure-engines ["true"]`, `engineSockets: --engine-sockets ["/a" "/b/*"]`, `http.listen: --listen [""]`,
		`http.caFile: --http-ca ["/ca"]`, `http.limits.connections: --http-max-connections ["3"]`, `instance: --instance ["a"]`, `flags.color: --color ["never"]`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Every field is either the value of one flag, or has a meaning of its own. A field without a json tag could not be stated.
func TestEveryFieldHasItsFlagOrAMeaning(t *testing.T) {
	own := []string{"Sources", "Sinks", "Authorities", "TLS", "Flags"}
	flags := map[string]string{}
	var look func(reflect.Type)
	look = func(typ reflect.Type) {
		for i := range typ.NumField() {
			f := typ.Field(i)
			flag := f.Tag.Get("flag")
			switch {
			case f.Tag.Get("json") == "":
				t.Errorf("%s.%s has no name in the file", typ.Name(), f.Name)
			case flag != "" && flags[flag] != "":
				t.Errorf("--%s is in two places: %s and %s.%s", flag, flags[flag], typ.Name(), f.Name)
			case flag != "":
				flags[flag] = typ.Name() + "." + f.Name
			case f.Type.Kind() == reflect.Struct:
				look(f.Type)
			case !slices.Contains(own, f.Name):
				t.Errorf("%s.%s has neither a flag nor a meaning of its own", typ.Name(), f.Name)
			}
		}
	}
	look(reflect.TypeFor[config.Configuration]())
	look(reflect.TypeFor[config.Source]())
	if got, want := slices.Sorted(maps.Keys(config.Places())), slices.Sorted(maps.Keys(flags)); !slices.Equal(got, want) {
		t.Errorf("places of %q, want of %q", got, want)
	}
}

func TestValidateGuardrails(t *testing.T) {
	exception := func(e config.Exception) config.Guardrails {
		return config.Guardrails{Kinds: []string{}, Exceptions: []config.Exception{e}}
	}
	fields := func(paths ...string) config.Guardrails { return config.Guardrails{Fields: paths} }
	binds := func(dirs ...string) config.Guardrails {
		return config.Guardrails{Mounts: &config.MountRules{Binds: dirs}}
	}
	const link, choose = " may become a link to anywhere, because services may write to what ", " allows; state one of the two, or readOnlyBinds"
	const nothing = "states no rule, so that everything would be allowed; state one, or name no guardrails"
	whole := config.Exception{Object: "Service/web", Rules: []string{"images", "images.digest"}, Until: "2027-03-31", Reason: "until the next release"}
	without := func(change func(*config.Exception)) config.Guardrails {
		e := whole
		change(&e)
		return exception(e)
	}
	for _, c := range []struct {
		name string
		file config.Guardrails
		want string
	}{
		{"nothing", config.Guardrails{}, nothing},
		{"a mode alone", config.Guardrails{Mode: "warn"}, nothing},
		{"an exception from nothing", config.Guardrails{Exceptions: []config.Exception{whole}}, nothing},
		{"parts without rules", config.Guardrails{Mounts: &config.MountRules{}, Policies: &config.PolicyRules{}}, nothing},
		{"a rule that is off", config.Guardrails{Containers: &config.ContainerRules{NotRoot: false}}, nothing},
		{"a list that allows nothing", config.Guardrails{Mounts: &config.MountRules{Binds: []string{}}}, ""},
		{"a mode", config.Guardrails{Mode: "warn", Kinds: []string{}}, ""},
		{"a mode that is none", config.Guardrails{Mode: "log", Kinds: []string{}}, `mode: "log" is not one of deny, warn`},
		{"a kind that is none", config.Guardrails{Kinds: []string{"Service", "Services"}}, `kinds[1]: "Services" is not one of Cluster, Config, Network, Node, NodeSet, Secret, Service, Volume; did you mean Service?`},
		{"a field without a kind", config.Guardrails{Fields: []string{"spec.user"}}, `fields[0]: "spec.user" is not KIND PATH, such as Service spec.user`},
		{"a field of no kind", config.Guardrails{Fields: []string{"Pod spec.user"}}, `fields[0]: "Pod" is not one of Cluster, Config, Network, Node, NodeSet, Secret, Service, Volume`},
		{"fields of every sort", fields("Service spec.capAdd", "Service spec.mounts[].volume.driverOpts.o", "Service spec.environment.A.B", "Service policy.adopt", "Service metadata.labels", "Config spec", "Service spec.command[]", "NodeSet spec.template.labels.zone"), ""},
		{"keys of maps", fields("Service spec.sysctls.net.core.somaxconn", `Service spec.sysctls["net.core.somaxconn"]`, "Service spec.ulimits.nofile.soft", `Service spec.ulimits["nofile"].soft`, "Service spec.ulimits.nofile"), ""},
		{"a key of a map without quotes in its brackets", fields("Service spec.sysctls[a.b]"), `fields[0]: a Service has no field spec.sysctls[a.b]; spec.sysctls is a map, and a key in it is spec.sysctls.NAME or spec.sysctls["NAME"]`},
		{"elements of a map", fields("Service spec.environment[]"), `fields[0]: a Service has no field spec.environment[]; spec.environment is a map, and a key in it is spec.environment.NAME or spec.environment["NAME"]`},
		{"a map with a point at its end", fields("Service spec.sysctls."), `fields[0]: a Service has no field spec.sysctls.; spec.sysctls is a map, and a key in it is spec.sysctls.NAME or spec.sysctls["NAME"]`},
		{"a field below a key whose values have none", fields(`Service spec.sysctls["a"].b`), `fields[0]: a Service has no field spec.sysctls["a"].b; spec.sysctls is a map, and a key in it is spec.sysctls.NAME or spec.sysctls["NAME"]`},
		{"a field below a key that its values do not have", fields(`Service spec.ulimits["nofile"].sof`), `fields[0]: a Service has no field spec.ulimits.nofile.sof; did you mean soft?`},
		{"a field that is misspelt", fields("Service spec.capadd"), `fields[0]: a Service has no field spec.capadd; did you mean capAdd?`},
		{"the first step is misspelt", fields("Service specs.user"), `fields[0]: a Service has no field specs; did you mean spec?`},
		{"a field of another kind", fields("Config spec.external", "Config spec.image"), `fields[1]: a Config has no field spec.image`},
		{"a field below a text", fields("Service spec.user.name"), `fields[0]: a Service has no field spec.user.name`},
		{"a list without its brackets", fields("Service spec.mounts.bind"), `fields[0]: a Service has no field spec.mounts.bind; spec.mounts is a list, and its elements are spec.mounts[]`},
		{"brackets with something in them", fields("Service spec.mounts[0].bind"), `fields[0]: a Service has no field spec.mounts[0].bind; spec.mounts is a list, and its elements are spec.mounts[]`},
		{"brackets after what is no list", fields("Service spec[].user"), `fields[0]: a Service has no field spec[]`},
		{"a point at the end", fields("Service spec.mounts[]."), `fields[0]: a Service has no field spec.mounts[].`},
		{"a prefix that is none", config.Guardrails{Labels: &config.LabelRules{Prefixes: []string{""}}}, "labels.prefixes[0]: is empty, which would allow everything"},
		{"an image from anywhere", config.Guardrails{Images: &config.ImageRules{From: []string{""}}}, "images.from[0]: is empty, which would allow everything"},
		{"a mount that is none", config.Guardrails{Mounts: &config.MountRules{Types: []string{"binds"}}}, `mounts.types[0]: "binds" is not one of volume, bind, tmpfs, npipe, cluster; did you mean bind?`},
		{"a relative directory", config.Guardrails{Mounts: &config.MountRules{Binds: []string{"srv"}}}, `mounts.binds[0]: "srv" is not an absolute path in its shortest form`},
		{"directories", binds("/srv/shop", "/srv/data/*", "/srv/shopping", "/srv/shop"), ""},
		{"every directory", binds("/", "/srv/shop/*", "/srv"), ""},
		{"the directories of the root", binds("/*", "/srv"), ""},
		{"a directory that is not in its shortest form", binds("/srv/"), `mounts.binds[0]: "/srv/" is not an absolute path in its shortest form`},
		{"a star in the middle", binds("/srv/*/data"), `mounts.binds[0]: "/srv/*/data" may have a * only in place of its last name, as in /srv/shop/*`},
		{"a star with letters", binds("/srv/shop-*"), `mounts.binds[0]: "/srv/shop-*" may have a * only in place of its last name, as in /srv/shop/*`},
		{"a directory in another one", binds("/srv/shop", "/srv"), "mounts.binds[0]: /srv/shop" + link + "/srv" + choose},
		{"a directory far below another one", binds("/srv", "/srv/shop/a/b"), "mounts.binds[1]: /srv/shop/a/b" + link + "/srv" + choose},
		{"a directory and what is in it", binds("/srv/shop", "/srv/shop/*"), "mounts.binds[1]: /srv/shop/*" + link + "/srv/shop" + choose},
		{"what is in a directory, and a directory that it allows", binds("/srv/*", "/srv/shop"), ""},
		{"what is in a directory, and a directory that is deeper", binds("/srv/*", "/srv/shop/a"), "mounts.binds[1]: /srv/shop/a" + link + "/srv/*" + choose},
		{"what is in a directory, and in one of those", binds("/srv/shop/*", "/srv/*"), "mounts.binds[0]: /srv/shop/*" + link + "/srv/*" + choose},
		{"what is in the root, and in one of those", binds("/*", "/srv/*", "/srv/shop"), "mounts.binds[1]: /srv/*" + link + "/*" + choose + "\nmounts.binds[2]: /srv/shop" + link + "/*" + choose},
		{"directories that cannot be written", config.Guardrails{Mounts: &config.MountRules{ReadOnlyBinds: true, Binds: []string{"/srv", "/srv/shop", "/srv/shop/*"}}}, ""},
		{"ports", config.Guardrails{Ports: &config.PortRules{Published: []string{"80", "1-65535"}}}, ""},
		{"ports backwards", config.Guardrails{Ports: &config.PortRules{Published: []string{"90-80"}}}, `ports.published[0]: "90-80" is not a port, nor a range such as 8000-8999`},
		{"a port that is none", config.Guardrails{Ports: &config.PortRules{Published: []string{"0"}}}, `ports.published[0]: "0" is not a port, nor a range such as 8000-8999`},
		{"a subnet that is none", config.Guardrails{Networks: &config.NetworkRules{Subnets: []string{"10.0.0.0"}}}, `networks.subnets[0]: "10.0.0.0" is not an address range such as 10.0.0.0/8`},
		{"processes below zero", config.Guardrails{Resources: &config.ResourceRules{Pids: new(int64(-1))}}, "resources.pids: -1 is no maximum; state the most that is allowed, which is more than 0, or remove this line"},
		{"managers below zero", config.Guardrails{Nodes: &config.NodeRules{Managers: new(-1)}}, "nodes.managers: -1 is no maximum; state the most that is allowed, which is more than 0, or remove this line"},
		{"no processes", config.Guardrails{Resources: &config.ResourceRules{Pids: new(int64)}}, "resources.pids: 0 is no maximum; state the most that is allowed, which is more than 0, or remove this line"},
		{"no memory", config.Guardrails{Resources: &config.ResourceRules{Memory: new(v1.Bytes)}}, "resources.memory: 0 is no maximum; state the most that is allowed, which is more than 0, or remove this line"},
		{"no CPUs", config.Guardrails{Resources: &config.ResourceRules{CPUs: new(v1.CPUs)}}, "resources.cpus: 0 is no maximum; state the most that is allowed, which is more than 0, or remove this line"},
		{"no replicas", config.Guardrails{Resources: &config.ResourceRules{Replicas: new(uint64)}}, "resources.replicas: 0 is no maximum; state the most that is allowed, which is more than 0, or remove this line"},
		{"no managers", config.Guardrails{Nodes: &config.NodeRules{Managers: new(int)}}, "nodes.managers: 0 is no maximum; state the most that is allowed, which is more than 0, or remove this line"},
		{"the least of each", config.Guardrails{Resources: &config.ResourceRules{Memory: new(v1.Bytes(1)), CPUs: new(v1.CPUs(1)), Pids: new(int64(1)), Replicas: new(uint64(1))}, Nodes: &config.NodeRules{Managers: new(1)}}, ""},
		{"a pattern of tags", config.Guardrails{Images: &config.ImageRules{NoTags: []string{"latest", "*-dev"}}}, `images.noTags[1]: "*-dev" is not a tag, such as latest; patterns have no meaning here`},
		{"an exception for a pattern", config.Guardrails{Kinds: []string{"Service"}, Exceptions: []config.Exception{{Object: "Service/*", Rules: []string{"kinds"}, Until: "2027-01-31", Reason: "x"}}}, `exceptions[0].object: "Service/*" is a pattern, and an exception is for one object: state KIND/NAME, one exception for each object`},
		{"an exception for names of one length", config.Guardrails{Kinds: []string{"Service"}, Exceptions: []config.Exception{{Object: "Service/web-?", Rules: []string{"kinds"}, Until: "2027-01-31", Reason: "x"}}}, `exceptions[0].object: "Service/web-?" is a pattern, and an exception is for one object: state KIND/NAME, one exception for each object`},
		{"a role that is none", config.Guardrails{Nodes: &config.NodeRules{Roles: []string{"managers"}}}, `nodes.roles[0]: "managers" is not one of manager, worker; did you mean manager?`},
		{"engines", config.Guardrails{Nodes: &config.NodeRules{Engines: []string{"unix:///run/*", "tcp://10.0.*:2376", "ssh://ops@*", "ssh://[fd00::*]:22"}}}, ""},
		{"an engine at any address", config.Guardrails{Nodes: &config.NodeRules{Engines: []string{"*"}}}, `nodes.engines[0]: "*" is not a pattern of unix://PATH, tcp://HOST:PORT or ssh://[USER@]HOST[:PORT]`},
		{"an engine of another scheme", config.Guardrails{Nodes: &config.NodeRules{Engines: []string{"ssh://a", "http://a"}}}, `nodes.engines[1]: "http://a" is not a pattern of unix://PATH, tcp://HOST:PORT or ssh://[USER@]HOST[:PORT]`},
		{"an engine without a host", config.Guardrails{Nodes: &config.NodeRules{Engines: []string{"ssh://"}}}, `nodes.engines[0]: "ssh://" is not a pattern of unix://PATH, tcp://HOST:PORT or ssh://[USER@]HOST[:PORT]`},
		{"a user at tcp", config.Guardrails{Nodes: &config.NodeRules{Engines: []string{"tcp://*@a:1"}}}, `nodes.engines[0]: "tcp://*@a:1" is not a pattern of unix://PATH, tcp://HOST:PORT or ssh://[USER@]HOST[:PORT]`},
		{"an exception", exception(whole), ""},
		{"an exception for nothing", without(func(e *config.Exception) { e.Object = "web" }), `exceptions[0].object: "web" is not KIND/NAME, such as Service/web`},
		{"an exception without a rule", without(func(e *config.Exception) { e.Rules = nil }), "exceptions[0].rules: is missing: it names the rules that do not count"},
		{"an exception for a rule that is none", without(func(e *config.Exception) { e.Rules = []string{"images.digests"} }), `exceptions[0].rules[0]: "images.digests" is not a rule; did you mean images.digest?`},
		{"an exception for ever", without(func(e *config.Exception) { e.Until = "" }), `exceptions[0].until: "" is not a day such as 2027-03-31`},
		{"an exception without a reason", without(func(e *config.Exception) { e.Reason = " " }), "exceptions[0].reason: is missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, p := range c.file.Validate() {
				got = append(got, p.String())
			}
			if got := strings.Join(got, "\n"); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestWhichRulesAreStated(t *testing.T) {
	for name, c := range map[string]struct {
		file config.Guardrails
		want string
	}{
		"nothing":          {config.Guardrails{Mode: "warn", Exceptions: []config.Exception{{}}, Images: &config.ImageRules{}}, ""},
		"lists":            {config.Guardrails{Kinds: []string{}, Mounts: &config.MountRules{Binds: []string{}, Types: []string{"volume"}}}, "kinds mounts.types mounts.binds"},
		"yes, sizes, most": {config.Guardrails{Containers: &config.ContainerRules{NotRoot: true}, Resources: &config.ResourceRules{Memory: new(v1.Bytes(1)), Pids: new(int64(1))}}, "containers.notRoot resources.memory resources.pids"},
	} {
		if got := strings.Join(c.file.Stated(), " "); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
