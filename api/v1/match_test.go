package v1_test

import (
	"strings"
	"testing"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

func TestMatchPattern(t *testing.T) {
	for _, test := range []struct {
		pattern, name string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"a", "", false},
		{"*", "", true},
		{"?", "", false},
		{"**", "", true},
		{"*?", "a", true},
		{"?*?", "a", false},
		{"web-1", "web-1", true},
		{"web-1", "web-10", false},
		{"WEB-1", "web-1", true},
		{"web-1", "Web-1", true},
		{"web.1", "web-1", false},
		{"[ab]", "a", false},
		{`\*`, "*", false},
		{"web-*", "web-", true},
		{"web-*", "web", false},
		{"*-1", "web-1-1", true},
		{"*-1", "web-12", false},
		{"a*b*c", "abbc", true},
		{"a*b*c", "acb", false},
		{"*.example.com", "a.b.EXAMPLE.com", true},
		{"web-?", "web-1", true},
		{"web-?", "web-12", false},
		{"web-??", "web-1", false},
		{"?eb", "äeb", true},
		{"Ä", "ä", false},
		{"*ab?d", "abcabxd", true},
		{"K", "\u212a", false},
	} {
		if got := v1.MatchPattern(test.pattern, test.name); got != test.want {
			t.Errorf("%q, %q: %t", test.pattern, test.name, got)
		}
	}
	// Trying all ways to divide the name between so many stars would not end while anybody waits.
	if v1.MatchPattern(strings.Repeat("*a", 127)+"b", strings.Repeat("a", 255)) {
		t.Error("a name without b matches a pattern that ends in b")
	}
}

// slowly is the definition of a pattern. reach[j] says whether the part of the pattern read so far fits the first j
// characters.
func slowly(pattern, name string) bool {
	n := []rune(name)
	reach := make([]bool, len(n)+1)
	reach[0] = true
	for _, p := range pattern {
		next := make([]bool, len(n)+1)
		for j := range next {
			if p == '*' {
				next[j] = reach[j] || j > 0 && next[j-1]
			} else {
				next[j] = j > 0 && reach[j-1] && (p == '?' || p == n[j-1])
			}
		}
		reach = next
	}
	return reach[len(n)]
}

func FuzzMatchPattern(f *testing.F) {
	f.Add("*a?b*", "xxazbb")
	f.Add("a*a*a*b", "aaaaaaaa")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if len(pattern)*len(name) > 1<<16 {
			return
		}
		upper := func(s string) string { // only ASCII letters, as in DNS
			return strings.Map(func(r rune) rune {
				if 'a' <= r && r <= 'z' {
					r += 'A' - 'a'
				}
				return r
			}, s)
		}
		got := v1.MatchPattern(pattern, name)
		if want := slowly(upper(pattern), upper(name)); got != want {
			t.Errorf("%q, %q: %t, want %t", pattern, name, got, want)
		}
		if !v1.MatchPattern("*"+name+"*", "a"+name+"b") {
			t.Errorf("%q is not part of itself", name)
		}
	})
}

func TestPlatformMatches(t *testing.T) {
	for _, test := range []struct {
		p        v1.Platform
		os, arch string
		want     bool
	}{
		{v1.Platform{}, "linux", "x86_64", true},
		{v1.Platform{}, "", "", true},
		{v1.Platform{OS: "Linux"}, "linux", "x86_64", true},
		{v1.Platform{OS: "windows"}, "linux", "x86_64", false},
		{v1.Platform{OS: "linux"}, "", "", false},
		{v1.Platform{Architecture: "amd64"}, "linux", "x86_64", true},
		{v1.Platform{Architecture: "X86_64"}, "linux", "AMD64", true},
		{v1.Platform{Architecture: "arm64"}, "linux", "aarch64", true},
		{v1.Platform{Architecture: "aarch64"}, "linux", "arm64", true},
		{v1.Platform{Architecture: "arm64"}, "linux", "x86_64", false},
		{v1.Platform{Architecture: "riscv64"}, "linux", "riscv64", true},
		{v1.Platform{OS: "linux", Architecture: "amd64"}, "windows", "x86_64", false},
	} {
		if got := test.p.Matches(test.os, test.arch); got != test.want {
			t.Errorf("%+v, %s/%s: %t", test.p, test.os, test.arch, got)
		}
	}
}

