package sandbox

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// listen collects the events of an engine from now on.
func listen(t *testing.T, c *client.Client, f client.Filters) func(events.Type, events.Action, map[string]string) events.Message {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	r := c.Events(ctx, client.EventsListOptions{Filters: f})
	return func(typ events.Type, action events.Action, want map[string]string) events.Message {
		t.Helper()
		var seen []string
		timeout := time.After(patience)
		for {
			select {
			case m := <-r.Messages:
				got := maps.Clone(m.Actor.Attributes)
				maps.DeleteFunc(got, func(k, _ string) bool { _, ok := want[k]; return !ok })
				if m.Type == typ && m.Action == action && maps.Equal(got, want) {
					return m
				}
				seen = append(seen, fmt.Sprintf("%s %s %v", m.Type, m.Action, m.Actor.Attributes))
			case err := <-r.Err:
				t.Fatal(err)
			case <-timeout:
				t.Fatalf("no %s %s with %v, but %v", typ, action, want, seen)
			}
		}
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Managers: 2, Workers: 1})
	c, other := connect(t, sb, "manager-1"), connect(t, sb, "manager-2")
	next := listen(t, c, client.Filters{})
	elsewhere := listen(t, other, make(client.Filters).Add("type", "service"))
	worker := sb.requests.all() // to know when the streams are open
	eventually(t, func() error {
		open := 0
		for _, r := range sb.Requests()[len(worker):] {
			if r.Path == "/events" {
				open++
			}
		}
		for _, r := range worker {
			if r.Path == "/events" {
				open++
			}
		}
		if open < 2 {
			return fmt.Errorf("%d streams are open", open)
		}
		return nil
	})
	since := fmt.Sprint(time.Now().Unix() - 1)

	network, err := c.NetworkCreate(t.Context(), "back", client.NetworkCreateOptions{Driver: "overlay"})
	if err != nil {
		t.Fatal(err)
	}
	if m := next("network", "create", map[string]string{"name": "back"}); m.Scope != "swarm" || m.Actor.ID != network.ID || m.TimeNano == 0 {
		t.Errorf("event is %+v", m)
	}
	config, err := c.ConfigCreate(t.Context(), client.ConfigCreateOptions{Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: "conf"}, Data: []byte("x")}})
	if err != nil {
		t.Fatal(err)
	}
	next("config", "create", map[string]string{"name": "conf"})
	if _, err := c.ConfigRemove(t.Context(), config.ID, client.ConfigRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	next("config", "remove", map[string]string{"name": "conf"})

	spec := serviceSpec("web", "nginx:1", 1)
	spec.UpdateConfig = &swarm.UpdateConfig{Parallelism: 1, FailureAction: swarm.UpdateFailureActionPause, Monitor: 500 * time.Millisecond}
	id := create(t, c, spec)
	if m := next("service", "create", map[string]string{"name": "web"}); m.Actor.ID != id {
		t.Errorf("event is %+v", m)
	}
	elsewhere("service", "create", map[string]string{"name": "web"})
	waitTasks(t, c, "web", swarm.TaskStateRunning, 1)
	update(t, c, id, func(s *swarm.ServiceSpec) { *s.Mode.Replicated.Replicas = 2 })
	next("service", "update", map[string]string{"name": "web", "replicas.old": "1", "replicas.new": "2"})
	waitTasks(t, c, "web", swarm.TaskStateRunning, 2)
	update(t, c, id, func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Image = "crash:1" })
	next("service", "update", map[string]string{"name": "web", "image.old": "nginx:1", "image.new": "crash:1"})
	next("service", "update", map[string]string{"name": "web", "updatestate.new": "updating"})
	next("service", "update", map[string]string{"name": "web", "updatestate.old": "updating", "updatestate.new": "paused"})
	if _, err := c.ServiceRemove(t.Context(), id, client.ServiceRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	next("service", "remove", map[string]string{"name": "web"})
	elsewhere("service", "remove", map[string]string{"name": "web"})

	n, err := c.NodeInspect(t.Context(), "worker-1", client.NodeInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	n.Node.Spec.Availability = swarm.NodeAvailabilityDrain
	if _, err := c.NodeUpdate(t.Context(), n.Node.ID, client.NodeUpdateOptions{Version: n.Node.Version, Spec: n.Node.Spec}); err != nil {
		t.Fatal(err)
	}
	next("node", "update", map[string]string{"name": "worker-1", "availability.old": "active", "availability.new": "drain"})
	if err := sb.Kill("worker-1"); err != nil {
		t.Fatal(err)
	}
	next("node", "update", map[string]string{"name": "worker-1", "state.new": "down"})

	// Past events are sent again to listeners that ask for them, and filtered.
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r := c.Events(ctx, client.EventsListOptions{
		Since: since, Until: fmt.Sprint(time.Now().Unix() + 1),
		Filters: make(client.Filters).Add("type", "service").Add("event", "create", "remove").Add("scope", "swarm"),
	})
	var actions []events.Action
	for done := false; !done; {
		select {
		case m := <-r.Messages:
			actions = append(actions, m.Action)
		case <-r.Err:
			done = true
		}
	}
	if len(actions) != 2 || actions[0] != "create" || actions[1] != "remove" {
		t.Errorf("the past is %v", actions)
	}
}

func TestEventLogForgets(t *testing.T) {
	l := newEventLog()
	for i := range eventsKept + 10 {
		l.local("network", "create", fmt.Sprint(i), nil)
	}
	past, _, stop := l.subscribe(time.Unix(1, 0), time.Time{}, func(events.Message) bool { return true })
	defer stop()
	if len(past) != eventsKept || past[0].Actor.ID != "10" {
		t.Errorf("%d events are kept, the first is %s", len(past), past[0].Actor.ID)
	}
}
