package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

const (
	guardInUse      = "in-use"
	guardUnseen     = "unseen"
	guardFailedWant = "failed-want"
	guardOwnership  = "ownership"

	// GuardDependsOn makes steps wait for what they need.
	GuardDependsOn = "depends-on"

	guardFailedRollouts = "failed-rollouts"
	guardSuspend        = "suspend"
	guardPrune          = "prune"
)

// guardNoNode is the guard of a Node manifest that no node of the swarm matches.
const guardNoNode = "no-node"

// guardInFlight leaves a change by hand alone while a roll-out is in flight.
const guardInFlight = "rollout-in-flight"

// guards hold for every kind, as dues do. Their order decides only which of two objections is printed.
var guards = []Guard{
	{guardFailedWant, Each(failedWant)}, // first, because removals wait for what it refuses, even if that is on hold by now
	{guardPaused, Each(paused)},
	{guardHold, Each(onHold)},
	{guardSuspend, Each(suspended)},
	{guardReleased, Each(released)},
	{guardBroken, Each(unusable)},
	{guardOwnership, Each(foreign)},
	{guardOtherSource, Each(another)},
	{guardRewind, Each(rewound)},
	{"api-version", Each(tooNew)},
	{"unknown-field", Each(unknownField)},
	{"blocked", Each(blocked)},
	{"missing", Each(missing)},
	{"forbidden", Each(forbidden)},
}

// asking are the guards that let a step through if somebody agrees. Those by which kinds forbid a step come before them.
var asking = []Guard{
	{"replace", Each(replaced)},
	{guardDropsSettings, Each(dropsInTime)},
	{guardPrune, Each(pruned)},
	{"self", Each(selfStays)},
	{guardOtherSource, Each(otherSource)},
}

// dues are the guards of steps that nothing objects to for good: they say when a step is due, and what has to be agreed
// to first. They come after the guards of kinds, so that nobody is told of a repair or a removal that never comes.
var dues = []Guard{
	{guardInUse, inUse},
	{guardUnseen, Each(unseen)},
	{"removal-budget", removalBudget},
	{guardRepairAfter, tooEarly},
	{guardDropsSettings, Each(dropsSettings)},
	{guardInFlight, Each(duringRollout)},
	{guardFailedRollouts, failedRollouts},
	{"restarts", restarts},
}

// room, turns and last are the guards that make a step wait for others. Each runs when those before it have no more
// objections. Otherwise a step could wait for one that never comes, and budgets would not count it. The guards of
// kinds come after room, and what kinds put off comes after turns.
var (
	room = []Guard{
		{guardBackOff, Each(backsOff)},
		{guardRoom, noRoom},
	}
	turns = []Guard{
		{GuardDependsOn, dependencies},
		{guardRoom, roomLater},
		{"rollouts-at-once", rolloutsAtOnce},
	}
	last = []Guard{
		{"removals-last", removalsLast},
		{guardSelf, selfLast},
	}
)

// Each returns a check of a plan that checks each step.
func Each(check func(Step, Facts, Policy) []Refusal) func(Plan, Facts, Policy) []Refusal {
	return func(plan Plan, f Facts, p Policy) []Refusal {
		var out []Refusal
		for _, s := range plan.Steps {
			out = append(out, check(s, f, p)...)
		}
		return out
	}
}

func suspended(s Step, _ Facts, _ Policy) []Refusal {
	if s.Change.Want != nil && s.Change.Want.Policy.Suspend {
		return []Refusal{s.Refusal(Never, "policy.suspend is set: remove it to go on")}
	}
	return nil
}

// another asks before anything is done for a revision that may be of another source than the one that has the name. An
// agreement for some objects does not count: the source's memory is all its own, or all the other one's.
func another(s Step, f Facts, p Policy) []Refusal {
	if f.OtherSource == "" || p.Consents.Agreed(OtherSource) {
		return nil
	}
	r := s.Refusal(Consent, "%s", f.OtherSource)
	r.Hazard = OtherSource
	return []Refusal{r}
}

