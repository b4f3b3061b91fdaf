package kinds_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/digests"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/diff"
)

// keys are what a process may have to make digests with.
var keys = map[string]digests.Salted{
	"no key":         slowly,
	"a key":          withKey,
	"another key":    {Salt: []byte("a salt"), Digests: digests.New([]byte("another key"))},
	"no key, lost":   {Salt: []byte("another salt"), Digests: digests.New(nil)},
	"a key, lost":    {Salt: []byte("another salt"), Digests: digests.New([]byte("a key"))},
	"no key, no run": {Digests: digests.New(nil)},
}

// known says who can compare a digest of whom.
func known(maker, reader string) bool {
	key := func(who string) string { return strings.TrimSuffix(who, ", lost") }
	return strings.HasPrefix(maker, "no key") || key(reader) == key(maker)
}

// runs returns a service that runs with a secret, and may have run with others before.
func runs(now *kinds.Live, before ...*kinds.Live) *kinds.Live {
	spec := func(l *kinds.Live) *swarm.ServiceSpec {
		return &swarm.ServiceSpec{Annotations: swarm.Annotations{Name: "web", Labels: map[string]string{v1.LabelOwner: "src/Service/web"}}, TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{
			Image: "bb:1", Secrets: []*swarm.SecretReference{{SecretID: l.ID, SecretName: l.Name, File: &swarm.SecretReferenceFileTarget{Name: "c", UID: "0", GID: "0", Mode: 0o444}}},
		}}}
	}
	s := &swarm.Service{ID: "id-web", Spec: *spec(now)}
	for _, l := range before {
		s.PreviousSpec = spec(l)
	}
	return &kinds.Live{Kind: v1.KindService, ID: s.ID, Name: "web", Version: 1, Labels: s.Spec.Labels, Created: noon, Raw: s}
}

func uses(secret string) *v1.Service {
	s := service("web")
	s.Spec.Secrets = []v1.SecretMount{{Source: secret}}
	return s
}

// A process that has another key than the one that made a secret, or none, rolls no service and makes no secret again
// whose content is the same. It makes a new version exactly if it can tell that the content has changed.
func TestAnotherKeyRollsNothing(t *testing.T) {
	for maker, made := range keys {
		if made.Salt == nil {
			continue
		}
		for reader, contents := range keys {
			for _, want := range []string{"one", "two"} {
				t.Run(fmt.Sprintf("made with %s, read with %s, wanted %s", maker, reader, want), func(t *testing.T) {
					have := versionBy(made, secretKey("c"), 0, "one")
					src := kinds.Source{Name: "src", Contents: contents}
					ix := index(have, runs(have))
					changes := compare(ix, src, content("Secret", "c", want, v1.Policy{}), uses("c"))
					isNew := want == "two" && known(maker, reader)
					var wrote []string
					for _, c := range changes {
						if c.Op == diff.Create || c.Key.Kind == v1.KindService && len(c.Fields) > 0 && slices.ContainsFunc(c.Fields, func(f diff.Field) bool { return f.Path == "spec.secrets[c].source" }) {
							wrote = append(wrote, c.Key.String())
						}
					}
					if isNew != slices.Contains(wrote, "Secret/c") || isNew != slices.Contains(wrote, "Service/web") {
						t.Errorf("changed %v: %v", wrote, brief(changes))
					}
					unknown := expand(ix, src, content("Secret", "c", want, v1.Policy{}), uses("c")).Unknown
					if (len(unknown) == 0) != known(maker, reader) {
						t.Errorf("cannot be compared: %v", unknown)
					}
				})
			}
		}
	}
}

