package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/moby/swarmkit/v2/api"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// story is a trace that is invented, not observed.
type story struct {
	*trace
	version uint64
	begins  time.Time
}

func (s *story) tell(action api.WatchActionKind, is, was *api.Service) {
	e := &api.WatchMessage_Event{Action: action, Object: &api.Object{Object: &api.Object_Service{Service: is}}}
	if was != nil {
		e.OldObject = &api.Object{Object: &api.Object_Service{Service: was}}
	}
	s.see(&api.WatchMessage{Events: []*api.WatchMessage_Event{e}})
}

// writes is a client's write: it creates a service, or updates the one that exists.
func (s *story) writes(name, want, image string, replicas uint64, order api.UpdateConfig_UpdateOrder) {
	s.version++
	is := &api.Service{ID: "id-" + name, SpecVersion: &api.Version{Index: s.version}, Spec: api.ServiceSpec{
		Annotations: api.Annotations{Name: name, Labels: map[string]string{v1.LabelApplied: want}},
		Mode:        &api.ServiceSpec_Replicated{Replicated: &api.ReplicatedService{Replicas: replicas}},
		Task:        api.TaskSpec{Runtime: &api.TaskSpec_Container{Container: &api.ContainerSpec{Image: image}}},
		Update:      &api.UpdateConfig{Parallelism: 1, Order: order},
	}}
	if was := s.services[is.ID]; was != nil {
		s.tell(api.WatchActionKindUpdate, is, was)
		return
	}
	s.tell(api.WatchActionKindCreate, is, nil)
}

// becomes is a status that SwarmKit's updater gives to a service.
func (s *story) becomes(name string, state api.UpdateStatus_UpdateState) {
	was := s.services["id-"+name]
	is := was.Copy()
	is.UpdateStatus = &api.UpdateStatus{State: state}
	s.tell(api.WatchActionKindUpdate, is, was)
}

func (s *story) removes(name string) { s.tell(api.WatchActionKindRemove, s.services["id-"+name], nil) }

func (s *story) task(service string, slot int, state api.TaskState) {
	t := &api.Task{ID: fmt.Sprint(service, slot), ServiceID: "id-" + service, Status: api.TaskStatus{State: state}}
	s.see(&api.WatchMessage{Events: []*api.WatchMessage_Event{{Action: api.WatchActionKindUpdate, Object: &api.Object{Object: &api.Object_Task{Task: t}}}}})
}

// git marks the time from which git says something else.
func (s *story) git() { s.begins = time.Now() }

// The judge of traces sees what breaks the laws, and nothing else.
func TestTheJudgeOfPairsSeesWhatBreaksTheLaw(t *testing.T) {
	const restarts = "~ Service/a  (changed in git; restarts tasks)\n"
	const up, gone, first, last = api.TaskStateRunning, api.TaskStateShutdown, api.UpdateConfig_STOP_FIRST, api.UpdateConfig_START_FIRST
	one := app{id: 1, name: "a", replicas: 1}
	renamed := app{id: 1, name: "b", replicas: 1}
	for _, c := range []struct {
		name     string
		after    app
		consents []string
		plan     string
		tell     func(*story)
		want     string
	}{
		{name: "a restart that a plan named", after: one, plan: restarts, tell: func(s *story) {
			s.writes("a", "two", "app:2", 1, first)
			s.task("a", 1, gone)
		}},
		{name: "a restart that no plan named", after: one, plan: "~ Service/other  (changed in git; restarts tasks)\n", want: "no plan said", tell: func(s *story) {
			s.writes("a", "two", "app:2", 1, first)
			s.task("a", 1, gone)
		}},
		{name: "nobody wrote", after: one, plan: restarts, want: "nobody wrote", tell: func(s *story) { s.task("a", 1, gone) }},
		{name: "the new one was to start first", after: one, plan: restarts, want: "leaves others running", tell: func(s *story) {
			s.writes("a", "two", "app:2", 1, last)
			s.task("a", 1, gone)
		}},
		{name: "what a roll-out that failed left", after: one, plan: restarts, tell: func(s *story) {
			s.writes("a", "two", "crash:1", 1, last)
			s.task("a", 1, gone)
		}},
		{name: "made again without a word", after: one, plan: restarts, want: "nobody agreed", tell: func(s *story) {
			s.removes("a")
			s.task("a", 1, gone)
		}},
		{name: "made again with consent", after: one, consents: []string{"replace"}, tell: func(s *story) {
			s.removes("a")
			s.task("a", 1, gone)
		}},
		{name: "renamed, and both run for a moment", after: renamed, tell: func(s *story) {
			s.writes("b", "one", "app:1", 1, first)
			s.task("b", 1, up)
			s.removes("a")
			s.task("a", 1, gone)
		}},
		{name: "renamed, and neither runs for a moment", after: renamed, want: "nothing runs of a, b", tell: func(s *story) {
			s.writes("b", "one", "app:1", 1, first)
			s.removes("a")
			s.task("a", 1, gone)
			s.task("b", 1, up)
		}},
		{name: "renamed with a gap that somebody agreed to", after: renamed, consents: []string{"replace"}, tell: func(s *story) {
			s.removes("a")
			s.task("a", 1, gone)
			s.writes("b", "one", "app:1", 1, first)
			s.task("b", 1, up)
		}},
		{name: "dropped", after: app{id: 2, name: "c", replicas: 1}, tell: func(s *story) { s.task("a", 1, gone) }},
		{name: "a new want over a roll-out", after: one, plan: restarts, tell: func(s *story) {
			s.writes("a", "two", "app:2", 2, last)
			s.becomes("a", api.UpdateStatus_UPDATING)
			s.writes("a", "three", "app:3", 2, last)
		}},
		{name: "the same want over a roll-out", after: one, plan: restarts, want: "written again, over a roll-out in flight", tell: func(s *story) {
			s.writes("a", "two", "app:2", 2, last)
			s.becomes("a", api.UpdateStatus_UPDATING)
			s.writes("a", "two", "app:2", 2, last)
		}},
		{name: "a want that was rolled back is tried again", after: one, plan: restarts, want: "written again", tell: func(s *story) {
			s.writes("a", "two", "crash:1", 2, last)
			s.becomes("a", api.UpdateStatus_ROLLBACK_COMPLETED)
			s.writes("a", "two", "crash:1", 2, last)
		}},
		{name: "what the updater does is no write", after: one, plan: restarts, tell: func(s *story) {
			s.writes("a", "two", "app:2", 2, last)
			s.becomes("a", api.UpdateStatus_UPDATING)
			s.becomes("a", api.UpdateStatus_COMPLETED)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &story{trace: newTrace()}
			s.writes("a", "one", "app:1", 1, first)
			s.task("a", 1, up)
			s.git()
			c.tell(s)
			j := judge{
				pair:   pair{revisions: []revision{{apps: []app{one}}, {apps: []app{c.after}, consents: c.consents}}},
				begins: []time.Time{{}, s.begins}, plans: []string{c.plan},
			}
			s.sees(&j)
			got := strings.Join(j.broken(), "\n")
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("want %q, got %q", c.want, got)
			}
		})
	}
}
