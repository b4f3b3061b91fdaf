package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	gitobject "github.com/go-git/go-git/v5/plumbing/object"
)

// tree holds the files of one commit as an fs.FS. It reads directories and blobs only on demand.
type tree struct {
	ctx  context.Context
	r    *repository
	root plumbing.Hash
	mu   sync.Mutex
	dirs map[plumbing.Hash][]fs.DirEntry // sorted by name
}

var (
	_ fs.ReadDirFS  = (*tree)(nil)
	_ fs.ReadLinkFS = (*tree)(nil)
	_ fs.StatFS     = (*tree)(nil)
)

func newTree(ctx context.Context, r *repository, root plumbing.Hash) *tree {
	return &tree{ctx: ctx, r: r, root: root, dirs: map[plumbing.Hash][]fs.DirEntry{}}
}

// node is an entry of a directory. It is both the entry's DirEntry and its FileInfo.
type node struct {
	t    *tree
	name string
	mode fs.FileMode
	hash plumbing.Hash
}

func (n *node) Name() string               { return n.name }
func (n *node) IsDir() bool                { return n.mode.IsDir() }
func (n *node) Type() fs.FileMode          { return n.mode.Type() }
func (n *node) Info() (fs.FileInfo, error) { return n, nil }
func (n *node) Mode() fs.FileMode          { return n.mode }
func (n *node) ModTime() time.Time         { return time.Time{} }
func (n *node) Sys() any                   { return n }

// BlobID returns an id of the file's content, or "" if the node is no regular file. Equal content has an equal id.
func (n *node) BlobID() string {
	if !n.mode.IsRegular() {
		return ""
	}
	return n.hash.String()
}

// Size reads the blob. If that fails it returns 0, and opening the file returns the error.
func (n *node) Size() int64 {
	if n.mode.IsDir() || n.mode&fs.ModeIrregular != 0 {
		return 0
	}
	o, err := n.t.r.get(n.t.ctx, plumbing.BlobObject, n.hash)
	if err != nil {
		return 0
	}
	return int64(len(o.data))
}

// list returns the entries of a tree object.
func (t *tree) list(h plumbing.Hash) ([]fs.DirEntry, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if known, ok := t.dirs[h]; ok {
		return known, nil
	}
	o, err := t.r.get(t.ctx, plumbing.TreeObject, h)
	if err != nil {
		return nil, err
	}
	var g gitobject.Tree
	if err := g.Decode(o.encoded()); err != nil {
		return nil, fmt.Errorf("reading the tree %s: %w", h, err)
	}
	entries, nodes := make([]fs.DirEntry, 0, len(g.Entries)), make([]node, len(g.Entries))
	for i, e := range g.Entries {
		// Names in an fs.FS are UTF-8. Leaving the file out would lose it silently.
		name := strings.ToValidUTF8(e.Name, "\uFFFD")
		if name == "." || !fs.ValidPath(name) || strings.Contains(name, "/") {
			return nil, fmt.Errorf("reading the tree %s: it holds the name %s", h, quote(name))
		}
		nodes[i] = node{t: t, name: name, mode: modeOf(e.Mode), hash: e.Hash}
		entries = append(entries, &nodes[i])
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	t.dirs[h] = entries
	return entries, nil
}

func modeOf(m filemode.FileMode) fs.FileMode {
	switch m {
	case filemode.Dir:
		return fs.ModeDir | 0o755
	case filemode.Executable:
		return 0o755
	case filemode.Regular, filemode.Deprecated:
		return 0o644
	case filemode.Symlink:
		return fs.ModeSymlink | 0o777
	}
	return fs.ModeIrregular // a submodule
}

// find walks to a name and follows no link.
func (t *tree) find(op, name string) (*node, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	at := &node{t: t, name: ".", mode: fs.ModeDir | 0o755, hash: t.root}
	if name == "." {
		return at, nil
	}
	for _, step := range strings.Split(name, "/") {
		if !at.IsDir() {
			return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
		}
		entries, err := t.list(at.hash)
		if err != nil {
			return nil, &fs.PathError{Op: op, Path: name, Err: err}
		}
		i, ok := slices.BinarySearchFunc(entries, step, func(e fs.DirEntry, s string) int { return strings.Compare(e.Name(), s) })
		if !ok {
			return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
		}
		at = entries[i].(*node)
	}
	return at, nil
}

// Stat describes a file, or a link itself. It follows nothing.
func (t *tree) Stat(name string) (fs.FileInfo, error)  { return t.stat("stat", name) }
func (t *tree) Lstat(name string) (fs.FileInfo, error) { return t.stat("lstat", name) }

func (t *tree) stat(op, name string) (fs.FileInfo, error) {
	n, err := t.find(op, name)
	if err != nil {
		return nil, err
	}
	return n, nil
}

// ReadLink returns where a link points. It fails if the name is no link.
func (t *tree) ReadLink(name string) (string, error) {
	n, err := t.find("readlink", name)
	if err != nil {
		return "", err
	}
	if n.mode&fs.ModeSymlink == 0 {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	o, err := t.r.get(t.ctx, plumbing.BlobObject, n.hash)
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: err}
	}
	return string(o.data), nil
}

// ReadDir lists a directory in the order of names.
func (t *tree) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := t.find("readdir", name)
	if err != nil {
		return nil, err
	}
	if !n.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errors.New("not a directory")}
	}
	entries, err := t.list(n.hash)
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	return slices.Clone(entries), nil
}

// Open opens a regular file or a directory.
func (t *tree) Open(name string) (fs.File, error) {
	n, err := t.find("open", name)
	if err != nil {
		return nil, err
	}
	f := &file{node: n}
	switch {
	case n.IsDir():
		f.entries, err = t.list(n.hash)
	case n.mode.IsRegular():
		var o *object
		if o, err = t.r.get(t.ctx, plumbing.BlobObject, n.hash); err == nil {
			f.Reader = bytes.NewReader(o.data)
		}
	default:
		err = errors.New("not a regular file")
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return f, nil
}

// file is an open file or directory.
type file struct {
	*node
	*bytes.Reader
	entries []fs.DirEntry
	read    int
}

func (f *file) Stat() (fs.FileInfo, error) { return f.node, nil }
func (f *file) Close() error               { return nil }
func (f *file) Size() int64                { return f.node.Size() }

func (f *file) Read(p []byte) (int, error) {
	if f.Reader == nil {
		return 0, &fs.PathError{Op: "read", Path: path.Base(f.name), Err: errors.New("is a directory")}
	}
	return f.Reader.Read(p)
}

// ReadDir lists the rest of a directory.
func (f *file) ReadDir(n int) ([]fs.DirEntry, error) {
	left := f.entries[f.read:]
	if n > 0 {
		if len(left) == 0 {
			return nil, io.EOF
		}
		left = left[:min(n, len(left))]
	}
	f.read += len(left)
	return slices.Clone(left), nil
}
