package e2e

import (
	"flag"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// without names the scenarios that mean nothing on a kind of swarm, and why. They are not run there at all.
var without = map[string]map[string]string{
	onSandbox: {
		"TestContainersDoWhatTheManifestSays": "there are no containers to look into, no ports that answer and no registry that wants credentials",
		"TestEnginesAndRegistriesThatGoAway":  "there is no registry that could go away, and no process of an engine that could crash or hang",
	},
	onEngines: {},
}

// leaveOut keeps go test from running what means nothing on this swarm.
func leaveOut() {
	out := without[*swarmKind]
	if len(out) == 0 {
		return
	}
	var patterns []string
	for _, name := range slices.Sorted(maps.Keys(out)) {
		if flag.Lookup("test.v").Value.String() == "true" {
			fmt.Printf("not on %s: %s: %s\n", *swarmKind, name, out[name])
		}
		patterns = append(patterns, "^"+regexp.QuoteMeta(name)+"$")
	}
	skip := flag.Lookup("test.skip")
	if was := skip.Value.String(); was != "" {
		patterns = append(patterns, was)
	}
	_ = skip.Value.Set(strings.Join(patterns, "|")) // any text is
}
