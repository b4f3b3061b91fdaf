// Package e2e holds the scenarios that the whole must pass: black-box tests of the real binary against a real swarm.
//
// A scenario is an obligation: it looks at state and waits for it, and never sleeps in the hope of something. What it
// needs of a swarm is the interface Swarm. Behind it is the embedded one of package sandbox, or one of real engines, which
// package engines starts. A scenario for which engines may differ from the sandbox says so, with the reason, in the table
// differs; what means nothing on the sandbox is in the table without.
//
//	go test ./test/e2e                                  on the sandbox
//	go test ./test/e2e -swarm=engines                   a sixteenth of what may differ, on dockerd, as root, on Linux; or E2E_SWARM=engines
//	go test ./test/e2e -swarm=engines -full             all of it; or E2E_FULL=1
//	go test ./test/e2e -swarm=engines -managers 3 -workers 2
//	go test ./test/e2e -swarm=engines -run Docker -v -args -watch=10m
//
// make test does the first two where the machine can; make e2e-full does all of it on both; package engines says what that
// takes. Swarms are used for one scenario after the other: see pool. A new image that a scenario names belongs into the
// list images.
//
// Without -full, scenarios that disturb an apply at each of its calls take a sample of the calls: every fourth on the
// sandbox, each in one of the ways, and a decisive one on engines; other ones with each commit, as with the sixteenths above
// (package turn). The lease and polling are then twice as fast as in production. With -full every call is disturbed in every
// way, at the times of production.
//
// TestPairsOfRevisions draws its cases from seeds: two others with each commit, 60 with -full, as many as -pairs says. One
// that fails prints the command that runs it again, with -pair SEED.
//
// Bounds and patience are in machine time (package lag), so that a busy machine fails nothing. Periods in which nothing may
// happen are short by default: -idle 2m and -watch 10m make them what the requirements say. What explains a failure (logs,
// reports, calls, specs, what each dockerd said) is kept below .artifacts, or below the directory in ARTIFACTS, which then
// gets it from every test; the failure says where. E2E_BINARY is an operator to test instead of the one that is built from
// this module.
package e2e
