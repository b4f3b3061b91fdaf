package turn

import (
	"slices"
	"testing"
)

func TestPartsTakeAllCasesInTurn(t *testing.T) {
	cases := []int{0, 1, 2, 3, 4, 5, 6}
	for n := 1; n <= 4; n++ {
		for _, begin := range []int{0, 1, 33, 639} {
			var all []int
			for commits := begin; commits < begin+n; commits++ {
				all = append(all, part(n, commits, cases)...)
			}
			slices.Sort(all)
			if begin%Turns+n <= Turns && !slices.Equal(all, cases) {
				t.Errorf("%d commits from %d on take %v", n, begin, all)
			}
		}
		met := map[int]bool{} // by something that has its turn once in a round
		for round := range 2 * n {
			for _, c := range part(n, 5+round*Turns, cases) {
				met[c] = true
			}
		}
		if (Turns+1)%n != 0 && len(met) != len(cases) {
			t.Errorf("every %d. case: once in each round of turns only %v are met", n, met)
		}
	}
	t.Setenv("E2E_FULL", "1")
	if got := Part(3, cases); !slices.Equal(got, cases) {
		t.Errorf("in a full run only %v have a turn", got)
	}
	t.Setenv("E2E_FULL", "")
	if got := Part(3, cases[:2]); !slices.Equal(got, cases[:2]) {
		t.Errorf("of two cases every third is %v", got)
	}
}

func TestTurnsFollowEachOther(t *testing.T) {
	seen := map[int]bool{}
	for n := range Turns {
		seen[of(n)] = true
		if of(n) != of(n+Turns) || of(n) != of(n-Turns) {
			t.Errorf("%d and %d, %d are different turns", n, n+Turns, n-Turns)
		}
	}
	if len(seen) != Turns {
		t.Errorf("saw %v, want all of %d", seen, Turns)
	}
}

func TestEachSampleAndEachHeavyTestHasOneTurn(t *testing.T) {
	samples, heavies := map[int]int{}, map[int]int{}
	for now := range Turns {
		sample, light := Sample(now)
		heavy, is := Heavy(now)
		if light == is {
			t.Errorf("turn %d has both or neither", now)
		}
		if light {
			samples[sample]++
		} else {
			heavies[heavy]++
		}
	}
	for n := range Samples {
		if samples[n] != 1 {
			t.Errorf("sample %d has %d turns", n, samples[n])
		}
	}
	for n := range Heavies {
		if heavies[n] != 1 {
			t.Errorf("heavy test %d has %d turns", n, heavies[n])
		}
	}
	if len(samples) != Samples || len(heavies) != Heavies {
		t.Errorf("samples %v, heavy tests %v", samples, heavies)
	}
}
