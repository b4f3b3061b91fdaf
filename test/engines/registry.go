package engines

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// These are the registries, by the names under which the nodes know them. Registry is open, and also answers for Docker
// Hub.
const (
	Registry        = "registry.example.com"
	PrivateRegistry = "private.example.com" // asks for PrivateUser and PrivatePassword
	PrivateUser     = "ada"
	PrivatePassword = "engines"
)

// htpasswd is the password file of the private registry. docker-registry accepts only bcrypt.
const htpasswd = `ada:$2a$04$wnhspEXhwHmfcyhXuremP.W7/IIM2kuMh05HATFiFMGZjQPPDzQDi` + "\n"

// registry is a docker-registry on the switch.
type registry struct {
	name, address string
	config        string
	log           string
	box           *box
	http          *http.Client
	daemon        *daemon
}

func newRegistry(dir, name, address, auth string, n *network) (*registry, error) {
	r := &registry{
		name: name, address: address, box: n.box,
		config: filepath.Join(dir, name+".yml"), log: filepath.Join(dir, name+".log"),
		http: &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return n.dial(ctx, network, net.JoinHostPort(address, "80"))
		}}},
	}
	config := "version: 0.1\nlog: {level: warn, accesslog: {disabled: true}}\nhttp: {addr: \"" + address + ":80\"}\n" +
		"storage: {filesystem: {rootdirectory: " + filepath.Join(dir, name) + "}, cache: {blobdescriptor: inmemory}}\n" + auth
	return r, os.WriteFile(r.config, []byte(config), 0o600)
}

func newPrivateRegistry(dir string, n *network) (*registry, error) {
	users := filepath.Join(dir, "htpasswd")
	if err := os.WriteFile(users, []byte(htpasswd), 0o600); err != nil {
		return nil, err
	}
	return newRegistry(dir, PrivateRegistry, privateAddress, "auth: {htpasswd: {realm: engines, path: "+users+"}}\n", n)
}

// start starts the registry, and returns when it answers.
func (r *registry) start(ctx context.Context) error {
	log, err := os.OpenFile(r.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the registry has its own
	if r.daemon, err = r.box.start(log, "docker-registry", "serve", r.config); err != nil {
		return err
	}
	err = harness.Until(ctx, bootTime, func() error { return r.call(ctx, http.MethodGet, "/v2/", "", nil, http.StatusOK, nil) })
	if err != nil {
		return fmt.Errorf("starting %s: %w\n%s", r.name, err, tail(r.log, 5))
	}
	return nil
}

// call makes a request and checks the status of the answer.
func (r *registry) call(ctx context.Context, method, path, kind string, body []byte, want int, answer func(*http.Response)) error {
	where := path
	if !strings.HasPrefix(path, "http://") {
		where = "http://" + r.name + path
	}
	req, err := http.NewRequestWithContext(ctx, method, where, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.SetBasicAuth(PrivateUser, PrivatePassword) // the open registry ignores it
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return fmt.Errorf("asking %s: %w", r.name, err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000)) // for the error
	if answer != nil {
		answer(resp)
	}
	if want != 0 && resp.StatusCode != want {
		return fmt.Errorf("asking %s: %s %s: %s %s", r.name, method, path, resp.Status, text)
	}
	return nil
}

const (
	manifestType = "application/vnd.docker.distribution.manifest.v2+json"
	configType   = "application/vnd.docker.container.image.v1+json"
	layerType    = "application/vnd.docker.image.rootfs.diff.tar.gzip"
)

// push stores an image under a repository and a tag.
func (r *registry) push(ctx context.Context, repository, tag string, i *image) error {
	for _, b := range i.blobs() {
		if err := r.upload(ctx, repository, b); err != nil {
			return err
		}
	}
	return r.call(ctx, http.MethodPut, "/v2/"+repository+"/manifests/"+tag, manifestType, i.manifest(), http.StatusCreated, nil)
}

// everywhere is the repository that has the layer that all images share.
const everywhere = "busybox"

func (r *registry) upload(ctx context.Context, repository string, b blob) error {
	query := url.Values{"mount": {b.digest}, "from": {everywhere}}
	var status int
	var location string
	start := "/v2/" + repository + "/blobs/uploads/?" + query.Encode()
	if err := r.call(ctx, http.MethodPost, start, "", nil, 0, func(resp *http.Response) {
		status, location = resp.StatusCode, resp.Header.Get("Location")
	}); err != nil {
		return err
	}
	if status == http.StatusCreated {
		return nil // the registry already has it
	}
	if status != http.StatusAccepted || location == "" {
		return fmt.Errorf("starting an upload to %s: status %d", r.name, status)
	}
	sep := "?"
	if strings.Contains(location, "?") {
		sep = "&"
	}
	return r.call(ctx, http.MethodPut, location+sep+"digest="+url.QueryEscape(b.digest), "application/octet-stream", b.data, http.StatusCreated, nil)
}

// stop ends the registry. Its images stay on the disk.
func (r *registry) stop() {
	r.daemon.kill()
	r.http.CloseIdleConnections()
}

// Credentials returns the credentials for the private registry, in the form that the Engine API takes.
func Credentials() string {
	text, _ := json.Marshal(map[string]string{"username": PrivateUser, "password": PrivatePassword, "serveraddress": PrivateRegistry}) // strings cannot fail
	return base64.URLEncoding.EncodeToString(text)
}
