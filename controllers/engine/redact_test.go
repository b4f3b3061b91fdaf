package engine

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// What tasks and engines say of errors may repeat what is in a spec, so all of it goes through the option Redact. The
// class of an error does not depend on what is shown of it.
func TestTextsOfOthersAreRedacted(t *testing.T) {
	c, _ := opened(t, pinged("1.45", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/tasks"):
			_, _ = io.WriteString(w, `[{"Status": {"Err": "exec canary: gone", "Message": "canary started"}}]`)
		case strings.HasSuffix(r.URL.Path, "/services/create"):
			_, _ = io.WriteString(w, `{"ID": "x", "Warnings": ["no image canary", "fine"]}`)
		case strings.HasSuffix(r.URL.Path, "/update"):
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, `{"message": "rpc error: update out of sequence: canary"}`)
		case strings.HasSuffix(r.URL.Path, "/networks/create"):
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, `{"Id": "x", "Warning": "canary"}`)
		default:
			w.WriteHeader(http.StatusConflict)
			_, _ = io.WriteString(w, `{"message": "name canary is taken"}`)
		}
	}))
	c.redact = func(text string) string {
		return strings.ReplaceAll(strings.ReplaceAll(text, "canary", "(hidden)"), "out of sequence", "(hidden)")
	}
	ctx := context.Background()
	tasks, err := c.TaskList(ctx, client.TaskListOptions{})
	if err != nil || tasks.Items[0].Status.Err != "exec (hidden): gone" || tasks.Items[0].Status.Message != "(hidden) started" {
		t.Errorf("tasks are %+v, %v", tasks, err)
	}
	made, err := c.ServiceCreate(ctx, swarm.ServiceSpec{}, RegistryAuth{})
	if got := strings.Join(made.Warnings, ", "); err != nil || got != "no image (hidden), fine" {
		t.Errorf("the warnings are %s, %v", got, err)
	}
	network, err := c.NetworkCreate(ctx, "x", client.NetworkCreateOptions{})
	if got := strings.Join(network.Warning, ", "); err != nil || got != "(hidden)" {
		t.Errorf("the warning is %s, %v", got, err)
	}
	_, err = c.ServiceUpdate(ctx, "abc", ServiceUpdate{})
	if err == nil || !IsStale(err) || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "sequence") {
		t.Errorf("an update that is too late: stale %v: %v", IsStale(err), err)
	}
	_, err = c.SecretCreate(ctx, client.SecretCreateOptions{})
	if err == nil || !strings.Contains(err.Error(), "name (hidden) is taken") {
		t.Errorf("a refusal says %v", err)
	}
}
