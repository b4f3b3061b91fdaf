package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/distribution/reference"
)

// Image is a behaviour that a task takes from the name of its image.
type Image struct{ Name, Does string }

// Images returns the images that do not simply run until they are stopped. Only the last part of the repository's
// name counts, with any tag or digest. So crash:1, crash:2 and registry.example.com/team/crash have the same
// behaviour, and the image web:crash has none.
func Images() []Image {
	return []Image{
		{"nopull:1", "cannot be pulled and is in no registry: its tasks are rejected"},
		{"crash:1", "starts, then exits with code 1 within a second"},
		{"unhealthy:1", "starts and never becomes healthy: its tasks fail when the health check gives up"},
		{"exit-N:1", "starts, then exits with code N within a second, as in exit-3:1"},
		{"finish:1", "starts, then exits with code 0 within a second: its tasks are complete"},
		{"slow:1", "takes four seconds to start, then runs until it is stopped"},
	}
}

const (
	// runTime is how long tasks run that end by themselves. It is shorter than any time for which a roll-out monitors
	// its tasks.
	runTime  = 100 * time.Millisecond
	slowTime = 4 * time.Second
)

// behaviour is what a pretended container does.
type behaviour struct {
	refused   bool          // the pull fails
	startTime time.Duration // from Start to running
	unhealthy bool
	ends      bool // by itself, after runTime
	exitCode  int
}

func behaviourOf(image string) behaviour {
	switch name := lastName(image); name {
	case "nopull":
		return behaviour{refused: true}
	case "crash":
		return behaviour{ends: true, exitCode: 1}
	case "unhealthy":
		return behaviour{unhealthy: true}
	case "finish":
		return behaviour{ends: true}
	case "slow":
		return behaviour{startTime: slowTime}
	default:
		if n, ok := strings.CutPrefix(name, "exit-"); ok {
			if code, err := strconv.Atoi(n); err == nil && code >= 0 && code <= 255 {
				return behaviour{ends: true, exitCode: code}
			}
		}
		return behaviour{}
	}
}

func lastName(image string) string {
	ref, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return ""
	}
	path := reference.Path(ref)
	return path[strings.LastIndexByte(path, '/')+1:]
}

// inRegistry reports whether a registry would know the image. An image called "missing" is like one that was built on
// the machines: no registry has it, but it runs.
func inRegistry(image string) bool {
	return !behaviourOf(image).refused && !strings.Contains(lastName(image), "missing")
}

// imageDigest returns the digest for every look-up of this reference. It depends on the whole reference, so a
// different tag is a different image.
func imageDigest(ref reference.Named) string {
	if d, ok := ref.(reference.Digested); ok {
		return d.Digest().String()
	}
	sum := sha256.Sum256([]byte(reference.TagNameOnly(ref).String()))
	return "sha256:" + hex.EncodeToString(sum[:])
}
