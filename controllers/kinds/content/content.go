// Package content is the kinds Config and Secret: content that the engine never changes, so each content is an object
// of its own, a version. They are one kind over two doors of the engine (config.go, secret.go).
package content

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Config returns the kind Config.
func Config() kinds.Kind { return configs.kind() }

// Secret returns the kind Secret.
func Secret() kinds.Kind { return secrets.kind() }

// door is what differs between configs and secrets: how the engine reads and writes them, and what it shows of them.
type door struct {
	// name is the name of the kind.
	name string
	// normal returns a live object as a manifest in normal form, without content. If l is nil, the manifest is empty.
	normal func(h v1.Header, l *kinds.Live) v1.Object
	// list and read return objects as the engine shows them.
	list func(context.Context, *engine.Client) ([]*kinds.Live, error)
	read func(ctx context.Context, c *engine.Client, id string) (*kinds.Live, error)
	// shown returns the content of a live object. readable is false if the engine does not give it back.
	shown func(*kinds.Live) (data []byte, readable bool)
	// rules are those of the leaves that the kind has besides the common ones.
	rules diff.Rules
	// hidden is true if shown never shows anything.
	hidden bool
	Calls
}

// Calls are the engine's calls that write a version.
type Calls struct {
	// Create makes a version of what a manifest states.
	Create func(ctx context.Context, c *engine.Client, of swarm.Annotations, want v1.ContentHolder) (id string, err error)
	// Relabel changes the labels of a live object and nothing else.
	Relabel func(ctx context.Context, c *engine.Client, l *kinds.Live, labels map[string]string) error
	Remove  func(ctx context.Context, c *engine.Client, id string) error
}

// common are the rules of leaves that configs and secrets have. Only labels can change in place. spec.data is a leaf only
// if the source did not make the live object of the manifest's name, and that object has other content, or content that
// cannot be compared.
var common = diff.Rules{
	"metadata.labels.*": {Effect: diff.InPlace, Nobody: diff.NobodysLabel},
	"spec.data":         {Effect: diff.InPlace},
	"spec.file":         {Effect: diff.Forbidden},
	"spec.raw":          {Effect: diff.Forbidden},
	"spec.external":     {Effect: diff.Forbidden},
	// Like the content, it belongs to a version: see kinds.Versioned.
	"spec.templateDriver": {Effect: diff.InPlace},
}

func (d door) kind() kinds.Kind {
	word, rules := strings.ToLower(d.name), maps.Clone(common)
	maps.Copy(rules, d.rules)
	header := func(m v1.Metadata) v1.Header { return v1.Header{APIVersion: v1.APIVersion, Kind: d.name, Metadata: m} }
	return kinds.Kind{
		Model: kinds.Model{
			Name:  d.name,
			New:   func() v1.Object { return d.normal(v1.Header{}, nil) },
			Shape: diff.NewShape(d.normal(v1.Header{}, nil)),
			Rules: rules,
			Uses:  func(*kinds.Live) []kinds.Ref { return nil },
			Normalise: func(l *kinds.Live, _ *kinds.Index) v1.Object {
				return d.normal(header(v1.Metadata{Name: l.Name, Labels: l.Labels}), l)
			},
		},
		Versioned: kinds.Versioned{Versions: d.shown, Settings: d.settings, Hidden: d.hidden},
		Store: kinds.Store{
			Events: word,
			List: func(ctx context.Context, c *engine.Client) ([]*kinds.Live, error) {
				all, err := d.list(ctx, c)
				if err != nil {
					return nil, fmt.Errorf("listing %ss: %w", word, err)
				}
				return all, nil
			},
			Read: func(ctx context.Context, c *engine.Client, id string) (*kinds.Live, error) {
				l, err := d.read(ctx, c, id)
				if err != nil {
					return nil, fmt.Errorf("reading %s %s: %w", word, id, err)
				}
				return l, nil
			},
			Do:      d.Do,
			Release: d.Release,
		},
		Exporting: kinds.Exporting{Export: d.export},
	}
}

