package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"github.com/swarm-operator/swarm-operator/controllers/rescue"
)

// errCallTimeout is the cause of a context that the client's own deadline ended. It tells that deadline from the
// caller's.
var errCallTimeout = errors.New("call timeout")

// errRedirect stands for an answer that sends the caller to another address. No engine gives such an answer, and its
// body is worthless.
var errRedirect = errors.New("redirect")

// transport is the only way out. Every call gets a deadline, is counted, timed and logged, and fails with an
// [*Error].
type transport struct {
	base    http.RoundTripper
	host    string // printable
	timeout time.Duration
	log     logr.Logger
	observe func(Call)
	header  http.Header // docker config's HttpHeaders
	version func(server string)
	limits  limits
}

// CloseIdleConnections closes those of the transport below, for http.Client.
func (t *transport) CloseIdleConnections() {
	if below, is := t.base.(interface{ CloseIdleConnections() }); is {
		below.CloseIdleConnections()
	}
}

// call is one request under way.
type call struct {
	t       *transport
	ctx     context.Context
	cancel  context.CancelCauseFunc
	timer   *time.Timer
	method  string
	route   string
	start   time.Time
	sent    atomic.Bool // true once a connection was handed to the request
	done    sync.Once
	status  int
	streams bool
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	c := t.begin(req)
	ctx := httptrace.WithClientTrace(c.ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { c.sent.Store(true) },
	})
	req = req.WithContext(ctx)
	if len(t.header) > 0 {
		req.Header = merged(req.Header, t.header)
	}
	if f, is := ctx.Value(fenceKey{}).(Fence); is && changes(req.Method) {
		if err := f.Check(); err != nil { // checked last: the process may have been stopped since the decision to write
			return nil, carrier{c.fail(fmt.Errorf("%w: %w", ErrFenced, err))}
		}
		req.Header = merged(req.Header, f.header())
	}
	record := recorder(req, t.host)
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		e := c.fail(err)
		if record != nil && e.Sent {
			record(0)
		}
		return nil, carrier{e}
	}
	if record != nil {
		record(resp.StatusCode)
	}
	if resp.StatusCode/100 == 3 {
		_ = resp.Body.Close()
		return nil, carrier{c.fail(errRedirect)}
	}
	c.status = resp.StatusCode
	if note, ok := req.Context().Value(statusKey{}).(*int); ok {
		*note = resp.StatusCode
	}
	if v := resp.Header.Get("Api-Version"); v != "" && t.version != nil {
		t.version(v)
	}
	if c.streams {
		// A stream's call ends when the stream begins to flow, because its length is not latency.
		c.timer.Stop()
		c.finish(nil)
	}
	b := &body{ReadCloser: resp.Body, call: c}
	if b.from = b.ReadCloser; !c.streams {
		b.from = &limited{from: b.ReadCloser, what: "the answer", most: t.limits.of(c.method, c.route)}
	}
	resp.Body = b
	return resp, nil
}

func (t *transport) begin(req *http.Request) *call {
	c := &call{t: t, method: req.Method, route: route(req.URL.Path), start: time.Now()}
	c.streams = streaming(c.route)
	c.ctx, c.cancel = context.WithCancelCause(req.Context())
	c.timer = time.AfterFunc(t.timeout, rescue.Clean(func() { c.cancel(errCallTimeout) }))
	return c
}

// fail ends a call that got no answer or only part of one.
func (c *call) fail(err error) *Error {
	if ended := c.ctx.Err(); ended != nil {
		err = ended
		if cause := context.Cause(c.ctx); errors.Is(cause, errCallTimeout) {
			err = cause
		} else if !errors.Is(cause, ended) {
			err = fmt.Errorf("%w: %w", ended, cause) // keep why the caller cancelled: a lost lease, a signal
		}
	}
	e := &Error{Host: c.t.host, Method: c.method, Route: c.route, err: err, timeout: c.t.timeout}
	e.Sent = c.sent.Load() && tlsHelp(err) == "" // a call that fails in the handshake was never read as a request
	c.finish(e)
	return e
}

// finish counts the call once.
func (c *call) finish(err error) {
	c.done.Do(func() {
		took := time.Since(c.start)
		c.t.observe(Call{Method: c.method, Route: c.route, Status: c.status, Duration: took, Err: err})
		if log := c.t.log.V(2); log.Enabled() {
			kv := []any{"method", c.method, "route", c.route, "status", c.status, "duration", took}
			if err != nil {
				kv = append(kv, "error", err.Error())
			}
			log.Info("engine call", kv...)
		}
	})
}

// body ends its call when the answer was read or given up. So the measured time includes the transfer, and the
// deadline covers it.
type body struct {
	io.ReadCloser
	from io.Reader // from reads the answer, as far as it may go
	call *call
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	switch {
	case err == io.EOF:
		b.call.finish(nil)
	case err != nil:
		err = carrier{b.call.fail(err)}
	}
	return n, err
}

func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.call.finish(nil)
	b.call.timer.Stop()
	b.call.cancel(nil)
	return err
}

func merged(own, extra http.Header) http.Header {
	all := extra.Clone()
	for k, v := range own {
		all[k] = v
	}
	return all
}
