package service

import (
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"github.com/swarm-operator/swarm-operator/controllers/kinds"
)

// wrote is when the service of these tests was last written.
var wrote = began.Add(time.Hour)

// rolling returns a service with what the swarm says of its last update.
func rolling(replicas uint64, edit func(s *swarm.Service)) *swarm.Service {
	spec := plain()
	spec.Mode = swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &replicas}}
	s := &swarm.Service{Spec: *spec}
	s.UpdatedAt, s.Version = wrote, versionAt(wrote)
	if edit != nil {
		edit(s)
	}
	return s
}

// versionAt returns the version of what a swarm whose leader does not change wrote at that time.
func versionAt(at time.Time) swarm.Version {
	return swarm.Version{Index: uint64(at.Sub(began.Add(-24*time.Hour)) / time.Millisecond)}
}

func saying(s *swarm.Service, state swarm.UpdateState) {
	at := wrote.Add(100 * time.Millisecond)
	if s.Version = versionAt(at); state != swarm.UpdateStateUpdating {
		s.Version = versionAt(wrote.Add(9 * time.Second)) // the swarm wrote how it ended
	}
	s.UpdateStatus = &swarm.UpdateStatus{State: state, StartedAt: &at, Message: "because"}
}

// taskOf returns a task of the service's spec in force. slot and made tell it from others.
func taskOf(s *swarm.Service, slot int, made time.Time, desired, state swarm.TaskState) swarm.Task {
	t := swarm.Task{Slot: slot, DesiredState: desired, Spec: s.Spec.TaskTemplate, Status: swarm.TaskStatus{State: state, Timestamp: made}}
	t.CreatedAt, t.UpdatedAt, t.Version = made, made, versionAt(made)
	return t
}

func ports(published ...uint32) *swarm.EndpointSpec {
	e := &swarm.EndpointSpec{Mode: swarm.ResolutionModeVIP}
	for _, p := range published {
		e.Ports = append(e.Ports, swarm.PortConfig{TargetPort: 80, PublishedPort: p})
	}
	return e
}

