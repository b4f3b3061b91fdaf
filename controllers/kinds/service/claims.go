package service

import (
	"fmt"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
)

// claims returns the ports that a manifest publishes.
func claims(o v1.Object) []diff.Claim {
	var out []diff.Claim
	for _, p := range o.(*v1.Service).Spec.Ports {
		if p.Published != 0 {
			out = append(out, portClaim(p.Published, p.Protocol, p.Mode))
		}
	}
	return out
}

func portClaim(published uint32, protocol, mode string) diff.Claim {
	return diff.Claim{What: "port", Of: fmt.Sprintf("%d/%s", published, protocol), Host: mode == string(swarm.PortConfigPublishModeHost)}
}

// holds returns two sets of ports. has are the ports of the spec. had are the ports that a rollback would bring back,
// and the ports that the service still has until an update is allocated. SwarmKit gives no other service a port of
// the spec, or one that the service still has (checkPortConflicts in manager/controlapi/service.go).
func holds(l *kinds.Live) (has, had []diff.Claim) {
	s := raw(l)
	has = portClaims(s.Spec.EndpointSpec)
	if s.PreviousSpec != nil {
		had = portClaims(s.PreviousSpec.EndpointSpec)
	}
	for _, p := range s.Endpoint.Ports {
		had = add(had, p)
	}
	return has, had
}

func portClaims(e *swarm.EndpointSpec) []diff.Claim {
	var out []diff.Claim
	if e != nil {
		for _, p := range e.Ports {
			out = add(out, p)
		}
	}
	return out
}

// add adds a port, unless the swarm chooses it. If the engine leaves out the protocol, it means TCP.
func add(to []diff.Claim, p swarm.PortConfig) []diff.Claim {
	if p.PublishedPort == 0 {
		return to
	}
	protocol := string(p.Protocol)
	if protocol == "" {
		protocol = string(network.TCP)
	}
	return append(to, portClaim(p.PublishedPort, protocol, string(p.PublishMode)))
}
