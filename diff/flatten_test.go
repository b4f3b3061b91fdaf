package diff

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/test/generate"
)

func TestFlatten(t *testing.T) {
	none, mode, replicas := v1.Duration(0), v1.FileMode(0o440), uint64(0)
	s := &v1.Service{Header: v1.Header{Metadata: v1.Metadata{Name: "web", Labels: map[string]string{"tier": "front", "a.b/c": "", "0x": "1"}}}}
	s.Spec = v1.ServiceSpec{
		Image: "bb:1", Replicas: &replicas, Command: v1.StringList{"sh", "-c", `a && b < "c"`},
		Environment: v1.Environment{"LOG_LEVEL": "info", "A.B": "x", "EMPTY": ""},
		Ports:       []v1.Port{{Target: 80, Published: 8080}, {Target: 80, Published: 8081}, {Target: 53, Protocol: "udp"}},
		Configs:     []v1.ConfigMount{{Source: "c", Mode: &mode}}, Mounts: []v1.Mount{{Type: "tmpfs", Target: "/t", Tmpfs: &v1.TmpfsOptions{Size: 1 << 20}}},
		Networks:    []v1.NetworkAttachment{{Name: "front", Aliases: []string{"www"}}},
		Healthcheck: &v1.Healthcheck{Interval: v1.Duration(90 * time.Second)}, RestartPolicy: &v1.RestartPolicy{Delay: &none},
		Resources: &v1.Resources{Limits: v1.ResourceLimits{CPUs: 5e8, Memory: 64 << 20}}, UpdateConfig: &v1.UpdateConfig{MaxFailureRatio: 0.25},
		Placement: &v1.Placement{Preferences: []v1.Preference{{Spread: "node.labels.rack"}}},
	}
	want := []string{
		`metadata.labels.tier (metadata.labels.*, tier) = front`,
		`metadata.labels["0x"] (metadata.labels.*, 0x) = 1`,
		`metadata.labels["a.b/c"] (metadata.labels.*, a.b/c) = `,
		`spec.command (spec.command) = ["sh","-c","a && b < \"c\""]`,
		`spec.configs[/c].mode (spec.configs[].mode) = 0440`,
		`spec.configs[/c].source (spec.configs[].source) = c`,
		`spec.environment.EMPTY (spec.environment.*, EMPTY) = `,
		`spec.environment.LOG_LEVEL (spec.environment.*, LOG_LEVEL) = info`,
		`spec.environment["A.B"] (spec.environment.*, A.B) = x`,
		`spec.healthcheck.interval (spec.healthcheck.interval) = 1m30s`,
		`spec.image (spec.image) = bb:1`,
		`spec.mounts[/t].target (spec.mounts[].target) = /t`,
		`spec.mounts[/t].tmpfs.size (spec.mounts[].tmpfs.size) = 1MiB`,
		`spec.mounts[/t].type (spec.mounts[].type) = tmpfs`,
		`spec.networks[front].aliases (spec.networks[].aliases) = ["www"]`,
		`spec.networks[front].name (spec.networks[].name) = front`,
		`spec.placement.preferences (spec.placement.preferences) = [{"spread":"node.labels.rack"}]`,
		`spec.ports[53/udp].protocol (spec.ports[].protocol) = udp`,
		`spec.ports[53/udp].target (spec.ports[].target) = 53`,
		`spec.ports[80/tcp#2].published (spec.ports[].published) = 8081`,
		`spec.ports[80/tcp#2].target (spec.ports[].target) = 80`,
		`spec.ports[80/tcp].published (spec.ports[].published) = 8080`,
		`spec.ports[80/tcp].target (spec.ports[].target) = 80`,
		`spec.replicas (spec.replicas) = 0`,
		`spec.resources.limits.cpus (spec.resources.limits.cpus) = 0.5`,
		`spec.resources.limits.memory (spec.resources.limits.memory) = 64MiB`,
		`spec.restartPolicy.delay (spec.restartPolicy.delay) = 0s`,
		`spec.updateConfig.maxFailureRatio (spec.updateConfig.maxFailureRatio) = 0.25`,
	}
	var got []string
	for _, l := range serviceShape.Flatten(s) {
		at := l.Type
		if l.Key != "" {
			at += ", " + l.Key
		}
		got = append(got, l.Path+" ("+at+") = "+l.Text)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("leaves (-want +got):\n%s", d)
	}
}

