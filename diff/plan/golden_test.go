package plan

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/swarm-operator/swarm-operator/test/golden"
)

// Each file of testdata is about one guard or one subject. It has sections "case: given" and "case: plan" in turn.
// Run the test with -update to write the plans, and read them before you keep them.
func TestPlans(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			cases, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := &txtar.Archive{Comment: cases.Comment}
			for _, f := range cases.Files {
				name, isGiven := strings.CutSuffix(f.Name, ": given")
				if !isGiven {
					continue
				}
				plan := render(read(t, string(f.Data)).build())
				got.Files = append(got.Files, f, txtar.File{Name: name + ": plan", Data: []byte(plan)})
			}
			golden.Equal(t, file, string(txtar.Format(got)))
		})
	}
}

// A refusal that never ends by itself says what ends it. Two sorts are exempt. A kind or a reader of files may refuse
// a value, which only a change of that value ends. And a refusal may wait for another one to end.
func TestEveryNeverSaysWhatEndsIt(t *testing.T) {
	ends := regexp.MustCompile(`[:;,] (or )?(remove|create|update|state|rename|deploy|raise|make|bring|mend|put|give|wait|drain|that has to end)\b|swarm-operator (resume|retry|unmanage|confirm)|until git changes it|policy\.enforce: true`)
	itself := regexp.MustCompile(`^! . \S+( \[\S+\])? (unwritable|blocked|no-node),|comes first|put on record first|drained first|demoted first|when it is a manager no longer|managers, never: (demoting|promoting|on hold)|it is not the key`)
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	seen := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if !strings.HasPrefix(line, "! ") || !strings.Contains(line, ", never: ") {
				continue
			}
			if seen++; !ends.MatchString(line) && !itself.MatchString(line) {
				t.Errorf("%s: nothing says what ends this:\n%s", file, line)
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d refusals were looked at", seen)
	}
}
