//go:build unix

package manifests_test

import (
	"syscall"
	"testing"
	"time"
)

// processor returns how long this process has kept processors busy.
func processor(t testing.TB) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
