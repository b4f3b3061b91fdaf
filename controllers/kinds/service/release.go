package service

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// release writes the live spec with other labels. The task template is the same, so no task is replaced. Like any
// write, it makes what was live the spec that docker service rollback goes back to.
func release(ctx context.Context, c *engine.Client, l *kinds.Live) (done bool, why string, err error) {
	labels, own := kinds.WithoutOwn(l.Labels)
	if !own {
		return false, "", nil
	}
	api, err := c.Version(ctx)
	if err != nil {
		return false, "", fmt.Errorf("taking our labels off service %s: %w", l.Name, err)
	}
	if why = keepsLabels(l, api); why != "" {
		return false, why, nil
	}
	s := raw(l)
	spec := s.Spec
	spec.Labels = labels
	if _, err := c.ServiceUpdate(ctx, s.ID, engine.ServiceUpdate{Version: s.Version, Spec: spec}); err != nil {
		return false, "", fmt.Errorf("taking our labels off service %s: %w", l.Name, err)
	}
	return true, "", nil
}

// drops says which setting any write of the live spec would drop, because this release or the API version does not know
// it. It returns "" if there is none.
func drops(l *kinds.Live, api string) string {
	if len(l.Unread) == len(l.Unknown) && len(l.Unread) > 0 {
		return fmt.Sprintf("%s has %q, which is no address and which a write would drop: state %s in its manifest, or remove it by hand", l.Unread[0].Path, v1.Scrub(l.Unread[0].Text), l.Unread[0].Path)
	}
	if len(l.Unknown) > 0 {
		return "its spec has fields that this release does not know and would drop: " + strings.Join(l.Unknown, ", ")
	}
	noNames := kinds.NewIndex(nil, nil) // no setting that needs a newer API is a name
	for _, n := range rules.Newer(shape.Flatten(read(&raw(l).Spec, noNames))) {
		if plan.LessAPI(api, n.SinceAPI) {
			return fmt.Sprintf("it has %s, which needs engine API %s, and this engine has %s and would drop it in any write: update the engine, or take the setting away", n.Path, n.SinceAPI, api)
		}
	}
	return ""
}

// keepsLabels says why not even the labels can be written without harm. It returns "" if they can.
func keepsLabels(l *kinds.Live, api string) string {
	s, dropped := raw(l), drops(l, api)
	switch {
	case dropped != "":
		return dropped
	case isJob(s):
		return "any update would run the job again, so it keeps our labels"
	case s.UpdateStatus == nil:
		return ""
	}
	switch s.UpdateStatus.State {
	case swarm.UpdateStatePaused, swarm.UpdateStateRollbackPaused:
		return "its update is paused and any write would make it go on, so it keeps our labels"
	case swarm.UpdateStateUpdating, swarm.UpdateStateRollbackStarted:
		return "its update is under way and a write would start that again, so it keeps our labels; unmanage it again afterwards"
	}
	return ""
}

// retry writes the live spec once more. The swarm already has the spec that was asked for, and its updater waits
// because too many tasks failed. A write clears the pause, and the updater goes on with the tasks that are not of the
// spec yet. Tasks of the spec stay as they are.
//
// The spec must differ in something, so retry sets a label. Suppose that the very same spec is written while a worker
// of the update still sleeps through updateConfig.delay. SwarmKit's supervisor then takes it for the update that it
// already has. Nothing would go on, and nothing would say any more that the update is paused.
func retry(ctx context.Context, c *engine.Client, l *kinds.Live) (done bool, why string, err error) {
	s := raw(l)
	switch {
	case isJob(s):
		return false, "it is a job, and any update would run all of it again", nil
	case s.UpdateStatus == nil || s.UpdateStatus.State != swarm.UpdateStatePaused:
		return false, "", nil
	}
	api, err := c.Version(ctx)
	if err != nil {
		return false, "", fmt.Errorf("making the update of service %s go on: %w", l.Name, err)
	}
	if why = drops(l, api); why != "" {
		return false, why, nil
	}
	spec := s.Spec
	spec.Labels = maps.Clone(spec.Labels)
	if spec.Labels == nil {
		spec.Labels = map[string]string{}
	}
	spec.Labels[v1.LabelRetried] = s.Version.String()
	if _, err := c.ServiceUpdate(ctx, s.ID, engine.ServiceUpdate{Version: s.Version, Spec: spec}); err != nil {
		return false, "", fmt.Errorf("making the update of service %s go on: %w", l.Name, err)
	}
	return true, "", nil
}

func isJob(s *swarm.Service) bool {
	return s.Spec.Mode.ReplicatedJob != nil || s.Spec.Mode.GlobalJob != nil
}
