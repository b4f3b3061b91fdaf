package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func readLines(t *testing.T, path string) []string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(bytes.TrimSpace(raw)))
}

// next returns the next event. It has a time limit, so that a failing test ends.
func next(t *testing.T, ch <-chan Event) Event {
	t.Helper()
	select {
	case e, ok := <-ch:
		if !ok {
			t.Fatal("the events ended")
		}
		return e
	case <-time.After(time.Minute):
		t.Fatal("no event")
	}
	return Event{}
}

// The stream is dropped, and the engine goes away and comes back. The same channel goes on and says each time that
// events may have been missed.
func TestEventsReconnect(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	var all atomic.Int32 // each connection has a goroutine of the server, and one may end while the next begins
	c, got := opened(t, pinged("1.41", func(w http.ResponseWriter, r *http.Request) {
		connects := all.Add(1)
		var filters map[string]map[string]bool
		_ = json.Unmarshal([]byte(r.URL.Query().Get("filters")), &filters)
		if !filters["scope"]["swarm"] || len(filters["type"]) != 5 {
			t.Errorf("asked for %v", filters)
		}
		if connects == 2 {
			refuse(w, 503, "starting")
			return
		}
		fmt.Fprintf(w, `{"Type":"service","Action":"update","Actor":{"ID":"id%d","Attributes":{"name":"web","updatestate.new":"completed"}},"scope":"swarm","time":1}`+"\n", connects)
		w.(http.Flusher).Flush()
		switch connects {
		case 1:
			panic(http.ErrAbortHandler) // dropped
		case 3:
			_, _ = io.WriteString(w, "garbage\n")
		case 4: // an ordinary end
		default:
			select {
			case <-stop:
			case <-r.Context().Done():
			}
		}
	}), func(o *Options) { o.CallTimeout = 2 * time.Second })
	c.events.first, c.events.most = time.Millisecond, time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	events := c.Events(ctx)
	for _, n := range []int{1, 3, 4, 5} {
		if n == 3 {
			if e := next(t, events); e.Type != Unconnected || !strings.Contains(e.Name, "starting") {
				t.Fatalf("the connect that failed: %+v", e)
			}
		}
		if e := next(t, events); e.Type != Reconnected {
			t.Fatalf("connect %d: %+v", n, e)
		}
		e := next(t, events)
		if e.Type != "service" || e.Action != "update" || e.ID != fmt.Sprintf("id%d", n) || e.Name != "web" || e.Attributes["updatestate.new"] != "completed" {
			t.Fatalf("connect %d: %+v", n, e)
		}
	}
	cancel()
	for range events {
	}
	want := []string{"HEAD /_ping 200", "GET /events 200", "GET /events 503", "GET /events 200", "GET /events 200", "GET /events 200"}
	if calls := got.seen(); !slices.Equal(calls, want) {
		t.Errorf("observed %q", calls)
	}
}

// A proxy may close the stream as soon as it is open, or send something that is no event. No events come then, and
// the channel says so.
func TestStreamThatEndsAtOnceIsUnconnected(t *testing.T) {
	for name, c := range map[string]struct{ body, says string }{
		"nothing":        {"", "EOF"},
		"something else": {"<html>", "invalid character"},
	} {
		t.Run(name, func(t *testing.T) {
			c1, _ := opened(t, pinged("1.41", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, c.body) }))
			c1.events.first, c1.events.most = time.Millisecond, time.Millisecond
			events := c1.Events(t.Context())
			seen := map[string]int{}
			for range 4 {
				e := next(t, events)
				seen[e.Type]++
				if e.Type == Unconnected && (!strings.HasPrefix(e.Name, "GET /events: it ended at once: ") || !strings.Contains(e.Name, c.says)) {
					t.Errorf("it says %q", e.Name)
				}
			}
			if seen[Unconnected] == 0 || seen[Reconnected] == 0 {
				t.Errorf("there came %v", seen)
			}
		})
	}
}

