package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/audit"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/test/small"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.FixedZone("", 3600))

// book is a log that writes to memory.
type book struct {
	*testing.T
	strings.Builder
	log *audit.Log
	ctx context.Context
}

func newBook(t *testing.T) *book {
	t.Helper()
	b := &book{T: t}
	var err error
	if b.log, err = audit.Open(audit.Options{Out: b, Instance: "mgr-1", Now: func() time.Time { return noon }}); err != nil {
		t.Fatal(err)
	}
	b.ctx = audit.With(t.Context(), b.log)
	return b
}

// has checks the lines since the last check. Each ends in the same way: instance and time are left out.
func (b *book) has(want ...string) {
	b.Helper()
	var got []string
	for line := range strings.Lines(b.String()) {
		const head = `{"time":"2026-01-02T11:00:00Z","instance":"mgr-1",`
		if !strings.HasPrefix(line, head) || !strings.HasSuffix(line, "}\n") {
			b.Errorf("a line is %q", line)
		}
		got = append(got, "{"+strings.TrimSuffix(strings.TrimPrefix(line, head), "\n"))
	}
	b.Reset()
	if d := cmp.Diff(want, got); d != "" {
		b.Error(d)
	}
}

var (
	web = v1.Key{Kind: v1.KindService, Name: "web"}
	db  = v1.Key{Kind: v1.KindService, Name: "db"}
)

func TestALineOfAWriteSaysWhatLedToIt(t *testing.T) {
	b := newBook(t)
	c := small.Engine(t, small.Swarm(t), nil)
	given := plan.Consents{{Hazard: plan.Removals, Objects: []v1.Key{web}, By: "Ada", How: "by command"}, {Hazard: plan.Restarts, By: "Bob"}}
	ctx := audit.InRun(b.ctx, audit.Run{Source: "shop", Revision: "3f0c", Author: "Ada", Given: given})
	ctx = engine.Fenced(ctx, engine.Fence{Check: func() error { return nil }, Epoch: 7})
	ctx = audit.InStep(ctx, plan.Step{Key: web, Op: diff.Remove})
	host := c.Host()

	made, err := c.ConfigCreate(ctx, client.ConfigCreateOptions{Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: "a"}, Data: []byte("canary")}})
	if err != nil {
		t.Fatal(err)
	}
	const cause = `"source":"shop","revision":"3f0c","author":"Ada","epoch":7,"consents":[{"hazard":"removals","by":"Ada","how":"by command"}],"object":"Service/web","operation":"remove",`
	b.has(`{"event":"write","result":"done",` + cause + `"call":"POST /configs/create","engine":"` + host + `","status":201}`)

	if _, err := c.ConfigCreate(b.ctx, client.ConfigCreateOptions{Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: "a"}, Data: []byte("canary")}}); err == nil {
		t.Fatal("a name is taken twice")
	}
	if _, err := c.ConfigRemove(b.ctx, made.ID, client.ConfigRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.NodeList(b.ctx, client.NodeListOptions{}); err != nil { // it is no write
		t.Fatal(err)
	}
	closed := engine.Fenced(b.ctx, engine.Fence{Check: func() error { return errors.New("lost") }})
	if _, err := c.ConfigRemove(closed, made.ID, client.ConfigRemoveOptions{}); !errors.Is(err, engine.ErrFenced) {
		t.Fatal(err)
	}
	b.has(
		`{"event":"write","result":"failed","object":"Config/a","call":"POST /configs/create","engine":"`+host+`","status":409}`,
		`{"event":"write","result":"done","object":"Config/`+made.ID+`","call":"DELETE /configs/`+made.ID+`","engine":"`+host+`","status":204}`,
	)
}

