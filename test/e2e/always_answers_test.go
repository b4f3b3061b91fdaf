package e2e

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// always is what an engine answers to some calls for ever.
type always struct {
	name string
	// before replaces the answer before the engine sees the call; after replaces it when the engine has carried the
	// call out. One of them is nil.
	before, after func(harness.Call) error
	// says has texts, at least one of which must be in the report of the failure.
	says []string
}

// refuses returns an answer in the engine's form: the call was refused and not carried out.
func refuses(name string, status int, message string) always {
	a := &harness.Answer{Status: status, Message: message}
	return always{name: name, before: func(harness.Call) error { return a }, says: []string{message[strings.LastIndex(message, "= ")+1:]}}
}

// garbles returns an answer that is not the engine's. The engine has carried the call out.
func garbles(name string, body func([]byte) []byte, says ...string) always {
	return always{name: name, says: says, after: func(c harness.Call) error {
		return &harness.Answer{Status: c.Status, Body: body(c.Answer)}
	}}
}

var (
	cutOff     = []string{"closed the connection", "no connection"}
	unreadable = []string{"decoding", "is no json", "empty", "names none"}
)

// everlasting are the answers that are tried.
var everlasting = []always{
	refuses("400", http.StatusBadRequest, "rpc error: code = InvalidArgument desc = it is wrong for ever"),
	refuses("401", http.StatusUnauthorized, "authorization wanted for ever"),
	refuses("403", http.StatusForbidden, "authorization denied for ever"),
	refuses("404", http.StatusNotFound, "such a thing was not found for ever"),
	refuses("409", http.StatusConflict, "rpc error: code = AlreadyExists desc = name conflicts with an existing object: for ever"),
	refuses("409 of another sort", http.StatusConflict, "something is in the way for ever"),
	refuses("429", http.StatusTooManyRequests, "too many requests for ever"),
	refuses("500", http.StatusInternalServerError, "an error of the engine's own for ever"),
	refuses("503", http.StatusServiceUnavailable, "not now and for ever"),
	refuses("out of sequence", http.StatusInternalServerError, "rpc error: code = Unknown desc = update out of sequence"),
	refuses("too late", http.StatusInternalServerError, "rpc error: code = DeadlineExceeded desc = context deadline exceeded"),
	refuses("no leader", http.StatusServiceUnavailable, "rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that too few managers are online."),
	refuses("no manager", http.StatusServiceUnavailable, "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state."),
	{name: "cut off before", before: func(harness.Call) error { return harness.ErrCut }, says: cutOff},
	{name: "cut off after", after: func(harness.Call) error { return harness.ErrCut }, says: cutOff},
	{name: "500 after", says: []string{"lost leader status for ever"}, after: func(harness.Call) error {
		return &harness.Answer{Status: http.StatusInternalServerError, Message: "raft: failed to process the request: node lost leader status for ever"}
	}},
	garbles("no JSON", func([]byte) []byte { return []byte("<html>Bad gateway</html>") }, unreadable...),
	garbles("empty", func([]byte) []byte { return []byte{} }, unreadable...),
	garbles("truncated", func(b []byte) []byte { return b[:len(b)*2/3] }, unreadable...),
	// It is well-formed, was carried out, and is longer than what is read: 128 MiB of a list, and 16 MiB of other answers.
	// On a machine that is slow, the time for an answer is over before that.
	{name: "flood", says: []string{"longer than", "no answer"}, after: func(c harness.Call) error {
		flood := &harness.Answer{Status: c.Status, Body: c.Answer, Padding: 17 << 20}
		if bytes.HasPrefix(c.Answer, []byte("[")) {
			flood.Padding = 130 << 20
		}
		return flood
	}},
	{name: "redirected", says: []string{"redirect"}, before: func(harness.Call) error {
		return &harness.Answer{Status: http.StatusFound, Body: []byte{}, Header: http.Header{"Location": {"http://elsewhere.example/"}}}
	}},
	// It reports success and carries nothing out. So a removed object is still there, and the engine names no
	// version.
	{name: "endless", says: []string{"no answer", "already exists", "name conflicts", "names none", "nothing has changed", "to write its config"}, before: func(harness.Call) error {
		return &harness.Answer{Status: http.StatusOK, Body: []byte(" "), Endless: true}
	}},
}

// noEffect says success to a write and carries nothing out. It is no answer to calls whose own answer is needed.
var noEffect = always{name: "no effect", says: []string{"nothing has changed", "already exists", "name conflicts", "in use"}, before: func(harness.Call) error {
	return &harness.Answer{Status: http.StatusOK, Body: []byte("{}\n")}
}}

// about has words, at least one of which must be in the report of a failed call. Its key is how the call's pattern
// begins after the method.
var about = []struct {
	path  string
	words []string
}{
	{"/configs of the lease", []string{"lease"}},
	{"/configs/create of the lease", []string{"lease"}},
	{"/configs/{id} of the lease", []string{"lease"}},
	{"/configs/{id}/update of the lease", []string{"lease"}},
	{"/configs/create of a memory", []string{"state of source"}},
	{"/configs of a hold", []string{"hold"}},
	{"/configs/create of a hold", []string{"hold"}},
	{"/configs/{id} of a hold", []string{"hold"}},
	{"/configs", []string{"config"}},
	{"/secrets", []string{"secret"}},
	{"/networks", []string{"network"}},
	{"/services", []string{"service"}},
	{"/nodes", []string{"node"}},
	{"/tasks", []string{"task"}},
	{"/volumes", []string{"volume"}},
	{"/swarm/join", []string{"joining"}},
	{"/swarm/leave", []string{"to leave"}},
	{"/swarm/unlockkey", []string{"unlock key"}},
	{"/swarm", []string{"cluster", "swarm", "join token"}},
	{"/info", []string{"info"}},
	{"/_ping", []string{"ping", "api version"}},
	{"/events", []string{"event"}},
}

// names reports whether a text names the call with that pattern, and why it failed.
func (a always) names(pattern, text string) bool {
	text = strings.ToLower(text)
	said := false
	for _, s := range a.says {
		said = said || strings.Contains(text, strings.ToLower(strings.TrimSpace(s)))
	}
	_, path, _ := strings.Cut(pattern, " ")
	for _, x := range about {
		if !strings.HasPrefix(path, x.path) {
			continue
		}
		for _, word := range x.words {
			if strings.Contains(text, word) {
				return said
			}
		}
		return false
	}
	return said // a group of calls, or one of a new sort
}
