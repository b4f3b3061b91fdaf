package git_test

import (
	"fmt"
	"io/fs"
	"testing"

	"github.com/swarm-operator/swarm-operator/manifests/git"
)

func bigRepo(b *testing.B, n int) *repo {
	r := newRepo(b)
	for i := range n {
		r.write(fmt.Sprintf("services/web-%04d.yaml", i), fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: web-%d}\nspec:\n  image: nginx:1.%d\n", i, i))
	}
	r.commit("README.md", "x", "first")
	return r
}

func readAll(b *testing.B, fsys fs.FS) (n int) {
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil || info.Size() == 0 {
			return fmt.Errorf("%s is empty: %w", name, err)
		}
		_, err = fs.ReadFile(fsys, name)
		n++
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// BenchmarkRead opens a repository and reads 1,000 small files of its head, as a command with a cold cache does.
func BenchmarkRead(b *testing.B) {
	for _, packed := range []bool{false, true} {
		name := "loose"
		r := bigRepo(b, 1000)
		if packed {
			name = "packed"
			r.git("gc", "-q")
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s, err := git.Open(b.Context(), r.dir, git.Options{})
				if err != nil {
					b.Fatal(err)
				}
				if n := readAll(b, head(b, s).Tree); n != 1001 {
					b.Fatal(n)
				}
				_ = s.Close()
			}
		})
	}
}

// BenchmarkHead measures what the daemon pays to see that nothing has changed.
func BenchmarkHead(b *testing.B) {
	r := bigRepo(b, 10)
	s := open(b, r.dir, git.Options{})
	for b.Loop() {
		head(b, s)
	}
}
