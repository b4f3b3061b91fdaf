package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	networks "github.com/moby/moby/api/types/network"
	apivolume "github.com/moby/moby/api/types/volume"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/test/generate"
	"github.com/swarm-operator/swarm-operator/test/harness"
)

// word makes a text that looks like none of secrets, as people write them into manifests.
func (c *canaries) word(where string) string {
	birds := []string{"heron", "curlew", "plover", "godwit", "avocet"}
	seas := []string{"baltic", "aegean", "tasman", "kara"}
	value := fmt.Sprintf("%s-%d-%s", birds[len(c.all)%len(birds)], 10000+len(c.all), seas[len(c.all)%len(seas)])
	c.all[value] = where
	return value
}

// clear makes such a text that stands in git.
func (c *canaries) clear(where string) string {
	value := c.word(where)
	c.git[value] = true
	return value
}

// leafy returns a manifest of each kind. Each leaf of free text has texts that git's reader may see, and texts that have
// the name or the shape of secrets.
func (c *canaries) leafy() map[string]string {
	files := map[string]string{"beside.yaml": network("beside")}
	for i, o := range generate.Every() {
		h := o.Meta()
		if h.Kind == v1.KindVolume && !c.knows("1.42") {
			continue
		}
		h.Metadata.Name = fmt.Sprintf("leafy-%d", i)
		switch o := o.(type) {
		case *v1.Service:
			o.Spec.Image, o.Spec.Replicas, o.Spec.Logging = "app:1", new(uint64), &v1.Logging{Driver: "json-file"}
			o.Spec.Mounts = []v1.Mount{{Type: "volume", Source: "data", Target: "/data", Volume: &v1.VolumeOption{Driver: "local"}}}
			o.Spec.Networks = []v1.NetworkAttachment{{Name: "beside"}}
		case *v1.Network:
			o.Spec.IPAM = &v1.IPAM{Driver: "default"}
		case *v1.Volume:
			o.Spec.Driver, o.Spec.AccessMode = "nobodys", &v1.AccessMode{Type: "mount"}
		case *v1.Cluster:
			h.Metadata.Name = v1.ClusterName
			o.Spec.Managers, o.Spec.CA = &v1.Managers{Count: 1}, &v1.CA{ExternalCAs: []v1.ExternalCA{{URL: "https://ca.example.com/sign"}}}
		case *v1.Node:
			h.Metadata.Name = c.swarm.Managers()[0]
		}
		generate.Plant(o, c.texts(o.Key()))
		files[h.Metadata.Name+".yaml"] = generate.Manifest(o)
		if every, is := o.Copy().(*v1.NodeSet); is { // that set selects no node
			every.Metadata.Name, every.Spec.Selector = "every", v1.NodeSelector{}
			files["every.yaml"] = generate.Manifest(every)
		}
	}
	return files
}

// texts makes what is planted into an object. No two leaves have the same names, so that no set of nodes overrides
// another.
func (c *canaries) texts(key v1.Key) generate.Texts {
	return generate.Texts{
		Values: func(path string) map[string]string {
			if key.Kind == v1.KindSecret && path == "spec.driverOpts" { // it has content; see driven
				return nil
			}
			where, n := key.String()+" "+path, len(c.all)
			return map[string]string{
				fmt.Sprintf("plain-%d", n): c.clear(where), fmt.Sprintf("db-password-%d", n): c.word(where + ", by its name"),
				fmt.Sprintf("url-%d", n): "postgres://ada:" + c.word(where+", in a URL") + "@db/x", fmt.Sprintf("odd-%d", n): c.scramble(where + ", by its look"),
			}
		},
		Words: func(path string) []string {
			where := key.String() + " " + path
			return []string{
				"serve", "--mode=" + c.clear(where), "--password", c.word(where + ", after a flag"), "--api-token=" + c.word(where+", with a flag"),
				"https://ada:" + c.word(where+", in a URL") + "@db/x", c.scramble(where + ", by its look"),
			}
		},
		Content: func(path string) string { return c.word(key.String() + " " + path) },
	}
}

