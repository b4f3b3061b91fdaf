//go:build unix

package digests

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// cpu returns how long this process has kept processors busy.
func cpu(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// A slow digest may cost a cold command at most 20 ms for each secret. This says what it costs a processor, whatever else
// the machine does: as it is made now, and as it was made before.
func BenchmarkSlowDigest(b *testing.B) {
	for _, way := range []string{slowly, slower} {
		b.Run(fmt.Sprintf("passes=%d", passes[way]), func(b *testing.B) {
			began := cpu(b)
			for i := range b.N {
				New(nil).slow(way, "salt", "Secret/a", fmt.Append(nil, i))
			}
			b.ReportMetric(float64(cpu(b)-began)/float64(b.N)/1e6, "cpu-ms/op")
		})
	}
}
