package v1_test

import (
	"testing"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

const (
	digestA = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	digestB = "@sha256:fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
)

func TestNormalImage(t *testing.T) {
	for image, want := range map[string]string{
		"bb":                               "bb:latest",
		"bb:latest":                        "bb:latest",
		"bb:1":                             "bb:1",
		"library/bb:1":                     "bb:1",
		"docker.io/library/bb:1":           "bb:1",
		"index.docker.io/library/bb":       "bb:latest",
		"docker.io/a/b":                    "a/b:latest",
		"a/b:1.2-rc":                       "a/b:1.2-rc",
		"ghcr.io/a/b":                      "ghcr.io/a/b:latest",
		"localhost:5000/x":                 "localhost:5000/x:latest",
		"registry.example:5000/x/y:2":      "registry.example:5000/x/y:2",
		"bb" + digestA:                     "bb" + digestA,
		"bb:1" + digestA:                   "bb:1" + digestA,
		"docker.io/library/bb:1" + digestA: "bb:1" + digestA,
		"":                                 "",
		"a/Upper":                          "a/Upper",
		"bb:":                              "bb:",
		"a b":                              "a b",
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
	} {
		got := v1.NormalImage(image)
		if got != want {
			t.Errorf("%s: got %s, want %s", image, got, want)
		}
		if again := v1.NormalImage(got); again != got {
			t.Errorf("%s: the normal form of %s is %s", image, got, again)
		}
	}
}

func TestSameImage(t *testing.T) {
	tests := []struct {
		have, want string
		same       bool
	}{
		{"bb:1", "bb:1", true},
		{"docker.io/library/bb:1", "bb:1", true},
		{"bb", "bb:latest", true},
		{"bb:1" + digestA, "bb:1", true},
		{"bb:1" + digestB, "bb:1", true},
		{"bb:1" + digestA, "bb:2", false},
		{"bb:1", "bb:2", false},
		{"bb:1", "cc:1", false},
		{"ghcr.io/bb:1", "bb:1", false},
		{"bb:1", "bb:1" + digestA, false},
		{"bb:1" + digestA, "bb:1" + digestA, true},
		{"bb:1" + digestB, "bb:1" + digestA, false},
		{"bb:2" + digestA, "bb:1" + digestA, true}, // the digest decides
		{"bb" + digestA, "bb:1" + digestA, true},
		{"bb" + digestA, "bb", true},
		{"bb" + digestA, "bb:1", false},
		{"not an image", "not an image", true},
		{"not an image", "bb", false},
		{"bb", "not an image", false},
		{"", "bb", false},
	}
	for _, test := range tests {
		if got := v1.SameImage(test.have, test.want); got != test.same {
			t.Errorf("have %s, want %s: %t", test.have, test.want, got)
		}
	}
}

func TestNormalConstraint(t *testing.T) {
	for text, want := range map[string]string{
		"node.role==manager": "node.role == manager", "  node.role  !=  manager ": "node.role != manager", "node.role == manager": "node.role == manager",
		"a==b!=c": "a == b!=c", "a!=b==c": "a!=b == c", "nonsense": "nonsense", " ": "",
	} {
		if got := v1.NormalConstraint(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	fields := []string{"replicas", "restartPolicy", "stopGracePeriod", "image", "init", "configs", "secrets", "command"}
	for name, want := range map[string]string{
		"replica": "replicas", "relpicas": "replicas", "Replicas": "replicas", "stop_grace_period": "stopGracePeriod", "stop-grace-period": "stopGracePeriod", "imgae": "image", "cofnigs": "configs",
		"restart_policy": "restartPolicy", "int": "init", "x": "", "volumes": "", "": "", "something-else": "", "commands": "command",
	} {
		if got := v1.Nearest(name, fields); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if got := v1.Nearest("ac", []string{"ab", "aa"}); got != "aa" {
		t.Errorf("of two as near the first by name counts, got %s", got)
	}
	if got := v1.Nearest("ac", []string{"aa", "ab"}); got != "aa" {
		t.Errorf("the order of candidates shows: %s", got)
	}
	if got := v1.Nearest("replicas", nil); got != "" {
		t.Errorf("there is nothing to be near to: %s", got)
	}
	if got := v1.DidYouMean("replica", fields) + v1.DidYouMean("replicas", fields) + v1.DidYouMean("xyz", fields); got != "; did you mean replicas?" {
		t.Errorf("got %q", got)
	}
}

func FuzzNearest(f *testing.F) {
	f.Add("replica", "replicas")
	f.Add("", "ä")
	f.Fuzz(func(t *testing.T, name, candidate string) {
		if got := v1.Nearest(name, []string{candidate}); got != "" && got != candidate {
			t.Errorf("%q: %q is no candidate", name, got)
		}
	})
}
