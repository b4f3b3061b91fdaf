package manifests_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/manifests"
)

// thing is a kind that the decoder knows nothing about. It has fields of every type that a kind may have. Its
// Validate repeats each value, as a kind should not.
type thing struct {
	v1.Header
	Spec thingSpec `json:"spec"`
}

type thingSpec struct {
	Tiny    int8                `json:"tiny,omitempty"`
	Small   uint16              `json:"small,omitempty"`
	Real    float64             `json:"real,omitempty"`
	Numbers map[string]int      `json:"numbers,omitempty"`
	Inner   map[string]inner    `json:"inner,omitempty"`
	Words   map[string][]string `json:"words,omitempty"`
	Flags   []*bool             `json:"flags,omitempty"`
	Text    map[string]string   `json:"text,omitempty"`
	Word    loud                `json:"word,omitempty"`
	Deep    *deep               `json:"deep,omitempty"`
	Loud    map[string]loud     `json:"loud,omitempty"`
	Ignored string              `json:"-"`
}

type inner struct {
	A string `json:"a"`
	B *inner `json:"b"`
}

type deep struct {
	Deeper *deep  `json:"deeper"`
	Value  string `json:"value"`
}

// loud accepts no value, and its error repeats the text.
type loud string

func (*loud) SetScalar(s v1.Scalar) error {
	return fmt.Errorf("%q, that is %s, is no good", s.Text, s.Text)
}

func (*thing) External() bool    { return false }
func (*thing) Default()          {}
func (*thing) Refs() []v1.Ref    { return nil }
func (t *thing) Copy() v1.Object { c := *t; return &c }

func (t *thing) Validate() []v1.Problem {
	var out []v1.Problem
	for k, v := range t.Spec.Text {
		out = append(out, v1.Problem{Path: v1.PathKey("spec.text", k), Message: fmt.Sprintf("the key %s (%q) has the value %s (%q)", k, k, v, v)})
	}
	if t.Spec.Tiny == 7 {
		panic("the value is c4n4ry")
	}
	return out
}

var thingOptions = manifests.Options{Kinds: []manifests.Kind{{Name: "Thing", New: func() v1.Object { return new(thing) }}}}

func loadThing(spec string) (manifests.Set, []v1.Problem) {
	text := "apiVersion: swarm-operator.io/v1\nkind: Thing\nmetadata: {name: t}\nspec:\n" + indent(spec)
	return manifests.NewLoader(thingOptions).Load(tree("t.yaml", text), ".")
}

