package kinds_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/digests"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	versions "github.com/swarm-operator/swarm-operator/controllers/kinds/content"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// one, two and three are versions of Config/c with these contents.
var one, two, three = version(configKey("c"), 0, "one"), version(configKey("c"), 1, "two"), version(configKey("c"), 2, "three")

// raw returns the object with content that is stated to be meant as it is.
func raw(o v1.Object) v1.Object {
	switch o := o.(type) {
	case *v1.Config:
		o.Spec.Raw = true
	case *v1.Secret:
		o.Spec.Raw = true
	}
	return o
}

// Stating raw must write nothing: it changes neither the version, nor what is applied, nor which want failed.
func TestStatingRawWritesNothing(t *testing.T) {
	for _, kind := range []string{v1.KindConfig, v1.KindSecret} {
		state := func(o v1.Object) *diff.State {
			return kinds.Expand(all.Kinds(), []kinds.Entry{{Object: o}}, kinds.NewIndex(nil, nil), source, nil).States[0]
		}
		plain, stated := state(content(kind, "c", "one", v1.Policy{})), state(raw(content(kind, "c", "one", v1.Policy{})))
		if plain.Digest() != stated.Digest() || plain.Instance != stated.Instance {
			t.Errorf("%s: %s %s became %s %s", kind, plain.Instance, plain.Digest(), stated.Instance, stated.Digest())
		}
		if d := cmp.Diff(diff.NewApplied(plain.Whole().Leaves).String(), diff.NewApplied(stated.Whole().Leaves).String()); d != "" {
			t.Errorf("%s: applied (-plain +raw):\n%s", kind, d)
		}
	}
}

