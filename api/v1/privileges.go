package v1

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Ulimits are limits by name, such as nofile.
type Ulimits map[string]Ulimit

// Ulimit is one limit. Its short form is one number, for both.
type Ulimit struct {
	// Soft is the limit, which a process may raise to the hard one.
	Soft int64 `json:"soft"`
	// Hard is the most that the limit may become.
	Hard int64 `json:"hard"`
}

// SetScalar reads the short form.
func (u *Ulimit) SetScalar(s Scalar) error {
	n, err := strconv.ParseInt(s.Text, 10, 64)
	if err != nil || s.Tag != "!!int" {
		return fmt.Errorf("%q is neither a number such as 65536 nor a mapping with soft and hard", s.Text)
	}
	u.Soft, u.Hard = n, n
	return nil
}

// String returns SOFT:HARD, or one number if both are the same.
func (u Ulimit) String() string {
	if u.Soft == u.Hard {
		return strconv.FormatInt(u.Soft, 10)
	}
	return strconv.FormatInt(u.Soft, 10) + ":" + strconv.FormatInt(u.Hard, 10)
}

// Sysctls are kernel parameters by name.
type Sysctls map[string]string

// SetList reads the list form, NAME=value.
func (s *Sysctls) SetList(items []string) error {
	out := make(Sysctls, len(items))
	for i, item := range items {
		name, value, ok := strings.Cut(item, "=")
		if !ok || name == "" {
			return fmt.Errorf("entry %d is not of the form NAME=value", i+1)
		}
		if _, twice := out[name]; twice {
			return fmt.Errorf("%s is stated twice", name)
		}
		out[name] = value
	}
	*s = out
	return nil
}

// CredentialSpec says where the credential spec of a managed service account is. Exactly one of its fields is stated.
type CredentialSpec struct {
	// Config is the name of a Config.
	Config string `json:"config,omitempty"`
	// File is the name of a file in the directory CredentialSpecs of each node's engine.
	File string `json:"file,omitempty"`
	// Registry is the name of a value in the registry of each node.
	Registry string `json:"registry,omitempty"`
}

// Privileges says what the kernel's security modules allow a container.
type Privileges struct {
	// NoNewPrivileges keeps processes from getting more privileges than they begin with. Default false. Needs API 1.44.
	NoNewPrivileges bool `json:"noNewPrivileges,omitempty"`
	// AppArmor is default, or disabled: then no profile confines the container. Needs API 1.44.
	AppArmor string `json:"appArmor,omitempty"`
	// Seccomp says which system calls the container may make. If omitted, those of the engine's own profile.
	Seccomp *Seccomp `json:"seccomp,omitempty"`
	// SELinux is the SELinux context of the container. If omitted, the engine chooses it.
	SELinux *SELinux `json:"seLinux,omitempty"`
}

// Seccomp says which system calls a container may make.
type Seccomp struct {
	// Mode is default (the engine's own profile), unconfined (all calls) or custom (the profile stated here). Needs API
	// 1.44.
	Mode string `json:"mode,omitempty"`
	// Profile is the profile for mode custom, as JSON. Needs API 1.44.
	Profile string `json:"profile,omitempty"`
}

// SELinux is an SELinux context.
type SELinux struct {
	// Disable switches SELinux off for the container. Default false.
	Disable bool `json:"disable,omitempty"`
	// User is the user of the context.
	User string `json:"user,omitempty"`
	// Role is the role of the context.
	Role string `json:"role,omitempty"`
	// Type is the type of the context.
	Type string `json:"type,omitempty"`
	// Level is the level of the context.
	Level string `json:"level,omitempty"`
}

// normal drops what says nothing, because {}, absent and the default mean the same. It returns nil if nothing is left.
func (p *Privileges) normal() *Privileges {
	if p == nil {
		return nil
	}
	if p.AppArmor == "default" {
		p.AppArmor = ""
	}
	if p.Seccomp != nil {
		if p.Seccomp.Mode == "default" {
			p.Seccomp.Mode = ""
		}
		if *p.Seccomp == (Seccomp{}) {
			p.Seccomp = nil
		}
	}
	if p.SELinux != nil && *p.SELinux == (SELinux{}) {
		p.SELinux = nil
	}
	if *p == (Privileges{}) {
		return nil
	}
	return p
}

// canonicalMore writes the fields of this file in one form.
func (s *ServiceSpec) canonicalMore() {
	for i, address := range s.DNS {
		s.DNS[i] = normalAddr(address)
	}
	for i := range s.Mounts {
		s.Mounts[i].canonical()
	}
}

