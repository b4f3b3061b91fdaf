// Package unlock opens a locked manager with keys that it has kept since that manager was open. It needs no swarm, no
// quorum and no lease: it works when nothing else does. It changes nothing else, and tells a key to nobody but the
// engine itself.
package unlock

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// A manager that was down for long, or was restored from a backup, needs the key that it had then. These constants
// say how long and how many keys are kept.
const (
	keepFor   = 90 * 24 * time.Hour // after another key took its place
	keepAtAll = 5
)

// Key opens managers that had this key when they went down.
type Key struct {
	Content v1.Content
	Since   time.Time // when it was first seen, to the second
}

func (k Key) is(c v1.Content) bool { return bytes.Equal(k.Content.Reveal(), c.Reveal()) }

// Ring holds the keys that an engine has had, the newest first.
type Ring []Key

// See returns the ring after an engine has said that this is its key now. The second result reports whether that
// changes the ring.
func (r Ring) See(c v1.Content, now time.Time) (Ring, bool) {
	if len(r) > 0 && r[0].is(c) {
		return r, false
	}
	now = now.UTC().Truncate(time.Second)
	if len(r) > 0 && now.Before(r[0].Since) {
		now = r[0].Since // the clock was set back; that makes no key younger
	}
	out := Ring{{c, now}}
	for _, k := range r {
		if !k.is(c) { // a key that comes back is the newest: the engine was restored from a backup
			out = append(out, k)
		}
	}
	return out.without(now), true
}

// without drops the keys that nobody can need any more.
func (r Ring) without(now time.Time) Ring {
	end := len(r)
	for end > keepAtAll && now.Sub(r[end-2].Since) > keepFor { // since then it was not the engine's key
		end--
	}
	return r[:end]
}

const ringHead = "# Unlock keys of this manager, kept by swarm-operator unlock: when each was first seen, and the key. The newest is first.\n"

// Format returns the ring's file. It holds secrets.
func (r Ring) Format() v1.Content {
	var b bytes.Buffer
	b.WriteString(ringHead)
	for _, k := range r {
		fmt.Fprintf(&b, "%s %s\n", k.Since.UTC().Format(time.RFC3339), k.Content.Reveal())
	}
	return v1.NewContent(b.Bytes())
}

// Parse reads what Format wrote, as edited by people. It skips empty lines and lines that begin with #. A key that
// occurs twice counts at its first place. Parse returns all keys or an error, because a line that cannot be read may
// be the key that somebody needs.
func Parse(file v1.Content) (Ring, error) {
	var r Ring
	n := 0
	for line := range bytes.Lines(file.Reveal()) {
		n++
		fields := strings.Fields(string(line))
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) != 2 {
			return nil, fmt.Errorf("line %d is not a time and a key", n)
		}
		since, err := time.Parse(time.RFC3339, fields[0])
		if err != nil {
			return nil, fmt.Errorf("line %d does not begin with a time such as 2026-01-31T12:00:00Z", n)
		}
		c, err := ParseKey(fields[1])
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if !slices.ContainsFunc(r, func(k Key) bool { return k.is(c) }) {
			r = append(r, Key{c, since.UTC().Truncate(time.Second)})
		}
	}
	return r, nil
}

// ParseKey checks that a text is an unlock key, as far as its form shows. Half a key is worthless and looks like a
// whole one.
func ParseKey(text string) (v1.Content, error) {
	encoded, ok := strings.CutPrefix(text, "SWMKEY-1-")
	if !ok {
		return v1.Content{}, errors.New("what should be a key does not begin with SWMKEY-1-")
	}
	raw, err := base64.RawStdEncoding.Strict().DecodeString(encoded)
	if err != nil || len(raw) != 32 || strings.ContainsAny(encoded, "\r\n") {
		return v1.Content{}, errors.New("what should be a key is not SWMKEY-1- and 43 characters that belong together")
	}
	return v1.NewContent([]byte(text)), nil
}