func TestWhatIsZeroHasNoLeaf(t *testing.T) {
	yes, no := true, false
	for name, s := range map[string]v1.ServiceSpec{
		"nothing": {}, "empty lists": {Command: v1.StringList{}, Ports: []v1.Port{}, Environment: v1.Environment{}}, "empty groups": {Resources: &v1.Resources{}, Placement: &v1.Placement{}, Healthcheck: &v1.Healthcheck{}},
	} {
		if got := serviceShape.Flatten(&v1.Service{Spec: s}); len(got) > 0 {
			t.Errorf("%s: got %v", name, got)
		}
	}
	for text, init := range map[string]*bool{"true": &yes, "false": &no} {
		if got := serviceShape.Flatten(&v1.Service{Spec: v1.ServiceSpec{Init: init}}); len(got) != 1 || got[0].Text != text {
			t.Errorf("init %s: got %v", text, got)
		}
	}
}

func TestContentHasNoLeaf(t *testing.T) {
	shape := NewShape(&v1.Secret{})
	s := &v1.Secret{Spec: v1.SecretSpec{Data: v1.NewContent([]byte("canary"))}}
	if got := shape.Flatten(s); len(got) > 0 {
		t.Errorf("got %v", got)
	}
	if d := cmp.Diff([]string{"metadata.labels.*", "spec.driver", "spec.driverOpts.*", "spec.external", "spec.file", "spec.raw", "spec.templateDriver"}, shape.Types()); d != "" {
		t.Errorf("types (-want +got):\n%s", d)
	}
}

func TestMarkStated(t *testing.T) {
	got := MarkStated(leaves("!a=1", "!b=2", "!c=3", "!d=4"), leaves("b=other", "bb=x", "d=4", "e=5"))
	var stated []string
	for _, l := range got {
		if l.Stated {
			stated = append(stated, l.Path)
		}
	}
	if d := cmp.Diff([]string{"b", "d"}, stated); d != "" {
		t.Errorf("stated (-want +got):\n%s", d)
	}
}

// Every leaf has a type that Types knows, a path of its own, and its place in the order.
func flattened(t *rapid.T) {
	s := generate.Service(t, "web")
	types := serviceShape.Types()
	for range 2 {
		got := serviceShape.Flatten(s)
		for i, l := range got {
			if i > 0 && got[i-1].Path >= l.Path {
				t.Fatalf("%s is not before %s", got[i-1].Path, l.Path)
			}
			if _, ok := slices.BinarySearch(types, l.Type); !ok {
				t.Fatalf("%s is of an unknown type %s", l.Path, l.Type)
			}
			if found, ok := (&State{Leaves: got}).Leaf(l.Path); !ok || found != l {
				t.Fatalf("%s is not found", l.Path)
			}
		}
		s.Default()
	}
}

func TestFlattened(t *testing.T) { rapid.Check(t, flattened) }

const canary = "hunter2-canary"

func TestSecretsAreHidden(t *testing.T) {
	secret := map[string]Leaf{
		"a password":             {Path: "spec.environment.DB_PASSWORD", Key: "DB_PASSWORD", Text: canary},
		"a token in lower case":  {Path: "spec.environment.api_token", Key: "api_token", Text: canary},
		"a key":                  {Path: "metadata.labels.key", Key: "key", Text: canary},
		"a DSN":                  {Path: "spec.environment.DSN", Key: "DSN", Text: "host=db password=" + canary},
		"credentials":            {Path: "spec.environment.AWS_CREDENTIALS", Key: "AWS_CREDENTIALS", Text: canary},
		"an option of a driver":  {Path: "spec.logging.options.splunk-token", Key: "splunk-token", Text: canary},
		"a URL with a password":  {Path: "spec.environment.URL", Key: "URL", Text: "postgres://user:" + canary + "@db/x"},
		"a URL without a user":   {Path: "spec.environment.URL", Key: "URL", Text: "redis://:" + canary + "@cache"},
		"a NAME_FILE, no path":   {Path: "spec.environment.DB_PASSWORD_FILE", Key: "DB_PASSWORD_FILE", Text: canary},
		"a URL among words":      {Path: "spec.command", Type: "spec.command", Text: `["--db","mysql://u:` + canary + `@db"]`},
		"the second of two URLs": {Path: "spec.command", Text: "http://a/ amqp://u:" + canary + "@b"},
	}
	for name, l := range secret {
		t.Run(name, func(t *testing.T) {
			l.Stated = true
			v := valueOf(l, true).InGit()
			if !v.Hidden() || !strings.Contains(v.Reveal(), canary) {
				t.Errorf("hidden %t", v.Hidden())
			}
			silent(t, v)
			silent(t, &v)
			silent(t, v.Public())
			silent(t, l)
			silent(t, []Leaf{l})
			silent(t, State{Leaves: []Leaf{l}})
			f := Field{Path: l.Path, Have: v, Want: v}
			silent(t, f)
			silent(t, Change{Fields: []Field{f}, Have: &State{Leaves: []Leaf{l}}})
			silent(t, NewApplied([]Leaf{l}))
		})
	}
	open := map[string]Leaf{
		"an ordinary variable":       {Key: "LOG_LEVEL", Text: "info"},
		"the path of a secret":       {Key: "DB_PASSWORD_FILE", Text: "/run/secrets/db"},
		"a URL":                      {Key: "URL", Text: "http://host:8080/a@b"},
		"a URL with a user alone":    {Key: "URL", Text: "ssh://git@host/x"},
		"a host and a port":          {Text: "db:5432@x"},
		"a leaf that is no key's":    {Path: "spec.image", Text: "registry/secret:1"},
		"a leaf that is no variable": {Path: "spec.secrets[token].source", Text: "token-0123456789"},
	}
	for name, l := range open {
		if v := valueOf(l, true).InGit(); v.Hidden() || v.String() != l.Text {
			t.Errorf("%s is hidden", name)
		}
	}
}

