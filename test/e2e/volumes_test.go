package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	apivolume "github.com/moby/moby/api/types/volume"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/sandbox"
	"github.com/swarm-operator/swarm-operator/test/harness"
)

// clusterVolume returns a cluster volume as it is now.
func (w *world) clusterVolume(name string) apivolume.Volume {
	w.Helper()
	r, err := w.api.VolumeInspect(w.Context(), name, client.VolumeInspectOptions{})
	if err != nil {
		w.Fatal(err)
	}
	return r.Volume
}

// setVolume sets the availability of a cluster volume by hand.
func (w *world) setVolume(name string, to apivolume.Availability) {
	w.Helper()
	v := w.clusterVolume(name)
	spec := v.ClusterVolume.Spec
	spec.Availability = to
	if _, err := w.api.VolumeUpdate(w.Context(), v.ClusterVolume.ID, client.VolumeUpdateOptions{Version: v.ClusterVolume.Version, Spec: &spec}); err != nil {
		w.Fatal(err)
	}
}

// of returns the calls whose path begins like this.
func of(calls []harness.Call, method, path string) []harness.Call {
	return slices.DeleteFunc(slices.Clone(calls), func(c harness.Call) bool { return c.Method != method || !strings.HasPrefix(c.Path, path) })
}

// A cluster volume is made before the service that mounts it, and after its secrets. It is drained by git, left alone
// when a person drains it, never made again, and goes with its data only when somebody agrees to that.
func TestTheLifeOfAClusterVolume(t *testing.T) {
	t.Parallel()
	storage, err := newStorage(t.Context(), size{1, 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := storage.Close(); err != nil {
			t.Errorf("closing the swarm: %v", err)
		}
	})
	w := worldOf(t, storage, storage.Managers()[0])
	data := func(more ...string) string {
		return volume("data", sandbox.StoragePlugin, append([]string{"secrets: [{key: user, secret: csi-user}]"}, more...)...)
	}
	r := w.repo("storage", map[string]string{
		"volume.yaml": data(), "web.yaml": service("web", "image: app:1", "replicas: 0"),
		"db.yaml":     service("db", "image: app:1", "mounts: [{type: cluster, source: data, target: /data}]"),
		"secret.yaml": secret("csi-user", "admin"),
	})
	p := w.proxy()
	apply := func(code int, more ...string) result {
		t.Helper()
		p.Reset()
		return w.want(code, append([]string{"apply", "--wait", "--host", p.Host(), "--source", r.Dir}, more...)...)
	}
	inSync := func(what string) {
		t.Helper()
		p.Reset()
		if out := w.cli("diff", "--host", p.Host(), "--source", r.Dir); out.code != 0 || len(of(p.Calls(), "GET", "/volumes")) != 1 {
			t.Errorf("%s: it is not in sync, or volumes were not listed once: %s\n%s", what, out, lines(p.Calls()))
		}
	}
	apply(0)
	made := func(kind, name string) (when int) {
		for _, c := range of(accepted(p.Calls()), "POST", "/"+kind+"/create") {
			if strings.Contains(string(c.Body), `"Name":"`+name) {
				when = c.Index
			}
		}
		return when
	}
	if s, v, db := made("secrets", "csi-user"), made("volumes", "data"), made("services", "db"); s == 0 || s > v || v > db {
		t.Errorf("the secret was made as call %d, the volume as %d, and the service as %d:\n%s", s, v, db, lines(p.Calls()))
	}
	v := w.clusterVolume("data")
	if v.ClusterVolume.Info == nil || v.ClusterVolume.Info.VolumeID == "" || len(v.ClusterVolume.PublishStatus) != 1 || v.Labels["swarm-operator.io/owner"] != "storage/Volume/data" {
		t.Errorf("the volume is %+v, %+v", v, v.ClusterVolume)
	}
	inSync("made")
	exported := w.want(0, "export", "--host", w.host(), "Volume/data").out
	w.contains("the export", exported, "kind: Volume", "driver: "+sandbox.StoragePlugin, "key: user")
	if strings.Contains(exported, "availability:") || strings.Contains(exported, v1.LabelOwner) {
		t.Errorf("the export states a default, or our label:\n%s", exported)
	}

	t.Log("a person drains it, and then git does")
	w.setVolume("data", "drain")
	inSync("drained by hand")
	w.runs("db", 0) // the swarm places no new task on a volume that is paused
	w.setVolume("data", "active")
	w.runs("db", 1)
	r.commit("pause", map[string]string{"volume.yaml": data("availability: pause")})
	apply(0)
	if writes := of(accepted(p.Calls()), "PUT", "/volumes/"); len(writes) != 1 || w.clusterVolume("data").ClusterVolume.Spec.Availability != "pause" {
		t.Errorf("paused by\n%s", lines(p.Calls()))
	}
	inSync("paused by git")
	r.commit("drain", map[string]string{"volume.yaml": data("availability: drain")})
	w.contains("the plan", apply(1).out, "(outage, consent) it ends every task that uses the volume, which is on 1 node; mounted by Service/db")

	t.Log("what the engine cannot change")
	r.commit("grow, and another service", map[string]string{"volume.yaml": data("capacityRange: {requiredBytes: 1GiB}"), "other.yaml": service("other", "image: app:1", "replicas: 0")})
	out := apply(1).out
	if !strings.Contains(out, "spec.capacityRange.requiredBytes: the engine changes nothing of a volume but its availability, and to make it again would lose its data") {
		t.Errorf("it says\n%s", out)
	}
	w.service("other")
	if now := w.clusterVolume("data").ClusterVolume; now.ID != v.ClusterVolume.ID || now.Spec.Availability != "active" {
		t.Errorf("the volume is now %+v", now)
	}

	t.Log("its service goes, while its secret gets another content, and then its manifest")
	r.remove("db.yaml")
	r.commit("without db", map[string]string{"volume.yaml": data(), "secret.yaml": secret("csi-user", "root")})
	w.contains("the plan", apply(0).out, "the volume keeps the version of Secret/csi-user that it was made with")
	inSync("with an old version of its secret")
	r.remove("volume.yaml")
	r.commit("without the volume", nil)
	if out := apply(1).out; !strings.Contains(out, "its data would go with it") {
		t.Errorf("it says\n%s", out)
	}
	if got := storage.Stored(); len(got) != 1 {
		t.Fatalf("the plugin has %q", got)
	}
	apply(0, "--consent", "removals Volume/data")
	if got := storage.Stored(); len(got) != 0 {
		t.Errorf("the plugin still has %q", got)
	}
	for _, c := range of(p.Calls(), "DELETE", "/volumes") {
		if c.Query.Has("force") {
			t.Errorf("the removal was forced: %s", c)
		}
	}
}

