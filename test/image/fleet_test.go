package image

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// fleet is an operator on each manager, all with one source.
type fleet struct {
	*repo
	// list returns the operator's containers that still exist on a node, the one that runs first.
	list func(node string) ([]string, error)
	// settled waits until what was removed from a node is there again. It is nil if nothing ever is.
	settled func()
	// logs are what containers have printed, by node and container. It keeps what was read before a container was
	// removed.
	logs map[string]string
	// struck are the instances that were stopped or cut off, and during which time. What they had under way may end
	// late.
	struck []strike
	round  int
	began  time.Time // when the round began
}

// instance returns the container of the operator that runs on a node.
func (f *fleet) instance(node string) string {
	f.w.Helper()
	var id string
	f.w.eventually(func() error {
		all, err := f.list(node)
		if err != nil {
			return err
		}
		if len(all) == 0 {
			return fmt.Errorf("no operator is on %s", node)
		}
		c, err := f.w.Client(node).ContainerInspect(f.w.Context(), all[0], client.ContainerInspectOptions{})
		if err == nil && !c.Container.State.Running {
			err = fmt.Errorf("the operator on %s is %s", node, c.Container.State.Status)
		}
		id = all[0]
		return err
	})
	return id
}

// quiet is how many services have no tasks, so that only the writes on them cost anything. A revision may restart ten
// services.
const quiet = 8

// next commits a change of everything that a round is about: the busy service, the quiet ones, one that is added and
// one that is removed.
func (f *fleet) next() {
	f.w.Helper()
	f.round++
	files := map[string]string{f.busy() + ".yaml": f.manifest(f.busy(), 2)}
	for i := range quiet {
		name := f.quiet(i)
		files[name+".yaml"] = f.manifest(name, 0)
	}
	files[f.extra(f.round)+".yaml"] = f.manifest(f.extra(f.round), 0)
	if err := f.Write(files); err != nil {
		f.w.Fatal(err)
	}
	if f.round > 1 {
		if err := f.Remove(f.extra(f.round-1) + ".yaml"); err != nil {
			f.w.Fatal(err)
		}
	}
	f.began = time.Now()
	if _, err := f.Commit(fmt.Sprintf("round %d", f.round)); err != nil {
		f.w.Fatal(err)
	}
}

func (f *fleet) busy() string { return f.service + "-busy" }

func (f *fleet) quiet(i int) string { return fmt.Sprintf("%s-quiet-%d", f.service, i) }

func (f *fleet) extra(round int) string { return fmt.Sprintf("%s-extra-%d", f.service, round) }

func (f *fleet) manifest(name string, replicas int) string {
	return fmt.Sprintf("apiVersion: swarm-operator.io/v1\nkind: Service\nmetadata: {name: %s}\nspec: {image: app:1, replicas: %d, environment: {ROUND: \"%d\"}}\n", name, replicas, f.round)
}

// done waits until the commit is carried out. It checks that each service was written exactly once for it: a second
// write would make the new spec the target of a rollback.
func (f *fleet) done(ask *client.Client) {
	f.w.Helper()
	names := []string{f.busy()}
	for i := range quiet {
		names = append(names, f.quiet(i))
	}
	f.w.eventually(func() error {
		for _, name := range append(names, f.extra(f.round)) {
			s, err := service(ask, name)
			if err != nil {
				return err
			}
			if got := roundOf(&s.Spec); got != fmt.Sprint(f.round) {
				return fmt.Errorf("%s is of round %s and not of %d", name, got, f.round)
			}
		}
		if _, err := service(ask, f.extra(f.round-1)); !cerrdefs.IsNotFound(err) {
			return fmt.Errorf("%s is still there (%w)", f.extra(f.round-1), err)
		}
		return nil
	})
	for _, name := range names {
		s, err := service(ask, name)
		if err != nil {
			f.w.Fatal(err)
		}
		if f.round > 1 && (s.PreviousSpec == nil || roundOf(s.PreviousSpec) != fmt.Sprint(f.round-1)) {
			f.w.Errorf("round %d: %s was written more than once: its previous spec is %+v", f.round, name, s.PreviousSpec)
		}
	}
	f.w.Logf("round %d was done after %s", f.round, time.Since(f.began).Round(time.Millisecond))
}

func service(ask *client.Client, name string) (swarm.Service, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	r, err := ask.ServiceInspect(ctx, name, client.ServiceInspectOptions{})
	return r.Service, err
}

func roundOf(s *swarm.ServiceSpec) string {
	for _, e := range s.TaskTemplate.ContainerSpec.Env {
		if round, is := strings.CutPrefix(e, "ROUND="); is {
			return round
		}
	}
	return "none"
}

// lease says who holds the lease, or held it last.
type lease struct{ state, holder, epoch string }

// node returns where that instance runs: instances are named after their nodes.
func (l lease) node() string {
	node, _, _ := strings.Cut(l.holder, "/")
	return node
}

