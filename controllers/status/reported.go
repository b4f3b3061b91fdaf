package status

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Gauges that are computed from a report.
var (
	descRevisionInfo = described("revision_info", "Revision by state: attempted (the newest seen) and applied (the one in force). Always 1.", "state", "revision")
	descCondition    = described("condition", "1 where the condition holds.", "type")
	descDriftObjects = described("drift_objects", "Objects that differ from git, by kind, operation and whose doing it is: git, hand or both.", "kind", "operation", "by")
	descPlanSteps    = described("plan_steps", "Steps of the last plan, by kind and operation.", "kind", "operation")
	descRefusals     = described("refusals", "Differences that the last plan leaves alone, by guard and class.", "guard", "class")
	descObjects      = described("objects", "Objects that the source states, by kind.", "kind")
	descHolds        = described("holds", "Holds in force that concern the source.")
	descPaused       = described("paused", "1 while nothing is done until a person confirms.")
)

func described(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prefix+name, help, labels, nil)
}

// reported collects the metrics that come from one report.
type reported struct{ *Report }

// Describe implements prometheus.Collector.
func (reported) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (r reported) Collect(to chan<- prometheus.Metric) {
	is := func(of *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(of, prometheus.GaugeValue, value, labels...)
	}
	truth := map[bool]float64{true: 1}
	for state, revision := range map[string]string{"attempted": r.Revision, "applied": r.Applied} {
		if revision != "" {
			is(descRevisionInfo, 1, state, revision)
		}
	}
	for _, c := range r.Conditions {
		is(descCondition, truth[c.Status], c.Type)
	}
	drift, refused := map[[3]string]int{}, map[[2]string]int{}
	for _, d := range r.Drift {
		if d.Open {
			drift[[3]string{d.Object.Kind, d.Operation, d.By}]++
		}
	}
	for of, n := range drift {
		is(descDriftObjects, float64(n), of[:]...)
	}
	for _, f := range r.Refused {
		refused[[2]string{f.Guard, f.Class}]++
	}
	for of, n := range refused {
		is(descRefusals, float64(n), of[:]...)
	}
	for of, n := range r.planned {
		is(descPlanSteps, float64(n), of.kind, of.op.Word())
	}
	for kind, n := range r.objects {
		is(descObjects, float64(n), kind)
	}
	is(descHolds, float64(len(r.Holds)))
	is(descPaused, truth[r.Paused != ""])
}
