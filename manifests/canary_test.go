package manifests_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/manifests"
	"github.com/swarm-operator/swarm-operator/test/turn"
)

// canary stands at every place where a secret may be. No problem may ever show it.
const canary = "c4n4ry"

func checkCanary(t *testing.T, what string, problems []v1.Problem) {
	t.Helper()
	for _, p := range problems {
		if strings.Contains(fmt.Sprintf("%s %+v %#v", p, p, p), canary) {
			t.Fatalf("%s shows the secret: %s", what, p)
		}
	}
}

// secretFile holds a canary in every place for secrets, in the forms that people use.
const secretFile = `apiVersion: swarm-operator.io/v1
kind: Service
metadata:
  name: web
  labels: {api-token: c4n4ry, "a.b/secret": "c4n4ry"}
spec:
  image: nginx
  environment:
    DB_PASSWORD: c4n4ry
    API_KEY: "c4n4ry"
    DATABASE: postgres://user:c4n4ry@db/x
    CREDENTIALS: 'c4n4ry'
  containerLabels:
    auth.token: c4n4ry
  command: psql postgres://user:c4n4ry@db/x
  logging: {driver: splunk, options: {splunk-token: c4n4ry}}
---
apiVersion: swarm-operator.io/v1
kind: Service
metadata: {name: list}
spec:
  image: nginx
  environment:
  - DB_PASSWORD=c4n4ry
  - URL=https://c4n4ry:c4n4ry@host/
  healthcheck: {test: [CMD, curl, "https://u:c4n4ry@localhost"]}
---
apiVersion: swarm-operator.io/v1
kind: Secret
metadata: {name: s}
spec:
  data: c4n4ry
---
apiVersion: swarm-operator.io/v1
kind: Secret
metadata: {name: t}
spec: {data: "c4n4ry"}
---
apiVersion: swarm-operator.io/v1
kind: Config
metadata: {name: c}
spec:
  data: |
    password = c4n4ry
    more
`

func TestFileWithTheCanaryIsValid(t *testing.T) {
	if _, problems := load("a.yaml", secretFile); len(problems) > 0 {
		t.Fatal(problems)
	}
}

// The test makes every mistake of one keystroke: a byte is missing, a byte is too many, or the file is cut off.
func TestSlipsShowNoSecret(t *testing.T) {
	l := manifests.NewLoader(options)
	try := func(what, text string) {
		_, problems := l.Load(tree("a.yaml", text), ".")
		checkCanary(t, what+"\n"+text, problems)
	}
	const extra = "\n \t:-=\"'{}[]&*!|>#%@,?\\0"
	places := make([]int, len(secretFile))
	for i := range places {
		places[i] = i
	}
	every := 3
	if raceEnabled || testing.Short() {
		every = 29
	}
	for _, i := range turn.Part(every, places) {
		// Within a canary a slip makes it a different word.
		if inside := strings.LastIndex(secretFile[:i+1], canary); inside >= 0 && i > inside && i < inside+len(canary) {
			continue
		}
		try("cut off", secretFile[:i])
		if !strings.HasPrefix(secretFile[i:], canary) {
			try("left out", secretFile[:i]+secretFile[i+1:])
		}
		for _, c := range extra {
			try("too much: "+string(c), secretFile[:i]+string(c)+secretFile[i:])
		}
	}
}

// The test puts values that are wrong into each place that may hold a secret.
func TestWrongValuesShowNoSecret(t *testing.T) {
	values := []string{
		"[c4n4ry]", "{c4n4ry: c4n4ry}", "{a: c4n4ry}", "!c4n4ry c4n4ry", "!!binary c4n4ry", "!!int c4n4ry", "!!float c4n4ry", "&c4n4ry", "*c4n4ry", "c4n4ry: c4n4ry", "[[c4n4ry]]",
		`"c4n4ry`, `'c4n4ry`, `"\c4n4ry"`, "|\n    c4n4ry\n   c4n4ry", "@c4n4ry", "`c4n4ry", "%c4n4ry", "{c4n4ry", "[c4n4ry", "c4n4ry #", "\"c4n4ry\x01\"", "\"c4n4ry\xff\"", "https://u:c4n4ry@h:port:x",
		"{<<: c4n4ry}", "{<<: [c4n4ry]}", "? c4n4ry", "[c4n4ry: c4n4ry]", "{? [c4n4ry] : c4n4ry}", "{https://u:c4n4ry@h: x}", "[https://u:c4n4ry@h]",
	}
	for place, format := range map[string]string{
		"secret":         "kind: Secret\nmetadata: {name: s}\nspec:\n  data: %s\n",
		"config":         "kind: Config\nmetadata: {name: s}\nspec:\n  data: %s\n",
		"content":        "kind: Secret\nmetadata: {name: s}\nspec:\n  data: %s\n  file: x\n",
		"misspelt":       "kind: Secret\nmetadata: {name: s}\nspec:\n  dta: %s\n",
		"twice":          "kind: Secret\nmetadata: {name: s}\nspec:\n  data: a\n  data: %s\n",
		"environment":    "kind: Service\nmetadata: {name: s}\nspec:\n  image: x\n  environment:\n    DB_PASSWORD: %s\n",
		"list":           "kind: Service\nmetadata: {name: s}\nspec:\n  image: x\n  environment:\n  - DB_PASSWORD=a\n  - DB_PASSWORD=%s\n",
		"list of pairs":  "kind: Service\nmetadata: {name: s}\nspec:\n  image: x\n  environment:\n  - DB_PASSWORD: %s\n",
		"value alone":    "kind: Service\nmetadata: {name: s}\nspec:\n  image: x\n  environment:\n  - c4n4ry\n  - %s\n",
		"label":          "kind: Service\nmetadata: {name: s, labels: {token: %s}}\nspec:\n  image: x\n",
		"option":         "kind: Service\nmetadata: {name: s}\nspec:\n  image: x\n  logging: {options: {splunk-token: %s}}\n",
		"driver option":  "kind: Network\nmetadata: {name: s}\nspec:\n  driverOpts: {secret: %s}\n",
		"wrong place":    "kind: Service\nmetadata: {name: s}\nspec:\n  image: x\n  environment:\n  DB_PASSWORD: %s\n",
		"wrong kind":     "kind: Secrt\nmetadata: {name: s}\nspec:\n  data: %s\n",
		"wrong version":  "kind: Secret\napiVersion: v2\nmetadata: {name: s}\nspec:\n  data: %s\n",
		"ipam options":   "kind: Network\nmetadata: {name: s}\nspec:\n  ipam: {options: {password: %s}}\n",
		"nothing before": "DB_PASSWORD: %s\n",
	} {
		for _, value := range values {
			text := fmt.Sprintf(format, value)
			_, problems := load("a.yaml", "apiVersion: swarm-operator.io/v1\n"+text)
			checkCanary(t, place+"\n"+text, problems)
		}
	}
}

