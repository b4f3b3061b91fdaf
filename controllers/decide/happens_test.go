package decide_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing/fstest"
	"time"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/volume"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/digests"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/content"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

// happens reads a section that is no run. What follows a colon in its name is for people.
//
//	commit NAME           a revision on top of the newest one: lines of its message, then manifests
//	commit NAME on OTHER  a revision on top of another one; "on nothing" begins a history
//	commit NAME merges OTHER...  a revision on top of the newest one that merges branches into it
//	head NAME             the branch is at this revision
//	gone NAME             the repository has this revision no more
//	git WHAT              "broken": it cannot be read behind the newest commit; "shallow": its history is cut off, and the
//	                      revision in force is not in it; "cut": its history is cut off, and both are in it; "fine"
//	hand                  lines of what people do in the swarm, see hand
//	engine                lines of what the swarm does, see engine
//	command               lines of what people tell the operator, see command
//	memory WHAT           "lost": the operator's memory is gone; "keep": it is copied; "back": that copy is put in its place
//	guardrail KIND/NAME RULE  a rule forbids to take an object over from others
//	clock DURATION        time goes by
//	restart               another process goes on
//	flags FLAG...         another process goes on, with these flags
func (s *story) happens(name, text string) {
	what, _, _ := strings.Cut(name, ":")
	w := strings.Fields(what)
	s.t.Helper()
	switch w[0] {
	case "commit":
		s.commit(w[1:], text)
	case "head":
		s.head = s.commitOf(w[1])
	case "gone":
		s.commitOf(w[1]).gone = true
	case "git":
		s.git = w[1]
	case "guardrail":
		key, err := v1.ParseKey(w[1])
		if err != nil {
			s.t.Fatal(err)
		}
		s.ownOnly[key] = w[2]
	case "clock":
		s.now = s.now.Add(s.duration(w[1]))
	case "restart":
		s.decider = decide.New(s.policy)
	case "flags":
		s.flags(w[1:])
	case "memory":
		s.restores(w[1])
	case "hand", "engine", "command":
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			if err := map[string]func([]string) error{"hand": s.hand, "engine": s.engine, "command": s.command}[w[0]](strings.Fields(line)); err != nil {
				s.t.Fatalf("%s: %s: %v", name, line, err)
			}
		}
	default:
		s.t.Fatalf("%s: no such section", name)
	}
}

// restores does to the memory what a person can do to the swarm's configs.
func (s *story) restores(what string) {
	switch what {
	case "lost":
		s.sequence, s.memory, s.lost = 0, nil, s.lost+1
	case "keep":
		s.backup.sequence, s.backup.memory = s.sequence, s.memory
	case "back":
		s.sequence, s.memory = s.backup.sequence, s.backup.memory
	default:
		s.t.Fatalf("memory %s: no such section", what)
	}
}

func (s *story) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

// commit is a revision. Its hash is its name, filled up with zeros.
type commit struct {
	git.Commit
	parent   *commit
	merged   []*commit
	gone     bool
	entries  []kinds.Entry
	held     map[v1.Key]string
	stays    map[v1.Key]string
	defaults v1.Defaults
	problems []v1.Problem
	notices  []v1.Problem
}

func (c *commit) refused() bool { return len(v1.Refusing(c.problems)) > 0 }

// line returns the commit and its line of first parents, the newest first.
func (c *commit) line() []*commit {
	var out []*commit
	for ; c != nil; c = c.parent {
		out = append(out, c)
	}
	return out
}

// since returns the commit and all commits before it: its line of first parents, and then what was merged into that.
func (c *commit) since() []*commit {
	out := c.line()
	for _, on := range c.line() {
		for _, branch := range on.merged {
			for _, b := range branch.since() {
				if !slices.Contains(out, b) {
					out = append(out, b)
				}
			}
		}
	}
	return out
}

