package sandbox

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestCallsAndStopsWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c crossing
		began := time.Now()
		after := func(what string, want time.Duration) {
			t.Helper()
			if got := time.Since(began); got != want {
				t.Errorf("%s after %s, want %s", what, got, want)
			}
		}
		one, err := c.call(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		two, err := c.call(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(time.Second / 2)
			one()
			time.Sleep(time.Second / 2)
			two()
		}()
		stopped := c.stop()
		after("the node stops", time.Second)
		other := c.stop() // nodes may stop side by side
		after("the other node stops", time.Second)
		go func() {
			time.Sleep(time.Second)
			stopped()
			time.Sleep(time.Second)
			other()
		}()
		over, err := c.call(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		after("the call begins", 3*time.Second)
		defer c.stop()() // this call never ends
		after("the node stops all the same", 3*time.Second+longestCrossing)
		over()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.call(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the call that waits too long ends with %v", err)
		}
		after("the call has given up", 4*time.Second+longestCrossing)
	})
}
