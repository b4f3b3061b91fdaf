package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// decodeList decodes GET /services, several elements at a time: decoding is most of what a pass with nothing to do costs.
func decodeList(raw []byte) ([]Listed, error) {
	elems, err := split(raw)
	if err != nil {
		return nil, fmt.Errorf("decoding the list of services: %w", err)
	}
	out := make([]Listed, len(elems))
	errs := make([]error, len(elems))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), 4, len(elems)/smallList+1) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(elems) {
					return
				}
				errs[i] = out[i].decode(elems[i])
			}
		})
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("decoding service %d of the list: %w", i, err)
		}
	}
	return out, nil
}

// smallList is how many services are not worth another goroutine.
const smallList = 64

func (l *Listed) decode(raw []byte) error {
	if err := json.Unmarshal(raw, &l.Service); err != nil {
		return err
	}
	l.Unknown = unknownInSpec(raw, &l.Service)
	return nil
}

var errNoList = errors.New("the answer is no JSON array")

// split cuts an array into its elements, in one light pass; whether each is JSON shows when it is decoded.
func split(raw []byte) ([][]byte, error) {
	w := walker{raw: raw}
	w.space()
	if string(bytes.Trim(raw, whitespace)) == "null" {
		return nil, nil // how Go writes an empty list
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
