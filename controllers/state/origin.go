package state

import "slices"

// Origin is where a source began. It tells the source's revisions from those of another repository that has its name,
// whatever their dates say.
type Origin struct {
	// Roots are the commits that the history began with, by their full hashes. If Cut is true, a shallow clone cut the
	// history off, and they are the oldest commits that it had.
	Roots []string `json:"roots,omitempty"`
	Cut   bool     `json:"cut,omitempty"`
	// Place is the absolute path of the directory, if its files were read as they are.
	Place string `json:"place,omitempty"`
}

// Known reports whether it is known where the source began. It is not if nothing was written yet, or if the memory is
// of an earlier release.
func (o Origin) Known() bool { return len(o.Roots) > 0 || o.Place != "" }

// Better reports whether o says more about the same source than old.
func (o Origin) Better(old Origin) bool {
	return !old.Known() && o.Known() || len(o.Roots) > 0 && (len(old.Roots) == 0 || old.Cut && !o.Cut)
}

// Known returns the commits by which the source is known: a history that has one of them is that of the source.
func (m Memory) Known() []string {
	known := slices.Clone(m.Origin.Roots)
	if len(m.InForce.Hash) == 40 {
		known = append(known, m.InForce.Hash)
	}
	return known
}
