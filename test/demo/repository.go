package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// repository is the git repository that the operator follows.
type repository struct {
	dir string
	git *git.Repository
}

// newRepository copies a directory into a new repository and commits it.
func newRepository(dir, from string) (*repository, plumbing.Hash, error) {
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		return nil, plumbing.ZeroHash, fmt.Errorf("copying %s: %w", from, err)
	}
	g, err := git.PlainInitWithOptions(dir, &git.PlainInitOptions{InitOptions: git.InitOptions{DefaultBranch: "refs/heads/main"}})
	if err != nil {
		return nil, plumbing.ZeroHash, fmt.Errorf("making the repository: %w", err)
	}
	// A person who tries the demo may have no git identity, and git would refuse to commit.
	cfg, err := g.Config()
	if err == nil {
		cfg.User.Name, cfg.User.Email = author, address
		err = g.SetConfig(cfg)
	}
	if err != nil {
		return nil, plumbing.ZeroHash, fmt.Errorf("setting up the repository: %w", err)
	}
	r := &repository{dir, g}
	hash, err := r.commit("Add the manifests")
	return r, hash, err
}

// author and address are those of every commit.
const author, address = "demo", "demo@example.com"

// commit commits all files as they are.
func (r *repository) commit(message string) (plumbing.Hash, error) {
	w, err := r.git.Worktree()
	if err == nil {
		err = w.AddWithOptions(&git.AddOptions{All: true})
	}
	if err != nil {
		return plumbing.ZeroHash, fmt.Errorf("committing %q: %w", message, err)
	}
	hash, err := w.Commit(message, &git.CommitOptions{Author: &object.Signature{Name: author, Email: address, When: time.Now()}})
	if err != nil {
		return hash, fmt.Errorf("committing %q: %w", message, err)
	}
	return hash, nil
}

// edit replaces texts in a file. It fails if a text is missing, because the step would then show nothing.
func (r *repository) edit(name string, oldNew ...string) error {
	path := filepath.Join(r.dir, name)
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text := string(data)
	for i := 0; i < len(oldNew); i += 2 {
		if !strings.Contains(text, oldNew[i]) {
			return fmt.Errorf("editing %s: there is no %q in it", name, oldNew[i])
		}
		text = strings.Replace(text, oldNew[i], oldNew[i+1], 1)
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

func (r *repository) remove(name string) error { return os.Remove(filepath.Join(r.dir, name)) }
