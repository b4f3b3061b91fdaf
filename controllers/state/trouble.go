package state

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// labelTroubles holds what fails again and again, by source, on the config of the lease: what one instance has tried no
// other tries at once. It is written when the lease is given back, which is a write that is made anyway.
const labelTroubles = v1.LabelPrefix + "lease-troubles"

// Troubles are what failed of a source. They are about one revision: what a new one asks for is tried at once.
type Troubles struct {
	Revision string    `json:"revision"`
	Steps    []Trouble `json:"steps"`
}

// Trouble is a step that failed, or what has to be written or delivered before steps.
type Trouble struct {
	// Step as people read it, such as "create Service/web".
	Step string `json:"step"`
	// Tries in a row that failed, of whichever instance.
	Tries int `json:"tries"`
	// Why the last one failed, without secrets.
	Why string `json:"why"`
}

func (t Trouble) String() string {
	times := "once"
	if t.Tries > 1 {
		times = v1.Count(t.Tries, "time")
	}
	return fmt.Sprintf("%s failed %s: %s", t.Step, times, t.Why)
}

// Of are the troubles of a revision.
func (t Troubles) Of(revision string) []Trouble {
	if t.Revision != revision {
		return nil
	}
	return t.Steps
}

// Bounds of what the label holds: a label is read by people, and a swarm's objects are small.
const (
	mostTroubles = 20
	longestWhy   = 300
)

// Sighted is a trouble and since when this process has known of its last try: clocks of different machines are never compared.
type Sighted struct {
	Trouble
	Since time.Time
}

// troubleOf names a trouble of a source.
type troubleOf struct{ source, step string }

// sighting is when a number of tries was first seen.
type sighting struct {
	tries int
	at    time.Time
}

func readTroubles(labels map[string]string) map[string]Troubles {
	var out map[string]Troubles
	if json.Unmarshal([]byte(labels[labelTroubles]), &out) != nil {
		return nil // none, or of a release that writes it otherwise: what fails is tried once more, no worse
	}
	return out
}

// writeTroubles changes the label so that it holds what was noted, beside what it holds of other sources.
func writeTroubles(labels map[string]string, noted map[string]Troubles) {
	all := readTroubles(labels)
	if all == nil {
		all = map[string]Troubles{}
	}
	maps.Copy(all, noted)
	maps.DeleteFunc(all, func(_ string, t Troubles) bool { return len(t.Steps) == 0 })
	if len(all) == 0 {
		delete(labels, labelTroubles)
		return
	}
	text, _ := json.Marshal(all) // strings and numbers: nothing that can fail
	labels[labelTroubles] = string(text)
}

// Note says what failed of a source, for the label that is written when the lease is given back. No troubles: nothing failed.
func (l *Lease) Note(source string, t Troubles) {
	t.Steps = slices.Clone(t.Steps)
	slices.SortFunc(t.Steps, func(a, b Trouble) int { return b.Tries - a.Tries })
	t.Steps = t.Steps[:min(len(t.Steps), mostTroubles)]
	for i := range t.Steps {
		t.Steps[i].Why = shortened(v1.Scrub(t.Steps[i].Why))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.noted == nil {
		l.noted = map[string]Troubles{}
	}
	l.noted[source] = t
	l.at.troubles = maps.Clone(l.at.troubles)
	if l.at.troubles == nil {
		l.at.troubles = map[string]Troubles{}
	}
	l.at.troubles[source] = t
	l.sight()
}

func shortened(s string) string {
	if r := []rune(s); len(r) > longestWhy {
		return string(r[:longestWhy]) + "…"
	}
	return s
}

// sight notes when each trouble was first seen with its number of tries, and forgets those that are no more.
func (l *Lease) sight() {
	is := map[troubleOf]sighting{}
	for source, t := range l.at.troubles {
		for _, one := range t.Steps {
			of := troubleOf{source, one.Step}
			s := sighting{one.Tries, l.Now()}
			if was, known := l.sighted[of]; known && was.tries == one.Tries {
				s.at = was.at
			}
			is[of] = s
		}
	}
	l.sighted = is
}

// Troubles are what is known to have failed of a revision of a source.
func (l *Lease) Troubles(source, revision string) []Sighted {
	l.mu.Lock()
	defer l.mu.Unlock()
	steps := l.at.troubles[source].Of(revision)
	out := make([]Sighted, 0, len(steps))
	for _, one := range steps {
		out = append(out, Sighted{one, l.sighted[troubleOf{source, one.Step}].at})
	}
	return out
}

// Troubles are what is known of a source.
func (v View) Troubles(source string) Troubles { return v.troubles[source] }

// Paced is a time at the pace of this process: see LeaseOptions.
func (l *Lease) Paced(d time.Duration) time.Duration { return l.paced(d) }
