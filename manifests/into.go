package manifests

import (
	"bytes"
	"reflect"

	"go.yaml.in/yaml/v3"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Into reads a YAML file that is no manifest, such as the operator's configuration, by the rules of manifests: what is not
// known is a problem that names the near word, and nothing is taken for something else. into points to a struct whose
// fields have json tags. check returns what is wrong with what was read, by path. It is called only if everything could be
// read. Each problem has the file's name and a line.
func Into(name string, data []byte, into any, check func() []v1.Problem) []v1.Problem {
	problems := readInto(data, Limits{}.withDefaults(), into, func(func(string) bool) []v1.Problem { return check() })
	for i := range problems {
		problems[i].File, problems[i].Holds = name, false
	}
	return problems
}

// readInto is Into without a name. check can ask whether the file states the field at a path.
func readInto(data []byte, limits Limits, into any, check func(stated func(path string) bool) []v1.Problem) []v1.Problem {
	if p, ok := notText(data); ok {
		return []v1.Problem{p}
	}
	var n yaml.Node
	if err := yaml.Unmarshal(data, &n); err != nil {
		line, message := yamlError(err)
		return []v1.Problem{{Line: min(line, 1+bytes.Count(bytes.TrimSpace(data), []byte{'\n'})), Message: message}}
	}
	v := reflect.ValueOf(into).Elem()
	d := &decoder{limits: limits, root: v.Type(), marks: marks{{line: int32(n.Line), parent: -1}}}
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
