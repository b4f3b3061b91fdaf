package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// service is a service as the swarm's engine describes it, not as the operator does.
type service struct{ swarm.Service }

func (v service) image() string {
	image, _, _ := strings.Cut(v.Spec.TaskTemplate.ContainerSpec.Image, "@")
	return image
}

func (v service) tasks() string {
	return fmt.Sprintf("%d/%d", v.ServiceStatus.RunningTasks, v.ServiceStatus.DesiredTasks)
}

// update returns the state of the last roll-out, or "" if there was none.
func (v service) update() swarm.UpdateState {
	if v.UpdateStatus == nil {
		return ""
	}
	return v.UpdateStatus.State
}

func (v service) rolledOut() bool {
	return (v.update() == "" || v.update() == swarm.UpdateStateCompleted) && v.ServiceStatus.RunningTasks == v.ServiceStatus.DesiredTasks
}

func (v service) String() string {
	s := fmt.Sprintf("%s %s %s, version %d", v.Spec.Name, v.image(), v.tasks(), v.Version.Index)
	if u := v.update(); u != "" {
		s += ", update " + string(u)
	}
	return s
}

// services returns the services by name, with the counts of their tasks.
func (s *stage) services(ctx context.Context) (map[string]service, error) {
	list, err := s.engine.ServiceList(ctx, client.ServiceListOptions{Status: true})
	if err != nil {
		return nil, fmt.Errorf("listing services: %w", err)
	}
	out := map[string]service{}
	for _, v := range list.Items {
		out[v.Spec.Name] = service{v}
	}
	return out, nil
}

func inOrder(all map[string]service) []service {
	var out []service
	for _, v := range all {
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b service) int { return cmp.Compare(a.Spec.Name, b.Spec.Name) })
	return out
}

// until waits for a state of one service.
func (s *stage) until(ctx context.Context, name, what string, limit time.Duration, ok func(service) bool) (service, error) {
	var last service
	err := s.await(ctx, name+" "+what, limit, func() (string, bool, error) {
		all, err := s.services(ctx)
		if err != nil {
			return "", false, err
		}
		v, there := all[name]
		if !there {
			return "there is no service " + name, false, nil
		}
		last = v
		return v.String(), ok(v), nil
	})
	return last, err
}

// others returns the services other than one whose versions have changed, although nobody had a reason to write them.
func others(before, after map[string]service, but string) []string {
	var moved []string
	for name, v := range before {
		if now, there := after[name]; name != but && (!there || now.Version.Index != v.Version.Index) {
			moved = append(moved, name)
		}
	}
	slices.Sort(moved)
	return moved
}

// scale does what docker service scale does.
func (s *stage) scale(ctx context.Context, name string, replicas uint64) error {
	for {
		r, err := s.engine.ServiceInspect(ctx, name, client.ServiceInspectOptions{})
		if err != nil {
			return fmt.Errorf("looking at service %s: %w", name, err)
		}
		spec := r.Service.Spec
		spec.Mode.Replicated.Replicas = &replicas
		_, err = s.engine.ServiceUpdate(ctx, r.Service.ID, client.ServiceUpdateOptions{Version: r.Service.Version, Spec: spec})
		// Somebody wrote in between: try again, as a user of the CLI would
		if err == nil || !strings.Contains(err.Error(), "out of sequence") {
			return err
		}
	}
}

// taskError returns why a task of a service failed, in the engine's own words.
func (s *stage) taskError(ctx context.Context, name, image string) (string, error) {
	tasks, err := s.engine.TaskList(ctx, client.TaskListOptions{Filters: client.Filters{}.Add("service", name)})
	if err != nil {
		return "", fmt.Errorf("listing the tasks of %s: %w", name, err)
	}
	for _, t := range tasks.Items {
		if strings.HasPrefix(t.Spec.ContainerSpec.Image, image) && t.Status.Err != "" {
			return fmt.Sprintf("task %.12s of %s is %s: %s", t.ID, image, t.Status.State, t.Status.Err), nil
		}
	}
	return "", errors.New("no task of " + image + " has an error")
}
