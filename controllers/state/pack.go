package state

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// mostUnpacked is how many bytes a memory has at most before it is compressed. It keeps a config that somebody made from
// filling the operator's memory.
const mostUnpacked = 16 << 20

// gzipped is how compressed data begins. No JSON begins so.
var gzipped = []byte{0x1f, 0x8b}

// pack returns what a config holds of a memory. It compresses a large memory: one commit may put ten thousand names on
// record several times over, and a config holds one megabyte. It fails if even that is too much, and if unpack would
// refuse it: what is written must be readable, because it takes the place of the memory before it.
func pack(data []byte) ([]byte, error) {
	if len(data) > mostUnpacked {
		return nil, tooLarge("it has %d bytes, and %d are read back at most", len(data), mostUnpacked)
	}
	out := data
	if len(data) > inline {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, err := w.Write(data)
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			return nil, fmt.Errorf("compressing it: %w", err)
		}
		out = b.Bytes()
	}
	if len(out) > v1.MaxConfigSize {
		return nil, tooLarge("it has %d bytes, %d when it is compressed, and a swarm config holds %d", len(data), len(out), v1.MaxConfigSize)
	}
	return out, nil
}

// tooLarge says what to do about a memory that cannot be written.
func tooLarge(format string, args ...any) error {
	return fmt.Errorf(format+". Nothing was written. Change fewer objects with one commit, or divide the source into several", args...)
}

// unpack returns the memory that a config holds. Small memories, and those of older builds, are as they are.
func unpack(data []byte) ([]byte, error) {
	if !bytes.HasPrefix(data, gzipped) {
		return data, nil
	}
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("decompressing it: %w", err)
	}
	out, err := io.ReadAll(io.LimitReader(r, mostUnpacked+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("decompressing it: %w", err)
	case len(out) > mostUnpacked:
		return nil, fmt.Errorf("it has more than %d bytes when it is decompressed", mostUnpacked)
	}
	return out, nil
}
