package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/redact"
)

// knows returns a memory of one secret value and of one that only git's reader may see.
func knows() *redact.Known {
	k := redact.NewKnown()
	k.Learn(redact.Owner{Name: "x"}, 1, redact.Facts{Secret: []string{"hunter2!"}, Private: []string{"eco mode"}, Git: []string{"eco mode"}})
	return k
}

func TestADoorShowsItsReaderNoMore(t *testing.T) {
	for _, c := range []struct {
		text         string
		git, anybody string
	}{
		{"a hunter2! in eco mode\n", "a (hidden) in eco mode\n", "a (hidden) in (hidden)\n"},
		{"\x1b[31merror:\x1b[0m x\x1b[2Jy\r\n", "\x1b[31merror:\x1b[0m x\\x1b[2Jy\\r\n", ""},
		{"a\u202eb\n", "a\\u202eb\n", ""},
		{"plain\n", "plain\n", ""},
	} {
		if c.anybody == "" {
			c.anybody = c.git
		}
		for reader, want := range map[redact.Reader]string{redact.Git: c.git, redact.Anybody: c.anybody} {
			var b bytes.Buffer
			if n, err := io.WriteString(&door{&b, knows(), reader}, c.text); err != nil || n != len(c.text) || b.String() != want {
				t.Errorf("%q comes out as %q (%d, %v), want %q", c.text, b.String(), n, err, want)
			}
		}
	}
}

// A line of an error cannot be taken for another line of ours.
func TestLinesOfErrorsAreIndented(t *testing.T) {
	for text, want := range map[string]string{
		"one": "one", "problems:\n  a\n  b": "problems:\n  a\n  b", "x\ndone: all\x1b[A": "x\n  done: all\\x1b[A", "of hunter2!": "of (hidden)", "eco mode": "(hidden)",
	} {
		if got := toError(knows(), errors.New(text)); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
	if got := safe(knows(), "x\ndone: eco mode"); got != `x\ndone: (hidden)` {
		t.Errorf("a note is %q", got)
	}
}

func TestDocumentsShowTheirReaderNoMore(t *testing.T) {
	s := status.Status{Head: status.Head{Source: "eco mode"}, Notices: []string{"in eco mode: hunter2!"}, Objects: []status.Object{}}
	var b bytes.Buffer
	if err := document(&door{&b, knows(), redact.Git}, s); err != nil || !strings.Contains(b.String(), `"in eco mode: (hidden)"`) {
		t.Errorf("git's reader sees %s, %v", b.String(), err)
	}
	b.Reset()
	if err := public(&b, knows(), s); err != nil || !strings.Contains(b.String(), `"in (hidden): (hidden)"`) || !strings.Contains(b.String(), `"source": "eco mode"`) || !json.Valid(b.Bytes()) {
		t.Errorf("anybody sees %s, %v", b.String(), err)
	}
	got, err := shownStatus(knows(), s)
	if err != nil || got.Source != "eco mode" || fmt.Sprint(got.Notices) != "[in (hidden): (hidden)]" {
		t.Errorf("the status is %+v, %v", got, err)
	}
}

func TestTextsOfAPlanAreForAnybody(t *testing.T) {
	p := plan.Plan{
		Steps:   []plan.Step{{Op: diff.Update, Cause: "eco mode", Notes: []string{"a\nb", "hunter2!"}}},
		Adopted: []plan.Adoption{{Notes: []string{"eco mode"}}},
		Refused: []plan.Refusal{{Why: "said hunter2!\n"}}, Stays: []plan.Refusal{{Why: "eco mode"}},
	}
	got := told(knows(), p)
	if text := fmt.Sprint(got.Steps[0].Cause, got.Steps[0].Notes, got.Adopted[0].Notes, got.Refused[0].Why, got.Stays[0].Why); text != `(hidden)[a\nb (hidden)] [(hidden)]said (hidden)\n(hidden)` {
		t.Errorf("it is %s", text)
	}
	if p.Steps[0].Cause != "eco mode" || p.Refused[0].Why != "said hunter2!\n" {
		t.Error("the plan itself has changed")
	}
}

func TestAttributesOfLogsAreForAnybody(t *testing.T) {
	for _, c := range []struct {
		attr slog.Attr
		want string
	}{
		{slog.String("why", "in eco mode\x1b[A"), `in (hidden)\x1b[A`},
		{slog.Any("err", errors.New("hunter2!")), "(hidden)"},
		{slog.Any("notes", []string{"a", "hunter2!"}), "[a (hidden)]"},
		{slog.Any("what", struct{ A string }{"hunter2!"}), "{(hidden)}"},
		{slog.String("object", "Service/eco mode"), "Service/eco mode"},
		{slog.String(slog.MessageKey, "step done"), "step done"},
		{slog.Int("n", 4), "4"},
		{slog.String("why", "https://a:b@c"), "https://(hidden)@c"},
	} {
		if got := attribute(knows(), c.attr).Value.String(); got != c.want {
			t.Errorf("%s is logged as %q, want %q", c.attr, got, c.want)
		}
	}
}
