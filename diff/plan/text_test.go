package plan

import (
	"fmt"
	"strings"
	"testing"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/test/golden"
)

// shown returns a plan of two services of the real kind, so that the tests see what people see.
func shown(t *testing.T) Plan {
	t.Helper()
	shape := diff.NewShape(&v1.Service{})
	rules := diff.Rules{}
	for _, typ := range shape.Types() {
		rules[typ] = diff.Rule{Effect: diff.RestartsTasks}
	}
	rules["metadata.labels.*"] = diff.Rule{Effect: diff.InPlace}
	state := func(name string, spec v1.ServiceSpec, labels map[string]string) *diff.State {
		s := &v1.Service{Header: v1.Header{Kind: v1.KindService, Metadata: v1.Metadata{Name: name, Labels: labels}}, Spec: spec}
		leaves := shape.Flatten(s)
		return &diff.State{Key: s.Key(), Instance: name, Leaves: diff.MarkStated(leaves, leaves)}
	}
	long := strings.Repeat("ä", 200)
	had := state("web", v1.ServiceSpec{Image: "bb:1", Hostname: "by-hand", Environment: v1.Environment{"DB_PASSWORD": canary + "1", "LOG_LEVEL": "info", "GONE": "x"}}, map[string]string{"a.b/c": "1"})
	had.Meta.Mine = true
	had.Meta.Applied = diff.NewApplied(state("web", v1.ServiceSpec{Image: "bb:1", Hostname: "h"}, nil).Leaves)
	old := state("old", v1.ServiceSpec{Image: "bb:1"}, nil)
	old.Meta.Mine = true
	other := state("other", v1.ServiceSpec{Image: "bb:1"}, nil)
	equal := state("equal", v1.ServiceSpec{Image: "bb:1"}, nil)
	wants := []*diff.State{
		state("web", v1.ServiceSpec{
			Image: "bb:2", Hostname: "h", Command: v1.StringList{"sh", "-c", "a && b"}, User: "line\nbreak", WorkingDir: long,
			Environment: v1.Environment{"DB_PASSWORD": canary + "2", "LOG_LEVEL": "debug", "URL": "http://u:" + canary + "@h/"},
		}, map[string]string{"a.b/c": "2"}),
		state("new", v1.ServiceSpec{Image: "bb:1", Environment: v1.Environment{"API_TOKEN": canary}}, nil),
		state("other", v1.ServiceSpec{Image: "bb:2"}, nil), state("equal", v1.ServiceSpec{Image: "bb:1"}, nil),
	}
	changes := diff.Compare([]*diff.State{had, old, other, equal}, wants, func(string) diff.Rules { return rules })
	g := newGiven()
	return Build(changes, g.Facts, g.Policy)
}

const canary = "hunter2-canary"

// What a revision lets go is listed, even if it stays for a while because something uses it. It is no difference.
// Old versions of content, which come and go by themselves, are not listed.
func TestTextListsWhatStaysForThoseWhoUseIt(t *testing.T) {
	const old = "! - Network/old  (in-use, later) it is used by %s, now or after a rollback; the operator removes it when nothing uses it\n"
	for _, test := range []struct{ name, given, text, summary string }{
		{
			"a network under another name", "+ Network/new\n- Network/old used=Service/web\n~ Service/web git=spec.networks uses=Network/new",
			"+ Network/new  (in git, not in the swarm)\n~ Service/web  (changed in git; restarts tasks)\n    spec.networks  old → new  (restarts tasks)\n" + fmt.Sprintf(old, "Service/web"),
			"1 to create, 1 to update",
		},
		{"two services use it", "- Network/old used=Service/web,Service/api", fmt.Sprintf(old, "Service/api, Service/web"), "in sync"},
		{
			"a config and a secret", "- Secret/s used=Service/web\n- Config/c used=Service/web",
			strings.ReplaceAll(fmt.Sprintf(old, "Service/web"), "Network/old", "Config/c") + strings.ReplaceAll(fmt.Sprintf(old, "Service/web"), "Network/old", "Secret/s"),
			"in sync",
		},
		{"an old version", "- Config/c instance=c-0123456789 old used=Service/web", "", "in sync"},
		{"its only user goes too", "- Network/old used=Service/web\n- Service/web", "- Service/web  (its manifest was removed)\n- Network/old  (its manifest was removed)\n", "2 to remove"},
		{"nothing uses it", "- Network/old", "- Network/old  (its manifest was removed)\n", "1 to remove"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := read(t, test.given).build()
			if got := p.Text(nil); got != test.text {
				t.Errorf("got\n%swant\n%s", got, test.text)
			}
			if got := p.Summary(); got != test.summary {
				t.Errorf("got %q, want %q", got, test.summary)
			}
		})
	}
}

func TestTextShowsStepsAdoptionsAndRefusals(t *testing.T) {
	p := shown(t)
	golden.Equal(t, "testdata/text.golden", p.Text(nil)+p.Summary()+"\n")
}

func TestNothingShowsASecret(t *testing.T) {
	p := shown(t)
	texts := []string{p.Text(nil), p.Summary(), render(p)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		texts = append(texts, fmt.Sprintf(verb, p), fmt.Sprintf(verb, p.Steps))
	}
	for _, text := range texts {
		if strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) {
			t.Errorf("the canary sings: %s", text)
		}
	}
	if revealed := p.Text(diff.Value.Reveal); !strings.Contains(revealed, canary+"2") {
		t.Errorf("who asks for the values does not see them:\n%s", revealed)
	}
}

func TestEachClassHasAWord(t *testing.T) {
	for c, want := range map[Class]string{Later: "later", Consent: "consent", Never: "never"} {
		if got := c.String(); got != want {
			t.Errorf("%d is %s, want %s", c, got, want)
		}
	}
}

// Each field says whether a hand has changed it, because the cause of a step is that of all its fields.
func TestFieldsSayWhatAHandHasChanged(t *testing.T) {
	text := read(t, "~ Service/web both=spec.replicas git=spec.image hand=metadata.labels.a").build().Text(nil)
	const want = `~ Service/web  (changed in git and by hand; restarts tasks)
    spec.replicas      old → new  (git and hand, in place)
    spec.image         old → new  (restarts tasks)
    metadata.labels.a  old → new  (by hand, in place)
`
	if text != want {
		t.Errorf("got\n%s", text)
	}
}

func TestDeliveriesAreInThePlanAndAreNoDifference(t *testing.T) {
	p := Plan{Deliveries: []Delivery{{What: "worker-token", To: "vault", Why: "it was not delivered there yet"}, {What: "unlock-key", To: "offline", By: "mgr-1", Why: "lost"}}}
	want := "→ worker-token  (to sink vault, by the instance that acts: it was not delivered there yet)\n→ unlock-key  (to sink offline, by mgr-1: lost)\n"
	if got := strings.Join(p.Blocks(nil), ""); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if !p.InSync() || p.Held() || p.Waiting() || p.Summary() != "2 to deliver" {
		t.Errorf("in sync %t, held %t, waiting %t: %s", p.InSync(), p.Held(), p.Waiting(), p.Summary())
	}
	p.Steps = []Step{{Op: diff.Update}}
	if got := p.Summary(); got != "1 to update, 2 to deliver" {
		t.Errorf("got %s", got)
	}
}
