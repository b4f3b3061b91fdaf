package node

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// guardUnproven is the guard of refusals of what a node would get only for what it says of itself.
const guardUnproven = "unproven"

// Trusting says which nodes are known only by what they say of themselves, and what such a node does not get.
//
// A machine that has a worker's join token chooses its hostname, the labels of its engine and what it says of its
// platform. A manager has the key of the CA and every secret. So what a node says of itself may select it, and never
// suffices to make it a manager.
type Trusting struct {
	// Candidates are the labels, with their values, that let a node become a manager. Placing are the names of labels
	// that the operator's guardrails make services ask for, whatever the value.
	Candidates map[string]string
	Placing    []string
	// Doubts are the nodes that are not proven, by id, with what a person has to know to judge them.
	Doubts map[string]string
	// Record are the nodes to have on record as proven, by id. nil means that the record stays as it is.
	Record map[string]kinds.Proof
	// Begun are the nodes whose own engines have to say which node they are: an operator began to make them join, and
	// none came to record that. Joined are the hostnames of those that are on record from now on.
	Begun  []Begun
	Joined []string
}

// Begun is a node that an operator began to make join. State is the node, and Manifest says where its engine is.
type Begun struct {
	State    *diff.State
	Manifest *v1.Node
}

// recognise asks the engine of each node that an operator began to make join whether it is this node. Any machine can
// have the hostname, so the record of what was begun proves nothing. The engine that is reached where git says does: its
// id is that of the node.
func (t Trusting) recognise(p *plan.Plan, _ plan.Facts, _ plan.Policy) {
	for _, b := range t.Begun {
		if touches(p, b.State.Instance) { // what differs of the node comes first
			continue
		}
		own := b.Manifest
		p.Steps = append(p.Steps, plan.Step{
			Op: diff.Update, Key: b.State.Key, Instance: b.State.Instance, Effect: diff.InPlace, Origin: plan.OriginRecognises,
			Cause:  "an operator began to make it join, and did not come to record which node it is",
			Change: diff.Change{Have: b.State, Want: &diff.State{Key: b.State.Key, Instance: b.State.Instance, Value: own, Partial: true, Policy: own.Policy}},
		})
	}
}

// needs reports whether only a proven node may get the label.
func (t Trusting) needs(label, value string) bool {
	wanted, is := t.Candidates[label]
	return is && wanted == value || slices.Contains(t.Placing, label)
}

// given returns the labels of these that only a proven node may get, with their values.
func (t Trusting) given(labels map[string]string) []string {
	var out []string
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		if t.needs(label, labels[label]) {
			out = append(out, label+"="+labels[label])
		}
	}
	return out
}

// labels refuses a step that gives such a label to a node that is not proven.
func (t Trusting) labels(step plan.Step, _ plan.Facts, _ plan.Policy) []plan.Refusal {
	about, doubted := t.Doubts[step.Instance]
	if !doubted || step.Key.Kind != v1.KindNode {
		return nil
	}
	gets := map[string]string{}
	for _, f := range step.Fields {
		if label, is := nodeLabel(f.Path); is && f.Want.Set() {
			gets[label] = f.Want.Reveal()
		}
	}
	given := t.given(gets)
	if len(given) == 0 {
		return nil
	}
	r := step.Refusal(plan.Consent, "it would get the label %s, which %s: %s", strings.Join(given, ", "), t.use(gets), about)
	r.Guard, r.Hazard = guardUnproven, plan.PromoteUnproven
	return []plan.Refusal{r.Bearing(plan.Aside)}
}

// use says what one of the labels is for.
func (t Trusting) use(labels map[string]string) string {
	for label, value := range t.Candidates {
		if labels[label] == value {
			return "lets a node become a manager"
		}
	}
	return "the operator's guardrails make services ask for"
}

// promotion refuses to make a node a manager that is not proven.
func (t Trusting) promotion(n Node) plan.Refusal {
	r := plan.Refusal{
		Op: diff.Update, Key: n.Key(), Instance: n.ID, Guard: guardUnproven, Class: plan.Consent, Hazard: plan.PromoteUnproven,
		Fields: []diff.Field{n.roleField(true)}, Why: "it would become a manager: " + t.Doubts[n.ID],
	}
	return r.Bearing(plan.Aside | plan.OfRoles)
}

// claims returns a digest of everything that a node says of itself, except its hostname.
func claims(l *kinds.Live) string {
	d := raw(l).Description
	var text strings.Builder
	for _, k := range slices.Sorted(maps.Keys(d.Engine.Labels)) {
		fmt.Fprintf(&text, "%q=%q\n", k, d.Engine.Labels[k])
	}
	fmt.Fprintf(&text, "%q/%q", d.Platform.OS, d.Platform.Architecture)
	sum := sha256.Sum256([]byte(text.String()))
	return hex.EncodeToString(sum[:16])
}

