package status

import (
	"slices"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Lease says who may act on the swarm. The zero value means that nobody ever held the lease.
type Lease struct {
	// State is held, free or left. left means that the lease is free because its last holder has ended.
	State string `json:"state,omitempty"`
	// Holder is the instance that holds the lease, or held it last.
	Holder string `json:"holder,omitempty"`
	// Source is the source for which the lease was taken.
	Source string `json:"source,omitempty"`
	// Epoch grows each time somebody takes the lease.
	Epoch uint64 `json:"epoch,omitempty"`
	// Renewed is when the holder renewed the lease, by the holder's clock.
	Renewed time.Time `json:"renewed,omitzero"`
}

// Held reports whether somebody holds the lease. The holder may have died without releasing it.
func (l Lease) Held() bool { return l.State == "held" }

// Context notes the limits from outside: the holder of the lease, the holds in force that concern the source, and the
// reason for a pause. A pause lasts until a person confirms.
func (b *Board) Context(lease Lease, holds []plan.Hold, paused string) {
	paused = v1.Scrub(paused)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.draft.Lease, b.draft.Holds, b.draft.Paused = &lease, slices.Clone(holds), paused
}
