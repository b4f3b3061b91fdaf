package audit

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/files"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Options say where the record is kept.
type Options struct {
	// Path is a file that lines are added to: see files.Lines. It may be rotated by renaming it.
	Path string
	// Out is where the lines go if it is not nil. Path is not used then.
	Out io.Writer
	// Instance names the process.
	Instance string
	Now      func() time.Time
	// Failed is called with each line that could not be written, so that it is not lost, and with the reason. line is
	// "" if the line was written nevertheless, to a file that was moved. Mended is called with the first line after
	// that with which nothing is wrong. Both may be nil.
	Failed func(line string, err error)
	Mended func()
}

// Log is the record. Several goroutines may use it. A nil Log keeps none.
//
// If the record cannot be written, the operator goes on: what keeps a swarm alive must not depend on a disk for logs.
// Whoever needs more looks at what Failed is told.
type Log struct {
	Options
	mu   sync.Mutex
	file *files.Lines
	// missing is how many lines could not be written since the last one. failing is true if Failed was told something,
	// and Mended was not called since.
	missing int
	failing bool
	// standing are the holds and refusals that are on record and have not ended. given are the consents on record.
	standing map[string]Line
	given    map[string]bool
}

// Open opens the record. It fails if the file cannot be opened.
func Open(o Options) (*Log, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Failed == nil {
		o.Failed = func(string, error) {}
	}
	if o.Mended == nil {
		o.Mended = func() {}
	}
	l := &Log{Options: o, standing: map[string]Line{}, given: map[string]bool{}}
	if o.Out != nil {
		return l, nil
	}
	var err error
	l.file, err = files.OpenLines(o.Path)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// Close closes the record.
func (l *Log) Close() error {
	if l == nil || l.file == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}

func (l *Log) add(line Line) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.write(line)
}

// write adds a line. The caller holds mu.
func (l *Log) write(line Line) {
	text := l.encoded(line)
	written, err := true, error(nil)
	if l.missing > 0 {
		written, err = l.put(l.encoded(Line{Event: Gap, Result: Failed, Missing: l.missing}))
	}
	if written {
		l.missing = 0
		written, err = l.put(text)
	}
	if !written {
		l.missing++
	} else {
		text = ""
	}
	switch {
	case err != nil:
		l.failing = true
		l.Failed(text, err)
	case l.failing:
		l.failing = false
		l.Mended()
	}
}

// put writes one line, and reports whether it was written. An error with a line that was written is about the next.
func (l *Log) put(text string) (written bool, err error) {
	if l.Out == nil {
		return l.file.Add([]byte(text + "\n"))
	}
	_, err = l.Out.Write([]byte(text + "\n"))
	return err == nil, err
}

func (l *Log) encoded(line Line) string {
	line.Time, line.Instance = l.Now().UTC(), l.Instance
	data, _ := json.Marshal(line) // it has only texts, numbers and times
	return string(data)
}

// Goes puts on record what a run goes by: consents when they are first used for a revision, and holds and refusals
// when they begin and when they end. What only waits for something that ends by itself is no refusal.
func Goes(ctx context.Context, r Run, holds []plan.Hold, refused []plan.Refusal) {
	l := of(ctx)
	if l == nil {
		return
	}
	l.consents(r)
	now := map[string]Line{}
	for _, h := range holds {
		line := held(h)
		line.Cause = Cause{Source: r.Source}
		now["hold "+h.Target+"\x00"+h.By+"\x00"+h.Since.String()+"\x00"+h.Reason] = line
	}
	for _, f := range refused {
		if f.Class == plan.Later || f.Quiet {
			continue
		}
		now[strings.Join([]string{"refusal", f.Op.Word(), f.Key.String(), f.Instance, f.Guard, string(f.Hazard)}, "\x00")] = Line{
			Event: Refusal, Cause: r.cause(), Object: f.Key.String(), Operation: f.Op.Word(),
			Why: Why{Guard: f.Guard, Class: f.Class.String(), Hazard: string(f.Hazard), Until: f.Until},
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(l.standing)) {
		if line := l.standing[key]; !has(now, key) {
			line.Result = Ended
			l.write(line)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(now)) {
		if line := now[key]; !has(l.standing, key) {
			line.Result = Began
			l.write(line)
		}
	}
	l.standing = now
}

func has(m map[string]Line, key string) bool {
	_, is := m[key]
	return is
}

// held returns a line about a hold.
func held(h plan.Hold) Line {
	return Line{Event: Hold, Object: h.Target, Why: Why{By: name(h.By), Reason: v1.Scrub(h.Reason), Until: h.Until}}
}

// consents puts the consents of a run on record that are not on record for its revision.
func (l *Log) consents(r Run) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range r.Given {
		line := Line{
			Event: Consent, Result: Given, Cause: r.cause(),
			Why: Why{By: name(c.By), Reason: v1.Scrub(c.How), Hazard: string(c.Hazard), Objects: c.Objects},
		}
		key, _ := json.Marshal([]any{r.Source, r.Revision, c.Hazard, c.By, c.How})
		if !l.given[string(key)] {
			l.given[string(key)] = true
			l.write(line)
		}
	}
}
