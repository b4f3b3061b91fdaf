package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// If this variable is set, the test binary is the command, because the tests need a process that gets signals.
const asCommand = "SWARM_SANDBOX_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		os.Exit(run())
	}
	os.Exit(m.Run())
}

func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), exe, args...)
	c.Env = append(os.Environ(), asCommand+"=1")
	return c
}

func output(t *testing.T, args ...string) string {
	t.Helper()
	out, err := command(t, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("swarm-sandbox %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func shortDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "sb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s") // up makes it
}

// startUp runs a sandbox until the test ends, and returns its one line.
func startUp(t *testing.T, args ...string) (*exec.Cmd, string) {
	t.Helper()
	c := command(t, append([]string{"up"}, args...)...)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("swarm-sandbox up said nothing: %v\n%s", err, stderr.String())
	}
	return c, line
}

func services(t *testing.T, dir string) []swarm.Service {
	t.Helper()
	c, err := client.New(client.WithHost("unix://" + filepath.Join(dir, "manager-1.sock")))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, err := c.ServiceList(t.Context(), client.ServiceListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return r.Items
}

func TestUp(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	c, line := startUp(t, "--managers", "1", "--workers", "1", "--blank", "1", "--dir", dir, "--engine-label", "worker-1:disk=ssd")
	for _, want := range []string{"ready in", dir + "/manager-1.sock", dir + "/worker-1.sock", dir + "/blank-1.sock", dir + "/control.sock"} {
		if !strings.Contains(line, want) {
			t.Errorf("the line %q lacks %q", line, want)
		}
	}
	out, err := command(t, "up", "--dir", dir).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "a sandbox already runs from "+dir) {
		t.Errorf("a second one: %v %s", err, out)
	}

	if s := output(t, "ctl", "state", "--dir", dir); !strings.Contains(s, `"disk": "ssd"`) || !strings.Contains(s, "active/manager") {
		t.Errorf("state: %s", s)
	}
	if s := output(t, "ctl", "add", "worker", "--dir", dir); !strings.Contains(s, `"worker-2"`) {
		t.Errorf("add: %s", s)
	}
	output(t, "ctl", "kill", "worker-2", "--dir", dir)
	output(t, "ctl", "start", "worker-2", "--dir", dir)
	output(t, "ctl", "restart", "worker-2", "--dir", dir)
	output(t, "ctl", "remove", "worker-2", "--dir", dir)
	output(t, "ctl", "fault", "--dir", dir, "--path", "/services", "--status", "503", "--latency", "1ms")
	if s := output(t, "ctl", "state", "--dir", dir); !strings.Contains(s, `"status": 503`) {
		t.Errorf("state: %s", s)
	}
	output(t, "ctl", "heal", "--dir", dir)
	output(t, "ctl", "partition", "worker-1", "--dir", dir)
	if s := output(t, "ctl", "state", "--dir", dir); !strings.Contains(s, `"partitioned": true`) {
		t.Errorf("after a partition the state is %s", s)
	}
	output(t, "ctl", "heal", "worker-1", "--dir", dir)
	if s := output(t, "ctl", "state", "--dir", dir); strings.Contains(s, `"partitioned"`) {
		t.Errorf("healed, the state is %s", s)
	}
	if n := len(services(t, dir)); n != 0 {
		t.Errorf("there are %d services", n)
	}
	if s := output(t, "ctl", "requests", "--dir", dir); !strings.Contains(s, `"path": "/services"`) {
		t.Errorf("requests: %s", s)
	}
	out, err = command(t, "ctl", "kill", "worker-9", "--dir", dir).CombinedOutput()
	if err == nil || !strings.Contains(string(out), `no machine is called "worker-9"`) {
		t.Errorf("killing what is not there: %v %s", err, out)
	}

	begin := time.Now()
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	t.Logf("stopped in %s", time.Since(begin))
	left, err := filepath.Glob(dir + "/*.sock")
	if err != nil || len(left) != 0 {
		t.Errorf("sockets are left behind: %v %v", left, err)
	}
	out, err = command(t, "ctl", "state", "--dir", dir).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "no sandbox runs from "+dir+"; start one") {
		t.Errorf("asking one that is not there: %v %s", err, out)
	}
}

// A killed process leaves its sockets and its lock, which do no harm.
func TestUpAfterKill(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	c, _ := startUp(t, "--dir", dir)
	api, err := client.New(client.WithHost("unix://" + filepath.Join(dir, "manager-1.sock")))
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	spec := swarm.ServiceSpec{Annotations: swarm.Annotations{Name: "web"}, TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: "nginx:1"}}}
	if _, err := api.ServiceCreate(t.Context(), client.ServiceCreateOptions{Spec: spec}); err != nil {
		t.Fatal(err)
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	startUp(t, "--dir", dir)
	if s := services(t, dir); len(s) != 1 || s[0].Spec.Name != "web" {
		t.Errorf("services are %+v", s)
	}
}

func TestInterruptedStart(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	root := rootCommand()
	root.SetArgs([]string{"up", "--dir", shortDir(t), "--workers", "1"})
	var out bytes.Buffer
	root.SetOut(&out)
	if err := root.ExecuteContext(ctx); err != nil || out.Len() != 0 {
		t.Errorf("a start that is stopped: %v %q", err, out.String())
	}
}

func TestRefusedUps(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"up":                       `--dir: give a directory for sockets and state`,
		"ctl state":                `--dir: give the directory that the sandbox runs from`,
		"ctl kill --dir /nowhere":  `swarm-sandbox ctl kill takes one argument, and was given 0; usage: swarm-sandbox ctl kill NAME`,
		"ctl state --dir /nowhere": `no sandbox runs from /nowhere; start one: swarm-sandbox up --dir /nowhere`,
		"up --dir " + t.TempDir() + "/" + strings.Repeat("x", 100): "at most 107",
		"up --dir " + t.TempDir() + " --managers 0 --workers 1":    "workers need a manager",
		"up --dir " + t.TempDir() + " --engine-label nonsense":     `--engine-label: "nonsense" is not NAME:KEY=VALUE, such as worker-1:disk=ssd`,
	} {
		out, err := command(t, strings.Fields(args)...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v %s, want %q", args, err, out, want)
		}
	}
}

func TestImages(t *testing.T) {
	t.Parallel()
	lines := strings.Split(strings.TrimSpace(output(t, "images")), "\n")
	var names []string
	for _, l := range lines {
		name, does, ok := strings.Cut(l, "\t")
		if !ok || does == "" {
			t.Errorf("the line %q is not a name, a tab and what it does", l)
		}
		names = append(names, name)
	}
	if got := fmt.Sprint(names); got != "[nopull:1 crash:1 unhealthy:1 exit-N:1 finish:1 slow:1]" {
		t.Errorf("the images are %s", got)
	}
}
