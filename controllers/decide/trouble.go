package decide

import (
	"strings"
	"time"
)

// These are the names of what comes before the steps of a plan and can fail as well.
const (
	Remembering = "remember what was found"
	Delivering  = "deliver tokens and keys"
)

// Waits returns how long something that failed must not be tried again. It is 0 if it may be tried now.
func (r *Decision) Waits(what string) time.Duration {
	return max(0, r.Facts.Troubles[what].Until.Sub(r.Facts.Now))
}

// Troubled says what failed and waits for its next try, in the words of the plan. It is "" if nothing does.
func (r *Decision) Troubled() string {
	var out []string
	for _, refused := range r.Plan.Troubled() {
		out = append(out, refused.Key.String()+": "+refused.Why)
	}
	for _, what := range []string{Remembering, Delivering} {
		if r.Waits(what) > 0 {
			out = append(out, "cannot "+what+": "+r.Facts.Troubles[what].Why)
		}
	}
	return strings.Join(out, "; ")
}
