package sandbox

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/swarmkit/v2/api"
	"google.golang.org/grpc"
)

const (
	eventsKept     = 256 // older ones cannot be asked for again
	eventsBuffered = 1024
	eventsPatience = 100 * time.Millisecond // a slower listener loses events
)

// eventLog holds one engine's events: the last few, and the listeners.
type eventLog struct {
	mu        sync.Mutex
	kept      []events.Message
	listeners map[chan events.Message]func(events.Message) bool
	closed    bool
}

func newEventLog() *eventLog {
	return &eventLog{listeners: map[chan events.Message]func(events.Message) bool{}}
}

// watchStore forwards the changes that an engine reports, until the connection to the manager ends.
func watchStore(ctx context.Context, conn *grpc.ClientConn, forward func(*api.WatchMessage)) {
	stream, err := openWatch(ctx, conn, []string{"node", "service", "network", "secret", "config"})
	if err != nil {
		return
	}
	forwardWatch(stream, forward)
}

func (l *eventLog) fromStore(msg *api.WatchMessage) {
	for _, e := range msg.Events {
		if m, ok := clusterEvent(e); ok {
			l.publish(m)
		}
	}
}

func (l *eventLog) local(typ events.Type, action events.Action, id string, attributes map[string]string) {
	now := time.Now().UTC()
	l.publish(events.Message{
		Type: typ, Action: action, Actor: events.Actor{ID: id, Attributes: attributes},
		Scope: "local", Time: now.Unix(), TimeNano: now.UnixNano(),
	})
}

func (l *eventLog) publish(m events.Message) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return
	}
	if len(l.kept) == eventsKept {
		l.kept = slices.Delete(l.kept, 0, 1)
	}
	l.kept = append(l.kept, m)
	var to []chan events.Message
	for c, wants := range l.listeners {
		if wants(m) {
			to = append(to, c)
		}
	}
	l.mu.Unlock()
	for _, c := range to {
		select {
		case c <- m:
			continue
		default:
		}
		t := time.NewTimer(eventsPatience)
		select {
		case c <- m:
		case <-t.C:
		}
		t.Stop()
	}
}

// subscribe returns the kept events between the two times, if one of them is set, and a channel for events from now
// on.
func (l *eventLog) subscribe(since, until time.Time, wants func(events.Message) bool) ([]events.Message, chan events.Message, func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var past []events.Message
	if !since.IsZero() || !until.IsZero() {
		for _, m := range l.kept {
			early := !since.IsZero() && m.TimeNano < since.UnixNano()
			late := !until.IsZero() && m.TimeNano > until.UnixNano()
			if !early && !late && wants(m) {
				past = append(past, m)
			}
		}
	}
	c := make(chan events.Message, eventsBuffered)
	l.listeners[c] = wants
	return past, c, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.listeners, c)
	}
}
