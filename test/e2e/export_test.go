package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"

	"github.com/swarm-operator/swarm-operator/test/generate"
)

// byAPI makes a small swarm as people make them with the API: a stack's service with a config, a secret and a volume of
// NFS, one of the docker CLI, and a config that is no text.
func (w *world) byAPI() {
	w.Helper()
	net := w.createNetwork("shop_default", map[string]string{"com.docker.stack.namespace": "shop"})
	conf, key := w.createConfig("site", "server {\n\tlisten 80;\r\n}\n\n"), w.createSecret("key", "hunter2")
	w.createConfig("binary", "\x00\xff\xfe")
	stack := stackService(net)
	c := stack.TaskTemplate.ContainerSpec
	c.Privileges, c.Init = nil, nil
	c.Env = []string{"A=1", "B= yes", "N"}
	c.Mounts = []mount.Mount{{Type: mount.TypeVolume, Source: "data", Target: "/data", VolumeOptions: &mount.VolumeOptions{
		DriverConfig: &mount.Driver{Name: "local", Options: map[string]string{"type": "nfs", "device": ":/export", "o": "addr=10.0.0.9,rw"}},
	}}}
	c.Configs = []*swarm.ConfigReference{{ConfigID: conf, ConfigName: "site", File: &swarm.ConfigReferenceFileTarget{Name: "/etc/site.conf", UID: "0", GID: "0", Mode: 0o444}}}
	c.Secrets = []*swarm.SecretReference{{SecretID: key, SecretName: "key", File: &swarm.SecretReferenceFileTarget{Name: "key", UID: "101", GID: "0", Mode: 0o400}}}
	stack.EndpointSpec.Mode = swarm.ResolutionModeVIP
	if *swarmKind == onEngines { // there is no such server
		*stack.Mode.Replicated.Replicas = 0
	}
	w.createService(stack, true)
	w.createService(cliService("web", "app:1"), true)
	w.settled("web")
	w.settled("shop_web")
}

func TestASwarmIsExportedAndMadeAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 1})
	w.byAPI()
	dir := w.path("manifests")
	w.want(0, "export", "--host", w.host(), "--to", dir)
	w.want(0, "export", "--host", w.host(), "--to", dir) // nothing differs, so nothing is replaced
	w.want(0, "validate", "--source", dir)
	w.want(0, "diff", "--host", w.host(), "--source", dir)

	site := filepath.Join(dir, "configs", "site.content")
	if data, err := os.ReadFile(site); err != nil || string(data) != "server {\n\tlisten 80;\r\n}\n\n" {
		t.Errorf("%s holds %q, %v", site, data, err)
	}
	if err := os.WriteFile(site, []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := w.want(2, "export", "--host", w.host(), "--to", dir)
	w.contains("the refusal", out.errs, site, "--force")
	w.want(0, "export", "--host", w.host(), "--to", dir, "--force")

	one := w.want(0, "export", "--host", w.host(), "Service/web")
	if !strings.HasPrefix(one.out, "apiVersion:") || strings.Count(one.out, "kind:") != 1 {
		t.Errorf("one service is exported as:\n%s", one.out)
	}
	out = w.want(2, "export", "--host", w.host(), "Service/wbe")
	w.contains("the error", out.errs, "did you mean Service/web?")

	other := newWorld(t, size{1, 0})
	other.createSecret("key", "another content")
	// Nodes are those of their swarm.
	for _, of := range []string{"nodes", "nodesets", "cluster.yaml"} {
		if err := os.RemoveAll(filepath.Join(dir, of)); err != nil {
			t.Fatal(err)
		}
	}
	other.want(0, "apply", "--host", other.host(), "--source", dir)
	again := other.path("manifests")
	other.want(0, "export", "--host", other.host(), "--to", again)
	for _, kind := range []string{"services", "networks", "configs", "secrets"} {
		if d := cmp.Diff(filesOf(t, filepath.Join(dir, kind)), filesOf(t, filepath.Join(again, kind))); d != "" {
			t.Errorf("%s of the other swarm (-exported +made):\n%s", kind, d)
		}
	}
	other.want(0, "diff", "--host", other.host(), "--source", dir)
}

// What people write by mistake and SwarmKit takes is exported, validate takes it, and nothing differs.
func TestOddServicesAreTakenAndExported(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	net, conf, key := w.createNetwork("front", nil), w.createConfig("conf", "a"), w.createSecret("key", "b")
	for i, odd := range generate.Odds {
		s := cliService(fmt.Sprintf("odd-%d", i), "app:1")
		s.EndpointSpec, s.TaskTemplate.Networks = nil, []swarm.NetworkAttachmentConfig{{Target: net}}
		*s.Mode.Replicated.Replicas = 0 // some of them start no task on engines
		c := s.TaskTemplate.ContainerSpec
		c.Configs = []*swarm.ConfigReference{{ConfigID: conf, ConfigName: "conf", File: &swarm.ConfigReferenceFileTarget{Name: "/conf", UID: "0", GID: "0", Mode: 0o444}}}
		c.Secrets = []*swarm.SecretReference{{SecretID: key, SecretName: "key", File: &swarm.SecretReferenceFileTarget{Name: "key", UID: "0", GID: "0", Mode: 0o444}}}
		odd.Change(&s)
		w.createService(s, false)
	}
	dir := w.path("manifests")
	w.want(0, "export", "--host", w.host(), "--to", dir)
	w.want(0, "validate", "--source", dir)
	w.want(0, "diff", "--host", w.host(), "--source", dir)
	other := newWorld(t, size{1, 0})
	other.createSecret("key", "b")
	for _, of := range []string{"nodes", "nodesets", "cluster.yaml"} {
		if err := os.RemoveAll(filepath.Join(dir, of)); err != nil {
			t.Fatal(err)
		}
	}
	other.want(0, "apply", "--host", other.host(), "--source", dir)
	again := other.path("again")
	other.want(0, "export", "--host", other.host(), "--to", again)
	if d := cmp.Diff(filesOf(t, filepath.Join(dir, "services")), filesOf(t, filepath.Join(again, "services"))); d != "" {
		t.Errorf("what is made of the export (-exported +made):\n%s", d)
	}
}

func filesOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(data)
	}
	return out
}
