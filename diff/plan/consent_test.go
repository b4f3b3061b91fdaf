package plan

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

func TestParseConsent(t *testing.T) {
	a, b := v1.Key{Kind: "Service", Name: "a"}, v1.Key{Kind: "Service", Name: "b"}
	tests := []struct {
		text string
		want Consents
		err  string // a part of it
	}{
		{text: "removals", want: Consents{{Hazard: Removals}}},
		{text: " removals , replace ", want: Consents{{Hazard: Removals}, {Hazard: Replace}}},
		{text: "removals Service/a Service/b, restarts", want: Consents{{Hazard: Removals, Objects: []v1.Key{a, b}}, {Hazard: Restarts}}},
		{text: "many-managers, force-node-removal", want: Consents{{Hazard: ManyManagers}, {Hazard: ForceNodeRemoval}}},
		{text: "promote-unproven Node/x1 Node/x2, replace", want: Consents{{Hazard: PromoteUnproven, Objects: []v1.Key{{Kind: "Node", Name: "x1"}, {Kind: "Node", Name: "x2"}}}, {Hazard: Replace}}},
		{text: "promote-unproven", err: "consent to promote-unproven: name each node by its id, as docker node ls shows it: promote-unproven Node/ID"},
		{text: "replace, promote-unproven, restarts", err: "consent to promote-unproven: name each node by its id"},
		{text: "removal", err: `"removal" is not a hazard; did you mean removals?`},
		{text: "Removals", err: `"Removals" is not a hazard; did you mean removals?`},
		{text: "replaces", err: "did you mean replace?"},
		{text: "everything", err: `"everything" is not a hazard; the hazards are removals, restarts,`},
		{text: "", err: "states no hazard"},
		{text: "removals,", err: "states no hazard"},
		{text: "removals, ,replace", err: "states no hazard"},
		{text: "removals a", err: `consent to removals: "a" is not KIND/NAME, such as Service/web`},
		{text: "removals Service/", err: "is not KIND/NAME, such as Service/web"},
		{text: "removals; replace", err: `"removals;" is not a hazard; did you mean removals?`},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			got, err := ParseConsent(test.text)
			switch {
			case test.err == "" && err != nil:
				t.Fatal(err)
			case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
				t.Fatalf("got %v, want %s", err, test.err)
			}
			if d := cmp.Diff(test.want, got); d != "" {
				t.Errorf("consents (-want +got):\n%s", d)
			}
		})
	}
}

func TestConsentsCover(t *testing.T) {
	a, b := v1.Key{Kind: "Service", Name: "a"}, v1.Key{Kind: "Service", Name: "b"}
	cs := Consents{{Hazard: Removals, Objects: []v1.Key{a}}, {Hazard: Replace}}
	for _, test := range []struct {
		hazard Hazard
		key    v1.Key
		want   bool
	}{{Removals, a, true}, {Removals, b, false}, {Replace, a, true}, {Replace, b, true}, {Restarts, a, false}} {
		if got := cs.Covers(test.hazard, test.key); got != test.want {
			t.Errorf("%s of %s: %t", test.hazard, test.key, got)
		}
	}
	if cs.Agreed(Removals) || !cs.Agreed(Replace) {
		t.Error("agreed to all is not agreed to some")
	}
	if Consents(nil).Covers(Removals, a) {
		t.Error("nobody agreed")
	}
}

