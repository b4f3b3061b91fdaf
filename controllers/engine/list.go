package engine

import (
	"encoding/json"
	"fmt"
	"runtime"
	"sync"
)

// chunk is how many services one worker decodes at a time.
const chunk = 64

// decodeList decodes GET /services, several elements at a time: decoding is most of what a pass with nothing to do costs.
func decodeList(raw []byte) ([]Listed, error) {
	var elems []json.RawMessage
	if err := json.Unmarshal(raw, &elems); err != nil {
		return nil, fmt.Errorf("decoding the list of services: %w", err)
	}
	out := make([]Listed, len(elems))
	var wg sync.WaitGroup
	var first sync.Once
	var failed error
	next := make(chan int, len(elems)/chunk+1)
	for i := 0; i < len(elems); i += chunk {
		next <- i
	}
	close(next)
	for range min(runtime.GOMAXPROCS(0), 4) {
		wg.Go(func() {
			for i := range next {
				for j := i; j < min(i+chunk, len(elems)); j++ {
					if err := out[j].decode(elems[j]); err != nil {
						first.Do(func() { failed = fmt.Errorf("decoding service %d of the list: %w", j, err) })
						return
					}
				}
			}
		})
	}
	wg.Wait()
	return out, failed
}

func (l *Listed) decode(raw []byte) (err error) {
	if err := json.Unmarshal(raw, &l.Service); err != nil {
		return err
	}
	l.Unknown, err = unknownInSpec(raw, &l.Service)
	return err
}
