package diff

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/redact"
	"github.com/swarm-operator/swarm-operator/test/generate"
)

// shownTo compares a service as it is in the swarm with its manifest, and returns each field as both readers see it.
func shownTo(have, want *v1.Service, applied *v1.Service) (git, anybody map[string]string) {
	shape := NewShape(want)
	leaves := func(s *v1.Service) []Leaf {
		l := shape.Flatten(s)
		for i := range l {
			l[i].Stated = true
		}
		return l
	}
	h, w := &State{Leaves: leaves(have), Meta: Meta{Mine: true}}, &State{Leaves: leaves(want)}
	if applied != nil {
		h.Meta.Applied = NewApplied(leaves(applied))
	}
	git, anybody = map[string]string{}, map[string]string{}
	for _, f := range compareLeaves(h, w, Rules{}) {
		git[f.Path] = Arrow(f.Have, f.Want, func(v Value) string { return v.InGit().String() })
		anybody[f.Path] = Arrow(f.Have, f.Want, Value.String)
	}
	return git, anybody
}

func serviceOf(change func(*v1.ServiceSpec)) *v1.Service {
	s := &v1.Service{Spec: v1.ServiceSpec{Image: "app:1", Environment: v1.Environment{}, Healthcheck: &v1.Healthcheck{}, Placement: &v1.Placement{}}}
	s.Metadata.Labels = map[string]string{}
	change(&s.Spec)
	return s
}

// Ten ordinary changes from revision to revision are readable in diff.
func TestOrdinaryChangesAreReadableInDiff(t *testing.T) {
	env := func(name, value string) func(*v1.ServiceSpec) {
		return func(s *v1.ServiceSpec) { s.Environment[name] = value }
	}
	label := func(name, value string) func(*v1.ServiceSpec) {
		return func(s *v1.ServiceSpec) { s.ContainerLabels = map[string]string{name: value} }
	}
	for name, c := range map[string]struct {
		before, after func(*v1.ServiceSpec)
		shown         string
	}{
		"a log level":      {env("LOG_LEVEL", "info"), env("LOG_LEVEL", "debug"), "info → debug"},
		"a variable":       {env("MODE", "eco"), env("MODE", "sport"), "eco → sport"},
		"a DSN":            {env("DSN", "postgres://app@db-1/app"), env("DSN", "postgres://app@db-2/app"), "postgres://app@db-1/app → postgres://app@db-2/app"},
		"a port":           {env("LISTEN", ":8080"), env("LISTEN", ":9090"), ":8080 → :9090"},
		"a path":           {env("DATA", "/var/lib/a"), env("DATA", "/var/lib/b"), "/var/lib/a → /var/lib/b"},
		"a time zone":      {env("TZ", "UTC"), env("TZ", "Europe/Berlin"), "UTC → Europe/Berlin"},
		"a Traefik rule":   {label("traefik.http.routers.a.rule", "Host(`a.io`)"), label("traefik.http.routers.a.rule", "Host(`b.io`)"), "Host(`a.io`) → Host(`b.io`)"},
		"a tag in a label": {label("app.image", "app:1.26"), label("app.image", "app:1.27"), "app:1.26 → app:1.27"},
		"a flag": {
			func(s *v1.ServiceSpec) { s.Command = v1.StringList{"serve", "--cache=1g"} }, func(s *v1.ServiceSpec) { s.Command = v1.StringList{"serve", "--cache=2g"} },
			`["serve","--cache=1g"] → ["serve","--cache=2g"]`,
		},
		"a health check's URL": {
			func(s *v1.ServiceSpec) { s.Healthcheck.Test = v1.HealthTest{"CMD", "curl", "http://localhost/a"} },
			func(s *v1.ServiceSpec) { s.Healthcheck.Test = v1.HealthTest{"CMD", "curl", "http://localhost/b"} },
			`["CMD","curl","http://localhost/a"] → ["CMD","curl","http://localhost/b"]`,
		},
		"a constraint": {
			func(s *v1.ServiceSpec) { s.Placement.Constraints = []string{"node.labels.zone==a"} }, func(s *v1.ServiceSpec) { s.Placement.Constraints = []string{"node.labels.zone==b"} },
			`["node.labels.zone==a"] → ["node.labels.zone==b"]`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := serviceOf(c.before)
			git, _ := shownTo(before, serviceOf(c.after), before)
			if len(git) != 1 {
				t.Fatalf("it changes %v", git)
			}
			for path, shown := range git {
				if shown != c.shown {
					t.Errorf("%s reads %s, want %s", path, shown, c.shown)
				}
			}
		})
	}
}

