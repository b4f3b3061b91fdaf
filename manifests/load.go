// Package manifests reads a source. It turns the YAML files of an fs.FS into a Set of objects, or names every problem
// in them, each with file, line, object and field.
//
// It only reads and checks. It opens nothing outside the file system that it is given and follows no link. It never
// converts a value of one type into another, and no problem repeats what may be a secret.
package manifests

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Options say what a Loader knows.
type Options struct {
	// New returns an empty object of a kind, or nil if the kind is not known.
	New func(kind string) v1.Object
	// Kinds are the names of the kinds that New knows. Messages use them.
	Kinds []string
	// Field reports whether a path names a field of the kind that can differ, and returns all such fields for
	// messages. If Field is nil, every path is accepted.
	Field func(kind, path string) (ok bool, fields []string)
	// Limits bound what a source may cost. A limit that is zero has its value in DefaultLimits.
	Limits Limits
}

// Limits bound what a source may cost. They are far above what anybody needs.
type Limits struct {
	FileSize  int64 // of one manifest, in bytes
	TotalSize int64 // of all manifests and content files, in bytes
	Files     int   // manifests
	Listed    int   // files and directories of any kind
	Depth     int   // of nested values, and of directories
	Aliased   int   // values that a document's aliases stand for
	Problems  int   // listed for one file; all files together list ten times as many
}

// DefaultLimits apply if Options state none.
var DefaultLimits = Limits{
	FileSize:  1 << 20,
	TotalSize: 64 << 20,
	Files:     50_000,
	Listed:    1_000_000,
	Depth:     64,
	Aliased:   10_000,
	Problems:  1_000,
}

// blob is implemented by the result of fs.FileInfo.Sys if the file system knows an id of each file's content.
type blob interface{ BlobID() string }

// Loader loads one source repeatedly and parses only what has changed. Several goroutines may use it at once.
type Loader struct {
	parser parser
	mu     sync.Mutex
	kept   map[string]parsed // by blob id
	merged merged
}

// NewLoader returns a Loader that has read nothing yet.
func NewLoader(o Options) *Loader {
	o.Limits = o.Limits.withDefaults()
	return &Loader{parser: parser{o}, kept: map[string]parsed{}}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits
	pick := func(to *int, from int) {
		if *to == 0 {
			*to = from
		}
	}
	if l.FileSize == 0 {
		l.FileSize = d.FileSize
	}
	if l.TotalSize == 0 {
		l.TotalSize = d.TotalSize
	}
	pick(&l.Files, d.Files)
	pick(&l.Listed, d.Listed)
	pick(&l.Depth, d.Depth)
	pick(&l.Aliased, d.Aliased)
	pick(&l.Problems, d.Problems)
	return l
}

// Load reads the manifests below root of fsys, and the files anywhere in fsys that they name as content. If fsys has
// links, it should implement fs.ReadLinkFS. The Set holds what could be read. If a problem does more than hold an
// object (see v1.Refusing), callers must not act on the Set.
func (l *Loader) Load(fsys fs.FS, root string) (Set, []v1.Problem) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &reading{parser: l.parser, limits: l.parser.options.Limits, fsys: fsys, before: l.kept, used: map[string]bool{}}
	set := r.load(root)
	l.merged = l.merged.into(set)
	maps.DeleteFunc(l.kept, func(id string, _ parsed) bool { return !r.used[id] })
	slices.SortFunc(r.problems, v1.Problem.Compare)
	slices.SortFunc(set.Notices, v1.Problem.Compare)
	r.problems = slices.Compact(r.problems)
	if limit := r.most(); len(r.problems) > limit {
		r.problems = append(r.problems[:limit], v1.Problem{Message: fmt.Sprintf("there are more than %d problems; the others are not listed", limit)})
	}
	return set, r.problems
}

// reading is the work of one Load.
type reading struct {
	parser     parser
	limits     Limits
	fsys       fs.FS
	before     map[string]parsed // by blob id
	used       map[string]bool   // blob ids that this Load has met
	problems   []v1.Problem
	size       int64 // of what was read
	files      []*file
	unread     [][]byte // texts that could not be read as manifests
	blind      bool     // true if a whole file could not be read, so that nobody knows what it states
	unreadSize int
	// suggested counts how often a similar name was looked for.
	suggested int
	// partners are the other objects that problems hold.
	partners []partner
}

