package kinds

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Rotated is what can be replaced by epoch or by age.
type Rotated string

// What there is, in the order in which it goes: the root comes last, because it may wait for a node for long.
const (
	WorkerToken  Rotated = "worker-token"
	ManagerToken Rotated = "manager-token"
	UnlockKey    Rotated = "unlock-key"
	RootCA       Rotated = "ca"
	SignedRoot   Rotated = "signed-ca" // RootCA by one that a file has
)

// Words are what people call it.
func (r Rotated) Words() string {
	return map[Rotated]string{
		WorkerToken: "the workers' join token", ManagerToken: "the managers' join token", UnlockKey: "the unlock key", RootCA: "the root of the CA", SignedRoot: "the root of the CA",
	}[r]
}

// Root reports whether every node has to get a new certificate.
func (r Rotated) Root() bool { return r == RootCA || r == SignedRoot }

// RotationRecord is what the cluster object says of the last rotation, or of when the operator began to count. It is written in the
// same update as what it records, so that one is never there without the other.
type RotationRecord struct {
	Epoch uint64
	At    time.Time
}

func (r RotationRecord) String() string {
	return fmt.Sprintf("epoch=%d at=%s", r.Epoch, r.At.UTC().Format(time.RFC3339))
}

// ParseRotationRecord reads what String wrote. What anybody else wrote is no record, which rotates nothing.
func ParseRotationRecord(text string) (RotationRecord, bool) {
	words := strings.Split(text, " ")
	if len(words) != 2 || !strings.HasPrefix(words[0], "epoch=") || !strings.HasPrefix(words[1], "at=") {
		return RotationRecord{}, false
	}
	epoch, err := strconv.ParseUint(words[0][len("epoch="):], 10, 64)
	at, errAt := time.Parse(time.RFC3339, words[1][len("at="):])
	return RotationRecord{Epoch: epoch, At: at}, err == nil && errAt == nil
}

// Renewal is what a step on the Cluster does to records, and the rotation that it makes; "" is none.
type Renewal struct {
	Makes   Rotated
	Records map[Rotated]RotationRecord
	// Root is the digest of the certificate that was decided on; "" but of SignedRoot.
	Root string
}

// RenewalOf is what a step does to records, whatever it does beside that; nil is nothing.
func RenewalOf(s plan.Step) *Renewal {
	r, _ := s.Does.(*Renewal)
	return r
}

// Rotating is what a kind says of what is replaced by epoch or by age.
type Rotating struct {
	// Part is what that brings to the plan.
	Part plan.Part
	// Last is when each of those that have an age was replaced last, or its age began to be counted, by name and as far as that is on
	// record; nil: nothing is known.
	Last map[string]time.Time
	// Again is when the next one is due by its age. Zero: none is, or one is due already.
	Again time.Duration
}
