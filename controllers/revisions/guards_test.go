package revisions

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

func TestGuards(t *testing.T) {
	const web = "apiVersion: " + v1.APIVersion + "\nkind: Service\nmetadata: {name: web}\nspec:\n  image: nginx\n  configs: [c]\n"
	const conf = "apiVersion: " + v1.APIVersion + "\nkind: Config\nmetadata: {name: c}\nspec: {data: x}\n"
	tree := fstest.MapFS{"web.yaml": {Data: []byte(web)}, "c.yaml": {Data: []byte(conf)}}
	now := time.Date(2027, 3, 31, 23, 0, 0, 0, time.UTC)
	file := &config.Guardrails{Images: &config.ImageRules{Digest: true}, External: &config.ExternalRules{Configs: []string{}}, Policies: &config.PolicyRules{NoTakeover: true}}
	guards := NewGuards(file, func() time.Time { return now })
	loader := NewLoader(guards)
	load := func(what string, want, held string) {
		t.Helper()
		set, problems := loader.Load(tree, ".")
		var texts []string
		for _, p := range append(problems, set.Notices...) {
			texts = append(texts, p.String())
		}
		if got := strings.Join(texts, "\n"); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", what, got, want)
		}
		var keys []string
		for _, e := range set.Entries {
			if set.Held[e.Key()] != "" {
				keys = append(keys, e.Key().String())
			}
		}
		if got := strings.Join(keys, " "); got != held {
			t.Errorf("%s: held are %q, want %q", what, got, held)
		}
		if len(v1.Refusing(problems)) > 0 {
			t.Errorf("%s: the revision is refused whole", what)
		}
	}
	const digest = "web.yaml:5: Service/web: spec.image: guardrail images.digest: the image has no digest; state it as NAME@sha256:…"
	load("a rule that is broken holds the object", digest, "Service/web")

	// Whose an object is may change in another manifest.
	tree["c.yaml"] = &fstest.MapFile{Data: []byte(strings.Replace(conf, "data: x", "external: true", 1))}
	load("an object of others", "c.yaml:4: Config/c: spec.external: guardrail external.configs: \"c\" is not allowed; allowed: none is\n"+digest+
		"\nweb.yaml:6: Service/web: spec.configs[0].source: guardrail external.configs: \"c\" is not allowed; allowed: none is", "Config/c Service/web")
	tree["c.yaml"] = &fstest.MapFile{Data: []byte(conf)}

	// What the source states for all of its objects counts as if each stated it.
	tree[".swarm-operator.yaml"] = &fstest.MapFile{Data: []byte("defaults: {policy: {adopt: takeover}}\n")}
	const takeover = ": policy.adopt: guardrail policies.noTakeover: takeover is not allowed"
	load("the defaults of the source", "c.yaml:1: Config/c"+takeover+"\nweb.yaml:1: Service/web"+takeover+"\n"+digest, "Config/c Service/web")
	delete(tree, ".swarm-operator.yaml")

	file.Exceptions = []config.Exception{{Object: "Service/web", Rules: []string{"images"}, Until: "2027-03-31", Reason: "soon"}}
	guards.found = nil
	load("an exception", "", "")
	if guards.outdated() {
		t.Error("the day has not changed")
	}
	now = now.Add(2 * time.Hour)
	if !guards.outdated() {
		t.Error("the exception has ended, and nobody looks again")
	}
	load("an exception that has ended", digest, "Service/web")

	file.Mode = config.Warn
	load("a warning holds nothing", digest, "")
	if NewGuards(nil, nil).outdated() {
		t.Error("without a file something ends")
	}
}

func TestWhatMayNotBeTakenOver(t *testing.T) {
	const net = "apiVersion: " + v1.APIVersion + "\nkind: Network\nmetadata: {name: %s}\n"
	tree := fstest.MapFS{"a.yaml": {Data: []byte(strings.ReplaceAll(net, "%s", "a"))}, "b.yaml": {Data: []byte(strings.ReplaceAll(net, "%s", "proxy"))}}
	file := &config.Guardrails{External: &config.ExternalRules{Networks: []string{"proxy"}}}
	guards := NewGuards(file, func() time.Time { return time.Date(2027, 3, 31, 23, 0, 0, 0, time.UTC) })
	loader := NewLoader(guards)
	of := func(what string, want ...string) map[v1.Key]string {
		t.Helper()
		if _, problems := loader.Load(tree, "."); len(problems) > 0 {
			t.Fatalf("%s: %v", what, problems)
		}
		got := guards.OwnOnly()
		if len(got) != len(want) {
			t.Errorf("%s: %v, want %q", what, got, want)
		}
		for _, name := range want {
			if got[v1.Key{Kind: v1.KindNetwork, Name: name}] != "external.networks" {
				t.Errorf("%s: %v, want %q", what, got, want)
			}
		}
		return got
	}
	first := of("one is listed", "a")
	tree["a.yaml"] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(net, "%s", "c"))}
	of("another commit", "c")
	if first[v1.Key{Kind: v1.KindNetwork, Name: "a"}] == "" || len(first) != 1 {
		t.Errorf("what counts for the revision before has changed: %v", first)
	}
	file.Exceptions = []config.Exception{{Object: "Network/c", Rules: []string{"external"}, Until: "2027-03-31", Reason: "soon"}}
	of("an exception")
	file.Exceptions, file.Mode = nil, config.Warn
	of("a warning")
	if got := NewGuards(nil, nil).OwnOnly(); got != nil {
		t.Errorf("without a file: %v", got)
	}
}

// A rule that forbids to prune counts for objects whose manifests are gone too: the source's default for these is not used.
func TestADefaultThatARuleForbidsIsNotUsed(t *testing.T) {
	const web = "apiVersion: " + v1.APIVersion + "\nkind: Service\nmetadata: {name: web}\nspec: {image: nginx}\npolicy: {prune: false}\n"
	tree := fstest.MapFS{"web.yaml": {Data: []byte(web)}, ".swarm-operator.yaml": {Data: []byte("defaults: {policy: {prune: true, adopt: never}}\n")}}
	for name, c := range map[string]struct {
		guards *Guards
		want   bool
	}{
		"without guardrails": {nil, true},
		"the rule":           {NewGuards(&config.Guardrails{Policies: &config.PolicyRules{NoPrune: true}}, time.Now), false},
		"another rule":       {NewGuards(&config.Guardrails{Policies: &config.PolicyRules{NoTakeover: true}}, time.Now), true},
	} {
		read := New(Options{Path: ".", Guards: c.guards}).load(git.Commit{Tree: tree})
		if d := read.Defaults.Policy; len(read.Problems) > 0 || (d.Prune != nil && *d.Prune) != c.want || d.Adopt != v1.AdoptNever {
			t.Errorf("%s: %+v %v", name, d, read.Problems)
		}
	}
}