func TestNodeSelectorMatches(t *testing.T) {
	for _, test := range []struct {
		name string
		s    v1.NodeSelector
		want bool
	}{
		{"empty", v1.NodeSelector{}, true},
		{"all", v1.NodeSelector{Hostnames: []string{"web-*"}, EngineLabels: map[string]string{"disk": "ssd"}, Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}, Role: "worker"}, true},
		{"one of two hostnames", v1.NodeSelector{Hostnames: []string{"db-*", "WEB-?"}}, true},
		{"no hostname", v1.NodeSelector{Hostnames: []string{"db-*", "web"}}, false},
		{"two labels", v1.NodeSelector{EngineLabels: map[string]string{"disk": "ssd", "empty": ""}}, true},
		{"another value", v1.NodeSelector{EngineLabels: map[string]string{"disk": "SSD"}}, false},
		{"one label of two", v1.NodeSelector{EngineLabels: map[string]string{"disk": "ssd", "rack": "1"}}, false},
		{"an empty value is no missing label", v1.NodeSelector{EngineLabels: map[string]string{"rack": ""}}, false},
		{"another platform", v1.NodeSelector{Platform: &v1.Platform{Architecture: "arm64"}}, false},
		{"another role", v1.NodeSelector{Role: "manager"}, false},
		{"one of two IDs", v1.NodeSelector{IDs: []string{"id2", "id1"}}, true},
		{"no ID", v1.NodeSelector{IDs: []string{"id", "id10"}, Hostnames: []string{"*"}}, false},
		{"right but for one", v1.NodeSelector{Hostnames: []string{"*"}, EngineLabels: map[string]string{"disk": "ssd"}, Role: "manager"}, false},
	} {
		if got := test.s.Matches("id1", "web-1", map[string]string{"disk": "ssd", "empty": ""}, "linux", "x86_64", "worker"); got != test.want {
			t.Errorf("%s: %t", test.name, got)
		}
	}
}

func TestCandidatesMatch(t *testing.T) {
	yes := map[string]string{"manager": "yes"}
	for _, test := range []struct {
		name string
		c    *v1.Candidates
		want bool
	}{
		{"none", nil, false},
		{"nothing stated", &v1.Candidates{}, false},
		{"its hostname alone", &v1.Candidates{Hostnames: []string{"mgr-9"}}, false},
		{"every hostname", &v1.Candidates{Hostnames: []string{"*"}}, false},
		{"its label", &v1.Candidates{Labels: yes}, true},
		{"another value", &v1.Candidates{Labels: map[string]string{"manager": "no"}}, false},
		{"a label that it has not", &v1.Candidates{Labels: map[string]string{"manager": "yes", "zone": "a"}}, false},
		{"an empty value is no missing label", &v1.Candidates{Labels: map[string]string{"zone": ""}}, false},
		{"its id", &v1.Candidates{IDs: []string{"x", "id9"}}, true},
		{"other ids", &v1.Candidates{IDs: []string{"x", "id"}}, false},
		{"an id that is its hostname", &v1.Candidates{IDs: []string{"mgr-9"}}, false},
		{"its label and its id", &v1.Candidates{Labels: yes, IDs: []string{"id9"}}, true},
		{"its label and other ids", &v1.Candidates{Labels: yes, IDs: []string{"x"}}, false},
		{"its id and another label", &v1.Candidates{Labels: map[string]string{"zone": "a"}, IDs: []string{"id9"}}, false},
		{"its label and its hostname", &v1.Candidates{Labels: yes, Hostnames: []string{"a", "MGR-?"}}, true},
		{"its label and other hostnames", &v1.Candidates{Labels: yes, Hostnames: []string{"a"}}, false},
		{"its id and other hostnames", &v1.Candidates{IDs: []string{"id9"}, Hostnames: []string{"a"}}, false},
	} {
		if got := test.c.Matches("id9", "mgr-9", yes); got != test.want {
			t.Errorf("%s: %t", test.name, got)
		}
	}
}
