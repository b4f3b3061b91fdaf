package manifests

import (
	"bytes"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// namedContent returns the files that a file's manifests name as content, or that their expansions have read. It leaves
// out paths that cannot be used.
func (f *file) namedContent() []string {
	var out []string
	for i := range f.parsed.documents {
		d := &f.parsed.documents[i]
		if made := f.expanded[d.object]; made != nil {
			for _, one := range made.read {
				out = append(out, one.name)
			}
		}
		if c, ok := d.object.(v1.ContentFile); ok {
			if stated, _ := c.ContentFile(); stated != "" {
				if name, problem := contentPath(f.name, stated); problem == "" {
					out = append(out, name)
				}
			}
		}
	}
	return out
}

// dropContent removes the files that are another manifest's content, whatever they hold. A file that is content names
// no content itself. The function therefore starts with the files that no manifest names, and goes on to those that
// they name.
func (r *reading) dropContent() {
	if !slices.ContainsFunc(r.files, func(f *file) bool { return len(f.parsed.documents) == 0 || len(f.namedContent()) > 0 }) {
		return // nothing is content, and all are manifests
	}
	byName := make(map[string]*file, len(r.files))
	for _, f := range r.files {
		byName[f.name] = f
	}
	n := naming{names: make(map[*file][]*file), namers: make(map[*file]int), content: make(map[*file]bool), done: make(map[*file]bool)}
	for _, f := range r.files {
		for _, name := range f.namedContent() {
			if c := byName[name]; c != nil && !slices.Contains(n.names[f], c) {
				n.names[f] = append(n.names[f], c)
				n.namers[c]++
			}
		}
	}
	for _, f := range r.files {
		if n.namers[f] == 0 {
			n.settle(f)
		}
	}
	for _, f := range r.files {
		if !n.done[f] {
			f.add("is in a circle of manifests that name each other as content; a file cannot be both, so let one of them name another file")
		}
	}
	r.files = slices.DeleteFunc(r.files, func(f *file) bool {
		return n.content[f] || (len(f.parsed.documents) == 0 && len(f.problems) > 0 && r.maybeContent(f))
	})
}

// naming finds out which files are content: those that a manifest names. A file that is content names nothing.
type naming struct {
	names   map[*file][]*file // file → files that it names
	namers  map[*file]int     // how many files may still turn out to name it
	content map[*file]bool
	done    map[*file]bool // whether it is known what the file is
}

// settle notes that it is known what a file is, and what follows from that for the files that it names.
func (n *naming) settle(f *file) {
	if n.done[f] {
		return
	}
	n.done[f] = true
	for _, c := range n.names[f] {
		if !n.content[f] {
			n.content[c] = true
		}
		if n.namers[c]--; n.namers[c] == 0 || n.content[c] {
			n.settle(c)
		}
	}
}

// maybeContent reports whether a file that is no manifest may be the content of one. Then a manifest that could not be
// read, or a file that was read for a failed expansion, seems to name it.
func (r *reading) maybeContent(f *file) bool {
	base := path.Base(f.name)
	return slices.ContainsFunc(r.files, func(o *file) bool {
		return o != f && o.mayRead(base) || o != f && slices.ContainsFunc(o.parsed.unread, func(text []byte) bool {
			return bytes.Contains(text, []byte("file:")) && bytes.Contains(text, []byte(base))
		})
	})
}

// contentPath resolves a path that a manifest states, relative to the manifest. problem says why it cannot be used,
// for example because it leads out of the source.
func contentPath(manifest, stated string) (name, problem string) {
	switch {
	case strings.HasPrefix(stated, "/"):
		return "", "is an absolute path; it must be relative to the manifest"
	case strings.ContainsAny(stated, "\\\x00"):
		return "", "holds a backslash or NUL; directories are separated by /"
	}
	name = path.Join(path.Dir(manifest), stated)
	switch {
	case name == ".." || strings.HasPrefix(name, "../"):
		return "", "leads out of the repository"
	case !fs.ValidPath(name):
		return "", "is not a path of a file"
	case slices.ContainsFunc(strings.Split(name, "/"), func(s string) bool { return strings.EqualFold(s, ".git") || strings.EqualFold(s, "git~1") }):
		return "", "leads into the repository's own files"
	}
	return name, ""
}

// content reads the file that an object names as its content, and sets it.
func (r *reading) content(e *Entry) {
	c, ok := e.Object.(v1.ContentFile)
	if !ok {
		return
	}
	stated, field := c.ContentFile()
	if stated == "" {
		return
	}
	// Check this first: once the file's content is set, nothing shows that data was stated too.
	if beside := strings.TrimSuffix(field, "file") + "data"; e.states(beside) {
		r.at(*e, beside, "is stated beside %s; only one of them can be the content", field)
		return
	}
	data, problem := r.contentOf(e.File, stated, c.MaxContent())
	if problem != "" {
		r.at(*e, field, "%s %s", quoteText(stated), problem)
		return
	}
	if m, is := v1.IsMistaken(data); is && !c.Raw() {
		r.at(*e, field, "%s %s", quoteText(stated), m.Why())
		return
	}
	e.Object = e.Object.Copy() // the object without content serves again when only the content changes
	e.Object.(v1.ContentFile).SetContent(data)
}

func (r *reading) contentOf(manifest, stated string, limit int) (data []byte, problem string) {
	name, problem := contentPath(manifest, stated)
	if problem != "" {
		return nil, problem
	}
	switch data, _, problem = r.named(name, int64(limit)); {
	case problem != "":
		return nil, problem
	case len(data) == 0:
		return nil, "is empty; the engine takes no empty content"
	}
	return data, ""
}

// named reads a file that a manifest names. It also returns the id of the file's content, or "" if that is not known.
func (r *reading) named(name string, limit int64) (data []byte, id, problem string) {
	if problem = r.plain(name, false); problem != "" {
		return nil, "", problem
	}
	info, err := fs.Lstat(r.fsys, name)
	if err != nil {
		return nil, "", "cannot be read: " + cause(err)
	}
	f := &file{name: name}
	data, ok := r.bytes(f, info, limit)
	if !ok {
		return nil, "", f.problems[0].Message
	}
	return data, blobID(info), ""
}

// plain returns "" if a path exists and no part of it is a link. Otherwise it returns why the path is not used.
func (r *reading) plain(name string, wantDir bool) (problem string) {
	problem, missing := r.way(name, wantDir)
	if missing != "" {
		problem += r.nearestFile(path.Dir(missing), path.Base(missing))
	}
	return problem
}

// way is plain without a guess at what was meant. missing is the part of the path that does not exist.
func (r *reading) way(name string, wantDir bool) (problem, missing string) {
	if !fs.ValidPath(name) {
		return "is not a path of a file", ""
	}
	steps := strings.Split(name, "/")
	for i := range steps {
		at := strings.Join(steps[:i+1], "/")
		info, err := fs.Lstat(r.fsys, at)
		last := i == len(steps)-1
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return "does not exist", at
		case err != nil:
			return "cannot be read: " + cause(err), ""
		case info.Mode()&fs.ModeSymlink != 0 && last:
			return "is a link; only regular files are read", ""
		case info.Mode()&fs.ModeSymlink != 0:
			return "leads through a link (" + quoteText(steps[i]) + "); only regular directories and files are read", ""
		case (!last || wantDir) && !info.IsDir():
			return "is not there: " + quoteText(steps[i]) + " is no directory", ""
		case last && !wantDir && !info.Mode().IsRegular():
			return irregular(info.Mode()) + "; only regular files are read", ""
		}
	}
	return "", ""
}

// nearestFile guesses which file of a directory somebody meant.
func (r *reading) nearestFile(dir, name string) string {
	entries, err := fs.ReadDir(r.fsys, dir)
	if err != nil || len(entries) > 1000 {
		return ""
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return r.suggest(name, names)
}
