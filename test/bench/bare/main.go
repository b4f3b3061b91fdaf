// Command bare makes the calls without which no client can say that a swarm is as it should be, and decodes the
// answers: what test/bench measures the cold diff against. It is a program of its own so that it starts as small.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/moby/moby/client"
)

func main() {
	n, err := look(context.Background(), os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
	fmt.Println(n)
}

func look(ctx context.Context, host string) (int, error) {
	c, err := client.New(client.WithHost(host))
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if _, err := c.Ping(ctx, client.PingOptions{}); err != nil {
		return 0, err
	}
	if _, err := c.Info(ctx, client.InfoOptions{}); err != nil {
		return 0, err
	}
	if _, err := c.NetworkList(ctx, client.NetworkListOptions{}); err != nil {
		return 0, err
	}
	if _, err := c.ConfigList(ctx, client.ConfigListOptions{}); err != nil {
		return 0, err
	}
	if _, err := c.SecretList(ctx, client.SecretListOptions{}); err != nil {
		return 0, err
	}
	services, err := c.ServiceList(ctx, client.ServiceListOptions{})
	return len(services.Items), err
}
