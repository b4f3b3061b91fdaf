package git

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/go-git/go-git/v5/plumbing"
	pool "github.com/go-git/go-git/v5/utils/sync"
)

// store is a directory of objects: the repository's own, or an alternate. No link leads the reader out of it.
type store struct {
	root  *os.Root // nil if the directory could not be opened
	packs []*pack
	// listed is true once packs are those that the directory had at some time.
	listed bool
	// failed is why the directory, or the first of the indexes that are not in packs, cannot be read. An object that is
	// found nowhere may be there.
	failed error
}

// openStore opens a directory of objects. It refuses one that is a link which leads out of the directory above.
func openStore(dir string) *store {
	above, err := os.OpenRoot(filepath.Dir(dir))
	if err != nil {
		return &store{failed: fmt.Errorf("opening %s: %w", dir, plain(bare(err)))}
	}
	defer func() { _ = above.Close() }()
	base := filepath.Base(dir)
	root, err := above.OpenRoot(base)
	if err == nil {
		return &store{root: root}
	}
	if info, lerr := above.Lstat(base); lerr == nil && info.Mode()&fs.ModeSymlink != 0 {
		return &store{failed: fmt.Errorf("opening %s: it is a link that is not followed: %w", dir, plain(bare(err)))}
	}
	return &store{failed: fmt.Errorf("opening %s: %w", dir, plain(bare(err)))}
}

func (s *store) close() {
	if s.root != nil {
		_ = s.root.Close()
	}
}

