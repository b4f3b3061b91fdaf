package state

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"reflect"
	"slices"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// memory is a Memory as it is written. Its large parts are in shards.
type memory struct {
	Memory
	// Shards are the names of the configs that hold Adopted.
	Shards []string `json:"shards,omitempty"`
	// MadeShards are the names of those that hold Made.
	MadeShards []string `json:"madeShards,omitempty"`
	// UnstatedShards are the names of those that hold Unstated, and RemovedShards of those that hold Removed.
	UnstatedShards []string `json:"unstatedShards,omitempty"`
	RemovedShards  []string `json:"removedShards,omitempty"`
}

// all returns the names of all shards.
func (m memory) all() []string {
	return slices.Concat(m.Shards, m.MadeShards, m.UnstatedShards, m.RemovedShards)
}

const (
	// inline is how many bytes of records of each sort stay in the memory itself. A record takes about 300 bytes for
	// an adopted service and 50 for one that was made.
	inline = 64 << 10
	// shardCount is the number of shards. Records are spread over them by id, so that adopting one object rewrites
	// one shard of sixteen.
	shardCount = 16
)

const shardPrefix = "swarm-operator-shard."

// isShard reports whether a name is that of a shard of any memory.
func isShard(name string) bool { return strings.HasPrefix(name, shardPrefix) }

// split moves records of objects into shards if they do not fit. Each shard is named by its content. If records are the
// same map as in before, which may be nil, they are in the same shards, and split does not encode them.
func (m Memory) split(source string, before *memory) (memory, map[string][]byte, error) {
	out, shards := memory{Memory: m}, map[string][]byte{}
	was := memory{}
	if before != nil {
		was = *before
	}
	var err error
	if out.Shards, err = spread(source, "", m.Adopted, was.Adopted, was.Shards, shards); err != nil {
		return out, nil, err
	}
	if out.MadeShards, err = spread(source, "made", m.Made, was.Made, was.MadeShards, shards); err != nil {
		return out, nil, err
	}
	if out.UnstatedShards, err = spread(source, "unstated", m.Unstated, was.Unstated, was.UnstatedShards, shards); err != nil {
		return out, nil, err
	}
	if out.RemovedShards, err = spread(source, "removed", m.Removed, was.Removed, was.RemovedShards, shards); err != nil {
		return out, nil, err
	}
	if out.UnstatedShards != nil {
		out.Unstated = nil
	}
	if out.RemovedShards != nil {
		out.Removed = nil
	}
	if out.Shards != nil {
		out.Adopted = nil
	}
	if out.MadeShards != nil {
		out.Made = nil
	}
	return out, shards, nil
}

// spread puts records into shards if they are too large for the memory itself. It returns the names of the shards.
// sort becomes part of the names, so that shards of different records differ. If before is the same map, its shards
// have the names in were.
func spread[T any](source, sort string, records, before map[string]T, were []string, shards map[string][]byte) (names []string, err error) {
	if reflect.ValueOf(records).Pointer() == reflect.ValueOf(before).Pointer() {
		return were, nil
	}
	whole, err := json.Marshal(records)
	if err != nil || len(whole) <= inline {
		return nil, err
	}
	var parts [shardCount]map[string]T
	for id, record := range records {
		h := fnv.New32a()
		_, _ = h.Write([]byte(id))
		i := h.Sum32() % shardCount
		if parts[i] == nil {
			parts[i] = map[string]T{}
		}
		parts[i][id] = record
	}
	for _, part := range parts {
		if part == nil {
			continue
		}
		data, err := json.Marshal(part)
		if err != nil {
			return nil, err
		}
		name := shardName(source, sort, data)
		shards[name] = data
		names = append(names, name)
	}
	return names, nil
}

// fit returns what a config holds of a memory. It fails if that, or one of the shards, is larger than a config may be.
// Shards are not compressed.
func fit(data []byte, shards map[string][]byte) (packed []byte, err error) {
	for _, shard := range shards {
		if len(shard) > v1.MaxConfigSize {
			return nil, tooLarge("one of its parts has %d bytes, and a swarm config holds %d", len(shard), v1.MaxConfigSize)
		}
	}
	return pack(data)
}

// shardName returns the name of a shard, which its content gives it.
func shardName(source, sort string, data []byte) string {
	sum := sha256.Sum256(append([]byte(source+"\x00"+sort), data...))
	return shardPrefix + hex.EncodeToString(sum[:10])
}

// join puts the records of a shard back into the memory. It fails if the content is not the one that the shard is named by.
func (m *memory) join(source, name string, data []byte) error {
	sort, read := "", func() error { return merge(&m.Adopted, data) }
	switch {
	case slices.Contains(m.MadeShards, name):
		sort, read = "made", func() error { return merge(&m.Made, data) }
	case slices.Contains(m.UnstatedShards, name):
		sort, read = "unstated", func() error { return merge(&m.Unstated, data) }
	case slices.Contains(m.RemovedShards, name):
		sort, read = "removed", func() error { return merge(&m.Removed, data) }
	}
	if shardName(source, sort, data) != name {
		return errors.New("it is not what the operator wrote under this name")
	}
	return read()
}

func merge[T any](into *map[string]T, data []byte) error {
	var part map[string]T
	if err := json.Unmarshal(data, &part); err != nil {
		return fmt.Errorf("decoding: %w", err)
	}
	if *into == nil {
		*into = make(map[string]T, len(part))
	}
	maps.Copy(*into, part)
	return nil
}
