package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// repository holds one manifest a service.
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
  image: registry.example.com/team/app-%[2]d:1.4
  command: [/bin/app, --listen, ":8080"]
  replicas: 0
  environment:
    LOG_LEVEL: info
    REGION: eu-1
    SERVICE: %[1]s
    CACHE: cache.example.com:6379
  containerLabels: {app: %[1]s}
  configs: [{source: app-%[2]d, target: /etc/app.conf}]
  healthcheck: {test: [CMD, /bin/app, ping], interval: 10s, retries: 3}
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
spec: {data: "listen = 8080\nworkers = 4\n"}
`

// teams is how many images and configs the services share.
const teams = 20

func serviceName(i int) string { return fmt.Sprintf("app-%05d", i) }
func serviceFile(i int) string { return "services/" + serviceName(i) + ".yaml" }

func newRepository(dir string, n int) (*repository, error) {
	files := map[string]string{".swarm-operator.yaml": "name: bench\n"}
	for i := range min(n, teams) {
		files[fmt.Sprintf("configs/app-%d.yaml", i)] = fmt.Sprintf(configManifest, i)
	}
	for i := range n {
		files[serviceFile(i)] = fmt.Sprintf(serviceManifest, serviceName(i), i%teams)
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
		err = g.RepackObjects(&git.RepackConfig{}) // as a clone has it
	}
	if err != nil {
		return nil, fmt.Errorf("making the first commit: %w", err)
	}
	return &repository{dir, g}, nil
}

func author() *object.Signature {
	return &object.Signature{Name: "bench", Email: "bench@example.com", When: time.Now()}
}

// prepare makes a commit that changes one file, and returns what puts it in force: the change of the branch alone, so
// that a measurement from there on has no part of making the commit.
func (r *repository) prepare(name, old, text string) (func() error, error) {
	head, err := r.git.Head()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(r.dir, name)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if !bytes.Contains(data, []byte(old)) {
		return nil, fmt.Errorf("editing %s: there is no %q in it", name, old)
	}
	data = bytes.Replace(data, []byte(old), []byte(text), 1)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return nil, err
	}
	w, err := r.git.Worktree()
	if err != nil {
		return nil, err
	}
	if _, err := w.Add(name); err != nil {
		return nil, err
	}
	hash, err := r.detached(w, head, "Change "+name)
	if err != nil {
		return nil, fmt.Errorf("committing %s: %w", name, err)
	}
	return func() error {
		return r.git.Storer.SetReference(plumbing.NewHashReference(head.Name(), hash))
	}, nil
}
