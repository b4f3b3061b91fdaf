package laws

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/moby/moby/api/types/swarm"
	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/controllers/reconciler"
	"github.com/swarm-operator/swarm-operator/controllers/report"
	"github.com/swarm-operator/swarm-operator/controllers/screen"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/manifests"
	"github.com/swarm-operator/swarm-operator/redact"
	"github.com/swarm-operator/swarm-operator/test/generate"
)

// whispering is a swarm whose manifests and live objects are full of secrets.
type whispering struct {
	*deciding
	t     *rapid.T
	known *redact.Known
	// secrets are in no output, and clear only in those for git's reader. Each is a part of a text that no quoting changes.
	secrets, clear map[string]string
	// made are the manifests with secrets by those without, and texts are what was planted into each.
	made  map[v1.Object]v1.Object
	texts map[v1.Object][]string
	last  []string // what was planted since somebody looked
	// hands is true while what is planted is not in git.
	hands bool
	shown int
}

// text makes a text around a part by which it is recognised.
func (w *whispering) text(secrets map[string]string, where string) (whole, part string) {
	part = fmt.Sprintf("whisper%dquay", 1000+len(w.secrets)+len(w.clear))
	secrets[part] = where
	around := rapid.SampledFrom([]string{"%s", "%s", "a %s", "%s/b.c", "ä %s <b>", "\"%s\"", "two\n%s\nlines", "%s=x", "x=%s&y", "\x1b[2J%s", "\\%s", "'%s' | tee"})
	return fmt.Sprintf(around.Draw(w.t, "around"), part), part
}

// plain makes a text that has neither the name nor the shape of a secret.
func (w *whispering) plain(where string) string {
	to := w.clear
	if w.hands {
		to = w.secrets
	}
	whole, _ := w.text(to, where)
	w.last = append(w.last, whole)
	return whole
}

// secret makes a text that only its name gives away.
func (w *whispering) secret(where string) string {
	whole, _ := w.text(w.secrets, where+", by its name")
	w.last = append(w.last, whole)
	return whole
}

// shaped makes a text that looks like a secret.
func (w *whispering) shaped(where string) string {
	_, part := w.text(w.secrets, where+", by its shape")
	whole := fmt.Sprintf(rapid.SampledFrom([]string{
		"postgres://ada:%s@db/x", "https://%s@h/", "host=db password=%s x=y", "Authorization: Bearer %s", "AccountName=x;AccountKey=%s;End", "-----BEGIN PRIVATE" + " KEY-----\n%s\n-----END PRIVATE" + " KEY-----",
		"https://hooks." + "slack.com/services/T0/%s", "eyJ" + "hbGciOi.%s.x", "{\"token\": \"%s\"}", "x://a:%[1]s@one,x://b:%[1]s@two",
	}).Draw(w.t, "shape"), part)
	w.last = append(w.last, whole)
	return whole
}

// texts makes what is planted into an object.
func (w *whispering) into(key v1.Key) generate.Texts {
	return generate.Texts{
		Values: func(path string) map[string]string {
			out, where := map[string]string{}, key.String()+" "+path
			for _, name := range some(w.t, []string{"MODE", "a.b/c", "DB_PASSWORD", "api-token", "url"}) {
				switch {
				case name == "url":
					out[name] = w.shaped(where)
				case v1.SecretName(name):
					out[name] = w.secret(where)
				default:
					out[name] = w.plain(where)
				}
			}
			return out
		},
		Words: func(path string) (out []string) {
			where := key.String() + " " + path
			for _, form := range some(w.t, []string{"plain", "flag", "after", "shape", "env"}) {
				switch form {
				case "plain":
					out = append(out, w.plain(where))
				case "flag":
					out = append(out, "--api-token="+w.secret(where))
				case "after":
					out = append(out, "--password", w.secret(where))
				case "shape":
					out = append(out, w.shaped(where))
				case "env":
					out = append(out, "DB_PASSWORD="+w.secret(where))
				}
			}
			return out
		},
		Content: func(path string) string { return w.secret(key.String() + " " + path) },
	}
}

func some(t *rapid.T, from []string) []string {
	shuffled := rapid.Permutation(from).Draw(t, "some")
	return shuffled[:rapid.IntRange(0, len(from)).Draw(t, "how many")]
}

// planted returns manifests with secrets. One that stays the same keeps its secrets.
func (w *whispering) planted(manifests []v1.Object) (out []v1.Object) {
	for _, o := range manifests {
		if w.made[o] == nil || w.hands {
			c := o.Copy()
			w.last = nil
			generate.Plant(c, w.into(o.Key()))
			w.texts[c] = w.last
			if w.hands {
				out = append(out, c)
				continue
			}
			w.made[o] = c
		}
		out = append(out, w.made[o])
	}
	return out
}

