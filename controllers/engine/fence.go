package engine

import (
	"context"
	"errors"
	"net/http"
	"strconv"
)

// Fence is checked before every call that changes something. The check comes just before the call is sent, and not
// when somebody decides to make it. A process that was stopped in between, for a minute or an hour, finds the fence
// closed.
type Fence struct {
	// Check returns nil if a call may be sent, and otherwise why not.
	Check func() error
	// Epoch is sent along, so that a proxy's log shows whose write it was. The engine ignores it.
	Epoch uint64
}

// EpochHeader is the header that carries the epoch.
const EpochHeader = "Swarm-Operator-Epoch"

// ErrFenced marks a call that a fence has stopped.
var ErrFenced = errors.New("not sent")

type fenceKey struct{}

// Fenced returns a context whose calls must pass the fence, even after context.WithoutCancel.
func Fenced(ctx context.Context, f Fence) context.Context {
	return context.WithValue(ctx, fenceKey{}, f)
}

func (f Fence) header() http.Header {
	return http.Header{EpochHeader: {strconv.FormatUint(f.Epoch, 10)}}
}

func changes(method string) bool { return method != http.MethodGet && method != http.MethodHead }
