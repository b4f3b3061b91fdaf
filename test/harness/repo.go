package harness

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// Repo is a git repository with a checkout. It works without git on the machine.
type Repo struct {
	Dir string
	// When is the date of commits. The zero value means now.
	When time.Time
	// Signature is the signature that commits get, whatever they have. "" means none.
	Signature signature
	repo      *git.Repository
}

// signature is a signature that nobody makes.
type signature string

func (s signature) Sign(io.Reader) ([]byte, error) { return []byte(s), nil }

// NewRepo makes a directory with an empty repository.
func NewRepo(dir string) (*Repo, error) {
	repo, err := git.PlainInitWithOptions(dir, &git.PlainInitOptions{InitOptions: git.InitOptions{DefaultBranch: plumbing.Main}})
	if err != nil {
		return nil, fmt.Errorf("making a git repository: %w", err)
	}
	return &Repo{Dir: dir, repo: repo}, nil
}

// Write writes files into the checkout: path, content, path, content …
func (r *Repo) Write(files map[string]string) error {
	for name, content := range files {
		path := filepath.Join(r.Dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Copy copies the files of a directory into the checkout.
func (r *Repo) Copy(from string) error {
	return os.CopyFS(r.Dir, os.DirFS(from))
}

// Remove removes files from the checkout.
func (r *Repo) Remove(names ...string) error {
	for _, name := range names {
		if err := os.Remove(filepath.Join(r.Dir, filepath.FromSlash(name))); err != nil {
			return err
		}
	}
	return nil
}

// Empty removes every file from the checkout.
func (r *Repo) Empty() error {
	entries, err := os.ReadDir(r.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == ".git" {
			continue
		}
		if err := os.RemoveAll(filepath.Join(r.Dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// Commit commits all differences and returns the hash. If nothing differs, the commit is empty.
func (r *Repo) Commit(message string) (string, error) { return r.Merge(message) }

// Merge commits all differences as a merge of these commits, and returns the hash. The first of them is the one that
// the others are merged into. Without parents, it is an ordinary commit.
func (r *Repo) Merge(message string, parents ...string) (string, error) {
	w, err := r.repo.Worktree()
	if err != nil {
		return "", err
	}
	if err := w.AddWithOptions(&git.AddOptions{All: true}); err != nil {
		return "", fmt.Errorf("adding files: %w", err)
	}
	who := &object.Signature{Name: "Ada", Email: "ada@example.com", When: time.Now()}
	if !r.When.IsZero() {
		who.When = r.When
	}
	o := &git.CommitOptions{Author: who, AllowEmptyCommits: true}
	if r.Signature != "" {
		o.Signer = r.Signature
	}
	for _, parent := range parents {
		o.Parents = append(o.Parents, plumbing.NewHash(parent))
	}
	hash, err := w.Commit(message, o)
	if err != nil {
		return "", fmt.Errorf("committing: %w", err)
	}
	return hash.String(), nil
}

// Head returns the hash of the commit that is checked out.
func (r *Repo) Head() (string, error) {
	ref, err := r.repo.Head()
	if err != nil {
		return "", err
	}
	return ref.Hash().String(), nil
}

// Reset moves the branch and the files to a commit.
func (r *Repo) Reset(hash string) error {
	w, err := r.repo.Worktree()
	if err != nil {
		return err
	}
	return w.Reset(&git.ResetOptions{Commit: plumbing.NewHash(hash), Mode: git.HardReset})
}

// Clone makes another repository of the same commits, with its own checkout.
func (r *Repo) Clone(dir string) (*Repo, error) {
	if err := os.CopyFS(dir, os.DirFS(r.Dir)); err != nil {
		return nil, fmt.Errorf("cloning a git repository: %w", err)
	}
	repo, err := git.PlainOpen(dir)
	if err != nil {
		return nil, fmt.Errorf("opening a clone: %w", err)
	}
	return &Repo{Dir: dir, repo: repo}, nil
}

// Shallow makes another repository, with the newest commit alone, as git clone --depth 1 does.
func (r *Repo) Shallow(dir string) (*Repo, error) {
	out, err := r.Clone(dir)
	if err != nil {
		return nil, err
	}
	head, err := out.Head()
	if err != nil {
		return nil, err
	}
	all, err := out.repo.Log(&git.LogOptions{From: plumbing.NewHash(head)})
	if err != nil {
		return nil, fmt.Errorf("listing the commits of a clone: %w", err)
	}
	var behind []string
	err = all.ForEach(func(c *object.Commit) error {
		if hash := c.Hash.String(); hash != head {
			behind = append(behind, hash)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing the commits of a clone: %w", err)
	}
	for _, hash := range behind {
		if err := os.Remove(filepath.Join(dir, ".git", "objects", hash[:2], hash[2:])); err != nil {
			return nil, fmt.Errorf("cutting a clone off: %w", err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, ".git", "shallow"), []byte(head+"\n"), 0o644); err != nil {
		return nil, fmt.Errorf("cutting a clone off: %w", err)
	}
	return out, nil
}

// Pull copies the objects of another repository, and moves the branch and the files to one of its commits.
func (r *Repo) Pull(from *Repo, hash string) error {
	all, err := from.repo.Storer.IterEncodedObjects(plumbing.AnyObject)
	if err != nil {
		return fmt.Errorf("reading a git repository: %w", err)
	}
	err = all.ForEach(func(o plumbing.EncodedObject) error {
		if r.repo.Storer.HasEncodedObject(o.Hash()) == nil {
			return nil
		}
		_, err := r.repo.Storer.SetEncodedObject(o)
		return err
	})
	if err != nil {
		return fmt.Errorf("copying objects of a git repository: %w", err)
	}
	return r.Reset(hash)
}

// Files returns the files of the checkout, with slashes.
func (r *Repo) Files() ([]string, error) {
	var out []string
	err := fs.WalkDir(os.DirFS(r.Dir), ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == ".git":
			return fs.SkipDir
		case !d.IsDir():
			out = append(out, path)
		}
		return nil
	})
	return out, err
}

// Message joins a subject and trailers.
func Message(subject string, trailers ...string) string {
	if len(trailers) == 0 {
		return subject
	}
	return subject + "\n\n" + strings.Join(trailers, "\n") + "\n"
}