// without returns the commits that lead to c and not to other, as git lists them. other may be nil.
func (c *commit) without(other *commit) []git.Commit {
	var out []git.Commit
	for _, one := range c.since() {
		if other == nil || !slices.Contains(other.since(), one) {
			listed := one.Commit
			listed.Tree, listed.Merged = nil, !slices.Contains(c.line(), one)
			out = append(out, listed)
		}
	}
	return out
}

func (s *story) commitOf(name string) *commit {
	c := s.commits[name]
	if c == nil {
		s.t.Fatalf("there is no commit %s", name)
	}
	return c
}

// commit reads a revision as the loop does. Its subject is its name.
func (s *story) commit(w []string, text string) {
	name := w[0]
	c := &commit{parent: s.head}
	switch {
	case len(w) == 3 && w[1] == "on":
		if c.parent = nil; w[2] != "nothing" {
			c.parent = s.commitOf(w[2])
		}
	case len(w) > 2 && w[1] == "merges":
		for _, branch := range w[2:] {
			c.merged = append(c.merged, s.commitOf(branch))
		}
	case len(w) > 1:
		s.t.Fatalf("commit %s: no such section", strings.Join(w, " "))
	}
	message, documents, _ := strings.Cut("\n"+text, "\n---\n")
	documents = strings.ReplaceAll("---\n"+documents, "\nkind:", "\napiVersion: "+v1.APIVersion+"\nkind:")
	c.Commit = git.Commit{Hash: fmt.Sprintf("%s%040d", name, 0)[:40], When: s.now, Message: name + "\n" + message}
	tree := fstest.MapFS{"shop.yaml": {Data: []byte(documents)}}
	c.Tree = tree
	set, problems := s.loader.Load(tree, ".")
	c.held, c.defaults, c.problems, c.notices, c.stays = set.Held, set.Defaults, problems, set.Notices, map[v1.Key]string{}
	for _, e := range set.Entries {
		if key := e.Key(); c.held[key] == "" {
			c.entries = append(c.entries, kinds.Entry{Object: e.Object, From: diff.From{File: e.File, Line: e.Line}})
		} else if why, stays := decide.StaysBy(e.Object); stays {
			c.stays[key] = why
		}
	}
	if s.began == nil {
		s.began = c
	}
	s.commits[name], s.head = c, c
}

var errBroken = errors.New("the repository cannot be read")

// past is what git says of a revision, of the one in force before it, and of the source.
func (s *story) past(m state.Memory, next *commit) decide.Past {
	p := s.related(m.InForce.Hash, next)
	if p.AsksOrigin(m, next.Hash) {
		o, err := s.origin(next, m.Known())
		if p.Origin, p.OriginErr = &o, err; err == nil && o.Met == "" {
			p.First = &o
		}
	}
	if p.First == nil && !s.decider.Observe && (!m.Origin.Known() || m.Origin.Cut) {
		if o, err := s.origin(next, nil); err == nil {
			p.First = &o
		}
	}
	return p
}

// origin is where the history of a revision begins. If it is cut off or cannot be read, only the newest commit is there.
func (s *story) origin(next *commit, known []string) (git.Origin, error) {
	before := next.merged
	if next.parent != nil {
		before = append([]*commit{next.parent}, before...)
	}
	there, hidden := next.since(), len(before) > 0 && (s.git == "shallow" || s.git == "cut" || s.git == "broken")
	if hidden {
		there = append([]*commit{next}, before...)
	}
	o := git.Origin{Place: "/srv/shop"}
	for _, c := range there {
		if slices.Contains(known, c.Hash) {
			o.Met = c.Hash
			return o, nil
		}
		if c.parent == nil {
			o.Roots = append(o.Roots, c.Hash)
		}
	}
	switch {
	case hidden && s.git == "broken":
		return git.Origin{}, errBroken
	case hidden:
		o.Roots, o.Cut = []string{next.Hash}, true
	}
	return o, nil
}

