package manifests

import (
	"bytes"
	"errors"
	"io"
	"reflect"

	"go.yaml.in/yaml/v3"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Into reads a YAML file that is no manifest, such as the operator's configuration, by the rules of manifests: what is not
// known is a problem that names the near word, and nothing is taken for something else. A list or mapping that states
// nothing is a problem too, because none and an empty one can be opposites. into points to a struct whose fields have json
// tags. check returns what is wrong with what was read, by path. It is called only if everything could be read. Each
// problem has the file's name and a line.
func Into(name string, data []byte, into any, check func() []v1.Problem) []v1.Problem {
	problems := readInto(data, &decoder{limits: Limits{}.withDefaults(), strict: true}, into, func(func(string) bool) []v1.Problem { return check() })
	for i := range problems {
		problems[i].File, problems[i].Holds = name, false
	}
	return problems
}

// readInto is Into without a name, by a decoder that has read nothing. check can ask whether the file states the field at
// a path.
func readInto(data []byte, d *decoder, into any, check func(stated func(path string) bool) []v1.Problem) []v1.Problem {
	if p, ok := notText(data); ok {
		return []v1.Problem{p}
	}
	n, problem := onlyDocument(data)
	if problem.Message != "" {
		return []v1.Problem{problem}
	}
	v := reflect.ValueOf(into).Elem()
	d.root, d.marks = v.Type(), marks{{line: int32(max(n.Line, 1)), parent: -1}}
	if len(n.Content) > 0 && !isNull(n.Content[0]) {
		d.value(n.Content[0], v, 0)
	}
	if len(d.problems) > 0 {
		return d.problems
	}
	stated := func(path string) bool {
		_, exact := d.marks.find(path, nil)
		return exact
	}
	for _, p := range check(stated) {
		at, _ := d.marks.find(p.Path, nil)
		d.addLine(int(d.marks[at].line), at, "%s", p.Message)
		d.problems[len(d.problems)-1].Path = p.Path
	}
	return d.problems
}

// onlyDocument returns the one document of a file. Another one that states something is a problem, because nobody would
// read it.
func onlyDocument(data []byte) (first yaml.Node, problem v1.Problem) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for i := 0; ; i++ {
		var n yaml.Node
		err := decoder.Decode(&n)
		switch {
		case errors.Is(err, io.EOF):
			return first, v1.Problem{}
		case err != nil:
			line, message := yamlError(err)
			return first, v1.Problem{Line: min(line, 1+bytes.Count(bytes.TrimSpace(data), []byte{'\n'})), Message: message}
		case i == 0:
			first = n
		case len(n.Content) > 0 && !isNull(n.Content[0]):
			return first, v1.Problem{Line: n.Content[0].Line, Message: "is a second document, and the file may have only one; write all of it in one, without the line ---"}
		}
	}
}
