// Package e2e holds the scenarios that the whole must pass: black-box tests of the real binary against a real swarm.
//
// A scenario is an obligation: it looks at state and waits for it, and never sleeps in the hope of something. What it
// needs of a swarm is the interface Swarm; behind it is the embedded one of package sandbox, or one of real engines, which
// package engines starts. What means nothing on one of them is named in the table without, with the reason.
//
//	go test ./test/e2e                                  on the sandbox: a minute or two
//	go test ./test/e2e -swarm=engines                   on dockerd, as root, on Linux; or E2E_SWARM=engines
//	go test ./test/e2e -swarm=engines -managers 3 -workers 2
//	go test ./test/e2e -swarm=engines -run Docker -v -args -watch=10m
//
// make test does both where the machine can; package engines says what that takes. Swarms of real engines are used for
// one scenario after the other: see pool. A new image that a scenario names belongs into the list images.
//
// Periods in which nothing may happen are short by default: -idle 2m and -watch 10m make them what the requirements say.
// What explains a failure (logs, reports, calls, specs, what each dockerd said) is kept below .artifacts, or below the
// directory in ARTIFACTS, which then gets it from every test; the failure says where. E2E_BINARY is an operator to test
// instead of the one that is built from this module.
package e2e