// What somebody set by hand, and git never stated, is shown to nobody. What git stated before is.
func TestLiveValuesThatGitDoesNotStateAreHidden(t *testing.T) {
	stated := serviceOf(func(s *v1.ServiceSpec) {
		s.Environment["MODE"], s.Environment["LOG_LEVEL"] = "eco", "info"
		s.Command = v1.StringList{"serve", "--cache=1g"}
	})
	live := serviceOf(func(s *v1.ServiceSpec) {
		s.Environment["MODE"], s.Environment["LOG_LEVEL"], s.Environment["ADDED"] = "by-hand", "trace", "by-hand"
		s.Command = v1.StringList{"serve", "--cache=1g", "--by-hand"}
	})
	git, anybody := shownTo(live, stated, stated)
	for path, want := range map[string][2]string{
		"spec.environment.MODE":      {"(hidden) → eco", "(hidden) → (hidden, changed)"},
		"spec.environment.ADDED":     {"(hidden) → (none)", "(hidden) → (none)"},
		"spec.environment.LOG_LEVEL": {"trace → info", "trace → info"},
		"spec.command":               {`["serve","--cache=1g","(hidden)"] → ["serve","--cache=1g"]`, `["(hidden)","(hidden)","(hidden)"] → ["(hidden)","(hidden)"]`},
	} {
		if got := [2]string{git[path], anybody[path]}; got != want {
			t.Errorf("%s reads %q, want %q", path, got, want)
		}
	}
	git, _ = shownTo(live, stated, nil)
	if got := git["spec.environment.MODE"]; got != "(hidden) → eco" {
		t.Errorf("of an object that is not ours yet it reads %s", got)
	}
}

// commands returns the leaves of a type whose Go type is a command.
func commands(t reflect.Type, path string, out *[]string) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[v1.StringList]() || t == reflect.TypeFor[v1.HealthTest]():
		*out = append(*out, path)
	case t.Kind() == reflect.Struct:
		for i := range t.NumField() {
			if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" && name != "-" {
				commands(t.Field(i).Type, path+"."+name, out)
			}
		}
	}
}

// Each command of each kind is known as one, and so are the flags of a mount, so that it is hidden argument by argument.
func TestEveryCommandIsKnown(t *testing.T) {
	var found []string
	for _, spec := range []any{v1.ServiceSpec{}, v1.NetworkSpec{}, v1.ContentSpec{}, v1.SecretSpec{}, v1.ClusterSpec{}, v1.NodeSpec{}, v1.NodeSetSpec{}, v1.VolumeSpec{}} {
		commands(reflect.TypeOf(spec), "spec", &found)
	}
	if len(found) != len(wordTypes) || slices.ContainsFunc(found, func(path string) bool { return !wordTypes[path] }) {
		t.Errorf("commands are %q", found)
	}
}