// others makes objects that somebody else made before. Not all of what is planted is valid, so not all of it need be
// made.
func (w *whispering) others(manifests []v1.Object) {
	w.hands = true
	defer func() { w.hands = false }()
	maker := newWorld(true)
	maker.Swarm, maker.src.Name = w.Swarm, "nobody"
	maker.commit(w.planted(manifests))
	for range 2 { // services need what they refer to
		l := maker.look()
		maker.remember(l)
		maker.carryOut(l, len(l.plan.Steps))
	}
	w.byNobody()
}

// byHands has somebody plant secrets into services, nodes and the cluster.
func (w *whispering) byHands() {
	w.hands = true
	defer func() { w.hands = false }()
	for _, key := range slices.SortedFunc(maps.Keys(w.Objects), v1.Key.Compare) {
		if !rapid.Bool().Draw(w.t, "by hand "+key.Name) {
			continue
		}
		words, text := w.into(key).Words, w.into(key).Values
		switch raw := w.Objects[key].Raw.(type) {
		case *swarm.Service:
			changed := swarm.Service{Spec: raw.Spec, PreviousSpec: &raw.Spec}
			spec := *raw.Spec.TaskTemplate.ContainerSpec
			spec.Env, spec.Args, spec.Labels = slices.Clone(spec.Env), append(slices.Clone(spec.Args), words("its command")...), joined(spec.Labels, text("its containers' labels"))
			for name, value := range text("its environment") {
				spec.Env = append(spec.Env, name+"="+value)
			}
			changed.Spec.TaskTemplate.ContainerSpec = &spec
			changed.Spec.Labels = joined(raw.Spec.Labels, text("its labels"))
			if err := w.PutService(&changed); err != nil {
				w.t.Fatal(err)
			}
		case *swarm.Node:
			w.ChangeNode(raw.ID, func(n *swarm.Node) { n.Spec.Labels = joined(n.Spec.Labels, text("its labels")) })
		case *swarm.ClusterInfo:
			w.ChangeCluster(func(c *swarm.ClusterInfo) { c.Spec.Labels = joined(c.Spec.Labels, text("its labels")) })
		}
	}
}

func joined(a, b map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, a)
	maps.Copy(out, b)
	return out
}

// errs has tasks fail with words that repeat a text of a manifest. The engine's door hides what is known when it reads
// them.
func (w *whispering) errs() {
	for _, e := range w.entries {
		h, texts := w.healths[e.Object.Key().Name], w.texts[e.Object]
		if h.Failed && len(texts) > 0 {
			text := rapid.SampledFrom(texts).Draw(w.t, "error")
			said := rapid.SampledFrom([]string{"exec: %s: not found", "cannot use %q here", "starting: %s"}).Draw(w.t, "said")
			h.Why = w.known.Text(fmt.Sprintf(said, text), redact.Anybody)
			w.healths[e.Object.Key().Name] = h
		}
	}
}

// told returns a plan with its texts as commands show them: for anybody.
func (w *whispering) told(p plan.Plan) plan.Plan {
	hide := func(text *string) { *text = w.known.Text(*text, redact.Anybody) }
	p.Steps, p.Adopted, p.Refused, p.Stays = slices.Clone(p.Steps), slices.Clone(p.Adopted), slices.Clone(p.Refused), slices.Clone(p.Stays)
	for i := range p.Steps {
		p.Steps[i].Notes = slices.Clone(p.Steps[i].Notes)
		hide(&p.Steps[i].Cause)
		for j := range p.Steps[i].Notes {
			hide(&p.Steps[i].Notes[j])
		}
	}
	for _, list := range [][]plan.Refusal{p.Refused, p.Stays} {
		for i := range list {
			hide(&list[i].Why)
		}
	}
	return p
}

// silent checks each output of a run.
func (w *whispering) silent(run *decide.Decision) {
	found := report.Found(run, status.Found{}, nil)
	told := status.Report{Found: found}
	now := status.Now{Known: true, At: w.now, Sights: map[v1.Key]status.Sight{}}
	for name, h := range w.healths {
		now.Sights[v1.Key{Kind: v1.KindService, Name: name}] = status.Sight{Look: status.Look(h)}
	}
	stands := told.Status(now)
	p := w.told(run.Plan)
	w.check("the plan", w.known.Text(p.Text(nil), redact.Git), true)
	w.check("the plan's document", w.document(status.PlanOf(p), redact.Git), true)
	w.check("the report", w.document(told, redact.Anybody), false)
	text := w.document(stands, redact.Anybody)
	w.check("the status's document", text, false)
	var shown status.Status
	if err := json.Unmarshal([]byte(text), &shown); err != nil {
		w.t.Fatal(err)
	}
	var b strings.Builder
	if err := shown.Text(&b, screen.Screen{}); err != nil {
		w.t.Fatal(err)
	}
	w.check("the status", b.String(), false)
	kept := run.Memory
	kept.Removed = nil // specs of objects that are being made again, which whoever reads the memory could read before
	memory, err := json.Marshal(kept)
	if err != nil {
		w.t.Fatal(err)
	}
	w.check("the memory", string(memory), false)
	w.check("the notices", w.known.Text(strings.Join(run.Notices, "\n"), redact.Anybody), false)
	for _, step := range run.Plan.Steps { // what somebody may print for want of better
		w.check("the fields of a step", fmt.Sprintf("%v %+v %#v", step.Fields, step.Fields, step.Fields), false)
	}
}

