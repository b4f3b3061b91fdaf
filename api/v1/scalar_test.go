package v1_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

const refused = "refused"

// scalars lists what each type reads from a text: how the value prints, or that the type refuses the text.
var scalars = []struct {
	name  string
	read  func(v1.Scalar) (fmt.Stringer, error)
	texts map[string]string // text as written in YAML → as printed
}{
	{"duration", read[v1.Duration], map[string]string{
		"0": "0s", "0s": "0s", "10s": "10s", "1m30s": "1m30s", "90s": "1m30s", "60s": "1m", "1h": "1h", "3600s": "1h", "1h0m30s": "1h0m30s", "500ms": "500ms", "1.5s": "1.5s", "2160h": "2160h", "10us": "10µs",
		"": refused, "10": refused, "-1s": refused, "1d": refused, "s": refused, "1 s": refused, "ten": refused, "null": refused, "1e9s": refused,
	}},
	{"size", read[v1.Bytes], map[string]string{
		"0": "0", "1": "1", "1024": "1KiB", "64MiB": "64MiB", "64Mi": "64MiB", "64M": "64MiB", "64m": "64MiB", "64mb": "64MiB", "512k": "512KiB", "1g": "1GiB", "1.5g": "1536MiB", "1t": "1TiB", "12345": "12345", "1000000": "1000000", "1 GB": "1GiB",
		"": refused, "-1": refused, "1x": refused, "MiB": refused, "1e30": refused, "99999999999999999999g": refused, "9223372036854775807": refused, "i": refused, "null": refused, "1ii": refused,
	}},
	{"swap", read[v1.Swap], map[string]string{"0": "0", "-1": "-1", "512M": "512MiB", "-2": refused, "-1M": refused, "": refused, "null": refused, "unlimited": refused}},
	{"CPUs", read[v1.CPUs], map[string]string{
		"0": "0", "1": "1", "0.5": "0.5", "500m": "0.5", "1.25": "1.25", ".5": "0.5", "1.": "1", "0.000000001": "0.000000001", "1m": "0.001", "0.5m": "0.0005", "64": "64", "00.50": "0.5",
		"": refused, "-1": refused, "1/2": refused, "1e3": refused, "0x10": refused, "0.0000000001": refused, "1,5": refused, "m": refused, ".": refused, "1.2.3": refused, "99999999999999999999": refused, "1000000000000000000000000000": refused, "Inf": refused, "1\x20": refused,
	}},
	{"mode", read[v1.FileMode], map[string]string{
		"0444": "0444", "444": "0444", "0o444": "0444", "0": "0000", "7777": "7777", "1777": "1777", "755": "0755",
		"": refused, "0x1a4": refused, "888": refused, "10000": "10000", "40000000000": refused, "-444": refused, "rw-r--r--": refused, "+444": refused, "4_44": refused, "444.0": refused,
	}},
	{"ratio", read[v1.Ratio], map[string]string{
		"0": "0", "1": "1", "0.25": "0.25", "0.333333333333": "0.33333334", "1e-3": "0.001", ".5": "0.5",
		"": refused, "1.01": refused, "-0.1": refused, "NaN": refused, "Inf": refused, "50%": refused,
	}},
}

type setter[T any] interface {
	*T
	v1.ScalarSetter
}

func read[T fmt.Stringer, P setter[T]](s v1.Scalar) (fmt.Stringer, error) {
	var v T
	err := P(&v).SetScalar(s)
	return v, err
}

func TestScalars(t *testing.T) {
	for _, kind := range scalars {
		for text, want := range kind.texts {
			t.Run(kind.name+" "+text, func(t *testing.T) {
				tag := "!!str"
				if text == "null" {
					tag = "!!null"
				}
				v, err := kind.read(v1.Scalar{Text: text, Tag: tag})
				if err != nil {
					if want != refused {
						t.Fatalf("refused: %v", err)
					}
					if text != "" && !strings.Contains(err.Error(), fmt.Sprintf("%q", text)) {
						t.Errorf("the message does not name it: %v", err)
					}
					return
				}
				if v.String() != want {
					t.Fatalf("got %s, want %s", v, want)
				}
				again, err := kind.read(v1.Scalar{Text: v.String(), Tag: "!!str"})
				if err != nil || again != v {
					t.Errorf("%s reads back as %v, %v", v, again, err)
				}
				if b, err := json.Marshal(v); err != nil || (kind.name != "ratio" && string(b) != `"`+want+`"`) {
					t.Errorf("JSON is %s, %v", b, err)
				}
			})
		}
	}
}

