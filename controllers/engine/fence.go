package engine

import (
	"context"
	"errors"
	"net/http"
	"strconv"
)

// Fence stands before every call that changes something: it is asked when the call is about to be sent, not when somebody
// decided to make it. A process that was stopped in between, for a minute or an hour, finds it closed.
type Fence struct {
	Check func() error
	// Epoch is sent along, so that a proxy's log tells whose write it was. The engine does not look at it.
	Epoch uint64
}

// EpochHeader is the header that carries it.
const EpochHeader = "Swarm-Operator-Epoch"

// ErrFenced marks a call that a fence did not let through.
var ErrFenced = errors.New("not sent")

type fenceKey struct{}

// Fenced returns a context whose calls stand behind the fence, also after context.WithoutCancel.
func Fenced(ctx context.Context, f Fence) context.Context {
	return context.WithValue(ctx, fenceKey{}, f)
}

func (f Fence) header() http.Header {
	return http.Header{EpochHeader: {strconv.FormatUint(f.Epoch, 10)}}
}

func changes(method string) bool { return method != http.MethodGet && method != http.MethodHead }
