package git

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing/iotest"

	"github.com/fsnotify/fsnotify"
	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
)

// WithoutEvents makes the kernel's watches unavailable to a source.
func WithoutEvents(s *Source) {
	s.newWatcher = func() (*fsnotify.Watcher, error) { return nil, errors.New("no instances left") }
}

// Looks counts how often watchers look at the state of a source. It is called before they begin.
func Looks(s *Source) *atomic.Int64 {
	c := &counted{backend: s.backend}
	s.backend = c
	return &c.looks
}

type counted struct {
	backend
	looks atomic.Int64
}

func (c *counted) state(ctx context.Context) string {
	defer c.looks.Add(1)
	return c.backend.state(ctx)
}

// Forget makes the source ask a remote again, however recently it did.
func Forget(s *Source) {
	r := s.backend.(*remote)
	r.turn <- struct{}{}
	defer func() { <-r.turn }()
	r.asked = r.asked.Add(-maxFresh)
}

// These are exported for tests of how locations are read and shown.
var (
	RedactURL = redactURL
	IsURL     = isURL
)

// Signer is what a signature of a commit says.
var Signer = signer

// Bases returns how many objects that deltas build on a source has in memory, of those with these hashes.
func Bases(s *Source, hashes ...string) (n int) {
	o := &s.backend.(*repository).objects
	for _, p := range o.stores[0].packs {
		for _, h := range hashes {
			at, err := p.index.FindOffset(plumbing.NewHash(h))
			if _, kept := o.bases.Get(p.key | at); kept && err == nil {
				n++
			}
		}
	}
	return n
}

// CheckPack is what a fetched pack goes through.
var CheckPack = checkPack

// Bounds of a fetch, for tests at their edges.
const (
	MaxObject   = maxObject
	MaxIncoming = maxIncoming
	MaxUnpacked = maxUnpacked
	MaxPacks    = maxPacks
)

// TakeIn writes a pack that may have so many bytes to the clone of a remote, in steps. around may put something between
// the clone and its disk.
func TakeIn(s *Source, most int64, pack []byte, around func(billy.Filesystem) billy.Filesystem) error {
	disk := osfs.New(s.backend.(*remote).place)
	if around != nil {
		disk = around(disk)
	}
	store := openStorage(disk)
	defer func() { _ = store.Close() }()
	w, err := checked{store, most}.PackfileWriter()
	if err != nil {
		return err
	}
	_, err = io.Copy(w, iotest.HalfReader(bytes.NewReader(pack)))
	return errors.Join(err, w.Close())
}

// Object reads any object of a repository.
func Object(s *Source, hash string) (kind string, data []byte, err error) {
	o, err := s.backend.(*repository).get(context.Background(), plumbing.AnyObject, plumbing.NewHash(hash))
	if err != nil {
		return "", nil, err
	}
	return o.kind.String(), o.data, nil
}