// defaultMore brings the fields of this file into normal form.
func (s *ServiceSpec) defaultMore() {
	s.GroupAdd, s.StopSignal, s.Privileges = sorted(s.GroupAdd), normalSignal(s.StopSignal), s.Privileges.normal()
	if s.Isolation = strings.ToLower(s.Isolation); s.Isolation == "default" {
		s.Isolation = ""
	}
	if s.CredentialSpec != nil && *s.CredentialSpec == (CredentialSpec{}) {
		s.CredentialSpec = nil
	}
	if s.EndpointMode == "vip" {
		s.EndpointMode = ""
	}
	if s.Resources != nil {
		slices.SortStableFunc(s.Resources.Reservations.GenericResources, func(a, b GenericResource) int { return strings.Compare(a.ListKey(), b.ListKey()) })
	}
	if s.Placement != nil {
		slices.SortStableFunc(s.Placement.Platforms, func(a, b TaskPlatform) int {
			return cmp.Or(strings.Compare(a.OS, b.OS), strings.Compare(a.Architecture, b.Architecture))
		})
		s.Placement.Platforms = slices.Compact(s.Placement.Platforms)
	}
}

// normalSignal writes a signal as the engine reads it: int and INT are SIGINT. A number stays as it is.
func normalSignal(signal string) string {
	if signal == "" || strings.Trim(signal, "0123456789") == "" {
		return signal
	}
	return "SIG" + strings.TrimPrefix(strings.ToUpper(signal), "SIG")
}

// more checks the fields of this file.
func (ps *problems) more(s *ServiceSpec) {
	for i, group := range s.GroupAdd {
		if group == "" {
			ps.add(index("spec.groupAdd", i), "is empty")
		}
	}
	for i, address := range s.DNS {
		if _, err := netip.ParseAddr(address); err != nil {
			ps.add(index("spec.dns", i), "%q is not an address", address)
		}
	}
	ps.names("spec.sysctls", s.Sysctls)
	if s.OomScoreAdj < -1000 || s.OomScoreAdj > 1000 {
		ps.add("spec.oomScoreAdj", "%d is not between -1000 and 1000", s.OomScoreAdj)
	}
	ps.oneOf("spec.isolation", strings.ToLower(s.Isolation), "default", "process", "hyperv")
	ps.credentials(s.CredentialSpec)
	ps.privileges(s.Privileges)
	ps.endpoint(s)
	ps.concurrency(s)
}

func (ps *problems) credentials(c *CredentialSpec) {
	if c == nil {
		return
	}
	stated := 0
	for _, text := range []string{c.Config, c.File, c.Registry} {
		if text != "" {
			stated++
		}
	}
	if stated != 1 {
		ps.add("spec.credentialSpec", "states %d of config, file and registry; exactly one is needed", stated)
	}
}

func (ps *problems) privileges(p *Privileges) {
	if p == nil {
		return
	}
	ps.oneOf("spec.privileges.appArmor", p.AppArmor, "default", "disabled")
	s := p.Seccomp
	if s == nil {
		return
	}
	ps.oneOf("spec.privileges.seccomp.mode", s.Mode, "default", "unconfined", "custom")
	switch custom := s.Mode == "custom"; {
	case custom && s.Profile == "":
		ps.add("spec.privileges.seccomp.profile", "is missing: mode custom needs it")
	case !custom && s.Profile != "":
		ps.add("spec.privileges.seccomp.profile", "is for mode custom; this one is %s", cmp.Or(s.Mode, "default"))
	case custom && !json.Valid([]byte(s.Profile)):
		ps.add("spec.privileges.seccomp.profile", "is not JSON")
	}
}

func (ps *problems) endpoint(s *ServiceSpec) {
	ps.oneOf("spec.endpointMode", s.EndpointMode, "vip", "dnsrr")
	if s.EndpointMode != "dnsrr" {
		return
	}
	for i, p := range s.Ports {
		if cmp.Or(p.Mode, "ingress") == "ingress" {
			ps.add(index("spec.ports", i)+".mode", "the routing mesh needs endpointMode vip, and this service has dnsrr: state mode: host, or leave the port out")
		}
	}
}

func (ps *problems) concurrency(s *ServiceSpec) {
	if s.MaxConcurrent != nil && s.Mode != ModeReplicatedJob {
		ps.add("spec.maxConcurrent", "is for mode %s; this one is %s", ModeReplicatedJob, cmp.Or(s.Mode, ModeReplicated))
	}
}
