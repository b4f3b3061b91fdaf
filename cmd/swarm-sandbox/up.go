package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/swarm-operator/swarm-operator/sandbox"
)

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "swarm-sandbox",
		Short: "A Docker Swarm in one process: real SwarmKit, no root, no dockerd",
		Long: `swarm-sandbox runs a Docker Swarm in one process: real SwarmKit behind the real
Engine API, without root, dockerd or containers. Point a docker CLI at one of
its sockets:

  swarm-sandbox up --managers 3 --workers 2 --dir /tmp/sb &
  docker -H unix:///tmp/sb/manager-1.sock node ls

A task runs until it is stopped, unless its image says otherwise: see
"swarm-sandbox images". While it is up, DIR/control.sock takes commands as HTTP
and JSON, and "swarm-sandbox ctl" sends them: kill, start, restart, add and
remove machines, make calls slow or fail.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(upCommand(), imagesCommand(), ctlCommand())
	return root
}

func upCommand() *cobra.Command {
	var o sandbox.Options
	var debug bool
	var labels []string
	c := &cobra.Command{
		Use:   "up --dir DIR",
		Short: "Run a sandbox in the foreground until SIGTERM or SIGINT",
		Long: `up runs a sandbox in the foreground and says when every node is ready. The
Engine API of each machine is at DIR/NAME.sock, the names (manager-1, worker-1,
blank-1) are the hostnames too. State stays in DIR: up on the same DIR brings the
same swarm back, with the machines that were added and removed since, and then
the flags for how many do not count. Keep DIR short: the path of a unix socket
has at most 107 bytes.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if debug {
				sandbox.LogEverything(os.Stderr)
			}
			var err error
			if o.Labels, err = engineLabels(labels); err != nil {
				return err
			}
			return up(c.Context(), c.OutOrStdout(), o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Dir, "dir", "", "directory for sockets and state (made if it is not there)")
	f.IntVar(&o.Managers, "managers", 1, "managers of a new sandbox")
	f.IntVar(&o.Workers, "workers", 0, "workers of a new sandbox")
	f.IntVar(&o.Blank, "blank", 0, "engines in no swarm, for docker swarm init and join")
	f.StringArrayVar(&labels, "engine-label", nil, "NAME:KEY=VALUE, an engine label of a machine of a new sandbox; may be given again")
	f.BoolVar(&debug, "debug", false, "print SwarmKit's logs to standard error")
	return c
}

func engineLabels(list []string) (map[string]map[string]string, error) {
	out := map[string]map[string]string{}
	for _, l := range list {
		name, kv, ok := strings.Cut(l, ":")
		key, value, eq := strings.Cut(kv, "=")
		if !ok || !eq || name == "" || key == "" {
			return nil, fmt.Errorf("--engine-label: %q is not NAME:KEY=VALUE, such as worker-1:disk=ssd", l)
		}
		if out[name] == nil {
			out[name] = map[string]string{}
		}
		out[name][key] = value
	}
	return out, nil
}

func up(ctx context.Context, out io.Writer, o sandbox.Options) error {
	if o.Dir == "" {
		return errors.New("--dir: give a directory for sockets and state, such as --dir /tmp/sb")
	}
	begin := time.Now()
	sb, err := sandbox.Start(ctx, o)
	switch {
	case err != nil && ctx.Err() == nil:
		return err
	case err != nil: // it was stopped while it started, which is no failure
		return nil //nolint:nilerr // see above
	}
	fmt.Fprintln(out, readyLine(sb.State(), time.Since(begin)))
	<-ctx.Done()
	return sb.Close()
}

// readyLine says on one line which machines there are, and where. For a node that is not up, such as a locked
// manager, it adds the state.
func readyLine(s sandbox.State, took time.Duration) string {
	var parts []string
	for _, m := range s.Machines {
		part := m.Socket
		switch m.Swarm {
		case "active/manager", "active/worker", "inactive":
		default:
			part += " (" + m.Swarm + ")"
		}
		parts = append(parts, part)
	}
	if len(parts) > 12 { // a thousand paths help nobody
		parts = append(parts[:11], fmt.Sprintf("… and %d more", len(parts)-11))
	}
	return fmt.Sprintf("ready in %.1fs: %s (control: %s/control.sock)", took.Seconds(), strings.Join(parts, " "), s.Dir)
}

func imagesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "images",
		Short: "List the images that do more than run until they are stopped",
		Args:  cobra.NoArgs,
		Run: func(c *cobra.Command, _ []string) {
			for _, i := range sandbox.Images() {
				fmt.Fprintf(c.OutOrStdout(), "%s\t%s\n", i.Name, i.Does)
			}
		},
	}
}