// document returns a document as a reader gets it.
func (w *whispering) document(v any, reader redact.Reader) string {
	data, err := json.Marshal(v)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(redact.JSON(data, func(key, s string) string { return w.known.Field(key, s, reader) }))
}

func (w *whispering) check(output, text string, git bool) {
	for part, where := range w.secrets {
		if at := strings.Index(text, part); at >= 0 {
			w.t.Fatalf("%s shows the secret in %s:\n%s", output, where, text[max(0, at-300):min(len(text), at+100)])
		}
	}
	for part, where := range w.clear {
		switch at := strings.Index(text, part); {
		case at >= 0 && !git:
			w.t.Fatalf("%s shows anybody what is in git, in %s:\n%s", output, where, text[max(0, at-300):min(len(text), at+100)])
		case at >= 0:
			w.shown++
		}
	}
}

// whispers draws a life and checks each run of it. It returns how often git's reader was shown what is in git.
func whispers(t *rapid.T) (shown int) {
	s := newDeciding(t)
	w := &whispering{deciding: s, t: t, known: redact.NewKnown(), secrets: map[string]string{}, clear: map[string]string{}, made: map[v1.Object]v1.Object{}, texts: map[v1.Object][]string{}}
	teach := reconciler.Teacher(w.known, all.Kinds())
	s.teach = func(run *decide.Decision) {
		teach(run)
		w.errs()
	}
	d := decide.New(s.policy(t))
	manifests := generate.Source(t)
	if rapid.Bool().Draw(t, "somebody was here") {
		w.others(manifests)
	}
	var nodes []v1.Object
	if rapid.IntRange(0, 2).Draw(t, "nodes") == 0 {
		s.joins(t)
		nodes = generate.Nodes(t)
	}
	for range rapid.IntRange(1, 2).Draw(t, "commits") {
		manifests = generate.Vary(t, manifests)
		s.commits(w.planted(slices.Concat(manifests, nodes)))
		for range rapid.IntRange(1, 3).Draw(t, "runs") {
			run := s.decides(d, s.observed())
			d.Keep()
			w.silent(run)
			s.acts(t, run, d)
			s.lives(t)
			s.livesOnNodes(t)
			w.byHands()
		}
	}
	return w.shown
}

// Secrets in any leaf of free text of any manifest, and in live objects, come out in no plan, report, status, document or
// memory.
func TestQuiet(t *testing.T) {
	shown := 0
	generate.Each(t, 60, func(t *rapid.T) { shown += whispers(t) })
	if shown < 100 {
		t.Errorf("git's reader was shown only %d texts, so silence means little", shown)
	}
}

// outside returns the places of a text in JSON that are in no string.
func outside(text string) (out []int) {
	in := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case in && c == '\\':
			i++
			continue
		case c == '"':
			in = !in
		case in:
			continue
		}
		out = append(out, i)
	}
	return out
}

// slips draws manifests, and makes a few slips in each file.
func slips(t *rapid.T) {
	w := &whispering{t: t, secrets: map[string]string{}, clear: map[string]string{}, made: map[v1.Object]v1.Object{}, texts: map[v1.Object][]string{}}
	loader := manifests.NewLoader(manifests.Options{Kinds: all.Manifests()})
	for _, o := range w.planted(slices.Concat(generate.Source(t), generate.Nodes(t))) {
		text := generate.Manifest(o)
		for range 3 {
			at := rapid.SampledFrom(outside(text)).Draw(t, "at")
			slip := rapid.SampledFrom([]string{"", "", "\n", " ", "\t", ":", "-", "\"", "'", "{", "}", "[", "]", ",", "&a ", "*a", "!x ", "| ", "#", "%", "@", "? ", "<<: ", "\x00", "\xff", "---\n"}).Draw(t, "slip")
			broken := text[:at] + slip + text[at:]
			if slip == "" {
				broken = text[:at] + text[at+1:]
			}
			set, problems := loader.Load(fstest.MapFS{"a.yaml": {Data: []byte(broken)}}, ".")
			for _, p := range append(problems, set.Notices...) {
				w.check("a problem of\n"+broken+"\n", fmt.Sprintf("%s %+v", p, p), true)
			}
		}
	}
}

// Whoever mends a manifest finds none of its secrets in the log of CI, whatever the slip.
func TestSlips(t *testing.T) { generate.Each(t, 40, slips) }
func FuzzSlips(f *testing.F) { generate.Fuzz(f, slips) }

func FuzzQuiet(f *testing.F) { generate.Fuzz(f, func(t *rapid.T) { whispers(t) }) }
