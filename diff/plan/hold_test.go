package plan

import (
	"testing"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

func TestAHoldCoversWhatItsTargetNames(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	web := v1.Key{Kind: "Service", Name: "web"}
	for _, test := range []struct {
		target string
		until  time.Time
		want   bool
	}{
		{target: "Service/web", want: true},
		{target: "service/web", want: true},
		{target: "SERVICE/web", want: true},
		{target: "Service/Web"},
		{target: "Service/web2"},
		{target: "Service/we"},
		{target: "Service/"},
		{target: "/web"},
		{target: "Config/web"},
		{target: "shop", want: true},
		{target: "Shop"},
		{target: "other"},
		{target: "web"},
		{target: "all", want: true},
		{target: "ALL", want: true},
		{target: "all/all"},
		{target: ""},
		{target: "Service/web", until: now.Add(time.Second), want: true},
		{target: "Service/web", until: now},
		{target: "all", until: now.Add(-time.Hour)},
	} {
		h := Hold{Target: test.target, Until: test.until}
		if got := h.Covers("shop", web, now); got != test.want {
			t.Errorf("a hold on %q until %s covers %s of source shop: %t", test.target, test.until, web, got)
		}
		if h.Over(now) && test.want {
			t.Errorf("a hold on %q until %s is over", test.target, test.until)
		}
	}
}

func TestTargetsAreTheSameInAnyCaseThatCounts(t *testing.T) {
	same := [][]string{{"Service/web", "service/web", "SERVICE/web"}, {"Service/Web"}, {"Config/web"}, {"all", "ALL"}, {"all/all"}, {"shop"}, {"Shop"}, {"web"}}
	for i, group := range same {
		for j, other := range same {
			for _, a := range group {
				for _, b := range other {
					if got := SameTarget(a, b); got != (i == j) {
						t.Errorf("%q and %q are the same: %t", a, b, got)
					}
				}
			}
		}
	}
}

func TestAHoldSaysWhyWhoAndUntilWhen(t *testing.T) {
	h := Hold{Reason: "an incident"}
	if got := h.Text(); got != "an incident" {
		t.Errorf("got %q", got)
	}
	h.By, h.Until = "ann@laptop", time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	if got := h.Text(); got != "an incident (ann@laptop), until 2026-01-02 02:04:05 UTC" {
		t.Errorf("got %q", got)
	}
}

// One hold that is in force is enough, wherever it stands among others. The first of them is named.
func TestAnObjectIsHeldByTheFirstHoldInForce(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	web := v1.Key{Kind: "Service", Name: "web"}
	over, other, covers, also := Hold{Target: "all", Until: now}, Hold{Target: "Service/db"}, Hold{Target: "shop", Until: now.Add(1)}, Hold{Target: "Service/web"}
	for name, c := range map[string]struct {
		holds []Hold
		by    string // "" if it is not held
	}{
		"none":                 {},
		"one that is over":     {[]Hold{over}, ""},
		"one on another":       {[]Hold{other}, ""},
		"both of these":        {[]Hold{over, other}, ""},
		"one on the source":    {[]Hold{covers}, "shop"},
		"the last of several":  {[]Hold{over, other, covers}, "shop"},
		"two that cover it":    {[]Hold{also, covers}, "Service/web"},
		"two, and one is over": {[]Hold{over, covers, also}, "shop"},
	} {
		by := ""
		if h := HoldOn(c.holds, "shop", web, now); h != nil {
			by = h.Target
		}
		if by != c.by {
			t.Errorf("%s: the hold is on %q, want %q", name, by, c.by)
		}
	}
}