func TestFactsOfAnObject(t *testing.T) {
	s := serviceOf(func(s *v1.ServiceSpec) {
		s.Image = "app:1.5"
		s.Environment["MODUS_"], s.Environment["PASSWORD"], s.Environment["LOG_LEVEL"] = "economy", "hunter2", "verbose"
		s.Command, s.Hostname = v1.StringList{"listen", "--token", "abcdef"}, "web-host"
		s.Logging = &v1.Logging{Driver: "driver", Options: map[string]string{"e": "option"}}
	})
	s.Metadata.Labels["g"] = "labelled"
	for git, want := range map[bool]string{
		true:  `secret [abcdef hunter2], private [--token abcdef economy hunter2 labelled listen option], git [(hidden) --token economy labelled listen option verbose]`,
		false: `secret [--token abcdef economy hunter2 labelled listen option], private [--token abcdef listen], git [(hidden) (hidden) (hidden) verbose]`,
	} {
		f := (Normal{NewShape(s), s}).Facts(func(Leaf) bool { return git }, nil)
		sorted := func(list []string) []string {
			slices.Sort(list)
			return list
		}
		private := slices.Compact(sorted(f.Private))
		if got := fmt.Sprintf("secret %v, private %v, git %v", slices.Compact(sorted(f.Secret)), private, sorted(f.Git)); got != want {
			t.Errorf("in git %v: it is\n%s, want\n%s", git, got, want)
		}
		for _, open := range []string{"web-host", "MODUS_", "app:1.5", "driver"} {
			if !slices.Contains(f.Open, open) {
				t.Errorf("%s is not open: %q", open, f.Open)
			}
		}
	}
}

// What a live object has in common with its manifest is known already. What it has besides is not.
func TestFactsOfWhatIsNotKnownYet(t *testing.T) {
	object := func(mode, image string) Normal {
		s := serviceOf(func(s *v1.ServiceSpec) { s.Environment["MODE"], s.Image = mode, image })
		return Normal{NewShape(s), s}
	}
	nowhere := func(Leaf) bool { return false }
	now := object("economy", "app:1.5")
	if f := now.Facts(nowhere, now.Object); len(f.Secret)+len(f.Private)+len(f.Git) > 0 {
		t.Errorf("of what is known there is %+v", f)
	}
	if f := now.Facts(nowhere, object("economy", "app:1.6").Object); slices.Contains(f.Secret, "economy") || !slices.Contains(f.Open, "app:1.5") {
		t.Errorf("of another image there is %+v", f)
	}
	if f := now.Facts(nowhere, object("lavish", "app:1.5").Object); !slices.Contains(f.Secret, "economy") || slices.Contains(f.Open, "app:1.5") {
		t.Errorf("of another variable there is %+v", f)
	}
	if f := now.Facts(nowhere, nil); !slices.Contains(f.Secret, "economy") || !slices.Contains(f.Open, "app:1.5") {
		t.Errorf("of an object of which nothing is known there is %+v", f)
	}
}

// A kernel parameter is a number. Everybody may see it, unless its name says that it is a key.
func TestKernelParametersAreShown(t *testing.T) {
	for _, c := range []struct {
		name, text string
		shown      bool
	}{
		{"net.core.somaxconn", "1024", true},
		{"net.ipv4.tcp_rmem", "4096 87380 6291456", true},
		{"net.ipv4.ip_local_port_range", "1024\t65000", true},
		{"kernel.keys.maxkeys", "2000", true},
		{"net.ipv4.tcp_fastopen_key", "12345678-12345678", false},
		{"net.ipv6.conf.all.stable_secret", "1234", false},
		{"kernel.domainname", "a-text", false},
	} {
		v := valueOf(Leaf{Path: "spec.sysctls." + c.name, Type: "spec.sysctls.*", Key: c.name, Text: c.text}, false)
		if (v.String() == c.text) != c.shown || (v.InGit().String() == c.text) != c.shown {
			t.Errorf("%s=%s is shown as %s", c.name, c.text, v)
		}
	}
	s := serviceOf(func(s *v1.ServiceSpec) { s.Sysctls = v1.Sysctls{"net.core.somaxconn": "65535000"} })
	if f := (Normal{NewShape(s), s}).Facts(func(Leaf) bool { return false }, nil); slices.Contains(f.Open, "65535000") || slices.Contains(f.Secret, "65535000") {
		t.Errorf("of a number there is %+v", f)
	}
}

