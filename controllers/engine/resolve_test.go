package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/moby/moby/api/types/swarm"
)

var (
	digestA = "sha256:" + strings.Repeat("a", 64)
	digestB = "sha256:" + strings.Repeat("b", 64)
)

func registryAnswer(digest string) string {
	return `{"Descriptor":{"mediaType":"x","digest":"` + digest + `","size":1},"Platforms":[
		{"architecture":"amd64","os":"linux"},{"architecture":"arm","os":"linux","variant":"v6"},{"architecture":"arm","os":"linux","variant":"v7"},
		{"architecture":"unknown","os":"unknown"},{"architecture":"amd64","os":"linux"},{"architecture":"arm64","os":"linux","variant":"v8"}]}`
}

func TestResolve(t *testing.T) {
	var asked, auth string
	c, _ := opened(t, pinged("1.41", func(w http.ResponseWriter, r *http.Request) {
		asked, auth = r.URL.Path, r.Header.Get("X-Registry-Auth")
		_, _ = io.WriteString(w, registryAnswer(digestA))
	}))
	a, _ := NewRegistryAuth(canaryAuth("x"))
	for _, tt := range []struct{ image, asked, want string }{
		{"nginx", "nginx:latest", "nginx:latest@" + digestA},
		{"docker.io/library/nginx:1", "nginx:1", "nginx:1@" + digestA},
		{"r.io:5000/a/b:2", "r.io:5000/a/b:2", "r.io:5000/a/b:2@" + digestA},
		{"nginx@" + digestB, "nginx@" + digestB, "nginx@" + digestB},
		{"nginx:1@" + digestB, "nginx:1@" + digestB, "nginx:1@" + digestB},
	} {
		got, err := c.Resolve(context.Background(), tt.image, a)
		want := []swarm.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux"}, {OS: "linux", Architecture: "arm64"}}
		if err != nil || got.Image != tt.want || got.Digest != digestA || !slices.Equal(got.Platforms, want) {
			t.Errorf("%s: %+v, %v", tt.image, got, err)
		}
		if asked != "/v1.41/distribution/"+tt.asked+"/json" || auth != a.Reveal() {
			t.Errorf("%s: asked %s with %t", tt.image, asked, auth == a.Reveal())
		}
	}
	if _, err := c.Resolve(context.Background(), "Not An Image", a); err == nil {
		t.Error("resolved what is no image")
	}
}

// These are the answers of Engine 20.10.
func TestAnUnreachableRegistryIsNotTakenForOneThatRefuses(t *testing.T) {
	for _, tt := range []struct {
		status int
		text   string
		away   bool
	}{
		{500, `Get "http://r.io/v2/": dial tcp 192.0.2.1:80: connect: connection refused`, true},
		{500, `Get "https://r.io/v2/": dial tcp: lookup r.io on 127.0.0.1:53: no such host`, true},
		{500, `Get "http://r.io/v2/": net/http: request canceled (Client.Timeout exceeded while awaiting headers)`, true},
		{503, "service unavailable", true},
		{404, "manifest unknown: manifest unknown", false},
		{500, `Head "http://r.io/v2/team/app/manifests/1": no basic auth credentials`, false},
		{500, "unauthorized: authentication required", false},
		{403, "denied", false},
	} {
		c, _ := opened(t, pinged("1.41", func(w http.ResponseWriter, _ *http.Request) { refuse(w, tt.status, tt.text) }))
		_, err := c.Resolve(context.Background(), "r.io/team/app:1", RegistryAuth{})
		if err == nil || IsRegistryAway(err) != tt.away {
			t.Errorf("%d %s: %v is away: %t", tt.status, tt.text, err, IsRegistryAway(err))
		}
	}
	if IsRegistryAway(nil) {
		t.Error("no error is one")
	}
	if !SameRegistry("app:1@"+digestA, "docker.io/library/other") || SameRegistry("app:1", "r.io/app:1") {
		t.Error("registries are mixed up")
	}
}

func TestResolverAsksOnce(t *testing.T) {
	enter := make(chan struct{})
	c, got := opened(t, pinged("1.41", func(w http.ResponseWriter, r *http.Request) {
		<-enter
		if strings.Contains(r.URL.Path, "private") {
			refuse(w, 403, "pull access denied")
			return
		}
		_, _ = io.WriteString(w, registryAnswer(digestA))
	}))
	r := NewResolver(c)
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			image := fmt.Sprintf("img%d", i%4)
			if got, err := r.Resolve(context.Background(), image); err != nil || got.Image != image+":latest@"+digestA {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	close(enter)
	wg.Wait()
	for range 3 {
		if _, err := r.Resolve(context.Background(), "private/x"); !IsPermission(err) || !strings.Contains(err.Error(), "resolving image private/x:latest: ") {
			t.Errorf("%v", err)
		}
		if _, err := r.Resolve(context.Background(), "Not An Image"); err == nil {
			t.Error("resolved what is no image")
		}
	}
	if calls := len(got.seen()); calls != 1+4+1 {
		t.Errorf("%d calls: %q", calls, got.seen())
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.Resolve(gone, "late"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := r.Resolve(context.Background(), "late"); err != nil {
		t.Errorf("a cancelled caller's failure was remembered: %v", err)
	}
}

func TestResolverAsksAHelperOncePerRegistry(t *testing.T) {
	dockerConfig(t, `{"credHelpers":{"h.example.com":"counting"}}`)
	count := socketPath(t)
	helper(t, "counting", `echo x >> `+count+`; echo '{"Username":"u","Secret":"s"}'`)
	c, _ := open(t)
	r := NewResolver(c)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if a, err := r.Auth(fmt.Sprintf("h.example.com/img%d", i)); err != nil || a.Empty() {
				t.Error(a, err)
			}
		})
	}
	wg.Wait()
	if n := len(readLines(t, count)); n != 1 {
		t.Errorf("asked %d times", n)
	}
	if _, err := r.Auth("Not An Image"); err == nil {
		t.Error("no error for what is no image")
	}
}
