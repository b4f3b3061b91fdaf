package git_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/swarm-operator/swarm-operator/manifests"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

const (
	user     = "t0ken-in-the-name"
	password = "c4n4ry/pass"
)

// hub serves a bare repository over HTTP to clients that know the password, as git's own http-backend does.
type hub struct {
	*httptest.Server
	*repo
	bare  string
	asked atomic.Int64
	trap  atomic.Pointer[http.HandlerFunc] // if set, it answers in place of the repository
}

func newHub(t *testing.T) *hub {
	r := newRepo(t)
	r.commit("web.yaml", "one\n", "first")
	h := &hub{repo: r, bare: filepath.Join(t.TempDir(), "bare.git")}
	r.git("clone", "-q", "--bare", r.dir, h.bare)
	r.git("remote", "add", "origin", h.bare)
	backend := filepath.Join(r.git("--exec-path"), "git-http-backend")
	if _, err := os.Stat(backend); err != nil {
		if os.Getenv("CI_NO_SKIP") == "1" {
			t.Fatal("git http-backend is not installed, and skipping is forbidden")
		}
		t.Skip("git http-backend is not installed")
	}
	handler := &cgi.Handler{Path: backend, Env: []string{"GIT_PROJECT_ROOT=" + filepath.Dir(h.bare), "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1"}, Stderr: t.Output()}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		h.asked.Add(1)
		if trap := h.trap.Load(); trap != nil {
			(*trap)(w, q)
			return
		}
		if u, p, _ := q.BasicAuth(); u != user || p != password {
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		handler.ServeHTTP(w, q)
	}))
	t.Cleanup(h.Close)
	return h
}

// url returns the repository's URL, with credentials.
func (h *hub) url() string {
	u, err := url.Parse(h.URL)
	if err != nil {
		h.t.Fatal(err)
	}
	u.User, u.Path = url.UserPassword(user, password), "/bare.git"
	return u.String()
}

func (h *hub) push(content string) string {
	hash := h.commit("web.yaml", content, content)
	h.git("push", "-q", "-f", "origin", "HEAD:main")
	return hash
}

// secretsIn fails if a text shows the credentials in any form.
func secretsIn(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{user, password, url.PathEscape(password), url.QueryEscape(password), "c4n4ry"} {
		if strings.Contains(text, secret) {
			t.Errorf("shows the credentials: %s", text)
		}
	}
}

