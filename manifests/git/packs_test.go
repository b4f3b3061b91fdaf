package git_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"

	"github.com/swarm-operator/swarm-operator/manifests/git"
)

// However git stores objects, each is read as what its hash says.
func TestEveryObjectIsReadHoweverGitStoresIt(t *testing.T) {
	r := newRepo(t)
	noise := make([]byte, 100_000)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(noise)
	r.write("empty", "")
	r.write("large", strings.Repeat("0123456789abcdef", 1<<18))
	for i := range 20 {
		copy(noise[i*1000:], "changed")
		r.write("noise", string(noise))
		r.write("small", strings.Repeat("x", i))
		r.commit("text", hex.EncodeToString(noise[:20_000+i*100]), fmt.Sprint(i))
	}
	r.git("tag", "-a", "-m", "a tag", "v1")
	hashes := strings.Fields(r.git("cat-file", "--batch-all-objects", "--batch-check=%(objectname)"))
	for _, test := range []struct {
		name   string
		do     func()
		deltas bool
	}{
		{"loose", func() {}, false},
		{"many packs", func() {
			for _, h := range hashes[:2*git.MaxPacks] {
				r.packObject(h)
			}
			r.git("prune-packed")
		}, false},
		{"one pack, without deltas", func() { r.git("repack", "-qadF", "--window=0") }, false},
		{"deltas", func() { r.git("repack", "-qadF", "--depth=100") }, true},
		{"deltas by name", func() { r.git("-c", "repack.useDeltaBaseOffset=false", "repack", "-qadF") }, true},
		{"packs and files", func() { r.commit("text", "new", "new") }, true},
	} {
		test.do()
		packs, err := filepath.Glob(filepath.Join(r.dir, ".git/objects/pack/*.idx"))
		if err != nil {
			t.Fatal(err)
		}
		if test.deltas && !strings.Contains(r.git("verify-pack", "-v", packs[0]), "chain length = 10") {
			t.Errorf("%s: git made no deltas, so that the test tells nothing", test.name)
		}
		if test.name == "many packs" && len(packs) <= git.MaxPacks {
			t.Errorf("%s: there are %d", test.name, len(packs))
		}
		s := open(t, r.dir, git.Options{})
		for range 2 { // the second time, some of them are in memory
			for _, h := range hashes {
				kind, data, err := git.Object(s, h)
				if err != nil {
					t.Errorf("%s: %v", test.name, err)
					continue
				}
				if k, err := plumbing.ParseObjectType(kind); err != nil || plumbing.ComputeHash(k, data).String() != h {
					t.Errorf("%s: another object is read than the %s %s", test.name, kind, h)
				}
			}
		}
		for _, digits := range []int{4, 7, 39} {
			if got, err := s.Resolve(t.Context(), r.head()[:digits]); err != nil && digits > 4 || err == nil && got != r.head() {
				t.Errorf("%s: %s is %s: %v", test.name, r.head()[:digits], got, err)
			}
		}
	}
}

// packObject puts one object into a pack of its own.
func (r *repo) packObject(hash string) {
	r.t.Helper()
	cmd := exec.Command("git", "pack-objects", "-q", ".git/objects/pack/pack")
	cmd.Dir, cmd.Stdin = r.dir, strings.NewReader(hash+"\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("%v\n%s", err, out)
	}
}

