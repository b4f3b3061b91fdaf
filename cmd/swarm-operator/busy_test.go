package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/test/small"
)

// commandLine runs commands against a swarm.
type commandLine struct {
	*testing.T
	host   string
	engine *engine.Client
}

func newCommandLine(t *testing.T) *commandLine {
	t.Helper()
	sb := small.Swarm(t)
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	l := &commandLine{t, sb.Host("manager-1"), small.Engine(t, sb, nil)}
	// A swarm has one as soon as somebody has acted on it
	l.create(state.LeaseName, map[string]string{v1.LabelLease: "left"}, "made by hand")
	return l
}

// run runs a command, and checks its exit code and parts of its output.
func (c *commandLine) run(ctx context.Context, code int, args []string, says ...string) {
	c.Helper()
	var out bytes.Buffer
	if got := run(ctx, append(args, "--host", c.host), &out, &out); got != code {
		c.Errorf("%v: exit %d, want %d\n%s", args, got, code, &out)
	}
	for _, part := range says {
		if !strings.Contains(out.String(), part) {
			c.Errorf("%v does not say %q:\n%s", args, part, &out)
		}
	}
}

func (c *commandLine) create(name string, labels map[string]string, data string) {
	c.Helper()
	if _, err := c.engine.ConfigCreate(c.Context(), client.ConfigCreateOptions{Spec: swarm.ConfigSpec{
		Annotations: swarm.Annotations{Name: name, Labels: labels}, Data: []byte(data),
	}}); err != nil {
		c.Fatal(err)
	}
}

// A hold is in force at once, even if another process that acts does not end in time. Any other command then does
// nothing.
func TestCommandsWaitWhileSomebodyActs(t *testing.T) {
	c := newCommandLine(t)
	c.create("swarm-operator.shop.1", map[string]string{v1.LabelState: "shop"}, `{"format":1,"source":"shop"}`)
	lease := state.NewLease(state.LeaseOptions{Engine: c.engine, Instance: "manager-7", Eager: true, Log: logr.Discard()})
	if taken, err := lease.Take(t.Context(), "shop", nil); err != nil || taken.Epoch == 0 {
		t.Fatalf("%+v, %v", taken, err)
	}
	c.run(t.Context(), 0, []string{"hold", "all", "--reason", "stop", "--timeout", "300ms"},
		"all is on hold: stop", "waiting for manager-7/", "a write that had begun may still be under way: somebody else acts on the swarm: manager-7/")
	own, err := state.Read(t.Context(), c.engine)
	if err != nil || len(state.Holds(own)) != 1 {
		t.Errorf("the holds are %v, %v", state.Holds(own), err)
	}
	for _, args := range [][]string{{"resume", "all"}, {"resume", "shop"}, {"approve", "removals", "--revision", "0123456", "--reason", "tested"}, {"unmanage", "--all"}, {"retry", "Service/web"}} {
		c.run(t.Context(), 2, append(args, "--timeout", "300ms"), "somebody else acts on the swarm: manager-7/")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	c.run(ended, 2, []string{"resume", "all"})
	if own, err = state.Read(t.Context(), c.engine); err != nil || len(state.Holds(own)) != 1 {
		t.Errorf("the holds are %v, %v", state.Holds(own), err)
	}
	if err := lease.Release(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	c.run(t.Context(), 0, []string{"resume", "all"}, "all: ended the hold")
	if own, err = state.Read(t.Context(), c.engine); err != nil {
		t.Fatal(err)
	}
	if v, there := state.ViewLease(own); !there || v.Held() || v.State != "left" {
		t.Errorf("a command leaves the lease behind as %+v", v)
	}
}

func TestCommandsLeaveTheMemoryOfANewerReleaseAlone(t *testing.T) {
	c := newCommandLine(t)
	c.create("swarm-operator.shop.1", map[string]string{v1.LabelState: "shop"}, `{"format":99}`)
	for _, args := range [][]string{{"resume", "shop"}, {"approve", "removals", "--revision", "0123456", "--reason", "tested"}, {"unmanage", "--all"}, {"retry", "Service/web"}, {"history"}, {"wait", "--revision", "0123456"}} {
		c.run(t.Context(), 2, args, "a newer release of swarm-operator has written the state")
	}
	c.run(t.Context(), 0, []string{"hold", "shop", "--reason", "it must still be possible to stop it"}, "shop is on hold")
}