// file is one file that may hold manifests.
type file struct {
	name     string
	problems []v1.Problem
	parsed   parsed
}

func (f *file) add(format string, args ...any) {
	f.problems = append(f.problems, clean(v1.Problem{File: f.name, Message: fmt.Sprintf(format, args...)}))
}

func (r *reading) add(file string, line int, object v1.Key, path, format string, args ...any) {
	r.problems = append(r.problems, clean(v1.Problem{File: file, Line: line, Object: object, Path: path, Message: fmt.Sprintf(format, args...)}))
}

func (r *reading) load(root string) Set {
	set := Set{}
	if !r.enter(root) {
		return set
	}
	own := r.own(root)
	set.Name, set.Defaults = own.Name, own.Defaults
	r.walk(root)
	found := 0
	for left := r.files; len(left) > 0; {
		n := r.read(left)
		for _, f := range left[:n] {
			found += len(f.problems)
		}
		if left = left[n:]; found > r.most() {
			r.blind = true // the rest is not read, because the list is long enough
			break
		}
	}
	r.dropContent()
	stated := 0
	for _, f := range r.files {
		r.problems = append(r.problems, f.problems...)
		stated += f.parsed.stated
		r.note(f.parsed.unread)
		set.notice(f)
		for _, d := range f.parsed.documents {
			e := Entry{Object: d.object, File: f.name, Line: d.line, marks: d.marks}
			r.content(&e)
			set.Entries = append(set.Entries, e)
		}
	}
	if stated == 0 && len(r.problems) == 0 {
		r.add("", 0, v1.Key{}, "", "there are no manifests below %s; the revision is refused, because an empty source would remove everything", quoteText(root))
	}
	set.Entries = r.unique(set.Entries)
	r.check(set)
	set.Held = r.held(set)
	return set
}

// mostNotices is how many notices are listed for a source.
const mostNotices = 100

// notice adds the notices of a file's manifests.
func (s *Set) notice(f *file) {
	for _, n := range f.parsed.notices {
		if len(s.Notices) < mostNotices {
			n.File = f.name
			s.Notices = append(s.Notices, n)
		}
	}
}

// most returns how many problems are listed for a whole source.
func (r *reading) most() int { return 10 * r.limits.Problems }

// note keeps texts that could not be read, as long as searching them is cheap.
func (r *reading) note(unread [][]byte) {
	const limit = 256 << 10
	for _, text := range unread {
		if r.unreadSize += len(text); r.unreadSize > limit {
			r.blind = true
			return
		}
		r.unread = append(r.unread, text)
	}
}

// enter checks that the root is a directory and that no link leads to it. It returns false if not, after it has added
// a problem.
func (r *reading) enter(root string) bool {
	switch problem := r.plain(root, true); {
	case !fs.ValidPath(root):
		r.add("", 0, v1.Key{}, "", "the path %s is not one below the source: it must be relative, with / and without ..", quoteText(root))
	case problem != "":
		r.add("", 0, v1.Key{}, "", "the path %s %s", quoteText(root), problem)
	default:
		return true
	}
	return false
}

// unique sorts entries by key. For each key it keeps the first entry and reports the others.
func (r *reading) unique(entries []Entry) []Entry {
	slices.SortStableFunc(entries, func(a, b Entry) int { return a.Key().Compare(b.Key()) })
	out := entries[:0]
	for _, e := range entries {
		if len(out) > 0 && out[len(out)-1].Key() == e.Key() {
			first := out[len(out)-1]
			r.add(e.File, e.LineOf("metadata.name"), e.Key(), "metadata.name", "is stated twice: also in %s", place(first.File, first.LineOf("metadata.name")))
			continue
		}
		out = append(out, e)
	}
	return out
}

func place(file string, line int) string { return fmt.Sprintf("%s:%d", file, line) }

// mentioned reports whether a text that could not be read may hold a name. If so, what the name stands for is not
// known to be missing.
func (r *reading) mentioned(name string) bool {
	return r.blind || slices.ContainsFunc(r.unread, func(text []byte) bool { return bytes.Contains(text, []byte(name)) })
}

// suggest is v1.DidYouMean for the first hundred problems. It compares with every name, and a source can have many of
// both.
func (r *reading) suggest(name string, names []string) string {
	if r.suggested++; r.suggested > 100 {
		return ""
	}
	return v1.DidYouMean(name, names)
}
