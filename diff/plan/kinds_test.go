package plan_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/cluster"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/network"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

func init() {
	plan.Readers = append(plan.Readers, plan.Reader{
		Line: nodeLine, Says: func(plan.Step) string { return "" },
		Part: func(g plan.Given) plan.Part { return nodesOf(g).whole().Part() },
	}, plan.Reader{
		Line: rotationLine, Says: renewal,
		Part: func(g plan.Given) plan.Part {
			r := rotationsOf(g)
			r.Nodes = nodesOf(g).swarm.Report()
			part := r.Part()
			part.Guards = cluster.Kind().Guards
			return part
		},
	}, plan.Reader{
		Line: func(*plan.Given, []string) (bool, error) { return false, nil }, Says: func(plan.Step) string { return "" },
		Part: func(plan.Given) plan.Part { return plan.Part{Finish: network.Kind().Finish} },
	})
}

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var theCluster = v1.Key{Kind: v1.KindCluster, Name: v1.ClusterName}

func ago(s string) time.Time {
	d, err := time.ParseDuration(s)
	if err != nil {
		panic(err)
	}
	return now.Add(-d)
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

var rotationPaths = map[kinds.Rotated]string{
	kinds.WorkerToken: "spec.joinTokens.worker.rotation", kinds.ManagerToken: "spec.joinTokens.manager.rotation",
	kinds.UnlockKey: "spec.autolock.rotation", kinds.RootCA: "spec.ca.rotation",
}

// rotationsOf returns the rotations that the lines give.
func rotationsOf(g plan.Given) *cluster.Rotations {
	r, is := g.Of[v1.KindCluster].(*cluster.Rotations)
	if !is {
		r = &cluster.Rotations{}
		g.Of[v1.KindCluster] = r
	}
	return r
}

// rotationLine reads a line about rotations:
//
//	rotate worker-token epoch=2 every=720h
//	record worker-token epoch=1 age=10h
//	cluster suspend ignore=spec.ca
//	locked
//	signing sha256:b live=sha256:a from=1h until=9000h problem=spec.ca.signing.keyFile
func rotationLine(g *plan.Given, w []string) (is bool, err error) {
	r := rotationsOf(*g)
	if r.Want == nil && slices.Contains([]string{"rotate", "record", "cluster", "locked", "signing"}, w[0]) {
		r.Have = &diff.State{Key: theCluster, Instance: theCluster.Name, Meta: diff.Meta{ID: "c", Mine: true}}
		r.Want = &diff.State{Key: theCluster, Instance: theCluster.Name, Partial: true}
	}
	attributes := map[string]string{}
	for _, a := range w[1:] {
		name, value, _ := strings.Cut(a, "=")
		attributes[name] = value
	}
	switch w[0] {
	case "rotate":
		o := cluster.Rotation{Of: kinds.Rotated(w[1]), Path: rotationPaths[kinds.Rotated(w[1])]}
		if e, stated := attributes["epoch"]; stated {
			n := uint64(number(e))
			o.Epoch = &n
		}
		if e, stated := attributes["every"]; stated {
			o.Every = now.Sub(ago(e))
		}
		r.Stated = append(r.Stated, o)
	case "record":
		if r.Records == nil {
			r.Records = map[kinds.Rotated]kinds.RotationRecord{}
		}
		r.Records[kinds.Rotated(w[1])] = kinds.RotationRecord{Epoch: uint64(number(attributes["epoch"])), At: ago(attributes["age"])}
	case "cluster":
		_, r.Want.Policy.Suspend = attributes["suspend"]
		if path := attributes["ignore"]; path != "" {
			r.Want.Policy.IgnoreDifferences = []string{path}
		}
		r.Have.Meta.Owner = attributes["owner"]
		r.Have.Meta.Mine = r.Have.Meta.Owner == ""
		if unknown := attributes["unknown"]; unknown != "" {
			r.Have.Meta.Unknown = []string{unknown}
		}
	case "locked":
		r.Locked = true
	case "signing":
		r.Signing = &cluster.Signing{Path: "spec.ca.signing", Wanted: w[1], Live: attributes["live"], From: ago(cmp.Or(attributes["from"], "1h")), Until: now.Add(now.Sub(ago(cmp.Or(attributes["until"], "9000h"))))}
		if r.Signing.Problem = strings.ReplaceAll(attributes["problem"], "-", " "); r.Signing.Problem != "" {
			r.Signing.Wanted = ""
		}
	default:
		return false, nil
	}
	return true, nil
}

func TestARotationInTheText(t *testing.T) {
	text := plan.Read(t, "node a manager\nrotate worker-token epoch=2\nrecord worker-token epoch=1 age=10h").Build().Text(nil)
	const want = `~ Cluster/default  (rotation of the workers' join token, by epoch; in place)
    spec.joinTokens.worker.rotation.epoch  1 → 2  (in place)
`
	if text != want {
		t.Errorf("got\n%s", text)
	}
	text = plan.Read(t, "node a manager\nseen a manager ready\nseen b worker down\nseen c manager down\nrotate ca epoch=2\nrecord ca epoch=1 age=10h\nrotate manager-token every=24h").Build().Text(nil)
	const first = `~ Cluster/default  (its rotation is put on record; nothing is replaced; in place)
    spec.joinTokens.manager.rotation.every  (none) → 2026-03-01T12:00:00Z  (in place)
! ~ Cluster/default  (rotation, later) the root of the CA: what has no record yet is put on record first
    spec.ca.rotation.epoch  1 → 2  (in place)
`
	if text != first {
		t.Errorf("got\n%s", text)
	}
}

// renewal says what a step does to records.
func renewal(s plan.Step) string {
	r := kinds.RenewalOf(s)
	if r == nil {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "    replaces %q", r.Makes)
	for _, of := range slices.Sorted(maps.Keys(r.Records)) {
		fmt.Fprintf(&b, ", %s: %s", of, r.Records[of])
	}
	if r.Root != "" {
		fmt.Fprintf(&b, " by %s", r.Root)
	}
	return b.String() + "\n"
}
