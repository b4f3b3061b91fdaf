package kinds_test

import (
	"math"
	"testing"
	"time"

	"github.com/swarm-operator/swarm-operator/controllers/kinds"
)

func TestRecordsReadBack(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, r := range []kinds.RotationRecord{{Epoch: 0, At: now}, {Epoch: 1, At: now.Add(-time.Hour)}, {Epoch: math.MaxUint64, At: time.Unix(0, 0)}} {
		got, ok := kinds.ParseRotationRecord(r.String())
		if !ok || got.Epoch != r.Epoch || !got.At.Equal(r.At) {
			t.Errorf("%s reads back as %s, %t", r, got, ok)
		}
	}
	for _, text := range []string{
		"", "epoch=1", "at=2026-01-01T00:00:00Z", "epoch= at=2026-01-01T00:00:00Z", "epoch=-1 at=2026-01-01T00:00:00Z", "epoch=1 at=yesterday", "epoch=1 at=",
		"epoch=1  at=2026-01-01T00:00:00Z", "epoch=1 at=2026-01-01T00:00:00Z x", "at=2026-01-01T00:00:00Z epoch=1", "epoch=18446744073709551616 at=2026-01-01T00:00:00Z", "1 2026-01-01T00:00:00Z",
	} {
		if got, ok := kinds.ParseRotationRecord(text); ok {
			t.Errorf("%q reads as %s", text, got)
		}
	}
}