// An agreement that was given for a time ends with it, whether it names objects or not. One without a time never does.
func TestAnAgreementEndsWithItsTime(t *testing.T) {
	until := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	a := v1.Key{Kind: "Service", Name: "a"}
	cs := Consents{{Hazard: Removals, Until: until}, {Hazard: Replace, Objects: []v1.Key{a}, Until: until.Add(time.Hour)}, {Hazard: Restarts}}
	for after, want := range map[time.Duration]string{
		-time.Nanosecond:    "removals replace restarts",
		0:                   "replace restarts",
		time.Minute:         "replace restarts",
		time.Hour:           "restarts",
		1000000 * time.Hour: "restarts",
	} {
		var left []string
		for _, c := range cs.Lasting(until.Add(after)) {
			left = append(left, string(c.Hazard))
		}
		if got := strings.Join(left, " "); got != want {
			t.Errorf("%s after it: %s are left, want %s", after, got, want)
		}
	}
	if d := cmp.Diff(until, cs[0].Until); d != "" || len(cs) != 3 {
		t.Errorf("the agreements themselves change: %v", cs)
	}
}

// What an agreement is bound to, carried with and said by does not make it last longer.
func TestAnAgreementKeepsItsEnd(t *testing.T) {
	until := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	g := read(t, "- Service/a\n- Service/b\nowned 20\nconsent removals\n")
	for i := range g.Policy.Consents {
		g.Policy.Consents[i].Until = until
	}
	got := g.Policy.Consents.Bound(g.build(), true).Carried().Said("ann", "by command")
	if len(got) != 1 || len(got[0].Objects) != 2 || !got[0].Until.Equal(until) {
		t.Errorf("it is %+v, want one for two objects until %s", got, until)
	}
}

// The line names all that a person has to give, and the shortest form of a revision that is sure to be found.
// An agreement without the objects that it names is none, and must not become one for all objects.
func TestAnAgreementWithoutAnObject(t *testing.T) {
	a := v1.Key{Kind: "Service", Name: "a"}
	for given, want := range map[string]string{
		"removals Service/a":           "none",
		"removals Service/a Service/b": "removals Service/b",
		"removals Service/b":           "removals Service/b",
		"removals":                     "removals",
		"removals Service/a, replace":  "replace",
		"outage Node/a, removals Service/a Network/a, removals Service/a": "outage Node/a, removals Network/a",
	} {
		cs, err := ParseConsent(given)
		if err != nil {
			t.Fatal(err)
		}
		if got := saidOf(cs.Without(func(k v1.Key) bool { return k == a })); got != want {
			t.Errorf("of %s is left %s, want %s", given, got, want)
		}
		if got := saidOf(cs); got != given {
			t.Errorf("%s has become %s", given, got)
		}
	}
}

func TestTheCommandThatAgrees(t *testing.T) {
	for _, c := range []struct{ revision, to, want string }{
		{"0123456789012345678901234567890123456789", "removals", "swarm-operator approve removals --revision 0123456789 --reason TEXT"},
		{"0123456789012345678901234567890123456789", "drops-settings Service/a", "swarm-operator approve drops-settings Service/a --revision 0123456789 --reason TEXT"},
		{"0123456", "rewind", "swarm-operator approve rewind --revision 0123456 --reason TEXT"},
	} {
		if got := Approving(c.revision, c.to); got != c.want {
			t.Errorf("it is %q, want %q", got, c.want)
		}
	}
}

func TestTheHazardsAreClosed(t *testing.T) {
	want := "removals restarts replace drops-settings moves-data takeover-secret even-managers single-manager many-managers promote-unproven force-node-removal outage rewind other-source"
	if got := strings.Join(Hazards(), " "); got != want {
		t.Errorf("got %s", got)
	}
	for _, h := range Hazards() {
		if h == string(PromoteUnproven) {
			h += " Node/a"
		}
		if _, err := ParseConsent(h); err != nil {
			t.Errorf("%s: %v", h, err)
		}
	}
}

// The hazards that a commit cannot agree to are those that product and docs name. No reason tells anybody to write one
// of them into a commit.
func TestACommitAgreesToWhatNeedsNoCommand(t *testing.T) {
	want := "drops-settings single-manager promote-unproven force-node-removal rewind other-source"
	var alone []string
	for _, h := range Hazards() {
		if Hazard(h).ByCommand() {
			alone = append(alone, h)
		}
		if told := (Policy{}).Agree(Hazard(h)); Hazard(h).ByCommand() != (told == "") {
			t.Errorf("%s: a commit is told to say %q", h, told)
		}
		if told := (Policy{CommandsOnly: true}).Agree(Hazard(h)); told != "" {
			t.Errorf("%s: commits agree to nothing, and one is told to say %q", h, told)
		}
	}
	if got := strings.Join(alone, " "); got != want {
		t.Errorf("by command alone: %s", got)
	}
}

