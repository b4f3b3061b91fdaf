package engines

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// behaviour is what a container does. The last part of its image's name decides that: see sandbox.Images.
type behaviour struct {
	absent bool   // in no registry and on no machine
	local  bool   // on every machine, and in no registry
	does   string // shell commands that run before the container waits to be stopped
	check  string // shell commands that succeed if it is healthy
	health string // the image's own health check, in JSON
}

func behaviourOf(name string) behaviour {
	exits := func(code int) behaviour {
		return behaviour{does: fmt.Sprintf("echo exiting with code %d >&2; sleep 0.1; exit %d\n", code, code), check: "exit 0"}
	}
	switch name {
	case "nopull":
		return behaviour{absent: true}
	case "crash":
		return exits(1)
	case "finish":
		return exits(0)
	case "unhealthy":
		return behaviour{check: "exit 1", health: `{"Test":["CMD","check"],"Interval":500000000,"Timeout":5000000000,"Retries":1}`}
	case "slow": // for the engine, a task is starting until it is healthy
		return behaviour{
			does: "(sleep 4; : >/dev/shm/up) &\n", check: "[ -e /dev/shm/up ]",
			health: `{"Test":["CMD","check"],"Interval":1000000000,"Timeout":5000000000,"Retries":100}`,
		}
	}
	if n, ok := strings.CutPrefix(name, "exit-"); ok {
		if code, err := strconv.Atoi(n); err == nil && code >= 0 && code <= 255 {
			return exits(code)
		}
	}
	return behaviour{check: "exit 0", local: strings.Contains(name, "missing")}
}

// run is what every container starts. It serves its image's name by HTTP. When it is told to stop, it ends with the
// exit code of SIGTERM. It ignores arguments, except that "migrate" ends it at once with success.
const run = `#!/bin/sh
trap 'exit 143' TERM INT
[ "$1" != migrate ] || exit 0
echo "running %s"
%shttpd -p "${PORT:-80}" -h /www
sleep 2147483647 &
wait
`

type blob struct {
	digest, kind string
	data         []byte
}

func newBlob(kind string, data []byte) blob {
	return blob{digest: digest(data), data: data, kind: kind}
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// image is an image that a registry can store.
type image struct {
	config blob
	layers []layer
}

func (i *image) blobs() []blob {
	out := []blob{i.config}
	for _, l := range i.layers {
		out = append(out, l.blob)
	}
	return out
}

func (i *image) manifest() []byte {
	type entry struct {
		MediaType string `json:"mediaType"`
		Size      int    `json:"size"`
		Digest    string `json:"digest"`
	}
	of := func(b blob) entry { return entry{b.kind, len(b.data), b.digest} }
	m := map[string]any{"schemaVersion": 2, "mediaType": manifestType, "config": of(i.config)}
	var layers []entry
	for _, l := range i.layers {
		layers = append(layers, of(l.blob))
	}
	m["layers"] = layers
	text, _ := json.Marshal(m) // nothing in it can fail
	return text
}

// newImage makes the image for a name such as docker.io/library/app:1. Images with different names have different
// digests.
func newImage(t *tools, ref, name string) (*image, error) {
	base, err := baseLayer(t)
	if err != nil {
		return nil, err
	}
	does := behaviourOf(name)
	check := "#!/bin/sh\n" + does.check + "\n"
	files := []file{
		{"bin/run", fmt.Sprintf(run, ref, does.does), 0o755},
		{"manage", "/bin/run", fs.ModeSymlink},
		{"www/index.html", ref + "\n", 0o644},
		{"bin/check", check, 0o755},
	}
	for _, command := range []string{"ok", "curl", name} { // what health checks of manifests call
		if !slices.Contains(base.names, command) {
			files = append(files, file{"bin/" + command, check, 0o755})
		}
	}
	own, err := newLayer(files)
	if err != nil {
		return nil, err
	}
	config := map[string]any{
		"Entrypoint": []string{"/bin/run"}, "Env": []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		"WorkingDir": "/", "Labels": map[string]string{"engines.image": ref},
	}
	if does.health != "" {
		config["Healthcheck"] = json.RawMessage(does.health)
	}
	text, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "created": time.Unix(0, 0).UTC(), "config": config,
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{base.plain, own.plain}},
	})
	if err != nil {
		return nil, err
	}
	return &image{newBlob(configType, text), []layer{base.layer, own}}, nil
}

// shared is the layer that all images have: busybox under the names of all its programs.
type shared struct {
	layer
	names []string
}

var (
	baseOnce sync.Once
	base     shared
	errBase  error
)

func baseLayer(t *tools) (shared, error) {
	baseOnce.Do(func() {
		var binary, applets []byte
		if binary, errBase = os.ReadFile(t.path("busybox")); errBase != nil {
			return
		}
		if applets, errBase = exec.Command(t.path("busybox"), "--list").Output(); errBase != nil {
			return
		}
		base.names = strings.Fields(string(applets))
		files := []file{
			{"bin/busybox", string(binary), 0o755},
			{"etc/passwd", "root:x:0:0::/:/bin/sh\napp:x:1000:1000::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n", 0o644},
			{"etc/group", "root:x:0:\napp:x:1000:\nnogroup:x:65534:\n", 0o644},
			{"tmp", "", fs.ModeDir | fs.ModeSticky | 0o777},
		}
		for _, name := range base.names {
			if name != "busybox" {
				files = append(files, file{"bin/" + name, "busybox", fs.ModeSymlink})
			}
		}
		base.layer, errBase = newLayer(files)
	})
	return base, errBase
}

func lastPart(repository string) string { return path.Base(repository) }
