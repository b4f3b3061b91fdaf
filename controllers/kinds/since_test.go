package kinds

import (
	"testing"
	"time"
)

func TestSince(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(s int) time.Time { return now.Add(time.Duration(s) * time.Second) }
	var since Since
	look := func(s int, values ...string) (out []time.Time) {
		since.Begin()
		for i := 0; i < len(values); i += 2 {
			out = append(out, since.Of(values[i], values[i+1], at(s)))
		}
		return out
	}
	for _, c := range []struct {
		at     int
		values []string
		want   []int
	}{
		{0, []string{"a", "1", "b", "1"}, []int{0, 0}},
		{1, []string{"a", "1", "b", "2"}, []int{0, 1}},
		{2, []string{"a", "1"}, []int{0}}, // b is not asked about
		{3, []string{"b", "2", "a", "1"}, []int{3, 0}},
		{4, []string{"a", "2", "a", "1"}, []int{4, 4}},
		{5, nil, nil},
		{6, []string{"a", "1"}, []int{6}},
	} {
		for i, got := range look(c.at, c.values...) {
			if !got.Equal(at(c.want[i])) {
				t.Errorf("at %d %v: since %v, want %v", c.at, c.values[2*i:2*i+2], got.Sub(now), c.want[i])
			}
		}
	}
	if since.Begin(); len(since.marks) != 1 {
		t.Errorf("%d marks are kept", len(since.marks))
	}
}
