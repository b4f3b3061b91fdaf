package plan

import (
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Trouble is a step that failed and is not tried again before Until.
type Trouble struct {
	// Tries is how many tries in a row failed, by any instance of the operator.
	Tries int
	// Why is why the last try failed.
	Why string
	// Until is when the step is tried again.
	Until time.Time
}

// These bound the time between two tries of a step that fails. The first eight pauses take two minutes together;
// after that there is one try a minute.
const (
	firstRetry = 500 * time.Millisecond
	lastRetry  = time.Minute
)

// BackOff returns how long a step is not tried again after that many tries in a row have failed.
func BackOff(tries int) time.Duration {
	if tries <= 0 {
		return 0
	}
	if tries > 8 { // the shift would give 64 s or more
		return lastRetry
	}
	return min(firstRetry<<(tries-1), lastRetry)
}

// Name returns the name of a step that failed: what it does, and to which object.
func (s Step) Name() string {
	name := s.Op.Word() + " " + s.Key.String()
	if s.Instance != s.Key.Name {
		name += " (" + s.Instance + ")"
	}
	return name
}

const guardBackOff = "back-off"

// backsOff refuses a step that failed until its time has come, and says why it failed.
func backsOff(s Step, f Facts, _ Policy) []Refusal {
	t, failed := f.Troubles[s.Name()]
	if !failed || !t.Until.After(f.Now) {
		return nil
	}
	times := "once"
	if t.Tries > 1 {
		times = v1.Count(t.Tries, "time")
	}
	r := s.Refusal(Later, "the step failed %s; the operator tries it again at %s; the error was: %s", times, t.Until.UTC().Format("15:04:05 MST"), t.Why)
	r.Until = t.Until
	return []Refusal{r}
}

// Troubled returns the refusals of steps that failed and wait for their next try.
func (p Plan) Troubled() []Refusal {
	var out []Refusal
	for _, r := range p.Refused {
		if r.is(ofTrouble) {
			out = append(out, r)
		}
	}
	return out
}
