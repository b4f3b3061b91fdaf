package engine

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
)

const (
	// mostListed bounds the answer to a list, in bytes. The engine itself lists no more than 16 MiB of a swarm's objects, in
	// an encoding that is a few times smaller than JSON.
	mostListed = 128 << 20
	// mostAnswered bounds every other answer. The largest of them are about one object.
	mostAnswered = 16 << 20
	// mostEvent bounds one event of the stream.
	mostEvent = 1 << 20
)

// errTooLong stands for an answer that is longer than any that an engine gives. It is not read to its end.
var errTooLong = errors.New("too long")

func tooLong(what string, most int64) error {
	return fmt.Errorf("%w: %s is longer than %d MiB, which is the most that is read; is it a docker engine, and what is between it and here?", errTooLong, what, most>>20)
}

// limits are how many bytes the answer to a list and any other answer may have. The zero value means mostListed and
// mostAnswered.
type limits struct{ listed, answered int64 }

// of returns how many bytes the answer to a call may have.
func (l limits) of(method, route string) int64 {
	if words, is := routeWords[route[1:]]; method == http.MethodGet && is && words != nil {
		return cmp.Or(l.listed, mostListed)
	}
	return cmp.Or(l.answered, mostAnswered)
}

// limited reads at most so many bytes, and fails if there are more.
type limited struct {
	from io.Reader
	what string
	most int64
	read int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.from.Read(p)
	if l.read += int64(n); l.read > l.most {
		return 0, tooLong(l.what, l.most)
	}
	return n, err
}
