package plan

import (
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Trouble is a step that failed and is not tried again before its time.
type Trouble struct {
	// Tries in a row that failed, of whichever instance.
	Tries int
	// Why the last one failed.
	Why string
	// Until: when it is tried again.
	Until time.Time
}

// Bounds of the time between two tries of what fails: eight tries take two minutes, and after that there is one a minute.
const (
	firstRetry = 500 * time.Millisecond
	lastRetry  = time.Minute
)

// BackOff is how long what has failed so many times in a row is not tried again.
func BackOff(tries int) time.Duration {
	if tries <= 0 {
		return 0
	}
	if tries > 8 { // 64 s and more
		return lastRetry
	}
	return min(firstRetry<<(tries-1), lastRetry)
}

// Name is what a step is called where it failed: what it does, on what.
func (s Step) Name() string {
	name := s.Op.Word() + " " + s.Key.String()
	if s.Instance != s.Key.Name {
		name += " (" + s.Instance + ")"
	}
	return name
}

const guardBackOff = "back-off"

// backsOff leaves a step that failed alone until its time has come, and says what it failed of.
func backsOff(s Step, f Facts, _ Policy) []Refusal {
	t, failed := f.Troubles[s.Name()]
	if !failed || !t.Until.After(f.Now) {
		return nil
	}
	times := "once"
	if t.Tries > 1 {
		times = v1.Count(t.Tries, "time")
	}
	r := s.Refusal(Later, "it failed %s, and is tried again at %s; the error was: %s", times, t.Until.UTC().Format("15:04:05 MST"), t.Why)
	r.Until = t.Until
	return []Refusal{r}
}

// Troubled are the steps that failed and wait for their next try.
func (p Plan) Troubled() []Refusal {
	var out []Refusal
	for _, r := range p.Refused {
		if r.is(ofTrouble) {
			out = append(out, r)
		}
	}
	return out
}
