package state

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Rewrite is what a revision took back of the one that was in force before it. The revision does not descend from
// that one.
type Rewrite struct {
	// From is the revision that was in force before.
	From string `json:"from"`
	// Commits is how many commits led to From and do not lead to the revision. Zero means that From is no longer in
	// the repository, so that nobody can say.
	Commits int `json:"commits,omitempty"`
	// Subjects are the subjects of the newest of these commits.
	Subjects []string `json:"subjects,omitempty"`
	// Agreed is true if somebody agreed to the hazard rewind.
	Agreed bool `json:"agreed,omitempty"`
}

// MostSubjects is how many subjects of commits are kept.
const MostSubjects = 3

// longestSubject is how many letters of a subject are kept.
const longestSubject = 72

// Subject returns the first line of a commit's message, as much as is kept of it, without secrets.
func Subject(message string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(message), "\n")
	text := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(line, "?")))
	if len(text) > longestSubject {
		text = append(text[:longestSubject], '…')
	}
	return v1.Scrub(strings.TrimSpace(string(text)))
}

// Text says what the revision with that hash took back.
func (r Rewrite) Text(hash string) string {
	text := fmt.Sprintf("the history was rewritten: revision %.10s does not come after %.10s, which was in force before it", hash, r.From)
	if r.Commits == 0 {
		return text + " and is not in the repository any more, so that nobody can say what was taken back"
	}
	quoted := make([]string, 0, len(r.Subjects))
	for _, subject := range r.Subjects {
		quoted = append(quoted, strconv.Quote(subject))
	}
	text += fmt.Sprintf(", and takes %s back: %s", v1.Count(r.Commits, "commit"), strings.Join(quoted, ", "))
	if more := r.Commits - len(r.Subjects); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// Last returns the newest entry of the history, or nil if there is none.
func (m *Memory) Last() *Entry {
	if len(m.History) == 0 {
		return nil
	}
	return &m.History[len(m.History)-1]
}

// Took records what the revision in force took back of the one before it. It does nothing if r is nil.
func (m *Memory) Took(r *Rewrite) {
	if r == nil {
		return
	}
	noted := *r
	m.last(func(e *Entry) { e.Rewrote = &noted })
}

// AgreeToRewrite records that somebody agreed to what the revision in force took back.
func (m *Memory) AgreeToRewrite() {
	if e := m.Last(); e == nil || e.Hash != m.InForce.Hash || e.Rewrote == nil || e.Rewrote.Agreed {
		return
	}
	m.last(func(e *Entry) {
		agreed := *e.Rewrote
		agreed.Agreed = true
		e.Rewrote = &agreed
	})
}

// last changes the newest entry in a copy of the history, because others share the history.
func (m *Memory) last(change func(*Entry)) {
	m.History = append([]Entry(nil), m.History...)
	change(m.Last())
}
