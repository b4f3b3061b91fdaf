package kinds

import (
	"maps"
	"time"
)

// Since remembers since when things are as they are, as far as its user has seen it.
type Since struct {
	marks map[string]mark
	round uint64
}

type mark struct {
	value string
	at    time.Time
	round uint64
}

// Begin starts a round. It forgets what nobody asked about in the round before.
func (s *Since) Begin() {
	if s.marks == nil {
		s.marks = map[string]mark{}
	}
	for what, m := range s.marks {
		if m.round != s.round {
			delete(s.marks, what)
		}
	}
	s.round++
}

// Of returns since when a thing has had its value. A thing that is new or changed has had it since now.
func (s *Since) Of(what, value string, now time.Time) time.Time {
	m, known := s.marks[what]
	if !known || m.value != value {
		m = mark{value: value, at: now}
	}
	m.round = s.round
	s.marks[what] = m
	return m.at
}

// Clone returns a copy that does not change with the original.
func (s *Since) Clone() Since { return Since{maps.Clone(s.marks), s.round} }
