package service

import (
	"net/netip"
	"slices"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

// overlayMore writes what few services state.
func overlayMore(c *swarm.ContainerSpec, want *v1.ServiceSpec, ch diff.Paths) {
	set(&c.Groups, want.GroupAdd, ch, "spec.groupAdd")
	set(&c.StopSignal, want.StopSignal, ch, "spec.stopSignal")
	set(&c.TTY, want.TTY, ch, "spec.tty")
	set(&c.OpenStdin, want.StdinOpen, ch, "spec.stdinOpen")
	set(&c.OomScoreAdj, want.OomScoreAdj, ch, "spec.oomScoreAdj")
	set(&c.Isolation, container.Isolation(want.Isolation), ch, "spec.isolation")
	if ch.Any("spec.sysctls") {
		c.Sysctls = overlayMap(c.Sysctls, want.Sysctls, "spec.sysctls", ch)
	}
	if ch.Any("spec.ulimits") {
		c.Ulimits = overlayUlimits(c.Ulimits, want.Ulimits, ch)
	}
	overlayDNS(c, want, ch)
	overlayPrivileges(c, want.Privileges, ch)
}

// overlayUlimits keeps the live order, because another order would restart tasks. It appends new limits, sorted.
func overlayUlimits(live []*container.Ulimit, want v1.Ulimits, ch diff.Paths) []*container.Ulimit {
	var out []*container.Ulimit
	done := map[string]bool{}
	limit := func(name string) *container.Ulimit {
		return &container.Ulimit{Name: name, Soft: want[name].Soft, Hard: want[name].Hard}
	}
	for _, u := range live {
		switch _, wanted := want[u.Name]; {
		case !ch.Has(v1.PathKey("spec.ulimits", u.Name)):
			out = append(out, u)
		case wanted && !done[u.Name]:
			out = append(out, limit(u.Name))
		}
		done[u.Name] = true
	}
	var added []string
	for name := range want {
		if !done[name] && ch.Has(v1.PathKey("spec.ulimits", name)) {
			added = append(added, name)
		}
	}
	slices.Sort(added)
	for _, name := range added {
		out = append(out, limit(name))
	}
	return out
}

func overlayDNS(c *swarm.ContainerSpec, want *v1.ServiceSpec, ch diff.Paths) {
	if !ch.Has("spec.dns") && !ch.Has("spec.dnsSearch") && !ch.Has("spec.dnsOpt") {
		return
	}
	d := orZero(c.DNSConfig)
	if ch.Has("spec.dns") {
		d.Nameservers = nil
		for _, text := range want.DNS {
			address, _ := netip.ParseAddr(text) // Validate has parsed it
			d.Nameservers = append(d.Nameservers, address)
		}
	}
	set(&d.Search, []string(want.DNSSearch), ch, "spec.dnsSearch")
	set(&d.Options, want.DNSOpt, ch, "spec.dnsOpt")
	if c.DNSConfig = &d; len(d.Nameservers) == 0 && len(d.Search) == 0 && len(d.Options) == 0 {
		c.DNSConfig = nil
	}
}

func overlayPrivileges(c *swarm.ContainerSpec, want *v1.Privileges, ch diff.Paths) {
	const at = "spec.privileges"
	if !ch.Any(at) {
		return
	}
	p, w := orZero(c.Privileges), orZero(want)
	set(&p.NoNewPrivileges, w.NoNewPrivileges, ch, at+".noNewPrivileges")
	if ch.Has(at + ".appArmor") {
		if p.AppArmor = nil; w.AppArmor != "" {
			p.AppArmor = &swarm.AppArmorOpts{Mode: swarm.AppArmorMode(w.AppArmor)}
		}
	}
	if ch.Any(at + ".seccomp") {
		live, w := orZero(p.Seccomp), orZero(w.Seccomp)
		set(&live.Mode, swarm.SeccompMode(w.Mode), ch, at+".seccomp.mode")
		set(&live.Profile, []byte(w.Profile), ch, at+".seccomp.profile")
		if p.Seccomp = &live; live.Mode == "" && len(live.Profile) == 0 {
			p.Seccomp = nil
		}
	}
	if ch.Any(at + ".seLinux") {
		live, w := orZero(p.SELinuxContext), orZero(w.SELinux)
		set(&live.Disable, w.Disable, ch, at+".seLinux.disable")
		set(&live.User, w.User, ch, at+".seLinux.user")
		set(&live.Role, w.Role, ch, at+".seLinux.role")
		set(&live.Type, w.Type, ch, at+".seLinux.type")
		set(&live.Level, w.Level, ch, at+".seLinux.level")
		if p.SELinuxContext = &live; live == (swarm.SELinuxContext{}) {
			p.SELinuxContext = nil
		}
	}
	if c.Privileges = &p; p == (swarm.Privileges{}) {
		c.Privileges = nil
	}
}

// overlayCredentials writes the credential spec. If that is a config, the container also needs a reference to the
// config that is no file (docker service create does the same). overlayCredentials fails if id does.
func overlayCredentials(c *swarm.ContainerSpec, want *v1.CredentialSpec, ch diff.Paths, id ids) error {
	if !ch.Any("spec.credentialSpec") {
		return nil
	}
	c.Configs = slices.DeleteFunc(slices.Clone(c.Configs), func(r *swarm.ConfigReference) bool { return r.File == nil })
	p := orZero(c.Privileges)
	if p.CredentialSpec = nil; want != nil {
		p.CredentialSpec = &swarm.CredentialSpec{File: want.File, Registry: want.Registry}
		if want.Config != "" {
			found, err := id(v1.KindConfig, want.Config)
			if err != nil {
				return err
			}
			p.CredentialSpec.Config = found
			c.Configs = append(c.Configs, &swarm.ConfigReference{ConfigID: found, ConfigName: want.Config, Runtime: &swarm.ConfigReferenceRuntimeTarget{}})
		}
	}
	if c.Privileges = &p; p == (swarm.Privileges{}) {
		c.Privileges = nil
	}
	return nil
}
