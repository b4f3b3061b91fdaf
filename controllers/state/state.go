// Package state is the operator's memory, kept in swarm configs of its own: the swarm's raft is its database.
//
// Each source has one object, which is replaced as a whole. Its name ends in a sequence number, so making the next
// one is a compare-and-swap: of two writers, one is told that the name exists. A large memory is compressed, and has
// further objects, its shards, which are named by their content; only changed shards are written. Losing any of it is
// safe; Memory says what the loss costs.
//
// There are two more kinds of configs. The lease, of which a swarm has one, says who may act. A hold says what nobody
// may write to.
package state

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
)

// ErrConflict says that somebody else wrote the state in between. Read it again.
var ErrConflict = errors.New("the state was written by somebody else in between")

// Store reads and writes the memory of one source.
type Store struct {
	source string
	engine *engine.Client
}

// NewStore returns the store of a source.
func NewStore(source string, c *engine.Client) *Store { return &Store{source, c} }

// Found is the memory as it was read. Sequence 0 means that there is none.
type Found struct {
	Memory   Memory
	Sequence uint64
	raw      []byte            // Memory as JSON
	shards   map[string]string // name → id
	stale    []string          // ids of configs that older runs left behind
	orphans  map[string]string // shards among stale: name → id
	id       string
	// Damaged are configs that cannot be read: memories that are newer than Memory, and shards of it. Memory lacks what
	// they had.
	Damaged []Damaged
	// top is the highest sequence that a name has, readable or not.
	top uint64
	// written is Memory as it was written, with the names of its shards. It is nil if that is not known, or if some of
	// it is lost. Records that are still the same maps need not be encoded to know their shards.
	written *memory
	// exact is true if raw is what this release writes of Memory.
	exact bool
}

func (s *Store) name(sequence uint64) string {
	return "swarm-operator." + s.source + "." + strconv.FormatUint(sequence, 10)
}

// ParseName reads the name of a config that holds a memory. ok is false if it is not such a name.
func ParseName(name string) (source string, sequence uint64, ok bool) {
	rest, ours := strings.CutPrefix(name, "swarm-operator.")
	i := strings.LastIndexByte(rest, '.')
	if !ours || i < 0 {
		return "", 0, false
	}
	sequence, err := strconv.ParseUint(rest[i+1:], 10, 64)
	return rest[:i], sequence, err == nil && strconv.FormatUint(sequence, 10) == rest[i+1:] // 07 is not 7
}

// Damaged is a config with the label of a source's memory that cannot be read.
type Damaged struct{ Name, Why string }

// Damage says which of the configs that hold the memory cannot be read, and what counts instead. It is "" if all can be.
func (f Found) Damage(source string) string {
	if len(f.Damaged) == 0 {
		return ""
	}
	var names []string
	for _, d := range f.Damaged {
		names = append(names, d.Name+" ("+d.Why+")")
	}
	if n := len(names); n > mostNamed {
		names = append(names[:mostNamed], fmt.Sprintf("%d more", n-mostNamed))
	}
	what := "what it has counts as lost"
	if f.Sequence > 0 {
		what = fmt.Sprintf("the newest one that can be read is %s", (&Store{source: source}).name(f.Sequence))
	}
	return fmt.Sprintf("the memory of source %s cannot be read in config %s; %s. If another program or a person made such a config, remove it (docker config rm NAME)", source, strings.Join(names, ", "), what)
}

// mostNamed is how many damaged configs a text names.
const mostNamed = 3

// mostSequence is more than the sequence of any memory that an operator has written.
const mostSequence = 1 << 53

// Own reports whether a config is the operator's own: a memory of any source, the lease, or a hold.
func Own(labels map[string]string) bool {
	for _, l := range []string{v1.LabelState, v1.LabelLease, v1.LabelHold} {
		if _, own := labels[l]; own {
			return true
		}
	}
	return false
}