// related is what git says of a revision and the one in force before it.
func (s *story) related(old string, next *commit) decide.Past {
	if old == next.Hash {
		return decide.Past{}
	}
	p := decide.Past{Commits: []git.Commit{next.Commit}}
	switch s.git {
	case "broken":
		p.OlderErr, p.TakenErr = errBroken, errBroken
		return p
	case "shallow":
		p.OlderErr, p.Taken = git.ErrGone, decide.Compared{Old: old, Next: next.Hash, Unsaid: git.ErrShallow}
		return p
	}
	if s.git == "cut" {
		p.OlderErr, p.Taken = git.ErrShallow, decide.Compared{Old: old, Next: next.Hash, Unsaid: git.ErrShallow}
		return p
	}
	var before *commit
	for _, c := range s.commits {
		if c.Hash == old && !c.gone {
			before = c
		}
	}
	switch {
	case old == "": // git is asked for the newest commit alone
		return p
	case before == nil:
		p.OlderErr, p.Taken = git.ErrGone, decide.Compared{Old: old, Next: next.Hash, Rewrote: &state.Rewrite{From: old}}
		return p
	}
	p.Commits = next.without(before)
	taken := before.without(next)
	if p.Older = slices.Contains(before.since(), next); p.Older || len(taken) == 0 {
		return p
	}
	rewrote := &state.Rewrite{From: old, Commits: len(taken)}
	for _, c := range taken[:min(len(taken), state.MostSubjects)] {
		rewrote.Subjects = append(rewrote.Subjects, state.Subject(c.Message))
	}
	p.Taken = decide.Compared{Old: old, Next: next.Hash, Rewrote: rewrote}
	return p
}

// flags reads repair-after=1m, repair-restarts-after=1m, follow=false, observe, ask-rewritten, commands-only, removals=2,
// rollouts=1 and consent=HAZARD.
func (s *story) flags(w []string) {
	for _, flag := range w {
		name, value, _ := strings.Cut(flag, "=")
		p := &s.policy
		switch name {
		case "repair-after":
			p.RepairAfter = s.duration(value)
		case "repair-restarts-after":
			p.RepairRestartsAfter = s.duration(value)
		case "follow":
			p.Follow = value != "false"
		case "observe":
			p.Observe = true
		case "ask-rewritten":
			p.AskRewritten = true
		case "commands-only":
			p.CommandsOnly = true
		case "hash-key":
			p.Digests = digests.New([]byte(value))
			if value == "" {
				p.Digests = digests.New(nil)
			}
		case "removals":
			p.Budgets.Removals = s.number(value)
		case "rollouts":
			p.Budgets.Rollouts = s.number(value)
		case "consent":
			p.Consents = append(p.Consents, plan.Consented{Hazard: plan.Hazard(value)})
		default:
			s.t.Fatalf("%s: no such flag", flag)
		}
	}
	s.decider = decide.New(s.policy)
}

// write changes a live service as somebody who is not the operator does.
func (s *story) write(name string, change func(*swarm.Service) error) error {
	live := s.Objects[v1.Key{Kind: v1.KindService, Name: name}]
	old, is := serviceOf(live)
	if !is {
		return errors.New("there is no such service")
	}
	wire, err := json.Marshal(old)
	if err != nil {
		return err
	}
	next := new(swarm.Service)
	if err := json.Unmarshal(wire, next); err != nil {
		return err
	}
	if err := change(next); err != nil {
		return err
	}
	return s.PutService(next)
}

