// Package unlock opens a manager that is locked, with keys that it has kept since that manager was open. It needs no swarm, no quorum
// and no lease: it works when nothing else does. It changes nothing but that, and tells nobody a key but the engine itself.
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

// What is kept: a manager that was down for long, or was made again of a backup, wants the key that it had then.
const (
	keepFor   = 90 * 24 * time.Hour // after another one took its place
	keepAtAll = 5
)

// Key opens managers whose key it was when they went down.
type Key struct {
	Content v1.Content
	Since   time.Time // when it was first seen, to the second
}

func (k Key) is(c v1.Content) bool { return bytes.Equal(k.Content.Reveal(), c.Reveal()) }

// Ring are the keys that an engine has had, the newest first.
type Ring []Key

// See is the ring when an engine says that this is its key now. The second value says whether that changes anything.
func (r Ring) See(c v1.Content, now time.Time) (Ring, bool) {
	if len(r) > 0 && r[0].is(c) {
		return r, false
	}
	now = now.UTC().Truncate(time.Second)
	if len(r) > 0 && now.Before(r[0].Since) {
		now = r[0].Since // the clock was set back; a key does not get younger by that
	}
	out := Ring{{c, now}}
	for _, k := range r {
		if !k.is(c) { // one that is back is the newest: the engine was restored from a backup
			out = append(out, k)
		}
	}
	return out.without(now), true
}

// without leaves out the keys that nobody can need any more.
func (r Ring) without(now time.Time) Ring {
	end := len(r)
	for end > keepAtAll && now.Sub(r[end-2].Since) > keepFor { // since then it was not the engine's
		end--
	}
	return r[:end]
}

const ringHead = "# Unlock keys of this manager, kept by swarm-operator unlock: when each was first seen, and the key. The newest is first.\n"

// Format is the file of a ring. It holds secrets.
func (r Ring) Format() v1.Content {
	var b bytes.Buffer
	b.WriteString(ringHead)
	for _, k := range r {
		fmt.Fprintf(&b, "%s %s\n", k.Since.UTC().Format(time.RFC3339), k.Content.Reveal())
	}
	return v1.NewContent(b.Bytes())
}

// Parse reads what Format wrote, and what a person has made of it: lines of # and empty ones are left out, and a key that stands
// there twice counts where it stands first. It takes all of it or nothing: a line that cannot be read may be the key that is needed.
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

// ParseKey checks that a text is an unlock key, as far as that can be seen: half of one is worth nothing and looks like one.
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
