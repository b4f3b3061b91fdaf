package state_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// An approval for a time says until when, and so does each of its consents.
func TestAnApprovalForATimeSaysUntilWhen(t *testing.T) {
	t.Parallel()
	until := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for why, how := range map[string]string{"": "by command, until 2026-01-02 03:04:05 UTC", "ticket": "by command, until 2026-01-02 03:04:05 UTC: ticket"} {
		a := state.Approval{By: "ann", Why: why, Until: until, Consents: plan.Consents{{Hazard: plan.Removals}, {Hazard: plan.Replace}}}
		for _, c := range a.Said() {
			if c.How != how || !c.Until.Equal(until) {
				t.Errorf("%q: it says %+v, want %q until %s", why, c, how, until)
			}
		}
		if !a.Consents[0].Until.IsZero() {
			t.Errorf("the approval itself changes: %+v", a.Consents)
		}
		if a.Ended(until.Add(-1)) || !a.Ended(until) {
			t.Errorf("it has ended before its time: %t, at its time: %t", a.Ended(until.Add(-1)), a.Ended(until))
		}
	}
	if (state.Approval{}).Ended(until) {
		t.Error("an approval without a time has ended")
	}
}

// A memory keeps the end of a consent. One that an older release wrote has none, and its consents last.
func TestAConsentInAMemoryKeepsItsEnd(t *testing.T) {
	t.Parallel()
	until := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	consents := plan.Consents{{Hazard: plan.Removals, By: "ann", Until: until}}
	was := state.Memory{Consents: consents, Approvals: []state.Approval{{Revision: "0123456", Consents: consents, Until: until}}}
	text, err := json.Marshal(was)
	if err != nil {
		t.Fatal(err)
	}
	var is state.Memory
	if err := json.Unmarshal(text, &is); err != nil || !reflect.DeepEqual(is.Consents, was.Consents) || !reflect.DeepEqual(is.Approvals, was.Approvals) {
		t.Errorf("it is %+v, want %+v: %v", is, was, err)
	}
	const older = `{"consents":[{"Hazard":"removals","Objects":["Service/a"]}],"approvals":[{"revision":"0123456","consents":[{"Hazard":"replace","Objects":null}],"by":"ann","why":"x"}]}`
	var old state.Memory
	if err := json.Unmarshal([]byte(older), &old); err != nil {
		t.Fatal(err)
	}
	if far := until.AddDate(100, 0, 0); len(old.Consents.Lasting(far)) != 1 || old.Approvals[0].Ended(far) || len(old.Approvals[0].Said().Lasting(far)) != 1 {
		t.Errorf("a consent of an older release ends: %+v", old)
	}
	if text, err := json.Marshal(old); err != nil || strings.Contains(strings.ToLower(string(text)), "until") {
		t.Errorf("a consent without an end is written with one: %s, %v", text, err)
	}
}

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