// The test puts URLs with a password wherever a message might repeat the value.
func TestURLsShowNoPassword(t *testing.T) {
	const value = `"https://user:c4n4ry@host/path"`
	for _, spec := range []string{
		"image: " + value, "mode: " + value, "replicas: " + value, "init: " + value, "stopGracePeriod: " + value, "hostname: " + value,
		"ports: [{target: " + value + "}]", "ports: [{target: 1, protocol: " + value + "}]", "mounts: [{type: " + value + ", target: /x}]", "mounts: [{type: bind, source: " + value + ", target: /x}]",
		"networks: [" + value + "]", "configs: [" + value + "]", "secrets: [{source: " + value + "}]", "extraHosts: [" + value + "]", "extraHosts: {" + value + ": x}",
		"resources: {limits: {cpus: " + value + ", memory: " + value + "}}", "placement: {constraints: [" + value + "], preferences: [{spread: " + value + "}]}",
		"updateConfig: {order: " + value + ", failureAction: " + value + ", maxFailureRatio: " + value + "}", "restartPolicy: {condition: " + value + "}", "healthcheck: {test: [" + value + "]}",
		"command: https://user:c4n4ry@host/'", value + ": x", "environment: {" + value + ": 010}", "environment: [" + value + "]", "configs: [{source: a, mode: " + value + "}]",
	} {
		_, problems := load("a.yaml", service(spec)+"policy: {dependsOn: ["+value+", Service/"+value[1:], "x.yaml", "apiVersion: "+value+"\nkind: "+value, "y.yaml", "apiVersion: swarm-operator.io/v1\nkind: "+value)
		checkCanary(t, spec, problems)
		_, problems = load("a.yaml", service(spec)+"policy: {adopt: "+value+", ignoreDifferences: ["+value+"], dependsOn: ["+value+"]}\n")
		checkCanary(t, spec, problems)
	}
	for _, text := range []string{
		"kind: Secret\nmetadata: {name: s}\nspec: {file: " + value + "}\n", "kind: Secret\nmetadata: {name: " + value + "}\nspec: {data: x}\n",
		"kind: Network\nmetadata: {name: x}\nspec: {ipam: {config: [{subnet: " + value + ", gateway: " + value + "}]}}\n", "kind: Network\nmetadata: {name: x, labels: {" + value + ": 010}}\n",
	} {
		_, problems := load("a.yaml", "apiVersion: swarm-operator.io/v1\n"+text)
		if len(problems) == 0 {
			t.Errorf("no problem: %s", text)
		}
		checkCanary(t, text, problems)
	}
	_, problems := load("a.yaml", service(""), ".swarm-operator.yaml", "name: "+value)
	checkCanary(t, "source name", problems)
}

// The test names files as content that cannot be used: a missing one, a large one, a link, a path that leads out.
func TestContentFilesShowNoSecret(t *testing.T) {
	const secret = "apiVersion: swarm-operator.io/v1\nkind: Secret\nmetadata: {name: s}\nspec: {file: %s}\n"
	fsys := fstest.MapFS{"pass.yaml": {Data: []byte(canary + ": [")}, "big": {Data: []byte(strings.Repeat(canary, 1<<18))}, "link": {Mode: fs.ModeSymlink, Data: []byte("pass.yaml")}, "link.yaml": {Mode: fs.ModeSymlink, Data: []byte(canary)}}
	for _, name := range []string{"pass.yaml", "big", "link", "link.yaml", "../x", "x"} {
		fsys["a.yaml"] = &fstest.MapFile{Data: []byte(fmt.Sprintf(secret, name))}
		_, problems := manifests.NewLoader(options).Load(fsys, ".")
		checkCanary(t, name, problems)
	}
}