// What a mount's source hides is known, so that an error of a task that repeats it does not show it.
func TestThePasswordInASourceIsKnown(t *testing.T) {
	s := serviceOf(func(s *v1.ServiceSpec) {
		s.Mounts = []v1.Mount{{Type: "bind", Source: "//u:hunter-2wo@nas/share", Target: "/x"}}
	})
	f := (Normal{NewShape(s), s}).Facts(func(Leaf) bool { return false }, nil)
	if !slices.Contains(f.Secret, "hunter-2wo") || strings.Contains(fmt.Sprint(f.Open), "hunter") {
		t.Errorf("there is %+v", f)
	}
}

// Nobody but git's reader sees free text of any kind, whatever it is and whichever field it is in. What the engine and
// tasks repeat of it is replaced.
func TestFreeTextOfNoKindComesOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, object := range generate.Every() {
			var canaries []string
			canary := func() string {
				canaries = append(canaries, rapid.StringMatching(`[A-Za-z0-9]{10,40}!`).Draw(t, "canary"))
				return canaries[len(canaries)-1]
			}
			generate.Plant(object, generate.Texts{
				Values: func(string) map[string]string { return map[string]string{"name": canary()} }, Words: func(string) []string { return []string{canary()} },
			})
			shape, known, shown := NewShape(object), redact.NewKnown(), ""
			for _, git := range []bool{true, false} {
				for _, l := range shape.Flatten(object) {
					l.Stated = true
					v := valueOf(l, git)
					b, err := json.Marshal(v)
					if shown += fmt.Sprint(l, v, string(b), err); !git {
						shown += v.InGit().String()
					}
				}
				known.Learn(redact.Owner{Name: fmt.Sprint(git)}, object, Normal{shape, object}.Facts(func(Leaf) bool { return git }, nil))
			}
			for i, canary := range canaries {
				if strings.Contains(shown, canary) {
					t.Fatalf("%s %d comes out of a %T: %s", canary, i, object, shown)
				}
				for _, text := range []string{"cannot run " + canary + ": no such file", fmt.Sprintf("exec %q", canary)} {
					if got := known.Text(text, redact.Anybody); strings.Contains(got, canary) {
						t.Fatalf("of a %T, %q is not known", object, canary)
					}
				}
			}
		}
	})
}

