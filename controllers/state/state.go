// Package state is what the operator remembers, kept in a swarm config of its own: the swarm's raft is its database.
//
// There is one object a source, replaced as a whole. Its name ends in a sequence number, so making the next one is a
// compare-and-swap: of two writers one is told that the name exists. Losing it is safe; what that costs is in Memory.
package state

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// format is the version of the encoding. A newer one is not read.
const format = 1

// ErrNewer says that a newer release wrote the state: this one must not act.
var ErrNewer = errors.New("the state was written by a newer release of swarm-operator")

// ErrConflict says that somebody else wrote the state in between: read again.
var ErrConflict = errors.New("the state was written by somebody else in between")

// Memory is the content. Each part can be lost: without HashKey the content of secrets is unknown and they keep their
// versions; without Adopted what was taken over is foreign again; without Failed a roll-back is recognised by what the
// engine kept of it; without InForce a bad revision has no predecessor; without Keep nothing is kept but nothing is
// removed in the run that finds the memory gone.
type Memory struct {
	Format int    `json:"format"`
	Source string `json:"source"`
	// HashKey keys the digests of content. It is no secret to who can read the swarm's configs; it keeps digests that
	// travel further, as object names do, from being guessed.
	HashKey []byte `json:"hashKey"`
	// InForce is the last revision without a problem.
	InForce Revision `json:"inForce,omitzero"`
	// Owned is how many objects the source owned when InForce was first seen.
	Owned int `json:"owned"`
	// Consents that are not used up yet.
	Consents plan.Consents `json:"consents,omitempty"`
	// Adopted by id.
	Adopted map[string]Adopted `json:"adopted,omitempty"`
	Failed  []plan.Failure     `json:"failed,omitempty"`
	// Keep are objects whose manifest, when there was one, said that they stay.
	Keep map[v1.Key]string `json:"keep,omitempty"`
}

// Revision is a commit.
type Revision struct {
	Hash string    `json:"hash"`
	When time.Time `json:"when,omitzero"`
}

// Adopted is an object that the source took over without writing on it.
type Adopted struct {
	Key     v1.Key `json:"key"`
	Applied string `json:"applied"`
	Content string `json:"content,omitempty"`
}

// Store reads and writes the memory of one source.
type Store struct {
	source string
	engine *engine.Client
}

// NewStore returns the store of a source.
func NewStore(source string, c *engine.Client) *Store { return &Store{source, c} }

// Found is the memory as it was read. The zero Sequence means that there is none.
type Found struct {
	Memory   Memory
	Sequence uint64
	raw      []byte
	stale    []string // ids of what older runs left behind
	id       string
}

// New makes an empty memory with a fresh key.
func New(source string) (Memory, error) {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return Memory{}, fmt.Errorf("making the key for content digests: %w", err)
	}
	return Memory{Format: format, Source: source, HashKey: key}, nil
}

func (s *Store) name(sequence uint64) string {
	return "swarm-operator." + s.source + "." + strconv.FormatUint(sequence, 10)
}

// ParseName reads the name of a config that holds a memory.
func ParseName(name string) (source string, sequence uint64, ok bool) {
	rest, ours := strings.CutPrefix(name, "swarm-operator.")
	i := strings.LastIndexByte(rest, '.')
	if !ours || i < 0 {
		return "", 0, false
	}
	sequence, err := strconv.ParseUint(rest[i+1:], 10, 64)
	return rest[:i], sequence, err == nil
}

// Own says whether a config is the operator's own, of whatever source.
func Own(labels map[string]string) bool {
	_, own := labels[v1.LabelState]
	return own
}

// Find picks the newest memory out of all configs of the swarm.
func (s *Store) Find(configs []*swarm.Config) (Found, error) {
	var found Found
	for _, c := range configs {
		if c.Spec.Labels[v1.LabelState] != s.source {
			continue
		}
		source, sequence, ok := ParseName(c.Spec.Name)
		if !ok || source != s.source {
			continue
		}
		if sequence <= found.Sequence {
			found.stale = append(found.stale, c.ID)
			continue
		}
		if found.id != "" {
			found.stale = append(found.stale, found.id)
		}
		found.Sequence, found.id, found.raw = sequence, c.ID, c.Spec.Data
	}
	if found.Sequence == 0 {
		return found, nil
	}
	var head struct{ Format int }
	if err := json.Unmarshal(found.raw, &head); err != nil {
		return Found{}, fmt.Errorf("reading the state of source %s: %w", s.source, err)
	}
	if head.Format > format {
		return Found{}, fmt.Errorf("reading the state of source %s: format %d: %w", s.source, head.Format, ErrNewer)
	}
	if err := json.Unmarshal(found.raw, &found.Memory); err != nil {
		return Found{}, fmt.Errorf("reading the state of source %s: %w", s.source, err)
	}
	return found, nil
}

// Save writes the memory if it differs from what was found. What it replaces stays until Tidy.
func (s *Store) Save(ctx context.Context, found Found, m Memory) (Found, error) {
	m.Format, m.Source = format, s.source
	data, err := json.Marshal(m)
	if err != nil {
		return found, fmt.Errorf("encoding the state of source %s: %w", s.source, err)
	}
	if bytes.Equal(data, found.raw) {
		return found, nil
	}
	if len(data) > v1.MaxConfigSize {
		return found, fmt.Errorf("writing the state of source %s: it has %d bytes, a swarm config holds %d", s.source, len(data), v1.MaxConfigSize)
	}
	next := Found{Memory: m, Sequence: found.Sequence + 1, raw: data}
	made, err := s.engine.ConfigCreate(ctx, client.ConfigCreateOptions{Spec: swarm.ConfigSpec{
		Annotations: swarm.Annotations{Name: s.name(next.Sequence), Labels: map[string]string{v1.LabelState: s.source}},
		Data:        data,
	}})
	if engine.IsExists(err) {
		return found, ErrConflict
	}
	if err != nil {
		return found, fmt.Errorf("writing the state of source %s: %w", s.source, err)
	}
	next.id = made.ID
	next.stale = slices.Clone(found.stale)
	if found.id != "" {
		next.stale = append(next.stale, found.id)
	}
	return next, nil
}

// Tidy removes what was replaced. What stays behind, because we were killed before or the engine would not, is removed
// after the next write: a higher sequence has replaced it anyway.
func (s *Store) Tidy(ctx context.Context, found Found) Found {
	left := found
	left.stale = nil
	for _, id := range found.stale {
		if _, err := s.engine.ConfigRemove(ctx, id, client.ConfigRemoveOptions{}); err != nil && !engine.IsNotFound(err) {
			left.stale = append(left.stale, id)
		}
	}
	return left
}
