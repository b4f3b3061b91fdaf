package export

import (
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/manifests"
)

// fake is a swarm that a test puts together.
type fake struct {
	lists map[string][]*kinds.Live
	n     int
}

func (f *fake) add(kind, name string, labels map[string]string, raw any) string {
	f.n++
	l := &kinds.Live{Kind: kind, ID: fmt.Sprint(kind, "-", f.n), Name: name, Labels: labels, Created: time.Unix(int64(f.n), 0), Raw: raw}
	if f.lists == nil {
		f.lists = map[string][]*kinds.Live{}
	}
	f.lists[kind] = append(f.lists[kind], l)
	return l.ID
}

func (f *fake) config(name string, labels map[string]string, data string) *swarm.ConfigReference {
	id := f.add(v1.KindConfig, name, labels, &swarm.Config{Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: name, Labels: labels}, Data: []byte(data)}})
	return &swarm.ConfigReference{ConfigID: id, ConfigName: name, File: &swarm.ConfigReferenceFileTarget{Name: "/conf", UID: "0", GID: "0", Mode: 0o444}}
}

func (f *fake) secret(name string, labels map[string]string) *swarm.SecretReference {
	id := f.add(v1.KindSecret, name, labels, &swarm.Secret{Spec: swarm.SecretSpec{Annotations: swarm.Annotations{Name: name, Labels: labels}}})
	return &swarm.SecretReference{SecretID: id, SecretName: name, File: &swarm.SecretReferenceFileTarget{Name: "key", UID: "0", GID: "0", Mode: 0o444}}
}

func (f *fake) network(name string, change func(*network.Summary)) string {
	n := &network.Summary{}
	n.Name, n.Scope, n.Driver = name, "swarm", "overlay"
	n.Options = map[string]string{"com.docker.network.driver.overlay.vxlanid_list": "4097"}
	n.IPAM = network.IPAM{Driver: "default", Config: []network.IPAMConfig{{Subnet: netip.MustParsePrefix("10.0.7.0/24"), Gateway: netip.MustParseAddr("10.0.7.1")}}}
	if change != nil {
		change(n)
	}
	id := f.add(v1.KindNetwork, name, n.Labels, n)
	f.lists[v1.KindNetwork][len(f.lists[v1.KindNetwork])-1].Local = n.Scope != "swarm"
	return id
}

func (f *fake) service(name string, change func(*swarm.ServiceSpec)) {
	s := &swarm.Service{Spec: swarm.ServiceSpec{Annotations: swarm.Annotations{Name: name}}}
	s.Spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: "app:1"}
	if change != nil {
		change(&s.Spec)
	}
	f.add(v1.KindService, name, s.Spec.Labels, s)
}

func (f *fake) cluster() {
	f.add(v1.KindCluster, v1.ClusterName, nil, &swarm.ClusterInfo{})
}

func (f *fake) index() *kinds.Index {
	every := all.Kinds()
	return kinds.NewIndex(f.lists, func(l *kinds.Live) []kinds.Ref {
		k, _ := every.Get(l.Kind)
		return k.Uses(l)
	})
}

// text returns an export as text: its files, and what it notes.
func text(m Manifests) string {
	var b strings.Builder
	for _, f := range m.Files {
		fmt.Fprintf(&b, "-- %s\n%s", f.Name, strings.ReplaceAll(string(f.Data), "apiVersion: swarm-operator.io/v1\n", ""))
		if !strings.HasSuffix(b.String(), "\n") {
			b.WriteByte('\n')
		}
	}
	for _, n := range m.Notes {
		fmt.Fprintf(&b, "note %s\n", n)
	}
	return b.String()
}

// owned returns the label of an object that a source made.
func owned(owner string) map[string]string {
	return map[string]string{v1.LabelOwner: owner, v1.LabelApplied: "v1:", "team": "web"}
}

