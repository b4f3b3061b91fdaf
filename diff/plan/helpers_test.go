package plan

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// given is the input of a plan. It is read from lines such as
//
//	~ Service/web git=spec.image hand=spec.replicas uses=Config/c after=Service/db
//	- Config/c instance=c-0123456789 old used=Service/web
//	owned 12
//	self Service/operator
//	rollout Service/web rollback_completed began=5m left=matches
//
// and, for nodes, from lines such as nodes_test.go reads. Changes of nodes have the instance id-NAME.
//
//	node a manager; leader zone=x
//	leaving b absent down=5m tasks=2
//	~ Node/b git=spec.labels.zone,spec.availability=drain
type given struct {
	Changes []diff.Change
	Facts   Facts
	Policy  Policy
	// Of is what readers remember of their lines, by the name of the kind.
	Of map[string]any
}

// Given, Read and Build are for the tests of what kinds add. Those tests are in another package, because kinds import
// this one.
type Given = given

// Reader reads the lines that are about a kind.
type Reader struct {
	// Line reads a line. It returns false if the line is not about the kind.
	Line func(*Given, []string) (is bool, err error)
	// Part is what the kind adds to the plan.
	Part func(Given) Part
	// Says is what goldens show of a step besides what they show of all steps.
	Says func(Step) string
}

// Readers are the readers of all kinds.
var Readers []Reader

// Read reads the input of a plan.
func Read(t testing.TB, text string) Given { return read(t, text) }

// Build makes the plan.
func (g given) Build() Plan { return g.build() }

// These are for the laws of kinds.
var (
	NewGiven          = newGiven
	Anything          = anything
	Change            = change
	Render            = render
	KeyOf             = keyOf
	NothingVanishesOf = nothingVanishesOf
	OneAnswerOf       = oneAnswerOf
)

func newGiven() given {
	return given{
		Facts: Facts{
			Now: now, APIVersion: "1.52", Shares: true, Owned: 100, OwnedServices: 100, Revision: "r2",
			Rollouts: map[v1.Key]Rollout{}, Failed: map[v1.Key]Failure{}, NotReady: map[v1.Key]string{}, Failing: map[v1.Key]bool{},
			DriftSince: map[v1.Key]time.Time{}, Keep: map[v1.Key]string{}, Missing: map[v1.Key]bool{}, GivenUp: GivenUp{Released: map[v1.Key]bool{}},
			Begun: map[v1.Key]string{}, Superseded: Superseded{NotReady: map[v1.Key]string{}}, Broken: map[v1.Key]string{}, Troubles: map[string]Trouble{},
		},
		Policy: Policy{Source: "src", Budgets: DefaultBudgets()},
		Of:     map[string]any{},
	}
}

func (g given) build(extra ...Guard) Plan {
	var parts []Part
	for _, r := range Readers {
		parts = append(parts, r.Part(g))
	}
	return Build(g.Changes, g.Facts, g.Policy, append(parts, Part{Guards: extra})...)
}

func read(t testing.TB, text string) given {
	t.Helper()
	g := newGiven()
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), " #")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := g.line(strings.Fields(line)); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	return g
}

func keyOf(s string) v1.Key {
	k, err := v1.ParseKey(s)
	if err != nil {
		panic(err)
	}
	return k
}

func keysOf(s string) []v1.Key {
	var out []v1.Key
	for item := range strings.SplitSeq(s, ",") {
		out = append(out, keyOf(item))
	}
	return out
}

