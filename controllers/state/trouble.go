package state

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// labelTroubles is a label on the config of the lease. It holds what fails repeatedly, by source, so that an instance
// does not try at once what another has tried. It is written when the lease is released, in a write that happens
// anyway.
const labelTroubles = v1.LabelPrefix + "lease-troubles"

// Troubles are what failed for a source. They belong to one revision: a new revision is tried at once.
type Troubles struct {
	Revision string    `json:"revision"`
	Steps    []Trouble `json:"steps"`
}

// Trouble is a step that failed, or something that failed to be written or delivered before the steps.
type Trouble struct {
	// Step is the step as people read it, such as "create Service/web".
	Step string `json:"step"`
	// Tries is how many tries in a row failed, of any instance.
	Tries int `json:"tries"`
	// Why is why the last try failed, without secrets.
	Why string `json:"why"`
}

// String says what failed, how often and why.
func (t Trouble) String() string {
	times := "once"
	if t.Tries > 1 {
		times = v1.Count(t.Tries, "time")
	}
	return fmt.Sprintf("%s failed %s: %s", t.Step, times, t.Why)
}

// Of returns the troubles if they belong to the revision, and nil otherwise.
func (t Troubles) Of(revision string) []Trouble {
	if t.Revision != revision {
		return nil
	}
	return t.Steps
}

// Said says what failed for the revision, for people. Where many steps failed, it names some and counts the others.
func (t Troubles) Said(revision string) []string {
	all := t.Of(revision)
	some := all[:min(len(all), mostWhys)]
	out := make([]string, 0, len(some)+1)
	for _, one := range some {
		out = append(out, one.String())
	}
	if more := len(all) - len(some); more > 0 {
		out = append(out, v1.Count(more, "more step")+" failed")
	}
	return out
}

// These are bounds of what the label holds. People read labels, and a swarm's objects are small. A step that is not in
// the label does not back off, so there are many; why they failed is most often the same.
const (
	mostTroubles = 500
	mostWhys     = 20
	longestWhy   = 300
)

// unnoted stands for why a step failed, if so many do that the reason is not noted.
const unnoted = "see the operator's log; too many steps fail to keep each error"

// Sighted is a trouble, with the time since when this process has known of its last try. Clocks of different machines
// are never compared.
type Sighted struct {
	Trouble
	Since time.Time
}

// troubleOf identifies a trouble of a source.
type troubleOf struct{ source, step string }

// sighting is when a number of tries was first seen.
type sighting struct {
	tries int
	at    time.Time
}

func readTroubles(labels map[string]string) map[string]Troubles {
	var out map[string]Troubles
	if json.Unmarshal([]byte(labels[labelTroubles]), &out) != nil {
		// There are no troubles, or another release writes them in another form. In that case the operator only tries
		// once more what has failed, which does no harm.
		return nil
	}
	return out
}

// writeTroubles puts the noted troubles into the label. What the label holds for other sources stays.
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
	text, _ := json.Marshal(all) // strings and numbers, which cannot fail
	labels[labelTroubles] = string(text)
}

// Note records what failed for a source, for the label that is written when the lease is released. An empty t means
// that nothing failed.
func (l *Lease) Note(source string, t Troubles) {
	t.Steps = slices.Clone(t.Steps)
	slices.SortFunc(t.Steps, func(a, b Trouble) int { return cmp.Or(b.Tries-a.Tries, strings.Compare(a.Step, b.Step)) })
	t.Steps = t.Steps[:min(len(t.Steps), mostTroubles)]
	for i := range t.Steps {
		if t.Steps[i].Why = shortened(v1.Scrub(t.Steps[i].Why)); i >= mostWhys {
			t.Steps[i].Why = unnoted
		}
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

// sight records when each trouble was first seen with its number of tries. It forgets troubles that are gone.
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

// Troubles returns what is known to have failed for a revision of a source.
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

// Troubles returns what is known to have failed for a source.
func (v View) Troubles(source string) Troubles { return v.troubles[source] }

// Paced returns a time at the pace of this process: see LeaseOptions.
func (l *Lease) Paced(d time.Duration) time.Duration { return l.paced(d) }
