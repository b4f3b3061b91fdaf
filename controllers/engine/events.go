package engine

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/moby/moby/api/types/events"

	"github.com/swarm-operator/swarm-operator/controllers/rescue"
)

// These are the types of the events that do not come from the engine.
const (
	// Reconnected follows every connect, even the first one. Events before it may have been missed.
	Reconnected = "reconnected"
	// Lost stands for events that were dropped because the reader was slow.
	Lost = "lost"
	// Unconnected follows each connect that failed, and each stream that ended at once without an event. Name is the
	// error.
	Unconnected = "unconnected"
)

// Event is only a hint that something may have changed. A manager that was just promoted replays the swarm's whole
// history as new. A slow subscriber loses events silently. A stream may stay open and silent for ever. The cluster
// object has no events. Read the swarm, not the event.
type Event struct {
	Type       string // service, node, secret, config, network; Reconnected; Lost; Unconnected
	Action     string
	ID         string
	Name       string
	Attributes map[string]string
}

// Events subscribes to the swarm's events until ctx ends, and then closes the channel. It reconnects for ever.
func (c *Client) Events(ctx context.Context) <-chan Event {
	out := make(chan Event)
	in := make(chan Event)
	go rescue.Clean(func() { relay(ctx, in, out) })()
	go rescue.Clean(func() {
		defer close(in)
		c.events.run(ctx, func(ctx context.Context) error { return c.stream(ctx, in) }, func(err error, wait time.Duration) {
			c.log.V(1).Info("event stream ended", "error", err.Error(), "again in", wait)
		})
	})()
	return out
}

// stream makes one connection and reads it to its end. It always returns an error.
func (c *Client) stream(ctx context.Context, to chan<- Event) error {
	filters, err := json.Marshal(map[string]map[string]bool{
		"scope": {"swarm": true},
		"type":  {"service": true, "node": true, "secret": true, "config": true, "network": true},
	})
	if err != nil {
		return err
	}
	resp, err := c.send(ctx, request{method: http.MethodGet, path: "/events", query: url.Values{"filters": {string(filters)}}})
	if err != nil {
		give(ctx, to, Event{Type: Unconnected, Name: "GET /events: " + err.Error()})
		return err
	}
	defer resp.Body.Close()
	began := time.Now()
	if !give(ctx, to, Event{Type: Reconnected}) {
		return ctx.Err()
	}
	part := &limited{from: resp.Body, what: "an event of GET /events", most: mostEvent}
	dec := json.NewDecoder(part)
	for n := 0; ; n++ {
		var m events.Message
		part.read = 0 // the decoder keeps what it has read of the next events, which is less than one may have
		if err := dec.Decode(&m); err != nil {
			if err = unpacked(err); n == 0 && time.Since(began) < c.events.lasted {
				give(ctx, to, Event{Type: Unconnected, Name: "GET /events: it ended at once: " + err.Error()})
			}
			return err
		}
		e := Event{Type: string(m.Type), Action: string(m.Action), ID: m.Actor.ID, Name: m.Actor.Attributes["name"], Attributes: m.Actor.Attributes}
		if !give(ctx, to, e) {
			return ctx.Err()
		}
	}
}

func give(ctx context.Context, to chan<- Event, e Event) bool {
	select {
	case to <- e:
		return true
	case <-ctx.Done():
		return false
	}
}

// pendingLimit is how many different events may wait for a slow reader.
const pendingLimit = 1024

// relay stands between the stream and the reader. The stream must not wait, because the engine drops events of a
// subscriber that does not read for 100 ms. Equal events that wait are delivered once.
func relay(ctx context.Context, in <-chan Event, out chan<- Event) {
	defer close(out)
	q := queue{waiting: map[eventKey]int{}}
	for {
		head, to := q.head(out)
		select {
		case e, ok := <-in:
			if !ok {
				return
			}
			q.push(e)
		case to <- head:
			q.pop()
		case <-ctx.Done():
			return
		}
	}
}

type eventKey struct{ typ, action, id string }

func (e Event) key() eventKey { return eventKey{e.Type, e.Action, e.ID} }

// queue keeps events in the order of their first arrival.
type queue struct {
	events  []Event
	waiting map[eventKey]int // position in events, counted from the first event ever
	popped  int
}

// head returns the next event and the channel to send it to. If there is no event, the channel is nil, and nobody
// ever receives from it.
func (q *queue) head(out chan<- Event) (Event, chan<- Event) {
	if len(q.events) == 0 {
		return Event{}, nil
	}
	return q.events[0], out
}

func (q *queue) push(e Event) {
	if at, ok := q.waiting[e.key()]; ok {
		q.events[at-q.popped] = e // keep the newer attributes
		return
	}
	if len(q.events) >= pendingLimit {
		q.popped += len(q.events)
		q.events = q.events[:0]
		clear(q.waiting)
		e = Event{Type: Lost}
	}
	q.waiting[e.key()] = q.popped + len(q.events)
	q.events = append(q.events, e)
}

func (q *queue) pop() {
	delete(q.waiting, q.events[0].key())
	q.events = q.events[1:]
	q.popped++
}
