package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	dcontext "github.com/docker/cli/cli/context"
	"github.com/docker/cli/cli/context/store"
)

// dockerConfig writes a docker config directory and makes it the current one.
func dockerConfig(t *testing.T, config string) string {
	t.Helper()
	clean(t)
	dir := os.Getenv("DOCKER_CONFIG")
	writeFile(t, filepath.Join(dir, "config.json"), config)
	return dir
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// addContext makes a docker context as `docker context create` does.
func addContext(t *testing.T, dir, name string, meta any, tls map[string][]byte) {
	t.Helper()
	s := store.New(filepath.Join(dir, "contexts"), store.NewConfig(func() any { return &map[string]any{} }))
	err := s.CreateOrUpdate(store.Metadata{Name: name, Metadata: map[string]any{}, Endpoints: map[string]any{"docker": meta}})
	if err == nil && tls != nil {
		err = s.ResetEndpointTLSMaterial(name, "docker", &store.EndpointTLSData{Files: tls})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestLocate(t *testing.T) {
	yes, no := true, false
	for _, tt := range []struct {
		name    string
		o       Options
		env     map[string]string
		current string
		want    string // the host, or the error
	}{
		{"nothing", Options{}, nil, "", "unix:///var/run/docker.sock"},
		{"--host", Options{Host: "tcp://10.0.0.7"}, map[string]string{"DOCKER_HOST": "unix:///a", "DOCKER_CONTEXT": "one"}, "two", "tcp://10.0.0.7:2375"},
		{"--host without a scheme", Options{Host: "10.0.0.7:99"}, nil, "", "tcp://10.0.0.7:99"},
		{"--host of a kind that there is not", Options{Host: "ftp://x"}, nil, "", "finding the engine: invalid bind address format: ftp://x"},
		{"DOCKER_HOST", Options{}, map[string]string{"DOCKER_HOST": "unix:///a", "DOCKER_CONTEXT": "one"}, "two", "unix:///a"},
		{"DOCKER_CONTEXT", Options{}, map[string]string{"DOCKER_CONTEXT": "one"}, "two", "unix:///one"},
		{"current context", Options{}, nil, "two", "ssh://ops@two"},
		{"--context", Options{Context: "one"}, map[string]string{"DOCKER_HOST": "unix:///a", "DOCKER_CONTEXT": "two"}, "two", "unix:///one"},
		{"--context default", Options{Context: "default"}, map[string]string{"DOCKER_HOST": "unix:///a"}, "two", "unix:///a"},
		{"--context without a host", Options{Context: "empty"}, nil, "", "unix:///var/run/docker.sock"},
		{"both", Options{Host: "unix:///a", Context: "one"}, nil, "", "--host and --context exclude each other"},
		{"no such context", Options{Context: "nope"}, nil, "", `reading docker context "nope": context "nope": context not found`},
		{"no docker in it", Options{Context: "other"}, nil, "", `reading docker context "other": it has no docker endpoint`},
		{"TLS without a host", Options{TLS: TLS{Verify: &yes}}, nil, "", "no such file"},
		{"--tlsverify=false", Options{Host: "tcp://a:1", TLS: TLS{Verify: &no}}, nil, "", "reading TLS files for tcp://a:1:"},
		{"DOCKER_TLS_VERIFY and a socket", Options{Host: "unix:///a"}, map[string]string{"DOCKER_TLS_VERIFY": "1"}, "", "unix:///a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := dockerConfig(t, `{"currentContext":"`+tt.current+`"}`)
			addContext(t, dir, "one", dcontext.EndpointMetaBase{Host: "unix:///one"}, nil)
			addContext(t, dir, "two", dcontext.EndpointMetaBase{Host: "ssh://ops@two"}, nil)
			addContext(t, dir, "empty", dcontext.EndpointMetaBase{}, nil)
			s := store.New(filepath.Join(dir, "contexts"), store.NewConfig(func() any { return &map[string]any{} }))
			_ = s.CreateOrUpdate(store.Metadata{Name: "other", Endpoints: map[string]any{"kubernetes": map[string]any{}}})
			for k, v := range tt.env {
				t.Setenv(k, v)
			}
			ep, err := locate(tt.o.withDefaults())
			if err != nil && !strings.Contains(err.Error(), tt.want) || err == nil && ep.host != tt.want {
				t.Errorf("%q, %v, want %q", ep.host, err, tt.want)
			}
		})
	}
}

func TestOpenRefusesWhatItCannotDial(t *testing.T) {
	dir := dockerConfig(t, `{}`)
	for host, want := range map[string]string{
		"npipe:////./pipe/docker_engine": `unix, tcp and ssh are supported, "npipe" is not`,
		"fd://":                          `"fd" is not`,
		"ssh://ops:canary@h":             "plain-text password is not supported",
		"nonsense":                       `"nonsense" is not`,
	} {
		addContext(t, dir, "c", dcontext.EndpointMetaBase{Host: host}, nil)
		_, err := Open(Options{Context: "c"})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v, want %q", host, err, want)
		}
	}
}

func TestABrokenDockerConfig(t *testing.T) {
	const canary = "canary-19c2"
	for _, text := range []string{`{"auths":{"r":{"auth":"` + canary, `{"auths":{"r":{"auth":"` + canary + `"}}}`, `{"auths":"` + canary + `"}`} {
		dir := dockerConfig(t, text)
		_, err := Open(Options{})
		if err == nil || strings.Contains(err.Error(), canary) || !strings.Contains(err.Error(), "reading the docker config "+dir) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
