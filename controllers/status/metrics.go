package status

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/swarm-operator/swarm-operator/diff"
)

// Metrics are the operator's own. Those about a source have its name as the label source, and the others are about the process,
// the engine that it talks to, or the swarm. Every label has few values: no object's name, except managers', and no text of a
// person is one; of revisions two series stand at a time.
type Metrics struct {
	Registry *prometheus.Registry

	// about are the metrics of the source.
	about about

	revision  *prometheus.GaugeVec
	condition *prometheus.GaugeVec
	drift     *prometheus.GaugeVec
	planned   *prometheus.GaugeVec
	refused   *prometheus.GaugeVec
	steps     *prometheus.CounterVec
	repairs   prometheus.Counter
	runs      *prometheus.CounterVec
	duration  prometheus.Histogram
	lastRun   prometheus.Gauge
	objects   *prometheus.GaugeVec
	calls     *prometheus.CounterVec
	callTime  *prometheus.HistogramVec
	leaseHeld prometheus.Gauge
	epoch     prometheus.Gauge
	leases    *prometheus.CounterVec
	holds     prometheus.Gauge
	paused    prometheus.Gauge
	wanted    prometheus.Gauge
	node      nodeMetrics
	revisions map[string]string
}

// NewMetrics registers everything with a registry of its own. queue tells how many keys wait.
func NewMetrics(version string, queue func() int) *Metrics {
	m := &Metrics{
		Registry:  prometheus.NewRegistry(),
		revision:  gauge("revision_info", "Revision by state: attempted (the newest seen) and applied (the one in force). Always 1.", "state", "revision"),
		condition: gauge("condition", "1 where the condition holds.", "type"),
		drift:     gauge("drift_objects", "Objects that differ from git, by kind, operation and whose doing it is: git, hand or both.", "kind", "operation", "by"),
		planned:   gauge("plan_steps", "Steps of the last plan, by kind and operation.", "kind", "operation"),
		refused:   gauge("refusals", "Differences that the last plan leaves alone, by guard and class.", "guard", "class"),
		objects:   gauge("objects", "Objects that the source states, by kind.", "kind"),
		steps:     counter("steps_total", "Steps carried out, by kind, operation and result: ok, stale (somebody else wrote first) or error.", "kind", "operation", "result"),
		runs:      counter("runs_total", "Runs by result: ok, stuck or error.", "result"),
		repairs:   prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + "repairs_total", Help: "Changes by hand that were undone."}),
		duration:  prometheus.NewHistogram(prometheus.HistogramOpts{Name: prefix + "run_duration_seconds", Help: "Time of a run.", Buckets: prometheus.ExponentialBuckets(0.005, 2, 14)}),
		lastRun:   prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + "last_run_timestamp_seconds", Help: "Unix time of the last run without an error."}),
		calls:     counter("api_calls_total", "Calls to the engine, by method, route and status code (0: no answer).", "method", "route", "code"),
		callTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: prefix + "api_call_duration_seconds", Help: "Time of a call to the engine, event streams left out.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 12),
		}, []string{"method", "route"}),
		leaseHeld: single("lease_held", "1 while this instance holds the lease, and so may act."),
		epoch:     single("lease_epoch", "Epoch of the lease that this instance holds or held last."),
		leases:    counter("lease_transitions_total", "What became of the lease of this instance: taken, released or lost.", "to"),
		holds:     single("holds", "Holds in force that concern the source."),
		paused:    single("paused", "1 while nothing is done until a person confirms."),
		wanted:    single("managers_wanted", "Managers that the source wants; 0 if none of its manifests states a count."),
		revisions: map[string]string{},
	}
	m.node = newNodeMetrics(m.Registry)
	m.about.metrics = []prometheus.Collector{
		m.revision, m.condition, m.drift, m.planned, m.refused, m.objects, m.steps, m.runs, m.repairs, m.duration, m.lastRun, m.holds, m.paused, m.wanted,
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + "build_info", Help: "The release. Always 1.", ConstLabels: prometheus.Labels{"version": version}})
	build.Set(1)
	depth := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + "queue_length", Help: "Keys that wait for a run."}, func() float64 { return float64(queue()) })
	m.Registry.MustRegister(build, depth, &m.about, m.calls, m.callTime, m.leaseHeld, m.epoch, m.leases,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

const prefix = "swarm_operator_"

// about gives the metrics of a source its name as the label source. The name may be known only once the source is read; until
// then the label is empty, and afterwards all of them have it, with the values that they had.
type about struct {
	source  atomic.Pointer[string]
	metrics []prometheus.Collector
}

// Describe says nothing, because the label's value may change.
func (a *about) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector. All that one scrape sees has the same name.
func (a *about) Collect(to chan<- prometheus.Metric) {
	labels := prometheus.Labels{"source": ""}
	if name := a.source.Load(); name != nil {
		labels["source"] = *name
	}
	for _, m := range a.metrics {
		prometheus.WrapCollectorWith(labels, m).Collect(to)
	}
}

// Source names the source that the metrics are about.
func (m *Metrics) Source(name string) { m.about.source.Store(&name) }

func gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: prefix + name, Help: help}, labels)
}

func single(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + name, Help: help})
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, labels)
}

// Call counts a call to the engine.
func (m *Metrics) Call(method, route string, code int, took time.Duration) {
	m.calls.WithLabelValues(method, route, strconv.Itoa(code)).Inc()
	if route != "/events" {
		m.callTime.WithLabelValues(method, route).Observe(took.Seconds())
	}
}

// Run counts a run.
func (m *Metrics) Run(result string, took time.Duration, at time.Time) {
	m.runs.WithLabelValues(result).Inc()
	m.duration.Observe(took.Seconds())
	if result == "ok" {
		m.lastRun.Set(float64(at.UnixMilli()) / 1000)
	}
}

// Lease notes that the lease was taken, released or lost.
func (m *Metrics) Lease(to string, epoch uint64) {
	m.leases.WithLabelValues(to).Inc()
	m.epoch.Set(float64(epoch))
	m.leaseHeld.Set(map[bool]float64{true: 1}[to == "taken"])
}

func (m *Metrics) step(kind string, op diff.Op, err error, stale bool) {
	result := "ok"
	switch {
	case stale:
		result = "stale"
	case err != nil:
		result = "error"
	}
	m.steps.WithLabelValues(kind, op.Word(), result).Inc()
}

func (m *Metrics) setRevision(state, revision string) {
	if old := m.revisions[state]; old != revision {
		m.revision.DeleteLabelValues(state, old)
		m.revisions[state] = revision
	}
	if revision != "" {
		m.revision.WithLabelValues(state, revision).Set(1)
	}
}
