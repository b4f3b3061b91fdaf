package git

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

const (
	maxChain = 4095 // deltas that make one object; git itself makes no longer chains
	packBits = 40   // of a place in a pack: no pack has a tebibyte
)

// pack reads the objects of one pack. It looks at the size of an object, and of all that the object is built on, before it
// reads them. go-git's own reader of packs looks only at the object: the rest it reads into memory, whatever its size.
type pack struct {
	store *store
	name  string // of the file in the store, without .pack or .idx
	index *idxfile.MemoryIndex
	// key is what the objects of this pack have in common in bases.
	key  int64
	file *os.File // nil while the pack is closed
	scan *packfile.Scanner
}

// openIndex reads a pack's index. The error is fs.ErrNotExist only if nothing has that name.
func openIndex(s *store, name string, number int) (*pack, error) {
	f, err := s.open(name + ".idx")
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	p := &pack{store: s, name: name, index: idxfile.NewMemoryIndex(), key: int64(number) << packBits}
	return p, idxfile.NewDecoder(f).Decode(p.index)
}

// open opens the pack. It fails if the index is that of another pack.
func (p *pack) open() error {
	f, err := p.store.open(p.name + ".pack")
	if err != nil {
		return err
	}
	var end plumbing.Hash
	if _, err = f.Seek(-int64(len(end)), io.SeekEnd); err == nil {
		_, err = io.ReadFull(f, end[:])
	}
	if err == nil && end != p.index.PackfileChecksum {
		err = errors.New("it does not fit its index")
	}
	if err != nil {
		_ = f.Close()
		return fmt.Errorf("opening %s.pack: %w", p.name, bare(err))
	}
	p.file, p.scan = f, packfile.NewScanner(f)
	return nil
}

func (p *pack) close() {
	if p.file != nil {
		_ = p.file.Close() // it was only read from
	}
	p.file, p.scan = nil, nil
}

// read returns the object at a place in the pack. It fails if something of more than maxObject bytes is needed for that.
func (p *pack) read(at int64, bases *cache.BufferLRU) (plumbing.ObjectType, []byte, error) {
	kind, data, deltas, err := p.descend(at, bases)
	for _, at := range slices.Backward(deltas) {
		if err != nil {
			break
		}
		if data, err = p.grow(at, data); err == nil {
			p.keep(bases, at, kind, data)
		}
	}
	return kind, slices.Clip(data), err // whoever adds to it must not write over what mark has put behind it
}

// descend returns the object at a place, or what that is built on, and the places of the deltas that make the one of the
// other, the last one first.
func (p *pack) descend(at int64, bases *cache.BufferLRU) (kind plumbing.ObjectType, data []byte, deltas []int64, err error) {
	for len(deltas) <= maxChain {
		if at>>packBits != 0 {
			return 0, nil, nil, errors.New("its place is behind the end of any pack")
		}
		if known, ok := bases.Get(p.key | at); ok {
			kind, data = unmark(known)
			return kind, data, deltas, nil
		}
		h, err := p.scan.SeekObjectHeader(at)
		switch {
		case err != nil:
			return 0, nil, nil, err
		case h.Type < plumbing.CommitObject || h.Type > plumbing.TagObject && !h.Type.IsDelta():
			return 0, nil, nil, fmt.Errorf("git knows no kind %d of objects", h.Type)
		case !h.Type.IsDelta():
			if h.Length > maxObject && len(deltas) > 0 {
				return 0, nil, nil, fmt.Errorf("%w. git -c core.bigFileThreshold=64m repack -adF stores it by itself",
					tooLarge("git has it as a change to an object of %d bytes", h.Length))
			}
			if data, err = p.inflate(h); err == nil {
				p.keep(bases, at, h.Type, data)
			}
			return h.Type, data, deltas, err
		}
		deltas = append(deltas, at)
		if at, err = p.base(h); err != nil {
			return 0, nil, nil, err
		}
	}
	return 0, nil, nil, fmt.Errorf("it is made with more than %d deltas", maxChain)
}

// keep remembers an object that others may be built on.
func (p *pack) keep(bases *cache.BufferLRU, at int64, kind plumbing.ObjectType, data []byte) {
	if len(data) < int(bases.MaxSize) {
		bases.Put(p.key|at, mark(kind, data))
	}
}

// base returns where the object is that a delta builds on.
func (p *pack) base(h *packfile.ObjectHeader) (int64, error) {
	if h.Type == plumbing.OFSDeltaObject {
		return h.OffsetReference, nil
	}
	at, err := p.index.FindOffset(h.Reference)
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return 0, fmt.Errorf("it builds on %s, which is not in its pack", h.Reference)
	}
	return at, err
}

// grow returns the object that the delta at a place makes of another object.
func (p *pack) grow(at int64, from []byte) ([]byte, error) {
	h, err := p.scan.SeekObjectHeader(at)
	if err != nil {
		return nil, err
	}
	delta, err := p.inflate(h)
	if err != nil {
		return nil, err
	}
	_, n := binary.Uvarint(delta) // the size of what it builds on, which PatchDelta compares
	if n <= 0 {
		return nil, packfile.ErrInvalidDelta
	}
	size, n := binary.Uvarint(delta[n:])
	switch {
	case n <= 0:
		return nil, packfile.ErrInvalidDelta
	case size > maxObject:
		return nil, tooLarge("it, or what git builds it on, has %d bytes", size)
	}
	return packfile.PatchDelta(from, delta)
}

// inflate returns the content of which the header was read last.
func (p *pack) inflate(h *packfile.ObjectHeader) ([]byte, error) {
	if h.Length > maxObject {
		return nil, tooLarge("it has %d bytes", h.Length)
	}
	var b bytes.Buffer
	b.Grow(int(h.Length) + 1) // and what mark adds
	n, _, err := p.scan.NextObject(&b)
	if err == nil && n != h.Length {
		err = fmt.Errorf("%d of its %d bytes are there", n, h.Length)
	}
	return b.Bytes(), err
}

// mark notes the kind of an object behind its content, for a cache that keeps only bytes.
func mark(kind plumbing.ObjectType, data []byte) []byte { return append(data, byte(kind)) }

// unmark undoes mark.
func unmark(marked []byte) (plumbing.ObjectType, []byte) {
	n := len(marked) - 1
	return plumbing.ObjectType(marked[n]), marked[:n]
}

// tooLarge says what is too large to be read, and what that is for.
func tooLarge(format string, size any) error {
	return fmt.Errorf(format+"; at most %d are read", size, int64(maxObject))
}