// If not all versions can be compared, the one that a service runs with stays, whatever is newer, and whatever a rollback
// would bring back.
func TestWhatRunsStays(t *testing.T) {
	const mine, other = "a key", "another key"
	v := func(key string, minutes int, content string) *kinds.Live {
		return versionBy(keys[key], secretKey("c"), minutes, content)
	}
	copied := func(l *kinds.Live) *kinds.Live {
		l.ID, l.Name = "id-copied", "c-0123456789"
		return l
	}
	first, second := v(other, 0, "one"), v(other, 1, "two")
	for _, c := range []struct {
		name  string
		lives []*kinds.Live
		runs  *kinds.Live
		was   []*kinds.Live
		made  []*kinds.Live // on record; nil means that nothing is
		want  string
		takes string // the version; "" means a new one
	}{
		{name: "nothing runs: the newest", lives: []*kinds.Live{first, second}, want: "one", takes: second.Name},
		{name: "the newest", lives: []*kinds.Live{first, second}, runs: second, want: "one", takes: second.Name},
		{name: "the older one, after a change was taken back", lives: []*kinds.Live{first, second}, runs: first, was: []*kinds.Live{second}, want: "one", takes: first.Name},
		{name: "the newest, which a rollback would take back", lives: []*kinds.Live{first, second}, runs: second, was: []*kinds.Live{first}, want: "two", takes: second.Name},
		{name: "the older one, beside a newer one that is known and differs", lives: []*kinds.Live{first, v(mine, 1, "two")}, runs: first, want: "one", takes: first.Name},
		{name: "one that is known and differs, beside a newer one that is not", lives: []*kinds.Live{v(mine, 0, "one"), second}, runs: v(mine, 0, "one"), want: "three"},
		{name: "one that is known to be what is wanted, beside a newer one", lives: []*kinds.Live{v(mine, 0, "one"), second}, runs: second, want: "one", takes: v(mine, 0, "one").Name},
		{name: "not a copy, however new", lives: []*kinds.Live{first, copied(v("a key", 5, "evil"))}, made: []*kinds.Live{first}, want: "one", takes: first.Name},
		{name: "not a copy that cannot be compared", lives: []*kinds.Live{v(mine, 0, "one"), copied(v(other, 5, "evil"))}, made: []*kinds.Live{v(mine, 0, "one")}, want: "two"},
		{name: "not a copy with the label of the real one", lives: []*kinds.Live{v(mine, 0, "one"), copied(v(mine, 5, "one"))}, made: []*kinds.Live{v(mine, 0, "one")}, want: "one", takes: v(mine, 0, "one").Name},
	} {
		t.Run(c.name, func(t *testing.T) {
			lives := slices.Clone(c.lives)
			if c.runs != nil {
				lives = append(lives, runs(c.runs, c.was...))
			}
			src := kinds.Source{Name: "src", Contents: keys[mine]}
			for _, l := range c.made {
				src.Nonce, src.Made = "n", map[string]v1.Key{l.ID: secretKey("c")}
			}
			memo, ix := &kinds.Memo{}, index(lives...)
			entries := []kinds.Entry{{Object: content("Secret", "c", c.want, v1.Policy{})}}
			want := c.takes
			if want == "" {
				want = v(mine, 0, c.want).Name
			}
			for round := range 2 {
				if got := kinds.Expand(all.Kinds(), entries, ix, src, memo).States[0].Instance; got != want {
					t.Errorf("round %d: takes %s, want %s", round, got, want)
				}
			}
		})
	}
}

// What runs may change without any version of it.
func TestWhatRunsCountsAnew(t *testing.T) {
	other := keys["another key"]
	first, second := versionBy(other, secretKey("c"), 0, "one"), versionBy(other, secretKey("c"), 1, "two")
	src, memo, ix := source, &kinds.Memo{}, index(first, second, runs(first))
	entries := []kinds.Entry{{Object: content("Secret", "c", "one", v1.Policy{})}}
	takes := func() string { return kinds.Expand(all.Kinds(), entries, ix, src, memo).States[0].Instance }
	got := []string{takes()}
	ix.Put(runs(second))
	got = append(got, takes())
	if d := cmp.Diff([]string{first.Name, second.Name}, got); d != "" {
		t.Errorf("takes (-want +got):\n%s", d)
	}
}
