package sinks

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

func TestWhatAFileHadStaysBesideIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	for name, s := range map[string]config.Sink{"file": {File: path, Volatile: true}, "age": {Age: &config.AgeSink{File: path + "-age"}, Volatile: true}} {
		t.Run(name, func(t *testing.T) {
			path := s.Path()
			for i := range 9 {
				if err := keep(s); err != nil {
					t.Fatal(err)
				}
				if err := replace(s, fmt.Append(nil, i), v1.NewContent([]byte("k"))); err != nil {
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
	if err := keep(config.Sink{Command: []string{"/x"}}); err != nil {
		t.Error(err)
	}
	if err := keep(config.Sink{File: filepath.Join(path, "below a file")}); err == nil {
		t.Error("what cannot be looked at has no error")
	}
}
