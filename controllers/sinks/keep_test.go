package sinks

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

func TestWhatAFileHadStaysBesideIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	for name, s := range map[string]v1.Sink{"file": {File: &v1.FileSink{Path: path}}, "age": {Age: &v1.AgeSink{File: path + "-age"}}} {
		t.Run(name, func(t *testing.T) {
			path := path
			if s.Age != nil {
				path = s.Age.File
			}
			for i := range 9 {
				if err := Keep(s); err != nil {
					t.Fatal(err)
				}
				_ = os.Remove(path)
				if err := os.WriteFile(path, fmt.Append(nil, i), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for n := range kept + 2 {
				name, want := path, "8"
				if n > 0 {
					name, want = old(path, n), fmt.Sprint(8-n)
				}
				got, err := os.ReadFile(name)
				if n > kept {
					if err == nil {
						t.Errorf("%s is kept too: %s", name, got)
					}
				} else if string(got) != want {
					t.Errorf("%s has %q, %v, want %s", name, got, err, want)
				}
			}
		})
	}
	if err := Keep(v1.Sink{Command: &v1.CommandSink{Argv: []string{"/x"}}}); err != nil {
		t.Error(err)
	}
	if err := Keep(v1.Sink{File: &v1.FileSink{Path: filepath.Join(path, "below a file")}}); err != nil && !os.IsNotExist(err) {
		t.Logf("what cannot be looked at: %v", err)
	}
}
