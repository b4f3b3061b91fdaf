package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moby/swarmkit/v2/api"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/test/lag"
)

// trace is what happened to services and tasks, as the swarm's store tells it. Each transaction is one moment, and
// nothing lies between two of them.
type trace struct {
	mu       sync.Mutex
	services map[string]*api.Service // also those that are gone
	running  map[string]string       // task → service ID
	moments  []moment
	writes   []apiWrite
	changed  time.Time // when anything except a task or a node last changed
	down     time.Time // when the swarm first lost sight of a node, as happens on a machine that is too busy
}

// moment says how many tasks of each service run from that time on.
type moment struct {
	at      time.Time
	running map[string]int // by name
}

// apiWrite is a write of an API client on a service.
type apiWrite struct {
	at       time.Time
	id, name string
	op       string // create, update or remove
	was, is  *api.Service
}

// want returns the want that the operator recorded with the write. It is empty if the service was removed.
func (w apiWrite) want() string {
	if w.is == nil {
		return ""
	}
	return w.is.Spec.Annotations.Labels[v1.LabelApplied]
}

// inFlight reports whether the write came while the service was rolling out.
func (w apiWrite) inFlight() bool {
	if w.was == nil || w.was.UpdateStatus == nil {
		return false
	}
	s := w.was.UpdateStatus.State
	return s == api.UpdateStatus_UPDATING || s == api.UpdateStatus_ROLLBACK_STARTED
}

func (w apiWrite) String() string {
	text := fmt.Sprintf("%s %s %s %s", w.at.Format("15:04:05.000"), w.op, w.name, w.id)
	if w.is != nil {
		text += " " + short(w.is.Spec.Task.GetContainer().Image)
	}
	if w.was != nil && w.was.UpdateStatus != nil {
		text += " over " + strings.ToLower(w.was.UpdateStatus.State.String())
	}
	return text
}

func short(image string) string {
	image, _, _ = strings.Cut(image, "@")
	return image
}

func newTrace() *trace {
	return &trace{services: map[string]*api.Service{}, running: map[string]string{}}
}

// see notes one transaction.
func (t *trace) see(m *api.WatchMessage) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	for _, e := range m.Events {
		switch o := e.Object.GetObject().(type) {
		case *api.Object_Service:
			t.service(now, e, o.Service)
		case *api.Object_Task:
			if e.Action != api.WatchActionKindRemove && o.Task.Status.State == api.TaskStateRunning {
				t.running[o.Task.ID] = o.Task.ServiceID
			} else {
				delete(t.running, o.Task.ID)
			}
		case *api.Object_Node:
			if s := o.Node.Status.State; s != api.NodeStatus_READY && t.down.IsZero() {
				t.down = now
			}
		default:
			t.changed = now
		}
	}
	counts := map[string]int{}
	for _, id := range t.running {
		if s := t.services[id]; s != nil {
			counts[s.Spec.Annotations.Name]++
		}
	}
	if n := len(t.moments); n == 0 || !maps.Equal(t.moments[n-1].running, counts) {
		t.moments = append(t.moments, moment{now, counts})
	}
}

// service notes a change of a service. A client's write gives the spec a higher version. Changes by SwarmKit's
// updater, including a rollback, do not.
func (t *trace) service(now time.Time, e *api.WatchMessage_Event, s *api.Service) {
	t.changed = now
	w := apiWrite{at: now, id: s.ID, name: s.Spec.Annotations.Name, was: e.OldObject.GetService(), is: s}
	t.services[s.ID] = s
	switch e.Action {
	case api.WatchActionKindCreate:
		w.op = "create"
	case api.WatchActionKindRemove:
		w.op, w.was, w.is = "remove", s, nil
	default:
		if w.was == nil || w.was.SpecVersion == nil || s.SpecVersion == nil || w.was.SpecVersion.Index >= s.SpecVersion.Index {
			return
		}
		w.op = "update"
	}
	t.writes = append(t.writes, w)
}

// sees gives a judge everything that was seen so far.
func (t *trace) sees(j *judge) {
	t.mu.Lock()
	defer t.mu.Unlock()
	j.moments, j.writes, j.down = slices.Clone(t.moments), slices.Clone(t.writes), t.down
}

// since returns how long ago something changed.
func (t *trace) since() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return lag.Since(t.changed).Machine
}

// judge finds what breaks the law in a trace. begins has the times at which the operators could first see each
// revision.
type judge struct {
	pair    pair
	begins  []time.Time
	plans   []string // diff's text for each revision except the first
	moments []moment
	writes  []apiWrite
	down    time.Time // what ended after this time may have ended with a node
}

// broken lists what breaks the laws.
func (j judge) broken() []string {
	return slices.Concat(j.gaps(), j.rewritten())
}

