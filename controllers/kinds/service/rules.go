package service

import (
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

// rules say what a difference in each leaf costs. The effects are SwarmKit's own: orchestrator.IsTaskDirty compares
// the whole task template and the endpoint, but not labels, the mode and the two update configs. If only the
// placement changes, tasks whose node still matches stay, so the effect is an upper bound.
var rules = buildRules()

// modes say what is special about jobs. SwarmKit begins another run of a job with every update, even with one that changes
// nothing (UpdateService in manager/controlapi/service.go).
var modes = diff.Values{
	SinceOf: map[string]string{v1.ModeReplicatedJob: "1.41", v1.ModeGlobalJob: "1.41"},
	Least:   map[string]diff.Effect{v1.ModeReplicatedJob: diff.RunsAgain, v1.ModeGlobalJob: diff.RunsAgain},
}

func buildRules() diff.Rules {
	r := diff.Rules{
		"metadata.labels.*": {Effect: diff.InPlace, Nobody: diff.NobodysLabel},
		"spec.mode":         {Effect: diff.Recreate, Values: modes},
		"spec.replicas":     {Effect: diff.StartsTasks, Allocated: true},
		"spec.image":        {Effect: diff.RestartsTasks, Equal: v1.SameImage, Bare: bareImage},
		// stack deploy writes labels into the containers as well.
		"spec.containerLabels.*":          {Effect: diff.RestartsTasks, Nobody: diff.NobodysLabel},
		"spec.resources.limits.pids":      {Effect: diff.RestartsTasks, SinceAPI: "1.41"},
		"spec.resources.memorySwap":       {Effect: diff.RestartsTasks, SinceAPI: "1.52"},
		"spec.resources.memorySwappiness": {Effect: diff.RestartsTasks, SinceAPI: "1.52"},
		"spec.capAdd":                     {Effect: diff.RestartsTasks, SinceAPI: "1.41"},
		"spec.capDrop":                    {Effect: diff.RestartsTasks, SinceAPI: "1.41"},
		"spec.healthcheck.startInterval":  {Effect: diff.RestartsTasks, SinceAPI: "1.44"},

		"spec.placement.platforms": {Effect: diff.RestartsTasks, Allocated: true, Merges: true},
		"spec.maxConcurrent":       {Effect: diff.InPlace, Allocated: true, SinceAPI: "1.41"},
		"spec.forceUpdate":         {Effect: diff.RestartsTasks, Allocated: true, Intent: true},
		"spec.ulimits.*":           {Effect: diff.RestartsTasks, SinceAPI: "1.41"},
		"spec.oomScoreAdj":         {Effect: diff.RestartsTasks, SinceAPI: "1.46"},
		// stack deploy writes a label into each volume as well.
		"spec.mounts[].bind.recursive":    {Effect: diff.RestartsTasks, SinceAPI: "1.41"},
		"spec.mounts[].volume.labels.*":   {Effect: diff.RestartsTasks, Nobody: diff.NobodysLabel},
		"spec.mounts[].type":              {Effect: diff.RestartsTasks, Values: diff.Values{SinceOf: map[string]string{"cluster": "1.42"}}}, // an older engine fails at it
		"spec.mounts[].volume.subpath":    {Effect: diff.RestartsTasks, SinceAPI: "1.45"},
		"spec.mounts[].tmpfs.options":     {Effect: diff.RestartsTasks, SinceAPI: "1.46"},
		"spec.privileges.noNewPrivileges": {Effect: diff.RestartsTasks, SinceAPI: "1.44"},
		"spec.privileges.appArmor":        {Effect: diff.RestartsTasks, SinceAPI: "1.44"},
		"spec.privileges.seccomp.mode":    {Effect: diff.RestartsTasks, SinceAPI: "1.44"},
		"spec.privileges.seccomp.profile": {Effect: diff.RestartsTasks, SinceAPI: "1.44"},
	}
	for _, leaf := range shape.Types() {
		if _, stated := r[leaf]; stated {
			continue
		}
		effect := diff.RestartsTasks
		if strings.HasPrefix(leaf, "spec.updateConfig.") || strings.HasPrefix(leaf, "spec.rollbackConfig.") {
			effect = diff.InPlace
		}
		r[leaf] = diff.Rule{Effect: effect, Follows: follows(leaf)}
	}
	return r
}

// follows returns the leaf that a default follows from, or "". Jobs have no update configs, and they restart no task
// that ended well.
func follows(leaf string) string {
	for _, block := range []string{"spec.updateConfig.", "spec.rollbackConfig.", "spec.restartPolicy."} {
		if strings.HasPrefix(leaf, block) {
			return "spec.mode"
		}
	}
	return ""
}

// bareImage strips the digest that a client added to a tag.
func bareImage(have string) string {
	bare, _, _ := strings.Cut(have, "@")
	return bare
}
