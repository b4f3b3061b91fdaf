package render_test

import (
	"bytes"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/manifests"
	"github.com/swarm-operator/swarm-operator/manifests/render"
	"github.com/swarm-operator/swarm-operator/test/generate"
)

var loader = manifests.NewLoader(manifests.Options{Kinds: []manifests.Kind{
	{Name: v1.KindService, New: func() v1.Object { return &v1.Service{} }},
	{Name: v1.KindNetwork, New: func() v1.Object { return &v1.Network{} }},
	{Name: v1.KindConfig, New: func() v1.Object { return &v1.Config{} }},
	{Name: v1.KindSecret, New: func() v1.Object { return &v1.Secret{} }},
	{Name: v1.KindNode, New: func() v1.Object { return &v1.Node{} }},
	{Name: v1.KindNodeSet, New: func() v1.Object { return &v1.NodeSet{} }},
	{Name: v1.KindCluster, New: func() v1.Object { return &v1.Cluster{} }},
}})

// load reads a manifest back. References need no manifests here.
func load(data []byte) (v1.Object, []v1.Problem) {
	set, problems := loader.Load(fstest.MapFS{"a.yaml": {Data: data}}, ".")
	var left []v1.Problem
	for _, p := range problems {
		if !strings.HasPrefix(p.Message, "there is no manifest of") {
			left = append(left, p)
		}
	}
	if len(set.Entries) != 1 {
		return nil, left
	}
	return set.Entries[0].Object, left
}

func header(kind, name string) v1.Header {
	return v1.Header{APIVersion: v1.APIVersion, Kind: kind, Metadata: v1.Metadata{Name: name}}
}

func ptr[T any](v T) *T { return &v }

