package git

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// These bound what one fetch may bring. go-git reads every object of a pack into memory when it makes the pack's index, and
// keeps about 300 bytes for each, whatever the repository needs of them.
const (
	maxPack     = 2 << 30  // bytes on disk
	maxIncoming = 1 << 20  // objects
	maxUnpacked = 32 << 30 // bytes of all objects together, which bounds the time that an index takes
)

// checked is a storage that takes in only packs within the bounds. They are checked before go-git reads them.
type checked struct {
	*filesystem.Storage
	dir     string // for the pack while it comes in
	maxPack int64
}

// PackfileWriter is what go-git writes a fetched pack to.
func (c checked) PackfileWriter() (io.WriteCloser, error) {
	file, err := os.CreateTemp(c.dir, "incoming-")
	if err != nil {
		return nil, err
	}
	return &incoming{file: file, store: c.Storage, left: c.maxPack, most: c.maxPack}, nil
}

// incoming is a pack that comes in.
type incoming struct {
	file  *os.File
	store *filesystem.Storage
	left  int64 // bytes that may still come
	most  int64
	err   error // of Write
}

func (p *incoming) Write(b []byte) (int, error) {
	if p.left -= int64(len(b)); p.left < 0 && p.err == nil {
		p.err = tooMuch("the remote sends more than %d bytes at once", p.most)
	}
	if p.err != nil {
		return 0, p.err
	}
	n, err := p.file.Write(b)
	p.err = err
	return n, err
}

// Close checks the pack and hands it over. Nothing of a pack that is refused stays.
func (p *incoming) Close() error {
	defer func() {
		_ = p.file.Close() // it was read to its end, or is of no use
		_ = os.Remove(p.file.Name())
	}()
	if p.err != nil {
		return p.err
	}
	if size, err := p.file.Seek(0, io.SeekEnd); size == 0 || err != nil { // go-git says that it is empty
		return err
	}
	if _, err := p.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := checkPack(p.file); err != nil {
		return err
	}
	if _, err := p.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return packfile.WritePackfileToObjectStorage(p.store, p.file)
}

// checkPack returns an error if a pack has an object, or all together, beyond the bounds.
func checkPack(r io.ReadSeeker) error {
	s := packfile.NewScanner(r)
	_, count, err := s.Header()
	if err != nil {
		return err
	}
	if count > maxIncoming {
		return tooMuch("the remote sends %d objects at once; at most %d are read", count, maxIncoming)
	}
	var all int64
	for range count {
		h, err := s.NextObjectHeader()
		if err != nil {
			return err
		}
		size := h.Length // the scanner fails if more comes
		if size <= maxObject && h.Type.IsDelta() {
			if size, err = deltaTarget(s, size); err != nil {
				return err
			}
		}
		if size > maxObject {
			return tooMuch("the remote sends an object of %d bytes; at most %d are read", size, maxObject)
		}
		if all += size; all > maxUnpacked {
			return tooMuch("the objects that the remote sends have more than %d bytes together", int64(maxUnpacked))
		}
	}
	return nil
}

// tooMuch says what to do about a repository that is beyond the bounds.
func tooMuch(format string, args ...any) error {
	return fmt.Errorf(format+". Take what is large out of the history, or let git keep a clone and give its directory as the source", args...)
}

// deltaTarget reads a delta and returns the size of the object that it makes, or the delta's own if that is larger.
func deltaTarget(s *packfile.Scanner, size int64) (int64, error) {
	var begin beginning
	if _, _, err := s.NextObject(&begin); err != nil {
		return 0, err
	}
	_, n := binary.Uvarint(begin) // the size of what it builds on, which is an object as well
	if n <= 0 {
		return 0, errBadDelta
	}
	target, n := binary.Uvarint(begin[n:])
	if n <= 0 {
		return 0, errBadDelta
	}
	return max(size, int64(min(target, maxObject+1))), nil
}

var errBadDelta = errors.New("the remote sends a delta that does not say how large it is")

// beginning keeps the beginning of what is written to it, as far as the two numbers in which a delta says its sizes.
type beginning []byte

func (h *beginning) Write(b []byte) (int, error) {
	*h = append(*h, b[:min(len(b), 2*binary.MaxVarintLen64-len(*h))]...)
	return len(b), nil
}
