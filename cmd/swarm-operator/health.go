package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// defaultListen is where run serves and health asks: reachable on the machine only.
const defaultListen = "127.0.0.1:9737"

func newHealth() *cobra.Command {
	var listen string
	var ready bool
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask a running operator whether it works",
		Long:  "Asks the operator at --listen. Exits 0 where it answers that it works, 1 where it does not.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path := "/healthz"
			if ready {
				path = "/readyz"
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), 5*time.Second)
			defer cancel()
			text, err := ask(ctx, "--listen", listen, path)
			if err != nil {
				return exit{1, err}
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), text)
			return err
		},
	}
	cmd.Flags().StringVar(&listen, "listen", defaultListen, "address of the operator")
	cmd.Flags().BoolVar(&ready, "ready", false, "ask whether it can do its job, not only whether it works")
	return cmd
}

// mostAnswer bounds what is read of an answer: the status of ten thousand objects has some megabytes.
const mostAnswer = 64 << 20

// ask asks an operator that runs at an address, or behind a URL; flag is where that was stated.
func ask(ctx context.Context, flag, operator, path string) (string, error) {
	base, err := operatorURL(operator)
	if err != nil {
		return "", fmt.Errorf("%s: %w", flag, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
	if err != nil {
		return "", fmt.Errorf("%s: %w", flag, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("asking the operator: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	if err != nil {
		return "", fmt.Errorf("asking the operator: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the operator at %s answers %s: %.200s", operator, resp.Status, body)
	}
	return string(body), nil
}

// operatorURL takes an address as --listen does, or a URL.
func operatorURL(operator string) (string, error) {
	if strings.HasPrefix(operator, "http://") || strings.HasPrefix(operator, "https://") {
		return strings.TrimRight(operator, "/"), nil
	}
	host, port, err := net.SplitHostPort(operator)
	if err != nil {
		return "", err
	}
	if host == "" || host == "0.0.0.0" || host == "::" {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}
