package plan

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/swarm-operator/swarm-operator/test/golden"
)

// Each file of testdata is about one guard or one matter: sections "case: given" and "case: plan" in turn. The plans are
// written with -update, and read before they are kept.
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
