package manifests_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/manifests"
)

// Each case is a source as txtar. Its last file, problems, is what Load must report. $H stands for the line of
// apiVersion.
func TestLoad(t *testing.T) {
	for _, c := range []struct{ name, source string }{
		// Which files are manifests.
		{"names of files", `
-- a.yaml --
$H
kind: Network
metadata: {name: a}
-- deep/er/b.yml --
$H
kind: Network
metadata: {name: b}
-- c.json --
{
-- README.md --
a: [
-- .github/workflows/ci.yaml --
on: push
-- .hidden.yaml --
on: push
-- problems --
`},
		{"no manifests", `
-- README.md --
-- empty.yaml --
# only a comment
---
---
# and another
-- problems --
there are no manifests below .; the revision is refused, because an empty source would remove everything
`},
		{"differences that are none", `
-- a.yaml --
$H
kind: Service
metadata: {name: a}
spec: {image: app}
policy:
  ignoreDifferences:
    - spec.replicas
    - spec.replica
    - spec.replicas.most
-- problems --
a.yaml:8: Service/a: policy.ignoreDifferences[1]: spec.replica names no field of a Service that can differ; did you mean spec.replicas?
a.yaml:9: Service/a: policy.ignoreDifferences[2]: spec.replicas.most names no field of a Service that can differ; did you mean spec.replicas?
`},
		{"empty documents", `
-- a.yaml --
# a comment
---
$H
kind: Network
metadata: {name: a}
---
---
# nothing
---
null
...
---
$H
kind: Network
metadata: {name: b}
...
-- problems --
`},
		{"neither apiVersion nor kind", `
-- compose.yaml --
services: {web: {image: nginx}}
-- list.yaml --
- a
-- text.yaml --
just text
-- problems --
compose.yaml:1: is a compose file, and compose files are not read: write a manifest of kind Service for each of its services (web), and one of kind Network, Config or Secret for each network, config or secret; volumes need none; if the file is not meant for the operator, name it in .swarmoperatorignore
list.yaml:1: is not a manifest: a mapping with apiVersion, kind, metadata and spec is expected; found a list; if the file is not meant for the operator, name it in .swarmoperatorignore
text.yaml:1: is not a manifest: a mapping with apiVersion, kind, metadata and spec is expected; found a string; if the file is not meant for the operator, name it in .swarmoperatorignore
`},
		{"another apiVersion", `
-- a.yaml --
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
---
kind: Service
metadata: {name: web}
---
apiVersion: swarm-operator.io/v2
kind: Service
---
apiVersion: 1
kind: Service
-- problems --
a.yaml:1: Deployment/web: apiVersion is apps/v1; only swarm-operator.io/v1 is read; if the file is not meant for the operator, name it in .swarmoperatorignore
a.yaml:5: Service/web: apiVersion is missing; it must be swarm-operator.io/v1
a.yaml:8: apiVersion is swarm-operator.io/v2; only swarm-operator.io/v1 is read; if the file is not meant for the operator, name it in .swarmoperatorignore
a.yaml:11: apiVersion is 1; only swarm-operator.io/v1 is read; if the file is not meant for the operator, name it in .swarmoperatorignore
`},
		{"kind", `
-- a.yaml --
$H
metadata: {name: web}
---
$H
kind: Servce
metadata: {name: web}
---
$H
kind: [Service]
metadata: {name: web}
---
$H
kind: Zebra
-- problems --
a.yaml:1: kind is missing; it must be one of Cluster, Config, Network, Node, Secret, Service
a.yaml:5: Servce/web: kind Servce is not known; it must be one of Cluster, Config, Network, Node, Secret, Service; did you mean Service?
a.yaml:9: kind "" is not known; it must be one of Cluster, Config, Network, Node, Secret, Service
a.yaml:13: kind Zebra is not known; it must be one of Cluster, Config, Network, Node, Secret, Service
`},
		{"name", `
-- a.yaml --
$H
kind: Network
---
$H
kind: Network
metadata: {name: 5}
---
$H
kind: Network
metadata: {name: "a b"}
-- problems --
a.yaml:1: metadata.name: is missing
a.yaml:6: metadata.name: 5 is a number; quote it
a.yaml:10: Network/a b: metadata.name: "a b" may hold only letters, digits, - and _, with a letter or digit at both ends
`},
		{"top level", `
-- a.yaml --
$H
kind: Network
metadata: {name: a}
specs: {internal: true}
labels: {a: b}
status: {}
policy: {adopt: sometimes, dependOn: []}
-- problems --
a.yaml:4: Network/a: specs: unknown field; did you mean spec?
a.yaml:5: Network/a: labels: unknown field here; did you mean metadata.labels?
a.yaml:6: Network/a: status: unknown field; known are apiVersion, kind, metadata, policy, spec
a.yaml:7: Network/a: policy.adopt: "sometimes" is not one of never, ifIdentical, takeover
a.yaml:7: Network/a: policy.dependOn: unknown field; did you mean dependsOn?
`},

		// Syntax. A broken document hides nothing of the others.
		{"syntax", `
-- a.yaml --
$H
kind: Network
metadata: {name: a
---
$H
kind: Network
metadata: {name: b}
spec: {intrnal: true}
-- b.yaml --
$H
kind: Network
 metadata: {name: c}
-- c.yaml --
$H
kind: Network
metadata: {name: d}
spec:
	internal: true
-- d.yaml --
$H
kind: Network
metadata: {name: e}
spec:
  driver: a: b
-- e.yaml --
$H
kind: "Network
-- problems --
a.yaml:3: is not valid YAML: a mapping in braces is not closed, or a comma is missing
a.yaml:8: Network/b: spec.intrnal: unknown field; did you mean internal?
b.yaml:3: is not valid YAML: a key: value is not possible here; is a line indented wrongly, or a value with a colon not quoted?
c.yaml:5: is not valid YAML: a value begins with a tab, @, ` + "`" + ` or %; quote it, and indent with spaces
d.yaml:5: is not valid YAML: a key: value is not possible here; is a line indented wrongly, or a value with a colon not quoted?
e.yaml:2: is not valid YAML: a quote is not closed
`},

		// Two objects of one name.
		{"twice", `
-- a.yaml --
$H
kind: Network
metadata: {name: a}
---
$H
kind: Config
metadata: {name: a}
spec: {data: x}
-- b.yaml --
$H
kind: Network
metadata:
  name: a
-- problems --
b.yaml:4: Network/a: metadata.name: another manifest states this object too (a.yaml:3): remove or rename one of them
`},

		// Names that are the same for the swarm.
		{"names that differ in case", `
-- a.yaml --
$H
kind: Service
metadata: {name: web}
spec: {image: x}
---
$H
kind: Service
metadata: {name: Web}
spec: {image: x}
-- b.yaml --
$H
kind: Service
metadata: {name: WEB}
spec: {image: x}
---
$H
kind: Network
metadata: {name: Front}
spec: {external: true}
---
$H
kind: Network
metadata: {name: front}
---
$H
kind: Config
metadata: {name: a.Conf}
spec: {data: x}
---
$H
kind: Config
metadata: {name: A.conf}
spec: {data: x}
---
$H
kind: Secret
metadata: {name: k}
spec: {external: true}
---
$H
kind: Secret
metadata: {name: K}
spec: {data: x}
-- problems --
a.yaml:3: Service/web: metadata.name: is the name of Service/WEB too (b.yaml:3): the swarm compares names without case; rename one of them
a.yaml:8: Service/Web: metadata.name: is the name of Service/WEB too (b.yaml:3): the swarm compares names without case; rename one of them
b.yaml:13: Network/front: metadata.name: is the name of Network/Front too (b.yaml:8): the swarm compares names without case; rename one of them
b.yaml:17: Config/a.Conf: metadata.name: is the name of Config/A.conf too (b.yaml:22): the swarm compares names without case; rename one of them
b.yaml:27: Secret/k: metadata.name: is the name of Secret/K too (b.yaml:32): the swarm compares names without case; rename one of them
`},
		{"names that differ in case, of kinds that have names of their own", `
-- a.yaml --
$H
kind: Service
metadata: {name: Web}
spec: {image: x}
---
$H
kind: Network
metadata: {name: web}
---
$H
kind: Node
metadata: {name: web}
spec: {labels: {a: x}}
---
$H
kind: Node
metadata: {name: WEB}
spec: {labels: {a: x}}
---
$H
kind: Config
metadata: {name: web_1}
spec: {data: x}
---
$H
kind: Config
metadata: {name: Web-1}
spec: {data: x}
-- problems --
`},

		// Ranges of addresses.
		{"subnets that overlap", `
-- a.yaml --
$H
kind: Network
metadata: {name: ov1}
spec: {ipam: {config: [{subnet: 10.88.0.0/16}]}}
---
$H
kind: Network
metadata: {name: ov2}
spec:
  ipam:
    config:
    - {subnet: 10.87.0.0/16}
    - {subnet: 10.88.5.0/24}
---
$H
kind: Network
metadata: {name: ov3}
spec: {ipam: {config: [{subnet: 10.88.5.0/24, ipRange: 10.88.5.128/25}]}}
-- b.yaml --
$H
kind: Network
metadata: {name: six}
spec: {enableIPv6: true, ipam: {config: [{subnet: "fd00:1::/64"}, {subnet: 10.0.0.0/24}]}}
---
$H
kind: Network
metadata: {name: seven}
spec:
  enableIPv6: true
  ipam: {config: [{subnet: "FD00:1:0:0:8000::/65"}]}
---
$H
kind: Network
metadata: {name: mapped}
spec: {ipam: {config: [{subnet: "::ffff:10.87.0.0/112"}]}}
---
$H
kind: Network
metadata: {name: twice}
spec: {ipam: {config: [{subnet: 10.7.0.0/24}, {subnet: 10.7.0.0/25}]}}
-- problems --
a.yaml:12: Network/ov2: spec.ipam.config[0].subnet: 10.87.0.0/16 overlaps with 10.87.0.0/16 of Network/mapped (b.yaml:16); the swarm gives an address to one network, and leaves the other without any
a.yaml:13: Network/ov2: spec.ipam.config[1].subnet: 10.88.5.0/24 overlaps with 10.88.0.0/16 of Network/ov1 (a.yaml:4); the swarm gives an address to one network, and leaves the other without any
a.yaml:18: Network/ov3: spec.ipam.config[0].subnet: 10.88.5.0/24 overlaps with 10.88.5.0/24 of Network/ov2 (a.yaml:13); the swarm gives an address to one network, and leaves the other without any
b.yaml:11: Network/seven: spec.ipam.config[0].subnet: fd00:1:0:0:8000::/65 overlaps with fd00:1::/64 of Network/six (b.yaml:4); the swarm gives an address to one network, and leaves the other without any
b.yaml:21: Network/twice: spec.ipam.config[1].subnet: 10.7.0.0/25 overlaps with 10.7.0.0/24, which the network states too; the swarm gives no address twice
`},
		{"subnets that the swarm takes", `
-- a.yaml --
$H
kind: Network
metadata: {name: a}
spec: {ipam: {config: [{subnet: 10.88.0.0/24}, {subnet: 10.88.2.0/24}]}}
---
$H
kind: Network
metadata: {name: b}
spec: {ipam: {config: [{subnet: 10.88.1.0/24}]}}
---
$H
kind: Network
metadata: {name: part-1}
spec: {ipam: {config: [{subnet: 10.89.0.0/16, ipRange: 10.89.1.0/24}]}}
---
$H
kind: Network
metadata: {name: part-2}
spec: {ipam: {config: [{subnet: 10.89.0.0/16, ipRange: 10.89.2.0/24}]}}
---
$H
kind: Network
metadata: {name: elsewhere}
spec: {ipam: {driver: infoblox, config: [{subnet: 10.88.0.0/24}]}}
---
$H
kind: Network
metadata: {name: theirs}
spec: {external: true}
-- problems --
`},
		{"one part of a subnet for two", `
-- a.yaml --
$H
kind: Network
metadata: {name: part-1}
spec: {ipam: {config: [{subnet: 10.89.0.0/16, ipRange: 10.89.1.0/24}]}}
---
$H
kind: Network
metadata: {name: part-2}
spec: {ipam: {config: [{subnet: 10.89.0.0/16, ipRange: 10.89.1.0/24}]}}
-- problems --
a.yaml:9: Network/part-2: spec.ipam.config[0].subnet: 10.89.0.0/16 overlaps with 10.89.0.0/16 of Network/part-1 (a.yaml:4); the swarm gives an address to one network, and leaves the other without any
`},

		// References.
		{"references", `
-- a.yaml --
$H
kind: Service
metadata: {name: web}
spec:
  image: nginx
  networks: [frnt, {name: back}]
  configs: [{source: conf}]
  secrets: [pasword]
policy: {dependsOn: [Service/db, Servce/web, Volume/x, db]}
-- b.yaml --
$H
kind: Network
metadata: {name: front}
---
$H
kind: Secret
metadata: {name: password}
spec: {external: true}
-- problems --
a.yaml:6: Service/web: spec.networks[0].name: there is no manifest of Network/frnt; did you mean front?
a.yaml:6: Service/web: spec.networks[1].name: there is no manifest of Network/back
a.yaml:7: Service/web: spec.configs[0].source: there is no manifest of Config/conf
a.yaml:8: Service/web: spec.secrets[0].source: there is no manifest of Secret/pasword; did you mean password?
a.yaml:9: Service/web: policy.dependsOn[0]: there is no manifest of Service/db
a.yaml:9: Service/web: policy.dependsOn[1]: Servce/web: kind Servce is not known; did you mean Service?
a.yaml:9: Service/web: policy.dependsOn[2]: Volume/x: kind Volume is not known
a.yaml:9: Service/web: policy.dependsOn[3]: "db" is not KIND/NAME, such as Service/web
`},
		{"references to what could not be read are not known to be broken", `
-- a.yaml --
$H
kind: Service
metadata: {name: web}
spec: {image: nginx, networks: [front, back, side]}
-- b.yaml --
$H
kind: Network
metadata: {name: front
---
apiVersion: other/v1
kind: Network
metadata: {name: back}
-- problems --
a.yaml:4: Service/web: spec.networks[2].name: there is no manifest of Network/side
b.yaml:3: is not valid YAML: a mapping in braces is not closed, or a comma is missing
b.yaml:5: Network/back: apiVersion is other/v1; only swarm-operator.io/v1 is read; if the file is not meant for the operator, name it in .swarmoperatorignore
`},
		{"references to what has problems of its own", `
-- a.yaml --
$H
kind: Service
metadata: {name: web}
spec: {image: nginx, networks: [front]}
-- b.yaml --
$H
kind: Network
metadata: {name: front}
spec: {driver: 5}
-- problems --
b.yaml:4: Network/front: spec.driver: 5 is a number; quote it
`},
		{"cycles", `
-- a.yaml --
$H
kind: Service
metadata: {name: a}
spec: {image: x, networks: [net]}
policy: {dependsOn: [Service/b]}
---
$H
kind: Service
metadata: {name: b}
spec: {image: x}
policy: {dependsOn: [Service/c, Service/d]}
---
$H
kind: Service
metadata: {name: c}
spec: {image: x}
policy: {dependsOn: [Service/a]}
---
$H
kind: Service
metadata: {name: d}
spec: {image: x}
policy: {dependsOn: [Service/d]}
---
$H
kind: Network
metadata: {name: net}
policy: {dependsOn: [Service/a]}
-- problems --
a.yaml:4: Service/a: spec.networks[0].name: closes a cycle of references; remove one of them: Network/net → Service/a → Network/net
a.yaml:17: Service/c: policy.dependsOn[0]: closes a cycle of references; remove one of them: Service/a → Service/b → Service/c → Service/a
a.yaml:23: Service/d: policy.dependsOn[0]: an object cannot depend on itself
`},

		// Ports.
		{"ports", `
-- a.yaml --
$H
kind: Service
metadata: {name: a}
spec: {image: x, ports: [{target: 80, published: 80}, {target: 53, published: 53, protocol: udp}, {target: 1}]}
---
$H
kind: Service
metadata: {name: b}
spec:
  image: x
  ports:
  - {target: 80, published: 80, mode: host}
  - {target: 53, published: 53}
  - {target: 1}
---
$H
kind: Service
metadata: {name: c}
spec:
  image: x
  ports:
  - {target: 8080, published: 80, mode: ingress, protocol: tcp}
---
$H
kind: Service
metadata: {name: d}
spec:
  image: x
  ports:
  - {target: 9000, published: 9000, mode: host}
---
$H
kind: Service
metadata: {name: e}
spec:
  image: x
  ports:
  - {target: 9000, published: 9000, mode: host}
  - {target: 9001, published: 9001, mode: host}
---
$H
kind: Service
metadata: {name: f}
spec:
  image: x
  ports:
  - {target: 9001, published: 9001}
  - {target: 9000, published: 9000, protocol: udp}
-- problems --
a.yaml:12: Service/b: spec.ports[0].published: 80/tcp is published by Service/a too (a.yaml:1); one is in the routing mesh, which has the port on every node
a.yaml:22: Service/c: spec.ports[0].published: 80/tcp is published by Service/a too (a.yaml:1)
a.yaml:47: Service/f: spec.ports[0].published: 9001/tcp is published by Service/e too (a.yaml:32); one is in the routing mesh, which has the port on every node
`},

		// Managers.
		{"managers", `
-- a.yaml --
$H
kind: Cluster
metadata: {name: default}
spec:
  managers:
    count: 1
-- b.yaml --
$H
kind: Node
metadata: {name: m1}
spec: {role: manager, id: 4hd41nyin8kn}
---
$H
kind: Node
metadata: {name: m2}
spec:
  role: manager
  id: 4hd41nyin8kn
-- problems --
a.yaml:6: Cluster/default: spec.managers.count: is 1, and 2 Nodes have role: manager: m1, m2
b.yaml:11: Node/m2: spec.id: Node/m1 states the same: a node is one
`},
		{"fewer pins than managers", `
-- a.yaml --
$H
kind: Cluster
metadata: {name: default}
spec: {managers: {count: 3}}
---
$H
kind: Node
metadata: {name: m1}
spec: {role: manager}
-- problems --
`},

		// Files that are ignored.
		{"ignore", `
-- .swarmoperatorignore --
# comments, blank lines and patterns as in .gitignore

compose*.yaml
/charts/
tests/**/broken
*.tmpl.yaml
!keep.tmpl.yaml
-- compose.prod.yaml --
x: [
-- charts/templates/a.yaml --
x: [
-- tests/a/b/broken/c.yaml --
x: [
-- sub/charts/a.yaml --
$H
kind: Network
metadata: {name: a}
-- keep.tmpl.yaml --
x: [
-- drop.tmpl.yaml --
x: [
-- problems --
keep.tmpl.yaml:1: is not valid YAML: a value is expected
`},
		{"a submodule's or a chart's directory may be named like a file", `
-- x.yaml/y.yaml --
$H
kind: Network
metadata: {name: a}
-- problems --
x.yaml: is a directory, although it is named like a manifest; rename it, or name it in .swarmoperatorignore
`},

		// Content.
		{"content", `
-- a/config.yaml --
$H
kind: Config
metadata: {name: a}
spec: {file: files/nginx.yaml}
---
$H
kind: Secret
metadata: {name: b}
spec: {file: ../shared/pass.txt}
---
$H
kind: Config
metadata: {name: c}
spec: {file: ./files/../files//manifest.yaml}
-- a/files/nginx.yaml --
{{ not: yaml
-- a/files/manifest.yaml --
apiVersion: apps/v1
-- shared/pass.txt --
s3cr3t
-- problems --
`},
		{"content that is not there", `
-- a/config.yaml --
$H
kind: Config
metadata: {name: a}
spec: {file: files/ngin.conf}
---
$H
kind: Config
metadata: {name: b}
spec: {file: fils/nginx.conf}
---
$H
kind: Config
metadata: {name: c}
spec: {file: files}
---
$H
kind: Config
metadata: {name: d}
spec: {file: files/nginx.conf/x}
---
$H
kind: Config
metadata: {name: e}
spec: {file: empty}
-- a/files/nginx.conf --
x
-- a/empty --
-- problems --
a/config.yaml:4: Config/a: spec.file: files/ngin.conf does not exist; did you mean nginx.conf?
a/config.yaml:9: Config/b: spec.file: fils/nginx.conf does not exist; did you mean files?
a/config.yaml:14: Config/c: spec.file: files is a directory; only regular files are read
a/config.yaml:19: Config/d: spec.file: files/nginx.conf/x is not there: nginx.conf is no directory
a/config.yaml:24: Config/e: spec.file: empty is empty; the engine takes no empty content
`},
		{"content that leads out", `
-- a/config.yaml --
$H
kind: Config
metadata: {name: a}
spec: {file: /etc/passwd}
---
$H
kind: Config
metadata: {name: b}
spec: {file: ../../etc/passwd}
---
$H
kind: Config
metadata: {name: c}
spec: {file: ..}
---
$H
kind: Config
metadata: {name: d}
spec: {file: '..\..\etc\passwd'}
---
$H
kind: Config
metadata: {name: e}
spec: {file: ../.git/config}
---
$H
kind: Config
metadata: {name: f}
spec: {file: ../.GIT/config}
---
$H
kind: Config
metadata: {name: g}
spec: {file: "../a/\0"}
---
$H
kind: Config
metadata: {name: h}
spec: {file: ../..}
-- .git/config --
x
-- problems --
a/config.yaml:4: Config/a: spec.file: /etc/passwd is an absolute path; it must be relative to the manifest
a/config.yaml:9: Config/b: spec.file: ../../etc/passwd leads out of the repository
a/config.yaml:14: Config/c: spec.file: .. is a directory; only regular files are read
a/config.yaml:19: Config/d: spec.file: "..\\..\\etc\\passwd" holds a backslash or NUL; directories are separated by /
a/config.yaml:24: Config/e: spec.file: ../.git/config leads into the repository's own files
a/config.yaml:29: Config/f: spec.file: ../.GIT/config leads into the repository's own files
a/config.yaml:34: Config/g: spec.file: "../a/\x00" holds a backslash or NUL; directories are separated by /
a/config.yaml:39: Config/h: spec.file: ../.. leads out of the repository
`},
		{"content and data", `
-- a.yaml --
$H
kind: Config
metadata: {name: a}
spec: {file: x, data: z}
-- x --
x
-- problems --
a.yaml:4: Config/a: spec.data: is stated beside spec.file; only one of them can be the content
`},
		{"content of content is no content", `
-- a.yaml --
$H
kind: Config
metadata: {name: a}
spec: {file: b.yaml}
-- b.yaml --
$H
kind: Config
metadata: {name: b}
spec: {file: c.yaml}
-- c.yaml --
$H
kind: Config
metadata: {name: c}
spec: {dta: x}
-- problems --
c.yaml:4: Config/c: spec.dta: unknown field; did you mean data?
`},
		{"content in a circle", `
-- a.yaml --
$H
kind: Config
metadata: {name: a}
spec: {file: b.yaml}
-- b.yaml --
$H
kind: Config
metadata: {name: b}
spec: {file: a.yaml}
-- problems --
a.yaml: is in a circle of manifests that name each other as content; a file cannot be both, so let one of them name another file
b.yaml: is in a circle of manifests that name each other as content; a file cannot be both, so let one of them name another file
`},
		{"content of a manifest that could not be read", `
-- a.yaml --
$H
kind: Config
metadata: {name: a
spec: {file: conf/b.yaml}
-- conf/b.yaml --
{{ not yaml
-- problems --
a.yaml:3: is not valid YAML: a mapping in braces is not closed, or a comma is missing
`},

		{"content that is none", `
-- a.yaml --
$H
kind: Config
metadata: {name: lfs}
spec: {file: big.bin}
---
$H
kind: Secret
metadata: {name: sops}
spec:
  file: s.enc.json
---
$H
kind: Config
metadata: {name: conflict}
spec: {file: conflict.conf}
---
$H
kind: Config
metadata: {name: inline}
spec:
  data: |
    a
    <<<<<<< HEAD
    b
    =======
    c
    >>>>>>> topic
---
$H
kind: Secret
metadata: {name: value}
spec: {data: "ENC[AES256_GCM,data:Tr7o,iv:1,tag:2,type:str]"}
---
$H
kind: Config
metadata: {name: meant}
spec: {file: conflict.conf, raw: true}
---
$H
kind: Secret
metadata: {name: external}
spec: {external: true, raw: true}
-- big.bin --
version https://git-lfs.github.com/spec/v1
oid sha256:0000000000000000000000000000000000000000000000000000000000000000
size 12345
-- s.enc.json --
{"data":"ENC[AES256_GCM,data:Tr7o,iv:1,tag:2,type:str]","sops":{"mac":"ENC[AES256_GCM,data:abc,type:str]","version":"3.8.1"}}
-- conflict.conf --
<<<<<<< HEAD
port=1
=======
port=2
>>>>>>> b
-- problems --
a.yaml:4: Config/lfs: spec.file: big.bin is a Git LFS pointer and not the file itself; commit the file without LFS (git lfs untrack), or state spec.raw: true if it is meant as it is
a.yaml:10: Secret/sops: spec.file: s.enc.json is encrypted by SOPS; the operator decrypts nothing: use an external secret, or content that is not encrypted, or state spec.raw: true if it is meant as it is
a.yaml:15: Config/conflict: spec.file: conflict.conf is text with the marks of a merge conflict (<<<<<<<, ======= and >>>>>>>); resolve the conflict and commit the file again, or state spec.raw: true if it is meant as it is
a.yaml:21: Config/inline: spec.data: is text with the marks of a merge conflict (<<<<<<<, ======= and >>>>>>>); resolve the conflict and commit the file again, or state spec.raw: true if it is meant as it is
a.yaml:32: Secret/value: spec.data: is encrypted by SOPS; the operator decrypts nothing: use an external secret, or content that is not encrypted, or state spec.raw: true if it is meant as it is
a.yaml:42: Secret/external: spec.raw: cannot be stated with external: the content of external secrets is not looked at
`},
		{"manifests that are none", `
-- age.yaml --
-----BEGIN AGE ENCRYPTED FILE-----
YWdl
-----END AGE ENCRYPTED FILE-----
-- conflict.yaml --
$H
kind: Network
metadata: {name: a}
<<<<<<< HEAD
spec: {internal: true}
=======
---
spec: {attachable: true}
>>>>>>> topic
-- lfs.yaml --
version https://git-lfs.github.com/spec/v1
oid sha256:0000000000000000000000000000000000000000000000000000000000000000
size 12345
-- sops.yaml --
$H
kind: Secret
metadata: {name: s}
spec: {data: "ENC[AES256_GCM,data:Tr7o,iv:1,tag:2,type:str]"}
sops:
  mac: ENC[AES256_GCM,data:abc,type:str]
-- problems --
age.yaml:1: is encrypted with age; the operator decrypts nothing, so a manifest must not be encrypted
conflict.yaml:4: is text with the marks of a merge conflict (<<<<<<<, ======= and >>>>>>>); resolve the conflict and commit the file again
lfs.yaml:1: is a Git LFS pointer and not the file itself; commit the file without LFS (git lfs untrack)
sops.yaml:4: Secret/s: spec.data: is encrypted by SOPS; the operator decrypts nothing: use an external secret, or content that is not encrypted, or state spec.raw: true if it is meant as it is
sops.yaml:5: Secret/s: sops: is what SOPS adds to a file that it encrypts; the operator decrypts nothing, so a manifest must not be encrypted
`},

		// The source's own file.
		{"source's name, misspelt", `
-- .swarm-operator.yaml --
nam: prod
-- a.yaml --
$H
kind: Network
metadata: {name: a}
-- problems --
.swarm-operator.yaml:1: nam: unknown field; did you mean name?
`},
		{"source's name, malformed", `
-- .swarm-operator.yaml --
# who we are
name: Prod
-- a.yaml --
$H
kind: Network
metadata: {name: a}
-- problems --
.swarm-operator.yaml:2: name: Prod may hold only lower-case letters, digits, ., _ and -, and must begin and end with a letter or digit
`},
		{"source's name, too long", `
-- .swarm-operator.yaml --
name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
-- a.yaml --
$H
kind: Network
metadata: {name: a}
-- problems --
.swarm-operator.yaml:1: name: has 41 characters; at most 40 are allowed
`},
		{"source's defaults, misspelt and not allowed", `
-- .swarm-operator.yaml --
name: prod
defaults:
  policy:
    prun: true
    suspend: true
-- a.yaml --
$H
kind: Network
metadata: {name: a}
-- problems --
.swarm-operator.yaml:4: defaults.policy.prun: unknown field; did you mean prune?
.swarm-operator.yaml:5: defaults.policy.suspend: unknown field; known are adopt, prune, enforce
`},
		{"source's defaults, of the wrong type and value", `
-- .swarm-operator.yaml --
defaults:
  policy: {prune: "yes"}
-- a.yaml --
$H
kind: Network
metadata: {name: a}
-- problems --
.swarm-operator.yaml:2: defaults.policy.prune: yes is not true or false
`},
		{"source's defaults, an unknown way to adopt", `
-- .swarm-operator.yaml --
name: prod
defaults: {policy: {enforce: true, adopt: takover}}
-- a.yaml --
$H
kind: Network
metadata: {name: a}
-- problems --
.swarm-operator.yaml:2: defaults.policy.adopt: "takover" is not one of never, ifIdentical, takeover; did you mean takeover?
`},
		{"source's list of names, not allowed", `
-- .swarm-operator.yaml --
name: prod
show:
- PUBLIC_KEY
- "*"
- "a b"
-- a.yaml --
$H
kind: Network
metadata: {name: a}
-- problems --
.swarm-operator.yaml:4: show[1]: "*" shows everything; state a name, in which * stands for any text
.swarm-operator.yaml:5: show[2]: "a b" is not a name: leave out spaces, = and control characters
`},
		{"source's list of names, of the wrong type", `
-- .swarm-operator.yaml --
show: PUBLIC_KEY
-- a.yaml --
$H
kind: Network
metadata: {name: a}
-- problems --
.swarm-operator.yaml:1: show: must be a list; found a string
`},
		{"source's name, no YAML", `
-- .swarm-operator.yaml --
name: [
-- a.yaml --
$H
kind: Network
metadata: {name: a}
-- problems --
.swarm-operator.yaml:1: is not valid YAML: a value is expected
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			files, want := archive(c.source)
			_, problems := load(files...)
			if diff := cmp.Diff(want, render(problems)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func archive(source string) (files []string, problems string) {
	source = strings.ReplaceAll(source, "$H", "apiVersion: swarm-operator.io/v1")
	for _, f := range txtar.Parse([]byte(source)).Files {
		if f.Name == "problems" {
			return files, string(f.Data)
		}
		files = append(files, f.Name, string(f.Data))
	}
	panic("the case has no file named problems")
}

func render(problems []v1.Problem) string {
	var b strings.Builder
	for _, p := range problems {
		b.WriteString(p.String() + "\n")
	}
	return b.String()
}

func TestSetAndPositions(t *testing.T) {
	set, problems := load(".swarm-operator.yaml", "name: prod.eu_1-a\n", "b.yaml", `# a comment
---
apiVersion: swarm-operator.io/v1
kind: Service
metadata:
  name: web
  labels:
    a.b/c: x
spec:
  image: nginx
  environment:
    A: x
    B: u
  ports:
  - target: 80
    published: 8080
  - target: 53
    protocol: udp
`, "a.yaml", "apiVersion: swarm-operator.io/v1\nkind: Service\nmetadata: {name: db}\nspec: {image: pg, environment: [\n A=b,\n C=d]}\n")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if set.Name != "prod.eu_1-a" {
		t.Errorf("name %q", set.Name)
	}
	if len(set.Entries) != 2 || set.Entries[0].Key().Name != "db" || set.Entries[1].Key().Name != "web" {
		t.Fatalf("entries are not sorted: %v", set.Entries)
	}
	if _, ok := set.Get(v1.Key{Kind: "Service", Name: "x"}); ok {
		t.Error("found what is not there")
	}
	web, ok := set.Get(v1.Key{Kind: "Service", Name: "web"})
	if !ok || web.File != "b.yaml" || web.Line != 3 {
		t.Fatalf("%v %+v", ok, web)
	}
	for path, want := range map[string]int{
		"":                                3,
		"kind":                            4,
		"metadata.name":                   6,
		`metadata.labels["a.b/c"]`:        8,
		`metadata.labels["x"]`:            7,
		"spec":                            9,
		"spec.environment.B":              13,
		`spec.environment["B"]`:           13,
		"spec.environment.C":              11,
		"spec.ports":                      14,
		"spec.ports[0]":                   15,
		"spec.ports[0].published":         16,
		"spec.ports[1].protocol":          18,
		"spec.ports[1].mode":              17,
		"spec.ports[2]":                   14,
		"spec.ports[80/tcp].published":    16,
		"spec.ports[53/udp]":              17,
		"spec.ports[54/udp].published":    14,
		"spec.networks[front].aliases[0]": 9,
		"nothing.of.this":                 3,
		"spec.ports[":                     14,
		"[[[.].":                          3,
		"spec..ports":                     9,
		`spec.environment["`:              11,
	} {
		if got := web.Position(path).Line; got != want {
			t.Errorf("line of %q is %d, want %d", path, got, want)
		}
	}
	db, _ := set.Get(v1.Key{Kind: "Service", Name: "db"})
	if a, c := db.Position("spec.environment.A").Line, db.Position("spec.environment.C").Line; a != 5 || c != 6 {
		t.Errorf("variables of a list are in lines %d and %d", a, c)
	}
	if (manifests.Entry{Line: 7}).Position("spec").Line != 7 {
		t.Error("an entry without marks has a line too")
	}
}

func TestContentIsSet(t *testing.T) {
	set, problems := load("a/c.yaml", "apiVersion: swarm-operator.io/v1\nkind: Secret\nmetadata: {name: s}\nspec: {file: ../p}\n", "p", "s3cr3t\n")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	s := set.Entries[0].Object.(*v1.Secret)
	if got := string(s.Spec.Data.Reveal()); got != "s3cr3t\n" {
		t.Errorf("content %q", got)
	}
}

func TestEncryptedContentIsRefusedUnlessItIsRaw(t *testing.T) {
	manifest := "apiVersion: swarm-operator.io/v1\nkind: Secret\nmetadata: {name: s}\nspec: {file: x.yaml%s}\n"
	for content, want := range map[string]string{
		"\x00GITCRYPT\x00\x01\x02\x03":                                     "encrypted by git-crypt",
		"age-encryption.org/v1\n-> X25519 abc\n--- x\n\xff":                "encrypted with age",
		"\x8c\x0d\x04\x09\x03\x02abcdefgh\x60\xd2\x40\x01":                 "encrypted by PGP",
		"\xfe\xed\xfe\xed\x00\x00\x00\x02\x00\x00\x00\x01 a store of Java": "",
	} {
		if _, problems := load("a.yaml", fmt.Sprintf(manifest, ""), "x.yaml", content); strings.Contains(render(problems), "x.yaml is "+want+";") != (want != "") || len(problems) > 1 {
			t.Errorf("%q: %v", content, problems)
		}
		set, problems := load("a.yaml", fmt.Sprintf(manifest, ", raw: true"), "x.yaml", content)
		if len(problems) > 0 {
			t.Errorf("%q, raw: %v", content, problems)
			continue
		}
		if got := string(set.Entries[0].Object.(*v1.Secret).Spec.Data.Reveal()); got != content {
			t.Errorf("%q became %q", content, got)
		}
	}
}

func TestSourceNameNeedsNoManifest(t *testing.T) {
	for _, c := range []struct {
		files []string
		root  string
		want  string
	}{
		{nil, ".", ""},
		{[]string{".swarm-operator.yaml", "name: shop", "a.yaml", "kind: ["}, ".", "shop"},
		{[]string{".swarm-operator.yaml", "name: shop"}, "prod", "shop"},
		{[]string{".swarm-operator.yaml", "name: shop", "prod/.swarm-operator.yaml", "name: prod"}, "prod", "prod"},
		{[]string{".swarm-operator.yaml", "name: Not A Name"}, ".", ""},
		{[]string{".swarm-operator.yaml", "name: shop\nnme: x"}, ".", ""},
		{[]string{".swarm-operator.yaml", "["}, ".", ""},
	} {
		if got := manifests.SourceName(tree(c.files...), c.root); got != c.want {
			t.Errorf("%v at %s: got %q, want %q", c.files, c.root, got, c.want)
		}
	}
}

// A key with points has two forms. Differences are written in one of them, so a path in the other would ignore nothing.
func TestPathsThatAreIgnoredAreInTheFormOfDifferences(t *testing.T) {
	known := manifests.Options{Kinds: []manifests.Kind{
		{Name: v1.KindService, New: func() v1.Object { return new(v1.Service) }}, {Name: v1.KindNodeSet, New: func() v1.Object { return new(v1.NodeSet) }},
	}}
	for _, c := range []struct{ kind, path, want string }{
		{"Service", "metadata.labels.a.b", `metadata.labels["a.b"]`},
		{"Service", `metadata.labels["a.b"]`, `metadata.labels["a.b"]`},
		{"Service", `metadata.labels["team"]`, "metadata.labels.team"},
		{"Service", "spec.sysctls.net.core.somaxconn", `spec.sysctls["net.core.somaxconn"]`},
		{"Service", "spec.mounts[/data].source", "spec.mounts[/data].source"},
		{"NodeSet", "spec.template.labels.a.b", `spec.template.labels["a.b"]`},
	} {
		spec := map[string]string{"Service": "{image: app}", "NodeSet": "{selector: {}, template: {labels: {a.b: x}}}"}[c.kind]
		text := "apiVersion: " + v1.APIVersion + "\nkind: " + c.kind + "\nmetadata: {name: a}\nspec: " + spec + "\npolicy: {ignoreDifferences: ['" + c.path + "']}\n"
		set, problems := manifests.NewLoader(known).Load(fstest.MapFS{"a.yaml": {Data: []byte(text)}}, ".")
		if len(problems) > 0 || len(set.Entries) != 1 {
			t.Errorf("%s: %v", c.path, problems)
			continue
		}
		if got := set.Entries[0].Object.Meta().Policy.IgnoreDifferences; len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: got %q, want %q", c.path, got, c.want)
		}
	}
}