func TestRemote(t *testing.T) {
	h := newHub(t)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	s, err := git.Open(t.Context(), h.url(), git.Options{PollInterval: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	first := head(t, s)
	if first.Hash != h.git("rev-parse", "HEAD") || readFile(t, first.Tree, "web.yaml") != "one\n" {
		t.Errorf("got %+v", first)
	}
	if want := h.URL + "/bare.git"; s.String() != want || s.Notice() != "" {
		t.Errorf("it is called %s, want %s", s, want)
	}
	woken := s.Watch(t.Context())
	second := h.push("two\n")
	awaitHead(t, s, woken, hash(second))
	log, err := s.Log(t.Context(), first.Hash, second, 9)
	if err != nil || subjects(log) != "two" {
		t.Errorf("%v %v", log, err)
	}
	h.git("reset", "-q", "--hard", "HEAD~1")
	forced := h.push("three\n")
	awaitHead(t, s, woken, hash(forced))
	if ok, err := s.IsAncestor(t.Context(), second, forced); ok || err != nil {
		t.Errorf("%v %v", ok, err)
	}
	if old, err := s.At(t.Context(), second); err != nil || readFile(t, old.Tree, "web.yaml") != "two\n" {
		t.Errorf("%v %v", old, err)
	}
	if dirty, err := s.Dirty(t.Context(), ".", manifests.Reads); dirty != nil || err != nil {
		t.Errorf("%v %v", dirty, err)
	}
	err = filepath.WalkDir(temp, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && filepath.Ext(name) != ".pack" {
			data, readErr := os.ReadFile(name)
			secretsIn(t, string(data))
			err = readErr
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestRemoteRefs(t *testing.T) {
	h := newHub(t)
	first := h.git("rev-parse", "HEAD")
	h.git("tag", "-a", "-m", "x", "v1")
	second := h.push("two\n")
	h.git("push", "-q", "origin", "v1", "HEAD:refs/heads/deep/er")
	for ref, want := range map[string]string{"": second, "main": second, "v1": first, "deep/er": second, "refs/tags/v1": first, "refs/heads/main": second} {
		if got := head(t, open(t, h.url(), git.Options{Ref: ref})).Hash; got != want {
			t.Errorf("%q is %s, want %s", ref, got, want)
		}
	}
	_, err := git.Open(t.Context(), h.url(), git.Options{Ref: "nothing"})
	if want := "fetching " + h.URL + "/bare.git: there is no branch or tag nothing"; errText(err) != want {
		t.Errorf("got %v", err)
	}
}

func TestEmptyRemote(t *testing.T) {
	h := newHub(t)
	removeAll(t, h.bare)
	h.git("init", "-q", "--bare", h.bare)
	if _, err := git.Open(t.Context(), h.url(), git.Options{}); !errors.Is(err, git.ErrNoCommit) {
		t.Errorf("want ErrNoCommit, got %v", err)
	}
}

// Whatever a remote does, the operator soon gets an error without credentials, and keeps what it fetched before.
func TestRemoteFailures(t *testing.T) {
	for name, trap := range map[string]http.HandlerFunc{
		"401": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
		"403": func(w http.ResponseWriter, q *http.Request) {
			http.Error(w, "no: "+q.URL.String(), http.StatusForbidden)
		},
		"404": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
		"500": func(w http.ResponseWriter, q *http.Request) {
			http.Error(w, q.Header.Get("Authorization"), http.StatusInternalServerError)
		},
		"503":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"nothing": func(http.ResponseWriter, *http.Request) {},
		"a page":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>please log in</html>")) },
		"half": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("001e# service=git-upload-pack\n0000015547"))
		},
		"hang up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"redirect": func(w http.ResponseWriter, q *http.Request) {
			http.Redirect(w, q, "http://u:c4n4ry@127.0.0.1:1/x", http.StatusFound)
		},
		"circle": func(w http.ResponseWriter, q *http.Request) { http.Redirect(w, q, q.URL.String(), http.StatusFound) },
		"to disk": func(w http.ResponseWriter, q *http.Request) {
			http.Redirect(w, q, "file:///etc/passwd", http.StatusFound)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t)
			s := open(t, h.url(), git.Options{})
			before := head(t, s)
			h.trap.Store(&trap)
			git.Forget(s)
			if _, err := s.Head(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "fetching "+h.URL+"/bare.git: ") {
				t.Errorf("got %v", err)
			} else {
				secretsIn(t, err.Error())
				t.Log(err)
			}
			if c, err := s.At(t.Context(), before.Hash); err != nil || readFile(t, c.Tree, "web.yaml") != "one\n" {
				t.Errorf("what was there is gone: %v", err)
			}
			_, err := git.Open(t.Context(), h.url(), git.Options{})
			secretsIn(t, errText(err))
			h.trap.Store(nil)
			if got := head(t, s).Hash; got != before.Hash {
				t.Errorf("it does not recover: %s", got)
			}
		})
	}
}

func TestUnreachableRemotes(t *testing.T) {
	for _, location := range []string{
		"http://" + user + ":c4n4ry@127.0.0.1:1/x.git", "https://" + user + ":c4n4ry@127.0.0.1:1/x.git?token=c4n4ry", "http://u:c4n4ry@host.invalid/x.git", "http://u:c4n4ry@[::1/x.git", "http://u:c4n4ry/x@127.0.0.1:1/x.git",
		"http://u:c4n4ry@127.0.0.1:port/x.git", "https://c4n4ry@127.0.0.1:1/x.git", "git://u:c4n4ry@host/x.git", "ftp://u:c4n4ry@host/x", "x://u:c4n4ry@/", "http://u:%zzc4n4ry@h/", "file://host/u:c4n4ry@x",
	} {
		_, err := git.Open(t.Context(), location, git.Options{})
		if err == nil {
			t.Errorf("opened %s", location)
			continue
		}
		if strings.Contains(err.Error(), "c4n4ry") && !strings.HasPrefix(location, "https://c4n4ry@") || strings.Contains(err.Error(), user) {
			t.Errorf("shows the credentials: %v", err)
		}
		t.Log(err)
	}
}

