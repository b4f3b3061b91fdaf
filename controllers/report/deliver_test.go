package report

import (
	"fmt"
	"testing"
	"time"

	"github.com/go-logr/logr"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/act"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// While a problem holds the manifest of the Cluster, nobody knows where tokens and keys go. The last condition stays,
// and a new process says that it does not know.
func TestDeliveryIsNotKnownWhileTheClusterIsHeld(t *testing.T) {
	const sink = "vault"
	undelivered := []act.Delivery{{Of: kinds.UnlockKey, Sink: sink}, {Of: kinds.WorkerToken, Sink: sink}}
	cluster, node := v1.Key{Kind: v1.KindCluster, Name: v1.ClusterName}, v1.Key{Kind: v1.KindNode, Name: "n"}
	for _, test := range []struct {
		name   string
		before []act.Delivery // what the run before had not delivered
		// restarted is true if the process has said nothing yet: there was no run before.
		restarted bool
		held      []v1.Key
		want      string
	}{
		{name: "not held, and delivered", before: undelivered, want: "false Delivered"},
		{name: "held, and it was not delivered", before: undelivered, held: []v1.Key{cluster, node}, want: "true NotEscrowed"},
		{name: "held, and it was delivered", held: []v1.Key{cluster}, want: "false Delivered"},
		{name: "held since before the process", restarted: true, held: []v1.Key{cluster}, want: "false Unknown"},
		{name: "nothing is held, in a new process", restarted: true, want: "false Delivered"},
		{name: "no Cluster is stated, and a node is held", restarted: true, held: []v1.Key{node}, want: "false Delivered"},
	} {
		t.Run(test.name, func(t *testing.T) {
			board := status.NewBoard("s", "enforce", status.NewMetrics("v0", func() int { return 0 }), logr.Discard(), func() time.Time { return time.Unix(0, 0) })
			c := &Conditions{Board: board}
			if !test.restarted {
				c.Delivered(&decide.Decision{}, test.before, nil)
			}
			run := &decide.Decision{}
			run.Held = map[v1.Key]plan.Problem{}
			for _, key := range test.held {
				run.Held[key] = plan.Problem{Why: "why"}
			}
			for range 2 {
				c.Delivered(run, nil, nil)
			}
			board.Publish()
			is, _ := board.Report().Is(status.KeyNotEscrowed)
			if got := fmt.Sprint(is.Status, " ", is.Reason); got != test.want {
				t.Errorf("KeyNotEscrowed is %s: %s; want %s", got, is.Message, test.want)
			}
			tokens, _ := board.Report().Is(status.TokensNotDelivered)
			if tokens.Status != is.Status || (tokens.Reason == status.Unknown) != (is.Reason == status.Unknown) {
				t.Errorf("TokensNotDelivered is %t: %s", tokens.Status, tokens.Reason)
			}
			c.Delivered(&decide.Decision{}, nil, nil)
			if board.Publish(); board.Report().Conditions[0].Reason != "Delivered" {
				t.Errorf("when it is mended: %+v", board.Report().Conditions)
			}
		})
	}
}
