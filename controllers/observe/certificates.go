package observe

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/rescue"
)

const (
	// certificatesEvery is how often the certificates of managers are looked at. They last for at least an hour, and
	// mostly for months.
	certificatesEvery = 10 * time.Minute
	// certificatesTime limits one look.
	certificatesTime = 5 * time.Second
)

// Certificates looks now and then at when the certificates of managers end.
type Certificates struct {
	Log logr.Logger
	Now func() time.Time
	// Seen gets the ends that a look saw, by the name of the node.
	Seen func(map[string]time.Time)

	// expiry asks a manager for the end of its certificate. nil means engine.CertificateExpiry.
	expiry func(ctx context.Context, address string) (time.Time, error)

	at    time.Time
	of    []kinds.Sighting
	under sync.Mutex // under allows one look at a time
	looks sync.WaitGroup
}

// Wait returns when no look is under way any more. Call it after the context of the looks has ended.
func (c *Certificates) Wait() { c.looks.Wait() }

// Look looks beside its caller, if it is time or if the managers have changed.
func (c *Certificates) Look(ctx context.Context, seen []kinds.Sighting) {
	var managers []kinds.Sighting
	for _, n := range seen {
		if n.Address != "" {
			n.State, n.Availability = "", "" // they change often, and are no reason to look
			managers = append(managers, n)
		}
	}
	now := c.Now()
	if now.Sub(c.at) < certificatesEvery && slices.Equal(managers, c.of) || !c.under.TryLock() {
		return
	}
	c.at, c.of = now, managers
	ask := c.expiry
	if ask == nil {
		ask = engine.CertificateExpiry
	}
	c.looks.Go(rescue.Clean(func() {
		defer c.under.Unlock()
		ctx, cancel := context.WithTimeout(ctx, certificatesTime)
		defer cancel()
		ends := make([]time.Time, len(managers))
		var all sync.WaitGroup
		for i, m := range managers {
			all.Go(func() {
				err := rescue.Do(func() (err error) {
					ends[i], err = ask(ctx, m.Address)
					return err
				})
				if fault, is := errors.AsType[*rescue.Panic](err); is {
					c.Log.Error(fault, "the certificate of a manager was not seen", "node", m.Name, "stack", fault.Stack)
				} else if err != nil {
					c.Log.V(1).Info("the certificate of a manager was not seen", "node", m.Name, "error", err.Error())
				}
			})
		}
		all.Wait()
		expiry := map[string]time.Time{}
		for i, m := range managers {
			if !ends[i].IsZero() {
				expiry[m.Name] = ends[i]
			}
		}
		c.Seen(expiry)
	}))
}