// A task's own spec shows no ports. So the tasks from before a change of ports look like those that are wanted. They
// must not be taken for them until the swarm says how the update goes.
func TestARollOutIsNotOverBeforeItBegan(t *testing.T) {
	otherPorts := func(s *swarm.Service) {
		before := s.Spec
		before.EndpointSpec, s.Spec.EndpointSpec = ports(8080), ports(8081)
		s.PreviousSpec = &before
	}
	otherLabel := func(s *swarm.Service) {
		before := s.Spec
		before.Labels = map[string]string{"a": "b"}
		s.PreviousSpec = &before
	}
	otherForm := func(s *swarm.Service) { // absent became empty, and SwarmKit tells the two apart
		before := s.Spec
		c := *s.Spec.TaskTemplate.ContainerSpec
		c.DNSConfig = &swarm.DNSConfig{}
		s.Spec.TaskTemplate.ContainerSpec = &c
		s.PreviousSpec = &before
	}
	otherPlace := func(s *swarm.Service) {
		before := s.Spec
		s.Spec.TaskTemplate.Placement = &swarm.Placement{Constraints: []string{"node.role == worker"}}
		s.PreviousSpec = &before
	}
	var (
		old   = began                      // long before the write
		later = wrote.Add(2 * time.Second) // after it
	)
	for name, test := range map[string]struct {
		edit  func(*swarm.Service)
		says  swarm.UpdateState
		ran   []time.Time // when the running tasks began to run
		after time.Duration
		want  kinds.Health
	}{
		"ports, and no word yet":                {otherPorts, "", []time.Time{old, old}, 50 * time.Millisecond, kinds.Health{Wanted: 2, Old: 2, Why: "0 of 2 tasks running, 2 of the old spec"}},
		"ports, and no word for seconds":        {otherPorts, "", []time.Time{old, old}, 19 * time.Second, kinds.Health{Wanted: 2, Old: 2, Why: "0 of 2 tasks running, 2 of the old spec"}},
		"ports, and the word that it goes on":   {otherPorts, swarm.UpdateStateUpdating, []time.Time{old, later}, 3 * time.Second, kinds.Health{Running: 1, Wanted: 2, Old: 1, Why: "updating, 1 of 2 tasks running, 1 of the old spec"}},
		"ports, and the word that it is over":   {otherPorts, swarm.UpdateStateCompleted, []time.Time{later, later}, 9 * time.Second, kinds.Health{Ready: true, Running: 2, Wanted: 2}},
		"ports, and all are new without a word": {otherPorts, "", []time.Time{later, later}, 8 * time.Second, kinds.Health{Ready: true, Running: 2, Wanted: 2}},
		// The engine keeps the earlier ports as those of the previous spec, and no task was replaced. The ports were
		// changed and changed back before the swarm began.
		// A clock that is far from ours tells nothing of when the write was. The operator that wrote knows: see decide.
		"ports, and a clock that is far ahead":                    {otherPorts, "", []time.Time{old, old}, -25 * time.Second, kinds.Health{Ready: true, Running: 2, Wanted: 2}},
		"ports, and a clock that is far behind":                   {otherPorts, "", []time.Time{old, old}, 25 * time.Second, kinds.Health{Ready: true, Running: 2, Wanted: 2}},
		"a placement that no task matches, and no word yet":       {otherPlace, "", []time.Time{old, old}, 50 * time.Millisecond, kinds.Health{Ready: true, Running: 2, Wanted: 2}},
		"ports there and back":                                    {otherPorts, "", []time.Time{old, old}, 21 * time.Second, kinds.Health{Ready: true, Running: 2, Wanted: 2}},
		"ports there and back, with one task replaced":            {otherPorts, swarm.UpdateStateCompleted, []time.Time{old, later}, 21 * time.Second, kinds.Health{Ready: true, Running: 2, Wanted: 2}},
		"rolled back by hand to ports that some tasks still have": {otherPorts, swarm.UpdateStateRollbackCompleted, []time.Time{old, later}, 21 * time.Second, kinds.Health{Ready: true, RolledBack: true, Running: 2, Wanted: 2}},
		"another form of the same spec":                           {func(s *swarm.Service) { otherForm(s) }, "", []time.Time{old, old}, time.Second, kinds.Health{Wanted: 2, Old: 2, Why: "0 of 2 tasks running, 2 of the old spec"}},
		"a label":                                                 {otherLabel, "", []time.Time{old, old}, 50 * time.Millisecond, kinds.Health{Ready: true, Running: 2, Wanted: 2}},
		"a placement that all match":                              {otherPlace, "", []time.Time{old, old}, 50 * time.Millisecond, kinds.Health{Ready: true, Running: 2, Wanted: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			s := rolling(2, nil)
			before := s.Spec.TaskTemplate
			test.edit(s)
			if test.says != "" {
				saying(s, test.says)
			}
			var tasks []swarm.Task
			for i, at := range test.ran {
				task := taskOf(s, i+1, at, "running", "running")
				if at.Equal(old) {
					task.Spec = before
				}
				tasks = append(tasks, task)
			}
			if got := judge(s, tasks, wrote.Add(test.after)); got != test.want {
				t.Errorf("got %+v\nwant %+v", got, test.want)
			}
		})
	}
}

