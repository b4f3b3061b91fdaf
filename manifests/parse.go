package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"go.yaml.in/yaml/v3"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// parsed is what one file's bytes say, whatever the file's name. It can be kept as long as the blob stays the same.
// Its problems have no File yet.
type parsed struct {
	documents []document
	problems  []v1.Problem
	notices   []v1.Problem
	// unread holds the text of documents that could not be read. It shows what they may have stated.
	unread [][]byte
	// stated is the number of documents that state something, readable or not.
	stated int
	size   int
	turn   uint64 // the Load that met it last
}

// document is one manifest, or what an expansion made.
type document struct {
	object v1.Object
	refs   []v1.Ref // of object
	line   int
	marks  *packed
	bad    bool // true if the manifest has a problem
	// positions are those of the marks. It is nil if all are in the manifest's file.
	positions []Position
}

// parser reads files.
type parser struct {
	options Options
}

// parse reads a file's documents. It reads each on its own, so that a mistake in one hides nothing in the others.
func (p parser) parse(data []byte) (out parsed) {
	out.size = len(data)
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	if m, is := v1.IsMistaken(data); is && !m.Parts {
		out.unread, out.stated = [][]byte{data}, 1
		out.problems = []v1.Problem{{Line: m.Line, Message: m.WhyNoManifest()}}
		return out
	}
	if problem, ok := notText(data); ok {
		out.unread, out.stated = [][]byte{data}, 1
		out.problems = []v1.Problem{problem}
		return out
	}
	limit := p.options.Limits.Problems
	for batch := range slices.Chunk(split(data), batchSize) {
		parts := make([]parsed, len(batch))
		parallel(len(batch), func(i int) { p.chunk(batch[i], &parts[i]) })
		for i, part := range parts {
			out.add(part)
			if len(out.problems) > limit {
				out.problems = append(out.problems[:limit], v1.Problem{Line: batch[i].line + 1, Message: fmt.Sprintf("has more than %d problems; the others are not listed", limit)})
				return out
			}
		}
	}
	return out
}

func (p *parsed) add(o parsed) {
	p.documents = append(p.documents, o.documents...)
	p.problems = append(p.problems, o.problems...)
	p.notices = append(p.notices, o.notices...)
	p.unread = append(p.unread, o.unread...)
	p.stated += o.stated
}

// These constants say how much is parsed at once, before the parser checks whether to go on.
const (
	batchSize  = 128
	batchBytes = 4 << 20
)

