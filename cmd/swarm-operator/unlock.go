package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/unlock"
)

// defaultRing is a file in the state directory of deploy/swarm-operator-unlock.service.
const defaultRing = "/var/lib/swarm-operator/keys"

type unlockFlags struct {
	eng          engineFlags
	ring         string
	watch, stdin bool
	every        time.Duration
	audit        auditFlag
}

func newUnlock() *cobra.Command {
	var f unlockFlags
	cmd := &cobra.Command{
		Use:   "unlock",
		Short: "Open a manager that is locked",
		Long: `Unlock opens a locked manager with a key of the key ring, the newest first, or with a key from the standard input. It does nothing to a
manager that is not locked. With --watch it keeps running as the helper of one manager: it puts the manager's key on the ring while
the manager is open, and opens the manager whenever it is locked. It runs on the manager, outside the swarm, and needs no quorum. It
ends cleanly on SIGTERM.

A ring is a file that only its owner can read. Each line has the time when a key was first seen, such as 2026-01-31T12:00:00Z, and the
key. The newest key is first, and lines that begin with # are comments. A key is kept for 90 days after the next one, and the last five
are kept always.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 { // nobody except the person who typed it should see what it is
				return errors.New("unlock takes no arguments: give the key to the standard input, with --key-stdin; if you have typed a key on a command line, rotate it, because others may have seen it")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	f.eng.register(cmd)
	f.audit.register(cmd)
	cmd.Flags().StringVar(&f.ring, "ring", defaultRing, "file with the keys")
	cmd.Flags().BoolVar(&f.stdin, "key-stdin", false, "take one key from the standard input instead")
	cmd.Flags().BoolVar(&f.watch, "watch", false, "keep the ring, and open the manager whenever it is locked")
	cmd.Flags().DurationVar(&f.every, "every", time.Minute, "how often to look with --watch; a rotated key is on the ring at most that much later")
	return cmd
}

func (f *unlockFlags) run(cmd *cobra.Command) error {
	switch {
	case f.watch && f.stdin:
		return errors.New("--key-stdin: it does not go with --watch, which takes the keys of the ring; leave one of the two out")
	case f.every <= 0:
		return checkPositive("every", f.every)
	case f.ring == "":
		return errors.New("--ring: say which file has the keys")
	}
	audited, err := f.audit.command(cmd, "")
	if err != nil {
		return err
	}
	defer audited()
	if f.watch {
		return f.help(cmd)
	}
	c, _, err := f.eng.openQuiet(cmd)
	if err != nil {
		return err
	}
	defer c.Close()
	return f.once(cmd, c)
}

// help runs the helper until the command is told to end.
func (f *unlockFlags) help(cmd *cobra.Command) error {
	log, err := f.eng.logger(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	c, err := f.eng.open(cmd, log, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	log.Info("unlock helper running", "engine", c.Host(), "ring", f.ring, "every", f.every, "version", version())
	helper := unlock.New(unlock.Options{Engine: c, Ring: f.ring, Every: f.every, Wake: c.Events(cmd.Context()), Now: time.Now, Log: log})
	if err := helper.Run(cmd.Context()); err != nil {
		return err
	}
	log.Info("stopped")
	return nil
}

// once unlocks the manager now, or says why it cannot.
func (f *unlockFlags) once(cmd *cobra.Command, c *engine.Client) error {
	keys, err := f.keys(cmd)
	if err != nil {
		return err
	}
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	about, err := c.Describe(ctx)
	if err != nil {
		return err
	}
	if about.State != swarm.LocalNodeStateLocked {
		fmt.Fprintf(out, "%s is not locked, so nothing was done; its swarm state is %s\n", about.Name, about.State)
		return nil
	}
	for _, key := range keys {
		verdict, err := unlock.Try(ctx, c, key)
		switch verdict {
		case unlock.Opened:
			fmt.Fprintf(out, "%s is unlocked\n", about.Name)
			return nil
		case unlock.Unclear:
			return err
		}
	}
	if f.stdin {
		return fmt.Errorf("%s stays locked: the key is not the one that it had when it went down", about.Name)
	}
	return fmt.Errorf("%s stays locked: none of the %s of %s is the one that it had when it went down; --key-stdin takes another one", about.Name, v1.Count(len(keys), "key"), f.ring)
}

// keys returns the keys to try, in order.
func (f *unlockFlags) keys(cmd *cobra.Command) ([]v1.Content, error) {
	if f.stdin {
		key, err := readKey(cmd.InOrStdin(), cmd.ErrOrStderr())
		if err != nil {
			return nil, fmt.Errorf("--key-stdin: %w", err)
		}
		return []v1.Content{key}, nil
	}
	ring, err := unlock.Load(f.ring)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("--ring: %w; --key-stdin takes a key that you have", err)
	}
	if err != nil {
		return nil, fmt.Errorf("--ring: %w", err)
	}
	if len(ring) == 0 {
		return nil, fmt.Errorf("--ring: %s has no keys; --key-stdin takes one that you have", f.ring)
	}
	var keys []v1.Content
	for _, k := range ring {
		keys = append(keys, k.Content)
	}
	return keys, nil
}

// readKey reads what a person types, which is not shown, or what a program writes.
func readKey(in io.Reader, errs io.Writer) (v1.Content, error) {
	var data []byte
	var err error
	if file, is := in.(*os.File); is && term.IsTerminal(int(file.Fd())) {
		fmt.Fprint(errs, "unlock key: ")
		data, err = term.ReadPassword(int(file.Fd()))
		fmt.Fprintln(errs)
	} else {
		data, err = io.ReadAll(io.LimitReader(in, 4096))
	}
	if err != nil {
		return v1.Content{}, err
	}
	return unlock.ParseKey(strings.TrimSpace(string(data)))
}
