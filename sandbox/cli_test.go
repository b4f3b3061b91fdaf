package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
)

// cli runs the installed docker CLI.
type cli struct {
	t      *testing.T
	sb     *Sandbox
	config string
}

func newCLI(t *testing.T, sb *Sandbox) *cli {
	if _, err := exec.LookPath("docker"); err != nil {
		if os.Getenv("CI_NO_SKIP") == "1" {
			t.Fatal("the docker CLI is not on PATH, and CI_NO_SKIP forbids skipping")
		}
		t.Skip("the docker CLI is not on PATH")
	}
	return &cli{t, sb, t.TempDir()}
}

func (c *cli) command(node, stdin string, args ...string) (string, error) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "docker", append([]string{"-H", c.sb.Host(node)}, args...)...)
	cmd.Env = append(os.Environ(), "DOCKER_CONFIG="+c.config, "DOCKER_HOST=", "DOCKER_CONTEXT=")
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// run runs a command that must succeed, and returns its output.
func (c *cli) run(node string, args ...string) string {
	c.t.Helper()
	return c.runWith(node, "", args...)
}

func (c *cli) runWith(node, stdin string, args ...string) string {
	c.t.Helper()
	out, err := c.command(node, stdin, args...)
	if err != nil {
		c.t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(out)
}

// refused runs a command that must fail with this text in its output.
func (c *cli) refused(node, want string, args ...string) {
	c.t.Helper()
	out, err := c.command(node, "", args...)
	if err == nil || !strings.Contains(out, want) {
		c.t.Errorf("docker %s: %v, want an error with %q\n%s", strings.Join(args, " "), err, want, out)
	}
}

// shows runs a command whose output must have all of these texts.
func (c *cli) shows(node string, want []string, args ...string) {
	c.t.Helper()
	out := c.run(node, args...)
	for _, w := range want {
		if !strings.Contains(out, w) {
			c.t.Errorf("docker %s lacks %q:\n%s", strings.Join(args, " "), w, out)
		}
	}
}

// until repeats a command until its output has this text.
func (c *cli) until(node, want string, args ...string) {
	c.t.Helper()
	eventually(c.t, func() error {
		out, err := c.command(node, "", args...)
		if err != nil || !strings.Contains(out, want) {
			return fmt.Errorf("docker %s lacks %q: %w\n%s", strings.Join(args, " "), want, err, out)
		}
		return nil
	})
}

func TestDockerCLIServices(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Managers: 1, Workers: 2})
	d := newCLI(t, sb)
	const m = "manager-1"

	d.shows(m, []string{"Name: manager-1", "Swarm: active", "Is Manager: true", "Nodes: 3", "CPUs: 8", "Total Memory: 16GiB"}, "info")
	d.shows(m, []string{"API version:       1.50", "1.56 (minimum version 1.40)"}, "version")
	d.shows(m, []string{"manager-1", "Leader", "worker-1", "worker-2", "Ready"}, "node", "ls")

	d.shows(m, []string{"overall progress: 3 out of 3 tasks", "converged"}, "service", "create", "--name", "web", "--replicas", "3", "--publish", "8080:80", "--update-monitor", "500ms", "--rollback-monitor", "500ms", "nginx:1")
	d.shows(m, []string{"web", "3/3", "nginx:1", "*:8080->80/tcp"}, "service", "ls")
	d.shows(m, []string{"web.1", "web.2", "web.3", "Running"}, "service", "ps", "web")
	d.shows(m, []string{"running nginx:1"}, "service", "logs", "web")
	d.shows(m, []string{"nginx:1@sha256:"}, "service", "inspect", "--format", "{{.Spec.TaskTemplate.ContainerSpec.Image}}", "web")
	d.shows(m, []string{"Replicas:	3", "Image:		nginx:1@sha256:"}, "service", "inspect", "--pretty", "web")
	// The CLI says "converged" only if it sees all tasks run before the swarm says that the update is complete
	// (cli/command/service/progress). On a busy machine the order may be the reverse.
	d.shows(m, []string{"overall progress"}, "service", "update", "--image", "nginx:2", "--update-delay", "0s", "web")
	d.shows(m, []string{"overall progress"}, "service", "rollback", "web")
	d.shows(m, []string{"web scaled to 2"}, "service", "scale", "-d", "web=2")
	d.until(m, "2/2", "service", "ls")
	out, err := d.command(m, "", "service", "update", "--image", "crash:1", "--update-failure-action", "rollback", "web")
	if !strings.Contains(out, "update rolled back due to failure or early termination of task") {
		t.Errorf("a failing update says %q, %v", out, err)
	}
	d.until(m, "rollback_completed", "service", "inspect", "--format", "{{.UpdateStatus.State}}", "web")
	d.shows(m, []string{"could not be accessed on a registry to record"}, "service", "create", "-d", "--name", "np", "nopull:1")
	d.until(m, "Rejected", "service", "ps", "np")
	d.refused(m, "name conflicts with an existing object: service web already exists", "service", "create", "-d", "--name", "web", "nginx:1")
	d.refused(m, "no such service: nope", "service", "inspect", "nope")
	d.run(m, "service", "rm", "web", "np")

	d.shows(m, []string{"docker_gwbridge", "ingress", "overlay", "swarm"}, "network", "ls")
	d.run(m, "network", "create", "-d", "overlay", "--attachable", "back")
	d.refused(m, "network with name back already exists", "network", "create", "-d", "overlay", "back")
	d.shows(m, []string{`"Scope": "swarm"`, `"Subnet": "10.0.1.0/24"`}, "network", "inspect", "back")
	d.runWith(m, "shh", "secret", "create", "-l", "a=b", "key", "-")
	d.runWith(m, "x=1", "config", "create", "conf", "-")
	d.run(m, "service", "create", "-d", "--name", "app", "--network", "back", "--secret", "key", "--config", "conf", "nginx:1")
	d.shows(m, []string{"key"}, "secret", "ls", "--filter", "label=a=b")
	d.shows(m, []string{`"Name": "key"`}, "secret", "inspect", "key")
	d.shows(m, []string{"x=1"}, "config", "inspect", "--pretty", "conf")
	d.refused(m, "secret 'key' is in use by the following service: app", "secret", "rm", "key")
	d.refused(m, "config 'conf' is in use by the following service: app", "config", "rm", "conf")
	d.refused(m, "is in use by service", "network", "rm", "back")
	d.run(m, "service", "rm", "app")
	d.run(m, "secret", "rm", "key")
	d.run(m, "config", "rm", "conf")
	eventually(t, func() error { // the network goes when the last task has gone
		out, err := d.command(m, "", "network", "rm", "back")
		if err != nil {
			return errors.New(out)
		}
		return nil
	})
	d.shows(m, []string{"service create", "name=app", "service remove", "secret create", "name=key", "network create", "name=back"},
		"events", "--since", "10m", "--until", strconv.FormatInt(time.Now().Unix()+1, 10), "--filter", "scope=swarm")
}