// Each leader of the swarm writes the times of its own clock. So after a change of leader, a task that changed later may
// have the earlier time. Versions tell which change came first.
func TestWhatCameFirstAfterAChangeOfLeader(t *testing.T) {
	const behind, ahead = -time.Minute, time.Minute
	otherPorts := func(s *swarm.Service) {
		before := s.Spec
		before.EndpointSpec, s.Spec.EndpointSpec = ports(8080), ports(8081)
		s.PreviousSpec = &before
	}
	givesUp := func(s *swarm.Service) {
		attempts := uint64(5)
		s.Spec.TaskTemplate.RestartPolicy = &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionAny, MaxAttempts: &attempts}
	}
	type one struct {
		desired, state swarm.TaskState
		after          time.Duration // when it was written last, after somebody wrote the service
		clock          time.Duration // how far the clock that wrote its times is ahead of the one that wrote the service's
	}
	failed := func(after, clock time.Duration) []one {
		f := one{"shutdown", "failed", after, clock}
		return []one{f, f, f, {"running", "starting", 9 * time.Second, 0}}
	}
	fails := kinds.Health{Failed: true, Wanted: 1, Why: "0 of 1 task running"}
	begins := kinds.Health{Wanted: 1, Why: "0 of 1 task running"}
	for name, test := range map[string]struct {
		edit  func(*swarm.Service)
		says  swarm.UpdateState
		tasks []one
		want  kinds.Health
	}{
		"failures after the write, and a clock that is behind":             {nil, "", failed(time.Second, behind), fails},
		"failures before the write, and a clock that was ahead":            {nil, "", failed(-time.Second, ahead), begins},
		"failures after the update, and a clock that is behind":            {nil, "completed", failed(9500*time.Millisecond, behind), fails},
		"failures during the update, under one leader":                     {nil, "completed", failed(time.Second, 0), fails},
		"failures before the update, under one leader":                     {nil, "completed", failed(-time.Second, 0), begins},
		"other ports, a new task, and a clock that is behind":              {otherPorts, "", []one{{"running", "running", time.Second, behind}}, kinds.Health{Ready: true, Running: 1, Wanted: 1}},
		"other ports, an old task, and a clock that was ahead":             {otherPorts, "", []one{{"running", "running", -time.Second, ahead}}, kinds.Health{Wanted: 1, Old: 1, Why: "0 of 1 task running, 1 of the old spec"}},
		"other ports, an update, a new task, and a clock that is behind":   {otherPorts, "updating", []one{{"running", "running", time.Second, behind}}, kinds.Health{Running: 1, Wanted: 1, Why: "updating, 1 of 1 task running"}},
		"a task that follows one that failed, and a clock that is behind":  {givesUp, "", []one{{"shutdown", "failed", time.Second, 0}, {"running", "starting", 2 * time.Second, behind}}, begins},
		"a task that follows one that failed, under one leader":            {givesUp, "", []one{{"shutdown", "failed", time.Second, 0}, {"running", "starting", 2 * time.Second, 0}}, begins},
		"no task follows one that failed, and the swarm has none to begin": {givesUp, "", []one{{"shutdown", "failed", time.Second, 0}}, fails},
	} {
		t.Run(name, func(t *testing.T) {
			s := rolling(1, test.edit)
			if test.says != "" {
				saying(s, test.says)
			}
			var tasks []swarm.Task
			for _, o := range test.tasks {
				task := taskOf(s, 1, wrote.Add(o.after+o.clock), o.desired, o.state)
				task.Version = versionAt(wrote.Add(o.after))
				tasks = append(tasks, task)
			}
			if got := judge(s, tasks, wrote.Add(10*time.Second)); got != test.want {
				t.Errorf("got %+v\nwant %+v", got, test.want)
			}
		})
	}
}

