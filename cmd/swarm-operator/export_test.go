package main

import (
	"bytes"
	"strings"
	"testing"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/export"
)

// Some of what runs is refused only when its manifest is read.
func TestWhatCannotBeReadBackIsNoted(t *testing.T) {
	file := func(name, text string) export.File {
		return export.File{Name: name, Data: []byte("apiVersion: swarm-operator.io/v1\n" + text), Manifest: true}
	}
	made := export.Manifests{
		Files: []export.File{
			file("services/a.yaml", "kind: Service\nmetadata: {name: a}\nspec:\n  image: app:1\n  environment:\n    DB_PASSWORD: !left-out \"\"\n  configs:\n    - {source: conf}\n  mounts:\n    - {type: volume, target: data}\n"),
			file("services/b.yaml", "kind: Service\nmetadata:\n  name: b\n  labels:\n    "+strings.Repeat("x", 1100)+": a\nspec: {image: app:1}\n"),
			file("services/c%2F.yaml", "kind: Service\nmetadata: {name: c}\nspec:\n  image: app:1\n  resources: {limits: {memory: 1}}\n"),
			file("configs/conf.yaml", "kind: Config\nmetadata: {name: conf}\nspec: {file: conf.content}\n"),
			{Name: "configs/conf.content", Data: []byte("\xff")},
		},
		Notes: []v1.Problem{{Object: v1.Key{Kind: v1.KindService, Name: "c"}, Path: "spec.resources.limits.memory", Message: "is noted"}},
	}
	if err := readBack(&made); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range made.Notes[1:] {
		got = append(got, n.String())
	}
	for i, want := range []string{"its manifest cannot be read back, so the object is not exported: ", "Service/a: spec.mounts[0].target: validate will refuse this, although it runs: "} {
		if len(got) != 2 || !strings.Contains(got[i], want) {
			t.Errorf("what is noted:\n%s", strings.Join(got, "\n"))
		}
	}
	none := export.Manifests{}
	if err := readBack(&none); err != nil || len(none.Notes) > 0 {
		t.Errorf("of nothing: %v, %v", err, none.Notes)
	}
}

func TestAStreamThatIsTooLongForAFileSaysSo(t *testing.T) {
	var f exportFlags
	for size, want := range map[int]string{1 << 20: "", 1<<20 + 1: "note: this is longer than the 1MiB that one file of manifests may have"} {
		cmd := newExport()
		var out, errs bytes.Buffer
		cmd.SetOut(&out)
		cmd.SetErr(&errs)
		if err := f.stream(cmd, bytes.Repeat([]byte("x"), size)); err != nil || out.Len() != size {
			t.Errorf("%d bytes: %v, %d are written", size, err, out.Len())
		}
		if got := errs.String(); !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%d bytes: %q", size, got)
		}
	}
}