// hand reads
//
//	create service NAME IMAGE
//	create network|volume NAME
//	create config NAME CONTENT
//	remove KIND NAME
//	service NAME SETTING VALUE  replicas 2, image x:1, env A=b, port 80, nothing -, labels lost, unknown PATH, dns TEXT
//	volume NAME AVAILABILITY
//	rollback NAME             as docker service rollback does; the spec that it leaves becomes the previous one
func (s *story) hand(w []string) error {
	kind := map[string]string{"service": v1.KindService, "network": v1.KindNetwork, "config": v1.KindConfig, "secret": v1.KindSecret, "volume": v1.KindVolume}
	switch w[0] {
	case "create":
		if w[1] == "network" {
			n := &network.Summary{}
			n.Name, n.Scope, n.Driver = w[2], "swarm", "overlay"
			s.Put(&kinds.Live{Kind: v1.KindNetwork, Name: w[2], Raw: n})
			return nil
		}
		if w[1] == "volume" {
			s.PutVolume(theirs(w[2]))
			return nil
		}
		if w[1] == "config" {
			s.Put(&kinds.Live{Kind: v1.KindConfig, Name: w[2], Raw: &swarm.Config{Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: w[2]}, Data: []byte(w[3])}}})
			return nil
		}
		return s.create(w[2], w[3])
	case "remove":
		return s.Remove(v1.Key{Kind: kind[w[1]], Name: w[2]})
	case "volume":
		return s.volume(w[1], func(v *volume.ClusterVolume) { v.Spec.Availability = volume.Availability(w[2]) })
	case "rollback":
		s.healths[w[1]] = kinds.Health{Ready: true, RolledBack: true, Running: 1, Wanted: 1}
		return s.rollBack(w[1], "", true)
	case "service":
		err := s.write(w[1], func(n *swarm.Service) error {
			before := n.Spec
			n.PreviousSpec, n.UpdateStatus = &before, nil
			return s.set(&n.Spec, w[2], w[3])
		})
		if err == nil && w[2] == "dns" { // it is no address, and old engines take it
			s.misreads(w[1], w[3])
		}
		if err == nil && w[2] == "unknown" { // a newer engine has it, and this release does not know it
			s.Objects[v1.Key{Kind: v1.KindService, Name: w[1]}].Unknown = []string{w[3]}
		}
		return err
	}
	return errors.New("no such line")
}

// misreads gives a service a name server that is no address.
func (s *story) misreads(name, text string) {
	live := *s.Objects[v1.Key{Kind: v1.KindService, Name: name}]
	raw := *live.Raw.(*swarm.Service)
	c := *raw.Spec.TaskTemplate.ContainerSpec
	c.DNSConfig = &swarm.DNSConfig{Nameservers: []netip.Addr{{}}}
	const key = "Spec.TaskTemplate.ContainerSpec.DNSConfig.Nameservers[0]"
	raw.Spec.TaskTemplate.ContainerSpec, live.Raw = &c, &raw
	live.Unknown, live.Unread = []string{key}, []diff.Unread{{Key: key, Path: "spec.dns", Text: text}}
	s.Objects[v1.Key{Kind: v1.KindService, Name: name}] = &live
}

// theirs returns a cluster volume as docker volume create makes it.
func theirs(name string) *volume.Volume {
	return &volume.Volume{Name: name, Driver: "csi:latest", Scope: "global", ClusterVolume: &volume.ClusterVolume{
		Spec: volume.ClusterVolumeSpec{AccessMode: &volume.AccessMode{Scope: "single", Sharing: "none", MountVolume: &volume.TypeMount{}}, Availability: "active"},
		Info: &volume.Info{VolumeID: "made"},
	}}
}

// volume changes a cluster volume.
func (s *story) volume(name string, change func(*volume.ClusterVolume)) error {
	live := s.Objects[v1.Key{Kind: v1.KindVolume, Name: name}]
	if live == nil {
		return errors.New("there is no such volume")
	}
	v := *live.Raw.(*volume.Volume)
	of := *v.ClusterVolume
	change(&of)
	v.ClusterVolume = &of
	s.PutVolume(&v)
	return nil
}

// create makes a service as docker service create does.
func (s *story) create(name, image string) error {
	one := uint64(1)
	s.healths[name] = kinds.Health{Ready: true, Running: 1, Wanted: 1}
	return s.PutService(&swarm.Service{Spec: swarm.ServiceSpec{
		Annotations:  swarm.Annotations{Name: name},
		TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: image}},
		Mode:         swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &one}},
		EndpointSpec: &swarm.EndpointSpec{Mode: swarm.ResolutionModeVIP},
	}})
}

