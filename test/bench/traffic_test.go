package main

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func anything(call) bool { return true }

// A daemon that looks every 18 s, as with 10,000 services, takes longer for ten looks than anything may take that is stuck.
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
		go func() { // others do not prolong it
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
		time.Sleep(patience) // until the others have come
	})
}
