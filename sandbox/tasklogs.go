package sandbox

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	gogotypes "github.com/gogo/protobuf/types"
	"github.com/moby/swarmkit/v2/agent/exec"
	"github.com/moby/swarmkit/v2/api"
)

type logLine struct {
	at     time.Time
	stream api.LogStream
	text   string
}

// logBuffer holds the few lines that a pretended container writes.
type logBuffer struct {
	mu    sync.Mutex
	lines []logLine
	ended bool
	more  chan struct{} // closed and replaced at each change; nil until somebody follows
}

func (b *logBuffer) add(stream api.LogStream, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, logLine{time.Now(), stream, text})
	b.changed()
}

func (b *logBuffer) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	b.changed()
}

func (b *logBuffer) changed() {
	if b.more != nil {
		close(b.more)
		b.more = nil
	}
}

// from returns the lines after the first n, whether those are the last ones, and otherwise what to wait for.
func (b *logBuffer) from(n int) ([]logLine, bool, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.more == nil {
		b.more = make(chan struct{})
	}
	return b.lines[n:], b.ended, b.more
}

func (c *controller) Logs(ctx context.Context, publisher exec.LogPublisher, options api.LogSubscriptionOptions) error {
	n := 0
	for {
		lines, ended, more := c.logs.from(n)
		var send []logLine
		for _, l := range lines {
			if l.asked(options) {
				send = append(send, l)
			}
		}
		if n == 0 && options.Tail < 0 {
			// SwarmKit counts from the end: -1 means none, and -2 the last line.
			if last := int(-options.Tail - 1); len(send) > last {
				send = send[len(send)-last:]
			}
		}
		n += len(lines)
		for _, l := range send {
			if err := c.publish(ctx, publisher, l); err != nil {
				return err
			}
		}
		if !options.Follow || ended {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil
		case <-c.closed:
			return nil
		}
	}
}

// asked reports whether a line is of a time and a stream that somebody asks for.
func (l logLine) asked(options api.LogSubscriptionOptions) bool {
	if options.Since != nil {
		if since, err := gogotypes.TimestampFromProto(options.Since); err == nil && l.at.Before(since) {
			return false
		}
	}
	return len(options.Streams) == 0 || slices.Contains(options.Streams, l.stream)
}

func (c *controller) publish(ctx context.Context, publisher exec.LogPublisher, l logLine) error {
	at, err := gogotypes.TimestampProto(l.at)
	if err != nil {
		return fmt.Errorf("stamping a log line: %w", err)
	}
	return publisher.Publish(ctx, api.LogMessage{
		Context:   api.LogContext{NodeID: c.task.NodeID, ServiceID: c.task.ServiceID, TaskID: c.task.ID},
		Timestamp: at,
		Stream:    l.stream,
		Data:      []byte(l.text + "\n"),
	})
}
