// Package turn says which part of what is too much for every run of the tests has its turn: the number of commits tells, so
// that some commits one after the other run all of it. make e2e-full runs all of it at once.
package turn

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
)

// Turns is how many runs it takes until everything has run on real engines; Calls how many until each call was disturbed on
// the sandbox.
const (
	Turns = 8
	Calls = 4
)

// Variable is the name of an environment variable with a number that takes the place of that of commits.
const Variable = "E2E_TURN"

// Now is which part this run takes: from 0 to Turns-1.
func Now() int { return of(Commits()) }

// Commits is how many there are, and so a number that each commit has for itself; 0 without git or a repository, where one
// is as good as another.
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

func of(n int) int { return (n%Turns + Turns) % Turns }
