package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/swarm-operator/swarm-operator/sandbox"
)

func ctlCommand() *cobra.Command {
	var dir string
	root := &cobra.Command{
		Use:   "ctl",
		Short: "Command a running sandbox through DIR/control.sock",
		Long: `ctl sends commands to a running sandbox. They are HTTP and JSON on
DIR/control.sock, for other programs to send as well:

  GET    /state                 machines, addresses, roles and faults
  POST   /nodes                 {"role":"worker","labels":{"k":"v"}} adds a machine (manager, worker, blank)
  POST   /nodes/NAME/kill       stops it at once, as a power cut does; its socket is gone
  POST   /nodes/NAME/start      starts a killed one again
  POST   /nodes/NAME/restart    kill, then start
  POST   /nodes/NAME/partition  cuts it off from all others; its Engine API still answers
  POST   /nodes/NAME/heal       ends that
  DELETE /nodes/NAME            kills it and throws its disk away; the swarm still lists it, as down
  GET    /faults                the faults in force
  POST   /faults                {"node":"manager-1","method":"POST","path":"/services/.*","skip":0,"count":3,
                                 "latency":"200ms","status":503,"message":"...","drop":true,"afterCommit":true}
  DELETE /faults                removes all of them; DELETE /faults/ID one
  GET    /requests              the Engine API calls seen so far; DELETE /requests forgets them

  curl --unix-socket DIR/control.sock http://sandbox/state`,
	}
	root.PersistentFlags().StringVar(&dir, "dir", "", "directory of the running sandbox")
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if dir == "" {
			return errors.New("--dir: give the directory that the sandbox runs from, the --dir of its swarm-sandbox up")
		}
		return nil
	}
	call := func(c *cobra.Command, method, path string, body any) error {
		return control(c.Context(), c.OutOrStdout(), dir, method, path, body)
	}
	for _, verb := range []struct{ name, short string }{
		{"kill", "Stop a machine at once, as a power cut does"},
		{"start", "Start a machine that was killed"},
		{"restart", "Kill a machine and start it again"},
		{"partition", "Cut a machine off from all others; its Engine API still answers"},
	} {
		root.AddCommand(&cobra.Command{
			Use: verb.name + " NAME", Short: verb.short, Args: oneArg,
			RunE: func(c *cobra.Command, args []string) error {
				return call(c, http.MethodPost, "/nodes/"+args[0]+"/"+verb.name, nil)
			},
		})
	}
	root.AddCommand(
		&cobra.Command{
			Use: "remove NAME", Short: "Kill a machine and throw its disk away", Args: oneArg,
			RunE: func(c *cobra.Command, args []string) error {
				return call(c, http.MethodDelete, "/nodes/"+args[0], nil)
			},
		},
		&cobra.Command{
			Use: "add manager|worker|blank", Short: "Add a machine", Args: oneArg,
			RunE: func(c *cobra.Command, args []string) error {
				return call(c, http.MethodPost, "/nodes", map[string]string{"role": args[0]})
			},
		},
		&cobra.Command{
			Use: "state", Short: "Show machines and faults", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error { return call(c, http.MethodGet, "/state", nil) },
		},
		&cobra.Command{
			Use: "requests", Short: "Show the Engine API calls so far", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error { return call(c, http.MethodGet, "/requests", nil) },
		},
		&cobra.Command{
			Use: "heal [NAME]", Short: "Remove all faults, or end the partition of a machine", Args: cobra.MaximumNArgs(1),
			RunE: func(c *cobra.Command, args []string) error {
				if len(args) == 1 {
					return call(c, http.MethodPost, "/nodes/"+args[0]+"/heal", nil)
				}
				return call(c, http.MethodDelete, "/faults", nil)
			},
		},
		faultCommand(call),
	)
	return root
}

// oneArg requires exactly one argument, which the command's Use names.
func oneArg(c *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%s takes one argument, and was given %d; usage: %s", c.CommandPath(), len(args), c.UseLine())
	}
	return nil
}

func faultCommand(call func(c *cobra.Command, method, path string, body any) error) *cobra.Command {
	var f sandbox.Fault
	var latency time.Duration
	c := &cobra.Command{
		Use:   "fault",
		Short: "Make calls of the Engine API slow, fail or break off",
		Example: `  swarm-sandbox ctl fault --dir /tmp/sb --method POST --path '/services/.*' --status 503 --count 3
  swarm-sandbox ctl fault --dir /tmp/sb --node manager-1 --latency 200ms
  swarm-sandbox ctl fault --dir /tmp/sb --path /services/create --drop --after-commit --count 1`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			f.Latency = sandbox.Duration(latency)
			return call(c, http.MethodPost, "/faults", f)
		},
	}
	fl := c.Flags()
	fl.StringVar(&f.Node, "node", "", "machine that is asked; all if not given")
	fl.StringVar(&f.Method, "method", "", "HTTP method; all if not given")
	fl.StringVar(&f.Path, "path", "", "regular expression for the whole path without the API version; all if not given")
	fl.IntVar(&f.Skip, "skip", 0, "let so many matching calls pass first")
	fl.IntVar(&f.Count, "count", 0, "hit so many calls, then go; 0 is all")
	fl.DurationVar(&latency, "latency", 0, "wait so long before anything else")
	fl.IntVar(&f.Status, "status", 0, "answer with this HTTP status")
	fl.StringVar(&f.Message, "message", "", "text of that answer")
	fl.BoolVar(&f.Drop, "drop", false, "close the connection without an answer")
	fl.BoolVar(&f.AfterCommit, "after-commit", false, "carry the call out, and spoil only its answer")
	return c
}

// control makes one call and prints the answer, if there is one.
func control(ctx context.Context, out io.Writer, dir, method, path string, body any) error {
	socket := filepath.Join(dir, "control.sock")
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	var payload io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://sandbox"+path, payload)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no sandbox runs from %s; start one: swarm-sandbox up --dir %[1]s", dir)
	case err != nil:
		return fmt.Errorf("asking the sandbox in %s: %w", dir, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("reading the answer of the sandbox in %s: %w", dir, err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		var e struct{ Message string }
		if json.Unmarshal(raw, &e) == nil && e.Message != "" {
			return errors.New(e.Message)
		}
		return fmt.Errorf("the sandbox in %s answers %s: %s", dir, resp.Status, strings.TrimSpace(string(raw)))
	}
	if len(raw) > 0 {
		var pretty bytes.Buffer
		if json.Indent(&pretty, bytes.TrimSpace(raw), "", "  ") == nil {
			raw = append(pretty.Bytes(), '\n')
		}
		_, err = out.Write(raw)
	}
	return err
}
