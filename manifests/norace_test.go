//go:build !race

package manifests_test

const raceEnabled = false