// Whatever waits for consent says how to give it: by the policy, by the hazard, and by what the manifests come from.
func TestARefusalSaysHowToAgree(t *testing.T) {
	const revision = "0123456789012345678901234567890123456789"
	const commit, command = "; to agree, add to a commit message: Consent: ", "; to agree, run: swarm-operator "
	for _, c := range []struct {
		name, given string
		want        map[bool]string // the end of the reason, by whether commits agree to nothing
	}{
		{"a removal", "revision " + revision + "\nowned 20\neach 9 - Service/s\n", map[bool]string{
			false: commit + "removals, or run: swarm-operator approve removals --revision 0123456789 --reason TEXT", true: command + "approve removals --revision 0123456789 --reason TEXT",
		}},
		{"a removal by the files of a plain directory", "files\nowned 20\neach 9 - Service/s\n", map[bool]string{
			false: command + "apply --consent removals", true: command + "apply --consent removals",
		}},
		{"settings that are lost, by the files of a plain directory", "files\nrepair-after 1m\n+ Service/s removed lost=spec.dns\n", map[bool]string{
			false: command + "apply --consent 'drops-settings Service/s'", true: command + "apply --consent 'drops-settings Service/s'",
		}},
		{"a removal by the files of a checkout", "revision files-1\nowned 20\neach 9 - Service/s\n", map[bool]string{
			false: commit + "removals", true: command + "apply --consent removals",
		}},
		{"a replacement", "revision " + revision + "\n± Service/s git=spec.mode\n", map[bool]string{
			false: commit + "replace, or run: swarm-operator approve replace --revision 0123456789 --reason TEXT", true: command + "approve replace --revision 0123456789 --reason TEXT",
		}},
		{"an older revision", "revision " + revision + "\nrewind\n+ Service/s\n", map[bool]string{
			false: command + "approve rewind --revision 0123456789 --reason TEXT (a commit cannot agree to this)", true: command + "approve rewind --revision 0123456789 --reason TEXT (a commit cannot agree to this)",
		}},
		{"settings that are lost", "revision files-1\nrepair-after 1m\n+ Service/s removed lost=spec.dns\n", map[bool]string{
			false: command + "apply --consent 'drops-settings Service/s' (a commit cannot agree to this)", true: command + "apply --consent 'drops-settings Service/s' (a commit cannot agree to this)",
		}},
	} {
		for only, want := range c.want {
			g := read(t, c.given)
			g.Policy.CommandsOnly = only
			p := g.build()
			if len(p.Refused) == 0 {
				t.Errorf("%s: nothing is refused", c.name)
			}
			for _, r := range p.Refused {
				if r.Class != Consent || !strings.HasSuffix(r.Why, want) || only && strings.Contains(r.Why, Trailer+":") {
					t.Errorf("%s, commits agree to nothing: %t: the reason is %q, want the end %q", c.name, only, r.Why, want)
				}
			}
		}
	}
}