func TestVersionsOfContent(t *testing.T) {
	foreign := func(kind, data string) *kinds.Live { return live(kind, "c", nil, 0, data) }
	secretOne, secretTwo, secretThree := version(secretKey("c"), 0, "one"), version(secretKey("c"), 1, "two"), version(secretKey("c"), 2, "three")
	unlabelled := func(l *kinds.Live) *kinds.Live { return live(l.Kind, l.Name, nil, 0, "one") }
	oldKey := version(secretKey("c"), 5, "one")
	oldKey.Labels = map[string]string{v1.LabelOwner: "src/Secret/c", v1.LabelContent: "00000000:aaaaaaaaaaaaaaaaaaaa"}
	lost := kinds.Source{Name: "src"}
	newSalt := kinds.Source{Name: "src", Contents: digests.Salted{Salt: []byte("another salt"), Digests: digests.New(nil)}}
	slow := versionBy(slowly, secretKey("c"), 0, "one")
	adopted := func(l *kinds.Live, content string) kinds.Source {
		return kinds.Source{Name: "src", Contents: withKey, Adopted: map[string]kinds.Record{l.ID: {Key: v1.Key{Kind: l.Kind, Name: "c"}, Content: kinds.ContentLabel(l.Kind == v1.KindSecret, withKey, v1.Key{Kind: l.Kind, Name: "c"}, []byte(content))}}}
	}
	made := func(l *kinds.Live) kinds.Source {
		return kinds.Source{Name: "src", Contents: withKey, Nonce: "n", Made: map[string]v1.Key{l.ID: {Kind: l.Kind, Name: "c"}}}
	}
	takeover := v1.Policy{Adopt: v1.AdoptTakeover}
	// The object of the manifest's own name was adopted with "one". A version with "two" took its place, and lost its labels.
	oldAndNew := func(kind string) []*kinds.Live {
		two := version(v1.Key{Kind: kind, Name: "c"}, 1, "two")
		return []*kinds.Live{foreign(kind, "one"), live(kind, two.Name, nil, 1, "two")}
	}
	givenUp := func(kind string) kinds.Source {
		key, both := v1.Key{Kind: kind, Name: "c"}, oldAndNew(kind)
		old := kinds.GivenUp{Key: key, Content: kinds.ContentLabel(kind == v1.KindSecret, withKey, key, []byte("one"))}
		return kinds.Source{Name: "src", Contents: withKey, Nonce: "n", GivenUp: map[string]kinds.GivenUp{both[0].ID: old, both[1].ID: {Key: key, Made: true}}}
	}
	tests := []struct {
		name    string
		lives   []*kinds.Live
		src     kinds.Source
		want    v1.Object
		changes []string
		unknown bool
	}{
		{name: "new", src: source, want: content("Config", "c", "one", v1.Policy{}), changes: []string{"+ Config/c [" + one.Name + "]"}},
		{name: "the same", lives: []*kinds.Live{one}, src: source, want: content("Config", "c", "one", v1.Policy{})},
		{name: "the same, and meant as it is", lives: []*kinds.Live{one}, src: source, want: raw(content("Config", "c", "one", v1.Policy{}))},
		{name: "a secret, the same, and meant as it is", lives: []*kinds.Live{secretOne}, src: source, want: raw(content("Secret", "c", "one", v1.Policy{}))},
		{
			name: "changed", lives: []*kinds.Live{one}, src: source, want: content("Config", "c", "two", v1.Policy{}),
			changes: []string{"- Config/c [" + one.Name + "] old", "+ Config/c [" + two.Name + "]"},
		},
		{
			name: "changed back", lives: []*kinds.Live{one, two, three}, src: source, want: content("Config", "c", "one", v1.Policy{}),
			changes: sorted("- Config/c ["+two.Name+"] old", "- Config/c ["+three.Name+"] old"),
		},
		{
			name: "its manifest is gone: the newest stands for it", lives: []*kinds.Live{two, one, three}, src: source, want: service("web"),
			changes: append(sorted("- Config/c ["+one.Name+"] old", "- Config/c ["+two.Name+"] old", "- Config/c ["+three.Name+"]"), "+ Service/web [web] spec.image: (none) → bb:1"),
		},
		{name: "a secret, the same", lives: []*kinds.Live{secretOne}, src: source, want: content("Secret", "c", "one", v1.Policy{})},
		{
			name: "a secret, changed", lives: []*kinds.Live{secretOne}, src: source, want: content("Secret", "c", "two", v1.Policy{}),
			changes: []string{"- Secret/c [" + secretOne.Name + "] old", "+ Secret/c [" + secretTwo.Name + "]"},
		},
		{name: "a secret, and the memory and the key are lost", lives: []*kinds.Live{secretOne}, src: lost, want: content("Secret", "c", "two", v1.Policy{}), unknown: true},
		{name: "a secret of no key, and the memory is lost", lives: []*kinds.Live{slow}, src: newSalt, want: content("Secret", "c", "one", v1.Policy{})},
		{
			name: "a secret of no key, changed, and the memory is lost", lives: []*kinds.Live{slow}, src: newSalt, want: content("Secret", "c", "two", v1.Policy{}),
			changes: sorted("- Secret/c ["+slow.Name+"] old", "+ Secret/c ["+versionBy(newSalt.Contents, secretKey("c"), 0, "two").Name+"]"),
		},
		{name: "a secret, and the key is another", lives: []*kinds.Live{oldKey}, src: source, want: content("Secret", "c", "one", v1.Policy{}), unknown: true},
		{
			name: "a secret, an older version of another key", lives: []*kinds.Live{withAge(oldKey, -1), secretOne}, src: source, want: content("Secret", "c", "two", v1.Policy{}),
			changes: sorted("+ Secret/c ["+secretTwo.Name+"]", "- Secret/c ["+secretOne.Name+"] old", "- Secret/c ["+oldKey.Name+"] old"),
		},
		{name: "a config, and the memory is lost: it can be read", lives: []*kinds.Live{one}, src: lost, want: content("Config", "c", "one", v1.Policy{})},
		{name: "nobody writes, and there is no salt yet", src: lost, want: content("Config", "c", "one", v1.Policy{}), changes: []string{"+ Config/c [c-(new)]"}},

		{name: "somebody's, equal", lives: []*kinds.Live{foreign("Config", "one")}, src: source, want: content("Config", "c", "one", v1.Policy{}), changes: []string{"  Config/c [c]"}},
		{
			name: "somebody's, different", lives: []*kinds.Live{foreign("Config", "one")}, src: source, want: content("Config", "c", "two", v1.Policy{}),
			changes: []string{"~ Config/c [c] spec.data: (hidden) → (hidden)"},
		},
		{
			name: "somebody's, different, taken over: a version of our own beside it", lives: []*kinds.Live{foreign("Config", "one")}, src: source, want: content("Config", "c", "two", takeover),
			changes: []string{"+ Config/c [" + two.Name + "]"},
		},
		{
			name: "somebody's secret", lives: []*kinds.Live{foreign("Secret", "")}, src: source, want: content("Secret", "c", "one", v1.Policy{}),
			changes: []string{"~ Secret/c [c] spec.data: (hidden) → (hidden)"},
		},
		{
			name: "somebody's secret, taken over", lives: []*kinds.Live{foreign("Secret", "")}, src: source, want: content("Secret", "c", "one", takeover),
			changes: []string{"~ Secret/c [c] spec.data: (hidden) → (hidden)"},
		},
		{name: "adopted, the same", lives: []*kinds.Live{foreign("Config", "one")}, src: adopted(foreign("Config", "one"), "one"), want: content("Config", "c", "one", v1.Policy{})},
		{
			name: "adopted, changed", lives: []*kinds.Live{foreign("Config", "one")}, src: adopted(foreign("Config", "one"), "one"), want: content("Config", "c", "two", v1.Policy{}),
			changes: []string{"- Config/c [c] old", "+ Config/c [" + two.Name + "]"},
		},
		{name: "an adopted secret, the same", lives: []*kinds.Live{foreign("Secret", "")}, src: adopted(foreign("Secret", ""), "one"), want: content("Secret", "c", "one", v1.Policy{})},
		{
			name: "an adopted secret, changed", lives: []*kinds.Live{foreign("Secret", "")}, src: adopted(foreign("Secret", ""), "one"), want: content("Secret", "c", "two", v1.Policy{}),
			changes: sorted("- Secret/c [c] old", "+ Secret/c ["+secretTwo.Name+"]"),
		},
		{
			name: "a version that lost its labels", lives: []*kinds.Live{unlabelled(one)}, src: source, want: content("Config", "c", "one", v1.Policy{}),
			changes: []string{"  Config/c [" + one.Name + "]"},
		},
		{
			name: "a secret's version that lost its labels", lives: []*kinds.Live{unlabelled(secretOne)}, src: source, want: content("Secret", "c", "one", v1.Policy{}),
			changes: []string{"~ Secret/c [" + secretOne.Name + "] spec.data: (hidden) → (hidden)"},
		},
		{name: "a secret's version on record that lost its labels, the same", lives: []*kinds.Live{unlabelled(secretOne)}, src: made(secretOne), want: content("Secret", "c", "one", v1.Policy{})},
		{name: "a secret's version on record that lost its labels, changed: the name may be of another key", lives: []*kinds.Live{unlabelled(secretOne)}, src: made(secretOne), want: content("Secret", "c", "two", v1.Policy{}), unknown: true},
		{name: "a secret on record that lost its labels, under the manifest's own name", lives: []*kinds.Live{foreign("Secret", "")}, src: made(foreign("Secret", "")), want: content("Secret", "c", "two", v1.Policy{}), unknown: true},
		{name: "given up, the same: the version in force stays, and not the adopted one", lives: oldAndNew("Config"), src: givenUp("Config"), want: content("Config", "c", "two", v1.Policy{}), changes: []string{"  Config/c [" + two.Name + "]"}},
		{name: "given up, changed: the adopted one does not come back", lives: oldAndNew("Config"), src: givenUp("Config"), want: content("Config", "c", "three", v1.Policy{}), changes: []string{"+ Config/c [" + three.Name + "]"}},
		{name: "given up, changed back: that asks for the adopted one", lives: oldAndNew("Config"), src: givenUp("Config"), want: content("Config", "c", "one", v1.Policy{}), changes: []string{"  Config/c [c]"}},
		{name: "a secret given up, the same", lives: oldAndNew("Secret"), src: givenUp("Secret"), want: content("Secret", "c", "two", v1.Policy{}), changes: []string{"  Secret/c [" + secretTwo.Name + "]"}},
		{name: "a secret given up, changed", lives: oldAndNew("Secret"), src: givenUp("Secret"), want: content("Secret", "c", "three", v1.Policy{}), changes: []string{"+ Secret/c [" + secretThree.Name + "]"}},
		{name: "a secret given up, changed back", lives: oldAndNew("Secret"), src: givenUp("Secret"), want: content("Secret", "c", "one", v1.Policy{}), changes: []string{"  Secret/c [c]"}},
		{
			name: "only the adopted one is given up, changed", lives: oldAndNew("Config")[:1], src: givenUp("Config"), want: content("Config", "c", "two", v1.Policy{}),
			changes: []string{"~ Config/c [c] spec.data: (hidden) → (hidden)"},
		},
		{name: "somebody's, different, beside a version that lost its labels", lives: oldAndNew("Config"), src: source, want: content("Config", "c", "two", v1.Policy{}), changes: []string{"  Config/c [" + two.Name + "]"}},
		{
			name: "somebody's secret beside a version that lost its labels", lives: oldAndNew("Secret"), src: source, want: content("Secret", "c", "two", v1.Policy{}),
			changes: []string{"~ Secret/c [" + secretTwo.Name + "] spec.data: (hidden) → (hidden)"},
		},
		{name: "external", lives: []*kinds.Live{foreign("Config", "one")}, src: source, want: content("Config", "c", "external", v1.Policy{})},
		{
			name: "another source's of that name", lives: []*kinds.Live{live("Config", "c", map[string]string{v1.LabelOwner: "other/Config/c"}, 0, "one")}, src: source, want: content("Config", "c", "one", v1.Policy{}),
			changes: []string{"  Config/c [c] of source other"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ix := index(test.lives...)
			changes := compare(ix, test.src, test.want)
			if d := cmp.Diff(test.changes, brief(changes)); d != "" {
				t.Errorf("changes (-want +got):\n%s", d)
			}
			if unknown := expand(ix, test.src, test.want).Unknown; (len(unknown) > 0) != test.unknown {
				t.Errorf("unknown: %v", unknown)
			}
		})
	}
}