// driven asks for a secret that a driver supplies. The swarm has no such driver, so nothing makes it.
func (c *canaries) driven(host string) {
	c.Helper()
	s := &v1.Secret{Header: v1.Header{APIVersion: v1.APIVersion, Kind: v1.KindSecret, Metadata: v1.Metadata{Name: "driven"}}, Spec: v1.SecretSpec{Driver: "vault"}}
	s.Spec.DriverOpts = c.texts(v1.Key{Kind: "Driven", Name: "driven"}).Values("spec.driverOpts")
	r := c.repo("driven", map[string]string{"driven.yaml": generate.Manifest(s)})
	shown := c.run(nil, "diff", "--host", host, "--source", r.Dir)
	for name, value := range s.Spec.DriverOpts {
		if strings.Contains(shown.out, value) != strings.HasPrefix(name, "plain") {
			c.Errorf("of what is in spec.driverOpts of a Secret, git's reader sees\n%s", shown)
		}
	}
	if out := c.run(nil, "apply", "--host", host, "--source", r.Dir, "--timeout", "5s"); out.code != 2 || !strings.Contains(out.errs, "vault") {
		c.Errorf("a secret of a driver that the swarm does not have: %s", out)
	}
	c.run(nil, "status", "--host", host, "--source", r.Dir, "-o", "json")
}

// changed replaces every secret in a value as the engine has it by another one that git does not state.
func changed[T any](c *canaries, value T) (out T) {
	c.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		c.Fatal(err)
	}
	for _, old := range slices.Sorted(maps.Keys(c.all)) {
		if strings.Contains(string(text), old) {
			text = []byte(strings.ReplaceAll(string(text), old, c.word(c.all[old]+", by hand")))
		}
	}
	if err := json.Unmarshal(text, &out); err != nil {
		c.Fatal(err)
	}
	return out
}

// hands replaces every secret in the swarm by another one, as somebody with docker would.
func (c *canaries) hands() {
	c.Helper()
	ctx, did := c.Context(), func(err error) {
		c.Helper()
		if err != nil {
			c.Fatal(err)
		}
	}
	for _, s := range c.services() {
		_, err := c.api.ServiceUpdate(ctx, s.ID, client.ServiceUpdateOptions{Version: s.Version, Spec: changed(c, s.Spec)})
		did(err)
	}
	for _, n := range c.networks() {
		if n.Name == "beside" { // a service uses it
			continue
		}
		_, err := c.api.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
		did(err)
		ipam := networks.IPAM{Driver: n.IPAM.Driver, Options: changed(c, n.IPAM.Options)}
		_, err = c.api.NetworkCreate(ctx, n.Name, client.NetworkCreateOptions{Driver: n.Driver, Scope: "swarm", Labels: changed(c, n.Labels), Options: changed(c, n.Options), IPAM: &ipam})
		did(err)
	}
	for _, v := range c.volumes() {
		_, err := c.api.VolumeRemove(ctx, v.ClusterVolume.ID, client.VolumeRemoveOptions{Force: true})
		did(err)
		_, err = c.api.VolumeCreate(ctx, client.VolumeCreateOptions{Name: v.Name, Driver: v.Driver, DriverOpts: changed(c, v.Options), Labels: changed(c, v.Labels), ClusterVolumeSpec: changed(c, &v.ClusterVolume.Spec)})
		did(err)
	}
	list, err := c.api.ConfigList(ctx, client.ConfigListOptions{})
	did(err)
	for _, i := range list.Items {
		if strings.HasPrefix(i.Spec.Name, "leafy") {
			_, err := c.api.ConfigUpdate(ctx, i.ID, client.ConfigUpdateOptions{Version: i.Version, Spec: changed(c, i.Spec)})
			did(err)
		}
	}
	secrets, err := c.api.SecretList(ctx, client.SecretListOptions{})
	did(err)
	for _, i := range secrets.Items {
		_, err := c.api.SecretUpdate(ctx, i.ID, client.SecretUpdateOptions{Version: i.Version, Spec: changed(c, i.Spec)})
		did(err)
	}
	n := c.node(c.swarm.Managers()[0])
	_, err = c.api.NodeUpdate(ctx, n.ID, client.NodeUpdateOptions{Version: n.Version, Spec: changed(c, n.Spec)})
	did(err)
	s := c.clusterNow()
	_, err = c.api.SwarmUpdate(ctx, client.SwarmUpdateOptions{Version: s.Version, Spec: changed(c, s.Spec)})
	did(err)
}

