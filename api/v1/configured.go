package v1

import (
	"regexp"
)

// configuredName matches names of what only the operator's configuration defines, such as a sink.
var configuredName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$`)

// ConfiguredNames says which names can be given to what only the operator's configuration defines.
const ConfiguredNames = "use at most 63 letters, digits, _ and -, with a letter or digit at both ends"

// IsConfiguredName reports whether something in the operator's configuration can have that name.
func IsConfiguredName(name string) bool { return configuredName.MatchString(name) }

// configured checks the name of something that only the operator's configuration defines. A path, a program or a URL
// is no such name: what a manifest states reaches nothing outside the swarm.
func (ps *problems) configured(at, section, name string) {
	if !IsConfiguredName(name) {
		ps.add(at, "%q is not a name in %s of the operator's configuration: %s", name, section, ConfiguredNames)
	}
}

// sinks checks a list of names of sinks.
func (ps *problems) sinks(at string, names []string) {
	seen := map[string]int{}
	for i, name := range names {
		ps.configured(index(at, i), "sinks:", name)
		if first, twice := seen[name]; twice {
			ps.add(index(at, i), "is stated twice: also by %s[%d]", at, first)
		}
		seen[name] = i
	}
}
