package node

import "github.com/swarm-operator/swarm-operator/diff"

var rules = diff.Rules{
	"metadata.labels.*":         {Effect: diff.InPlace, Unseen: true}, // refused, because a node has only one sort of labels
	"spec.id":                   {Effect: diff.InPlace, Unseen: true}, // it says which node is meant
	"spec.role":                 {Effect: diff.InPlace, Unseen: true}, // a pin; roles change one at a time, see NextRoleChange
	"spec.availability":         {Effect: diff.InPlace, Stays: true, Intent: true},
	"spec.labels.*":             {Effect: diff.InPlace, Merges: true, Nobody: diff.NobodysLabel},
	"spec.labelMode":            {Effect: diff.InPlace, Unseen: true},
	"spec.presence":             {Effect: diff.InPlace, Unseen: true}, // it has steps of its own, see Leaving
	"spec.removeDownAfter":      {Effect: diff.InPlace, Unseen: true},
	"spec.engine.host":          {Effect: diff.InPlace, Unseen: true},
	"spec.engine.advertiseAddr": {Effect: diff.InPlace, Unseen: true},
	"spec.engine.listenAddr":    {Effect: diff.InPlace, Unseen: true},
	"spec.engine.dataPathAddr":  {Effect: diff.InPlace, Unseen: true},
	"spec.engine.tls":           {Effect: diff.InPlace, Unseen: true},
}

// setRules are total, as every kind's rules are. They are never used, because a set is compared as what it makes of
// nodes.
var setRules = func() diff.Rules {
	r := diff.Rules{}
	for _, typ := range setShape.Types() {
		r[typ] = diff.Rule{Effect: diff.InPlace, Unseen: true}
	}
	return r
}()