// The engine may have done it. A call that never reached anybody is no write.
func TestAWriteWithoutAnAnswerIsUnknown(t *testing.T) {
	b := newBook(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodHead {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Api-Version", "1.44")
	}))
	t.Cleanup(server.Close)
	c, err := engine.Open(engine.Options{Host: "tcp://" + server.Listener.Addr().String(), ConfigDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	remove := func() {
		if _, err := c.ConfigRemove(b.ctx, "x", client.ConfigRemoveOptions{}); err == nil {
			t.Fatal("nobody has answered, and it is done")
		}
	}
	remove()
	b.has(`{"event":"write","result":"unknown","object":"Config/x","call":"DELETE /configs/x","engine":"` + c.Host() + `"}`)
	server.Close()
	remove()
	b.has()
}

func TestWithoutALogNothingIsOnRecord(t *testing.T) {
	ctx := audit.With(t.Context(), nil)
	if ctx != t.Context() {
		t.Error("the context differs")
	}
	r := audit.Run{Given: plan.Consents{{Hazard: plan.Removals}}}
	if audit.InStep(audit.InRun(ctx, r), plan.Step{}) != ctx {
		t.Error("the context differs")
	}
	audit.Delivered(ctx, "worker token", "vault", true)
	audit.Agreed(ctx, r)
	audit.Stopped(ctx, plan.Hold{}, "", audit.Began)
	audit.Goes(ctx, r, []plan.Hold{{}}, []plan.Refusal{{}})
	if err := (*audit.Log)(nil).Close(); err != nil {
		t.Error(err)
	}
}

func TestDeliveriesAreOnRecord(t *testing.T) {
	b := newBook(t)
	ctx := audit.InRun(b.ctx, audit.Run{Source: "shop"})
	audit.Delivered(ctx, "the worker token", "vault", true)
	audit.Delivered(ctx, "the unlock key", "offline", false)
	b.has(
		`{"event":"delivery","result":"done","source":"shop","to":"vault","what":"the worker token"}`,
		`{"event":"delivery","result":"failed","source":"shop","to":"offline","what":"the unlock key"}`,
	)
}

// A run repeats every minute. What stands has a line when it begins, and a line when it ends.
func TestWhatStandsIsSaidOnce(t *testing.T) {
	b := newBook(t)
	until := time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC)
	hold := plan.Hold{Target: "Service/db", By: "ann@laptop", Reason: "an incident", Until: until}
	budget := plan.Refusal{Op: diff.Remove, Key: web, Guard: "budget", Class: plan.Consent, Hazard: plan.Removals, Why: "canary"}
	rule := plan.Refusal{Op: diff.Update, Key: db, Guard: "on-hold", Class: plan.Never, Why: "canary"}
	later := plan.Refusal{Op: diff.Update, Key: db, Guard: "roll-out", Class: plan.Later}
	quiet := plan.Refusal{Op: diff.Update, Key: db, Guard: "ignored", Class: plan.Never, Quiet: true}
	run := audit.Run{Source: "shop", Revision: "3f0c", Author: "Ada"}
	const of = `"source":"shop","revision":"3f0c","author":"Ada",`
	goes := func(holds []plan.Hold, refused ...plan.Refusal) { audit.Goes(b.ctx, run, holds, refused) }

	goes(nil, later, quiet)
	b.has()
	goes([]plan.Hold{hold}, rule, later, budget)
	b.has(
		`{"event":"hold","result":"began","source":"shop","object":"Service/db","by":"ann@laptop","reason":"an incident","until":"2026-01-03T00:00:00Z"}`,
		`{"event":"refusal","result":"began",`+of+`"object":"Service/web","operation":"remove","hazard":"removals","guard":"budget","class":"consent"}`,
		`{"event":"refusal","result":"began",`+of+`"object":"Service/db","operation":"update","guard":"on-hold","class":"never"}`,
	)
	for range 100 {
		budget.Why += "." // a count or a time in it may differ each time
		goes([]plan.Hold{hold}, rule, budget)
	}
	b.has()
	goes(nil, budget)
	b.has(
		`{"event":"hold","result":"ended","source":"shop","object":"Service/db","by":"ann@laptop","reason":"an incident","until":"2026-01-03T00:00:00Z"}`,
		`{"event":"refusal","result":"ended",`+of+`"object":"Service/db","operation":"update","guard":"on-hold","class":"never"}`,
	)
	goes(nil)
	goes(nil, budget)
	b.has(
		`{"event":"refusal","result":"ended",`+of+`"object":"Service/web","operation":"remove","hazard":"removals","guard":"budget","class":"consent"}`,
		`{"event":"refusal","result":"began",`+of+`"object":"Service/web","operation":"remove","hazard":"removals","guard":"budget","class":"consent"}`,
	)
}

func TestAConsentIsOnRecordOnceForARevision(t *testing.T) {
	b := newBook(t)
	run := audit.Run{Source: "shop", Revision: "3f0c", Author: "Ada", Given: plan.Consents{{Hazard: plan.Removals, By: "Bob", How: "in commit 3f0c: Remove\x1b[2J it"}}}
	const line = `"source":"shop","revision":"3f0c","author":"Ada","by":"Bob","reason":"in commit 3f0c: Remove\u001b[2J it","hazard":"removals"}`
	audit.Goes(b.ctx, run, nil, nil)
	b.has(`{"event":"consent","result":"given",` + line)
	run.Given[0].Objects = []v1.Key{web} // what it is about is found when the plan is made
	audit.Goes(b.ctx, run, nil, nil)
	audit.Agreed(b.ctx, run)
	b.has()
	run.Revision = "aaaa"
	audit.Agreed(b.ctx, run)
	b.has(`{"event":"consent","result":"given",` + strings.ReplaceAll(strings.Replace(line, `"hazard":"removals"`, `"hazard":"removals","objects":["Service/web"]`, 1), `"3f0c"`, `"aaaa"`))
}

