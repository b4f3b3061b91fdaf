package reconciler

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
)

const (
	// certificatesEvery is how often the certificates of managers are looked at. They last for at least an hour, and
	// mostly for months.
	certificatesEvery = 10 * time.Minute
	// certificatesTime limits one look.
	certificatesTime = 5 * time.Second
)

// certificates says when the managers' certificates were last looked at, and of which managers.
type certificates struct {
	at    time.Time
	of    []kinds.Sighting
	under sync.Mutex // under allows one look at a time
	looks sync.WaitGroup
}

// Wait returns when nothing that a run began beside itself is still at work. Call it after the context of the runs
// has ended.
func (l *Loop) Wait() { l.certificates.looks.Wait() }

// lookAtCertificates looks beside the runs, if it is time or if the managers have changed.
func (l *Loop) lookAtCertificates(ctx context.Context, seen []kinds.Sighting) {
	var managers []kinds.Sighting
	for _, n := range seen {
		if n.Address != "" {
			n.State, n.Availability = "", "" // they come and go
			managers = append(managers, n)
		}
	}
	now := l.Now()
	if now.Sub(l.certificates.at) < certificatesEvery && slices.Equal(managers, l.certificates.of) || !l.certificates.under.TryLock() {
		return
	}
	l.certificates.at, l.certificates.of = now, managers
	l.certificates.looks.Go(func() {
		defer l.certificates.under.Unlock()
		ctx, cancel := context.WithTimeout(ctx, certificatesTime)
		defer cancel()
		ends := make([]time.Time, len(managers))
		var all sync.WaitGroup
		for i, m := range managers {
			all.Go(func() {
				end, err := engine.CertificateExpiry(ctx, m.Address)
				if err != nil {
					l.Log.V(1).Info("the certificate of a manager was not seen", "node", m.Name, "error", err.Error())
				}
				ends[i] = end
			})
		}
		all.Wait()
		expiry := map[string]time.Time{}
		for i, m := range managers {
			if !ends[i].IsZero() {
				expiry[m.Name] = ends[i]
			}
		}
		l.Metrics.Certificates(expiry)
	})
}
