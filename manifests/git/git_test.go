package git_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/swarm-operator/swarm-operator/manifests/git"
)

// repo is a repository made by the real git.
type repo struct {
	t     testing.TB
	dir   string
	clock int64
}

func needGit(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("git"); err == nil {
		return
	}
	if os.Getenv("CI_NO_SKIP") == "1" {
		t.Fatal("git is not installed, and skipping is forbidden")
	}
	t.Skip("git is not installed")
}

// run runs git in a directory, without any configuration of the machine.
func run(t testing.TB, clock *int64, dir string, args ...string) string {
	t.Helper()
	*clock += 60
	date := fmt.Sprintf("%d +0000", 1_700_000_000+*clock)
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(),
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Ann Author", "GIT_AUTHOR_EMAIL=ann@example.com", "GIT_AUTHOR_DATE="+date,
		"GIT_COMMITTER_NAME=Carl Committer", "GIT_COMMITTER_EMAIL=carl@example.com", "GIT_COMMITTER_DATE="+date,
		"GIT_CONFIG_COUNT=4",
		"GIT_CONFIG_KEY_0=init.defaultBranch", "GIT_CONFIG_VALUE_0=main",
		"GIT_CONFIG_KEY_1=protocol.file.allow", "GIT_CONFIG_VALUE_1=always",
		"GIT_CONFIG_KEY_2=gc.auto", "GIT_CONFIG_VALUE_2=0",
		"GIT_CONFIG_KEY_3=maintenance.auto", "GIT_CONFIG_VALUE_3=false", // else each commit starts one more process
	)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func newRepo(t testing.TB) *repo {
	t.Helper()
	needGit(t)
	r := &repo{t: t, dir: filepath.Join(t.TempDir(), "repo")}
	run(t, &r.clock, filepath.Dir(r.dir), "init", "-q", r.dir)
	return r
}

func (r *repo) git(args ...string) string { r.t.Helper(); return run(r.t, &r.clock, r.dir, args...) }

func (r *repo) write(name, content string) {
	r.t.Helper()
	write(r.t, filepath.Join(r.dir, name), content)
}

func write(t testing.TB, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// commit writes one file and commits everything.
func (r *repo) commit(name, content, message string) string {
	r.t.Helper()
	r.write(name, content)
	r.git("add", "-A")
	r.git("commit", "-q", "-m", message)
	return r.head()
}

// head returns the commit at HEAD. It reads git's files if they say it, because starting a git takes longer than most of
// what is tested.
func (r *repo) head() string {
	r.t.Helper()
	dir := filepath.Join(r.dir, ".git")
	text, err := os.ReadFile(filepath.Join(dir, "HEAD"))
	if ref, ok := strings.CutPrefix(string(text), "ref: "); ok && err == nil {
		text, err = os.ReadFile(filepath.Join(dir, strings.TrimSpace(ref)))
	}
	if hash := strings.TrimSpace(string(text)); err == nil && plumbing.IsHash(hash) {
		return hash
	}
	return r.git("rev-parse", "HEAD")
}

// branch makes a branch at HEAD, does something there, and comes back.
func (r *repo) branch(name string, do func()) {
	r.t.Helper()
	from := r.git("rev-parse", "--abbrev-ref", "HEAD")
	r.git("checkout", "-q", "-b", name)
	do()
	r.git("checkout", "-q", from)
}

func open(t testing.TB, location string, o git.Options) *git.Source {
	t.Helper()
	s, err := git.Open(context.Background(), location, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func head(t testing.TB, s *git.Source) git.Commit {
	t.Helper()
	c, err := s.Head(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func readFile(t testing.TB, fsys fs.FS, name string) string {
	t.Helper()
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// eventually waits until ok returns true. It fails after far longer than that should ever take.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

var hashes = regexp.MustCompile(`[0-9a-f]{40}`)

func removeAll(t testing.TB, name string) {
	t.Helper()
	if err := os.RemoveAll(name); err != nil {
		t.Fatal(err)
	}
}
