package e2e

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// If the engine's events cannot be read, for example behind a proxy that blocks them, commits are still applied. The
// operator says what it misses until the events come.
func TestEventsThatCannotBeReadAreTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	p := w.proxy()
	var lifted atomic.Bool
	p.Before(func(c harness.Call) error {
		if c.Path == "/events" && !lifted.Load() {
			return &harness.Answer{Status: http.StatusForbidden, Message: "not through this proxy"}
		}
		return nil
	})
	r := w.repo("deaf", map[string]string{"a.yaml": service("deaf-a", "image: app:1", "replicas: 1")})
	o := w.operate(p.Host(), r)
	c := o.condition("EventsMissing", true)
	for _, want := range []string{"GET /events", "not through this proxy", "--resync"} {
		if !strings.Contains(c.Message, want) {
			t.Errorf("the condition does not say %q: %s", want, c.Message)
		}
	}
	hash := r.commit("another", map[string]string{"a.yaml": service("deaf-a", "image: app:2", "replicas: 1")})
	o.inSync(hash)
	if _, body, err := o.Get(t.Context(), "/api/v1/status"); err != nil || !strings.Contains(body, "EventsMissing") {
		t.Errorf("the status is %s: %v", body, err)
	}
	lifted.Store(true)
	o.condition("EventsMissing", false)
}
