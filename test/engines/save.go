package engines

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// keep saves what explains why a swarm did not come up. Its error says where that is.
func (s *Swarm) keep(ctx context.Context) error {
	dir, err := harness.Artifacts(ctx, "engines", s.run)
	if err == nil {
		err = s.Save(ctx, dir)
	}
	return errors.Join(err, fmt.Errorf("what explains it is in %s", dir))
}

// Save makes a directory and writes into it what explains a failure. That is the logs of each dockerd and registry, and
// the nodes, services and tasks as the first manager that answers lists them.
func (s *Swarm) Save(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var errs []error
	logs, _ := filepath.Glob(filepath.Join(s.dir, "*.log")) // the pattern is well formed
	for _, path := range logs {
		errs = append(errs, copyFile(path, filepath.Join(dir, filepath.Base(path))))
	}
	for _, n := range s.nodes {
		errs = append(errs, copyFile(n.log(), filepath.Join(dir, n.name+".log")))
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, name := range s.managers {
		if s.saveState(ctx, s.Client(name), dir) == nil {
			break
		}
	}
	return errors.Join(errs...)
}

func (s *Swarm) saveState(ctx context.Context, c *client.Client, dir string) error {
	nodes, err := c.NodeList(ctx, client.NodeListOptions{})
	if err != nil {
		return err
	}
	services, err := c.ServiceList(ctx, client.ServiceListOptions{Status: true})
	if err != nil {
		return err
	}
	tasks, err := c.TaskList(ctx, client.TaskListOptions{})
	if err != nil {
		return err
	}
	for name, list := range map[string]any{"nodes": nodes.Items, "services": services.Items, "tasks": tasks.Items} {
		text, err := json.MarshalIndent(list, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name+".json"), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if errors.Is(err, os.ErrNotExist) {
		return nil // that node was never started
	}
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o600)
}
