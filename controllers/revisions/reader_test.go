package revisions

import (
	"testing"
	"testing/fstest"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

var web = v1.Key{Kind: v1.KindService, Name: "web"}

// A manifest that a problem holds may say that its object stays when the manifest is gone, and that counts. If it
// says that the object may go, that does not count; if it says neither, that is noted.
func TestAHeldManifestMayKeepItsObject(t *testing.T) {
	service := func(policy string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("apiVersion: swarm-operator.io/v1\nkind: Service\nmetadata: {name: web}\nspec: {image: app, replicas: three}\n" + policy)}
	}
	volume := func(policy string) *fstest.MapFile { // it states what an external volume does not have
		return &fstest.MapFile{Data: []byte("apiVersion: swarm-operator.io/v1\nkind: Volume\nmetadata: {name: web}\nspec: {driver: csi, external: true}\n" + policy)}
	}
	const protect, prune, others, goes = "policy.protect: true", "policy.prune: false", "spec.external: true", "it may go"
	for _, test := range []struct {
		name, policy, defaults string
		external               bool
		want                   string
	}{
		{name: "nothing is stated"},
		{name: "protect", policy: "policy: {protect: true}", want: protect},
		{name: "prune", policy: "policy: {prune: false}", want: prune},
		{name: "prune, for all objects of the source", defaults: "policy: {prune: false}", want: prune},
		{name: "it may go", policy: "policy: {prune: true}", want: goes},
		{name: "all objects of the source may go", defaults: "policy: {prune: true}", want: goes},
		{name: "protect, and it might go", policy: "policy: {protect: true, prune: true}", want: protect},
		{name: "external", external: true, want: others},
		{name: "external, and it might go", policy: "policy: {prune: true}", external: true, want: others},
		{name: "external, and protect", policy: "policy: {protect: true}", external: true, want: protect},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, key, manifest := New(Options{Path: "."}), web, service
			if test.external {
				key.Kind, manifest = v1.KindVolume, volume
			}
			tree := fstest.MapFS{"a.yaml": manifest(test.policy)}
			if test.defaults != "" {
				tree[".swarm-operator.yaml"] = &fstest.MapFile{Data: []byte("defaults: {" + test.defaults + "}\n")}
			}
			read := r.load(git.Commit{Tree: tree})
			if !read.Good() || read.Held[key] == "" {
				t.Fatalf("it is not held: %v", read.Problems)
			}
			got, stays := read.Stays[key]
			if !stays {
				got = goes
			}
			if got != test.want {
				t.Errorf("it is kept for %q, want %q", got, test.want)
			}
		})
	}
}
