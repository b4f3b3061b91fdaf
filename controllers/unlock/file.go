package unlock

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/files"
)

// mostRing bounds a ring file. One key an hour, for as long as keys are kept, makes less.
const mostRing = 1 << 20

// Load reads the ring in a file. If there is no file, the ring is empty and the error wraps fs.ErrNotExist. A file
// that others can read is refused, as ssh does with its keys: others may have read it, and somebody must notice.
func Load(path string) (Ring, error) {
	r, err := load(path)
	if err != nil {
		return nil, fmt.Errorf("reading the key ring %s: %w", path, err)
	}
	return r, nil
}

func load(path string) (Ring, error) {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return nil, files.Cause(err)
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a regular file")
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("others may read or write it (mode %04o): rotate the unlock key if they may have done so, then chmod 600", info.Mode().Perm())
	case info.Size() > mostRing:
		return nil, fmt.Errorf("it has %d bytes, and is no key ring", info.Size())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, files.Cause(err)
	}
	return Parse(v1.NewContent(data))
}

// save replaces the ring's file.
func save(path string, r Ring) error {
	if err := files.Write(path, r.Format().Reveal()); err != nil {
		return fmt.Errorf("writing the key ring %s: %w", path, err)
	}
	return nil
}

// ready returns an error if the ring cannot be read and written. It is called before any key depends on it.
func ready(path string) error {
	if _, err := Load(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("making the directory of the key ring %s: %w", path, files.Cause(err))
	}
	if err := files.Prove(path); err != nil {
		return fmt.Errorf("writing the key ring %s: %w", path, err)
	}
	return nil
}
