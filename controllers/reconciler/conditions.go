package reconciler

import (
	"fmt"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/act"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

func (l *Loop) sourceCondition(run *Run) {
	switch {
	case run.SourceErr != nil:
		l.Board.Set(status.SourceReady, false, "SourceUnavailable", run.SourceErr.Error())
	case len(run.Problems) > 0:
		l.Board.Set(status.SourceReady, false, "Refused", fmt.Sprintf("revision %s has %s, the first: %s", run.Attempted.Short(), v1.Count(len(run.Problems), "problem"), run.Problems[0]))
	default:
		l.Board.Set(status.SourceReady, true, "Read", "")
	}
}

// actorConditions set whether this instance acts, and what keeps it from acting.
func (l *Loop) actorConditions(run *Run, standby *act.Standby) {
	f := run.Facts
	lease := l.Lease.View()
	holds := status.Concerning(f.Holds, run.Source, run.Keys(), f.Now)
	l.Board.Context(leaseOf(lease), holds, f.Paused)
	if standby != nil {
		l.Board.Set(status.Standby, true, "LeaseHeld", "there is something to do: "+standby.Error())
	} else {
		l.Board.Set(status.Standby, false, "NotWaiting", "")
	}
	l.Board.Set(status.Paused, f.Paused != "", map[bool]string{true: "NeedsConfirm", false: "Acting"}[f.Paused != ""], f.Paused)
	held := make([]string, 0, len(holds))
	for _, h := range holds {
		held = append(held, h.Target+": "+h.Text())
	}
	l.Board.Set(status.OnHold, len(held) > 0, map[bool]string{true: "Held", false: "Nothing"}[len(held) > 0], strings.Join(held, "; "))
	outdated := ""
	if run.Outdated {
		outdated = fmt.Sprintf("revision %s is older than %.10s, which is in force: this instance does not act", run.InForce.Short(), run.Found.Memory.InForce.Hash)
	}
	l.rewrittenCondition(run)
	l.Board.Set(status.Outdated, run.Outdated, map[bool]string{true: "OlderRevision", false: "Current"}[run.Outdated], outdated)
}

// noQuorum says how many managers are needed, if that is known. An engine without a leader does not know how many
// there are.
func noQuorum(managers int, err error) string {
	if managers == 0 {
		return err.Error()
	}
	return fmt.Sprintf("nothing is written: %d of the swarm's %d managers have to reach each other, and fewer do; start those that are down, or bring the network between them back: %v", managers/2+1, managers, err)
}

func (l *Loop) engineCondition(err error) {
	switch {
	case err == nil:
		l.Board.Set(status.EngineReady, true, "Reached", "")
	case engine.IsNoQuorum(err):
		l.Board.Set(status.EngineReady, false, "NoQuorum", noQuorum(l.managers, err))
	case engine.IsNotManager(err):
		l.Board.Set(status.EngineReady, false, "NotManager", err.Error())
	case engine.IsLocked(err):
		l.Board.Set(status.EngineReady, false, "Locked", err.Error())
	default:
		l.Board.Set(status.EngineReady, false, "Unavailable", err.Error())
	}
}

func (l *Loop) planConditions(run *Run) {
	p := run.Plan
	l.Board.Set(status.InSync, p.InSync(), map[bool]string{true: "InSync", false: "Differs"}[p.InSync()], "")
	held := ""
	for _, r := range p.Refused {
		if r.Class != plan.Later && !r.Quiet {
			held = fmt.Sprintf("%s: %s", r.Key, r.Why)
			break
		}
	}
	l.Board.Set(status.Held, held != "", map[bool]string{true: "NeedsAPerson", false: "Nothing"}[held != ""], held)
	contended := ""
	for _, r := range p.Refused {
		if r.Contended() {
			contended = fmt.Sprintf("%s: %s", r.Key, r.Why)
			break
		}
	}
	l.Board.Set(status.Contended, contended != "", map[bool]string{true: "WrittenAgainAndAgain", false: "Nothing"}[contended != ""], contended)
	failed := ""
	if all := run.FailedWants(); len(all) > 0 {
		failed = fmt.Sprintf("%s: %s", all[0].Key, all[0].Why)
	}
	waits := l.decider.Placeless()
	l.Board.Set(status.TasksWaiting, waits != "", map[bool]string{true: "NoPlace", false: "None"}[waits != ""], waits)
	l.Board.Set(status.RolloutFailed, failed != "", map[bool]string{true: "WantFailed", false: "None"}[failed != ""], failed)
}

// rewrittenCondition sets whether the history of the source was rewritten.
func (l *Loop) rewrittenCondition(run *Run) {
	reason, text := run.Rewritten()
	if text == "" {
		l.Board.Set(status.HistoryRewritten, false, "Nothing", "")
		return
	}
	l.Board.Set(status.HistoryRewritten, true, reason, text)
}

// deliveryConditions sets whether tokens and keys are where they should be. While a problem holds the manifest of the
// Cluster, nobody knows where that is. Nothing is then delivered, and the last condition stays.
func (l *Loop) deliveryConditions(run *Run) {
	// If the Cluster has a manifest, what holds a node holds the Cluster as well. If it has none, there is nothing to
	// deliver.
	if p, held := run.Held[v1.Key{Kind: v1.KindCluster, Name: v1.ClusterName}]; held {
		l.Board.DeliveryUnknown("the manifest that says where tokens and keys go is held: " + p.Why)
		return
	}
	var key, token []string
	for _, d := range run.acts.Undelivered {
		if d.Of == kinds.UnlockKey {
			key = append(key, d.Sink.Name())
		} else {
			token = append(token, string(d.Of)+" to "+d.Sink.Name())
		}
	}
	why := ""
	if run.acts.DeliveryErr != nil {
		why = ": " + run.acts.DeliveryErr.Error()
	}
	set := func(kind, reason, what string, of []string) {
		if len(of) == 0 {
			l.Board.Set(kind, false, "Delivered", "")
			return
		}
		l.Board.Set(kind, true, reason, what+strings.Join(of, ", ")+why)
	}
	set(status.KeyNotEscrowed, "NotEscrowed", "the unlock key has not come to ", key)
	set(status.TokensNotDelivered, "NotDelivered", "not delivered yet: ", token)
}

// nodesUnknown notes that the nodes cannot be read, and why. What was known of them may have changed since.
func (l *Loop) nodesUnknown(err error) {
	why := "the swarm cannot be asked"
	switch {
	case engine.IsNoQuorum(err):
		why = "the managers that are left are no majority"
	case engine.IsNotManager(err):
		why = "the engine that is asked is no manager now"
	case engine.IsLocked(err):
		why = "the engine that is asked is locked"
	}
	l.Board.NodesUnknown(why)
}
