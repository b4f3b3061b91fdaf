//go:build unix

package files

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const canary = "SWMKEY-1-canary"

// names returns the entries of a directory.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// noRoom returns a directory in which nobody can make a file, not even root.
func noRoom(t *testing.T) string {
	t.Helper()
	if os.Geteuid() == 0 {
		return "/proc"
	}
	dir := filepath.Join(t.TempDir(), "read-only")
	if err := os.Mkdir(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestWriteReplacesTheWholeFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	for _, content := range []string{"a longer one", canary, ""} {
		if err := os.Chmod(path, 0o644); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if err := Prove(path); err != nil {
			t.Fatal(err)
		}
		if err := Write(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode() != 0o600 || read(t, path) != content {
			t.Errorf("it has the mode %v and the content %q: %v", info.Mode(), read(t, path), err)
		}
	}
	if got := names(t, dir); got != "key" {
		t.Errorf("beside it are %s", got)
	}
}

// A reader that has the file open while it is replaced reads the old content to its end.
func TestWriteIsANewFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := path + "-linked"
	if err := os.Link(path, link); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if read(t, link) != "old" || read(t, path) != "new" {
		t.Errorf("the old file has %q and the new one %q", read(t, link), read(t, path))
	}
}

func TestWhatIsNotReplaced(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "other")
	if err := errors.Join(
		os.WriteFile(other, []byte("theirs"), 0o600),
		os.Symlink(other, filepath.Join(dir, "link")),
		os.Symlink(filepath.Join(dir, "nothing"), filepath.Join(dir, "dangling")),
		os.Mkdir(filepath.Join(dir, "directory"), 0o700),
		syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	before, full := names(t, dir), noRoom(t)
	for _, c := range []struct{ path, why string }{
		{filepath.Join(dir, "link"), "symbolic link"},
		{filepath.Join(dir, "dangling"), "symbolic link"},
		{filepath.Join(dir, "directory"), "is a directory"},
		{filepath.Join(dir, "pipe"), "not a regular file"},
		{"/dev/null", "not a regular file"},
		{filepath.Join(dir, "missing", "key"), "no such file or directory"},
		{filepath.Join(other, "key"), "not a directory"},
		{filepath.Join(full, "key"), "making a file in " + full},
	} {
		for what, err := range map[string]error{"Prove": Prove(c.path), "Write": Write(c.path, []byte(canary))} {
			if err == nil || !strings.Contains(err.Error(), c.why) || strings.Contains(err.Error(), canary) {
				t.Errorf("%s of %s says %v, want %q", what, c.path, err, c.why)
			}
		}
	}
	if got := names(t, dir); got != before || read(t, other) != "theirs" {
		t.Errorf("it left %s, and %q", got, read(t, other))
	}
}

// A name may have the greatest length that is allowed.
func TestTheLongestName(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("k", 255))
	if err := errors.Join(Prove(path), Write(path, []byte(canary))); err != nil || read(t, path) != canary {
		t.Error(err)
	}
}

func TestWhatAKilledOneLeftIsSwept(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	old, fresh, others := filepath.Join(dir, prefix(path)+"1"), filepath.Join(dir, prefix(path)+"2"), filepath.Join(dir, prefix("other")+"1")
	past := time.Now().Add(-time.Hour)
	for _, f := range []string{old, fresh, others} {
		if err := os.WriteFile(f, []byte(canary), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Chtimes(old, past, past), os.Chtimes(others, past, past), Write(path, []byte(canary))); err != nil {
		t.Fatal(err)
	}
	got := names(t, dir)
	if strings.Contains(got, filepath.Base(old)) || !strings.Contains(got, filepath.Base(fresh)) || !strings.Contains(got, filepath.Base(others)) {
		t.Errorf("it left %s", got)
	}
}

// A full disk refuses in the middle of a file. So does a limit on the size of files, which needs no full disk. The
// limit applies to the whole process, so a second process has it.
func TestAFullDiskLosesNothing(t *testing.T) {
	if path := os.Getenv("FILES_FULL"); path != "" {
		signal.Ignore(syscall.SIGXFSZ)
		limit := syscall.Rlimit{Cur: 512, Max: 512}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{"Prove": Prove(path), "Write": Write(path, []byte(strings.Repeat(canary, 100)))} {
			if !errors.Is(err, syscall.EFBIG) || strings.Contains(err.Error(), canary) {
				t.Errorf("%s: %v", what, err)
			}
		}
		return
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAFullDiskLosesNothing$")
	child.Env = append(os.Environ(), "FILES_FULL="+path, "GOCOVERDIR="+os.TempDir())
	if out, err := child.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := names(t, dir); got != "key" || read(t, path) != "old" {
		t.Errorf("it left %s, and %q", got, read(t, path))
	}
}

func TestReadTakesSmallRegularFiles(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(at("file"), []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("file", at("link")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(at("pipe"), 0o600); err != nil { // nobody writes to it, so opening it would wait for ever
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		limit int64
		want  string
	}{
		{"file", 5, ""},
		{"link", 5, ""},
		{"file", 4, "it is longer than 4 bytes"},
		{"pipe", 5, "it is not a regular file"},
		{".", 5, "it is not a regular file"},
		{"none", 5, "looking at it: no such file or directory"},
	} {
		data, err := Read(at(c.name), c.limit)
		if c.want == "" && (err != nil || string(data) != "12345") {
			t.Errorf("%s: %q, %v", c.name, data, err)
		}
		if c.want != "" && (err == nil || err.Error() != c.want || data != nil) {
			t.Errorf("%s: %q, %v, want %s", c.name, data, err, c.want)
		}
	}
}