// An agreement that names no object is about what the plan has, not about what a later revision has.
func TestAnAgreementIsBoundToWhatItIsAbout(t *testing.T) {
	g := read(t, `
- Service/a
- Service/b
- Service/adopted adopted
~ Service/c git=spec.image
- Network/used used=Service/c
- Network/named adopted used=Service/c
- Config/x instance=x-0123456789 old used=Service/c
owned 20
begun Service/c 0 of 1 running
consent removals
consent removals Network/named
consent restarts
consent outage
consent replace Service/z
`)
	bound := g.Policy.Consents.Bound(g.build(), true)
	named := func(h Hazard) string {
		var out []string
		for _, c := range bound {
			if c.Hazard == h {
				out = append(out, fmt.Sprint(c.Objects))
			}
		}
		return strings.Join(out, " ")
	}
	for h, want := range map[Hazard]string{Removals: "[Network/used Service/a Service/b] [Network/named]", Outage: "[]", Replace: "[Service/z]", Restarts: "[Service/a Service/adopted Service/b Service/c]"} {
		if got := named(h); got != want {
			t.Errorf("%s is about %s, want %s", h, got, want)
		}
	}
	if got := len(bound.Carried()); got != 4 {
		t.Errorf("%d agreements count for the next revision, want the 4 that name objects", got)
	}
	if again := bound.Bound(Plan{}, true); len(again) != len(bound) {
		t.Errorf("what is bound does not stay: %v", again)
	}
	if none := (Consents{{Hazard: Removals}}).Bound(Plan{}, true); len(none) != 0 {
		t.Errorf("an agreement to nothing stays: %v", none)
	}
}

// The agreement is given while the objects that are to make room only stay, because the removal of what uses them failed.
func TestAnAgreementToReplaceIsAboutWhatStaysForNow(t *testing.T) {
	g := read(t, `
+ Secret/pass
- Secret/Pass used=Volume/v
- Volume/v used=Service/s
- Service/s uses=Volume/v
claim Secret/pass name:pass Secret/Pass
trouble remove_Service/s 1 1m no
owned 40
consent removals Volume/v
consent replace
`)
	want := "removals Volume/v, replace Secret/Pass Secret/pass Service/s Volume/v"
	if got := saidOf(g.Policy.Consents.Bound(g.build(), true)); got != want {
		t.Errorf("it is bound to %q, want %q", got, want)
	}
}

// If the plan may lack something, removals may be what it lacks. An agreement to them stays as it is until the plan is whole,
// and so does not end with the first run. What the plan has already is bound at once, because another revision may come.
func TestAnAgreementToRemovalsWaitsForAWholePlan(t *testing.T) {
	const lacks, whole = "- Service/a\n~ Service/c git=spec.image\nproblem Volume/x present denied\nowned 20\n", "- Service/a\n- Volume/x\nkeep Volume/x\nowned 20\n"
	cs := Consents{{Hazard: Removals}, {Hazard: MovesData}}
	for i, run := range []struct {
		text  string
		whole bool
		want  string
	}{
		{lacks, false, "removals, removals Service/a, moves-data Service/a Service/c Volume/x"},
		{lacks, false, "removals, removals Service/a, moves-data Service/a Service/c Volume/x"},
		{whole, true, "removals Service/a Volume/x, removals Service/a, moves-data Service/a Service/c Volume/x"},
		{lacks, false, "removals Service/a Volume/x, removals Service/a, moves-data Service/a Service/c Volume/x"},
	} {
		if i == 2 { // the next revision
			if got := saidOf(cs.Carried()); got != "removals Service/a, moves-data Service/a Service/c Volume/x" {
				t.Errorf("another revision carries %q", got)
			}
		}
		cs = cs.Bound(read(t, run.text).build(), run.whole)
		if got := saidOf(cs); got != run.want {
			t.Errorf("run %d leaves %q, want %q", i, got, run.want)
		}
	}
	if got := saidOf(Consents{{Hazard: Removals}, {Hazard: Replace}}.Bound(Plan{}, false)); got != "removals" {
		t.Errorf("a plan that lacks everything leaves %q", got)
	}
}

