//go:build race

package manifests_test

// raceEnabled makes exhaustive tests take samples, because the race detector makes them ten times slower.
const raceEnabled = true