// Sources returns the names of the sources that have a memory in the swarm, sorted.
func Sources(configs []*swarm.Config) []string {
	found := map[string]bool{}
	for _, c := range configs {
		if source := c.Spec.Labels[v1.LabelState]; source != "" {
			found[source] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// Read reads the operator's own configs from the swarm: memories, the lease, holds.
func Read(ctx context.Context, c *engine.Client) ([]*swarm.Config, error) {
	// There is no filter, because a filter's labels must all match.
	list, err := c.ConfigList(ctx, client.ConfigListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing configs: %w", err)
	}
	var out []*swarm.Config
	for i := range list.Items {
		if Own(list.Items[i].Spec.Labels) {
			out = append(out, &list.Items[i])
		}
	}
	return out, nil
}

// candidate is a config whose name is that of a memory.
type candidate struct {
	sequence uint64
	config   *swarm.Config
}

// candidates returns the configs that hold memories of the source, the newest first, and its shards by name.
func (s *Store) candidates(configs []*swarm.Config) (memories []candidate, shards map[string]*swarm.Config) {
	shards = map[string]*swarm.Config{}
	for _, c := range configs {
		if c.Spec.Labels[v1.LabelState] != s.source {
			continue
		}
		if isShard(c.Spec.Name) {
			shards[c.Spec.Name] = c
		} else if source, sequence, ok := ParseName(c.Spec.Name); ok && source == s.source && sequence > 0 {
			memories = append(memories, candidate{sequence, c})
		}
	}
	slices.SortFunc(memories, func(a, b candidate) int { return cmp.Compare(b.sequence, a.sequence) })
	return memories, shards
}

// read decodes a memory. raw is the memory as JSON. read fails with ErrNewer if a newer release has written it.
func (s *Store) read(c candidate) (m memory, raw []byte, err error) {
	switch {
	case c.sequence >= mostSequence:
		return memory{}, nil, errors.New("no operator has written so many")
	case len(c.config.Spec.Data) > v1.MaxConfigSize:
		return memory{}, nil, fmt.Errorf("it has %d bytes, and a memory has %d at most", len(c.config.Spec.Data), v1.MaxConfigSize)
	}
	if raw, err = unpack(c.config.Spec.Data); err != nil {
		return memory{}, nil, err
	}
	m, err = decode(s.source, raw)
	return m, raw, err
}

// Find returns the newest memory of the source among all configs of the swarm that can be read. Sequence is 0 if there is
// none. It fails with ErrNewer if a newer release has written a newer one. Whatever else is wrong with configs is in
// Damaged.
func (s *Store) Find(configs []*swarm.Config) (Found, error) {
	var found Found
	memories, shards := s.candidates(configs)
	var m memory
	for _, c := range memories {
		if c.sequence < mostSequence {
			found.top = max(found.top, c.sequence)
		}
		if found.Sequence > 0 {
			found.stale = append(found.stale, c.config.ID)
			continue
		}
		var raw []byte
		var err error
		switch m, raw, err = s.read(c); {
		case errors.Is(err, ErrNewer):
			return Found{}, fmt.Errorf("config %s: %w; if there is no newer release here, remove that config (docker config rm)", c.config.Spec.Name, err)
		case err != nil:
			found.Damaged = append(found.Damaged, Damaged{c.config.Spec.Name, err.Error()})
			found.stale = append(found.stale, c.config.ID)
		default:
			found.Sequence, found.id, found.raw = c.sequence, c.config.ID, raw
		}
	}
	if found.Sequence == 0 {
		return found, nil
	}
	found.shards, found.orphans, found.written = map[string]string{}, map[string]string{}, &m
	for _, name := range m.all() {
		c := shards[name]
		if c == nil { // somebody removed it; adopted objects in it are foreign again, and equal ones are adopted again
			found.written = nil
			continue
		}
		delete(shards, name)
		if err := m.join(s.source, name, c.Spec.Data); err != nil {
			found.Damaged, found.written = append(found.Damaged, Damaged{name, err.Error()}), nil
			found.stale = append(found.stale, c.ID)
			continue
		}
		found.shards[name] = c.ID
	}
	found.Memory = m.Memory
	for name, c := range shards {
		found.stale, found.orphans[name] = append(found.stale, c.ID), c.ID
	}
	slices.Sort(found.stale)
	found.exact = !Differs(s.source, found, found.Memory)
	return found, nil
}

// Differs reports whether Save would write the memory.
func (s *Store) Differs(found Found, m Memory) bool { return Differs(s.source, found, m) }

// FoundAs returns a memory as if it had been read from a swarm.
func FoundAs(m Memory, sequence uint64) (Found, error) {
	data, written, _, err := encode(m.Source, m, nil)
	return Found{Memory: m, Sequence: sequence, raw: data, written: written, exact: true}, err
}

// Differs reports whether what is to be remembered of a source is not what was found.
func Differs(source string, found Found, m Memory) bool {
	if found.exact && reflect.DeepEqual(found.Memory, m) { // which looks at no map that is the same
		return false
	}
	data, _, _, err := encode(source, m, found.written)
	return err != nil || !bytes.Equal(data, found.raw)
}

// Save writes the memory if it differs from what was found. What it replaces stays until Tidy. The error is
// ErrConflict if somebody else wrote in between.
func (s *Store) Save(ctx context.Context, found Found, m Memory) (Found, error) {
	data, written, shards, err := encode(s.source, m, found.known())
	if err != nil {
		return found, err
	}
	if bytes.Equal(data, found.raw) {
		return found, nil
	}
	packed, err := fit(data, shards)
	if err != nil {
		return found, fmt.Errorf("writing the state of source %s: %w", s.source, err)
	}
	next := Found{Memory: m, Sequence: max(found.Sequence, found.top) + 1, raw: data, written: written, exact: true, shards: map[string]string{}, stale: slices.Clone(found.stale)}
	for _, name := range written.all() {
		id, there := found.shards[name]
		if !there {
			if id, there = found.orphans[name]; there { // left by a process that was killed before it wrote the memory
				next.stale = slices.DeleteFunc(next.stale, func(stale string) bool { return stale == id })
			}
		}
		if !there {
			if slices.ContainsFunc(found.Damaged, func(d Damaged) bool { return d.Name == name }) {
				return found, fmt.Errorf("writing the state of source %s: config %s is in the way, and cannot be read; remove it (docker config rm)", s.source, name)
			}
			if id, err = s.create(ctx, name, shards[name]); err != nil && !engine.IsExists(err) {
				return found, fmt.Errorf("writing the state of source %s: %w", s.source, err)
			}
		}
		next.shards[name] = id // "" if somebody else made it; it is removed when it is found again
	}
	next.id, err = s.create(ctx, s.name(next.Sequence), packed)
	if engine.IsExists(err) {
		return found, fmt.Errorf("writing the state of source %s: %w: %w", s.source, ErrConflict, err)
	}
	if err != nil {
		return found, fmt.Errorf("writing the state of source %s: %w", s.source, err)
	}
	for name, id := range found.shards {
		if _, stays := next.shards[name]; !stays && id != "" {
			next.stale = append(next.stale, id)
		}
	}
	if found.id != "" {
		next.stale = append(next.stale, found.id)
	}
	return next, nil
}

func (s *Store) create(ctx context.Context, name string, data []byte) (id string, err error) {
	made, err := s.engine.ConfigCreate(ctx, client.ConfigCreateOptions{Spec: swarm.ConfigSpec{
		Annotations: swarm.Annotations{Name: name, Labels: map[string]string{v1.LabelState: s.source}},
		Data:        data,
	}})
	return made.ID, err
}

// known returns the memory as it was written, if the ids of all its shards are known.
func (f Found) known() *memory {
	if f.written == nil || slices.ContainsFunc(f.written.all(), func(name string) bool { _, is := f.shards[name]; return !is }) {
		return nil
	}
	return f.written
}

// encode returns a memory as JSON, with the names of the shards, and the shards by name. It leaves out shards whose
// records are the same maps as in before.
func encode(source string, m Memory, before *memory) ([]byte, *memory, map[string][]byte, error) {
	m.Format, m.Source = format, source
	rest, shards, err := m.split(source, before)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("encoding the state of source %s: %w", source, err)
	}
	data, err := json.Marshal(rest)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("encoding the state of source %s: %w", source, err)
	}
	rest.Memory = m
	return data, &rest, shards, nil
}

// Tidy removes what was replaced. What stays behind, because the process was killed or the engine refused, is removed
// after the next write. A higher sequence has replaced it anyway.
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
