package kinds

import (
	"context"
	"fmt"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// VersionCalls are the engine's calls on one kind of content. Configs and secrets differ in nothing else.
type VersionCalls struct {
	// Create makes a version. The new version keeps those settings of the version before that no manifest can state.
	// before is nil if there is none.
	Create func(ctx context.Context, c *engine.Client, name string, labels map[string]string, data []byte, before *Live) (id string, err error)
	// Relabel changes the labels of a live object and nothing else.
	Relabel func(ctx context.Context, c *engine.Client, l *Live, labels map[string]string) error
	Remove  func(ctx context.Context, c *engine.Client, id string) error
}

// Do carries out one step.
func (v VersionCalls) Do(ctx context.Context, env Env, s plan.Step) (Result, error) {
	switch s.Op {
	case diff.Create:
		before, _ := s.Change.Want.Start.(*Live)
		id, err := v.Create(ctx, env.Engine, s.Instance, versionLabels(env, s), content(s), before)
		if err != nil {
			return Result{}, fmt.Errorf("creating %s: %w", s.Key, err)
		}
		return Result{ID: id}, nil
	case diff.Update:
		l := s.Change.Have.Value.(*Live)
		if err := v.Relabel(ctx, env.Engine, l, versionLabels(env, s)); err != nil {
			return Result{}, fmt.Errorf("updating the labels of %s: %w", s.Key, err)
		}
		return Result{ID: l.ID}, nil
	case diff.Remove:
		if err := v.Remove(ctx, env.Engine, s.Change.Have.Meta.ID); err != nil {
			return Result{}, fmt.Errorf("removing %s of %s: %w", s.Instance, s.Key, err)
		}
		return Result{}, nil
	}
	return Result{}, fmt.Errorf("carrying out %q on %s: no such operation", s.Op, s.Key)
}

// content returns the data of a step's want.
func content(s plan.Step) []byte { return s.Change.Want.Value.(v1.ContentHolder).Content().Reveal() }

// versionLabels returns the labels of a version with the operator's own. If there is a live version, they are laid
// over its labels.
func versionLabels(env Env, s plan.Step) map[string]string {
	want := s.Change.Want
	stated := want.Value.(v1.Object).Meta().Metadata.Labels
	owner, applied := env.Owner(s.Key), diff.NewApplied(want.Leaves).String()
	var labels map[string]string
	if have := s.Change.Have; have != nil {
		labels = OverlayLabels("metadata.labels", have.Value.(*Live).Labels, stated, s.Fields, owner, applied)
	} else {
		labels = Labels(stated, owner, applied)
		env.Mark(labels)
	}
	// Of an object that is the source's and has no such label, only the name tells the content.
	if have := s.Change.Have; have == nil || !have.Meta.Mine || labels[v1.LabelContent] == "" && s.Instance == VersionName(env.HashKey, s.Key, content(s)) {
		labels[v1.LabelContent] = ContentLabel(env.HashKey, s.Key, content(s))
	}
	return labels
}
