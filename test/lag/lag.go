// Package lag measures how much slower this machine is than a quiet one, while tests run on it. So a bound in time is
// about the product, and not about what else the processors have to do.
//
// The package takes the largest of three measures. The first is how many threads of the machine want each processor
// (/proc/stat, Linux). The second is how long the threads of this process waited for a processor, compared with how
// long they ran (/proc/self/task/*/schedstat, Linux). The third is how much too late a short sleep ends (everywhere).
// A second in which four threads wanted each processor counts as a quarter of a second of *machine time*. Bounds and
// patience are in machine time.
//
// It never makes a machine seem faster than it is. It costs only some reads of /proc and one sleep every 100 ms.
package lag

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	every = 100 * time.Millisecond
	nap   = 5 * time.Millisecond
	// TooMuch is the slowdown above which a missed bound says nothing about the product.
	TooMuch = 6.0
	// Marker appears in the output of a test that must run alone before it is judged. test/run then runs it again.
	Marker = "[busy machine: run this test alone]"
	// NotJudged appears in the output of a test that ran alone on a machine that was too busy even so.
	NotJudged = "[busy machine: not judged]"
	// AloneVariable is set in the environment of a test that runs alone.
	AloneVariable = "TEST_ALONE"
)

// sample says how much machine time had passed at a moment.
type sample struct {
	at      time.Time
	machine time.Duration
}

// meter keeps samples from the time when it is first asked.
type meter struct {
	mu      sync.Mutex
	samples []sample
}

var start = sync.OnceValue(func() *meter {
	m := &meter{samples: []sample{{at: time.Now()}}}
	go m.run(newProbe())
	return m
})

// Start begins to measure. For earlier times, the machine counts as quiet.
func Start() { start() }

func (m *meter) run(p *probe) {
	for {
		time.Sleep(every - nap)
		m.add(time.Now(), p.slowdown())
	}
}

func (m *meter) add(now time.Time, slowdown float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	last := m.samples[len(m.samples)-1]
	m.samples = append(m.samples, sample{now, last.machine + time.Duration(float64(now.Sub(last.at))/slowdown)})
}

// at returns the machine time at a moment. Between two samples it passes evenly, and outside of them as on a quiet
// machine.
func (m *meter) at(t time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := sort.Search(len(m.samples), func(i int) bool { return m.samples[i].at.After(t) })
	if i == 0 {
		return m.samples[0].machine - m.samples[0].at.Sub(t)
	}
	a := m.samples[i-1]
	if i == len(m.samples) {
		return a.machine + t.Sub(a.at)
	}
	b := m.samples[i]
	return a.machine + time.Duration(float64(b.machine-a.machine)*float64(t.Sub(a.at))/float64(b.at.Sub(a.at)))
}

// Span is the length of a period, by the clock and in machine time.
type Span struct{ Wall, Machine time.Duration }

// Between returns the length of a period.
func Between(from, to time.Time) Span {
	m := start()
	return Span{to.Sub(from), m.at(to) - m.at(from)}
}

// Since returns the length of the period until now.
func Since(from time.Time) Span { return Between(from, time.Now()) }

// Slowdown returns how many times slower the machine was than a quiet one. It is at least 1.
func (s Span) Slowdown() float64 {
	if s.Machine <= 0 || s.Wall <= s.Machine {
		return 1
	}
	return float64(s.Wall) / float64(s.Machine)
}

// Busy reports whether the machine was far too busy for a bound to mean anything.
func (s Span) Busy() bool { return s.Slowdown() > TooMuch }

// Within fails the test if the time between two moments is longer than most, in machine time. If the machine was far
// too busy, the test must run alone, which test/run takes care of. If it is alone already, it is not judged.
func Within(t testing.TB, what string, from, to time.Time, most time.Duration) {
	t.Helper()
	judge(t, what, Between(from, to), most, Alone())
}

func judge(t testing.TB, what string, s Span, most time.Duration, alone bool) {
	t.Helper()
	if s.Machine <= most {
		return
	}
	text := fmt.Sprintf("%s took %s on a machine that was %.1f times slower than a quiet one; want at most %s on a quiet one", what, s.Wall, s.Slowdown(), most)
	switch {
	case !s.Busy():
		t.Error(text)
	case alone:
		t.Log(text, NotJudged)
	default:
		t.Error(text, Marker)
	}
}

// Alone reports whether this test process runs one test that failed on a busy machine, with no other test of the
// suite.
func Alone() bool { return os.Getenv(AloneVariable) != "" }

// Explain marks a test that fails while the machine is far too busy, whatever the reason. Call it at the beginning of
// the test.
func Explain(t testing.TB) {
	t.Helper()
	began := time.Now()
	Start()
	t.Cleanup(func() {
		if s := Since(began); t.Failed() && s.Busy() && !Alone() {
			t.Logf("the machine was %.1f times slower than a quiet one during this test %s", s.Slowdown(), Marker)
		}
	})
}

// probe measures how busy the machine is.
type probe struct {
	threads  map[string]usage
	naps     recent // slowdowns of naps
	wanting  recent // threads per processor
	statFile string
}

// recent holds the last measurements of something that jumps.
type recent []float64

func (r *recent) add(x float64) {
	if *r = append(*r, x); len(*r) > 10 {
		*r = slices.Delete(*r, 0, 1)
	}
}

func (r recent) mean() float64 {
	sum := 0.0
	for _, x := range r {
		sum += x
	}
	return sum / float64(max(1, len(r)))
}

type usage struct{ ran, waited time.Duration }

func newProbe() *probe {
	return &probe{threads: threads(), statFile: "/proc/stat"}
}

// slowdown returns the slowdown since its last call.
func (p *probe) slowdown() float64 {
	began := time.Now()
	time.Sleep(nap)
	p.naps.add(float64(time.Since(began)) / float64(nap+time.Millisecond))
	p.wanting.add(float64(running(p.statFile)) / float64(runtime.NumCPU()))
	now := threads()
	waited := ratio(p.threads, now)
	p.threads = now
	return max(1, waited, p.naps.mean(), p.wanting.mean())
}

// running returns how many threads of the machine run or want to, without this one. It returns 0 if the system does
// not tell.
func running(statFile string) int {
	data, err := os.ReadFile(statFile)
	if err != nil {
		return 0
	}
	_, rest, found := strings.Cut(string(data), "\nprocs_running ")
	if !found {
		return 0
	}
	line, _, _ := strings.Cut(rest, "\n")
	n, _ := strconv.Atoi(line)
	return max(0, n-1)
}

// ratio returns how many times longer the threads took than they ran. It returns 1 for a process that hardly ran,
// which shows nothing.
func ratio(was, now map[string]usage) float64 {
	var ran, waited time.Duration
	for id, u := range now {
		ran += max(0, u.ran-was[id].ran)
		waited += max(0, u.waited-was[id].waited)
	}
	if ran+waited < time.Millisecond {
		return 1
	}
	return float64(ran+waited) / float64(max(ran, 100*time.Microsecond))
}

// threads returns how long each thread of this process has run and waited. It returns none if the kernel does not
// tell.
func threads() map[string]usage {
	const dir = "/proc/self/task/"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	out := make(map[string]usage, len(entries))
	for _, e := range entries {
		data, err := os.ReadFile(dir + e.Name() + "/schedstat")
		if err != nil {
			continue // the thread has ended
		}
		var ran, waited int64
		if _, err := fmt.Sscan(string(data), &ran, &waited); err == nil {
			out[e.Name()] = usage{time.Duration(ran), time.Duration(waited)}
		}
	}
	return out
}
