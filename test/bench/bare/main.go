// Command bare makes the calls without which no client could do the operator's work, and nothing else. test/bench
// measures the operator against it. It is a program of its own, so that it is as far from the engine as the operator
// is.
//
//	bare look HOST             reads what says whether a swarm is as it should be, and decodes the answers
//	bare create HOST WIDTH     creates what standard input holds, WIDTH objects at once, and prints the time taken
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"
)

func main() {
	if err := run(context.Background(), os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, what, host string, args []string) error {
	c, err := client.New(client.WithHost(host))
	if err != nil {
		return err
	}
	defer c.Close()
	switch what {
	case "look":
		return look(ctx, c)
	case "create":
		width, err := strconv.Atoi(args[0])
		if err != nil {
			return err
		}
		return create(ctx, c, width)
	}
	return fmt.Errorf("%q is neither look nor create", what)
}

func look(ctx context.Context, c *client.Client) error {
	for _, call := range []func() error{
		func() error { _, err := c.Ping(ctx, client.PingOptions{}); return err },
		func() error { _, err := c.Info(ctx, client.InfoOptions{}); return err },
		func() error { _, err := c.NetworkList(ctx, client.NetworkListOptions{}); return err },
		func() error { _, err := c.ConfigList(ctx, client.ConfigListOptions{}); return err },
		func() error { _, err := c.SecretList(ctx, client.SecretListOptions{}); return err },
		func() error { _, err := c.ServiceList(ctx, client.ServiceListOptions{}); return err },
	} {
		if err := call(); err != nil {
			return err
		}
	}
	return nil
}

// specs are the objects to create. The type is the same as in package bench.
type specs struct {
	Configs  []swarm.ConfigSpec
	Services []swarm.ServiceSpec
}

func create(ctx context.Context, c *client.Client, width int) error {
	var s specs
	if err := json.NewDecoder(os.Stdin).Decode(&s); err != nil {
		return err
	}
	if _, err := c.Ping(ctx, client.PingOptions{}); err != nil {
		return err
	}
	begin := time.Now()
	ids := map[string]string{}
	for _, spec := range s.Configs {
		r, err := c.ConfigCreate(ctx, client.ConfigCreateOptions{Spec: spec})
		if err != nil {
			return err
		}
		ids[spec.Name] = r.ID
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(width)
	for _, spec := range s.Services {
		g.Go(func() error {
			for _, ref := range spec.TaskTemplate.ContainerSpec.Configs {
				ref.ConfigID = ids[ref.ConfigName]
			}
			_, err := c.ServiceCreate(ctx, client.ServiceCreateOptions{Spec: spec})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	fmt.Println(time.Since(begin))
	return nil
}
