package git_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/swarm-operator/swarm-operator/manifests"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

func TestACheckoutIsReadAtHead(t *testing.T) {
	r := newRepo(t)
	first := r.commit("a/web.yaml", "one\n", "first\n\nwhy\n\nConsent: removals Service/a, replace")
	r.write("a/web.yaml", "not committed\n")
	r.write("b.yaml", "staged\n")
	r.git("add", "b.yaml")
	s := open(t, r.dir, git.Options{})
	c := head(t, s)
	if c.Hash != first || c.Author != "Ann Author" || c.When.Unix() < 1_700_000_000 || !strings.HasPrefix(c.Message, "first\n") || c.Short() != first[:10] {
		t.Errorf("got %+v", c)
	}
	if got := readFile(t, c.Tree, "a/web.yaml"); got != "one\n" {
		t.Errorf("read the working copy: %q", got)
	}
	if _, err := c.Tree.Open("b.yaml"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a staged file is there: %v", err)
	}
	if got, _ := c.Lines("consent"); len(got) != 1 || got[0] != "removals Service/a, replace" {
		t.Errorf("trailers %q", got)
	}
	r.git("rm", "-q", "-f", "b.yaml")
	second := r.commit("a/web.yaml", "two\n", "second")
	if got := head(t, s); got.Hash != second || readFile(t, got.Tree, "a/web.yaml") != "two\n" {
		t.Errorf("got %+v", got)
	}
	if got := readFile(t, c.Tree, "a/web.yaml"); got != "one\n" {
		t.Errorf("the first commit's tree has changed: %q", got)
	}
	old, err := s.At(t.Context(), first)
	if err != nil || readFile(t, old.Tree, "a/web.yaml") != "one\n" || old.Hash != first {
		t.Errorf("%v %+v", err, old)
	}
}

// The cases are all ways in which a repository can be laid out.
func TestLayouts(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, r *repo) (dir string){
		"checkout":      func(_ *testing.T, r *repo) string { return r.dir },
		"packed":        func(_ *testing.T, r *repo) string { r.git("gc", "-q"); return r.dir },
		"packed refs":   func(_ *testing.T, r *repo) string { r.git("pack-refs", "--all"); return r.dir },
		"detached":      func(_ *testing.T, r *repo) string { r.git("checkout", "-q", "--detach"); return r.dir },
		"the directory": func(_ *testing.T, r *repo) string { return filepath.Join(r.dir, ".git") },
		"a link to it": func(t *testing.T, r *repo) string {
			link := filepath.Join(t.TempDir(), "link")
			if err := os.Symlink(r.dir, link); err != nil {
				t.Fatal(err)
			}
			return link
		},
		"bare": func(t *testing.T, r *repo) string {
			dir := filepath.Join(t.TempDir(), "bare.git")
			r.git("clone", "-q", "--bare", r.dir, dir)
			return dir
		},
		"linked worktree": func(t *testing.T, r *repo) string {
			dir := filepath.Join(t.TempDir(), "linked")
			r.git("branch", "other", "HEAD~1")
			r.git("worktree", "add", "-q", "--detach", dir, "HEAD")
			r.git("checkout", "-q", "other") // the linked worktree has a HEAD of its own
			return dir
		},
		"submodule": func(t *testing.T, r *repo) string {
			outer := newRepo(t)
			outer.git("submodule", "--quiet", "add", r.dir, "sub")
			return filepath.Join(outer.dir, "sub")
		},
		"shallow": func(t *testing.T, r *repo) string {
			dir := filepath.Join(t.TempDir(), "shallow")
			r.git("clone", "-q", "--depth", "1", "file://"+r.dir, dir)
			return dir
		},
		"shared": func(t *testing.T, r *repo) string {
			dir := filepath.Join(t.TempDir(), "shared")
			r.git("clone", "-q", "--shared", r.dir, dir)
			return dir
		},
		"shared by way of another": func(t *testing.T, r *repo) string {
			r.git("repack", "-q", "-a", "-d")
			dir, far := filepath.Join(t.TempDir(), "shared"), filepath.Join(t.TempDir(), "far")
			r.git("clone", "-q", "--shared", r.dir, dir)
			r.git("clone", "-q", "--shared", dir, far)
			return far
		},
		"shared by a relative path": func(t *testing.T, r *repo) string {
			dir := filepath.Join(filepath.Dir(r.dir), "shared")
			r.git("clone", "-q", "--shared", r.dir, dir)
			write(t, filepath.Join(dir, ".git/objects/info/alternates"), "# a comment\n../../../repo/.git/objects\n\nnothing/here\n")
			return dir
		},
		"multi-pack index": func(_ *testing.T, r *repo) string {
			r.git("repack", "-q", "-d")
			r.git("multi-pack-index", "write")
			return r.dir
		},
		"commit graph": func(_ *testing.T, r *repo) string { r.git("commit-graph", "write", "--reachable"); return r.dir },
		"HEAD is a link": func(t *testing.T, r *repo) string {
			name := filepath.Join(r.dir, ".git/HEAD")
			if err := errors.Join(os.Remove(name), os.Symlink("refs/heads/main", name)); err != nil {
				t.Fatal(err)
			}
			return r.dir
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRepo(t)
			r.commit("dir/web.yaml", "one\n", "first")
			want := r.commit("dir/web.yaml", "two\n", "second")
			s := open(t, prepare(t, r), git.Options{})
			if c := head(t, s); c.Hash != want || readFile(t, c.Tree, "dir/web.yaml") != "two\n" {
				t.Errorf("got %+v, want %s", c, want)
			}
		})
	}
}

