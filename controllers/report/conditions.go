package report

import (
	"fmt"
	"strings"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/act"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Conditions tells a board what runs find, decide and do.
type Conditions struct {
	*status.Board
	// managers is how many managers the swarm had when it was last read whole.
	managers int
	// unread is true if the last run could not read the health of services.
	unread bool
	// unwritten says why the engine has not taken what a run wanted to write. It is nil if the last such run could
	// write.
	unwritten error
	// steps is what the run under way has found out about steps that fail. It is set when the run ends, because what
	// waits for its next try is known before what fails now, and one run is to say one thing. It is nil if the run has
	// found out nothing.
	steps *status.Condition
}

// Ended publishes what a run has found and done. If the run ended with a panic, which the runner logs, the status shows
// that until a run ends without one.
func (c *Conditions) Ended(panicked bool) {
	const reason = "Panicked"
	is, _ := c.Said(status.StepFailed)
	switch {
	case panicked:
		c.Set(status.StepFailed, true, reason, "the last run ended with a panic: see the log")
	case c.steps != nil:
		c.Set(status.StepFailed, c.steps.Status, c.steps.Reason, c.steps.Message)
	case is.Reason == reason:
		c.Set(status.StepFailed, false, "NothingFailed", "")
	}
	c.steps = nil
	c.Publish()
}

// Source sets whether the source could be read, and whether its newest revision is refused.
func (c *Conditions) Source(run *decide.Decision, unread error) {
	switch {
	case unread != nil:
		c.Set(status.SourceReady, false, status.SourceUnavailable, unread.Error())
	case len(run.Problems) > 0:
		c.Set(status.SourceReady, false, "Refused", fmt.Sprintf("revision %s has %s, the first: %s", run.Attempted.Short(), v1.Count(len(run.Problems), "problem"), run.Problems[0]))
	default:
		c.Set(status.SourceReady, true, "Read", "")
	}
}

// Unread notes that the swarm could not be read.
func (c *Conditions) Unread(err error) {
	c.engine(err)
	c.nodesUnknown(err)
}

// Looked tells what a run has read. hidden is since when writes hide how roll-outs go on.
func (c *Conditions) Looked(run *decide.Decision, hidden map[v1.Key]time.Time) {
	if run.Whole {
		c.managers = run.About.Managers
	}
	if run.Whole || run.Unread != nil || c.unread {
		if err := run.Unread; err != nil {
			c.engine(err)
		} else {
			c.engine(c.unwritten)
		}
	}
	c.unread = run.Unread != nil
	c.Found(Found(run, c.Report().Found, hidden))
	if !run.Usable() {
		c.Set(status.InSync, false, "NoRevision", "there is no revision without a problem to go by")
	}
}

// Decided tells what a run has decided, before anything is done about it. placeless says which tasks find no place.
func (c *Conditions) Decided(run *decide.Decision, placeless string) {
	c.plan(run, placeless)
	objects := map[string]int{}
	for _, w := range run.Wants.States {
		objects[w.Key.Kind]++
	}
	c.Planned(run.Changes, run.Plan, objects)
	if n := run.Surveyed.Nodes; n != nil { // nodes that were not read change no condition
		c.Nodes(nodesOf(n))
		c.promotions(n, run.Plan.Refused)
	}
	c.Rotations(run.Rotating.Last)
	if troubled := run.Troubled(); troubled != "" {
		c.steps = &status.Condition{Status: true, Reason: "StepFailed", Message: troubled}
	} else if len(run.Plan.Steps) == 0 {
		c.steps = &status.Condition{Reason: "NothingToDo"}
	}
}

// Failed notes that a step has failed.
func (c *Conditions) Failed(err error) {
	c.steps = &status.Condition{Status: true, Reason: "StepFailed", Message: err.Error()}
}

// Acting sets whether this instance acts, and what keeps it from acting. standby is nil if it does not wait for the
// lease.
func (c *Conditions) Acting(run *decide.Decision, lease state.View, standby *act.Standby) {
	f := run.Facts
	holds := status.Concerning(f.Holds, run.Source, run.Keys(), f.Now)
	c.Context(leaseOf(lease), holds, f.Paused)
	if standby != nil {
		c.Set(status.Standby, true, "LeaseHeld", "there is something to do: "+standby.Error())
	} else {
		c.Set(status.Standby, false, "NotWaiting", "")
	}
	c.Set(status.Paused, f.Paused != "", map[bool]string{true: "NeedsConfirm", false: "Acting"}[f.Paused != ""], f.Paused)
	held := make([]string, 0, len(holds))
	for _, h := range holds {
		held = append(held, h.Target+": "+h.Text())
	}
	c.Set(status.OnHold, len(held) > 0, map[bool]string{true: "Held", false: "Nothing"}[len(held) > 0], strings.Join(held, "; "))
	outdated := ""
	if run.Outdated {
		outdated = fmt.Sprintf("revision %s is older than %.10s, which is in force: this instance does not act", run.InForce.Short(), run.World.Found.Memory.InForce.Hash)
	}
	c.rewritten(run)
	c.Set(status.Outdated, run.Outdated, map[bool]string{true: "OlderRevision", false: "Current"}[run.Outdated], outdated)
}

// noQuorum says how many managers are needed, if that is known. An engine without a leader does not know how many
// there are.
func noQuorum(managers int, err error) string {
	if managers == 0 {
		return err.Error()
	}
	return fmt.Sprintf("nothing is written: %d of the swarm's %d managers have to reach each other, and fewer do; start those that are down, or bring the network between them back: %v", managers/2+1, managers, err)
}

// Unwritten notes that the engine has not taken what a run wanted to write: the lease, or the memory. Until a run can
// write, that stays so, although the engine may still answer questions.
func (c *Conditions) Unwritten(err error) {
	c.unwritten = err
	c.engine(err)
}

// Written notes that a run could write what it wanted to, had nothing to write, or leaves that to another instance.
func (c *Conditions) Written() {
	if c.unwritten != nil && !c.unread {
		c.engine(nil)
	}
	c.unwritten = nil
}

// engine sets whether the engine can be used.
func (c *Conditions) engine(err error) {
	switch {
	case err == nil:
		c.Set(status.EngineReady, true, "Reached", "")
	case engine.IsNoQuorum(err):
		c.Set(status.EngineReady, false, status.NoQuorum, noQuorum(c.managers, err))
	case engine.IsNotManager(err):
		c.Set(status.EngineReady, false, "NotManager", err.Error())
	case engine.IsLocked(err):
		c.Set(status.EngineReady, false, "Locked", err.Error())
	default:
		c.Set(status.EngineReady, false, "Unavailable", err.Error())
	}
}

func (c *Conditions) plan(run *decide.Decision, placeless string) {
	p := run.Plan
	c.Set(status.InSync, run.InSync(), map[bool]string{true: "InSync", false: "Differs"}[run.InSync()], "")
	held := run.OtherSource()
	for _, r := range p.Refused {
		if held == "" && r.Class != plan.Later && !r.Quiet {
			held = fmt.Sprintf("%s: %s", r.Key, r.Why)
			break
		}
	}
	c.Set(status.Held, held != "", map[bool]string{true: "NeedsAPerson", false: "Nothing"}[held != ""], held)
	contended := ""
	for _, r := range p.Refused {
		if r.Contended() {
			contended = fmt.Sprintf("%s: %s", r.Key, r.Why)
			break
		}
	}
	c.Set(status.Contended, contended != "", map[bool]string{true: "WrittenAgainAndAgain", false: "Nothing"}[contended != ""], contended)
	failed := ""
	if all := run.FailedWants(); len(all) > 0 {
		failed = fmt.Sprintf("%s: %s", all[0].Key, all[0].Why)
	}
	c.notCompared(run.Wants.Unknown)
	c.Set(status.TasksWaiting, placeless != "", map[bool]string{true: "NoPlace", false: "None"}[placeless != ""], placeless)
	c.Set(status.RolloutFailed, failed != "", map[bool]string{true: "WantFailed", false: "None"}[failed != ""], failed)
}

// mostWaiting is how many nodes a condition names, and mostUnknown how many secrets.
const mostWaiting, mostUnknown = 5, 5

// notCompared sets whether the contents of secrets cannot be compared, so that they stay as they are whatever git says. It
// says so once for each reason.
func (c *Conditions) notCompared(unknown []kinds.Unknown) {
	var reasons []string
	of := map[string][]string{}
	for _, u := range unknown {
		if of[u.Why] == nil {
			reasons = append(reasons, u.Why)
		}
		of[u.Why] = append(of[u.Why], u.Key.String())
	}
	var text []string
	for _, why := range reasons {
		all, more := of[why], ""
		if n := len(all) - mostUnknown; n > 0 {
			all, more = all[:mostUnknown], fmt.Sprintf(" and %d more", n)
		}
		text = append(text, fmt.Sprintf("%s%s: %s", strings.Join(all, ", "), more, why))
	}
	if len(text) == 0 {
		c.Set(status.SecretsNotCompared, false, "Compared", "")
		return
	}
	c.Set(status.SecretsNotCompared, true, "NotCompared", "these secrets stay as they are, also if git has changed them: "+strings.Join(text, "; "))
}

// promotions sets whether nodes wait for a person before they become managers, or get a label for that, while no manager
// may be lost.
func (c *Conditions) promotions(n *kinds.Nodes, refused []plan.Refusal) {
	var waiting []string
	for _, r := range refused {
		if r.Hazard == plan.PromoteUnproven {
			waiting = append(waiting, fmt.Sprintf("%s (%s)", r.Key, r.Instance))
		}
	}
	if len(waiting) == 0 || n.Tolerance > 0 {
		c.Set(status.PromotionWaits, false, "Nothing", "")
		return
	}
	more := ""
	if len(waiting) > mostWaiting {
		more = fmt.Sprintf(" and %d more", len(waiting)-mostWaiting)
	}
	c.Set(status.PromotionWaits, true, "NeedsAPerson", fmt.Sprintf("%s, and these wait for consent to %s: %s%s", n.Losses, plan.PromoteUnproven, strings.Join(waiting[:min(len(waiting), mostWaiting)], ", "), more))
}

// rewritten sets whether the history of the source was rewritten.
func (c *Conditions) rewritten(run *decide.Decision) {
	reason, text := run.Rewritten()
	if text == "" {
		c.Set(status.HistoryRewritten, false, "Nothing", "")
		return
	}
	c.Set(status.HistoryRewritten, true, reason, text)
}

// Delivered sets whether tokens and keys are where they should be. While a problem holds the manifest of the
// Cluster, nobody knows where that is. Nothing is then delivered, and the last condition stays.
func (c *Conditions) Delivered(run *decide.Decision, undelivered []act.Delivery, err error) {
	// If the Cluster has a manifest, what holds a node holds the Cluster as well. If it has none, there is nothing to
	// deliver.
	if p, held := run.Held[v1.Key{Kind: v1.KindCluster, Name: v1.ClusterName}]; held {
		c.DeliveryUnknown("the manifest that says where tokens and keys go is held: " + p.Why)
		return
	}
	var key, token []string
	for _, d := range undelivered {
		if d.Of == kinds.UnlockKey {
			key = append(key, d.Sink)
		} else {
			token = append(token, string(d.Of)+" to "+d.Sink)
		}
	}
	why := ""
	if err != nil {
		why = ": " + err.Error()
	}
	set := func(kind, reason, what string, of []string) {
		if len(of) == 0 {
			c.Set(kind, false, "Delivered", "")
			return
		}
		c.Set(kind, true, reason, what+strings.Join(of, ", ")+why)
	}
	set(status.KeyNotEscrowed, "NotEscrowed", "the unlock key has not come to ", key)
	set(status.TokensNotDelivered, "NotDelivered", "not delivered yet: ", token)
}

// nodesUnknown notes that the nodes cannot be read, and why. What was known of them may have changed since.
func (c *Conditions) nodesUnknown(err error) {
	why := "the swarm cannot be asked"
	switch {
	case engine.IsNoQuorum(err):
		why = "the managers that are left are no majority"
	case engine.IsNotManager(err):
		why = "the engine that is asked is no manager now"
	case engine.IsLocked(err):
		why = "the engine that is asked is locked"
	}
	c.NodesUnknown(why)
}
