package guardrails

import (
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Maps whose keys can be written in several ways that mean the same.
const (
	sysctls = "spec.sysctls"
	ulimits = "spec.ulimits"
)

// oneSpelling writes a path in the form of v1.OneForm so that two paths are the same text if they name the same setting of a
// container. The kernel's parameters are files: net/ipv4/ip_forward is net.ipv4.ip_forward, and runc takes each point for a
// slash. The engine takes NOFILE for nofile.
func oneSpelling(path string) string {
	if isBelow(path, ulimits) {
		return strings.ToLower(path)
	}
	if name, one := labelOf(sysctls, path); one {
		parts := strings.FieldsFunc(name, func(r rune) bool { return r == '.' || r == '/' })
		return v1.PathKey(sysctls, strings.Join(parts, "."))
	}
	return path
}

// spelled returns a path, and the paths of what the manifest states in other spellings of it.
func (c *checking) spelled(path string) []string {
	out := []string{path}
	s, is := c.of.Object.(*v1.Service)
	if !is || !isBelow(path, sysctls) && !isBelow(path, ulimits) {
		return out
	}
	var stated []string
	for _, name := range sorted(s.Spec.Sysctls) {
		stated = append(stated, v1.PathKey(sysctls, name))
	}
	for _, name := range sorted(s.Spec.Ulimits) {
		stated = append(stated, v1.PathKey(ulimits, name))
	}
	one := oneSpelling(path)
	for _, key := range stated {
		if spelling := oneSpelling(key); isBelow(one, spelling) && !isBelow(path, key) {
			out = append(out, key+strings.TrimPrefix(one, spelling))
		}
	}
	return out
}
