package lag

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// measured returns the meter of a machine that was quiet for a second, four times slower for two, and quiet again for
// one.
func measured() *meter {
	m := &meter{samples: []sample{{at: noon}}}
	for i, slow := range []float64{1, 4, 4, 1} {
		m.add(noon.Add(time.Duration(i+1)*time.Second), slow)
	}
	return m
}

func TestMachineTimePassesSlowerWhileTheMachineIsBusy(t *testing.T) {
	m := measured()
	for _, c := range []struct{ from, to, want time.Duration }{
		{0, time.Second, time.Second},
		{time.Second, 3 * time.Second, 500 * time.Millisecond},
		{500 * time.Millisecond, 1400 * time.Millisecond, 600 * time.Millisecond},
		{0, 4 * time.Second, 2500 * time.Millisecond},
		{4 * time.Second, 6 * time.Second, 2 * time.Second},                 // after all samples
		{-2 * time.Second, time.Second, 3 * time.Second},                    // begins before all samples
		{3 * time.Second, 3 * time.Second, 0},                               // no time at all
		{-3 * time.Second, -2 * time.Second, time.Second},                   // before all samples
		{3500 * time.Millisecond, 5 * time.Second, 1500 * time.Millisecond}, // across the end of the samples
	} {
		if got := m.at(noon.Add(c.to)) - m.at(noon.Add(c.from)); got != c.want {
			t.Errorf("from %s to %s: machine time is %s, want %s", c.from, c.to, got, c.want)
		}
	}
}

// said is a test that keeps its messages.
type said struct {
	testing.TB
	errors, logs []string
}

func (s *said) Helper()           {}
func (s *said) Error(args ...any) { s.errors = append(s.errors, fmt.Sprint(args...)) }
func (s *said) Log(args ...any)   { s.logs = append(s.logs, fmt.Sprint(args...)) }

func TestABoundIsJudgedByMachineTime(t *testing.T) {
	const most = time.Second
	for _, c := range []struct {
		name          string
		wall, machine time.Duration
		alone         bool
		errors, logs  string // what they contain; "" if there must be none
	}{
		{"in time", time.Second, time.Second, false, "", ""},
		{"in time on a busy machine", 5 * time.Second, time.Second, false, "", ""},
		{"too late", 2 * time.Second, 1500 * time.Millisecond, false, "took 2s on a machine that was 1.3 times slower", ""},
		{"too late on a machine that is far too busy", 20 * time.Second, 2 * time.Second, false, Marker, ""},
		{"the same, alone", 20 * time.Second, 2 * time.Second, true, "", NotJudged},
		{"too late, alone", 2 * time.Second, 2 * time.Second, true, "want at most 1s", ""},
	} {
		s := &said{}
		judge(s, "it", Span{c.wall, c.machine}, most, c.alone)
		for what, got := range map[string][2]string{"errors": {strings.Join(s.errors, "|"), c.errors}, "logs": {strings.Join(s.logs, "|"), c.logs}} {
			if (got[1] == "") != (got[0] == "") || !strings.Contains(got[0], got[1]) {
				t.Errorf("%s: %s are %q, want %q in them", c.name, what, got[0], got[1])
			}
		}
	}
}

func TestThreadsThatWaitMakeTheMachineSlow(t *testing.T) {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	was := map[string]usage{"1": {ms(100), ms(50)}, "2": {ms(10), 0}}
	for _, c := range []struct {
		now  map[string]usage
		want float64
	}{
		{map[string]usage{"1": {ms(110), ms(80)}, "2": {ms(10), 0}}, 4},
		{map[string]usage{"1": {ms(110), ms(50)}, "3": {ms(10), ms(20)}}, 2}, // one thread ended, and one is new
		{map[string]usage{"1": {ms(100), ms(50)}}, 1},                        // nothing ran
		{map[string]usage{"1": {ms(100), ms(60)}}, 100},                      // a thread waited and did not run
		{nil, 1},
	} {
		if got := ratio(was, c.now); got != c.want {
			t.Errorf("%v: slowdown is %v, want %v", c.now, got, c.want)
		}
	}
}

func TestAMeasuredPeriodIsNeverLongerThanTheClockSays(t *testing.T) {
	Start()
	began := time.Now()
	for time.Since(began) < 3*every { // until there are samples
		_ = threads()
	}
	s := Since(began)
	if s.Machine <= 0 || s.Machine > s.Wall+time.Millisecond || s.Slowdown() < 1 {
		t.Errorf("of %s the machine time is %s", s.Wall, s.Machine)
	}
}

func TestRunningThreadsAreCountedWithoutThisOne(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]int{
		"cpu  1 2 3\nprocs_running 9\nprocs_blocked 1\n": 8,
		"cpu  1 2 3\nprocs_running 1\n":                  0,
		"cpu  1 2 3\n":                                   0,
		"":                                               0,
	} {
		file := filepath.Join(dir, "stat")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := running(file); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
	if got := running(filepath.Join(dir, "nothing")); got != 0 {
		t.Errorf("without a file: %d", got)
	}
}

func TestTheMeanIsOfTheLastTen(t *testing.T) {
	var r recent
	if r.mean() != 0 {
		t.Errorf("of nothing it is %v", r.mean())
	}
	for i := range 12 {
		r.add(float64(i))
	}
	if got := r.mean(); got != 6.5 {
		t.Errorf("it is %v, want that of 2 to 11", got)
	}
}
