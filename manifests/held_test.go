package manifests_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Each case is a source as txtar. Its last file, held, lists the objects that problems hold, or says that the
// revision is refused.
func TestWhatAProblemHolds(t *testing.T) {
	for _, c := range []struct{ name, source string }{
		{"a value of the wrong type", `
-- a.yaml --
$H
kind: Service
metadata: {name: a}
spec: {image: app, replicas: three}
-- b.yaml --
$H
kind: Service
metadata: {name: b}
spec: {image: app}
-- held --
Service/a: its manifest has a problem: a.yaml:4: spec.replicas: three is not a whole number in plain decimals
`},
		{"a value that is not allowed, and what depends on it", `
-- a.yaml --
$H
kind: Network
metadata: {name: net}
spec: {driver: overlay, ipam: {config: [{subnet: 10.0.0.0/33}]}}
---
$H
kind: Service
metadata: {name: a}
spec: {image: app, networks: [net]}
---
$H
kind: Service
metadata: {name: b}
spec: {image: app}
policy: {dependsOn: [Service/a]}
---
$H
kind: Service
metadata: {name: c}
spec: {image: app}
-- held --
Network/net: its manifest has a problem: a.yaml:4
Service/a: it depends on Network/net, which is held: a.yaml:4
Service/b: it depends on Service/a, which is held: a.yaml:4
`},
		{"a file that is not there", `
-- a.yaml --
$H
kind: Config
metadata: {name: conf}
spec: {file: nowhere}
---
$H
kind: Service
metadata: {name: a}
spec: {image: app, configs: [conf]}
-- held --
Config/conf: its manifest has a problem: a.yaml:4: spec.file: nowhere does not exist
Service/a: it depends on Config/conf, which is held: a.yaml:4
`},
		{"a reference to nothing", `
-- a.yaml --
$H
kind: Service
metadata: {name: a}
spec: {image: app, networks: [net]}
-- held --
Service/a: its manifest has a problem: a.yaml:4: spec.networks[0].name: there is no manifest of Network/net
`},
		{"a port of two", `
-- a.yaml --
$H
kind: Service
metadata: {name: a}
spec: {image: app, ports: [{target: 80, published: 80}]}
---
$H
kind: Service
metadata: {name: b}
spec: {image: app, ports: [{target: 81, published: 80}]}
-- held --
Service/a: its manifest does not go with another one: a.yaml:9
Service/b: its manifest has a problem: a.yaml:9
`},
		{"a subnet of two", `
-- a.yaml --
$H
kind: Network
metadata: {name: a}
spec: {ipam: {config: [{subnet: 10.9.0.0/16}]}}
---
$H
kind: Network
metadata: {name: b}
spec: {ipam: {config: [{subnet: 10.9.1.0/24}]}}
-- held --
Network/a: its manifest does not go with another one: a.yaml:9
Network/b: its manifest has a problem: a.yaml:9
`},
		{"a cycle holds all of it", `
-- a.yaml --
$H
kind: Service
metadata: {name: a}
spec: {image: app}
policy: {dependsOn: [Service/b]}
---
$H
kind: Service
metadata: {name: b}
spec: {image: app}
policy: {dependsOn: [Service/a]}
-- held --
Service/a: it depends on Service/b, which is held: a.yaml
Service/b: its manifest has a problem: a.yaml
`},
		{"nodes and managers are one thing", `
-- a.yaml --
$H
kind: Cluster
metadata: {name: default}
spec: {managers: {count: 3}}
---
$H
kind: Node
metadata: {name: n1}
spec: {availability: dry}
---
$H
kind: Service
metadata: {name: a}
spec: {image: app}
-- held --
Cluster/default: Node/n1 is held, and the manifests of nodes and managers belong together: a.yaml:9
Node/n1: its manifest has a problem: a.yaml:9
`},
		{"an unknown field refuses the revision", `
-- a.yaml --
$H
kind: Service
metadata: {name: a}
spec: {image: app, replica: 3}
-- held --
refused
`},
		{"a field that stands twice refuses the revision", `
-- a.yaml --
$H
kind: Service
metadata: {name: a}
spec: {image: app, image: app2}
-- held --
refused
`},
		{"an object that stands twice refuses the revision", `
-- a.yaml --
$H
kind: Service
metadata: {name: a}
spec: {image: app}
---
$H
kind: Service
metadata: {name: a}
spec: {image: app}
-- held --
refused
`},
		{"a name that is one without case refuses the revision", `
-- a.yaml --
$H
kind: Service
metadata: {name: a}
spec: {image: app}
---
$H
kind: Service
metadata: {name: A}
spec: {image: app}
-- held --
refused
`},
		{"a name that is none refuses the revision", `
-- a.yaml --
$H
kind: Service
metadata: {name: a b}
spec: {image: app}
-- held --
refused
`},
		{"a name that is a number refuses the revision", `
-- a.yaml --
$H
kind: Service
metadata: {name: 12}
spec: {image: app}
-- held --
refused
`},
		{"a file that is no YAML refuses the revision", `
-- a.yaml --
$H
kind: Service
metadata: {name: a}
spec: {image: app
-- b.yaml --
$H
kind: Service
metadata: {name: b}
spec: {image: app, replicas: three}
-- held --
refused
`},
		{"a kind that is not known refuses the revision", `
-- a.yaml --
$H
kind: Deployment
metadata: {name: a}
spec: {image: app}
-- held --
refused
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			archive := txtar.Parse([]byte(strings.ReplaceAll(c.source, "$H", "apiVersion: "+v1.APIVersion)))
			last := len(archive.Files) - 1
			want := strings.TrimSpace(string(archive.Files[last].Data))
			var files []string
			for _, f := range archive.Files[:last] {
				files = append(files, f.Name, string(f.Data))
			}
			set, problems := load(files...)
			got := "refused"
			if len(v1.Refusing(problems)) == 0 {
				var lines []string
				for _, key := range slices.SortedFunc(maps.Keys(set.Held), v1.Key.Compare) {
					lines = append(lines, fmt.Sprintf("%s: %s", key, set.Held[key]))
				}
				got = strings.Join(lines, "\n")
			}
			gots, wants := strings.Split(got, "\n"), strings.Split(want, "\n")
			if len(gots) != len(wants) {
				t.Fatalf("got\n%s\nwant\n%s\nproblems\n%v", got, want, problems)
			}
			for i := range wants {
				if !strings.HasPrefix(gots[i], wants[i]) {
					t.Error(cmp.Diff(wants[i], gots[i]))
				}
			}
		})
	}
}
