package status

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/screen"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/test/golden"
)

// These are the fields of a status that are in its JSON and not in its text. Each has a reason.
var notInText = map[string]string{
	"sequence":              "it tells one document from the next",
	"at":                    "the text does not depend on when it is shown",
	"drift.fields.effect":   "diff says what a change costs",
	"refused.hazard":        "why ends with the line to add",
	"refused.until":         "why says until when",
	"refused.fields.path":   "drift has them",
	"refused.fields.have":   "drift has them",
	"refused.fields.want":   "drift has them",
	"refused.fields.by":     "drift has them",
	"refused.fields.effect": "drift has them",
	"failed.began":          "the roll-outs have it",
	"holds.since":           "people wait for the end of a hold",
	"history.when":          "the command history is for that",
	"history.why":           "what failed is below",
	"history.at":            "the command history is for that",
}

// The text of a status is made from what its JSON has, and the JSON has nothing that people need and the text lacks.
func TestTextAndJSONOfAStatusSayTheSame(t *testing.T) {
	s := everything()
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Equal(t, "testdata/everything.json", string(data)+"\n")
	text := func(data []byte) string {
		t.Helper()
		var s Status
		var b strings.Builder
		if err := errors.Join(json.Unmarshal(data, &s), s.Text(&b, screen.Screen{})); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	var whole strings.Builder
	if err := s.Text(&whole, screen.Screen{}); err != nil {
		t.Fatal(err)
	}
	if got := text(data); got != whole.String() {
		t.Errorf("what is read back from JSON has the text\n%s\nwant\n%s", got, &whole)
	}
	shown := map[string]bool{} // by path, whether another value changes the text
	for _, l := range leaves(t, data) {
		shown[l.path] = shown[l.path] || text(l.changed) != whole.String()
	}
	for path, is := range shown {
		switch why := notInText[path]; {
		case is && why != "":
			t.Errorf("%s is in the text, so that it is no exception", path)
		case !is && why == "":
			t.Errorf("%s is in the JSON and not in the text", path)
		}
	}
	for path := range notInText {
		if _, is := shown[path]; !is {
			t.Errorf("the JSON has no %s", path)
		}
	}
}

// leaf is a value in a document. changed is the document with another value in its place.
type leaf struct {
	path    string
	text    string
	changed []byte
}

// leaves returns every value in a document that is no object and no list. Paths leave out places in lists.
func leaves(t *testing.T, data []byte) (out []leaf) {
	t.Helper()
	var whole any
	if err := json.Unmarshal(data, &whole); err != nil {
		t.Fatal(err)
	}
	var walk func(path string, v any, set func(any))
	walk = func(path string, v any, set func(any)) {
		switch v := v.(type) {
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(v)) {
				walk(strings.TrimPrefix(path+"."+k, "."), v[k], func(to any) { v[k] = to })
			}
		case []any:
			for i := range v {
				walk(path, v[i], func(to any) { v[i] = to })
			}
		default:
			set(other(path, v))
			changed, err := json.Marshal(whole)
			if err != nil {
				t.Fatal(err)
			}
			set(v)
			out = append(out, leaf{path, fmt.Sprint(v), changed})
		}
	}
	walk("", whole, nil)
	return out
}

// other returns another value that may stand at the same place.
func other(path string, v any) any {
	switch v := v.(type) {
	case bool:
		return !v
	case float64:
		return v + 1
	case string:
		name := path[strings.LastIndex(path, ".")+1:]
		switch {
		case name == "object":
			return "Service/other"
		case len(v) > 4 && strings.HasSuffix(v, "Z") && v[4] == '-':
			return strconv.Itoa(2020+len(v)%5) + v[4:]
		}
		return "x" + v
	}
	return "other"
}

// shownPlan returns a plan with everything that a plan may have.
func shownPlan() plan.Plan {
	changes := changed()
	i := slices.IndexFunc(changes, func(c diff.Change) bool { return c.Key == serviceKey("web") })
	return plan.Plan{
		Steps: []plan.Step{
			{ID: 1, Op: diff.Create, Key: serviceKey("new"), Instance: "new", Cause: "in git, not in the swarm", Effect: diff.InPlace, Fields: changes[1-i].Fields},
			{
				ID: 2, Op: diff.Update, Key: serviceKey("web"), Instance: "web-1a2b3c", Cause: "changed in git and by hand", Effect: diff.RestartsTasks, Notes: []string{"the tasks restart one by one"},
				Hazards: []plan.Hazard{plan.Restarts}, After: []int{1}, Fields: changes[i].Fields,
			},
		},
		Adopted: []plan.Adoption{{Key: serviceKey("mine"), Notes: []string{"its log driver stays as it is"}}},
		Refused: []plan.Refusal{
			{Op: diff.Remove, Key: serviceKey("old"), Instance: "old", Guard: "prune", Class: plan.Consent, Hazard: plan.Removals, Why: "somebody else made it; to agree: Consent: removals", Until: at(1)},
			{Op: diff.Update, Key: serviceKey("db"), Instance: "db-4d5e6f", Guard: "enforce", Class: plan.Never, Why: "it is only reported", Quiet: true, Fields: []diff.Field{
				{Path: "spec.user", Have: diff.NewValue("root"), Hand: true, Effect: diff.Recreate, Ignored: true},
			}},
		},
		Kept: []plan.Target{{Key: v1.Key{Kind: v1.KindConfig, Name: "kept"}, Instance: "kept"}},
		Stays: []plan.Refusal{
			{Op: diff.Remove, Key: v1.Key{Kind: v1.KindConfig, Name: "kept"}, Instance: "kept", Guard: "in-use", Class: plan.Later, Why: "it is used by Service/web"},
		},
	}
}

