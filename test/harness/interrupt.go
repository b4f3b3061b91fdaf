package harness

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Interruptible returns a context that ends when the process is told to stop. It also ends when nobody reads any more
// what the process writes to out, for example after head. A command can then still remove what it made. Interruptible
// does not listen for SIGPIPE, which would come for every connection that its other side closes.
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
