package main

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// repository holds one manifest for each service.
type repository struct {
	dir string
	git *git.Repository
}

const serviceManifest = `apiVersion: swarm-operator.io/v1
kind: Service
metadata:
  name: %[1]s
  labels: {tier: back, team: team-%[2]d}
spec:
  image: %[3]s
  command: [/bin/app, --listen, ":8080"]
  replicas: 0
  environment:
    LOG_LEVEL: info
    REGION: eu-1
    SERVICE: %[1]s
    CACHE: cache.example.com:6379
  containerLabels: {app: %[1]s}
  configs: [{source: app-%[2]d, target: /etc/app.conf}]
  healthcheck: {test: [CMD, check], interval: 10s, retries: 3}
  resources:
    limits: {cpus: "0.5", memory: 256MiB}
    reservations: {memory: 64MiB}
  placement: {constraints: [node.role == manager]}
  updateConfig: {parallelism: 1, delay: 5s, order: start-first, failureAction: rollback}
  restartPolicy: {condition: any, delay: 2s}
`

const configManifest = `apiVersion: swarm-operator.io/v1
kind: Config
metadata: {name: app-%d}
spec: {data: %q}
`

const configData = "listen = 8080\nworkers = 4\n"

// teams is how many images and configs the services share.
const teams = 20

func serviceName(i int) string { return fmt.Sprintf("app-%05d", i) }
func serviceFile(i int) string { return "services/" + serviceName(i) + ".yaml" }

// image returns the image of a service, in a registry that real engines also have here if the service runs tasks.
func image(i int) string { return fmt.Sprintf("registry.example.com/team/app-%d:1.4", i%teams) }

func newRepository(dir string, n int) (*repository, error) {
	files := map[string]string{".swarm-operator.yaml": "name: bench\n"}
	for i := range min(n, teams) {
		files[fmt.Sprintf("configs/app-%d.yaml", i)] = fmt.Sprintf(configManifest, i, configData)
	}
	for i := range n {
		files[serviceFile(i)] = fmt.Sprintf(serviceManifest, serviceName(i), i%teams, image(i))
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	g, err := git.PlainInit(dir, false)
	if err != nil {
		return nil, fmt.Errorf("making the repository: %w", err)
	}
	w, err := g.Worktree()
	if err == nil {
		err = w.AddWithOptions(&git.AddOptions{All: true})
	}
	if err == nil {
		_, err = w.Commit("Add the manifests", &git.CommitOptions{Author: author()})
	}
	if err == nil {
		err = g.RepackObjects(&git.RepackConfig{}) // as in a clone
	}
	if err != nil {
		return nil, fmt.Errorf("making the first commit: %w", err)
	}
	return &repository{dir, g}, nil
}

// add makes a commit that adds a file at the top. It leaves index and files alone, as detached does.
func (r *repository) add(name, text string) error {
	head, err := r.git.Head()
	if err != nil {
		return err
	}
	commit, err := r.git.CommitObject(head.Hash())
	if err != nil {
		return err
	}
	root, err := commit.Tree()
	if err != nil {
		return err
	}
	file, err := r.store(blob(text))
	if err != nil {
		return err
	}
	root.Entries = append(root.Entries, object.TreeEntry{Name: name, Mode: filemode.Regular, Hash: file})
	slices.SortFunc(root.Entries, func(a, b object.TreeEntry) int { return strings.Compare(a.Name, b.Name) })
	tree, err := r.store(root)
	if err != nil {
		return err
	}
	hash, err := r.store(&object.Commit{Author: *author(), Committer: *author(), Message: "Add " + name, TreeHash: tree, ParentHashes: []plumbing.Hash{head.Hash()}})
	if err != nil {
		return err
	}
	return r.git.Storer.SetReference(plumbing.NewHashReference(head.Name(), hash))
}

// commit makes a commit that changes one service's manifest, and puts it in force.
func (r *repository) commit(i int, edit ...string) error {
	inForce, err := r.prepare(i, edit...)
	if err != nil {
		return err
	}
	return inForce()
}

func author() *object.Signature {
	return &object.Signature{Name: "bench", Email: "bench@example.com", When: time.Now()}
}

// prepare makes a commit that changes one service's manifest. edit is old, new, old, new. It returns a function that
// puts the commit in force. That function only changes the branch, as git does it, so a measurement of it does not
// include making the commit.
func (r *repository) prepare(i int, edit ...string) (func() error, error) {
	hash, branch, err := r.detached(i, edit)
	if err != nil {
		return nil, fmt.Errorf("committing a change of %s: %w", serviceFile(i), err)
	}
	ref := filepath.Join(r.dir, ".git", filepath.FromSlash(branch.String()))
	if err := os.WriteFile(ref+".lock", []byte(hash.String()+"\n"), 0o644); err != nil {
		return nil, err
	}
	return func() error { return os.Rename(ref+".lock", ref) }, nil
}

// detached makes the commit. It leaves branch, index and files alone: the operator reads neither index nor files.
func (r *repository) detached(i int, edit []string) (plumbing.Hash, plumbing.ReferenceName, error) {
	none := plumbing.ZeroHash
	head, err := r.git.Head()
	if err != nil {
		return none, "", err
	}
	commit, err := r.git.CommitObject(head.Hash())
	if err != nil {
		return none, "", err
	}
	file, err := commit.File(serviceFile(i))
	if err != nil {
		return none, "", err
	}
	content, err := file.Contents()
	if err != nil {
		return none, "", err
	}
	for old, text := range pairs(edit) {
		if !strings.Contains(content, old) {
			return none, "", fmt.Errorf("there is no %q in it", old)
		}
		content = strings.Replace(content, old, text, 1)
	}
	blob, err := r.store(blob(content))
	if err != nil {
		return none, "", err
	}
	root, err := commit.Tree()
	if err != nil {
		return none, "", err
	}
	services, err := root.Tree("services")
	if err != nil {
		return none, "", err
	}
	if services.Hash, err = r.replace(services, filepath.Base(serviceFile(i)), blob); err != nil {
		return none, "", err
	}
	if root.Hash, err = r.replace(root, "services", services.Hash); err != nil {
		return none, "", err
	}
	hash, err := r.store(&object.Commit{
		Author: *author(), Committer: *author(), Message: "Change " + serviceName(i), TreeHash: root.Hash, ParentHashes: []plumbing.Hash{head.Hash()},
	})
	return hash, head.Name(), err
}

// pairs returns the first and second string, the third and fourth, and so on.
func pairs(list []string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for two := range slices.Chunk(list, 2) {
			if !yield(two[0], two[1]) {
				return
			}
		}
	}
}

func (r *repository) replace(t *object.Tree, name string, hash plumbing.Hash) (plumbing.Hash, error) {
	for i := range t.Entries {
		if t.Entries[i].Name == name {
			t.Entries[i].Hash = hash
		}
	}
	return r.store(t)
}

type encoder interface {
	Encode(o plumbing.EncodedObject) error
}

func (r *repository) store(e encoder) (plumbing.Hash, error) {
	o := r.git.Storer.NewEncodedObject()
	if err := e.Encode(o); err != nil {
		return plumbing.ZeroHash, err
	}
	return r.git.Storer.SetEncodedObject(o)
}

// blob is the content of a file.
type blob string

func (b blob) Encode(o plumbing.EncodedObject) error {
	o.SetType(plumbing.BlobObject)
	w, err := o.Writer()
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, string(b))
	return errors.Join(err, w.Close())
}