func TestDockerCLIStack(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Managers: 1, Workers: 1})
	d := newCLI(t, sb)
	const m = "manager-1"
	file := filepath.Join(t.TempDir(), "compose.yaml")
	compose := func(tag string) {
		if err := os.WriteFile(file, []byte(`
services:
  web:
    image: nginx:`+tag+`
    ports: ["8080:80"]
    networks: [back]
    configs: [conf]
    deploy: {replicas: 2, update_config: {monitor: 500ms}}
  db:
    image: postgres:16
    networks: [back]
    secrets: [key]
networks: {back: {}}
configs: {conf: {file: ./conf}}
secrets: {key: {file: ./key}}
`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range map[string]string{"key": "shh", "conf": "x=1"} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(file), name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	compose("1")
	d.run(m, "stack", "deploy", "-d=true", "-c", file, "shop")
	d.until(m, "2/2", "stack", "services", "shop")
	d.shows(m, []string{"shop", "2"}, "stack", "ls")
	d.until(m, "Running", "stack", "ps", "shop")
	compose("2")
	d.run(m, "stack", "deploy", "-d=true", "-c", file, "shop")
	d.until(m, "completed", "service", "inspect", "--format", "{{.UpdateStatus.State}}", "shop_web")
	d.shows(m, []string{"nginx:2"}, "stack", "services", "shop")
	d.run(m, "stack", "rm", "shop")
	if left := d.run(m, "stack", "ls", "--format", "{{.Name}}") + d.run(m, "secret", "ls", "-q") + d.run(m, "config", "ls", "-q"); left != "" {
		t.Errorf("the stack left %q", left)
	}
}

func TestDockerCLIMembership(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Managers: 1, Workers: 2, Blank: 1})
	d := newCLI(t, sb)
	const m, w, b = "manager-1", "worker-1", "blank-1"

	d.shows(w, []string{"Swarm: active", "Is Manager: false", "127.42."}, "info")
	d.refused(w, "Worker nodes can't be used to view or modify cluster state", "node", "ls")
	d.refused(b, `Use "docker swarm init" or "docker swarm join"`, "service", "ls")
	token := d.run(m, "swarm", "join-token", "-q", "worker")
	addr := d.run(m, "info", "--format", "{{(index .Swarm.RemoteManagers 0).Addr}}")
	d.shows(m, []string{"docker swarm join --token " + token, addr}, "swarm", "join-token", "worker")
	d.refused(b, "invalid join token", "swarm", "join", "--token", "garbage", addr)
	d.shows(b, []string{"This node joined a swarm as a worker."}, "swarm", "join", "--token", token, addr)
	d.refused(b, "This node is already part of a swarm", "swarm", "join", "--token", token, addr)
	d.until(m, "blank-1", "node", "ls")
	d.run(m, "node", "update", "--label-add", "zone=a", "--availability", "drain", b)
	d.shows(m, []string{"zone=a", "Drain"}, "node", "inspect", "--pretty", b)
	d.shows(m, []string{"ID"}, "node", "ps", b)
	d.refused(m, "is not down and can't be removed", "node", "rm", b)
	d.shows(b, []string{"Node left the swarm."}, "swarm", "leave")
	d.until(m, "Down", "node", "ls", "--filter", "name=blank-1")
	d.run(m, "node", "rm", b)

	rotated := d.run(m, "swarm", "join-token", "--rotate", "-q", "worker")
	if rotated == token {
		t.Error("the token is the same after its rotation")
	}
	d.shows(b, []string{"Swarm initialized"}, "swarm", "init")
	d.refused(b, "Removing the last manager erases all current state of the swarm", "swarm", "leave")
	d.run(b, "swarm", "leave", "--force")
	d.run(b, "swarm", "join", "--token", rotated, addr)

	d.shows(m, []string{"promoted to a manager"}, "node", "promote", w)
	d.until(w, "Reachable", "node", "ls")
	d.shows(m, []string{"demoted in the swarm"}, "node", "demote", w)
	eventually(t, func() error {
		if out, err := d.command(w, "", "service", "ls"); err == nil || !strings.Contains(out, "Worker nodes can't") {
			return fmt.Errorf("a demoted node lists services: %w %s", err, out)
		}
		return nil
	})

	d.run(m, "swarm", "update", "--task-history-limit", "3", "--dispatcher-heartbeat", "1s")
	d.shows(m, []string{"Task History Retention Limit: 3"}, "info")
	before := d.run(m, "swarm", "ca")
	d.shows(m, []string{"BEGIN CERTIFICATE", "rotated TLS certificates"}, "swarm", "ca", "--rotate")
	if d.run(m, "swarm", "ca") == before {
		t.Error("the CA is the same after its rotation")
	}
}