// rewritten lists the writes of a want that was already written, unless git has come back to it. Over a roll-out in
// flight, too, only a new want may be written.
func (j judge) rewritten() []string {
	var out []string
	seen := map[string][]string{} // by ID
	for _, w := range j.writes {
		if w.op == "remove" {
			continue
		}
		before := seen[w.id]
		if slices.Contains(before, w.want()) && !j.returns(w) {
			over := ""
			if w.inFlight() {
				over = ", over a roll-out in flight"
			}
			out = append(out, fmt.Sprintf("a want was written again%s: %s; it changes %s", over, w, changes(w)))
		}
		seen[w.id] = append(before, w.want())
	}
	return out
}

// returns reports whether git has come back to what it had asked for before.
func (j judge) returns(w apiWrite) bool {
	last := ""
	turns := 0
	for _, r := range j.pair.revisions {
		text := ""
		for _, a := range r.apps {
			if a.name == w.name {
				text = a.manifest()
			}
		}
		if text != last {
			turns++
		}
		last = text
	}
	return turns > 2
}

// changes names what differs between the two specs of a write.
func changes(w apiWrite) string {
	if w.was == nil {
		return "all"
	}
	var out []string
	for k, v := range w.is.Spec.Annotations.Labels {
		if w.was.Spec.Annotations.Labels[k] != v {
			out = append(out, "label "+k)
		}
	}
	if w.was.Spec.Task.String() != w.is.Spec.Task.String() {
		out = append(out, "the task: "+w.was.Spec.Task.String()+" → "+w.is.Spec.Task.String())
	}
	if w.was.Spec.Endpoint.String() != w.is.Spec.Endpoint.String() {
		out = append(out, "ports")
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// gaps lists the times at which nothing runs of an app that is in every revision, unless the law allows it.
func (j judge) gaps() []string {
	var out []string
	for _, a := range j.pair.revisions[0].apps {
		names := j.names(a.id)
		if names == nil {
			continue
		}
		from := -1
		for i, m := range j.moments {
			if m.at.Before(j.begins[1]) {
				from = i
			}
		}
		open := false
		for _, m := range j.moments[max(0, from):] {
			if !j.down.IsZero() && !m.at.Before(j.down) {
				break
			}
			n := 0
			for _, name := range names {
				n += m.running[name]
			}
			if n > 0 {
				open = false
				continue
			}
			if open {
				continue
			}
			open = true
			if why := j.excuse(names, m.at); why != "" {
				out = append(out, fmt.Sprintf("at %s nothing runs of %s: %s", m.at.Format("15:04:05.000"), strings.Join(names, ", "), why))
			}
		}
	}
	return out
}

// names returns the names that an app has in the revisions. It returns nil if a revision lacks the app or gives it no
// replicas.
func (j judge) names(id int) []string {
	var out []string
	for _, r := range j.pair.revisions {
		a, there := r.app(id)
		if !there || a.replicas == 0 {
			return nil
		}
		if !slices.Contains(out, a.name) {
			out = append(out, a.name)
		}
	}
	return out
}

// excuse says why a gap breaks the law. It returns "" if the plan had named the gap, and if a consent was given where
// one was needed.
func (j judge) excuse(names []string, at time.Time) string {
	var last *apiWrite
	bad := false
	for i := range j.writes {
		w := &j.writes[i]
		if w.at.After(at) || !slices.Contains(names, w.name) || w.at.Before(j.begins[1]) {
			continue
		}
		if last == nil || w.op == "remove" || last.op != "remove" {
			last = w
		}
		bad = bad || w.is != nil && !good(short(w.is.Spec.Task.GetContainer().Image))
	}
	switch {
	case last == nil:
		return "and nobody wrote anything on it"
	case last.op != "update":
		if j.agreed("replace", at) {
			return ""
		}
		return fmt.Sprintf("%s, and nobody agreed to that", last)
	case !j.named(last.name):
		return fmt.Sprintf("%s, of which no plan said that it restarts tasks", last)
	case bad: // what a failed roll-out left is up to the updater
		return ""
	case ordinary(last.was, last.is):
		return ""
	}
	return fmt.Sprintf("%s, which leaves others running", last)
}

// ordinary reports whether the swarm's own updater stops all tasks before it starts others, as the manifest asks.
func ordinary(was, is *api.Service) bool {
	u := is.Spec.Update
	if u.Order == api.UpdateConfig_START_FIRST {
		return false
	}
	n := min(was.Spec.GetReplicated().Replicas, is.Spec.GetReplicated().Replicas)
	return u.Parallelism == 0 || u.Parallelism >= n
}

// agreed reports whether any revision up to that time had a consent.
func (j judge) agreed(hazard string, at time.Time) bool {
	for i, r := range j.pair.revisions {
		if i > 0 && !at.Before(j.begins[i]) && slices.Contains(r.consents, hazard) {
			return true
		}
	}
	return false
}

// named reports whether a plan said that a step restarts the tasks of a service.
func (j judge) named(name string) bool {
	for _, text := range j.plans {
		about := false
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, " ") {
				about = strings.Contains(line, " Service/"+name+" ")
			}
			if about && strings.Contains(line, "restarts tasks") {
				return true
			}
		}
	}
	return false
}
