package image

import (
	"bytes"
	"crypto/x509"
	"debug/buildinfo"
	"debug/elf"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// dockerfile reads an instruction of the Dockerfile's last stage without the parser that make image uses.
func dockerfile(t *testing.T, instruction string) string {
	t.Helper()
	root, err := harness.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text := string(readFile(t, filepath.Join(root, "Dockerfile")))
	_, last, _ := strings.Cut(text, "\nFROM scratch\n")
	m := regexp.MustCompile(`(?m)^`+instruction+` (.*)$`).FindAllStringSubmatch(last, -1)
	if len(m) != 1 {
		t.Fatalf("the Dockerfile's last stage has %d times %s", len(m), instruction)
	}
	return m[0][1]
}

func list(t *testing.T, text string) []string {
	t.Helper()
	return decode[[]string](t, []byte(text))
}

func TestTheImageIsWhatTheDockerfileSays(t *testing.T) {
	_, _, c, _ := layout(t, built(t))
	if want := dockerfile(t, "USER"); c.Config.User != want || want != "65532:65532" {
		t.Errorf("the user is %s, and in the Dockerfile %s", c.Config.User, want)
	}
	if diff := cmp.Diff(list(t, dockerfile(t, "ENTRYPOINT")), c.Config.Entrypoint); diff != "" {
		t.Errorf("ENTRYPOINT (-Dockerfile +image):\n%s", diff)
	}
	if diff := cmp.Diff(list(t, dockerfile(t, "CMD")), c.Config.Cmd); diff != "" {
		t.Errorf("CMD (-Dockerfile +image):\n%s", diff)
	}
	h := c.Config.Healthcheck
	if h == nil || len(h.Test) == 0 {
		t.Fatal("there is no health check")
	}
	command, err := json.Marshal(h.Test[1:])
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("--interval=%s --timeout=%s --start-period=%s %s %s", time.Duration(h.Interval), time.Duration(h.Timeout),
		time.Duration(h.StartPeriod), h.Test[0], strings.ReplaceAll(string(command), ",", ", "))
	if want := dockerfile(t, "HEALTHCHECK"); got != want || h.Retries != 0 {
		t.Errorf("HEALTHCHECK is\n%s\nand in the Dockerfile\n%s", got, want)
	}
	if c.Config.Env != nil || c.Config.Volumes != nil || c.Config.ExposedPorts != nil || c.Config.WorkingDir != "" {
		t.Errorf("there is more in it: %+v", c.Config)
	}
}

func TestTheImageSaysWhatItIs(t *testing.T) {
	index, _, c, _ := layout(t, built(t))
	want := map[string]string{
		"org.opencontainers.image.title": "swarm-operator", "org.opencontainers.image.description": "A declarative reconciler for Docker Swarm",
		"org.opencontainers.image.source": "https://github.com/swarm-operator/swarm-operator", "org.opencontainers.image.licenses": "Apache-2.0",
		"org.opencontainers.image.version": version, "org.opencontainers.image.revision": "0123456789abcdef",
	}
	if diff := cmp.Diff(want, c.Config.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, index.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	if p := index.Manifests[0].Platform; p == nil || p.OS+"/"+p.Architecture != platform || c.OS+"/"+c.Architecture != platform {
		t.Errorf("it is for %v, and says %s/%s", p, c.OS, c.Architecture)
	}
	if kind := index.Manifests[0].ArtifactType; kind != "" {
		t.Errorf("it is listed as an artifact of type %s, which older tools drop", kind)
	}
	for _, at := range []*time.Time{c.Created, c.History[0].Created, c.History[1].Created} {
		if at == nil || at.Unix() != 1700000000 {
			t.Errorf("it was made at %v", at)
		}
	}
}

func TestTheImageHoldsOneProgramAndCertificates(t *testing.T) {
	dir := built(t)
	_, _, _, content := layout(t, dir)
	got := map[string]string{}
	for path, e := range content {
		got[path] = fmt.Sprintf("%04o %d:%d", e.Mode, e.Uid, e.Gid)
		if e.ModTime.Unix() != 0 {
			t.Errorf("%s is of %s", path, e.ModTime)
		}
	}
	want := map[string]string{
		"etc/": "0755 0:0", "etc/ssl/": "0755 0:0", "etc/ssl/certs/": "0755 0:0", "etc/ssl/certs/ca-certificates.crt": "0644 0:0",
		"tmp/": "1777 0:0", "swarm-operator": "0755 0:0",
		"var/": "0755 0:0", "var/lib/": "0755 0:0", "var/lib/swarm-operator/": "0700 65532:65532",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	n := 0
	for block, rest := pem.Decode(content["etc/ssl/certs/ca-certificates.crt"].data); block != nil; block, rest = pem.Decode(rest) {
		ca, err := x509.ParseCertificate(block.Bytes)
		if err != nil || !ca.IsCA && ca.Version > 1 {
			t.Errorf("%v: %v", ca.Subject, err)
		}
		n++
	}
	if n < 100 {
		t.Errorf("there are %d certificates", n)
	}
	binary := content["swarm-operator"].data
	if !bytes.Equal(binary, readFile(t, file(dir, ""))) {
		t.Error("the program is not the one beside the image")
	}
	f, err := elf.NewFile(bytes.NewReader(binary))
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC }) {
		t.Error("the program is not static")
	}
	if runtime.GOOS != "linux" {
		return
	}
	out, err := exec.CommandContext(t.Context(), file(dir, ""), "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "swarm-operator version "+version+" ") {
		t.Errorf("it says it is %s, %v", out, err)
	}
}

func TestTheArchiveForDockerIsTheSameImage(t *testing.T) {
	dir := built(t)
	_, manifest, _, _ := layout(t, dir)
	files := readTar(t, readFile(t, file(dir, ".docker.tar")))
	list := decode[[]struct {
		Config           string
		RepoTags, Layers []string
	}](t, files["manifest.json"].data)
	if len(list) != 1 || !slices.Equal(list[0].RepoTags, []string{name + ":" + version}) || len(list[0].Layers) != len(manifest.Layers) {
		t.Fatalf("it lists %+v", list)
	}
	if got := digest(files[list[0].Config].data); got != manifest.Config.Digest.Encoded() {
		t.Errorf("its configuration is %s", got)
	}
	for i, l := range list[0].Layers {
		if got := digest(files[l].data); got != manifest.Layers[i].Digest.Encoded() {
			t.Errorf("layer %d is %s", i, got)
		}
	}
}

func TestTheListOfWhatIsInTheProgram(t *testing.T) {
	dir := built(t)
	info, err := buildinfo.ReadFile(file(dir, ""))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"std " + strings.TrimPrefix(info.GoVersion, "go"): ""}
	for _, m := range info.Deps {
		sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:"))
		if err != nil || m.Replace != nil {
			t.Fatalf("%+v: %v", m, err)
		}
		want[m.Path+" "+m.Version] = hex.EncodeToString(sum)
	}
	type part struct {
		Name, Version, Purl string
		Hashes              []struct{ Alg, Content string }
	}
	bom := decode[struct {
		BOMFormat, SpecVersion, SerialNumber string
		Metadata                             struct{ Component part }
		Components                           []part
	}](t, readFile(t, file(dir, ".cdx.json")))
	got := map[string]string{}
	for _, c := range bom.Components {
		key := c.Name + " " + c.Version
		got[key] = ""
		for _, h := range c.Hashes {
			got[key] += h.Content
		}
		if purl := "pkg:golang/" + c.Name + "@" + strings.ReplaceAll(c.Version, "+", "%2B"); !strings.EqualFold(c.Purl, purl) {
			t.Errorf("the URL of %s is %s, want %s", key, c.Purl, purl)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-binary +list):\n%s", diff)
	}
	whole := bom.Metadata.Component
	if whole.Name != info.Main.Path || whole.Version != version || len(whole.Hashes) != 1 || whole.Hashes[0].Content != digest(readFile(t, file(dir, ""))) {
		t.Errorf("it is about %+v", whole)
	}
	if bom.BOMFormat != "CycloneDX" || bom.SpecVersion != "1.6" || bom.SerialNumber != "" || len(got) < 20 {
		t.Errorf("it is %s %s, has number %q and lists %q", bom.BOMFormat, bom.SpecVersion, bom.SerialNumber, slices.Sorted(maps.Keys(got)))
	}
}
