package main

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"

	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/sandbox"
	"github.com/swarm-operator/swarm-operator/test/harness"
)

// A command that waits for the lease asks again after an error of the engine. It gives up after several in a row. Errors with an
// answer in between do not add up.
func TestACommandThatWaitsForTheLeaseGivesUpAfterErrorsInARow(t *testing.T) {
	t.Setenv(paceVariable, "10") // for the pauses after errors; the leases below have their own
	sb, err := sandbox.Start(t.Context(), sandbox.Options{Managers: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sb.Close() })
	p, err := harness.NewProxy(sb.Host("manager-1"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	lease := func(instance, host string) *state.Lease {
		t.Helper()
		c, err := engine.Open(engine.Options{Host: host})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return state.NewLease(state.LeaseOptions{Engine: c, Instance: instance, Eager: true, Log: logr.Discard()})
	}
	other, own := lease("another", sb.Host("manager-1")), lease("command", p.Host())
	other.Saw(nil) // nobody has ever acted on this swarm
	if taken, err := other.Take(t.Context(), "shop", nil); err != nil || taken.Epoch == 0 {
		t.Fatalf("the other process gets %+v, %v", taken, err)
	}
	refused := &harness.Answer{Status: http.StatusServiceUnavailable, Message: "not now"}
	var calls atomic.Int32
	over := make(chan struct{})
	p.Before(func(c harness.Call) error {
		if !c.Lease() {
			return nil
		}
		const most, pass = tries - 1, 2 // a look after an error takes two calls
		switch n := calls.Add(1); {
		case n <= most, n > most+pass && n <= most+pass+most:
			return refused
		case n == most+pass+most+1:
			close(over)
		}
		return nil
	})
	var said bytes.Buffer
	cmd := &cobra.Command{}
	cmd.SetContext(t.Context())
	cmd.SetErr(&said)
	a := &acting{actFlags: &actFlags{timeout: time.Minute}, cmd: cmd}
	ended := make(chan error, 1)
	go func() { ended <- a.take(own, "shop") }()
	select {
	case <-over:
	case err := <-ended:
		t.Fatalf("after %d calls it ends with %v", calls.Load(), err)
	}
	if err := other.Release(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil || own.Mine() == 0 {
		t.Fatalf("it holds the lease with epoch %d, %v", own.Mine(), err)
	}
	if text := said.String(); strings.Count(text, "waiting for another/") != 1 {
		t.Errorf("it says %q", text)
	}
	if err := own.Release(t.Context(), false); err != nil {
		t.Fatal(err)
	}

	t.Log("for ever")
	// The first try writes the lease as it was last seen, and then looks whether the write has come about.
	const most = tries + 1
	calls.Store(0)
	p.Before(func(c harness.Call) error {
		if !c.Lease() {
			return nil
		}
		calls.Add(1)
		return refused
	})
	if err := a.take(own, "shop"); err == nil || errors.Is(err, errBusy) || !strings.Contains(err.Error(), "not now") || calls.Load() != most {
		t.Errorf("after %d calls it says %v", calls.Load(), err)
	}
}