func TestWhatIsExported(t *testing.T) {
	for _, test := range []struct {
		name  string
		swarm func(*fake)
		o     Options
		want  string
	}{
		{"nothing", func(*fake) {}, Options{}, ""},
		{"the operator's own configs and docker's networks", func(f *fake) {
			f.config("swarm-operator.prod", map[string]string{v1.LabelState: "prod"}, "{}")
			f.config("swarm-operator-lease", map[string]string{v1.LabelLease: "free"}, "{}")
			f.config("hold-web", map[string]string{v1.LabelHold: "Service/web"}, "why")
			f.network("bridge", func(n *network.Summary) { n.Scope, n.Driver = "local", "bridge" })
			f.network("ingress", func(n *network.Summary) { n.Ingress = true })
		}, Options{}, ""},
		{"an ingress network of somebody's own", func(f *fake) {
			f.cluster()
			f.network("ingress", func(n *network.Summary) { n.Ingress, n.Options["com.docker.network.driver.mtu"] = true, "1400" })
		}, Options{}, `
-- networks/ingress.yaml
kind: Network
metadata: {name: ingress}
spec:
  driverOpts:
    com.docker.network.driver.mtu: "1400"
  ingress: true
`},
		{"a network with what the swarm chose", func(f *fake) { f.cluster(); f.network("front", nil) }, Options{}, `
-- networks/front.yaml
kind: Network
metadata: {name: front}
`},
		{"networks with what people chose", func(f *fake) {
			f.cluster()
			f.network("back", func(n *network.Summary) {
				n.Labels, n.Attachable, n.Internal = map[string]string{"a": "1", v1.LabelOwner: "x"}, true, true
				n.Options["encrypted"] = ""
				n.IPAM.Config = []network.IPAMConfig{{Subnet: netip.MustParsePrefix("172.28.0.0/16"), Gateway: netip.MustParseAddr("172.28.0.9")}}
			})
			f.network("vlan", func(n *network.Summary) { n.Driver, n.ConfigFrom.Network, n.Internal = "macvlan", "vlan7", true })
		}, Options{}, `
-- networks/back.yaml
kind: Network
metadata:
  name: back
  labels:
    a: "1"
spec:
  driverOpts:
    encrypted: ""
  attachable: true
  internal: true
  ipam: {config: [{subnet: 172.28.0.0/16, gateway: 172.28.0.9}]}
-- networks/vlan.yaml
kind: Network
metadata: {name: vlan}
spec:
  driver: macvlan
  internal: true
  configFrom: vlan7
`},
		{"a network of the nodes that a service joins", func(f *fake) {
			host := f.network("host", func(n *network.Summary) { n.Scope, n.Driver = "local", "host" })
			f.service("web", func(s *swarm.ServiceSpec) { s.TaskTemplate.Networks = []swarm.NetworkAttachmentConfig{{Target: host}} })
		}, Options{}, `
-- networks/host.yaml
kind: Network
metadata: {name: host}
spec: {external: true}
-- services/web.yaml
kind: Service
metadata: {name: web}
spec:
  image: app:1
  replicas: 1
  networks: [host]
`},
		{"a network that was never allocated", func(f *fake) {
			f.network("front", func(n *network.Summary) { n.Driver, n.IPAM = "", network.IPAM{} })
		}, Options{}, `
-- networks/front.yaml
kind: Network
metadata: {name: front}
note Network/front: spec: the swarm has never allocated this network, so it does not tell its driver and subnets: the swarm has made this network and cannot allocate it, so no task can join it: its subnet overlaps with that of another network or of the machines, it states an IPv6 range, which engines from version 27 on do not allocate and older ones only with enableIPv6, or no subnet is left; the log of the leader's dockerd says which
`},
		{"configs", func(f *fake) {
			f.config("text", nil, "a\n\n")
			f.config("crlf", nil, "a\r\nb\r\n")
			f.config("bytes", nil, "\xff\x00")
			f.config("merge", nil, "<<<<<<< a\n=======\n>>>>>>> b\n")
			f.config("secret", nil, "password: hunter2\n")
		}, Options{Files: true}, `
-- configs/bytes.yaml
kind: Config
metadata: {name: bytes}
spec: {file: bytes.content}
-- configs/bytes.content
` + "\xff\x00" + `
-- configs/crlf.yaml
kind: Config
metadata: {name: crlf}
spec: {file: crlf.content}
-- configs/crlf.content
a` + "\r\nb\r" + `
-- configs/merge.yaml
kind: Config
metadata: {name: merge}
spec:
  data: |
    <<<<<<< a
    =======
    >>>>>>> b
  raw: true
-- configs/secret.yaml
# The content looks as if it held a secret, so it is not here. This config must exist before a service uses it.
# A Secret is the better place for it. swarm-operator export --with-secrets writes the content nevertheless.
kind: Config
metadata: {name: secret}
spec: {external: true}
-- configs/text.yaml
kind: Config
metadata: {name: text}
spec:
  data: |+
    a

note Config/secret: spec.data: its content looks as if it held a secret, so it is not written, and the manifest only says that the config exists; --with-secrets writes it
`},
		{"configs without files", func(f *fake) {
			f.config("crlf", nil, "a\r\n")
			f.config("bytes", nil, "\xff")
			f.config("secret", nil, "password: hunter2\n")
		}, Options{Secrets: true}, `
-- configs/bytes.yaml
# The content is not text. This config must exist before a service uses it.
kind: Config
metadata: {name: bytes}
spec: {external: true}
-- configs/crlf.yaml
kind: Config
metadata: {name: crlf}
spec:
  data: "a\r\n"
-- configs/secret.yaml
kind: Config
metadata: {name: secret}
spec:
  data: |
    password: hunter2
note Config/bytes: spec.data: its content is not text, so the manifest only says that the config exists; --to DIR writes it into a file
`},
		{"versions", func(f *fake) {
			f.config("conf-0000000001", owned("prod/Config/conf"), "one")
			two := f.config("conf-0000000002", owned("prod/Config/conf"), "two")
			three := f.config("conf-0000000003", owned("prod/Config/conf"), "three")
			key := f.secret("key-0000000004", owned("prod/Secret/key"))
			f.secret("key-0000000000", owned("prod/Secret/copied"))
			f.service("new", func(s *swarm.ServiceSpec) {
				s.TaskTemplate.ContainerSpec.Configs, s.TaskTemplate.ContainerSpec.Secrets = []*swarm.ConfigReference{three}, []*swarm.SecretReference{key}
			})
			f.service("old", func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Configs = []*swarm.ConfigReference{two} })
		}, Options{}, `
-- configs/conf-0000000002.yaml
kind: Config
metadata:
  name: conf-0000000002
  labels:
    team: web
spec: {data: two}
-- configs/conf.yaml
kind: Config
metadata:
  name: conf
  labels:
    team: web
spec: {data: three}
-- secrets/key-0000000000.yaml
# The swarm does not give back what is in a secret. This one must exist before a service uses it, so make it by hand:
#   docker secret create key-0000000000 FILE
# To have the operator make it, state spec.file or spec.data in place of spec.external.
kind: Secret
metadata: {name: key-0000000000}
spec: {external: true}
-- secrets/key-0000000004.yaml
# The swarm does not give back what is in a secret. This one must exist before a service uses it, so make it by hand:
#   docker secret create key-0000000004 FILE
# To have the operator make it, state spec.file or spec.data in place of spec.external.
# Source prod made it, from its manifest of Secret/key, which has the content.
# If these manifests take the place of that source, use its manifest instead of this one, and write key in services that have key-0000000004.
kind: Secret
metadata: {name: key-0000000004}
spec: {external: true}
-- services/new.yaml
kind: Service
metadata: {name: new}
spec:
  image: app:1
  replicas: 1
  configs: [conf]
  secrets:
    - {source: key-0000000004, target: key}
-- services/old.yaml
kind: Service
metadata: {name: old}
spec:
  image: app:1
  replicas: 1
  configs:
    - {source: conf-0000000002, target: /conf}
note Config/conf-0000000002: it is an older version of what source prod states as Config/conf, and a service still runs with it; so it has its live name here
note Secret/key-0000000000: metadata.labels: a manifest that says external does not state it; if you make the object elsewhere, give it what it has here: docker secret inspect key-0000000000
note Secret/key-0000000004: source prod made it from its manifest of Secret/key, so that source would remove it if it had this manifest instead: keep that one, and write key in services that have key-0000000004
`},
		{"a version whose name is taken", func(f *fake) {
			f.config("conf", nil, "a")
			f.config("conf-0000000001", owned("prod/Config/conf"), "b")
		}, Options{Only: []v1.Key{{Kind: v1.KindConfig, Name: "conf-0000000001"}}}, `
-- configs/conf-0000000001.yaml
kind: Config
metadata:
  name: conf-0000000001
  labels:
    team: web
spec: {data: b}
note Config/conf-0000000001: source prod states it as Config/conf, and that is the name of another object too; so it has its live name here
`},
		{"an older version that has the name itself", func(f *fake) {
			adopted := f.config("conf", owned("prod/Config/conf"), "a")
			f.config("conf-0000000001", owned("prod/Config/conf"), "b")
			f.service("web", func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Configs = []*swarm.ConfigReference{adopted} })
		}, Options{Only: []v1.Key{{Kind: v1.KindConfig, Name: "conf"}, {Kind: v1.KindConfig, Name: "conf-0000000001"}}}, `
-- configs/conf.yaml
kind: Config
metadata:
  name: conf
  labels:
    team: web
spec: {data: a}
-- configs/conf-0000000001.yaml
kind: Config
metadata:
  name: conf-0000000001
  labels:
    team: web
spec: {data: b}
note Config/conf: it is an older version of what source prod states as Config/conf, and a service still runs with it; so it has its live name here
note Config/conf-0000000001: source prod states it as Config/conf, and that is the name of another object too; so it has its live name here
`},
		{"a service with what people state", func(f *fake) {
			f.service("web", func(s *swarm.ServiceSpec) {
				one, c := uint64(1), s.TaskTemplate.ContainerSpec
				s.Labels = map[string]string{"com.docker.stack.namespace": "shop", v1.LabelOwner: "prod/Service/web"}
				s.Mode = swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &one}}
				c.Image = "nginx:1.27@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
				s.TaskTemplate.Placement = &swarm.Placement{Platforms: []swarm.Platform{{OS: "linux", Architecture: "amd64"}}}
				s.TaskTemplate.ForceUpdate = 3
				c.Env = []string{"A=1", "DB_PASSWORD=hunter2", "B"}
				c.Args = []string{"--token", "hunter2"}
				s.UpdateConfig = &swarm.UpdateConfig{Parallelism: 1, FailureAction: "pause", Order: "stop-first", Monitor: 5 * time.Second}
				s.EndpointSpec = &swarm.EndpointSpec{Mode: "vip", Ports: []swarm.PortConfig{{TargetPort: 80, PublishedPort: 8080, Protocol: "tcp", PublishMode: "ingress"}}}
			})
		}, Options{}, `
-- services/web.yaml
# !left-out stands for what looks like a secret. Write the value in its place, or better have the service read it from a Secret.
kind: Service
metadata:
  name: web
  labels:
    com.docker.stack.namespace: shop
spec:
  image: nginx:1.27
  command:
    - --token
    - !left-out ""
  environment:
    A: "1"
    B: null
    DB_PASSWORD: !left-out ""
  replicas: 1
  ports:
    - {target: 80, published: 8080}
note Service/web: spec.command[1]: it looks like a secret, so it is not written: !left-out stands in its place, and validate refuses that; --with-secrets writes it
note Service/web: spec.environment.DB_PASSWORD: it looks like a secret, so it is not written: !left-out stands in its place, and validate refuses that; --with-secrets writes it, and so does --show NAME if the value of that name is no secret
`},
		{"digests that people state, platforms and jobs", func(f *fake) {
			const digest = "app@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
			f.service("a", func(s *swarm.ServiceSpec) {
				s.TaskTemplate.ContainerSpec.Image = digest
				s.TaskTemplate.Placement = &swarm.Placement{Platforms: []swarm.Platform{{OS: "linux"}}}
			})
			two := uint64(2)
			f.service("b", func(s *swarm.ServiceSpec) {
				s.Mode = swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{MaxConcurrent: &two, TotalCompletions: &two}}
			})
		}, Options{}, `
-- services/a.yaml
kind: Service
metadata: {name: a}
spec:
  image: app@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
  replicas: 1
-- services/b.yaml
kind: Service
metadata: {name: b}
spec:
  image: app:1
  mode: replicated-job
  replicas: 2
  maxConcurrent: 2
`},
		{"configs whose names say that they are secrets", func(f *fake) {
			f.config("mysql_root_password", nil, "hunter2\n")
			f.config("server.key-0000000001", owned("prod/Config/server.key"), "\x30\x82\xff")
			f.config("password-policy", nil, "length: 12\ndigits: yes\n")
		}, Options{Files: true}, `
-- configs/mysql_root_password.yaml
# The content looks as if it held a secret, so it is not here. This config must exist before a service uses it.
# A Secret is the better place for it. swarm-operator export --with-secrets writes the content nevertheless.
kind: Config
metadata: {name: mysql_root_password}
spec: {external: true}
-- configs/password-policy.yaml
kind: Config
metadata: {name: password-policy}
spec:
  data: |
    length: 12
    digits: yes
-- configs/server.key-0000000001.yaml
# The content looks as if it held a secret, so it is not here. This config must exist before a service uses it.
# A Secret is the better place for it. swarm-operator export --with-secrets writes the content nevertheless.
# Source prod made it, from its manifest of Config/server.key, which has the content.
# If these manifests take the place of that source, use its manifest instead of this one, and write server.key in services that have server.key-0000000001.
kind: Config
metadata: {name: server.key-0000000001}
spec: {external: true}
note Config/mysql_root_password: spec.data: its content looks as if it held a secret, so it is not written, and the manifest only says that the config exists; --with-secrets writes it
note Config/server.key-0000000001: spec.data: its content looks as if it held a secret, so it is not written, and the manifest only says that the config exists; --with-secrets writes it
note Config/server.key-0000000001: source prod made it from its manifest of Config/server.key, so that source would remove it if it had this manifest instead: keep that one, and write server.key in services that have server.key-0000000001
`},
		{"what a manifest of an object that must exist does not state", func(f *fake) {
			templated := func(driver string) *swarm.Driver { return &swarm.Driver{Name: driver} }
			f.secret("a", map[string]string{"com.docker.stack.namespace": "shop"})
			f.secret("b", map[string]string{"team": "web"})
			f.secret("c", nil)
			f.secret("d", nil)
			f.config("e", map[string]string{"team": "web"}, "password: hunter2\n")
			f.lists[v1.KindSecret][2].Raw.(*swarm.Secret).Spec.Templating = templated("golang")
			f.lists[v1.KindSecret][3].Raw.(*swarm.Secret).Spec.Templating = templated("x; reboot")
			f.lists[v1.KindConfig][0].Raw.(*swarm.Config).Spec.Templating = templated("golang")
		}, Options{}, `
-- configs/e.yaml
# The content looks as if it held a secret, so it is not here. This config must exist before a service uses it.
# A Secret is the better place for it. swarm-operator export --with-secrets writes the content nevertheless.
kind: Config
metadata: {name: e}
spec: {external: true}
-- secrets/a.yaml
# The swarm does not give back what is in a secret. This one must exist before a service uses it, so make it by hand:
#   docker secret create a FILE
# To have the operator make it, state spec.file or spec.data in place of spec.external.
kind: Secret
metadata: {name: a}
spec: {external: true}
-- secrets/b.yaml
# The swarm does not give back what is in a secret. This one must exist before a service uses it, so make it by hand:
#   docker secret create b FILE
# To have the operator make it, state spec.file or spec.data in place of spec.external.
kind: Secret
metadata: {name: b}
spec: {external: true}
-- secrets/c.yaml
# The swarm does not give back what is in a secret. This one must exist before a service uses it, so make it by hand:
#   docker secret create --template-driver golang c FILE
# To have the operator make it, state spec.file or spec.data in place of spec.external.
kind: Secret
metadata: {name: c}
spec: {external: true}
-- secrets/d.yaml
# The swarm does not give back what is in a secret. This one must exist before a service uses it, so make it by hand:
#   docker secret create d FILE
# To have the operator make it, state spec.file or spec.data in place of spec.external.
kind: Secret
metadata: {name: d}
spec: {external: true}
note Config/e: spec.data: its content looks as if it held a secret, so it is not written, and the manifest only says that the config exists; --with-secrets writes it
note Config/e: spec.templateDriver: a manifest that says external does not state it; if you make the object elsewhere, give it what it has here: docker config inspect e
note Config/e: metadata.labels: a manifest that says external does not state it; if you make the object elsewhere, give it what it has here: docker config inspect e
note Secret/b: metadata.labels: a manifest that says external does not state it; if you make the object elsewhere, give it what it has here: docker secret inspect b
note Secret/c: spec.templateDriver: a manifest that says external does not state it; if you make the object elsewhere, give it what it has here: docker secret inspect c
note Secret/d: spec.templateDriver: a manifest that says external does not state it; if you make the object elsewhere, give it what it has here: docker secret inspect d
`},
		{"secrets in texts that are files, and in names", func(f *fake) {
			f.service("web", func(s *swarm.ServiceSpec) {
				s.Labels = map[string]string{"left-out-1": "x", "postgres://u:hunter2@db/x": "y"}
				s.TaskTemplate.ContainerSpec.Env = []string{"APP_CONFIG=db:\n  password: hunter2\n", "DB_PASSWORD: hunter2", "MODE=eco"}
			})
		}, Options{}, `
-- services/web.yaml
# !left-out stands for what looks like a secret. Write the value in its place, or better have the service read it from a Secret.
kind: Service
metadata:
  name: web
  labels:
    left-out-1: x
    left-out-2: !left-out ""
spec:
  image: app:1
  environment:
    APP_CONFIG: !left-out ""
    MODE: eco
    left-out-3: !left-out ""
  replicas: 1
note Service/web: metadata.labels.left-out-2: the name of this entry looks like a secret, so neither the name nor the value is written: this name and !left-out stand in their place, and validate refuses that; --with-secrets writes them
note Service/web: spec.environment.left-out-3: the name of this entry looks like a secret, so neither the name nor the value is written: this name and !left-out stand in their place, and validate refuses that; --with-secrets writes them
note Service/web: spec.environment.APP_CONFIG: it looks like a secret, so it is not written: !left-out stands in its place, and validate refuses that; --with-secrets writes it
`},
		{"secrets in flags, accounts, mounts and health checks", func(f *fake) {
			f.service("web", func(s *swarm.ServiceSpec) {
				c := s.TaskTemplate.ContainerSpec
				c.Env = []string{"ALLOW_EMPTY_PASSWORD=yes", "DSN=u:hunter2@tcp(db)/x", "NEO4J_AUTH=neo4j/hunter2", "REDIS_ARGS=--requirepass hunter2", "TOKEN_TTL=3600"}
				c.Args = []string{"--masterauth", "hunter2", "--user=u:hunter2", "--port", "8080"}
				c.Healthcheck = &container.HealthConfig{Test: []string{"CMD-SHELL", "curl -fu u:hunter2 http://localhost"}}
				c.Mounts = []mount.Mount{{Type: "bind", Source: "//u:hunter2@nas/share", Target: "/share"}}
				c.Sysctls = map[string]string{"kernel.keys.maxkeys": "2000"}
			})
		}, Options{}, `
-- services/web.yaml
# !left-out stands for what looks like a secret. Write the value in its place, or better have the service read it from a Secret.
kind: Service
metadata: {name: web}
spec:
  image: app:1
  command:
    - --masterauth
    - !left-out ""
    - !left-out ""
    - --port
    - "8080"
  environment:
    ALLOW_EMPTY_PASSWORD: "yes"
    DSN: !left-out ""
    NEO4J_AUTH: !left-out ""
    REDIS_ARGS: !left-out ""
    TOKEN_TTL: "3600"
  replicas: 1
  mounts:
    - type: bind
      source: !left-out ""
      target: /share
  healthcheck:
    test:
      - CMD-SHELL
      - !left-out ""
  sysctls:
    kernel.keys.maxkeys: "2000"
note Service/web: spec.command[1]: it looks like a secret, so it is not written: !left-out stands in its place, and validate refuses that; --with-secrets writes it
note Service/web: spec.command[2]: it looks like a secret, so it is not written: !left-out stands in its place, and validate refuses that; --with-secrets writes it
note Service/web: spec.environment.DSN: it looks like a secret, so it is not written: !left-out stands in its place, and validate refuses that; --with-secrets writes it
note Service/web: spec.environment.NEO4J_AUTH: it looks like a secret, so it is not written: !left-out stands in its place, and validate refuses that; --with-secrets writes it, and so does --show NAME if the value of that name is no secret
note Service/web: spec.environment.REDIS_ARGS: it looks like a secret, so it is not written: !left-out stands in its place, and validate refuses that; --with-secrets writes it
note Service/web: spec.healthcheck.test[1]: it looks like a secret, so it is not written: !left-out stands in its place, and validate refuses that; --with-secrets writes it
note Service/web: spec.mounts[/share].source: it looks like a secret, so it is not written: !left-out stands in its place, and validate refuses that; --with-secrets writes it
`},
		{"what validate refuses of a secret that is written", func(f *fake) {
			f.service("web", func(s *swarm.ServiceSpec) {
				s.TaskTemplate.ContainerSpec.Healthcheck = &container.HealthConfig{Test: []string{"redis-cli -a hunter2 ping"}}
				s.TaskTemplate.ContainerSpec.Hostname = "a b"
			})
		}, Options{Secrets: true}, `
-- services/web.yaml
kind: Service
metadata: {name: web}
spec:
  image: app:1
  hostname: a b
  replicas: 1
  healthcheck: {test: [redis-cli -a hunter2 ping]}
note Service/web: spec.healthcheck.test: validate will refuse this, although it runs: holds a value that is not allowed in a manifest
`},
		{"subnets of the swarm's own pools that people chose", func(f *fake) {
			f.cluster()
			pool := func(subnet, gateway string) network.IPAMConfig {
				return network.IPAMConfig{Subnet: netip.MustParsePrefix(subnet), Gateway: netip.MustParseAddr(gateway)}
			}
			f.network("gateway", func(n *network.Summary) { n.IPAM.Config = []network.IPAMConfig{pool("10.0.9.0/24", "10.0.9.254")} })
			f.network("old", func(n *network.Summary) { n.IPAM.Config = []network.IPAMConfig{pool("10.5.0.1/16", "10.5.0.1")} })
			f.network("stated", func(n *network.Summary) {
				n.Labels = map[string]string{v1.LabelApplied: diff.NewApplied([]diff.Leaf{{Path: "spec.ipam.config[10.0.7.0/24].subnet", Text: "10.0.7.0/24", Stated: true}}).String()}
			})
			f.network("two", func(n *network.Summary) {
				n.IPAM.Config = []network.IPAMConfig{pool("10.0.8.0/24", "10.0.8.1"), pool("172.28.0.0/16", "172.28.0.1")}
			})
			f.network("unstated", func(n *network.Summary) {
				n.Labels = map[string]string{v1.LabelApplied: diff.NewApplied([]diff.Leaf{{Path: "spec.attachable", Text: "true", Stated: true}}).String()}
			})
		}, Options{}, `
-- networks/gateway.yaml
kind: Network
metadata: {name: gateway}
spec: {ipam: {config: [{subnet: 10.0.9.0/24, gateway: 10.0.9.254}]}}
-- networks/old.yaml
kind: Network
metadata: {name: old}
spec: {ipam: {config: [{subnet: 10.5.0.0/16}]}}
-- networks/stated.yaml
kind: Network
metadata: {name: stated}
spec: {ipam: {config: [{subnet: 10.0.7.0/24}]}}
-- networks/two.yaml
kind: Network
metadata: {name: two}
spec: {ipam: {config: [{subnet: 10.0.8.0/24}, {subnet: 172.28.0.0/16}]}}
-- networks/unstated.yaml
kind: Network
metadata: {name: unstated}
`},
		{"platforms and numbers that a manifest stated", func(f *fake) {
			one := uint64(1)
			for _, name := range []string{"a", "b"} {
				f.service(name, func(s *swarm.ServiceSpec) {
					s.Mode = swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &one}}
					s.TaskTemplate.ContainerSpec.Image = "nginx:1.27@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
					s.TaskTemplate.Placement = &swarm.Placement{Platforms: []swarm.Platform{{OS: "linux", Architecture: "arm64"}}}
					if name == "a" {
						stated := []diff.Leaf{{Path: "spec.placement.platforms", Stated: true}, {Path: "spec.replicas", Stated: true}}
						s.Labels = map[string]string{v1.LabelApplied: diff.NewApplied(stated).String()}
					}
				})
			}
		}, Options{}, `
-- services/a.yaml
kind: Service
metadata: {name: a}
spec:
  image: nginx:1.27
  replicas: 1
  placement: {platforms: [{os: linux, architecture: arm64}]}
-- services/b.yaml
kind: Service
metadata: {name: b}
spec:
  image: nginx:1.27
  replicas: 1
`},
		// The applied label tells which platforms the operator added to a digest that a manifest stated.
		{"platforms beside a digest that a manifest stated", func(f *fake) {
			const digest = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
			for name, c := range map[string]struct {
				live, stated string // images; stated is empty if others made the service
				platforms    bool   // whether the manifest stated them
			}{
				"added":         {"nginx:1.27" + digest, "nginx:1.27" + digest, false},
				"added-bare":    {"nginx" + digest, "nginx" + digest, false},
				"stated":        {"nginx:1.27" + digest, "nginx:1.27" + digest, true},
				"stated-bare":   {"nginx" + digest, "nginx" + digest, true},
				"of-others":     {"nginx" + digest, "", false},
				"set-by-others": {"nginx" + digest, "nginx:1.26", false},
			} {
				f.service(name, func(s *swarm.ServiceSpec) {
					s.TaskTemplate.ContainerSpec.Image = c.live
					s.TaskTemplate.Placement = &swarm.Placement{
						Constraints: []string{"node.role == worker"}, Platforms: []swarm.Platform{{OS: "linux", Architecture: "arm64"}},
					}
					if c.stated == "" {
						return
					}
					stated := []diff.Leaf{{Path: "spec.image", Text: c.stated, Stated: true}, {Path: "spec.placement.platforms", Stated: c.platforms}}
					s.Labels = map[string]string{v1.LabelApplied: diff.NewApplied(stated).String()}
				})
			}
		}, Options{}, `
-- services/added.yaml
kind: Service
metadata: {name: added}
spec:
  image: nginx:1.27@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
  replicas: 1
  placement: {constraints: [node.role == worker]}
-- services/added-bare.yaml
kind: Service
metadata: {name: added-bare}
spec:
  image: nginx@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
  replicas: 1
  placement: {constraints: [node.role == worker]}
-- services/of-others.yaml
kind: Service
metadata: {name: of-others}
spec:
  image: nginx@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
  replicas: 1
  placement: {constraints: [node.role == worker]}
-- services/set-by-others.yaml
kind: Service
metadata: {name: set-by-others}
spec:
  image: nginx@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
  replicas: 1
  placement: {constraints: [node.role == worker]}
-- services/stated.yaml
kind: Service
metadata: {name: stated}
spec:
  image: nginx:1.27@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
  replicas: 1
  placement: {constraints: [node.role == worker], platforms: [{os: linux, architecture: arm64}]}
-- services/stated-bare.yaml
kind: Service
metadata: {name: stated-bare}
spec:
  image: nginx@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
  replicas: 1
  placement: {constraints: [node.role == worker], platforms: [{os: linux, architecture: arm64}]}
`},
		{"jobs", func(f *fake) {
			one, three := uint64(1), uint64(3)
			f.service("global", func(s *swarm.ServiceSpec) {
				s.Mode, s.RollbackConfig = swarm.ServiceMode{GlobalJob: &swarm.GlobalJob{}}, &swarm.UpdateConfig{Parallelism: 2}
			})
			f.service("once", func(s *swarm.ServiceSpec) {
				s.Mode = swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{MaxConcurrent: &three, TotalCompletions: &one}}
			})
			f.service("thrice", func(s *swarm.ServiceSpec) {
				s.Mode = swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{MaxConcurrent: &three, TotalCompletions: &three}}
				s.TaskTemplate.Resources = &swarm.ResourceRequirements{Limits: &swarm.Limit{Pids: -1}}
			})
		}, Options{}, `
-- services/global.yaml
kind: Service
metadata: {name: global}
spec:
  image: app:1
  mode: global-job
-- services/once.yaml
kind: Service
metadata: {name: once}
spec:
  image: app:1
  mode: replicated-job
  replicas: 1
  maxConcurrent: 3
-- services/thrice.yaml
kind: Service
metadata: {name: thrice}
spec:
  image: app:1
  mode: replicated-job
  replicas: 3
  maxConcurrent: 3
`},
		{"objects with labels that only the operator's own configs have", func(f *fake) {
			f.service("web", func(s *swarm.ServiceSpec) {
				s.Labels = map[string]string{v1.LabelState: "prod", v1.LabelLease: "free", v1.LabelHold: "why", "a": "1"}
			})
		}, Options{}, `
-- services/web.yaml
kind: Service
metadata:
  name: web
  labels:
    a: "1"
spec:
  image: app:1
  replicas: 1
`},
		{"networks that a service has in the old way", func(f *fake) {
			net := f.network("front", nil)
			f.service("web", func(s *swarm.ServiceSpec) { s.TaskTemplate.Networks = []swarm.NetworkAttachmentConfig{{Target: net}} })
			f.service("alone", nil)
			f.lists[v1.KindService][0].Unknown = []string{"Spec.Networks"}
			f.lists[v1.KindService][1].Unknown = []string{"Spec.Networks"}
		}, Options{Only: []v1.Key{{Kind: v1.KindService, Name: "web"}, {Kind: v1.KindService, Name: "alone"}}}, `
-- services/alone.yaml
kind: Service
metadata: {name: alone}
spec:
  image: app:1
  replicas: 1
-- services/web.yaml
kind: Service
metadata: {name: web}
spec:
  image: app:1
  replicas: 1
  networks: [front]
note Service/alone: Spec.Networks: this release of swarm-operator does not know the setting, so the manifest does not state it
`},
		{"what no manifest states", func(f *fake) {
			f.service("plugin", func(s *swarm.ServiceSpec) {
				s.TaskTemplate.ContainerSpec, s.TaskTemplate.Runtime = nil, swarm.RuntimePlugin
			})
			f.service("web", nil)
			f.lists[v1.KindService][1].Unknown = []string{"TaskTemplate.New"}
		}, Options{}, `
-- services/web.yaml
kind: Service
metadata: {name: web}
spec:
  image: app:1
  replicas: 1
note Service/plugin: spec.runtime: its tasks are not containers, and no manifest can state such a service
note Service/web: TaskTemplate.New: this release of swarm-operator does not know the setting, so the manifest does not state it
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			var f fake
			test.swarm(&f)
			got := Of(all.Kinds(), f.index(), test.o)
			if d := cmp.Diff(strings.TrimPrefix(test.want, "\n"), text(got)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if len(got.Missing) > 0 {
				t.Errorf("missing: %v", got.Missing)
			}
		})
	}
}

// node adds a node. labels are name=value.
func (f *fake) node(id, host string, change func(*swarm.Node), labels ...string) {
	n := &swarm.Node{ID: id, Description: swarm.NodeDescription{Hostname: host}, Status: swarm.NodeStatus{State: swarm.NodeStateReady}}
	n.Spec.Role, n.Spec.Availability, n.Spec.Labels = swarm.NodeRoleWorker, swarm.NodeAvailabilityActive, map[string]string{}
	for _, l := range labels {
		name, value, _ := strings.Cut(l, "=")
		n.Spec.Labels[name] = value
	}
	if change != nil {
		change(n)
	}
	f.add(v1.KindNode, id, n.Spec.Labels, n)
	l := f.lists[v1.KindNode][len(f.lists[v1.KindNode])-1]
	l.ID, l.Called = id, host
}

func manager(n *swarm.Node) { n.Spec.Role = swarm.NodeRoleManager }
func drained(n *swarm.Node) { n.Spec.Availability = swarm.NodeAvailabilityDrain }
func isDown(n *swarm.Node)  { n.Status.State = swarm.NodeStateDown }

func TestNodesAndTheClusterAreExported(t *testing.T) {
	for _, test := range []struct {
		name  string
		swarm func(*fake)
		o     Options
		want  string
	}{
		{"nothing special", func(f *fake) { f.cluster(); f.node("a1", "a", nil); f.node("b1", "b", nil, v1.LabelOwner+"=x") }, Options{}, ""},
		{"roles, availabilities and labels of one node", func(f *fake) {
			f.node("a1", "a", manager, "zone=a")
			f.node("b1", "b", drained, "zone=b")
			f.node("c1", "c/d", nil, "zone=c", "api_token=hunter2")
		}, Options{}, `
-- nodes/a.yaml
kind: Node
metadata: {name: a}
spec:
  role: manager
  labels:
    zone: a
-- nodes/b.yaml
kind: Node
metadata: {name: b}
spec:
  availability: drain
  labels:
    zone: b
-- nodes/c%2Fd.yaml
# !left-out stands for what looks like a secret. Write the value in its place, or better have the service read it from a Secret.
kind: Node
metadata: {name: c/d}
spec:
  labels:
    api_token: !left-out ""
    zone: c
note Node/c/d: spec.labels.api_token: it looks like a secret, so it is not written: !left-out stands in its place, and validate refuses that; --with-secrets writes it, and so does --show NAME if the value of that name is no secret
note Node/c/d: metadata.name: validate will refuse this, although it runs: "c/d" may hold only what hostnames have: no white space and no /; patterns with * and ? are for a NodeSet
`},
		{"labels of several nodes", func(f *fake) {
			f.node("c1", "c", manager, "zone=a", "disk=ssd", "tier=1")
			f.node("b1", "b", nil, "zone=a", "disk=ssd")
			f.node("a1", "a", nil, "zone=b", "disk=ssd")
			f.node("d1", "d", nil, "zone=b", "tier=2")
		}, Options{}, `
-- nodesets/disk-ssd.yaml
# These are the nodes a, b, c.
kind: NodeSet
metadata: {name: disk-ssd}
spec:
  selector: {ids: [a1, b1, c1]}
  template: {labels: {disk: ssd}}
-- nodesets/zone-b.yaml
# These are the nodes a, d.
kind: NodeSet
metadata: {name: zone-b}
spec:
  selector: {ids: [a1, d1]}
  template: {labels: {zone: b}}
-- nodesets/zone-a.yaml
# These are the nodes b, c.
kind: NodeSet
metadata: {name: zone-a}
spec:
  selector: {ids: [b1, c1]}
  template: {labels: {zone: a}}
-- nodes/c.yaml
kind: Node
metadata: {name: c}
spec:
  role: manager
  labels:
    tier: "1"
-- nodes/d.yaml
kind: Node
metadata: {name: d}
spec:
  labels:
    tier: "2"
`},
		{"one node of several", func(f *fake) {
			f.node("a1", "a", nil, "zone=a")
			f.node("b1", "b", nil, "zone=a")
			f.node("c1", "c", nil)
		}, Options{Only: []v1.Key{{Kind: v1.KindNode, Name: "b"}, {Kind: v1.KindNode, Name: "c"}}}, `
-- nodes/b.yaml
kind: Node
metadata: {name: b}
spec:
  labels:
    zone: a
-- nodes/c.yaml
kind: Node
metadata: {name: c}
`},
		{"labels that look like secrets", func(f *fake) {
			for _, id := range []string{"a1", "b1"} {
				f.node(id, id, nil, "join_password=hunter2")
			}
			for _, id := range []string{"c1", "d1"} {
				f.node(id, id, nil)
				f.lists[v1.KindNode][f.n-1].Raw.(*swarm.Node).Spec.Labels["token=abcdef"] = "x"
			}
		}, Options{}, `
-- nodesets/join_password.yaml
# These are the nodes a1, b1.
# !left-out stands for what looks like a secret. Write the value in its place, or better have the service read it from a Secret.
kind: NodeSet
metadata: {name: join_password}
spec:
  selector: {ids: [a1, b1]}
  template:
    labels:
      join_password: !left-out ""
-- nodesets/nodes.yaml
# These are the nodes c1, d1.
# !left-out stands for what looks like a secret. Write the value in its place, or better have the service read it from a Secret.
kind: NodeSet
metadata: {name: nodes}
spec:
  selector: {ids: [c1, d1]}
  template:
    labels:
      left-out-1: !left-out ""
note NodeSet/join_password: spec.template.labels.join_password: it looks like a secret, so it is not written: !left-out stands in its place, and validate refuses that; --with-secrets writes it, and so does --show NAME if the value of that name is no secret
note NodeSet/nodes: spec.template.labels.left-out-1: the name of this entry looks like a secret, so neither the name nor the value is written: this name and !left-out stand in their place, and validate refuses that; --with-secrets writes them
`},
		{"the node that a hostname stands for", func(f *fake) {
			f.node("a1", "a", nil)
			f.node("a2", "a", nil, "zone=a")
			f.node("a3", "a", manager)
			f.node("a4", "a", func(n *swarm.Node) { manager(n); isDown(n) }, "zone=b")
			f.node("b1", "b", nil)
			f.node("b2", "b", drained)
		}, Options{}, `
-- nodes/a.yaml
kind: Node
metadata: {name: a}
spec:
  id: a3
  role: manager
-- nodes/b.yaml
kind: Node
metadata: {name: b}
spec:
  id: b2
  availability: drain
note Node/a: spec.id: node a1 has the same hostname as node a3, and one hostname has one manifest, so no manifest states it
note Node/a: spec.id: node a2 has the same hostname as node a3, and one hostname has one manifest, so no manifest states it
note Node/a: spec.id: node a4 has the same hostname as node a3 and is down, so no manifest states it
note Node/b: spec.id: node b1 has the same hostname as node b2, and one hostname has one manifest, so no manifest states it
`},
		{"a hostname that is there twice", func(f *fake) {
			f.node("a1", "a", isDown, "zone=a")
			f.node("a2", "a", nil, "zone=a")
			f.node("a3", "a", nil, "zone=a")
			f.node("b1", "b", nil, "zone=a")
			f.node("c1", "", nil, "zone=a")
		}, Options{}, `
-- nodesets/zone-a.yaml
# These are the nodes a, b.
kind: NodeSet
metadata: {name: zone-a}
spec:
  selector: {ids: [a2, b1]}
  template: {labels: {zone: a}}
-- nodes/a.yaml
kind: Node
metadata: {name: a}
spec: {id: a2}
note Node/: spec.id: node c1 has not told its hostname yet, so no manifest states it
note Node/a: spec.id: node a1 has the same hostname as node a2 and is down, so no manifest states it
note Node/a: spec.id: node a3 has the same hostname as node a2, and one hostname has one manifest, so no manifest states it
`},
		{"names of sets", func(f *fake) {
			for _, id := range []string{"a1", "b1"} {
				f.node(id, id, nil, "a.b/c=ä", "-=-")
			}
			for _, id := range []string{"b2", "c2"} {
				f.node(id, id, nil, "a.b=c-")
			}
		}, Options{}, `
-- nodesets/nodes.yaml
# These are the nodes a1, b1.
kind: NodeSet
metadata: {name: nodes}
spec:
  selector: {ids: [a1, b1]}
  template: {labels: {"-": "-", a.b/c: "ä"}}
-- nodesets/a-b-c.yaml
# These are the nodes b2, c2.
kind: NodeSet
metadata: {name: a-b-c}
spec:
  selector: {ids: [b2, c2]}
  template: {labels: {a.b: c-}}
`},
		{"settings of a new swarm", func(f *fake) {
			five, none := int64(5), uint64(0)
			c := &swarm.ClusterInfo{DefaultAddrPool: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, SubnetSize: 24, DataPathPort: 4789}
			c.Spec.Orchestration.TaskHistoryRetentionLimit = &five
			c.Spec.Raft = swarm.RaftConfig{SnapshotInterval: 10000, KeepOldSnapshots: &none, LogEntriesForSlowFollowers: 500, ElectionTick: 10, HeartbeatTick: 1}
			c.Spec.Dispatcher.HeartbeatPeriod, c.Spec.CAConfig.NodeCertExpiry = 5*time.Second, 2160*time.Hour
			c.Spec.Labels = map[string]string{v1.LabelOwner: "x"}
			f.add(v1.KindCluster, v1.ClusterName, nil, c)
		}, Options{}, ""},
		{"settings of somebody's own", func(f *fake) {
			none, two := int64(0), uint64(2)
			c := &swarm.ClusterInfo{DefaultAddrPool: []netip.Prefix{netip.MustParsePrefix("172.30.0.0/16")}, SubnetSize: 26, DataPathPort: 7777}
			c.Spec.Orchestration.TaskHistoryRetentionLimit = &none
			c.Spec.Raft = swarm.RaftConfig{SnapshotInterval: 5000, KeepOldSnapshots: &two, LogEntriesForSlowFollowers: 500, ElectionTick: 10, HeartbeatTick: 1}
			c.Spec.Dispatcher.HeartbeatPeriod, c.Spec.CAConfig.NodeCertExpiry = 20*time.Second, 720*time.Hour
			c.Spec.CAConfig.ExternalCAs = []*swarm.ExternalCA{{Protocol: "cfssl", URL: "https://ca.example"}, {Protocol: "cfssl", URL: "https://u:hunter2@ca.example"}}
			c.Spec.EncryptionConfig.AutoLockManagers = true
			c.Spec.Labels = map[string]string{v1.LabelOwner: "x", "team": "web"}
			f.add(v1.KindCluster, v1.ClusterName, nil, c)
		}, Options{}, `
-- cluster.yaml
# !left-out stands for what looks like a secret. Write the value in its place, or better have the service read it from a Secret.
kind: Cluster
metadata:
  name: default
  labels:
    team: web
spec:
  taskHistoryLimit: 0
  raft: {snapshotInterval: 5000, keepOldSnapshots: 2}
  dispatcher: {heartbeatPeriod: 20s}
  ca:
    nodeCertExpiry: 720h
    externalCAs:
      - {protocol: cfssl, url: https://ca.example}
      - protocol: cfssl
        url: !left-out ""
  defaultAddrPool: [172.30.0.0/16]
  subnetSize: 26
  dataPathPort: 7777
note Cluster/default: spec.autolock.enabled: the managers are locked when they start, and a manifest that says so has to name a sink for the unlock key: state spec.autolock: {enabled: true, escrow: NAME}
note Cluster/default: spec.ca.externalCAs[https://(hidden)@ca.example].url: it looks like a secret, so it is not written: !left-out stands in its place, and validate refuses that; --with-secrets writes it
note Cluster/default: spec.ca.externalCAs[1].url: validate will refuse this, although it runs: holds a user or a password, which would be shown to whoever may look at the swarm
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			var f fake
			test.swarm(&f)
			got := Of(all.Kinds(), f.index(), test.o)
			if d := cmp.Diff(strings.TrimPrefix(test.want, "\n"), text(got)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestObjectsThatAreNamed(t *testing.T) {
	var f fake
	f.config("conf-0000000001", owned("prod/Config/conf"), "a")
	f.secret("key-0000000001", owned("prod/Secret/key"))
	f.service("web", nil)
	f.service("db", func(s *swarm.ServiceSpec) { s.Labels = owned("shop/Service/db") })
	key := func(kind, name string) v1.Key { return v1.Key{Kind: kind, Name: name} }
	for _, test := range []struct {
		only    []v1.Key
		files   string
		missing string
		sources string
	}{
		{nil, "[configs/conf.yaml secrets/key-0000000001.yaml services/db.yaml services/web.yaml]", "[]", "[prod shop]"},
		{[]v1.Key{key("Service", "web")}, "[services/web.yaml]", "[]", "[]"},
		{[]v1.Key{key("Config", "conf"), key("Config", "conf-0000000001")}, "[configs/conf.yaml]", "[]", "[prod]"},
		{[]v1.Key{key("Secret", "key")}, "[secrets/key-0000000001.yaml]", "[]", "[prod]"},
		{[]v1.Key{key("Service", "web"), key("Service", "conf"), key("Network", "web")}, "[services/web.yaml]", "[Service/conf Network/web]", "[]"},
	} {
		got := Of(all.Kinds(), f.index(), Options{Only: test.only})
		var files []string
		for _, file := range got.Files {
			files = append(files, file.Name)
		}
		if fmt.Sprint(files) != test.files || fmt.Sprint(got.Missing) != test.missing || fmt.Sprint(got.Sources) != test.sources {
			t.Errorf("%v: files %v, missing %v, sources %v", test.only, files, got.Missing, got.Sources)
		}
		if fmt.Sprint(got.Known) != "[Config/conf Secret/key-0000000001 Service/db Service/web]" {
			t.Errorf("known are %v", got.Known)
		}
	}
}

func TestNamesOfFiles(t *testing.T) {
	for name, want := range map[string]string{
		"web": "web", "a.b-c_d": "a.b-c_d", ".hidden": "%2Ehidden", "-f": "%2Df", "a/../b": "a%2F..%2Fb", "a b%": "a%20b%25", "ä": "%C3%A4",
	} {
		if got := kinds.FileName(name); got != want {
			t.Errorf("%q: %q", name, got)
		}
	}
	w := writing{names: map[string]bool{}}
	long := strings.Repeat("x", 300)
	for _, name := range []string{"a/Web", "a/web", "a/WEB", "b/web", long, long + "y"} {
		file := w.fileName(name)
		if len(file) > 220 || !strings.HasSuffix(file, ".yaml") {
			t.Errorf("%s: %s", name, file)
		}
	}
	if len(w.names) != 6 {
		t.Errorf("two objects have one file: %v", w.names)
	}
}

// Some file systems know no small letters, so the content of one config would be in the place of another's.
func TestFilesOfContentDifferInMoreThanCase(t *testing.T) {
	var f fake
	for _, name := range []string{"Site", "site", "SITE"} {
		f.config(name, nil, "\xff"+name)
	}
	data, names := map[string]string{}, map[string]bool{}
	for _, file := range Of(all.Kinds(), f.index(), Options{Files: true}).Files {
		data[file.Name], names[strings.ToLower(file.Name)] = string(file.Data), true
	}
	if len(names) != 6 {
		t.Errorf("there are these files: %v", data)
	}
	for manifest, content := range map[string]string{"SITE": "SITE.content", "Site-2": "Site-2.content", "site-3": "site-3.content"} {
		name, _, _ := strings.Cut(manifest, "-")
		if !strings.Contains(data["configs/"+manifest+".yaml"], "file: "+content+"}") || data["configs/"+content] != "\xff"+name {
			t.Errorf("%s: %v", manifest, data)
		}
	}
}

// A file system allows 255 bytes.
func TestFilesOfContentHaveShortNames(t *testing.T) {
	var f fake
	long := strings.Repeat("x", 300)
	f.config(long, nil, "\xff")
	f.config(long+"y", nil, "\xfe")
	names := map[string]bool{}
	for _, file := range Of(all.Kinds(), f.index(), Options{Files: true}).Files {
		if names[file.Name] = true; len(filepath.Base(file.Name)) > 220 {
			t.Errorf("%s is too long", file.Name)
		}
	}
	if len(names) != 4 {
		t.Errorf("the files are %v", names)
	}
}

// What validate says after it has read the manifests is noted once, and says nothing of a secret.
func TestWhatValidateRefusesIsNoted(t *testing.T) {
	web, db := v1.Key{Kind: v1.KindService, Name: "web"}, v1.Key{Kind: v1.KindService, Name: "db"}
	swarmOf := func() *fake {
		f := new(fake)
		f.service("web", func(s *swarm.ServiceSpec) {
			s.TaskTemplate.ContainerSpec.Env = []string{"DB_PASSWORD=hunter2", "DSN=postgres://u:hunter3@db/a-database-with-a-long-name"}
		})
		return f
	}
	said := []v1.Problem{
		{File: "a.yaml", Line: 3, Object: web, Path: "spec.configs[0].mode", Message: "32768 is no mode", Holds: true},
		{File: "a.yaml", Line: 4, Object: web, Path: "spec.environment.DB_PASSWORD", Message: "was left out, see " + v1.LeftOut},
		{Object: web, Path: "spec.a", Message: "it is hunter2"},
		{Object: web, Path: "spec.b[hunter2]", Message: "is wrong"},
		{Object: web, Path: "spec.c", Message: "\"postgres://u:hunter…\" is wrong"},
		{Object: db, Path: "spec.a", Message: "it is hunter2, of another object"},
		{Object: web, Path: "spec.networks[0]", Message: "there is no manifest of Network/x"},
		{File: "b.yaml", Message: "it is hunter2"},
		{File: "b.yaml", Message: "cannot be read"},
	}
	const hidden = "holds a value that is not allowed in a manifest"
	want := []string{
		"Service/web: spec.configs[0].mode: validate will refuse this, although it runs: 32768 is no mode",
		"Service/web: spec.a: validate will refuse this, although it runs: " + hidden,
		"Service/web: validate will refuse this, although it runs: is wrong",
		"Service/web: spec.c: validate will refuse this, although it runs: " + hidden,
		"Service/db: spec.a: validate will refuse this, although it runs: it is hunter2, of another object",
		"Service/web: spec.networks[0]: validate will refuse this, although it runs: there is no manifest of Network/x",
		"b.yaml: validate will refuse this, although it runs: " + hidden,
		"b.yaml: validate will refuse this, although it runs: cannot be read",
	}
	for _, o := range []Options{{Secrets: true}, {}, {Secrets: true, Only: []v1.Key{web}}} {
		made := Of(all.Kinds(), swarmOf().index(), o)
		before := len(made.Notes)
		made.Refused(said)
		made.Refused(said)
		var got []string
		for _, n := range made.Notes[before:] {
			got = append(got, n.String())
		}
		want := slices.Clone(want)
		if len(o.Only) > 0 {
			want = slices.Delete(want, 5, 6)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%+v (-want +got):\n%s", o, d)
		}
	}
}

// Each placeholder is a problem that names its place, whatever gave the secret away. If the values are written, what is
// read back is what runs.
func TestValidateNamesEveryPlaceholder(t *testing.T) {
	f := new(fake)
	f.service("web", func(s *swarm.ServiceSpec) {
		c := s.TaskTemplate.ContainerSpec
		c.Env = []string{"AUTH=u:hunter2", "DSN=u:hunter2@tcp(db)/x", "REDIS_ARGS=--requirepass hunter2", "CONF={a: {password: hunter2}}", "ORACLE=u/hunter2@db"}
		c.Args, c.Command = []string{"--masterauth", "hunter2"}, []string{"sh", "-c", "echo u:hunter2 | chpasswd"}
		c.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "redis-cli", "-a", "hunter2", "ping"}}
		c.Labels = map[string]string{"args": "backup --pw=hunter2"}
		c.Mounts = []mount.Mount{
			{Type: "bind", Source: "//u:hunter2@nas/share", Target: "/a"},
			{Type: "volume", Source: "nas", Target: "/b", VolumeOptions: &mount.VolumeOptions{DriverConfig: &mount.Driver{Name: "local", Options: map[string]string{"device": "//u:hunter2@nas/b", "o": "username=u,password=hunter2"}}}},
		}
	})
	read := func(o Options) (manifests.Set, []v1.Problem, Manifests) {
		made := Of(all.Kinds(), f.index(), o)
		set, problems := manifests.NewLoader(manifests.Options{Kinds: all.Manifests()}).Load(fstest.MapFS{"all.yaml": {Data: made.Stream()}}, ".")
		return set, problems, made
	}
	_, problems, made := read(Options{})
	if text := text(made); strings.Contains(text, "hunter2") || strings.Count(text, ": it looks like a secret") != 12 {
		t.Errorf("%d places are left out:\n%s", strings.Count(text, ": it looks like a secret"), text)
	}
	left := 0
	for _, p := range problems {
		if strings.Contains(p.Message, v1.LeftOut) && p.Line > 0 {
			left++
		}
	}
	if left != 12 {
		t.Errorf("validate names %d places: %v", left, problems)
	}
	set, problems, made := read(Options{Secrets: true})
	if len(problems) > 0 || len(set.Entries) != 1 || strings.Contains(string(made.Stream()), v1.LeftOut) {
		t.Fatalf("with the values there is %v\n%s", problems, made.Stream())
	}
	k, _ := all.Kinds().Get(v1.KindService)
	live := k.Shape.Flatten(k.Normalise(f.lists[v1.KindService][0], f.index()))
	for _, leaf := range k.Shape.Flatten(set.Entries[0].Object) {
		if i := slices.IndexFunc(live, func(l diff.Leaf) bool { return l.Path == leaf.Path }); i < 0 || live[i].Text != leaf.Text {
			t.Errorf("%s is not what runs", leaf.Path)
		}
	}
}

// A new swarm has the routing mesh's network by itself, so it is exported only for whoever asks for it.
func TestTheNetworkOfTheRoutingMeshIsExportedIfItIsNamed(t *testing.T) {
	var f fake
	f.cluster()
	f.network("ingress", func(n *network.Summary) { n.Ingress = true })
	if got := Of(all.Kinds(), f.index(), Options{}); len(got.Files) > 0 {
		t.Errorf("the whole swarm is exported as\n%s", text(got))
	}
	got := text(Of(all.Kinds(), f.index(), Options{Only: []v1.Key{{Kind: v1.KindNetwork, Name: "ingress"}}}))
	want := "-- networks/ingress.yaml\nkind: Network\nmetadata: {name: ingress}\nspec: {ingress: true}\n"
	if got != want {
		t.Errorf("it is exported as\n%s", got)
	}
}

// One object that no manifest can hold keeps no other from being exported.
func TestWhatIsNoTextIsLeftOutAlone(t *testing.T) {
	var f fake
	f.service("plain", nil)
	for name, profile := range map[string]string{"bytes": "{\"a\":\"\xff\"}", "lines": "{\n\"a\":\"\xff\u0001\"\n}"} {
		f.service(name, func(s *swarm.ServiceSpec) {
			s.TaskTemplate.ContainerSpec.Privileges = &swarm.Privileges{Seccomp: &swarm.SeccompOpts{Mode: "custom", Profile: []byte(profile)}}
		})
	}
	f.service("words", func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Args = []string{"\xff"} })
	made := Of(all.Kinds(), f.index(), Options{})
	if len(made.Files) != 1 || made.Files[0].Name != "services/plain.yaml" {
		t.Errorf("it is exported as\n%s", text(made))
	}
	notes := map[string]bool{}
	for _, n := range made.Notes {
		notes[n.String()] = true
	}
	const why = "it holds bytes that are no text, which no manifest can hold, so the object is not exported"
	for _, want := range []string{
		"Service/bytes: spec.privileges.seccomp.profile: " + why, "Service/lines: spec.privileges.seccomp.profile: " + why, "Service/words: " + why,
	} {
		if !notes[want] {
			t.Errorf("there is no note %q: %v", want, made.Notes)
		}
	}
}

// A manifest that cannot be read back is left out, because it would refuse all others with it.
func TestWhatCannotBeReadBackIsLeftOut(t *testing.T) {
	var f fake
	f.service("db", nil)
	f.service("web", func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Env = []string{"DB_PASSWORD=hunter2"} })
	made := Of(all.Kinds(), f.index(), Options{Secrets: true})
	holds := []v1.Problem{{File: "services/web.yaml", Message: "is wrong", Holds: true}, {File: "services/other.yaml", Message: "cannot be read"}}
	if made.LeaveOut(holds) || len(made.Files) != 2 {
		t.Errorf("a problem that holds one object leaves out\n%s", text(made))
	}
	if !made.LeaveOut([]v1.Problem{{File: "services/web.yaml", Line: 3, Message: "is no YAML: hunter2"}}) || len(made.Files) != 1 || made.Files[0].Name != "services/db.yaml" {
		t.Errorf("it is exported as\n%s", text(made))
	}
	const want = "Service/web: its manifest cannot be read back, so the object is not exported: holds a value that is not allowed in a manifest"
	if len(made.Notes) != 1 || made.Notes[0].String() != want {
		t.Errorf("the notes are %v", made.Notes)
	}
}