// Agreements are used up when nothing differs that counts. Those by name to remove an object stay while something refers to
// it, because that is no difference.
func TestAnAgreementStaysWhileItsObjectIsInUse(t *testing.T) {
	g := read(t, `
- Network/used adopted used=Service/x
- Network/forbidden
keep Network/forbidden policy.protect: true
- Config/c instance=c-0123456789 old used=Service/x
consent removals Network/used Network/forbidden Network/other Config/c
consent replace Network/used
consent restarts Service/x
consent removals
consent outage
`)
	p := g.build()
	if !p.InSync() {
		t.Fatalf("it differs:\n%s", render(p))
	}
	if got := saidOf(g.Policy.Consents.InUse(p)); got != "removals Network/used" {
		t.Errorf("left is %q", got)
	}
	if got := saidOf(g.Policy.Consents.InUse(Plan{})); got != "none" {
		t.Errorf("where nothing is in use, %q is left", got)
	}
}

// Some removals have to be agreed to by name. An agreement to all of them never names one, whichever guard keeps it when the
// agreement is given, and whoever else has named it.
func TestAnAgreementToAllRemovalsNamesNothingThatNeedsItsName(t *testing.T) {
	objects := `
- Service/a
- Service/b
- Service/adopted adopted
- Volume/data
- Volume/cache
keep Volume/cache
- Service/pruned adopted
keep Service/pruned
- Network/kept
keep Network/kept policy.prune: false
owned 100
`
	for name, test := range map[string]struct{ more, want string }{
		"nothing is in the way":      {"", "Service/a Service/b Service/pruned Volume/cache"},
		"all is on hold":             {"hold all the switches are replaced", "Service/a Service/b Service/pruned Volume/cache"},
		"the volume is on hold":      {"hold Volume/data the plugin is upgraded", "Service/a Service/b Service/pruned Volume/cache"},
		"paused":                     {"paused the memory is gone", "Service/a Service/b Service/pruned Volume/cache"},
		"given up":                   {"released-all", "Service/a Service/b Service/pruned Volume/cache"},
		"the roll-out goes first":    {"begun Service/web 0 of 1 running", "Service/a Service/b Service/pruned Volume/cache"},
		"the source prunes adopted":  {"prune-adopted\nhold all later", "Service/a Service/adopted Service/b Service/pruned Volume/cache"},
		"somebody names the volume":  {"consent removals Volume/data", "Service/a Service/b Service/pruned Volume/cache"},
		"the memory is lost, in one": {"state-lost\nhold all later", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, c := range (Consents{{Hazard: Removals}}).Bound(read(t, objects+test.more+"\n").build(), true) {
				for _, k := range c.Objects {
					got = append(got, k.String())
				}
			}
			if got := strings.Join(got, " "); got != test.want {
				t.Errorf("it names %q, want %q", got, test.want)
			}
		})
	}
}

