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

// trace is what happened to services and tasks, as the store of the swarm tells it: each transaction is one moment, and
// nothing is between two of them.
type trace struct {
	mu       sync.Mutex
	services map[string]*api.Service // also those that are gone
	running  map[string]string       // task → service id
	moments  []moment
	writes   []apiWrite
	changed  time.Time // of anything but a task or a node
	down     time.Time // when the swarm first lost sight of a node, as it does on a machine that is too busy
}

// moment says how many tasks of each service run from then on.
type moment struct {
	at      time.Time
	running map[string]int // by name
}

// apiWrite is what a client of the API has done to a service.
type apiWrite struct {
	at       time.Time
	id, name string
	op       string // create, update, remove
	was, is  *api.Service
}

// want is what the operator says that it wanted.
func (w apiWrite) want() string {
	if w.is == nil {
		return ""
	}
	return w.is.Spec.Annotations.Labels[v1.LabelApplied]
}

// inFlight says that the write came over a roll-out.
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

// service notes what became of a service. A client's write gives the spec a higher version; what SwarmKit's updater does
// itself, a rollback among it, does not.
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

// sees gives a judge what was seen so far.
func (t *trace) sees(j *judge) {
	t.mu.Lock()
	defer t.mu.Unlock()
	j.moments, j.writes, j.down = slices.Clone(t.moments), slices.Clone(t.writes), t.down
}

// since is how long ago something changed.
func (t *trace) since() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return lag.Since(t.changed).Machine
}

// judge says what breaks the law in a trace. begins are when the operators could first see each revision.
type judge struct {
	pair    pair
	begins  []time.Time
	plans   []string // diff's text, of each revision but the first
	moments []moment
	writes  []apiWrite
	down    time.Time // what ended since then may have ended with a node
}

// broken lists what breaks the laws.
func (j judge) broken() []string {
	return slices.Concat(j.gaps(), j.rewritten())
}

// rewritten: each want of a service is written once, and nothing but a new want over a roll-out in flight.
func (j judge) rewritten() []string {
	var out []string
	seen := map[string][]string{} // by id
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

// returns says whether git came back to what it had asked for before.
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

// gaps are moments at which nothing runs of what is there before and after.
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

// names are those that an app has in the revisions; nil: it is not in all of them, or need not run.
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

// excuse says why a gap breaks the law; "" if the plan had named it, and whoever had to had agreed.
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
	case bad: // what a failed roll-out left is the updater's
		return ""
	case ordinary(last.was, last.is):
		return ""
	}
	return fmt.Sprintf("%s, which leaves others running", last)
}

// ordinary says that the swarm's own updater stops all of the tasks before it starts others, as the manifest asks.
func ordinary(was, is *api.Service) bool {
	u := is.Spec.Update
	if u.Order == api.UpdateConfig_START_FIRST {
		return false
	}
	n := min(was.Spec.GetReplicated().Replicas, is.Spec.GetReplicated().Replicas)
	return u.Parallelism == 0 || u.Parallelism >= n
}

// agreed says whether a revision so far had a consent.
func (j judge) agreed(hazard string, at time.Time) bool {
	for i, r := range j.pair.revisions {
		if i > 0 && !at.Before(j.begins[i]) && slices.Contains(r.consents, hazard) {
			return true
		}
	}
	return false
}

// named says whether a plan said that a step restarts the tasks of a service.
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