// A stream may be silent for longer than any call may take, but not before its answer has begun.
func TestAStreamOutlivesTheCallTimeout(t *testing.T) {
	speak, hang := make(chan struct{}), make(chan struct{})
	defer close(hang)
	first := true
	c, got := opened(t, pinged("1.41", func(w http.ResponseWriter, r *http.Request) {
		if first {
			first = false
			select { // an engine that accepts and never answers
			case <-hang:
			case <-r.Context().Done():
			}
			return
		}
		w.(http.Flusher).Flush()
		<-speak
		_, _ = io.WriteString(w, `{"Type":"node","Action":"create","Actor":{"ID":"n1"}}`+"\n")
		w.(http.Flusher).Flush()
		<-hang
	}), func(o *Options) { o.CallTimeout = 300 * time.Millisecond })
	c.events.first = time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	events := c.Events(ctx)
	if e := next(t, events); e.Type != Unconnected {
		t.Fatalf("the connect without an answer: %+v", e)
	}
	if e := next(t, events); e.Type != Reconnected {
		t.Fatalf("%+v", e)
	}
	time.AfterFunc(5*c.timeout, func() { close(speak) }) // the test needs this silence
	if e := next(t, events); e.ID != "n1" {
		t.Fatalf("%+v", e)
	}
	if calls := got.seen(); !slices.Equal(calls, []string{"HEAD /_ping 200", "GET /events 0", "GET /events 200"}) {
		t.Errorf("observed %q", calls)
	}
}

func TestRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		in, out := make(chan Event), make(chan Event)
		go relay(ctx, in, out)
		send := func(events ...Event) {
			for _, e := range events {
				select {
				case in <- e:
				case <-time.After(time.Second): // fake time: the relay never makes the stream wait
					t.Fatal("the stream had to wait")
				}
			}
		}
		receive := func() Event { synctest.Wait(); return <-out }

		send(Event{Type: "service", Action: "update", ID: "a", Name: "old"}, Event{Type: "node", ID: "b"},
			Event{Type: "service", Action: "update", ID: "a", Name: "new"}, Event{Type: "service", Action: "remove", ID: "a"})
		for _, want := range []Event{{Type: "service", Action: "update", ID: "a", Name: "new"}, {Type: "node", ID: "b"}, {Type: "service", Action: "remove", ID: "a"}} {
			if e := receive(); e.key() != want.key() || e.Name != want.Name {
				t.Errorf("%+v, want %+v", e, want)
			}
		}
		send(Event{Type: "service", Action: "update", ID: "a"})
		if e := receive(); e.ID != "a" {
			t.Errorf("what was handed out is forgotten: %+v", e)
		}
		for i := range 3 * pendingLimit {
			send(Event{Type: "service", ID: fmt.Sprint(i)})
		}
		if e := receive(); e.Type != Lost {
			t.Errorf("%+v after too many", e)
		}
		n := 0
		for ; ; n++ {
			synctest.Wait()
			select {
			case <-out:
				continue
			default:
			}
			break
		}
		if n >= pendingLimit {
			t.Errorf("%d events waited", n)
		}
		cancel()
		if _, ok := <-out; ok {
			t.Error("the relay goes on after its context")
		}
	})
}

func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		r := defaultRetry()
		r.jitter = func() float64 { return 0 }
		var waits []string
		attempts := 0
		r.run(ctx, func(context.Context) error {
			attempts++
			switch attempts {
			case 12:
				time.Sleep(r.lasted) // a good stream, in fake time
				return nil
			case 15:
				cancel()
			}
			return errors.New("refused")
		}, func(_ error, wait time.Duration) { waits = append(waits, wait.String()) })
		want := "100ms 200ms 400ms 800ms 1.6s 3.2s 6.4s 12.8s 15s 15s 15s 100ms 200ms 400ms"
		if got := strings.Join(waits, " "); got != want {
			t.Errorf("waited %s, want %s", got, want)
		}
	})
	r := defaultRetry()
	for range 1000 {
		if d := r.delay(100); d < r.most/2 || d > r.most {
			t.Fatalf("%s", d)
		}
	}
}

// No goroutine stays behind: once the context has ended, nobody needs to read.
func TestEventsEndWithoutAReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		in, out := make(chan Event), make(chan Event)
		go relay(ctx, in, out)
		in <- Event{Type: "service"}
		cancel()
		synctest.Wait()
		if give(ctx, in, Event{}) {
			t.Error("gave to nobody")
		}
	})
}
