package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// traffic notes the calls to the swarm's API.
type traffic struct {
	mu    sync.Mutex
	calls []call
	news  chan struct{} // closed at the next call
}

// call is one call. at is when its answer began; by then a write is in the swarm.
type call struct {
	method, path string // the path without the version
	status       int
	at           time.Time
}

func (c call) write() bool { return c.method != http.MethodGet && c.method != http.MethodHead }

func newTraffic() *traffic { return &traffic{news: make(chan struct{})} }

func (t *traffic) note(c call) {
	switch c.path {
	case "/_ping", "/version", "/events": // not counted: they say nothing about the swarm's objects
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c.at = time.Now()
	t.calls = append(t.calls, c)
	close(t.news)
	t.news = make(chan struct{})
}

func (t *traffic) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls = nil
}

func (t *traffic) seen() ([]call, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.calls), t.news
}

// patience limits each wait for the next call. If one takes longer, something is broken, not slow.
const patience = 2 * time.Minute

// wait returns the calls that match as soon as there are n of them. It gives up if none of them comes within
// patience. How long all of them take is up to the caller: ten resyncs of a large swarm take minutes by design.
func (t *traffic) wait(ctx context.Context, n int, match func(call) bool) ([]call, error) {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for before := 0; ; {
		all, news := t.seen()
		found := slices.DeleteFunc(slices.Clone(all), func(c call) bool { return !match(c) })
		if len(found) >= n {
			return found, nil
		}
		if len(found) > before {
			before = len(found)
			limit.Reset(patience)
		}
		select {
		case <-news:
		case <-limit.C:
			return nil, fmt.Errorf("waiting for %d calls, saw %d of %d, and none of them for %s", n, len(found), len(all), patience)
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for %d calls, saw %d of %d: %w", n, len(found), len(all), ctx.Err())
		}
	}
}

// span returns how long the API must be quiet before an operator has no work left. What an operator does by itself a
// moment later takes longer the more there is.
func (w *world) span(d time.Duration) time.Duration { return d + d*time.Duration(w.n)/2000 }

// quiet waits until no call has come for a while, so that an operator has caught up.
func (t *traffic) quiet(ctx context.Context, d time.Duration) error {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		_, news := t.seen()
		select {
		case <-news:
		case <-time.After(d):
			return nil
		case <-limit.C:
			return errors.New("the swarm's API is never quiet")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func writes(calls []call) []call {
	return slices.DeleteFunc(slices.Clone(calls), func(c call) bool { return !c.write() })
}

// update matches the successful updates of a service. If id is empty, it matches those of any service.
func update(id string) func(call) bool {
	return func(c call) bool {
		return c.write() && c.status < 300 && strings.HasPrefix(c.path, "/services/"+id) && strings.HasSuffix(c.path, "/update")
	}
}

// route returns a call's method and path without IDs and names.
func (c call) route() string {
	parts := strings.Split(c.path, "/")
	switch {
	case len(parts) > 3 && parts[1] == "distribution": // a name has slashes of its own
		parts = []string{"", parts[1], "NAME", parts[len(parts)-1]}
	case len(parts) > 2 && parts[2] != "create":
		parts[2] = "ID"
	}
	return c.method + " " + strings.Join(parts, "/")
}

// routes counts calls by route.
func routes(calls []call) string {
	counts := map[string]int{}
	for _, c := range calls {
		counts[c.route()]++
	}
	var out []string
	for _, route := range slices.Sorted(maps.Keys(counts)) {
		text := route
		if n := counts[route]; n > 1 {
			text = fmt.Sprintf("%d× %s", n, route)
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

// course says when each call was answered, counted from the first one. A wait shows as a gap.
func course(calls []call) string {
	out := make([]string, 0, len(calls))
	for _, c := range calls {
		out = append(out, fmt.Sprintf("%s %s", ms(c.at.Sub(calls[0].at)), c.route()))
	}
	return strings.Join(out, ", ")
}

// between returns the calls from one time to another, both included, in the order of their answers.
func between(calls []call, from, to time.Time) []call {
	return slices.DeleteFunc(slices.Clone(calls), func(c call) bool { return c.at.Before(from) || c.at.After(to) })
}