// Where volumes cannot be listed, those that manifests state are held, and everything else goes on. Whoever states none
// is not asked about volumes at all.
func TestWhereVolumesCannotBeListedEverythingElseGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("apart", nil)
	hash := r.commit("without volumes", map[string]string{"a.yaml": service("a", "image: app:1", "replicas: 0")})
	p := w.proxy()
	o := w.operate(p.Host(), r)
	o.inSync(hash)
	if calls := of(p.Calls(), "GET", "/volumes"); len(calls) > 0 {
		t.Errorf("nobody states a volume, and these calls were made:\n%s", lines(calls))
	}
	p.Before(func(c harness.Call) error {
		if strings.HasPrefix(c.Path, "/volumes") {
			return &harness.Answer{Status: http.StatusForbidden, Message: "the filter denies it"}
		}
		return nil
	})
	hash = r.commit("with one", map[string]string{"b.yaml": service("b", "image: app:1", "replicas: 0"), "volume.yaml": volume("apart", "nobodys")})
	w.eventually(func() error {
		if _, there := w.find("b"); !there {
			return fmt.Errorf("the service b is not there")
		}
		if held := fmt.Sprint(o.report()); !strings.Contains(held, "the filter denies it") {
			return fmt.Errorf("the report does not say why the volume is held: %s", held)
		}
		return nil
	})
	if code := o.answers("/readyz"); code != http.StatusOK {
		t.Errorf("everything else goes on, and /readyz answers %d", code)
	}
	p.Before(nil)
	o.inSync(hash)
	if v := w.clusterVolume("apart"); v.ClusterVolume == nil || v.Driver != "nobodys" {
		t.Errorf("the volume is %+v", v)
	}
	if _, err := w.api.VolumeRemove(w.Context(), "apart", client.VolumeRemoveOptions{Force: true}); err != nil { // its plugin is nowhere
		t.Error(err)
	}
}

