package e2e

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// appOf returns the manifest of a service with the image app:n.
func appOf(n int) map[string]string {
	return map[string]string{"a.yaml": service("a", fmt.Sprintf("image: app:%d", n), "replicas: 0")}
}

// instead moves the branch back to a commit and makes another commit there, as a push with force does.
func (r *repo) instead(of, message string, files map[string]string) string {
	r.w.Helper()
	if err := r.Reset(of); err != nil {
		r.w.Fatal(err)
	}
	return r.commit(message, files)
}

// names checks that each part is in a text that people read.
func (w *world) names(what, text string, parts ...string) {
	w.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			w.Errorf("%s does not name %q:\n%s", what, part, text)
		}
	}
}

// A push with force drops a colleague's commit. The operator follows it, and reports it until the next commit or
// until somebody agrees.
func TestARewrittenHistoryIsReported(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r, remote, _ := w.hosted("forced", nil)
	base := r.commit("base", appOf(1))
	r.commit("a colleague's fix", appOf(2))
	lost := r.commit("and another\n\nwith a reason", appOf(3))
	o := w.operate(w.host(), remote)
	o.inSync(lost)
	o.condition("HistoryRewritten", false)

	forced := r.instead(base, "mine", appOf(4))
	w.want(1, "diff", "--host", w.host(), "--source", r.Dir).says(t, "note: the history was rewritten", lost[:10], forced[:10], "takes 2 commits back")
	o.inSync(forced)
	c := o.condition("HistoryRewritten", true)
	w.names("the condition", c.Reason+c.Message, "TookCommitsBack", forced[:10], lost[:10], `takes 2 commits back: "and another", "a colleague's fix"`, "approve rewind --revision "+forced[:10]+" --reason TEXT")
	o.says("HistoryRewritten")
	w.image("a", "app:4")
	w.want(0, "history", "--host", w.host()).says(t, "takes 2 commits back")
	w.want(0, "status", "--host", w.host(), "--name", "forced").says(t, "takes 2 commits back", lost[:10])
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir).says(t, "takes 2 commits back")

	t.Log("also by the next operator, whose clone never had the other commits")
	o.finish()
	o = w.operate(w.host(), remote)
	w.names("the condition", o.condition("HistoryRewritten", true).Message, lost[:10], "takes 2 commits back")

	t.Log("until the next commit")
	next := r.commit("next", appOf(5))
	o.inSync(next)
	o.condition("HistoryRewritten", false)
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir).saysNothingOf(t, "history was rewritten")

	t.Log("or until somebody agrees: an amended commit")
	amended := r.instead(forced, "next, said better", appOf(5))
	w.names("the condition", o.condition("HistoryRewritten", true).Message, `takes 1 commit back: "next"`)
	o.inSync(amended)
	w.want(0, "approve", "rewind", "--revision", amended[:10], "--reason", "tested", "--host", w.host())
	o.condition("HistoryRewritten", false)

	t.Log("a merge takes nothing back, and an older tip is a rewind")
	if err := r.Reset(base); err != nil {
		t.Fatal(err)
	}
	o.condition("Outdated", true)
	if r := o.report(); r.Is("HistoryRewritten", true) {
		t.Errorf("an older tip counts as rewritten: %s", brief(r))
	}
}

// With an option it waits for the consent rewind, which no commit can give.
func TestARewrittenHistoryWaitsForConsentByOption(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("asked", nil)
	work := *r.Repo
	bare := &repo{&work, w}
	bare.Dir = filepath.Join(r.Dir, ".git")
	base := r.commit("base", appOf(1))
	lost := r.commit("lost", appOf(2))
	p := w.proxy()
	o := w.operateEnv([]string{"SWARM_OPERATOR_REWRITTEN_HISTORY=consent"}, p.Host(), bare, "--resync", "1s")
	o.inSync(lost)
	w.written(p)
	p.Reset()
	forced := r.instead(base, harness.Message("forced", "Consent: rewind"), appOf(3))
	o.reports(func(r harness.Report) error {
		if !slices.ContainsFunc(r.Refused, func(f harness.Refusal) bool {
			return f.Guard == "rewind" && f.Class == "consent" && f.Hazard == "rewind" && strings.Contains(f.Why, "swarm-operator approve rewind --revision "+forced[:10]+" --reason TEXT")
		}) {
			return fmt.Errorf("it does not say what it needs: %s", brief(r))
		}
		return nil
	})
	c := o.condition("HistoryRewritten", true)
	w.names("the condition", c.Reason+c.Message, "NeedsConsent", forced[:10], lost[:10], `takes 1 commit back: "lost"`)
	w.holds(2*time.Second, func() error {
		if writes := p.Writes(); len(writes) > 0 {
			return fmt.Errorf("it wrote:\n%s", lines(writes))
		}
		return nil
	})
	w.image("a", "app:2")
	option := []string{"--host", w.host(), "--source", r.Dir, "--rewritten-history", "consent"}
	w.want(1, append([]string{"diff"}, option...)...).says(t, "(rewind, consent)", "Consent: rewind does not count")
	w.want(1, append([]string{"apply"}, option...)...).says(t, "(rewind, consent)")
	w.image("a", "app:2")

	w.want(0, "approve", "rewind", "--revision", forced[:10], "--reason", "tested", "--host", w.host())
	o.inSync(forced)
	w.image("a", "app:3")
	o.condition("HistoryRewritten", false)

	t.Log("that was for this one only")
	again := r.instead(base, "once more", appOf(4))
	w.names("the condition", o.condition("HistoryRewritten", true).Message, again[:10], forced[:10])
	w.image("a", "app:3")
	w.want(0, append([]string{"apply", "--consent", "rewind"}, option...)...)
	w.image("a", "app:4")
	o.inSync(again)
	o.condition("HistoryRewritten", false)
}
