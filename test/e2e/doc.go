// Package e2e holds the scenarios that the whole project must pass: black-box tests of the real binary on a real
// swarm.
//
// A scenario is an obligation. It waits for a state that it can see, and never sleeps in the hope that something has
// happened. It reaches its swarm through the interface Swarm. Behind that is the embedded swarm of package sandbox,
// or a swarm of real engines, which package engines starts. If engines may differ from the sandbox in a scenario, the
// table "differs" names it with the reason. If a scenario has no meaning on the sandbox, it is in the table
// "without".
//
//	go test ./test/e2e                                  on the sandbox
//	go test ./test/e2e -swarm=engines                   a few of those that may differ, on dockerd, as root, on Linux; or E2E_SWARM=engines
//	go test ./test/e2e -swarm=engines -full             all of it; or E2E_FULL=1
//	go test ./test/e2e -swarm=engines -managers 3 -workers 2
//	go test ./test/e2e -swarm=engines -run Docker -v -args -watch=10m
//
// make test runs the first two if the machine can. make e2e-full runs everything on both; package engines says what
// that needs. A swarm is used for one scenario after the other: see pool. If a scenario names a new image, add it to
// the list images.
//
// Without -full, scenarios that disturb an apply at each of its calls take a sample of the calls. On the sandbox that
// is every fourth call, each disturbed in one of the ways; on engines it is one decisive call. The sample changes
// with each commit, like the scenarios above (package turn). Of
// scenarios with parts that take long, every second part runs. The lease and polling are then twice as fast as in
// production. With -full every call is disturbed in every way, at production speed.
//
// TestPairsOfRevisions draws its cases from seeds: two new ones with each commit, 60 with -full, or as many as -pairs
// says. A case that fails prints the command that runs it again, with -pair SEED.
//
// Bounds and patience are in machine time (package lag), so that nothing fails because the machine is busy. Periods
// in which nothing may happen are short by default; -idle 2m and -watch 10m set them to what the requirements say.
// After a failure, what explains it is kept below .artifacts: logs, reports, calls, specs and the output of each
// dockerd. The failure says where. If ARTIFACTS is set, its directory is used instead, and gets these files from
// every test. E2E_BINARY is an operator to test instead of the one built from this module.
package e2e
