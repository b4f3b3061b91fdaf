package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// stack is what was measured of docker stack deploy, which is what people use today.
type stack struct {
	create, again, one []time.Duration
	writes             int // writes of services, when one of them has changed or none
}

func (w *world) dockerCLI(ctx context.Context, host string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, w.docker, args...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+host)
	return cmd
}

func (w *world) dockerVersion() string {
	out, err := exec.Command(w.docker, "--version").Output()
	if err != nil {
		return "docker: " + err.Error()
	}
	version, _, _ := strings.Cut(strings.TrimSpace(string(out)), ", build")
	return "CLI: " + version
}

func (w *world) deploy(ctx context.Context, host, file string) *exec.Cmd {
	return w.dockerCLI(ctx, host, "stack", "deploy", "--compose-file", file, "bench")
}

// stacks deploys the manifests' services as a stack: into an empty swarm, then the same again, then with one changed.
func (w *world) stacks(ctx context.Context) error {
	dir := filepath.Join(w.dir, "stack")
	file, err := writeCompose(dir, "compose.yaml", w.n, "eu-1")
	if err != nil {
		return err
	}
	changed, err := writeCompose(dir, "changed.yaml", w.n, "eu-2")
	if err != nil {
		return err
	}
	var calls []call
	for range w.slow(5) {
		if err := w.empty(ctx); err != nil {
			return err
		}
		for _, s := range []struct {
			out  *[]time.Duration
			file string
		}{{&w.stack.create, file}, {&w.stack.again, file}, {&w.stack.one, changed}} {
			var took time.Duration
			if calls, _, took, err = w.count(w.deploy(ctx, w.direct, s.file)); err != nil {
				return err
			}
			*s.out = append(*s.out, took)
		}
	}
	if w.counted != w.direct {
		calls, _, _, err = w.count(w.deploy(ctx, w.counted, changed))
	}
	for _, c := range calls {
		if update("")(c) {
			w.stack.writes++
		}
	}
	return err
}

// composeService says in a compose file what serviceManifest says.
const composeService = `  %[1]s:
    image: %[3]s
    command: [/bin/app, --listen, ":8080"]
    environment:
      LOG_LEVEL: info
      REGION: %[4]s
      SERVICE: %[1]s
      CACHE: cache.example.com:6379
    labels: {app: %[1]s}
    configs: [{source: app-%[2]d, target: /etc/app.conf}]
    healthcheck: {test: [CMD, check], interval: 10s, retries: 3}
    deploy:
      labels: {tier: back, team: team-%[2]d}
      replicas: 0
      resources:
        limits: {cpus: "0.5", memory: 256M}
        reservations: {memory: 64M}
      placement: {constraints: [node.role == manager]}
      update_config: {parallelism: 1, delay: 5s, order: start-first, failure_action: rollback}
      restart_policy: {condition: any, delay: 2s}
`

// writeCompose writes a compose file equivalent to the manifests. region is that of the first service. The stack uses
// the host's network instead of its default one, because the manifests name no network.
func writeCompose(dir, name string, n int, region string) (string, error) {
	var b strings.Builder
	b.WriteString("version: \"3.8\"\nnetworks: {default: {name: host, external: true}}\nconfigs:\n")
	for i := range min(n, teams) {
		fmt.Fprintf(&b, "  app-%d: {file: ./app.conf}\n", i)
	}
	b.WriteString("services:\n")
	for i := range n {
		fmt.Fprintf(&b, composeService, serviceName(i), i%teams, image(i), region)
		region = "eu-1"
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "app.conf"), []byte(configData), 0o644); err != nil {
		return "", err
	}
	file := filepath.Join(dir, name)
	return file, os.WriteFile(file, []byte(b.String()), 0o644)
}
