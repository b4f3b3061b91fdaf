package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"

	"github.com/moby/moby/api/types/common"
)

// request is a call that does not go through the moby client's methods.
type request struct {
	method string
	path   string // without version
	query  url.Values
	header http.Header
	body   any
}

// maxErrorBody bounds how much of an error answer is read.
const maxErrorBody = 64 << 10

// send makes a call. It returns an error if the status is 400 or above. The caller closes the body.
func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	s, err := c.ready(ctx)
	if err != nil {
		return nil, err
	}
	return c.sendTo(ctx, "/v"+s.version+r.path, r)
}

func (c *Client) sendTo(ctx context.Context, p string, r request) (*http.Response, error) {
	var body io.Reader
	if r.body != nil {
		raw, err := json.Marshal(r.body)
		if err != nil {
			return nil, fmt.Errorf("encoding %s %s: %w", r.method, route(p), err)
		}
		body = bytes.NewReader(raw)
	}
	u := url.URL{Scheme: c.addr.scheme, Host: "engine", Path: path.Join("/", c.addr.basePath, p), RawQuery: r.query.Encode()}
	req, err := http.NewRequestWithContext(ctx, r.method, u.String(), body)
	if err != nil {
		return nil, fmt.Errorf("building %s %s: %w", r.method, route(p), err)
	}
	// As in the moby client, a socket's path serves as the key of the connection pool, because it is no host that can
	// be parsed.
	req.URL.Host, req.Host = c.addr.urlHost, c.addr.header
	for k, v := range r.header {
		req.Header[http.CanonicalHeaderKey(k)] = v
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.userAgent != "" {
		req.Header.Set("User-Agent", c.userAgent)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, unpacked(err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		defer resp.Body.Close()
		return nil, c.readAnswer(resp)
	}
	return resp, nil
}

func (c *Client) readAnswer(resp *http.Response) error {
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		return unpacked(err)
	}
	var m common.ErrorResponse
	if json.Unmarshal(raw, &m) != nil || m.Message == "" {
		m.Message = strings.TrimSpace(string(raw))
	}
	if m.Message == "" {
		m.Message = statusText(resp.StatusCode)
	}
	return &answer{status: resp.StatusCode, message: m.Message, redact: c.redact}
}

// buffers keep the memory for small answers, so that many calls make little garbage. That of a large list is given up
// when the list is read: a pool would hold it through the next collection, and a list is seldom read again that soon.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// largestKept bounds the buffers that are kept.
const largestKept = 64 << 10

// read makes a call and passes its whole answer to use, which must not keep it.
func (c *Client) read(ctx context.Context, r request, use func(raw []byte) error) error {
	resp, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	buf := buffers.Get().(*bytes.Buffer)
	defer func() {
		if buf.Cap() <= largestKept {
			buffers.Put(buf)
		}
	}()
	buf.Reset()
	// Without a size, the buffer doubles until the answer fits, and each buffer that was too small becomes garbage.
	if size, known := c.sizes.Load(r.path); known && len(r.query) == 0 {
		buf.Grow(size.(int) + size.(int)/16 + bytes.MinRead)
	}
	if _, err := buf.ReadFrom(resp.Body); err != nil {
		return unpacked(err)
	}
	if len(r.query) == 0 && strings.LastIndexByte(r.path, '/') == 0 { // a whole list, of which there are few
		c.sizes.Store(r.path, buf.Len())
	}
	return use(buf.Bytes())
}

func (c *Client) decode(ctx context.Context, r request, into any) error {
	return c.read(ctx, r, func(raw []byte) error {
		if _, err := unmarshal(raw, into); err != nil {
			return fmt.Errorf("decoding the answer to %s %s: %w", r.method, route("/v1.0"+r.path), err)
		}
		return nil
	})
}

// ping asks for the newest API version that the engine speaks. Engines before 1.40 refuse HEAD here.
func (c *Client) ping(ctx context.Context) (string, error) {
	resp, err := c.sendTo(ctx, "/_ping", request{method: http.MethodHead})
	if is[*answer](err) {
		resp, err = c.sendTo(ctx, "/_ping", request{method: http.MethodGet})
	}
	if has(err, "HTTP request to an HTTPS server") {
		return "", &Error{Host: c.host, Method: http.MethodGet, Route: "/_ping", err: errors.New("HTTP request to an HTTPS server")}
	}
	if e, ok := errors.AsType[*Error](err); ok {
		unsent := *e
		unsent.Sent = false // the call behind the ping was not sent; over ssh every dial seems to succeed
		err = &unsent
	}
	if is[*answer](err) {
		return "", fmt.Errorf("asking %s for its API version: %w", c.host, err)
	}
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	v := resp.Header.Get("Api-Version")
	if v == "" {
		return "", fmt.Errorf("asking %s for its API version: the answer names none; is it a docker engine?", c.host)
	}
	return v, nil
}
