package digests

import (
	"fmt"
	"testing"
)

// What is asked for stays known, however many others there are. What nobody asks for goes.
func TestRememberedDigestsAreBounded(t *testing.T) {
	d := New(nil)
	asked, other := content{salt: "s", name: "asked"}, content{salt: "s", name: "other"}
	asked.sum, other.sum = [32]byte{1}, [32]byte{2}
	d.made[asked], d.made[other] = "asked", "other"
	fill := func(round int) {
		for i := len(d.made); i < most; i++ {
			d.made[content{name: fmt.Sprint(round, " ", i)}] = "x"
		}
	}
	ask := func() string { return d.remembered(asked, func() string { return "made again" }) }
	for round := range 3 {
		fill(round)
		d.remembered(content{name: fmt.Sprint("new ", round)}, func() string { return "x" })
		if got := ask(); got != "asked" {
			t.Fatalf("round %d: what is asked for was %s", round, got)
		}
		if n := len(d.made) + len(d.before); n > 2*most {
			t.Fatalf("round %d: %d are remembered", round, n)
		}
	}
	if got := d.remembered(other, func() string { return "made again" }); got != "made again" {
		t.Errorf("what nobody has asked for was %s", got)
	}
}
