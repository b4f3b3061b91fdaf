package diff

import (
	"slices"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

var (
	serviceShape = NewShape(&v1.Service{})
	networkShape = NewShape(&v1.Network{})
)

// rules are like the rules of services, with enough of each sort.
var rules = func() Rules {
	r := Rules{}
	for _, typ := range append(serviceShape.Types(), networkShape.Types()...) {
		r[typ] = Rule{Effect: RestartsTasks}
	}
	r["metadata.labels.*"] = Rule{Effect: InPlace, Nobody: NobodysLabel}
	r["spec.replicas"] = Rule{Effect: StartsTasks, Allocated: true}
	r["spec.placement.platforms"] = Rule{Effect: RestartsTasks, Allocated: true, Merges: true}
	r["spec.mode"] = Rule{Effect: Recreate}
	r["spec.user"] = Rule{Effect: Forbidden}
	r["spec.image"] = Rule{Effect: RestartsTasks, Equal: v1.SameImage, Bare: func(s string) string { s, _, _ = strings.Cut(s, "@"); return s }}
	r["spec.healthcheck.startInterval"] = Rule{Effect: RestartsTasks, SinceAPI: "1.44"}
	return r
}()

func ofKind(string) Rules { return rules }

// leaves reads items of the form PATH=TEXT. A leading ! marks a default.
func leaves(items ...string) []Leaf {
	var out []Leaf
	for _, item := range items {
		path, text, _ := strings.Cut(item, "=")
		rest, unstated := strings.CutPrefix(path, "!")
		l := Leaf{Path: rest, Type: rest, Text: text, Stated: !unstated}
		for _, m := range []string{"metadata.labels.", "spec.environment."} {
			if key, ok := strings.CutPrefix(rest, m); ok {
				l.Type, l.Key = m+"*", key
			}
		}
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b Leaf) int { return strings.Compare(a.Path, b.Path) })
	return out
}

func key(name string) v1.Key { return v1.Key{Kind: v1.KindService, Name: name} }

func wanted(name string, items ...string) State {
	return State{Key: key(name), Instance: name, Leaves: leaves(items...)}
}

func live(name string, items ...string) State {
	s := wanted(name, items...)
	s.Meta = Meta{ID: "id-" + name, Mine: true}
	return s
}

// after returns the state with the digests of what was last applied.
func (s State) after(items ...string) State {
	s.Meta.Applied = NewApplied(leaves(items...))
	return s
}

// brief returns one line for each field: what differs, and whose doing it is.
func brief(fields []Field) string {
	var lines []string
	for _, f := range fields {
		var marks []string
		for _, m := range []struct {
			is   bool
			name string
		}{{f.Git, "git"}, {f.Hand, "hand"}, {f.Ignored, "ignored"}} {
			if m.is {
				marks = append(marks, m.name)
			}
		}
		lines = append(lines, f.Path+": "+plain(f.Have)+" → "+plain(f.Want)+" ("+strings.Join(append(marks, f.Effect.String()), ", ")+")")
	}
	return strings.Join(lines, "\n")
}

// plain returns a value as it is, whoever may see it.
func plain(v Value) string {
	if v.form == plainForm {
		return v.String()
	}
	return v.Reveal()
}
