package git_test

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/go-git/go-billy/v5"

	"github.com/swarm-operator/swarm-operator/manifests/git"
)

// entry is an object as a pack has it.
type entry struct {
	kind byte // 3 is a blob, 7 a delta that names what it builds on
	size int64
	data []byte
}

const (
	blob  = 3
	delta = 7
)

// pack returns a pack with these objects. It says that there are count.
func pack(t *testing.T, count uint32, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	out.WriteString("PACK\x00\x00\x00\x02")
	out.Write(binary.BigEndian.AppendUint32(nil, count))
	for _, e := range entries {
		first, size := e.kind<<4|byte(e.size&15), e.size>>4
		for ; size > 0; size >>= 7 {
			out.WriteByte(first | 0x80)
			first = byte(size & 127)
		}
		out.WriteByte(first)
		if e.kind == delta {
			out.Write(make([]byte, sha1.Size))
		}
		z := zlib.NewWriter(&out)
		if _, err := z.Write(e.data); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	}
	sum := sha1.Sum(out.Bytes())
	out.Write(sum[:])
	return out.Bytes()
}

// grows is a delta that makes an object of so many bytes.
func grows(to uint64) entry {
	data := append(binary.AppendUvarint(binary.AppendUvarint(nil, 1), to), 0x90)
	return entry{delta, int64(len(data)), data}
}

