package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/server"
)

// defaultListen is where run serves and health asks. It can be reached only from the same machine.
const defaultListen = "127.0.0.1:9737"

func newHealth() *cobra.Command {
	var listen string
	var ready bool
	var how askFlags
	var out output
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask a running operator whether it works",
		Long:  "Health asks the operator at --listen. It exits with 0 if the operator answers that it works, with 1 if not, and with 2 if a flag is wrong.",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := how.open()
			if err != nil {
				return err
			}
			if _, err := a.url(listen); err != nil {
				return fmt.Errorf("--listen: %w", err)
			}
			path := server.Healthz
			if ready {
				path = server.Readyz
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), 5*time.Second)
			defer cancel()
			text, err := a.ask(ctx, "--listen", listen, path)
			if out.json() {
				found := healthy{Operator: listen, Ready: ready, OK: err == nil, Message: strings.TrimSpace(text)}
				if err != nil {
					found.Message = v1.Scrub(err.Error())
				}
				if err := document(cmd.OutOrStdout(), found); err != nil {
					return err
				}
			}
			if err != nil {
				return exit{1, err}
			}
			if !out.json() {
				_, err = fmt.Fprint(cmd.OutOrStdout(), text)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&listen, "listen", defaultListen, "address of the operator")
	how.register(cmd, false)
	out.register(cmd, "output format")
	cmd.Flags().BoolVar(&ready, "ready", false, "ask whether the operator can do its job, not only whether its process works")
	return cmd
}
