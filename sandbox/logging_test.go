package sandbox

import (
	"context"
	"testing"

	swarmlog "github.com/moby/swarmkit/v2/log"
)

// If a leader cannot write for as long as it waits for its nodes, SwarmKit's dispatcher asks for the logger of a
// context that it does not have yet. See markNodesUnknown and markNodeNotReady there: the process ended because of
// it.
func TestALoggerNeedsNoContext(t *testing.T) {
	prepareProcess()
	var none context.Context
	swarmlog.G(none).Info("nothing is lost")
	if swarmlog.G(t.Context()) == nil {
		t.Error("there is no logger")
	}
}
