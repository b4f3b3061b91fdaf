package cluster

import "github.com/swarm-operator/swarm-operator/diff"

// These say why some fields cannot be written. The engine takes the ticks that a spec has, shows them and never uses
// them (swarmkit manager/manager.go only warns if they differ from its own).
const (
	initOnly = "it is set when a swarm is made, and cannot be changed after that"
	ofDaemon = "the engine ignores what the swarm says here; set it on each manager, in daemon.json: "
)

// ofNodes is the rule for managers. The cluster object does not have their number; roles of nodes change in steps on
// nodes.
var ofNodes = diff.Rule{Effect: diff.InPlace, Stays: true, Unseen: true}

// byEpoch is the rule for what the operator renews. Rotations compares the recorded rotations with the stated ones,
// and the swarm's root with the one that spec.ca.signing names. Sinks are for what was renewed.
var byEpoch = diff.Rule{Effect: diff.InPlace, Stays: true, Unseen: true}

var rules = diff.Rules{
	"metadata.labels.*":                      {Effect: diff.InPlace, Merges: true, Nobody: diff.NobodysLabel},
	"spec.taskHistoryLimit":                  {Effect: diff.InPlace, Stays: true},
	"spec.raft.snapshotInterval":             {Effect: diff.InPlace, Stays: true},
	"spec.raft.keepOldSnapshots":             {Effect: diff.InPlace, Stays: true},
	"spec.raft.logEntriesForSlowFollowers":   {Effect: diff.InPlace, Stays: true},
	"spec.raft.electionTick":                 {Effect: diff.Forbidden, Stays: true, Why: ofDaemon + "swarm-raft-election-tick"},
	"spec.raft.heartbeatTick":                {Effect: diff.Forbidden, Stays: true, Why: ofDaemon + "swarm-raft-heartbeat-tick"},
	"spec.dispatcher.heartbeatPeriod":        {Effect: diff.InPlace, Stays: true},
	"spec.ca.nodeCertExpiry":                 {Effect: diff.InPlace, Stays: true},
	"spec.ca.externalCAs[].protocol":         {Effect: diff.InPlace, Merges: true},
	"spec.ca.externalCAs[].url":              {Effect: diff.InPlace, Merges: true},
	"spec.ca.externalCAs[].options.*":        {Effect: diff.InPlace, Merges: true},
	"spec.ca.externalCAs[].caCert":           {Effect: diff.InPlace, Stays: true},
	"spec.ca.rotation.epoch":                 byEpoch,
	"spec.ca.signing":                        byEpoch,
	"spec.joinTokens.worker.rotation.epoch":  byEpoch,
	"spec.joinTokens.worker.rotation.every":  byEpoch,
	"spec.joinTokens.worker.sinks":           byEpoch,
	"spec.joinTokens.manager.rotation.epoch": byEpoch,
	"spec.joinTokens.manager.rotation.every": byEpoch,
	"spec.joinTokens.manager.sinks":          byEpoch,
	"spec.autolock.enabled":                  {Effect: diff.InPlace, Stays: true},
	"spec.autolock.rotation.epoch":           byEpoch,
	"spec.autolock.rotation.every":           byEpoch,
	"spec.autolock.escrow":                   byEpoch,
	"spec.managers.count":                    ofNodes,
	"spec.managers.candidates.labels.*":      ofNodes,
	"spec.managers.candidates.ids":           ofNodes,
	"spec.managers.candidates.hostnames":     ofNodes,
	"spec.managers.spreadBy":                 ofNodes,
	"spec.managers.stableFor":                ofNodes,
	"spec.managers.replaceAfter":             ofNodes,
	"spec.defaultAddrPool":                   {Effect: diff.Forbidden, Stays: true, Why: initOnly},
	"spec.subnetSize":                        {Effect: diff.Forbidden, Stays: true, Why: initOnly},
	"spec.dataPathPort":                      {Effect: diff.Forbidden, Stays: true, Why: initOnly},
}
