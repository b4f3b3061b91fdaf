// Package turn says which part of the expensive tests has its turn. Not every run can take all of them, so the number
// of commits decides, and a few commits in a row run all of it. make e2e-full runs everything at once.
package turn

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
)

// Turns is how many runs it takes until everything has run on real engines. In most of them it is a sample of the
// scenarios; in the others it is one test that takes minutes. Calls is how many runs it takes until each call was
// disturbed on the sandbox.
const (
	Turns   = Samples + Heavies
	Samples = 24
	Heavies = 8
	Calls   = 4
)

// Variable is the name of an environment variable. If it holds a number, that replaces the number of commits.
const Variable = "E2E_TURN"

// Now returns which part this run takes, from 0 to Turns-1.
func Now() int { return of(Commits()) }

// Sample returns which sample of the scenarios has a turn, from 0 to Samples-1. It returns false if a heavy test has it.
func Sample(now int) (int, bool) { return now - now/4 - 1, now%4 != 0 }

// Heavy returns which heavy test has a turn, from 0 to Heavies-1. It returns false if a sample has it. Every fourth
// turn is a heavy test's.
func Heavy(now int) (int, bool) { return now / 4, now%4 == 0 }

// Commits returns the number of commits, which differs for each commit. Without git or a repository it returns 0,
// because any number will do.
var Commits = sync.OnceValue(func() int {
	if n, err := strconv.Atoi(os.Getenv(Variable)); err == nil {
		return n
	}
	out, err := exec.CommandContext(context.Background(), "git", "rev-list", "--count", "HEAD").Output()
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(out)))
	return n
})

// Full reports whether everything has its turn, as in make e2e-full.
func Full() bool { return os.Getenv("E2E_FULL") != "" }

// Part returns every n-th case. The next commit takes others, and n commits in a row take all. If there are fewer than n
// cases, or Full, it returns all. The one that begins changes from round to round of the turns too, so that whatever
// has a turn of its own meets all cases.
func Part[T any](n int, cases []T) []T {
	if Full() || len(cases) < n {
		return cases
	}
	return part(n, max(0, Commits()), cases)
}

func part[T any](n, commits int, cases []T) []T {
	var out []T
	for i := (commits + commits/Turns) % n; i < len(cases); i += n {
		out = append(out, cases[i])
	}
	return out
}

func of(n int) int { return (n%Turns + Turns) % Turns }
