package sandbox

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func TestControlAPI(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Managers: 1, Workers: 1})
	socket := sb.Dir() + "/control.sock"
	c := connect(t, sb, "manager-1")
	do := func(method, path, body string, want int) string {
		t.Helper()
		status, _, answer := call(t, socket, method, path, body)
		if status != want {
			t.Fatalf("%s %s: %d %s, want %d", method, path, status, answer, want)
		}
		return answer
	}
	state := func() (s State) {
		t.Helper()
		if err := json.Unmarshal([]byte(do("GET", "/state", "", 200)), &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	if s := state(); len(s.Machines) != 2 || s.Machines[0].Swarm != "active/manager" || s.Machines[1].Swarm != "active/worker" || s.Machines[1].NodeID == "" {
		t.Errorf("state is %+v", s)
	}
	do("POST", "/nodes/worker-1/kill", "", 204)
	waitNode(t, c, "worker-1", swarm.NodeStateDown)
	if s := state(); s.Machines[1].Up {
		t.Errorf("state is %+v", s)
	}
	do("POST", "/nodes/worker-1/start", "", 204)
	waitNode(t, c, "worker-1", swarm.NodeStateReady)
	do("POST", "/nodes/worker-1/restart", "", 204)
	if answer := do("POST", "/nodes", `{"role":"worker","labels":{"a":"b"}}`, 200); !strings.Contains(answer, `"name":"worker-2"`) {
		t.Errorf("the answer is %s", answer)
	}
	do("DELETE", "/nodes/worker-2", "", 204)
	do("POST", "/nodes/worker-2/start", "", 404)
	do("POST", "/nodes", `{"role":"king"}`, 400)
	do("POST", "/nodes", `{"roll":"worker"}`, 400)

	do("POST", "/faults", `{"node":"manager-1","method":"GET","path":"/services","latency":"1ms","status":503,"count":1}`, 200)
	if s := state(); len(s.Faults) != 1 || s.Faults[0].Status != 503 {
		t.Errorf("faults are %+v", s.Faults)
	}
	_, err := c.ServiceList(t.Context(), client.ServiceListOptions{})
	wantError(t, err, "injected fault")
	do("POST", "/faults", `{"drop":true}`, 200)
	do("DELETE", "/faults", "", 204)
	if _, err := c.ServiceList(t.Context(), client.ServiceListOptions{}); err != nil {
		t.Errorf("after all faults were removed: %s", err)
	}
	do("POST", "/faults", `{"latency":5}`, 400)
	do("POST", "/faults", `{"node":"worker-9","drop":true}`, 404)
	do("DELETE", "/faults/7", "", 404)
	if got := do("GET", "/requests", "", 200); !strings.Contains(got, `"path":"/services"`) {
		t.Errorf("requests are %s", got)
	}
	do("DELETE", "/requests", "", 204)
}
