package sandbox

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/moby/moby/client"
)

func TestFaults(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Managers: 1})
	c := connect(t, sb, "manager-1")
	names := func() (out []string) {
		r, err := c.ServiceList(t.Context(), client.ServiceListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range r.Items {
			out = append(out, s.Spec.Name)
		}
		slices.Sort(out)
		return out
	}
	try := func(name string) error {
		_, err := c.ServiceCreate(t.Context(), client.ServiceCreateOptions{Spec: serviceSpec(name, "nginx:1", 0)})
		return err
	}

	sb.Inject(Fault{Method: "POST", Path: "/services/create", Skip: 1, Count: 1, Status: 503})
	if err := try("passes"); err != nil {
		t.Errorf("a call before the fault: %s", err)
	}
	wantError(t, try("refused"), "injected fault")
	if err := try("after"); err != nil {
		t.Errorf("a call after the fault: %s", err)
	}
	if got := names(); !slices.Equal(got, []string{"after", "passes"}) {
		t.Errorf("services are %v: a fault before the commit changes nothing", got)
	}

	remove := sb.Inject(Fault{Path: "/services/.*", Method: "POST", Status: 500, Message: "raft: node lost leader status", AfterCommit: true})
	wantError(t, try("committed"), "raft: node lost leader status")
	remove()
	if got := names(); !slices.Contains(got, "committed") {
		t.Errorf("services are %v: the call was to be carried out", got)
	}

	sb.Inject(Fault{Path: "/services/create", Drop: true, AfterCommit: true, Count: 1})
	wantError(t, try("dropped"), "EOF")
	if got := names(); !slices.Contains(got, "dropped") {
		t.Errorf("services are %v: the call was to be carried out", got)
	}

	remove = sb.Inject(Fault{Node: "manager-1", Path: "/version", Latency: Duration(200 * time.Millisecond)})
	begin := time.Now()
	if _, err := c.ServerVersion(t.Context(), client.ServerVersionOptions{}); err != nil || time.Since(begin) < 200*time.Millisecond {
		t.Errorf("after %s: %v", time.Since(begin), err)
	}
	remove()

	remove = sb.Inject(Fault{Path: "/version", Latency: Duration(time.Hour)})
	time.AfterFunc(50*time.Millisecond, remove)
	if _, err := c.ServerVersion(t.Context(), client.ServerVersionOptions{}); err != nil {
		t.Errorf("what waits goes on when its fault is removed: %v", err)
	}

	wantPanic(t, func() { sb.Inject(Fault{Path: "("}) })
	wantPanic(t, func() { sb.Inject(Fault{}) })
	wantPanic(t, func() { sb.Inject(Fault{AfterCommit: true, Latency: 1}) })
}

func wantPanic(t *testing.T, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Error("a senseless fault was accepted")
		}
	}()
	f()
}

func TestRequestsAreSeen(t *testing.T) {
	t.Parallel()
	seen := make(chan Request, 100)
	sb := start(t, Options{Managers: 1, OnRequest: func(r Request) { seen <- r }})
	c := connect(t, sb, "manager-1")
	create(t, c, serviceSpec("web", "nginx:1", 0))
	_, err := c.ServiceInspect(t.Context(), "nope", client.ServiceInspectOptions{})
	wantError(t, err, "service nope not found")
	var writes, missing []Request
	for _, r := range sb.Requests() {
		if r.Write() {
			writes = append(writes, r)
		}
		if r.Status == http.StatusNotFound {
			missing = append(missing, r)
		}
	}
	if len(writes) != 1 || writes[0].Path != "/services/create" || writes[0].Node != "manager-1" || writes[0].Status != http.StatusCreated || writes[0].Version == "" {
		t.Errorf("writes are %+v", writes)
	}
	if len(missing) != 1 || missing[0].Path != "/services/nope" {
		t.Errorf("answers of 404 are %+v", missing)
	}
	if len(seen) != len(sb.Requests()) {
		t.Errorf("the hook saw %d calls, the log has %d", len(seen), len(sb.Requests()))
	}
	sb.ResetRequests()
	if n := len(sb.Requests()); n != 0 {
		t.Errorf("%d calls after the reset", n)
	}
}
