package manifests_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/manifests"
)

// FuzzLoad checks Load with any two files. Load ends soon, does not panic, gives the same result each time, names
// only files that exist, and hides what looks like a secret.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		secretFile, everyday(1), service("networks: [a, {name: b}]\nextraHosts: {a: b}\nenvironment: &e {A: x}\ncontainerLabels: {<<: *e}"),
		"apiVersion: swarm-operator.io/v1\nkind: Config\nmetadata: {name: a}\nspec: {file: b.yaml}\n", "a: [", "---\n--- x\n...\n", "%YAML 1.1\n---\n", "&a [*a]", "&a {<<: *a}", "? [a]\n: b\n",
		"- &a [x]\n- *a\n", "\xef\xbb\xbfa: b", "a: \"\\x00\"", "{a: 1, a: 2, 3: 4, ~: 5, !!str 6: 7}", "\t", "a:\r b:\r\n c", "'", "|+\n\n\n", "<<: {}", "a: !!binary YQ==",
	} {
		f.Add(seed, "b: c")
		f.Add(everyday(2), seed)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		files := tree("a.yaml", a, "dir/b.yaml", b, "x", "content")
		var set manifests.Set
		var problems []v1.Problem
		if took := spent(t, func() { set, problems = manifests.NewLoader(options).Load(files, ".") }); took > 10*time.Second {
			t.Errorf("took %s of a processor", took)
		}
		if len(set.Entries) == 0 && len(problems) == 0 {
			t.Error("neither an object nor a problem: an empty source would remove everything")
		}
		for _, p := range problems {
			if p.File != "" && files[p.File] == nil {
				t.Errorf("names a file that is not there: %s", p)
			}
			if p.Line > 1+strings.Count(a, "\n")+strings.Count(a, "\r")+strings.Count(b, "\n")+strings.Count(b, "\r") && !strings.ContainsAny(a+b, "\u0085\u2028\u2029") {
				t.Errorf("names a line that is not there: %s", p)
			}
			if v1.SecretText(p.String()) {
				t.Errorf("shows a secret: %s", p)
			}
		}
		for _, e := range set.Entries {
			if _, ok := set.Get(e.Key()); !ok || e.Key().Name == "" || e.Line < 1 {
				t.Errorf("an entry that cannot be found: %+v", e)
			}
		}
		if !slices.IsSortedFunc(problems, v1.Problem.Compare) {
			t.Error("problems are not sorted")
		}
		if again, same := manifests.NewLoader(options).Load(files, "."); !reflect.DeepEqual(problems, same) || len(again.Entries) != len(set.Entries) {
			t.Errorf("not the same twice:\n%v\n%v", problems, same)
		}
	})
}