// These are the fields of a plan that are in its JSON and not in its text. Each has a reason.
var notInPlansText = map[string]string{
	"inSync":                 "the summary says it",
	"steps.id":               "people read the steps in order",
	"steps.after":            "people read the steps in order",
	"steps.effect":           "it is in the text of updates only: to create costs nothing",
	"steps.fields.have":      "a new object has nothing before, and the text leaves that out",
	"steps.fields.effect":    "as steps.effect",
	"steps.fields.by":        "that git did it goes without saying",
	"steps.hazards":          "somebody has agreed to them",
	"refused.hazard":         "why ends with the line to add",
	"refused.until":          "why says until when",
	"refused.quiet":          "the class and the guard say it",
	"refused.fields.ignored": "ignored fields are shown as others",
	"refused.fields.by":      "it is written as a word of its own",
}

// The text and the JSON of a plan are made of one value, and say the same.
func TestTextAndJSONOfAPlanSayTheSame(t *testing.T) {
	p := shownPlan()
	text := p.Text(nil) + p.Summary() + "\n"
	golden.Equal(t, "testdata/plan.txt", text)
	data, err := json.MarshalIndent(PlanOf(p), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Equal(t, "testdata/plan.json", string(data)+"\n")
	for _, shown := range []string{text, string(data)} {
		if strings.Contains(shown, canary) {
			t.Errorf("a secret is shown:\n%s", shown)
		}
	}
	lacks := map[string]bool{}
	for _, l := range leaves(t, data) {
		if signs := map[string]string{"create": "+", "update": "~", "replace": "±", "remove": "-"}; signs[l.text] != "" {
			l.text = signs[l.text] + " Service/"
		} else if l.text == "<nil>" {
			l.text = "(none)"
		}
		lacks[l.path] = lacks[l.path] || !strings.Contains(text, l.text)
	}
	for path, is := range lacks {
		if is && notInPlansText[path] == "" && path != "source" && path != "revision" {
			t.Errorf("%s is in the JSON and not in the text", path)
		}
	}
	for path := range notInPlansText {
		if _, is := lacks[path]; !is {
			t.Errorf("the JSON has no %s", path)
		}
	}
	var again Plan
	if err := json.Unmarshal(data, &again); err != nil {
		t.Fatal(err)
	}
	written, _ := json.MarshalIndent(again, "", "  ")
	if string(written) != string(data) {
		t.Errorf("it is read back as\n%s", written)
	}
}

// Where two documents tell of the same thing, they use the same names for it.
func TestDocumentsHaveTheSameNamesForTheSameThing(t *testing.T) {
	names := func(v any, at string) []string {
		t.Helper()
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for _, l := range leaves(t, data) {
			if rest, is := strings.CutPrefix(l.path, at+"."); is {
				found[rest] = true
			}
		}
		return slices.Sorted(maps.Keys(found))
	}
	m := NewMetrics("v0", func() int { return 0 })
	b := newTestBoard(m)
	p := shownPlan()
	b.Planned(changed(), p, nil)
	report, status := *published(b), Status{Refused: Refusals(p.Refused), Drift: Changes(changed(), map[v1.Key]time.Time{serviceKey("web"): at(6)})}
	want := names(PlanOf(p), "refused")
	for name, got := range map[string][]string{"the drift report": names(report, "refused"), "the status": names(status, "refused")} {
		if !slices.Equal(got, want) {
			t.Errorf("a refusal in %s has %q, and in a plan %q", name, got, want)
		}
	}
	for _, name := range names(status, "drift") {
		if !slices.Contains(names(report, "drift"), name) {
			t.Errorf("drift has %s in a status and not in the report", name)
		}
	}
	if fields := names(report, "drift"); !slices.Contains(fields, "operation") || !slices.Contains(fields, "fields.effect") {
		t.Errorf("drift has %q", fields)
	}
}

// A revision without a recorded outcome rolls out if it is in force. Otherwise a newer one took its place.
func TestEveryRevisionOfAHistoryHasAnOutcome(t *testing.T) {
	history := []Revision{{Hash: "c"}, {Hash: "b", Outcome: "failed"}, {Hash: "c"}, {Hash: "a"}}
	for inForce, want := range map[string]string{
		"c": "rolling-out failed superseded superseded", "b": "superseded failed superseded superseded", "": "superseded failed superseded superseded",
	} {
		var got []string
		for _, r := range Outcomes(history, inForce) {
			got = append(got, r.Outcome)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("with %q in force it is %q, want %s", inForce, got, want)
		}
	}
	if history[0].Outcome != "" {
		t.Error("what was given has changed")
	}
}
