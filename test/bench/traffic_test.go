package main

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func anything(call) bool { return true }

// A daemon with 10,000 services looks every 18 s. Ten looks take longer than the time after which a single wait
// counts as stuck.
func TestWaitIsPatientWithEachCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		traffic := newTraffic()
		go func() {
			for range 10 {
				time.Sleep(patience - time.Second)
				traffic.note(call{method: http.MethodGet, path: "/services"})
			}
		}()
		if found, err := traffic.wait(t.Context(), 10, anything); err != nil || len(found) != 10 {
			t.Errorf("found %d of 10 calls: %v", len(found), err)
		}
	})
}

func TestWaitGivesUpWhenNoCallComesThatItWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		traffic := newTraffic()
		traffic.note(call{method: http.MethodGet, path: "/services"})
		go func() { // other calls do not prolong the wait
			for range 10 {
				time.Sleep(patience / 5)
				traffic.note(call{method: http.MethodGet, path: "/configs"})
			}
		}()
		begin := time.Now()
		_, err := traffic.wait(t.Context(), 2, func(c call) bool { return c.path == "/services" })
		if err == nil || !strings.Contains(err.Error(), "waiting for 2 calls, saw 1 of ") {
			t.Errorf("the error is %v", err)
		}
		if took := time.Since(begin); took != patience {
			t.Errorf("it took %s", took)
		}
		time.Sleep(patience) // until the other calls have come
	})
}

func TestTheCourseOfCallsShowsWhereTimeGoes(t *testing.T) {
	begin := time.Now()
	at := func(ms int, method, path string) call {
		return call{method: method, path: path, at: begin.Add(time.Duration(ms) * time.Millisecond)}
	}
	calls := []call{
		at(0, "GET", "/services/web"),
		at(1, "POST", "/services/abc/update"), at(3, "GET", "/services/abc"), at(510, "POST", "/configs/def/update"), at(513, "POST", "/services/abc/update"),
		at(515, "GET", "/configs/def"),
	}
	const want = "0.0 ms POST /services/ID/update, 2.0 ms GET /services/ID, 509 ms POST /configs/ID/update, 512 ms POST /services/ID/update"
	if got := course(between(calls, calls[1].at, calls[4].at)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
