package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// entry is a line of an audit log.
type entry struct {
	Time                              time.Time
	Instance, Event, Result           string
	Source, Revision, Author          string
	Signer                            map[string]any
	Epoch                             uint64
	Object, Operation, Call, To, What string
	Status                            int
	By, Reason, Hazard, Guard, Class  string
	Consents                          []struct{ Hazard, By, How string }
}

// brief describes an entry without what differs from one test to the next.
func (e entry) brief() string {
	return strings.Join(slices.DeleteFunc([]string{e.Event, e.Result, e.Operation, e.Object, e.What, e.To, e.Hazard, e.Guard}, func(s string) bool { return s == "" }), " ")
}

func (w *world) audited(path string) []entry {
	w.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		w.Fatal(err)
	}
	var out []entry
	for line := range strings.Lines(string(data)) {
		var e entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			w.Fatalf("%v: %s", err, line)
		}
		if e.Time.IsZero() || e.Instance == "" || e.Event == "" || e.Result == "" {
			w.Errorf("a line is %s", line)
		}
		out = append(out, e)
	}
	return out
}

// everyWrite fails the test unless each write that one of the proxies saw has one line, and each line of a write has one write.
func (w *world) everyWrite(entries []entry, proxies ...*harness.Proxy) {
	w.Helper()
	count := map[string]int{}
	n := 0
	for _, p := range proxies {
		for _, c := range p.Calls() {
			if c.Write() {
				count[fmt.Sprintf("%s %s → %d", c.Method, c.Path, c.Status)]++
				n++
			}
		}
	}
	for _, e := range entries {
		if e.Event == "write" {
			count[fmt.Sprintf("%s → %d", e.Call, e.Status)]--
			if want := map[bool]string{true: "done", false: "failed"}[e.Status/100 == 2]; e.Result != want && e.Status != 0 {
				w.Errorf("%s has status %d and result %s", e.Call, e.Status, e.Result)
			}
		}
	}
	if n < 5 {
		w.Errorf("there are %d writes only", n)
	}
	for _, call := range slices.Sorted(maps.Keys(count)) {
		if count[call] != 0 {
			w.Errorf("%s: %d more writes than lines", call, count[call])
		}
	}
}

// one returns the only entry that begins so.
func (w *world) one(entries []entry, begin string) entry {
	w.Helper()
	var found []entry
	var all []string
	for _, e := range entries {
		all = append(all, e.brief())
		if strings.HasPrefix(e.brief(), begin) {
			found = append(found, e)
		}
	}
	if len(found) != 1 {
		w.Errorf("%d lines begin with %s:\n%s", len(found), begin, strings.Join(all, "\n"))
		return entry{}
	}
	return found[0]
}

func TestEachWriteHasOneLineInTheAuditLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	w.changesNodes() // and the Cluster
	p := w.proxy()
	log := w.path("audit.log")
	r := w.repo("audited", map[string]string{
		"web.yaml":     service("web", "image: app:1", "replicas: 0"),
		"gone.yaml":    service("gone", "image: app:1", "replicas: 0"),
		"db.yaml":      service("db", "image: app:1", "replicas: 0"),
		"secret.yaml":  secret("pass", "canary-1"),
		"cluster.yaml": cluster("joinTokens: {worker: {rotation: {epoch: 1}, sinks: [token]}}"),
	})
	first, err := r.Head()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"--audit-log", log, "--repair-after", "0s", "--config", w.path("operator.yaml"), "--max-removals", "1"}
	o := w.operate(p.Host(), r, args...)
	o.inSync(first)
	o.condition("TokensNotDelivered", false)
	command := func(args ...string) {
		t.Helper()
		w.want(0, append(args, "--host", p.Host(), "--source", r.Dir, "--audit-log", log)...)
	}

	t.Log("a hold stops one object; a removal waits, and is agreed to")
	command("hold", "Service/db", "--reason", "an incident")
	r.remove("gone.yaml", "web.yaml")
	r.Signature = "-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAg34PAL28zGYPuaGXxxiILb36glj\n" +
		"aIIOEK6uvxN3ByNJ0AAAADZ2l0AAAAAAAAAAZzaGE1MTIAAABTAAAAC3NzaC1lZDI1NTE5\n-----END SSH SIGNATURE-----\n"
	second := r.commit("two go, and one changes", map[string]string{"db.yaml": service("db", "image: app:2", "replicas: 0")})
	o.reports(func(r harness.Report) error {
		if r.Applied != second || !r.Is("Held", true) || !r.Is("OnHold", true) {
			return fmt.Errorf("nothing is held: %s", brief(r))
		}
		return nil
	})
	command("approve", "removals", "--revision", second[:12], "--reason", "tested")
	command("resume", "Service/db")
	o.inSync(second)
	if code, err := o.Stop(t.Context()); err != nil || code != 0 {
		t.Fatalf("stopped with %d, %v", code, err)
	}
	w.want(0, "apply", "--host", p.Host(), "--source", r.Dir, "--config", w.path("operator.yaml"), "--audit-log", log)

	entries := w.audited(log)
	w.everyWrite(entries, p)
	made := w.one(entries, "write done create Service/web")
	if made.Source != "audited" || made.Revision != first || made.Author != "Ada" || made.Epoch == 0 || made.Call != "POST /services/create" || made.Status != 201 || len(made.Consents) != 0 || made.Signer != nil {
		t.Errorf("made: %+v", made)
	}
	signer := map[string]any{"key": "ssh SHA256:y1W/AHwT0AJF21lAPYmukTB+U0B8dyTrUnkFV9+8MkI", "verified": false}
	if removed := w.one(entries, "write done remove Service/gone"); removed.Revision != second || len(removed.Consents) != 1 || removed.Consents[0].Hazard != "removals" ||
		!strings.Contains(removed.Consents[0].By, "@") || removed.Consents[0].How != "by command: tested" || !maps.Equal(removed.Signer, signer) {
		t.Errorf("removed: %+v", removed)
	}
	if d := w.one(entries, "delivery done worker-token token"); d.Source != "audited" || d.Epoch == 0 {
		t.Errorf("delivered: %+v", d)
	}
	for _, one := range []struct{ begin, class string }{
		{"refusal began update Service/db", "never"},
		{"refusal ended update Service/db", "never"},
		{"refusal began remove Service/gone removals removal-budget", "consent"},
		{"refusal ended remove Service/gone removals removal-budget", "consent"},
	} {
		if e := w.one(entries, one.begin); e.Class != one.class || e.Guard == "" || e.Revision != second {
			t.Errorf("%s: %+v", one.begin, e)
		}
	}
	by := map[string]int{}
	for _, e := range entries {
		switch {
		case e.Event == "hold" && (e.Object != "Service/db" || e.Reason != "an incident" || !strings.Contains(e.By, "@")),
			e.Event == "consent" && (e.Hazard != "removals" || e.Reason != "by command: tested" || e.Revision[:12] != second[:12]):
			t.Errorf("a line is %+v", e)
		}
		_, command, _ := strings.Cut(e.Instance, " ")
		by[e.Event+" "+e.Result+command]++
	}
	for _, line := range []string{"hold began(hold)", "hold began", "hold ended(resume)", "hold ended", "consent given(approve)", "consent given"} {
		if by[line] != 1 {
			t.Errorf("%d lines are %q: %v", by[line], line, by)
		}
	}
	text, err := os.ReadFile(log)
	info, stat := os.Stat(log)
	if err != nil || stat != nil || info.Mode().Perm() != 0o600 || strings.Contains(string(text), "canary") || strings.Contains(string(text), w.clusterNow().JoinTokens.Worker) {
		t.Errorf("%v %v %v, or a value is in it", err, stat, info)
	}
}

// Engines that join and that make a swarm are written to, too, by clients of their own.
func TestTheAuditLogHasWritesToEveryEngine(t *testing.T) {
	t.Parallel()
	w := bare(t, 2)
	log := w.path("audit.log")
	var proxies []*harness.Proxy
	files := map[string]string{}
	for i, role := range []string{"role: manager", "role: worker"} {
		p := w.proxyTo(fmt.Sprintf("blank-%d", i+1))
		proxies = append(proxies, p)
		files[fmt.Sprintf("%d.yaml", i)] = blank(i+1, "host: '"+p.Host()+"'", role)
	}
	r := w.repo("engines", files)
	w.want(0, "apply", "--source", r.Dir, "--audit-log", log)
	entries := w.audited(log)
	w.everyWrite(entries, proxies...)
	if e := w.one(entries, "write done Cluster/default"); e.Call != "POST /swarm/init" {
		t.Errorf("made: %+v", e)
	}
	if e := w.one(entries, "write done create Node/blank-2"); e.Call != "POST /swarm/join" || e.Source != "engines" {
		t.Errorf("joined: %+v", e)
	}
}

