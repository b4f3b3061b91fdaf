package reconciler

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/funcr"

	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/status"
)

// A session closes its client once Wait returns, and the process may end then.
func TestWaitEndsAfterTheLookAtCertificates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		saying, goOn := make(chan struct{}), make(chan struct{})
		log := funcr.New(func(_, _ string) { close(saying); <-goOn }, funcr.Options{Verbosity: 1})
		l := &Loop{Reconciler: New(Options{Log: log, Now: time.Now}), Metrics: status.NewMetrics("test", func() int { return 0 })}
		ctx, end := context.WithCancel(t.Context())
		l.lookAtCertificates(ctx, []kinds.Sighting{{Name: "a", Address: "no address"}})
		<-saying
		end()
		waited := make(chan struct{})
		go func() {
			l.Wait()
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