// proof returns what proves a node now. It returns "" if only the record can.
func (s *surveyed) proof(l *kinds.Live) string {
	r, own := raw(l), s.of[l.ID]
	switch {
	case r.Spec.Role == "manager" || r.ManagerStatus != nil:
		return "it was a manager"
	case own != nil && own.Spec.ID == l.ID:
		return "spec.id"
	case s.Managers != nil && s.Managers.Candidates != nil && slices.Contains(s.Managers.Candidates.IDs, l.ID):
		return "spec.managers.candidates.ids"
	case l.Called != "" && s.Remembered.Joined[l.ID] == l.Called: // and not on record yet, see proofs
		return "the operator joined its engine"
	case s.Trust.Agreed != nil && s.Trust.Agreed(l.ID):
		return "consent to " + string(plan.PromoteUnproven)
	}
	return ""
}

// onRecord reports whether the record proves the node: it still says of itself what it said when it was proven.
func (s *surveyed) onRecord(l *kinds.Live) bool {
	p, is := s.Trust.Proven[l.ID]
	return is && p.Name == l.Called && p.Says == claims(l)
}

// proofs notes which nodes are not proven, and which of them wait for consent therefore. It also notes the record as it
// has to be from now on. Nodes that have gone are dropped from the record when something is added.
func (s *surveyed) proofs() {
	t := &s.out.Trusting
	if s.Managers != nil && s.Managers.Candidates != nil {
		t.Candidates = s.Managers.Candidates.Labels
	}
	t.Placing, t.Doubts = s.Trust.Placing, map[string]string{}
	record, more, begun := map[string]kinds.Proof{}, false, map[string]string{}
	for id := range s.Trust.Proven { // from now on the record counts, with what the node said when it joined
		delete(s.Remembered.Joined, id)
	}
	for _, l := range s.lives {
		by, known := s.proof(l), s.onRecord(l)
		switch {
		case known:
			record[l.ID] = s.Trust.Proven[l.ID]
		case by != "" && l.Called != "": // one that has just joined has said nothing yet
			record[l.ID], more = kinds.Proof{Name: l.Called, Says: claims(l), By: by}, true
		}
		doubted := by == "" && !known
		if doubted {
			t.Doubts[l.ID] = s.doubt(l)
		}
		switch own := s.of[l.ID]; {
		case own == nil || own.Spec.Engine == nil || own.Gone() || !s.Trust.Joining[l.Called]:
		case doubted:
			t.Begun = append(t.Begun, Begun{s.state(l), own})
		default:
			begun[l.ID] = l.Called
		}
	}
	if more && (s.out.Managers != nil || len(t.Candidates)+len(t.Placing)+len(s.Remembered.Joined) > 0) {
		t.Record = record
	}
	for id, name := range begun {
		_, before := s.Trust.Proven[id]
		if _, now := t.Record[id]; now || t.Record == nil && before {
			t.Joined = append(t.Joined, name)
		}
	}
	slices.Sort(t.Joined)
	for i := range s.out.Nodes {
		n := &s.out.Nodes[i]
		_, doubted := t.Doubts[n.ID]
		byHand := n.Candidate && !s.gave(n.ID)
		n.Unproven = doubted && !byHand && (n.Pin == PinnedManager || n.Candidate)
	}
}

// gave reports whether manifests state one of the candidates' labels of a node, or did when the operator last wrote to
// it. Such a label may be there only because of what the node says of itself. One that somebody set by hand is proof.
func (s *surveyed) gave(id string) bool {
	if own := s.of[id]; own != nil && len(s.out.given(own.Spec.Labels)) > 0 {
		return true
	}
	i := slices.IndexFunc(s.lives, func(l *kinds.Live) bool { return l.ID == id })
	applied := diff.ParseApplied(s.lives[i].Labels[v1.LabelApplied])
	for label := range s.out.Candidates {
		if applied.Has(v1.PathKey("spec.labels", label)) {
			return true
		}
	}
	return false
}

// doubt says what a person has to know to judge a node that is not proven.
func (s *surveyed) doubt(l *kinds.Live) string {
	r := raw(l)
	text := fmt.Sprintf("only what it says of itself speaks for it; it is node %s, ", l.ID)
	if r.CreatedAt.IsZero() {
		text += "joined at a time that the engine does not tell"
	} else {
		text += "joined " + age(s.Now.Sub(r.CreatedAt)) + " ago"
	}
	if r.Status.Addr != "" {
		text += ", and has the address " + r.Status.Addr
	}
	for _, id := range slices.Sorted(maps.Keys(s.Trust.Proven)) {
		switch p := s.Trust.Proven[id]; {
		case id == l.ID && p.Name != l.Called:
			text += "; it called itself " + p.Name + " before"
		case id == l.ID:
			text += "; what it says of its engine's labels or its platform has changed"
		case p.Name == l.Called && l.Called != "":
			text += "; on record under that name is node " + id
		}
	}
	return text + "; if you mean this machine, state spec.id: " + l.ID + " in its Node"
}

// age returns a duration in words, without digits that change from run to run.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "less than a minute"
	case d < time.Hour:
		return v1.Count(int(d/time.Minute), "minute")
	case d < 48*time.Hour:
		return v1.Count(int(d/time.Hour), "hour")
	}
	return v1.Count(int(d/(24*time.Hour)), "day")
}