// Options of a template driver are kept by the swarm and read by nobody.
func TestOptionsOfTemplateDriversAreNoted(t *testing.T) {
	var f fake
	f.config("conf", nil, "a")
	f.secret("key", nil)
	driver := &swarm.Driver{Name: "golang", Options: map[string]string{"a": "1"}}
	f.lists[v1.KindConfig][0].Raw.(*swarm.Config).Spec.Templating = driver
	f.lists[v1.KindSecret][0].Raw.(*swarm.Secret).Spec.Templating = driver
	notes := map[v1.Key]int{}
	for _, n := range Of(all.Kinds(), f.index(), Options{}).Notes {
		if strings.Contains(n.Message, "its template driver has options") {
			notes[n.Object]++
		}
	}
	if want := map[v1.Key]int{{Kind: v1.KindConfig, Name: "conf"}: 1, {Kind: v1.KindSecret, Name: "key"}: 1}; !maps.Equal(notes, want) {
		t.Errorf("the notes are %v", notes)
	}
}

// Engines write the option, and nobody states it.
func TestTheSerialOptionOfEnginesIsLeftOut(t *testing.T) {
	var f fake
	f.cluster()
	f.network("front", func(n *network.Summary) {
		n.Options["com.docker.network.ipam.serial"] = "true"
		n.IPAM.Options = map[string]string{"com.docker.network.ipam.serial": "true"}
	})
	if got, want := text(Of(all.Kinds(), f.index(), Options{})), "-- networks/front.yaml\nkind: Network\nmetadata: {name: front}\n"; got != want {
		t.Errorf("it is exported as\n%s", got)
	}
}