// templated returns the object with golang for its template driver.
func templated[T any](o T) T {
	switch o := any(o).(type) {
	case *v1.Config:
		o.Spec.TemplateDriver = "golang"
	case *v1.Secret:
		o.Spec.TemplateDriver = "golang"
	case *kinds.Live:
		switch r := o.Raw.(type) {
		case *swarm.Config:
			r.Spec.Templating = &swarm.Driver{Name: "golang"}
		case *swarm.Secret:
			r.Spec.Templating = &swarm.Driver{Name: "golang"}
		}
	}
	return o
}

// How the swarm uses a content belongs to the version, because it cannot change either.
func TestTheTemplateDriverBelongsToTheVersion(t *testing.T) {
	for _, kind := range []string{v1.KindConfig, v1.KindSecret} {
		key := v1.Key{Kind: kind, Name: "c"}
		manifest := func() v1.Object { return content(kind, "c", "one", v1.Policy{}) }
		plain := version(key, 0, "one")
		made := compare(index(), source, templated(manifest()))
		if len(made) != 1 || made[0].Op != diff.Create || made[0].Instance == plain.Name {
			t.Fatalf("%s: a version with another use has the name of the one without: %v", kind, brief(made))
		}
		uses := version(key, 1, "one")
		uses.Name, uses.ID = made[0].Instance, made[0].Instance
		templated(uses)
		for _, test := range []struct {
			name  string
			lives []*kinds.Live
			want  v1.Object
			names []string
		}{
			{"the same", []*kinds.Live{uses}, templated(manifest()), nil},
			{"it is used as a template now", []*kinds.Live{plain}, templated(manifest()), []string{"+" + uses.Name, "-" + plain.Name}},
			{"it is used as it is now", []*kinds.Live{uses}, manifest(), []string{"+" + plain.Name, "-" + uses.Name}},
			{"both are there", []*kinds.Live{plain, uses}, templated(manifest()), []string{"-" + plain.Name}},
		} {
			var names []string
			for _, c := range compare(index(test.lives...), source, test.want) {
				names = append(names, c.Op.String()+c.Instance)
			}
			slices.Sort(names)
			if d := cmp.Diff(test.names, names); d != "" {
				t.Errorf("%s, %s (-want +got):\n%s", kind, test.name, d)
			}
		}
		// Somebody's object of the manifest's own name that is used in another way is not the manifest's.
		theirs := compare(index(live(kind, "c", nil, 0, "one")), source, templated(manifest()))
		if len(theirs) != 1 || theirs[0].Op != diff.Update || theirs[0].Instance != "c" {
			t.Errorf("%s: somebody's: %v", kind, brief(theirs))
		}
		o := templated(content(kind, "c", "one", v1.Policy{Adopt: v1.AdoptTakeover}))
		if beside := compare(index(live(kind, "c", nil, 0, "one")), source, o); len(beside) != 1 || beside[0].Op != diff.Create || beside[0].Instance != uses.Name {
			t.Errorf("%s: taken over: %v", kind, brief(beside))
		}
	}
}