// An agreement that names objects ends for each of them when its step is done, or when manifests ask something else of the
// object. It never becomes one for all objects.
func TestAnAgreementByNameIsUsedUp(t *testing.T) {
	const none = "none"
	const otherCase = "+ Secret/pass; - Secret/Pass used=Volume/v; - Volume/v used=Service/s; - Service/s uses=Volume/v; " +
		"claim Secret/pass name:pass Secret/Pass; owned 40"
	for name, test := range map[string]struct {
		consent string
		plans   []string // what is asked of every object, and what the plan has, run by run; "?" means that nobody knows
		want    string   // what is left after each of them, separated by semicolons
	}{
		"a removal that is done":                     {"removals Volume/a", []string{"| - Volume/a", "|"}, "removals Volume/a; none"},
		"a removal that waits":                       {"removals Volume/a", []string{"| - Volume/a; hold all later", "| - Volume/a; begun Service/web not ready", "| - Volume/a", "|"}, "removals Volume/a; removals Volume/a; removals Volume/a; none"},
		"a removal, and something refers to it":      {"removals Network/a", []string{"| - Network/a adopted used=Service/x", "| - Network/a adopted", "|"}, "removals Network/a; removals Network/a; none"},
		"a removal that the last manifest forbids":   {"removals Network/a", []string{"| - Network/a; keep Network/a policy.protect: true", "|"}, "removals Network/a; none"},
		"one of two removals":                        {"removals Volume/a Service/b", []string{"| - Volume/a; - Service/b; owned 100", "| - Service/b; owned 100", "| + Service/b"}, "removals Volume/a Service/b; removals Service/b; none"},
		"what is stated and not removed":             {"removals Volume/a", []string{"x | ~ Volume/a git=spec.availability"}, none},
		"stated again before it is removed":          {"removals Volume/a", []string{"| - Volume/a; hold all later", "x | ~ Volume/a git=spec.availability", "| - Volume/a"}, "removals Volume/a; none; none"},
		"stated again, and nobody can read it":       {"removals Volume/a", []string{"| - Volume/a; hold all later", "something? |", "| - Volume/a"}, "removals Volume/a; none; none"},
		"a manifest that may be among others":        {"removals Volume/a", []string{"| - Volume/a; hold all later", "? |", "| - Volume/a"}, "removals Volume/a; removals Volume/a; removals Volume/a"},
		"made again in its place":                    {"removals Volume/a", []string{"| - Volume/a", "x | + Volume/a"}, "removals Volume/a; none"},
		"an empty volume":                            {"moves-data Volume/a", []string{"x | + Volume/a removed", "x |"}, "moves-data Volume/a; none"},
		"an empty volume, and it differs":            {"moves-data Volume/a", []string{"x | + Volume/a removed", "x | ~ Volume/a git=spec.driver"}, "moves-data Volume/a; none"},
		"an empty volume, asked for otherwise":       {"moves-data Volume/a", []string{"x | + Volume/a removed; hold all later", "y | + Volume/a removed"}, "moves-data Volume/a; none"},
		"an empty volume that fails":                 {"moves-data Volume/a", []string{"x | + Volume/a removed", "x | + Volume/a removed; trouble create_Volume/a 1 1m no plugin", "x |"}, "moves-data Volume/a; moves-data Volume/a; none"},
		"nobody can read the manifest":               {"moves-data Volume/a", []string{"x | + Volume/a removed", "? |", "x | + Volume/a removed", "? |", "y | + Volume/a removed"}, "moves-data Volume/a; moves-data Volume/a; moves-data Volume/a; moves-data Volume/a; none"},
		"the plan lacks something":                   {"removals Volume/a", []string{"| - Volume/a", "| unread", "| - Volume/a"}, "removals Volume/a; removals Volume/a; removals Volume/a"},
		"a replacement":                              {"replace Service/a", []string{"x | ± Service/a git=spec.mode", "x |"}, "replace Service/a; none"},
		"a replacement, while a hand's change stays": {"replace Service/a", []string{"x | ± Service/a git=spec.mode", "x | ~ Service/a hand=spec.replicas; drift-since Service/a 1m; repair-after 5m", "x |"}, "replace Service/a; replace Service/a; none"},
		"room for a service that exists": {"replace Service/new", []string{
			"x | - Service/old; placeless Service/new no suitable node; begun Service/new it waits; hold Service/old later",
			"x | - Service/old; placeless Service/new no suitable node; begun Service/new it waits", "x |",
		}, "replace Service/new; replace Service/new; none"},
		"room for a service, and others go later": {"replace Service/new", []string{
			"x | - Service/old; placeless Service/new no suitable node; begun Service/new it waits", "x | - Service/other adopted",
		}, "replace Service/new; none"},
		"room for a service that does not work yet": {"replace Service/new", []string{
			"x | - Service/old; begun Service/new no task runs yet", "x | - Service/old; superseded Service/old Service/new no task runs yet",
			"x | - Network/old; begun Service/new no task runs yet",
		}, "replace Service/new; replace Service/new; none"},
		"room for a secret, and what used what has the name fails once": {"removals Volume/v, replace Secret/Pass Service/s Volume/v", []string{
			"x | " + otherCase, "x | " + otherCase + "; trouble remove_Service/s 1 1m no", "x | " + otherCase, "x | + Secret/pass",
		}, strings.Repeat("removals Volume/v, replace Secret/Pass Service/s Volume/v; ", 3) + "none"},
		"given while nobody can read the manifest": {"replace Network/a", []string{
			"? |", "y | ± Network/a git=spec.driver", "z | ± Network/a git=spec.driver",
		}, "replace Network/a; replace Network/a; none"},
		"restarts, until git changes it again": {"restarts Service/a", []string{"x | ~ Service/a git=spec.image", "x |", "y | ~ Service/a git=spec.image"}, "restarts Service/a; restarts Service/a; none"},
		"an outage that comes later":           {"outage Node/a", []string{"x |", "x | ~ Node/a git=spec.availability", "x |"}, "outage Node/a; outage Node/a; none"},
		"an outage that git takes back":        {"outage Node/a", []string{"x |", "y |"}, "outage Node/a; none"},
		"a node that is known by its id":       {"promote-unproven Node/x1", []string{"|", "| ~ Node/a git=spec.role", "|"}, "promote-unproven Node/x1; promote-unproven Node/x1; promote-unproven Node/x1"},
		"all objects":                          {"outage", []string{"x |", "y |"}, "outage; outage"},
	} {
		t.Run(name, func(t *testing.T) {
			cs, err := ParseConsent(test.consent)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, run := range test.plans {
				digest, lines, _ := strings.Cut(run, "|")
				digest = strings.TrimSpace(digest)
				whole := !strings.Contains(lines, "unread")
				lines = strings.ReplaceAll(strings.ReplaceAll(lines, "unread", ""), ";", "\n")
				asked := func(v1.Key) (string, bool) { return strings.TrimSuffix(digest, "?"), !strings.HasSuffix(digest, "?") }
				g := read(t, lines)
				g.Policy.Consents = cs.Meant(asked)
				cs = g.Policy.Consents.Left(g.build(), whole, asked)
				got = append(got, saidOf(cs))
			}
			if got := strings.Join(got, "; "); got != test.want {
				t.Errorf("left is %q, want %q", got, test.want)
			}
		})
	}
}