// A printed value reads back equal.
func roundTrips(t *rapid.T) {
	var d v1.Duration
	var b v1.Bytes
	var c v1.CPUs
	var m v1.FileMode
	var r v1.Ratio
	values := []struct {
		print fmt.Stringer
		read  v1.ScalarSetter
		equal func() bool
	}{}
	add := func(p fmt.Stringer, r v1.ScalarSetter, equal func() bool) {
		values = append(values, struct {
			print fmt.Stringer
			read  v1.ScalarSetter
			equal func() bool
		}{p, r, equal})
	}
	wantD := v1.Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, "duration"))
	add(wantD, &d, func() bool { return d == wantD })
	wantB := v1.Bytes(rapid.Int64Range(0, 1<<52).Draw(t, "bytes"))
	add(wantB, &b, func() bool { return b == wantB })
	wantC := v1.CPUs(rapid.Int64Range(0, 1<<52).Draw(t, "CPUs"))
	add(wantC, &c, func() bool { return c == wantC })
	wantM := v1.FileMode(rapid.Uint32Range(0, 0o7777).Draw(t, "mode"))
	add(wantM, &m, func() bool { return m == wantM })
	wantR := v1.Ratio(rapid.Float32Range(0, 1).Draw(t, "ratio"))
	add(wantR, &r, func() bool { return r == wantR })
	for _, v := range values {
		if err := v.read.SetScalar(v1.Scalar{Text: v.print.String(), Tag: "!!str"}); err != nil || !v.equal() {
			t.Fatalf("%T %s does not read back: %v, %v", v.print, v.print, v.read, err)
		}
	}
}

func TestRoundTrips(t *testing.T) { rapid.Check(t, roundTrips) }

