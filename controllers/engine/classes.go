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

// The engine turns every gRPC code without a mapping into 500, "retry now" and "your object is too big" alike. So
// most classes match texts. They were measured on Engine 20.10 and read in moby and swarmkit of 2026. An error may be
// in more than one class. Every predicate returns false for nil.

// IsStale reports whether the object has changed since it was read. Read it again and plan again. (The engine answers
// 500, not 409.)
func IsStale(err error) bool { return has(err, "update out of sequence") }

// ErrStale says that an object has changed since it was read. Callers use it when they compare versions themselves,
// before a call that takes no version.
var ErrStale = errors.New("update out of sequence")

// IsNotFound reports whether the object of the call does not exist. It does not cover objects that a spec refers to.
func IsNotFound(err error) bool { return err != nil && errdefs.IsNotFound(err) }

// ErrNotFound says that an object does not exist. Callers use it when they look an object up in a list.
var ErrNotFound error = errdefs.ErrNotFound

// IsExists reports whether the name is taken.
func IsExists(err error) bool {
	conflict := err != nil && (errdefs.IsConflict(err) || errdefs.IsAlreadyExists(err))
	return conflict && has(err, "already exists", "name conflicts with an existing object", "already present") ||
		has(err, "code = Unknown desc = name conflicts with an existing object") // SwarmKit's answer about volumes has no code
}

// IsInUse reports whether an object cannot be removed while others refer to it.
func IsInUse(err error) bool {
	return has(err, "is in use by", "has active endpoints", "volume is in use", "volume is still in use",
		"ingress network cannot be removed because service")
}

// IsNotManager reports whether this engine cannot say anything about the swarm. It is a worker, part of no swarm, or
// a manager that is starting. Or it was demoted a moment ago, and its control socket has gone.
func IsNotManager(err error) bool {
	return has(err, "This node is not a swarm manager", "This node is not part of a swarm",
		"control.sock: connect: ", "Swarm certificates have expired")
}

// IsNoQuorum reports whether managers answer but have no leader. A follower holds the first call for 20 s
// (DeadlineExceeded) and refuses later ones at once. After a leader's "lost leader status" the write may still be
// committed.
func IsNoQuorum(err error) bool {
	return has(err, "The swarm does not have a leader", "node lost leader status", "no elected cluster leader",
		"code = DeadlineExceeded", "Error response from daemon: context deadline exceeded")
}

// IsLocked reports whether autolock is on and somebody must unlock this manager.
func IsLocked(err error) bool { return has(err, "Swarm is encrypted and needs to be unlocked") }

// IsWrongKey reports whether the manager is locked and this key does not open it.
func IsWrongKey(err error) bool { return has(err, "invalid key provided", "invalid key string") }

// IsNotLocked reports whether the manager is not locked, so that no key is needed.
func IsNotLocked(err error) bool { return has(err, "swarm is not locked") }

// IsPermission reports whether the call is forbidden. Either the operator may not open the socket, or something on
// the way to the engine forbids the call: an authorization plugin, or a proxy that lets only reads pass.
func IsPermission(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok {
		return errors.Is(e.err, os.ErrPermission)
	}
	return err != nil && (errdefs.IsPermissionDenied(err) || errdefs.IsUnauthorized(err))
}

// IsUnavailable reports whether the call was not sent: there was no connection to the engine, or a [Fence] or the
// context stopped the call before.
func IsUnavailable(err error) bool {
	if err == nil {
		return false
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return !e.Sent
	}
	return client.IsErrConnectionFailed(err)
}

// IsTimeout reports whether a deadline ended the call: the client's own or the caller's.
func IsTimeout(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Timeout()
}

// IsInvalid reports whether the engine will never accept the object, because it is wrong or too big.
func IsInvalid(err error) bool {
	if err == nil || IsInUse(err) || IsUnsupported(err) {
		return false
	}
	return errdefs.IsInvalidArgument(err) || errdefs.IsNotImplemented(err) || has(err, tooLarge...)
}

// IsUnsupported reports whether the client and the engine have no API version in common, or the engine was replaced
// by an older one since the last call. The next call asks for its version again.
func IsUnsupported(err error) bool {
	return is[*versionError](err) || has(err, "is too new. Maximum supported API version", "is too old. Minimum supported API version")
}

var tooLarge = []string{"raft message is too large", "received message larger than max"}

// refusals are 5xx answers that say that nothing was done. "The swarm does not have a leader" is not among them. A
// follower also says it if the leader goes away during a call that the follower had passed on.
var refusals = append([]string{
	"update out of sequence",
	"This node is not a swarm manager",
	"This node is not part of a swarm",
	"Swarm is encrypted and needs to be unlocked",
	"control.sock: connect: ",
	"invalid join token",
}, tooLarge...)

// IsAmbiguous reports whether a write may have happened. Read the object back before you try again; if it is as
// wanted, the write has succeeded. The engine finishes a call even if its client has gone, because its swarm handlers
// ignore the request's context. A leader that lost its quorum has answered 500 to a write that was committed later.
// For a read the result means nothing.
func IsAmbiguous(err error) bool {
	if err == nil {
		return false
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Sent
	}
	if is[*json.SyntaxError](err) || is[*json.UnmarshalTypeError](err) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return true // a 2xx answer that could not be read
	}
	if has(err, refusals...) {
		return false
	}
	if a, ok := errors.AsType[*answer](err); ok {
		return a.status >= 500 && a.status != http.StatusNotImplemented
	}
	return errdefs.IsInternal(err) || errdefs.IsUnavailable(err)
}

// has reports whether the engine's answer contains one of the texts. It returns false for an Error, because such a call
// got no answer or only a part of one.
func has(err error, texts ...string) bool {
	if err == nil || is[*Error](err) {
		return false
	}
	s := err.Error()
	if a, is := errors.AsType[*answer](err); is { // in the engine's own words, of which people may not see all
		s = a.message
	}
	for _, t := range texts {
		if strings.Contains(s, t) {
			return true
		}
	}
	return false
}