// saidOf returns agreements as a commit would give them, or "none".
func saidOf(cs Consents) string {
	var out []string
	for _, c := range cs {
		text := string(c.Hazard)
		for _, k := range c.Objects {
			text += " " + k.String()
		}
		out = append(out, text)
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, ", ")
}

// An agreement to a number of managers names the Cluster, and its steps are on nodes, one after the other.
func TestAnAgreementAboutManagersLastsUntilNoRoleChanges(t *testing.T) {
	cluster := v1.Key{Kind: v1.KindCluster, Name: v1.ClusterName}
	node := v1.Key{Kind: v1.KindNode, Name: "a"}
	asked := func(v1.Key) (string, bool) { return "x", true }
	promotes := Plan{Steps: []Step{{Op: diff.Update, Key: node, Instance: "id-a", Origin: OriginPromotes}}}
	waits := Plan{Refused: []Refusal{(Refusal{Op: diff.Update, Key: node, Class: Later}).Bearing(OfRoles)}}
	other := Plan{Steps: []Step{{Op: diff.Update, Key: node, Instance: "id-a"}}}
	for _, h := range []Hazard{EvenManagers, SingleManager, ManyManagers} {
		cs := Consents{{Hazard: h, Objects: []v1.Key{cluster}}}
		for i, p := range []Plan{other, promotes, waits, promotes} {
			if cs = cs.Left(p, true, asked); len(cs) != 1 {
				t.Fatalf("%s: it ends with plan %d", h, i)
			}
		}
		if left := cs.Left(other, true, asked); len(left) > 0 {
			t.Errorf("%s: %v is left", h, left)
		}
	}
}

