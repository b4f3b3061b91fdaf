// Package all lists the kinds. To add one, add a folder beside this one, a type in api/v1 and a line here.
package all

import (
	"slices"

	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/cluster"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/content"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/network"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/node"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/service"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/volume"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/manifests"
)

var (
	objects = kinds.Set{cluster.Kind(), node.Kind(), content.Config(), content.Secret(), network.Kind(), volume.Kind(), service.Kind()}
	// stated has every kind of manifest: those of objects, the templates, and those that stand for objects of other kinds
	stated = append(own(objects...), own(node.Set())...)
)

// own returns kinds of manifests that need no expansion.
func own(list ...kinds.Kind) []manifests.Kind {
	var out []manifests.Kind
	for _, k := range list {
		field := func(path string) (bool, []string) { return k.Shape.Names(path), k.Shape.Types() }
		out = append(out, manifests.Kind{Name: k.Name, New: k.New, Field: field})
	}
	return out
}

// Kinds returns all kinds of objects, those that others refer to first.
func Kinds() kinds.Set { return slices.Clone(objects) }

// Manifests returns all kinds of manifests.
func Manifests() []manifests.Kind { return slices.Clone(stated) }

// Rules returns the rules of a kind.
func Rules(kind string) diff.Rules { return objects.Rules(kind) }

// Part returns what the kinds add to every plan: their guards.
func Part() plan.Part { return objects.Part() }