func TestRefs(t *testing.T) {
	r := newRepo(t)
	first := r.commit("a", "1", "first")
	r.git("tag", "light")
	r.git("tag", "-a", "-m", "x", "heavy")
	r.git("tag", "-a", "-m", "x", "heavier", "heavy")
	r.git("branch", "deep/er/branch")
	second := r.commit("a", "2", "second")
	r.git("branch", "light-branch")
	r.git("symbolic-ref", "refs/heads/alias", "refs/heads/main")
	for _, pack := range []bool{false, true} {
		if pack {
			r.git("pack-refs", "--all")
		}
		for ref, want := range map[string]string{
			"": second, "HEAD": second, "main": second, "refs/heads/main": second, "alias": second, "light": first, "heavy": first, "heavier": first, "refs/tags/heavy": first, "deep/er/branch": first,
		} {
			if got := head(t, open(t, r.dir, git.Options{Ref: ref})).Hash; got != want {
				t.Errorf("%q is %s, want %s", ref, got, want)
			}
		}
	}
	for ref, want := range map[string]string{
		"nothing":    "reading nothing of REPO: there is no branch or tag nothing",
		"deep/er":    "reading deep/er of REPO: there is no branch or tag deep/er",
		"../config":  "reading ../config of REPO: the name of a ref is malformed",
		"a b":        "reading a b of REPO: the name of a ref is malformed",
		"refs/heads": "reading refs/heads of REPO: there is no branch or tag refs/heads",
	} {
		_, err := open(t, r.dir, git.Options{Ref: ref}).Head(t.Context())
		if got := strings.ReplaceAll(errText(err), r.dir, "REPO"); got != want {
			t.Errorf("%q: got %q, want %q", ref, got, want)
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Each error says what is wrong with a repository, with the names that help.
func TestBrokenRepositories(t *testing.T) {
	object := func(r *repo, rev string) string {
		hash := r.git("rev-parse", rev)
		return filepath.Join(r.dir, ".git/objects", hash[:2], hash[2:])
	}
	remove := func(t *testing.T, name string) {
		if err := os.RemoveAll(name); err != nil {
			t.Fatal(err)
		}
	}
	overwrite := func(t *testing.T, name, text string) {
		remove(t, name)
		write(t, name, text)
	}
	for name, c := range map[string]struct {
		damage func(t *testing.T, r *repo)
		is     error
		want   string // the error of Open, Head or reading web.yaml
	}{
		"unborn branch":     {func(_ *testing.T, r *repo) { r.git("checkout", "-q", "--orphan", "new") }, git.ErrNoCommit, "reading HEAD of REPO: there is no commit yet: HEAD names the branch new, which does not exist"},
		"deleted branch":    {func(_ *testing.T, r *repo) { r.git("update-ref", "-d", "refs/heads/main") }, git.ErrNoCommit, "reading HEAD of REPO: there is no commit yet: HEAD names the branch main, which does not exist"},
		"nothing there":     {func(t *testing.T, r *repo) { remove(t, r.dir) }, git.ErrNotFound, "opening REPO: there is no such directory"},
		"a file":            {func(t *testing.T, r *repo) { overwrite(t, r.dir, "x") }, nil, "opening REPO: it is no directory"},
		"no HEAD":           {func(t *testing.T, r *repo) { remove(t, r.dir+"/.git/HEAD") }, nil, "opening REPO: REPO/.git is no git repository: HEAD, objects or refs is missing"},
		"no objects":        {func(t *testing.T, r *repo) { remove(t, r.dir+"/.git/objects") }, nil, "opening REPO: REPO/.git is no git repository: HEAD, objects or refs is missing"},
		"empty .git":        {func(t *testing.T, r *repo) { remove(t, r.dir+"/.git"); write(t, r.dir+"/.git/x", "") }, nil, "opening REPO: REPO/.git is no git repository: HEAD, objects or refs is missing"},
		"file .git":         {func(t *testing.T, r *repo) { overwrite(t, r.dir+"/.git", "nonsense") }, nil, "opening REPO: reading REPO/.git: it does not name a repository"},
		"file .git astray":  {func(t *testing.T, r *repo) { overwrite(t, r.dir+"/.git", "gitdir: nowhere\n") }, nil, "opening REPO: REPO/nowhere is no git repository: HEAD, objects or refs is missing"},
		"HEAD is empty":     {func(t *testing.T, r *repo) { overwrite(t, r.dir+"/.git/HEAD", "") }, nil, "reading HEAD of REPO: the ref HEAD is empty; the file may be damaged"},
		"HEAD is nonsense":  {func(t *testing.T, r *repo) { overwrite(t, r.dir+"/.git/HEAD", "s3cr3t") }, nil, "reading HEAD of REPO: the ref HEAD is neither a commit nor another ref; the file may be damaged"},
		"HEAD leads out":    {func(t *testing.T, r *repo) { overwrite(t, r.dir+"/.git/HEAD", "ref: refs/../../x") }, nil, "reading HEAD of REPO: the name of a ref is malformed"},
		"refs in a circle":  {func(t *testing.T, r *repo) { overwrite(t, r.dir+"/.git/refs/heads/main", "ref: refs/heads/main") }, nil, "reading HEAD of REPO: refs name each other in a circle"},
		"ref is cut off":    {func(t *testing.T, r *repo) { overwrite(t, r.dir+"/.git/refs/heads/main", "0123") }, nil, "reading HEAD of REPO: the ref refs/heads/main is neither a commit nor another ref; the file may be damaged"},
		"ref has no object": {func(t *testing.T, r *repo) { overwrite(t, r.dir+"/.git/refs/heads/main", strings.Repeat("1", 40)) }, nil, "reading HEAD of REPO: the object 1111111111111111111111111111111111111111 is missing from the repository: object not found"},
		"ref to a file": {func(t *testing.T, r *repo) {
			overwrite(t, r.dir+"/.git/refs/heads/main", r.git("rev-parse", "HEAD:web.yaml"))
		}, nil, "reading HEAD of REPO: the commit HASH is missing from the repository: object not found"},
		"an older value is packed": {func(t *testing.T, r *repo) {
			r.git("pack-refs", "--all")
			r.commit("web.yaml", "two", "second")
			overwrite(t, r.dir+"/.git/refs/heads/main", "")
		}, nil, "reading HEAD of REPO: the ref refs/heads/main is empty; the file may be damaged"},
		"no tree":        {func(t *testing.T, r *repo) { remove(t, object(r, "HEAD^{tree}")) }, nil, "open web.yaml: the tree HASH is missing from the repository: object not found"},
		"no file":        {func(t *testing.T, r *repo) { remove(t, object(r, "HEAD:web.yaml")) }, nil, "open web.yaml: the blob HASH is missing from the repository: object not found"},
		"damaged commit": {func(t *testing.T, r *repo) { overwrite(t, object(r, "HEAD"), "garbage") }, nil, "reading HEAD of REPO: reading the object HASH: it is damaged: zlib: invalid header"},
		"damaged file":   {func(t *testing.T, r *repo) { overwrite(t, object(r, "HEAD:web.yaml"), "garbage") }, nil, "open web.yaml: reading the blob HASH: it is damaged: zlib: invalid header"},
		"damaged config": {func(t *testing.T, r *repo) { overwrite(t, r.dir+"/.git/config", "[[s3cr3t") }, nil, ""},
		"reftable": {func(t *testing.T, r *repo) {
			write(t, r.dir+"/.git/config", "[core]\nrepositoryformatversion = 1\n[extensions]\nrefStorage = reftable\n")
		}, nil, "REPO uses git's refstorage reftable, which cannot be read yet"},
		"sha256": {func(t *testing.T, r *repo) {
			remove(t, r.dir)
			write(t, r.dir+"/x", "x")
			r.git("init", "-q", "--object-format=sha256")
			r.git("add", "x")
			r.git("commit", "-q", "-m", "x")
		}, nil, "REPO uses git's objectformat sha256, which cannot be read yet"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRepo(t)
			r.commit("web.yaml", "one\n", "first")
			c.damage(t, r)
			err := readWeb(t, r.dir)
			got := hashes.ReplaceAllString(strings.ReplaceAll(errText(err), r.dir, "REPO"), "HASH")
			if got != hashes.ReplaceAllString(c.want, "HASH") {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("is not %v", c.is)
			}
		})
	}
}

// readWeb opens a repository and reads web.yaml of its head.
func readWeb(t *testing.T, dir string) error {
	s, err := git.Open(t.Context(), dir, git.Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	c, err := s.Head(t.Context())
	if err != nil {
		return err
	}
	_, err = c.Tree.Open("web.yaml")
	return err
}

func TestMissingCommitIsErrGone(t *testing.T) {
	r := newRepo(t)
	first := r.commit("a", "1", "first")
	r.git("commit", "-q", "--amend", "-m", "rewritten")
	s := open(t, r.dir, git.Options{})
	if _, err := s.At(t.Context(), first); err != nil {
		t.Errorf("unreachable, but there: %v", err)
	}
	r.git("reflog", "expire", "--expire=now", "--all")
	r.git("gc", "-q", "--prune=now")
	s = open(t, r.dir, git.Options{}) // the first source may still have it open
	for _, hash := range []string{first, strings.Repeat("1", 40), "", "main", first[:10], "files-12345", r.git("rev-parse", "HEAD:a")} {
		if _, err := s.At(t.Context(), hash); !errors.Is(err, git.ErrGone) {
			t.Errorf("%q: want ErrGone, got %v", hash, err)
		}
	}
	if _, err := s.Log(t.Context(), first, head(t, s).Hash, 9); !errors.Is(err, git.ErrGone) {
		t.Errorf("want ErrGone, got %v", err)
	}
	if _, err := s.IsAncestor(t.Context(), first, head(t, s).Hash); !errors.Is(err, git.ErrGone) {
		t.Errorf("want ErrGone, got %v", err)
	}
}

// A source may be opened before its branch has a commit. It goes on working if its directory is replaced.
func TestSourceMayComeIntoBeingAfterItWasOpened(t *testing.T) {
	r := newRepo(t)
	s := open(t, r.dir, git.Options{})
	if _, err := s.Head(t.Context()); !errors.Is(err, git.ErrNoCommit) {
		t.Errorf("want ErrNoCommit, got %v", err)
	}
	want := r.commit("a", "1", "first")
	if got := head(t, s).Hash; got != want {
		t.Errorf("got %s", got)
	}
	gone := r.dir + ".gone"
	if err := os.Rename(r.dir, gone); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Head(t.Context()); !errors.Is(err, git.ErrNotFound) {
		t.Errorf("want ErrNotFound, got %v", err)
	}
	run(t, &r.clock, filepath.Dir(r.dir), "init", "-q", r.dir)
	want = r.commit("b", "2", "another repository")
	if got := head(t, s); got.Hash != want || readFile(t, got.Tree, "b") != "2" {
		t.Errorf("got %+v", got)
	}
}

// Nothing in a checkout's configuration is run.
func TestNothingIsRun(t *testing.T) {
	r := newRepo(t)
	r.write(".gitattributes", "*.yaml filter=evil diff=evil\n")
	r.commit("web.yaml", "one\n", "first")
	proof := filepath.Join(t.TempDir(), "proof")
	script := filepath.Join(r.dir, "evil.sh")
	write(t, script, "#!/bin/sh\ntouch "+proof+"\ncat\n")
	if err := os.Chmod(script, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, hook := range []string{"post-checkout", "reference-transaction", "fsmonitor-watchman", "pre-auto-gc"} {
		write(t, filepath.Join(r.dir, ".git/hooks", hook), "#!/bin/sh\ntouch "+proof+"\n")
		if err := os.Chmod(filepath.Join(r.dir, ".git/hooks", hook), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	config := filepath.Join(r.dir, ".git/config")
	old, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	write(t, config, string(old)+"[filter \"evil\"]\nclean="+script+"\nsmudge="+script+"\nrequired=true\n[core]\nfsmonitor="+script+"\nsshCommand="+script+"\npager="+script+"\n[include]\npath=/nowhere\n[alias]\nx=!"+script+"\n")
	r.write("web.yaml", "two\n")
	s := open(t, r.dir, git.Options{})
	if got := readFile(t, head(t, s).Tree, "web.yaml"); got != "one\n" {
		t.Errorf("read %q", got)
	}
	if _, err := s.Dirty(t.Context(), ".", manifests.Reads); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(proof); err == nil {
		t.Error("something was run")
	}
}