func TestManifests(t *testing.T) {
	whole := &v1.Service{Header: header(v1.KindService, "web")}
	whole.Metadata.Labels = map[string]string{"team": "web", "on": "yes", "1.5": "#1"}
	whole.Spec = v1.ServiceSpec{
		Image:        "nginx:1.27",
		Entrypoint:   v1.StringList{"sh", "-c", "a\nb"},
		Command:      v1.StringList{"--flag", "true", "{{.Task.Slot}}", "a, b", ""},
		Environment:  v1.Environment{"TZ": v1.NoValue, "PORT": "8080", "AT": "2026-03-01", "DSN": "secret", "TEXT": "one\ntwo\n", "BELL": "\a", "IP": "10.0.0.1", "Q": `say "hi"`},
		Replicas:     ptr(uint64(0)),
		Ports:        []v1.Port{{Target: 80, Published: 8080}, {Target: 443, Mode: "host"}},
		Networks:     []v1.NetworkAttachment{{Name: "front"}, {Name: "back", Aliases: []string{"db", "1.5"}}},
		Configs:      []v1.ConfigMount{{Source: "conf", Mode: ptr(v1.FileMode(0o440))}},
		Secrets:      []v1.SecretMount{{Source: "key"}},
		Healthcheck:  &v1.Healthcheck{Test: v1.HealthTest{"CMD-SHELL", "curl -f http://localhost/"}, Interval: v1.Duration(90 * time.Second)},
		Resources:    &v1.Resources{Limits: v1.ResourceLimits{CPUs: 5e8, Memory: 256 << 20}},
		UpdateConfig: &v1.UpdateConfig{Parallelism: ptr(uint64(0)), MaxFailureRatio: 0.25},
		Logging:      &v1.Logging{Driver: "json-file", Options: map[string]string{"max-file": "3"}},
		Ulimits:      v1.Ulimits{"nofile": {Soft: 1, Hard: 2}, "nproc": {Soft: 5, Hard: 5}},
		TTY:          true,
	}
	for _, test := range []struct {
		name   string
		object v1.Object
		marks  render.Marks
		want   string
	}{
		{"the least", &v1.Network{Header: header(v1.KindNetwork, "front")}, render.Marks{}, `
apiVersion: swarm-operator.io/v1
kind: Network
metadata: {name: front}
`},
		{"a comment", &v1.Secret{Header: header(v1.KindSecret, "key"), Spec: v1.SecretSpec{External: true}}, render.Marks{Comment: []string{"Make it by hand:", "", "  docker"}}, `
# Make it by hand:
#
#   docker
apiVersion: swarm-operator.io/v1
kind: Secret
metadata: {name: key}
spec: {external: true}
`},
		{
			"a comment that would end too early", &v1.Network{Header: header(v1.KindNetwork, "front")},
			render.Marks{Comment: []string{"a\nb: c\r\u2028\u0085d"}},
			"\n# a\ufffdb: c\ufffd\ufffd\ufffdd\n" + `apiVersion: swarm-operator.io/v1
kind: Network
metadata: {name: front}
`,
		},
		{"a text", &v1.Config{Header: header(v1.KindConfig, "conf"), Spec: v1.ContentSpec{Data: v1.NewContent([]byte("server {\n\n\tlisten 80;\n}\n"))}}, render.Marks{}, `
apiVersion: swarm-operator.io/v1
kind: Config
metadata: {name: conf}
spec:
  data: |
    server {

    	listen 80;
    }
`},
		{"everything", whole, render.Marks{LeftOut: map[string]bool{"spec.environment.DSN": true, "spec.command[1]": true}}, `
apiVersion: swarm-operator.io/v1
kind: Service
metadata:
  name: web
  labels:
    "1.5": "#1"
    "on": "yes"
    team: web
spec:
  image: nginx:1.27
  entrypoint:
    - sh
    - -c
    - |-
      a
      b
  command:
    - --flag
    - !left-out ""
    - "{{.Task.Slot}}"
    - a, b
    - ""
  environment:
    AT: "2026-03-01"
    BELL: "\x07"
    DSN: !left-out ""
    IP: 10.0.0.1
    PORT: "8080"
    Q: say "hi"
    TEXT: |
      one
      two
    TZ: null
  replicas: 0
  ports:
    - {target: 80, published: 8080}
    - {target: 443, mode: host}
  networks:
    - front
    - {name: back, aliases: [db, "1.5"]}
  configs:
    - {source: conf, mode: "0440"}
  secrets: [key]
  healthcheck: {test: [CMD-SHELL, curl -f http://localhost/], interval: 1m30s}
  resources: {limits: {cpus: "0.5", memory: 256MiB}}
  updateConfig: {parallelism: 0, maxFailureRatio: 0.25}
  logging: {driver: json-file, options: {max-file: "3"}}
  tty: true
  ulimits:
    nofile: {soft: 1, hard: 2}
    nproc: 5
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := render.Manifest(test.object, test.marks)
			if d := cmp.Diff(strings.TrimPrefix(test.want, "\n"), string(got)); d != "" {
				t.Fatalf("(-want +got):\n%s", d)
			}
			read, problems := load(got)
			if len(problems) != len(test.marks.LeftOut) || read == nil {
				t.Fatalf("it reads back as %v with problems %v", read, problems)
			}
			if len(problems) == 0 {
				same(t, test.object, read)
			}
			for _, p := range problems {
				if p.Line == 0 || !p.Holds || !strings.Contains(p.Message, "left out") || !test.marks.LeftOut[p.Path] {
					t.Errorf("a problem: %v", p)
				}
			}
		})
	}
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// same fails if two manifests state different things.
func same(t fataler, want, got v1.Object) {
	t.Helper()
	shape := diff.NewShape(want)
	if d := cmp.Diff(texts(shape.Flatten(want)), texts(shape.Flatten(got))); d != "" {
		t.Fatalf("what was read back (-written +read):\n%s", d)
	}
	if c, is := want.(v1.ContentHolder); is && !bytes.Equal(c.Content().Reveal(), got.(v1.ContentHolder).Content().Reveal()) {
		t.Fatalf("the content %q was read back as %q", c.Content().Reveal(), got.(v1.ContentHolder).Content().Reveal())
	}
}

func texts(leaves []diff.Leaf) map[string]string {
	out := map[string]string{}
	for _, l := range leaves {
		out[l.Path] = l.Text
	}
	return out
}

// hard are texts that readers of YAML take for something else, or that writers of YAML get wrong.
var hard = rapid.OneOf(
	rapid.SampledFrom([]string{
		"", " ", "\n", "\n\n", "a\n", "a\n\n", "\na", " a\nb", "\ta\nb", "a\n b\n", "a\n \nb\n", "a\n ", "a\r\nb\r\n", "\r", "a\u0085b\n", "a\u2028b\n", "\ufeffa\n", "\u202ea\n", "\x00\n",
		"y", "No", "ON", "null", "~", "0", "-0", "0o17", "0x1f", "1_000", "1:30", "1e3", ".5", "+1", "-.inf", ".nan", "1.2.3", "10.0.0.1", "2026-03-01", "2026-3-1 10:00:00", "=", "<<", "!a", "&a", "*a",
		"- a", "-", "--", "---", "...", "--- a\n--- b\n", "? a", "a: b", "a:", ":a", "a #b", "#a", "a#b", "[a", "a]", "{a", "a, b", "@a", "`a", "%a", "|", ">", "'", "\"", "''", "a'b", "a\"b", "a\\b", "\\n", "ä", "日本", "🐋",
		"<<<<<<< a\n=======\n>>>>>>> b\n",
	}),
	rapid.StringOf(rapid.SampledFrom([]rune(" \n\t\r:#-'\"\\|>{}[],&*!%@`?~=a1.é\u00a0"))),
	rapid.String(),
)

