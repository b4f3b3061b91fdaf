package docs

import (
	"slices"
	"strings"
	"testing"
)

// The tests of the pages are only as good as these functions.

func TestBlocksOfAPage(t *testing.T) {
	text := "a\n```sh exit=1\none\n```\n<!-- test/docs\ntwo\n-->\n1. x\n\n   ```console\n   $ three\n   ```\n```\nfour\n```\n```yaml\nfive\n"
	var got []string
	for _, b := range parse(text) {
		got = append(got, strings.Join(append([]string{b.lang}, b.words...), " ")+": "+strings.TrimSpace(b.body))
	}
	want := []string{"sh exit=1: one", "sh: two", "console: $ three", ": four", "not closed: five"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOnlyWhatVariesMayDiffer(t *testing.T) {
	for _, c := range []struct {
		page, here string
		same       bool
	}{
		{"revision 08dad56148, in sync\n", "revision 15ee574c7a, in sync\n", true},
		{"in force since 2026-03-01 12:07:00 UTC\n", "in force since 2027-11-28 18:09:08 UTC\n", true},
		{"NAME  A\n", "NAME       A\n", true},
		{"one\n…\nfour\n", "one\ntwo\nthree\nfour\n", true},
		{"one\n…\nfour\n", "one\ntwo\nthree\n", false},
		{"web  2/2\n", "web  2/3\n", false},
		{"1 to update\n", "2 to update\n", false},
		{"in sync\n", "in sync\nand more\n", false},
		{"nginx:1.27\n", "nginx:1.28\n", false},
	} {
		if same(c.page, c.here) != c.same {
			t.Errorf("%q and %q: same is %t", c.page, c.here, !c.same)
		}
	}
}

func TestCommandsAreFoundInALine(t *testing.T) {
	for text, want := range map[string]string{
		"swarm-operator diff --source . # what differs":                    "swarm-operator diff --source .",
		"swarm-operator hold Service/web --reason \"a | b\" && echo":       "swarm-operator hold Service/web --reason a | b",
		"A=1; swarm-operator wait --revision $(git rev-parse HEAD) | cat":  "swarm-operator wait --revision 0f1e2d3c4b",
		"bin/swarm-sandbox up --dir /tmp/sb":                               "swarm-sandbox up --dir /tmp/sb",
		"docker secret create swarm-operator config.yaml":                  "",
		"swarm-operator diff -o json > plan.json; swarm-operator validate": "swarm-operator diff -o json; swarm-operator validate",
	} {
		var got []string
		for _, call := range calls(text) {
			got = append(got, strings.Join(call, " "))
		}
		if joined := strings.Join(got, "; "); joined != want {
			t.Errorf("in %q %q is found, want %q", text, joined, want)
		}
	}
}

func TestACommandThatDoesNotParseIsFound(t *testing.T) {
	for text, ok := range map[string]bool{
		"swarm-operator diff --source .":                                true,
		"swarm-operator status -w":                                      true,
		"swarm-operator diff --sources .":                               false,
		"swarm-operator apply --timeout soon":                           false,
		"swarm-operator rollback Service/web":                           false,
		"swarm-operator diff web":                                       false,
		"swarm-operator hold Service/web":                               false,
		"swarm-operator hold Service/web --reason incident":             true,
		"swarm-operator approve removals":                               false,
		"swarm-operator approve removals --reason x":                    true,
		"swarm-operator approve removal --reason x":                     false,
		"swarm-operator approve removals Service/a restarts --reason x": true,
		"swarm-operator approve removals Service/a restart --reason x":  false,
		"swarm-operator approve 08dad56 removals --reason x":            false,
		"swarm-operator approve --reason x":                             false,
		"swarm-operator unmanage --all":                                 true,
		"swarm-operator wait --revision 08dad56 --timeout 10m":          true,
	} {
		if err := parses(calls(text)[0], false); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
	for text, ok := range map[string]bool{"swarm-operator resume shop": true, "swarm-operator resume SOURCE": false, "swarm-operator approve removals --revision REVISION": false, "swarm-operator approve removals --revision HEAD": true} {
		if err := asTyped(calls(text)[0]); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestAnchorsAreThoseOfAForge(t *testing.T) {
	for title, want := range map[string]string{
		"What does `(depends-on, later)` mean?": "what-does-depends-on-later-mean",
		"Holds, several operators":              "holds-several-operators",
		"[Limits](limits.md) of it":             "limits-of-it",
	} {
		if got := slug(title); got != want {
			t.Errorf("%q has the anchor %q, want %q", title, got, want)
		}
	}
}