func TestAVersionOfALongNameHasItsBeginning(t *testing.T) {
	long := strings.Repeat("a", 60)
	one, two := version(configKey(long+"one"), 0, "x"), version(configKey(long+"two"), 0, "x")
	for _, l := range []*kinds.Live{one, two} {
		if len(l.Name) != 64 || !strings.HasPrefix(l.Name, strings.Repeat("a", 53)+"-") {
			t.Errorf("the name is %s", l.Name)
		}
	}
	if one.Name == two.Name {
		t.Error("two configs whose names begin alike have the same versions")
	}
	changes := compare(index(one), source, content("Config", long+"one", "x", v1.Policy{}), content("Config", long+"two", "x", v1.Policy{}))
	if d := cmp.Diff([]string{"+ Config/" + long + "two [" + two.Name + "]"}, brief(changes)); d != "" {
		t.Errorf("changes (-want +got):\n%s", d)
	}
}

func withAge(l *kinds.Live, minutes int) *kinds.Live {
	l.ID += "-old"
	return live(l.Kind, l.Name, l.Labels, minutes, "")
}

// sorted brings changes into their order: by live name, then by operation.
func sorted(changes ...string) []string {
	slices.SortFunc(changes, func(a, b string) int {
		_, a, _ = strings.Cut(a, "[")
		_, b, _ = strings.Cut(b, "[")
		return strings.Compare(strings.ReplaceAll(a, "]", ""), strings.ReplaceAll(b, "]", ""))
	})
	return changes
}

