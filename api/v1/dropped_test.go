package v1

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestLimitsNamesEveryFieldThatCannotBeStated holds docs/limits.md against the list in both directions.
func TestLimitsNamesEveryFieldThatCannotBeStated(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "limits.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, begins := strings.Cut(string(text), "\n  | of | fields |\n")
	table, _, ends := strings.Cut(table, "\n\n")
	if !begins || !ends {
		t.Fatal("docs/limits.md has no table of fields")
	}
	named := names{}
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(table, -1) {
		named[m[1]] = m[1] != KindCluster
	}
	named.all(t, dropped)
	for name, field := range named {
		if field && !listed(name) {
			t.Errorf("docs/limits.md names %s, which is in no list of fields that cannot be stated", name)
		}
	}
}

type names map[string]bool

// all fails the test unless each path of a list is named.
func (named names) all(t *testing.T, list map[string]map[string]string) {
	t.Helper()
	for kind, fields := range list {
		for path := range fields {
			found := false
			for name := range named {
				if path == "spec."+name || strings.HasSuffix(path, "."+name) {
					found = true
					break
				}
			}
			if !found {
				t.Errorf("docs/limits.md does not name %s of a %s", path, kind)
			}
		}
	}
}

func listed(name string) bool {
	for _, fields := range dropped {
		for path := range fields {
			if strings.HasSuffix(path, "."+name) {
				return true
			}
		}
	}
	return false
}
