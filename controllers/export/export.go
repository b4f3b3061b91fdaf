// Package export writes a swarm that runs as manifests. A source that has them asks for nothing but what runs.
//
// It is pure: it takes what was read of the swarm, and returns files. What a live object looks like as a manifest is
// each kind's own matter; how a manifest looks is that of package render.
package export

import (
	"slices"
	"strconv"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/manifests/render"
)

// Options say what is exported.
type Options struct {
	// Only are the objects to export, by the names of their manifests, of the manifests that a source made them of, or by
	// their live names. If it is empty, all are exported.
	Only []v1.Key
	// Secrets is true if free text and content are written although they look like secrets.
	Secrets bool
	// Files is true if the manifests become files, so that what is no text can be in a file beside its manifest.
	Files bool
}

// File is one file of an export. Name is its path, with /.
type File struct {
	Name string
	Data []byte
	// Manifest is false for the content of a manifest.
	Manifest bool

	key v1.Key
}

// Manifests are what was made of a swarm.
type Manifests struct {
	Files []File
	// Notes say what the manifests do not state, or state in a way that validate refuses.
	Notes []v1.Problem
	// Sources are the names of the sources that own objects among the exported ones, sorted.
	Sources []string
	// Missing are those of Options.Only that the swarm does not have. Known are the keys of all that it has.
	Missing, Known []v1.Key

	secrets map[v1.Key][]string // what objects hold that looks like a secret, whether it is written or not
	part    bool                // true if not all objects are exported
}

// Of returns manifests of what an index has.
func Of(all kinds.Set, ix *kinds.Index, o Options) Manifests {
	in := kinds.NewExport(all, ix)
	in.Beside, in.Secrets, in.Whole = o.Files, o.Secrets, len(o.Only) == 0
	w := writing{options: o, names: map[string]bool{}}
	w.out.part, w.out.secrets = !in.Whole, map[v1.Key][]string{}
	found := map[v1.Key]bool{}
	for _, k := range all {
		if k.Export == nil {
			continue
		}
		for _, x := range k.Export(in) {
			in.Named(x)
			if len(x.Live) > 0 {
				w.out.Known = append(w.out.Known, x.Key)
			}
			if w.asked(x, found) {
				w.add(x)
			}
		}
	}
	for _, key := range o.Only {
		if !found[key] {
			w.out.Missing = append(w.out.Missing, key)
		}
	}
	slices.Sort(w.out.Sources)
	w.out.Sources = slices.Compact(w.out.Sources)
	return w.out
}

// Stream returns all manifests as one stream of documents.
func (m Manifests) Stream() []byte {
	var out []byte
	for _, f := range m.Files {
		if !f.Manifest {
			continue
		}
		if len(out) > 0 {
			out = append(out, "---\n"...)
		}
		out = append(out, f.Data...)
	}
	return out
}

// writing is the work of one export.
type writing struct {
	options Options
	out     Manifests
	names   map[string]bool // of files, in small letters, because some file systems know no others
}

// asked reports whether an object is to be exported, and notes what was found of what was asked for.
func (w *writing) asked(x kinds.Exported, found map[v1.Key]bool) bool {
	if len(w.options.Only) == 0 {
		return true
	}
	is := false
	for _, key := range w.options.Only {
		if key == x.Key || slices.ContainsFunc(x.Live, func(l *kinds.Live) bool { return called(l, key) }) {
			found[key], is = true, true
		}
	}
	return is
}

// called reports whether a key is that of a live object, or of the manifest that a source made it of.
func called(l *kinds.Live, key v1.Key) bool {
	_, name, is := kinds.VersionOf(l)
	return key.Kind == l.Kind && (key.Name == l.Name || is && key.Name == name)
}

func (w *writing) note(x kinds.Exported, path, why string) {
	w.out.Notes = append(w.out.Notes, v1.Problem{Object: x.Key, Path: v1.Scrub(path), Message: why})
}

