package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

const (
	maxObject   = 64 << 20         // larger ones are not read into memory
	objectCache = 8 * cache.MiByte // of the objects that deltas build on
	maxStores   = 16               // alternates and their alternates
	maxPacks    = 32               // kept open
)

// objects reads objects by hash, while git may write, pack and prune at the same time. Several goroutines may use it.
type objects struct {
	layout
	mu     sync.Mutex
	stores []*store    // the repository's own, then those of its alternates
	opened os.FileInfo // the directory in which stores were opened
	// last is the object that was read last. It is kept because callers ask for a size and then for the content.
	last *object
	// bases are objects of packs, which others may be built on, of all stores.
	bases *cache.BufferLRU
	inUse []*pack // those that are open
	count int     // of all packs since stores were opened
}

// object is one object in memory.
type object struct {
	hash plumbing.Hash
	kind plumbing.ObjectType
	data []byte
}

// get returns an object. If it is not found, get opens the repository again and looks once more. git may have packed
// the object in the meantime, or another directory may have taken the repository's place. No error of get is
// fs.ErrNotExist, because callers would take the file for one that the commit does not have.
func (o *objects) get(ctx context.Context, kind plumbing.ObjectType, h plumbing.Hash) (*object, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.last != nil && o.last.hash == h && (o.last.kind == kind || kind == plumbing.AnyObject) {
		return o.last, nil
	}
	found, err := o.read(kind, h)
	if err != nil {
		o.closeStores()
		if found, err = o.read(kind, h); errors.Is(err, fs.ErrNotExist) {
			err = plain(err)
		}
		if err != nil {
			return nil, err
		}
	}
	o.last = found
	return found, nil
}

func (o *objects) read(kind plumbing.ObjectType, h plumbing.Hash) (*object, error) {
	if err := o.open(); err != nil {
		return nil, err
	}
	var failed error // of the first store that has the object and cannot read it
	for _, s := range o.stores {
		found, err := o.from(s, h)
		switch {
		case err == nil && (kind == plumbing.AnyObject || kind == found.kind):
			return found, nil
		case err != nil && !errors.Is(err, plumbing.ErrObjectNotFound) && failed == nil:
			failed = err
		}
	}
	if failed != nil {
		return nil, fmt.Errorf("reading the %s %s: %w", kindName(kind), h, bare(failed))
	}
	return nil, fmt.Errorf("the %s %s is missing from the repository: %w", kindName(kind), h, plumbing.ErrObjectNotFound)
}

func kindName(kind plumbing.ObjectType) string {
	if kind == plumbing.AnyObject {
		return "object"
	}
	return kind.String()
}

// open opens the repository and its alternates. It opens them again if another directory has taken the repository's
// place.
func (o *objects) open() error {
	info, err := os.Stat(o.common)
	if err != nil {
		o.closeStores()
		return fmt.Errorf("opening %s: %w", o.common, plain(bare(err)))
	}
	if len(o.stores) > 0 && os.SameFile(info, o.opened) {
		return nil
	}
	o.closeStores()
	o.opened, o.bases, o.count = info, cache.NewBufferLRU(objectCache), 0
	own := filepath.Join(o.common, "objects")
	for _, dir := range append([]string{own}, alternates(own)...) {
		o.stores = append(o.stores, openStore(dir))
	}
	if err := o.stores[0].failed; err != nil {
		o.closeStores()
		return err
	}
	return o.supported()
}

// openStorage opens a repository as go-git does. It is not for reading objects that nobody has checked.
func openStorage(dir billy.Filesystem) *filesystem.Storage {
	return filesystem.NewStorageWithOptions(dir, cache.NewObjectLRU(objectCache),
		filesystem.Options{MaxOpenDescriptors: maxPacks, LargeObjectThreshold: maxObject})
}

// foreign matches the settings of formats that this package would misread.
var foreign = regexp.MustCompile(`(?im)^\s*(objectformat|refstorage)\s*=\s*"?([a-z0-9]+)`)

// supported refuses repositories in a format that foreign matches. It looks at nothing else in a repository's
// configuration.
func (o *objects) supported() error {
	config, _ := readSmall(filepath.Join(o.common, "config")) // a repository without one has git's default formats
	for _, setting := range foreign.FindAllStringSubmatch(string(config), -1) {
		key, value := strings.ToLower(setting[1]), strings.ToLower(setting[2])
		if (key == "objectformat" && value != "sha1") || (key == "refstorage" && value != "files") {
			o.closeStores()
			return fmt.Errorf("%s uses git's %s %s, which cannot be read yet", o.dir, key, value)
		}
	}
	return nil
}

// alternates lists the object directories that a repository borrows from, and those that they borrow from.
func alternates(dir string) []string {
	var found []string
	seen := map[string]bool{dir: true}
	for queue := []string{dir}; len(queue) > 0 && len(found) < maxStores; queue = queue[1:] {
		data, err := readSmall(filepath.Join(queue[0], "info", "alternates"))
		if err != nil {
			continue
		}
		for _, line := range strings.Split(string(data), "\n") {
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			next := relativeTo(queue[0], line)
			if info, err := os.Stat(next); err != nil || !info.IsDir() || seen[next] || filepath.Base(next) != "objects" {
				continue
			}
			seen[next] = true
			found, queue = append(found, next), append(queue, next)
		}
	}
	return found
}

// shallow returns the commits at which a shallow clone's history is cut off.
func (o *objects) shallow() (map[plumbing.Hash]bool, error) {
	f, err := openRegular(filepath.Join(o.common, "shallow"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var data []byte
	if err == nil {
		data, err = io.ReadAll(f)
		_ = f.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("reading shallow of %s: %w", o.dir, bare(err))
	}
	cut := map[plumbing.Hash]bool{}
	for _, line := range strings.Fields(string(data)) {
		cut[plumbing.NewHash(line)] = true
	}
	return cut, nil
}

func (o *objects) closeStores() {
	o.closePacks()
	for _, s := range o.stores {
		s.close()
	}
	o.stores, o.opened, o.last, o.bases = nil, nil, nil, nil
}

// free gives up the objects in memory.
func (o *objects) free() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = nil
	if o.bases != nil {
		o.bases.Clear()
	}
}

func (o *objects) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closeStores()
	return nil
}
