// Package e2e holds the scenarios that the whole must pass: black-box tests of the real binary against a real swarm.
//
// A scenario is an obligation: it looks at state and waits for it, and never sleeps in the hope of something. What it
// needs of a swarm is the interface Swarm; behind it is the embedded one of package sandbox.
//
// Periods in which nothing may happen are short by default: -idle 2m and -watch 10m make them what the requirements say.
// The directory in ARTIFACTS keeps logs, reports, calls and specs of each test; E2E_BINARY is an operator to test
// instead of the one that is built from this module.
package e2e