func (s *story) set(spec *swarm.ServiceSpec, setting, value string) error {
	wire, err := json.Marshal(spec) // what was before stays as it was
	if err != nil {
		return err
	}
	*spec = swarm.ServiceSpec{}
	if err := json.Unmarshal(wire, spec); err != nil {
		return err
	}
	c := spec.TaskTemplate.ContainerSpec
	switch setting {
	case "replicas":
		n := uint64(s.number(value))
		spec.Mode.Replicated.Replicas = &n
	case "image":
		c.Image = value
	case "env":
		c.Env = append(c.Env, value)
	case "port":
		spec.EndpointSpec.Ports = []swarm.PortConfig{{TargetPort: 80, PublishedPort: uint32(s.number(value)), Protocol: "tcp", PublishMode: swarm.PortConfigPublishModeIngress}}
	case "nothing", "unknown", "dns": // the types have no field for it, or cannot read it
	case "labels": // docker stack deploy writes its own, and no others
		spec.Labels = map[string]string{"com.docker.stack.namespace": "shop"}
	default:
		return errors.New("no such setting")
	}
	return nil
}

// engine reads
//
//	ready NAME...              their tasks run; a roll-out that goes on is completed
//	begun|failed|starting NAME WHY
//	running NAME N             N of its tasks run, and more are to come
//	waits NAME WHY             their tasks find no place
//	updating|completed NAME
//	paused NAME WHY
//	rollback_completed NAME WHY  the engine has brought back the previous spec; its tasks said why
//	unread WHY                 the next question of how services do is not answered
//	nodes N managers M
//	cluster                    the cluster object is among what is read
//	on N NAME                  so many nodes have the volume
//	unmade|made NAME           the plugin has not made the volume yet, or has
//	unallocated NAME...        the swarm could not allocate these networks, and tells neither their drivers nor their subnets
//	unlisted WHY               the next run cannot list volumes
//	api VERSION
//	refuses STEP: WHY          refuses create Service/web: no such image
//	unanswered STEP: WHY       the step fails, and nobody knows whether it was done
//	accepts STEP
//	delivered WHAT TO DIGEST   worker-token to file /tokens/worker
func (s *story) engine(w []string) error {
	why := ""
	if len(w) > 2 {
		why = strings.Join(w[2:], " ")
	}
	health := func(h kinds.Health) error {
		h.Wanted, s.healths[w[1]] = 1, h
		if s.healths[w[1]] = h; s.Objects[v1.Key{Kind: v1.KindService, Name: w[1]}] == nil {
			return errors.New("there is no such service")
		}
		return nil
	}
	switch w[0] {
	case "ready":
		for _, name := range w[1:] {
			s.healths[name] = kinds.Health{Ready: true, Running: 1, Wanted: 1}
			if live, is := serviceOf(s.Objects[v1.Key{Kind: v1.KindService, Name: name}]); is && live.UpdateStatus != nil && live.UpdateStatus.State == swarm.UpdateStateUpdating {
				if err := s.updates(name, "completed", ""); err != nil {
					return err
				}
			}
		}
		return nil
	case "begun":
		return health(kinds.Health{Begun: true, Why: why})
	case "starting":
		return health(kinds.Health{Why: why})
	case "running":
		return health(kinds.Health{Why: "still starting", Running: s.number(w[2])})
	case "failed":
		return health(kinds.Health{Failed: true, Why: why})
	case "waits":
		return health(kinds.Health{Waits: true, Why: why})
	case "paused":
		if err := health(kinds.Health{Failed: true, Why: "paused: " + why}); err != nil {
			return err
		}
		return s.updates(w[1], w[0], why)
	case "updating", "completed":
		return s.updates(w[1], w[0], why)
	case "rollback_completed":
		s.healths[w[1]] = kinds.Health{Ready: true, RolledBack: true, Running: 1, Wanted: 1}
		s.undone[w[1]] = undone{s.wanted[v1.Key{Kind: v1.KindService, Name: w[1]}], why}
		return s.rollBack(w[1], "update rolled back due to failure or early termination of a task", false)
	case "cluster":
		s.Put(&kinds.Live{Kind: v1.KindCluster, Name: v1.ClusterName, Raw: &swarm.ClusterInfo{}})
	case "unread":
		s.unread = errors.New(strings.Join(w[1:], " "))
	case "nodes":
		s.about.Nodes, s.about.Managers = s.number(w[1]), s.number(w[3])
	case "on":
		return s.volume(w[2], func(v *volume.ClusterVolume) { v.PublishStatus = make([]*volume.PublishStatus, s.number(w[1])) })
	case "unmade", "made":
		return s.volume(w[1], func(v *volume.ClusterVolume) {
			if v.Info = nil; w[0] == "made" {
				v.Info = &volume.Info{VolumeID: "made"}
			}
		})
	case "unallocated":
		for _, name := range w[1:] {
			live := *s.Objects[v1.Key{Kind: v1.KindNetwork, Name: name}]
			n := *live.Raw.(*network.Summary)
			n.Driver, n.Options, n.IPAM = "", nil, network.IPAM{}
			live.Raw = &n
			s.Objects[v1.Key{Kind: v1.KindNetwork, Name: name}] = &live
		}
	case "unlisted":
		s.unlisted = errors.New(strings.Join(w[1:], " "))
	case "api":
		s.about.API = w[1]
	case "refuses", "unanswered":
		step, why, _ := strings.Cut(strings.Join(w[1:], " "), ": ")
		s.refuses[step], s.unanswered[step] = why, w[0] == "unanswered"
	case "accepts":
		delete(s.refuses, strings.Join(w[1:], " "))
	case "delivered":
		s.decider.Handed(strings.Join(w[1:len(w)-1], " "), w[len(w)-1])
	default:
		return errors.New("no such line")
	}
	return nil
}