func leaseNow(ask *client.Client) (lease, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	r, err := ask.ConfigInspect(ctx, "swarm-operator-lease", client.ConfigInspectOptions{})
	l := r.Config.Spec.Labels
	return lease{l["swarm-operator.io/lease"], l["swarm-operator.io/lease-holder"], l["swarm-operator.io/lease-epoch"]}, err
}

func (f *fleet) lease(ask *client.Client) (l lease) {
	f.w.Helper()
	f.w.eventually(func() (err error) {
		l, err = leaseNow(ask)
		return err
	})
	return l
}

// effect is something that an operator says it has written.
type effect struct {
	Time                           time.Time
	Msg, Object, Operation, Holder string
	Epoch, Sequence                uint64
}

// effects returns the effects of all instances so far, in order of time. All run on one machine, so their clocks
// agree.
func (f *fleet) effects() []effect {
	f.w.Helper()
	f.collect()
	var all []effect
	for at, text := range f.logs {
		holder := ""
		for line := range strings.Lines(text) {
			var l struct {
				effect
				Instance string
			}
			if !strings.HasPrefix(line, "{") {
				continue // of an image that is not the operator's
			}
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				f.w.Fatalf("%s says %q: %v", at, line, err)
			}
			switch {
			case l.Msg == "running":
				holder = l.Instance
			case l.Epoch != 0 && (l.Msg == "step done" || l.Msg == "memory written"):
				l.Holder = holder
				all = append(all, l.effect)
			}
		}
	}
	slices.SortFunc(all, func(a, b effect) int { return a.Time.Compare(b.Time) })
	return all
}

// collect reads what containers have printed, before they are removed.
func (f *fleet) collect() {
	f.w.Helper()
	for _, node := range f.w.Managers() {
		ids, err := f.list(node)
		if err != nil {
			f.w.Fatal(err)
		}
		for _, id := range ids {
			f.logs[node+" "+id] = f.w.log(node, id)
		}
	}
}

// one returns the instance that has acted since a time. It fails the test if that was not exactly one.
func (f *fleet) one(since time.Time) string {
	f.w.Helper()
	who := map[string]bool{}
	for _, e := range f.effects() {
		if e.Time.After(since) {
			who[e.Holder] = true
		}
	}
	if len(who) != 1 {
		f.w.Errorf("those who acted are %v", who)
	}
	for w := range who {
		return w
	}
	return ""
}

// judge checks everything that was ever done.
func (f *fleet) judge() {
	f.w.Helper()
	all := f.effects()
	holders, late, last := map[uint64]string{}, 0, uint64(0)
	for _, e := range all {
		if h := cmp.Or(holders[e.Epoch], e.Holder); h != e.Holder {
			f.w.Errorf("%s and %s both acted in epoch %d", h, e.Holder, e.Epoch)
		}
		holders[e.Epoch] = e.Holder
		switch {
		case e.Epoch >= last:
			last = e.Epoch
		case f.excused(e): // the call was answered, or logged, only when the instance went on
			late++
		default:
			f.w.Errorf("in epoch %d %s acted after epoch %d had begun: %+v", e.Epoch, e.Holder, last, e)
		}
	}
	f.unique(all)
	f.w.Logf("%d effects in %d epochs of %d instances; %d late ones of instances that were stopped or cut off", len(all), len(holders), len(distinct(holders)), late)
	if f.w.Failed() {
		for _, e := range all {
			f.w.Logf("%s %d %s %s %s %s %d", e.Time.Format("15:04:05.000"), e.Epoch, e.Holder, e.Msg, e.Operation, e.Object, e.Sequence)
		}
	}
}

func distinct(holders map[uint64]string) map[string]bool {
	out := map[string]bool{}
	for _, h := range holders {
		out[h] = true
	}
	return out
}

// unique checks that no effect is logged twice. Each round changes each service once, and nothing is remembered
// twice.
func (f *fleet) unique(all []effect) {
	f.w.Helper()
	times := map[string]int{}
	sequences := map[uint64]effect{}
	for _, e := range all {
		if e.Msg == "memory written" {
			if other, twice := sequences[e.Sequence]; twice {
				f.w.Errorf("%d was remembered twice: %+v and %+v", e.Sequence, other, e)
			}
			sequences[e.Sequence] = e
			continue
		}
		times[e.Operation+" "+e.Object]++
	}
	for what, n := range times {
		_, name, _ := strings.Cut(what, "/")
		most := 1 // creations, removals and the extra services
		switch {
		case !strings.HasPrefix(name, f.service+"-"): // not a service of a round
			continue
		case strings.HasPrefix(what, "update "):
			most = f.round - 1 // the first round creates the services
		}
		if n > most {
			f.w.Errorf("%s was done %d times in %d rounds", what, n, f.round)
		}
	}
}