// A volume never gets another secret, and the engine lets a secret go that a volume has. So a secret stays for as long as
// a volume has it, whichever source or person made the volume, and volumes are looked at only before a secret goes.
func TestASecretStaysForTheVolumeOfAnotherSource(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	key := func(content string) map[string]string {
		return map[string]string{"secret.yaml": secret("csi", content)}
	}
	r := w.repo("keys", map[string]string{"secret.yaml": secret("csi", "one"), "unused.yaml": secret("unused", "one"), "web.yaml": service("web", "image: app:1", "replicas: 0")})
	p := w.proxy()
	apply := func(code int, looks bool, says ...string) {
		t.Helper()
		p.Reset()
		out := w.want(code, "apply", "--host", p.Host(), "--source", r.Dir)
		if lists := of(p.Calls(), "GET", "/volumes"); len(lists) > 0 != looks {
			t.Errorf("volumes were listed %d times:\n%s", len(lists), lines(p.Calls()))
		}
		w.contains("what it says", out.out+out.errs, says...)
	}
	secrets := func(name string) (names []string) {
		t.Helper()
		list, err := w.api.SecretList(w.Context(), client.SecretListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list.Items {
			if strings.HasPrefix(s.Spec.Name, name) {
				names = append(names, s.Spec.Name)
			}
		}
		slices.Sort(names)
		return names
	}
	apply(0, false)
	first := secrets("csi")[0]
	other := w.repo("storage", map[string]string{
		"secret.yaml": fmt.Sprintf(head, "Secret", first) + "spec: {external: true}\n",
		"volume.yaml": volume("other", "nobodys", "secrets: [{key: password, secret: "+first+"}]"),
	})
	w.want(0, "apply", "--host", w.host(), "--source", other.Dir)

	r.commit("rotate", key("two"))
	apply(0, true)
	if got := secrets("csi"); len(got) != 2 || !slices.Contains(got, first) {
		t.Fatalf("the volume of another source has %s, and there are %q", first, got)
	}
	r.remove("secret.yaml")
	r.commit("without it", nil)
	apply(0, true)
	w.contains("the plan", w.want(0, "diff", "--host", w.host(), "--source", r.Dir).out, first, "it is used by Volume/other")
	if got := secrets("csi"); !slices.Equal(got, []string{first}) {
		t.Errorf("of the secret without a manifest there are %q", got)
	}

	t.Log("volumes cannot be listed")
	r.remove("unused.yaml")
	hash := r.commit(harness.Message("without another one", "Consent: removals"), map[string]string{"conf.yaml": config("beside", "one")})
	p.Before(func(c harness.Call) error {
		if strings.HasPrefix(c.Path, "/volumes") {
			return &harness.Answer{Status: http.StatusForbidden, Message: "the filter denies it"}
		}
		return nil
	})
	apply(1, true, "Secret/unused", "a cluster volume may have it", "the filter denies it", "If a filter denies GET /volumes, let swarm-operator call it")
	w.want(1, "apply", "--host", p.Host(), "--source", r.Dir, "--wait")
	w.want(0, "wait", "--host", p.Host(), "--revision", hash, "--name", "keys").says(t, "is rolled out")
	w.want(0, "export", "--host", w.host(), "Config/beside")
	if got := secrets("unused"); len(got) != 1 {
		t.Errorf("of the other secret there are %q", got)
	}
	p.Before(nil)
	apply(0, true)
	if got := secrets("unused"); len(got) != 0 {
		t.Errorf("of the other secret there are %q", got)
	}
	if _, err := w.api.VolumeRemove(w.Context(), "other", client.VolumeRemoveOptions{Force: true}); err != nil { // its plugin is nowhere
		t.Error(err)
	}
	apply(0, true)
	if got := secrets("csi"); len(got) != 0 {
		t.Errorf("nothing has the secret any more, and there are %q", got)
	}
	apply(0, false)
}

// The engine changes neither networks nor the labels of volumes. A source that another one gave them up to takes them over
// all the same, and the other one does not get them back by a label.
func TestWhatKeepsItsLabelsMovesToAnotherSource(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	both := map[string]string{"volume.yaml": volume("moved", "nobodys"), "net.yaml": network("moved")}
	from, to := w.repo("from", both), w.repo("to", both)
	apply := func(code int, r *repo, says ...string) {
		t.Helper()
		w.contains("what it says", w.want(code, "apply", "--host", w.host(), "--source", r.Dir).out, says...)
	}
	apply(0, from)
	apply(1, to, "unmanage Volume/moved --name from", "unmanage Network/moved --name from")
	w.want(0, "unmanage", "Volume/moved", "Network/moved", "--name", "from", "--host", w.host())
	apply(0, to, "= Volume/moved", "= Network/moved")
	from.remove("volume.yaml", "net.yaml")
	from.commit("without both", map[string]string{"web.yaml": service("web", "image: app:1", "replicas: 0")})
	apply(0, from)
	to.commit("pause", map[string]string{"volume.yaml": volume("moved", "nobodys", "availability: pause")})
	apply(0, to)
	if got := w.clusterVolume("moved").ClusterVolume.Spec.Availability; got != "pause" {
		t.Errorf("its availability is %s", got)
	}
	from.commit("with both", both)
	apply(1, from, "unmanage Volume/moved --name to", "unmanage Network/moved --name to")
	w.want(0, "diff", "--host", w.host(), "--source", to.Dir)
	if _, err := w.api.VolumeRemove(w.Context(), "moved", client.VolumeRemoveOptions{Force: true}); err != nil { // its plugin is nowhere
		t.Error(err)
	}
}

// otherVolumes has two values for each field of a cluster volume, with the leaves that differ between them.
var otherVolumes = map[string][3]string{
	"metadata":     {"labels: {a: one}", "labels: {a: two}", "metadata.labels.a"},
	"driver":       {"nobodys", "somebodys", "spec.driver"},
	"driverOpts":   {"{a: one}", "{a: two}", "spec.driverOpts.a"},
	"group":        {"one", "two", "spec.group"},
	"accessMode":   {"{type: mount, scope: multi, sharing: all, fsType: ext4, mountFlags: [noatime]}", "{type: block, scope: single, sharing: none}", "spec.accessMode.scope spec.accessMode.sharing spec.accessMode.type spec.accessMode.fsType spec.accessMode.mountFlags"},
	"availability": {"pause", "active", ""},
	"secrets":      {"[{key: user, secret: csi-field}]", "[{key: other, secret: csi-field}]", "spec.secrets[user].secret spec.secrets[other].secret"},
	"accessibilityRequirements": {
		"{requisite: [{segments: {zone: a}}], preferred: [{segments: {zone: a}}]}", "{requisite: [{segments: {zone: b}}], preferred: [{segments: {zone: b}}]}",
		"spec.accessibilityRequirements.requisite[zone].segments.zone spec.accessibilityRequirements.preferred[zone].segments.zone",
	},
	"capacityRange": {"{requiredBytes: 1GiB, limitBytes: 2GiB}", "{requiredBytes: 2GiB, limitBytes: 3GiB}", "spec.capacityRange.requiredBytes spec.capacityRange.limitBytes"},
}

// volumesOf returns a manifest for each field of a cluster volume, which states that field and what is required, and a
// secret.
func volumesOf(value int) map[string]string {
	files := map[string]string{"secret.yaml": secret("csi-field", "content")}
	for field, values := range otherVolumes {
		name := "field-" + strings.ToLower(field)
		head, spec := fmt.Sprintf(head, "Volume", name), map[string]string{"driver": "nobodys", "accessMode": "{type: mount}"}
		if field == "metadata" {
			head = strings.Replace(head, "}", ", "+values[value]+"}", 1)
		} else {
			spec[field] = values[value]
		}
		for _, f := range slices.Sorted(maps.Keys(spec)) {
			head += fmt.Sprintf("%s  %s: %s\n", map[bool]string{true: "spec:\n"}[f == slices.Min(slices.Collect(maps.Keys(spec)))], f, spec[f])
		}
		files[name+".yaml"] = head
	}
	return files
}

// Each field of a cluster volume is there after it was made. Only its availability changes in place, and a change of any
// other is refused, names the leaf and leaves the volume as it is.
func TestEveryFieldOfAClusterVolumeIsInSync(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("fields", volumesOf(0))
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
	before := map[string]string{}
	for field := range otherVolumes {
		before[field] = w.clusterVolume("field-" + strings.ToLower(field)).ClusterVolume.ID
	}
	r.commit("another value each", volumesOf(1))
	out := w.want(1, "apply", "--host", w.host(), "--source", r.Dir).out
	for field, values := range otherVolumes {
		v := w.clusterVolume("field-" + strings.ToLower(field)).ClusterVolume
		if v.ID != before[field] {
			t.Errorf("the volume with %s was made again", field)
		}
		if field == "availability" && v.Spec.Availability != "active" {
			t.Errorf("its availability is %s", v.Spec.Availability)
		}
		for _, path := range strings.Fields(values[2]) {
			if !strings.Contains(out, path) {
				t.Errorf("no refusal names %s", path)
			}
		}
	}
	if t.Failed() {
		t.Logf("it says\n%s", out)
	}
	for field := range otherVolumes { // their plugin is nowhere
		if _, err := w.api.VolumeRemove(w.Context(), "field-"+strings.ToLower(field), client.VolumeRemoveOptions{Force: true}); err != nil {
			t.Error(err)
		}
	}
}