// If the restart policy does not restart tasks that ended well, the service is done when its tasks have ended well.
func TestOneShots(t *testing.T) {
	once := func(condition swarm.RestartPolicyCondition, attempts uint64) func(*swarm.Service) {
		return func(s *swarm.Service) {
			s.Spec.TaskTemplate.RestartPolicy = &swarm.RestartPolicy{Condition: condition}
			if attempts > 0 {
				s.Spec.TaskTemplate.RestartPolicy.MaxAttempts = &attempts
			}
		}
	}
	global := func(edit func(*swarm.Service)) func(*swarm.Service) {
		return func(s *swarm.Service) {
			edit(s)
			s.Spec.Mode = swarm.ServiceMode{Global: &swarm.GlobalService{}}
		}
	}
	none, failure := once(swarm.RestartPolicyConditionNone, 0), once(swarm.RestartPolicyConditionOnFailure, 0)
	type one struct {
		slot    int
		after   time.Duration // when it was made, after the write
		desired swarm.TaskState
		state   swarm.TaskState
		before  bool // it is of another spec
	}
	done, failed := one{1, 1, "shutdown", "complete", false}, one{1, 1, "shutdown", "failed", false}
	at := func(slot int, t one) one { t.slot = slot; return t }
	then := func(t one) one { t.after = time.Second; return t }
	old := func(t one) one { t.before, t.after = true, -time.Minute; return t }
	run := one{1, 1, "running", "running", false}
	next := one{1, time.Second, "ready", "ready", false}
	for name, test := range map[string]struct {
		replicas uint64
		edit     func(*swarm.Service)
		says     swarm.UpdateState
		tasks    []one
		want     kinds.Health
	}{
		"none, ended well":                        {1, none, "", []one{done}, kinds.Health{Ready: true, Running: 1, Wanted: 1}},
		"on-failure, ended well":                  {1, failure, "", []one{done}, kinds.Health{Ready: true, Running: 1, Wanted: 1}},
		"on-failure, a failed try first":          {1, failure, "", []one{failed, then(done)}, kinds.Health{Ready: true, Running: 1, Wanted: 1}},
		"on-failure, many failed tries first":     {1, failure, "", []one{failed, failed, failed, failed, then(done)}, kinds.Health{Ready: true, Running: 1, Wanted: 1}},
		"on-failure, the next try is to come":     {1, failure, "", []one{failed, next}, kinds.Health{Wanted: 1, Why: "0 of 1 task running; the last one that failed: exit 1"}},
		"none, failed":                            {1, none, "", []one{failed}, kinds.Health{Failed: true, Wanted: 1, Why: "0 of 1 task running; the last one that failed: exit 1"}},
		"one of three failed":                     {3, none, "", []one{done, at(2, run), at(3, failed)}, kinds.Health{Failed: true, Running: 2, Wanted: 3, Why: "1 of 3 tasks running, 1 complete; the last one that failed: exit 1"}},
		"one has just ended":                      {1, none, "", []one{{1, 1, "running", "complete", false}}, kinds.Health{Ready: true, Running: 1, Wanted: 1}},
		"one has just failed":                     {1, failure, "", []one{{1, 1, "running", "failed", false}}, kinds.Health{Wanted: 1, Why: "0 of 1 task running; the last one that failed: exit 1"}},
		"some are done, the others run":           {3, failure, "", []one{done, at(2, done), at(3, run)}, kinds.Health{Ready: true, Running: 3, Wanted: 3}},
		"some are done, one is to come":           {3, failure, "", []one{done, at(2, done)}, kinds.Health{Running: 2, Wanted: 3, Why: "0 of 3 tasks running, 2 complete"}},
		"max attempts used up":                    {1, once(swarm.RestartPolicyConditionOnFailure, 1), "", []one{failed, then(failed)}, kinds.Health{Failed: true, Wanted: 1, Why: "0 of 1 task running; the last one that failed: exit 1"}},
		"max attempts used up by one of two":      {2, once(swarm.RestartPolicyConditionOnFailure, 1), "", []one{failed, then(failed), at(2, run)}, kinds.Health{Failed: true, Running: 1, Wanted: 2, Why: "1 of 2 tasks running; the last one that failed: exit 1"}},
		"global":                                  {0, global(none), "", []one{done, at(2, done)}, kinds.Health{Ready: true, Running: 2, Wanted: 2}},
		"global, one node runs":                   {0, global(failure), "", []one{done, at(2, run)}, kinds.Health{Ready: true, Running: 2, Wanted: 2}},
		"global, one node failed":                 {0, global(none), "", []one{done, at(2, failed)}, kinds.Health{Failed: true, Running: 1, Wanted: 2, Why: "0 of 2 tasks running, 1 complete; the last one that failed: exit 1"}},
		"global, all failed":                      {0, global(none), "", []one{failed, at(2, failed)}, kinds.Health{Failed: true, Wanted: 2, Why: "0 of 2 tasks running; the last one that failed: exit 1"}},
		"global, max attempts used up":            {0, global(once(swarm.RestartPolicyConditionAny, 1)), "", []one{failed, then(failed)}, kinds.Health{Failed: true, Wanted: 1, Why: "0 of 1 task running; the last one that failed: exit 1"}},
		"updated: what the old spec did is over":  {1, none, "", []one{old(done), {1, 1, "running", "preparing", false}}, kinds.Health{Wanted: 1, Why: "0 of 1 task running"}},
		"updated: it has not begun":               {1, none, "", []one{old(done)}, kinds.Health{Wanted: 1, Why: "0 of 1 task running"}},
		"updated there and back: it runs anew":    {1, none, "", []one{{1, -time.Hour, "shutdown", "complete", false}, old(done), {1, 1, "running", "preparing", false}}, kinds.Health{Wanted: 1, Why: "0 of 1 task running"}},
		"updated, and SwarmKit pauses as it ends": {1, none, "paused", []one{old(done), done}, kinds.Health{Ready: true, Running: 1, Wanted: 1}},
		"paused before the others began":          {2, none, "paused", []one{old(done), done, old(at(2, done))}, kinds.Health{Failed: true, Running: 1, Wanted: 2, Why: "paused: because; SwarmKit counts a task that ends within updateConfig.monitor as failed, also one that ends well, unless updateConfig.failureAction is continue"}},
		"paused because it failed":                {1, none, "paused", []one{then(failed)}, kinds.Health{Failed: true, Wanted: 1, Why: "paused: because; the last one that failed: exit 1"}},
		"any starts again what ended well":        {1, once(swarm.RestartPolicyConditionAny, 0), "", []one{done, done, done, next}, kinds.Health{Wanted: 1, Why: "0 of 1 task running"}},
		"and so does no policy at all":            {1, nil, "", []one{done, next}, kinds.Health{Wanted: 1, Why: "0 of 1 task running"}},
		"any, until max attempts are used up":     {1, once(swarm.RestartPolicyConditionAny, 1), "", []one{done, then(done)}, kinds.Health{Failed: true, Wanted: 1, Why: "0 of 1 task running; its tasks end with exit code 0, and restartPolicy.maxAttempts starts no more of them"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := rolling(test.replicas, test.edit)
			if test.says != "" {
				saying(s, test.says)
			}
			var tasks []swarm.Task
			for _, o := range test.tasks {
				task := taskOf(s, o.slot, wrote.Add(o.after), o.desired, o.state)
				task.NodeID = strings.Repeat("n", o.slot)
				if o.state == "failed" {
					task.Status.Err = "exit 1"
				}
				if o.before {
					task.Spec.ForceUpdate = 9
				}
				tasks = append(tasks, task)
			}
			if got := judge(s, tasks, wrote.Add(10*time.Second)); got != test.want {
				t.Errorf("got %+v\nwant %+v", got, test.want)
			}
		})
	}
}