// go-git reads each object of a fetched pack into memory. So a pack is checked by what it says of its objects, before
// go-git sees it.
func TestPacksAreCheckedBeforeTheyAreRead(t *testing.T) {
	many := make([]entry, 0, git.MaxUnpacked/git.MaxObject+1)
	for range cap(many) {
		many = append(many, grows(git.MaxObject))
	}
	for _, test := range []struct {
		name string
		pack []byte
		want string // "" means that it passes
	}{
		{"nothing", pack(t, 0), ""},
		{"a file", pack(t, 1, entry{blob, 3, []byte("one")}), ""},
		{"an empty file", pack(t, 1, entry{blob, 0, nil}), ""},
		{"a delta", pack(t, 2, entry{blob, 3, []byte("one")}, grows(100)), ""},
		{"a delta at the bound", pack(t, 1, grows(git.MaxObject)), ""},
		{"a delta beyond it", pack(t, 1, grows(git.MaxObject+1)), "an object of 67108865 bytes; at most 67108864"},
		{"a delta that overflows", pack(t, 1, grows(1<<63+5)), "an object of 67108865 bytes"},
		{"a delta beyond it among others", pack(t, 3, entry{blob, 3, []byte("one")}, grows(1<<40), grows(3)), "at most 67108864"},
		{"a file beyond it", pack(t, 1, entry{blob, git.MaxObject + 1, nil}), "an object of 67108865 bytes"},
		{"a file beyond it by far", pack(t, 1, entry{blob, 1 << 50, nil}), "an object of 1125899906842624 bytes"},
		{"a long delta", pack(t, 1, entry{delta, git.MaxObject + 1, nil}), "an object of 67108865 bytes"},
		{"a file that is longer than it says", pack(t, 2, entry{blob, 2, []byte("one")}, grows(3)), "exceeds declared size"},
		{"a delta that is longer than it says", pack(t, 1, entry{delta, 1, []byte("\x01\x01\x90")}), "exceeds declared size"},
		{"a delta without sizes", pack(t, 1, entry{delta, 0, nil}), "does not say how large"},
		{"a delta with one size", pack(t, 1, entry{delta, 1, []byte{1}}), "does not say how large"},
		{"a delta with an endless size", pack(t, 1, entry{delta, 30, bytes.Repeat([]byte{0xff}, 30)}), "does not say how large"},
		{"as many objects as may be, cut off", pack(t, git.MaxIncoming)[:12], "EOF"},
		{"more objects", pack(t, git.MaxIncoming+1), "1048577 objects at once; at most 1048576"},
		{"too much in all", pack(t, uint32(len(many)), many...), "more than 34359738368 bytes together"},
		{"as much as may be in all", pack(t, uint32(len(many)-1), many[1:]...), ""},
		{"something else", []byte("PACC\x00\x00\x00\x02\x00\x00\x00\x01"), "signature"},
	} {
		err := git.CheckPack(bytes.NewReader(test.pack))
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
}

// files returns the sizes of the files of a clone that hold objects, or will, by name.
func files(t *testing.T, temp string) map[string]int64 {
	t.Helper()
	out := map[string]int64{}
	for _, pattern := range []string{"incoming-*", "objects/??/*", "objects/pack/*"} {
		names, err := filepath.Glob(filepath.Join(temp, "swarm-operator-source-*", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			info, err := os.Stat(name)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().IsRegular() {
				out[filepath.Base(name)] = info.Size()
			}
		}
	}
	return out
}

// room returns how many bytes these files have together.
func room(t *testing.T, temp string) (n int64) {
	t.Helper()
	for _, size := range files(t, temp) {
		n += size
	}
	return n
}

// metered is a disk. It calls wrote after each write to it.
type metered struct {
	billy.Filesystem
	wrote func()
}

func (m metered) TempFile(dir, prefix string) (billy.File, error) {
	f, err := m.Filesystem.TempFile(dir, prefix)
	return meteredFile{f, m.wrote}, err
}

func (m metered) Create(name string) (billy.File, error) {
	f, err := m.Filesystem.Create(name)
	return meteredFile{f, m.wrote}, err
}

func (m metered) Chmod(name string, mode os.FileMode) error {
	return m.Filesystem.(billy.Chmod).Chmod(name, mode)
}

type meteredFile struct {
	billy.File
	wrote func()
}

func (f meteredFile) Write(b []byte) (int, error) {
	defer f.wrote()
	return f.File.Write(b)
}

// packObjects returns what git sends of a range of commits.
func (r *repo) packObjects(revisions string, args ...string) []byte {
	r.t.Helper()
	cmd := exec.Command("git", append([]string{"pack-objects", "--revs", "--stdout", "-q"}, args...)...)
	cmd.Dir, cmd.Stdin = r.dir, strings.NewReader(revisions)
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// A fetch needs the room of one pack and its index, and not that of two packs: the clone may be on a small tmpfs. git
// itself makes the same index of the pack.
func TestAFetchNeedsTheRoomOfOnePack(t *testing.T) {
	for name, args := range map[string][]string{"whole": {"--window=0"}, "deltas": {"--delta-base-offset"}, "deltas by name": nil} {
		t.Run(name, func(t *testing.T) {
			temp := t.TempDir()
			t.Setenv("TMPDIR", temp)
			h := newHub(t)
			s := open(t, h.url(), git.Options{})
			first := head(t, s).Hash
			noise := make([]byte, 1<<20)
			_, _ = rand.NewChaCha8([32]byte{1}).Read(noise)
			for i := range 8 {
				copy(noise[i*1000:], "changed")
				h.write("noise", string(noise))
				h.push(fmt.Sprintf("%d\n", i))
			}
			last := h.head()
			pack := h.packObjects(last+"\n^"+first+"\n", args...)

			before, peak := files(t, temp), int64(0)
			meter := func(disk billy.Filesystem) billy.Filesystem {
				return metered{disk, func() { peak = max(peak, room(t, temp)) }}
			}
			if err := git.TakeIn(s, int64(len(pack)), pack, meter); err != nil {
				t.Fatal(err)
			}
			after := files(t, temp)
			sum := hex.EncodeToString(pack[len(pack)-sha1.Size:])
			if len(after) != len(before)+2 || after["pack-"+sum+".pack"] != int64(len(pack)) {
				t.Errorf("%v became %v", before, after)
			}
			if all := room(t, temp); peak != all || peak < int64(len(pack)) {
				t.Errorf("at one time there were %d bytes; the pack has %d, and %d stay", peak, len(pack), all)
			}
			if c, err := s.At(t.Context(), last); err != nil || readFile(t, c.Tree, "noise") != string(noise) {
				t.Errorf("the newest commit is not read: %v", err)
			}

			// The same pack once more changes nothing. So it is if the ref could not be written the first time.
			if err := git.TakeIn(s, int64(len(pack)), pack, nil); err != nil {
				t.Error(err)
			}
			if again := files(t, temp); !maps.Equal(again, after) {
				t.Errorf("%v became %v", after, again)
			}

			ours, err := filepath.Glob(filepath.Join(temp, "swarm-operator-source-*", "objects/pack/pack-"+sum+".*"))
			if err != nil || len(ours) != 2 {
				t.Fatal(ours, err)
			}
			for _, name := range ours {
				if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o444 && runtime.GOOS != "windows" {
					t.Errorf("%s: %v %v", name, info.Mode(), err)
				}
			}
			theirs := filepath.Join(t.TempDir(), "theirs.idx")
			h.git("index-pack", "-o", theirs, ours[1])
			want, err := os.ReadFile(theirs)
			if got, err2 := os.ReadFile(ours[0]); err != nil || err2 != nil || !bytes.Equal(got, want) {
				t.Errorf("git makes another index: %v %v", err, err2)
			}
		})
	}
}

// Nothing of a pack that cannot be kept stays: one that is not whole, one that lacks objects, and one for which there is
// no place. What was there before can still be read.
func TestAPackThatCannotBeKept(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	h := newHub(t)
	noise := make([]byte, 10_000)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(noise)
	text := hex.EncodeToString(noise) // which does not compress well, so that git makes deltas of it
	first := h.push(text)
	s := open(t, h.url(), git.Options{})
	last := h.push(text + "more\n")
	whole, thin := h.packObjects(last+"\n^"+first+"\n"), h.packObjects(last+"\n^"+first+"\n", "--thin")
	if len(thin) >= len(whole) {
		t.Fatal("git made no thin pack, so that the test tells nothing")
	}
	damaged := bytes.Clone(whole)
	damaged[len(damaged)-1] ^= 1
	before := files(t, temp)
	place := func(ext string) func(*testing.T) {
		return func(t *testing.T) {
			clone, err := filepath.Glob(filepath.Join(temp, "swarm-operator-source-*"))
			if err != nil || len(clone) != 1 {
				t.Fatal(clone, err)
			}
			name := filepath.Join(clone[0], "objects/pack/pack-"+hex.EncodeToString(whole[len(whole)-sha1.Size:])+ext)
			write(t, filepath.Join(name, "file"), "")
			t.Cleanup(func() { removeAll(t, name) })
		}
	}
	for _, test := range []struct {
		name string
		pack []byte
		do   func(*testing.T)
		want string
	}{
		{"thin", thin, nil, "changes to objects without these objects"},
		{"no checksum", whole[:len(whole)-sha1.Size], nil, "has no end, or goes on after its end"},
		{"half a checksum", whole[:len(whole)-1], nil, "EOF"},
		{"another checksum", damaged, nil, "checksum mismatch"},
		{"more than a pack", append(bytes.Clone(whole), 'x'), nil, "has no end, or goes on after its end"},
		{"half", whole[:len(whole)/2], nil, "EOF"},
		{"no place for the index", whole, place(".idx"), "writing the index of what the remote sends"},
		{"no place for the pack", whole, place(".pack"), "keeping what the remote sends"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.do != nil {
				test.do(t)
			}
			err := git.TakeIn(s, int64(len(test.pack)), test.pack, nil)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if after := files(t, temp); !maps.Equal(after, before) {
				t.Errorf("%v became %v", before, after)
			}
			if c, err := s.At(t.Context(), first); err != nil || readFile(t, c.Tree, "web.yaml") != text {
				t.Errorf("what was there before is not read: %v", err)
			}
		})
	}
	if err := git.TakeIn(s, int64(len(whole)), whole, nil); err != nil {
		t.Error(err)
	}
	if c, err := s.At(t.Context(), last); err != nil || readFile(t, c.Tree, "web.yaml") != text+"more\n" {
		t.Errorf("the pack is not read: %v", err)
	}
}

// A pack without objects is a pack. It is kept, and does no harm.
func TestAPackOfNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	h := newHub(t)
	s := open(t, h.url(), git.Options{})
	if err := git.TakeIn(s, 100, pack(t, 0), nil); err != nil {
		t.Fatal(err)
	}
	want := h.push("two\n")
	git.Forget(s)
	if c := head(t, s); c.Hash != want || readFile(t, c.Tree, "web.yaml") != "two\n" {
		t.Errorf("got %+v", c)
	}
}

// A remote's file that is too large, anywhere in what it sends, refuses what came with it. The revision from before
// stays, and what comes without the file is read again.
func TestARemoteThatSendsTooMuch(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	h := newHub(t)
	s := open(t, h.url(), git.Options{})
	first := head(t, s).Hash
	size := func() int64 { return room(t, temp) }
	before := size()

	large := filepath.Join(h.dir, "large")
	write(t, large, "")
	if err := os.Truncate(large, git.MaxObject+1); err != nil {
		t.Fatal(err)
	}
	h.push("with a large file\n")
	git.Forget(s)
	_, err := s.Head(t.Context())
	if err == nil || !strings.Contains(err.Error(), "an object of 67108865 bytes; at most 67108864 are read. Take what is large out of the history") {
		t.Errorf("got %v", err)
	}
	removeAll(t, large)
	h.push("the file is only in the history\n")
	git.Forget(s)
	if _, err := s.Head(t.Context()); err == nil || !strings.Contains(err.Error(), "an object of 67108865 bytes") {
		t.Errorf("got %v", err)
	}
	if after := size(); after != before || before == 0 {
		t.Errorf("%d bytes became %d", before, after)
	}
	if c, err := s.At(t.Context(), first); err != nil || readFile(t, c.Tree, "web.yaml") != "one\n" {
		t.Errorf("%v %v", c, err)
	}
	h.git("reset", "-q", "--hard", first)
	want := h.push("without it\n")
	git.Forget(s)
	if got := head(t, s); got.Hash != want || readFile(t, got.Tree, "web.yaml") != "without it\n" {
		t.Errorf("got %s, want %s", got.Hash, want)
	}

	good := pack(t, 1, entry{blob, 3, []byte("one")})
	if err := git.TakeIn(s, int64(len(good)), good, nil); err != nil {
		t.Error(err)
	}
	before = size()
	if err := git.TakeIn(s, int64(len(good))-1, good, nil); err == nil || !strings.Contains(err.Error(), "bytes at once") {
		t.Errorf("got %v", err)
	}
	if err := git.TakeIn(s, 100, nil, nil); err != nil { // go-git itself says that a remote sent nothing
		t.Error(err)
	}
	if after := size(); after != before {
		t.Errorf("%d bytes became %d", before, after)
	}
}
