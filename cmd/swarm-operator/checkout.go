package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/swarm-operator/swarm-operator/manifests"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

// checkout is the directory in which a person runs a command, or the one that --source names. A command that reads no
// manifests takes from it the name of the source, and the commit that a name means. It may be any directory. If it
// cannot answer, that is no error.
type checkout struct {
	location string // as it was given
	source   *git.Source
	root     string // where the location is within the source
}

// openCheckout opens a local directory or, if it lies in a checkout, that checkout. It returns nil for a URL, because a
// name is not worth a fetch.
func openCheckout(ctx context.Context, location string) *checkout {
	top, root, ok := locate(location)
	if !ok {
		return nil
	}
	source, err := git.Open(ctx, top, git.Options{})
	if err != nil {
		return nil
	}
	return &checkout{location, source, root}
}

// locate returns the checkout around a directory, and where in it the directory is. Outside a checkout it returns the
// directory and ".". ok is false if location is not a local directory.
func locate(location string) (top, root string, ok bool) {
	dir, err := filepath.Abs(location)
	if err != nil {
		return "", "", false
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return "", "", false
	}
	for top = dir; ; top = filepath.Dir(top) {
		if exists(filepath.Join(top, ".git")) {
			root, err = filepath.Rel(top, dir)
			return top, filepath.ToSlash(root), err == nil
		}
		if top == filepath.Dir(top) {
			return location, ".", true
		}
	}
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

func (c *checkout) close() {
	if c != nil {
		c.source.Close()
	}
}

// name returns the name that the source gives itself, or "".
func (c *checkout) name(ctx context.Context) string {
	if c == nil {
		return ""
	}
	head, err := c.source.Head(ctx)
	if err != nil {
		return ""
	}
	return manifests.SourceName(head.Tree, c.root)
}

// revision parses a revision as people write it: the first digits of a hash or, in a checkout, whatever git takes for
// a commit.
func (c *checkout) revision(ctx context.Context, text string) (string, error) {
	parsed, malformed := parseRevision(text)
	if strings.HasPrefix(text, git.FilesPrefix) {
		return parsed, malformed
	}
	hash, err := "", git.ErrNoHistory
	if c != nil {
		hash, err = c.source.Resolve(ctx, text)
	}
	switch {
	case err == nil:
		return hash, nil
	case errors.Is(err, git.ErrAmbiguous):
		return "", fmt.Errorf("%q is not a revision: %w; give more digits", text, git.ErrAmbiguous)
	case malformed == nil: // a commit that is not in this checkout, or not yet
		return parsed, nil
	case errors.Is(err, git.ErrNoHistory):
		return "", fmt.Errorf("%w; to use HEAD, a branch or a tag, run this in a git checkout, or name one with --source", malformed)
	case errors.Is(err, git.ErrGone):
		return "", fmt.Errorf("%w, or a branch, a tag or HEAD of the checkout %s, which has no %s", malformed, c.location, text)
	}
	return "", err
}

// newest returns the commit at HEAD if this is a checkout of the source: it names that source, or it has the commit in
// force. It returns "" otherwise.
func (c *checkout) newest(ctx context.Context, source, inForce string) string {
	if c == nil {
		return ""
	}
	head, err := c.source.Resolve(ctx, "HEAD")
	if err != nil {
		return ""
	}
	if c.name(ctx) != source {
		if known, err := c.source.Resolve(ctx, inForce); err != nil || known != inForce {
			return ""
		}
	}
	return head
}

// pickSource returns the source of that name. Without a name it returns the only source of the swarm; if there are
// several, it returns the one that the checkout names.
func pickSource(cmd *cobra.Command, name string, sources []string, c *checkout) (string, error) {
	if name != "" || len(sources) == 0 {
		return onlySource(name, sources)
	}
	own := c.name(cmd.Context())
	if len(sources) == 1 {
		if own != "" && own != sources[0] {
			note(cmd, "this is about source %s, the only one of this swarm; the checkout %s is source %s", sources[0], c.location, own)
		}
		return sources[0], nil
	}
	if slices.Contains(sources, own) {
		note(cmd, "this is about source %s, as .swarm-operator.yaml in %s has it; the swarm has the sources %s", own, c.location, strings.Join(sources, ", "))
		return own, nil
	}
	return onlySource(name, sources)
}