// A leaf that is not free text is listed here, so that a new field of text is thought about.
func TestEveryOtherTextIsNoFreeText(t *testing.T) {
	structural := map[string]bool{}
	for _, path := range strings.Fields(`spec.image spec.user spec.workingDir spec.hostname spec.mode spec.ports[].protocol spec.ports[].mode spec.networks[].name
		spec.configs[].source spec.configs[].target spec.configs[].uid spec.configs[].gid spec.secrets[].source spec.secrets[].target spec.secrets[].uid spec.secrets[].gid
		spec.mounts[].type spec.mounts[].source spec.mounts[].target spec.mounts[].bind.propagation spec.restartPolicy.condition
		spec.mounts[].bind.recursive spec.mounts[].volume.subpath spec.mounts[].volume.driver spec.mounts[].tmpfs.options spec.ports[].name spec.groupAdd spec.stopSignal spec.dns spec.dnsSearch
		spec.dnsOpt spec.isolation spec.credentialSpec.config spec.credentialSpec.file spec.credentialSpec.registry spec.privileges.appArmor spec.privileges.seccomp.mode
		spec.privileges.seccomp.profile spec.privileges.seLinux.user spec.privileges.seLinux.role spec.privileges.seLinux.type spec.privileges.seLinux.level spec.endpointMode
		spec.resources.reservations.genericResources[].discreteResourceSpec.kind spec.placement.platforms spec.configFrom spec.templateDriver
		spec.updateConfig.failureAction spec.updateConfig.order spec.rollbackConfig.failureAction spec.rollbackConfig.order spec.logging.driver
		spec.driver spec.ipam.driver spec.ipam.config[].subnet spec.ipam.config[].ipRange spec.ipam.config[].gateway spec.file
		spec.ca.signing spec.ca.externalCAs[].protocol spec.ca.externalCAs[].url spec.ca.externalCAs[].caCert spec.autolock.escrow spec.managers.spreadBy
		spec.id spec.role spec.availability spec.labelMode spec.presence spec.engine.host spec.engine.tls spec.engine.advertiseAddr spec.engine.listenAddr spec.engine.dataPathAddr
		spec.selector.platform.os spec.selector.platform.architecture spec.selector.role spec.template.role spec.template.availability spec.template.labelMode
		spec.networks[].aliases spec.placement.constraints spec.placement.preferences spec.extraHosts spec.capAdd spec.capDrop spec.defaultAddrPool
		spec.joinTokens.worker.sinks spec.joinTokens.manager.sinks spec.managers.candidates.hostnames spec.managers.candidates.ids spec.selector.ids spec.selector.hostnames
		spec.group spec.accessMode.scope spec.accessMode.sharing spec.accessMode.type spec.accessMode.fsType spec.secrets[].key spec.secrets[].secret`) {
		structural[path] = true
	}
	for _, object := range generate.Every() {
		for _, l := range texts(reflect.TypeOf(object).Elem().Field(1).Type, "spec") {
			if v := valueOf(Leaf{Type: l}, true); v.form == plainForm && !structural[l] {
				t.Errorf("%T: %s is a text that is shown to everybody: list it, or make it free text", object, l)
			}
		}
	}
}

// texts returns the types of the leaves of a type that are text, lists of text or maps of text.
func texts(t reflect.Type, path string) (out []string) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == contentType:
	case t.Kind() == reflect.Map:
		out = append(out, path+".*")
	case t.Kind() == reflect.Slice && t.Elem().Implements(keyedType):
		out = append(out, texts(t.Elem(), path+"[]")...)
	case t.Kind() == reflect.String || t.Kind() == reflect.Slice:
		out = append(out, path)
	case t.Kind() == reflect.Struct:
		for i := range t.NumField() {
			if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" && name != "-" {
				out = append(out, texts(t.Field(i).Type, path+"."+name)...)
			}
		}
	}
	return out
}

// A variable without a value says so to everybody.
func TestAVariableWithoutAValueSaysSo(t *testing.T) {
	of := func(text string) Value {
		return valueOf(Leaf{Path: "spec.environment.TZ", Type: "spec.environment.*", Key: "TZ", Text: text}, true)
	}
	if got := of(v1.NoValue).String(); got != "(no value)" {
		t.Errorf("it is %q", got)
	}
	b, err := json.Marshal(of(v1.NoValue))
	if err != nil || string(b) != `"(no value)"` {
		t.Errorf("in JSON it is %s, %v", b, err)
	}
}

