package state_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/sandbox"
)

// The engine says that somebody was faster, or that the lease is gone, but shows the lease unchanged. That is the
// engine's own error; no other process has the lease.
func TestRefusalThatNothingExplainsIsTheEnginesError(t *testing.T) {
	sb, c := openSandbox(t)
	first := newInstance(t, c, "first", true)
	first.takes()
	first.release(true)
	for name, f := range map[string]sandbox.Fault{
		"taking the lease: Error response from daemon: rpc error: code = Unknown desc = update out of sequence": {
			Method: http.MethodPost, Path: "/configs/.*/update$", Status: 500, Message: "rpc error: code = Unknown desc = update out of sequence",
		},
		"taking the lease: Error response from daemon: no such config":                                                                          {Method: http.MethodPost, Path: "/configs/.*/update$", Status: 404, Message: "no such config"},
		"because it is there: Error response from daemon: rpc error: code = AlreadyExists desc = config " + state.LeaseName + " already exists": {Method: http.MethodGet, Path: "/configs/.*", Status: 404, Message: "no such config"},
	} {
		i := newInstance(t, c, "next", true)
		before := leaseVersion(t, c)
		remove := sb.Inject(f)
		taken, err := i.Take(t.Context(), "shop", nil)
		remove()
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%d %s: it gets %+v, %v", f.Status, f.Message, taken, err)
		}
		if after := leaseVersion(t, c); after != before {
			t.Errorf("%d %s: the lease was written", f.Status, f.Message)
		}
		i.takes()
		i.release(true)
	}
}

// The error of a write to a memory that exists includes what the engine says.
func TestConflictIncludesWhatTheEngineSays(t *testing.T) {
	sb, c := openSandbox(t)
	m, err := state.New("shop")
	if err != nil {
		t.Fatal(err)
	}
	defer sb.Inject(sandbox.Fault{Method: http.MethodPost, Path: "/configs/create", Status: 409, Message: "config x already exists"})()
	if _, err = state.NewStore("shop", c).Save(t.Context(), state.Found{}, m); !engine.IsExists(err) || !strings.Contains(err.Error(), "config x already exists") {
		t.Errorf("it says %v", err)
	}
}
