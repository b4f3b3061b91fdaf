package status

import (
	"slices"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Lease says who may act on the swarm. The zero value: nobody ever did.
type Lease struct {
	// State is held, free, or left: free, and its last holder has ended.
	State  string `json:"state,omitempty"`
	Holder string `json:"holder,omitempty"`
	// Source in whose name it was taken.
	Source string `json:"source,omitempty"`
	Epoch  uint64 `json:"epoch,omitempty"`
	// Renewed by the holder's clock.
	Renewed time.Time `json:"renewed,omitzero"`
}

// Held says that somebody acts, or did and is gone.
func (l Lease) Held() bool { return l.State == "held" }

// Context notes what bounds the operator from outside: who holds the lease, the holds in force that concern the source, and
// why nothing is done until a person confirms.
func (b *Board) Context(lease Lease, holds []plan.Hold, paused string) {
	paused = v1.Scrub(paused)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.draft.Lease, b.draft.Holds, b.draft.Paused = &lease, slices.Clone(holds), paused
}
