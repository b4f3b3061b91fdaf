package manifests_test

import (
	"testing"
	"time"
)

// spent returns how much processor time f takes, including that of the garbage collector. Unlike the time by the clock,
// it hardly depends on what else the machine does.
func spent(t testing.TB, f func()) time.Duration {
	t.Helper()
	before := processor(t)
	f()
	return processor(t) - before
}
