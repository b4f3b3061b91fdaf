package docs

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// heldBy matches a link to a test, which names it.
var heldBy = regexp.MustCompile("\\[`(Test[A-Za-z0-9]+)`\\]\\(([^)]+)\\)")

// Each claim of the page about security stands on a test. If somebody renames or removes the test, the claim has to be
// looked at again.
func TestEachClaimAboutSecurityIsHeldByATest(t *testing.T) {
	const name = "docs/security.md"
	data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	found := heldBy.FindAllStringSubmatch(text, -1)
	if len(found) < 30 {
		t.Errorf("%s links %d tests only", name, len(found))
	}
	for _, m := range found {
		file := path.Join(path.Dir(name), m[2])
		code, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
		switch {
		case err != nil:
			t.Errorf("%s: %v", m[1], err)
		case !strings.HasSuffix(file, "_test.go") || !strings.Contains(string(code), "\nfunc "+m[1]+"("):
			t.Errorf("%s is not in %s", m[1], file)
		}
	}
	rows := 0
	claims := false
	for line := range strings.Lines(text) {
		switch {
		case line == "| claim | held by |\n":
			claims = true
		case !strings.HasPrefix(line, "|"):
			claims = false
		case claims && !strings.HasPrefix(line, "|---"):
			if rows++; !heldBy.MatchString(line) {
				t.Errorf("no test holds: %s", line)
			}
		}
	}
	if rows < 20 {
		t.Errorf("there are %d claims only", rows)
	}
}
