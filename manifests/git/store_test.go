package git_test

import (
	"bytes"
	"compress/zlib"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/swarm-operator/swarm-operator/manifests/git"
)

// packed puts a file's content into the repository, in a pack of its own. It returns the object and the pack's name
// without .pack and .idx.
func (r *repo) packed(content string) (hash, name string) {
	r.t.Helper()
	return r.repacked(r.hashObject("blob", []byte(content)))
}

func (r *repo) repacked(hash string) (string, string) {
	r.t.Helper()
	before := r.packs()
	r.packObject(hash)
	r.git("prune-packed")
	for name := range r.packs() {
		if !before[name] {
			return hash, name
		}
	}
	r.t.Fatal("git made no pack")
	return "", ""
}

func (r *repo) packs() map[string]bool {
	r.t.Helper()
	found, err := filepath.Glob(filepath.Join(r.dir, ".git/objects/pack/*.idx"))
	if err != nil {
		r.t.Fatal(err)
	}
	out := map[string]bool{}
	for _, name := range found {
		out[strings.TrimSuffix(name, ".idx")] = true
	}
	return out
}

func (r *repo) loose(hash string) string {
	return filepath.Join(r.dir, ".git/objects", hash[:2], hash[2:])
}

// unreadable fails unless an error says that something is there and cannot be read.
func unreadable(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want %q in one line", err, want)
	}
	for _, absent := range []error{fs.ErrNotExist, plumbing.ErrObjectNotFound, git.ErrGone} {
		if errors.Is(err, absent) {
			t.Errorf("%v is taken for %v", err, absent)
		}
	}
}

func do(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A reader of manifests does without .swarm-operator.yaml if it is absent. It must not if the file cannot be read.
func TestAFileThatCannotBeReadIsNotAbsent(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(r *repo, pack string)
		want string
	}{
		"the pack is a link to nothing": {func(r *repo, pack string) {
			do(r.t, os.Remove(pack+".pack"))
			do(r.t, os.Symlink("gone", pack+".pack"))
		}, "it is a link that is not followed: no such file"},
		"the pack is a link to nothing elsewhere": {func(r *repo, pack string) {
			do(r.t, os.Remove(pack+".pack"))
			do(r.t, os.Symlink(filepath.Join(r.dir, "gone"), pack+".pack"))
		}, "it is a link that is not followed: "},
		"the index is a link to nothing": {func(r *repo, pack string) {
			do(r.t, os.Remove(pack+".idx"))
			do(r.t, os.Symlink("gone", pack+".idx"))
		}, "it is a link that is not followed: no such file"},
		"the list of packs is a link to nothing": {func(r *repo, pack string) {
			do(r.t, os.RemoveAll(filepath.Dir(pack)))
			do(r.t, os.Symlink("gone", filepath.Dir(pack)))
		}, "listing pack: "},
		"the repository has gone": {func(r *repo, _ string) {
			do(r.t, os.Rename(r.dir, r.dir+".away"))
		}, "no such file"},
		"its objects have gone": {func(r *repo, _ string) {
			do(r.t, os.RemoveAll(filepath.Join(r.dir, ".git/objects")))
		}, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRepo(t)
			r.commit(".swarm-operator.yaml", "{}", "first")
			_, pack := r.repacked(r.git("rev-parse", "HEAD^{tree}"))
			tree := head(t, open(t, r.dir, git.Options{})).Tree
			test.do(r, pack)
			_, err := fs.Lstat(tree, ".swarm-operator.yaml")
			unreadable(t, err, test.want)
			_, err = fs.ReadFile(tree, ".swarm-operator.yaml")
			unreadable(t, err, test.want)
		})
	}
}

