package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/client"
)

var nodeList = client.NodeListOptions{}

var classes = map[string]func(error) bool{
	"stale": IsStale, "notfound": IsNotFound, "exists": IsExists, "inuse": IsInUse, "notmanager": IsNotManager,
	"noquorum": IsNoQuorum, "locked": IsLocked, "ambiguous": IsAmbiguous, "permission": IsPermission,
	"unavailable": IsUnavailable, "timeout": IsTimeout, "invalid": IsInvalid, "unsupported": IsUnsupported,
	"wrongkey": IsWrongKey, "notlocked": IsNotLocked,
}

// classesOf returns the names of all predicates that hold for an error, sorted.
func classesOf(err error) string {
	var in []string
	for name, is := range classes {
		if is(err) {
			in = append(in, name)
		}
	}
	slices.Sort(in)
	return strings.Join(in, " ")
}

// These are texts and codes as measured on Engine 20.10 (API 1.41) and read in the source of moby and swarmkit.
var answers = []struct {
	status int
	text   string
	want   string
}{
	{500, "rpc error: code = Unknown desc = update out of sequence", "stale"},
	{400, `invalid service version '': strconv.ParseUint: parsing "": invalid syntax`, "invalid"},
	{409, "rpc error: code = AlreadyExists desc = name conflicts with an existing object: service a1 already exists", "exists"},
	{409, "rpc error: code = AlreadyExists desc = secret sec1 already exists", "exists"},
	{409, "network with name neta already exists", "exists"},
	{409, "rpc error: code = AlreadyExists desc = ingress network (abc) is already present", "exists"},
	{409, "swarm is not locked", "notlocked"},
	{404, "service nope not found", "notfound"},
	{404, "rpc error: code = NotFound desc = can't find manager in raft memberlist", "notfound"},
	{501, "rpc error: code = Unimplemented desc = service mode change is not allowed", "invalid"},
	{501, "rpc error: code = Unimplemented desc = networks must be migrated to TaskSpec before being changed", "invalid"},
	{400, "rpc error: code = FailedPrecondition desc = service abc does not have a previous spec", "invalid"},
	{400, "ingress network cannot be removed because service abc depends on it", "inuse"},
	{400, "rpc error: code = InvalidArgument desc = secret 'sec1' is in use by the following service: a2", "inuse"},
	{400, "rpc error: code = FailedPrecondition desc = network abc is in use by task def", "inuse"},
	{409, "remove v1: volume is in use - [abc]", "inuse"},
	{400, "rpc error: code = FailedPrecondition desc = volume is still in use", "inuse"},
	{500, "rpc error: code = Unknown desc = name conflicts with an existing object", "ambiguous exists"},
	{400, "rpc error: code = InvalidArgument desc = only updates to Labels are allowed", "invalid"},
	{500, "rpc error: code = Unknown desc = raft: raft message is too large and can't be sent", "invalid"},
	{500, "rpc error: code = ResourceExhausted desc = grpc: received message larger than max (5000047 vs. 4194304)", "invalid"},
	{503, "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this command on a manager node or promote the current node to a manager.", "notmanager"},
	{503, `This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.`, "notmanager"},
	{503, "This node is not a swarm manager. Manager is being prepared or has trouble connecting to the cluster.", "notmanager"},
	{503, `rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing dial unix /var/run/docker/swarm/control.sock: connect: no such file or directory"`, "notmanager"},
	{503, "rpc error: code = Unavailable desc = transport is closing", "ambiguous"},
	{503, `Swarm is encrypted and needs to be unlocked before it can be used. Please use "docker swarm unlock" to unlock it.`, "locked"},
	{500, "rpc error: code = DeadlineExceeded desc = context deadline exceeded", "ambiguous noquorum"},
	{500, "rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that too few managers are online. Make sure more than half of the managers are online.", "ambiguous noquorum"},
	{500, "raft: failed to process the request: node lost leader status", "ambiguous noquorum"},
	{500, "network nonet not found", "ambiguous"},
	{500, "something that nobody has seen before", "ambiguous"},
	{502, "Bad Gateway", "ambiguous"},
	{504, "Gateway Timeout", "ambiguous"},
	{400, "client version 1.50 is too new. Maximum supported API version is 1.41", "unsupported"},
	{400, "client version 1.40 is too old. Minimum supported API version is 1.44, please upgrade your client to a newer version", "unsupported"},
	{403, "Forbidden: writes do not pass this proxy", "permission"},
	{401, "swarm could not be unlocked: invalid key provided", "permission wrongkey"},
	{400, "invalid key string", "invalid wrongkey"},
}

func TestClassesOfAnswers(t *testing.T) {
	var status int
	var text string
	c, _ := opened(t, pinged("1.41", func(w http.ResponseWriter, _ *http.Request) { refuse(w, status, text) }))
	for _, tt := range answers {
		t.Run(fmt.Sprintf("%d %.60s", tt.status, tt.text), func(t *testing.T) {
			status, text = tt.status, tt.text
			// Check errors of the moby client, errors of the client's own requests, and errors wrapped as callers
			// wrap them.
			for _, err := range []error{nodes(c), services(c), fmt.Errorf("listing services: %w", services(c))} {
				if got := classesOf(err); got != tt.want {
					t.Errorf("%q is in %q, want %q", err, got, tt.want)
				}
				if !strings.Contains(err.Error(), tt.text) {
					t.Errorf("%q does not say %q", err, tt.text)
				}
			}
		})
	}
}

func TestClassesOfOtherErrors(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"nil", nil, ""},
		{"somebody else's", errors.New("update of the weather"), ""},
		{"half an answer", fmt.Errorf("decoding: %w", io.ErrUnexpectedEOF), "ambiguous"},
		{"an empty answer", fmt.Errorf("decoding: %w", io.EOF), "ambiguous"},
		{"too old", &versionError{server: "1.39"}, "unsupported"},
		{"not sent", &Error{err: errors.New("no route to host")}, "unavailable"},
		{"sent", &Error{err: io.EOF, Sent: true}, "ambiguous"},
		{"deadline, sent", &Error{err: errCallTimeout, Sent: true}, "ambiguous timeout"},
		{"deadline, not sent", &Error{err: context.DeadlineExceeded}, "timeout unavailable"},
		{"a socket that has an engine's text in its name", &Error{Host: "unix:///control.sock: connect: ", err: io.EOF}, "unavailable"},
	} {
		if got := classesOf(tt.err); got != tt.want {
			t.Errorf("%s: in %q, want %q", tt.name, got, tt.want)
		}
	}
}
