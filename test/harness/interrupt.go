package harness

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Interruptible makes a context that ends when the process is told to stop, or when nobody reads what it writes to out any
// more, as head does: a command then still removes what it made. It does so without asking for SIGPIPE, which would come
// for every connection that its other side closed.
func Interruptible(out io.Writer) (context.Context, io.Writer, context.CancelFunc) {
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithCancel(ctx)
	return ctx, &piped{out, cancel}, func() { cancel(); stop() }
}

type piped struct {
	io.Writer
	closed func()
}

func (p *piped) Write(b []byte) (int, error) {
	n, err := p.Writer.Write(b)
	if errors.Is(err, syscall.EPIPE) {
		p.closed()
	}
	return n, err
}