// silent prints and marshals a value in every way, and fails if the canary shows.
func silent(t *testing.T, v any) {
	t.Helper()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T", "%30s", "%t", "%g"} {
		if text := fmt.Sprintf(verb, v); strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) {
			t.Errorf("%s of %T shows %s", verb, v, text)
		}
	}
	if b, err := json.Marshal(v); err == nil && strings.Contains(string(b), canary) {
		t.Errorf("JSON of %T shows %s", v, b)
	}
}

func TestAValueIsShownUnlessItIsHidden(t *testing.T) {
	for _, test := range []struct {
		value      Value
		text, json string
	}{
		{Value{}, "(none)", "null"},
		{NewValue(""), "", `""`},
		{NewValue("x"), "x", `"x"`},
		{HiddenValue(), "(hidden)", `"(hidden)"`},
	} {
		b, err := json.Marshal(test.value)
		if got := fmt.Sprintf("%v|%5s|%q", test.value, test.value, test.value); err != nil || got != fmt.Sprintf("%v|%5s|%q", test.text, test.text, test.text) || string(b) != test.json {
			t.Errorf("got %s and %s, want %s and %s", got, b, test.text, test.json)
		}
		again := NewValue("another")
		if err := json.Unmarshal(b, &again); err != nil || again != test.value {
			t.Errorf("%s is read back as %+v, %v", b, again, err)
		}
	}
	if HiddenValue().Reveal() != "" {
		t.Error("a value that is never shown is revealed")
	}
}

func TestAHiddenValueThatChangedReadsAsChanged(t *testing.T) {
	secret := valueOf(Leaf{Key: "PASSWORD", Text: canary}, true)
	words := func(text string) Value { return valueOf(Leaf{Type: "spec.command", Text: text}, true).InGit() }
	for _, test := range []struct {
		have, want Value
		show       func(Value) string
		text       string
	}{
		{NewValue("1"), NewValue("2"), Value.String, "1 → 2"},
		{Value{}, NewValue("a\nb"), Value.String, `(none) → "a\nb"`},
		{secret, HiddenValue(), Value.String, "(hidden) → (hidden, changed)"},
		{words(`["a","--token","` + canary + `"]`), words(`["a","--token","other"]`), Value.String, `["a","--token","(hidden)"] → ["a","--token","(hidden)"] (hidden, changed)`},
		{words(`["a","--token","` + canary + `"]`), words(`["b","--token","other"]`), Value.String, `["a","--token","(hidden)"] → ["b","--token","(hidden)"]`},
		{Value{}, secret, Value.String, "(none) → (hidden)"},
		{secret, NewValue("2"), Value.Reveal, canary + " → 2"},
	} {
		if got := Arrow(test.have, test.want, test.show); got != test.text {
			t.Errorf("it is %s, want %s", got, test.text)
		}
	}
}

func TestEachOperationAndEffectHasAWord(t *testing.T) {
	for op, want := range map[Op]string{Same: "none", Create: "create", Update: "update", Remove: "remove", Replace: "replace"} {
		if got := op.Word(); got != want {
			t.Errorf("%s is %s, want %s", op, got, want)
		}
	}
	for effect, want := range map[Effect]string{NoEffect: "none", InPlace: "in place", StartsTasks: "in place", RestartsTasks: "restarts tasks", RunsAgain: "runs the job again", Recreate: "recreates", Forbidden: "forbidden"} {
		if got := effect.String(); got != want {
			t.Errorf("it is %s, want %s", got, want)
		}
	}
}
