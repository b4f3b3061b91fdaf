package kinds

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Rotated is a thing that can be replaced by epoch or by age.
type Rotated string

// These are all such things, in the order in which they are replaced. The root comes last, because it may have to
// wait long for a node.
const (
	WorkerToken  Rotated = "worker-token"
	ManagerToken Rotated = "manager-token"
	UnlockKey    Rotated = "unlock-key"
	RootCA       Rotated = "ca"
	SignedRoot   Rotated = "signed-ca" // RootCA, replaced by a root that a file has
)

// Words returns what people call it.
func (r Rotated) Words() string {
	return map[Rotated]string{
		WorkerToken: "the workers' join token", ManagerToken: "the managers' join token", UnlockKey: "the unlock key", RootCA: "the root of the CA", SignedRoot: "the root of the CA",
	}[r]
}

// Root reports whether every node has to get a new certificate.
func (r Rotated) Root() bool { return r == RootCA || r == SignedRoot }

// RotationRecord is what the cluster object says of the last rotation, or of when the operator began to count. It is
// written in the same update as what it records, so that one is never there without the other.
type RotationRecord struct {
	Epoch uint64
	At    time.Time
}

func (r RotationRecord) String() string {
	return fmt.Sprintf("epoch=%d at=%s", r.Epoch, r.At.UTC().Format(time.RFC3339))
}

// ParseRotationRecord reads what String wrote. It returns false for anything else: that is no record, and it rotates
// nothing.
func ParseRotationRecord(text string) (RotationRecord, bool) {
	words := strings.Split(text, " ")
	if len(words) != 2 || !strings.HasPrefix(words[0], "epoch=") || !strings.HasPrefix(words[1], "at=") {
		return RotationRecord{}, false
	}
	epoch, err := strconv.ParseUint(words[0][len("epoch="):], 10, 64)
	at, errAt := time.Parse(time.RFC3339, words[1][len("at="):])
	return RotationRecord{Epoch: epoch, At: at}, err == nil && errAt == nil
}

// Renewal is what a step on the Cluster does to records, and the rotation that it makes. Makes is "" if it makes
// none.
type Renewal struct {
	Makes   Rotated
	Records map[Rotated]RotationRecord
	// Root is the digest of the certificate that was decided on. It is "" except for SignedRoot.
	Root string
}

// RenewalOf returns what a step does to records, whatever else the step does. It returns nil if that is nothing.
func RenewalOf(s plan.Step) *Renewal {
	r, _ := s.Does.(*Renewal)
	return r
}

// Rotator says what of an object is replaced by epoch or by age. All of it is pure, except File.
type Rotator struct {
	// Asks returns the files that Rotate has to know and that were not read yet, by names that File understands. They
	// may depend on the files so far. It returns nil if none is missing.
	Asks func(Rotate, map[string]File) []string
	// File reads a file that the operator's configuration defines.
	File func(named config.Named, name string) File
	// Rotate returns what is replaced. A rotation that needs a file which could not be read is refused.
	Rotate func(Rotate, map[string]File) Rotating
}

// Rotate is what rotations are decided by, besides files.
type Rotate struct {
	Live *Live
	// Have and Want are the states of the object. Both are nil if no manifest is about it.
	Have, Want *diff.State
	// Nodes says how the nodes are. It is nil if that is not known.
	Nodes *Nodes
	Now   time.Time
}

// File is what a file has. Err says why that is not known. It is nil if it is known.
type File struct {
	Content v1.Content
	Err     error
}

// Rotating is what a kind says of what is replaced by epoch or by age.
type Rotating struct {
	// Part is what the rotations add to the plan.
	Part plan.Part
	// Last is when each thing that has an age was last replaced, or when its age began to be counted, by name. It has
	// only what is on record. nil means that nothing is known.
	Last map[string]time.Time
	// Again is how long it takes until the next one is due by its age. Zero means that none is, or that one is due
	// already.
	Again time.Duration
}