// rewound asks for consent if the revision is older than the one in force. If the policy says so, it also asks if the
// revision takes commits of that one back.
func rewound(s Step, f Facts, p Policy) []Refusal {
	switch {
	case f.Rewind:
		return s.Needs(Rewind, p, "the revision is older than the one in force, so it would take newer commits back")
	case f.Rewritten != "" && p.AskRewritten:
		return s.Needs(Rewind, p, "%s", f.Rewritten)
	}
	return nil
}

// tooNew refuses a field or a value that the engine would silently drop. It also refuses to write an object that has
// such a setting already, because the engine would drop that, unless the setting is one of those to be written. An
// object that makes room counts as written, because it is made again: that would be refused when it is gone.
func tooNew(s Step, f Facts, _ Policy) []Refusal {
	has := "this engine has " + f.APIVersion
	if f.APIVersion == "" {
		has = "this engine does not say which it has"
	}
	states, writes := s.Fields, s.Fields
	if s.MakesRoom() {
		states, writes = s.Change.Fields, s.Change.Counted()
	}
	var needs []needed
	value, field := false, false
	for _, fl := range states {
		switch {
		case !fl.Want.Set() || fl.SinceAPI == "" || !LessAPI(f.APIVersion, fl.SinceAPI):
		case fl.SinceValue: // such a value is one of a list, so it is no secret
			needs, value = append(needs, needed{fmt.Sprintf("%s: %s", fl.Path, fl.Want.Reveal()), fl.SinceAPI}), true
		default:
			needs, field = append(needs, needed{fl.Path, fl.SinceAPI}), true
		}
	}
	if len(needs) > 0 {
		do := "remove " + many(len(needs), "the field", "the fields")
		switch {
		case value && field:
			do = "remove these fields, or state other values"
		case value:
			do = "state " + many(len(needs), "another value", "other values")
		}
		return []Refusal{s.Refusal(Never, "%s %s engine API %s, and %s: update the engine, or %s", named(needs), many(len(needs), "needs", "need"), newest(needs), has, do)}
	}
	if s.Op != diff.Update && s.Op != diff.Replace && !s.MakesRoom() {
		return nil
	}
	for _, n := range s.Change.Newer {
		if LessAPI(f.APIVersion, n.SinceAPI) && !slices.ContainsFunc(writes, func(fl diff.Field) bool { return fl.Path == n.Path }) {
			needs = append(needs, needed{n.Path, n.SinceAPI})
		}
	}
	if len(needs) == 0 {
		return nil
	}
	return []Refusal{s.Refusal(Never, "the object in the swarm has %s, which %s engine API %s, and %s and would drop %s in any write: update the engine, or take %s away",
		named(needs), many(len(needs), "needs", "need"), newest(needs), has, many(len(needs), "it", "them"), many(len(needs), "the setting", "the settings"))}
}

// needed is something that only engines have that speak an API version or a newer one.
type needed struct{ what, api string }