// An agreement to an empty object in the place of one that is gone is used up when there is one.
func TestAnAgreementToAnEmptyObjectEndsWhenThereIsOne(t *testing.T) {
	there, gone := v1.Key{Kind: v1.KindVolume, Name: "a"}, v1.Key{Kind: v1.KindVolume, Name: "b"}
	cs := Consents{{Hazard: MovesData, Objects: []v1.Key{there}}, {Hazard: MovesData, Objects: []v1.Key{there, gone}}, {Hazard: MovesData}, {Hazard: Removals, Objects: []v1.Key{there}}}
	want := Consents{{Hazard: MovesData, Objects: []v1.Key{gone}}, {Hazard: MovesData}, {Hazard: Removals, Objects: []v1.Key{there}}}
	if d := cmp.Diff(want, cs.Unmade(func(k v1.Key) bool { return k == there })); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func FuzzParseConsent(f *testing.F) {
	for _, seed := range []string{"removals", "removals Service/a, replace", ",", "a b c", "removals\tService/a\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		consents, err := ParseConsent(text)
		if (err == nil) == (len(consents) == 0) {
			t.Fatalf("%q: %v, %v", text, consents, err)
		}
		for _, c := range consents {
			if !strings.Contains(text, string(c.Hazard)) {
				t.Errorf("%q agrees to %s", text, c.Hazard)
			}
		}
	})
}

// Who agreed is for the record. It changes neither what an agreement covers nor what it was read from.
func TestAnAgreementSaysWhoGaveIt(t *testing.T) {
	a, b := v1.Key{Kind: "Service", Name: "a"}, v1.Key{Kind: "Service", Name: "b"}
	read, err := ParseConsent("removals Service/a, restarts, replace Service/b")
	if err != nil {
		t.Fatal(err)
	}
	said := read.Said("Ada", "by command")
	for i := range said {
		if said[i].By != "Ada" || said[i].How != "by command" || read[i].By != "" {
			t.Errorf("said %+v, read %+v", said[i], read[i])
		}
	}
	for name, c := range map[string]struct {
		hazards []Hazard
		key     v1.Key
		want    Consents
	}{
		"no hazard":                   {nil, a, nil},
		"one that names the object":   {[]Hazard{Removals}, a, said[:1]},
		"one that names another":      {[]Hazard{Removals, Replace}, a, said[:1]},
		"one for all":                 {[]Hazard{Restarts}, b, said[1:2]},
		"two":                         {[]Hazard{Replace, Restarts}, b, said[1:]},
		"one that nobody agreed to":   {[]Hazard{Outage}, a, nil},
		"two, and one not agreed to":  {[]Hazard{Outage, Removals}, a, said[:1]},
		"an object that is not named": {[]Hazard{Removals}, b, nil},
	} {
		if d := cmp.Diff(c.want, said.To(c.hazards, c.key)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestAStepHasTheRisksThatAConsentMayBeAbout(t *testing.T) {
	rolls := Step{Op: diff.Update, Effect: diff.RestartsTasks}
	for name, c := range map[string]struct {
		step Step
		want []Hazard
	}{
		"a removal":                 {Step{Op: diff.Remove}, []Hazard{Removals, ForceNodeRemoval}},
		"a removal that makes room": {Step{Op: diff.Remove, Hazards: []Hazard{Replace}}, []Hazard{Replace, Removals, ForceNodeRemoval}},
		"a roll-out":                {rolls, []Hazard{Restarts}},
		"an update in place":        {Step{Op: diff.Update}, nil},
		"a promotion":               {Step{Op: diff.Update, Origin: OriginPromotes}, []Hazard{EvenManagers, SingleManager, ManyManagers}},
		"a demotion":                {Step{Op: diff.Update, Origin: OriginDemotes}, []Hazard{EvenManagers, SingleManager, ManyManagers}},
		"a new object":              {Step{Op: diff.Create}, []Hazard{TakeoverSecret}},
		"a replacement":             {Step{Op: diff.Replace, Hazards: []Hazard{Replace}}, []Hazard{Replace}},
	} {
		if d := cmp.Diff(c.want, c.step.Risks()); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}
