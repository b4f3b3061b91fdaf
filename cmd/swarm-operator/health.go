package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// defaultListen is where run serves and health asks. It can be reached only from the same machine.
const defaultListen = "127.0.0.1:9737"

func newHealth() *cobra.Command {
	var listen string
	var ready bool
	var out output
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask a running operator whether it works",
		Long:  "Health asks the operator at --listen. It exits with 0 if the operator answers that it works, with 1 if not, and with 2 if a flag is wrong.",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := operatorURL(listen); err != nil {
				return fmt.Errorf("--listen: %w", err)
			}
			path := "/healthz"
			if ready {
				path = "/readyz"
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), 5*time.Second)
			defer cancel()
			text, err := ask(ctx, "--listen", listen, path)
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
	out.register(cmd, "output format")
	cmd.Flags().BoolVar(&ready, "ready", false, "ask whether the operator can do its job, not only whether its process works")
	return cmd
}

// mostAnswer limits how much of an answer is read. The status of ten thousand objects has some megabytes.
const mostAnswer = 64 << 20

// ask returns the answer of a running operator at an address or URL. flag is what stated that address; it begins the
// error.
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
		err = plainNetError(err)
		if errors.Is(err, syscall.ECONNREFUSED) {
			err = fmt.Errorf("nothing listens there: %w; does swarm-operator run there, with that --listen?", err)
		}
		return "", fmt.Errorf("asking the operator at %s: %w", operator, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	if err != nil {
		return "", fmt.Errorf("asking the operator at %s: %w", operator, err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the operator at %s answers %s: %.200s", operator, resp.Status, body)
	}
	return string(body), nil
}

// operatorURL returns the URL for an address in the form of --listen. A URL only loses its trailing slashes.
func operatorURL(operator string) (string, error) {
	if strings.HasPrefix(operator, "http://") || strings.HasPrefix(operator, "https://") {
		return strings.TrimRight(operator, "/"), nil
	}
	host, port, err := net.SplitHostPort(operator)
	if err != nil {
		return "", fmt.Errorf("%q is not an address such as %s: %w", operator, defaultListen, err)
	}
	if host == "" || host == "0.0.0.0" || host == "::" {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}
