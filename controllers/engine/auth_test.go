package engine

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/api/types/registry"
)

const authCanary = "canary-pw-42ef"

func basic(user string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + authCanary))
}

// helper puts a docker-credential-NAME into PATH.
func helper(t *testing.T, name, script string) {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "docker-credential-"+name), "#!/bin/sh\n"+script)
	if err := os.Chmod(filepath.Join(dir, "docker-credential-"+name), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

func decoded(t *testing.T, a RegistryAuth) registry.AuthConfig {
	t.Helper()
	var c registry.AuthConfig
	if a.Empty() {
		return c
	}
	raw, err := base64.URLEncoding.DecodeString(a.Reveal())
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAuth(t *testing.T) {
	dockerConfig(t, `{
		"auths": {
			"https://index.docker.io/v1/": {"auth": "`+basic("hub")+`"},
			"r.example.com:5000": {"auth": "`+basic("port")+`"},
			"https://old.example.com/v1/": {"auth": "`+basic("legacy")+`"},
			"token.example.com": {"identitytoken": "`+authCanary+`"},
			"empty.example.com": {}
		},
		"credHelpers": {"help.example.com": "one", "none.example.com": "none", "broken.example.com": "broken", "missing.example.com": "missing",
			"locked.example.com": "locked", "noise.example.com": "noise"}
	}`)
	helper(t, "one", `read server; printf '{"ServerURL":"%s","Username":"<token>","Secret":"`+authCanary+`"}' "$server"`)
	helper(t, "none", `echo "credentials not found in native keychain"; exit 1`)
	helper(t, "broken", `echo '{"Secret":"`+authCanary+`"'; exit 1`)
	helper(t, "locked", `echo "pass not initialized"; exit 1`)
	helper(t, "noise", `echo '`+authCanary+`'`)
	c, got := open(t)
	for _, tt := range []struct{ image, user, token, server, err string }{
		{"nginx", "hub", "", "https://index.docker.io/v1/", ""},
		{"docker.io/me/app:1", "hub", "", "https://index.docker.io/v1/", ""},
		{"r.example.com:5000/a/b@sha256:" + strings.Repeat("a", 64), "port", "", "r.example.com:5000", ""},
		{"old.example.com/x", "legacy", "", "https://old.example.com/v1/", ""},
		{"token.example.com/x", "", authCanary, "token.example.com", ""},
		{"help.example.com/x", "", authCanary, "help.example.com", ""},
		{"none.example.com/x", "", "", "", ""},
		{"empty.example.com/x", "", "", "", ""},
		{"other.example.com/x", "", "", "", ""},
		{"broken.example.com/x", "", "", "", "asking the credential helper for broken.example.com: error getting credentials - err: exit status 1"},
		{"missing.example.com/x", "", "", "", "docker-credential-missing"},
		{"locked.example.com/x", "", "", "", "exit status 1: pass not initialized"},
		{"noise.example.com/x", "", "", "", "its answer is not understood"},
		{"Not An Image", "", "", "", `reading image name "Not An Image"`},
	} {
		a, err := c.Auth(tt.image)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), authCanary) {
				t.Errorf("%s: %v, want %q", tt.image, err, tt.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.image, err)
			continue
		}
		d := decoded(t, a)
		if d.Username != tt.user || d.IdentityToken != tt.token || d.ServerAddress != tt.server || tt.user != "" && d.Password != authCanary {
			t.Errorf("%s: user %q, token %q, server %q", tt.image, d.Username, d.IdentityToken, d.ServerAddress)
		}
		if a.Empty() != (tt.server == "") || a.Empty() && a.Reveal() != "" {
			t.Errorf("%s: empty is %v", tt.image, a.Empty())
		}
	}
	if log := strings.Join(got.logged(), "\n"); strings.Contains(log, authCanary) {
		t.Errorf("logged %s", log)
	}
}

func TestAuthFromTheEnvironmentAndTheDefaultStore(t *testing.T) {
	clean(t)
	c, _ := open(t)
	if a, err := c.Auth("nginx"); !a.Empty() || err != nil {
		t.Errorf("no docker config: %v, %v", a.Empty(), err)
	}
	t.Setenv("DOCKER_AUTH_CONFIG", `{"auths":{"r.example.com":{"auth":"`+basic("env")+`"}}}`)
	if a, err := c.Auth("r.example.com/x"); err != nil || decoded(t, a).Username != "env" {
		t.Errorf("DOCKER_AUTH_CONFIG: %v, %v", a, err)
	}
	dockerConfig(t, `{"credsStore":"all"}`)
	helper(t, "all", `read server; printf '{"Username":"%s","Secret":"x"}' "$server"`)
	c, _ = open(t)
	if a, err := c.Auth("docker.io/library/nginx"); err != nil || decoded(t, a).Username != "https://index.docker.io/v1/" {
		t.Errorf("credsStore: %v, %v", a, err)
	}
}

