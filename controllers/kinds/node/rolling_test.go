package node

import (
	"testing"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
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
		"nothing is stated":                       {v1.ServiceSpec{}, "", Rolling{1, 1, false}},
		"the numbers are not stated":              {replicas(3, &v1.UpdateConfig{}, nil), "", Rolling{3, 1, false}},
		"two at once":                             {replicas(3, update(2, "stop-first"), nil), "", Rolling{3, 2, false}},
		"all at once":                             {replicas(3, update(0, ""), update(1, "")), "", Rolling{3, 3, false}},
		"new tasks first":                         {replicas(3, update(0, "start-first"), update(2, "start-first")), "", Rolling{3, 0, false}},
		"new tasks first, but not in a rollback":  {replicas(3, update(0, "start-first"), nil), "", Rolling{3, 1, false}},
		"a rollback that stops more than updates": {replicas(5, update(1, ""), update(4, "")), "", Rolling{5, 4, false}},
		"an update goes on":                       {replicas(3, nil, nil), swarm.UpdateStateUpdating, Rolling{3, 1, true}},
		"a rollback goes on":                      {replicas(3, nil, nil), swarm.UpdateStateRollbackStarted, Rolling{3, 1, true}},
		"an update is over":                       {replicas(3, nil, nil), swarm.UpdateStateCompleted, Rolling{3, 1, false}},
		"an update is paused":                     {replicas(3, nil, nil), swarm.UpdateStatePaused, Rolling{3, 1, false}},
	} {
		raw := &swarm.Service{}
		if test.says != "" {
			raw.UpdateStatus = &swarm.UpdateStatus{State: test.says}
		}
		if got := rollingOf(&v1.Service{Spec: test.spec}, &kinds.Live{Raw: raw}); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
		test.want.UnderWay = false
		if got := rollingOf(&v1.Service{Spec: test.spec}, nil); got != test.want {
			t.Errorf("%s, and it is gone: %+v, want %+v", name, got, test.want)
		}
	}
}
