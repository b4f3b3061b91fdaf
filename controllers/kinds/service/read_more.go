package service

import (
	"fmt"
	"slices"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
)

// normal reads a live service. Texts that are no addresses stand among its name servers, so that the service differs from a
// manifest that cannot state them.
func normal(l *kinds.Live, ix names) *v1.Service {
	s := read(&raw(l).Spec, ix)
	if len(l.Unread) == 0 {
		return s
	}
	s.Spec.DNS = nil
	for i, address := range raw(l).Spec.TaskTemplate.ContainerSpec.DNSConfig.Nameservers {
		at := slices.IndexFunc(l.Unread, func(u diff.Unread) bool { return u.Key == fmt.Sprintf("%s[%d]", nameservers, i) })
		switch {
		case address.IsValid():
			s.Spec.DNS = append(s.Spec.DNS, address.String())
		case at >= 0:
			s.Spec.DNS = append(s.Spec.DNS, l.Unread[at].Text)
		}
	}
	return s
}

// readMore reads what few services state.
func readMore(c *swarm.ContainerSpec, s *v1.ServiceSpec) {
	s.GroupAdd, s.StopSignal, s.TTY, s.StdinOpen = slices.Clone(c.Groups), c.StopSignal, c.TTY, c.OpenStdin
	s.Sysctls, s.OomScoreAdj, s.Isolation = c.Sysctls, c.OomScoreAdj, string(c.Isolation)
	if d := c.DNSConfig; d != nil {
		for _, address := range d.Nameservers {
			if address.IsValid() { // otherwise the engine has a text there that is no address: see normal
				s.DNS = append(s.DNS, address.String())
			}
		}
		s.DNSSearch, s.DNSOpt = slices.Clone(d.Search), slices.Clone(d.Options)
	}
	for _, u := range c.Ulimits { // if a name occurs twice, the last one counts
		if s.Ulimits == nil {
			s.Ulimits = v1.Ulimits{}
		}
		s.Ulimits[u.Name] = v1.Ulimit{Soft: u.Soft, Hard: u.Hard}
	}
	readPrivileges(c, s)
}

func readPrivileges(c *swarm.ContainerSpec, s *v1.ServiceSpec) {
	p := c.Privileges
	if p == nil {
		return
	}
	if spec := p.CredentialSpec; spec != nil {
		s.CredentialSpec = &v1.CredentialSpec{Config: credentialConfig(c), File: spec.File, Registry: spec.Registry}
	}
	s.Privileges = &v1.Privileges{NoNewPrivileges: p.NoNewPrivileges}
	if p.AppArmor != nil {
		s.Privileges.AppArmor = string(p.AppArmor.Mode)
	}
	if p.Seccomp != nil {
		s.Privileges.Seccomp = &v1.Seccomp{Mode: string(p.Seccomp.Mode), Profile: string(p.Seccomp.Profile)}
	}
	if l := p.SELinuxContext; l != nil {
		s.Privileges.SELinux = &v1.SELinux{Disable: l.Disable, User: l.User, Role: l.Role, Type: l.Type, Level: l.Level}
	}
}

// credentialConfig returns the name of the config that holds the credential spec. The spec names it by its id, and a
// reference without a file names that id. credentialConfig returns the id if there is no such reference.
func credentialConfig(c *swarm.ContainerSpec) string {
	id := c.Privileges.CredentialSpec.Config
	for _, r := range c.Configs {
		if r.File == nil && r.ConfigID == id {
			return r.ConfigName
		}
	}
	return id
}

// readGeneric reads how many of which resources a task needs.
func readGeneric(list []swarm.GenericResource) []v1.GenericResource {
	var out []v1.GenericResource
	for _, r := range list {
		if d := r.DiscreteResourceSpec; d != nil {
			out = append(out, v1.GenericResource{DiscreteResourceSpec: v1.DiscreteResource{Kind: d.Kind, Value: d.Value}})
		}
	}
	return out
}