// Nobody has checked the signature of a commit, and no line says so without that.
func TestTheKeyOfASignatureIsOnRecordUnproven(t *testing.T) {
	b := newBook(t)
	rule := plan.Refusal{Op: diff.Update, Key: db, Guard: "on-hold", Class: plan.Never}
	run := audit.Run{Source: "shop", Revision: "3f0c", Author: "Ada", Signer: "ssh SHA256:abc", Given: plan.Consents{{Hazard: plan.Removals, By: "Bob"}}}
	const signed = `"source":"shop","revision":"3f0c","author":"Ada","signer":{"key":"ssh SHA256:abc","verified":false},`
	audit.Goes(b.ctx, run, nil, []plan.Refusal{rule})
	audit.Delivered(audit.InRun(b.ctx, run), "the worker token", "vault", true)
	b.has(
		`{"event":"consent","result":"given",`+signed+`"by":"Bob","hazard":"removals"}`,
		`{"event":"refusal","result":"began",`+signed+`"object":"Service/db","operation":"update","guard":"on-hold","class":"never"}`,
		`{"event":"delivery","result":"done",`+signed+`"to":"vault","what":"the worker token"}`,
	)
}

func TestAHoldByCommandIsOnRecord(t *testing.T) {
	b := newBook(t)
	h := plan.Hold{Target: "shop", By: "ann", Reason: "https://ann:canary@example.com is down"}
	audit.Stopped(b.ctx, h, h.By, audit.Began)
	audit.Stopped(b.ctx, h, "bob", audit.Ended)
	if strings.Contains(b.String(), "canary") {
		t.Errorf("a password is shown: %s", b.String())
	}
	for i, line := range strings.Split(strings.TrimSpace(b.String()), "\n") {
		var got audit.Line
		if err := json.Unmarshal([]byte(line), &got); err != nil || got.By != []string{"ann", "bob"}[i] || got.Object != "shop" {
			t.Errorf("got %s: %v", line, err)
		}
	}
}

// broken is a log whose disk is full at times.
type broken struct {
	strings.Builder
	full bool
}

func (b *broken) Write(p []byte) (int, error) {
	if b.full {
		return 0, errors.New("no space left on device")
	}
	return b.Builder.Write(p)
}

// The operator goes on. Whoever watches is told each line that is missing, and the record says how many there are.
func TestAFullDiskLosesNoLineSilently(t *testing.T) {
	var out broken
	var lost []string
	mended := 0
	l, err := audit.Open(audit.Options{Out: &out, Instance: "mgr-1", Now: func() time.Time { return noon }, Mended: func() { mended++ }, Failed: func(line string, err error) {
		if err.Error() != "no space left on device" || !json.Valid([]byte(line)) {
			t.Errorf("told %q, %v", line, err)
		}
		lost = append(lost, line)
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := audit.With(t.Context(), l)
	says := func(to string) { audit.Delivered(ctx, "the worker token", to, true) }
	says("a")
	out.full = true
	says("b")
	says("c")
	out.full = false
	says("d")
	says("e")
	if len(lost) != 2 || !strings.Contains(lost[0], `"to":"b"`) || !strings.Contains(lost[1], `"to":"c"`) || mended != 1 {
		t.Errorf("lost %q, mended %d times", lost, mended)
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		var is audit.Line
		if err := json.Unmarshal([]byte(line), &is); err != nil {
			t.Fatal(err)
		}
		got = append(got, string(is.Event)+is.To+strings.Repeat("?", is.Missing))
	}
	if d := cmp.Diff([]string{"deliverya", "gap??", "deliveryd", "deliverye"}, got); d != "" {
		t.Error(d)
	}
}

func TestAFileThatWasMovedIsToldAndTheLineIsNotLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit")
	var told []string
	l, err := audit.Open(audit.Options{Path: path, Failed: func(line string, err error) { told = append(told, line+err.Error()) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	ctx := audit.With(t.Context(), l)
	if err := errors.Join(os.Rename(path, path+".1"), os.Mkdir(path, 0o700)); err != nil {
		t.Fatal(err)
	}
	audit.Delivered(ctx, "the worker token", "a", true)
	data, err := os.ReadFile(path + ".1")
	if err != nil || !strings.Contains(string(data), `"to":"a"`) {
		t.Errorf("the old file has %q, %v", data, err)
	}
	if d := cmp.Diff([]string{"it is a directory"}, told); d != "" {
		t.Error(d)
	}
}

func TestAFileThatCannotBeOpenedIsAnError(t *testing.T) {
	if l, err := audit.Open(audit.Options{Path: t.TempDir()}); err == nil || l != nil {
		t.Errorf("got %v, %v", l, err)
	}
}

// Whoever writes a commit chooses the name of its author.
func TestALongNameDoesNotFillTheRecord(t *testing.T) {
	b := newBook(t)
	long, short := strings.Repeat("ä", 100_000), strings.Repeat("ä", 200)
	for by, want := range map[string]string{long: short + "…", short: short} {
		ctx := audit.InRun(b.ctx, audit.Run{Author: by, Given: plan.Consents{{Hazard: plan.Removals, By: by}}})
		audit.Delivered(audit.InStep(ctx, plan.Step{Key: web, Op: diff.Remove}), "worker-token", "vault", true)
		b.has(`{"event":"delivery","result":"done","author":"` + want + `","consents":[{"hazard":"removals","by":"` + want + `"}],"to":"vault","what":"worker-token"}`)
	}
}
