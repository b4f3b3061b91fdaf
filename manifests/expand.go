package manifests

import (
	"bytes"
	"fmt"
	"io/fs"
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// expand is the second stage of a Load. It turns the manifests into the objects that they stand for. Most manifests are
// the object itself, and lack only the content of a file that they name.
func (r *reading) expand(set *Set, root string) {
	for _, f := range r.files {
		r.expandFile(f)
	}
	r.dropContent() // what an expansion has read is no manifest, whatever it looks like
	stated, entries := 0, 0
	for _, f := range r.files {
		entries += len(f.parsed.documents)
		for _, made := range f.expanded {
			entries += len(made.entries)
		}
	}
	set.Entries = make([]Entry, 0, entries)
	for _, f := range r.files {
		r.problems = append(r.problems, f.problems...)
		stated += f.parsed.stated
		r.note(f.parsed.unread)
		set.notice(in(f.name, f.parsed.notices))
		for i := range f.parsed.documents {
			d := &f.parsed.documents[i]
			e := d.entry(f.name)
			if made := f.expanded[d.object]; made != nil {
				r.members(set, e, made)
				continue
			}
			r.content(&e)
			set.Entries = append(set.Entries, e)
		}
	}
	if stated == 0 && len(r.problems) == 0 {
		r.add("", 0, v1.Key{}, "", "there are no manifests below %s; the revision is refused, because an empty source would remove everything", quoteText(root))
	}
}

// in returns copies of problems or notices, with the name of the file filled in.
func in(file string, said []v1.Problem) []v1.Problem {
	out := slices.Clone(said)
	for i := range out {
		out[i].File = file
	}
	return out
}

func (d *document) entry(file string) Entry {
	return Entry{Object: d.object, File: file, Line: d.line, document: d}
}

// expansions are the manifests of a source that stand for other objects.
type expansions struct {
	before, next map[origin]*expanded // what the last Load has left, and what this one leaves
	manifests    map[v1.Key]Entry
	// failed are the manifests with a problem. Nobody knows all objects that they stand for.
	failed map[v1.Key]bool
}

// origin is what an expansion begins with. The same manifest in another file names other files.
type origin struct {
	manifest v1.Object
	file     string
}

// expanded is what one manifest stands for.
type expanded struct {
	entries  []Entry
	problems []v1.Problem
	notices  []v1.Problem
	read     []*named
	// failed is true if a problem is not about one object alone. Such a problem holds all that the manifest stands for.
	failed bool
}

// named is a file that an expansion has asked for.
type named struct {
	name    string
	id      string // of its content, or "" if that is not known
	data    []byte // kept as long as it may still be needed
	problem string
}

// expandFile expands the manifests of a file that stand for other objects. An expansion of the last Load serves again
// if the manifest and all files that it has read are still the same.
func (r *reading) expandFile(f *file) {
	for i := range f.parsed.documents {
		d := &f.parsed.documents[i]
		kind, _ := r.parser.options.kind(d.object.Key().Kind)
		if kind.Expand == nil {
			continue
		}
		if f.expanded == nil {
			f.expanded = map[v1.Object]*expanded{}
		}
		from := origin{d.object, f.name}
		made, kept := r.expansions.before[from]
		if !kept || !r.unchanged(made.read) {
			x := &Expansion{Manifest: d.object, entry: d.entry(f.name), reading: r, made: &expanded{}, keys: map[v1.Key]Entry{}}
			x.run(kind.Expand)
			made = x.made
		}
		f.expanded[d.object] = made
		if d.bad { // the problems of the expansion may only follow from those of the manifest
			made.problems, made.notices, made.failed = nil, nil, true
		}
		if made.keeps() {
			if r.expansions.next == nil {
				r.expansions.next = map[origin]*expanded{}
			}
			r.expansions.next[from] = made
		}
	}
}

// keeps reports whether the expansion can serve again, and if so drops what it does not need for that.
func (e *expanded) keeps() bool {
	if e.failed || slices.ContainsFunc(e.read, func(one *named) bool { return one.id == "" }) {
		return false
	}
	for _, one := range e.read {
		one.data = nil
	}
	return true
}

// unchanged reports whether files that were read are still the same. If so, it counts their sizes as if they had been
// read again.
func (r *reading) unchanged(files []*named) bool {
	size := r.size
	for _, one := range files {
		if problem, _ := r.way(one.name, false); problem != "" {
			return false
		}
		info, err := fs.Lstat(r.fsys, one.name)
		if err != nil || blobID(info) != one.id {
			return false
		}
		size += info.Size()
	}
	if size > r.limits().TotalSize {
		return false
	}
	r.size = size
	for _, one := range files {
		r.before.meet(one.id)
	}
	return true
}

// mayRead reports whether a file that was read for a manifest holds a text. It is false unless the manifest could not
// be expanded, because otherwise all that the manifest names was read.
func (f *file) mayRead(text string) bool {
	for _, made := range f.expanded {
		if made.failed && slices.ContainsFunc(made.read, func(one *named) bool { return bytes.Contains(one.data, []byte(text)) }) {
			return true
		}
	}
	return false
}

// members adds the objects that a manifest stands for.
func (r *reading) members(set *Set, manifest Entry, made *expanded) {
	x, key := &r.expansions, manifest.Key()
	if first, twice := x.manifests[key]; twice {
		r.twice(manifest, first)
		return
	}
	if x.manifests == nil {
		x.manifests, x.failed = map[v1.Key]Entry{}, map[v1.Key]bool{}
	}
	x.manifests[key] = manifest
	if made.failed {
		x.failed[key] = true
	}
	r.problems = append(r.problems, made.problems...)
	set.notice(made.notices)
	set.Entries = append(set.Entries, made.entries...)
}

// Expansion is the work of a Kind's Expand on one manifest. Expand must use only the manifest and the files that Read
// returns, because the Loader keeps the result until one of them changes.
type Expansion struct {
	// Manifest is what Expand expands. It must not be changed. A field whose value is wrong is unset.
	Manifest v1.Object

	entry   Entry // of the manifest
	reading *reading
	made    *expanded
	keys    map[v1.Key]Entry // what was made, as the swarm compares names
	full    bool
}

// run calls expand. A fault in it must not stop the operator. Its text is not shown, because it could quote a file.
func (x *Expansion) run(expand func(*Expansion)) {
	defer func() {
		if fault := recover(); fault != nil {
			x.Problem(x.Position(""), "", "cannot be expanded because of a fault in swarm-operator (%T); please report it", fault)
		}
	}()
	expand(x)
}

// Position returns the place of a field of the manifest.
func (x *Expansion) Position(path string) Position { return x.entry.Position(path) }

// Read reads a file of the revision. stated is its path, relative to the file from, which states it. The rules are
// those of the files of configs: the path stays in the repository and leads through no link. name is the file's own
// path. If the file cannot be read, problem says why, as a text to put after the path.
func (x *Expansion) Read(from, stated string) (name string, data []byte, problem string) {
	name, problem = contentPath(from, stated)
	if problem != "" {
		return "", nil, problem
	}
	for _, one := range x.made.read {
		if one.name == name {
			return name, one.data, one.problem
		}
	}
	one := &named{name: name}
	one.data, one.id, one.problem = x.reading.named(name, x.reading.limits().FileSize)
	x.reading.before.meet(one.id) // it may be parsed as a manifest too
	x.made.read = append(x.made.read, one)
	return name, one.data, one.problem
}

// Problem says what is wrong with the manifest or with a file that it names. It holds everything that the manifest
// stands for.
func (x *Expansion) Problem(at Position, path, format string, args ...any) {
	x.made.failed = true
	x.add(v1.Problem{File: at.File, Line: at.Line, Object: x.Manifest.Key(), Path: path, Message: fmt.Sprintf(format, args...)})
}

// Notice says what is allowed but hardly meant.
func (x *Expansion) Notice(at Position, path, format string, args ...any) {
	if len(x.made.notices) < mostNotices {
		x.made.notices = append(x.made.notices, clean(v1.Problem{File: at.File, Line: at.Line, Object: x.Manifest.Key(), Path: path, Message: fmt.Sprintf(format, args...)}))
	}
}

func (x *Expansion) add(p v1.Problem) {
	switch limit, n := x.reading.limits().Problems, len(x.made.problems); {
	case n > limit:
		return
	case n == limit: // what is not listed may be of any object
		p.Object, p.Path = x.Manifest.Key(), ""
		p.Message = fmt.Sprintf("has more than %d problems; the others are not listed", limit)
	}
	p.Holds = true
	x.made.problems = append(x.made.problems, clean(p))
}

// Object adds an object. at has the places that its fields come from, by path with list indexes; a field that is not
// there has the place of its nearest parent, and the object itself has the path "". Object returns false if the
// manifest stands for too many objects; Expand should then return.
func (x *Expansion) Object(o v1.Object, at map[string]Position) bool {
	if limit := x.reading.limits().Objects; x.full || len(x.made.entries) == limit {
		if !x.full {
			x.full = true
			x.Problem(x.Position(""), "", "stands for more than %d objects; divide it into several manifests", limit)
		}
		return false
	}
	d := &document{object: o, refs: o.Refs()}
	all, positions := placed(o, at, x.Position(""))
	d.marks, d.positions = all.pack(), positions
	d.line = d.positions[0].Line
	e := d.entry(d.positions[0].File)
	e.From = x.Manifest.Key()
	key := e.Key()
	if kind, known := x.reading.parser.options.kind(key.Kind); !known || kind.Expand != nil {
		x.Problem(e.Position(""), "", "makes %s, and no object is of that kind; this is a fault in swarm-operator, please report it", quoteText(key.String()))
		return true
	}
	if first, twice := x.keys[key.Folded()]; twice {
		x.Problem(e.Position("metadata.name"), "", "%s is stated twice: also in %s%s", key, first.Position("metadata.name"), caseless(key, first.Key()))
		return true
	}
	x.keys[key.Folded()] = e
	x.validate(e)
	x.made.entries = append(x.made.entries, e)
	return true
}

// caseless says why two keys are the same for the swarm. It returns "" if they are equal.
func caseless(a, b v1.Key) string {
	if a == b {
		return ""
	}
	return ", as " + quoteText(b.Name) + "; the swarm compares names without case"
}

// validate adds the problems that an object finds in itself. They hold the object. If its name is wrong, nobody knows
// which object is meant, and the problem holds the manifest.
func (x *Expansion) validate(e Entry) {
	d := &decoder{limits: *x.reading.limits(), object: e.Key(), marks: e.document.marks.all()}
	said := func(of []v1.Problem) (out []v1.Problem) {
		d.place(of, e.Object, &out)
		for i := range out {
			out[i].File = e.Position(of[i].Path).File
		}
		return out
	}
	found := e.Object.Validate()
	for _, p := range said(found) {
		if within(p.Path, "metadata.name") {
			x.Problem(Position{File: p.File, Line: p.Line}, "", "%s: %s: %s", quoteText(p.Object.String()), p.Path, p.Message)
			continue
		}
		x.add(p)
	}
	if n, ok := e.Object.(v1.Noticer); ok && len(found) == 0 {
		x.made.notices = append(x.made.notices, said(n.Notices())...)
	}
}
