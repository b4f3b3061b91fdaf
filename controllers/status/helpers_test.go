package status

import (
	"testing"
	"time"

	"github.com/go-logr/logr"
)

func newTestBoard(m *Metrics) *Board {
	return NewBoard("s", "enforce", m, logr.Discard(), func() time.Time { return time.Unix(0, 0) })
}

// published publishes the run under way and returns the report.
func published(b *Board) *Report {
	b.Publish()
	return b.Report()
}

// gather sums a metric over its labels.
func gather(t *testing.T, m *Metrics, name string) (sum float64) {
	t.Helper()
	families, err := m.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != prefix+name {
			continue
		}
		for _, one := range f.GetMetric() {
			sum += one.GetGauge().GetValue() + one.GetCounter().GetValue()
		}
		return sum
	}
	t.Fatalf("there is no %s", name)
	return 0
}
