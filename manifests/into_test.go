package manifests_test

import (
	"strings"
	"testing"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/manifests"
)

// What a file of the operator's side does not say is allowed, so nothing that somebody wrote into it may get lost.
func TestInto(t *testing.T) {
	const list = ": states nothing; write [] if it is to be empty, or leave it out"
	const second = ": is a second document, and the file may have only one; write all of it in one, without the line ---"
	const empty = "f.yaml:1: states no rule, so that everything would be allowed; state one, or name no guardrails"
	for _, c := range []struct{ name, text, want string }{
		{"all of it", "mode: warn\nmounts: {binds: []}\nkinds: [Service]\n", ""},
		{"one document, with its line", "# rules\n---\nkinds: [Service]\n", ""},
		{"nothing behind the line", "kinds: [Service]\n---\n# the end\n", ""},
		{"nothing behind the lines", "kinds: [Service]\n...\n---\nnull\n---\n", ""},
		{"a list whose entries are comments", "kinds: [Service]\nmounts:\n  binds:\n  # - /srv\n", "f.yaml:3: mounts.binds" + list},
		{"a list of the file itself", "kinds:\nnames: ['*']\n", "f.yaml:1: kinds" + list},
		{"a list that is null", "names: ~\nmounts: {types: null}\n", "f.yaml:1: names" + list + "\nf.yaml:2: mounts.types" + list},
		{"a part whose rules are comments", "kinds: [Service]\ncontainers:\n  # notRoot: true\n", "f.yaml:2: containers: states nothing; leave it out or give it a value"},
		{"an exception without a list", "kinds: []\nexceptions:\n- object: Service/a\n  rules:\n  until: 2027-01-01\n  reason: x\n", "f.yaml:4: exceptions[0].rules" + list},
		{"rules behind a line", "kinds: [Service]\n---\ncontainers: {notRoot: true}\n", "f.yaml:3" + second},
		{"rules behind nothing", "# nothing\n---\n---\nkinds: [Service]\n", "f.yaml:4" + second},
		{"rules behind three dots", "kinds: [Service]\n...\n---\nnames: [a]\n", "f.yaml:4" + second},
		{"a mistake behind a line", "kinds: [Service]\n---\n\tnames: [a]\n", "f.yaml:3: is not valid YAML"},
		{"an empty file", "", empty},
		{"comments", "# kinds: [Service]\n", empty},
		{"an empty mapping", "{}\n", empty},
		{"a part that is empty", "mounts: {}\n", empty},
	} {
		var got []string
		g := &config.Guardrails{}
		for _, p := range manifests.Into("f.yaml", []byte(c.text), g, func() []v1.Problem { return g.Validate() }) {
			text, _, _ := strings.Cut(p.String(), ": found")
			got = append(got, text)
		}
		switch text := strings.Join(got, "\n"); {
		case c.name == "a mistake behind a line":
			if !strings.HasPrefix(text, c.want) {
				t.Errorf("%s: got %s", c.name, text)
			}
		case text != c.want:
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, text, c.want)
		}
	}
}

// A list that must have an entry is not said to be fine if it is empty, nor if it is left out.
func TestAListThatMayNotBeEmpty(t *testing.T) {
	for _, text := range []string{"sources:\n# - mode: observe\n", "sources: ~\n", "sources: []\n", "sources: []\nhttp: {tokenFile: /t}\n"} {
		file := &config.Configuration{}
		problems := manifests.Into("f.yaml", []byte(text), file, file.Validate)
		if len(problems) != 1 || problems[0].String() != "f.yaml:1: sources: "+file.Sources.NoEntry() {
			t.Errorf("%q: got %v", text, problems)
		}
	}
}

// The settings of a source are read by the rules of manifests: a part whose entries are comments is left out.
func TestTheSettingsOfASourceAreOneDocument(t *testing.T) {
	const net = "apiVersion: swarm-operator.io/v1\nkind: Network\nmetadata: {name: a}\n"
	for text, want := range map[string]string{
		"name: shop\ndefaults:\n  # policy: {prune: true}\n":    "",
		"name: shop\n---\n# the end\n":                          "",
		"name: shop\n---\ndefaults: {policy: {adopt: never}}\n": ".swarm-operator.yaml:3: is a second document, and the file may have only one; write all of it in one, without the line ---",
	} {
		_, problems := load(".swarm-operator.yaml", text, "a.yaml", net)
		var got []string
		for _, p := range problems {
			got = append(got, p.String())
		}
		if text := strings.Join(got, "\n"); text != want {
			t.Errorf("got %q, want %q", text, want)
		}
	}
}