// parallel calls do for 0 to n-1 on all processors.
func parallel(n int, do func(i int)) {
	workers := min(runtime.GOMAXPROCS(0), n)
	if workers < 2 {
		for i := range n {
			do(i)
		}
		return
	}
	var next atomic.Int64
	var group sync.WaitGroup
	for range workers {
		group.Go(func() { // do recovers
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	group.Wait()
}

// chunk reads the documents between two separators. That is one document, unless documents end with three dots.
func (p parser) chunk(c chunk, out *parsed) {
	defer func() {
		// A fault in the YAML library or in our code must not stop the operator. Its text is not shown, because it
		// could quote the file.
		if fault := recover(); fault != nil {
			out.unread = append(out.unread, c.text)
			out.problems = append(out.problems, v1.Problem{Line: c.line + 1, Message: fmt.Sprintf("cannot be read because of a fault in swarm-operator (%T); please report it", fault)})
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(c.text))
	for {
		var n yaml.Node
		err := decoder.Decode(&n)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			line, message := yamlError(err)
			line = min(line, 1+bytes.Count(bytes.TrimSpace(c.text), []byte{'\n'})) // not the line after the last
			out.stated++
			out.unread = append(out.unread, c.text)
			out.problems = append(out.problems, v1.Problem{Line: c.line + line, Message: message})
			return
		}
		if len(n.Content) == 1 && !isNull(n.Content[0]) {
			shift(&n, c.line)
			out.stated++
			p.document(n.Content[0], c.text, out)
		}
	}
}

// shift adds the number of lines before a chunk to the lines of its nodes.
func shift(n *yaml.Node, lines int) {
	if lines == 0 {
		return
	}
	n.Line += lines
	for _, c := range n.Content {
		shift(c, lines)
	}
}

// document reads one manifest: first its kind, then the rest.
func (p parser) document(n *yaml.Node, text []byte, out *parsed) {
	d := &decoder{limits: p.options.Limits, marks: append(make(marks, 0, 64), mark{line: int32(n.Line), parent: -1})}
	defer func() { out.problems = append(out.problems, d.judged()...) }()
	object := p.identify(n, d)
	if object == nil {
		out.unread = append(out.unread, text)
		return
	}
	d.decode(n, object)
	d.validate(object)
	oneForm(object)
	if n, ok := object.(v1.Noticer); ok && len(d.problems) == 0 {
		d.place(n.Notices(), object, &out.notices)
	}
	if object.Key().Name == "" {
		out.unread = append(out.unread, text)
		return
	}
	out.documents = append(out.documents, document{
		object: object, refs: object.Refs(), line: n.Line, marks: d.marks.pack(), bad: len(d.problems) > 0,
	})
}

// oneForm writes the paths of policy.ignoreDifferences as differences are written: people write the label a.b as labels.a.b
// and as labels["a.b"].
func oneForm(o v1.Object) {
	paths := o.Meta().Policy.IgnoreDifferences
	for i, path := range paths {
		paths[i] = v1.OneForm(o.Key().Kind, path)
	}
}

// judged returns the problems of the document. If the object's name is not known, or the document was not read to its
// end, no problem holds only that object.
func (d *decoder) judged() []v1.Problem {
	nameless := d.stopped || d.object.Name == "" || slices.ContainsFunc(d.problems, func(p v1.Problem) bool { return within(p.Path, "metadata.name") && p.Path != "" })
	for i := range d.problems {
		d.problems[i].Holds = d.problems[i].Holds && !nameless
	}
	return d.problems
}

// identify returns an empty object of the document's kind, or nil after it has reported why there is none.
func (p parser) identify(n *yaml.Node, d *decoder) v1.Object {
	const hint = "; if the file is not meant for the operator, name it in " + ignoreFile
	if n.Kind != yaml.MappingNode {
		d.add(0, "is not a manifest: a mapping with apiVersion, kind, metadata and spec is expected; found %s%s", found(n), hint)
		return nil
	}
	version, kind := entry(n, "apiVersion"), entry(n, "kind")
	d.object.Kind, d.object.Name = scalarText(kind), scalarText(entry(entry(n, "metadata"), "name"))
	if d.object.Kind == "" || d.object.Name == "" {
		d.object = v1.Key{}
	}
	switch {
	case version == nil && kind == nil && composeFile(n) != "":
		d.add(0, "%s%s", composeFile(n), hint)
		return nil
	case version == nil && kind == nil:
		d.add(0, "is not a manifest: it has neither apiVersion (%s) nor kind%s", v1.APIVersion, hint)
		return nil
	case version == nil:
		d.add(0, "apiVersion is missing; it must be %s", v1.APIVersion)
		return nil
	case scalarText(version) != v1.APIVersion:
		d.addLine(version.Line, 0, "apiVersion is %s; only %s is read%s", d.quote(version, 0), v1.APIVersion, hint)
		return nil
	case kind == nil:
		d.add(0, "kind is missing; it must be one of %s", strings.Join(p.options.names(), ", "))
		return nil
	}
	name := scalarText(kind)
	if k, known := p.options.kind(name); known {
		return k.New()
	}
	d.addLine(kind.Line, 0, "kind %s is not known; it must be one of %s%s", d.quote(kind, 0), strings.Join(p.options.names(), ", "), v1.DidYouMean(name, p.options.names()))
	return nil
}

// entry returns the value of a mapping's key, or nil. It checks nothing, because the decoder does.
func entry(n *yaml.Node, key string) *yaml.Node {
	n = target(n)
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// target returns the node that an alias stands for, or the node itself.
func target(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func scalarText(n *yaml.Node) string {
	if n = target(n); n == nil || n.Kind != yaml.ScalarNode || scalarTag(n) != "!!str" {
		return ""
	}
	return n.Value
}

// validate adds the problems that the object itself finds. It leaves out problems with fields that could not be read,
// which are only consequences.
func (d *decoder) validate(object v1.Object) {
	if d.stopped {
		return
	}
	failed := d.meant
	for _, p := range d.problems {
		failed = append(failed, p.Path)
	}
	d.place(slices.DeleteFunc(object.Validate(), func(p v1.Problem) bool {
		return slices.ContainsFunc(failed, func(path string) bool { return path != "" && (within(path, p.Path) || within(p.Path, path)) })
	}), object, &d.problems)
}

// place adds problems that an object reports of itself. It fills in line and name and hides what may be a secret.
func (d *decoder) place(said []v1.Problem, object v1.Object, to *[]v1.Problem) {
	for _, p := range said {
		if len(*to) > d.limits.Problems {
			return
		}
		at, exact := d.marks.find(p.Path, listKeys(object))
		p.Line, p.Object, p.Message, p.Holds = int(d.marks[at].line), d.object, d.censor(p.Message, p.Path, object, at), true
		if exact {
			p.Path = d.marks.path(at)
		}
		*to = append(*to, clean(p))
	}
}

// within reports whether a path equals another one or lies below it.
func within(path, parent string) bool {
	rest, ok := strings.CutPrefix(path, parent)
	return ok && (rest == "" || parent == "" || rest[0] == '.' || rest[0] == '[')
}
