package runner

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
)

// calls runs a Func under a fake clock, wakes it once, and returns the times of its calls.
func calls(t *testing.T, span time.Duration, do func(n int) (Result, error)) []time.Duration {
	t.Helper()
	var at []time.Duration
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		begin := time.Now()
		r := New(func(context.Context, string) (Result, error) {
			at = append(at, time.Since(begin))
			return do(len(at))
		}, logr.Discard())
		done := make(chan struct{})
		go func() { r.Run(ctx); close(done) }()
		r.Wake("a")
		time.Sleep(span) // on the fake clock
		cancel()
		<-done
	})
	return at
}

func TestErrorsBackOffAndSuccessForgetsThem(t *testing.T) {
	at := calls(t, 10*time.Second, func(n int) (Result, error) {
		if n < 4 {
			return Result{}, errors.New("no")
		}
		return Result{}, nil
	})
	want := []time.Duration{0, 500 * time.Millisecond, 1500 * time.Millisecond, 3500 * time.Millisecond}
	if len(at) != len(want) {
		t.Fatalf("called at %v, want %v", at, want)
	}
	for i := range want {
		if at[i] != want[i] {
			t.Errorf("call %d at %s, want %s", i, at[i], want[i])
		}
	}
}

func TestBackOffHasAnEnd(t *testing.T) {
	at := calls(t, 20*time.Minute, func(int) (Result, error) { return Result{}, errors.New("no") })
	if last := at[len(at)-1] - at[len(at)-2]; last != LastRetry {
		t.Errorf("the last wait is %s, want %s", last, LastRetry)
	}
}

func TestRequeueAfter(t *testing.T) {
	at := calls(t, 35*time.Second, func(int) (Result, error) { return Result{RequeueAfter: 10 * time.Second}, nil })
	if len(at) != 4 || at[3] != 30*time.Second {
		t.Errorf("called at %v, want every 10 s", at)
	}
}

func TestAPanicCostsOneRun(t *testing.T) {
	at := calls(t, 2*time.Second, func(n int) (Result, error) {
		if n == 1 {
			panic("poison")
		}
		return Result{}, nil
	})
	if len(at) != 2 {
		t.Errorf("called %d times, want twice: the panic and the retry", len(at))
	}
}

func TestWakesCoalesce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		release := make(chan struct{})
		r := New(func(context.Context, string) (Result, error) {
			n++
			<-release
			return Result{}, nil
		}, logr.Discard())
		done := make(chan struct{})
		go func() { r.Run(ctx); close(done) }()
		r.Wake("a")
		synctest.Wait() // the first run is under way
		for range 100 {
			r.Wake("a")
		}
		close(release)
		synctest.Wait()
		if n != 2 {
			t.Errorf("%d runs, want the one in hand and one for all the wakes", n)
		}
		cancel()
		<-done
	})
}

func TestRunEndsAfterTheRunInHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		finished := false
		r := New(func(context.Context, string) (Result, error) {
			time.Sleep(time.Second)
			finished = true
			return Result{}, nil
		}, logr.Discard())
		done := make(chan struct{})
		go func() { r.Run(ctx); close(done) }()
		r.Wake("a")
		synctest.Wait()
		cancel()
		<-done
		if !finished {
			t.Error("the run in hand was left behind")
		}
	})
}
