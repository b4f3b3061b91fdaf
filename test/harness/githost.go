package harness

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/server"
)

// GitHost serves a repository over HTTP to clients that know the password, as a host of git repositories does.
type GitHost struct {
	server   *httptest.Server
	password string
	host     transport.Transport
	down     atomic.Bool
}

// NewGitHost starts a server for a repository.
func NewGitHost(r *Repo, password string) *GitHost {
	h := &GitHost{password: password, host: server.NewServer(server.NewFilesystemLoader(osfs.New(filepath.Join(r.Dir, ".git"))))}
	h.server = httptest.NewServer(h)
	return h
}

// URL returns the URL of the repository, with the password.
func (h *GitHost) URL() string {
	u, err := url.Parse(h.server.URL)
	if err != nil {
		panic(err) // httptest made the URL
	}
	u.User, u.Path = url.UserPassword("git", h.password), "/repo.git"
	return u.String()
}

// Down(true) makes every request fail, and Down(false) ends that.
func (h *GitHost) Down(is bool) { h.down.Store(is) }

// Close stops the server.
func (h *GitHost) Close() { h.server.Close() }

// ServeHTTP answers git, for a server at a different address than [GitHost.URL].
func (h *GitHost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, password, _ := r.BasicAuth()
	var err error
	switch {
	case h.down.Load():
		http.Error(w, "out of order", http.StatusBadGateway)
	case password != h.password:
		http.Error(w, "who are you", http.StatusUnauthorized)
	case strings.HasSuffix(r.URL.Path, "/info/refs") && r.URL.Query().Get("service") == "git-upload-pack":
		w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
		err = h.advertise(w, r)
	case strings.HasSuffix(r.URL.Path, "/git-upload-pack"):
		w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
		err = h.upload(w, r)
	default:
		http.NotFound(w, r)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func (h *GitHost) session() (transport.UploadPackSession, error) {
	root, err := transport.NewEndpoint("/")
	if err != nil {
		return nil, err
	}
	return h.host.NewUploadPackSession(root, nil)
}

func (h *GitHost) advertise(w io.Writer, r *http.Request) error {
	session, err := h.session()
	if err != nil {
		return err
	}
	refs, err := session.AdvertisedReferencesContext(r.Context())
	if err != nil {
		return err
	}
	refs.Prefix = [][]byte{[]byte("# service=git-upload-pack"), pktline.Flush}
	return refs.Encode(w)
}

func (h *GitHost) upload(w io.Writer, r *http.Request) error {
	session, err := h.session()
	if err != nil {
		return err
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		if body, err = gzip.NewReader(body); err != nil {
			return err
		}
	}
	// The request's list of what the client has is not read: the client gets everything.
	request := packp.NewUploadPackRequest()
	if err := request.UploadRequest.Decode(body); err != nil {
		return fmt.Errorf("reading what is asked for: %w", err)
	}
	answer, err := session.UploadPack(r.Context(), request)
	if err != nil {
		return err
	}
	return answer.Encode(w)
}
