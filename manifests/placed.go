package manifests

import (
	"maps"
	"reflect"
	"slices"
	"strconv"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// placed returns the marks of an object that was not decoded, with the position of each. at has the positions by path.
// whole is the place of the object itself, unless at says otherwise.
func placed(o v1.Object, at map[string]Position, whole Position) (marks, []Position) {
	p := placing{index: map[string]int32{}}
	p.add("", mark{parent: -1}, whole, reflect.ValueOf(o))
	for _, path := range slices.Sorted(maps.Keys(at)) { // a path comes after its parents
		p.put(path, at[path])
	}
	return p.marks, p.positions
}

// placing makes marks of paths.
type placing struct {
	marks     marks
	positions []Position
	values    []reflect.Value
	index     map[string]int32 // by path
}

// put places a path. Parents of the path that have no place yet get that of their own parent.
func (p *placing) put(path string, at Position) {
	mark := int32(0)
	for rest := path; rest != ""; {
		var s step
		s, rest = cutStep(rest)
		upTo := path[:len(path)-len(rest)]
		next, ok := p.index[upTo]
		if !ok {
			next = p.child(upTo, mark, s)
		}
		mark = next
	}
	p.positions[mark], p.marks[mark].line = at, int32(at.Line)
}

func (p *placing) child(path string, parent int32, s step) int32 {
	m, value := mark{name: s.name, parent: parent}, below(p.values[parent], s)
	if i, err := strconv.Atoi(s.name); err == nil && s.bracket {
		m.name, m.index = "", int32(i)
	} else {
		m.key = p.values[parent].Kind() != reflect.Struct // a field's name is not the author's
	}
	return p.add(path, m, p.positions[parent], value)
}

func (p *placing) add(path string, m mark, at Position, value reflect.Value) int32 {
	m.line = int32(at.Line)
	p.positions, p.values = append(p.positions, at), append(p.values, lookup(value, ""))
	p.index[path] = p.marks.add(m)
	return p.index[path]
}