// Whatever texts a manifest holds, they are read back byte for byte.
func TestTextsAreReadBack(t *testing.T) { rapid.Check(t, readBack) }
func FuzzTexts(f *testing.F)            { generate.Fuzz(f, readBack) }

func readBack(t *rapid.T) {
	text := func(label string) string { return hard.Draw(t, label) }
	c := &v1.Config{Header: header(v1.KindConfig, "conf"), Spec: v1.ContentSpec{Data: v1.NewContent([]byte("x" + text("content"))), Raw: true}}
	if rapid.Bool().Draw(t, "from its first byte on") {
		c.Spec.Data = v1.NewContent(append(c.Spec.Data.Reveal()[1:], '\n'))
	}
	s := &v1.Service{Header: header(v1.KindService, "web")}
	name := func(r rune) rune {
		if r == '=' || r == 0 {
			return '_'
		}
		return r
	}
	s.Spec.Image, s.Spec.Hostname = "a", text("hostname")
	s.Spec.Command = v1.StringList{"a", text("word"), text("another word")}
	s.Spec.Environment = v1.Environment{"A": strings.ReplaceAll(text("value"), "\x00", ""), "n" + strings.Map(name, text("name")): "b"}
	s.Spec.Logging = &v1.Logging{Driver: "a", Options: map[string]string{"o": text("option")}}
	for _, o := range []v1.Object{c, s} {
		data := render.Manifest(o, render.Marks{})
		read, problems := load(data)
		if len(problems) > 0 || read == nil {
			t.Fatalf("%v\n%s", problems, data)
		}
		same(t, o, read)
	}
}

// Generated manifests are read back as they were, and written again with the same bytes.
func TestGeneratedManifestsAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, o := range append(generate.Source(t), generate.Nodes(t)...) {
			data := render.Manifest(o, render.Marks{})
			read, problems := load(data)
			if len(problems) != len(o.Validate()) || read == nil {
				t.Fatalf("%v\n%s", problems, data)
			}
			same(t, o, read)
			if again := render.Manifest(read, render.Marks{}); !bytes.Equal(again, data) {
				t.Fatalf("written again:\n%s\nand before:\n%s", again, data)
			}
		}
	})
}

// A text that is not quoted is a string for the reader of YAML 1.1 that the project links, too.
func TestPlainTextsAreStrings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("0123456789._-+:eExXoOaAfFnNyYtTlLuU ~=<"))).Draw(t, "text")
		s := &v1.Service{Header: header(v1.KindService, "web"), Spec: v1.ServiceSpec{Image: "a", Hostname: text}}
		var out struct{ Spec struct{ Hostname any } }
		if err := yaml.Unmarshal(render.Manifest(s, render.Marks{}), &out); err != nil {
			t.Fatal(err)
		}
		if got, is := out.Spec.Hostname.(string); text != "" && (!is || got != text) {
			t.Fatalf("%q is read as %#v", text, out.Spec.Hostname)
		}
	})
}