func TestNamesOfVersions(t *testing.T) {
	if !regexp.MustCompile(`^c-[0-9a-f]{10}$`).MatchString(one.Name) {
		t.Errorf("the name is %s", one.Name)
	}
	other := version(configKey("d"), 0, "one")
	secret := version(secretKey("c"), 0, "one")
	hash := func(l *kinds.Live) string { return l.Name[2:] }
	if hash(one) == hash(other) || hash(one) == hash(secret) {
		t.Error("two objects of one content show it")
	}
	if label, has := one.Labels[v1.LabelContent]; has {
		t.Errorf("everybody can read the config, and it has the label %s", label)
	}
	// The name of a secret tells no more than its label, however it was made.
	for by, contents := range map[string]digests.Salted{"with a key": withKey, "slowly": slowly} {
		v := versionBy(contents, secretKey("c"), 0, "one")
		sum := sha256.Sum256([]byte(v.Labels[v1.LabelContent]))
		if v.Name != "c-"+hex.EncodeToString(sum[:5]) {
			t.Errorf("%s: the name is %s, and the label %s", by, v.Name, v.Labels[v1.LabelContent])
		}
	}
}

// A service names the version in force, and a service that refers to a version keeps it.
func TestServicesUseTheVersionInForce(t *testing.T) {
	web := live(v1.KindService, "web", map[string]string{v1.LabelOwner: "src/Service/web"}, 0, "")
	ix := index(one, web)
	wants := expand(ix, source, content("Config", "c", "two", v1.Policy{}), service("web", "c"))
	w := wants.States[len(wants.States)-1]
	if l, _ := w.Leaf("spec.configs[/c].source"); l.Text != two.Name {
		t.Errorf("the service uses %q, not %s", l.Text, two.Name)
	}
	if d := cmp.Diff([]v1.Key{configKey("c")}, w.Uses); d != "" {
		t.Errorf("uses (-want +got):\n%s", d)
	}
	if w.From != (diff.From{File: "a.yaml", Line: 2}) {
		t.Errorf("it comes from %v", w.From)
	}
}