// updates has the engine say how the last update of a service stands.
func (s *story) updates(name, status, message string) error {
	return s.write(name, func(n *swarm.Service) error {
		began := s.begins()
		if u := n.UpdateStatus; u != nil {
			began = *u.StartedAt
		}
		n.UpdateStatus = &swarm.UpdateStatus{State: swarm.UpdateState(status), StartedAt: &began, Message: message}
		return nil
	})
}

// begins is when an update begins: no two begin at the same time.
func (s *story) begins() time.Time {
	s.updated++
	return s.now.Add(time.Duration(s.updated) * time.Millisecond)
}

// rollBack brings the previous spec back. A rollback that the engine makes by itself leaves no previous spec.
func (s *story) rollBack(name, message string, byHand bool) error {
	return s.write(name, func(n *swarm.Service) error {
		if n.PreviousSpec == nil {
			return errors.New("there is nothing to go back to")
		}
		left, began := n.Spec, s.begins()
		if n.Spec, n.PreviousSpec = *n.PreviousSpec, nil; byHand {
			n.PreviousSpec = &left
		}
		n.UpdateStatus = &swarm.UpdateStatus{State: swarm.UpdateStateRollbackCompleted, StartedAt: &began, Message: message}
		return nil
	})
}

// command reads, as the commands of the operator do,
//
//	approve HAZARD [KIND/NAME...] --revision REVISION [--for DURATION]
//	confirm | retry KIND/NAME | unmanage KIND/NAME | unmanage all | resume KIND/NAME|all
//	hold TARGET REASON | hold TARGET for DURATION REASON
func (s *story) command(w []string) error {
	m := s.found().Memory
	switch w[0] {
	case "approve":
		to, flags, _ := strings.Cut(strings.Join(w[1:], " "), " --revision ")
		revision, period, timed := strings.Cut(flags, " --for ")
		consents, err := plan.ParseConsent(to)
		if err != nil {
			return err
		}
		given := state.Approval{Revision: s.commitOf(revision).Hash, Consents: consents, By: "ann"}
		if timed {
			given.Until = s.now.Add(s.duration(period))
		}
		if m.Approvals = append(m.Approvals, given); given.Revision == m.InForce.Hash {
			m.Again(state.Held)
		}
	case "confirm":
		if s.sequence == 0 {
			m = s.fresh()
		}
		m.Nodes, m.Managers, m.Resumed, m.Nonce = 0, 0, s.now, ""
	case "retry":
		i := slices.IndexFunc(m.Failed, func(f plan.Failure) bool { return f.Key.String() == w[1] })
		if i < 0 {
			return errors.New("no such failure is on record")
		}
		if m.Failed[i].Digest = ""; m.Failed[i].Began.IsZero() {
			m.Failed = slices.Delete(m.Failed, i, i+1)
		}
		m.Again(state.Failed)
	case "unmanage":
		if err := s.unmanage(&m, w[1]); err != nil {
			return err
		}
	case "resume":
		s.holds = slices.DeleteFunc(s.holds, func(h state.Hold) bool { return h.Target == w[1] })
		key, err := v1.ParseKey(w[1])
		if did := err == nil && m.TakeBack(key) || w[1] == source && m.TakeAllBack(); !did {
			return nil
		}
	case "hold":
		h := state.Hold{Name: "hold-1", Hold: plan.Hold{Target: w[1], Reason: strings.Join(w[2:], " "), By: "ann@laptop", Since: s.now}}
		if w[2] == "for" {
			h.Until, h.Reason = s.now.Add(s.duration(w[3])), strings.Join(w[4:], " ")
		}
		s.holds = append(s.holds, h)
		return nil
	default:
		return errors.New("no such line")
	}
	s.save(m)
	return nil
}