// open opens a file of the store. It follows no link out of the store. A pipe put in a file's place cannot make it wait.
// The error is fs.ErrNotExist only if nothing has that name.
func (s *store) open(name string) (*os.File, error) {
	f, err := s.root.OpenFile(filepath.FromSlash(name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		if info, lerr := s.root.Lstat(filepath.FromSlash(name)); lerr == nil && info.Mode()&fs.ModeSymlink != 0 {
			return nil, fmt.Errorf("opening %s: it is a link that is not followed: %w", name, plain(bare(err)))
		}
		return nil, fmt.Errorf("opening %s: %w", name, bare(err))
	}
	if f, err = regular(f); err != nil {
		return nil, fmt.Errorf("opening %s: %w", name, err)
	}
	return f, nil
}

// readDir lists a directory of the store. It returns no entries if nothing has that name. It does not follow a link out of
// the store, and does not wait for a pipe.
func (s *store) readDir(name string) ([]fs.DirEntry, error) {
	f, err := s.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if _, lerr := s.root.Lstat(name); errors.Is(err, fs.ErrNotExist) && errors.Is(lerr, fs.ErrNotExist) {
		return nil, nil
	}
	var entries []fs.DirEntry
	if err == nil {
		entries, err = f.ReadDir(-1)
		_ = f.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", name, plain(bare(err)))
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// plain returns an error that nobody takes for an object or a file that does not exist. Callers do without those, and must
// not do without what is there and cannot be read.
func plain(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, plumbing.ErrObjectNotFound) {
		return errors.New(err.Error())
	}
	return err
}

// from reads an object from a store. It tries each place in which the store has the object. The error is
// ErrObjectNotFound only if the whole store was searched and has no such object.
func (o *objects) from(s *store, h plumbing.Hash) (*object, error) {
	if s.root == nil {
		return nil, s.failed
	}
	found, failed := s.readLoose(h)
	if failed == nil {
		return found, nil
	}
	if err := o.list(s); err != nil {
		return nil, err
	}
	for _, p := range s.packs {
		at, err := p.index.FindOffset(h)
		if errors.Is(err, plumbing.ErrObjectNotFound) {
			continue
		}
		if err == nil {
			err = o.use(p)
		}
		if err == nil {
			found := &object{hash: h}
			if found.kind, found.data, err = p.read(at, o.bases); err == nil {
				return found, nil
			}
		}
		if errors.Is(failed, plumbing.ErrObjectNotFound) {
			failed = plain(err)
		}
	}
	if s.failed != nil && errors.Is(failed, plumbing.ErrObjectNotFound) {
		failed = s.failed
	}
	return nil, failed
}

// list reads the indexes of a store's packs, unless that was done before. It skips an index that cannot be read, so that
// the other packs can be, and says so in s.failed.
func (o *objects) list(s *store) error {
	if s.listed {
		return nil
	}
	entries, err := s.readDir("pack")
	if err != nil {
		return err
	}
	there := make(map[string]bool, len(entries))
	for _, e := range entries {
		there[e.Name()] = true
	}
	s.packs, s.failed = nil, nil
	for _, e := range entries {
		name, is := strings.CutSuffix(e.Name(), ".idx")
		if !is || !strings.HasPrefix(name, "pack-") || !there[name+".pack"] {
			continue
		}
		p, err := openIndex(s, path.Join("pack", name), o.count)
		switch {
		case errors.Is(err, fs.ErrNotExist): // git has packed again since
		case err == nil:
			s.packs = append(s.packs, p)
			o.count++
		case s.failed == nil:
			s.failed = fmt.Errorf("reading the index %s: %w", e.Name(), plain(err))
		}
	}
	s.listed = true
	return nil
}

// use opens a pack, unless it is open.
func (o *objects) use(p *pack) error {
	if p.file != nil {
		return nil
	}
	if len(o.inUse) >= maxPacks {
		o.closePacks()
	}
	if err := p.open(); err != nil {
		return err
	}
	o.inUse = append(o.inUse, p)
	return nil
}

func (o *objects) closePacks() {
	for _, p := range o.inUse {
		p.close()
	}
	o.inUse = nil
}

// readLoose reads an object that has a file of its own. The file says the object's size before its content.
func (s *store) readLoose(h plumbing.Hash) (*object, error) {
	name := h.String()
	f, err := s.open(path.Join(name[:2], name[2:]))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, plumbing.ErrObjectNotFound
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	z, err := pool.GetZlibReader(bufio.NewReader(f))
	if err != nil {
		return nil, errDamaged(err)
	}
	defer pool.PutZlibReader(z)
	r := bufio.NewReaderSize(z.Reader, 512)
	kind, size, err := looseHeader(r)
	switch {
	case err != nil:
		return nil, errDamaged(err)
	case size > maxObject:
		return nil, tooLarge("it has %d bytes", size)
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, errDamaged(err)
	}
	_, err = r.ReadByte() // which also compares the checksum
	switch {
	case errors.Is(err, io.EOF):
		return &object{h, kind, data}, nil
	case err == nil:
		err = errors.New("it goes on after its end")
	}
	return nil, errDamaged(err)
}

// looseHeader reads the kind and the size of an object.
func looseHeader(r *bufio.Reader) (plumbing.ObjectType, int64, error) {
	header, err := r.ReadSlice(0) // which fails for one that is larger than its buffer
	if err != nil {
		return 0, 0, err
	}
	name, digits, _ := strings.Cut(string(bytes.TrimSuffix(header, []byte{0})), " ")
	kind, err := plumbing.ParseObjectType(name)
	if err != nil {
		return 0, 0, err
	}
	size, err := strconv.ParseUint(digits, 10, 63)
	return kind, int64(size), err
}

func errDamaged(err error) error { return fmt.Errorf("it is damaged: %w", err) }

// within lists the objects of a store whose hash begins with some bytes, of which there is at least one.
func (o *objects) within(s *store, prefix []byte) ([]plumbing.Hash, error) {
	if s.root == nil {
		return nil, s.failed
	}
	if err := o.list(s); err != nil {
		return nil, err
	}
	if s.failed != nil {
		return nil, s.failed
	}
	first := hex.EncodeToString(prefix[:1])
	entries, err := s.readDir(first)
	if err != nil {
		return nil, err
	}
	var out []plumbing.Hash
	for _, e := range entries {
		if h := plumbing.NewHash(first + e.Name()); plumbing.IsHash(first+e.Name()) && bytes.HasPrefix(h[:], prefix) {
			out = append(out, h)
		}
	}
	for _, p := range s.packs {
		bucket := p.index.FanoutMapping[prefix[0]]
		if bucket < 0 || bucket >= len(p.index.Names) {
			continue
		}
		for names := p.index.Names[bucket]; len(names) >= len(plumbing.Hash{}); names = names[len(plumbing.Hash{}):] {
			if bytes.HasPrefix(names, prefix) {
				out = append(out, plumbing.Hash(names[:len(plumbing.Hash{})]))
			}
		}
	}
	return out, nil
}
