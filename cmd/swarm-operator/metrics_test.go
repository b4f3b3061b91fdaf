package main

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/swarm-operator/swarm-operator/controllers/status"
)

// failing is a collector that quotes a secret.
type failing struct{}

func (failing) Describe(chan<- *prometheus.Desc) {}

func (failing) Collect(to chan<- prometheus.Metric) {
	to <- prometheus.NewInvalidMetric(prometheus.NewDesc("failing", "It fails.", nil, nil), errors.New("of hunter2!"))
}

// scrape returns what /metrics answers.
func scrape(t *testing.T, m *status.Metrics) string {
	t.Helper()
	board := status.NewBoard("s", "enforce", m, logr.Discard(), nil)
	_, rest := handlers(board, m, knows(), func(context.Context) status.Status { return status.Status{} })
	answer := httptest.NewRecorder()
	rest.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	return answer.Body.String()
}

func TestLabelsOfMetricsAreForAnybody(t *testing.T) {
	m := status.NewMetrics("v0", func() int { return 0 })
	for _, why := range []string{"hunter2!", "in eco mode", "host", "hunter2! as ever"} {
		m.Refused(why)
	}
	m.Call("GET", "/services", 200, time.Millisecond)
	for range 2 { // the second scrape gets the same labels from the registry
		text := scrape(t, m)
		for _, want := range []string{
			`swarm_operator_http_refused_total{why="(hidden) 1"} 1`, `swarm_operator_http_refused_total{why="(hidden) as ever 2"} 1`, `swarm_operator_http_refused_total{why="in (hidden) 3"} 1`,
			`swarm_operator_http_refused_total{why="host"} 1`, `swarm_operator_api_calls_total{code="200",method="GET",route="/services"} 1`, `swarm_operator_build_info{version="v0"} 1`,
		} {
			if !strings.Contains(text, want+"\n") {
				t.Errorf("%s is not in\n%s", want, text)
			}
		}
		if strings.Contains(text, "hunter2!") || strings.Contains(text, "eco mode") {
			t.Errorf("it shows a secret:\n%s", text)
		}
	}
	m.Registry.MustRegister(failing{})
	if text := scrape(t, m); !strings.Contains(text, "of (hidden)") || strings.Contains(text, "hunter2!") {
		t.Errorf("an error reads %q", text)
	}
}