func TestExternalObjectsAreLookedFor(t *testing.T) {
	ix := index(live(v1.KindConfig, "there", nil, 0, "x"))
	got := expand(ix, source, content("Config", "there", "external", v1.Policy{}), content("Config", "gone", "external", v1.Policy{}))
	if d := cmp.Diff(map[v1.Key]bool{configKey("there"): false, configKey("gone"): true}, got.Missing); d != "" || len(got.States) > 0 {
		t.Errorf("missing (-want +got):\n%s\n%v", d, got.States)
	}
}

const canary = "hunter2-canary"

// The content of configs and secrets appears in no text, whatever happens to them.
func TestContentIsNeverShown(t *testing.T) {
	for _, kind := range []string{v1.KindConfig, v1.KindSecret} {
		for _, adopt := range []string{"", v1.AdoptTakeover, v1.AdoptNever} {
			ix := index(live(kind, "c", nil, 0, canary+"-live"), version(v1.Key{Kind: kind, Name: "old"}, 0, canary+"-old"))
			changes := compare(ix, source, content(kind, "c", canary+"-want", v1.Policy{Adopt: adopt}), content(kind, "new", canary, v1.Policy{}))
			p := plan.Build(changes, plan.Facts{Owned: 10}, plan.Policy{Budgets: plan.DefaultBudgets()}, all.Part())
			b, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			texts := []string{string(b), p.Text(diff.Value.Reveal)}
			for _, c := range changes {
				texts = append(texts, fmt.Sprintf("%v %+v %#v", c, c, c.Fields))
				if c.Want != nil {
					texts = append(texts, fmt.Sprintf("%v %+v", *c.Want, c.Want.Value), fmt.Sprint(diff.NewApplied(c.Want.Leaves), c.Want.Digest()))
				}
			}
			for _, text := range texts {
				if strings.Contains(text, canary) {
					t.Errorf("%s, %q: %s", kind, adopt, text)
				}
			}
		}
	}
}

// sent carries out a step on an engine that accepts everything, and returns what the engine was told.
func sent(t *testing.T, op diff.Op, c diff.Change) (name string, labels map[string]string, data []byte) {
	t.Helper()
	calls := versions.Calls{
		Create: func(_ context.Context, _ *engine.Client, of swarm.Annotations, want v1.ContentHolder) (string, error) {
			name, labels, data = of.Name, of.Labels, want.Content().Reveal()
			return "new-id", nil
		},
		Relabel: func(_ context.Context, _ *engine.Client, live *kinds.Live, l map[string]string) error {
			name, labels = live.Name, l
			return nil
		},
		Remove: func(_ context.Context, _ *engine.Client, id string) error {
			name = id
			return nil
		},
	}
	step := plan.Step{Op: op, Key: c.Key, Instance: c.Instance, Fields: c.Fields, Change: c}
	if _, err := calls.Do(t.Context(), kinds.Env{Source: "src", Contents: withKey}, step); err != nil {
		t.Fatal(err)
	}
	return name, labels, data
}