// A helper that waits for a passphrase blocks nobody, and is not started again while it waits.
func TestHelperThatHangsBlocksNobody(t *testing.T) {
	dockerConfig(t, `{"credHelpers":{"h.example.com":"slow"}}`)
	started, release := socketPath(t), socketPath(t)
	if err := syscall.Mkfifo(release, 0o600); err != nil {
		t.Fatal(err)
	}
	helper(t, "slow", `echo x >> `+started+`; read _ < `+release+`; echo '{"Username":"u","Secret":"s"}'`)
	c, _ := open(t, func(o *Options) { o.CallTimeout = 50 * time.Millisecond })
	for range 3 {
		if _, err := c.Auth("h.example.com/x"); err == nil || !strings.Contains(err.Error(), "asking the credential helper for h.example.com: no answer within 50ms") {
			t.Errorf("%v", err)
		}
	}
	f, err := os.OpenFile(release, os.O_WRONLY, 0) // wait until the helper reads
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	if n := len(readLines(t, started)); n != 1 {
		t.Errorf("started %d times", n)
	}
}

// A docker login during the run takes effect. A config that cannot be read is an error, and not "no credentials".
func TestTheDockerConfigIsReadAgain(t *testing.T) {
	dir := dockerConfig(t, `{}`)
	file := filepath.Join(dir, "config.json")
	c, _ := open(t)
	for i, user := range []string{"alice", "carol"} {
		writeFile(t, file, `{"auths":{"r.example.com":{"auth":"`+basic(user)+`"}}}`)
		when := time.Now().Add(time.Duration(i) * time.Hour) // the size is the same, so the time must differ
		if err := os.Chtimes(file, when, when); err != nil {
			t.Fatal(err)
		}
		if a, err := c.Auth("r.example.com/x"); err != nil || decoded(t, a).Username != user {
			t.Errorf("%s: %v, %v", user, a, err)
		}
	}
	writeFile(t, file, `{"auths":{"`+authCanary)
	if _, err := c.Auth("r.example.com/x"); err == nil || strings.Contains(err.Error(), authCanary) {
		t.Errorf("a broken config: %v", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if a, err := c.Auth("r.example.com/x"); !a.Empty() || err != nil {
		t.Errorf("no config any more: %v, %v", a, err)
	}
}

func TestRegistryAuthCannotBePrinted(t *testing.T) {
	a, err := NewRegistryAuth(canaryAuth(authCanary))
	if err != nil {
		t.Fatal(err)
	}
	type holder struct {
		Auth   RegistryAuth
		hidden RegistryAuth
		List   []RegistryAuth
		Map    map[string]*RegistryAuth
	}
	h := holder{a, a, []RegistryAuth{a}, map[string]*RegistryAuth{"k": &a}}
	_ = h.hidden
	update := ServiceUpdate{Auth: a}
	var out strings.Builder
	for _, v := range []any{a, &a, h, &h, update, &update} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%p", "%08.3f"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		raw, err := json.Marshal(v)
		if err != nil {
			t.Error(err)
		}
		out.Write(raw)
	}
	out.WriteString(fmt.Sprint(a) + a.String() + a.GoString())
	r := &record{}
	r.logger().Info("x", "auth", a, "holder", h, "pointer", &a)
	out.WriteString(strings.Join(r.logged(), "\n"))
	for _, canary := range []string{authCanary, a.Reveal(), fmt.Sprintf("%x", a.Reveal()), base64.StdEncoding.EncodeToString([]byte(a.Reveal()))} {
		if strings.Contains(strings.ToLower(out.String()), strings.ToLower(canary)) {
			t.Errorf("the credential is in\n%s", out.String())
		}
	}
	if fmt.Sprint(a) != "(hidden)" || fmt.Sprint(RegistryAuth{}) != "" || !(RegistryAuth{}).Empty() {
		t.Errorf("%v and %v", a, RegistryAuth{})
	}
}

// Headers of the docker config pass proxies that require them. They may be credentials.
func TestHTTPHeaders(t *testing.T) {
	for _, tt := range []struct{ name, config, env, want string }{
		{"config", `{"HttpHeaders":{"X-Proxy":"` + authCanary + `","User-Agent":"theirs"}}`, "", authCanary},
		{"environment", `{"HttpHeaders":{"X-Other":"1"}}`, `"X-Proxy=` + authCanary + `,1",X-More=2`, authCanary + ",1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := socketPath(t)
			var got []http.Header
			listen(t, path, pinged("1.41", func(w http.ResponseWriter, r *http.Request) {
				got = append(got, r.Header)
				emptyList(w, r)
			}))
			dockerConfig(t, tt.config)
			t.Setenv("DOCKER_CUSTOM_HEADERS", tt.env)
			c, rec := open(t, func(o *Options) { o.Host = "unix://" + path })
			_, _ = nodes(c), services(c)
			for _, h := range got {
				if h.Get("X-Proxy") != tt.want || h.Get("User-Agent") != "swarm-operator/test" {
					t.Errorf("sent %v", h)
				}
			}
			if len(got) != 2 || strings.Contains(strings.Join(rec.logged(), ""), authCanary) {
				t.Errorf("%d calls, logged %q", len(got), rec.logged())
			}
		})
	}
	clean(t)
	t.Setenv("DOCKER_CUSTOM_HEADERS", authCanary)
	if _, err := Open(Options{}); err == nil || strings.Contains(err.Error(), authCanary) {
		t.Error(err)
	}
}
