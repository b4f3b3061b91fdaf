package files

import (
	"path/filepath"
	"syscall"
)

// Magic numbers of file systems that live in memory (linux/magic.h).
const (
	tmpfs = 0x01021994
	ramfs = 0x858458f6
)

// Volatile reports whether a file at path would be on a file system that a restart empties. It fails if there is no
// directory for the file.
func Volatile(path string) (bool, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(path), &s); err != nil {
		return false, why("looking at "+filepath.Dir(path), err)
	}
	kind := uint32(s.Type) // the type has a sign on some machines, and the number fits
	return kind == tmpfs || kind == ramfs, nil
}
