package files

import (
	"errors"
	"os"
)

// Lines is a file that lines are added to, by this process and by others. Somebody may rename or remove the file
// meanwhile, as programs that rotate logs do; the next line then begins a new file at the same path.
type Lines struct {
	path string
	file *os.File
	// torn is true if the last line was written only in part.
	torn bool
}

// OpenLines opens a file to add lines to it. If there is none, it makes one with the mode 0600. It follows no link, and
// opens nothing but a file.
func OpenLines(path string) (*Lines, error) {
	l := &Lines{path: path}
	return l, l.open()
}

// Add writes a line, which must end with a line break. The line is written at once, so that lines of several
// processes do not mix. If the file was moved and a new one cannot be made, the line goes to the old one, and Add
// returns the error all the same; written is then true.
func (l *Lines) Add(line []byte) (written bool, err error) {
	if l.file == nil || l.moved() {
		err = l.open()
	}
	if l.file == nil {
		return false, err
	}
	if l.torn {
		line = append([]byte("\n"), line...)
	}
	n, failed := l.file.Write(line)
	if failed != nil {
		l.torn = l.torn || n > 0
		return false, why("writing a line", failed)
	}
	l.torn = false
	return true, err
}

// Close closes the file.
func (l *Lines) Close() error {
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}

// moved reports whether the path no longer leads to the file that is open.
func (l *Lines) moved() bool {
	is, err := l.file.Stat()
	if err != nil {
		return true
	}
	at, err := os.Lstat(l.path)
	return err != nil || !os.SameFile(is, at)
}

// open opens the file at the path. If that fails, the file that was open stays open.
func (l *Lines) open() error {
	if err := Replaceable(l.path); err != nil {
		return err
	}
	f, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return why("opening it", err)
	}
	next := &Lines{path: l.path, file: f}
	if next.moved() { // a link may have come in between
		return errors.Join(errors.New("somebody replaced it while it was opened"), f.Close())
	}
	if l.file != nil {
		_ = l.file.Close() // each line is written
	}
	l.file, l.torn = f, false
	return nil
}
