package engine

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// The engine turns every gRPC code that it has no mapping for into 500, "retry now" and "your object is too big" alike,
// so most classes match texts. They were measured on Engine 20.10 and read in moby and swarmkit of 2026. An error may be
// in more than one class; every predicate is false for nil.

// IsStale: the object moved since it was read. Read again and plan again. (A 500, not a 409.)
func IsStale(err error) bool { return has(err, "update out of sequence") }

// ErrStale is for who compares versions before a call that takes none: the error of an object that moved since it was read.
var ErrStale = errors.New("update out of sequence")

// IsNotFound: the object of the call does not exist. An object that a spec refers to is another matter.
func IsNotFound(err error) bool { return err != nil && errdefs.IsNotFound(err) }

// ErrNotFound is for who looks an object up in a list: the error of an object that does not exist.
var ErrNotFound error = errdefs.ErrNotFound

// IsExists: the name is taken.
func IsExists(err error) bool {
	conflict := err != nil && (errdefs.IsConflict(err) || errdefs.IsAlreadyExists(err))
	return conflict && has(err, "already exists", "name conflicts with an existing object", "already present")
}

// IsInUse: it cannot be removed while others refer to it.
func IsInUse(err error) bool {
	return has(err, "is in use by", "has active endpoints", "volume is in use",
		"ingress network cannot be removed because service")
}

// IsNotManager: this engine cannot say anything about the swarm: a worker, no swarm, a manager that is starting, or one
// whose control socket went away because it was demoted a moment ago.
func IsNotManager(err error) bool {
	return has(err, "This node is not a swarm manager", "This node is not part of a swarm",
		"control.sock: connect: ", "Swarm certificates have expired")
}

// IsNoQuorum: managers answer and have no leader. A follower holds the first call for 20 s (DeadlineExceeded), later ones
// it refuses at once. After a leader's "lost leader status" the write may be committed all the same.
func IsNoQuorum(err error) bool {
	return has(err, "The swarm does not have a leader", "node lost leader status", "no elected cluster leader",
		"code = DeadlineExceeded", "Error response from daemon: context deadline exceeded")
}

// IsLocked: autolock is on and somebody must unlock this manager.
func IsLocked(err error) bool { return has(err, "Swarm is encrypted and needs to be unlocked") }

// IsWrongKey: the manager is locked, and this key does not open it. IsNotLocked: there is nothing to open.
func IsWrongKey(err error) bool { return has(err, "invalid key provided", "invalid key string") }

func IsNotLocked(err error) bool { return has(err, "swarm is not locked") }

// IsPermission: the socket is not ours to open, or somebody between us and the engine (an authorization plugin, a proxy
// that lets only reads pass) forbids the call.
func IsPermission(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok {
		return errors.Is(e.err, os.ErrPermission)
	}
	return err != nil && (errdefs.IsPermissionDenied(err) || errdefs.IsUnauthorized(err))
}

// IsUnavailable: there is no connection to the engine; nothing was asked.
func IsUnavailable(err error) bool {
	if err == nil {
		return false
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return !e.Sent
	}
	return client.IsErrConnectionFailed(err)
}

// IsTimeout: our deadline ended the call, or the caller's.
func IsTimeout(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Timeout()
}

// IsInvalid: the engine will never take this: the object is wrong, or too big.
func IsInvalid(err error) bool {
	if err == nil || IsInUse(err) || IsUnsupported(err) {
		return false
	}
	return errdefs.IsInvalidArgument(err) || errdefs.IsNotImplemented(err) || has(err, tooLarge...)
}

// IsUnsupported: our API version is not the engine's: too old to be spoken to, or another one than at the last call (it
// was replaced by an older one). The next call asks for its version again.
func IsUnsupported(err error) bool {
	return is[*versionError](err) || has(err, "is too new. Maximum supported API version", "is too old. Minimum supported API version")
}

var tooLarge = []string{"raft message is too large", "received message larger than max"}

// refusals are answers of 5xx that say that nothing was done. "The swarm does not have a leader" is not among them: a
// follower says it also when the leader went away in the middle of a call that it had passed on.
var refusals = append([]string{
	"update out of sequence",
	"This node is not a swarm manager",
	"This node is not part of a swarm",
	"Swarm is encrypted and needs to be unlocked",
	"control.sock: connect: ",
	"unrecognized rollback option",
	"unsupported registryAuthFrom value",
	"does not have a previous spec",
	"invalid join token",
}, tooLarge...)

// IsAmbiguous: the write may have happened. It must be read back before it is tried again, and an object that is found as
// it was wanted is a success. The engine finishes a call whose client has gone (its swarm handlers ignore the request's
// context), and a leader that lost its quorum answered 500 to a write that was committed later. About a read it says nothing.
func IsAmbiguous(err error) bool {
	if err == nil {
		return false
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Sent
	}
	if is[*json.SyntaxError](err) || is[*json.UnmarshalTypeError](err) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return true // a 2xx that could not be read
	}
	if has(err, refusals...) {
		return false
	}
	if a, ok := errors.AsType[*answer](err); ok {
		return a.status >= 500 && a.status != http.StatusNotImplemented
	}
	return errdefs.IsInternal(err) || errdefs.IsUnavailable(err)
}

// has says whether the engine's answer holds one of the texts. An Error is no answer.
func has(err error, texts ...string) bool {
	if err == nil || is[*Error](err) {
		return false
	}
	s := err.Error()
	for _, t := range texts {
		if strings.Contains(s, t) {
			return true
		}
	}
	return false
}
