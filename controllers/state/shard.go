package state

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strings"
)

// memory is a Memory as it is written: what makes it large is in shards of its own.
type memory struct {
	Memory
	// Shards are the names of the configs that hold the rest.
	Shards []string `json:"shards,omitempty"`
}

const (
	// inline is how many bytes of adopted objects are kept with the rest. An adopted service has some 300.
	inline = 64 << 10
	// shardCount spreads the others by id: what adopts one object writes one shard of sixteen again.
	shardCount = 16
)

const shardPrefix = "swarm-operator-shard."

// isShard says whether the name is that of a shard of some memory.
func isShard(name string) bool { return strings.HasPrefix(name, shardPrefix) }

// split takes out what does not fit: the objects that were adopted, by id. Each shard is named by its content.
func (m Memory) split(source string) (memory, map[string][]byte, error) {
	out := memory{Memory: m}
	whole, err := json.Marshal(m.Adopted)
	if err != nil || len(whole) <= inline {
		return out, nil, err
	}
	out.Adopted = nil
	var parts [shardCount]map[string]Adopted
	for id, a := range m.Adopted {
		h := fnv.New32a()
		_, _ = h.Write([]byte(id))
		i := h.Sum32() % shardCount
		if parts[i] == nil {
			parts[i] = map[string]Adopted{}
		}
		parts[i][id] = a
	}
	shards := map[string][]byte{}
	for _, part := range parts {
		if part == nil {
			continue
		}
		data, err := json.Marshal(part)
		if err != nil {
			return out, nil, err
		}
		sum := sha256.Sum256(append([]byte(source+"\x00"), data...))
		name := shardPrefix + hex.EncodeToString(sum[:10])
		shards[name] = data
		out.Shards = append(out.Shards, name)
	}
	return out, shards, nil
}

// join brings a shard back.
func (m *Memory) join(data []byte) error {
	var part map[string]Adopted
	if err := json.Unmarshal(data, &part); err != nil {
		return fmt.Errorf("decoding: %w", err)
	}
	if m.Adopted == nil {
		m.Adopted = make(map[string]Adopted, len(part))
	}
	for id, a := range part {
		m.Adopted[id] = a
	}
	return nil
}
