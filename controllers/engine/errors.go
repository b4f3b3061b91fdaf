package engine

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/errdefs/pkg/errhttp"
)

// Error is a call that got no answer or only part of one.
type Error struct {
	Host   string // without credentials
	Method string
	Route  string
	Sent   bool // the request may have reached the engine, which goes on with it even if the client hangs up

	err     error
	timeout time.Duration
}

// Error names the call and says why it failed.
func (e *Error) Error() string {
	return fmt.Sprintf("calling %s %s: %s", e.Method, e.Route, e.why())
}

// Unwrap returns the cause: a context's error, a net.OpError, an x509 or TLS error.
func (e *Error) Unwrap() error { return e.err }

// Timeout reports whether a deadline ended the call: the client's own or the caller's.
func (e *Error) Timeout() bool {
	return errors.Is(e.err, errCallTimeout) || errors.Is(e.err, context.DeadlineExceeded) || errors.Is(e.err, os.ErrDeadlineExceeded)
}

// why explains the error to the person who has to repair it.
func (e *Error) why() string {
	switch {
	case errors.Is(e.err, errCallTimeout):
		return fmt.Sprintf("no answer from %s within %s", e.Host, e.timeout)
	case errors.Is(e.err, context.DeadlineExceeded):
		return fmt.Sprintf("no answer from %s in the time that was left", e.Host)
	case errors.Is(e.err, context.Canceled):
		return strings.Replace(e.err.Error(), context.Canceled.Error(), "cancelled", 1)
	case errors.Is(e.err, errTooLong):
		return fmt.Sprintf("the answer of %s is %s", e.Host, oneLine(e.err))
	case errors.Is(e.err, errRedirect):
		return fmt.Sprintf("%s answers with a redirect, as no docker engine does: check the host", e.Host)
	case errors.Is(e.err, os.ErrPermission):
		return permissionHelp(e.Host)
	case errors.Is(e.err, os.ErrNotExist) && strings.HasPrefix(e.Host, "unix://"):
		return fmt.Sprintf("there is no socket %s: is the docker engine running, and is its socket mounted here? (--host, DOCKER_HOST and docker contexts choose another)", strings.TrimPrefix(e.Host, "unix://"))
	case errors.Is(e.err, syscall.ECONNREFUSED):
		return fmt.Sprintf("nothing listens on %s: is the docker engine running?", e.Host)
	}
	if help := tlsHelp(e.err); help != "" {
		return fmt.Sprintf("no TLS connection to %s: %s: %s", e.Host, help, oneLine(e.err))
	}
	if e.Sent && (errors.Is(e.err, io.EOF) || errors.Is(e.err, io.ErrUnexpectedEOF) || errors.Is(e.err, syscall.ECONNRESET) || errors.Is(e.err, syscall.EPIPE)) {
		return fmt.Sprintf("%s closed the connection before its answer was complete", e.Host)
	}
	if e.Sent {
		return fmt.Sprintf("connection to %s: %s", e.Host, oneLine(e.err))
	}
	return fmt.Sprintf("no connection to %s: %s", e.Host, oneLine(e.err))
}

// oneLine puts an error's text on one line, because ssh describes a failure in several.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// tlsHelp says what to check. The texts without a type are what crypto/tls makes of a server's alert.
func tlsHelp(err error) string {
	text := err.Error()
	switch {
	case is[x509.UnknownAuthorityError](err):
		return "its certificate is signed by an authority that is not trusted here (check --tlscacert)"
	case is[x509.HostnameError](err):
		return "its certificate is for another name (check the host, or the certificate's names)"
	case is[x509.CertificateInvalidError](err):
		return "its certificate is not valid"
	case is[tls.RecordHeaderError](err), strings.Contains(text, "server gave HTTP response to HTTPS client"):
		return "is the engine speaking TLS? It answered in plain text"
	case strings.Contains(text, "malformed HTTP response"), strings.Contains(text, "HTTP request to an HTTPS server"):
		return "the engine speaks TLS, and this client does not (set --tlsverify, or DOCKER_TLS_VERIFY and DOCKER_CERT_PATH)"
	case strings.Contains(text, "remote error: tls: "):
		return "it wants a client certificate that it trusts (check --tlscert and --tlskey)"
	}
	return ""
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// carrier brings an Error through the moby client. That client replaces errors that it recognises (a permission, a
// refused connection, a timeout) by its own sentences and drops their cause. It does not recognise a carrier.
type carrier struct{ e *Error }

func (carrier) Error() string { return "the engine gave no answer" }

func (c carrier) As(target any) bool {
	p, ok := target.(**Error)
	if ok {
		*p = c.e
	}
	return ok
}

// unpacked returns the Error that a carrier brought, without the text that net/http and the moby client added. It
// returns any other error as it is.
func unpacked(err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return err
}

// answer is an HTTP answer with a status of 400 or above.
type answer struct {
	status  int
	message string
	redact  func(string) string // what may be shown of the message
}

// fromDaemon is how docker's clients begin a message that the engine refused something. People search for it.
const fromDaemon = "Error response from daemon: "

func (a *answer) Error() string { return fromDaemon + a.redact(a.message) }

func (a *answer) Is(target error) bool { return errors.Is(errhttp.ToNative(a.status), target) }

// noting returns a context through which the transport reports a call's status. Errors of the moby client have no
// status; for 502, 504 and others they have no class either.
func noting(ctx context.Context) (context.Context, *int) {
	status := new(int)
	return context.WithValue(ctx, statusKey{}, status), status
}

type statusKey struct{}

// explained returns this package's error for a failed call of the moby client.
func (c *Client) explained(err error, status *int) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	switch {
	case *status == 0:
		return err // the client itself refused the request
	case *status < http.StatusBadRequest && errors.Is(err, io.EOF):
		return fmt.Errorf("decoding the answer: it is empty: %w", err)
	case *status < http.StatusBadRequest:
		return fmt.Errorf("decoding the answer: %w", err)
	}
	message, ok := strings.CutPrefix(err.Error(), fromDaemon)
	if !ok {
		message = statusText(*status) // there is no body, and the text holds the URL
	}
	return &answer{status: *status, message: message, redact: c.redact}
}

// versionError is the error of an engine that the client cannot talk to at all.
type versionError struct{ server string }

func (e *versionError) Error() string {
	return fmt.Sprintf("the engine speaks API %s, and 1.40 (Docker 19.03) is the oldest that is supported", e.server)
}

func statusText(code int) string {
	if s := http.StatusText(code); s != "" {
		return s
	}
	return fmt.Sprintf("status %d", code)
}