// A small file that git keeps as a change to a huge one is refused before the huge one is in memory. What the error
// names helps.
func TestAnObjectThatIsBuiltOnAHugeOneIsRefused(t *testing.T) {
	r := newRepo(t)
	huge := filepath.Join(r.dir, "file")
	write(t, huge, "")
	if err := os.Truncate(huge, git.MaxObject+1); err != nil {
		t.Fatal(err)
	}
	r.commit("small", "x", "first")
	if err := os.Truncate(huge, 3<<20); err != nil {
		t.Fatal(err)
	}
	r.commit("small", "y", "second")
	r.git("repack", "-qadF")
	s := open(t, r.dir, git.Options{})
	tree := head(t, s).Tree
	if got := readFile(t, tree, "small"); got != "y" {
		t.Errorf("got %q", got)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := tree.Open("file")
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "git has it as a change to an object of 67108865 bytes; at most 67108864 are read. "+
		"git -c core.bigFileThreshold=64m repack -adF stores it by itself") {
		t.Fatalf("got %v", err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > git.MaxObject/4 {
		t.Errorf("it took %d bytes of memory to find out", took)
	}
	r.git("-c", "core.bigFileThreshold=64m", "repack", "-qadF")
	if got := readFile(t, tree, "file"); len(got) != 3<<20 {
		t.Errorf("after that, %d bytes are read", len(got))
	}
	if _, _, err := git.Object(s, r.git("rev-parse", "HEAD~1:file")); err == nil || !strings.Contains(err.Error(), "it has 67108865 bytes; at most") {
		t.Errorf("got %v", err)
	}
}

// stored puts a pack into a repository, with an index that says where two objects are. The deltas of the test's packs
// build on the object whose hash is zero.
func stored(t *testing.T, r *repo, data []byte, at, zero int) (hash string) {
	t.Helper()
	sum := plumbing.Hash(data[len(data)-len(plumbing.Hash{}):])
	object := plumbing.ComputeHash(plumbing.BlobObject, data)
	var w idxfile.Writer
	if err := w.OnHeader(2); err != nil {
		t.Fatal(err)
	}
	w.Add(object, uint64(at), 0)
	if zero > 0 {
		w.Add(plumbing.ZeroHash, uint64(zero), 0)
	}
	if err := w.OnFooter(sum); err != nil {
		t.Fatal(err)
	}
	index, err := w.Index()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := idxfile.NewEncoder(&b).Encode(index); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(r.dir, ".git/objects/pack/pack-"+sum.String())
	write(t, name+".pack", string(data))
	write(t, name+".idx", b.String())
	t.Cleanup(func() { removeAll(t, name+".pack"); removeAll(t, name+".idx") })
	return object.String()
}

// No git would write these packs. None of them takes the operator's memory, or its time.
func TestHostilePacks(t *testing.T) {
	r := newRepo(t)
	want := r.commit("a", "1", "first")
	one, first := entry{blob, 1, []byte("1")}, 12
	second := func(e entry) int { return len(pack(t, 1, e)) - len(plumbing.Hash{}) }
	grow := func(from, to uint64) entry {
		data := binary.AppendUvarint(binary.AppendUvarint(nil, from), to)
		data = append(data, 0x90, 1) // one byte of what it builds on
		return entry{delta, int64(len(data)), data}
	}
	long := entry{delta, git.MaxObject + 1, nil}
	for name, test := range map[string]struct {
		pack     []byte
		at, zero int
		want     string // "" means that it can be read
	}{
		"a file":                          {pack(t, 1, one), first, 0, ""},
		"a delta":                         {pack(t, 2, one, grow(1, 1)), second(one), first, ""},
		"a huge file":                     {pack(t, 1, entry{blob, git.MaxObject + 1, nil}), first, 0, "it has 67108865 bytes; at most 67108864 are read"},
		"an enormous file":                {pack(t, 1, entry{blob, 1 << 50, nil}), first, 0, "it has 1125899906842624 bytes; at most"},
		"a delta on a huge file":          {pack(t, 2, entry{blob, git.MaxObject + 1, nil}, grow(1, 1)), second(entry{blob, git.MaxObject + 1, nil}), first, "a change to an object of 67108865 bytes"},
		"a huge delta":                    {pack(t, 2, one, long), second(one), first, "it has 67108865 bytes; at most"},
		"a delta that makes a huge file":  {pack(t, 2, one, grow(1, git.MaxObject+1)), second(one), first, "it, or what git builds it on, has 67108865 bytes; at most"},
		"a delta that makes more":         {pack(t, 2, one, grow(1, 1<<63+1)), second(one), first, "has 9223372036854775809 bytes; at most"},
		"a delta on another size":         {pack(t, 2, one, grow(2, 1)), second(one), first, "invalid delta"},
		"a delta that ends early":         {pack(t, 2, one, grow(1, git.MaxObject)), second(one), first, "invalid delta"},
		"a delta without sizes":           {pack(t, 2, one, entry{delta, 0, nil}), second(one), first, "invalid delta"},
		"a delta with one size":           {pack(t, 2, one, entry{delta, 1, []byte{1}}), second(one), first, "invalid delta"},
		"a delta on itself":               {pack(t, 1, grow(1, 1)), first, first, "more than 4095 deltas"},
		"a delta on what is not there":    {pack(t, 1, grow(1, 1)), first, 0, "builds on 0000000000000000000000000000000000000000, which is not in its pack"},
		"a file that is shorter":          {pack(t, 1, entry{blob, 5, []byte("1")}), first, 0, "1 of its 5 bytes are there"},
		"a file that is longer":           {pack(t, 1, entry{blob, 0, []byte("1")}), first, 0, "exceeds declared size"},
		"a place behind the end":          {pack(t, 1, one), 1 << 20, 0, "EOF"},
		"a place behind any end":          {pack(t, 1, one), 1 << 40, first, "behind the end of any pack"},
		"no kind":                         {pack(t, 1, entry{0, 1, []byte("1")}), first, 0, "no kind 0 of objects"},
		"a kind that is reserved":         {pack(t, 1, entry{5, 1, []byte("1")}), first, 0, "no kind 5 of objects"},
		"a place in the middle of a file": {pack(t, 1, one), first + 1, 0, "reading the object"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &repo{t: t, dir: r.dir}
			hash := stored(t, r, test.pack, test.at, test.zero)
			s := open(t, r.dir, git.Options{})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, data, err := git.Object(s, hash)
			runtime.ReadMemStats(&after)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) || err == nil && string(data) != "1" {
				t.Errorf("got %q, %v, want %q", data, err, test.want)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > git.MaxObject/4 {
				t.Errorf("it took %d bytes of memory", took)
			}
			if got := head(t, s); got.Hash != want || readFile(t, got.Tree, "a") != "1" {
				t.Errorf("the rest of the repository is not read: %v", got)
			}
		})
	}
}

// A pack is not read with the index of another one.
func TestAPackDoesNotFitItsIndex(t *testing.T) {
	r := newRepo(t)
	hash := stored(t, r, pack(t, 1, entry{blob, 1, []byte("1")}), 12, 0)
	packs, err := filepath.Glob(filepath.Join(r.dir, ".git/objects/pack/*.pack"))
	if err != nil || len(packs) != 1 {
		t.Fatal(packs, err)
	}
	other := pack(t, 1, entry{blob, 1, []byte("2")})
	for text, want := range map[string]string{string(other): "it does not fit its index", "": "invalid argument"} {
		write(t, packs[0], text)
		if _, _, err := git.Object(open(t, r.dir, git.Options{}), hash); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// No git would write these files.
func TestHostileFilesOfObjects(t *testing.T) {
	r := newRepo(t)
	want := r.commit("a", "1", "first")
	for name, test := range map[string]struct {
		text, want string // "" means that it can be read
	}{
		"a file":             {"blob 1\x001", ""},
		"shorter":            {"blob 5\x001", "it is damaged: unexpected EOF"},
		"longer":             {"blob 1\x00" + strings.Repeat("1", 20<<20), "it is damaged: it goes on after its end"},
		"huge":               {"blob 67108865\x00", "it has 67108865 bytes; at most 67108864 are read"},
		"negative":           {"blob -1\x00", "it is damaged: "},
		"more than a number": {"blob 9223372036854775808\x00", "it is damaged: "},
		"no size":            {"blob\x00", "it is damaged: "},
		"another kind":       {"blub 1\x001", "it is damaged: invalid object type"},
		"no end":             {"blob " + strings.Repeat("1", 20<<20), "it is damaged: bufio: buffer full"},
		"nothing":            {"", "it is damaged: EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &repo{t: t, dir: r.dir}
			var b bytes.Buffer
			z := zlib.NewWriter(&b)
			if _, err := z.Write([]byte(test.text)); err != nil {
				t.Fatal(err)
			}
			if err := z.Close(); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(r.dir, ".git/objects", strings.Repeat("1", 2), strings.Repeat("1", 38))
			write(t, file, b.String())
			t.Cleanup(func() { removeAll(t, file) })
			s := open(t, r.dir, git.Options{})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, data, err := git.Object(s, strings.Repeat("1", 40))
			runtime.ReadMemStats(&after)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) || err == nil && string(data) != "1" {
				t.Errorf("got %.20q, %v, want %q", data, err, test.want)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > git.MaxObject/4 {
				t.Errorf("it took %d bytes of memory", took)
			}
			if got := head(t, s); got.Hash != want || readFile(t, got.Tree, "a") != "1" {
				t.Errorf("the rest of the repository is not read: %v", got)
			}
		})
	}
}
