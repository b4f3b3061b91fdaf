package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/status"
)

// An engine that starts again is no news; one whose events cannot be read at all is, and says so until they can.
func TestEventsThatDoNotComeAreTold(t *testing.T) {
	failed, connected := engine.Event{Type: engine.Unconnected, Name: "GET /events: 403: not through this proxy"}, engine.Event{Type: engine.Reconnected}
	for name, c := range map[string]struct {
		events  []engine.Event
		missing bool
	}{
		"they come":                {[]engine.Event{connected, {Type: "service"}}, false},
		"a restart":                {[]engine.Event{connected, failed, failed, connected}, false},
		"never":                    {[]engine.Event{failed, failed, failed, failed}, true},
		"not any more":             {[]engine.Event{connected, {Type: "node"}, failed, failed, failed}, true},
		"now and then":             {[]engine.Event{failed, failed, connected, failed, failed, connected}, false},
		"again after a long while": {[]engine.Event{failed, failed, failed, failed, connected}, false},
	} {
		t.Run(name, func(t *testing.T) {
			board := status.NewBoard("s", "enforce", status.NewMetrics("v0", func() int { return 0 }), logr.Discard(), time.Now)
			f, n := &runFlags{resync: 5 * time.Minute}, 0
			for _, e := range c.events {
				n = f.heard(board, e, n)
			}
			all := board.Report().Conditions
			i := slices.IndexFunc(all, func(c status.Condition) bool { return c.Type == status.EventsMissing && c.Status })
			if (i >= 0) != c.missing {
				t.Fatalf("the conditions are %+v", all)
			}
			if i >= 0 && (!strings.Contains(all[i].Message, failed.Name) || !strings.Contains(all[i].Message, "--resync (5m0s)")) {
				t.Errorf("it says %q", all[i].Message)
			}
		})
	}
}
