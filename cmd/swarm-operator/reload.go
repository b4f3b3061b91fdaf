package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/swarm-operator/swarm-operator/controllers/status"
)

// lookAtConfiguration is how often run looks whether its config file has changed. It reads the file, because a mounted
// secret or a link that is swapped sends no event.
const lookAtConfiguration = 5 * time.Second

// watched is the config file that run goes by, and what stays while run starts anew with it.
type watched struct {
	cmd *cobra.Command
	// data is the content that run goes by. next is the content to go by from now on. It is nil if nothing has changed.
	data, next []byte
	// open listens at address. It is nil if nothing does.
	open    net.Listener
	address string
}

// listen returns a listener at an address. If the one before listened there too, it goes on, so that clients wait a moment
// and are not refused.
func (w *watched) listen(address string) (net.Listener, error) {
	if w.open == nil || w.address != address {
		w.close()
		l, err := net.Listen("tcp", address)
		if err != nil {
			return nil, err
		}
		w.open, w.address = l, address
	}
	return staying{w.open}, w.open.(*net.TCPListener).SetDeadline(time.Time{})
}

func (w *watched) close() {
	if w.open != nil {
		_ = w.open.Close()
	}
	w.open = nil
}

// staying is a listener that accepts no more when it is closed, and can be used again.
type staying struct{ net.Listener }

func (s staying) Close() error { return s.Listener.(*net.TCPListener).SetDeadline(time.Unix(1, 0)) }

// watch waits until the file has another content, and that can be used. It returns false if ctx ended first. A content that
// cannot be used changes nothing; a condition says what is wrong with it until the file has another content.
func (w *watched) watch(ctx context.Context, board *status.Board, log logr.Logger) bool {
	name := w.cmd.Flags().Lookup("config").Value.String()
	if name == "" {
		return false
	}
	refused := ""
	tick := time.NewTicker(scaled(lookAtConfiguration))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
		data, err := os.ReadFile(name)
		if err == nil && !bytes.Equal(data, w.data) {
			if err = w.try(name, data); err == nil {
				w.next = data
				return true
			}
		}
		why := ""
		if err != nil {
			why = err.Error()
		}
		if why == refused {
			continue
		}
		if refused = why; err != nil {
			log.Error(err, "configuration refused", "file", name)
			board.Tell(status.ConfigurationRefused, true, "Refused", why)
		} else {
			board.Tell(status.ConfigurationRefused, false, "Read", "")
		}
	}
}

// try returns an error if run could not go by the content. It changes nothing.
func (w *watched) try(name string, data []byte) error {
	var f runFlags
	trial := f.command()
	if _, err := parseConfiguration(w.cmd.Root(), trial.Flags(), name, data); err != nil {
		return err
	}
	return f.check()
}

// reconfigure gives the flags that the config file has set the values of its next content.
func (w *watched) reconfigure() error {
	w.data, w.next = w.next, nil
	flags := w.cmd.Flags()
	var failed error
	flags.VisitAll(func(f *pflag.Flag) {
		if from := f.Annotations[configured]; failed == nil && len(from) > 0 && from[0] == byFile {
			failed = unset(f)
		}
	})
	if failed != nil {
		return failed
	}
	if err := configureFrom(w.cmd, flags.Lookup("config").Value.String(), w.data); err != nil {
		return err
	}
	return allow(w.cmd)
}

// unset gives a flag its default.
func unset(f *pflag.Flag) error {
	f.Changed = false
	delete(f.Annotations, configured)
	if list, is := f.Value.(pflag.SliceValue); is {
		return list.Replace(nil)
	}
	return f.Value.Set(f.DefValue)
}
