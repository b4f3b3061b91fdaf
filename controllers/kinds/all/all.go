// Package all lists the kinds. To add one, add a folder beside this one, a type in api/v1 and a line here.
package all

import (
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/cluster"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/config"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/network"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/node"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/secret"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/service"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

var (
	objects = []kinds.Kind{cluster.Kind(), node.Kind(), config.Kind(), secret.Kind(), network.Kind(), service.Kind()}
	// every has every kind of manifest, including those without objects of their own
	every = append(slices.Clone(objects), node.Set())
)

// Kinds returns all kinds of objects, those that others refer to first.
func Kinds() []kinds.Kind { return slices.Clone(objects) }

// New returns an empty manifest of a kind, or nil.
func New(kind string) v1.Object {
	for i := range every {
		if k := &every[i]; k.Name == kind {
			return k.New()
		}
	}
	return nil
}

// Names lists the kinds of manifests.
func Names() []string {
	var names []string
	for _, k := range every {
		names = append(names, k.Name)
	}
	return names
}

// Field reports whether a path names a field of a kind. It also returns the fields that there are, for messages.
func Field(kind, path string) (ok bool, fields []string) {
	for i := range every {
		if k := &every[i]; k.Name == kind {
			return k.Shape.Names(path), k.Shape.Types()
		}
	}
	return false, nil
}

var rules = func() map[string]diff.Rules {
	m := map[string]diff.Rules{}
	for _, k := range Kinds() {
		m[k.Name] = k.Rules
	}
	return m
}()

// Rules returns the rules of a kind.
func Rules(kind string) diff.Rules { return rules[kind] }

// Part is what the kinds add to every plan: what they object to.
func Part() plan.Part {
	var guards []plan.Guard
	for i := range objects {
		guards = append(guards, objects[i].Guards...)
	}
	return plan.Part{Guards: guards}
}
