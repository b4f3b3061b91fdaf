package main

import (
	"context"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/sandbox"
)

// The proxy notes what the sandbox itself notes, and holds no event back.
func TestProxy(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	itself, through := newTraffic(), newTraffic()
	s, err := sandbox.Start(ctx, sandbox.Options{Managers: 1, OnRequest: func(r sandbox.Request) {
		itself.note(call{method: r.Method, path: r.Path, status: r.Status})
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p, err := newProxy(s.Host("manager-1"), through)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	c, err := client.New(client.WithHost(p.host()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	itself.reset()
	events := c.Events(ctx, client.EventsListOptions{})
	made, err := c.ConfigCreate(ctx, client.ConfigCreateOptions{Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: "a"}, Data: []byte("x")}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.ConfigList(ctx, client.ConfigListOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ConfigRemove(ctx, "none", client.ConfigRemoveOptions{}); err == nil {
		t.Error("a config that is not there was removed")
	}
	for seen := false; !seen; { // the stream may have begun after the config was made, so cause another event
		select {
		case <-events.Messages:
			seen = true
		case err := <-events.Err:
			t.Fatal(err)
		case <-time.After(100 * time.Millisecond):
			r, err := c.ConfigInspect(ctx, made.ID, client.ConfigInspectOptions{})
			if err != nil {
				t.Fatal(err)
			}
			r.Config.Spec.Labels = map[string]string{"at": time.Now().String()}
			if _, err := c.ConfigUpdate(ctx, made.ID, client.ConfigUpdateOptions{Version: r.Config.Version, Spec: r.Config.Spec}); err != nil {
				t.Fatal(err)
			}
		}
	}
	want, _ := itself.seen()
	got, _ := through.seen()
	if routes(got) != routes(want) || len(got) < 3 {
		t.Errorf("the proxy saw %s, the sandbox %s", routes(got), routes(want))
	}
	for i := range got {
		if got[i].status != want[i].status {
			t.Errorf("%s %s: status %d, want %d", got[i].method, got[i].path, got[i].status, want[i].status)
		}
	}
}
