package plan

import (
	"slices"
	"strings"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// HoldAll is the target of a hold on everything that any source has.
const HoldAll = "all"

// Hold stops every write to what it names.
type Hold struct {
	// Target is KIND/NAME, the name of a source, or "all".
	Target string `json:"target"`
	// Reason says why, in the words of whoever gave the hold.
	Reason string `json:"reason"`
	// By says who gave the hold.
	By string `json:"by,omitempty"`
	// Since is when the hold began.
	Since time.Time `json:"since,omitzero"`
	// Until is when the hold ends by itself. If it is absent, the hold does not.
	Until time.Time `json:"until,omitzero"`
}

// Over reports whether the hold's time is over.
func (h Hold) Over(now time.Time) bool { return !h.Until.IsZero() && !h.Until.After(now) }

// Covers reports whether the hold stops writes to an object of a source. Case does not matter in the kind and in
// HoldAll, because a person may have written them.
func (h Hold) Covers(source string, k v1.Key, now time.Time) bool {
	if h.Over(now) {
		return false
	}
	kind, name, object := strings.Cut(h.Target, "/")
	if object {
		return strings.EqualFold(kind, k.Kind) && name == k.Name
	}
	return h.Target == source || strings.EqualFold(h.Target, HoldAll)
}

// SameTarget compares targets as Covers reads them.
func SameTarget(a, b string) bool {
	kindA, nameA, objectA := strings.Cut(a, "/")
	kindB, nameB, objectB := strings.Cut(b, "/")
	if objectA && objectB {
		return strings.EqualFold(kindA, kindB) && nameA == nameB
	}
	return a == b || strings.EqualFold(a, HoldAll) && strings.EqualFold(b, HoldAll)
}

// HoldOn returns the first of the holds that covers an object, or nil if none does.
func HoldOn(holds []Hold, source string, k v1.Key, now time.Time) *Hold {
	i := slices.IndexFunc(holds, func(h Hold) bool { return h.Covers(source, k, now) })
	if i < 0 {
		return nil
	}
	return &holds[i]
}

// Text returns the reason, who made the hold and until when it is in force.
func (h Hold) Text() string {
	text := h.Reason
	if h.By != "" {
		text += " (" + h.By + ")"
	}
	if !h.Until.IsZero() {
		text += ", until " + v1.When(h.Until)
	}
	return text
}

// onHold refuses steps on what somebody put on hold.
func onHold(s Step, f Facts, p Policy) []Refusal {
	h := HoldOn(f.Holds, p.Source, s.Key, f.Now)
	if h == nil {
		return nil
	}
	r := s.Refusal(Never, "on hold: %s; to end it: swarm-operator resume %s", h.Text(), h.Target)
	r.Until = h.Until
	return []Refusal{r}
}