// A process may be killed between a write and its line. Then that write has no line, and no other.
func TestTheAuditLogOfAProcessThatIsKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	p := w.proxy()
	log := w.path("audit.log")
	files := numbered(8)
	r := w.repo("killed", files)
	process, err := harness.Start(binary, w.env(), "apply", "--host", p.Host(), "--source", r.Dir, "--audit-log", log)
	if err != nil {
		t.Fatal(err)
	}
	killed := make(chan struct{})
	var once sync.Once
	p.After(func(c harness.Call) error {
		if c.Path == "/services/create" {
			once.Do(func() {
				process.Kill()
				close(killed)
			})
			return harness.ErrCut
		}
		return nil
	})
	<-killed
	w.eventually(func() error {
		if process.Running() {
			return fmt.Errorf("it still runs")
		}
		return nil
	})
	p.After(nil)
	lines, writes := map[string]int{}, map[string]int{}
	for _, e := range w.audited(log) {
		lines[e.Call]++
	}
	for _, c := range p.Calls() {
		if c.Write() {
			writes[c.Method+" "+c.Path]++
		}
	}
	for call, n := range lines {
		if n > writes[call] {
			t.Errorf("%s: %d lines, %d writes", call, n, writes[call])
		}
	}
	for call, n := range writes {
		if call != "POST /services/create" && lines[call] != n {
			t.Errorf("%s: %d lines, %d writes", call, lines[call], n)
		}
	}
	if writes["POST /services/create"] == 0 || lines["POST /services/create"] != 0 {
		t.Errorf("%v, %v", lines, writes)
	}
}

// The file is renamed, and there can be no new one: the operator goes on, the old file has the line, and a condition says so.
func TestAnAuditLogThatFailsIsACondition(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	log := w.path("audit.log")
	r := w.repo("auditfails", map[string]string{"web.yaml": service("web", "image: app:1", "replicas: 0")})
	o := w.operate(w.host(), r, "--audit-log", log, "--repair-after", "0s")
	o.condition("InSync", true)
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(log, 0o700); err != nil {
		t.Fatal(err)
	}
	hash := r.commit("another image", map[string]string{"web.yaml": service("web", "image: app:2", "replicas: 0")})
	o.inSync(hash)
	if c := o.condition("AuditLogFailed", true); !strings.Contains(c.Message, log+": it is a directory") {
		t.Errorf("it says %+v", c)
	}
	w.one(w.audited(log+".1"), "write done update Service/web")
	if err := os.Remove(log); err != nil {
		t.Fatal(err)
	}
	hash = r.commit("another image again", map[string]string{"web.yaml": service("web", "image: app:3", "replicas: 0")})
	o.inSync(hash)
	o.condition("AuditLogFailed", false)
	w.one(w.audited(log), "write done update Service/web")
}

func TestAnAuditLogThatCannotBeOpenedIsAnErrorAtStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("auditwrong", map[string]string{"web.yaml": service("web", "image: app:1", "replicas: 0")})
	missing := w.path("missing/audit.log")
	link := w.path("link")
	if err := os.Symlink(w.path("elsewhere"), link); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ file, why string }{
		{missing, "--audit-log: " + missing + ": opening it: no such file or directory"},
		{link, "--audit-log: " + link + ": it is a symbolic link, which is not followed"},
		{w.home, "--audit-log: " + w.home + ": it is a directory"},
	} {
		for _, args := range [][]string{
			{"run", "--listen", "", "--source", r.Dir},
			{"apply", "--source", r.Dir},
			{"hold", "all", "--reason", "x"},
			{"resume", "all"},
			{"confirm", "auditwrong"},
			{"approve", "removals", "--revision", "1234567", "--reason", "tested"},
			{"retry", "Service/web"},
			{"unmanage", "Service/web"},
			{"unlock", "--ring", w.path("ring")},
		} {
			if out := w.want(2, append(args, "--host", w.host(), "--audit-log", c.file)...); !strings.Contains(out.errs, c.why) {
				t.Errorf("%v: %s", args, out)
			}
		}
	}
	if out := w.want(2, "apply", "--source", r.Dir, "--host", w.host(), "--audit-log", "-", "-o", "json"); !strings.Contains(out.errs, "name a file") || out.out != "" {
		t.Errorf("two things on the standard output: %s", out)
	}
	if len(w.services()) != 0 || len(w.own()) != 0 {
		t.Error("something was written")
	}
	out := w.want(0, "apply", "--source", r.Dir, "--host", w.host(), "--audit-log", "-")
	if !strings.Contains(out.out, `"event":"write","result":"done","source":"auditwrong"`) || !strings.Contains(out.out, "+ Service/web") {
		t.Errorf("the standard output has\n%s", out)
	}
}
