package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/swarm-operator/swarm-operator/redact"
)

// scraped gathers metrics as anybody may see them.
type scraped struct {
	prometheus.Gatherer
	known *redact.Known
}

// Gather returns the metrics without the values of labels that nobody may see. An error may quote such a value, too.
func (s scraped) Gather() ([]*dto.MetricFamily, error) {
	all, err := s.Gatherer.Gather()
	for _, family := range all {
		s.family(family)
	}
	if err != nil {
		err = errors.New(safe(s.known, err.Error()))
	}
	return all, err
}

// family hides values of labels. Two metrics of a family must not become the same, because Prometheus would refuse them
// all, so what is hidden gets a number.
func (s scraped) family(f *dto.MetricFamily) {
	numbers := map[string]int{}
	for _, m := range f.GetMetric() {
		for i, l := range m.GetLabel() {
			text := s.known.Field(l.GetName(), l.GetValue(), redact.Anybody)
			if text == l.GetValue() {
				continue
			}
			n, there := numbers[l.GetValue()]
			if !there {
				n = len(numbers) + 1
				numbers[l.GetValue()] = n
			}
			text = fmt.Sprintf("%s %d", text, n)
			m.Label = slices.Clone(m.Label) // the registry keeps the labels
			m.Label[i] = &dto.LabelPair{Name: l.Name, Value: &text}
		}
	}
}
