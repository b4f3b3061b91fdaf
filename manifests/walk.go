package manifests

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/gitignore"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

const (
	ignoreFile = ".swarmoperatorignore"
	// SourceFile is where a source says things about itself.
	SourceFile = ".swarm-operator.yaml"
)

// Reads reports whether a file is a manifest or one of the operator's own, by the last element of its path.
func Reads(name string) bool { return name == ignoreFile || name == SourceFile || isManifest(name) }

func isManifest(name string) bool {
	return !strings.HasPrefix(name, ".") && (strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml"))
}

// unparsed is what is known of a file that was not parsed.
var unparsed = &parsed{}

// walker finds the files that may hold manifests.
type walker struct {
	*reading
	root   string
	ignore gitignore.Matcher
	listed int
	full   bool
}

// walk lists the manifests below root in the order of their names.
func (r *reading) walk(root string) {
	w := &walker{reading: r, root: root, ignore: r.ignored(root)}
	w.directory(root, 0)
	slices.SortFunc(r.files, func(a, b *file) int { return strings.Compare(a.name, b.name) })
}

func (w *walker) directory(dir string, depth int) {
	if depth > w.limits().Depth {
		w.add(dir, 0, v1.Key{}, "", "lies deeper than %d directories", w.limits().Depth)
		return
	}
	entries, err := fs.ReadDir(w.fsys, dir)
	if err != nil {
		w.unknown.all = true
		w.add(dir, 0, v1.Key{}, "", "the directory cannot be listed: %s", cause(err))
		return
	}
	for _, e := range entries {
		if w.listed++; w.listed > w.limits().Listed && !w.full {
			w.full = true
			w.add("", 0, v1.Key{}, "", "the source has more than %d files; name the directory of the manifests with --path", w.limits().Listed)
		}
		if w.full {
			return
		}
		w.entry(path.Join(dir, e.Name()), e, depth)
	}
}

func (w *walker) entry(name string, e fs.DirEntry, depth int) {
	if strings.HasPrefix(e.Name(), ".") || w.ignore != nil && w.ignore.Match(strings.Split(name, "/"), e.IsDir()) {
		return
	}
	manifest := isManifest(e.Name())
	switch {
	case e.IsDir():
		if manifest {
			w.add(name, 0, v1.Key{}, "", "is a directory, although it is named like a manifest; rename it, or name it in %s", ignoreFile)
		}
		w.directory(name, depth+1)
	case e.Type() == fs.ModeIrregular:
		w.add(name, 0, v1.Key{}, "", "is a submodule: its files are no part of the commit; if it holds no manifests, name it in %s", ignoreFile)
	case !manifest && e.Type()&fs.ModeSymlink != 0:
		w.link(name)
	case !manifest:
	case len(w.files) == w.limits().Files:
		w.full = true
		w.add("", 0, v1.Key{}, "", "the source has more than %d manifests", w.limits().Files)
	default:
		f := &file{name: name, parsed: unparsed}
		if info, is := e.(fs.FileInfo); is {
			if _, is := info.Sys().(blob); is {
				f.info = info
			}
		}
		w.files = append(w.files, f)
		if what := irregular(e.Type()); what != "" {
			f.add("%s; only regular files are read", what)
		}
	}
}

// link reports a link to a directory of the source that the walk does not read otherwise. Its manifests would be
// missing silently.
func (w *walker) link(name string) {
	to, err := fs.ReadLink(w.fsys, name)
	to = path.Join(path.Dir(name), to)
	if err != nil || !fs.ValidPath(to) || w.root == "." || to == w.root || strings.HasPrefix(to, w.root+"/") {
		return
	}
	if info, err := fs.Lstat(w.fsys, to); err == nil && info.IsDir() {
		w.add(name, 0, v1.Key{}, "", "is a link to the directory %s, which is not followed; if no manifests are expected there, name it in %s", quoteText(to), ignoreFile)
	}
}

// irregular describes a type of file that is not read, or returns "".
func irregular(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return ""
	case mode&fs.ModeSymlink != 0:
		return "is a link"
	case mode.IsDir():
		return "is a directory"
	case mode&fs.ModeIrregular != 0:
		return "is a submodule"
	}
	return "is a device, a pipe or a socket"
}

