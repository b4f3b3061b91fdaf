package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// report is the part of GET /api/v1/drift that the demo reads, declared here as a user's program would do it.
type report struct {
	Revision   string
	Applied    string `json:"inForce"`
	Conditions []struct {
		Type, Message string
		Status        bool
	}
	Problems []struct {
		File, Object, Path, Message string
		Line                        int
	}
	Drift []drift
}

type drift struct {
	Object, Operation, By, Done, Why string
	Since                            time.Time
	DoneAt                           *time.Time
	Open                             bool
	Fields                           []struct{ Path, Have, Want, By string }
}

func (r report) is(condition string) bool {
	for _, c := range r.Conditions {
		if c.Type == condition {
			return c.Status
		}
	}
	return false
}

func (r report) message(condition string) string {
	for _, c := range r.Conditions {
		if c.Type == condition {
			return c.Message
		}
	}
	return ""
}

// find returns the newest entry for an object for which ok is true. Open entries come first.
func (r report) find(object string, ok func(drift) bool) (drift, bool) {
	i := slices.IndexFunc(r.Drift, func(d drift) bool { return d.Object == object && ok(d) })
	if i < 0 {
		return drift{}, false
	}
	return r.Drift[i], true
}

func (r report) String() string {
	parts := []string{fmt.Sprintf("revision %.10s, in force %.10s", r.Revision, r.Applied)}
	for _, c := range r.Conditions {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("%s=%t %s", c.Type, c.Status, c.Message)))
	}
	for _, d := range r.Drift {
		if d.Open {
			d.Fields = nil // every field of an object to create differs
			parts = append(parts, d.String())
		}
	}
	return strings.Join(parts, "; ")
}

// String returns a line for people: what differs, who caused it, and what became of it.
func (d drift) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", d.Operation, d.Object)
	for _, f := range d.Fields {
		fmt.Fprintf(&b, ", %s: have %s, want %s (by %s)", f.Path, orNone(f.Have), orNone(f.Want), f.By)
	}
	if d.Done != "" {
		fmt.Fprintf(&b, ": %s", d.Done)
		if d.Why != "" {
			fmt.Fprintf(&b, ", %s", d.Why)
		}
	}
	return b.String()
}

func orNone(v string) string {
	if v == "" {
		return "nothing"
	}
	return v
}
