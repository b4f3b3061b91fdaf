package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
)

// Origin is where the history of a commit begins. It tells whether two commits come from the same repository. Dates do
// not: anybody may write any date into a commit.
type Origin struct {
	// Roots are the commits without a parent, the one on the line of first parents first. Where a shallow clone cuts the
	// history off, they are the oldest commits that are there. A history with very many roots has only some of them here.
	Roots []string
	// Cut is true if a shallow clone cuts the history off, so that more may be behind Roots.
	Cut bool
	// Met is the known commit at which the search ended, or "" if it met none. Roots is empty if it met one.
	Met string
	// Place is the absolute path of the source's directory. It is "" for a remote.
	Place string
	// Files is true if the files are read as they are, so that the directory is what stays the same. Its history is
	// then that of the checkout around it, if there is one.
	Files bool
}

// mostRoots is how many roots of a history are returned. Few have more than one.
const mostRoots = 20

// Origin looks for where the history of a commit begins. It ends at the first commit for which known returns true. A
// commit names its parents by their content, so the search also meets a parent that a shallow clone does not have. known
// may be nil.
func (s *Source) Origin(ctx context.Context, hash string, known func(hash string) bool) (Origin, error) {
	if known == nil {
		known = func(string) bool { return false }
	}
	return s.begins(ctx, hash, known)
}

// Shallow reports whether the history is cut off, as a shallow clone's is.
func (s *Source) Shallow(ctx context.Context) (bool, error) {
	if h, ok := s.backend.(historian); ok {
		return h.lacks(ctx)
	}
	return false, nil
}

// lacks reports whether a commit is there whose parents are not, on purpose. git also marks a root as cut off, if it is as
// deep as the clone was asked to be.
func (r *repository) lacks(ctx context.Context) (bool, error) {
	cut, err := r.shallow()
	for h := range cut {
		found, err := r.get(ctx, plumbing.CommitObject, h)
		if errors.Is(err, plumbing.ErrObjectNotFound) { // git may have pruned it
			continue
		}
		if err != nil {
			return false, fmt.Errorf("reading where the history of %s is cut off: %w", r.name, err)
		}
		if len(parents(found.data)) > 0 {
			return true, nil
		}
	}
	return false, err
}

func (r *repository) begins(ctx context.Context, hash string, known func(string) bool) (Origin, error) {
	out := Origin{Place: absolute(r.place)}
	fail := func(err error) (Origin, error) {
		return Origin{Place: out.Place}, fmt.Errorf("looking for where the history of %s in %s begins: %w", hash, r.name, err)
	}
	if _, err := r.where(); err != nil {
		return fail(err)
	}
	cut, err := r.shallow()
	if err != nil {
		return fail(err)
	}
	seen := map[plumbing.Hash]bool{}
	for left := []plumbing.Hash{plumbing.NewHash(hash)}; len(left) > 0; {
		h := left[len(left)-1]
		if left = left[:len(left)-1]; seen[h] {
			continue
		}
		seen[h] = true
		if name := h.String(); known(name) {
			return Origin{Place: out.Place, Met: name}, nil
		}
		found, err := r.get(ctx, plumbing.CommitObject, h)
		if err != nil {
			return fail(err)
		}
		up := parents(found.data)
		if cut[h] && len(up) > 0 {
			out.Cut = true
			for _, p := range up {
				if name := p.String(); known(name) {
					return Origin{Place: out.Place, Met: name}, nil
				}
			}
			up = nil
		}
		if len(up) == 0 && len(out.Roots) < mostRoots {
			out.Roots = append(out.Roots, h.String())
		}
		for _, p := range slices.Backward(up) { // the first parent is next
			left = append(left, p)
		}
	}
	return out, nil
}

// parents returns the parents of a commit as git stores it: lines after that of the tree.
func parents(commit []byte) []plumbing.Hash {
	var out []plumbing.Hash
	_, rest, _ := bytes.Cut(commit, []byte("\n"))
	for {
		line, more, _ := bytes.Cut(rest, []byte("\n"))
		name, is := bytes.CutPrefix(line, []byte("parent "))
		if !is {
			return out
		}
		out, rest = append(out, plumbing.NewHash(string(name))), more
	}
}

// begins returns no place: a remote may move.
func (r *remote) begins(ctx context.Context, hash string, known func(string) bool) (Origin, error) {
	out, err := r.repository.begins(ctx, hash, known)
	out.Place = ""
	return out, err
}

// begins returns the directory, and where the history of the checkout around it begins.
func (f *files) begins(ctx context.Context, _ string, known func(string) bool) (Origin, error) {
	out := Origin{Place: absolute(f.dir), Files: true}
	l, err := find(f.dir)
	if err != nil {
		return out, err
	}
	around := l.parent
	if l.git != "" {
		around = f.dir
	}
	if around == "" {
		return out, nil
	}
	r, err := openRepository(around, Options{})
	if err != nil {
		return out, err
	}
	defer func() { _ = r.close() }()
	c, _, err := r.head(ctx)
	if errors.Is(err, ErrNoCommit) {
		return out, nil
	}
	if err != nil {
		return out, err
	}
	of, err := r.begins(ctx, c.Hash, known)
	out.Roots, out.Cut, out.Met = of.Roots, of.Cut, of.Met
	return out, err
}