func TestValuesOfEveryTypeAreDecoded(t *testing.T) {
	set, problems := loadThing("tiny: -128\nsmall: 65535\nreal: 1.5\nnumbers: {a: 1, b: -2}\ninner: {x: {a: c, b: {a: d}}}\nwords: {k: [a, b]}\nflags: [true, false]")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	got := set.Entries[0].Object.(*thing).Spec
	want := thingSpec{
		Tiny: -128, Small: 65535, Real: 1.5, Numbers: map[string]int{"a": 1, "b": -2}, Inner: map[string]inner{"x": {A: "c", B: &inner{A: "d"}}},
		Words: map[string][]string{"k": {"a", "b"}}, Flags: []*bool{ptr(true), ptr(false)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if line := set.Entries[0].Position("spec.inner.x.b.a").Line; line != 9 {
		t.Errorf("line %d", line)
	}
}

func TestWrongValuesOfEveryTypeAreReported(t *testing.T) {
	_, problems := loadThing(`tiny: 128
small: 65536
real: 1e3
numbers: {a: x, b: 1.5, c: ~}
inner: {x: {c: d}, y: z}
words: {k: a, l: [1]}
flags: [yes, ~]
ignored: x
hidden: {}
deep: {deeper: {deeper: {valu: x}}}
Real: 1
word: x`)
	want := []string{
		"5: spec.tiny: 128 is not between -128 and 127",
		"6: spec.small: 65536 is not between 0 and 65535",
		"7: spec.real: 1e3 is not a number in plain decimals",
		"8: spec.numbers.a: x is not a whole number in plain decimals",
		"8: spec.numbers.b: 1.5 is not a whole number in plain decimals",
		"8: spec.numbers.c: states nothing; leave it out or give it a value",
		"9: spec.inner.x.c: unknown field; known are a, b",
		"9: spec.inner.y: must be a mapping; found a string",
		"10: spec.words.k: must be a list; found a string",
		"10: spec.words.l[0]: 1 is a number; quote it",
		"11: spec.flags[0]: yes is not true or false",
		"11: spec.flags[1]: states nothing; leave it out or give it a value",
		"12: spec.ignored: unknown field",
		"13: spec.hidden: unknown field",
		"14: spec.deep.deeper.deeper.valu: unknown field; did you mean value?",
		"15: spec.Real: unknown field; did you mean real?",
		`16: spec.word: "x", that is x, is no good`,
	}
	if diff := cmp.Diff(want, texts(problems)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, real := range []string{`"1.5"`, "0x1p4", ".5", "yes", "1_0.5", "x"} {
		if _, problems := loadThing("real: " + real); len(problems) != 1 {
			t.Errorf("%s: %v", real, problems)
		}
	}
}

// A kind that repeats every value still shows no secret; where there is no secret, its messages appear.
func TestMessagesOfValidateShowNoSecret(t *testing.T) {
	for spec, want := range map[string]string{
		"text: {plain: x}":                     "5: spec.text.plain: the key plain (\"plain\") has the value x (\"x\")",
		"text: {TOKEN: c4n4ry}":                "5: spec.text.TOKEN: the key TOKEN (\"TOKEN\") has the value (hidden) ((hidden))",
		"text: {TOKEN: \"c4n4ry\\n\\\"\"}":     "5: spec.text.TOKEN: the key TOKEN (\"TOKEN\") has the value (hidden) ((hidden))",
		"text: {url: 'http://u:c4n4ry@h'}":     "5: spec.text.url: holds a value that is not allowed here; it is not shown because it may be a secret",
		"text: {'PASSWORD: c4n4ry': x}":        `5: spec.text["PASSWORD…"]: the key (hidden) ((hidden)) has the value (hidden) ((hidden))`,
		"text: {'PASSWORD=c4n4ry': ''}":        `5: spec.text["PASSWORD…"]: the key (hidden) ((hidden)) has the value  ("")`,
		"text: {'http://u:c4n4ry@h': x}":       `5: spec.text["(hidden)"]: holds a value that is not allowed here; it is not shown because it may be a secret`,
		"word: http://u:c4n4ry@h":              "5: spec.word: holds a value that is not allowed here; it is not shown because it may be a secret",
		"loud: {SECRET: c4n4ry}":               "5: spec.loud.SECRET: holds a value that is not allowed here; it is not shown because it may be a secret",
		"numbers: {SECRET: c4n4ry}":            "5: spec.numbers.SECRET: the value is not a whole number in plain decimals",
		"inner: {SECRET: {a: 5}}":              "5: spec.inner.SECRET.a: the value is a number; quote it",
		"words: {SECRET: [c4n4ry, 5]}":         "5: spec.words.SECRET[1]: the value is a number; quote it",
		"word: " + strings.Repeat("x", 1000):   "5: spec.word: \"" + strings.Repeat("x", 399) + "…",
		"word: " + strings.Repeat("é", 1000):   "5: spec.word: \"" + strings.Repeat("é", 199) + "…",
		"'a: http://u:c4n4ry@h': x":            "5: spec[\"(hidden)\"]: unknown field",
		"'" + strings.Repeat("z", 90) + "': x": "5: spec[\"" + strings.Repeat("z", 80) + "…\"]: unknown field",
	} {
		_, problems := loadThing(spec)
		checkCanary(t, spec, problems)
		if diff := cmp.Diff([]string{want}, texts(problems)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", spec, diff)
		}
	}
}

// A fault in a kind is one problem of one document. The problem does not repeat the fault's text.
func TestFaults(t *testing.T) {
	const thing = "apiVersion: swarm-operator.io/v1\nkind: Thing\nmetadata: {name: %s}\nspec: {tiny: %d, real: x}\n"
	_, problems := manifests.NewLoader(thingOptions).Load(tree("a.yaml", fmt.Sprintf(thing+"---\n"+thing, "a", 7, "b", 8)), ".")
	checkCanary(t, "fault", problems)
	want := []string{
		"1: cannot be read because of a fault in swarm-operator (string); please report it",
		"4: spec.real: x is not a number in plain decimals",
		"9: spec.real: x is not a number in plain decimals",
	}
	if diff := cmp.Diff(want, texts(problems)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMistakesDoNotAffectTheFieldsBesideThem(t *testing.T) {
	// A field that cannot be read must not affect a field whose name begins with the same letters.
	if _, problems := load("a.yaml", service("containerLabels: {a: 1e3, ab: \"\\0\"}")); len(problems) != 2 {
		t.Errorf("%v", problems)
	}
	// A slip in braces must not affect the other entries.
	if _, problems := load("a.yaml", service("containerLabels: {a, b: yes, c: no}")); len(problems) != 3 {
		t.Errorf("%v", problems)
	}
	// Many keys are found as well as few.
	var keys []string
	for i := range 40 {
		keys = append(keys, fmt.Sprintf("k%d: x", i))
	}
	text := strings.Join(keys, ", ")
	_, problems := load("a.yaml", service("containerLabels: {"+text+", k3: z, k39: z}"))
	want := []string{"6: spec.containerLabels.k3: is stated twice: also in line 6", "6: spec.containerLabels.k39: is stated twice: also in line 6"}
	if diff := cmp.Diff(want, texts(problems)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// A port that is not published hides no port that is.
	_, problems = load("a.yaml", service("ports: [{target: 1}, {target: 2, published: 2, mode: host}, {target: 3, published: 3}]"), "b.yaml", strings.ReplaceAll(service("ports: [{target: 1}, {target: 3, published: 3}]"), "web", "wob"))
	if len(problems) != 1 || problems[0].Path != "spec.ports[1].published" {
		t.Errorf("%v", problems)
	}
}

func TestInvalidBytesAreFound(t *testing.T) {
	for text, line := range map[string]int{"# a \uFFFD\n# b\n# \xff\n# d\n": 3, "\xff": 1, "\n\n\n\xc3": 4, "é\n\xe9\n\n": 2} {
		_, problems := load("a.yaml", text)
		if len(problems) != 1 || problems[0].Line != line || problems[0].Message != "holds bytes that are not UTF-8" {
			t.Errorf("%q: %v", text, problems)
		}
	}
	if _, problems := load("a.yaml", fmt.Sprintf(network, "a")+"# \uFFFD\n"); len(problems) > 0 {
		t.Error(problems)
	}
}

// While much of a source cannot be read, nobody can say that references are broken.
func TestReferencesAreNotCalledBrokenWhileMuchIsUnread(t *testing.T) {
	refs := service("networks: [missing]")
	if _, problems := load("a.yaml", refs, "b.yaml", "a: [\n"+strings.Repeat("#\n", 1<<16)); len(problems) != 2 {
		t.Errorf("little is unread: %v", problems)
	}
	if _, problems := load("a.yaml", refs, "b.yaml", "a: [\n"+strings.Repeat("#\n", 1<<18)); len(problems) != 1 {
		t.Errorf("much is unread: %v", problems)
	}
}

// A search for the name that was meant compares with every name, so a Load makes a bounded number of searches.
func TestSuggestionsAreBounded(t *testing.T) {
	var names []string
	for i := range 150 {
		names = append(names, fmt.Sprintf("frnt%d", i))
	}
	_, problems := load("a.yaml", service("networks: ["+strings.Join(names, ", ")+"]"), "b.yaml", fmt.Sprintf(network, "front"))
	guessed := slices.DeleteFunc(slices.Clone(problems), func(p v1.Problem) bool { return !strings.Contains(p.Message, "did you mean front?") })
	if len(problems) != 150 || len(guessed) != 100 {
		t.Errorf("%d problems, %d guesses", len(problems), len(guessed))
	}
}

func TestLongCycle(t *testing.T) {
	var docs []string
	for i := range 30 {
		docs = append(docs, fmt.Sprintf(network+"policy: {dependsOn: [Network/n%02d]}\n", fmt.Sprintf("n%02d", i), (i+1)%30))
	}
	_, problems := load("a.yaml", strings.Join(docs, "---\n"))
	if len(problems) != 1 || strings.Count(problems[0].Message, "→") != 13 || !strings.HasSuffix(problems[0].Message, "→ Network/n11 → … → Network/n00") {
		t.Errorf("%v", problems)
	}
}

func TestContentThatNamesItsManifestBack(t *testing.T) {
	const config = "apiVersion: swarm-operator.io/v1\nkind: Config\nmetadata: {name: %s}\nspec: {file: %s}\n"
	set, problems := load("a.yaml", fmt.Sprintf(config, "a", "b.yaml"), "b.yaml", fmt.Sprintf(config, "b", "c.yaml"), "c.yaml", fmt.Sprintf(config, "c", "b.yaml"))
	if len(problems) > 0 || len(set.Entries) != 2 {
		t.Errorf("%v %v", set.Entries, problems)
	}
	_, problems = load("a.yaml", fmt.Sprintf(config, "a", "a.yaml"))
	if len(problems) != 1 {
		t.Errorf("%v", problems)
	}
}
