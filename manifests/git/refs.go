package git

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// refs resolves names. go-git's own reader falls back to the packed value of a ref if the loose file is empty or
// cannot be read. That value is older: a branch would seem to have moved back.
type refs struct{ layout }

var (
	hashText = regexp.MustCompile(`^[0-9a-f]{40}$`)
	refName  = regexp.MustCompile(`^(HEAD|refs/[^\x00-\x20\x7f~^:?*\[\\]+)$`)
)

// resolve returns the hash that a ref stands for: HEAD, a full name, or the short name of a branch or tag.
func (r refs) resolve(name string) (plumbing.Hash, error) {
	if name == "" {
		name = "HEAD"
	}
	candidates := []string{name}
	if name != "HEAD" && !strings.HasPrefix(name, "refs/") {
		candidates = []string{"refs/heads/" + name, "refs/tags/" + name, "refs/remotes/origin/" + name}
	}
	for _, c := range candidates {
		h, err := r.follow(c)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return h, err
	}
	if name == "HEAD" {
		return plumbing.ZeroHash, fmt.Errorf("HEAD is missing")
	}
	return plumbing.ZeroHash, fmt.Errorf("there is no branch or tag %s", name)
}

// follow resolves symbolic refs. git itself allows five in a row.
func (r refs) follow(name string) (plumbing.Hash, error) {
	for range 6 {
		text, err := r.read(name)
		if errors.Is(err, fs.ErrNotExist) && name != "HEAD" && r.pointedAt(name) {
			return plumbing.ZeroHash, fmt.Errorf("%w: HEAD names the branch %s, which does not exist", ErrNoCommit, strings.TrimPrefix(name, "refs/heads/"))
		}
		if err != nil {
			return plumbing.ZeroHash, err
		}
		if hashText.MatchString(text) {
			return plumbing.NewHash(text), nil
		}
		target, ok := strings.CutPrefix(text, "ref:")
		if !ok {
			return plumbing.ZeroHash, fmt.Errorf("the ref %s is neither a commit nor another ref; the file may be damaged", name)
		}
		name = strings.TrimSpace(target)
	}
	return plumbing.ZeroHash, errors.New("refs name each other in a circle")
}

// pointedAt reports whether HEAD names a ref.
func (r refs) pointedAt(name string) bool {
	text, err := r.read("HEAD")
	return err == nil && strings.TrimSpace(strings.TrimPrefix(text, "ref:")) == name
}

// read returns the text of a ref. A loose file counts before packed-refs, whatever it holds.
func (r refs) read(name string) (string, error) {
	if !refName.MatchString(name) || !fs.ValidPath(name) {
		return "", fmt.Errorf("the name of a ref is malformed")
	}
	dir := r.common
	if !strings.HasPrefix(name, "refs/") || strings.HasPrefix(name, "refs/worktree/") || strings.HasPrefix(name, "refs/bisect/") {
		dir = r.git
	}
	file := filepath.Join(dir, filepath.FromSlash(name))
	data, err := readSmall(file)
	switch info, statErr := os.Stat(file); {
	case err == nil && len(data) == 0:
		return "", fmt.Errorf("the ref %s is empty; the file may be damaged", name)
	case err == nil:
		return strings.TrimSpace(string(data)), nil
	case statErr == nil && info.IsDir(): // refs/heads/a when refs/heads/a/b exists; a may be packed
	case !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("reading the ref %s: %w", name, bare(err))
	}
	return r.packed(name)
}

// packed looks up a ref in packed-refs. It fails with fs.ErrNotExist if the ref is not there.
func (r refs) packed(name string) (string, error) {
	f, err := openRegular(filepath.Join(r.common, "packed-refs"))
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if hash, ref, ok := strings.Cut(lines.Text(), " "); ok && ref == name {
			return hash, nil
		}
	}
	if err := lines.Err(); err != nil {
		return "", fmt.Errorf("reading packed-refs: %w", bare(err))
	}
	return "", fs.ErrNotExist
}
