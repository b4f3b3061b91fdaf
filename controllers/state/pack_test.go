package state

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// changed is the memory of a source after a commit that changes n services and needs consent for each.
func changed(n int) Memory {
	m := Memory{Format: format, Source: "shop", InForce: Revision{Hash: "abc"}, Keep: map[v1.Key]string{}}
	keys, wants := make([]v1.Key, n), map[v1.Key]string{}
	for i := range n {
		keys[i] = v1.Key{Kind: v1.KindService, Name: fmt.Sprintf("stack-%d_service-%05d", i%100, i)}
		m.Keep[keys[i]], wants[keys[i]] = "", fmt.Sprintf("%016x", rand.Uint64())
	}
	m.Begun, m.Leaving = keys, keys[:1]
	m.History = []Entry{{Hash: "abc", Changing: keys}}
	m.Consents = plan.Consents{{Hazard: plan.Restarts, Objects: keys, Wants: wants}}
	return m
}

func stored(data []byte) []*swarm.Config {
	return []*swarm.Config{{ID: "x", Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: "swarm-operator.shop.1", Labels: map[string]string{v1.LabelState: "shop"}}, Data: data}}}
}

func TestTheMemoryOfTenThousandChangesFitsAConfig(t *testing.T) {
	m := changed(10_000)
	data, _, _, err := encode("shop", m, nil)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := pack(data)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) <= v1.MaxConfigSize || len(packed) > v1.MaxConfigSize/2 {
		t.Errorf("it has %d bytes, and %d compressed", len(data), len(packed))
	}
	found, err := NewStore("shop", nil).Find(stored(packed))
	if err != nil || !reflect.DeepEqual(found.Memory, m) {
		t.Errorf("something else is read: %v", err)
	}
	if Differs("shop", found, m) {
		t.Error("it would be written again")
	}
}

// A memory that an older build has written without compression is read, and is no reason to write.
func TestALargeMemoryThatIsNotCompressedIsRead(t *testing.T) {
	m := changed(1000)
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	found, err := NewStore("shop", nil).Find(stored(data))
	if err != nil || len(found.Damaged) > 0 || !reflect.DeepEqual(found.Memory, m) || len(data) <= inline {
		t.Errorf("of %d bytes something else is read: %v, %v", len(data), found.Damaged, err)
	}
	if Differs("shop", found, m) {
		t.Error("it would be written again")
	}
}

func TestASmallMemoryIsReadable(t *testing.T) {
	for text, same := range map[string]bool{`{"format":3}`: true, strings.Repeat("x", inline): true, strings.Repeat("x", inline+1): false} {
		packed, err := pack([]byte(text))
		if err != nil || (string(packed) == text) != same {
			t.Errorf("%d bytes become %d: %v", len(text), len(packed), err)
		}
		if back, err := unpack(packed); err != nil || string(back) != text {
			t.Errorf("%d bytes come back as %d: %v", len(text), len(back), err)
		}
	}
}

func TestAMemoryThatIsTooLargeEvenSoIsNotWritten(t *testing.T) {
	noise := make([]byte, v1.MaxConfigSize+1)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	if _, err := pack(noise); err == nil || !strings.Contains(err.Error(), "a swarm config holds") {
		t.Errorf("got %v", err)
	}
}

// What is written is read back, up to the last byte. What would not be read back is not written: it would take the place
// of a memory that can be read.
func TestWhatIsPackedCanBeUnpacked(t *testing.T) {
	for _, more := range []int{-1, 0, 1} {
		data := bytes.Repeat([]byte{'x'}, mostUnpacked+more)
		packed, err := pack(data)
		if more > 0 {
			if err == nil || err.Error() != "it has 16777217 bytes, and 16777216 are read back at most. Nothing was written. "+
				"Change fewer objects with one commit, or divide the source into several" {
				t.Errorf("%d bytes: got %d bytes and %v", len(data), len(packed), err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%d bytes: %v", len(data), err)
		}
		if back, err := unpack(packed); err != nil || !bytes.Equal(back, data) {
			t.Errorf("%d bytes come back as %d: %v", len(data), len(back), err)
		}
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(bytes.Repeat([]byte{'x'}, mostUnpacked+1)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := unpack(b.Bytes()); err == nil || !strings.Contains(err.Error(), "more than 16777216 bytes") {
		t.Errorf("more than packing allows is unpacked: %v", err)
	}
}
