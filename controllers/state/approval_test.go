package state_test

import (
	"strings"
	"testing"

	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

func TestAnApprovalSaysWhoGaveItAndWhy(t *testing.T) {
	t.Parallel()
	for why, how := range map[string]string{
		"":                                   "by command",
		" \n":                                "by command",
		"ticket\n 4711":                      "by command: ticket 4711",
		"see https://ann:canary@example.org": "by command: see https://(hidden)@example.org",
		strings.Repeat("x", 1000):            "by command: " + strings.Repeat("x", 200) + "…",
	} {
		a := state.Approval{By: "ann", Why: state.Reason(why), Consents: plan.Consents{{Hazard: plan.Removals}}}
		if said := a.Said(); len(said) != 1 || said[0].By != "ann" || said[0].How != how || a.Consents[0].How != "" {
			t.Errorf("%q: it says %+v, want %q", why, said, how)
		}
	}
}