func TestWhatIsSentForAVersion(t *testing.T) {
	contentLabel := kinds.ContentLabel(true, withKey, secretKey("c"), []byte("one"))
	fresh := compare(index(), source, content("Secret", "c", "one", v1.Policy{}))
	name, labels, data := sent(t, diff.Create, fresh[0])
	want := map[string]string{v1.LabelOwner: "src/Secret/c", v1.LabelApplied: "v1:", v1.LabelContent: contentLabel}
	if d := cmp.Diff(want, labels); d != "" || name != version(secretKey("c"), 0, "one").Name || string(data) != "one" {
		t.Errorf("a new version is named %s and holds %q; labels (-want +got):\n%s", name, data, d)
	}
	// A secret that was taken over keeps its own labels, and its content is taken to be the manifest's.
	taken := compare(index(live(v1.KindSecret, "c", map[string]string{"com.docker.theirs": "1"}, 0, "")), source, content("Secret", "c", "one", v1.Policy{Adopt: v1.AdoptTakeover}))
	name, labels, _ = sent(t, diff.Update, taken[0])
	if name != "c" || labels["com.docker.theirs"] != "1" || labels[v1.LabelOwner] != "src/Secret/c" || labels[v1.LabelContent] != contentLabel {
		t.Errorf("one that was taken over is named %s and has labels %v", name, labels)
	}
	// Neither a new config nor one that was taken over has a digest of what everybody can read.
	for _, lives := range [][]*kinds.Live{nil, {live(v1.KindConfig, "c", nil, 0, "one")}} {
		for _, c := range compare(index(lives...), source, content("Config", "c", "one", v1.Policy{})) {
			if _, labels, _ := sent(t, diff.Create, c); labels[v1.LabelContent] != "" {
				t.Errorf("a config has labels %v", labels)
			}
		}
	}
	// A secret whose key is lost keeps its content label, because it is not known to hold the manifest's content.
	old := version(secretKey("c"), 0, "one")
	old.Labels[v1.LabelContent] = "00000000:aaaaaaaaaaaaaaaaaaaa"
	manifest := content("Secret", "c", "two", v1.Policy{})
	manifest.Meta().Metadata.Labels = map[string]string{"new": "1"}
	changed := compare(index(old), source, manifest)
	if d := cmp.Diff([]string{"~ Secret/c [" + old.Name + "] metadata.labels.new: (none) → 1"}, brief(changed)); d != "" {
		t.Fatalf("changes (-want +got):\n%s", d)
	}
	if _, labels, _ = sent(t, diff.Update, changed[0]); labels[v1.LabelContent] != "00000000:aaaaaaaaaaaaaaaaaaaa" || labels["new"] != "1" {
		t.Errorf("one whose key is lost has labels %v", labels)
	}
	if removed, _, _ := sent(t, diff.Remove, compare(index(one), source)[0]); removed != one.ID {
		t.Errorf("removed %s", removed)
	}
}

// If two versions were made in one instant, the first by name is the newest, in whatever order the engine lists them.
func TestVersionsOfOneInstant(t *testing.T) {
	a, b := one, withAge(two, 0)
	want := sorted("- Config/c ["+one.Name+"]", "- Config/c ["+two.Name+"]")
	first := min(one.Name, two.Name)
	for i, w := range want {
		if !strings.Contains(w, first) {
			want[i] += " old"
		}
	}
	for _, lives := range [][]*kinds.Live{{a, b}, {b, a}} {
		if d := cmp.Diff(want, brief(compare(index(lives...), source))); d != "" {
			t.Errorf("changes (-want +got):\n%s", d)
		}
	}
}

