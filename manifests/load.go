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
	// Kinds are the kinds of manifests, in the order in which messages list them.
	Kinds []Kind
	// Limits bound what a source may cost. A limit that is zero has its value in DefaultLimits.
	Limits Limits
	// Rules returns what is wrong with objects by the rules of others than their kinds: problems, each of which holds its
	// object, and notices. nil means that there are no such rules.
	Rules func(Set) (problems, notices []v1.Problem)
}

// Kind is what a Loader knows of one kind of manifests.
type Kind struct {
	Name string
	// New returns an empty manifest.
	New func() v1.Object
	// Field reports whether a path names a field of the kind that can differ, and returns all such fields for
	// messages. If Field is nil, every path is accepted.
	Field func(path string) (ok bool, fields []string)
	// Expand makes the objects that a manifest of the kind stands for. It is nil if a manifest is the object itself.
	Expand func(*Expansion)
}

// kind returns a kind by name. The second result is false if the kind is not known.
func (o *Options) kind(name string) (Kind, bool) {
	for _, k := range o.Kinds {
		if k.Name == name {
			return k, true
		}
	}
	return Kind{}, false
}

// names returns the names of the kinds.
func (o *Options) names() []string {
	out := make([]string, len(o.Kinds))
	for i, k := range o.Kinds {
		out[i] = k.Name
	}
	return out
}

// Limits bound what a source may cost. They are far above what anybody needs.
type Limits struct {
	FileSize  int64 // of one manifest, in bytes
	TotalSize int64 // of all manifests and content files, in bytes
	Files     int   // manifests
	Listed    int   // files and directories of any kind
	Objects   int   // that one manifest stands for
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
	Objects:   10_000,
	Depth:     64,
	Aliased:   10_000,
	Problems:  1_000,
}

// blob is implemented by the result of fs.FileInfo.Sys if the file system knows an id of each file's content.
type blob interface{ BlobID() string }

// blobID returns the id of a file's content, or "" if it is not known.
func blobID(info fs.FileInfo) string {
	if b, ok := info.Sys().(blob); ok {
		return b.BlobID()
	}
	return ""
}

// Loader loads one source repeatedly and parses only what has changed. Several goroutines may use it at once.
type Loader struct {
	parser   parser
	mu       sync.Mutex
	kept     map[string]*parsed // by blob id
	turn     uint64
	expanded map[origin]*expanded
	merged   merged
}

// NewLoader returns a Loader that has read nothing yet.
func NewLoader(o Options) *Loader {
	o.Limits = o.Limits.withDefaults()
	return &Loader{parser: parser{o}, kept: map[string]*parsed{}}
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
	pick(&l.Objects, d.Objects)
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
	l.turn++
	r := &reading{parser: l.parser, fsys: fsys, before: before{l.kept, l.turn}, expansions: expansions{before: l.expanded}}
	set := r.load(root)
	l.merged, l.expanded = l.merged.into(set), r.expansions.next
	maps.DeleteFunc(l.kept, func(_ string, p *parsed) bool { return p.turn != l.turn })
	slices.SortFunc(r.problems, v1.Problem.Compare)
	slices.SortFunc(set.Notices, v1.Problem.Compare)
	r.problems = slices.Compact(r.problems)
	if limit := r.most(); len(r.problems) > limit {
		set.Cut = true
		r.problems = append(r.problems[:limit], v1.Problem{Message: fmt.Sprintf("there are more than %d problems; the others are not listed", limit)})
	}
	return set, r.problems
}

// before is what earlier Loads have parsed, by blob id. Each Load marks with its turn what it has met.
type before struct {
	parsed map[string]*parsed
	turn   uint64
}

// meet returns what was parsed of a blob. It returns nil if nothing was.
func (b before) meet(id string) *parsed {
	p := b.parsed[id]
	if p != nil {
		p.turn = b.turn
	}
	return p
}

func (b before) keep(id string, p *parsed) {
	p.turn = b.turn
	b.parsed[id] = p
}

// reading is the work of one Load.
type reading struct {
	parser   parser
	fsys     fs.FS
	before   before
	problems []v1.Problem
	size     int64 // of what was read
	files    []*file
	unknown  unknown
	// expansions are the manifests that stand for other objects.
	expansions expansions
	// suggested counts how often a similar name was looked for.
	suggested int
	// targets are the objects that others refer to, as far as somebody has asked for them.
	targets map[v1.Key]referred
	// partners are the other objects that problems hold.
	partners []partner
}

// unknown is what could not be read as manifests.
type unknown struct {
	texts [][]byte
	size  int
	all   bool // true if a whole file could not be read, so that nobody knows what it states
}

func (r *reading) limits() *Limits { return &r.parser.options.Limits }

// file is one file that may hold manifests.
type file struct {
	name string
	// info describes the file if its content has an id, and so cannot change. It is nil otherwise.
	info     fs.FileInfo
	problems []v1.Problem
	parsed   *parsed
	expanded map[v1.Object]*expanded // by manifest
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
	set.Name, set.Defaults, set.Show = own.Name, own.Defaults, own.Show
	r.decode(root)
	r.expand(&set, root)
	r.check(&set)
	return set
}

// mostNotices is how many notices are listed for a source.
const mostNotices = 100

// notice adds notices, up to mostNotices in all.
func (s *Set) notice(notices []v1.Problem) {
	s.Notices = append(s.Notices, notices[:min(len(notices), mostNotices-len(s.Notices))]...)
}

// most returns how many problems are listed for a whole source.
func (r *reading) most() int { return 10 * r.limits().Problems }

// note keeps texts that could not be read, as long as searching them is cheap. Beyond that, mentioned returns true for
// every name.
func (r *reading) note(unread [][]byte) {
	const limit = 256 << 10
	for _, text := range unread {
		if r.unknown.size += len(text); r.unknown.size > limit {
			r.unknown.all = true
			return
		}
		r.unknown.texts = append(r.unknown.texts, text)
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

// mentioned reports whether a text that could not be read may hold a name. If so, what the name stands for is not
// known to be missing.
func (r *reading) mentioned(name string) bool {
	return r.unknown.all || slices.ContainsFunc(r.unknown.texts, func(text []byte) bool { return bytes.Contains(text, []byte(name)) })
}

// suggest is v1.DidYouMean for the first hundred problems. It compares with every name, and a source can have many of
// both.
func (r *reading) suggest(name string, names []string) string {
	if r.suggested++; r.suggested > 100 {
		return ""
	}
	return v1.DidYouMean(name, names)
}