// unmanage gives an object up, or all of them. It takes the labels of a service off, and those of all versions of a content.
// As the command does, it puts versions on record that no run has recorded yet.
func (s *story) unmanage(m *state.Memory, what string) error {
	var keys []v1.Key
	for _, at := range slices.SortedFunc(maps.Keys(s.Objects), v1.Key.Compare) {
		l := s.Objects[at]
		key := at
		of, name, version := kinds.VersionOf(l)
		if version = version && of == source; version {
			key.Name = name
		}
		if what != "all" && key.String() != what {
			continue
		}
		keys = append(keys, key)
		switch {
		case l.Kind == v1.KindService:
			_ = s.write(l.Name, func(n *swarm.Service) error { n.Spec.Labels, _ = kinds.WithoutOwn(n.Spec.Labels); return nil })
		case version && (l.Kind == v1.KindConfig || l.Kind == v1.KindSecret):
			m.Made = state.With(m.Made, map[string]v1.Key{l.ID: key})
			if _, _, err := (content.Calls{Relabel: s.relabel}).Release(s.t.Context(), nil, l); err != nil {
				return err
			}
		}
	}
	if len(keys) == 0 {
		return errors.New("the source has no such object")
	}
	if what == "all" {
		keys = nil
	}
	m.GiveUp(keys)
	return nil
}

// relabel puts a content with other labels in the place of l.
func (s *story) relabel(_ context.Context, _ *engine.Client, l *kinds.Live, labels map[string]string) error {
	of := kinds.Live{Kind: l.Kind, Name: l.Name, Labels: labels}
	switch raw := l.Raw.(type) {
	case *swarm.Config:
		plain := *raw
		plain.Spec.Labels, of.Raw = labels, &plain
	case *swarm.Secret:
		plain := *raw
		plain.Spec.Labels, of.Raw = labels, &plain
	}
	s.Put(&of)
	return nil
}
