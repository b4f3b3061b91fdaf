package node

import (
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

func TestHowTasksAreReplaced(t *testing.T) {
	update := func(parallelism uint64, order string) *v1.UpdateConfig {
		return &v1.UpdateConfig{Parallelism: &parallelism, Order: order}
	}
	replicas := func(n uint64, update, rollback *v1.UpdateConfig) v1.ServiceSpec {
		return v1.ServiceSpec{Replicas: &n, UpdateConfig: update, RollbackConfig: rollback}
	}
	for name, test := range map[string]struct {
		spec v1.ServiceSpec
		says swarm.UpdateState
		want Rolling
	}{
		"nothing is stated":                       {v1.ServiceSpec{}, "", Rolling{Replicas: 1, AtOnce: 1}},
		"the numbers are not stated":              {replicas(3, &v1.UpdateConfig{}, nil), "", Rolling{Replicas: 3, AtOnce: 1}},
		"two at once":                             {replicas(3, update(2, "stop-first"), nil), "", Rolling{Replicas: 3, AtOnce: 2}},
		"all at once":                             {replicas(3, update(0, ""), update(1, "")), "", Rolling{Replicas: 3, AtOnce: 3}},
		"new tasks first":                         {replicas(3, update(0, "start-first"), update(2, "start-first")), "", Rolling{Replicas: 3, AtOnce: 0}},
		"new tasks first, but not in a rollback":  {replicas(3, update(0, "start-first"), nil), "", Rolling{Replicas: 3, AtOnce: 1}},
		"a rollback that stops more than updates": {replicas(5, update(1, ""), update(4, "")), "", Rolling{Replicas: 5, AtOnce: 4}},
		"an update goes on":                       {replicas(3, nil, nil), swarm.UpdateStateUpdating, Rolling{Replicas: 3, AtOnce: 1, UnderWay: true}},
		"a rollback goes on":                      {replicas(3, nil, nil), swarm.UpdateStateRollbackStarted, Rolling{Replicas: 3, AtOnce: 1, UnderWay: true}},
		"an update is over":                       {replicas(3, nil, nil), swarm.UpdateStateCompleted, Rolling{Replicas: 3, AtOnce: 1}},
		"an update is paused":                     {replicas(3, nil, nil), swarm.UpdateStatePaused, Rolling{Replicas: 3, AtOnce: 1}},
	} {
		raw := &swarm.Service{}
		if test.says != "" {
			raw.UpdateStatus = &swarm.UpdateStatus{State: test.says}
		}
		if got := rollingOf(&v1.Service{Spec: test.spec}, &kinds.Live{Raw: raw}, nil); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
		test.want.UnderWay = false
		if got := rollingOf(&v1.Service{Spec: test.spec}, nil, nil); got != test.want {
			t.Errorf("%s, and it is gone: %+v, want %+v", name, got, test.want)
		}
	}
}

// A drain waits for a roll-out only while it comes further. It may wait for a place, or for somebody, for weeks.
func TestWhichRollOutsAreWaitedFor(t *testing.T) {
	now := firstSurvey
	slot := func(n int, state swarm.TaskState, ago time.Duration) *kinds.Task {
		return &kinds.Task{Slot: n, State: string(state), Made: now.Add(-ago)}
	}
	slow := func(u *v1.UpdateConfig) v1.ServiceSpec {
		grace := v1.Duration(time.Minute)
		return v1.ServiceSpec{UpdateConfig: u, StopGracePeriod: &grace}
	}
	started := func(n int, ago, runs time.Duration) *kinds.Task {
		t := slot(n, "running", ago)
		t.Changed = now.Add(-runs)
		return t
	}
	const long = 500 * time.Hour
	checked := v1.ServiceSpec{Healthcheck: &v1.Healthcheck{StartPeriod: v1.Duration(time.Hour), Interval: v1.Duration(time.Minute), Timeout: v1.Duration(time.Minute), Retries: 2}}
	unchecked := v1.ServiceSpec{Healthcheck: &v1.Healthcheck{StartPeriod: v1.Duration(time.Hour), Test: v1.HealthTest{"NONE"}}}
	for name, test := range map[string]struct {
		spec  v1.ServiceSpec
		says  swarm.UpdateState
		began time.Duration // how long ago
		tasks []*kinds.Task
		known plan.Rollout
		want  bool
	}{
		"there is none":                            {want: false},
		"it has just begun":                        {says: swarm.UpdateStateUpdating, want: true},
		"it began a while ago":                     {says: swarm.UpdateStateUpdating, began: plan.Deadline - 1, want: true},
		"it began long ago":                        {says: swarm.UpdateStateUpdating, began: plan.Deadline, want: false},
		"it began weeks ago":                       {says: swarm.UpdateStateUpdating, began: long, want: false},
		"a rollback began long ago":                {says: swarm.UpdateStateRollbackStarted, began: plan.Deadline, want: false},
		"it began by a clock that is far ahead":    {says: swarm.UpdateStateUpdating, began: -long, want: false},
		"it makes one task after the other":        {says: swarm.UpdateStateUpdating, began: long, tasks: []*kinds.Task{slot(1, "running", time.Hour), slot(2, "running", time.Minute)}, want: true},
		"a task of it finds no place":              {says: swarm.UpdateStateUpdating, began: long, tasks: []*kinds.Task{slot(1, "running", time.Hour), slot(2, "pending", plan.Deadline)}, want: false},
		"a task of it has just found no place":     {says: swarm.UpdateStateUpdating, began: long, tasks: []*kinds.Task{slot(1, "running", time.Hour), slot(2, "pending", time.Minute)}, want: true},
		"a task is started again and again":        {says: swarm.UpdateStateUpdating, began: long, tasks: []*kinds.Task{slot(1, "failed", time.Minute), slot(1, "running", time.Second), slot(2, "pending", time.Hour)}, want: false},
		"a task is refused again and again":        {says: swarm.UpdateStateUpdating, began: long, tasks: []*kinds.Task{slot(1, "rejected", time.Minute), slot(1, "preparing", time.Second), slot(2, "pending", time.Hour)}, want: false},
		"a task ends well again and again":         {says: swarm.UpdateStateUpdating, began: long, tasks: []*kinds.Task{slot(1, "complete", time.Minute), slot(1, "running", time.Second), slot(2, "pending", time.Hour)}, want: false},
		"a task took long to start":                {says: swarm.UpdateStateUpdating, began: long, tasks: []*kinds.Task{started(1, 2*plan.Deadline, time.Minute)}, want: true},
		"a task from before it changed since":      {says: swarm.UpdateStateUpdating, began: plan.Deadline, tasks: []*kinds.Task{started(1, 2*plan.Deadline, time.Minute)}, want: false},
		"a task has time to become healthy":        {checked, swarm.UpdateStateUpdating, plan.Deadline + time.Hour + 4*time.Minute - 1, nil, plan.Rollout{}, true},
		"but not more":                             {checked, swarm.UpdateStateUpdating, plan.Deadline + time.Hour + 4*time.Minute, nil, plan.Rollout{}, false},
		"nobody checks its health":                 {unchecked, swarm.UpdateStateUpdating, plan.Deadline, nil, plan.Rollout{}, false},
		"a task failed before it began":            {says: swarm.UpdateStateUpdating, began: time.Hour, tasks: []*kinds.Task{slot(1, "failed", 2*time.Hour), slot(1, "running", time.Minute)}, want: true},
		"its spec lets it wait":                    {slow(&v1.UpdateConfig{Delay: v1.Duration(time.Hour), Monitor: v1.Duration(time.Minute)}), swarm.UpdateStateUpdating, plan.Deadline + time.Hour + 2*time.Minute - 1, nil, plan.Rollout{}, true},
		"its spec lets it wait, but not that long": {slow(&v1.UpdateConfig{Delay: v1.Duration(time.Hour), Monitor: v1.Duration(time.Minute)}), swarm.UpdateStateUpdating, plan.Deadline + time.Hour + 2*time.Minute, nil, plan.Rollout{}, false},
		"it is over":                               {says: swarm.UpdateStateCompleted, want: false},
		"it is paused":                             {says: swarm.UpdateStatePaused, want: false},
		"a write has hidden it":                    {known: plan.Rollout{State: "updating"}, want: true},
		"the source knows of it since long":        {known: plan.Rollout{State: "updating", Began: now.Add(-long)}, want: false},
	} {
		raw := &swarm.Service{}
		if test.says != "" {
			began := now.Add(-test.began)
			raw.UpdateStatus = &swarm.UpdateStatus{State: test.says, StartedAt: &began}
		}
		r := rollingOf(&v1.Service{Spec: test.spec}, &kinds.Live{Raw: raw}, test.tasks)
		if got := r.comesFurther(test.known, now); got != test.want {
			t.Errorf("%s: it is waited for: %t", name, got)
		}
	}
}

// A drain waits for a task that is about to run, but not for one that has been about to for long.
func TestWhichTasksAreAboutToRun(t *testing.T) {
	now := firstSurvey
	svc := &v1.Service{Header: v1.Header{Metadata: v1.Metadata{Name: "web"}}}
	for name, test := range map[string]struct {
		task   kinds.Task
		failed bool // a task that it takes the place of
		pause  time.Duration
		want   bool
	}{
		"it starts":                          {kinds.Task{State: "starting", Made: now}, false, 0, true},
		"it has started for a while":         {kinds.Task{State: "preparing", Made: now.Add(1 - plan.Deadline)}, false, 0, true},
		"it has started for long":            {kinds.Task{State: "preparing", Made: now.Add(-plan.Deadline)}, false, 0, false},
		"it has started for long, as it may": {kinds.Task{State: "preparing", Made: now.Add(-plan.Deadline)}, false, time.Minute, true},
		"nobody knows since when":            {kinds.Task{State: "starting"}, false, 0, true},
		"it finds no place":                  {kinds.Task{State: "pending", Err: "no suitable node", Made: now}, false, 0, false},
		"another one failed before it":       {kinds.Task{State: "starting", Made: now}, true, 0, false},
		"it runs":                            {kinds.Task{State: "running", Made: now}, false, 0, false},
	} {
		test.task.Slot = 1
		if got := placedOf(&test.task, svc, Rolling{Pause: test.pause}, map[string]bool{"web.1": test.failed}, now).Coming; got != test.want {
			t.Errorf("%s: it is about to run: %t", name, got)
		}
	}
}

func TestWhenATaskWasMade(t *testing.T) {
	changed := firstSurvey.Add(time.Minute)
	got := taskOf(&swarm.Task{Meta: swarm.Meta{CreatedAt: firstSurvey, UpdatedAt: changed}})
	if !got.Made.Equal(firstSurvey) || !got.Changed.Equal(changed) {
		t.Errorf("it was made at %s, and changed at %s", got.Made, got.Changed)
	}
}