// add writes one object, and notes what its manifest does not state.
func (w *writing) add(x kinds.Exported) {
	for _, lack := range x.Lacks {
		w.note(x, lack.Path, lack.Why)
	}
	if x.Object == nil {
		return
	}
	marks := render.Marks{Comment: x.Comment}
	var found []secret
	if !x.Object.External() {
		w.unstated(x)
		found = secrets(x.Object)
		if !w.options.Secrets && len(found) > 0 {
			marks.LeftOut = w.leaveOut(x, found)
			marks.Comment = append(slices.Clone(marks.Comment),
				v1.LeftOut+" stands for what looks like a secret. Write the value in its place, or better have the service read it from a Secret.")
		}
	}
	if path, is := noText(x.Object); is {
		w.note(x, path, "it holds bytes that are no text, which no manifest can hold, so the object is not exported")
		return
	}
	w.problems(x, found)
	for _, l := range x.Live {
		if source, _, is := kinds.VersionOf(l); is {
			w.out.Sources = append(w.out.Sources, source)
		}
	}
	dir := strings.ToLower(x.Key.Kind) + "s/"
	if x.Key.Kind == v1.KindCluster { // a swarm has one
		dir = ""
		x.Key.Name = "cluster"
	}
	name := w.fileName(dir + kinds.FileName(x.Key.Name))
	w.out.Files = append(w.out.Files, File{Name: name, Data: render.Manifest(x.Object, marks), Manifest: true, key: x.Key})
	if x.File != "" {
		w.out.Files = append(w.out.Files, File{Name: dir + x.File, Data: x.Content})
	}
}

// fileName returns the name of a manifest's file. Two objects whose names differ only in case get different ones.
func (w *writing) fileName(name string) string {
	const longest = 200
	name = name[:min(len(name), longest)]
	for n := 1; ; n++ {
		file := name + ".yaml"
		if n > 1 {
			file = name + "-" + strconv.Itoa(n) + ".yaml"
		}
		if low := strings.ToLower(file); !w.names[low] {
			w.names[low] = true
			return file
		}
	}
}

// unstated notes the settings of live objects that manifests cannot state.
func (w *writing) unstated(x kinds.Exported) {
	for _, l := range x.Live {
		for _, key := range l.Unknown {
			if slices.Contains(x.Known, key) {
				continue
			}
			if i := slices.IndexFunc(l.Unread, func(u diff.Unread) bool { return u.Key == key }); i >= 0 {
				w.note(x, l.Unread[i].Path, "a value in the swarm is no address, so the manifest does not state it")
				continue
			}
			w.note(x, key, "this release of swarm-operator does not know the setting, so the manifest does not state it")
		}
	}
}

// leaves returns the values that a manifest states.
func leaves(object v1.Object) []diff.Leaf { return diff.NewShape(object).Flatten(object) }

// problems notes what validate will say of a manifest. A message that repeats what looks like a secret is replaced, even
// if the secret is written.
func (w *writing) problems(x kinds.Exported, found []secret) {
	for _, s := range found {
		w.out.secrets[x.Key] = append(w.out.secrets[x.Key], s.text)
	}
	for _, p := range x.Object.Validate() {
		p.Object = x.Key
		w.out.Notes = append(w.out.Notes, w.out.refused(p))
	}
}

// LeaveOut takes away the manifests that cannot be read back, because one of them would refuse the whole directory. It
// returns false if there is none.
func (m *Manifests) LeaveOut(problems []v1.Problem) bool {
	left := false
	for _, p := range problems {
		i := slices.IndexFunc(m.Files, func(f File) bool { return f.Manifest && f.Name == p.File })
		if p.Holds || i < 0 {
			continue
		}
		n := m.refused(p)
		n.Object, n.File, n.Message = m.Files[i].key, "", "its manifest cannot be read back, so the object is not exported: "+strings.TrimPrefix(n.Message, why)
		m.Notes, m.Files = append(m.Notes, n), slices.Delete(m.Files, i, i+1)
		left = true
	}
	return left
}

// Refused notes what validate says of the manifests after it has read them, unless that is noted already. If only some
// objects are exported, it may miss the manifests of others.
func (m *Manifests) Refused(problems []v1.Problem) {
	for _, p := range problems {
		if strings.Contains(p.Message, v1.LeftOut) || m.part && strings.HasPrefix(p.Message, "there is no manifest of") {
			continue
		}
		n := m.refused(p)
		if !slices.ContainsFunc(m.Notes, func(o v1.Problem) bool {
			return o.Object == n.Object && o.Path == n.Path && (n.Path != "" || o.File == n.File && o.Message == n.Message)
		}) {
			m.Notes = append(m.Notes, n)
		}
	}
}

const why = "validate will refuse this, although it runs: "

// refused returns a note of what validate says.
func (m *Manifests) refused(p v1.Problem) v1.Problem {
	out := v1.Problem{Object: p.Object, Path: v1.Scrub(p.Path), Message: why + v1.Scrub(p.Message)}
	secrets := m.secrets[p.Object]
	if out.Object == (v1.Key{}) {
		out.File = p.File
		for _, of := range m.secrets {
			secrets = append(secrets, of...)
		}
	}
	if repeats(p.Message, secrets) {
		out.Message = why + "holds a value that is not allowed in a manifest"
	}
	if repeats(p.Path, secrets) {
		out.Path = ""
	}
	return out
}