// What is no file of the store is not read, and nobody waits for it.
func TestLinksAndPipesInAStore(t *testing.T) {
	r := newRepo(t)
	packed, pack := r.packed("packed")
	loose := r.hashObject("blob", []byte("loose"))
	objects := filepath.Join(r.dir, ".git/objects")
	for name, test := range map[string]struct {
		path, object, other string
		link, pipe          string // what the error says; the other object is read all the same
	}{
		"file of an object":      {r.loose(loose), loose, packed, "it is a link that is not followed: path escapes", "it is no regular file"},
		"directory of an object": {filepath.Dir(r.loose(loose)), loose, packed, "path escapes", "not a directory"},
		"pack":                   {pack + ".pack", packed, loose, "it is a link that is not followed: path escapes", "it is no regular file"},
		"index":                  {pack + ".idx", packed, loose, "it is a link that is not followed: path escapes", "it is no regular file"},
		"list of packs":          {filepath.Dir(pack), packed, loose, "listing pack: path escapes", "listing pack: not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, c := range []struct {
				away, to, want string // to is where a link leads; a pipe has none
			}{
				{filepath.Join(r.dir, "away"), filepath.Join(r.dir, "away"), test.link},
				{filepath.Join(r.dir, "away"), "", test.pipe},
				{filepath.Join(objects, "away"), "away", ""},
			} {
				do(t, os.Rename(test.path, c.away))
				switch c.to {
				case "":
					do(t, syscall.Mkfifo(test.path, 0o600))
				case "away":
					to, err := filepath.Rel(filepath.Dir(test.path), c.away)
					do(t, err)
					do(t, os.Symlink(to, test.path))
				default:
					do(t, os.Symlink(c.to, test.path))
				}
				s := open(t, r.dir, git.Options{})
				_, _, err := git.Object(s, test.object)
				switch {
				case c.want != "":
					unreadable(t, err, c.want)
				case err != nil:
					t.Errorf("a link that stays in the store is not followed: %v", err)
				}
				if _, _, err := git.Object(s, test.other); err != nil {
					t.Errorf("another object is not read: %v", err)
				}
				do(t, os.Remove(test.path))
				do(t, os.Rename(c.away, test.path))
			}
		})
	}
}

// The directory of objects itself may be a link within its repository. No link out of the repository is followed.
func TestALinkedDirectoryOfObjects(t *testing.T) {
	r := newRepo(t)
	r.commit("a", "1", "first")
	objects, away := filepath.Join(r.dir, ".git/objects"), filepath.Join(t.TempDir(), "objects")
	do(t, os.Rename(objects, objects+".away"))
	do(t, os.Symlink("objects.away", objects))
	if got := head(t, open(t, r.dir, git.Options{})).Hash; got != r.head() {
		t.Errorf("through a link within the repository, %s is read", got)
	}
	do(t, os.Remove(objects))
	do(t, os.Rename(objects+".away", away))
	do(t, os.Symlink(away, objects))
	_, err := git.Open(t.Context(), r.dir, git.Options{})
	unreadable(t, err, "objects: it is a link that is not followed: path escapes")

	other := newRepo(t)
	other.commit("a", "2", "other")
	write(t, filepath.Join(other.dir, ".git/objects/info/alternates"), objects+"\n")
	s := open(t, other.dir, git.Options{})
	if got := readFile(t, head(t, s).Tree, "a"); got != "2" {
		t.Errorf("got %q", got)
	}
	_, err = s.At(t.Context(), r.head())
	unreadable(t, err, "objects: it is a link that is not followed: path escapes")
	_, err = s.Resolve(t.Context(), r.head()[:10])
	unreadable(t, err, "objects: it is a link that is not followed: path escapes")
}

// A pipe in the place of one of git's other files cannot make anybody wait.
func TestPipesInARepository(t *testing.T) {
	for name, fails := range map[string]bool{"HEAD": true, "refs/heads/main": true, "config": false, "index": false, "objects/info/alternates": false} {
		t.Run(name, func(t *testing.T) {
			r := newRepo(t)
			r.commit("a", "1", "first")
			file := filepath.Join(r.dir, ".git", name)
			do(t, os.RemoveAll(file))
			do(t, syscall.Mkfifo(file, 0o600))
			s := open(t, r.dir, git.Options{})
			_, err := s.Head(t.Context())
			if fails {
				unreadable(t, err, "it is no regular file")
			} else if err != nil {
				t.Error(err)
			}
			_, _ = s.Dirty(t.Context(), ".", func(string) bool { return true })
		})
	}
	r := newRepo(t)
	first, second := r.commit("a", "1", "first"), r.commit("a", "2", "second")
	do(t, syscall.Mkfifo(filepath.Join(r.dir, ".git/shallow"), 0o600))
	do(t, syscall.Mkfifo(filepath.Join(r.dir, ".git/packed-refs"), 0o600))
	s := open(t, r.dir, git.Options{Ref: "nothing"})
	_, err := s.Head(t.Context())
	unreadable(t, err, "it is no regular file")
	_, err = s.IsAncestor(t.Context(), first, second)
	unreadable(t, err, "reading shallow of "+r.dir+": it is no regular file")
}