func TestValuesThatLookLikeSecretsInATree(t *testing.T) {
	for _, test := range []struct {
		leaf  Leaf
		whole bool
		words string
	}{
		{Leaf{Type: "spec.environment.*", Key: "LOG_LEVEL", Text: "info"}, false, "[]"},
		{Leaf{Type: "spec.environment.*", Key: "MODE", Text: "a b"}, false, "[]"},
		{Leaf{Type: "spec.environment.*", Key: "DB_PASSWORD", Text: "x"}, true, "[]"},
		{Leaf{Type: "spec.environment.*", Key: "DB_PASSWORD", Text: v1.NoValue}, false, "[]"},
		{Leaf{Type: "spec.environment.*", Key: "DB_PASSWORD", Text: ""}, false, "[]"},
		{Leaf{Type: "spec.environment.*", Key: "DB_PASSWORD_FILE", Text: "/run/secrets/db"}, false, "[]"},
		{Leaf{Type: "spec.environment.*", Key: "DSN", Text: "postgres://u:hunter2@db/x"}, true, "[]"},
		{Leaf{Type: "metadata.labels.*", Key: "traefik.enable", Text: "true"}, false, "[]"},
		{Leaf{Type: "spec.command", Text: `["run","--token","abc","--mode=a"]`}, false, "[2]"},
		{Leaf{Type: "spec.healthcheck.test", Text: `["CMD-SHELL","redis-cli -a hunter2 ping"]`}, false, "[1]"},
		{Leaf{Type: "spec.command", Text: ""}, false, "[]"},
		{Leaf{Type: "spec.image", Text: "nginx:1.27"}, false, "[]"},
		{Leaf{Type: "spec.dnsSearch", Text: `["postgres://u:hunter2@db/x"]`}, true, "[]"},
		{Leaf{Type: "spec.environment.*", Key: "APP_CONFIG", Text: "db:\n  password: hunter2\n"}, true, "[]"},
		{Leaf{Type: "spec.environment.*", Key: "APP_CONFIG", Text: "db:\n  port: 5432\n"}, false, "[]"},
		{Leaf{Type: "spec.environment.*", Key: "APP_CONFIG", Text: "{user: app, password: hunter2}"}, true, "[]"},
		{Leaf{Type: "spec.environment.*", Key: "OPTIONS", Text: "key=zone"}, false, "[]"},
		{Leaf{Type: "metadata.labels.*", Key: "conf", Text: "a: 1\ndb_password: hunter2"}, true, "[]"},
		{Leaf{Type: "spec.command", Text: `["sh","-c","cat >f <<E\npassword: hunter2\nE"]`}, false, "[2]"},
		{Leaf{Type: "spec.command", Text: `["sh","-c","export TOKEN=$OTHER\nrun"]`}, false, "[]"},
		{Leaf{Type: "spec.hostname", Text: "a\npassword: hunter2\n"}, true, "[]"},
		{Leaf{Type: "spec.hostname", Text: "a\nb: c\n"}, false, "[]"},
		{Leaf{Type: "spec.environment.*", Key: "REDIS_ARGS", Text: "--requirepass hunter2"}, true, "[]"},
		{Leaf{Type: "spec.command", Text: `["--masterauth","hunter2","--user=u:hunter2","-p","8080"]`}, false, "[1 2]"},
		{Leaf{Type: "spec.mounts[].source", Text: "//u:hunter2@nas/share"}, true, "[]"},
		{Leaf{Type: "spec.mounts[].volume.driverOpts.*", Key: "o", Text: "username=u,password=hunter2"}, true, "[]"},
		{Leaf{Type: "spec.sysctls.*", Key: "kernel.keys.maxkeys", Text: "2000"}, false, "[]"},
		{Leaf{Type: "spec.sysctls.*", Key: "net.ipv6.conf.all.stable_secret", Text: "1234"}, true, "[]"},
		{Leaf{Type: "spec.sysctls.*", Key: "net.ipv4.tcp_fastopen_key", Text: "12345678-12345678-12345678-12345678"}, true, "[]"},
	} {
		whole, words := test.leaf.Secret()
		if got := fmt.Sprint(words); whole != test.whole || got != test.words {
			t.Errorf("%s %s: %t %s", test.leaf.Key, test.leaf.Text, whole, got)
		}
	}
}

func TestMapKeysThatLookLikeSecrets(t *testing.T) {
	for key, secret := range map[string]bool{
		"": false, "DB_PASSWORD": false, "traefik.http.routers.web.rule": false, "com.docker.stack.namespace": false, "net.ipv4.ip_forward": false, "api-key": false,
		"DB_PASSWORD: hunter2": true, "postgres://u:hunter2@db/x": true, "token=abcdef": true, "X: y": false,
	} {
		if got := (Leaf{Type: "spec.environment.*", Key: key, Text: v1.NoValue}).SecretKey(); got != secret {
			t.Errorf("%q: %t", key, got)
		}
	}
}