// A remote that hangs costs its caller no more time than the context allows.
func TestRemoteHangs(t *testing.T) {
	h := newHub(t)
	s := open(t, h.url(), git.Options{})
	release := make(chan struct{})
	hang := http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		select {
		case <-release:
		case <-q.Context().Done():
		}
	})
	h.trap.Store(&hang)
	defer close(release)
	git.Forget(s)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Head(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// An answer that is a moment old is used again: a wake-up and the look after it are one question.
func TestRemoteIsAskedOnce(t *testing.T) {
	h := newHub(t)
	s := open(t, h.url(), git.Options{PollInterval: time.Hour})
	before := h.asked.Load()
	for range 5 {
		head(t, s)
	}
	if asked := h.asked.Load() - before; asked != 0 {
		t.Errorf("asked %d times", asked)
	}
	// If nothing has changed, nothing is fetched.
	git.Forget(s)
	head(t, s)
	if asked := h.asked.Load() - before; asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

func TestFileURL(t *testing.T) {
	r := newRepo(t)
	want := r.commit("a", "1", "first")
	s := open(t, "file://"+r.dir, git.Options{})
	if got := head(t, s).Hash; got != want {
		t.Error(got)
	}
	woken := s.Watch(t.Context())
	awaitHead(t, s, woken, hash(r.commit("a", "2", "second"))) // by file events
}

// A branch named in a URL would be ignored, and another branch would be read.
func TestRefsInLocationsAreRefused(t *testing.T) {
	r := newRepo(t)
	r.commit("a", "1", "first")
	const text = " is not read: no branch, tag or commit can be chosen yet, and a remote is read at its HEAD, the default branch; leave it out, or check that branch out and name the directory"
	for location, want := range map[string]string{
		"https://h.invalid/o/r.git#main":              "opening https://h.invalid/o/r.git: what follows the #",
		"https://h.invalid/o/r.git#":                  "opening https://h.invalid/o/r.git: what follows the #",
		"https://h.invalid/o/r.git?ref=main":          "opening https://h.invalid/o/r.git: what follows the ?",
		"HTTPS://h.invalid/o/r?depth=1&ref=v1#x":      "opening HTTPS://h.invalid/o/r: what follows the ?",
		"https://u:c4n4ry@h.invalid/o/r?token=c4n4ry": "opening https://h.invalid/o/r: what follows the ?",
		"https://h.invalid/o/r#c4n4ry@x":              "opening https://h.invalid/o/r: what follows the #",
		"ssh://git@h.invalid/o/r.git#main":            "opening ssh://h.invalid/o/r.git: what follows the #",
		"git@h.invalid:o/r.git#main":                  "opening git@h.invalid:o/r.git: what follows the #",
		"git@h.invalid:o/r.git?ref=main":              "opening git@h.invalid:o/r.git: what follows the ?",
		"file://" + r.dir + "#main":                   "opening file://" + r.dir + ": what follows the #",
		"file://" + r.dir + "?ref=main":               "opening file://" + r.dir + ": what follows the ?",
		r.dir + "#main":                               "opening " + r.dir + ": what follows the #",
		r.dir + "?ref=main":                           "opening " + r.dir + ": what follows the ?",
	} {
		_, err := git.Open(t.Context(), location, git.Options{})
		if errText(err) != want+text {
			t.Errorf("%s: %v", location, err)
		}
	}
	named := filepath.Join(t.TempDir(), "web#1")
	write(t, filepath.Join(named, "a.yaml"), "x")
	if c := head(t, open(t, named, git.Options{})); readFile(t, c.Tree, "a.yaml") != "x" {
		t.Error("a directory may be named so")
	}
	if _, err := git.Open(t.Context(), named+"x#1", git.Options{}); !errors.Is(err, git.ErrNotFound) {
		t.Error(err)
	}
}

func TestRedaction(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "",
		"/a/dir":                              "/a/dir",
		"https://host/path":                   "https://host/path",
		"https://u:p@host/path":               "https://host/path",
		"https://token@host/path":             "https://host/path",
		"https://u:p@host:8080/path?token=x":  "https://host:8080/path",
		"https://u:p/w@host/path":             "https://host/path",
		"https://u:p@w@host/path":             "https://host/path",
		"https://u:%zz@host/path":             "https://host/path",
		"https://host/path@v1":                "https://v1",
		"ssh://git@host/path":                 "ssh://host/path",
		"git@host:path":                       "git@host:path",
		`Get "https://u:p@host/x": refused`:   `Get "https://host/x": refused`,
		"a https://u:p@h/ and b://v:q@i#frag": "a https://h/ and b://i",
		"https://u:p@":                        "https://",
		"://u:p@h":                            "://u:p@h",
		"x://":                                "x://",
	} {
		if got := git.RedactURL(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestWhatIsAURL(t *testing.T) {
	for location, want := range map[string]bool{
		"https://h/x": true, "HTTP://h/x": true, "git@github.com:a/b.git": true, "ssh://h/x": true, "file:///x": true, "git://x": true,
		".": false, "/a/b": false, "./git@host:x": false, "a:b": false, `C:\x`: false, "dir@x/y:z": false, "/git@host:x": false,
	} {
		if got := git.IsURL(location); got != want {
			t.Errorf("%q: %v", location, got)
		}
	}
}

func ExampleLines() {
	fmt.Println(git.Lines("web: drop the old ones\n\nThey are not used.\n\nConsent: removals Service/a, replace\n", "Consent"))
	// Output: [removals Service/a, replace] []
}
