// Package files puts private files in their places, whole or not at all, even if the machine goes down in the middle.
// Only their owner can read them. It writes through no link and replaces nothing but a file. It also reads small
// files. Its errors show nothing of the content.
package files

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Write makes path a file with this content and the mode 0600. After an error the file is the old one or the whole
// new one.
func Write(path string, data []byte) error {
	if err := Replaceable(path); err != nil {
		return err
	}
	name, err := temporary(path, data)
	if err != nil {
		return err
	}
	if err := os.Rename(name, path); err != nil {
		return errors.Join(why("putting the new file in its place", err), drop(name))
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return why("writing the directory "+filepath.Dir(path), err)
	}
	sweep(path)
	return nil
}

// Read returns the content of a regular file of at most limit bytes. It follows links, because programs that renew
// certificates and keys swap links. It does not open anything else, such as a pipe, which would never end.
func Read(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, why("looking at it", err)
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, why("opening it", err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, why("reading it", err)
	case int64(len(data)) > limit:
		return nil, fmt.Errorf("it is longer than %d bytes", limit)
	}
	return data, nil
}

// Prove shows that Write will probably work, and leaves no trace. It makes a file beside path, writes, renames and
// removes it.
func Prove(path string) error {
	if err := Replaceable(path); err != nil {
		return err
	}
	name, err := temporary(path, make([]byte, 4096)) // more than any content, because a full disk has no block for it
	if err != nil {
		return err
	}
	renamed := name + "-"
	if err := os.Rename(name, renamed); err != nil {
		return errors.Join(why("renaming a file in "+filepath.Dir(path), err), drop(name))
	}
	return drop(renamed)
}

// Replaceable returns an error if something other than a file is at path, so that Write would not replace it. A rename would not follow a link but
// replace it, and turn a device into a file. Whoever put them there meant something else.
func Replaceable(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return why("looking at it", err)
	case info.Mode()&fs.ModeSymlink != 0:
		return errors.New("it is a symbolic link, which is not followed")
	case info.IsDir():
		return errors.New("it is a directory")
	case !info.Mode().IsRegular():
		return errors.New("it is not a regular file")
	}
	return nil
}

// temporary makes a file with the content beside path, and returns its name once the content is on the disk.
func temporary(path string, data []byte) (string, error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, prefix(path)+"*") // O_EXCL, 0600
	if err != nil {
		return "", why("making a file in "+dir, err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return "", errors.Join(why("writing a file in "+dir, err), drop(f.Name()))
	}
	return f.Name(), nil
}

// prefix returns the beginning of the names of a path's temporary files. It uses a sum, because the path's own name
// may have the greatest length already.
func prefix(path string) string {
	sum := sha256.Sum256([]byte(filepath.Base(path)))
	return ".swarm-operator-" + hex.EncodeToString(sum[:4]) + "-"
}

// sweep removes temporary files that a killed process has left behind. It removes only files that are older than the
// file just written; a younger one may belong to a process that is about to write.
func sweep(path string) {
	written, err := os.Lstat(path)
	if err != nil {
		return
	}
	entries, _ := os.ReadDir(filepath.Dir(path))
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix(path)) || !e.Type().IsRegular() {
			continue
		}
		if info, err := e.Info(); err == nil && written.ModTime().Sub(info.ModTime()).Minutes() >= 1 {
			_ = os.Remove(filepath.Join(filepath.Dir(path), e.Name())) // if it fails, the next Write tries again
		}
	}
}

func drop(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing %s: %w", name, Cause(err))
	}
	return nil
}

// why leaves out the name of the temporary file, which would help nobody.
func why(doing string, err error) error { return fmt.Errorf("%s: %w", doing, Cause(err)) }

// Cause returns what went wrong, without the path, which the caller's message already has.
func Cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}
