package status

import (
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/swarm-operator/swarm-operator/diff"
)

// Metrics are the operator's own. A metric about a source has the source's name as the label source. The others are
// about the process, its engine or the swarm. Every label has few values: never a text that a person wrote, and no
// object's name except a manager's hostname. Only two revisions are shown at a time.
type Metrics struct {
	Registry *prometheus.Registry

	// report is the report that the board published last.
	report atomic.Pointer[Report]
	// about holds the metrics of the source.
	about about

	steps     *prometheus.CounterVec
	repairs   prometheus.Counter
	runs      *prometheus.CounterVec
	duration  prometheus.Histogram
	lastRun   prometheus.Gauge
	calls     calls
	refused   *prometheus.CounterVec
	leaseHeld prometheus.Gauge
	epoch     prometheus.Gauge
	leases    *prometheus.CounterVec
	wanted    prometheus.Gauge
	node      nodeMetrics
}

// calls are the metrics about calls to the engine.
type calls struct {
	total *prometheus.CounterVec
	time  *prometheus.HistogramVec
}

// NewMetrics registers every metric in a registry of its own. queue returns how many keys are waiting.
func NewMetrics(version string, queue func() int) *Metrics {
	m := &Metrics{
		Registry: prometheus.NewRegistry(),
		steps:    counter("steps_total", "Steps carried out, by kind, operation and result: ok, stale (somebody else wrote first) or error.", "kind", "operation", "result"),
		runs:     counter("runs_total", "Runs by result: ok or error.", "result"),
		repairs:  prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + "repairs_total", Help: "Changes by hand that were undone."}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{Name: prefix + "run_duration_seconds", Help: "Time of a run.", Buckets: prometheus.ExponentialBuckets(0.005, 2, 14)}),
		lastRun:  prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + "last_run_timestamp_seconds", Help: "Unix time of the last run without an error."}),
		calls: calls{
			total: counter("api_calls_total", "Calls to the engine, by method, route and status code (0: no answer).", "method", "route", "code"),
			time: prometheus.NewHistogramVec(prometheus.HistogramOpts{
				Name: prefix + "api_call_duration_seconds", Help: "Time of a call to the engine, event streams left out.",
				Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 12),
			}, []string{"method", "route"}),
		},
		refused:   counter("http_refused_total", "What got no answer from this operator, by reason: clear (a request without TLS that needs it), host (a request for a name that is not its own), token (none, or a wrong one), busy (too many requests at once) or crowd (a connection that was closed to make room).", "why"),
		leaseHeld: single("lease_held", "1 while this instance holds the lease, and so may act."),
		epoch:     single("lease_epoch", "Epoch of the lease that this instance holds or held last."),
		leases:    counter("lease_transitions_total", "What became of the lease of this instance: taken, released or lost.", "to"),
		wanted:    single("managers_wanted", "Managers that the source wants; 0 if none of its manifests states a count."),
	}
	m.node = newNodeMetrics(m.Registry)
	m.about = about{&m.report, []prometheus.Collector{m.steps, m.runs, m.repairs, m.duration, m.lastRun, m.wanted}}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + "build_info", Help: "The release. Always 1.", ConstLabels: prometheus.Labels{"version": version}})
	build.Set(1)
	depth := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + "queue_length", Help: "Keys that wait for a run."}, func() float64 { return float64(queue()) })
	m.Registry.MustRegister(build, depth, &m.about, m.calls.total, m.calls.time, m.refused, m.leaseHeld, m.epoch, m.leases,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

const prefix = "swarm_operator_"

// about collects the metrics of a source, with its name as the label source. Until the source has been read its name
// may be unknown, and the label is empty. Afterwards every metric has the name, and keeps its value.
type about struct {
	report *atomic.Pointer[Report]
	counts []prometheus.Collector
}

// Describe describes nothing, because the label's value may change.
func (a *about) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector. Everything that one scrape sees comes from one report.
func (a *about) Collect(to chan<- prometheus.Metric) {
	r, labels := a.report.Load(), prometheus.Labels{"source": ""}
	all := a.counts
	if r != nil {
		labels["source"] = r.Source
		all = append(slices.Clip(all), reported{r})
	}
	for _, c := range all {
		prometheus.WrapCollectorWith(labels, c).Collect(to)
	}
}

func gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: prefix + name, Help: help}, labels)
}

func single(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + name, Help: help})
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, labels)
}

// Call counts a call to the engine. The time of an event stream does not count: it lasts as long as the connection.
func (m *Metrics) Call(method, route string, code int, took time.Duration) {
	m.calls.total.WithLabelValues(method, route, strconv.Itoa(code)).Inc()
	if route != "/events" {
		m.calls.time.WithLabelValues(method, route).Observe(took.Seconds())
	}
}

// Refused counts a request or a connection that this operator did not answer.
func (m *Metrics) Refused(why string) { m.refused.WithLabelValues(why).Inc() }

// Run counts a run. at is when it ended.
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
