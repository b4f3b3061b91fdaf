package e2e

import (
	"path/filepath"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// repo is a git repository with manifests.
type repo struct {
	*harness.Repo
	w *world
}

// repo makes a repository with one commit. name is the name of the source.
func (w *world) repo(name string, files map[string]string) *repo {
	w.Helper()
	r, err := harness.NewRepo(filepath.Join(w.TempDir(), "repo"))
	if err != nil {
		w.Fatal(err)
	}
	out := &repo{r, w}
	out.write(map[string]string{".swarm-operator.yaml": "name: " + name + "\n"})
	out.commit("first", files)
	return out
}

func (r *repo) write(files map[string]string) {
	r.w.Helper()
	if err := r.Write(files); err != nil {
		r.w.Fatal(err)
	}
}

// commit writes files and commits them, together with whatever else differs.
func (r *repo) commit(message string, files map[string]string) string {
	r.w.Helper()
	r.write(files)
	hash, err := r.Commit(message)
	if err != nil {
		r.w.Fatal(err)
	}
	return hash
}

func (r *repo) remove(names ...string) {
	r.w.Helper()
	if err := r.Remove(names...); err != nil {
		r.w.Fatal(err)
	}
}
