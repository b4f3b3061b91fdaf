package sandbox

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/moby/moby/client"
	"github.com/moby/swarmkit/v2/api"
)

func TestWatchTellsEachTransactionInItsOrder(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Managers: 1, Workers: 1})
	c := connect(t, sb, "manager-1")
	var mu sync.Mutex
	var seen []string
	err := sb.Watch(t.Context(), "manager-1", func(m *api.WatchMessage) {
		mu.Lock()
		defer mu.Unlock()
		for _, e := range m.Events {
			switch o := e.Object.GetObject().(type) {
			case *api.Object_Service:
				seen = append(seen, "service "+strings.ToLower(e.Action.String()))
			case *api.Object_Task:
				seen = append(seen, "task "+strings.ToLower(o.Task.Status.State.String()))
			}
		}
	}, "service", "task")
	if err != nil {
		t.Fatal(err)
	}
	id := create(t, c, serviceSpec("web", "app:1", 1))
	waitTasks(t, c, id, "running", 1)
	if _, err := c.ServiceRemove(t.Context(), id, client.ServiceRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	want := []string{"service watch_action_create", "task new", "task running", "service watch_action_remove"}
	eventually(t, func() error {
		mu.Lock()
		defer mu.Unlock()
		at := 0
		for _, s := range seen {
			if at < len(want) && s == want[at] {
				at++
			}
		}
		if at < len(want) {
			return fmt.Errorf("no %q after what was before it in %q", want[at], seen)
		}
		return nil
	})
	if err := sb.Watch(context.Background(), "worker-1", nil); err == nil || !strings.Contains(err.Error(), "not a swarm manager") {
		t.Errorf("of a worker it says %v", err)
	}
}
