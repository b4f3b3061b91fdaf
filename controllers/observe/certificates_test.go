package observe

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/funcr"

	"github.com/swarm-operator/swarm-operator/controllers/kinds"
)

// A session closes its client once Wait returns, and the process may end then.
func TestWaitEndsAfterTheLookAtCertificates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		saying, goOn := make(chan struct{}), make(chan struct{})
		log := funcr.New(func(_, _ string) { close(saying); <-goOn }, funcr.Options{Verbosity: 1})
		c := &Certificates{Log: log, Now: time.Now, Seen: func(map[string]time.Time) {}}
		ctx, end := context.WithCancel(t.Context())
		c.Look(ctx, []kinds.Sighting{{Name: "a", Address: "no address"}})
		<-saying
		end()
		waited := make(chan struct{})
		go func() {
			c.Wait()
			close(waited)
		}()
		synctest.Wait()
		select {
		case <-waited:
			t.Error("Wait returned while a look was under way")
		default:
		}
		close(goOn)
		<-waited
	})
}

// A panic in the look at one certificate costs that look. The other managers are looked at, and the log says where it happened
// and shows no value.
func TestAPanicInALookAtACertificateCostsThatLook(t *testing.T) {
	var mu sync.Mutex
	var lines []string
	log := funcr.New(func(_, line string) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, line)
	}, funcr.Options{}) // with what a person sees who does not debug
	end := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	var seen map[string]time.Time
	c := &Certificates{
		Log: log, Now: time.Now, Seen: func(of map[string]time.Time) { seen = of },
		expiry: func(_ context.Context, address string) (time.Time, error) {
			switch address {
			case "poisoned":
				panic("canary")
			case "away":
				return time.Time{}, errors.New("no answer")
			}
			return end, nil
		},
	}
	managers := []kinds.Sighting{{Name: "a", Address: "poisoned"}, {Name: "b", Address: "away"}, {Name: "c", Address: "here"}}
	c.Look(t.Context(), managers)
	c.Wait()
	if !maps.Equal(seen, map[string]time.Time{"c": end}) {
		t.Errorf("seen are %v", seen)
	}
	if len(lines) != 1 || !strings.Contains(lines[0], `"node"="a"`) || !strings.Contains(lines[0], "certificates_test.go") || strings.Contains(lines[0], "canary") {
		t.Errorf("the log is %q", lines)
	}
	// The next look is not in its way.
	managers[0].Address = "here"
	c.Look(t.Context(), managers)
	c.Wait()
	if !maps.Equal(seen, map[string]time.Time{"a": end, "c": end}) {
		t.Errorf("seen next are %v", seen)
	}
}