// ignored returns what to ignore, or nil if that is nothing. It reads .swarmoperatorignore at the source's root, and
// also at the manifests' root if that is another directory.
func (r *reading) ignored(root string) gitignore.Matcher {
	var patterns []gitignore.Pattern
	for _, dir := range slices.Compact([]string{".", root}) {
		var domain []string
		if dir != "." {
			domain = strings.Split(dir, "/")
		}
		data, ok := r.dotFile(path.Join(dir, ignoreFile))
		for _, line := range strings.Split(string(data), "\n") {
			line = strings.TrimSuffix(line, "\r")
			if ok && strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "#") {
				patterns = append(patterns, gitignore.ParsePattern(line, domain))
			}
		}
	}
	if len(patterns) == 0 {
		return nil
	}
	return gitignore.NewMatcher(patterns)
}

// dotFile reads one of the operator's own files. The second result is false if the file does not exist or cannot be
// read.
func (r *reading) dotFile(name string) ([]byte, bool) {
	info, err := fs.Lstat(r.fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false
	}
	f := &file{name: name}
	defer func() { r.problems = append(r.problems, f.problems...) }()
	if err != nil {
		f.add("cannot be read: %s", cause(err))
		return nil, false
	}
	if what := irregular(info.Mode()); what != "" {
		f.add("%s; only regular files are read", what)
		return nil, false
	}
	return r.bytes(f, info, r.limits().FileSize)
}

// read parses the first of the given files, except those that were parsed before. It returns how many files it took.
func (r *reading) read(files []*file) int {
	type job struct {
		f    *file
		id   string
		data []byte
	}
	var jobs []job
	n, size := 0, 0
	for _, f := range files {
		if n == batchSize || size > batchBytes {
			break
		}
		n++
		id, data, ok := r.fetch(f)
		switch {
		case ok:
			jobs = append(jobs, job{f, id, data})
			size += len(data)
		case id != "" && len(f.problems) == 0:
			if known := r.before.meet(id); known != nil {
				f.parsed = known
			}
		}
	}
	parallel(len(jobs), func(i int) {
		p := r.parser.parse(jobs[i].data)
		jobs[i].f.parsed = &p
	})
	for _, j := range jobs {
		if j.id != "" {
			r.before.keep(j.id, j.f.parsed)
		}
	}
	for _, f := range files[:n] {
		for _, p := range f.parsed.problems {
			p.File = f.name
			f.problems = append(f.problems, p)
		}
	}
	return n
}

// fetch returns the id of a file's content, if it has one, and the content itself. ok is false if the content was
// parsed before or cannot be read.
func (r *reading) fetch(f *file) (id string, data []byte, ok bool) {
	if len(f.problems) > 0 { // a link, for example
		f.parsed, r.unknown.all = &parsed{stated: 1}, true
		return "", nil, false
	}
	info, err := f.info, error(nil)
	if info == nil {
		info, err = fs.Lstat(r.fsys, f.name)
	}
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it changed while it was read")
	}
	if err != nil {
		r.unknown.all = true
		f.add("cannot be read: %s", cause(err))
		return "", nil, false
	}
	if id = blobID(info); id != "" {
		if known := r.before.meet(id); known != nil {
			r.unknown.all = !r.account(f, int64(known.size)) || r.unknown.all
			return id, nil, false
		}
	}
	data, ok = r.bytes(f, info, r.limits().FileSize)
	r.unknown.all = r.unknown.all || !ok
	return id, data, ok
}

// bytes reads a regular file of at most limit bytes. It checks the stated size first, but does not trust it.
func (r *reading) bytes(f *file, info fs.FileInfo, limit int64) ([]byte, bool) {
	if info.Size() > limit {
		f.add("has %d bytes; at most %d are read", info.Size(), limit)
		return nil, false
	}
	if !r.account(f, info.Size()) {
		return nil, false
	}
	data, err := readAtMost(r.fsys, f.name, limit)
	if err != nil {
		f.add("cannot be read: %s", cause(err))
		return nil, false
	}
	if int64(len(data)) > limit {
		f.add("has more than %d bytes", limit)
		return nil, false
	}
	return data, true
}

// account adds a file's size to the source's total. It returns false, and reports it, if the total would exceed the
// limit.
func (r *reading) account(f *file, size int64) bool {
	if r.size+size > r.limits().TotalSize {
		f.add("is not read: the files of the source have more than %d bytes together", r.limits().TotalSize)
		return false
	}
	r.size += size
	return true
}

func readAtMost(fsys fs.FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, limit+1))
}

// cause returns what went wrong, without the path, which the problem already names.
func cause(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return err.Error()
}