// A task says why it waits. If nothing else is missing, the service only waits for a place.
func TestWhyTasksWait(t *testing.T) {
	const noPlace = "no suitable node (scheduling constraints not satisfied on 3 nodes)"
	const noPort = "no suitable node (host-mode port already in use on 3 nodes)"
	type one struct {
		state, err string
		after      time.Duration
		old        bool
	}
	for name, test := range map[string]struct {
		replicas uint64
		says     swarm.UpdateState
		tasks    []one
		want     kinds.Health
	}{
		"no place":                                {1, "", []one{{"pending", noPlace, 0, false}}, kinds.Health{Waits: true, Wanted: 1, Why: "0 of 1 task running; a task waits: " + noPlace}},
		"no place for some":                       {3, "", []one{{"running", "", 0, false}, {"pending", noPlace, 0, false}, {"pending", noPlace, 0, false}}, kinds.Health{Waits: true, Running: 1, Wanted: 3, Why: "1 of 3 tasks running; a task waits: " + noPlace}},
		"the newest word counts":                  {2, "", []one{{"pending", noPort, time.Second, false}, {"pending", noPlace, 0, false}}, kinds.Health{Waits: true, Wanted: 2, Why: "0 of 2 tasks running; a task waits: " + noPort}},
		"others are on their way":                 {2, "", []one{{"preparing", "", 0, false}, {"pending", noPlace, 0, false}}, kinds.Health{Wanted: 2, Why: "0 of 2 tasks running; a task waits: " + noPlace}},
		"the scheduler has not looked yet":        {1, "", []one{{"pending", "", 0, false}}, kinds.Health{Wanted: 1, Why: "0 of 1 task running"}},
		"an update that finds none":               {1, "updating", []one{{"running", "", -time.Hour, true}, {"pending", noPort, 0, false}}, kinds.Health{Waits: true, Wanted: 1, Old: 1, Why: "updating, 0 of 1 task running, 1 of the old spec; a task waits: " + noPort}},
		"a task of the old spec says nothing":     {1, "updating", []one{{"pending", noPort, -time.Hour, true}, {"preparing", "", 0, false}}, kinds.Health{Wanted: 1, Why: "updating, 0 of 1 task running"}},
		"failures count more":                     {2, "", []one{{"failed", "exit 1", 0, false}, {"failed", "exit 1", 0, false}, {"failed", "exit 1", 0, false}, {"pending", noPlace, 0, false}}, kinds.Health{Failed: true, Wanted: 2, Why: "0 of 2 tasks running; a task waits: " + noPlace + "; the last one that failed: exit 1"}},
		"no network, which is no lack of a place": {1, "", []one{{"new", "", 0, false}}, kinds.Health{Wanted: 1, Why: "0 of 1 task running; a task waits: the swarm has not allocated its networks and ports yet"}},
		"no network, just now":                    {1, "", []one{{"new", "", 9 * time.Second, false}}, kinds.Health{Wanted: 1, Why: "0 of 1 task running"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := rolling(test.replicas, nil)
			if test.says != "" {
				saying(s, test.says)
			}
			var tasks []swarm.Task
			for i, o := range test.tasks {
				desired := swarm.TaskState("running")
				if o.state == "failed" {
					desired = "shutdown"
				}
				task := taskOf(s, i+1, wrote.Add(o.after), desired, swarm.TaskState(o.state))
				task.Status.Err = o.err
				if o.old {
					task.Spec.ForceUpdate = 9
				}
				tasks = append(tasks, task)
			}
			if got := judge(s, tasks, wrote.Add(10*time.Second)); got != test.want {
				t.Errorf("got %+v\nwant %+v", got, test.want)
			}
		})
	}
}
