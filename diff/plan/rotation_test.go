package plan

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

var rotationPaths = map[Rotated]string{
	WorkerToken: "spec.joinTokens.worker.rotation", ManagerToken: "spec.joinTokens.manager.rotation",
	UnlockKey: "spec.autolock.rotation", RootCA: "spec.ca.rotation",
}

// rotationLine reads what is given of rotations:
//
//	rotate worker-token epoch=2 every=720h
//	record worker-token epoch=1 age=10h
//	cluster suspend ignore=spec.ca
//	seen worker-1 worker down behind
//	locked
//	signing sha256:b live=sha256:a from=1h until=9000h problem=spec.ca.signing.keyFile
func (g *given) rotationLine(w []string) (is bool, err error) {
	r := &g.facts.Rotations
	if r.Want == nil && slices.Contains([]string{"rotate", "record", "cluster", "locked", "signing"}, w[0]) {
		r.Have = &diff.State{Key: cluster, Instance: cluster.Name, Meta: diff.Meta{ID: "c", Mine: true}}
		r.Want = &diff.State{Key: cluster, Instance: cluster.Name, Partial: true}
	}
	attributes := map[string]string{}
	for _, a := range w[1:] {
		name, value, _ := strings.Cut(a, "=")
		attributes[name] = value
	}
	switch w[0] {
	case "rotate":
		o := Rotation{Of: Rotated(w[1]), Path: rotationPaths[Rotated(w[1])]}
		if e, stated := attributes["epoch"]; stated {
			n := uint64(number(e))
			o.Epoch = &n
		}
		if e, stated := attributes["every"]; stated {
			o.Every = now.Sub(ago(e))
		}
		r.Stated = append(r.Stated, o)
	case "record":
		if r.Records == nil {
			r.Records = map[Rotated]Record{}
		}
		r.Records[Rotated(w[1])] = Record{uint64(number(attributes["epoch"])), ago(attributes["age"])}
	case "cluster":
		_, r.Want.Policy.Suspend = attributes["suspend"]
		if path := attributes["ignore"]; path != "" {
			r.Want.Policy.IgnoreDifferences = []string{path}
		}
		r.Have.Meta.Owner = attributes["owner"]
		r.Have.Meta.Mine = r.Have.Meta.Owner == ""
		if unknown := attributes["unknown"]; unknown != "" {
			r.Have.Meta.Unknown = []string{unknown}
		}
	case "seen":
		_, behind := attributes["behind"]
		g.facts.Swarm.Seen = append(g.facts.Swarm.Seen, Sighting{Name: w[1], Role: w[2], State: w[3], Behind: behind})
	case "locked":
		r.Locked = true
	case "signing":
		r.Signing = &Signing{Path: "spec.ca.signing", Wanted: w[1], Live: attributes["live"], From: ago(cmp.Or(attributes["from"], "1h")), Until: now.Add(now.Sub(ago(cmp.Or(attributes["until"], "9000h"))))}
		if r.Signing.Field = attributes["problem"]; r.Signing.Field != "" {
			r.Signing.Wanted, r.Signing.Problem = "", "/ca.key: it is not the key of the certificate"
		}
	default:
		return false, nil
	}
	return true, nil
}

func TestRecordsReadBack(t *testing.T) {
	for _, r := range []Record{{0, now}, {1, now.Add(-time.Hour)}, {math.MaxUint64, time.Unix(0, 0)}} {
		got, ok := ParseRecord(r.String())
		if !ok || got.Epoch != r.Epoch || !got.At.Equal(r.At) {
			t.Errorf("%s reads back as %s, %t", r, got, ok)
		}
	}
	for _, text := range []string{
		"", "epoch=1", "at=2026-01-01T00:00:00Z", "epoch= at=2026-01-01T00:00:00Z", "epoch=-1 at=2026-01-01T00:00:00Z", "epoch=1 at=yesterday", "epoch=1 at=",
		"epoch=1  at=2026-01-01T00:00:00Z", "epoch=1 at=2026-01-01T00:00:00Z x", "at=2026-01-01T00:00:00Z epoch=1", "epoch=18446744073709551616 at=2026-01-01T00:00:00Z", "1 2026-01-01T00:00:00Z",
	} {
		if got, ok := ParseRecord(text); ok {
			t.Errorf("%q reads as %s", text, got)
		}
	}
}

