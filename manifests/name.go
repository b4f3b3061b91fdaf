package manifests

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// settings is what .swarm-operator.yaml may state.
type settings struct {
	Name     string      `json:"name"`
	Defaults v1.Defaults `json:"defaults,omitzero"`
	Show     []string    `json:"show,omitempty"`
}

var sourceNames = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$`)

const maxSourceName = 40

// CheckName says what is wrong with the name of a source, or returns "" if nothing is. The name becomes part of
// labels and of the names of configs.
func CheckName(name string) string {
	if len(name) > maxSourceName || !sourceNames.MatchString(name) {
		return fmt.Sprintf("%q is not a name of a source: use at most %d lower-case letters, digits, ., _ and -, with a letter or digit at both ends", name, maxSourceName)
	}
	return ""
}

// SourceName returns the name that a source states in .swarm-operator.yaml, in root or otherwise at the top. It
// returns "" if there is no valid name. It reads no manifest.
func SourceName(fsys fs.FS, root string) string {
	r := &reading{parser: parser{Options{Limits: Limits{}.withDefaults()}}, fsys: fsys}
	name := r.own(root).Name
	if len(r.problems) > 0 || CheckName(name) != "" {
		return ""
	}
	return name
}

// own reads the source's .swarm-operator.yaml: the one in the manifests' root, or otherwise the one at the source's
// top.
func (r *reading) own(root string) settings {
	for _, dir := range slices.Compact([]string{root, "."}) {
		name := path.Join(dir, SourceFile)
		if data, ok := r.dotFile(name); ok {
			return r.settings(name, data)
		}
	}
	return settings{}
}

func (r *reading) settings(name string, data []byte) (s settings) {
	for _, p := range readInto(data, &decoder{limits: *r.limits()}, &s, s.wrong) {
		r.add(name, p.Line, v1.Key{}, p.Path, "%s", p.Message)
	}
	return s
}

// wrong returns what is wrong with what the file says.
func (s *settings) wrong(stated func(path string) bool) (out []v1.Problem) {
	switch {
	case !stated("name"):
	case len(s.Name) > maxSourceName:
		out = append(out, v1.Problem{Path: "name", Message: fmt.Sprintf("has %d characters; at most %d are allowed", len(s.Name), maxSourceName)})
	case !sourceNames.MatchString(s.Name):
		out = append(out, v1.Problem{Path: "name", Message: quoteText(s.Name) + " may hold only lower-case letters, digits, ., _ and -, and must begin and end with a letter or digit"})
	}
	for _, p := range s.Defaults.Policy.Validate() {
		p.Path = "defaults.policy." + p.Path
		out = append(out, p)
	}
	for i, pattern := range s.Show {
		if wrong := v1.CheckShown(pattern); wrong != "" {
			out = append(out, v1.Problem{Path: fmt.Sprintf("show[%d]", i), Message: quoteText(pattern) + " " + wrong})
		}
	}
	return out
}