func ago(s string) time.Time {
	d, err := time.ParseDuration(s)
	if err != nil {
		panic(err)
	}
	return now.Add(-d)
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

func (g *given) line(w []string) error {
	f := &g.Facts
	switch w[0] {
	case "+", "~", "-", "±", "=":
		g.Changes = append(g.Changes, change(w))
	case "each": // each N OP Kind/name… means N changes of numbered names
		for i := range number(w[1]) {
			words := slices.Clone(w[2:])
			words[1] = fmt.Sprintf("%s%02d", words[1], i+1)
			g.Changes = append(g.Changes, change(words))
		}
	case "owned":
		f.Owned = number(w[1])
	case "services":
		f.OwnedServices = number(w[1])
	case "shares-nothing":
		f.Shares = false
	case "other-source":
		f.OtherSource = strings.Join(w[1:], " ")
	case "api":
		f.APIVersion = append(w, "")[1]
	case "rewind":
		f.Rewind = true
	case "rewritten":
		f.Rewritten = "the history was rewritten: revision r2 does not come after r1"
	case "files": // the manifests are the files of a plain directory
		f.Revision, g.Policy.Files = "files-0123456789abcdef", true
	case "observe":
		g.Policy.Observe = true
	case "prune-adopted":
		g.Policy.PruneAdopted = true
	case "ask-rewritten":
		g.Policy.AskRewritten = true
	case "state-lost":
		f.StateLost = true
	case "revision":
		f.Revision = w[1]
	case "paused":
		f.Paused = strings.Join(w[1:], " ")
	case "hold": // hold TARGET [until=5m] REASON
		h := Hold{Target: w[1], Reason: strings.Join(w[2:], " "), By: "ann@laptop"}
		if in, timed := strings.CutPrefix(w[2], "until="); timed {
			h.Until, h.Reason = now.Add(-ago(in).Sub(now)), strings.Join(w[3:], " ")
		}
		f.Holds = append(f.Holds, h)
	case "released":
		f.Released[keyOf(w[1])] = true
	case "released-all":
		f.ReleasedAll = true
	case "unseen":
		f.Unseen = strings.Join(w[1:], " ")
	case "self":
		f.Self = keyOf(w[1])
	case "missing":
		f.Missing[keyOf(w[1])] = true
	case "external":
		f.Missing[keyOf(w[1])] = false
	case "own-only": // own-only Kind/name GUARDRAIL
		if g.Policy.OwnOnly == nil {
			g.Policy.OwnOnly = map[v1.Key]string{}
		}
		g.Policy.OwnOnly[keyOf(w[1])] = w[2]
	case "keep":
		f.Keep[keyOf(w[1])] = strings.Join(w[2:], " ")
	case "not-ready":
		f.NotReady[keyOf(w[1])] = strings.Join(w[2:], " ")
	case "failing":
		f.NotReady[keyOf(w[1])], f.Failing[keyOf(w[1])] = strings.Join(w[2:], " "), true
	case "broken":
		f.Broken[keyOf(w[1])] = strings.Join(w[2:], " ")
	case "problem": // problem Kind/name present|absent WHY
		if f.Problems == nil {
			f.Problems = map[v1.Key]Problem{}
		}
		f.Problems[keyOf(w[1])] = Problem{Why: strings.Join(w[3:], " "), Present: w[2] == "present", Instance: keyOf(w[1]).Name}
	case "placeless": // placeless Kind/name WHY
		if f.Placeless == nil {
			f.Placeless = map[v1.Key]string{}
		}
		f.Placeless[keyOf(w[1])] = strings.Join(w[2:], " ")
	case "in-the-way": // in-the-way GIVER TAKER
		if f.InTheWay == nil {
			f.InTheWay = map[v1.Key]v1.Key{}
		}
		f.InTheWay[keyOf(w[1])] = keyOf(w[2])
	case "begun":
		f.Begun[keyOf(w[1])] = strings.Join(w[2:], " ")
	case "superseded": // superseded REMOVAL CHANGED [WHY]
		f.Superseded.Removals, f.Superseded.Changed = append(f.Superseded.Removals, keyOf(w[1])), append(f.Superseded.Changed, keyOf(w[2]))
		if len(w) > 3 {
			f.Superseded.NotReady[keyOf(w[2])] = strings.Join(w[3:], " ")
		}
	case "trouble": // trouble STEP_NAME TRIES IN WHY
		f.Troubles[strings.ReplaceAll(w[1], "_", " ")] = Trouble{Tries: number(w[2]), Until: now.Add(now.Sub(ago(w[3]))), Why: strings.Join(w[4:], " ")}
	case "claim":
		g.claim(w)
	case "drift-since":
		f.DriftSince[keyOf(w[1])] = ago(w[2])
	case "rollout":
		g.rollout(w)
	case "failed":
		g.failed(w)
	case "repair-after":
		d, err := time.ParseDuration(w[1])
		g.Policy.RepairAfter, g.Policy.RepairRestartsAfter = d, d
		return err
	case "repair-restarts-after":
		d, err := time.ParseDuration(w[1])
		g.Policy.RepairRestartsAfter = d
		return err
	case "contended": // contended Kind/name PATH TIMES 5m; the path may be -
		c := Contention{Path: strings.TrimPrefix(w[2], "-"), Times: number(w[3]), Until: now.Add(now.Sub(ago(w[4])))}
		if f.Contended == nil {
			f.Contended = map[v1.Key][]Contention{}
		}
		f.Contended[keyOf(w[1])] = append(f.Contended[keyOf(w[1])], c)
	case "consent":
		c, err := ParseConsent(strings.Join(w[1:], " "))
		g.Policy.Consents = append(g.Policy.Consents, c...)
		return err
	case "budget":
		b := map[string]*int{"removals": &g.Policy.Budgets.Removals, "restarts": &g.Policy.Budgets.Restarts, "rollouts": &g.Policy.Budgets.Rollouts, "failed-rollouts": &g.Policy.Budgets.FailedRollouts, "drains": &g.Policy.Budgets.Drains}
		*b[w[1]] = number(w[2])
	default:
		for _, r := range Readers {
			if is, err := r.Line(g, w); is {
				return err
			}
		}
		return errors.New("no such line")
	}
	return nil
}

// claim KEY WHAT:OF HOLDER [former] [stays] [foreign] [rollout=STATE] [began=5m]
func (g *given) claim(w []string) {
	what, of, _ := strings.Cut(w[2], ":")
	c := Claim{Key: keyOf(w[1]), Claim: diff.Claim{What: what, Of: of}, Holder: keyOf(w[3]), Mine: true}
	if what == "subnet" {
		c.Claim = diff.Claim{What: what, Subnet: netip.MustParsePrefix(of)}
	}
	c.Instance, c.HolderInstance = c.Key.Name, c.Holder.Name
	c.Former, c.Stays = slices.Contains(w, "former"), slices.Contains(w, "stays")
	c.Mine = !slices.Contains(w, "foreign")
	for _, a := range w[4:] {
		switch name, value, _ := strings.Cut(a, "="); name {
		case "rollout":
			c.Rollout.State = value
		case "began":
			c.Rollout.Began = ago(value)
		}
	}
	g.Facts.Claims = append(g.Facts.Claims, c)
}

func (g *given) rollout(w []string) {
	r := Rollout{State: w[2]}
	for _, a := range w[3:] {
		name, value, _ := strings.Cut(a, "=")
		switch name {
		case "began":
			r.Began = ago(value)
		case "left":
			r.Left = map[string]Match{"matches": Matches, "differs": Differs}[value]
		case "message":
			r.Message = strings.ReplaceAll(value, "_", " ")
		case "task":
			r.TaskError = strings.ReplaceAll(value, "_", " ")
		default:
			panic(a)
		}
	}
	g.Facts.Rollouts[keyOf(w[1])] = r
}

func (g *given) failed(w []string) {
	r := Failure{Key: keyOf(w[1]), Why: "it crashed", Revision: "r1"}
	for _, a := range w[2:] {
		name, value, _ := strings.Cut(a, "=")
		switch name {
		case "want":
			r.Digest = wanted(r.Key, value).Digest()
		case "began":
			r.Began = ago(value)
		case "revision":
			r.Revision = value
		default:
			panic(a)
		}
	}
	g.Facts.Failed[r.Key] = r
}

// wanted returns a want that one stated leaf tells from others.
func wanted(k v1.Key, text string) *diff.State {
	return &diff.State{Key: k, Instance: k.Name, Leaves: []diff.Leaf{{Path: "spec.hostname", Type: "spec.hostname", Text: text, Stated: true}}}
}

var effects = map[string]diff.Effect{"spec.mode": diff.Recreate, "spec.driver": diff.Recreate, "spec.external": diff.Forbidden, "metadata.labels.a": diff.InPlace, "spec.replicas": diff.StartsTasks}

// field reads PATH or PATH=WANT.
func field(path string, git, hand bool) diff.Field {
	path, want, _ := strings.Cut(path, "=")
	effect, known := effects[path]
	switch {
	case path == "spec.replicas" && want == "fewer":
		effect = diff.InPlace
	case known:
	case path == "spec.availability", path == "spec.autolock.enabled", strings.HasPrefix(path, "spec.labels."):
		effect = diff.InPlace
	default:
		effect = diff.RestartsTasks
	}
	f := diff.Field{Path: path, Have: diff.NewValue("old"), Want: diff.NewValue(cmp.Or(want, "new")), Git: git, Hand: hand, Effect: effect, Intent: path == "spec.availability"}
	if path == "spec.healthcheck.startInterval" || path == "spec.privileges.noNewPrivileges" {
		f.SinceAPI = "1.44"
	}
	if want == "replicated-job" {
		f.SinceAPI, f.SinceValue = "1.41", true
	}
	return f
}

func change(w []string) diff.Change {
	op := []rune(w[0])[0]
	if op == '=' {
		op = rune(diff.Same)
	}
	k := keyOf(w[1])
	c := diff.Change{Op: diff.Op(op), Key: k, Instance: k.Name, Want: wanted(k, "new"), Have: &diff.State{Key: k, Instance: k.Name, Meta: diff.Meta{ID: "id-" + k.Name, Mine: true}}}
	if k.Kind == v1.KindNode {
		c.Instance, c.Want.Partial = c.Have.Meta.ID, true
	}
	for _, a := range w[2:] {
		name, value, _ := strings.Cut(a, "=")
		attribute(&c, name, value)
	}
	c.Have.Instance, c.Want.Instance = c.Instance, c.Instance
	switch c.Op {
	case diff.Create:
		c.Have, c.Effect = nil, diff.InPlace
		for i := range c.Fields {
			c.Fields[i].Have, c.Fields[i].Effect = diff.Value{}, diff.InPlace
		}
	case diff.Remove:
		c.Want, c.Effect = nil, diff.Recreate
	default:
		for _, f := range c.Fields {
			if !f.Ignored {
				c.Effect = max(c.Effect, f.Effect)
			}
		}
	}
	return c
}

func attribute(c *diff.Change, name, value string) {
	yes := value == "" || value == "true"
	m, p := &c.Have.Meta, &c.Want.Policy
	switch name {
	case "git", "hand", "both", "ignored":
		for path := range strings.SplitSeq(value, ",") {
			f := field(path, name != "hand", name == "hand" || name == "both")
			f.Ignored = name == "ignored"
			c.Fields = append(c.Fields, f)
		}
	case "gone":
		f := field(value, true, false)
		f.Want = diff.Value{}
		c.Fields = append(c.Fields, f)
	case "unwritable":
		f := field(value, true, false)
		f.Effect, f.Why = diff.Forbidden, "it is the daemon's"
		c.Fields = append(c.Fields, f)
	case "partial":
		c.Want.Partial = true
	case "want":
		c.Want.Leaves[0].Text = value
	case "needs": // constraints, separated by commas
		text, err := json.Marshal(strings.Split(value, ","))
		if err != nil {
			panic(err)
		}
		c.Want.Leaves = append(c.Want.Leaves, diff.Leaf{Path: "spec.placement.constraints", Type: "spec.placement.constraints", Text: string(text), Stated: true})
	case "instance":
		c.Instance = value
	case "blocked":
		c.Want.Blocked = strings.ReplaceAll(value, "_", " ")
	case "awaited":
		c.Want.Awaited = true
	case "unmatched":
		c.Want.Unmatched = true
	case "escrow":
		c.Want.Leaves = append(c.Want.Leaves, diff.Leaf{Path: "spec.autolock.escrow", Type: "spec.autolock.escrow", Text: "disk", Stated: true})
	case "driver": // that supplies a secret
		c.Want.Leaves = slices.Insert(c.Want.Leaves, 0, diff.Leaf{Path: "spec.driver", Type: "spec.driver", Text: value, Stated: true})
	case "mesh": // the network of the routing mesh
		c.Want.Value = &v1.Network{Spec: v1.NetworkSpec{Ingress: true}}
	case "publishes": // a port, in the mode ingress or host
		c.Want.Value = &v1.Service{Spec: v1.ServiceSpec{Ports: []v1.Port{{Target: 80, Mode: value}}}}
	case "uses":
		c.Want.Uses = keysOf(value)
	case "after":
		c.Want.DependsOn = keysOf(value)
	case "note":
		c.Want.Note = strings.ReplaceAll(value, "_", " ")
	case "removed":
		c.Want.Gone = &diff.Gone{Adopted: value == "adopted"}
	case "copied":
		m.Title = diff.TitleCopied
	case "foreign":
		m.Mine = false
	case "owner":
		m.Mine, m.Owner = false, "source "+value
	case "adopted":
		m.Title = diff.TitleAdopted
	case "taken":
		m.Title = diff.TitleTaken
	case "old":
		m.OldVersion = true
	case "unusable":
		m.Unusable = true
	case "applied": // what git asked for last
		m.Applied = diff.NewApplied(wanted(c.Key, value).Leaves)
	case "used":
		m.UsedBy = keysOf(value)
	case "unstated":
		m.Unstated = strings.Split(value, ",")
	case "lost":
		c.Want.Lost = strings.Split(value, ",")
	case "newer":
		for path := range strings.SplitSeq(value, ",") {
			c.Newer = append(c.Newer, diff.Newer{Path: path, SinceAPI: "1.46"})
		}
	case "unknown":
		m.Unknown = strings.Split(value, ",")
	case "unread": // PATH:TEXT of the field that is the last of the unknown ones
		field, text, _ := strings.Cut(value, ":")
		m.Unread = append(m.Unread, diff.Unread{Key: m.Unknown[len(m.Unknown)-1], Path: field, Text: text})
	case "suspend":
		p.Suspend = yes
	case "protect":
		p.Protect = yes
	case "enforce":
		p.Enforce = &yes
	case "adopt":
		p.Adopt = value
	default:
		panic(name)
	}
}

// render returns the plan for goldens: everything that it decides, and nothing else.
func render(p Plan) string {
	var b strings.Builder
	for _, s := range p.Steps {
		fmt.Fprintf(&b, "%d %s %s%s", s.ID, s.Op, s.Key, instance(s.Instance, s.Key.Name))
		if len(s.After) > 0 {
			fmt.Fprintf(&b, " after %s", strings.Trim(fmt.Sprint(s.After), "[]"))
		}
		fmt.Fprintf(&b, " (%s; %s)", s.Cause, s.Effect)
		if len(s.Hazards) > 0 {
			fmt.Fprintf(&b, " hazards %v", s.Hazards)
		}
		b.WriteString(paths(s.Fields) + "\n" + notes(s.Notes))
		for _, r := range Readers {
			b.WriteString(r.Says(s))
		}
	}
	for _, a := range p.Adopted {
		fmt.Fprintf(&b, "= %s %s\n%s", a.Key, a.ID, notes(a.Notes))
	}
	for _, r := range p.Refused {
		fmt.Fprintf(&b, "! %s %s%s %s, %s: %s", r.Op, r.Key, instance(r.Instance, r.Key.Name), r.Guard, r.Class, r.Why)
		if r.Hazard != "" {
			fmt.Fprintf(&b, " {%s}", r.Hazard)
		}
		if r.Quiet {
			b.WriteString(" {quiet}")
		}
		if !r.Until.IsZero() {
			fmt.Fprintf(&b, " {until %s}", r.Until.Sub(now))
		}
		b.WriteString(paths(r.Fields) + "\n")
	}
	for _, k := range p.Kept {
		fmt.Fprintf(&b, "kept %s\n", k)
	}
	fmt.Fprintf(&b, "in sync %t, held %t, waiting %t: %s\n", p.InSync(), p.Held(), p.Waiting(), p.Summary())
	return b.String()
}

func paths(fields []diff.Field) string {
	var names []string
	for _, f := range fields {
		names = append(names, f.Path)
	}
	if len(names) == 0 {
		return ""
	}
	return " [" + strings.Join(names, " ") + "]"
}
