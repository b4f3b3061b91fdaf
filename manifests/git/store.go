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
	"path/filepath"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	pool "github.com/go-git/go-git/v5/utils/sync"
)

// store is a directory of objects: the repository's own, or an alternate.
type store struct {
	dir   string
	packs []*pack
	// listed is true once packs are those that the directory had at some time.
	listed bool
}

// from reads an object from a store. It tries each place in which the store has the object. The error is
// ErrObjectNotFound if there is none.
func (o *objects) from(s *store, h plumbing.Hash) (*object, error) {
	found, failed := readLoose(s.dir, h)
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
			failed = err
		}
	}
	return nil, failed
}

// list reads the indexes of a store's packs, unless that was done before.
func (o *objects) list(s *store) error {
	if s.listed {
		return nil
	}
	dir := filepath.Join(s.dir, "pack")
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	there := make(map[string]bool, len(entries))
	for _, e := range entries {
		there[e.Name()] = true
	}
	s.packs = nil
	for _, e := range entries {
		name, is := strings.CutSuffix(e.Name(), ".idx")
		if !is || !strings.HasPrefix(name, "pack-") || !there[name+".pack"] {
			continue
		}
		p, err := openIndex(filepath.Join(dir, name), o.count)
		switch {
		case errors.Is(err, fs.ErrNotExist): // git has packed again since
		case err != nil:
			return fmt.Errorf("reading %s: %w", e.Name(), bare(err))
		default:
			s.packs = append(s.packs, p)
			o.count++
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
		return fmt.Errorf("opening %s.pack: %w", filepath.Base(p.name), bare(err))
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
func readLoose(dir string, h plumbing.Hash) (*object, error) {
	name := h.String()
	f, err := os.Open(filepath.Join(dir, name[:2], name[2:]))
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
	if _, err := r.ReadByte(); !errors.Is(err, io.EOF) { // which also compares the checksum
		return nil, errDamaged(errors.Join(errors.New("it goes on after its end"), err))
	}
	return &object{h, kind, data}, nil
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

// beginning lists the objects whose hash begins with some bytes, of which there is at least one.
func (s *store) beginning(prefix []byte) ([]plumbing.Hash, error) {
	first := hex.EncodeToString(prefix[:1])
	entries, err := os.ReadDir(filepath.Join(s.dir, first))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
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