// Do carries out one step.
func (c Calls) Do(ctx context.Context, env kinds.Env, s plan.Step) (kinds.Result, error) {
	switch s.Op {
	case diff.Create:
		id, err := c.Create(ctx, env.Engine, swarm.Annotations{Name: s.Instance, Labels: labels(env, s)}, wanted(s))
		if err != nil {
			return kinds.Result{}, fmt.Errorf("creating %s: %w", s.Key, err)
		}
		return kinds.Result{ID: id}, nil
	case diff.Update:
		l := s.Change.Have.Value.(*kinds.Live)
		if err := c.Relabel(ctx, env.Engine, l, labels(env, s)); err != nil {
			return kinds.Result{}, fmt.Errorf("updating the labels of %s: %w", s.Key, err)
		}
		return kinds.Result{ID: l.ID}, nil
	case diff.Remove:
		if err := c.Remove(ctx, env.Engine, s.Change.Have.Meta.ID); err != nil {
			return kinds.Result{}, fmt.Errorf("removing %s of %s: %w", s.Instance, s.Key, err)
		}
		return kinds.Result{}, nil
	}
	return kinds.Result{}, fmt.Errorf("carrying out %q on %s: no such operation", s.Op, s.Key)
}

// Release takes our labels off a version, except what tells the content of a secret. That label does not say whose the
// secret is, and it stays true, because content never changes in place. Without it, nobody could compare the content once
// the source has the secret again. done is false if there is nothing to take off.
func (c Calls) Release(ctx context.Context, e *engine.Client, l *kinds.Live) (done bool, why string, err error) {
	left, _ := kinds.WithoutOwn(l.Labels)
	if label, has := l.Labels[v1.LabelContent]; has && l.Kind == v1.KindSecret {
		left[v1.LabelContent] = label
	}
	if len(left) == len(l.Labels) {
		return false, "", nil
	}
	if err := c.Relabel(ctx, e, l, left); err != nil {
		return false, "", fmt.Errorf("taking our labels off %s %s: %w", l.Kind, l.Name, err)
	}
	return true, "", nil
}

// wanted returns the content of a step's want.
func wanted(s plan.Step) v1.ContentHolder { return s.Change.Want.Value.(v1.ContentHolder) }

// nameOf returns the name of a driver, or "" if there is none.
func nameOf(d *swarm.Driver) string {
	if d == nil {
		return ""
	}
	return d.Name
}

// named returns a driver with options, or nil if it has no name.
func named(name string, options map[string]string) *swarm.Driver {
	if name == "" {
		return nil
	}
	return &swarm.Driver{Name: name, Options: options}
}

// settings says how the swarm uses the content of a live object, as its manifest would.
func (d door) settings(l *kinds.Live) string {
	return d.normal(v1.Header{}, l).(v1.ContentHolder).Settings()
}

// labels returns the labels of a version with the operator's own. If there is a live version, they are laid over its
// labels.
func labels(env kinds.Env, s plan.Step) map[string]string {
	want := s.Change.Want
	stated := want.Value.(v1.Object).Meta().Metadata.Labels
	owner, applied := env.Owner(s.Key), diff.NewApplied(want.Leaves).String()
	var out map[string]string
	if have := s.Change.Have; have != nil {
		out = kinds.OverlayLabels("metadata.labels", have.Value.(*kinds.Live).Labels, stated, s.Fields, owner, applied)
	} else {
		out = kinds.Labels(stated, owner, applied)
		env.Mark(out)
	}
	if s.Key.Kind != v1.KindSecret { // the engine shows the content
		return out
	}
	// If an object of the source has no such label, only its name tells which content it has.
	if have := s.Change.Have; have == nil || !have.Meta.Mine || out[v1.LabelContent] == "" && s.Instance == kinds.VersionName(true, env.Contents, s.Key, wanted(s)) {
		out[v1.LabelContent] = kinds.ContentLabel(true, env.Contents, s.Key, wanted(s).Content().Reveal())
	}
	return out
}
