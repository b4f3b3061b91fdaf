package diff

import "strings"

// absent stands for the text of a leaf that does not exist. No leaf has this text, because NUL is refused in every
// string.
const absent = "\x00"

// attribute says whose doing a difference is. It is git's if the want differs from what was last applied, and a
// hand's if the live value does. l is the one of hl and wl that exists. h and w are the objects that hl and wl are
// leaves of.
func attribute(l, hl, wl *Leaf, h, w *State, rule Rule) (git, hand bool) {
	applied := h.Meta.Applied
	if applied.Zero() || h.Meta.Distrust || h.Meta.Unusable {
		return true, false
	}
	have, want, stated := absent, absent, wl != nil && wl.Stated
	if hl != nil {
		have = hl.Text
	}
	if wl != nil {
		want = wl.Text
	}
	if !applied.Has(l.Path) {
		git = stated || brought(l, hl, wl, h, w) || rule.Follows != "" && restated(rule.Follows, w, applied)
		return git, !git
	}
	git, hand = !stated || !applied.is(l.Path, want), !applied.is(l.Path, have)
	if hand && hl != nil && rule.Bare != nil {
		hand = !applied.is(l.Path, rule.Bare(have))
	}
	if !git && !hand { // a collision of digests; a difference must be somebody's
		git = true
	}
	return git, hand
}

// brought reports whether a leaf that no manifest stated differs because of the part that it belongs to. The manifest
// states something of that part now and did not when it was last applied, or the other way round. A port brings its
// mode, for example, and takes it away again.
//
// A block such as spec.updateConfig brings only leaves that did not exist before, because its defaults hold whether
// the block is stated or not. So if the leaf existed already, a hand changed it.
func brought(l, hl, wl *Leaf, h, w *State) bool {
	if strings.HasSuffix(l.Type, ".*") {
		return false // no default has keys, so somebody set it
	}
	for part, element := range parts(l.Path) {
		now, before := false, false
		for _, leaf := range w.Leaves {
			if below(leaf.Path, part) {
				now, before = now || leaf.Stated, before || h.Meta.Applied.Has(leaf.Path)
			}
		}
		for _, leaf := range h.Leaves {
			before = before || below(leaf.Path, part) && h.Meta.Applied.Has(leaf.Path)
		}
		if now != before && (element || hl == nil || wl == nil) {
			return true
		}
	}
	return false
}

// restated reports whether the manifest says something else at a path than when it was last applied.
func restated(path string, w *State, applied Applied) bool {
	l, ok := w.Leaf(path)
	if !ok || !l.Stated {
		return applied.Has(path)
	}
	return !applied.is(path, l.Text)
}

// parts returns what a leaf of a spec is part of, and which of these parts are elements of lists. For
// spec.mounts[/x].tmpfs.size they are the element spec.mounts[/x] and the block spec.mounts[/x].tmpfs. A list is no
// part, because it brings nothing of its own.
func parts(path string) func(yield func(part string, element bool) bool) {
	return func(yield func(string, bool) bool) {
		rest, ok := strings.CutPrefix(path, "spec.")
		if !ok {
			return
		}
		for at := len(path) - len(rest); ; {
			i := strings.IndexAny(path[at:], ".[")
			if i < 0 {
				return
			}
			at += i
			element := path[at] == '['
			if element { // a key may hold dots; it ends before the name of a leaf or of a block
				end := strings.Index(path[at:], "].")
				if end < 0 {
					return
				}
				at += end + 1
			}
			if !yield(path[:at], element) {
				return
			}
			at++
		}
	}
}

// below reports whether a path is that of a leaf within a part.
func below(path, part string) bool {
	return len(path) > len(part) && path[:len(part)] == part && (path[len(part)] == '.' || path[len(part)] == '[')
}