func TestDockerCLIAutolock(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Managers: 1})
	d := newCLI(t, sb)
	const m = "manager-1"
	d.refused(m, "swarm is not locked", "swarm", "unlock")
	version := kekVersion(t, sb)
	d.shows(m, []string{"SWMKEY-1-"}, "swarm", "update", "--autolock=true")
	waitKey(t, sb, version)
	version = kekVersion(t, sb)
	key := d.run(m, "swarm", "unlock-key", "-q")
	rotated := d.run(m, "swarm", "unlock-key", "--rotate", "-q")
	if rotated == key {
		t.Error("the key is the same after its rotation")
	}
	waitKey(t, sb, version)
	if err := sb.Restart(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	d.refused(m, "Swarm is encrypted and needs to be unlocked before it can be used.", "node", "ls")
	d.refused(m, "Swarm is encrypted and locked. Please unlock it first", "swarm", "leave")
	if out, err := d.command(m, key, "swarm", "unlock"); err == nil || !strings.Contains(out, "invalid key provided") {
		t.Errorf("the key before: %v %s", err, out)
	}
	d.runWith(m, rotated, "swarm", "unlock")
	d.until(m, "Ready", "node", "ls")
	d.run(m, "swarm", "update", "--autolock=false")
	waitNode(t, connect(t, sb, m), m, swarm.NodeStateReady)
}