// A driver supplies the content of a secret. There is nothing to compare but the driver and its options, and they belong
// to the version.
func TestTheSecretDriverBelongsToTheVersion(t *testing.T) {
	driven := func(options map[string]string, adopt string) *v1.Secret {
		return &v1.Secret{
			Header: v1.Header{APIVersion: v1.APIVersion, Kind: v1.KindSecret, Metadata: v1.Metadata{Name: "c"}, Policy: v1.Policy{Adopt: adopt}},
			Spec:   v1.SecretSpec{Driver: "vault", DriverOpts: options},
		}
	}
	theirs := func(name string, options map[string]string) *kinds.Live {
		l := live(v1.KindSecret, name, nil, 0, "")
		l.Raw.(*swarm.Secret).Spec.Driver = &swarm.Driver{Name: "vault", Options: options}
		return l
	}
	made := compare(index(), source, driven(nil, ""))
	if len(made) != 1 || made[0].Op != diff.Create {
		t.Fatalf("it is made by %v", brief(made))
	}
	name, labels, data := sent(t, made[0].Op, made[0])
	if name != made[0].Instance || len(data) > 0 {
		t.Errorf("%s is made of %q", name, data)
	}
	mine := theirs(name, map[string]string{})
	mine.Labels = labels
	mine.Raw.(*swarm.Secret).Spec.Labels = labels
	plain := version(secretKey("c"), 0, "one")
	path := map[string]string{"path": "kv/db"}
	for _, test := range []struct {
		name  string
		lives []*kinds.Live
		want  v1.Object
		ops   string
	}{
		{"the same", []*kinds.Live{mine}, driven(nil, ""), ""},
		{"with options", []*kinds.Live{mine}, driven(path, ""), "+ -"},
		{"it has content now", []*kinds.Live{mine}, content(v1.KindSecret, "c", "one", v1.Policy{}), "+ -"},
		{"it has a driver now", []*kinds.Live{plain}, driven(nil, ""), "+ -"},
		{"somebody's, the same", []*kinds.Live{theirs("c", path)}, driven(path, ""), " "},
		{"somebody's, with other options", []*kinds.Live{theirs("c", nil)}, driven(path, ""), "~"},
		{"somebody's, with other options, taken over", []*kinds.Live{theirs("c", nil)}, driven(path, v1.AdoptTakeover), "+"},
		{"somebody's with content", []*kinds.Live{live(v1.KindSecret, "c", nil, 0, "")}, driven(path, ""), "~"},
		{"somebody's, and the manifest has content", []*kinds.Live{theirs("c", path)}, content(v1.KindSecret, "c", "one", v1.Policy{}), "~"},
	} {
		var ops []string
		for _, c := range compare(index(test.lives...), source, test.want) {
			ops = append(ops, c.Op.String())
			for _, s := range []*diff.State{c.Have, c.Want} {
				if s != nil && !slices.IsSortedFunc(s.Leaves, func(a, b diff.Leaf) int { return strings.Compare(a.Path, b.Path) }) {
					t.Errorf("%s: the leaves are %v", test.name, s.Leaves)
				}
			}
		}
		slices.Sort(ops)
		if got := strings.Join(ops, " "); got != test.ops {
			t.Errorf("%s: got %q, want %q", test.name, got, test.ops)
		}
	}
	// A manifest that states a driver differs in that or in its options, and not in content.
	templated := theirs("c", nil)
	templated.Raw.(*swarm.Secret).Spec.Driver, templated.Raw.(*swarm.Secret).Spec.Templating = nil, &swarm.Driver{Name: "golang"}
	templates := content(v1.KindSecret, "c", "one", v1.Policy{}).(*v1.Secret)
	templates.Spec.TemplateDriver = "golang"
	for _, test := range []struct {
		live *kinds.Live
		want v1.Object
		says string
	}{
		{theirs("c", map[string]string{"path": "kv/old"}), driven(path, ""), "~ Secret/c [c] spec.driverOpts.path: (hidden) → kv/db"},
		{live(v1.KindSecret, "c", nil, 0, ""), driven(nil, ""), "~ Secret/c [c] spec.driver: (none) → vault"},
		{theirs("c", nil), content(v1.KindSecret, "c", "one", v1.Policy{}), "~ Secret/c [c] spec.data: (hidden) → (hidden) spec.driver: vault → (none)"},
		{templated, templates, "~ Secret/c [c] spec.data: (hidden) → (hidden)"},
	} {
		if d := cmp.Diff([]string{test.says}, brief(compare(index(test.live), source, test.want))); d != "" {
			t.Errorf("changes (-want +got):\n%s", d)
		}
	}
}
