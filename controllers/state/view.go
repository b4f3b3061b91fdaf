package state

import (
	"strconv"
	"time"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// View is the lease as it is in the swarm.
type View struct {
	State   string    `json:"state,omitempty"`
	Holder  string    `json:"holder,omitempty"`
	Source  string    `json:"source,omitempty"`
	Epoch   uint64    `json:"epoch,omitempty"`
	Renewed time.Time `json:"renewed,omitzero"`

	id      string
	version swarm.Version
	spec    swarm.ConfigSpec

	troubles map[string]Troubles // by source
}

// Held reports whether somebody holds the lease. The holder may have died without releasing it.
func (v View) Held() bool { return v.State == leaseHeld }

// ViewLease finds the lease among configs. The second result is false if there is none.
func ViewLease(configs []*swarm.Config) (View, bool) {
	for _, c := range configs {
		if c.Spec.Name == LeaseName {
			return view(c), true
		}
	}
	return View{}, false
}

func view(c *swarm.Config) View {
	v := View{State: c.Spec.Labels[v1.LabelLease], Holder: c.Spec.Labels[labelHolder], Source: c.Spec.Labels[labelSource], id: c.ID, version: c.Version, spec: c.Spec}
	v.Epoch, _ = strconv.ParseUint(c.Spec.Labels[labelEpoch], 10, 64) // for people; the version is what counts
	v.Renewed, _ = time.Parse(time.RFC3339, c.Spec.Labels[labelRenewed])
	v.troubles = readTroubles(c.Spec.Labels)
	return v
}
