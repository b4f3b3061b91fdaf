package image

import (
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

var rounds = flag.Int("rounds", 1, "disturb the acting operator so many times, in one way after the other: killed, stopped, cut off, drained, its dockerd stopped")

// outage is longer than the lease lasts.
const outage = 14 * time.Second

// strike says which instance's node was disturbed, and when.
type strike struct {
	node     string
	from, to time.Time
}

// disturbance is something that happens to the instance that acts.
type disturbance struct {
	name string
	do   func(f *fleet, node, container string) error
	// undo ends the disturbance after the outage. It is nil if there is nothing to undo and no outage.
	undo func(f *fleet, node, container string) error
}

var disturbances = []disturbance{
	{name: "killed", do: func(f *fleet, node, id string) error { return f.w.CrashContainer(node, id) }},
	{
		name: "stopped",
		do:   func(f *fleet, node, id string) error { return f.w.HangContainer(node, id) },
		undo: func(f *fleet, node, id string) error { return f.w.ContinueContainer(node, id) },
	},
	{
		name: "cut off",
		do:   func(f *fleet, node, _ string) error { return f.w.Partition(node) },
		undo: func(f *fleet, node, _ string) error { return f.w.Heal(node) },
	},
	{
		name: "drained",
		do:   func(f *fleet, node, _ string) error { return f.w.availability(node, swarm.NodeAvailabilityDrain) },
		undo: func(f *fleet, node, _ string) error { return f.w.availability(node, swarm.NodeAvailabilityActive) },
	},
	{
		name: "its dockerd stopped",
		do:   func(f *fleet, node, _ string) error { return f.w.Hang(node) },
		undo: func(f *fleet, node, _ string) error { return f.w.Continue(node) },
	},
}

// drained is the index of the disturbance that takes no time, and that a service is made for.
const drained = 3

// actsAlone commits several times, without a disturbance and with each one that was asked for.
func (f *fleet) actsAlone() {
	f.w.Helper()
	for range 2 {
		f.next()
		f.done(f.w.api)
		f.one(f.began)
	}
	for i := range *rounds {
		f.disturbed(i)
	}
	if *rounds <= drained {
		f.disturbed(drained)
	}
}

// disturbed disturbs the instance that acts for a commit. Then it waits until the rest is done and all nodes are as
// before. It strikes a little later each time, until it comes after everything is done.
func (f *fleet) disturbed(i int) {
	d := disturbances[i%len(disturbances)]
	f.w.Helper()
	before := f.lease(f.w.api)
	containers, managers := map[string]string{}, f.w.Managers()
	for _, node := range managers {
		containers[node] = f.instance(node)
	}
	f.next()
	now := before
	err := until(func() (bool, error) {
		var err error
		now, err = leaseNow(f.w.api)
		return now.epoch != before.epoch, err
	})
	if err != nil {
		f.w.Fatalf("nobody acts: %v", err)
	}
	time.Sleep(time.Duration(i) * 20 * time.Millisecond)
	node := now.node()
	s := strike{node: node, from: time.Now()}
	if err := d.do(f, node, containers[node]); err != nil {
		f.w.Fatal(err)
	}
	ask := f.w.Client(other(managers, node))
	f.w.Logf("round %d: %s %s, which acted in epoch %s (%s), after %s", f.round, node, d.name, now.epoch, now.state, time.Since(f.began).Round(time.Millisecond))
	f.done(ask)
	if d.undo != nil {
		if d.name != "drained" {
			time.Sleep(outage - time.Since(s.from))
		}
		if err := d.undo(f, node, containers[node]); err != nil {
			f.w.Fatal(err)
		}
	}
	f.whole()
	s.to = time.Now()
	f.struck = append(f.struck, s)
	f.done(ask) // an instance that comes back must not undo it
	f.collect()
}

// until checks without a pause, because what it waits for may be over soon.
func until(check func() (bool, error)) error {
	end := time.Now().Add(patience)
	for {
		ok, err := check()
		if ok && err == nil {
			return nil
		}
		if time.Now().After(end) {
			return errors.Join(err, errors.New("not within "+patience.String()))
		}
	}
}

func other(all []string, node string) string {
	for _, n := range all {
		if n != node {
			return n
		}
	}
	panic("there is one node only")
}

// excused reports whether an instance was stopped or cut off at the time of an effect.
func (f *fleet) excused(e effect) bool {
	for _, s := range f.struck {
		if (lease{holder: e.Holder}).node() == s.node && e.Time.After(s.from) && e.Time.Before(s.to) {
			return true
		}
	}
	return false
}

// whole waits until all nodes are ready and an operator runs on each.
func (f *fleet) whole() {
	f.w.Helper()
	if err := f.w.Ready(f.w.Context()); err != nil {
		f.w.Fatal(err)
	}
	for _, node := range f.w.Managers() {
		f.instance(node)
	}
	if f.settled != nil {
		f.settled()
	}
}

func (w *world) availability(node string, a swarm.NodeAvailability) error {
	list, err := w.api.NodeList(w.Context(), client.NodeListOptions{})
	if err != nil {
		return err
	}
	for _, n := range list.Items {
		if n.Description.Hostname != node {
			continue
		}
		n.Spec.Availability = a
		_, err := w.api.NodeUpdate(w.Context(), n.ID, client.NodeUpdateOptions{Version: n.Version, Spec: n.Spec})
		return err
	}
	return fmt.Errorf("there is no node %s", node)
}