// One index that is damaged hides only what is nowhere except in its pack, and hides nothing silently.
func TestADamagedIndexOfAPack(t *testing.T) {
	r := newRepo(t)
	first := r.commit("a", "1", "first")
	packs := map[string]string{}
	for _, content := range []string{"one", "two", "three"} {
		hash, pack := r.packed(content)
		packs[hash] = pack
	}
	for lost, pack := range packs {
		whole, err := os.ReadFile(pack + ".idx")
		do(t, err)
		do(t, os.Chmod(pack+".idx", 0o600))
		flipped := bytes.Clone(whole)
		flipped[len(flipped)-1] ^= 1
		for _, damaged := range [][]byte{nil, whole[:40], whole[:len(whole)-1], flipped} {
			do(t, os.WriteFile(pack+".idx", damaged, 0o600))
			s := open(t, r.dir, git.Options{})
			for h := range packs {
				_, _, err := git.Object(s, h)
				if h == lost {
					unreadable(t, err, "reading the index "+filepath.Base(pack)+".idx: ")
				} else if err != nil {
					t.Errorf("an object of another pack is not read: %v", err)
				}
			}
			if head(t, s).Hash != first {
				t.Error("the commit is not read")
			}
			_, err := s.At(t.Context(), strings.Repeat("1", 40)) // which may be in that pack
			unreadable(t, err, "reading the index ")
			_, err = s.Resolve(t.Context(), first[:10])
			unreadable(t, err, "reading the index ")
			do(t, os.WriteFile(pack+".idx", whole, 0o600))
			if _, _, err := git.Object(s, lost); err != nil {
				t.Errorf("it is not read when the index is whole again: %v", err)
			}
		}
	}
}

// A commit is found by its first digits, whatever git did with its object since another was looked for.
func TestDigitsOfANewCommitAreFoundAfterGitPacked(t *testing.T) {
	r := newRepo(t)
	first := r.commit("a", "1", "first")
	s := open(t, r.dir, git.Options{})
	for _, content := range []string{"2", "3"} {
		if got, err := s.Resolve(t.Context(), first[:10]); err != nil || got != first {
			t.Fatal(got, err)
		}
		want := r.commit("a", content, "next")
		r.git("repack", "-qad")
		if got, err := s.Resolve(t.Context(), want[:10]); err != nil || got != want {
			t.Errorf("got %s, %v", got, err)
		}
	}
}

// A commit that is there and cannot be read is not said to be gone.
func TestDigitsOfADamagedCommit(t *testing.T) {
	r := newRepo(t)
	first := r.commit("a", "1", "first")
	do(t, os.Chmod(r.loose(first), 0o600))
	write(t, r.loose(first), "")
	_, err := open(t, r.dir, git.Options{}).Resolve(t.Context(), first[:10])
	unreadable(t, err, "it is damaged: ")
}

func TestTheEndOfAFileOfAnObject(t *testing.T) {
	r := newRepo(t)
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	_, err := z.Write([]byte("blob 1\x001"))
	do(t, errors.Join(err, z.Close()))
	whole := b.Bytes()
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-1] ^= 1
	hash := strings.Repeat("1", 40)
	for want, data := range map[string][]byte{
		"it is damaged: zlib: invalid checksum": flipped,
		"it is damaged: unexpected EOF":         whole[:len(whole)-1],
	} {
		write(t, r.loose(hash), string(data))
		_, _, err := git.Object(open(t, r.dir, git.Options{}), hash)
		unreadable(t, err, want)
		if err != nil && strings.Contains(err.Error(), "goes on") {
			t.Errorf("got %v", err)
		}
	}
}
