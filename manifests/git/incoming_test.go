package git_test

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

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

// A remote's file that is too large, anywhere in what it sends, refuses what came with it. The revision from before
// stays, and what comes without the file is read again.
func TestARemoteThatSendsTooMuch(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	h := newHub(t)
	s := open(t, h.url(), git.Options{})
	first := head(t, s).Hash
	size := func() (n int64) {
		t.Helper()
		for _, pattern := range []string{"incoming-*", "objects/pack/*"} {
			files, err := filepath.Glob(filepath.Join(temp, "swarm-operator-source-*", pattern))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range files {
				info, err := os.Stat(name)
				if err != nil {
					t.Fatal(err)
				}
				n += info.Size()
			}
		}
		return n
	}
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
	if err := git.TakeIn(s, int64(len(good)), good); err != nil {
		t.Error(err)
	}
	before = size()
	if err := git.TakeIn(s, int64(len(good))-1, good); err == nil || !strings.Contains(err.Error(), "bytes at once") {
		t.Errorf("got %v", err)
	}
	if err := git.TakeIn(s, 100, nil); err != nil { // go-git itself says that a remote sent nothing
		t.Error(err)
	}
	if after := size(); after != before {
		t.Errorf("%d bytes became %d", before, after)
	}
}
