package git

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
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
	maxPack int64
}

// PackfileWriter is what go-git writes a fetched pack to.
func (c checked) PackfileWriter() (io.WriteCloser, error) {
	file, err := c.Filesystem().TempFile("", incomingPrefix)
	if err != nil {
		return nil, err
	}
	return &incoming{file: file, store: c.Storage, left: c.maxPack, most: c.maxPack}, nil
}

// incomingPrefix begins the names of files that are not complete. No pack's name begins so.
const incomingPrefix = "incoming-"

// incoming is a pack that comes in.
type incoming struct {
	file  billy.File
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

// Close checks the pack and makes it a pack of the repository. Nothing of a pack that is refused stays.
func (p *incoming) Close() error {
	defer func() {
		_ = p.file.Close()                             // it was read to its end, or is of no use
		_ = p.store.Filesystem().Remove(p.file.Name()) // which fails if it has become a pack
	}()
	if p.err != nil {
		return p.err
	}
	size, err := p.file.Seek(0, io.SeekEnd)
	if size == 0 || err != nil { // go-git says that it is empty
		return err
	}
	if _, err := p.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := checkPack(p.file); err != nil {
		return err
	}
	index, err := indexPack(p.file, size)
	if err != nil {
		return err
	}
	return p.keep(index)
}

// keep makes the file a pack of the repository. So a fetch takes the room of one pack and its index, on a disk that may
// hold no more: go-git would write the pack a second time. keep writes the index first, because a pack without an index
// makes the repository unreadable, and nobody looks at an index without a pack.
//
// It does not wait until the disk has the files. Only this process reads the clone: after a crash there is a new one.
func (p *incoming) keep(index *idxfile.MemoryIndex) error {
	disk := p.store.Filesystem()
	base := disk.Join("objects", "pack", "pack-"+hex.EncodeToString(index.PackfileChecksum[:]))
	if info, err := disk.Lstat(base + ".pack"); err == nil && info.Mode().IsRegular() {
		return nil // it came before, and the ref could not be written
	}
	if err := writeIndex(disk, base+".idx", index); err != nil {
		return fmt.Errorf("writing the index of what the remote sends: %w", bare(err))
	}
	protect(disk, p.file.Name())
	if err := disk.Rename(p.file.Name(), base+".pack"); err != nil {
		_ = disk.Remove(base + ".idx")
		return fmt.Errorf("keeping what the remote sends: %w", err)
	}
	p.store.Reindex()
	return nil
}

// writeIndex writes the index of a pack. If that fails, nothing of it stays.
func writeIndex(disk billy.Filesystem, name string, index *idxfile.MemoryIndex) error {
	file, err := disk.TempFile("", incomingPrefix)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(file)
	_, err = idxfile.NewEncoder(w).Encode(index)
	if err = errors.Join(err, w.Flush(), file.Close()); err == nil {
		protect(disk, file.Name())
		err = disk.Rename(file.Name(), name)
	}
	if err != nil {
		_ = disk.Remove(file.Name())
	}
	return err
}

// protect makes a file read-only, as git does with packs. Where the disk knows no modes, it does nothing.
func protect(disk billy.Filesystem, name string) {
	if c, ok := disk.(billy.Chmod); ok {
		_ = c.Chmod(name, 0o444)
	}
}

// indexPack makes the index of a pack of so many bytes. It fails if the pack is not whole.
func indexPack(file billy.File, size int64) (*idxfile.MemoryIndex, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	var w idxfile.Writer
	parser, err := packfile.NewParser(packfile.NewScanner(file), &w)
	if err != nil {
		return nil, err
	}
	sum, err := parser.Parse()
	switch {
	case errors.Is(err, packfile.ErrReferenceDeltaNotFound):
		return nil, errThin
	case err != nil:
		return nil, fmt.Errorf("reading what the remote sends: %w", err)
	}
	// The parser passes a pack that ends before its checksum, and does not look at what comes after it.
	var end plumbing.Hash
	if _, err := file.ReadAt(end[:], max(size-int64(len(end)), 0)); err != nil || end != sum {
		return nil, errCutOff
	}
	return w.Index()
}

var (
	// go-git never asks for such packs.
	errThin   = errors.New("the remote sends changes to objects without these objects, which nobody asked it for")
	errCutOff = errors.New("what the remote sends has no end, or goes on after its end")
)

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