func TestARotationInTheText(t *testing.T) {
	text := read(t, "node a manager\nrotate worker-token epoch=2\nrecord worker-token epoch=1 age=10h").build().Text(nil)
	const want = `~ Cluster/default  (rotation of the workers' join token, by epoch; in place)
    spec.joinTokens.worker.rotation.epoch  1 → 2  (in place)
`
	if text != want {
		t.Errorf("got\n%s", text)
	}
	text = read(t, "node a manager\nseen a manager ready\nseen b worker down\nseen c manager down\nrotate ca epoch=2\nrecord ca epoch=1 age=10h\nrotate manager-token every=24h").build().Text(nil)
	const first = `~ Cluster/default  (its rotation is put on record; nothing is replaced; in place)
    spec.joinTokens.manager.rotation.every  (none) → 2026-03-01T12:00:00Z  (in place)
! ~ Cluster/default  (rotation, later) the root of the CA: what has no record yet is put on record first
    spec.ca.rotation.epoch  1 → 2  (in place)
`
	if text != first {
		t.Errorf("got\n%s", text)
	}
}

// When the next one is due by its age, of those that are there.
func TestWhenARotationIsDueByAge(t *testing.T) {
	for _, c := range []struct {
		name, given string
		want        time.Duration
	}{
		{"nothing is stated", "", 0},
		{"by epoch only", "rotate ca epoch=1\nrecord ca epoch=1 age=1h", 0},
		{"no record", "rotate worker-token every=10h", 0},
		{"in time", "rotate worker-token every=10h\nrecord worker-token epoch=1 age=4h", 6 * time.Hour},
		{"due", "rotate worker-token every=10h\nrecord worker-token epoch=1 age=10h", 0},
		{"overdue", "rotate worker-token every=10h\nrecord worker-token epoch=1 age=11h", 0},
		{"a clock that went back", "rotate worker-token every=10h\nrecord worker-token epoch=1 age=-1h", 11 * time.Hour},
		{"the first of two", "rotate worker-token every=10h\nrecord worker-token epoch=1 age=4h\nrotate manager-token every=8h\nrecord manager-token epoch=0 age=7h", time.Hour},
		{"a key that is not there", "rotate unlock-key every=10h\nrecord unlock-key epoch=1 age=4h", 0},
		{"a key", "locked\nrotate unlock-key every=10h\nrecord unlock-key epoch=1 age=4h", 6 * time.Hour},
		{"a record that nobody asks for", "record worker-token epoch=1 age=4h", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := read(t, c.given).facts.Rotations.Again(now); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestProgressOfTheRoot(t *testing.T) {
	many := strings.Builder{}
	for i := range 14 {
		fmt.Fprintf(&many, "seen w%02d worker ready behind\n", i)
	}
	for _, c := range []struct{ name, given, want string }{
		{"all have it", "seen a manager ready\nseen b worker ready", "2 of 2 nodes have the new root"},
		{"one has not", "seen a manager ready\nseen b worker ready behind", "1 of 2 nodes have the new root; waiting for: b"},
		{"one is down", "seen a manager ready\nseen b worker down behind\nseen c worker unknown", "2 of 3 nodes have the new root; waiting for: b (down)"},
		{"many", many.String(), "0 of 14 nodes have the new root; waiting for: w00, w01, w02, w03, w04, w05, w06, w07, w08, w09 and 4 more"},
	} {
		if got := read(t, c.given).facts.Swarm.Progress(); got != c.want {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}

// world is what a swarm remembers, in the laws below.
type rotating struct {
	records  map[Rotated]Record
	locked   bool
	running  bool
	now      time.Time
	replaced map[Rotated]int
}

func (w *rotating) plan(stated []Rotation) Plan {
	f := Facts{Now: w.now, APIVersion: "1.52", Rotations: Rotations{
		Have: &diff.State{Key: cluster, Instance: cluster.Name, Meta: diff.Meta{ID: "c", Mine: true}}, Want: &diff.State{Key: cluster, Instance: cluster.Name, Partial: true},
		Stated: stated, Records: w.records, Locked: w.locked,
	}}
	f.Swarm.Nodes, f.Swarm.Rotating = []Node{{ID: "a", Name: "a", Manager: true, Voter: true}}, w.running
	return Build(nil, f, Policy{Source: "s", Budgets: DefaultBudgets()})
}

// Whatever is stated, in whatever order and at whatever time: what has no record is never replaced; an epoch replaces once; a
// root is never replaced while one is; at most one thing is replaced by a plan; no age passes without a replacement that
// nothing holds; and the epoch on record never falls.
func TestRotationsOnceAndOneByOne(t *testing.T) {
	all := []Rotated{WorkerToken, ManagerToken, UnlockKey, RootCA}
	rapid.Check(t, func(t *rapid.T) {
		w := &rotating{records: map[Rotated]Record{}, now: now, replaced: map[Rotated]int{}}
		raised := map[Rotated]int{}
		for range rapid.IntRange(1, 30).Draw(t, "rounds") {
			w.now = w.now.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "hours")) * time.Hour)
			w.locked, w.running = rapid.Bool().Draw(t, "locked"), rapid.IntRange(0, 3).Draw(t, "running") == 0
			var stated []Rotation
			for _, of := range all {
				o := Rotation{Of: of, Path: rotationPaths[of]}
				if e := rapid.IntRange(-1, 4).Draw(t, "epoch"); e >= 0 {
					n := uint64(e)
					o.Epoch = &n
				}
				if of != RootCA {
					o.Every = time.Duration(rapid.IntRange(0, 4).Draw(t, "every")) * time.Hour
				}
				if o.Epoch != nil || o.Every > 0 {
					stated = append(stated, o)
				}
			}
			p := w.plan(stated)
			if len(p.Steps) > 1 {
				t.Fatalf("%d steps", len(p.Steps))
			}
			for _, s := range p.Steps {
				if m := s.Renewal().Makes; m != "" {
					before, known := w.records[m]
					i := slices.IndexFunc(stated, func(o Rotation) bool { return o.Of == m })
					switch o := stated[i]; {
					case !known:
						t.Fatalf("%s is replaced without a record", m)
					case w.running:
						t.Fatalf("%s is replaced while the root is", m)
					case m == UnlockKey && !w.locked:
						t.Fatal("a key is replaced that is not there")
					case len(s.Renewal().Records) != 1:
						t.Fatalf("it records %v", s.Renewal().Records)
					case o.Epoch != nil && *o.Epoch > before.Epoch:
						raised[m]++
					case o.Every == 0 || w.now.Sub(before.At) < o.Every:
						t.Fatalf("%s is replaced for nothing: %+v, on record %s", m, o, before)
					}
					w.replaced[m]++
				}
				for of, r := range s.Renewal().Records {
					if r.Epoch < w.records[of].Epoch {
						t.Fatalf("the epoch of %s falls from %s to %s", of, w.records[of], r)
					}
					w.records[of] = r
				}
			}
			again := w.plan(stated)
			for _, s := range again.Steps {
				if m := s.Renewal().Makes; m != "" && len(p.Steps) == 1 && m == p.Steps[0].Renewal().Makes {
					t.Fatalf("%s is replaced twice", m)
				}
			}
			for _, r := range again.Refused {
				if r.Key != cluster || r.Why == "" || len(r.Fields) != 1 {
					t.Fatalf("a refusal that does not say what and why: %+v", r)
				}
			}
		}
		for of, n := range raised {
			if n > 4 {
				t.Fatalf("%s had 4 epochs and was replaced %d times for them", of, n)
			}
		}
	})
}

// An epoch that is raised is replaced whatever else is due, sooner or later, once.
func TestEveryEpochIsReplacedInTheEnd(t *testing.T) {
	w := &rotating{records: map[Rotated]Record{}, now: now, replaced: map[Rotated]int{}, locked: true}
	var log []string
	for epoch := range uint64(3) {
		var stated []Rotation
		for _, of := range []Rotated{RootCA, UnlockKey, ManagerToken, WorkerToken} {
			stated = append(stated, Rotation{Of: of, Path: rotationPaths[of], Epoch: &epoch})
		}
		for range 10 {
			for _, s := range w.plan(stated).Steps {
				log = append(log, string(s.Renewal().Makes)+" "+strconv.Itoa(len(s.Renewal().Records)))
				for of, r := range s.Renewal().Records {
					w.records[of] = r
				}
			}
		}
	}
	const each = ", worker-token 1, manager-token 1, unlock-key 1, ca 1"
	if got := strings.Join(log, ", "); got != " 4"+each+each {
		t.Errorf("it went %s", got)
	}
}

func TestTurningAutolockOnRecordsTheKey(t *testing.T) {
	p := read(t, "rotate unlock-key epoch=3\nrecord unlock-key epoch=5 age=9h\n~ Cluster/default git=spec.autolock.enabled=true escrow").build()
	if len(p.Steps) != 1 || p.Steps[0].Rotates() || p.Steps[0].Renewal().Records[UnlockKey] != (Record{5, now}) {
		t.Errorf("%+v", p.Steps)
	}
	p = read(t, "rotate unlock-key epoch=3\n~ Cluster/default git=spec.autolock.enabled=false").build()
	if len(p.Steps) != 1 || p.Steps[0].Renewal() != nil {
		t.Errorf("turning it off records %+v", p.Steps)
	}
	if (Step{Key: v1.Key{Kind: v1.KindNode, Name: "default"}, Fields: []diff.Field{textField(pathAutolock, "false", "true")}}).locks() {
		t.Error("a node is locked")
	}
}
