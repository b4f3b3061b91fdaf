package main

import (
	"fmt"
	"slices"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/manifests"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

// target is what hold and resume act on: an object, a source, or everything.
type target struct {
	text string
	key  v1.Key // zero if the target is not an object
}

func (t target) object() bool { return t.key != v1.Key{} }
func (t target) all() bool    { return t.text == plan.HoldAll }

// source returns the name of the source, or "" if the target is an object or everything.
func (t target) source() string {
	if t.object() || t.all() {
		return ""
	}
	return t.text
}

func parseTarget(text string) (target, error) {
	if strings.Contains(text, "/") {
		key, err := parseObject(text)
		return target{key.String(), key}, err
	}
	if strings.EqualFold(text, plan.HoldAll) {
		return target{text: plan.HoldAll}, nil
	}
	if wrong := manifests.CheckName(text); wrong != "" {
		return target{}, fmt.Errorf("%q is not KIND/NAME, the name of a source, or all", text)
	}
	return target{text: text}, nil
}

// parseObject parses KIND/NAME. It fails if there is no such kind. Upper and lower case of the kind do not matter, as
// in other tools.
func parseObject(text string) (v1.Key, error) {
	key, err := v1.ParseKey(text)
	if err != nil {
		return v1.Key{}, err
	}
	if strings.ContainsAny(key.Name, "/ ") {
		return v1.Key{}, fmt.Errorf("%q is not KIND/NAME, such as Service/web", text)
	}
	var names []string
	for _, k := range all.Kinds() {
		names = append(names, k.Name)
	}
	i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, key.Kind) })
	switch {
	case strings.EqualFold(key.Kind, v1.KindNodeSet):
		return v1.Key{}, fmt.Errorf("%s: a NodeSet is a manifest about several nodes and no object of the swarm; name a node: Node/HOSTNAME", text)
	case i < 0:
		return v1.Key{}, fmt.Errorf("%s: there is no kind %s%s; the kinds are %s", text, key.Kind, v1.DidYouMean(key.Kind, names), strings.Join(names, ", "))
	}
	key.Kind = names[i]
	return key, nil
}

// nearObject returns the object of the same kind whose name is nearest, or "" if none is near enough. The kind does not
// count. It is longer than many names, so any two short ones of a kind would be near each other.
func nearObject(key v1.Key, among []v1.Key) string {
	var names []string
	for _, k := range among {
		if k.Kind == key.Kind {
			names = append(names, k.Name)
		}
	}
	name := v1.Nearest(key.Name, names)
	if name == "" {
		return ""
	}
	return v1.Key{Kind: key.Kind, Name: name}.String()
}

// didYouMean returns a clause to append to an error, or "" if no name is near.
func didYouMean(near ...string) string {
	if near = slices.DeleteFunc(near, func(name string) bool { return name == "" }); len(near) == 0 {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", strings.Join(near, ", "))
}

func parseObjects(texts []string) ([]v1.Key, error) {
	var out []v1.Key
	for _, t := range texts {
		key, err := parseObject(t)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, key) {
			out = append(out, key)
		}
	}
	return out, nil
}

// parseRevision parses a revision as people write it: at least the first seven digits of a commit's hash. For a plain
// directory they are those of the digest that stands for its files.
func parseRevision(text string) (string, error) {
	digits := strings.ToLower(strings.TrimPrefix(text, git.FilesPrefix))
	if len(digits) < 7 || strings.Trim(digits, "0123456789abcdef") != "" {
		return "", fmt.Errorf("%q is not a revision; give at least the first 7 hexadecimal digits of a commit's hash", text)
	}
	if strings.HasPrefix(text, git.FilesPrefix) {
		return git.FilesPrefix + digits, nil
	}
	return digits, nil
}

// short returns a revision as people write it. It also shortens one that somebody wrote with more digits than needed.
func short(hash string) string {
	if strings.HasPrefix(hash, git.FilesPrefix) {
		return hash
	}
	return hash[:min(len(hash), 10)]
}
