package diff

import "strings"

// absent is the text of a leaf that is not there, for attribution. No leaf has it: NUL is refused in every string.
const absent = "\x00"

// attribute says whose doing a difference is: git's if the want differs from what was last applied, a hand's if the live
// value does. l is the one of hl and wl that is there; h and w are the objects that they are leaves of.
func attribute(l, hl, wl *Leaf, h, w *State, rule Rule) (git, hand bool) {
	applied := h.Meta.Applied
	if applied.Zero() || h.Meta.Distrust {
		return true, false
	}
	have, want, stated := absent, absent, wl != nil && wl.Stated
	if hl != nil {
		have = hl.Text
	}
	if wl != nil {
		want = wl.Text
	}
	if !applied.has(l.Path) {
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

// brought reports whether a leaf that no manifest stated differs because of what it is part of: the manifest states that
// now and did not when it was last applied, or the other way round. A port brings its mode, and takes it away again.
//
// A block such as spec.updateConfig brings only what was not there before: its defaults hold whether it is stated or not,
// so of a value that was there already it was a hand that changed it.
func brought(l, hl, wl *Leaf, h, w *State) bool {
	if strings.HasSuffix(l.Type, ".*") {
		return false // no default has keys: somebody set it
	}
	for part, element := range parts(l.Path) {
		now, before := false, false
		for _, leaf := range w.Leaves {
			if below(leaf.Path, part) {
				now, before = now || leaf.Stated, before || h.Meta.Applied.has(leaf.Path)
			}
		}
		for _, leaf := range h.Leaves {
			before = before || below(leaf.Path, part) && h.Meta.Applied.has(leaf.Path)
		}
		if now != before && (element || hl == nil || wl == nil) {
			return true
		}
	}
	return false
}

// restated reports whether the manifest says something else at a path than it did when it was last applied.
func restated(path string, w *State, applied Applied) bool {
	l, ok := w.Leaf(path)
	if !ok || !l.Stated {
		return applied.has(path)
	}
	return !applied.is(path, l.Text)
}

// parts lists what a leaf of a spec is part of, and which of that are elements of lists: of spec.mounts[/x].tmpfs.size that
// is the element spec.mounts[/x], and the block spec.mounts[/x].tmpfs. A list is no part: it brings nothing of its own.
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
			if element { // a key may hold dots, and ends before the name of a leaf or of a block
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
