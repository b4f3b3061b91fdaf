package files

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func text(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func added(t *testing.T, l *Lines, line string) {
	t.Helper()
	if written, err := l.Add([]byte(line)); !written || err != nil {
		t.Fatalf("adding %q: %t %v", line, written, err)
	}
}

func opened(t *testing.T, path string) *Lines {
	t.Helper()
	l, err := OpenLines(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestLinesAreAddedToWhatIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	for _, line := range []string{"a\n", "b\n"} {
		l := opened(t, path)
		added(t, l, line)
	}
	if got := text(t, path); got != "a\nb\n" {
		t.Errorf("got %q", got)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others can read it: %v %v", info.Mode(), err)
	}
}

// An administrator may make the file first, so that the group of a program that ships it can read it.
func TestModeOfAFileThatIsThereStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	added(t, opened(t, path), "a\n")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("got %v %v", info.Mode(), err)
	}
}

func TestAFileThatIsRotatedBeginsAgain(t *testing.T) {
	for name, rotate := range map[string]func(path string) error{
		"renamed":              func(path string) error { return os.Rename(path, path+".1") },
		"removed":              os.Remove,
		"renamed and made":     func(path string) error { return errorOf(os.Rename(path, path+".1"), os.WriteFile(path, nil, 0o640)) },
		"emptied in its place": func(path string) error { return os.Truncate(path, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			l := opened(t, path)
			added(t, l, "before\n")
			if err := rotate(path); err != nil {
				t.Fatal(err)
			}
			added(t, l, "after\n")
			if got := text(t, path); got != "after\n" {
				t.Errorf("the file has %q", got)
			}
			if strings.HasPrefix(name, "renamed") && text(t, path+".1") != "before\n" {
				t.Errorf("the old one has %q", text(t, path+".1"))
			}
		})
	}
}

func errorOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// No line is lost while the new file cannot be made, and somebody is told.
func TestALineGoesToTheOldFileIfThereCanBeNoNewOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := opened(t, path)
	if err := errorOf(os.Rename(path, path+".1"), os.Mkdir(path, 0o700)); err != nil {
		t.Fatal(err)
	}
	written, err := l.Add([]byte("a\n"))
	if !written || err == nil || !strings.Contains(err.Error(), "it is a directory") {
		t.Errorf("written %t, err %v", written, err)
	}
	if got := text(t, path+".1"); got != "a\n" {
		t.Errorf("the old file has %q", got)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	added(t, l, "b\n")
	if got := text(t, path); got != "b\n" {
		t.Errorf("the new file has %q", got)
	}
}

func TestOnlyAFileIsOpenedForLines(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errorOf(os.WriteFile(at("file"), nil, 0o600), os.Symlink(at("file"), at("link")), os.Symlink(at("nowhere"), at("dangling"))); err != nil {
		t.Fatal(err)
	}
	for path, why := range map[string]string{
		dir: "it is a directory", at("link"): "it is a symbolic link", at("dangling"): "it is a symbolic link", os.DevNull: "it is not a regular file",
		at("missing/log"): "opening it: no such file or directory", at("file/log"): "not a directory",
	} {
		if _, err := OpenLines(path); err == nil || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), dir) {
			t.Errorf("%s: got %v, want %s", path, err, why)
		}
	}
	if _, err := os.Lstat(at("nowhere")); !os.IsNotExist(err) {
		t.Errorf("a link was followed: %v", err)
	}
}

// A disk that is full in the middle of a line tears only that line.
func TestALineAfterATornOneBeginsALine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := opened(t, path)
	added(t, l, "who")
	l.torn = true
	added(t, l, "whole\n")
	added(t, l, "next\n")
	if got := text(t, path); got != "who\nwhole\nnext\n" {
		t.Errorf("got %q", got)
	}
}

func TestAFileThatTakesNoLineSaysSo(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	l := &Lines{path: "/dev/full", file: full}
	if written, err := l.Add([]byte("a\n")); written || err == nil || err.Error() != "writing a line: no space left on device" {
		t.Errorf("written %t, err %v", written, err)
	}
}

func TestLinesOfSeveralProcessesDoNotMix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	var all sync.WaitGroup
	for _, letter := range []string{"a", "b", "c"} {
		l := opened(t, path)
		all.Go(func() {
			for range 200 {
				if _, err := l.Add([]byte(strings.Repeat(letter, 300) + "\n")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	n := 0
	for line := range strings.Lines(text(t, path)) {
		n++
		if line != strings.Repeat(line[:1], 300)+"\n" {
			t.Errorf("line %d is %q", n, line)
		}
	}
	if n != 600 {
		t.Errorf("there are %d lines", n)
	}
}
