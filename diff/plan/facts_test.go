package plan

import (
	"testing"
	"time"
)

func TestWhatIsOverdue(t *testing.T) {
	for name, test := range map[string]struct {
		since time.Time
		spare time.Duration
		want  bool
	}{
		"it has just begun":                     {now, 0, false},
		"it is almost overdue":                  {now.Add(1 - Deadline), 0, false},
		"it is overdue":                         {now.Add(-Deadline), 0, true},
		"its spec allows more":                  {now.Add(-Deadline), time.Second, false},
		"its spec allows more, but not that":    {now.Add(-Deadline - time.Second), time.Second, true},
		"it began weeks ago":                    {now.Add(-500 * time.Hour), 0, true},
		"nobody knows when it began":            {time.Time{}, 0, false},
		"it began by a clock that is ahead":     {now.Add(Deadline - 1), 0, false},
		"it began by a clock that is far ahead": {now.Add(Deadline), 0, true},
	} {
		if got := Overdue(test.since, now, test.spare); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
