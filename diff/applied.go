package diff

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
)

// Applied remembers, for each leaf that a manifest stated, a short digest of what was written. The applied label has
// it as "v1:" and base64. Each leaf takes eight bytes: four of the path's digest and four of the value's. The leaves
// are sorted.
//
// The digests tell whose doing a difference is. They never decide whether there is a difference, so a collision
// misattributes a change and hides none.
type Applied struct{ leaves []applied }

// applied is one leaf: the digest of its path, by which leaves are sorted, and the digest of its value.
type applied struct{ path, value uint32 }

const appliedPrefix = "v1:"

// Zero reports whether nothing is remembered.
func (a Applied) Zero() bool { return a.leaves == nil }

// Asks reports whether a manifest states something else than when it was last applied. It returns false if nothing is
// remembered.
func (a Applied) Asks(leaves []Leaf) (other bool) { return !a.Zero() && !a.Equal(NewApplied(leaves)) }

// Equal reports whether both remember the same.
func (a Applied) Equal(o Applied) bool {
	return a.Zero() == o.Zero() && slices.Equal(a.leaves, o.leaves)
}

// NewApplied returns the digests to remember of the stated leaves.
func NewApplied(leaves []Leaf) Applied {
	a := Applied{make([]applied, 0, len(leaves))}
	for _, l := range leaves {
		if l.Stated {
			a.leaves = append(a.leaves, applied{short(l.Path), short(l.Text)})
		}
	}
	a.sort()
	return a
}

// Again returns what to remember after these leaves were applied again, and no others.
func (a Applied) Again(leaves []Leaf) Applied {
	next := NewApplied(leaves)
	for _, l := range a.leaves {
		if !slices.ContainsFunc(leaves, func(w Leaf) bool { return short(w.Path) == l.path }) {
			next.leaves = append(next.leaves, l)
		}
	}
	next.sort()
	return next
}

// Keeping returns what to remember if the leaves at these paths were not applied: of them it is what was remembered before.
func (a Applied) Keeping(was Applied, paths []string) Applied {
	var next Applied
	for _, l := range a.leaves {
		if !slices.ContainsFunc(paths, func(p string) bool { return short(p) == l.path }) {
			next.leaves = append(next.leaves, l)
		}
	}
	for _, p := range paths {
		if i, ok := was.find(p); ok {
			next.leaves = append(next.leaves, was.leaves[i])
		}
	}
	next.sort()
	return next
}

// sort sorts the leaves. If two paths have the same digest, the last one counts.
func (a *Applied) sort() {
	slices.SortStableFunc(a.leaves, byPath)
	slices.Reverse(a.leaves)
	a.leaves = slices.CompactFunc(a.leaves, func(x, y applied) bool { return x.path == y.path })
	slices.Reverse(a.leaves)
}

func byPath(x, y applied) int { return cmp.Compare(x.path, y.path) }

// ParseApplied reads a label. It returns the zero value if this release does not know the label's format.
func ParseApplied(label string) Applied {
	encoded, ok := strings.CutPrefix(label, appliedPrefix)
	if !ok {
		return Applied{}
	}
	raw, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || len(raw)%8 != 0 {
		return Applied{}
	}
	a := Applied{make([]applied, 0, len(raw)/8)}
	for ; len(raw) > 0; raw = raw[8:] {
		a.leaves = append(a.leaves, applied{binary.BigEndian.Uint32(raw), binary.BigEndian.Uint32(raw[4:])})
	}
	a.sort() // somebody else may have written the label
	return a
}

// String returns the label.
func (a Applied) String() string {
	raw := make([]byte, 0, 8*len(a.leaves))
	for _, l := range a.leaves {
		raw = binary.BigEndian.AppendUint32(raw, l.path)
		raw = binary.BigEndian.AppendUint32(raw, l.value)
	}
	return appliedPrefix + base64.RawURLEncoding.EncodeToString(raw)
}

// Is reports whether a leaf was stated and applied with the text that it has.
func (a Applied) Is(l Leaf) bool { return a.is(l.Path, l.Text) }

// Has reports whether the path was stated when the manifest was last applied.
func (a Applied) Has(path string) bool {
	_, ok := a.find(path)
	return ok
}

// is reports whether the path was stated and applied with that text.
func (a Applied) is(path, text string) bool {
	i, ok := a.find(path)
	return ok && a.leaves[i].value == short(text)
}

func (a Applied) find(path string) (int, bool) {
	return slices.BinarySearchFunc(a.leaves, applied{path: short(path)}, byPath)
}

func short(s string) uint32 {
	sum := sha256.Sum256([]byte(s))
	return binary.BigEndian.Uint32(sum[:4])
}

func statedDigest(instance string, leaves []Leaf) string {
	h := sha256.New()
	write := func(s string) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	write(instance)
	for _, l := range leaves {
		if l.Stated {
			write(l.Path)
			write(l.Text)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:10])
}