// named returns the names of all of them, each with its API version if these differ.
func named(all []needed) string {
	differ := slices.ContainsFunc(all, func(n needed) bool { return n.api != all[0].api })
	var names []string
	for _, n := range all {
		if differ {
			n.what += " (" + n.api + ")"
		}
		names = append(names, n.what)
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

// newest returns the newest API version that one of them needs.
func newest(all []needed) string {
	out := all[0].api
	for _, n := range all {
		if LessAPI(out, n.api) {
			out = n.api
		}
	}
	return out
}

// many returns the word for one or for several.
func many(n int, one, several string) string {
	if n == 1 {
		return one
	}
	return several
}

// LessAPI reports whether a is an older API version than b. An unknown version is older than any other.
func LessAPI(a, b string) bool {
	am, an := parseAPI(a)
	bm, bn := parseAPI(b)
	return am < bm || (am == bm && an < bn)
}

func parseAPI(s string) (major, minor int) {
	a, b, _ := strings.Cut(s, ".")
	major, _ = strconv.Atoi(a) // an unknown version reads as 0
	minor, _ = strconv.Atoi(b)
	return major, minor
}

// unknownField refuses a write that would drop a setting that somebody made and this release does not know or cannot read. A
// value that cannot be read is no reason if the write replaces all of its field with what the manifest states.
func unknownField(s Step, _ Facts, _ Policy) []Refusal {
	h := s.Change.Have
	if h == nil || !s.stays() {
		return nil
	}
	unknown := slices.Clone(h.Meta.Unknown)
	var unread []string
	for _, u := range h.Meta.Unread {
		unknown = slices.DeleteFunc(unknown, func(key string) bool { return key == u.Key })
		if !s.replaces(u.Path) {
			unread = append(unread, fmt.Sprintf("%s has %q", u.Path, v1.Scrub(u.Text)))
		}
	}
	switch {
	case len(unknown) > 0:
		return []Refusal{s.Refusal(Never, "the object in the swarm has fields that this release does not know, and a write would drop them: %s; update swarm-operator, or remove them by hand", strings.Join(unknown, ", "))}
	case len(unread) > 0:
		return []Refusal{s.Refusal(Never, "in the swarm, %s, which is no address, and a write would drop that: state %s in the manifest, and the write replaces all of it; or remove it by hand", strings.Join(unread, ", and "), h.Meta.Unread[0].Path)}
	}
	return nil
}

// replaces reports whether a step writes a field as the manifest states it, so that nothing of the live value stays. An object
// that is made again starts from its live spec, so that does not count.
func (s Step) replaces(path string) bool {
	return s.Op == diff.Update && slices.ContainsFunc(s.Fields, func(f diff.Field) bool { return f.Path == path && f.Want.Set() && !f.Ignored })
}

// missing refuses a step that needs an external object that does not exist.
func missing(s Step, f Facts, _ Policy) []Refusal {
	if s.Change.Want == nil {
		return nil
	}
	for _, k := range s.Change.Want.Uses {
		if f.Missing[k] {
			return []Refusal{s.Refusal(Never, "it needs %s, which is external and does not exist: create it, or correct its name", k)}
		}
	}
	return nil
}

func forbidden(s Step, _ Facts, _ Policy) []Refusal {
	for _, fl := range s.Fields {
		if fl.Effect == diff.Forbidden {
			return []Refusal{s.Refusal(Never, "the engine cannot change %s of an object that exists; state what the object has, or make an object of another name", fl.Path)}
		}
	}
	return nil
}

// replaced asks before an object is removed and made again. It refuses if the object is protected or if services
// would lose it.
func replaced(s Step, f Facts, p Policy) []Refusal {
	if s.Op != diff.Replace {
		return nil
	}
	path := s.Fields[max(0, slices.IndexFunc(s.Fields, func(fl diff.Field) bool { return fl.Effect == diff.Recreate }))].Path
	if s.Change.Want.Policy.Protect {
		return []Refusal{s.Refusal(Never, "the engine cannot change %s in place, and policy.protect keeps the object from being removed; remove that line, or make an object of another name and switch to it", path)}
	}
	if users := s.Change.Have.Meta.UsedBy; len(users) > 0 {
		return []Refusal{s.Refusal(Never, "the engine cannot change %s in place, and cannot remove the object while %s uses it; make an object of another name and switch to it", path, join(users))}
	}
	if f.Broken[s.Key] != "" && s.made() {
		// Nobody is asked: nothing has ever been able to use it, so nothing stops. If the swarm makes it usable in this
		// moment and somebody uses it, the engine refuses to remove it.
		return nil
	}
	return s.Needs(Replace, p, "the engine cannot change %s in place, so the operator would remove the object and make it again", path)
}

// pruned keeps an object whose last manifest keeps it, that others made, or that is external. While the
// memory is lost, it keeps every object. It does not keep old versions of content, except one that others made.
func pruned(s Step, f Facts, p Policy) []Refusal {
	if !s.removal() {
		return nil
	}
	keep, kept := f.Keep[s.Key]
	_, external := f.Missing[s.Key]
	title := s.Change.Have.Meta.Title
	adopted, data := title == diff.TitleAdopted || title == diff.TitleTaken, v1.HoldsData(s.Key.Kind)
	var r Refusal
	switch {
	case f.StateLost:
		r = s.Refusal(Later, "the operator has lost its memory, so it removes nothing in this run")
	case s.oldVersion() && !adopted && title != diff.TitleCopied:
		return nil
	case external && s.Instance == s.Key.Name:
		r = s.Refusal(Never, "its manifest says external: true, so somebody needs it: remove it by hand when nobody does")
	case s.oldVersion() && (keep != "" || title == diff.TitleCopied || !kept && !p.Consents.Names(Removals, s.Key) && !p.PruneAdopted):
		r = s.Refusal(Never, "%s", s.oldStays(keep, p))
	case keep != "":
		r = s.Refusal(Never, "its last manifest said %s: %s", keep, letGo(s.Key))
	case title == diff.TitleCopied:
		r = s.Refusal(Never, "it carries the labels of source %s, which did not make it: to let it go, remove it by hand, or take its labels off with swarm-operator unmanage %s", p.Source, s.Key)
	case kept || p.Consents.Names(Removals, s.Key):
		return nil
	case data:
		r = s.Refusal(Consent, "its data would go with it, and its manifest, which is gone, did not say policy.prune: true; to remove it with its data: %s; to keep it, and forget it: swarm-operator unmanage %s", f.agreeing(string(Removals)+" "+s.Key.String()), s.Key)
		r.Hazard, r.ends = Removals, asTold
		return []Refusal{r}
	case !adopted || p.PruneAdopted:
		return nil
	default: // nobody knows whether it is still needed, so the difference is not quiet
		r = s.Refusal(Consent, "it was adopted, and its manifest, which is gone, did not say policy.prune: true; to remove it: %s; to keep it, and forget it: swarm-operator unmanage %s", f.agreeing(string(Removals)+" "+s.Key.String()), s.Key)
		r.Hazard, r.ends = Removals, asTold
		return []Refusal{r}
	}
	r.Quiet = true
	return []Refusal{r}
}

// oldStays says why an old version of content stays that others made, and how to remove that version alone. Unmanage is no
// way out: it would give up the new version as well.
func (s Step) oldStays(keep string, p Policy) string {
	why := "was adopted, and no policy.prune: true lets it go"
	switch {
	case s.Change.Have.Meta.Title == diff.TitleCopied:
		why = fmt.Sprintf("carries the labels of source %s, which did not make it", p.Source)
	case keep != "":
		why = fmt.Sprintf("was adopted, and %s keeps it", keep)
	}
	return fmt.Sprintf("it is the old version %s, which %s: remove it by hand when nothing uses it (docker %s rm %[1]s), or leave it", s.Instance, why, strings.ToLower(s.Key.Kind))
}

// letGo says how to let an object go that is kept although its manifest is gone.
func letGo(key v1.Key) string {
	return fmt.Sprintf("remove it by hand, bring the manifest back with policy: {prune: true} and remove it then, or forget it: swarm-operator unmanage %s", key)
}

// inUse keeps an object that a service refers to, in its spec or in the spec that a rollback would bring back. A
// service that is removed does not count.
func inUse(plan Plan, _ Facts, _ Policy) []Refusal {
	going := map[v1.Key]bool{}
	for _, s := range plan.Steps {
		if s.removal() {
			going[s.Key] = true
		}
	}
	var out []Refusal
	for _, s := range plan.Steps {
		if !s.removal() {
			continue
		}
		staying := slices.DeleteFunc(slices.Clone(s.Change.Have.Meta.UsedBy), func(k v1.Key) bool { return going[k] })
		if len(staying) > 0 {
			out = append(out, s.Refusal(Later, "it is used by %s, now or after a rollback; the operator removes it when nothing uses it", join(staying)))
		}
	}
	return out
}

// unseen keeps a secret while nobody knows which cluster volumes have it. The engine lets a secret go that a volume has,
// and a volume never gets another one. That an old version stays is no difference.
func unseen(s Step, f Facts, _ Policy) []Refusal {
	if f.Unseen == "" || !v1.HoldsSecrets(s.Key.Kind) || s.Op != diff.Remove && s.Op != diff.Replace {
		return nil
	}
	r := s.Refusal(Later, "a cluster volume may have it and could never get another one, and which volumes have it is not known: %s", f.Unseen)
	r.Quiet = s.oldVersion()
	return []Refusal{r}
}

// otherSource notices that the source's name was given to another repository: none of its manifests is about an
// object that the source owns.
func otherSource(s Step, f Facts, p Policy) []Refusal {
	if !s.removal() || s.oldVersion() || f.Shares {
		return nil
	}
	return s.Needs(OtherSource, p, "no manifest of this revision names an object that source %s owns, so the manifests may be those of another source", p.Source)
}

// removalBudget is all or nothing: a revision that removes too much removes nothing.
func removalBudget(plan Plan, f Facts, p Policy) []Refusal {
	var removals []Step
	all := 0
	for _, s := range plan.Steps {
		if s.removal() && !s.oldVersion() {
			if all++; !s.useless() && !p.Consents.Covers(Removals, s.Key) {
				removals = append(removals, s)
			}
		}
	}
	budget := max(1, min(p.Budgets.Removals, f.Owned/4))
	last := f.Owned > 0 && all >= f.Owned
	if len(removals) == 0 || (len(removals) <= budget && !last) {
		return nil
	}
	why := fmt.Sprintf("the revision removes %d of the %s that the source owned when it was first seen; %d may go without consent", len(removals), v1.Count(f.Owned, "object"), budget)
	if last {
		why = "the revision removes the last object that the source owns"
	}
	var out []Refusal
	for _, s := range removals {
		out = append(out, s.Needs(Removals, p, "%s", why)...)
	}
	return out
}

// duringRollout refuses to write over a roll-out to undo a change by hand. A new want supersedes the roll-out,
// because a hotfix must not wait.
func duringRollout(s Step, f Facts, _ Policy) []Refusal {
	if s.Op != diff.Update || !f.Rollouts[s.Key].Running() || slices.ContainsFunc(s.Fields, func(fl diff.Field) bool { return fl.Git }) {
		return nil
	}
	return []Refusal{s.Refusal(Later, "its last roll-out is still under way (%s)", f.Rollouts[s.Key].State)}
}

// restarts asks before a revision restarts the tasks of many of the services.
func restarts(plan Plan, f Facts, p Policy) []Refusal {
	var rolling []Step
	for _, s := range plan.Steps {
		if s.RollsOut() && !p.Consents.Covers(Restarts, s.Key) {
			rolling = append(rolling, s)
		}
	}
	if len(rolling) <= p.Budgets.Restarts || len(rolling)*10 <= f.OwnedServices {
		return nil
	}
	var out []Refusal
	for _, s := range rolling {
		out = append(out, s.Needs(Restarts, p, "the revision restarts the tasks of %d of %s; more than %d and more than a tenth need consent",
			len(rolling), v1.Count(f.OwnedServices, "service"), p.Budgets.Restarts)...)
	}
	return out
}

// rolloutsAtOnce limits how many running services are replaced at the same time. A roll-out that finds no place counts as
// long as it goes on, whichever revision began it. Otherwise each revision could stop tasks of as many services more, in
// a swarm that has no room for new ones.
func rolloutsAtOnce(plan Plan, f Facts, p Policy) []Refusal {
	running := 0
	inPlan := map[v1.Key]bool{}
	for _, s := range plan.Steps {
		inPlan[s.Key] = inPlan[s.Key] || s.RollsOut()
	}
	for k, r := range f.Rollouts {
		if r.Running() && !inPlan[k] {
			running++
		}
	}
	var out []Refusal
	for _, own := range []bool{false, true} { // the operator's own step comes last, and takes no other's place
		for _, s := range plan.Steps {
			if !s.RollsOut() || plan.own(s, f) != own {
				continue
			}
			if running++; running > p.Budgets.Rollouts {
				out = append(out, s.Refusal(Later, "at most %s may be under way at once", v1.Count(p.Budgets.Rollouts, "roll-out")))
			}
		}
	}
	return out
}

// Superseded are removals of earlier revisions, and the services that those revisions changed. NotReady are the
// services that are not seen to work yet, with the reason. The removals wait for these services, whatever a later
// commit is about.
type Superseded struct {
	Removals, Changed []v1.Key
	NotReady          map[v1.Key]string
}

func join(keys []v1.Key) string {
	names := make([]string, 0, len(keys))
	for _, k := range keys {
		names = append(names, k.String())
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}
