package kinds

import (
	"fmt"
	"slices"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Exporting turns what runs back into manifests. It is pure.
type Exporting struct {
	// Export returns manifests of the live objects of the kind, sorted by name. nil means that there are none.
	Export func(Export) []Exported
}

// Export is what manifests are made of.
type Export struct {
	Index *Index
	// Beside is true if a manifest may name a file beside it.
	Beside bool
	// Secrets is true if content that looks like a secret may be written.
	Secrets bool
	// Whole is true if all objects are exported. Otherwise manifests state for one object what they could state for
	// several.
	Whole bool

	names map[v1.Key]string
	runs  map[Ref]bool
}

// FileEnd is the end of the names of files that hold content.
const FileEnd = ".content"

// Exported is one manifest, or says why there is none.
type Exported struct {
	// Key names the object. If Object is set, Key is that manifest's key.
	Key v1.Key
	// Object is the manifest, as it is to be stated. nil means that none can be written.
	Object v1.Object
	// Live are the live objects that the manifest is about.
	Live []*Live
	// Comment is for whoever reads the manifest.
	Comment []string
	// File is the name of the file beside the manifest, and Content is what it holds. "" means that there is none.
	File    string
	Content []byte
	// Known are those of the live objects' unknown settings that the manifest states nevertheless.
	Known []string
	// Lacks are what the manifest does not state of the live objects.
	Lacks []Lack
}

// Lack is something that a manifest does not state.
type Lack struct {
	// Path is the path of the field, or "" for the object as a whole.
	Path string
	Why  string
}

// NewExport prepares an export of all that an index has.
func NewExport(all Set, ix *Index) Export {
	e := Export{Index: ix, Whole: true, names: map[v1.Key]string{}, runs: map[Ref]bool{}}
	for _, k := range all {
		for _, l := range ix.List(k.Name) {
			uses := k.Uses
			if k.Runs != nil {
				uses = k.Runs
			}
			for _, ref := range uses(l) {
				e.runs[ref] = true
			}
		}
	}
	return e
}

// Uses reports whether the spec of some live object refers to this one. Specs that a rollback would bring back do not
// count.
func (e Export) Uses(l *Live) bool { return e.runs[l.ref()] }

// Lives returns the live objects of a kind by name, without the operator's own, which are configs.
func (e Export) Lives(kind string) []*Live {
	out := slices.DeleteFunc(slices.Clone(e.Index.List(kind)), func(l *Live) bool {
		return kind == v1.KindConfig && slices.ContainsFunc([]string{v1.LabelState, v1.LabelLease, v1.LabelHold}, func(label string) bool { _, own := l.Labels[label]; return own })
	})
	slices.SortStableFunc(out, func(a, b *Live) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Named notes the name that manifests have for the live object of an exported one. Kinds that come later use it.
func (e Export) Named(x Exported) {
	if x.Object == nil {
		return
	}
	for _, l := range x.Live {
		e.names[v1.Key{Kind: l.Kind, Name: l.Name}] = x.Key.Name
	}
}

// Name returns the name that manifests have for a live object. Versions of a config have the name of the config.
func (e Export) Name(live v1.Key) string {
	if name, is := e.names[live]; is {
		return name
	}
	return live.Name
}

// WithoutPrefix returns labels without those that only the operator writes. It returns nil if none is left.
func WithoutPrefix(labels map[string]string) map[string]string {
	var out map[string]string
	for k, v := range labels {
		if strings.HasPrefix(k, v1.LabelPrefix) {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[k] = v
	}
	return out
}

// VersionOf returns the source that a live object belongs to by its label, and the name of its manifest. is is false if
// the label is missing, or names another object.
func VersionOf(l *Live) (source, name string, is bool) {
	source, kind, name := cutOwner(l.Labels[v1.LabelOwner])
	return source, name, source != "" && kind == l.Kind && instanceOf(kind, l.called(), name)
}

// FileName returns a name for the file of an object. Letters, digits, -, _ and . stay, unless they begin a hidden file
// or look like a flag.
func FileName(name string) string {
	var b strings.Builder
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', i > 0 && (c == '-' || c == '.'):
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
