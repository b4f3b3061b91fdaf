package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/moby/moby/api/types/swarm"

	"github.com/swarm-operator/swarm-operator/controllers/rescue"
)

// decodeList decodes GET /services, several elements at a time, because decoding is most of the cost of a pass with
// nothing to do. If the text of a service is byte for byte as it was read last, decodeList returns the same pointer
// again. So a pass costs only what changed.
func (m *listMemo) decodeList(raw []byte) ([]*Listed, error) {
	elems, err := split(raw)
	if err != nil {
		return nil, fmt.Errorf("decoding the list of services: %w", err)
	}
	out := make([]*Listed, len(elems))
	sums := make([]sum128, len(elems))
	errs := make([]error, len(elems))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), 4, len(elems)/smallList+1) {
		wg.Go(rescue.Clean(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(elems) {
					return
				}
				sums[i] = m.sum(elems[i])
				if out[i] = m.known(sums[i]); out[i] == nil {
					out[i] = new(Listed)
					errs[i] = out[i].decode(elems[i])
				}
			}
		}))
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("decoding service %d of the list: %w", i, err)
		}
	}
	m.keep(sums, out)
	return out, nil
}

// decodeOne decodes GET /services/{id}. The engine writes a service there as it does in a list.
func (m *listMemo) decodeOne(raw []byte) (*Listed, error) {
	raw = bytes.Trim(raw, whitespace)
	sum := m.sum(raw)
	if l := m.known(sum); l != nil {
		return l, nil
	}
	l := new(Listed)
	if err := l.decode(raw); err != nil {
		return nil, fmt.Errorf("decoding a service: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.last == nil {
		m.last = map[sum128]*Listed{}
	}
	m.last[sum] = l
	return l, nil
}

// listMemo holds the last list and what was read since. The key is a sum of 128 bits with keys of this process, so
// that nobody can make two texts that collide. Callers must not change what a list points to.
type listMemo struct {
	seeds [2]maphash.Seed
	mu    sync.RWMutex
	last  map[sum128]*Listed
}

type sum128 [2]uint64

func newListMemo() *listMemo {
	return &listMemo{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
}

func (m *listMemo) sum(raw []byte) sum128 {
	return sum128{maphash.Bytes(m.seeds[0], raw), maphash.Bytes(m.seeds[1], raw)}
}

func (m *listMemo) known(s sum128) *Listed {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.last[s]
}

func (m *listMemo) keep(sums []sum128, list []*Listed) {
	next := make(map[sum128]*Listed, len(list))
	for i, l := range list {
		next[sums[i]] = l
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = next
}

// smallList is a number of services that is not worth another goroutine.
const smallList = 64

func (l *Listed) decode(raw []byte) error {
	if _, err := unmarshal(raw, &l.Service); err != nil {
		return err
	}
	l.Unknown, l.Unread = unknownInSpec(raw, &l.Service)
	return l.attach(raw)
}

// attach reads the networks of a service that was made with the list that stood beside the task template, as Portainer
// makes them. Engines of API 1.44 and newer do the same; older ones return the list as it is. Its key stays among the
// unknown ones, so that nobody writes the service: the engine would replace its tasks.
func (l *Listed) attach(raw []byte) error {
	if len(l.Spec.TaskTemplate.Networks) > 0 || !slices.Contains(l.Unknown, "Spec.Networks") {
		return nil
	}
	var old struct {
		Spec struct {
			Networks []swarm.NetworkAttachmentConfig
		}
	}
	err := json.Unmarshal(raw, &old)
	l.Spec.TaskTemplate.Networks = old.Spec.Networks
	return err
}

var errNoList = errors.New("the answer is no JSON array")

// split cuts an array into its elements in one cheap pass. Whether each is JSON shows when it is decoded.
func split(raw []byte) ([][]byte, error) {
	w := walker{raw: raw}
	w.space()
	if string(bytes.Trim(raw, whitespace)) == "null" {
		return nil, nil // Go writes a nil slice as null
	}
	if w.at == len(raw) || raw[w.at] != '[' {
		return nil, errNoList
	}
	w.at++
	var elems [][]byte
	depth, start := 1, w.at
	for depth > 0 {
		if w.at >= len(raw) {
			return nil, errNoList
		}
		switch raw[w.at] {
		case '"':
			w.at = afterString(raw, w.at) - 1
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		}
		if depth == 0 || depth == 1 && raw[w.at] == ',' {
			elems = append(elems, raw[start:w.at])
			start = w.at + 1
		}
		w.at++
	}
	closed := raw[w.at-1] == ']'
	w.space()
	if !closed || w.at != len(raw) {
		return nil, errNoList
	}
	if len(elems) == 1 && len(bytes.Trim(elems[0], whitespace)) == 0 {
		return nil, nil
	}
	return elems, nil
}
