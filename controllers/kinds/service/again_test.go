package service

import (
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/test/generate"
)

// afterRemoval returns a live service as it is written down and read again.
func afterRemoval(t tb, spec *swarm.ServiceSpec) *former {
	t.Helper()
	data, err := freeze(liveOf(spec), index(generate.Networks...))
	if err != nil {
		t.Fatalf("%v", err)
	}
	f, err := thaw(data)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return f.(*former)
}

// madeAgain returns the spec of a service that was removed and is made again.
func madeAgain(t tb, spec *swarm.ServiceSpec, want *v1.Service) *swarm.ServiceSpec {
	t.Helper()
	w := wantOf(want)
	sent, _, err := again(afterRemoval(t, spec), w, source.Owner(w.Key), directory{}, idOf)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return sent
}

func TestWhatIsNotCarriedIsKeptWhenAServiceIsMadeAgain(t *testing.T) {
	for _, l := range leaves(reflect.TypeFor[swarm.ServiceSpec]()) {
		verdict := engineLeaves[l.path]
		if !strings.HasPrefix(verdict, "never: ") || l.path == "Name" {
			continue
		}
		live := base(l.path)
		l.change(live)
		want := otherwise()
		if live.Mode.ReplicatedJob != nil {
			want.Spec.Mode = v1.ModeReplicatedJob
		}
		sent := madeAgain(t, live, want)
		if l.text(sent) != l.text(live) {
			t.Errorf("%s (%s) was %s and became %s", l.path, verdict, l.text(live), l.text(sent))
		}
	}
}

// A service that is made again is as it is wanted, whatever it was before, in this or another mode. If nothing else
// is wanted, it is what it was, field for field.
func madeAgainIsWanted(t *rapid.T) {
	before, after := generate.Service(t, "web"), generate.Service(t, "web")
	live := returned(t, createdFrom(t, before))
	sent := madeAgain(t, live, after)
	noDifference(t, sent, wantOf(after))
	noDifference(t, returned(t, sent), wantOf(after))
	same := madeAgain(t, live, before)
	for _, s := range []*swarm.ServiceSpec{live, same} { // without the operator's own labels
		s.Labels = maps.Clone(s.Labels)
		maps.DeleteFunc(s.Labels, func(k, _ string) bool { return strings.HasPrefix(k, v1.LabelPrefix) })
	}
	if pretty(same) != pretty(live) {
		t.Fatalf("nothing was wanted otherwise, and %s\nbecame %s", pretty(live), pretty(same))
	}
}

func TestMadeAgainIsWanted(t *testing.T) { rapid.Check(t, madeAgainIsWanted) }

// The objects that a service refers to may have been removed with it and made again, as by docker stack rm. They then
// have other ids.
func TestAServiceThatIsMadeAgainRefersToWhatThereIsNow(t *testing.T) {
	live := everything()
	live.TaskTemplate.Networks[0].DriverOpts = map[string]string{"a": "1"}
	manifest := otherwise()
	manifest.Spec.Networks[0].DriverOpts, manifest.Spec.CredentialSpec = map[string]string{"a": "1"}, &v1.CredentialSpec{Config: "cred"}
	want := wantOf(manifest)
	now := func(kind, name string) (string, error) {
		if name == "gone" {
			return "", fmt.Errorf("%s does not exist", name)
		}
		return "new-" + kind + "-" + name, nil
	}
	was := live.TaskTemplate.ContainerSpec
	was.Configs = append(was.Configs, &swarm.ConfigReference{ConfigID: "old", ConfigName: "cred", Runtime: &swarm.ConfigReferenceRuntimeTarget{}})
	was.Privileges.CredentialSpec = &swarm.CredentialSpec{Config: "old"}
	sent, _, err := again(afterRemoval(t, live), want, source.Owner(want.Key), nobody{}, now)
	if err != nil {
		t.Fatal(err)
	}
	n, c := sent.TaskTemplate.Networks, sent.TaskTemplate.ContainerSpec
	if len(n) != 1 || n[0].Target != "new-Network-front" || n[0].DriverOpts["a"] != "1" {
		t.Errorf("the networks are %+v", n)
	}
	if len(c.Configs) != 2 || c.Configs[0].ConfigID != "new-Config-cred" || c.Configs[1].ConfigID != "new-Config-other" {
		t.Errorf("the configs are %s", pretty(c.Configs))
	}
	if c.Privileges.CredentialSpec == nil || c.Privileges.CredentialSpec.Config != "new-Config-cred" {
		t.Errorf("the credential spec is %s", pretty(c.Privileges))
	}
	if len(c.Secrets) != 1 || c.Secrets[0].SecretID != "new-Secret-other" {
		t.Errorf("the secrets are %s", pretty(c.Secrets))
	}
}

// A service of which nothing is left but the record gets its stack back, unless the manifest states another one.
func TestAServiceThatIsMadeAgainIsInItsStack(t *testing.T) {
	for stated, want := range map[string]string{"": "shop", "other": "other"} {
		manifest := plainly()
		if stated != "" {
			manifest.Metadata.Labels = map[string]string{"com.docker.stack.namespace": stated}
		}
		w := wantOf(manifest)
		w.Stack = "shop"
		spec, err := fresh(w, source.Owner(w.Key), directory{}, idOf)
		if err != nil || spec.Labels["com.docker.stack.namespace"] != want {
			t.Errorf("its labels are %v (%v), want %s", spec.Labels, err, want)
		}
		noDifference(t, spec, wantOf(manifest))
	}
	if spec := createdFrom(t, plainly()); spec.Labels["com.docker.stack.namespace"] != "" {
		t.Errorf("a new service is in the stack %s", spec.Labels["com.docker.stack.namespace"])
	}
}

// nobody finds no names, because the objects that the ids belonged to are gone.
type nobody struct{}

func (nobody) NameOf(_, id string) string { return id }

func TestAServiceThatIsMadeAgainKeepsItsDigestAndItsScale(t *testing.T) {
	five := uint64(5)
	want := &v1.Service{Header: v1.Header{Kind: v1.KindService, Metadata: v1.Metadata{Name: "web"}}, Spec: v1.ServiceSpec{Image: "bb:1"}}
	live := createdFrom(t, want)
	live.Mode.Replicated.Replicas = &five
	live.TaskTemplate.ContainerSpec.Image = "bb:1@" + generate.Digest
	live.Labels["com.docker.stack.namespace"] = "shop"
	sent := madeAgain(t, live, want)
	if *sent.Mode.Replicated.Replicas != 5 || sent.TaskTemplate.ContainerSpec.Image != "bb:1@"+generate.Digest || sent.Labels["com.docker.stack.namespace"] != "shop" {
		t.Errorf("it became %s", pretty(sent))
	}
	if _, marked := sent.Labels[v1.LabelMade]; marked {
		t.Error("it carries the mark of the one that was removed")
	}
}
