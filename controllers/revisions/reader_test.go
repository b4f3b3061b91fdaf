package revisions

import (
	"testing"
	"testing/fstest"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

var web = v1.Key{Kind: v1.KindService, Name: "web"}

// A manifest that a problem holds may say that its object stays when the manifest is gone, and that counts. If it
// says that the object may go, that does not count.
func TestAHeldManifestMayKeepItsObject(t *testing.T) {
	manifest := func(policy string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("apiVersion: swarm-operator.io/v1\nkind: Service\nmetadata: {name: web}\nspec: {image: app, replicas: three}\n" + policy)}
	}
	const protect, prune = "policy.protect: true", "policy.prune: false"
	for _, test := range []struct{ name, policy, defaults, want string }{
		{name: "nothing is stated"},
		{name: "protect", policy: "policy: {protect: true}", want: protect},
		{name: "prune", policy: "policy: {prune: false}", want: prune},
		{name: "prune, for all objects of the source", defaults: "policy: {prune: false}", want: prune},
		{name: "it may go", policy: "policy: {prune: true}"},
		{name: "protect, and it might go", policy: "policy: {protect: true, prune: true}", want: protect},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := New(Options{Path: "."})
			tree := fstest.MapFS{"a.yaml": manifest(test.policy)}
			if test.defaults != "" {
				tree[".swarm-operator.yaml"] = &fstest.MapFile{Data: []byte("defaults: {" + test.defaults + "}\n")}
			}
			read := r.load(git.Commit{Tree: tree})
			if !read.Good() || read.Held[web] == "" {
				t.Fatalf("it is not held: %v", read.Problems)
			}
			if got := read.Stays[web]; got != test.want {
				t.Errorf("it is kept for %q, want %q", got, test.want)
			}
		})
	}
}
