package image

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

const (
	name    = "registry.example.com/infra/swarm-operator"
	version = "test"
)

// platform is the only platform that the tests build for.
var platform = "linux/" + runtime.GOARCH

// file returns the path at which make image writes something for the platform.
func file(dist, suffix string) string {
	return filepath.Join(dist, "swarm-operator-linux-"+runtime.GOARCH+suffix)
}

// dist returns the directory that make image has written, once for all tests.
var dist = sync.OnceValues(func() (string, error) {
	root, err := harness.Root(context.Background())
	if err != nil {
		return "", err
	}
	return temporary, makeImage(context.Background(), root, temporary)
})

var temporary string // set by TestMain

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	var err error
	if temporary, err = os.MkdirTemp("", "image"); err != nil {
		panic(err)
	}
	defer os.RemoveAll(temporary)
	return m.Run()
}

func built(t *testing.T) string {
	t.Helper()
	dir, err := dist()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

type failure struct {
	err  error
	said string
}

func (f *failure) Error() string { return f.err.Error() + "\n" + f.said }

// makeImage runs make image in a directory with the source. Git need not know that directory.
func makeImage(ctx context.Context, source, to string) error {
	cmd := exec.CommandContext(ctx, "make", "--no-print-directory", "-C", source, "image", "PLATFORMS="+platform, "DIST="+to, "IMAGE="+name, "VERSION="+version)
	cmd.Env = append(os.Environ(), "REVISION=0123456789abcdef", "SOURCE_DATE_EPOCH=1700000000", "MAKEFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return &failure{err, string(out)}
	}
	return nil
}

// otherPlace returns a copy of the source that is not a checkout.
func otherPlace(t *testing.T) string {
	t.Helper()
	root, err := harness.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	list, err := exec.CommandContext(t.Context(), "git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Fatalf("listing the source: %v", err)
	}
	to := filepath.Join(t.TempDir(), "another", "place")
	for name := range strings.SplitSeq(strings.Trim(string(list), "\x00"), "\x00") {
		data, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // removed, but not committed
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func TestTwoBuildsGiveTheSameBytes(t *testing.T) {
	first, second := built(t), filepath.Join(t.TempDir(), "dist")
	place := otherPlace(t)
	t.Setenv("TZ", "Asia/Tokyo")
	if err := makeImage(t.Context(), place, second); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(first)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 4 {
		t.Errorf("there are %d files: %v", len(entries), entries)
	}
	for _, e := range entries {
		a, err := os.ReadFile(filepath.Join(first, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(second, e.Name()))
		if err != nil {
			t.Error(err)
		} else if !bytes.Equal(a, b) {
			t.Errorf("%s differs between two builds", e.Name())
		}
		if bytes.Contains(b, []byte(place)) || bytes.Contains(a, []byte(first)) {
			t.Errorf("%s names a directory of the machine", e.Name())
		}
	}
}

// If the Dockerfile has an instruction that make image would ignore, make image refuses it. So the two cannot differ.
func TestAnInstructionThatWouldBeLeftOutIsRefused(t *testing.T) {
	place := otherPlace(t)
	path := filepath.Join(place, "Dockerfile")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"ENV A=b":           "ENV is not known here",
		"COPY LICENSE /":    "only COPY --from=build /rootfs/ / can be done here",
		"CMD run":           "needs a shell",
		"FROM busybox":      "only from scratch",
		"HEALTHCHECK MAYBE": "HEALTHCHECK",
	} {
		if err := os.WriteFile(path, append(text, line+"\n"...), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := makeImage(t.Context(), place, t.TempDir()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the error is %v", line, err)
		}
	}
}
