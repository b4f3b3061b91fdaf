package v1

import "time"

// When returns a time as people read it, in UTC. All code that prints a day and a time uses it.
func When(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }
