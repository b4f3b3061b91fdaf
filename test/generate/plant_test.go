package generate

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/manifests"
)

// The leaves that api/v1 has today are found. The list grows with api/v1.
func TestPlantFindsEveryLeafOfFreeText(t *testing.T) {
	want := map[string]string{
		v1.KindService: "metadata.labels spec.command spec.containerLabels spec.entrypoint spec.environment spec.healthcheck.test spec.logging.options spec.mounts[].volume.driverOpts spec.mounts[].volume.labels spec.networks[].driverOpts spec.sysctls",
		v1.KindNetwork: "metadata.labels spec.driverOpts spec.ipam.options",
		v1.KindConfig:  "metadata.labels spec.data", v1.KindSecret: "metadata.labels spec.data spec.driverOpts",
		v1.KindVolume:  "metadata.labels spec.accessMode.mountFlags spec.accessibilityRequirements.preferred[].segments spec.accessibilityRequirements.requisite[].segments spec.driverOpts",
		v1.KindCluster: "metadata.labels spec.ca.externalCAs[].options spec.managers.candidates.labels",
		v1.KindNode:    "spec.labels", v1.KindNodeSet: "spec.selector.engineLabels spec.template.labels",
	}
	if kinds := all.Manifests(); len(kinds) != len(want) || len(Every()) != len(want) {
		t.Errorf("there are %d kinds of manifests", len(kinds))
	}
	for _, object := range Every() {
		kind := object.Key().Kind
		var paths []string
		note := func(path string) string { paths = append(paths, path); return "x" }
		Plant(object, Texts{
			Values: func(path string) map[string]string { return map[string]string{"a": note(path)} },
			Words:  func(path string) []string { return []string{note(path)} }, Content: note,
		})
		slices.Sort(paths)
		if got := strings.Join(paths, " "); got != want[kind] {
			t.Errorf("of a %s they are\n%s, want\n%s", kind, got, want[kind])
		}
		if n := strings.Count(Manifest(object), `"x"`); n != len(paths) {
			t.Errorf("%d of %d texts are in\n%s", n, len(paths), Manifest(object))
		}
	}
}

func TestPlantKeepsWhatThereIs(t *testing.T) {
	c := &v1.Cluster{Header: v1.Header{Kind: v1.KindCluster}}
	ca := &v1.CA{Signing: "own", ExternalCAs: []v1.ExternalCA{{URL: "https://a"}, {URL: "https://b", Options: map[string]string{"k": "v"}}}}
	c.Spec.CA = ca
	Plant(c, Texts{Values: func(path string) map[string]string { return map[string]string{"p": path} }})
	if got := fmt.Sprint(c.Spec.CA.Signing, c.Spec.CA.ExternalCAs); got != "own[{ https://a map[p:spec.ca.externalCAs[].options] } { https://b map[k:v p:spec.ca.externalCAs[].options] }]" {
		t.Errorf("it is %s", got)
	}
	if ca.ExternalCAs[0].Options != nil || len(ca.ExternalCAs[1].Options) != 1 || c.Spec.Raft != nil || c.Spec.JoinTokens != nil {
		t.Errorf("it changes what others have, or makes more than it needs: %+v", c.Spec)
	}
}

// What is written is read as it was.
func TestManifestsAreReadAsTheyWere(t *testing.T) {
	Each(t, 30, func(t *rapid.T) {
		fsys, want := fstest.MapFS{}, map[v1.Key]v1.Object{}
		for i, o := range slices.Concat(Source(t), Nodes(t)) {
			fsys[fmt.Sprintf("%d.yaml", i)] = &fstest.MapFile{Data: []byte(Manifest(o))}
			want[o.Key()] = normal(o)
		}
		set, problems := manifests.NewLoader(manifests.Options{Kinds: all.Manifests()}).Load(fsys, ".")
		if refusing := v1.Refusing(problems); len(want) > 0 && len(refusing) > 0 {
			t.Fatal(refusing)
		}
		for _, e := range set.Entries {
			if d := cmp.Diff(want[e.Key()], normal(e.Object), cmp.Exporter(func(reflect.Type) bool { return true })); d != "" {
				t.Fatalf("%s (-made +read):\n%s", e.Key(), d)
			}
		}
		if len(set.Entries) != len(want) {
			t.Fatalf("%d of %d are read", len(set.Entries), len(want))
		}
	})
}

// normal returns an object in a form in which an absent and an empty list are the same.
func normal(o v1.Object) v1.Object {
	o = o.Copy()
	o.Default()
	return o
}