func (c *canaries) networks() (out []networks.Inspect) {
	c.Helper()
	list, err := c.api.NetworkList(c.Context(), client.NetworkListOptions{})
	if err != nil {
		c.Fatal(err)
	}
	for _, n := range list.Items {
		if strings.HasPrefix(n.Name, "leafy") {
			r, err := c.api.NetworkInspect(c.Context(), n.ID, client.NetworkInspectOptions{})
			if err != nil {
				c.Fatal(err)
			}
			out = append(out, r.Network)
		}
	}
	return out
}

func (c *canaries) volumes() (out []apivolume.Volume) {
	c.Helper()
	list, err := c.api.VolumeList(c.Context(), client.VolumeListOptions{})
	if err != nil {
		c.Fatal(err)
	}
	return slices.DeleteFunc(list.Items, func(v apivolume.Volume) bool { return v.ClusterVolume == nil || !strings.HasPrefix(v.Name, "leafy") })
}

// nowhere are the leaves that no object of the swarm has.
var nowhere = []string{"spec.managers.candidates.labels", "spec.selector.engineLabels", "spec.data"}

func isNowhere(where string) bool {
	return slices.ContainsFunc(nowhere, func(leaf string) bool { return strings.Contains(where, leaf) })
}

// everywhere checks that every leaf in the swarm has the secrets that are there by hand, or by git. Silence about what is
// not there means nothing.
func (c *canaries) everywhere(byHand bool) {
	c.Helper()
	list, err := c.api.ConfigList(c.Context(), client.ConfigListOptions{})
	if err != nil {
		c.Fatal(err)
	}
	secrets, err := c.api.SecretList(c.Context(), client.SecretListOptions{})
	if err != nil {
		c.Fatal(err)
	}
	text, err := json.Marshal([]any{c.services(), c.networks(), c.volumes(), list.Items, secrets.Items, c.node(c.swarm.Managers()[0]), c.clusterNow()})
	if err != nil {
		c.Fatal(err)
	}
	for value, where := range c.all {
		if strings.HasSuffix(where, ", by hand") != byHand || isNowhere(where) {
			continue
		}
		if !strings.Contains(string(text), value) {
			c.Errorf("no object has the secret in %s", where)
		}
	}
}

// refuses has the engine refuse every write to the objects, with words that repeat a few secrets of each sort: of a kind,
// in git or by hand. gone are those that are neither in git nor in the swarm any more.
func (c *canaries) refuses(gone map[string]string) (mend func()) {
	c.Helper()
	list, err := c.api.ConfigList(c.Context(), client.ConfigListOptions{})
	if err != nil {
		c.Fatal(err)
	}
	configs := "none"
	for _, i := range list.Items {
		if strings.HasPrefix(i.Spec.Name, "leafy") { // and not the lease
			configs += "|" + i.ID
		}
	}
	var undo []func()
	for _, f := range []Fault{
		{Method: "POST", Path: "/(services|nodes|secrets)/.*/update"},
		{Method: "POST", Path: "/configs/(" + configs + ")/update"},
		{Method: "POST", Path: "/swarm/update"},
		{Method: "POST", Path: "/networks/create"},
		{Method: "DELETE", Path: "/networks/.*"},
	} {
		f.Status, f.Message = http.StatusBadRequest, "cannot use: "+c.sample(gone)+", which is no good"
		undo = append(undo, c.swarm.Inject(f))
	}
	return func() {
		for _, f := range undo {
			f()
		}
	}
}

func (c *canaries) sample(gone map[string]string) string {
	var out []string
	kinds := map[string]int{}
	for _, value := range slices.Sorted(maps.Keys(c.all)) {
		if gone[value] != "" {
			continue
		}
		sort := c.all[value][strings.LastIndex(c.all[value], " "):] + strings.Split(c.all[value], "/")[0]
		if kinds[sort]++; kinds[sort] <= 2 {
			out = append(out, value)
		}
	}
	return strings.Join(out, ", or ")
}