func TestCommands(t *testing.T) {
	for text, want := range map[string][]string{
		"nginx -g 'daemon off;'":            {"nginx", "-g", "daemon off;"},
		`sh -c "echo $HOME && ls"`:          {"sh", "-c", "echo $HOME && ls"},
		"":                                  {},
		"   ":                               {},
		`a\ b c`:                            {"a b", "c"},
		`say "it's"`:                        {"say", "it's"},
		`empty ""`:                          {"empty", ""},
		"one\ttwo\nthree":                   {"one", "two", "three"},
		"redis --requirepass #1 --port 1":   {"redis", "--requirepass", "#1", "--port", "1"},
		`echo a#b "#c" # not a comment`:     {"echo", "a#b", "#c", "#", "not", "a", "comment"},
		"ls *.go ~ $(id) `id` {a,b}":        {"ls", "*.go", "~", "$(id)", "`id`", "{a,b}"},
		"ünï cödé":                          {"ünï", "cödé"},
		`back\\slash "in \"quotes\" \\ \n"`: {`back\slash`, `in "quotes" \ n`},
	} {
		var got v1.StringList
		if err := got.SetScalar(v1.Scalar{Text: text, Tag: "!!str"}); err != nil {
			t.Errorf("%q: %v", text, err)
		} else if d := cmp.Diff(want, append([]string{}, got...)); d != "" {
			t.Errorf("%q (-want +got):\n%s", text, d)
		}
	}
	for _, bad := range []v1.Scalar{{Text: `an "open quote`, Tag: "!!str"}, {Text: "it's", Tag: "!!str"}, {Text: `end\`, Tag: "!!str"}, {Text: "a\x00b", Tag: "!!str"}, {Text: "1", Tag: "!!int"}, {Text: "true", Tag: "!!bool"}, {Text: "", Tag: "!!null"}} {
		got := v1.StringList{"before"}
		if err := got.SetScalar(bad); err == nil || cmp.Diff(v1.StringList{"before"}, got) != "" {
			t.Errorf("%q (%s) became %q, %v", bad.Text, bad.Tag, got, err)
		}
	}
}

func TestShortForms(t *testing.T) {
	var n v1.NetworkAttachment
	var c v1.ConfigMount
	var s v1.SecretMount
	var h v1.HealthTest
	for _, set := range []v1.ScalarSetter{&n, &c, &s, &h} {
		if err := set.SetScalar(v1.Scalar{Text: "name", Tag: "!!str"}); err != nil {
			t.Errorf("%T: %v", set, err)
		}
		if err := set.SetScalar(v1.Scalar{Text: "1", Tag: "!!int"}); err == nil {
			t.Errorf("%T takes a number", set)
		}
	}
	if n.Name != "name" || c.Source != "name" || s.Source != "name" || cmp.Diff(v1.HealthTest{"CMD-SHELL", "name"}, h) != "" {
		t.Errorf("got %+v, %+v, %+v, %v", n, c, s, h)
	}
}

func TestOneTextIsAList(t *testing.T) {
	var l v1.Texts
	if err := l.SetScalar(v1.Scalar{Text: "a b", Tag: "!!str"}); err != nil || cmp.Diff(v1.Texts{"a b"}, l) != "" {
		t.Errorf("got %q, %v", l, err)
	}
	if err := l.SetScalar(v1.Scalar{Text: "1", Tag: "!!int"}); err == nil {
		t.Error("a number is taken for a text")
	}
}

func TestLimitsAndKernelParameters(t *testing.T) {
	var u v1.Ulimit
	if err := u.SetScalar(v1.Scalar{Text: "1024", Tag: "!!int"}); err != nil || u != (v1.Ulimit{Soft: 1024, Hard: 1024}) || u.String() != "1024" {
		t.Errorf("got %s, %v", u, err)
	}
	if got := (v1.Ulimit{Soft: 1, Hard: -1}).String(); got != "1:-1" {
		t.Errorf("got %s", got)
	}
	for _, s := range []v1.Scalar{{Text: "many", Tag: "!!str"}, {Text: "1024", Tag: "!!str"}, {Text: "1.5", Tag: "!!float"}} {
		if err := u.SetScalar(s); err == nil || !strings.Contains(err.Error(), "neither a number such as 65536") {
			t.Errorf("%v: %v", s, err)
		}
	}
	var s v1.Sysctls
	if err := s.SetList([]string{"net.core.somaxconn=1024", "a="}); err != nil || cmp.Diff(v1.Sysctls{"net.core.somaxconn": "1024", "a": ""}, s) != "" {
		t.Errorf("got %v, %v", s, err)
	}
	for text, want := range map[string]string{"a": "entry 2 is not of the form NAME=value", "=1": "entry 2 is not of the form NAME=value", "b=2": "b is stated twice"} {
		if err := s.SetList([]string{"b=1", text}); err == nil || err.Error() != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestListsOfVariables(t *testing.T) {
	var e v1.Environment
	if err := e.SetList([]string{"A=1", "B=x=y", "C=", "D"}); err != nil || cmp.Diff(map[string]string{"A": "1", "B": "x=y", "C": "", "D": v1.NoValue}, map[string]string(e)) != "" {
		t.Errorf("got %v, %v", map[string]string(e), err)
	}
	for text, want := range map[string]string{
		"PASSWORD: hunter2":       "entry 2 is neither NAME=value nor a NAME",
		"=x":                      "an entry has no name before =",
		"A=2":                     "A is stated twice",
		"A":                       "A is stated twice",
		"with space and no equal": "entry 2 is neither NAME=value nor a NAME",
	} {
		if err := e.SetList([]string{"A=1", text}); err == nil || err.Error() != want {
			t.Errorf("%q: %v", text, err)
		}
	}
	var h v1.ExtraHosts
	if err := h.SetMap(map[string]string{"db": "10.0.0.1", "api": "10.0.0.2"}); err != nil || cmp.Diff(v1.ExtraHosts{"api:10.0.0.2", "db:10.0.0.1"}, h) != "" {
		t.Errorf("got %v, %v", h, err)
	}
}

func TestSecretsOfTheVocabulary(t *testing.T) {
	const canary = "hunter2-canary"
	s := &v1.Service{Spec: v1.ServiceSpec{Environment: v1.Environment{"DB_PASSWORD": canary, "URL": "redis://:" + canary + "@h", "LOG": "info"}}}
	secret := &v1.Secret{Spec: v1.SecretSpec{Data: v1.NewContent([]byte(canary))}}
	for _, v := range []any{s.Spec.Environment, *s, s, secret, *secret, secret.Spec.Data, &secret.Spec.Data} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) {
				t.Errorf("%s of %T shows %s", verb, v, text)
			}
		}
		if b, err := json.Marshal(v); err != nil || strings.Contains(string(b), canary) {
			t.Errorf("JSON of %T shows %s, %v", v, b, err)
		}
	}
	var data v1.Content
	if err := data.SetScalar(v1.Scalar{Text: canary, Tag: "!!int"}); err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("an error of content shows it: %v", err)
	}
	if err := data.SetScalar(v1.Scalar{Text: canary, Tag: "!!str"}); err != nil || string(data.Reveal()) != canary || data.Len() != len(canary) || data.IsZero() {
		t.Errorf("content reads as %q, %v", data.Reveal(), err)
	}
	if got, want := v1.Scrub("see http://u:"+canary+"@h/x and ftp://h"), "see http://(hidden)@h/x and ftp://h"; got != want {
		t.Errorf("scrubbed: %s", got)
	}
	key, token := "SWMKEY-1-+"+canary+"/x", "SWMTKN-1-"+canary+"-"+canary
	if got, want := v1.Scrub("unlock "+key+"; join "+token+" now"), "unlock SWMKEY-(hidden); join SWMTKN-(hidden) now"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := v1.Scrub("user:" + canary); !strings.Contains(got, canary) {
		t.Errorf("that is no URL: %s", got)
	}
}

func TestDurationsOfTheEngineReadAsStated(t *testing.T) {
	if got := v1.Duration(90 * time.Minute).String(); got != "1h30m" {
		t.Errorf("got %s", got)
	}
}
