package v1_test

import (
	"testing"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

func TestCountHasTheNounInItsNumber(t *testing.T) {
	for n, want := range map[int]string{0: "0 problems", 1: "1 problem", 2: "2 problems", 1000: "1000 problems"} {
		if got := v1.Count(n, "problem"); got != want {
			t.Errorf("%d is counted as %q, want %q", n, got, want)
		}
	}
}
