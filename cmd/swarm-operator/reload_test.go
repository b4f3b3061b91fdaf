package main

import (
	"strings"
	"testing"

	"github.com/swarm-operator/swarm-operator/api/config"
)

// A file that has lost its sources would change mode and guardrails to those of flags. These may be of any mode.
func TestAConfigFileMayNotLoseItsSources(t *testing.T) {
	with := &config.Configuration{Sources: []config.Source{{}}}
	without := &config.Configuration{}
	for name, test := range map[string]struct {
		before, next *config.Configuration
		want         string
	}{
		"it never had any": {without, without, ""},
		"it gets one":      {without, with, ""},
		"it keeps it":      {with, with, ""},
		"it loses it":      {with, without, "states no source any more, so that mode and guardrails would be those of flags alone; state the source again, or"},
	} {
		err := keepsSources(test.before, test.next, "operator.yaml")
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
