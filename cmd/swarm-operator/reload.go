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

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/server"
	"github.com/swarm-operator/swarm-operator/controllers/status"
)

// lookAtConfiguration is how often run looks whether its config file or its guardrails have changed. It reads the files,
// because a mounted secret or a link that is swapped sends no event.
const lookAtConfiguration = 5 * time.Second

// settled is how long a new content has to stay as it is before it counts. Somebody may be writing the file, and half of
// the guardrails, or none of them, would allow what all of them forbid.
const settled = time.Second

// contents are what the files say that run goes by.
type contents struct {
	config []byte // nil if no config file is named
	rules  []byte // the guardrails; nil if there are none
}

func (c contents) equal(o contents) bool {
	return bytes.Equal(c.config, o.config) && bytes.Equal(c.rules, o.rules)
}

// watched are the files that run goes by, and what stays while run starts again with them.
type watched struct {
	cmd *cobra.Command
	// now is what run goes by. What it has was tried before, so a file that has a mistake by now does not end run.
	now contents
	// next is what to go by from now on. It is nil if nothing has changed.
	next *contents
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

// watch waits until one of the files has another content, and that can be used. It returns false if ctx ended first. A
// content that cannot be used changes nothing; a condition says what is wrong with it until the file has another content.
func (w *watched) watch(ctx context.Context, board *status.Board, log logr.Logger) bool {
	name := w.cmd.Flags().Lookup("config").Value.String()
	if name == "" && w.cmd.Flags().Lookup("guardrails").Value.String() == "" {
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
		next, err := w.look(name)
		if err == nil && !next.equal(w.now) {
			pause(ctx, scaled(settled))
			again, failed := w.look(name)
			if failed == nil && again.equal(next) && ctx.Err() == nil {
				w.next = &next
				return true
			}
			continue // the next look says what is there then
		}
		why := ""
		if err != nil {
			why = err.Error()
		}
		if why == refused {
			continue
		}
		if refused = why; err != nil {
			log.Error(err, "configuration refused")
			board.Tell(status.ConfigurationRefused, true, "Refused", why)
		} else {
			board.Tell(status.ConfigurationRefused, false, "Read", "")
		}
	}
}

// look reads the files. It fails if run could not go by what they say. It changes nothing.
func (w *watched) look(name string) (contents, error) {
	next := contents{}
	var err error
	if name != "" {
		if next.config, err = os.ReadFile(name); err != nil {
			return next, err
		}
	}
	if bytes.Equal(next.config, w.now.config) {
		src := sourceFlags{guardrails: w.cmd.Flags().Lookup("guardrails").Value.String()}
		if next.rules, err = src.rules(); err != nil || next.equal(w.now) {
			return next, err
		}
	}
	f, err := w.trial(name, next.config)
	if err != nil {
		return next, err
	}
	if next.rules, err = f.src.rules(); err != nil {
		return next, err
	}
	return next, f.try(next)
}

// trial returns the flags of run as they would be with a content of the config file.
func (w *watched) trial(name string, data []byte) (*runFlags, error) {
	var f runFlags
	flags := f.command().Flags()
	var failed error
	w.cmd.Flags().VisitAll(func(set *pflag.Flag) { // what the command line or the environment says counts before the file
		to := flags.Lookup(set.Name)
		if !set.Changed || to == nil || failed != nil || byConfig(set) {
			return
		}
		if list, is := set.Value.(pflag.SliceValue); is {
			failed = to.Value.(pflag.SliceValue).Replace(list.GetSlice())
		} else {
			failed = to.Value.Set(set.Value.String())
		}
		to.Changed = true
	})
	if failed == nil && name != "" {
		var file *config.Configuration
		if file, failed = parseConfiguration(w.cmd.Root(), flags, name, data); failed == nil {
			failed = keepsSources(configurationOf(w.cmd).file, file, name)
		}
	}
	return &f, failed
}

// keepsSources fails if a file states no source any more. Mode, guardrails and how people agree would be gone with it, by a
// line that somebody deleted or an indent that is wrong. An operator that starts with such a file gets them from flags.
func keepsSources(before, next *config.Configuration, name string) error {
	if len(before.Sources) == 0 || len(next.Sources) > 0 {
		return nil
	}
	return problemsOf("reading the config file", []v1.Problem{{File: name, Message: "states no source any more, so that mode and guardrails would be those of flags alone; " +
		"state the source again, or restart the operator to go by flags alone"}})
}

// byConfig reports whether the config file has set the flag.
func byConfig(f *pflag.Flag) bool {
	from := f.Annotations[configured]
	return len(from) > 0 && from[0] == byFile
}

// try returns an error if run could not begin with these flags and guardrails. It changes nothing.
func (f *runFlags) try(c contents) error {
	if err := f.check(); err != nil {
		return err
	}
	if _, err := f.src.guardsOf(c.rules); err != nil {
		return err
	}
	if _, err := f.src.digests(); err != nil {
		return err
	}
	if f.http.listen == "" {
		return nil
	}
	_, err := f.http.server(server.Options{})
	return err
}

// reconfigure gives the flags that the config file has set the values of its next content.
func (w *watched) reconfigure() error {
	w.now, w.next = *w.next, nil
	flags := w.cmd.Flags()
	name := flags.Lookup("config").Value.String()
	if name == "" {
		return nil
	}
	var failed error
	flags.VisitAll(func(f *pflag.Flag) {
		if failed == nil && byConfig(f) {
			failed = unset(f)
		}
	})
	if failed != nil {
		return failed
	}
	if err := configureFrom(w.cmd, name, w.now.config); err != nil {
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