// Free text is in many leaves of each kind. What somebody set by hand is shown to nobody, and what git states only to
// git's reader, unless it has the name or the shape of a secret. That is so for each leaf, and for each output.
func TestNoLeafOfFreeTextAppearsInAnyOutput(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	w.changesNodes() // and the Cluster
	c := newCanaries(w)
	r := w.repo("leaves", c.leafy())
	p := w.proxy()
	log := w.path("audit.log")
	at := []string{"--host", p.Host(), "--source", r.Dir, "--log-level", "debug"}
	look := func() {
		t.Helper()
		c.run(nil, "validate", "--source", r.Dir)
		c.run(nil, "validate", "--source", r.Dir, "-o", "json")
		for _, command := range []string{"diff", "status"} {
			c.run(nil, append([]string{command}, at...)...)
			c.run(nil, append([]string{command, "-o", "json"}, at...)...)
		}
		for _, command := range []string{"status", "history"} {
			c.run(nil, command, "--host", p.Host(), "--name", "leaves", "-o", "json")
			c.run(nil, command, "--host", p.Host(), "--name", "leaves")
		}
	}
	shown := c.run(nil, append([]string{"diff"}, at...)...)
	for value := range c.git {
		if !strings.Contains(shown.out, value) && !isNowhere(c.all[value]) {
			t.Errorf("git's reader does not see what is in %s", c.all[value])
		}
	}
	look()
	if out := c.run(nil, append([]string{"apply", "--audit-log", log}, at...)...); out.code != 0 {
		t.Fatal(out)
	}
	c.everywhere(false)
	// The Cluster has no events
	o := w.operate(p.Host(), r, "--log-level", "debug", "--audit-log", log, "--repair-after", "1h", "--resync", "2s")
	o.condition("InSync", true)
	c.served(o)

	t.Log("by hand")
	c.hands()
	c.everywhere(true)
	o.reports(func(r harness.Report) error {
		if len(r.Drift) < 6 {
			return fmt.Errorf("%d objects differ", len(r.Drift))
		}
		return nil
	})
	c.served(o)
	look()

	t.Log("errors that repeat it")
	mend := c.refuses(nil)
	if out := c.run(nil, append([]string{"apply", "--audit-log", log, "--consent", "replace", "--consent", "restarts", "--timeout", "5s"}, at...)...); !strings.Contains(out.out+out.errs, "which is no good") {
		t.Errorf("apply does not say what the engine said: %s", out)
	}
	mend()
	gone := maps.Clone(c.all)
	maps.DeleteFunc(gone, func(_, where string) bool {
		versioned := strings.HasPrefix(where, "Config/") || strings.HasPrefix(where, "Secret/") // a new version takes its place
		return strings.HasSuffix(where, ", by hand") && !versioned
	})
	next := c.leafy()
	mend = c.refuses(gone)
	hash := r.commit("others\n\nConsent: replace, restarts, moves-data", next)
	o.says("which is no good")
	o.condition("StepFailed", true)
	c.served(o)
	look()
	mend()
	for _, v := range c.volumes() { // of which the operator changes nothing
		if _, err := c.api.VolumeRemove(c.Context(), v.ClusterVolume.ID, client.VolumeRemoveOptions{Force: true}); err != nil {
			t.Fatal(err)
		}
	}
	// The commit's consent was for what its plan would change, and a volume that keeps an old version of a secret is no part of that.
	c.run(nil, append([]string{"apply", "--audit-log", log, "-o", "json", "--consent", "moves-data"}, at...)...)
	o.inSync(hash)
	c.served(o)
	look()
	c.run(nil, "wait", "--revision", hash, "--host", p.Host(), "--name", "leaves")
	c.run(nil, "unmanage", "Service/leafy-0", "--host", p.Host(), "--name", "leaves", "--audit-log", log)
	c.inSwarm()
	o.finish()
	c.silent("run's log", o.Stdout()+o.Stderr())
	audited, err := os.ReadFile(log)
	if err != nil || len(audited) == 0 {
		t.Error(err)
	}
	c.silent("the audit log", string(audited))
	c.driven(p.Host())
}