// External CAs sign for the swarm's root unless they say otherwise.
func TestTheSwarmsOwnRootIsNoSetting(t *testing.T) {
	var f fake
	f.cluster()
	c := f.lists[v1.KindCluster][0].Raw.(*swarm.ClusterInfo)
	c.TLSInfo.TrustRoot = "the root\n"
	c.Spec.CAConfig.ExternalCAs = []*swarm.ExternalCA{{Protocol: "cfssl", URL: "https://a", CACert: "the root"}, {Protocol: "cfssl", URL: "https://b", CACert: "another root"}}
	got := text(Of(all.Kinds(), f.index(), Options{}))
	if strings.Contains(got, "the root") || !strings.Contains(got, "caCert: another root") {
		t.Errorf("it is exported as\n%s", got)
	}
}

// Sizes are in the largest unit that is exact.
func TestSizesAreInUnits(t *testing.T) {
	var f fake
	f.service("web", func(s *swarm.ServiceSpec) {
		s.TaskTemplate.Resources = &swarm.ResourceRequirements{Limits: &swarm.Limit{MemoryBytes: 512 << 20}, Reservations: &swarm.Resources{MemoryBytes: 1<<22 + 1}}
	})
	if got := text(Of(all.Kinds(), f.index(), Options{})); !strings.Contains(got, "memory: 512MiB") || !strings.Contains(got, "memory: 4194305") {
		t.Errorf("it is exported as\n%s", got)
	}
}
