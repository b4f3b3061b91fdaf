package observe

import (
	"context"
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
